//! A slot that moves towards an older module: what that one cannot read it refuses, so that the
//! source keeps the slot.

use redis_stock::core::codec::VERSION;

use crate::slot_import::{fill, Mover};
use testkit::cluster::{slot_of, tags_of, Cluster, PRIMARIES};
use testkit::server::second_module;
use testkit::{args, stock_info, wait_until, Client};

const FROM: usize = 0;
const TO: usize = 1;

/// The source has, as far as its servers know, a newer module: another one says what that would
/// replicate.
#[test]
fn what_the_new_owner_cannot_read_calls_the_move_off() {
    let Some(mover) = Mover::of_this_server() else {
        eprintln!("skipped: this server moves slots key by key only");
        return;
    };
    let second = second_module();
    let mut cluster = Cluster::steady_with(&["--loadmodule", second.to_str().expect("a plain path")]);
    // It would end for a piece that it cannot read: tests/server/upgrade.rs.
    cluster.nodes[FROM + PRIMARIES].kill();
    let tag = tags_of(FROM).next().expect("a tag");
    let slot = slot_of(tag.as_bytes());
    let (key, large) = (format!("{{{tag}}}k"), format!("{{{tag}}}large"));
    let (mut from, mut to, mut replica) = (cluster.client(FROM), cluster.client(TO), cluster.client(TO + PRIMARIES));
    from.expect(&format!("STOCK.SET {key} 10"), "OK");
    from.expect(&format!("STOCK.RESERVE {key} o 4 EX 86400"), "[OK, *]");
    // So that the move takes a while.
    fill(&mut from, &large);
    let before = (from.digest(&key), from.digest(&large));
    let (version, newer) = (VERSION + 1, (VERSION + 1).to_string());
    // The version, a time, and how much has been changed before.
    let effect = args!["STOCK.EFFECT", key.as_str(), &[VERSION as u8 + 1, 1, 1]];
    let piece = args!["STOCK.LOAD", key.as_str(), "MORE", "x", "VERSION", newer];
    for (what, call) in [("an effect".to_string(), effect), (format!("a piece of the pool {key}"), piece)] {
        let call = [args!["SECOND.REPLICATE"], call].concat();
        let divergences = stock_info(&mut to, "divergences");
        let begun = mover.begin(&cluster, &[slot], FROM, TO);
        let mut state = String::new();
        wait_until("the move is over", || {
            from.call(&call);
            state = begun.state();
            ["failed", "canceled", "cancelled", "completed", "success"].contains(&state.as_str())
        });
        assert!(["failed", "canceled"].contains(&state.as_str()), "{what}: {state}");
        let line = format!("{what} has encoding version {version}; this module reads up to version {VERSION}");
        for line in [&line, "the import of this slot is cancelled: the source keeps it"] {
            assert!(cluster.nodes[TO].log().contains(line), "{}", cluster.nodes[TO].log());
        }
        assert!(stock_info(&mut to, "divergences") > divergences);
        // The source has everything; nothing of it stays on the other side.
        cluster.agree(&[0, 1, 2], slot, FROM);
        assert_eq!((from.digest(&key), from.digest(&large)), before);
        let is_empty = |c: &mut Client| c.say("DBSIZE").int() == 0 && stock_info(c, "memory_bytes") == 0;
        wait_until("nothing of it stays", || is_empty(&mut to) && is_empty(&mut replica));
        assert_eq!(stock_info(&mut replica, "divergences"), 0, "it never saw it");
    }
    // It sells on; and once nothing stands in the way, it moves.
    from.expect(&format!("STOCK.CONFIRM {key} o"), "[OK, 4, 4]");
    mover.run(&cluster, &[slot], FROM, TO);
    cluster.agree(&[0, 1, 2], slot, TO);
    to.expect_pool(&key, "on_hand=6 reserved=0 sold=4");
    assert_eq!(to.digest(&large), before.1);
}
