//! Pools with a past: joined late, deleted and made anew, restored from an older state.

use std::collections::BTreeMap;
use std::process::Stdio;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{answer, assert_agreement, open, sell};
use crate::harness::{wait_until, Shop};

const POLICY: &str = "{\"events\":\"events\"}";

fn sell_each(c: &mut redis::Connection, orders: &[&str], qty: &str) {
    for order in orders {
        sell(c, "sku:1", order, qty);
    }
}

fn stock_row(shop: &Shop) -> i64 {
    shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'")
}

fn kinds(shop: &Shop) -> Vec<String> {
    let rows = shop.database.rows("SELECT kind, units FROM stock_incidents WHERE kind <> 'audit' ORDER BY id");
    rows.into_iter().map(|row| row[0].clone()).collect()
}

/// The stock row is as it should be, and reconcile leaves the pool as it should be.
#[track_caller]
fn assert_right(shop: &Shop, c: &mut redis::Connection, units: i64) {
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(stock_row(shop), units);
    assert!(shop.ledger(&["audit", "--repair"]).code <= 1);
    shop.ledger(&["reconcile"]).ok();
    assert_eq!((stock_row(shop), field(c, "sku:1", "on_hand")), (units, units));
}

/// The shop sold with Redis before it took up the ledger, and Redis has started again since.
pub fn a_pool_is_joined_behind_its_past(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = shop.redis.connect();
    run(&mut c, &["STOCK.SET", "sku:1", "100"]);
    run(&mut c, &["STOCK.SETPOLICY", "sku:1", POLICY]);
    sell_each(&mut c, &["a1", "a2", "a3"], "2");
    run(&mut c, &["DEBUG", "RELOAD"]);
    sell_each(&mut c, &["b1", "b2"], "2");
    run(&mut c, &["DEBUG", "RELOAD"]);
    sell(&mut c, "sku:1", "c1", "2");
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('1', 88)");
    shop.ledger(&["preload"]).ok();
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((stock_row(&shop), kinds(&shop)), (88, vec![]));
    sell_each(&mut c, &["d1", "d2"], "5");
    assert_right(&shop, &mut c, 78);
    run(&mut c, &["DEBUG", "RELOAD"]);
    sell(&mut c, "sku:1", "e1", "8");
    assert_right(&shop, &mut c, 70);
    assert_eq!(kinds(&shop), Vec::<String>::new());
    assert_agreement(&shop, &mut c);
}

/// A deleted pool's entries stay in the stream; another database begins to follow the key.
pub fn a_key_is_used_again(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = shop.redis.connect();
    run(&mut c, &["STOCK.SET", "sku:1", "100"]);
    run(&mut c, &["STOCK.SETPOLICY", "sku:1", POLICY]);
    sell_each(&mut c, &["a1", "a2", "a3"], "2");
    run(&mut c, &["DEL", "sku:1"]);
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('1', 94)");
    shop.ledger(&["preload"]).ok();
    sell(&mut c, "sku:1", "b1", "4");
    assert_right(&shop, &mut c, 90);
    assert_eq!(kinds(&shop), Vec::<String>::new());
    assert_agreement(&shop, &mut c);
}

/// By hand: the number of changes before its stream was named is any, also just the one after the
/// old pool's last.
pub fn a_pool_is_made_anew(kind: Kind) {
    for limits in [0, 1, 2, 6] {
        let shop = Shop::new(Database::fresh(kind));
        let mut c = open(&shop, 2, 100);
        sell(&mut c, "sku:1", "o1", "5");
        shop.ledger(&["run", "--once"]).ok();
        run(&mut c, &["DEL", "sku:1"]);
        run(&mut c, &["STOCK.SET", "sku:1", "95"]);
        for limit in 1..=limits {
            run(&mut c, &["STOCK.LIMIT", "sku:1", "user", &limit.to_string(), "MISSING", "ALLOW"]);
        }
        run(&mut c, &["STOCK.SETPOLICY", "sku:1", POLICY]);
        sell(&mut c, "sku:1", "o2", "5");
        assert_right(&shop, &mut c, 90);
        assert_eq!(kinds(&shop), ["recreated"]);
        // A restart later, which loses nothing, says nothing about the orders of the old one.
        run(&mut c, &["DEBUG", "RELOAD"]);
        sell(&mut c, "sku:1", "o3", "1");
        assert_right(&shop, &mut c, 89);
        assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE lost = 1"), 0);
    }
}

/// The stream stays, the pool goes back by two epochs: what was paid meanwhile stays off the stock
/// row, and both sides agree again when the orders have been audited.
pub fn a_pool_is_restored(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 100);
    sell(&mut c, "sku:1", "a1", "1");
    let dump: Vec<u8> = redis::cmd("DUMP").arg("sku:1").query(&mut c).expect("a dump");
    sell_each(&mut c, &["a2", "a3"], "1");
    run(&mut c, &["DEBUG", "RELOAD"]);
    sell(&mut c, "sku:1", "b1", "1");
    shop.ledger(&["run", "--once"]).ok();
    let restore = |c: &mut redis::Connection| {
        let _: redis::Value =
            redis::cmd("RESTORE").arg("sku:1").arg(0).arg(&dump).arg("REPLACE").query(c).expect("restored");
    };
    restore(&mut c);
    // Before anything new is shown, the audit sees it as well.
    let out = shop.ledger(&["audit"]).with(1).out;
    assert_eq!(out.matches("paid here and unknown there").count(), 3, "{out}");
    sell(&mut c, "sku:1", "c1", "1");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((stock_row(&shop), kinds(&shop)), (95, vec!["fork".to_string()]));
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE lost = 1"), 3);
    assert_right(&shop, &mut c, 95);
    assert_agreement(&shop, &mut c);
}

