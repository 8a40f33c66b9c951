//! What must not stop everything else, and what must end by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stock_ledger::config::Config;
use stock_ledger::db::{is_conflict, query, Db};

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{answer, assert_agreement, length, open, sell};
use crate::harness::{wait_until, Shop};

fn follow(c: &mut redis::Connection, pool: &str) {
    run(c, &["STOCK.SETPOLICY", pool, "{\"events\":\"events\"}"]);
}

/// The database refuses every batch: reading works all the time, and that is not enough.
pub fn whoever_reads_and_cannot_write_gives_up(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\npatience_seconds = 1\n");
    open(&shop, 1, 10);
    sell(&mut shop.redis.connect(), "sku:0", "o1", "1");
    shop.database.execute("DROP TABLE stock_lines");
    for words in [["run", "--once"], ["audit", "--repair"]] {
        let began = Instant::now();
        let ended = shop.ledger(&words).with(1);
        assert!(began.elapsed() < Duration::from_secs(30), "{words:?} took {:?}", began.elapsed());
        let tries = ended.err.matches("trying again").count();
        assert!((1..10).contains(&tries), "{tries} tries:\n{}", ended.err);
        let last = ended.err.lines().last().expect("an error");
        assert_eq!(last.matches("stock").count(), 1, "named twice: {last}");
    }
}

pub fn nothing_is_trimmed_off_a_stream_that_is_not_there(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\npatience_seconds = 2\nstreams = [\"events\", \"other\"]\n");
    shop.ledger(&["init"]).ok();
    shop.ledger(&["run", "--once", "--trim"]).ok();
}

