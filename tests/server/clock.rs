//! Time to the millisecond, on a clock that the test moves: edges of windows, deadlines, memory, steps back.

use testkit::{stock_info, Client, Server};

/// Monday, 2026-03-02, 00:00 UTC.
const MONDAY: i64 = 1_772_409_600_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn server(now_ms: i64) -> Option<(Server, Client)> {
    let server = Server::at_time(now_ms, &[])?;
    let mut c = server.client();
    c.expect("STOCK.SET k 1000", "OK");
    Some((server, c))
}

#[test]
fn the_clock_is_ours() {
    let Some((server, mut c)) = server(MONDAY) else {
        return;
    };
    c.expect("TIME", "[\"1772409600\", \"0\"]");
    server.set_clock(MONDAY + 1);
    c.expect("TIME", "[\"1772409600\", \"1000\"]");
    let answer = c.expect("STOCK.RESERVE k o 1 PX 10", "[OK, *]");
    assert_eq!(answer.items()[3].int(), MONDAY + 11);
}

/// A hold is held until its deadline, and due at it.
#[test]
fn deadlines_to_the_millisecond() {
    let Some((server, mut c)) = server(MONDAY) else {
        return;
    };
    c.script(
        "STOCK.RESERVE k a 4 PX 1000 => [OK, *]
         STOCK.RESERVE k b 4 PX 1000 => [OK, *]",
    );
    server.set_clock(MONDAY + 999);
    c.expect("STOCK.SWEEP k", "0");
    c.expect("STOCK.CONFIRM k a", "[OK, 4, 4]");
    server.set_clock(MONDAY + 1000);
    c.expect("STOCK.AVAILABLE k", "[996]");
    c.expect("STOCK.CONFIRM k b", "[EXPIRED, k]");
    c.expect("STOCK.CONFIRM k b LATE", "[OK, 4, 8]");
    c.verify("k");
}

/// `retain` counts from the last change: for an expired order from the moment its hold was returned.
#[test]
fn memory_to_the_millisecond() {
    let Some((server, mut c)) = server(MONDAY) else {
        return;
    };
    c.script(
        "STOCK.SETPOLICY k {\"retain\":10,\"retain_paid\":20}
         STOCK.RESERVE k released 1 => [OK, *]
         STOCK.RESERVE k paid 1 => [OK, *]
         STOCK.RESERVE k back 2 => [OK, *]
         STOCK.RESERVE k expired 1 PX 500 => [OK, *]
         STOCK.RELEASE k released => [OK, *]
         STOCK.RELEASE k never => [NOORDER, k]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.CONFIRM k back => [OK, *]",
    );
    server.set_clock(MONDAY + 4000);
    c.expect("STOCK.RETURN k back QTY 1 TOKEN t", "[OK, *]");
    // That write returned the hold which was due since 500.
    let at = |server: &Server, c: &mut Client, ms: i64, known: &[&str]| {
        server.set_clock(MONDAY + ms);
        for order in ["released", "never", "expired", "paid", "back"] {
            let found = c.say(&format!("STOCK.ORDER k {order}")).to_string();
            assert_eq!(found != "nil", known.contains(&order), "{order} at {ms}: {found}");
        }
        c.verify("k");
    };
    at(&server, &mut c, 9_999, &["released", "never", "expired", "paid", "back"]);
    at(&server, &mut c, 10_000, &["expired", "paid", "back"]);
    at(&server, &mut c, 13_999, &["expired", "paid", "back"]);
    at(&server, &mut c, 14_000, &["paid", "back"]);
    at(&server, &mut c, 19_999, &["paid", "back"]);
    at(&server, &mut c, 20_000, &["back"]);
    at(&server, &mut c, 23_999, &["back"]);
    at(&server, &mut c, 24_000, &[]);
    c.script(
        "STOCK.RETURN k back => [NOORDER, k]
         STOCK.RESERVE k released 3 => [OK, 3, *]",
    );
    c.expect_pool("k", "on_hand=998 reserved=3 sold=2 out=2");
}

/// Usage begins anew at the edge of its window, by the limit's own offset, and not a millisecond sooner.
#[test]
fn edges_of_windows() {
    for (window, tz, start, end) in [
        ("HOUR", "+00:00", MONDAY + 5 * HOUR, MONDAY + 6 * HOUR),
        ("HOUR", "+05:30", MONDAY + 5 * HOUR + HOUR / 2, MONDAY + 6 * HOUR + HOUR / 2),
        ("DAY", "+00:00", MONDAY, MONDAY + DAY),
        ("DAY", "+08:00", MONDAY - 8 * HOUR, MONDAY + 16 * HOUR),
        ("DAY", "-18:00", MONDAY + 18 * HOUR, MONDAY + 42 * HOUR),
        ("WEEK", "+00:00", MONDAY, MONDAY + 7 * DAY),
        ("WEEK", "+08:00", MONDAY - 8 * HOUR, MONDAY + 7 * DAY - 8 * HOUR),
        ("MONTH", "+00:00", MONDAY - DAY, MONDAY + 30 * DAY),
        ("MONTH", "-03:00", MONDAY - DAY + 3 * HOUR, MONDAY + 30 * DAY + 3 * HOUR),
        ("600", "+05:45", MONDAY, MONDAY + 600_000),
        ("7", "+00:00", MONDAY - MONDAY % 7000, MONDAY - MONDAY % 7000 + 7000),
    ] {
        let Some((server, mut c)) = server(start - 1) else {
            return;
        };
        c.expect(&format!("STOCK.LIMIT k user 5 PER {window} TZ {tz}"), "OK");
        let text = format!("user/{}/units", window.to_lowercase());
        let what = format!("{window} {tz}");
        c.expect("STOCK.RESERVE k before 5 EX 9999999 FOR user u", "[OK, *]");
        c.expect("STOCK.RESERVE k more 1 EX 9999999 FOR user u", &format!("[LIMITED, k, {text}, [u], 5, 5, {start}]"));
        server.set_clock(start);
        c.expect("STOCK.RESERVE k first 2 EX 9999999 FOR user u", "[OK, *]");
        server.set_clock(end - 1);
        c.expect("STOCK.RESERVE k second 3 EX 9999999 FOR user u", "[OK, *]");
        c.expect("STOCK.RESERVE k third 1 EX 9999999 FOR user u", &format!("[LIMITED, k, {text}, [u], 5, 5, {end}]"));
        // What was counted in a window that is over does not come back to this one.
        c.expect("STOCK.RELEASE k before", "[OK, 5, *]");
        c.expect("STOCK.RESERVE k third 1 EX 9999999 FOR user u", "[LIMITED, *]");
        server.set_clock(end);
        c.expect("STOCK.RESERVE k third 5 EX 9999999 FOR user u", "[OK, *]");
        let used = c.say("STOCK.USAGE k FOR user u");
        assert_eq!(used.items()[0].field("used").int(), 5, "{what}");
        c.verify("k");
    }
}

