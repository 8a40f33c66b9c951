//! The answer of a key that is sold out and asked for often is kept as a whole
//! (`src/redis/kept_refusals.rs`).

use testkit::{stock_info, wait_until, Client, Server};

/// Nobody can tell, and it ends with what it says.
#[test]
fn an_answer_that_is_kept_is_the_one_that_was_written() {
    let server = Server::start();
    let (mut c, mut three) = (server.client(), server.client().resp3());
    c.expect("STOCK.SET k 1", "OK");
    c.expect("STOCK.RESERVE k first 1", "[OK, *]");
    let written = |c: &mut Client| {
        c.expect("STOCK.RESERVE k late 1", "[SOLDOUT, k, 0]");
        c.last_raw().to_vec()
    };
    let before = [written(&mut c), written(&mut three)];
    let made =
        |c: &mut Client| c.say("INFO commandstats").to_string().to_lowercase().contains("cmdstat_stock.check:calls=1,");
    assert!(!made(&mut c));
    let mut calls = 2;
    wait_until("the answer is kept", || {
        calls += 1;
        written(&mut c);
        made(&mut c)
    });
    assert_eq!([written(&mut c), written(&mut three)], before);
    assert_eq!(stock_info(&mut c, "replies_soldout"), calls + 2, "of calls, and of nothing else");
    // In a script, in a transaction, of another command, of another key and of another quantity.
    let script = "return redis.call('STOCK.RESERVE', 'k', 'late', '1')";
    assert_eq!(c.call(&["EVAL", script, "1", "k"]).to_string(), "[SOLDOUT, k, 0]");
    assert_eq!(c.transaction(&["STOCK.RESERVE k late 1"]).to_string(), "[[SOLDOUT, k, 0]]");
    c.expect("STOCK.CHECK k 1", "[SOLDOUT, k, 0]");
    c.expect("STOCK.SET l 1", "OK");
    c.expect("STOCK.RESERVE l late 2", "[SOLDOUT, l, 1]");
    c.expect("STOCK.RESERVE l late 1", "[OK, *]");
    c.expect("STOCK.RESERVE l later 1", "[SOLDOUT, l, 0]");
    // Units that come back are sold, whatever is kept.
    c.expect("STOCK.RELEASE k first", "[OK, *]");
    c.expect("STOCK.RESERVE k late 2", "[SOLDOUT, k, 1]");
    c.expect("STOCK.RESERVE k late 1", "[OK, *]");
    c.expect("STOCK.RESERVE k later 1", "[SOLDOUT, k, 0]");
    c.expect("DEL k", "1");
    c.expect("STOCK.RESERVE k later 1", "[NOPOOL, k]");
}