/// Rows that cannot be written: their pools are set aside, and the feed goes on. Nothing of them is
/// lost or counted twice.
pub fn a_row_that_cannot_be_written_stops_no_other(kind: Kind) {
    let shop =
        Shop::with(Database::fresh(kind), "[run]\npatience_seconds = 20\nbatch = 10\n[stock]\ntable = \"inventory\"\n");
    shop.database.touch();
    shop.database.execute(
        "CREATE TABLE inventory (sku VARCHAR(40) NOT NULL, warehouse VARCHAR(10) NOT NULL, on_hand INTEGER NOT NULL, \
         version INTEGER NOT NULL DEFAULT 0, CHECK (sku <> '6' OR on_hand >= 5), PRIMARY KEY (sku, warehouse))",
    );
    shop.ledger(&["init"]).with(2).err_has("inventory.sku: no primary key or unique index");
    shop.database.execute("CREATE UNIQUE INDEX one ON inventory (sku)");
    shop.database.execute("INSERT INTO inventory VALUES ('6', 'bj', 9, 0), ('7', 'bj', 50, 0), ('8', 'sh', 60, 0)");
    shop.ledger(&["init"]).ok();
    shop.ledger(&["preload"]).ok();
    // A trigger that silently undoes what is written to row 7.
    let undo: &[&str] = match kind {
        Kind::Sqlite => &["CREATE TRIGGER und0 AFTER UPDATE ON inventory WHEN OLD.sku = '7' BEGIN \
                           UPDATE inventory SET on_hand = OLD.on_hand WHERE sku = '7'; END"],
        Kind::Postgres => &[
            "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF OLD.sku = ''7'' THEN NEW.on_hand = OLD.on_hand; END IF; RETURN NEW; END'",
            "CREATE TRIGGER und0 BEFORE UPDATE ON inventory FOR EACH ROW EXECUTE FUNCTION undo()",
        ],
        Kind::MariaDb => &["CREATE TRIGGER und0 BEFORE UPDATE ON inventory FOR EACH ROW \
                            SET NEW.on_hand = IF(OLD.sku = '7', OLD.on_hand, NEW.on_hand)"],
    };
    for sql in undo {
        shop.database.execute(sql);
    }
    let run = shop.follow(&[]);
    let mut c = shop.redis.connect();
    for n in 0..8 {
        for pool in ["sku:6", "sku:7", "sku:8"] {
            sell(&mut c, pool, &format!("o{n}"), "1");
        }
    }
    let on_hand = |sku: &str| shop.database.number(&format!("SELECT on_hand FROM inventory WHERE sku = '{sku}'"));
    wait_until("the good row is at its end", || on_hand("8") == 52);
    let length = length(&shop);
    wait_until("everything is applied", || shop.database.number("SELECT applied FROM stock_streams") == length);
    assert_eq!(on_hand("7"), 50);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE state = 'confirmed'"), 24);
    assert_eq!(
        shop.database.rows("SELECT pool, uncovered FROM stock_positions WHERE pool = 'sku:7'"),
        [["sku:7", "8"]]
    );
    // At one moment: the feed tries, too.
    let owing =
        "SELECT i.on_hand - p.uncovered FROM inventory i, stock_positions p WHERE i.sku = '6' AND p.pool = 'sku:6'";
    assert_eq!(shop.database.number(owing), 1);
    let incidents = shop.database.rows("SELECT pool FROM stock_incidents WHERE kind = 'uncovered' ORDER BY pool");
    assert_eq!(incidents, [["sku:6"], ["sku:7"]]);
    let waiting = "SELECT order_id, units FROM stock_pending WHERE pool = 'sku:7' ORDER BY id";
    let orders: Vec<Vec<String>> = (0..8).map(|n| vec![format!("o{n}"), "1".to_string()]).collect();
    assert_eq!(shop.database.rows(waiting), orders);
    // Row 6 takes some of it, as far as its CHECK lets it.
    shop.ledger(&["retry"]).with(1).out_has("sku:6").out_has("sku:7");
    let left = "SELECT COUNT(*) FROM stock_pending WHERE pool = 'sku:6'";
    wait_until("it goes down to 5", || on_hand("6") == 5 && shop.database.number(left) == 4);
    assert_eq!(
        shop.database.rows("SELECT order_id FROM stock_pending WHERE pool = 'sku:6' ORDER BY id LIMIT 1"),
        [["o4"]]
    );
    assert_eq!(on_hand("7"), 50);
    shop.ledger(&["status"]).ok().out_has("movements of 2 pools");
    // The rows are put right: the feed makes up for what they could not take, by itself.
    let drop_it = if kind == Kind::Postgres { "DROP TRIGGER und0 ON inventory" } else { "DROP TRIGGER und0" };
    shop.database.execute(drop_it);
    wait_until("the row is well again", || on_hand("7") == 42);
    assert_eq!(shop.database.number("SELECT uncovered FROM stock_positions WHERE pool = 'sku:7'"), 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending WHERE pool = 'sku:7'"), 0);
    shop.end(run);
    shop.ledger(&["reconcile"]).ok();
    for pool in ["sku:6", "sku:7", "sku:8"] {
        let there = field(&mut c, pool, "on_hand");
        assert_eq!(there, [1, 42, 52]["678".find(&pool[4..]).expect("a pool")]);
    }
}

/// Entries that no table can carry, and numbers that nobody can add up.
pub fn what_no_table_can_carry_stops_nothing(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 1, 10);
    let long = format!("sku:{}", "x".repeat(4000));
    run(&mut c, &["STOCK.SET", &long, "10"]);
    follow(&mut c, &long);
    sell(&mut c, &long, "o1", "1");
    run(&mut c, &["XADD", "events", "*", "type", &"y".repeat(3000)]);
    for (seq, out) in [("1", i64::MIN), ("2", i64::MAX)] {
        let out = out.to_string();
        let words = ["XADD", "events", "*", "type", "reserved", "pool", "sku:9", "db", "0", "epoch"];
        let more = ["00000000000000aa", "seq", seq, "order", "o", "qty", "1", "at", "1", "on_hand", "1", "out", &out];
        run(&mut c, &[&words[..], &more[..]].concat());
    }
    sell(&mut c, "sku:0", "o1", "2");
    let first = shop.ledger(&["run", "--once"]).ok();
    assert!(first.err.lines().all(|line| line.len() < 1000), "{}", first.err);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock"), 8);
    let rows = shop.database.rows("SELECT kind, pool, detail FROM stock_incidents ORDER BY id");
    assert!(rows.iter().all(|row| row[0] == "unreadable"), "{rows:?}");
    assert_eq!(rows.len(), 6, "{rows:?}");
    shop.ledger(&["adjust", "0", "-9223372036854775808", "--reason", "x"]).with(2);
}