/// Entries as a server tells them that lost the calls in between, and whose callers made some of
/// them again.
pub fn a_restock_is_known_by_its_token(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('1', 10)");
    let mut c = shop.redis.connect();
    let mut tell = |epoch: &str, seq: &str, event: &[&str], out: &str| {
        let fields = ["pool", "sku:1", "db", "0", "epoch", epoch, "seq", seq, "at", "1", "on_hand", "1", "out", out];
        let words: Vec<&str> = ["XADD", "events", "*"].iter().chain(event).chain(&fields).copied().collect();
        run(&mut c, &words);
        shop.ledger(&["run", "--once"]).ok();
        stock_row(&shop)
    };
    let (a, b, c) = ("00000000000000aa", "00000000000000bb", "00000000000000cc");
    let with_token = ["type", "added", "qty", "50", "token", "delivery \u{e9}\\7"];
    let without = ["type", "added", "qty", "7"];
    assert_eq!(tell(a, "1", &["type", "set", "qty", "10"], "0"), 10);
    assert_eq!(tell(a, "2", &with_token, "-50"), 60);
    assert_eq!(tell(a, "3", &without, "-57"), 67);
    assert_eq!(tell(b, "2", &with_token, "-50"), 67);
    let lost = shop.database.rows("SELECT kind, units, detail FROM stock_incidents WHERE kind = 'lost'");
    assert_eq!((lost.len(), lost[0][1].as_str()), (1, "7"));
    assert!(lost[0][2].contains("without a token"), "{lost:?}");
    // Nobody can know this one again; the same token once more is a new delivery.
    assert_eq!(tell(b, "3", &without, "-57"), 74);
    assert_eq!(tell(b, "4", &with_token, "-107"), 124);
    assert_eq!(tell(c, "4", &["type", "policy", "qty", "0"], "-57"), 124);
    assert_eq!(tell(c, "5", &with_token, "-107"), 124);
}

/// In one batch: a pool made anew, and a restock in it, whose token is remembered.
pub fn a_restock_of_a_pool_made_anew(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 100);
    sell(&mut c, "sku:1", "o1", "5");
    shop.ledger(&["run", "--once"]).ok();
    run(&mut c, &["DEL", "sku:1"]);
    run(&mut c, &["STOCK.SET", "sku:1", "95"]);
    run(&mut c, &["STOCK.SETPOLICY", "sku:1", POLICY]);
    let other = shop.redis.fork();
    let restock = ["STOCK.ADD", "sku:1", "50", "TOKEN", "t"];
    assert_eq!(answer(&mut c, &restock), "OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(stock_row(&shop), 145);
    shop.fail_over(other);
    let mut c = shop.redis.connect();
    assert_eq!(answer(&mut c, &restock), "OK");
    assert_right(&shop, &mut c, 145);
}

