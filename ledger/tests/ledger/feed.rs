use std::sync::Arc;
use std::time::Duration;

use stock_ledger::config::Config;
use stock_ledger::db::{is_conflict, Db, StreamRow};

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{answer, applied, assert_agreement, length, open, sell, settle, Seller};
use crate::harness::{wait_until, Shop};

fn sold(shop: &Shop, seed: u64, calls: usize) {
    Seller::new("o", 20, seed).sell(calls, &mut || shop.redis.connect());
}

pub fn a_sale_from_preload_to_reconcile(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 20, 60);
    let out = shop.ledger(&["preload"]).ok().out;
    assert!(out.contains("20 rows: 0 pools made, 20 existed already"), "{out}");
    sold(&shop, 1, 3000);
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    assert_agreement(&shop, &mut c);
    let applied = shop.database.number("SELECT applied FROM stock_streams");
    assert_eq!(applied, length(&shop));
    // Again: nothing is new.
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT applied FROM stock_streams"), applied);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    shop.ledger(&["reconcile", "--dry-run"]).ok().out_has("20 pools agreed, 0 would be corrected");
    shop.ledger(&["audit"]).ok();
    // A pool that somebody has set, and a stock row that somebody has counted again.
    let before = field(&mut c, "sku:3", "on_hand");
    run(&mut c, &["STOCK.SET", "sku:3", &(before + 7).to_string()]);
    shop.database.execute("UPDATE stock SET on_hand = on_hand + 50, version = version + 1 WHERE sku = '4'");
    // Units that leave while the feed is late are no drift.
    sold_more(&mut c);
    shop.ledger(&["reconcile", "--dry-run"]).with(1).out_has("18 pools agreed, 2 would be corrected");
    shop.ledger(&["reconcile"]).ok().out_has("18 pools agreed, 2 were corrected");
    shop.ledger(&["reconcile"]).ok().out_has("20 pools agreed, 0 were corrected");
    let taken = i64::from(answer(&mut c, &["STOCK.CONFIRM", "sku:3", "late-3"]) == "EXISTS");
    assert_eq!(field(&mut c, "sku:3", "on_hand"), before - taken);
    shop.ledger(&["run", "--once"]).ok();
    assert_agreement(&shop, &mut c);
    shop.ledger(&["status", "--incidents", "5"]).ok().out_has("events").out_has("0.0 s");
}

fn sold_more(c: &mut redis::Connection) {
    for n in 0..20 {
        let (pool, order) = (format!("sku:{n}"), format!("late-{n}"));
        run(c, &["STOCK.RESERVE", &pool, &order, "1", "FOR", "user", "x"]);
        run(c, &["STOCK.CONFIRM", &pool, &order]);
    }
}

