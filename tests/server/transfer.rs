//! TRANSFER on real servers: both pools or neither, in the log, on replicas and in the stream; many
//! at once.

use std::sync::Barrier;

use testkit::{entry, Events, Server};

use super::carts::cut_inside;
use super::history::kept;

const POOLS: [&str; 2] = ["{t}from", "{t}to"];
const MOVE: &str = "STOCK.TRANSFER {t}from {t}to 10 TOKEN m1";

#[test]
fn both_pools_tell_of_it_and_replicas_have_it() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "{t}feed"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    c.script(
        "STOCK.SET {t}from 10
         STOCK.SET {t}to 0
         COMMAND GETKEYS STOCK.TRANSFER a b 1 TOKEN t => [a, b]",
    );
    events.take(&server);
    c.expect("DEL {t}feed", "1");
    c.expect(MOVE, "[OK, 0, 0, 10, 10]");
    let told = ["stock.transfer {t}from", "stock.soldout {t}from", "stock.transfer {t}to", "stock.restock {t}to"];
    assert_eq!(events.take(&server), told);
    let shown = ["type", "pool", "seq", "qty", "on_hand", "out", "token", "peer", "edge"];
    assert_eq!(
        entry::told(&mut c, "{t}feed", &shown),
        ["transferred {t}from 2 -10 0 10 m1 {t}to soldout", "transferred {t}to 2 10 10 -10 m1 {t}from restocked"]
    );
    c.script(&format!(
        "{MOVE} => [EXISTS, {{t}}from, transferred, 10, 0, 0]
         STOCK.TRANSFER {{t}}to {{t}}from 11 TOKEN m2 => [SOLDOUT, {{t}}to, 10]
         STOCK.TRANSFER {{t}}to {{t}}from 10 TOKEN m1 => -CONFLICT key 1: token *
         STOCK.TRANSFER {{t}}to {{t}}other 1 TOKEN m2 => [NOPOOL, {{t}}other]
         STOCK.TRANSFER {{t}}other {{t}}to 1 TOKEN m2 => [NOPOOL, {{t}}other]
         STOCK.TRANSFER {{t}}to {{t}}feed 1 TOKEN m2 => -WRONGTYPE *"
    ));
    kept(&mut server, &replica, &["{t}from", "{t}to", "{t}feed"]);
    replica.client().expect(MOVE, "-READONLY *");
    server.client().expect(MOVE, "[EXISTS, {t}from, transferred, 10, 0, 0]");
}

/// One of the pools was deleted and made anew: the other one still knows that the units went.
#[test]
fn a_pool_made_anew_gets_nothing_twice() {
    let (_server, mut c) = Server::start().with_client();
    for (pool, known_by) in [("{t}from", "{t}to"), ("{t}to", "{t}from")] {
        c.script(&format!(
            "DEL {{t}}from {{t}}to => *
             STOCK.SET {{t}}from 10
             STOCK.SET {{t}}to 0
             {MOVE} => [OK, *]
             DEL {pool} => 1
             STOCK.SET {pool} 30
             {MOVE} => [EXISTS, {known_by}, transferred, 10, 0, 0]"
        ));
        c.expect_pool(pool, "on_hand=30 out=0");
    }
    c.script(&format!(
        "DEL {{t}}from {{t}}to => 2
         STOCK.SET {{t}}from 10
         STOCK.SET {{t}}to 0
         {MOVE} => [OK, 0, 0, 10, 10]"
    ));
}

/// Wherever the log breaks off inside a transfer, no unit has gone, and none has come.
#[test]
fn a_log_cut_inside_a_transfer() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes", "--aof-load-truncated", "yes"]).with_client();
    c.script(
        "STOCK.SET {t}from 10
         STOCK.SET {t}to 1",
    );
    let tail = cut_inside(&mut server, MOVE, &POOLS);
    assert!(tail.contains("STOCK.MEFFECT"), "{tail:?}");
}

/// Back and forth through eight connections, each call made twice: no unit is made or lost.
#[test]
fn transfers_at_once_keep_the_sum() {
    let (server, mut c) = Server::start().with_client();
    let pools = ["{t}a", "{t}b", "{t}c"];
    for pool in pools {
        c.expect(&format!("STOCK.SET {pool} 20"), "OK");
    }
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (start, server) = (&start, &server);
            scope.spawn(move || {
                let mut c = server.client();
                start.wait();
                for n in 0..100 {
                    let (from, to) = (pools[(worker + n) % 3], pools[(worker + 2 * n + 1) % 3]);
                    if from == to {
                        continue;
                    }
                    let call = format!("STOCK.TRANSFER {from} {to} {} TOKEN {worker}-{n}", 1 + n % 9);
                    let first = c.say(&call).items()[0].text();
                    let second = c.say(&call).items()[0].text();
                    // A refusal is not remembered: the repeated call may find other stock.
                    assert!(first != "OK" || second == "EXISTS", "{call}: {first}, {second}");
                    assert!(["OK", "SOLDOUT"].contains(&first.as_str()), "{call}: {first}");
                }
            });
        }
    });
    let number = |c: &mut testkit::Client, field: &str| -> i64 {
        pools.iter().map(|pool| c.get(pool, field).parse::<i64>().expect("a number")).sum()
    };
    assert_eq!(number(&mut c, "on_hand"), 60);
    assert_eq!(number(&mut c, "out"), 0);
    assert!(number(&mut c, "seq") > 100);
    pools.iter().for_each(|pool| c.verify(pool));
}
