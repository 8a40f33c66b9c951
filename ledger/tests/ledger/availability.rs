//! Databases that are there and do not serve, and servers that are set up in their own way.

use std::time::{Duration, Instant};

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{self, assert_agreement, length, open};
use crate::harness::{free_port, wait_until, Shop};
use crate::metrics::figures;

const LITTLE_PATIENCE: &str = "[run]\npatience_seconds = 1\n";

fn sell(shop: &Shop, order: &str) {
    shop::sell(&mut shop.redis.connect(), "sku:0", order, "3");
}

fn on_hand(shop: &Shop) -> i64 {
    shop.database.number("SELECT on_hand FROM stock WHERE sku = '0'")
}

/// What cannot be written now differs in nothing: exit code 4, and nothing is half done.
fn refuses_for_now(shop: &Shop, arguments: &[&str], code: &str) {
    for words in [vec!["run", "--once"], vec!["adjust", "0", "5", "--reason", "x"]] {
        let words = [arguments, &words].concat();
        let ended = shop.ledger(&words).with(4);
        assert!(ended.err.contains(code), "{words:?}: {}", ended.err);
    }
    assert_eq!(on_hand(shop), 10);
}

/// An administrator, a firewall or a server's patience ends connections that nobody uses: the next
/// transaction is on another one, as if nothing had been.
#[test]
fn connections_that_end_while_nobody_uses_them() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let shop = Shop::with(Database::fresh(kind), "");
        open(&shop, 1, 10);
        let run = shop.follow(&[]);
        sell(&shop, "o1");
        wait_until("the first sale is there", || on_hand(&shop) == 7);
        let find = match kind {
            Kind::Postgres => {
                "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'stock-ledger' AND pid <> pg_backend_pid()"
            }
            _ => {
                "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
                 WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            }
        };
        let found = shop.database.rows(find);
        if kind == Kind::MariaDb {
            for row in &found {
                shop.database.execute(&format!("KILL {}", row[0]));
            }
        }
        assert!(found.iter().any(|row| row[0] != "0"), "{found:?}");
        sell(&shop, "o2");
        wait_until("the second sale is there", || on_hand(&shop) == 4);
        assert!(!shop.run_log().contains("a transaction of the database"), "{}", shop.run_log());
        shop.end(run);
    }
}

/// A standby, or a primary that steps down, and then another server behind the same address: only a
/// new connection reaches it. A setting of the database, which only new connections see, stands for
/// it.
#[test]
fn a_primary_of_postgres_that_became_read_only() {
    let shop = Shop::with(Database::fresh(Kind::Postgres), LITTLE_PATIENCE);
    open(&shop, 1, 10);
    shop.ledger(&["run", "--once"]).ok();
    let (_, name) = shop.database.url().rsplit_once('/').expect("a name");
    let set = |value: &str| {
        let begin = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE";
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        shop.database.execute_all(&[begin, &sql]);
    };
    set("on");
    sell(&shop, "o1");
    refuses_for_now(&shop, &[], "read-only transaction");
    let run = shop.follow(&[]);
    wait_until("run tries", || shop.run_log().contains("read-only transaction"));
    set("off");
    wait_until("run reaches the one that writes", || on_hand(&shop) == 7);
    shop.end(run);
}

#[test]
fn a_primary_of_mariadb_that_became_read_only() {
    let shop = Shop::with(Database::alone(Kind::MariaDb), LITTLE_PATIENCE);
    open(&shop, 1, 10);
    shop.ledger(&["run", "--once"]).ok();
    // Root may write all the same.
    shop.database.execute("CREATE USER ledger@'127.0.0.1'");
    shop.database.execute("GRANT ALL ON *.* TO ledger@'127.0.0.1'");
    shop.database.execute("REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM ledger@'127.0.0.1'");
    let url = shop.database.url().replace("root@", "ledger@");
    shop.database.execute("SET GLOBAL read_only = 1");
    sell(&shop, "o1");
    refuses_for_now(&shop, &["--database", &url], "1290");
    let run = shop.follow(&["--database", &url]);
    wait_until("run tries", || shop.run_log().contains("1290"));
    shop.database.execute("SET GLOBAL read_only = 0");
    wait_until("run goes on", || on_hand(&shop) == 7);
    shop.end(run);
}

