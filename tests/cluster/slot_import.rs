//! Valkey 9 (`CLUSTER MIGRATESLOTS`) and Redis 8.4 (`CLUSTER MIGRATION`) move whole slots at once:
//! pools travel in pieces, with the effects of what is sold meanwhile behind them.

use std::time::Duration;

use crate::audit;
use crate::load::{Fate, Load};
use testkit::cluster::{slot_of, tags_of, Cluster};
use testkit::{info, stock_info, wait_until, Client, Server};

/// How many orders make a pool so large that it travels in many pieces.
const MANY: i64 = 40_000;

/// How this server moves whole slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mover {
    /// Valkey 9: the source is told.
    MigrateSlots,
    /// Redis 8.4: the destination is told.
    Migration,
}

impl Mover {
    /// `None`: this server moves slots key by key only.
    pub fn of_this_server() -> Option<Mover> {
        let fields = info(&mut Server::start().client(), "server");
        let version = |name: &str| {
            let mut parts = fields.get(name)?.split('.').map(|part| part.parse::<u32>().ok());
            Some((parts.next()??, parts.next()??))
        };
        match (version("valkey_version"), version("redis_version")) {
            (Some(valkey), _) => (valkey >= (9, 0)).then_some(Mover::MigrateSlots),
            (None, redis) => (redis >= Some((8, 4))).then_some(Mover::Migration),
        }
    }

    /// Moves slots, and waits until they are there. A server that says that it cannot has refused
    /// the module.
    #[track_caller]
    pub fn run(self, cluster: &Cluster, slots: &[u16], from: usize, to: usize) {
        let begun = self.begin(cluster, slots, from, to);
        wait_until("the slots have moved", || {
            let state = begun.state();
            assert!(!["failed", "canceled", "cancelled"].contains(&state.as_str()), "{state}");
            ["completed", "success"].contains(&state.as_str())
        });
    }

    /// Begins to move slots.
    #[track_caller]
    pub fn begin<'c>(self, cluster: &'c Cluster, slots: &[u16], from: usize, to: usize) -> Begun<'c> {
        if self == Mover::MigrateSlots {
            migrate(cluster, slots, from, to);
            return Begun { cluster, at: from, task: None };
        }
        let ranges: Vec<String> = slots.iter().map(|slot| format!("{slot} {slot}")).collect();
        let task = cluster.client(to).say(&format!("CLUSTER MIGRATION IMPORT {}", ranges.join(" ")));
        assert!(!task.is_error(), "{task}");
        Begun { cluster, at: to, task: Some(task.text()) }
    }
}

/// A move that has begun.
pub struct Begun<'c> {
    cluster: &'c Cluster,
    /// The node that knows how far it is.
    at: usize,
    /// Its name; without one it is the latest.
    task: Option<String>,
}

impl Begun<'_> {
    /// How far it is, in the server's word.
    pub fn state(&self) -> String {
        let mut client = self.cluster.client(self.at);
        match &self.task {
            None => states(&mut client).remove(0),
            Some(id) => client.say(&format!("CLUSTER MIGRATION STATUS ID {id}")).items()[0].field("state").text(),
        }
    }
}

/// A cluster, where the server has `CLUSTER MIGRATESLOTS`.
pub fn cluster() -> Option<Cluster> {
    let known = Mover::of_this_server() == Some(Mover::MigrateSlots);
    if !known {
        eprintln!("skipped: this server has no CLUSTER MIGRATESLOTS");
    }
    known.then(Cluster::steady)
}

pub fn migrate(cluster: &Cluster, slots: &[u16], from: usize, to: usize) {
    let ranges: Vec<String> =
        slots.iter().map(|slot| format!("SLOTSRANGE {slot} {slot} NODE {}", cluster.ids[to])).collect();
    cluster.client(from).expect(&format!("CLUSTER MIGRATESLOTS {}", ranges.join(" ")), "OK");
}