/// The last entries of a pool are lost, and nothing of it follows: no later entry shows the gap.
pub fn the_last_entries_of_a_pool_are_missing(kind: Kind) {
    type Loss = fn(&mut redis::Connection, &str);
    let trimmed: Loss = |c, _| {
        run(c, &["XTRIM", "events", "MAXLEN", "0"]);
    };
    let deleted: Loss = |c, _| {
        run(c, &["DEL", "events"]);
    };
    let in_the_way: Loss = |c, pool| {
        run(c, &["DEL", "events"]);
        run(c, &["SET", "events", "x"]);
        answer(c, &["STOCK.RESERVE", pool, "o9", "1"]);
        answer(c, &["STOCK.RELEASE", pool, "o9"]);
        run(c, &["DEL", "events"]);
    };
    let pushed_out: Loss = |c, pool| {
        for n in 0..30 {
            answer(c, &["STOCK.RESERVE", "sku:other", &format!("{pool} {n}"), "1"]);
        }
        run(c, &["XTRIM", "events", "MAXLEN", "20"]);
    };
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 1, 50);
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('other', 90)");
    let mut c = shop.redis.connect();
    for (round, lose) in [trimmed, deleted, in_the_way, pushed_out].into_iter().enumerate() {
        // Followed before, or only preloaded.
        for followed in [true, false] {
            let sku = format!("{round}-{followed}");
            let (sku, pool) = (sku.as_str(), &*format!("sku:{sku}"));
            shop.database.execute(&format!("INSERT INTO stock (sku, on_hand) VALUES ('{sku}', 50)"));
            shop.ledger(&["preload"]).ok();
            if followed {
                answer(&mut c, &["STOCK.RESERVE", pool, "o0", "1"]);
                shop.ledger(&["run", "--once"]).ok();
            }
            sell(&mut c, pool, "o1", "10");
            lose(&mut c, pool);
            if round == 3 || !followed {
                // Not read to the end yet: the feed lags, and that is no reason to refuse.
                shop.ledger(&["reconcile", "--dry-run"]);
            } else {
                let refused = shop.ledger(&["reconcile"]).with(3).err;
                let lacking = format!("the stream lacks the last entries of 1 pools ({pool})");
                assert!(refused.contains(&lacking), "{refused}");
            }
            shop.ledger(&["run", "--once"]).ok();
            let on_hand = format!("SELECT on_hand FROM stock WHERE sku = '{sku}'");
            assert_eq!(shop.database.number(&on_hand), 40, "round {round}");
            let gaps = format!("SELECT pool, units FROM stock_incidents WHERE kind = 'gap' AND pool = '{pool}'");
            assert_eq!(shop.database.rows(&gaps), [[pool, "10"]], "round {round}");
            shop.ledger(&["status"]).with(1).out_has("pools wait for an audit");
            shop.ledger(&["reconcile"]).with(3).err_has("wait for an audit");
            shop.ledger(&["audit", "--repair"]).ok();
            assert_eq!(
                shop.database
                    .rows(&format!("SELECT state, qty FROM stock_lines WHERE order_id = 'o1' AND pool = '{pool}'")),
                [["confirmed", "10"]]
            );
            shop.ledger(&["reconcile"]).ok();
            shop.ledger(&["audit"]).ok();
            // Once more changes nothing.
            shop.ledger(&["run", "--once"]).ok();
            assert_eq!(shop.database.rows(&gaps).len(), 1);
            assert_agreement(&shop, &mut c);
        }
    }
}

/// `preload` dies again and again, while what it has made is sold already, before and after it has
/// a stream: no unit is lost, none counts twice.
pub fn preload_is_killed_and_run_again(kind: Kind) {
    const ROWS: usize = 20_000;
    let shop = Shop::new(Database::fresh(kind));
    shop.ledger(&["init"]).ok();
    let rows: Vec<String> = (0..ROWS).map(|sku| format!("('{sku:05}',10)")).collect();
    for some in rows.chunks(2000) {
        shop.database.execute(&format!("INSERT INTO stock (sku, on_hand) VALUES {}", some.join(",")));
    }
    let mut c = shop.redis.connect();
    let pools = |c: &mut redis::Connection| -> usize {
        let size: i64 = redis::cmd("DBSIZE").query(c).expect("DBSIZE");
        size as usize
    };
    let mut kills = 0;
    let mut order = 0;
    for limit in [1, 3_000, 8_000, 12_000, 17_000] {
        let mut child =
            shop.command(&["preload"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("preload");
        wait_until("some pools are made, or all", || {
            pools(&mut c) >= limit || child.try_wait().expect("its state").is_some()
        });
        kills += usize::from(child.try_wait().expect("its state").is_none());
        let _ = child.kill();
        let _ = child.wait();
        for sku in (0..ROWS).step_by(97) {
            order += 1;
            let (pool, id) = (format!("sku:{sku:05}"), format!("o{order}"));
            if answer(&mut c, &["STOCK.RESERVE", &pool, &id, "1"]) == "OK" {
                answer(&mut c, &["STOCK.CONFIRM", &pool, &id]);
            }
        }
        if limit == 8_000 {
            shop.ledger(&["run", "--once"]).ok();
        }
    }
    assert!(kills >= 2, "{kills} kills");
    shop.ledger(&["preload"]).ok().out_has(&format!("{ROWS} rows: "));
    shop.ledger(&["run", "--once"]).ok();
    let sold: i64 = (0..ROWS).step_by(97).map(|sku| field(&mut c, &format!("sku:{sku:05}"), "out")).sum();
    assert!(sold > 0);
    let left = shop.database.number(&format!("SELECT {} FROM stock", sum(kind, "on_hand")));
    assert_eq!(left, 10 * ROWS as i64 - sold);
    let rows = shop.database.rows("SELECT sku, on_hand FROM stock");
    let here: BTreeMap<String, i64> =
        rows.into_iter().map(|row| (row[0].clone(), row[1].parse().expect("a number"))).collect();
    for sku in (0..ROWS).step_by(97).map(|sku| format!("{sku:05}")) {
        assert_eq!(field(&mut c, &format!("sku:{sku}"), "on_hand"), here[&sku], "{sku}");
    }
    let audit = shop.ledger(&["audit", "--repair"]).ok().out;
    let agreed = shop.ledger(&["reconcile", "--dry-run"]).ok().out;
    assert!(agreed.contains(&format!("{ROWS} pools agreed")), "{agreed}\n{audit}");
}

/// A sum as a whole number: MariaDB makes a decimal of it, PostgreSQL a numeric.
fn sum(kind: Kind, column: &str) -> String {
    format!("CAST(SUM({column}) AS {})", if kind == Kind::MariaDb { "SIGNED" } else { "BIGINT" })
}
