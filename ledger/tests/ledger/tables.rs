use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{answer, assert_agreement, open, sell};
use crate::harness::Shop;

/// A table of the shop's, with other names and types, other columns, and no version.
pub fn a_shop_has_its_own_table(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let quantity = match kind {
        Kind::MariaDb => "INT UNSIGNED",
        Kind::Postgres => "INTEGER CHECK (amount >= 0)",
        Kind::Sqlite => "INTEGER CHECK (amount >= 0)",
    };
    shop.database.touch();
    shop.database.execute(&format!(
        "CREATE TABLE goods (id INTEGER PRIMARY KEY, code VARCHAR(40) NOT NULL UNIQUE, name VARCHAR(40), amount {quantity} NOT NULL)"
    ));
    shop.database.execute("INSERT INTO goods VALUES (1, 'tea', 'Tea', 10), (2, 'cup', 'Cup', 5)");
    shop.configure(
        "[pools]\nkey = \"p:%:pool\"\nevents = \"events\"\npolicy = '{\"hold\": 77}'\n",
        "[stock]\ntable = \"goods\"\nkey = \"code\"\nquantity = \"amount\"\nversion = \"\"\n",
    );
    shop.ledger(&["init"]).ok();
    shop.ledger(&["preload"]).ok();
    let mut c = shop.redis.connect();
    assert_eq!(field(&mut c, "p:tea:pool", "hold_seconds"), 77);
    sell(&mut c, "p:tea:pool", "o1", "4");
    sell(&mut c, "p:cup:pool", "o1", "1");
    shop.ledger(&["run", "--once"]).ok();
    let rows = shop.database.rows("SELECT code, name, amount FROM goods ORDER BY code");
    assert_eq!(rows, [["cup", "Cup", "4"], ["tea", "Tea", "6"]]);
    shop.ledger(&["adjust", "tea", "10", "--reason", "delivery"]).ok();
    assert_eq!(field(&mut c, "p:tea:pool", "on_hand"), 16);
    let mut wrong = Shop { config: shop.config.clone(), ..Shop::new(Database::fresh(Kind::Sqlite)) };
    wrong.configure("", "[stock]\ntable = \"goods\"\n");
    assert_ne!(wrong.ledger(&["init"]).code, 0);
}

pub fn what_the_stock_row_cannot_carry(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 5);
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "o1", "3"]);
    answer(&mut c, &["STOCK.RESERVE", "sku:1", "o1", "3"]);
    // Somebody counts again: only 1 is there. The holds stay, and are paid.
    shop.database.execute("UPDATE stock SET on_hand = 1, version = version + 1 WHERE sku = '0'");
    answer(&mut c, &["STOCK.CONFIRM", "sku:0", "o1"]);
    // A pre-sale: the policy allows to sell what has not arrived.
    run(&mut c, &["STOCK.SETPOLICY", "sku:1", "{\"safety\":-10,\"events\":\"events\"}"]);
    answer(&mut c, &["STOCK.CONFIRM", "sku:1", "o1"]);
    sell(&mut c, "sku:1", "o2", "6");
    shop.ledger(&["run", "--once"]).ok();
    let rows = shop.database.rows("SELECT kind, pool, order_id, units FROM stock_incidents");
    assert_eq!(rows, [["uncovered", "sku:0", "o1", "2"]]);
    let rows = shop.database.rows("SELECT pool, uncovered FROM stock_positions ORDER BY pool");
    assert_eq!(rows, [["sku:0", "2"], ["sku:1", "4"]]);
    shop.ledger(&["status"]).ok().out_has("6 paid units in 2 pools are not covered");
    shop.ledger(&["reconcile"]).ok();
    assert_eq!(field(&mut c, "sku:0", "on_hand"), -2);
    assert_agreement(&shop, &mut c);
    // The delivery covers what is owed first.
    shop.ledger(&["adjust", "0", "10", "--reason", "delivery"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '0'"), 8);
    assert_eq!(field(&mut c, "sku:0", "on_hand"), 8);
    assert_eq!(shop.database.number("SELECT uncovered FROM stock_positions WHERE pool = 'sku:0'"), 0);
    assert_agreement(&shop, &mut c);
}

/// Pools and orders whose names no database would take as they are.
pub fn ids_of_any_bytes(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 50);
    let ids: [&[u8]; 8] = [b"a", b"A", b"a ", b"a\0", b"\xff\xfe", "é".as_bytes(), "e\u{301}".as_bytes(), b"\\x00'\""];
    for id in ids {
        let mut call = redis::cmd("STOCK.RESERVE");
        let answer: redis::Value =
            call.arg("sku:1").arg(id).arg(1).arg("FOR").arg("user").arg(id).query(&mut c).expect("OK");
        assert_eq!(crate::harness::redis_server::word(&answer), "OK");
        let _: redis::Value = redis::cmd("STOCK.CONFIRM").arg("sku:1").arg(id).query(&mut c).expect("OK");
    }
    let _: redis::Value = redis::cmd("STOCK.SET").arg(b"cap\xff \0").arg("UNLIMITED").query(&mut c).expect("OK");
    let _: redis::Value =
        redis::cmd("STOCK.SETPOLICY").arg(b"cap\xff \0").arg("{\"events\":\"events\"}").query(&mut c).expect("OK");
    let _: redis::Value = redis::cmd("STOCK.RESERVE").arg(b"cap\xff \0").arg("o").arg(9).query(&mut c).expect("OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE state = 'confirmed'"), 8);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 42);
    let rows = shop.database.rows("SELECT order_id, state FROM stock_lines WHERE pool = 'cap\\xff \\x00'");
    let rows = if kind == Kind::MariaDb {
        shop.database.rows("SELECT order_id, state FROM stock_lines WHERE pool = 'cap\\\\xff \\\\x00'")
    } else {
        rows
    };
    assert_eq!(rows, [["o", "reserved"]]);
    shop.ledger(&["audit"]).ok();
    shop.ledger(&["reconcile"]).ok();
}

