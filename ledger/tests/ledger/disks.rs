//! Disks of the databases: full for a while, or read-only. No row is at fault for it, so none is
//! set aside: `run` waits, other commands end with 4, and nothing is trimmed.

use crate::harness::databases::{Database, Kind};
use crate::harness::disk::Disk;
use crate::harness::shop::{self, answer, applied, assert_agreement, length, open, settle, Seller};
use crate::harness::{wait_until, Shop};

const TRIM: &str = "[run]\nreport_seconds = 1\ntrim = true\nbatch = 50\npatience_seconds = 1\n";

/// A shop whose order lines are on a small disk.
fn on_a_small_disk(kind: Kind) -> Option<(Shop, Disk, tempfile::TempDir)> {
    let shop = Shop::with(Database::alone(kind), TRIM);
    let keep = tempfile::tempdir().expect("a directory");
    let disk = match kind {
        Kind::Postgres => {
            let disk = Disk::at(keep.path())?;
            open(&shop, 20, 2_000);
            shop.database.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", keep.path().display()));
            shop.database.execute("ALTER TABLE stock_lines SET TABLESPACE small");
            shop.database.execute("ALTER INDEX stock_lines_pkey SET TABLESPACE small");
            disk
        }
        // The files of a database's tables are in a directory of its name.
        _ => {
            let disk = Disk::at(&shop.database.directory())?;
            open(&shop, 20, 2_000);
            disk
        }
    };
    Some((shop, disk, keep))
}

fn sell(shop: &Shop, seller: &mut Seller, calls: usize) {
    seller.sell(calls, &mut || shop.redis.connect());
    let mut c = shop.redis.connect();
    settle(&mut c);
}

fn a_full_disk(kind: Kind, word: &str) {
    let Some((shop, disk, _keep)) = on_a_small_disk(kind) else { return };
    let mut seller = Seller::new("s", 20, 1);
    sell(&shop, &mut seller, 100);
    shop.ledger(&["run", "--once"]).ok();
    disk.fill();
    sell(&shop, &mut seller, 4_000);
    let waiting = length(&shop);
    shop.ledger(&["run", "--once"]).with(4).err_has(word);
    let (reached, left) = (applied(&shop), length(&shop));
    assert!(left > 1, "it never reached the end of the disk");
    let mut run = shop.follow(&[]);
    wait_until("run waits", || shop.run_log().matches(word).count() >= 2);
    assert!(run.try_wait().expect("its state").is_none(), "{}", shop.run_log());
    assert!(length(&shop) >= left - (applied(&shop) - reached), "what is not in the database was trimmed");
    assert!(left <= waiting);
    disk.make_room();
    let mut c = shop.redis.connect();
    wait_until("all is applied and trimmed", || length(&shop) <= 1);
    shop.end(run);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending"), 0);
    assert_agreement(&shop, &mut c);
}

#[test]
fn a_full_disk_of_postgres() {
    a_full_disk(Kind::Postgres, "No space left on device");
}

#[test]
fn a_full_disk_of_mariadb() {
    a_full_disk(Kind::MariaDb, "is full");
}

/// Sells one order while the database cannot write. Afterwards it can, and all is as it should be.
fn meanwhile(shop: &Shop, word: &str, mend: impl FnOnce()) {
    let mut c = shop.redis.connect();
    shop::sell(&mut c, "sku:0", "while", "3");
    let left = length(shop);
    shop.ledger(&["run", "--once"]).with(4).err_has(word);
    let run = shop.follow(&[]);
    wait_until("run waits", || shop.run_log().matches(word).count() >= 2);
    assert_eq!(length(shop), left, "what is not in the database was trimmed");
    mend();
    wait_until("run goes on", || length(shop) <= 1);
    shop.end(run);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending"), 0);
    assert_agreement(shop, &mut c);
}

/// The disk of a tablespace comes back read-only after the server was down.
#[test]
fn a_read_only_disk_of_postgres() {
    let Some((mut shop, disk, _keep)) = on_a_small_disk(Kind::Postgres) else { return };
    shop.database.execute("ALTER TABLE stock SET TABLESPACE small");
    shop.ledger(&["run", "--once"]).ok();
    let mut server = shop.database.take_server().expect("a server");
    server.stop();
    disk.remount(false);
    server.start_again();
    meanwhile(&shop, "Read-only file system", || {
        server.stop();
        disk.remount(true);
        server.start_again();
    });
}

/// InnoDB serves and does not write (`innodb_read_only`, `innodb_force_recovery`).
#[test]
fn an_innodb_that_is_read_only() {
    let mut shop = Shop::with(Database::alone(Kind::MariaDb), TRIM);
    open(&shop, 20, 2_000);
    shop.ledger(&["run", "--once"]).ok();
    let mut server = shop.database.take_server().expect("a server");
    server.stop();
    server.start_with(&["--innodb-read-only"]);
    meanwhile(&shop, "is read only", || {
        server.stop();
        server.start_with(&[]);
    });
}

/// 1792: every transaction of a new session is read-only unless it says otherwise.
#[test]
fn transactions_of_mariadb_that_are_read_only() {
    let shop = Shop::with(Database::alone(Kind::MariaDb), TRIM);
    open(&shop, 20, 2_000);
    shop.ledger(&["run", "--once"]).ok();
    shop.database.execute("SET GLOBAL tx_read_only = 1");
    meanwhile(&shop, "1792", || {
        shop.database.execute("SET GLOBAL tx_read_only = 0");
    });
}

/// A file on a disk that was mounted again, read-only.
#[test]
fn a_read_only_disk_of_sqlite() {
    let shop = Shop::with(Database::fresh(Kind::Sqlite), TRIM);
    let Some(disk) = Disk::at(&shop.database.directory()) else { return };
    open(&shop, 20, 2_000);
    shop.ledger(&["run", "--once"]).ok();
    disk.remount(false);
    let mut c = shop.redis.connect();
    assert_eq!(answer(&mut c, &["STOCK.RESERVE", "sku:0", "while", "3"]), "OK");
    let left = length(&shop);
    // Commands that end: nobody may have the file open when the disk changes again.
    for words in [vec!["run", "--once"], vec!["adjust", "0", "1", "--reason", "x"], vec!["preload"]] {
        let ended = shop.ledger(&words).with(4);
        assert!(!ended.err.contains("init"), "{words:?}: {}", ended.err);
    }
    assert_eq!(length(&shop), left, "what is not in the database was trimmed");
    disk.remount(true);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines"), 1);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    assert_agreement(&shop, &mut c);
}
