//! A slot that Valkey 9 moves at once, with a pool that is under way in pieces: whoever takes a
//! copy of the new owner's data set between two of them has what the others have at the end.

use std::time::{Duration, Instant};

use redis_stock::core::codec::VERSION;

use crate::slot_import::{cluster, migrate, states, wait_for_success};
use testkit::cluster::{slot_of, tags_of, Cluster};
use testkit::{info, stock_info, wait_until, Client};

/// So many orders take a while to travel.
const ORDERS: i64 = 150_000;
/// In more than so many pieces: an order takes more than 60 bytes, a piece is a little larger than
/// 32 KiB.
const PIECES: i64 = ORDERS * 60 / 34_000;

/// Moves from node 0 to node 1, whose replica is node 4.
const FROM: usize = 0;
const TO: usize = 1;
const REPLICA: usize = 4;

/// A large pool, on its way.
struct Move {
    cluster: Cluster,
    slot: u16,
    key: String,
    digest: String,
}

impl Move {
    fn prepare() -> Option<Move> {
        let cluster = cluster()?;
        let tag = tags_of(FROM).next().expect("a tag");
        let key = format!("{{{tag}}}large");
        let mut c = cluster.client(FROM);
        c.expect(&format!("STOCK.SET {key} {ORDERS}"), "OK");
        for start in (0..ORDERS).step_by(10_000) {
            let call =
                |n| format!("STOCK.RESERVE {key} order-{n}-of-a-long-name-as-shops-have-them 1 EX 86400 FOR user {n}");
            let calls: Vec<Vec<String>> =
                (start..start + 10_000).map(|n| call(n).split(' ').map(String::from).collect()).collect();
            assert!(c.pipeline(&calls).iter().all(|answer| !answer.is_error()));
        }
        let slot = slot_of(tag.as_bytes());
        let digest = c.digest(&key);
        Some(Move { cluster, slot, key, digest })
    }

    /// Begins the move, and stops this node between two pieces.
    fn stop_amid(&self, stopped: usize) {
        let mut to = self.cluster.client(TO);
        to.expect("CONFIG RESETSTAT", "OK");
        migrate(&self.cluster, &[self.slot], FROM, TO);
        let start = Instant::now();
        while arrived(&mut to) == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing arrives");
        }
        self.cluster.nodes[stopped].freeze();
        if stopped != TO {
            // What is on its way comes to its end.
            let mut before = -1;
            wait_until("the stream has stopped", || {
                let now = arrived(&mut to);
                std::thread::sleep(Duration::from_millis(200));
                std::mem::replace(&mut before, now) == now
            });
            let now = arrived(&mut to);
            assert!(now < PIECES, "{now} of {PIECES} pieces: the move was too fast");
        }
    }

    fn go_on(&self) {
        self.cluster.nodes[FROM].thaw();
        wait_for_success(&self.cluster, FROM);
        self.cluster.agree(&[0, 1, 2], self.slot, TO);
    }

    /// The node has the pool as it was.
    #[track_caller]
    fn is_at(&self, node: usize) {
        let mut c = self.cluster.client(node);
        if node != TO {
            self.cluster.nodes[node].catch_up(&self.cluster.nodes[TO]);
        }
        assert_eq!(c.digest(&self.key), self.digest, "node {node}");
        assert_eq!(stock_info(&mut c, "divergences"), 0, "node {node}");
        assert_eq!(stock_info(&mut c, "pools"), 1, "node {node}");
        let fields = info(&mut c, "stock");
        assert_eq!(fields.get("stock_partial_pools").map_or("0", String::as_str), "0");
    }

    /// Ends the new owner, and starts it again from its append-only file.
    fn restart(&mut self) {
        self.cluster.nodes[TO].restart("NOSAVE");
        let mut c = self.cluster.client(TO);
        wait_until("the cluster is well", || c.say("CLUSTER INFO").text().contains("cluster_state:ok"));
        assert_eq!(c.digest(&self.key), self.digest, "after a restart");
        assert_eq!(stock_info(&mut c, "divergences"), 0, "after a restart");
        c.verify(&self.key);
        c.expect_pool(&self.key, &format!("on_hand={ORDERS} reserved={ORDERS} sold=0"));
    }
}

