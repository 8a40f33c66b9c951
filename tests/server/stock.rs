//! What the shop does with its stock: SET, ADD, SUSPEND, RESUME, SWEEP.

use testkit::args;
use testkit::{now_ms, pass, status_word, Server, Value};

const MAX: i64 = 9_007_199_254_740_991;

#[test]
fn set_creates_and_corrects() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10 XX => nil
         EXISTS k => 0
         STOCK.SET k 10 NX
         STOCK.SET k 11 NX => nil
         STOCK.AVAILABLE k => [10]
         STOCK.RESERVE k o 4 => [OK, 4, 6, *]
         STOCK.SET k 20 XX
         STOCK.AVAILABLE k => [16]
         STOCK.SET k 3
         STOCK.AVAILABLE k => [0]
         STOCK.RESERVE k p 1 => [SOLDOUT, k, 0]
         STOCK.CONFIRM k o => [OK, 4, 4]
         STOCK.SET k -5
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "on_hand=-5 reserved=0 available=0 shortfall=5 sold=4 out=4");
    c.expect("STOCK.SET k 1 NX XX", "-ERR *");
    c.expect("STOCK.SET k 1 xx", "OK");
}

/// A correction is no movement: `out` does not know it. Confirmed sales, returns and restocks are movements.
#[test]
fn out_follows_movements_only() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10
         STOCK.ADD k 5 => [OK, 15, 15]",
    );
    c.expect_pool("k", "on_hand=15 out=-5 sold=0");
    c.script(
        "STOCK.RESERVE k o 6 => [OK, 6, 9, *]
         STOCK.CONFIRM k o => [OK, 6, 6]",
    );
    c.expect_pool("k", "on_hand=9 out=1 sold=6");
    c.expect("STOCK.SET k 100", "OK");
    c.expect_pool("k", "on_hand=100 out=1 sold=6");
    c.expect("STOCK.RETURN k o QTY 2 TOKEN a", "[OK, 2, 102, 4]");
    c.expect_pool("k", "on_hand=102 out=-1 sold=4");
    c.expect("STOCK.RETURN k o NORESTOCK", "[OK, 4, 102, 0]");
    c.expect_pool("k", "on_hand=102 out=-1 sold=0");
    c.expect("STOCK.ADD k -2", "[OK, 100, 100]");
    c.expect_pool("k", "on_hand=100 out=1 sold=0");
}

#[test]
fn unlimited_pools() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k UNLIMITED
         STOCK.AVAILABLE k => [-1]
         STOCK.RESERVE k o 9007199254740991 => [OK, 9007199254740991, -1, *]
         STOCK.RESERVE k p 1 => -ERR *
         STOCK.RELEASE k o => [OK, 9007199254740991, -1]
         STOCK.RESERVE k p 7 PARTIAL => [OK, 7, -1, *]
         STOCK.CONFIRM k p => [OK, 7, 7]
         STOCK.RETURN k p QTY 3 TOKEN t => [OK, 3, -1, 4]
         STOCK.ADD k 5 => -ERR *",
    );
    c.expect_pool("k", "on_hand=nil unlimited=1 available=-1 shortfall=0 sold=4 out=4");
    c.script(
        "STOCK.SET k 10
         STOCK.AVAILABLE k => [10]
         STOCK.RESERVE k q 11 => [SOLDOUT, k, 10]
         STOCK.RESERVE k q 10 => [OK, 10, 0, *]
         STOCK.SET k unlimited
         STOCK.AVAILABLE k => [-1]
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "on_hand=nil unlimited=1 reserved=10 sold=4 out=4");
}

