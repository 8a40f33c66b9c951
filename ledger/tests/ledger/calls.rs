//! How the program is called, and what it answers to whom.

use std::process::Stdio;

use testkit::Sentinel;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::run;
use crate::harness::shop::{answer, open, sell};
use crate::harness::Shop;

/// A wrong configuration is a wrong call, at once, and nothing of it is shown that must not be.
#[test]
fn a_wrong_configuration_ends_with_2_and_tells_no_secret() {
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    open(&shop, 1, 10);
    let good = format!("[database]\nurl = \"{}\"\n", shop.database.url());
    let more = |text: &str| format!("{good}{text}");
    for (text, shown) in [
        ("nonsense = 1\n".to_string(), "nonsense"),
        ("[database]\nurl = \"postgres://shop:S3CRET@127.0.0.1/shop\n".to_string(), "line 2"),
        ("database = \"postgres://shop:S3CRET@127.0.0.1/shop\"\n".to_string(), "line 1"),
        (more("[redis]\nurl = \"http://shop:S3CRET@x\"\n"), "redis.url"),
        (more("[redis]\nurl = \"rediss://shop:S3CRET@x/#insecure\"\n"), "SSL_CERT_FILE"),
        (more("[redis]\nsentinel = \"shop\"\nlogin = \"S3CRET\"\n"), "redis.login"),
        (more("connections = 0\n"), "database.connections"),
        ("[database]\nurl = \"oracle://u:S3CRET@h/x\"\n".to_string(), "oracle"),
        ("[database]\nurl = \"postgres://u:S3CRET@h:port/x\"\n".to_string(), "database.url"),
    ] {
        std::fs::write(shop.config_path(), &text).expect("a configuration");
        for words in [&["status"][..], &["run"]] {
            let ended = shop.ledger(words).with(2);
            assert!(ended.err.contains(shown), "{text}: {}", ended.err);
            assert!(!ended.err.contains("S3CRET") && !ended.out.contains("S3CRET"), "{text}: {}", ended.err);
        }
    }
}

/// `stock-ledger status | head -1`
#[test]
fn whoever_stops_reading_the_answer_is_no_failure() {
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    open(&shop, 1, 10);
    let mut child = shop.command(&["status"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("status");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("an end");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// The sentinel has no logical databases; the primary has.
#[test]
fn sentinel_leads_to_a_logical_database_and_a_password() {
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    let sentinel = Sentinel::of(shop.redis.port, "");
    let mut c = shop.redis.connect();
    run(&mut c, &["CONFIG", "SET", "requirepass", "open"]);
    let text = format!(
        "{}[redis]\nurl = \"redis://127.0.0.1:{}/1\"\nsentinel = \"shop\"\nlogin = \":open\"\n[database]\nurl = \"{}\"\n",
        shop.config,
        sentinel.port,
        shop.database.url()
    );
    std::fs::write(shop.config_path(), text).expect("a configuration");
    open(&shop, 3, 10);
    run(&mut c, &["SELECT", "1"]);
    sell(&mut c, "sku:1", "o1", "2");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 8);
}

/// The user of docs/guides/database.md may do all that the program does.
#[test]
fn the_user_of_the_manual_may_do_what_is_needed() {
    let manual = include_str!("../../../docs/guides/database.md");
    let line = manual.lines().find(|line| line.starts_with("ACL SETUSER ledger")).expect("the user");
    let mut shop = Shop::new(Database::fresh(Kind::Sqlite));
    shop.configure("[pools]\nkey = \"sku:%\"\nevents = \"stock:events\"\n", "[run]\ntrim = true\n");
    let mut c = shop.redis.connect();
    let words: Vec<&str> = line.split_whitespace().collect();
    run(&mut c, &words);
    run(&mut c, &["CONFIG", "RESETSTAT"]);
    shop.write_config(&format!("redis://ledger:CHANGE-ME@127.0.0.1:{}/0", shop.redis.port));
    open(&shop, 3, 10);
    run(&mut c, &["XGROUP", "CREATE", "stock:events", "parcels", "0"]);
    run(&mut c, &["XREADGROUP", "GROUP", "parcels", "me", "COUNT", "1", "STREAMS", "stock:events", ">"]);
    for order in ["o1", "o2", "o3", "o4"] {
        sell(&mut c, "sku:1", order, "1");
    }
    shop.ledger(&["run", "--once"]).ok();
    // Each of the audit's own calls: a payment, one that is late, one that came back, and one that
    // was given up.
    let lines = "UPDATE stock_lines SET lost = 1";
    shop.database.execute(lines);
    run(&mut c, &["DEBUG", "RELOAD"]);
    shop.database
        .execute("UPDATE stock_lines SET state = 'returned', returned = 1, units_taken = 0 WHERE order_id = 'o1'");
    answer(&mut c, &["STOCK.RESERVE", "sku:2", "h1", "1"]);
    answer(&mut c, &["STOCK.RESERVE", "sku:2", "h2", "1"]);
    shop.ledger(&["run", "--once"]).ok();
    shop.database.execute("UPDATE stock_lines SET state = 'released', lost = 1 WHERE order_id = 'h1'");
    shop.database
        .execute("UPDATE stock_lines SET state = 'confirmed', units_taken = 1, lost = 1 WHERE order_id = 'h2'");
    for words in [&["audit", "--repair"][..], &["reconcile", "--dry-run"], &["status"]] {
        let ended = shop.ledger(words);
        assert!(!ended.err.contains("NOPERM") && !ended.out.contains("NOPERM"), "{} {}", ended.out, ended.err);
        assert!([0, 1].contains(&ended.code), "{words:?} {} {}", ended.out, ended.err);
    }
    shop.ledger(&["adjust", "1", "5", "--reason", "delivery"]).ok();
    let child = shop.follow(&[]);
    shop.end(child);
    assert!(!shop.run_log().contains("NOPERM"), "{}", shop.run_log());
    // None of its calls was refused, and all of them were made.
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut c).expect("INFO");
    for command in ["STOCK.CONFIRM", "STOCK.RELEASE", "STOCK.RETURN", "STOCK.RECONCILE", "STOCK.ORDERS"] {
        assert!(stats.to_uppercase().contains(&format!("CMDSTAT_{command}:")), "{command} was not called: {stats}");
    }
    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut c).expect("ACL LOG");
    // The client library names itself, and does without an answer.
    let refused: Vec<String> =
        log.iter().map(|entry| format!("{entry:?}")).filter(|e| !e.contains("setinfo")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