/// How many pieces a node has taken since its statistics were reset.
fn arrived(c: &mut Client) -> i64 {
    let stats = info(c, "commandstats");
    let load = stats.iter().find(|(name, _)| name.eq_ignore_ascii_case("cmdstat_stock.load"));
    let calls = load.and_then(|(_, text)| text.split(',').next()?.strip_prefix("calls="));
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

/// With the RDB preamble, as is the default: without it Valkey leaves out all keys of a slot that
/// is on its way, of whatever type.
#[test]
fn the_log_is_rewritten_between_two_pieces() {
    let Some(mut amid) = Move::prepare() else {
        return;
    };
    amid.stop_amid(FROM);
    amid.cluster.client(TO).rewrite_aof();
    amid.go_on();
    amid.is_at(TO);
    amid.is_at(REPLICA);
    amid.restart();
}

#[test]
fn a_replica_comes_between_two_pieces() {
    let Some(amid) = Move::prepare() else {
        return;
    };
    amid.stop_amid(FROM);
    let late = 5;
    amid.cluster.client(late).expect(&format!("CLUSTER REPLICATE {}", amid.cluster.ids[TO]), "OK");
    let goal = format!("{}", amid.cluster.nodes[TO].port());
    let mut c = amid.cluster.client(late);
    wait_until("the replica has all that there is", || {
        let fields = info(&mut c, "replication");
        fields["master_port"] == goal && fields["master_link_status"] == "up"
    });
    amid.go_on();
    for node in [TO, REPLICA, late] {
        amid.is_at(node);
    }
    amid.cluster.hand_over(late);
    c.expect_pool(&amid.key, &format!("on_hand={ORDERS} reserved={ORDERS} sold=0"));
    c.verify(&amid.key);
    c.expect(
        &format!("STOCK.RESERVE {} order-7-of-a-long-name-as-shops-have-them 1 EX 86400 FOR user 7", amid.key),
        "[EXISTS, *]",
    );
}

#[test]
fn a_move_that_is_called_off_between_two_pieces_and_repeated() {
    let Some(mut amid) = Move::prepare() else {
        return;
    };
    let mut from = amid.cluster.client(FROM);
    for _ in 0..2 {
        amid.stop_amid(TO);
        from.expect("CLUSTER CANCELSLOTMIGRATIONS", "OK");
        amid.cluster.nodes[TO].thaw();
        wait_until("the move is over", || states(&mut from).iter().all(|state| state == "cancelled"));
        let mut to = amid.cluster.client(TO);
        assert!(arrived(&mut to) < PIECES, "the move was too fast");
        wait_until("nothing of it stays", || to.say("DBSIZE").int() == 0 && stock_info(&mut to, "memory_bytes") == 0);
        assert_eq!(from.digest(&amid.key), amid.digest);
    }
    migrate(&amid.cluster, &[amid.slot], FROM, TO);
    wait_until("the slot has moved", || {
        let state = states(&mut from).remove(0);
        assert!(state != "failed", "{}", from.say("CLUSTER GETSLOTMIGRATIONS"));
        state == "success"
    });
    amid.is_at(TO);
    amid.is_at(REPLICA);
    amid.restart();
}

/// The header of a pool with 5 on hand: what a first piece may be.
const FIRST: &[u8] =
    &[1, 7, 1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 1, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1];
/// The end of it.
const LAST: &[u8] = &[11, 0, 0];

/// A source that sends pieces which do not fit: the move fails, and the new owner, its replica and
/// its file hold the same.
#[test]
fn a_piece_that_does_not_fit_calls_the_move_off() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let tag = tags_of(FROM).next().expect("a tag");
    let (key, slot) = (format!("{{{tag}}}k"), slot_of(tag.as_bytes()));
    let mut to = cluster.client(TO);
    let mut replica = cluster.client(REPLICA);
    let newer = (VERSION + 1).to_string();
    let pieces: [&[&[u8]]; 4] =
        [&[b"MORE", b"\x09"], &[b"MORE", b"\x0b\x01\x00"], &[b"MORE", LAST, b"VERSION", newer.as_bytes()], &[b"END"]];
    for (nth, piece) in pieces.into_iter().enumerate() {
        let mut source = cluster.client(TO);
        let from = &cluster.ids[FROM];
        source.expect(
            &format!("CLUSTER SYNCSLOTS ESTABLISH SOURCE {from} NAME {nth:040} SLOTSRANGE {slot} {slot}"),
            "OK",
        );
        source.send(&["CLUSTER", "SYNCSLOTS", "ACK"]);
        source.send(&[b"STOCK.LOAD", key.as_bytes(), b"MORE", FIRST]);
        for c in [&mut to, &mut replica] {
            wait_until("it arrives", || stock_info(c, "partial_pools") == 1);
        }
        assert_eq!(to.digest(&key), replica.digest(&key));
        source.send(&[&[b"STOCK.LOAD", key.as_bytes()], piece].concat());
        wait_until("the move has failed", || states(&mut to).first().is_some_and(|state| state == "failed"));
        for c in [&mut to, &mut replica] {
            wait_until("it is gone", || stock_info(c, "partial_pools") == 0);
            assert_eq!(c.say("DBSIZE").int(), 0);
        }
        assert_eq!(stock_info(&mut to, "divergences"), nth as i64 + 1);
        assert_eq!(stock_info(&mut replica, "divergences"), 0, "it never saw the piece");
    }
    // One that fits is there at the end, until the source is gone, to whom the slot still belongs.
    let mut source = cluster.client(TO);
    let from = &cluster.ids[FROM];
    source.expect(&format!("CLUSTER SYNCSLOTS ESTABLISH SOURCE {from} NAME {:040} SLOTSRANGE {slot} {slot}", 9), "OK");
    source.send(&["CLUSTER", "SYNCSLOTS", "ACK"]);
    source.send(&[b"STOCK.LOAD", key.as_bytes(), b"MORE", FIRST]);
    source.send(&[b"STOCK.LOAD", key.as_bytes(), b"MORE", LAST]);
    source.send(&["STOCK.LOAD", &key, "END"]);
    for c in [&mut to, &mut replica] {
        wait_until("it is whole", || stock_info(c, "pools") == 1);
    }
    assert_eq!(to.digest(&key), replica.digest(&key));
    drop(source);
    cluster.nodes[TO].restart("NOSAVE");
    let mut to = cluster.client(TO);
    assert_eq!((to.digest(&key), stock_info(&mut to, "divergences")), ("0".repeat(40), 0));
}
