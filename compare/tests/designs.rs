//! The comparison of the designs in Redis, as small as it gets: each sells, and redis-stock has no
//! fault. The others' faults depend on chance; here it is enough that they are judged.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const DESIGNS: [&str; 8] = [
    "redis-stock",
    "redis-stock, with events",
    "GET, then DECR",
    "GET, then DECR, nightly SET",
    "Lua A",
    "Lua C2",
    "WATCH",
    "distributed lock",
];
const ORDERS: &str = "300";

/// The library of the module, which cargo has built beside this test.
fn module() -> PathBuf {
    let beside = || std::env::current_exe().expect("this test has a path").with_file_name("libredis_stock.so");
    std::env::var_os("STOCK_MODULE").map_or_else(beside, PathBuf::from)
}

fn start(design: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stock-compare"));
    command.args(["--redis", "--only", design, "--orders", ORDERS, "--workers", "8", "--hold-seconds", "1"]);
    command.env("STOCK_MODULE", module()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the comparison starts")
}

#[test]
fn every_design_in_redis_sells_and_is_judged() {
    // All at once: each of them mostly waits for abandoned orders.
    let running = DESIGNS.map(start);
    for (design, child) in DESIGNS.into_iter().zip(running) {
        let output = child.wait_with_output().expect("its end");
        let [said, table] = [&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "{design}: {said}");
        let row = table.lines().find(|line| line.starts_with(&format!("| {design}"))).expect(&table);
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let number = |cell: usize| cells[cell].parse::<f64>().unwrap_or_else(|_| panic!("{cell}: {row}"));
        assert_eq!(cells[2], ORDERS, "{row}");
        assert!(number(3) > 0.0 && number(5) >= number(4) && number(10) > 0.0 && number(11) > 0.0, "{row}");
        // Oversold, leaked, limits broken, no answer.
        if ["redis-stock", "redis-stock, with events", "Lua C2"].contains(&design) {
            assert_eq!(&cells[6..10], ["0"; 4], "{row}");
        }
    }
}
