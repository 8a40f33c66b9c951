//! The server's clock, which the test moves, is the one that commands go by. What they make of time
//! is in `tests/model`.

use testkit::{stock_info, Server};

/// Monday, 2026-03-02, 00:00 UTC.
const MONDAY: i64 = 1_772_409_600_000;

#[test]
fn the_clock_is_ours() {
    let Some(server) = Server::at_time(MONDAY, &[]) else { return };
    let mut c = server.client();
    c.expect("STOCK.SET k 1000", "OK");
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
    c.expect("STOCK.AVAILABLE k", "[1000]");
    assert!(stock_info(&mut c, "clock_steps") > 0);
}
