//! Tables as shops have them: engines, types of columns, character sets.

use crate::harness::databases::{is_mysql, Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop;
use crate::harness::{Shop, POOLS};

const GOODS: &str = "[stock]\ntable = \"goods\"\n";

fn shop_with(kind: Kind, columns: &str, more: &str) -> Shop {
    let mut shop = Shop::new(Database::fresh(kind));
    shop.database.touch();
    shop.database.execute(&format!("CREATE TABLE goods ({columns})"));
    shop.configure(POOLS, &format!("{GOODS}{more}[run]\npatience_seconds = 2\n"));
    shop
}

fn sell(shop: &Shop, pool: &str, order: &str, qty: &str) {
    shop::sell(&mut shop.redis.connect(), pool, order, qty);
}

fn quantity(shop: &Shop, sku: &str) -> String {
    let text = if shop.database.kind == Kind::MariaDb { "CHAR" } else { "TEXT" };
    shop.database.rows(&format!("SELECT CAST(on_hand AS {text}) FROM goods WHERE sku = '{sku}'"))[0][0].clone()
}

const COMMANDS: [&[&str]; 6] =
    [&["preload"], &["run", "--once"], &["reconcile"], &["audit"], &["status"], &["adjust", "a", "1", "--reason", "x"]];

/// MyISAM and Aria keep what a batch wrote before it failed, and the next try takes the units
/// again.
#[test]
fn tables_without_transactions_are_refused() {
    for engine in ["MyISAM", "Aria", "MEMORY"] {
        let shop = shop_with(
            Kind::MariaDb,
            "sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand INT NOT NULL, version BIGINT NOT NULL DEFAULT 0",
            "",
        );
        shop.database.execute("INSERT INTO goods (sku, on_hand) VALUES ('a', 100)");
        shop.database.execute(&format!("ALTER TABLE goods ENGINE={engine}"));
        let refused = shop.ledger(&["init"]).with(2).err;
        assert!(refused.contains(&format!("goods is a table of the engine {engine}")), "{refused}");
        assert!(refused.contains("ALTER TABLE goods ENGINE=InnoDB"), "{refused}");
        shop.database.execute("ALTER TABLE goods ENGINE=InnoDB");
        shop.ledger(&["init"]).ok();
        shop.ledger(&["preload"]).ok();
        sell(&shop, "sku:a", "o1", "3");
        // Changed behind the ledger's back: no command starts.
        shop.database.execute(&format!("ALTER TABLE goods ENGINE={engine}"));
        for words in COMMANDS {
            assert!(shop.ledger(words).with(2).err.contains("has no transactions"), "{words:?}");
        }
        assert_eq!(quantity(&shop, "a"), "100");
        shop.database.execute("ALTER TABLE goods ENGINE=InnoDB");
        // The ledger's own are as important.
        shop.database.execute(&format!("ALTER TABLE stock_ledger_version ENGINE={engine}"));
        shop.ledger(&["run", "--once"]).with(2).err_has("stock_ledger_version is a table of the engine");
        shop.database.execute("ALTER TABLE stock_ledger_version ENGINE=InnoDB");
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(quantity(&shop, "a"), "97");
    }
}

/// A table that a crash of PostgreSQL empties.
#[test]
fn an_unlogged_table_is_refused() {
    let shop = shop_with(Kind::Postgres, "sku TEXT PRIMARY KEY, on_hand INT, version BIGINT DEFAULT 0", "");
    shop.database.execute("ALTER TABLE goods SET UNLOGGED");
    shop.ledger(&["init"]).with(2).err_has("ALTER TABLE goods SET LOGGED");
    shop.database.execute("ALTER TABLE goods SET LOGGED");
    shop.ledger(&["init"]).ok();
}

/// CREATE UNIQUE INDEX CONCURRENTLY that failed leaves an index that promises nothing.
#[test]
fn an_invalid_index_makes_no_key_unique() {
    let shop = shop_with(Kind::Postgres, "sku TEXT NOT NULL, on_hand INT NOT NULL, version BIGINT DEFAULT 0", "");
    shop.database.execute("INSERT INTO goods VALUES ('a', 1), ('a', 2)");
    assert!(!shop.database.takes("CREATE UNIQUE INDEX CONCURRENTLY goods_sku ON goods (sku)"));
    shop.ledger(&["init"]).with(2).err_has("no primary key or unique index has this column alone");
    shop.database.execute("DELETE FROM goods WHERE on_hand = 2");
    shop.ledger(&["init"]).with(2);
    shop.database.execute("REINDEX INDEX goods_sku");
    shop.ledger(&["init"]).ok();
}

/// A view may be of several tables, or of one that has no transactions.
pub fn a_view_is_refused(kind: Kind) {
    let shop = shop_with(kind, "sku VARCHAR(40) NOT NULL PRIMARY KEY, n INT NOT NULL, v INT NOT NULL", "");
    shop.database.execute("ALTER TABLE goods RENAME TO base");
    shop.database.execute("CREATE VIEW goods AS SELECT sku, n AS on_hand, v AS version FROM base");
    shop.ledger(&["init"]).with(2).err_has("goods is a view").err_has("Name the table itself");
}

/// Types that are no exact numbers, by name, with what would do.
pub fn quantities_that_cannot_be_counted_are_refused(kind: Kind) {
    let types: &[&str] = match kind {
        Kind::Sqlite => &["REAL", "TEXT", "DOUBLE", "BLOB"],
        Kind::Postgres => &["REAL", "DOUBLE PRECISION", "TEXT", "MONEY"],
        Kind::MariaDb => &["FLOAT", "DOUBLE", "VARCHAR(20)", "TEXT"],
    };
    for name in types {
        let columns = format!("sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand {name}, version INT NOT NULL DEFAULT 0");
        let refused = shop_with(kind, &columns, "").ledger(&["init"]).with(2).err;
        assert!(refused.contains("goods.on_hand: the quantity is of the type"), "{name}: {refused}");
        assert!(refused.contains("DECIMAL and stock.unit"), "{name}: {refused}");
    }
    let versions: &[&str] = match kind {
        Kind::Sqlite => &["REAL", "TIMESTAMP"],
        Kind::Postgres => &["TIMESTAMP", "NUMERIC(10,2)", "TEXT"],
        Kind::MariaDb => &["TIMESTAMP", "DECIMAL(10,2)", "VARCHAR(20)"],
    };
    for name in versions {
        let columns = format!("sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand INT NOT NULL, version {name}");
        let refused = shop_with(kind, &columns, "").ledger(&["init"]).with(2).err;
        assert!(refused.contains("goods.version: the version is of the type"), "{name}: {refused}");
    }
    let columns = "sku VARCHAR(40) NOT NULL PRIMARY KEY, a INT NOT NULL, \
                   on_hand INT GENERATED ALWAYS AS (a) STORED, version INT NOT NULL DEFAULT 0";
    let refused = shop_with(kind, columns, "").ledger(&["init"]).with(2).err;
    assert!(refused.contains("goods.on_hand: the database computes this column"), "{refused}");
    let columns = "sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand INT NOT NULL";
    let refused = shop_with(kind, columns, "").ledger(&["init"]).with(2).err;
    assert!(refused.contains("goods has no column version") && refused.contains("version = \"\""), "{refused}");
    let columns = "sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand INT NOT NULL, version INT NOT NULL DEFAULT 0";
    let refused = shop_with(kind, columns, "unit = \"0.001\"\n").ledger(&["init"]).with(2).err;
    assert!(refused.contains("leave stock.unit out"), "{refused}");
}

/// Whole values of a DECIMAL are taken without a unit. A row with a fraction is named, and the
/// others go on.
pub fn a_row_with_a_fraction_is_named_and_stops_no_other(kind: Kind) {
    for version in ["version", ""] {
        let columns = "sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand DECIMAL(10,2), version INT NOT NULL DEFAULT 0";
        let shop = shop_with(kind, columns, &format!("version = \"{version}\"\n"));
        shop.database.execute("INSERT INTO goods (sku, on_hand) VALUES ('a', 10), ('b', 4.5), ('c', 20)");
        shop.ledger(&["init"]).ok();
        shop.ledger(&["preload"]).with(1).err_has("row b of the stock table says 4.5");
        assert_eq!(shop.database.rows("SELECT kind FROM stock_incidents"), [["unfit"]]);
        let mut c = shop.redis.connect();
        run(&mut c, &["STOCK.SET", "sku:b", "5"]);
        // This one's entries are packed, in the stream of the others.
        run(&mut c, &["STOCK.SETPOLICY", "sku:b", r#"{"events":"events","events_format":"packed"}"#]);
        for (pool, qty) in [("sku:a", "3"), ("sku:b", "2"), ("sku:c", "4")] {
            sell(&shop, pool, "o1", qty);
        }
        shop.ledger(&["run", "--once"]).ok();
        let whole = |sku: &str| quantity(&shop, sku).trim_end_matches(".00").to_string();
        assert_eq!((whole("a"), whole("c")), ("7".to_string(), "16".to_string()));
        assert!(quantity(&shop, "b").starts_with("4.5"), "nothing is rounded: {}", quantity(&shop, "b"));
        let incident = &shop.database.rows("SELECT detail FROM stock_incidents WHERE kind = 'uncovered'")[0][0];
        assert!(incident.contains("row b says 4.5"), "{incident}");
        shop.ledger(&["reconcile"]).with(1).err_has("sku:b: its row of the stock table says 4.5");
        shop.ledger(&["adjust", "b", "1", "--reason", "x"]).with(2).err_has("row b of goods says 4.5");
        // It is put right: what was sold meanwhile is made up for with the next change.
        shop.database.execute("UPDATE goods SET on_hand = 5, version = version + 1 WHERE sku = 'b'");
        sell(&shop, "sku:b", "o2", "1");
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(whole("b"), "2");
        shop.ledger(&["reconcile"]).ok();
        assert_eq!(field(&mut c, "sku:b", "on_hand"), 2);
    }
}

/// A thousandth as the pool's unit, exactly, both ways.
pub fn goods_that_are_weighed(kind: Kind) {
    let columns =
        "sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand DECIMAL(16,4) NOT NULL, version INT NOT NULL DEFAULT 0";
    if kind == Kind::Sqlite {
        let refused = shop_with(kind, columns, "unit = \"0.001\"\n").ledger(&["init"]).with(2).err;
        assert!(refused.contains("binary floating point"), "{refused}");
        return;
    }
    for version in ["version", ""] {
        let shop = shop_with(kind, columns, &format!("version = \"{version}\"\nunit = \"0.001\"\n"));
        shop.database.execute(
            "INSERT INTO goods (sku, on_hand) VALUES ('tea', 4.5), ('big', 900719925474.099), ('odd', 1.0005)",
        );
        shop.ledger(&["init"]).ok();
        shop.ledger(&["preload"])
            .with(1)
            .err_has("row odd of the stock table says 1.0005, which is not a whole number of 0.001");
        let mut c = shop.redis.connect();
        assert_eq!(field(&mut c, "sku:tea", "on_hand"), 4500);
        assert_eq!(field(&mut c, "sku:big", "on_hand"), 900_719_925_474_099);
        sell(&shop, "sku:tea", "o1", "1249");
        sell(&shop, "sku:big", "o1", "1");
        run(&mut c, &["STOCK.RETURN", "sku:tea", "o1", "QTY", "1", "TOKEN", "t"]);
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(quantity(&shop, "tea"), "3.2520");
        assert_eq!(quantity(&shop, "big"), "900719925474.0980");
        shop.ledger(&["adjust", "tea", "-252", "--reason", "spilled"]).ok();
        assert_eq!(quantity(&shop, "tea"), "3.0000");
        assert_eq!(field(&mut c, "sku:tea", "on_hand"), 3000);
        shop.database.execute("UPDATE goods SET on_hand = 2.75, version = version + 1 WHERE sku = 'tea'");
        shop.ledger(&["reconcile"]).ok();
        assert_eq!(field(&mut c, "sku:tea", "on_hand"), 2750);
    }
    let narrow = shop_with(kind, &columns.replace("16,4", "16,2"), "unit = \"0.001\"\n");
    narrow.ledger(&["init"]).with(2).err_has("2 digits behind the point");
}

/// Integers and UUIDs are keys like any others; what is not exact is refused, with what would do.
pub fn keys_of_other_types(kind: Kind) {
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    let types: &[(&str, &str)] = match kind {
        Kind::Sqlite => &[("INTEGER", "17")],
        Kind::Postgres => &[("BIGINT", "17"), ("UUID", uuid)],
        Kind::MariaDb if is_mysql(kind) => &[("BIGINT UNSIGNED", "17"), ("CHAR(40)", "x y")],
        Kind::MariaDb => &[("BIGINT UNSIGNED", "17"), ("UUID", uuid), ("CHAR(40)", "x y")],
    };
    for (name, sku) in types {
        for version in ["version", ""] {
            let columns =
                format!("sku {name} NOT NULL PRIMARY KEY, on_hand INT NOT NULL, version INT NOT NULL DEFAULT 0");
            let shop = shop_with(kind, &columns, &format!("version = \"{version}\"\n"));
            shop.database.execute(&format!("INSERT INTO goods (sku, on_hand) VALUES ('{sku}', 10)"));
            shop.ledger(&["init"]).ok();
            shop.ledger(&["preload"]).ok();
            let pool = format!("sku:{sku}");
            sell(&shop, &pool, "o1", "3");
            // A pool whose name is no such key has no row.
            let mut c = shop.redis.connect();
            run(&mut c, &["STOCK.SET", "sku:017 or so", "5"]);
            run(&mut c, &["STOCK.SETPOLICY", "sku:017 or so", "{\"events\":\"events\"}"]);
            sell(&shop, "sku:017 or so", "o1", "1");
            shop.ledger(&["run", "--once"]).ok();
            assert_eq!(quantity(&shop, sku), "7");
            shop.ledger(&["adjust", sku, "1", "--reason", "found"]).ok();
            assert_eq!(field(&mut c, &pool, "on_hand"), 8);
            shop.ledger(&["adjust", "017 or so", "1", "--reason", "found"]).with(2);
        }
    }
    if kind == Kind::Postgres {
        let shop = shop_with(kind, "sku CHAR(10) PRIMARY KEY, on_hand INT, version INT", "");
        shop.ledger(&["init"]).with(2).err_has("goods.sku: the key is of the type bpchar");
    }
    if kind == Kind::Sqlite {
        let shop = shop_with(kind, "sku NUMERIC PRIMARY KEY, on_hand INT, version INT", "");
        shop.ledger(&["init"]).with(2).err_has("declare it TEXT");
    }
}

/// A pool in letters that the key's character set does not have: it has no row, and the feed goes
/// on.
#[test]
fn a_key_column_of_few_letters() {
    for charset in ["latin1", "ascii", "utf8mb3"] {
        let columns = format!(
            "sku VARCHAR(40) CHARACTER SET {charset} NOT NULL PRIMARY KEY, on_hand INT NOT NULL, \
             version INT NOT NULL DEFAULT 0"
        );
        let shop = shop_with(Kind::MariaDb, &columns, "");
        shop.database.execute("INSERT INTO goods (sku, on_hand) VALUES ('tea', 10)");
        shop.ledger(&["init"]).ok();
        shop.ledger(&["preload"]).ok();
        let mut c = shop.redis.connect();
        for pool in ["sku:茶🍵", "sku:thé"] {
            run(&mut c, &["STOCK.SET", pool, "5"]);
            run(&mut c, &["STOCK.SETPOLICY", pool, "{\"events\":\"events\"}"]);
            sell(&shop, pool, "o1", "1");
        }
        sell(&shop, "sku:tea", "o1", "3");
        shop.ledger(&["run", "--once"]).ok();
        assert_eq!(quantity(&shop, "tea"), "7");
        assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE state = 'confirmed'"), 3);
        shop.ledger(&["adjust", "茶🍵", "1", "--reason", "x"]).with(2);
    }
    let shop = shop_with(
        Kind::MariaDb,
        "sku VARCHAR(40) CHARACTER SET gbk NOT NULL PRIMARY KEY, on_hand INT NOT NULL, version INT NOT NULL DEFAULT 0",
        "",
    );
    shop.ledger(&["init"]).with(2).err_has("character set gbk");
}

/// What buyers write is UTF-8: a database of another encoding would stop at the first name it
/// cannot carry.
#[test]
fn a_database_of_another_encoding_is_refused() {
    let mut shop = Shop::new(Database::fresh(Kind::Postgres));
    let name = format!("latin{}", std::process::id());
    shop.database
        .execute(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"));
    let url = shop.database.url().to_string();
    let (server, _) = url.rsplit_once('/').expect("a URL");
    shop.configure(POOLS, "");
    shop.ledger(&["--database", &format!("{server}/{name}"), "init"])
        .with(2)
        .err_has(&format!("the database {name} has the encoding LATIN1"));
}
