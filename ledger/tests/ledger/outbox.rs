//! The outbox: the program that keeps the orders hears of what became of them, once.

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::run;
use crate::harness::shop::{answer, assert_agreement, open, sell};
use crate::harness::{wait_until, Shop, POOLS};

const NOTIFY: &str = "[run]\nnotify = true\n";

fn notices(shop: &Shop) -> Vec<Vec<String>> {
    shop.database.rows("SELECT order_id, kind, qty FROM stock_outbox ORDER BY id")
}

/// Paid, expired, released and returned, each with its units, in order; nothing twice when the
/// stream is read again, and nothing where it was not asked for.
pub fn what_became_of_orders(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 50);
    sell(&mut c, "sku:0", "before", "1");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(notices(&shop), Vec::<Vec<String>>::new());
    shop.configure(POOLS, NOTIFY);
    sell(&mut c, "sku:0", "paid", "3");
    answer(&mut c, &["STOCK.RETURN", "sku:0", "paid", "QTY", "1", "TOKEN", "t"]);
    answer(&mut c, &["STOCK.RESERVE", "sku:1", "gone", "2", "PX", "1"]);
    answer(&mut c, &["STOCK.RESERVE", "sku:1", "left", "4"]);
    answer(&mut c, &["STOCK.RELEASE", "sku:1", "left"]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    run(&mut c, &["STOCK.SWEEP", "sku:1", "COUNT", "100"]);
    shop.ledger(&["run", "--once"]).ok();
    let mut found = notices(&shop);
    found.sort();
    let expected =
        [["gone", "expired", "2"], ["left", "released", "4"], ["paid", "confirmed", "3"], ["paid", "returned", "1"]];
    assert_eq!(found, expected);
    let of_paid: Vec<Vec<String>> = notices(&shop).into_iter().filter(|row| row[0] == "paid").collect();
    assert_eq!(of_paid[0][1], "confirmed", "in the order in which it happened");
    // Redis starts again, and the stream is read from its start.
    run(&mut c, &["DEBUG", "RELOAD"]);
    shop.ledger(&["run", "--once", "--notify"]).ok();
    assert_eq!(notices(&shop).len(), 4);
    shop.ledger(&["status"]).ok().out_has("4 notices wait in stock_outbox");
    let json: serde_json::Value = serde_json::from_str(&shop.ledger(&["status", "--json"]).ok().out).expect("JSON");
    assert_eq!((&json["outbox_waiting"], &json["streams"][0]["behind"]), (&4.into(), &0.into()), "{json}");
    assert_agreement(&shop, &mut c);
}

/// What the stream lost, the audit finds, and tells.
pub fn what_only_an_audit_finds(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), NOTIFY);
    let mut c = open(&shop, 1, 50);
    shop.ledger(&["run", "--once"]).ok();
    sell(&mut c, "sku:0", "paid", "3");
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "open", "3"]);
    run(&mut c, &["XTRIM", "events", "MAXLEN", "0"]);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(notices(&shop), Vec::<Vec<String>>::new());
    assert!(shop.ledger(&["audit", "--repair"]).code <= 1);
    assert_eq!(notices(&shop), [["paid", "confirmed", "3"]]);
    shop.ledger(&["audit", "--repair"]).ok();
    assert_eq!(notices(&shop).len(), 1);
}

/// The guide's consumer, with the statement that stands there: it is woken, takes each notice once,
/// and leaves none.
#[test]
fn the_guides_statement_takes_what_is_booked() {
    let guide = include_str!("../../../docs/guides/database.md");
    let (_, code) = guide.split_once("TAKE = \"\"\"").expect("a statement");
    let (take, _) = code.split_once("\"\"\"").expect("its end");
    let shop = Shop::with(Database::fresh(Kind::Postgres), NOTIFY);
    open(&shop, 2, 500);
    let follower = shop.follow(&[]);
    let mut c = shop.redis.connect();
    wait_until("CLIENT LIST knows who reads", || {
        let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut c).expect("clients");
        clients.lines().any(|line| line.contains("name=stock-ledger") && line.contains("cmd=xread"))
    });
    for n in 0..200 {
        let (pool, order) = (format!("sku:{}", n % 2), format!("o{n}"));
        sell(&mut c, &pool, &order, "1");
    }
    let mut taken: Vec<String> = Vec::new();
    wait_until("all are taken", || {
        let rows = shop.database.rows(take);
        taken.extend(rows.iter().map(|row| row[1].clone()));
        taken.len() >= 200
    });
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 200);
    shop.end(follower);
    assert_eq!(notices(&shop), Vec::<Vec<String>>::new());
}