/// A permission on the whole table that was taken away is no fault of any row: none is set aside.
fn a_permission_that_was_taken_away(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), LITTLE_PATIENCE);
    open(&shop, 1, 10);
    let (_, name) = shop.database.url().rsplit_once('/').expect("a name");
    let user = format!("ledger_of_{name}");
    // What MariaDB grants for all tables is not taken away from one.
    let (admin, account, make, all, one) = match kind {
        Kind::Postgres => {
            ("shop@", user.clone(), "ROLE", "ALL TABLES IN SCHEMA public".to_string(), "stock".to_string())
        }
        _ => ("root@", format!("{user}@'127.0.0.1'"), "USER", format!("{name}.*"), format!("{name}.*")),
    };
    let login = if kind == Kind::Postgres { " LOGIN" } else { "" };
    shop.database.execute(&format!("CREATE {make} {account}{login}"));
    shop.database.execute(&format!("GRANT ALL ON {all} TO {account}"));
    let url = shop.database.url().replace(admin, &format!("{user}@"));
    shop.ledger(&["--database", &url, "run", "--once"]).ok();
    shop.database.execute(&format!("REVOKE UPDATE ON {one} FROM {account}"));
    sell(&shop, "o1");
    refuses_for_now(&shop, &["--database", &url], "denied");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending"), 0);
    shop.database.execute(&format!("GRANT UPDATE ON {one} TO {account}"));
    shop.ledger(&["--database", &url, "run", "--once"]).ok();
    assert_eq!(on_hand(&shop), 7);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
}

#[test]
fn a_permission_of_postgres_that_was_taken_away() {
    a_permission_that_was_taken_away(Kind::Postgres);
}

#[test]
fn a_permission_of_mariadb_that_was_taken_away() {
    a_permission_that_was_taken_away(Kind::MariaDb);
}

/// A service that starts before its database waits for it; a wrong login ends it.
#[test]
fn run_waits_for_its_database() {
    let mut shop = Shop::with(Database::alone(Kind::Postgres), LITTLE_PATIENCE);
    open(&shop, 1, 10);
    sell(&shop, "o1");
    let mut server = shop.database.take_server().expect("a server");
    server.kill();
    let address = shop.database.url().rsplit_once('@').expect("an address").1.to_string();
    for words in [vec!["status"], vec!["run", "--once"], vec!["reconcile"]] {
        let ended = shop.ledger(&words).with(4);
        assert!(ended.err.contains(&address), "the address is named: {}", ended.err);
        assert!(ended.err.contains("refused"), "the reason, not the end of somebody's patience: {}", ended.err);
    }
    let metrics = format!("127.0.0.1:{}", free_port());
    let run = shop.follow(&["--metrics", &metrics]);
    wait_until("run tries", || shop.run_log().contains("trying again"));
    let found = figures(&metrics);
    let up = |part: &str| found.get(&format!("stock_ledger_up{{part=\"{part}\"}}")).copied();
    assert_eq!((up("database"), up("redis")), (Some(0.0), Some(1.0)), "{found:?}");
    server.start_again();
    wait_until("run goes on", || on_hand(&shop) == 7);
    shop.end(run);
    let wrong = shop.database.url().replace("shop@", "nobody@");
    let ended = shop.ledger(&["--database", &wrong, "run"]).with(2);
    assert!(ended.err.contains("nobody") && !ended.err.contains(" at line "), "{}", ended.err);
}