#[test]
fn add_restocks_and_writes_off() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.ADD no 5 => [NOPOOL, no]
         STOCK.SET k 10
         STOCK.RESERVE k o 6 => [OK, 6, 4, *]
         STOCK.ADD k -5 => [SOLDOUT, k, 4]
         STOCK.ADD k -4 => [OK, 6, 0]
         STOCK.ADD k 10 => [OK, 16, 10]
         STOCK.ADD k 0 => -ERR *
         STOCK.ADD k 9007199254740992 => -ERR *
         STOCK.VERIFY k",
    );
    // Safety is a policy, and may be written off.
    c.script(
        "STOCK.SETPOLICY k {\"safety\":8}
         STOCK.AVAILABLE k => [2]
         STOCK.ADD k -10 => [OK, 6, 0]
         STOCK.ADD k -1 => [SOLDOUT, k, 0]
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "on_hand=6 reserved=6 safety=8 available=0 shortfall=8");
}

#[test]
fn add_tokens() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10
         STOCK.ADD k 5 TOKEN delivery-1 => [OK, 15, 15]
         STOCK.ADD k 5 TOKEN delivery-1 => [EXISTS, k, added, 5, 0, 0]
         STOCK.ADD k 6 TOKEN delivery-1 => -CONFLICT *
         STOCK.ADD k -20 TOKEN t => [SOLDOUT, k, 15]
         STOCK.ADD k -3 TOKEN t => [OK, 12, 12]
         STOCK.ADD k -3 TOKEN t => [EXISTS, k, added, -3, 0, 0]
         STOCK.SETPOLICY k {\"retain_paid\":1}
         STOCK.ADD k 1 TOKEN short => [OK, 13, 13]",
    );
    let given = now_ms();
    c.expect("STOCK.ADD k 1 TOKEN short", "[EXISTS, k, added, 1, 0, 0]");
    pass(given + 1_000);
    c.expect("STOCK.ADD k 1 TOKEN short", "[OK, 14, 14]");
    let odd = b"\0\xff\r\n";
    assert_eq!(c.call(&args!["STOCK.ADD", "k", 1, "TOKEN", odd]).to_string(), "[OK, 15, 15]");
    assert_eq!(c.call(&args!["STOCK.ADD", "k", 1, "TOKEN", odd]).to_string(), "[EXISTS, k, added, 1, 0, 0]");
    c.verify("k");
}

#[test]
fn suspended_pools_take_nothing() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SUSPEND no => [NOPOOL, no]
         STOCK.RESUME no => [NOPOOL, no]
         STOCK.SET k 20
         STOCK.RESERVE k a 2 => [OK, *]
         STOCK.RESERVE k b 2 => [OK, *]
         STOCK.RESERVE k c 4 => [OK, *]
         STOCK.RESERVE k d 2 => [OK, *]
         STOCK.SUSPEND k
         STOCK.SUSPEND k
         STOCK.RESERVE k e 1 => [SUSPENDED, k]
         STOCK.RESERVE k e 99 => [SUSPENDED, k]
         STOCK.RESERVE k a 2 => [EXISTS, *]
         STOCK.CHECK k 1 => [SUSPENDED, k]
         STOCK.CONFIRM k x QTY 1 LATE SINCE 1 => [SUSPENDED, k]
         STOCK.AMEND k c 5 => [SUSPENDED, k]
         STOCK.AMEND k c 4 => [EXISTS, *]
         STOCK.AMEND k c 3 => [OK, 3, 11]
         STOCK.EXTEND k c EX 10000 => [OK, *]
         STOCK.CONFIRM k a => [OK, 2, 2]
         STOCK.CONFIRM k d LATE => [OK, 2, 4]
         STOCK.RELEASE k b => [OK, 2, 13]
         STOCK.RETURN k a => [OK, 2, 15, 2]
         STOCK.ADD k 5 => [OK, 23, 20]
         STOCK.SET k 30",
    );
    c.expect_pool("k", "suspended=1 on_hand=30 reserved=3");
    c.script(
        "STOCK.RESUME k
         STOCK.RESUME k
         STOCK.RESERVE k e 1 => [OK, 1, 26, *]
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "suspended=0");
}