/// A NUL byte in any field of an entry that somebody else wrote: no text of PostgreSQL can carry
/// it.
pub fn a_nul_byte_anywhere_stops_nothing(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 1, 10);
    let entry = [
        ("type", "added"),
        ("pool", "sku:9"),
        ("db", "0"),
        ("epoch", "00000000000000aa"),
        ("seq", "1"),
        ("order", "o"),
        ("qty", "1"),
        ("at", "1"),
        ("on_hand", "1"),
        ("out", "0"),
        ("for", "{\"user\":\"u\"}"),
        ("token", "t"),
    ];
    let (mut unreadable, mut seq) = (0, 0);
    for (name, _) in entry {
        for kind in ["reserved", "added"] {
            seq += 1;
            let mut words: Vec<String> = ["XADD", "events", "*"].map(str::to_string).to_vec();
            for (field, value) in entry {
                let seq = seq.to_string();
                let value = match field {
                    "type" => kind,
                    "seq" => &seq,
                    _ => value,
                };
                // In the middle, so that nothing is left of what stands before it.
                let (first, rest) = value.split_at(usize::from(field == name));
                let nul = if field == name { "\0" } else { "" };
                words.extend([field.to_string(), format!("{first}{nul}{rest}")]);
            }
            run(&mut c, &words.iter().map(String::as_str).collect::<Vec<_>>());
            // `pool`, `order` and `token` are written as text; `on_hand` only says whether there is
            // one.
            unreadable += i64::from(!["pool", "order", "token", "on_hand"].contains(&name));
        }
    }
    // A name that nobody asks for, and bytes that are no text.
    let latin: &[&[u8]] = &[b"XADD", b"events", b"*", b"na\0me", b"x", b"type", b"reserved", b"pool", b"sku:\xff\0"];
    let mut command = redis::cmd("XADD");
    command.arg(&latin[1..]);
    command.query::<String>(&mut c).expect("an entry");
    unreadable += 1;
    sell(&mut c, "sku:0", "o1", "2");
    for _ in 0..2 {
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(shop.database.number("SELECT on_hand FROM stock"), 8);
        let told = "SELECT COUNT(*) FROM stock_incidents WHERE kind = 'unreadable'";
        assert_eq!(shop.database.number(told), unreadable);
    }
    let orders = shop.database.rows("SELECT order_id FROM stock_lines WHERE order_id LIKE '%x00'");
    assert_eq!(orders, [["o\\x00"]], "an order's name is kept, in letters");
    shop.ledger(&["status", "--incidents", "100"]).ok();
}

/// A pool that somebody overwrote: its own trouble, and no other's.
pub fn a_key_that_is_no_pool_any_more_stops_nothing(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 10);
    run(&mut c, &["STOCK.SET", "sku:0", "20"]);
    sell(&mut c, "sku:0", "o1", "15");
    run(&mut c, &["SET", "sku:0", "5"]);
    sell(&mut c, "sku:1", "o1", "1");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 9);
    let rows = shop.database.rows("SELECT kind, pool, units FROM stock_incidents");
    assert_eq!(rows, [["uncovered", "sku:0", "5"]]);
    run(&mut c, &["STOCK.SET", "sku:1", "7"]);
    let ended = shop.ledger(&["reconcile"]);
    assert!(ended.out.contains("1 were corrected") && ended.out.contains("the key is no pool"), "{}", ended.out);
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 9);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["audit"]).with(1).out_has("sku:0").out_has("1 pools, ");
}