/// Both rows in one transaction, though a batch ends between the two entries; and a pool that has
/// no row.
pub fn a_transfer_is_booked_in_one_transaction(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 1\n");
    let mut c = open(&shop, 2, 20);
    let transfer = |c: &mut redis::Connection, from: &str, to: &str, token: &str| {
        assert_eq!(answer(c, &["STOCK.TRANSFER", from, to, "5", "TOKEN", token]), "OK");
    };
    // The rows and what has been applied, and by how many transactions the stream's row was
    // written.
    let follow = |shop: &Shop| {
        shop.ledger(&["run", "--once"]).ok();
        let shelf = |sku: &str| shop.database.number(&format!("SELECT on_hand FROM stock WHERE sku = '{sku}'"));
        let stream = |column: &str| shop.database.number(&format!("SELECT {column} FROM stock_streams"));
        ([shelf("0"), shelf("1")], stream("applied"), stream("version"))
    };
    let (rows, applied, version) = follow(&shop);
    assert_eq!(rows, [20, 20]);
    // The first transaction of a run takes one read: an entry, and the other half of what it says.
    for (n, (from, to, rows)) in [("0", "1", [15, 25]), ("1", "0", [20, 20]), ("0", "1", [15, 25])].iter().enumerate() {
        transfer(&mut c, &format!("sku:{from}"), &format!("sku:{to}"), &format!("m{}", n + 1));
        let done = n as i64 + 1;
        assert_eq!(follow(&shop), (*rows, applied + 2 * done, version + done));
    }
    assert_eq!(answer(&mut c, &["STOCK.TRANSFER", "sku:0", "sku:1", "5", "TOKEN", "m3"]), "EXISTS");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    // The row of the pool that is known moves; what the other one owes stands in its position.
    run(&mut c, &["STOCK.SET", "sku:new", "0"]);
    run(&mut c, &["STOCK.SETPOLICY", "sku:new", "{\"events\":\"events\"}"]);
    transfer(&mut c, "sku:1", "sku:new", "m4");
    assert_eq!(follow(&shop).0, [15, 20]);
    let owed = "SELECT uncovered FROM stock_positions WHERE pool = 'sku:new'";
    assert_eq!(shop.database.number(owed), -5);
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('new', 0)");
    transfer(&mut c, "sku:new", "sku:0", "m5");
    assert_eq!(follow(&shop).0, [20, 20]);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = 'new'"), 0);
    assert_eq!(shop.database.number(owed), 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents WHERE kind <> 'joined'"), 0);
    assert_agreement(&shop, &mut c);
}

pub fn every_event_once_though_run_is_killed(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 37\n");
    open(&shop, 20, 200);
    std::thread::scope(|scope| {
        let selling = scope.spawn(|| sold(&shop, 2, 6000));
        let mut kills = 0;
        while kills < 8 {
            let mut child = shop.follow(&[]);
            std::thread::sleep(Duration::from_millis(60 + 37 * kills));
            let _ = child.kill();
            let _ = child.wait();
            kills += 1;
        }
        selling.join().expect("the seller");
    });
    let mut c = shop.redis.connect();
    settle(&mut c);
    // The last one is asked to stop, and finishes.
    let mut child = shop.follow(&[]);
    let last: String = {
        let answer = run(&mut c, &["XINFO", "STREAM", "events"]);
        stock_ledger::redis_client::Fields::of(&answer).and_then(|f| f.text("last-generated-id")).expect("an id")
    };
    wait_until("the feed is at its end", || {
        assert!(child.try_wait().expect("its state").is_none(), "{}", shop.run_log());
        shop.database.rows("SELECT entry, event_ms FROM stock_streams").first().is_some_and(|r| r[0] == last)
    });
    shop.end(child);
    assert_agreement(&shop, &mut c);
    assert_eq!(shop.database.number("SELECT applied FROM stock_streams"), length(&shop));
}

/// Programs that begin in the same moment all find no row of the stream; none may begin what
/// another has begun.
pub fn a_stream_begins_once(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 1, 1);
    let config = Config::read(Some(&shop.config_path())).expect("a configuration");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let db = Arc::new(Db::open_prepared(&config).await.expect("a database"));
        for round in 0..25 {
            let name = format!("events{round}");
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let (db, name) = (db.clone(), name.clone());
                tasks.spawn(async move {
                    let begun = async {
                        let row = db.stream(&name).await?;
                        let mut tx = db.begin().await?;
                        let won = db.claim_stream(&mut tx, &name, &StreamRow { applied: 1, ..row }).await?;
                        tx.commit().await?;
                        anyhow::Ok(won)
                    };
                    match begun.await {
                        Ok(won) => i64::from(won),
                        Err(error) if is_conflict(&error) => 0,
                        Err(error) => panic!("{error:#}"),
                    }
                });
            }
            let won: i64 = tasks.join_all().await.into_iter().sum();
            let row = db.stream(&name).await.expect("a row");
            assert_eq!((row.version, row.applied), (won, 1), "a version was taken back");
        }
    });
}