/// With nothing to change there is no change: the sequence stands still.
#[test]
fn seq_counts_changes_only() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    let first: i64 = c.get("k", "seq").parse().expect("a number");
    let mut expected = first;
    for (line, changes) in [
        ("STOCK.SET k 10", true),
        ("STOCK.SET k 10 NX", false),
        ("STOCK.ADD k 1 TOKEN t", true),
        ("STOCK.ADD k 1 TOKEN t", false),
        ("STOCK.SUSPEND k", true),
        ("STOCK.SUSPEND k", false),
        ("STOCK.RESERVE k o 1", false),
        ("STOCK.RESUME k", true),
        ("STOCK.RESUME k", false),
        ("STOCK.RESERVE k o 1", true),
        ("STOCK.RESERVE k o 1", false),
        ("STOCK.RESERVE k o 2", false),
        ("STOCK.RESERVE k p 100", false),
        ("STOCK.AMEND k o 2", true),
        ("STOCK.AMEND k o 2", false),
        ("STOCK.EXTEND k o EX 1", false),
        ("STOCK.EXTEND k o EX 5000", true),
        ("STOCK.CONFIRM k o", true),
        ("STOCK.CONFIRM k o", false),
        ("STOCK.RETURN k o QTY 1 TOKEN t", true),
        ("STOCK.RETURN k o QTY 1 TOKEN t", false),
        ("STOCK.RELEASE k never", true),
        ("STOCK.RELEASE k never", false),
        ("STOCK.LIMIT k user 5", true),
        ("STOCK.UNLIMIT k region", false),
        ("STOCK.UNLIMIT k user", true),
        ("STOCK.SETPOLICY k {\"alert\":3}", true),
        ("STOCK.SWEEP k", false),
        ("STOCK.GET k", false),
    ] {
        c.say(line);
        expected += i64::from(changes);
        assert_eq!(c.get("k", "seq"), expected.to_string(), "after {line}");
    }
}

/// An epoch is 16 hex digits, stays for the life of a history, and is another one for each pool.
#[test]
fn epochs() {
    let server = Server::start();
    let mut c = server.client();
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
    let server = Server::start();
    let mut c = server.client();
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

/// Every sum stays exact in JSON and JavaScript, or the call is an error that changes nothing.
#[test]
fn sums_stay_within_their_bounds() {
    let server = Server::start();
    let mut c = server.client();
    c.script(&format!(
        "STOCK.SET k {MAX}
         STOCK.ADD k 1 => -ERR *
         STOCK.RESERVE k o {MAX} => [OK, {MAX}, 0, *]
         STOCK.CONFIRM k o => [OK, {MAX}, {MAX}]
         STOCK.ADD k {MAX} => [OK, {MAX}, {MAX}]
         STOCK.RESERVE k p 1 => [OK, *]
         STOCK.CONFIRM k p => -ERR *
         STOCK.RETURN k o => -ERR *
         STOCK.RETURN k o NORESTOCK => [OK, {MAX}, *, 0]
         STOCK.CONFIRM k p => [OK, 1, 1]
         STOCK.SET k -{MAX}
         STOCK.ADD k -1 => *
         STOCK.VERIFY k"
    ));
    let digest = c.digest("k");
    for line in ["STOCK.SET k 9007199254740992", "STOCK.SET k -9007199254740992"] {
        c.expect(line, "-ERR *");
    }
    assert_eq!(c.digest("k"), digest);
    assert_eq!(c.call(&["STOCK.AVAILABLE", "k"]), Value::Array(vec![Value::Int(0)]));
}

/// A limit that counts orders adds orders, not units: it is far from any bound when the units are not.
#[test]
fn sums_of_orders_are_not_sums_of_units() {
    let server = Server::start();
    let most = MAX - 1;
    server.client().script(&format!(
        "STOCK.SET k UNLIMITED
         STOCK.LIMIT k region UNLIMITED COUNT ORDERS
         STOCK.RESERVE k a 1 FOR region r => [OK, *]
         STOCK.RESERVE k b 1 FOR region r => [OK, *]
         STOCK.CONFIRM k a => [OK, *]
         STOCK.CONFIRM k b => [OK, *]
         STOCK.RESERVE k c {most} FOR region r => [OK, {most}, -1, *]
         STOCK.VERIFY k"
    ));
}