/// A campaign cap has no row in the stock table, and needs none.
pub fn a_pool_without_a_row_by_design_has_no_stock_row(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 1, 100);
    run(&mut c, &["STOCK.SET", "cap", "50"]);
    follow(&mut c, "cap");
    for n in 0..5 {
        let order = format!("o{n}");
        run(&mut c, &["STOCK.MRESERVE", &order, "2", "sku:0", "cap", "QTY", "1", "1"]);
        run(&mut c, &["STOCK.MCONFIRM", &order, "2", "sku:0", "cap"]);
    }
    // This one's key stands for a row that is missing.
    run(&mut c, &["STOCK.SET", "sku:9", "50"]);
    follow(&mut c, "sku:9");
    sell(&mut c, "sku:9", "o1", "3");
    shop.ledger(&["run", "--once"]).ok();
    let rows = shop.database.rows("SELECT kind, pool, units FROM stock_incidents WHERE kind <> 'joined'");
    assert_eq!(rows, [["uncovered", "sku:9", "3"]]);
    let rows = shop.database.rows("SELECT pool, uncovered FROM stock_positions WHERE uncovered > 0");
    assert_eq!(rows, [["sku:9", "3"]]);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE pool = 'cap'"), 5);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock"), 95);
    // The row comes: the feed applies what waited, without a change of the pool.
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('9', 50)");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '9'"), 47);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending"), 0);
    assert_eq!(shop.database.number("SELECT uncovered FROM stock_positions WHERE pool = 'sku:9'"), 0);
}

/// A deleted pool is found until it is noted, and then no more.
pub fn a_deleted_pool_is_noted_once(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 10);
    sell(&mut c, "sku:0", "paid", "1");
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "open", "1"]);
    shop.ledger(&["run", "--once"]).ok();
    run(&mut c, &["DEL", "sku:0"]);
    shop.ledger(&["audit"]).with(1).out_has("0 differences repaired, 2 open");
    shop.ledger(&["audit", "--repair"]).ok().out_has("2 differences repaired, 0 open");
    shop.ledger(&["audit"]).ok().out_has("0 open").out_has("1 pools are not in Redis any more");
    shop.ledger(&["audit", "--repair"]).ok();
    let rows = shop.database.rows("SELECT order_id, state FROM stock_lines ORDER BY order_id");
    assert_eq!(rows, [["open", "lost"], ["paid", "confirmed"]]);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents WHERE kind = 'gone'"), 1);
}

/// The feed has not been read at all: that is no difference, but a feed to wait for.
pub fn an_audit_waits_for_reservations_too(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 2, 10);
    shop.ledger(&["audit", "--wait", "1"]).ok();
    let mut c = shop.redis.connect();
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "o1", "1"]);
    shop.ledger(&["audit", "--wait", "1"]).with(3).err_has("1 pools are ahead of the database");
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["audit", "--wait", "1"]).ok();
    assert_agreement(&shop, &mut c);
}

/// Tables of the version before, on MySQL also those of an upgrade that broke off.
pub fn tables_are_brought_up_to_date(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 600, 10);
    if kind != Kind::MariaDb {
        shop.database.execute("DROP INDEX stock_adjustments_synced");
        shop.database.execute("DROP INDEX stock_incidents_pool");
    }
    shop.database.execute("DROP TABLE stock_outbox");
    shop.database.execute("DROP TABLE stock_pending");
    shop.database.execute("DELETE FROM stock_ledger_version WHERE version > 1");
    shop.ledger(&["status"]).with(3);
    shop.ledger(&["init"]).ok().out_has("were of version 1 and are of version 5 now");
    shop.ledger(&["status"]).ok();
    shop.database.execute("DELETE FROM stock_ledger_version");
    shop.ledger(&["status"]).with(3);
    shop.ledger(&["init"]).ok().out_has("tables are made");
    // In the database and not in Redis, in more pools than one page has.
    for sku in 0..300 {
        let row = format!("('t{sku}','{sku}',5,'r','o',15,1,0)");
        shop.database.execute(&format!(
            "INSERT INTO stock_adjustments (token, sku, delta, reason, operator, on_hand, at_ms, synced) VALUES {row}"
        ));
    }
    shop.database.execute("UPDATE stock SET on_hand = on_hand + 5, version = version + 1 WHERE sku < '5'");
    shop.ledger(&["reconcile"]).ok();
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_adjustments WHERE synced = 0"), 0);
    if kind == Kind::Sqlite {
        let plan = "EXPLAIN QUERY PLAN UPDATE stock_adjustments SET synced = 1 WHERE synced = 0 AND sku IN ('1','2')";
        let plan = format!("{:?}", shop.database.rows(plan));
        assert!(plan.contains("stock_adjustments_synced"), "{plan}");
        // What the feed asks within its transaction.
        let plan = "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM stock_incidents WHERE kind = 'gone' AND pool = '1'";
        let plan = format!("{:?}", shop.database.rows(plan));
        assert!(plan.contains("stock_incidents_pool"), "{plan}");
    }
}

