//! A slot moves key by key (`redis-cli --cluster reshard` does it so): ASK, TRYAGAIN, and orders
//! that go on.

use std::thread::sleep;
use std::time::Duration;

use crate::audit;
use crate::load::{Fate, Load};
use testkit::cluster::{slot_of, tags_of, Cluster};
use testkit::{fits, now_ms, stock_info, wait_until, Client};

#[track_caller]
fn asking(client: &mut Client, line: &str, pattern: &str) {
    client.expect("ASKING", "OK");
    let answer = client.say(line).to_string();
    assert!(fits(pattern, &answer), "ASKING {line}\n  answered {answer}\n  expected {pattern}");
}

/// One cluster for all, each part with a slot of its own: starting one takes seconds.
#[test]
fn a_slot_moves_key_by_key() {
    let cluster = Cluster::steady();
    let mut tags = tags_of(0);
    let mut tag = || tags.next().expect("a tag");
    an_open_slot_answers_ask_and_tryagain(&cluster, &tag());
    holds_come_back_on_the_new_owner(&cluster, &tag());
    a_move_that_is_called_off(&cluster, &tag());
    a_slot_moves_while_orders_run(&cluster, &tag());
}

/// A pool whose stream is on the other side waits, and its due holds with it; when the stream is
/// back, they come back by themselves.
fn a_move_that_is_called_off(cluster: &Cluster, tag: &str) {
    let slot = slot_of(tag.as_bytes());
    let [key, stream] = ["sku", "events"].map(|name| format!("{{{tag}}}{name}"));
    let (mut from, mut to) = (cluster.client(0), cluster.client(1));
    from.expect(&format!("STOCK.SET {key} 10"), "OK");
    from.expect(&format!("STOCK.SETPOLICY {key} {{\"events\":\"{stream}\"}}"), "OK");
    from.expect(&format!("STOCK.RESERVE {key} o 4 PX 500"), "[OK, *]");
    cluster.open_slot(slot, 0, 1);
    cluster.move_key(&stream, 0, 1);
    from.expect(&format!("STOCK.RESERVE {key} o2 1"), "-TRYAGAIN *");
    from.expect(&format!("STOCK.CONFIRM {key} o"), "-TRYAGAIN *");
    let held = from.digest(&key);
    // The deadline passes, and the background tries.
    sleep(Duration::from_millis(1000));
    assert_eq!(from.digest(&key), held);
    from.expect(&format!("CLUSTER SETSLOT {slot} STABLE"), "OK");
    cluster.move_key(&stream, 1, 0);
    to.expect(&format!("CLUSTER SETSLOT {slot} STABLE"), "OK");
    wait_until("the hold comes back", || from.digest(&key) != held);
    from.expect_pool(&key, "on_hand=10 reserved=0 available=10");
    let last = from.say(&format!("XREVRANGE {stream} + - COUNT 1"));
    assert_eq!(last.items()[0].items()[1].field("type").text(), "expired");
    assert_eq!(stock_info(&mut from, "events_dropped"), 0);
}

/// Each answer of an open slot, with the pools of one cart on both sides. A refused cart leaves no
/// trace.
fn an_open_slot_answers_ask_and_tryagain(cluster: &Cluster, tag: &str) {
    let slot = slot_of(tag.as_bytes());
    let [a, b, new] = ["a", "b", "new"].map(|name| format!("{{{tag}}}{name}"));
    let (mut from, mut to) = (cluster.client(0), cluster.client(1));
    let ask = format!("-ASK {slot} 127.0.0.1:{}", cluster.nodes[1].port());
    let moved = format!("-MOVED {slot} 127.0.0.1:{}", cluster.nodes[0].port());
    from.script(&format!(
        "STOCK.SET {a} 10
         STOCK.SET {b} 10
         STOCK.LIMIT {a} user 3 PER DAY
         STOCK.RESERVE {a} o1 2 FOR user 42 => [OK, *]
         STOCK.MRESERVE cart 2 {a} {b} QTY 1 1 FOR user 43 => [OK, *]"
    ));
    let digest = from.digest(&a);

    cluster.open_slot(slot, 0, 1);
    from.expect(&format!("STOCK.RESERVE {b} o2 1"), "[OK, *]");
    cluster.move_key(&a, 0, 1);
    let digest_b = from.digest(&b);

    // One pool here, one there.
    let cart = format!("2 {a} {b}");
    let reserve = format!("STOCK.MRESERVE o3 {cart} QTY 1 1 FOR user 44");
    let single = format!("STOCK.RESERVE {a} o1 2 FOR user 42");
    from.expect(&single, &ask);
    for line in [
        &reserve,
        &format!("STOCK.MCONFIRM cart {cart}"),
        &format!("STOCK.MRELEASE cart {cart}"),
        &format!("STOCK.MEXTEND cart {cart} EX 5000"),
        &format!("STOCK.MRETURN cart {cart}"),
        &format!("STOCK.AVAILABLE {a} {b}"),
    ] {
        from.expect(line, "-TRYAGAIN *");
        asking(&mut to, line, "-TRYAGAIN *");
        to.expect(line, &moved);
    }
    to.expect(&single, &moved);
    asking(&mut to, &single, &format!("[EXISTS, {a}, reserved, 2, 0, *]"));
    to.expect(&single, &moved);
    // The value came over whole, and nothing that was refused has touched either side.
    assert_eq!((to.digest(&a), from.digest(&b)), (digest, digest_b));
    // Neither key of this cart is here any more: it belongs where both will be.
    from.expect(&format!("STOCK.AVAILABLE {a} {new}"), &ask);

    // Commands on one pool work on both sides meanwhile, also on the limit that came along.
    asking(&mut to, &format!("STOCK.RESERVE {a} o4 2 FOR user 42"), "[LIMITED, *, user/day/units, [\"42\"], 2, 3, *]");
    asking(&mut to, &format!("STOCK.CONFIRM {a} o1"), "[OK, 2, 2]");
    from.expect(&format!("STOCK.CONFIRM {b} o2"), "[OK, 1, 1]");
    from.expect(&format!("STOCK.RESERVE {new} x 1"), &ask);
    asking(&mut to, &format!("STOCK.SET {new} 3"), "OK");

    cluster.move_key(&b, 0, 1);
    from.expect(&reserve, &ask);
    asking(&mut to, &reserve, "[OK, *]");
    cluster.close_slot(slot, 1);
    from.expect(&reserve, &format!("-MOVED {slot} 127.0.0.1:{}", cluster.nodes[1].port()));
    to.expect(&reserve, &format!("[EXISTS, {a}, reserved, 1, 0, *]"));
    to.expect(&format!("STOCK.MCONFIRM cart {cart}"), "[OK]");
    to.expect(&format!("STOCK.MCONFIRM o3 {cart}"), "[OK]");
    to.expect_pool(&a, "on_hand=6 reserved=0 sold=4");
    to.expect_pool(&b, "on_hand=7 reserved=0 sold=3");
    audit::replicas_agree(cluster, &[a, b, new]);
}

