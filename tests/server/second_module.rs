//! Other modules in the same server: their threads, and what they do when they hear of events.

use testkit::server::{second_module, Server};
use testkit::{stock_info, wait_until};

/// A server that has another module (`tests/second_module`), too.
fn with_second_module(args: &[&str]) -> Server {
    let path = second_module();
    let mut all = vec!["--loadmodule", path.to_str().expect("a plain path")];
    all.extend(args);
    Server::on_port(&all)
}

#[test]
fn a_thread_of_another_module_finds_the_same_state() {
    let server = with_second_module(&["--stock.hold-seconds", "1", "--stock.events", "ev"]);
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10
         SECOND.THREAD CONFIG SET stock.retain-seconds 77",
    );
    wait_until("the thread has set a parameter", || c.say("CONFIG GET stock.retain-seconds").items()[1].text() == "77");
    c.expect("SECOND.THREAD STOCK.RESERVE k a 2", "OK");
    wait_until("the thread has reserved", || c.get("k", "seq") == "2");
    c.expect("XLEN ev", "2");
    // By the server's hold, and by the background: nobody calls.
    wait_until("the hold is over", || stock_info(&mut c, "open_holds") == 0);
    assert_eq!(stock_info(&mut c, "holds_expired"), 1);
    // One promotion, one epoch.
    let epoch = c.get("k", "epoch");
    c.script(
        "STOCK.RESERVE k b 1 PX 300 => [OK, *]
         SECOND.THREAD RENAME k renamed",
    );
    wait_until("the thread has renamed", || c.say("EXISTS renamed").int() == 1);
    assert_eq!(c.get("renamed", "epoch"), epoch);
    wait_until("the hold is over", || stock_info(&mut c, "open_holds") == 0);
}

/// A write in the middle of a write is refused; the one that is under way is whole, on both sides.
#[test]
fn a_write_that_answers_an_event_of_ours_is_refused() {
    let server = with_second_module(&[]);
    let replica = with_second_module(&[]);
    let mut c = server.client();
    // `new` comes from the server while the entry is appended.
    for (event, nested) in [("new", "STOCK.ADD k 1"), ("new", "STOCK.RESERVE k nested 1")] {
        c.script(&format!(
            "FLUSHALL
             STOCK.SET k 10
             STOCK.SETPOLICY k {{\"events\":\"made\"}}
             DEL made => 1
             SECOND.ON {event} {nested}
             STOCK.RESERVE k a 2 => [OK, 2, 8, *]
             SECOND.ON none PING
             XLEN made => 1
             STOCK.VERIFY k => OK"
        ));
        assert_eq!(c.get("k", "seq"), "3");
        assert_eq!(c.get("k", "on_hand"), "10");
    }
    // When all is done, it is welcome.
    c.script(
        "SECOND.ON xadd STOCK.RELEASE k a
         STOCK.RESERVE k b 1 => [OK, *]
         SECOND.ON none PING
         STOCK.ORDER k a => *",
    );
    assert_eq!(c.say("STOCK.ORDER k a").field("state").text(), "released");
    replica.follow(&server);
    assert_eq!(replica.client().say("DEBUG DIGEST").text(), c.say("DEBUG DIGEST").text());
    assert_eq!(stock_info(&mut replica.client(), "divergences"), 0);
}

/// A pool that is made with its policy: the server tells of the new key before the entry is
/// appended, and the stream that was found then may be gone.
#[test]
fn a_stream_that_another_module_deletes_while_the_pool_is_made() {
    let server = with_second_module(&[]);
    let mut c = server.client();
    c.script("XADD st 1-1 a b => 1-1");
    let once = "if redis.call('DEL', 'once') == 1 then redis.call('DEL', 'st') end";
    c.expect("SET once 1", "OK");
    assert_eq!(c.call(&["SECOND.ON", "new", "EVAL", once, "0"]).to_string(), "OK");
    c.script(
        r#"STOCK.SET k 10 NX POLICY {"events":"st"}
         SECOND.ON none PING
         EXISTS once => 0
         XLEN st => 1
         STOCK.RESERVE k a 1 => [OK, *]
         XLEN st => 2"#,
    );
}
