//! Transactions that end badly: nothing is lost, and nothing is trimmed that is not in the
//! database.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::databases::{Database, Kind};
use crate::harness::proxy::{Proxy, Verdict};
use crate::harness::shop::{self, applied, assert_agreement, length, open, settle, Seller};
use crate::harness::{program, wait_until, Shop};

const TRIM: &str = "[run]\nreport_seconds = 1\ntrim = true\nbatch = 50\n";

/// Sells, and says how many events that made.
fn sell(shop: &Shop, seller: &mut Seller, calls: usize) -> i64 {
    let added = || -> i64 {
        let answer: Vec<redis::Value> =
            redis::cmd("XINFO").arg("STREAM").arg("events").query(&mut shop.redis.connect()).expect("XINFO");
        let fields = stock_ledger::redis_client::Fields::of(&redis::Value::Array(answer)).expect("fields");
        fields.number("entries-added").expect("a number")
    };
    seller.sell(calls, &mut || shop.redis.connect());
    settle(&mut shop.redis.connect());
    added()
}

/// A disk that is full for a moment. The limit on the size of a file stands for it: writes beyond
/// it fail.
#[test]
fn a_full_disk_loses_nothing_and_trims_nothing() {
    let shop = Shop::with(Database::fresh(Kind::Sqlite), TRIM);
    open(&shop, 50, 2_000);
    let mut seller = Seller::new("s", 50, 1);
    let log = std::fs::File::create(shop.dir.path().join("run.log")).expect("a log");
    // In blocks of 512 bytes: 300 KB are enough for a while.
    let script = "trap '' XFSZ; ulimit -S -f 600; exec \"$@\"";
    let run = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(program())
        .arg("--config")
        .arg(shop.config_path())
        .arg("run")
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("run");
    let events = sell(&shop, &mut seller, 4_000);
    wait_until("the disk is full", || shop.run_log().contains("trying again"));
    // Enough for more tries, and to trim.
    std::thread::sleep(Duration::from_secs(4));
    let reached = applied(&shop);
    assert!(reached < events, "the limit was never reached");
    assert!(length(&shop) >= events - reached, "what is not in the database was trimmed");
    let limit = "--fsize=unlimited:unlimited";
    let raised = Command::new("prlimit").args(["--pid", &run.id().to_string(), limit]).status().expect("prlimit");
    assert!(raised.success());
    let events = sell(&shop, &mut seller, 1_000);
    let deadline = Instant::now() + Duration::from_secs(60);
    while applied(&shop) < events && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    shop.end(run);
    assert_eq!(applied(&shop), events, "the log:\n{}", shop.run_log());
    assert_agreement(&shop, &mut shop.redis.connect());
}

/// Connections that end at COMMIT, before it reaches the server or before its answer does.
pub fn a_connection_that_ends_at_commit(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), TRIM);
    open(&shop, 50, 2_000);
    let port = shop.database.port();
    let cuts = Arc::new(AtomicUsize::new(0));
    let (mut commits, units_taken) = (0, cuts.clone());
    let proxy = Proxy::start(port, move |bytes| {
        if !bytes.windows(6).any(|word| word == b"COMMIT") {
            return Verdict::Replay;
        }
        commits += 1;
        let verdict = match commits % 7 {
            3 => Verdict::CutBefore,
            5 => Verdict::CutAfter,
            _ => return Verdict::Replay,
        };
        units_taken.fetch_add(1, Ordering::Relaxed);
        verdict
    });
    let url = shop.database.url().replace(&port.to_string(), &proxy.port.to_string());
    let run = shop.follow(&["--database", &url]);
    let mut seller = Seller::new("s", 50, 2);
    sell(&shop, &mut seller, 3_000);
    let events = sell(&shop, &mut seller, 1_000);
    wait_until("all is applied", || applied(&shop) == events);
    shop.end(run);
    assert!(cuts.load(Ordering::Relaxed) > 5, "hardly a COMMIT was cut:\n{}", shop.run_log());
    assert_eq!(shop.database.rows("SELECT kind FROM stock_incidents"), Vec::<Vec<String>>::new());
    assert_agreement(&shop, &mut shop.redis.connect());
}

/// A constraint that is looked at only by COMMIT: the batch is not in the database, and the
/// connection is not used again.
pub fn a_constraint_that_fails_at_commit(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), &format!("{TRIM}patience_seconds = 2\n[stock]\ntable = \"goods\"\n"));
    shop.database.touch();
    shop.database.execute("CREATE TABLE levels (level INTEGER PRIMARY KEY)");
    shop.database.execute("INSERT INTO levels VALUES (10), (9), (8)");
    shop.database.execute(
        "CREATE TABLE goods (sku VARCHAR(40) NOT NULL PRIMARY KEY, version INTEGER NOT NULL DEFAULT 0, \
         on_hand INTEGER NOT NULL REFERENCES levels (level) DEFERRABLE INITIALLY DEFERRED)",
    );
    shop.database.execute("INSERT INTO goods (sku, on_hand) VALUES ('0', 10), ('1', 10)");
    shop.ledger(&["init"]).ok();
    shop.ledger(&["preload"]).ok();
    let mut c = shop.redis.connect();
    shop.ledger(&["run", "--once"]).ok();
    let before = applied(&shop);
    shop::sell(&mut c, "sku:0", "o1", "5");
    let ended = shop.ledger(&["run", "--once"]);
    assert_ne!(ended.code, 0);
    assert_eq!(applied(&shop), before);
    assert!(length(&shop) >= 2, "what is not in the database was trimmed");
    assert_eq!(shop.database.number("SELECT on_hand FROM goods WHERE sku = '0'"), 10);
    shop.database.execute("INSERT INTO levels VALUES (5)");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(applied(&shop), before + 2);
    assert_eq!(shop.database.number("SELECT on_hand FROM goods WHERE sku = '0'"), 5);
}