/// A table of the shop's that has the name of one of the ledger's; and a ledger's that a broken
/// `init` has left.
pub fn the_shops_tables_stay(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    shop.database.touch();
    shop.database.execute("CREATE TABLE stock_adjustments (id INTEGER PRIMARY KEY, note VARCHAR(40))");
    shop.database.execute("INSERT INTO stock_adjustments VALUES (1, 'precious')");
    for _ in 0..2 {
        shop.ledger(&["init"]).with(2).err_has("stock_adjustments").err_has("not the ledger's");
    }
    assert_eq!(shop.database.rows("SELECT note FROM stock_adjustments"), [["precious"]]);
    shop.database.execute("ALTER TABLE stock_adjustments RENAME TO corrections");
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock_epochs VALUES ('sku:1', 'aa')");
    for _ in 0..2 {
        shop.database.execute("DELETE FROM stock_ledger_version");
        shop.ledger(&["run", "--once"]).with(3);
        shop.database.execute("DROP TABLE stock_tokens");
        shop.ledger(&["init"]).ok();
        assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_epochs"), 1);
        shop.ledger(&["run", "--once"]).ok();
    }
    assert_eq!(shop.database.rows("SELECT note FROM corrections"), [["precious"]]);
}

/// Words that databases keep for themselves, and capitals.
pub fn a_shop_names_its_columns_as_it_likes(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let q = if kind == Kind::Postgres { '"' } else { '`' };
    shop.database.touch();
    shop.database.execute(&format!(
        "CREATE TABLE {q}Order{q} ({q}key{q} VARCHAR(40) NOT NULL PRIMARY KEY, {q}onHand{q} INTEGER NOT NULL, \
         {q}group{q} INTEGER NOT NULL DEFAULT 0)"
    ));
    shop.database.execute(&format!("INSERT INTO {q}Order{q} VALUES ('tea', 10, 0)"));
    shop.configure(
        "[pools]\nkey = \"sku:%\"\nevents = \"events\"\n",
        "[stock]\ntable = \"Order\"\nkey = \"key\"\nquantity = \"onHand\"\nversion = \"group\"\n",
    );
    shop.ledger(&["init"]).ok();
    shop.ledger(&["preload"]).ok();
    let mut c = shop.redis.connect();
    sell(&mut c, "sku:tea", "o1", "4");
    shop.ledger(&["run", "--once"]).ok();
    let rows = shop.database.rows(&format!("SELECT {q}key{q}, {q}onHand{q}, {q}group{q} FROM {q}Order{q}"));
    assert_eq!(rows, [["tea", "6", "1"]]);
    shop.ledger(&["adjust", "tea", "1", "--reason", "found"]).ok();
    shop.configure(
        "[pools]\nkey = \"sku:%\"\nevents = \"events\"\n",
        "[stock]\ntable = \"Order\"\nkey = \"nokey\"\nquantity = \"onHand\"\nversion = \"group\"\n",
    );
    assert_ne!(shop.ledger(&["init"]).code, 0);
}

/// A row without a quantity: whoever preloads learns which one it is, and the feed goes on.
pub fn a_row_without_a_number_is_named(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    shop.database.touch();
    shop.database.execute(
        "CREATE TABLE goods (sku VARCHAR(40) NOT NULL PRIMARY KEY, on_hand INTEGER, version INTEGER DEFAULT 0)",
    );
    shop.database.execute("INSERT INTO goods VALUES ('1', 5, 0), ('2', NULL, 0)");
    shop.configure("[pools]\nkey = \"sku:%\"\nevents = \"events\"\n", "[stock]\ntable = \"goods\"\n");
    shop.ledger(&["init"]).ok();
    shop.ledger(&["preload"]).with(1).err_has("row 2 of the stock table has no number");
    let mut c = shop.redis.connect();
    for pool in ["sku:1", "sku:2"] {
        run(&mut c, &["STOCK.SET", pool, "5"]);
        run(&mut c, &["STOCK.SETPOLICY", pool, "{\"events\":\"events\"}"]);
        sell(&mut c, pool, "o1", "2");
    }
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM goods WHERE sku = '1'"), 3);
    let rows = shop.database.rows("SELECT kind, pool FROM stock_incidents WHERE kind <> 'joined'");
    assert_eq!(rows, [["unfit", ""], ["uncovered", "sku:2"]]);
}
