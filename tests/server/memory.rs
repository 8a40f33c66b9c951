//! What pools cost, what happens when memory runs out, and how they are freed.

use testkit::args;
use testkit::{now_ms, pass, stock_info, wait_until, Client, Server};

#[test]
fn a_type_of_its_own() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         TYPE k => stockpool
         SCAN 0 TYPE stockpool => *[k]*",
    );
    assert!(!c.say("OBJECT ENCODING k").is_error());
    let small = c.say("MEMORY USAGE k").int();
    assert!(small > 0);
    let calls: Vec<_> = (0..1000).map(|i| args!["STOCK.RESERVE", "k", format!("o{i}"), 1, "PARTIAL"]).collect();
    c.expect("STOCK.SET k 1000", "OK");
    c.pipeline(&calls);
    let big = c.say("MEMORY USAGE k").int();
    assert!(big > small + 1000 * 32, "{small} bytes, then {big} with 1,000 orders");
    assert!(big < small + 1000 * 2000, "{big} bytes for 1,000 orders");
    c.expect("UNLINK k", "1");
    c.expect("EXISTS k", "0");
}

/// A shop has many pools that nobody buys from. Whoever looks at one makes it no larger; what it
/// keeps of orders and of limits is made by the first that needs it.
#[test]
fn a_pool_without_orders_takes_little() {
    let server = Server::start();
    let mut c = server.client();
    let policy = r#"{"hold":60,"safety":1,"events":"ev"}"#;
    c.expect(&format!("STOCK.SET k 10 NX POLICY {policy}"), "OK");
    let empty = c.say("MEMORY USAGE k").int();
    assert!((300..=460).contains(&empty), "{empty} bytes");
    c.script(
        "STOCK.ADD k 5 => *
         STOCK.SUSPEND k => *
         STOCK.RESUME k => *
         COPY k other => 1
         STOCK.RESERVE other o 99 => [SOLDOUT, *]
         STOCK.CONFIRM other o => [NOORDER, *]
         STOCK.CHECK other 1 => [OK, *]
         STOCK.ORDER other o => nil
         STOCK.ORDERS other 0 => *
         STOCK.GET other => *
         STOCK.AVAILABLE other => [14]
         STOCK.LIMITS other => *
         STOCK.EXPLAIN other 1 => *
         STOCK.SWEEP other => 0
         STOCK.VERIFY other
         DEBUG RELOAD => OK
         STOCK.VERIFY other",
    );
    assert_eq!(c.say("MEMORY USAGE other").int(), empty);
    c.expect("STOCK.RESERVE other o 1", "[OK, *]");
    assert!(c.say("MEMORY USAGE other").int() > empty + 300);
    // Limits have the room that they take, as set and as loaded.
    let limits = |n: usize| {
        let limits: Vec<String> = (0..n).map(|n| format!(r#"{{"by":["a{n}"],"max":9}}"#)).collect();
        format!(r#"STOCK.SETPOLICY l{n} {{"limits":[{}]}}"#, limits.join(","))
    };
    let with = [3, 4].map(|n| {
        c.expect(&format!("STOCK.SET l{n} 9"), "OK");
        c.expect(&limits(n), "OK");
        c.say(&format!("MEMORY USAGE l{n}")).int()
    });
    assert!(with[1] > with[0] + 100, "{with:?}");
    c.expect("DEBUG RELOAD", "OK");
    assert_eq!([3, 4].map(|n| c.say(&format!("MEMORY USAGE l{n}")).int()), with);
}

/// The same of one with limits, by all that reads usage, and by what is refused.
#[test]
fn whoever_asks_what_is_left_makes_no_pool_larger() {
    let (_server, mut c) = Server::start().with_client();
    let policy = r#"{"limits":[{"by":["user"],"max":3},{"by":["user"],"max":2,"per":60,"rolling":true}]}"#;
    c.expect(&format!("STOCK.SET k 10 NX POLICY {policy}"), "OK");
    let size = |c: &mut Client| {
        // A copy has no counters of answers.
        c.expect("COPY k copied REPLACE", "1");
        c.say("MEMORY USAGE copied").int()
    };
    let empty = size(&mut c);
    for (call, answer) in [
        ("STOCK.CHECK k 1 FOR user u", "[OK, *]"),
        ("STOCK.CHECK k 3 FOR user u", "[LIMITED, *]"),
        ("STOCK.EXPLAIN k 3 FOR user u", "*"),
        ("STOCK.USAGE k FOR user u", "*"),
        ("STOCK.USAGE k TOP 5", "*"),
        ("STOCK.LIMITS k", "*"),
        ("STOCK.GET k RETURNING", "*"),
        ("STOCK.RESERVE k o 3 FOR user u", "[LIMITED, *]"),
        ("STOCK.CONFIRM k o QTY 99 LATE SINCE 5 FOR user u", "[SOLDOUT, *]"),
        ("STOCK.ADD k -99 TOKEN t", "[SOLDOUT, *]"),
    ] {
        c.expect(call, answer);
        assert_eq!(size(&mut c), empty, "{call}");
    }
    c.expect("STOCK.RESERVE k o 1 FOR user u", "[OK, *]");
    assert!(size(&mut c) > empty + 300);
}

/// With the memory full, what takes units is refused, and what finishes an order or gives units
/// back goes on.
#[test]
fn when_memory_is_full() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    c.script(
        "STOCK.SET k 100
         STOCK.RESERVE k a 1 => [OK, *]
         STOCK.RESERVE k b 3 => [OK, *]
         STOCK.RESERVE k due 1 PX 20 => [OK, *]",
    );
    pass(now_ms() + 20);
    c.script(
        "CONFIG SET maxmemory 1
         STOCK.RESERVE k c 1 => -OOM *
         STOCK.RESERVEBATCH k ORDERS 1 c 1 => -OOM *
         STOCK.SWEEP k => 1
         STOCK.CONFIRMBATCH k ORDERS 2 a c => [[OK, 1, 1], [NOORDER, k]]
         STOCK.AMEND k b 2 => [OK, 2, 97]
         STOCK.RECONCILE k 99 => [OK, 0, 99, 97]
         STOCK.RELEASE k b => [OK, *]
         STOCK.RETURN k a => [OK, *]
         STOCK.AVAILABLE k => [100]
         STOCK.CHECK k 1 => [OK, *]
         CONFIG SET maxmemory 0
         STOCK.RESERVE k c 1 => [OK, *]
         STOCK.VERIFY k",
    );
}

/// Pools of a flash sale are freed without anybody waiting for it.
#[test]
fn big_pools_are_freed_aside() {
    let (_server, mut c) = Server::start().with_client();
    for how in ["UNLINK k", "DEL k", "FLUSHALL ASYNC", "FLUSHDB", "RENAME small k"] {
        c.script(
            "STOCK.SET k UNLIMITED
             STOCK.SET small 5",
        );
        let calls: Vec<_> = (0..20_000).map(|i| args!["STOCK.RESERVE", "k", format!("o{i}"), 1]).collect();
        c.pipeline(&calls);
        assert!(!c.say(how).is_error());
        if how.starts_with("RENAME") {
            c.expect("STOCK.AVAILABLE k", "[5]");
        } else {
            c.expect("STOCK.GET k", "nil");
        }
    }
    c.expect("FLUSHALL", "OK");
    wait_until("everything is freed", || stock_info(&mut c, "pools") == 0);
    c.expect("MEMORY DOCTOR", "*");
}

/// A server that evicts keys loses pools: it is told so.
#[test]
fn an_evicting_policy_is_warned_of() {
    let server = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let warned = |log: &str| log.contains("maxmemory-policy") || log.contains("evict");
    let log = server.log();
    assert!(warned(&log), "no warning in the log:\n{log}");
    assert!(!warned(&Server::start().log()));
}