/// Whatever the server's sql_mode is, the ledger's sessions have their own.
#[test]
fn sessions_are_the_same_on_every_server() {
    let shop = Shop::new(Database::alone(Kind::MariaDb));
    shop.database.execute("CREATE DATABASE spare");
    let modes = ["ORACLE", "EMPTY_STRING_IS_NULL", "ANSI", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", ""];
    for (round, mode) in modes.into_iter().enumerate() {
        shop.database.execute(&format!("SET GLOBAL sql_mode = '{mode}'"));
        shop.database.execute("SET GLOBAL tx_isolation = 'SERIALIZABLE'");
        shop.database.execute("SET GLOBAL innodb_lock_wait_timeout = 1");
        if round == 0 {
            open(&shop, 1, 10);
        }
        let before = on_hand(&shop);
        sell(&shop, &format!("o{round}"));
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(on_hand(&shop), before - 3, "{mode}");
        shop.ledger(&["adjust", "0", "3", "--reason", "back"]).ok();
        shop.ledger(&["reconcile"]).ok();
        assert_eq!(field(&mut shop.redis.connect(), "sku:0", "on_hand"), before);
    }
    assert_agreement(&shop, &mut shop.redis.connect());
}

/// A file that somebody else holds: `adjust` says so, and it and `run --once` give up when their
/// patience ends.
#[test]
fn adjust_gives_up_on_a_locked_file() {
    let shop = Shop::with(Database::fresh(Kind::Sqlite), "[run]\npatience_seconds = 3\n");
    open(&shop, 1, 10);
    let lock = shop.database.lock();
    let began = Instant::now();
    shop.ledger(&["adjust", "0", "1", "--reason", "x"]).with(4).err_has("--token").err_has("trying again");
    sell(&shop, "o1");
    shop.ledger(&["run", "--once"]).with(4).err_has("locked");
    // What each has begun to wait for when its patience ends takes a second more.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(lock);
}

/// A row of the stock table that somebody else holds: `run --once`, `adjust` and `reconcile` say so
/// and end when their patience does; nothing is half done, and the next call works.
pub fn commands_give_up_on_a_locked_row(kind: Kind) {
    let shop = Shop::with(Database::fresh(kind), "[run]\npatience_seconds = 2\n");
    open(&shop, 1, 10);
    shop.ledger(&["run", "--once"]).ok();
    sell(&shop, "o1");
    let lock = shop.database.hold(&["BEGIN", "UPDATE stock SET version = version WHERE sku = '0'"]);
    for words in [vec!["run", "--once"], vec!["adjust", "0", "1", "--reason", "x", "--token", "t"]] {
        let began = Instant::now();
        let ended = shop.ledger(&words).with(4);
        assert!(began.elapsed() < Duration::from_secs(10), "{words:?}: {:?}", began.elapsed());
        assert!(ended.err.to_lowercase().contains("lock"), "{words:?}: {}", ended.err);
    }
    assert_eq!(on_hand(&shop), 10);
    drop(lock);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["adjust", "0", "1", "--reason", "x", "--token", "t"]).ok();
    assert_eq!(on_hand(&shop), 8);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_agreement(&shop, &mut shop.redis.connect());
}

#[test]
fn commands_give_up_on_a_locked_row_of_postgres() {
    commands_give_up_on_a_locked_row(Kind::Postgres);
}

#[test]
fn commands_give_up_on_a_locked_row_of_mariadb() {
    commands_give_up_on_a_locked_row(Kind::MariaDb);
}

/// A module was upgraded before the ledger, and packs its entries in a version that the ledger does
/// not know: nothing behind the first of them is applied or trimmed, and nothing passes it by.
#[test]
fn what_a_newer_module_packs_is_waited_for() {
    let shop = Shop::with(Database::fresh(Kind::Sqlite), "[run]\ntrim = true\n");
    open(&shop, 1, 10);
    sell(&shop, "o1");
    let mut c = shop.redis.connect();
    // Its fields are of a form that nobody has thought of yet. Deleting it stands for a ledger that
    // reads it.
    let id: String =
        redis::cmd("XADD").arg("events").arg("*").arg("event").arg(r#"{"v":2,"k":[7]}"#).query(&mut c).expect("XADD");
    sell(&shop, "o2");
    let before = length(&shop);
    // The second time it is the first entry that is read, where an empty read is the end of the
    // stream.
    for _ in 0..2 {
        let began = Instant::now();
        let ended = shop.ledger(&["run", "--once"]).with(3);
        assert!(began.elapsed() < Duration::from_secs(20), "no patience helps: {:?}", began.elapsed());
        for part in [&id, "version 2", "reads version 1", "Upgrade stock-ledger"] {
            assert!(ended.err.contains(part), "{part}: {}", ended.err);
        }
    }
    shop.ledger(&["preload"]).with(3).err_has("Upgrade stock-ledger");
    shop.ledger(&["audit", "--repair"]).with(3).err_has("Upgrade stock-ledger");
    let mut follower = shop.follow(&[]);
    wait_until("run waits", || shop.run_log().matches("Upgrade stock-ledger").count() >= 3);
    assert!(follower.try_wait().expect("its state").is_none(), "{}", shop.run_log());
    assert_eq!((on_hand(&shop), shop.database.number("SELECT COUNT(*) FROM stock_lines")), (7, 1));
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_eq!(length(&shop), before, "something was trimmed");
    run(&mut c, &["XDEL", "events", &id]);
    wait_until("run goes on", || on_hand(&shop) == 4);
    shop.end(follower);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_agreement(&shop, &mut c);
}

/// A file on a disk that was mounted again, read-only.
#[test]
fn a_file_that_became_read_only() {
    let shop = Shop::with(Database::fresh(Kind::Sqlite), "[run]\npatience_seconds = 1\ntrim = true\n");
    open(&shop, 1, 10);
    shop.ledger(&["run", "--once"]).ok();
    sell(&shop, "o1");
    let before = length(&shop);
    let url = format!("{}?mode=ro", shop.database.url());
    refuses_for_now(&shop, &["--database", &url], "readonly");
    assert_eq!(length(&shop), before, "what is not in the database was trimmed");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(on_hand(&shop), 7);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
}