/// When the clock steps back, usage of a window ahead is the current one: a step opens no second allowance.
#[test]
fn a_step_back() {
    let Some((server, mut c)) = server(MONDAY + 6 * HOUR) else {
        return;
    };
    c.script(
        "STOCK.LIMIT k user 5 PER HOUR
         STOCK.RESERVE k a 4 EX 999999 FOR user u => [OK, *]",
    );
    let resets = MONDAY + 7 * HOUR;
    server.set_clock(MONDAY + 3 * HOUR);
    c.expect(
        "STOCK.RESERVE k b 2 EX 999999 FOR user u",
        &format!("[LIMITED, k, user/hour/units, [u], 4, 5, {resets}]"),
    );
    c.expect("STOCK.RESERVE k b 1 EX 999999 FOR user u", "[OK, *]");
    let usage = c.say("STOCK.USAGE k FOR user u");
    assert_eq!(usage.items()[0].field("used").int(), 5);
    assert_eq!(usage.items()[0].field("resets_ms").int(), resets);
    c.expect("STOCK.RELEASE k a", "[OK, 4, *]");
    c.expect("STOCK.RESERVE k c 4 EX 999999 FOR user u", "[OK, *]");
    server.set_clock(resets - 1);
    c.expect("STOCK.RESERVE k d 1 EX 999999 FOR user u", "[LIMITED, *]");
    server.set_clock(resets);
    c.expect("STOCK.RESERVE k d 5 EX 999999 FOR user u", "[OK, *]");
    c.verify("k");
    assert!(stock_info(&mut c, "clock_steps") > 0);
}

/// A change of the offset cuts the windows anew.
#[test]
fn a_change_of_offset() {
    // 17:00 UTC: in +08:00 the next day has begun an hour ago.
    let Some((server, mut c)) = server(MONDAY + 10 * HOUR) else {
        return;
    };
    c.script(
        "STOCK.LIMIT k user 5 PER DAY
         STOCK.RESERVE k a 4 EX 999999 FOR user u => [OK, *]",
    );
    server.set_clock(MONDAY + 17 * HOUR);
    c.expect("STOCK.CHECK k 2 FOR user u", "[LIMITED, *]");
    c.expect("STOCK.LIMIT k user 5 PER DAY TZ +08:00", "OK");
    // It began on Monday at 00:00 UTC, before Tuesday began in +08:00 at 16:00 UTC: it is over.
    c.expect("STOCK.RESERVE k b 5 EX 999999 FOR user u", "[OK, *]");
    c.expect("STOCK.LIMIT k user 5 PER DAY TZ -08:00", "OK");
    // By -08:00 the day began at 08:00 UTC, and that usage at 16:00 UTC: it is not over.
    c.expect("STOCK.CHECK k 1 FOR user u", "[LIMITED, *]");
    c.verify("k");
}

/// The clock steps back behind a deadline that a write has already honoured: what is over stays over.
#[test]
fn expired_stays_expired() {
    let Some((server, mut c)) = server(MONDAY) else {
        return;
    };
    c.expect("STOCK.RESERVE k a 4 PX 1000", "[OK, *]");
    server.set_clock(MONDAY + 2000);
    c.expect("STOCK.CONFIRM k a", "[EXPIRED, k]");
    server.set_clock(MONDAY);
    c.expect("STOCK.CONFIRM k a", "[EXPIRED, k]");
    c.expect("STOCK.AVAILABLE k", "[1000]");
    c.expect("STOCK.RESERVE k b 1 PX 1000", &format!("[OK, 1, 999, {}]", MONDAY + 1000));
    c.verify("k");
}

/// Ten years ahead, and the far future.
#[test]
fn far_deadlines() {
    let Some((server, mut c)) = server(MONDAY) else {
        return;
    };
    let far = MONDAY + 3_650 * DAY;
    c.expect(&format!("STOCK.RESERVE k a 1 PXAT {far}"), &format!("[OK, 1, 999, {far}]"));
    c.expect(&format!("STOCK.RESERVE k b 1 PXAT {}", far + 1), "-ERR *");
    c.expect(&format!("STOCK.EXTEND k a PXAT {}", far + 1), "-ERR *");
    c.expect("STOCK.RESERVE k b 1 PX 315360000001", "-ERR *");
    server.set_clock(far - 1);
    c.expect("STOCK.SWEEP k", "0");
    server.set_clock(far);
    c.expect("STOCK.SWEEP k", "1");
    c.verify("k");
}
