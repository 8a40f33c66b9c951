//! Client-side caching (`CLIENT TRACKING`): which changes of an answer are pushed, and which are
//! not, as docs/guides/clients.md says.

use testkit::{now_ms, pass, wait_until, Client, Server};

/// A connection that caches, in RESP3.
fn cache(server: &Server) -> Client {
    let mut cache = server.client().resp3();
    cache.expect("CLIENT TRACKING ON", "OK");
    cache
}

/// Asserts that nothing was pushed: the next thing that comes is the answer to PING.
#[track_caller]
fn hears_nothing(cache: &mut Client) {
    cache.expect("PING", "PONG");
}

#[track_caller]
fn hears(cache: &mut Client, key: &str) {
    assert_eq!(cache.read().to_string(), format!(">invalidate, [{key}]<"));
}

/// The end of a window changes CHECK and USAGE without a push; resets_ms says when.
#[test]
fn the_end_of_a_window_is_not_pushed() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.LIMIT k user 1 PER 3", "OK");
    // The whole second of a window's beginning, so that the window does not end in between.
    let window = now_ms() / 3_000 * 3_000 + 3_000;
    pass(window);
    c.expect("STOCK.RESERVE k o 1 FOR user u", "[OK, *]");
    c.expect("STOCK.CONFIRM k o", "[OK, *]");
    let mut cache = cache(&server);
    let limited = cache.expect("STOCK.CHECK k 1 FOR user u", "[LIMITED, k, *]");
    let used = cache.say("STOCK.USAGE k FOR user u").to_string();
    let resets_ms = limited.items()[6].int();
    assert_eq!(resets_ms, window + 3_000);
    pass(resets_ms);
    hears_nothing(&mut cache);
    cache.expect("STOCK.CHECK k 1 FOR user u", "[OK, *]");
    assert_ne!(cache.say("STOCK.USAGE k FOR user u").to_string(), used);
    // Any change of the pool is pushed again.
    c.expect("STOCK.ADD k 1", "[OK, *]");
    hears(&mut cache, "k");
}

/// An order is forgotten without a push.
#[test]
fn forgetting_is_not_pushed() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.SETPOLICY k {\"retain\":1}", "OK");
    c.expect("STOCK.RESERVE k o 1", "[OK, *]");
    c.expect("STOCK.RELEASE k o", "[OK, *]");
    let mut cache = cache(&server);
    assert_eq!(cache.order("k", "o", "state"), "released");
    pass(now_ms() + 1_200);
    hears_nothing(&mut cache);
    cache.expect("STOCK.ORDER k o", "nil");
}

/// A hold that falls due while nothing may be written changes AVAILABLE without a push, until it
/// can be expired.
#[test]
fn a_due_hold_is_pushed_when_it_expires() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let deadline = c.expect("STOCK.RESERVE k o 2 PX 200", "[OK, *]").items()[3].int();
    c.expect("CLIENT PAUSE 60000 WRITE", "OK");
    let mut cache = cache(&server);
    cache.expect("STOCK.AVAILABLE k", "[8]");
    pass(deadline + 300);
    hears_nothing(&mut cache);
    cache.expect("STOCK.AVAILABLE k", "[10]");
    c.expect("CLIENT UNPAUSE", "OK");
    hears(&mut cache, "k");
    wait_until("it has expired", || c.order("k", "o", "state") == "expired");
}
