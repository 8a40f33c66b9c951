//! A primary is lost while orders run, and its replica takes over by itself.

use std::collections::{HashMap, HashSet};

use crate::audit;
use crate::load::{Fate, Ledger, Load, Order, Shelf};
use testkit::cluster::{slot_of, tag_of, Cluster, PRIMARIES};
use testkit::shopper::Shopper;
use testkit::{status_word, Client};

const PUT_IN: i64 = 100_000;
/// After so long a silent primary is given up.
const TIMEOUT_MS: u64 = 2_500;
const SURVIVORS: [usize; 2] = [1, 2];

struct Shop {
    cluster: Cluster,
    shelves: Vec<Shelf>,
    keys: Vec<String>,
}

/// A shelf on each primary.
fn open() -> Shop {
    let cluster = Cluster::start(TIMEOUT_MS);
    let shelf = |n: usize| (0..3).map(|i| format!("{{{}}}sku{i}", tag_of(n))).collect::<Shelf>();
    let shelves: Vec<Shelf> = (0..PRIMARIES).map(shelf).collect();
    for (n, shelf) in shelves.iter().enumerate() {
        let mut c = cluster.client(n);
        for key in shelf {
            c.expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
            c.expect(&format!("STOCK.SETPOLICY {key} {{\"events\":\"{{{}}}events\"}}", tag_of(n)), "OK");
            c.expect(&format!("STOCK.LIMIT {key} user 1000000 PER DAY"), "OK");
        }
        c.expect("WAIT 1 5000", "1");
    }
    let streams = (0..PRIMARIES).map(|n| format!("{{{}}}events", tag_of(n)));
    let keys = shelves.iter().flatten().cloned().chain(streams).collect();
    Shop { cluster, shelves, keys }
}

/// What the shop does after a failover: it repeats every confirmation that it has noted, and where
/// the order is unknown it vouches for it. Which orders had been lost.
fn repeat_confirmations(shop: &Shop, ledger: &Ledger) -> HashSet<String> {
    let mut shopper = Shopper::new(shop.cluster.ports());
    let mut lost = HashSet::new();
    for order in ledger.orders.iter().filter(|order| order.fate == Fate::Paid) {
        for (key, quantity) in lines(order) {
            let answer = shopper.say(&key, &format!("STOCK.CONFIRM {key} {}", order.id));
            match status_word(&answer).as_str() {
                "EXISTS" => continue,
                // The hold had survived, or nothing had.
                "OK" => {}
                "NOORDER" => {
                    let user = order.id.rsplit_once('-').expect("name-n").0;
                    let late = format!("QTY {quantity} LATE SINCE {} FOR user {user}", order.placed_ms);
                    let answer = shopper.say(&key, &format!("STOCK.CONFIRM {key} {} {late}", order.id));
                    assert_eq!(status_word(&answer), "OK", "{order:?}: {answer}");
                }
                _ => panic!("{order:?}: {answer}"),
            }
            lost.insert(order.id.clone());
        }
    }
    lost
}

/// Keys and quantities, each key once.
fn lines(order: &Order) -> HashMap<String, i64> {
    let mut lines = HashMap::new();
    for (key, quantity) in &order.lines {
        *lines.entry(key.clone()).or_default() += quantity;
    }
    lines
}

/// Which orders a pool knows as paid are orders that were placed so: none is there twice or with
/// another quantity.
#[track_caller]
fn nothing_is_invented(client: &mut Client, key: &str, ledger: &Ledger) {
    let told = audit::told(ledger, key, Fate::Paid);
    for (order, quantity) in audit::orders_in(client, key, "confirmed") {
        assert_eq!(told.get(&order), Some(&quantity), "{key}: {order}");
    }
}

/// What must be true when the dust has settled: before anything is repaired what is there adds up,
/// and what a replica had acknowledged is there. After the repair every paid order is there, once.
/// How many had been lost.
#[track_caller]
fn all_is_accounted_for(shop: &Shop, owners: [usize; PRIMARIES], ledger: &Ledger) -> usize {
    let mut clients: Vec<Client> = owners.iter().map(|&node| shop.cluster.client(node)).collect();
    for (n, shelf) in shop.shelves.iter().enumerate() {
        for key in shelf {
            nothing_is_invented(&mut clients[n], key, ledger);
        }
    }
    let mut safe = 0;
    for order in ledger.orders.iter().filter(|order| order.fate == Fate::Paid && order.waited) {
        for (key, quantity) in lines(order) {
            let n = shop.shelves.iter().position(|shelf| shelf.contains(&key)).expect("a shelf");
            let found = clients[n].say(&format!("STOCK.ORDER {key} {}", order.id));
            assert_eq!(found.field("state").text(), "confirmed", "acknowledged by the replica, and lost: {order:?}");
            assert_eq!(found.field("qty").int(), quantity, "{order:?}");
        }
        safe += 1;
    }
    let lost = repeat_confirmations(shop, ledger);
    for order in ledger.orders.iter().filter(|order| lost.contains(&order.id)) {
        assert!(!order.waited, "repeated although a replica had it: {order:?}");
    }
    let (paid, met) = (ledger.count(Fate::Paid), ledger.met);
    eprintln!(
        "{} orders, {paid} paid, {safe} of them with WAIT, {} lost and repeated, {met:?}",
        ledger.orders.len(),
        lost.len()
    );
    assert!(safe > 100 && met.lost > 0, "the test has shown nothing: {met:?}");

    for (n, shelf) in shop.shelves.iter().enumerate() {
        for key in shelf {
            let told = audit::told(ledger, key, Fate::Paid);
            assert_eq!(audit::orders_in(&mut clients[n], key, "confirmed"), told, "{key}: what was paid");
            audit::adds_up(&mut clients[n], key, PUT_IN);
        }
    }
    lost.len()
}