/// An error of the database is reported as what it is.
pub fn only_missing_tables_ask_for_init(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    open(&shop, 1, 10);
    shop.database.execute("DROP TABLE stock_ledger_version");
    shop.ledger(&["status"]).with(3).err_has("stock-ledger init");
    shop.database.execute("CREATE TABLE stock_ledger_version (other INTEGER)");
    let ended = shop.ledger(&["status"]).with(1);
    assert!(!ended.err.contains("init") && ended.err.contains("version"), "{}", ended.err);
}

/// One row of many: the others are neither read nor locked.
#[test]
fn a_row_of_mariadb_is_found_by_its_key() {
    let shop = Shop::new(Database::fresh(Kind::MariaDb));
    open(&shop, 5000, 10);
    shop.database.execute("ANALYZE TABLE stock");
    let config = Config::read(Some(&shop.config_path())).expect("a configuration");
    let read = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.session_status \
                WHERE variable_name = 'HANDLER_READ_RND_NEXT'";
    crate::harness::databases::block_on(async {
        let db = Db::open_prepared(&config).await.expect("a database");
        let mut tx = db.begin().await.expect("a transaction");
        let mut stock_rows = db.stock_rows(&mut tx, &["77", "78"]).await.expect("rows");
        for sku in ["77", "78"] {
            let stock_row = stock_rows.get_mut(sku).expect("a row").as_mut().expect("a number");
            stock_row.quantity = 3;
            let before = query(read).fetch_one(&mut tx).await.expect("a row").number(0).expect("a number");
            db.write_stock_rows(&mut tx, &[(sku.to_string(), stock_row)]).await.expect("written");
            let after = query(read).fetch_one(&mut tx).await.expect("a row").number(0).expect("a number");
            assert!(after - before < 4000, "{} rows were read", after - before);
        }
        drop(tx);
        let mut tx = db.begin().await.expect("a transaction");
        let mode = query("SELECT @@sql_mode").fetch_one(&mut tx).await.expect("a row").text(0).expect("a mode");
        assert!(mode.contains("STRICT_ALL_TABLES"), "{mode}");
        drop(tx);
        // Whoever waits too long for a lock has met somebody who was faster.
        let mut first = db.begin().await.expect("a transaction");
        let mut second = db.begin().await.expect("a transaction");
        db.lock_positions(&mut first, &BTreeSet::from(["sku:1"])).await.expect("a lock");
        query("SET SESSION innodb_lock_wait_timeout = 1").execute(&mut second).await.expect("little patience");
        let error = db.lock_positions(&mut second, &BTreeSet::from(["sku:1"])).await.expect_err("no lock");
        assert!(is_conflict(&error), "{error:#}");
    });
}

/// Quiet pools are looked at a page at a time: not one conversation with Redis for each.
#[test]
fn an_audit_looks_at_many_pools_at_once() {
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    open(&shop, 120, 10);
    shop.ledger(&["run", "--once"]).ok();
    let mut c = shop.redis.connect();
    run(&mut c, &["CONFIG", "RESETSTAT"]);
    shop.ledger(&["audit"]).ok().out_has("120 pools, 0 orders");
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut c).expect("INFO");
    assert!(!stats.contains("cmdstat_exec"), "{stats}");
}
