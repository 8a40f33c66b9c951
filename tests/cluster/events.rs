//! Event streams in a cluster: a stream shares the slot of its pools, and stays one while the slot
//! moves.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use crate::audit;
use crate::load::Load;
use testkit::cluster::{slot_of, tags_of, Cluster, PRIMARIES};
use testkit::server::Server;
use testkit::{fits, info, stock_info, wait_until, Client};

#[track_caller]
fn asking(client: &mut Client, line: &str, pattern: &str) {
    client.expect("ASKING", "OK");
    let answer = client.say(line).to_string();
    assert!(fits(pattern, &answer), "ASKING {line}\n  answered {answer}\n  expected {pattern}");
}

fn tell_in(client: &mut Client, pool: &str, stream: &str, pattern: &str) {
    let answer = client.call(&["STOCK.SETPOLICY", pool, &format!(r#"{{"events":"{stream}"}}"#)]).to_string();
    assert!(fits(pattern, &answer), "{pool} in {stream}: {answer}");
}

/// The numbers of the changes that the stream tells of, pool by pool, in its order.
fn told(client: &mut Client, stream: &str) -> BTreeMap<String, Vec<i64>> {
    let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for entry in client.call(&["XRANGE", stream, "-", "+"]).items() {
        let field = |name: &str| {
            let fields = entry.items()[1].items();
            fields.chunks(2).find(|pair| pair[0].text() == name).map(|pair| pair[1].text()).expect("a field")
        };
        told.entry(field("pool")).or_default().push(field("seq").parse().expect("a number"));
    }
    told
}

/// One cluster for all: starting one takes seconds.
#[test]
fn a_stream_moves_with_its_pools() {
    let cluster = Cluster::steady();
    let mut tags = tags_of(0);
    let mut tag = || tags.next().expect("a tag");
    pool_and_stream_on_two_nodes(&cluster, &tag(), &tag());
    info_knows_what_its_node_can_tell(&cluster, &tag());
    a_slot_with_a_stream_moves_while_orders_run(&cluster, &tag());
    a_pool_that_names_a_stream_of_another_slot_sells_on(&cluster, &tag());
}

/// A replica of a cluster refuses commands on its keys: it knows the streams, and no lag.
fn info_knows_what_its_node_can_tell(cluster: &Cluster, tag: &str) {
    let mut client = cluster.client(0);
    let [pool, stream] = ["sku", "backlog"].map(|name| format!("{{{tag}}}{name}"));
    client.expect(&format!("STOCK.SET {pool} 10"), "OK");
    tell_in(&mut client, &pool, &stream, "OK");
    client.expect(&format!("XGROUP CREATE {stream} slow 0"), "OK");
    for n in 0..40 {
        client.expect(&format!("STOCK.ADD {pool} {}", n + 1), "*");
    }
    let of = |node: usize, name: &str| info(&mut cluster.client(node), "stock")[&format!("stock_event_{name}")].clone();
    wait_until("the primary knows its backlog", || of(0, "longest_lag_entries") == "41");
    assert_eq!(of(0, "longest_lag_at"), format!("db=0,stream={stream},group=slow"));
    wait_until("the replica knows the stream", || of(PRIMARIES, "longest_stream_entries") == "41");
    assert_eq!((of(PRIMARIES, "longest_lag_entries").as_str(), of(1, "streams").as_str()), ("unknown", "0"));
    client.expect(&format!("DEL {pool} {stream}"), "2");
}

/// Such a policy comes from a server that is no cluster. Nothing is appended, and the policy can be
/// mended.
fn a_pool_that_names_a_stream_of_another_slot_sells_on(cluster: &Cluster, tag: &str) {
    let (_alone, mut origin) = Server::start().with_client();
    let pool = format!("{{{tag}}}restored");
    origin.expect(&format!("STOCK.SET {pool} 10"), "OK");
    tell_in(&mut origin, &pool, "feed", "OK");
    origin.expect(&format!("STOCK.RESERVE {pool} paid 1"), "[OK, *]");
    let payload = origin.call(&["DUMP", &pool]).bytes().to_vec();
    let mut client = cluster.client(0);
    for stream in ["feed", "feeds"] {
        assert_ne!(slot_of(stream.as_bytes()), slot_of(tag.as_bytes()));
    }
    client.call(&[b"RESTORE".as_slice(), pool.as_bytes(), b"0", &payload]);
    let missed = stock_info(&mut client, "events_dropped");
    client.script(&format!(
        "STOCK.RESERVE {pool} a 1 => [OK, *]
         STOCK.CONFIRM {pool} paid => [OK, *]
         STOCK.RELEASE {pool} a => [OK, *]
         STOCK.SUSPEND {pool}"
    ));
    assert_eq!(stock_info(&mut client, "events_dropped"), missed + 4, "each change shows as missed");
    let stream = format!("{{{tag}}}mended");
    tell_in(&mut client, &pool, "feeds", "-CROSSSLOT*");
    tell_in(&mut client, &pool, &stream, "OK");
    client.expect(&format!("STOCK.RESUME {pool}"), "OK");
    client.expect(&format!("XLEN {stream}"), "2");
    client.verify(&pool);
}

fn pool_and_stream_on_two_nodes(cluster: &Cluster, tag: &str, other: &str) {
    let slot = slot_of(tag.as_bytes());
    let [a, b, stream] = ["a", "b", "events"].map(|name| format!("{{{tag}}}{name}"));
    let (mut from, mut to) = (cluster.client(0), cluster.client(1));
    from.script(&format!("STOCK.SET {a} 10\nSTOCK.SET {b} 10"));
    // A stream in another slot, of this node or not, is none for this pool.
    for elsewhere in [format!("{{{other}}}events"), "events".to_string()] {
        assert_ne!(slot_of(elsewhere.as_bytes()), slot);
        tell_in(&mut from, &a, &elsewhere, "-CROSSSLOT*");
        let made = format!("STOCK.SET {{{tag}}}made 5 NX POLICY {{\"events\":\"{elsewhere}\"}}");
        from.expect(&made, "-CROSSSLOT*");
        from.expect(&format!("EXISTS {{{tag}}}made"), "0");
    }
    from.expect("CONFIG SET stock.events events", "-ERR*");
    tell_in(&mut from, &a, &stream, "OK");
    tell_in(&mut from, &b, &stream, "OK");
    from.expect(&format!("STOCK.RESERVE {a} held 1 PX 600"), "[OK, *]");
    from.expect(&format!("STOCK.RESERVE {b} paid 1"), "[OK, *]");

    // The stream goes first: what changes a pool here has nowhere to tell of it, and is refused
    // whole.
    cluster.open_slot(slot, 0, 1);
    cluster.move_key(&stream, 0, 1);
    let digest = from.digest(&a);
    let calls = |key: &str| {
        [
            format!("STOCK.RESERVE {key} new 1"),
            format!("STOCK.CONFIRM {key} paid"),
            format!("STOCK.RELEASE {key} paid"),
            format!("STOCK.RELEASE {key} never"),
            format!("STOCK.ADD {key} 5"),
            format!("STOCK.SET {key} 5"),
            format!("STOCK.RECONCILE {key} 5"),
            format!("STOCK.SUSPEND {key}"),
            format!("STOCK.MRESERVE cart 1 {key} QTY 1"),
        ]
    };
    for call in calls(&a) {
        from.expect(&call, "-TRYAGAIN*");
    }
    // Reads go on; so does the background, which leaves the hold where it is for now.
    from.expect(&format!("STOCK.CHECK {a} 1"), "[OK, *]");
    sleep(Duration::from_millis(900));
    assert_eq!((from.digest(&a), from.say(&format!("EXISTS {a}")).int()), (digest, 1));

    // The pool follows: there both are together again, while the other pool still waits.
    cluster.move_key(&a, 0, 1);
    asking(&mut to, &format!("STOCK.RESERVE {a} new 1"), "[OK, *]");
    from.expect(&format!("STOCK.CONFIRM {b} paid"), "-TRYAGAIN*");
    cluster.move_key(&b, 0, 1);
    cluster.close_slot(slot, 1);
    to.expect(&format!("STOCK.CONFIRM {b} paid"), "[OK, *]");

    // Back again, the pool first: on the importing node there is no stream yet, and none is born.
    cluster.open_slot(slot, 1, 0);
    cluster.move_key(&a, 1, 0);
    let digest = from.digest(&a);
    for call in calls(&a) {
        asking(&mut from, &call, "-TRYAGAIN*");
    }
    assert_eq!(from.digest(&a), digest);
    from.expect("ASKING", "OK");
    assert_eq!(from.say(&format!("EXISTS {stream}")).to_string(), "0");
    to.expect(&format!("STOCK.RESERVE {b} meanwhile 1"), "[OK, *]");
    cluster.move_key(&stream, 1, 0);
    cluster.move_key(&b, 1, 0);
    cluster.close_slot(slot, 0);
    from.expect(&format!("STOCK.CONFIRM {a} new"), "[OK, *]");
    one_stream_tells_all(cluster, &stream, &[a, b], 2);
}

/// One stream on one node, and in it each change of each pool from `first` on, once and in order.
fn one_stream_tells_all(cluster: &Cluster, stream: &str, pools: &[String], first: i64) {
    let owner = cluster.owner(stream);
    let mut c = cluster.client(owner);
    let told = told(&mut c, stream);
    for pool in pools {
        let last: i64 = c.get(pool, "seq").parse().expect("a number");
        assert_eq!(told[pool], (first..=last).collect::<Vec<_>>(), "{pool}");
        c.verify(pool);
    }
    for node in 0..PRIMARIES {
        let mut client = cluster.client(node);
        let found = client.say(&format!("KEYS {stream}")).items().len();
        assert_eq!(found, usize::from(node == owner), "the stream on node {node}");
        assert_eq!(stock_info(&mut client, "events_dropped"), 0);
    }
    let mut replica = cluster.client(owner + PRIMARIES);
    replica.expect("READONLY", "OK");
    cluster.nodes[owner + PRIMARIES].catch_up(&cluster.nodes[owner]);
    assert_eq!(replica.digest(stream), c.digest(stream));
}

/// A slot moves there and back key by key, the stream first, in the middle and last, while orders
/// and carts run.
fn a_slot_with_a_stream_moves_while_orders_run(cluster: &Cluster, tag: &str) {
    const PUT_IN: i64 = 100_000;
    let slot = slot_of(tag.as_bytes());
    let stream = format!("{{{tag}}}events");
    let shelf: Vec<String> = (0..4).map(|n| format!("{{{tag}}}sku{n}")).collect();
    let mut c = cluster.client(0);
    for key in &shelf {
        c.expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
        tell_in(&mut c, key, &stream, "OK");
    }
    let load = Load::start("events", &cluster.ports(), std::slice::from_ref(&shelf), false);
    load.let_pass(100);
    for (from, to, place) in [(0, 1, 0), (1, 2, 2), (2, 0, 4)] {
        cluster.open_slot(slot, from, to);
        let mut keys = shelf.clone();
        keys.insert(place, stream.clone());
        for key in &keys {
            sleep(Duration::from_millis(60));
            cluster.move_key(key, from, to);
        }
        cluster.close_slot(slot, to);
        load.let_pass(100);
    }
    let ledger = load.stop();
    println!("{} orders, {:?}", ledger.orders.len(), ledger.met);
    assert!(ledger.met.ask > 0 && ledger.met.tryagain > 0 && ledger.met.moved > 0, "{:?}", ledger.met);
    for key in &shelf {
        audit::nothing_is_lost(&mut c, key, PUT_IN, &ledger);
    }
    wait_until("the background is done", || {
        let before = c.call(&["XLEN", &stream]);
        sleep(Duration::from_millis(300));
        before == c.call(&["XLEN", &stream])
    });
    one_stream_tells_all(cluster, &stream, &shelf, 2);
}
