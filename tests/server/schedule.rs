//! Sale windows on a real server: what is announced without traffic, on replicas, after restarts,
//! while writes are paused.

use testkit::args;
use testkit::{info, now_ms, pass, wait_until, Client, Events, Server};

/// A pool `k` of 10 with this window, in ms from now.
fn scheduled(c: &mut Client, from: Option<i64>, until: Option<i64>) -> (i64, i64) {
    let now = now_ms();
    let at = |ms: Option<i64>| ms.map_or("NONE".to_string(), |ms| (now + ms).to_string());
    c.expect("DEL k", "*");
    c.expect("STOCK.SET k 10", "OK");
    c.expect(&format!("STOCK.SCHEDULE k FROM {} UNTIL {}", at(from), at(until)), "OK");
    (now + from.unwrap_or(0), now + until.unwrap_or(0))
}

/// The types of the entries in the stream of the server, in order.
fn types(c: &mut Client) -> Vec<String> {
    testkit::entry::told(c, "feed", &["type"])
}

#[test]
fn an_opening_and_an_end_are_announced_once_without_traffic() {
    let server = Server::with(&["--stock.events", "feed"]);
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    let (from, until) = scheduled(&mut c, Some(1_000), Some(2_500));
    c.expect("STOCK.RESERVE k o 1", &format!("[EARLY, k, {from}]"));
    c.expect("STOCK.CHECK k 1", &format!("[EARLY, k, {from}]"));
    events.take(&server);
    assert_eq!(events.next_event().as_deref(), Some("stock.open k"));
    let late = now_ms() - from;
    assert!((0..2_000).contains(&late), "{late} ms after the opening");
    assert_eq!(events.next_event().as_deref(), Some("stock.ended k"));
    assert!(now_ms() >= until);
    c.expect("STOCK.RESERVE k o 1", &format!("[ENDED, k, {until}]"));
    c.expect("STOCK.SWEEP k", "0");
    pass(now_ms() + 300);
    assert_eq!(events.take(&server), [""; 0]);
    assert_eq!(types(&mut c), ["set", "policy", "opened", "ended"]);
    let info = info(&mut c, "stock");
    assert_eq!((info["stock_replies_early"].as_str(), info["stock_replies_ended"].as_str()), ("1", "1"));
    c.verify("k");
}

/// A buyer who comes before the sweep finds the sale open, and is the one who announces it.
#[test]
fn the_first_write_announces() {
    let server = Server::with(&["--stock.events", "feed"]);
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    c.pause_background();
    let (from, until) = scheduled(&mut c, Some(100), Some(60_000));
    events.take(&server);
    pass(from);
    c.expect("STOCK.CHECK k 1", "[OK, 1, 9, *]");
    assert_eq!(events.take(&server), [""; 0], "a read announces nothing");
    c.expect("STOCK.RESERVE k o 1", "[OK, 1, 9, *]");
    assert_eq!(events.take(&server), ["stock.open k", "stock.reserve k"]);
    c.expect(&format!("STOCK.SCHEDULE k UNTIL {}", from + 1), "OK");
    assert_eq!(events.take(&server), ["stock.policy k", "stock.ended k"]);
    c.expect("STOCK.AMEND k o 2", &format!("[ENDED, k, {}]", from + 1));
    c.expect("STOCK.CONFIRM k o", "[OK, 1, 1]");
    c.expect(&format!("STOCK.SCHEDULE k UNTIL {until}"), "OK");
    assert_eq!(
        types(&mut c),
        ["set", "policy", "opened", "reserved", "policy", "ended", "confirmed", "policy", "opened"]
    );
    c.resume_background();
    c.verify("k");
}

#[test]
fn a_window_is_kept_and_replicated() {
    let (mut primary, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &[]).with_client();
    let (from, _) = scheduled(&mut c, Some(2_000), Some(90_000));
    let early = format!("[EARLY, k, {from}]");
    replica.catch_up(&primary);
    r.expect("STOCK.CHECK k 1", &early);
    let digest = c.digest("k");
    assert_eq!(r.digest("k"), digest);
    c.expect("DEBUG RELOAD", "OK");
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(c.digest("k"), digest);
    let payload = c.call(&["DUMP", "k"]).bytes().to_vec();
    assert_eq!(c.call(&args!["RESTORE", "copy", 0, payload]).to_string(), "OK");
    assert_eq!(c.digest("copy"), digest);
    wait_until("both are announced", || c.digest("k") != digest && c.digest("copy") != digest);
    c.expect("STOCK.CHECK copy 1", "[OK, *]");
    replica.catch_up(&primary);
    assert_eq!(r.digest("k"), c.digest("k"));
    assert_eq!(r.say("XRANGE feed - +").to_string(), c.say("XRANGE feed - +").to_string());
    r.verify("k");
    let before = c.digest("k");
    primary.restart("NOSAVE");
    let mut c = primary.client();
    assert_eq!(c.digest("k"), before);
    pass(now_ms() + 300);
    let opened = types(&mut c).iter().filter(|kind| *kind == "opened").count();
    assert_eq!(opened, 2, "of the pool and of its copy, once each");
}

/// What passed while the server was down, or could not write, is announced when it can.
#[test]
fn what_passed_meanwhile_is_announced() {
    let mut server = Server::with(&["--appendonly", "yes", "--stock.events", "feed"]);
    let (_, until) = scheduled(&mut server.client(), Some(100), Some(200));
    server.terminate();
    server.wait_for_end();
    pass(until);
    server.start_again();
    let mut c = server.client();
    wait_until("both are announced", || types(&mut c).len() == 4);
    assert_eq!(types(&mut c), ["set", "policy", "opened", "ended"]);
    // While writes are paused reads go by the clock, and nothing is written.
    c.expect("DEL feed", "1");
    c.pause_background();
    let (from, _) = scheduled(&mut c, Some(1_500), None);
    let digest = c.digest("k");
    c.expect("CLIENT PAUSE 60000 WRITE", "OK");
    c.resume_background();
    c.expect("STOCK.CHECK k 1", &format!("[EARLY, k, {from}]"));
    pass(from + 300);
    c.expect("STOCK.CHECK k 1", "[OK, 1, 9, *]");
    assert_eq!(c.digest("k"), digest, "a paused server does not write");
    c.expect("CLIENT UNPAUSE", "OK");
    wait_until("it is announced", || c.digest("k") != digest);
    assert_eq!(types(&mut c), ["set", "policy", "opened"]);
}

#[test]
fn a_replica_reads_by_its_own_clock_and_announces_after_its_promotion() {
    let (mut primary, mut c) = Server::on_port(&["--stock.events", "feed"]).with_client();
    let replica = Server::replica_of(&primary, &["--stock.events", "feed"]);
    c.pause_background();
    let (from, _) = scheduled(&mut c, Some(2_000), None);
    replica.catch_up(&primary);
    let mut r = replica.client();
    let digest = r.digest("k");
    primary.kill();
    r.expect("STOCK.CHECK k 1", &format!("[EARLY, k, {from}]"));
    pass(from + 300);
    r.expect("STOCK.CHECK k 1", "[OK, 1, 9, *]");
    assert_eq!(r.digest("k"), digest, "a replica writes nothing by itself");
    let mut events = Events::listen(&replica, "Ed");
    events.take(&replica);
    r.expect("REPLICAOF NO ONE", "OK");
    wait_until("it is announced", || r.digest("k") != digest);
    assert_eq!(events.take(&replica), ["stock.open k"]);
    assert_eq!(types(&mut r), ["set", "policy", "opened"]);
    r.verify("k");
}
