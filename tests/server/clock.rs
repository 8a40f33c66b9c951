//! The server's clock, which the test moves, is the one that commands go by. What they make of time
//! is in `tests/model`.

use testkit::{stock_info, Client, Server};

/// Monday, 2026-03-02, 00:00 UTC.
const MONDAY: i64 = 1_772_409_600_000;

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
    // A step back is counted, and brings nothing back that is over.
    server.set_clock(MONDAY + 11);
    c.expect("STOCK.CONFIRM k o", "[EXPIRED, k]");
    server.set_clock(MONDAY - 3_600_000);
    c.expect("STOCK.CONFIRM k o", "[EXPIRED, k]");
    assert!(stock_info(&mut c, "clock_steps") > 0);
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

/// The clock steps back behind a deadline that a write has already honoured: what is over stays
/// over.
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
