//! Stock as a server keeps it: tokens of any bytes, epochs, a long sweep. The rules are in
//! `tests/model`.

use testkit::args;
use testkit::{now_ms, pass, status_word, Server};

#[test]
fn tokens_are_any_bytes() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let odd = b"\0\xff\r\n";
    assert_eq!(c.call(&args!["STOCK.ADD", "k", 1, "TOKEN", odd]).to_string(), "[OK, 11, 11]");
    assert_eq!(c.call(&args!["STOCK.ADD", "k", 1, "TOKEN", odd]).to_string(), "[EXISTS, k, added, 1, 0, 0]");
    c.verify("k");
}

/// An epoch is 16 hex digits, stays for the life of a history, and is another one for each pool.
#[test]
fn epochs() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET a 1
         STOCK.SET b 1",
    );
    let (a, b) = (c.get("a", "epoch"), c.get("b", "epoch"));
    let a = a.trim_matches('"').to_string();
    assert!(a.len() == 16 && a.bytes().all(|d| d.is_ascii_hexdigit()), "{a}");
    assert_ne!(a, b.trim_matches('"'));
    c.expect("STOCK.ADD a 1", "[OK, 2, 2]");
    assert_eq!(c.get("a", "epoch").trim_matches('"'), a);
    c.script(
        "DEL a => 1
         STOCK.SET a 1",
    );
    assert_ne!(c.get("a", "epoch").trim_matches('"'), a);
}

#[test]
fn sweep_is_bounded() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    c.expect("STOCK.SET k 5000", "OK");
    let at = now_ms() + 2_000;
    let calls: Vec<_> = (0..2500).map(|i| args!["STOCK.RESERVE", "k", format!("o{i}"), 1, "PXAT", at]).collect();
    for answer in c.pipeline(&calls) {
        assert_eq!(status_word(&answer), "OK");
    }
    c.expect("STOCK.SWEEP k", "0");
    pass(at);
    c.script(
        "STOCK.SWEEP no => [NOPOOL, no]
         STOCK.SWEEP k COUNT 0 => -ERR *
         STOCK.SWEEP k COUNT 100001 => -ERR *
         STOCK.SWEEP k COUNT 1 => 1
         STOCK.SWEEP k => 1000
         STOCK.SWEEP k COUNT 100000 => 1499
         STOCK.SWEEP k => 0
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "reserved=0 available=5000");
}