/// The states of the migrations that a node knows, the latest first.
pub fn states(client: &mut Client) -> Vec<String> {
    client.say("CLUSTER GETSLOTMIGRATIONS").items().iter().map(|job| job.field("state").text()).collect()
}

#[track_caller]
pub fn wait_for_success(cluster: &Cluster, from: usize) {
    let mut client = cluster.client(from);
    wait_until("the slots have moved", || {
        let states = states(&mut client);
        assert!(!states.iter().any(|state| state == "failed"), "{}", client.say("CLUSTER GETSLOTMIGRATIONS"));
        states.iter().all(|state| state == "success")
    });
}

/// Slots move there and back while orders run: no ASK, no TRYAGAIN, nothing lost, nothing twice.
#[test]
fn slots_move_while_orders_run() {
    const PUT_IN: i64 = 100_000;
    let Some(mover) = Mover::of_this_server() else {
        eprintln!("skipped: this server moves slots key by key only");
        return;
    };
    let cluster = Cluster::steady();
    // The last shelf stays: what its carts replicate passes the eyes of the server that gives slots
    // away.
    let tags: Vec<String> = tags_of(0).take(3).collect();
    let slots: Vec<u16> = tags[..2].iter().map(|tag| slot_of(tag.as_bytes())).collect();
    let shelves: Vec<Vec<String>> =
        tags.iter().map(|tag| (0..4).map(|n| format!("{{{tag}}}sku{n}")).collect()).collect();
    let keys: Vec<String> = shelves.iter().flatten().cloned().collect();
    let mut c = cluster.client(0);
    let stream = |tag: &String| format!("{{{tag}}}events");
    for (tag, shelf) in tags.iter().zip(&shelves) {
        for key in shelf {
            c.expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
            c.expect(&format!("STOCK.SETPOLICY {key} {{\"events\":\"{}\"}}", stream(tag)), "OK");
        }
    }
    for key in &keys {
        c.expect(&format!("STOCK.LIMIT {key} user 1000000 PER DAY"), "OK");
    }
    // One pool is large.
    let large = format!("{{{}}}large", tags[0]);
    fill(&mut c, &large);

    let load = Load::start("import", &cluster.ports(), &shelves, false);
    load.let_pass(200);
    for (from, to) in [(0, 1), (1, 0), (0, 1), (1, 2), (2, 0)] {
        mover.run(&cluster, &slots, from, to);
        load.let_pass(200);
    }
    let ledger = load.stop();
    eprintln!("{} orders, {} paid, {:?}", ledger.orders.len(), ledger.count(Fate::Paid), ledger.met);
    assert!(ledger.met.moved > 0);
    assert_eq!((ledger.met.ask, ledger.met.tryagain), (0, 0), "slots move at once");
    for slot in &slots {
        cluster.agree(&[0, 1, 2], *slot, 0);
    }
    for key in &keys {
        audit::nothing_is_lost(&mut c, key, PUT_IN, &ledger);
    }
    c.expect_pool(&large, &format!("on_hand={} reserved=0 sold={MANY}", 2 * MANY));
    audit::adds_up(&mut c, &large, 3 * MANY);
    for (tag, shelf) in tags.iter().zip(&shelves) {
        audit::events_are_whole(&mut c, &stream(tag), shelf);
    }
    audit::replicas_agree(&cluster, &keys);
    audit::replicas_agree(&cluster, &[large, stream(&tags[0]), stream(&tags[1])]);
}

/// Fills a new pool with many paid orders.
pub fn fill(c: &mut Client, key: &str) {
    c.expect(&format!("STOCK.SET {key} {}", 3 * MANY), "OK");
    let words = |line: String| line.split(' ').map(String::from).collect::<Vec<_>>();
    let calls: Vec<Vec<String>> = (0..MANY)
        .flat_map(|n| {
            let reserve = format!("STOCK.RESERVE {key} order-{n} 1 FOR user {n} region bj");
            [words(reserve), words(format!("STOCK.CONFIRM {key} order-{n}"))]
        })
        .collect();
    for answer in c.pipeline(&calls) {
        assert_eq!(answer.items()[0].text(), "OK");
    }
}