/// The machine of a primary dies. It comes back as a replica.
#[test]
fn a_primary_dies_under_load() {
    let mut shop = open();
    let slot = slot_of(tag_of(0).as_bytes());
    let load = Load::start("die", &shop.cluster.ports(), &shop.shelves, true);
    load.let_pass(500);
    let mut primary = shop.cluster.client(0);
    let epoch = primary.get(&shop.keys[0], "epoch");
    // The link to the replica breaks first, so that orders are acknowledged which no replica has.
    shop.cluster.nodes[3].freeze();
    primary.say("CLIENT KILL TYPE replica");
    load.let_pass(100);
    shop.cluster.nodes[0].kill();
    shop.cluster.nodes[3].thaw();
    shop.cluster.promoted(3);
    shop.cluster.agree(&SURVIVORS, slot, 3);
    load.let_pass(100);
    shop.cluster.nodes[0].start_again();
    shop.cluster.agree(&[0], slot, 3);
    shop.cluster.nodes[0].wait_for_link();
    load.let_pass(200);
    let ledger = load.stop();
    let lost = all_is_accounted_for(&shop, [3, 1, 2], &ledger);
    assert!(lost > 0, "nothing was lost, so nothing was repaired");
    // The new primary has begun a history of its own.
    assert_ne!(shop.cluster.client(3).get(&shop.keys[0], "epoch"), epoch);
    audit::replicas_agree(&shop.cluster, &shop.keys);
}

/// First a failover that is asked for, then one that is not, in one cluster.
#[test]
fn a_handover_and_a_hanging_primary() {
    let shop = open();
    let ledger = a_handover_loses_nothing(&shop);
    a_primary_hangs_under_load(&shop, ledger);
}

/// A primary hangs, and goes on when another has taken over: what it then does with calls that
/// waited in its sockets is lost, and nobody was told that a replica has it.
fn a_primary_hangs_under_load(shop: &Shop, before: Ledger) {
    let slot = slot_of(tag_of(0).as_bytes());
    let load = Load::start("hang", &shop.cluster.ports(), &shop.shelves, true);
    load.let_pass(500);
    // On a slow machine the two may have changed places once more.
    let from = shop.cluster.owner_by(SURVIVORS[0], slot);
    let to = PRIMARIES - from;
    shop.cluster.nodes[from].freeze();
    shop.cluster.promoted(to);
    shop.cluster.agree(&SURVIVORS, slot, to);
    load.let_pass(100);
    shop.cluster.nodes[from].thaw();
    shop.cluster.agree(&[from], slot, to);
    load.let_pass(300);
    let mut ledger = load.stop();
    ledger.add(before);
    all_is_accounted_for(shop, [to, 1, 2], &ledger);
    audit::replicas_agree(&shop.cluster, &shop.keys);
}

/// `CLUSTER FAILOVER` hands over under load: the primary pauses its writes until the replica has
/// everything, so nothing is lost, also without WAIT.
fn a_handover_loses_nothing(shop: &Shop) -> Ledger {
    let slot = slot_of(tag_of(0).as_bytes());
    let load = Load::start("handover", &shop.cluster.ports(), &shop.shelves, false);
    for (from, to) in [(0, 3), (3, 0)] {
        load.let_pass(200);
        shop.cluster.hand_over(to);
        shop.cluster.agree(&SURVIVORS, slot, to);
        shop.cluster.agree(&[from], slot, to);
        shop.cluster.nodes[from].wait_for_link();
    }
    load.let_pass(200);
    let ledger = load.stop();
    eprintln!("{} orders, {} paid, {:?}", ledger.orders.len(), ledger.count(Fate::Paid), ledger.met);
    assert!(ledger.met.moved > 0);
    for (n, shelf) in shop.shelves.iter().enumerate() {
        let mut c = shop.cluster.client(n);
        for key in shelf {
            audit::nothing_is_lost(&mut c, key, PUT_IN, &ledger);
        }
        audit::events_are_whole(&mut c, &format!("{{{}}}events", tag_of(n)), shelf);
    }
    audit::replicas_agree(&shop.cluster, &shop.keys);
    ledger
}