/// Holds that are due after their pool has moved come back on the new owner, by its background
/// alone: in a pool that moved with its slot, and in one whose deadline passes while the slot is
/// open.
fn holds_come_back_on_the_new_owner(cluster: &Cluster, tag: &str) {
    let slot = slot_of(tag.as_bytes());
    let keys: Vec<String> = (0..2).map(|n| format!("{{{tag}}}{n}")).collect();
    let (mut from, mut to) = (cluster.client(0), cluster.client(1));
    for (key, hold_ms) in keys.iter().zip([1500, 200]) {
        from.expect(&format!("STOCK.SET {key} 10"), "OK");
        from.expect(&format!("STOCK.RESERVE {key} o 4 PX {hold_ms}"), "[OK, *]");
    }
    cluster.open_slot(slot, 0, 1);
    for key in &keys {
        cluster.move_key(key, 0, 1);
    }
    let held: Vec<String> = keys.iter().map(|key| to.digest(key)).collect();
    assert_eq!(stock_info(&mut to, "holds_expired"), 0);
    sleep(Duration::from_millis(400));
    cluster.close_slot(slot, 1);
    for (key, held) in keys.iter().zip(&held) {
        wait_until("the hold comes back on the new owner", || to.digest(key) != *held);
        to.expect_pool(key, "on_hand=10 reserved=0 available=10");
        assert_eq!(to.order(key, "o", "state"), "expired");
    }
    assert_eq!(stock_info(&mut to, "holds_expired"), 2);
    assert_eq!(stock_info(&mut from, "holds_expired"), 0, "the old owner has let go of them");
    assert_eq!(stock_info(&mut from, "open_holds"), 0);
    audit::replicas_agree(cluster, &keys);
}

/// A slot moves there and back while orders run, single ones and carts whose pools are on both
/// sides in between.
fn a_slot_moves_while_orders_run(cluster: &Cluster, tag: &str) {
    const PUT_IN: i64 = 100_000;
    const SCARCE: i64 = 40;
    let slot = slot_of(tag.as_bytes());
    let shelf: Vec<String> = (0..6).map(|n| format!("{{{tag}}}sku{n}")).collect();
    // The stream of their events goes in the middle: pools and stream are apart for a while.
    let stream = format!("{{{tag}}}events");
    let put_in = |n: usize| if n == 0 { SCARCE } else { PUT_IN };
    let mut c = cluster.client(0);
    for (n, key) in shelf.iter().enumerate() {
        c.expect(&format!("STOCK.SET {key} {}", put_in(n)), "OK");
        c.expect(&format!("STOCK.SETPOLICY {key} {{\"events\":\"{stream}\"}}"), "OK");
        c.expect(&format!("STOCK.LIMIT {key} user 1000000 PER DAY"), "OK");
    }
    let load = Load::start("move", &cluster.ports(), std::slice::from_ref(&shelf), false);
    load.let_pass(100);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        cluster.open_slot(slot, from, to);
        for key in shelf[..3].iter().chain([&stream]).chain(&shelf[3..]) {
            // Carts between the two sides wait meanwhile, and pools whose stream is on the other
            // one.
            sleep(Duration::from_millis(60));
            cluster.move_key(key, from, to);
        }
        cluster.close_slot(slot, to);
        load.let_pass(100);
    }
    let ledger = load.stop();
    eprintln!("{} orders, {} paid, {:?}", ledger.orders.len(), ledger.count(Fate::Paid), ledger.met);

    // The test met what it is about.
    let met = ledger.met;
    assert!(met.ask > 0 && met.tryagain > 0 && met.moved > 0, "{met:?}");
    assert_eq!((met.lost, met.down), (0, 0), "nothing broke");
    for fate in [Fate::Paid, Fate::Released, Fate::Abandoned, Fate::Refused] {
        assert!(ledger.count(fate) > 0, "{fate:?}");
    }
    let begun = now_ms();
    for (n, key) in shelf.iter().enumerate() {
        audit::nothing_is_lost(&mut c, key, put_in(n), &ledger);
    }
    assert!(now_ms() - begun < 30_000);
    audit::events_are_whole(&mut c, &stream, &shelf);
    audit::replicas_agree(cluster, &shelf);
    audit::replicas_agree(cluster, &[stream]);
}
