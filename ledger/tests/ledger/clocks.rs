//! A ledger's machine whose clock is wrong: what a pool has forgotten is decided by its server's.

use testkit::clock::Clock;

use crate::harness::databases::{Database, Kind};
use crate::harness::shop::{answer, open};
use crate::harness::Shop;

const HOUR_MS: i64 = 3_600_000;

/// Orders that the pool has forgotten are no differences, and younger ones are, whatever the clock
/// of the ledger says.
#[test]
fn an_audit_goes_by_the_clock_of_redis() {
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    let mut c = open(&shop, 1, 10);
    let policy = "{\"events\":\"events\",\"retain\":3600,\"retain_paid\":3600}";
    assert_eq!(answer(&mut c, &["STOCK.SETPOLICY", "sku:0", policy]), "OK");
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "o1", "1"]);
    shop.ledger(&["run", "--once"]).ok();
    let (now_s, _): (i64, i64) = redis::cmd("TIME").query(&mut c).expect("TIME");
    let now_ms = now_s * 1000;
    let audit = |clock_ms: i64, code: i32| {
        let clock = Clock::at(clock_ms);
        let out = shop.command(&["audit"]).envs(clock.environment()).output().expect("audit");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&out.stderr));
        text
    };
    // Paid two hours ago, and forgotten by the pool since.
    let line = |order: &str, changed_ms: i64| {
        shop.database.execute(&format!(
            "INSERT INTO stock_lines SELECT pool, '{order}', 'confirmed', qty, 0, 1, 0, '', {changed_ms}, {changed_ms}, epoch, 1 \
             FROM stock_lines WHERE order_id = 'o1'"
        ));
    };
    line("forgotten", now_ms - 2 * HOUR_MS);
    for hours in [-3, 0, 3] {
        let text = audit(now_ms + hours * HOUR_MS, 0);
        assert!(text.contains("0 open"), "{hours} hours: {text}");
    }
    // Paid half an hour ago, and unknown to the pool: somebody has to look.
    line("missing", now_ms - HOUR_MS / 2);
    for hours in [-3, 0, 3] {
        let text = audit(now_ms + hours * HOUR_MS, 1);
        assert!(text.contains("missing") && !text.contains("forgotten") && text.contains("1 open"), "{hours}: {text}");
    }
    // The clock is really another one.
    let clock = Clock::at(now_ms - 3 * HOUR_MS);
    let mut adjust = shop.command(&["adjust", "0", "1", "--reason", "x"]);
    assert!(adjust.envs(clock.environment()).status().expect("adjust").success());
    assert_eq!(shop.database.number("SELECT at_ms FROM stock_adjustments"), now_ms - 3 * HOUR_MS);
}