pub fn two_that_follow_do_not_count_twice(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 20\n");
    open(&shop, 20, 100);
    let mut followers = [shop.follow(&[]), shop.follow(&[])];
    sold(&shop, 3, 1500);
    let mut c = shop.redis.connect();
    settle(&mut c);
    wait_until("the feed is at its end", || {
        for child in &mut followers {
            assert!(child.try_wait().expect("its state").is_none(), "it ended by itself:\n{}", shop.run_log());
        }
        applied(&shop) >= length(&shop)
    });
    for child in followers {
        shop.end(child);
    }
    assert_agreement(&shop, &mut c);
    assert_eq!(shop.database.number("SELECT applied FROM stock_streams"), length(&shop));
}

pub fn a_missing_entry_is_made_up_for(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 20, 100);
    run(&mut c, &["STOCK.RESERVE", "sku:1", "o1", "2", "FOR", "user", "7"]);
    run(&mut c, &["STOCK.CONFIRM", "sku:1", "o1"]);
    run(&mut c, &["STOCK.RESERVE", "sku:1", "o2", "5"]);
    run(&mut c, &["STOCK.RESERVE", "sku:1", "o3", "1"]);
    // The payment of o1, and all of o2.
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XREVRANGE").arg("events").arg("+").arg("-").arg("COUNT").arg(3).query(&mut c).expect("entries");
    for (id, _) in &entries[1..] {
        run(&mut c, &["XDEL", "events", id]);
    }
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 98);
    let rows = shop.database.rows("SELECT kind, pool, units FROM stock_incidents");
    assert_eq!(rows, [["gap", "sku:1", "2"]]);
    let out = shop.ledger(&["audit"]).with(1).out;
    assert!(out.contains("known there and missing here") && out.contains("the feed missed a change"), "{out}");
    assert!(out.contains("0 differences repaired, 2 open"), "{out}");
    shop.ledger(&["audit", "--repair"]).ok().out_has("2 differences repaired, 0 open");
    assert_agreement(&shop, &mut c);
    shop.ledger(&["audit"]).ok();
}

pub fn what_cannot_be_read_is_told_once(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 20, 100);
    run(&mut c, &["XADD", "events", "*", "type", "from the future", "pool", "sku:1"]);
    run(&mut c, &["STOCK.RESERVE", "sku:1", "o1", "2"]);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["run", "--once"]).ok();
    let rows = shop.database.rows("SELECT kind, detail FROM stock_incidents");
    assert_eq!((rows.len(), rows[0][0].as_str()), (1, "unreadable"));
    assert!(rows[0][1].contains("unknown type from the future"), "{rows:?}");
    assert_agreement(&shop, &mut c);
}

pub fn the_stream_is_trimmed_behind_the_feed(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 20, 100);
    run(&mut c, &["XGROUP", "CREATE", "events", "parcels", "0"]);
    sold(&shop, 4, 300);
    // Nothing is to expire while the entries are counted.
    settle(&mut c);
    let before = length(&shop);
    // Somebody else has read 10 entries, and acknowledged all but the fourth.
    let read = run(&mut c, &["XREADGROUP", "GROUP", "parcels", "me", "COUNT", "10", "STREAMS", "events", ">"]);
    type Entries = Vec<(String, Vec<String>)>;
    let ids: Vec<(String, Entries)> = redis::from_redis_value(&read).expect("entries");
    for (n, (id, _)) in ids[0].1.iter().enumerate() {
        if n != 3 {
            run(&mut c, &["XACK", "events", "parcels", id]);
        }
    }
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(length(&shop), before);
    shop.ledger(&["run", "--once", "--trim"]).ok();
    assert_eq!(length(&shop), before - 3);
    run(&mut c, &["XGROUP", "DESTROY", "events", "parcels"]);
    shop.ledger(&["run", "--once", "--trim"]).ok();
    assert_eq!(length(&shop), 1);
    // Redis starts again (here: loads its data again), and the pools go on in new epochs.
    run(&mut c, &["DEBUG", "RELOAD"]);
    Seller::new("p", 20, 5).sell(300, &mut || shop.redis.connect());
    settle(&mut c);
    shop.ledger(&["run", "--once", "--trim"]).ok();
    assert_agreement(&shop, &mut c);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
}