/// Holds whose deadline passes during or after the move come back on the new owner, by its
/// background alone.
#[test]
fn holds_of_imported_pools_come_back() {
    let Some(cluster) = cluster() else {
        return;
    };
    let tag = tags_of(0).next().expect("a tag");
    let slot = slot_of(tag.as_bytes());
    let keys: Vec<String> = (0..2).map(|n| format!("{{{tag}}}{n}")).collect();
    let (mut from, mut to) = (cluster.client(0), cluster.client(1));
    for (key, hold_ms) in keys.iter().zip([3_000, 6_000]) {
        from.expect(&format!("STOCK.SET {key} 10"), "OK");
        from.expect(&format!("STOCK.RESERVE {key} o 4 PX {hold_ms}"), "[OK, *]");
    }
    migrate(&cluster, &[slot], 0, 1);
    wait_for_success(&cluster, 0);
    cluster.agree(&[0, 1, 2], slot, 1);
    for key in &keys {
        let mut before = to.digest(key);
        wait_until("the hold comes back on the new owner", || {
            let (now, state) = (to.digest(key), to.order(key, "o", "state"));
            let changed = std::mem::replace(&mut before, now.clone()) != now;
            changed || state == "expired"
        });
        wait_until("it was the background", || stock_info(&mut to, "open_holds") <= i64::from(*key == keys[0]));
        to.expect_pool(key, "on_hand=10 reserved=0 available=10");
    }
    assert_eq!(stock_info(&mut to, "holds_expired") + stock_info(&mut from, "holds_expired"), 2);
    assert!(stock_info(&mut to, "holds_expired") >= 1);
    audit::replicas_agree(&cluster, &keys);
}

/// A move that is called off leaves everything where it was.
#[test]
fn a_move_that_is_called_off() {
    const PUT_IN: i64 = 100_000;
    let Some(cluster) = cluster() else {
        return;
    };
    let tag = tags_of(0).next().expect("a tag");
    let slot = slot_of(tag.as_bytes());
    let shelf: Vec<String> = (0..3).map(|n| format!("{{{tag}}}sku{n}")).collect();
    let mut c = cluster.client(0);
    for key in &shelf {
        c.expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
    }
    let large = format!("{{{tag}}}large");
    fill(&mut c, &large);
    let load = Load::start("cancel", &cluster.ports(), std::slice::from_ref(&shelf), false);
    load.let_pass(50);
    // The other side stands still, so that the move cannot end before it is called off.
    cluster.nodes[1].freeze();
    migrate(&cluster, &[slot], 0, 1);
    load.let_pass(50);
    c.expect("CLUSTER CANCELSLOTMIGRATIONS", "OK");
    cluster.nodes[1].thaw();
    load.let_pass(50);
    wait_until("the move is over", || states(&mut c).iter().all(|state| state == "cancelled"));
    let ledger = load.stop();
    for key in &shelf {
        audit::nothing_is_lost(&mut c, key, PUT_IN, &ledger);
    }
    audit::adds_up(&mut c, &large, 3 * MANY);
    let mut other = cluster.client(1);
    wait_until("nothing stays on the other side", || stock_info(&mut other, "pools") == 0);
    std::thread::sleep(Duration::from_millis(200));
    // It can be done again.
    migrate(&cluster, &[slot], 0, 1);
    wait_until("the slot has moved", || states(&mut c).first().is_some_and(|state| state == "success"));
    for key in &shelf {
        audit::nothing_is_lost(&mut other, key, PUT_IN, &ledger);
    }
    audit::adds_up(&mut other, &large, 3 * MANY);
}
