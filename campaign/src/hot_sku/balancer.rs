//! Processes of `stockctl balance`.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use testkit::Running;

use super::sale::Sale;

/// A balancer; kill -9 when it is let go.
pub fn balancer(sale: &Sale) -> Running {
    Running(stockctl(sale, &["--every", "50"]).spawn().expect("stockctl starts"))
}

/// What was begun is ended, as an operator does it.
pub fn settle(sale: &Sale) {
    let mut shop = sale.shopper();
    for _ in 0..10 {
        let ended = stockctl(sale, &["--once"]).status().expect("stockctl runs");
        assert!(ended.success(), "balance --once");
        if stock_balance::settle(&sale.look(&mut shop)).is_empty() {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("what was begun does not end");
}

fn stockctl(sale: &Sale, more: &[&str]) -> Command {
    let urls: Vec<String> = sale.ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
    let mut command = Command::new(testkit::program("stockctl"));
    command.args(["--url", &urls.join(","), "--timeout", "2", "balance", &sale.name]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