/// While entries wait, a transaction takes several reads; each read is of no more entries than it
/// was told.
pub fn a_backlog_is_applied_in_few_transactions(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 50\n");
    open(&shop, 20, 1000);
    sold(&shop, 3, 2000);
    let mut c = shop.redis.connect();
    settle(&mut c);
    let reads = length(&shop) / 50;
    shop.ledger(&["run", "--once"]).ok();
    // One more notes that the stream was read from its start.
    let transactions = shop.database.number("SELECT version FROM stock_streams") - 1;
    assert!(transactions <= reads / 2, "{transactions} transactions of {reads} reads");
    assert!(transactions >= reads / 32, "{transactions} transactions of {reads} reads");
    assert_agreement(&shop, &mut c);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
}

/// Orders that begin are not looked up: they have no line, unless their ids were used before. Then
/// the same transaction is made again, whole, and looks.
pub fn ids_of_orders_are_used_again(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 50\n");
    let mut c = open(&shop, 20, 1000);
    let mut ids = Vec::new();
    for n in 0..200 {
        let (pool, order) = (format!("sku:{}", n % 20), format!("again-{n}"));
        sell(&mut c, &pool, &order, "2");
        if n % 3 == 0 {
            ids.push(format!("('{pool}','{order}','expired',7,0,0,0,'old',1,1,'00000000000000aa',1)"));
        }
    }
    shop.database.execute(&format!("INSERT INTO stock_lines VALUES {}", ids.join(",")));
    let reads = length(&shop) / 50;
    shop.ledger(&["run", "--once"]).ok();
    let transactions = shop.database.number("SELECT version FROM stock_streams") - 1;
    assert!(transactions <= reads / 2, "{transactions} transactions of {reads} reads");
    let lines = "SELECT COUNT(*) FROM stock_lines WHERE state = 'confirmed' AND qty = 2";
    assert_eq!(shop.database.number(lines), 200);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines"), 200);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_agreement(&shop, &mut c);
}

/// The shop's own programs write the stock table, too: between what the feed has read and what it
/// writes.
pub fn another_program_writes_the_stock_table(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\nbatch = 5\n");
    open(&shop, 2, 5000);
    let follower = shop.follow(&[]);
    std::thread::scope(|scope| {
        scope.spawn(|| Seller::new("o", 2, 11).sell(3000, &mut || shop.redis.connect()));
        shop.database.repeat("UPDATE stock SET on_hand = on_hand + 1, version = version + 1 WHERE sku = '1'", 1000);
    });
    shop.end(follower);
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    let out = field(&mut c, "sku:1", "out");
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 6000 - out);
    shop.ledger(&["reconcile"]).ok();
    assert_agreement(&shop, &mut c);
}

/// The address names another logical database than 0, in each way that there is.
pub fn another_logical_database(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = shop.redis.connect();
    run(&mut c, &["SELECT", "2"]);
    for (round, end) in ["/2", "/2/", "/2?protocol=resp2"].iter().enumerate() {
        shop.write_config(&format!("redis://127.0.0.1:{}{end}", shop.redis.port));
        if round == 0 {
            open(&shop, 2, 10);
        }
        let order = format!("o{round}");
        sell(&mut c, "sku:1", &order, "1");
        shop.ledger(&["run", "--once"]).ok();
        let stock_row = shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'");
        assert_eq!(stock_row, 9 - round as i64, "{end}");
    }
    // An entry that nobody follows is shown.
    let entry = ["type", "set", "pool", "sku:1", "db", "3", "epoch", "00000000000000aa", "seq", "1", "qty", "1"];
    let words: Vec<&str> =
        ["XADD", "events", "*"].iter().chain(&entry).chain(&["at", "1", "on_hand", "1", "out", "0"]).copied().collect();
    run(&mut c, &words);
    shop.ledger(&["run", "--once"]).ok().err_has("other logical databases");
}
