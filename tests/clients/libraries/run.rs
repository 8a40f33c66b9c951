//! What every library must do, on one server, behind a proxy that loses answers, and in a cluster
//! whose slots move.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::{json, Value as Json};

use super::canned::Canned;
use super::driver::Driver;
use super::vectors;
use crate::programs::{libraries, Library};
use testkit::cluster::{slot_of, tags_of, Cluster, PRIMARIES};
use testkit::{info, poll, wait_until, Server};

/// What begins the driver of a library.
fn driver(library: &Library, port: u16, flags: &[&str]) -> Driver {
    Driver::start(&mut library.program(port, &[flags, &["driver"]].concat()))
}

/// Each answer gives the typed result of the vectors, in both protocols.
#[test]
fn every_answer_has_its_type() {
    let canned = Canned::start();
    for library in libraries().filter(|library| library.typed) {
        for flags in [&["driver"][..], &["--resp3", "driver"]] {
            let mut command = library.program(canned.port, flags);
            // What stays unsure is given up soon.
            let mut driver = Driver::start(command.env("STOCK_PATIENCE_MS", "50"));
            let mut wrong = Vec::new();
            for vector in vectors::all() {
                if library.drops_answers() && vector.has_error_of_one_order() {
                    continue;
                }
                let found = driver.call(&vector.method, vector.args.clone());
                if found != vector.result {
                    wrong.push(format!("{}\n    found    {found}\n    expected {}", vector.name, vector.result));
                }
            }
            for (value, count, bucket) in vectors::buckets() {
                let found = driver.bucket(value.clone(), count);
                if found != bucket {
                    wrong.push(format!("{value} is in bucket {found} of {count}, not in {bucket}"));
                }
            }
            for (asked, ask) in vectors::asks() {
                let found = driver.ask(&asked);
                if found != ask {
                    wrong.push(format!("{asked} asks for {found}, not for {ask}"));
                }
            }
            driver.end();
            assert!(wrong.is_empty(), "{} {flags:?}:\n{}", library.name, wrong.join("\n"));
        }
    }
}

/// The orders of a batch are told apart also where one is an error, and the errors of a whole batch
/// from those of one order.
#[test]
fn a_batch_tells_each_order_its_answer() {
    let (server, mut client) = Server::on_port(&[]).with_client();
    for library in libraries().filter(|library| library.typed) {
        client.play("STOCK.SET k 10\nSTOCK.LIMIT k user 2\nSTOCK.RESERVE k known 1 FOR user 1");
        let mut driver = driver(library, server.port(), &[]);
        let orders = json!([["new", 2, "2"], ["known", 2, "1"], ["more", 3, "3"], ["next", 1, "4"]]);
        let batch = ("reservebatch", json!({"key": "k", "dims": ["user"], "orders": orders}));
        let alone = driver.call(batch.0, batch.1.clone());
        let piped = driver.pipeline(&[("get", json!({"key": "k"})), batch]);
        for (n, answer) in [&alone, &piped[1]].into_iter().enumerate() {
            let of = |order: usize| &answer["answers"][order];
            for order in [0, 3] {
                // Asked for once more, as by whoever asks twice.
                let again = n > 0 || library.drops_answers();
                assert_eq!(of(order)["type"], if again { "exists" } else { "held" }, "{}: {answer}", library.name);
            }
            assert_eq!((&of(1)["code"], &of(2)["word"]), (&json!("CONFLICT"), &json!("LIMITED")), "{}", library.name);
        }
        let wrong = driver.call("reservebatch", json!({"key": "k", "orders": [["a", 1], ["b", 0]]}));
        assert_eq!((&wrong["type"], &wrong["code"]), (&json!("error"), &json!("ERR")), "{}: {wrong}", library.name);
        driver.end();
        client.expect_pool("k", "reserved=4 available=6");
        client.expect("FLUSHALL", "OK");
    }
}

/// One cluster for all: starting one takes seconds.
#[test]
fn each_library_sells_in_a_cluster() {
    let cluster = Cluster::steady();
    let mut client = cluster.client(1);
    wait_until("the node that clients ask knows every replica", || {
        client.say("CLUSTER SLOTS").items().iter().all(|range| range.items().len() == 4)
    });
    let mut tags = tags_of(0);
    for library in libraries().filter(|library| library.typed) {
        no_call_is_redirected(library, &cluster);
        replicas_answer_reads(library, &cluster);
        sells_while_slots_move(library, &cluster, &tags.next().expect("a tag"));
        for node in &cluster.nodes[..PRIMARIES] {
            node.client().expect("FLUSHALL", "OK");
        }
    }
}

/// How many redirects the nodes have answered, and how often clients asked where keys are.
fn detours(cluster: &Cluster) -> i64 {
    let number = |line: &str, name: &str| -> i64 {
        line.split(',').find_map(|part| part.strip_prefix(name)).map_or(0, |n| n.parse().expect("a number"))
    };
    let mut found = 0;
    for node in &cluster.nodes {
        let mut client = node.client();
        let errors = info(&mut client, "errorstats");
        for name in ["errorstat_MOVED", "errorstat_ASK"] {
            found += errors.get(name).map_or(0, |line| number(line, "count="));
        }
        let calls = info(&mut client, "commandstats");
        found += calls.get("cmdstat_command|getkeys").map_or(0, |line| number(line, "calls="));
    }
    found
}

/// Every kind of call, on pools all over the slots: one by one, and as one pipeline.
fn calls(round: usize) -> Vec<(&'static str, Json)> {
    let mut calls = Vec::new();
    for tag in 0..12 {
        let [a, b] = ["a", "b"].map(|name| format!("{{r{tag}}}{name}"));
        let [one, two, three, part, four, five] =
            ["1", "2", "3", "part", "4", "5"].map(|n| format!("order-{round}-{n}"));
        let keys = json!([a, b]);
        calls.extend([
            ("set", json!({"key": a, "on_hand": 100})),
            ("set", json!({"key": b, "on_hand": 100})),
            ("limit", json!({"key": a, "by": "user", "max": 100, "per": "DAY"})),
            ("reserve", json!({"key": a, "order": one, "quantity": 2, "hold": {"ex": 900}, "for": [["user", "42"]]})),
            ("amend", json!({"key": a, "order": one, "quantity": 1})),
            ("extend", json!({"key": a, "order": one, "hold": {"ex": 901}})),
            ("confirm", json!({"key": a, "order": one})),
            ("return", json!({"key": a, "order": one})),
            ("release", json!({"key": b, "order": "gone"})),
            ("reservebatch", json!({"key": b, "dims": ["user"], "orders": [[one, 1, "42"], [three, 3, "43"]]})),
            ("split", json!({"key": b, "order": three, "part": part, "quantity": 1})),
            ("confirmbatch", json!({"key": b, "orders": [one, part]})),
            ("add", json!({"key": b, "delta": 1, "token": one})),
            ("transfer", json!({"key": a, "to": b, "quantity": 1, "token": two})),
            ("reconcile", json!({"key": b, "on_hand": 100})),
            ("suspend", json!({"key": b})),
            ("resume", json!({"key": b})),
            ("sweep", json!({"key": b})),
            ("get", json!({"key": a})),
            ("available", json!({"keys": keys})),
            ("check", json!({"key": a, "quantity": 1, "for": [["user", "42"]]})),
            ("order", json!({"key": a, "order": one})),
            ("orders", json!({"key": a, "cursor": "0"})),
            ("usage", json!({"key": a, "for": [["user", "42"]]})),
            ("explain", json!({"key": a, "for": [["user", "42"]]})),
            ("limits", json!({"key": a})),
            ("policy", json!({"key": a})),
            ("verify", json!({"key": a})),
            ("mreserve", json!({"order": two, "lines": [[a, 1], [b, 1]], "for": [["user", "42"]]})),
            ("mextend", json!({"order": two, "keys": keys, "hold": {"ex": 2000}})),
            ("reserve", json!({"key": a, "order": four, "quantity": 2, "for": [["user", "42"]]})),
            ("msplit", json!({"order": four, "part": five, "lines": [[a, 1]]})),
            ("mconfirm", json!({"order": two, "keys": keys})),
            ("mreturn", json!({"order": two, "keys": keys})),
            ("mrelease", json!({"order": "gone", "keys": keys})),
        ]);
    }
    calls
}

#[track_caller]
fn no_call_is_redirected(library: &Library, cluster: &Cluster) {
    let mut driver = driver(library, cluster.nodes[1].port(), &["--cluster"]);
    let well = |method: &str, answer: &Json| assert_ne!(answer["type"], "error", "{} {method}: {answer}", library.name);
    for (method, args) in calls(0) {
        well(method, &driver.call(method, args));
    }
    let before = detours(cluster);
    for (method, args) in calls(1) {
        well(method, &driver.call(method, args));
    }
    assert_eq!(detours(cluster) - before, 0, "{}: redirects of single calls", library.name);
    let calls = calls(2);
    for (answer, (method, _)) in driver.pipeline(&calls).iter().zip(&calls) {
        well(method, answer);
    }
    assert_eq!(detours(cluster) - before, 0, "{}: redirects of a pipeline", library.name);
    driver.end();
    eprintln!("{} {}: 0 redirects in {} calls and a pipeline of as many", library.language, library.name, calls.len());
}

const READS: [&str; 9] = ["get", "available", "check", "explain", "order", "orders", "usage", "limits", "policy"];

/// How many reads these nodes have answered.
fn reads(cluster: &Cluster, nodes: std::ops::Range<usize>) -> usize {
    let count = |node: usize| -> usize {
        let stats = info(&mut cluster.client(node), "commandstats");
        let calls = |name: &&str| -> usize {
            let stat = format!("cmdstat_stock.{name}");
            let line = stats.iter().find(|(found, _)| found.eq_ignore_ascii_case(&stat));
            line.map(|(_, line)| line)
                .and_then(|line| line["calls=".len()..].split(',').next()?.parse().ok())
                .unwrap_or(0)
        };
        READS.iter().map(calls).sum()
    };
    nodes.map(count).sum()
}

/// A driver that is told so reads from replicas, and writes to primaries.
#[track_caller]
fn replicas_answer_reads(library: &Library, cluster: &Cluster) {
    let mut driver = driver(library, cluster.nodes[1].port(), &["--cluster", "--replicas"]);
    let before = reads(cluster, PRIMARIES..2 * PRIMARIES);
    let mut sent = 0;
    for (method, args) in calls(3) {
        sent += usize::from(READS.contains(&method));
        let answer = driver.call(method, args);
        assert_ne!(answer["type"], "error", "{} {method}: {answer}", library.name);
    }
    driver.end();
    let answered = reads(cluster, PRIMARIES..2 * PRIMARIES) - before;
    // node-redis spreads reads over the primary, too.
    assert!(4 * answered >= sent, "{}: {answered} of {sent} reads answered by replicas", library.name);
}

const PUT_IN: i64 = 1_000_000;
const HALF_MOVED: Duration = Duration::from_secs(2);

/// What the seller was told of each order in each pool: state and quantity.
type Notes = BTreeMap<String, BTreeMap<String, (&'static str, i64)>>;

/// Sells one order after the other until `stop`: single ones, carts, and pipelines.
fn sell(driver: &mut Driver, keys: &[String], stop: &AtomicBool, sold: &AtomicUsize) -> Notes {
    let mut notes = Notes::new();
    let is = |answer: &Json, kind: &str, state: &str| {
        assert!(answer["type"] == kind || answer["type"] == "exists" && answer["state"] == state, "{answer}");
    };
    let mut note = |key: &String, order: &str, state, quantity| {
        let before = notes.entry(key.clone()).or_default().insert(order.to_string(), (state, quantity));
        assert!(before.is_none());
    };
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let order = format!("order-{n}");
        let (first, quantity) = (&keys[n % keys.len()], 1 + (n as i64 % 3));
        match n % 4 {
            0 => {
                let cart = [&keys[0], &keys[1 + n % (keys.len() - 1)]];
                let lines = json!([[cart[0], quantity], [cart[1], 1]]);
                is(&driver.call("mreserve", json!({"order": order, "lines": lines})), "cart_held", "reserved");
                is(&driver.call("mconfirm", json!({"order": order, "keys": cart})), "done", "confirmed");
                note(cart[0], &order, "confirmed", quantity);
                note(cart[1], &order, "confirmed", 1);
            }
            1 => {
                let one = |key: &String| ("reserve", json!({"key": key, "order": order, "quantity": quantity}));
                for answer in driver.pipeline(&keys.iter().map(one).collect::<Vec<_>>()) {
                    is(&answer, "held", "reserved");
                }
                keys.iter().for_each(|key| note(key, &order, "reserved", quantity));
            }
            kind => {
                let call = json!({"key": first, "order": order, "quantity": quantity, "hold": {"ex": 900}});
                is(&driver.call("reserve", call), "held", "reserved");
                let (end, state) = if kind == 2 { ("confirm", "confirmed") } else { ("release", "released") };
                is(&driver.call(end, json!({"key": first, "order": order})), state, state);
                note(first, &order, state, quantity);
            }
        }
        sold.store(n, Ordering::Relaxed);
        // The machine is shared.
        sleep(Duration::from_millis(1));
    }
    notes
}

/// A slot moves through all primaries, and stays half moved for two seconds, while the seller goes
/// on.
#[track_caller]
fn sells_while_slots_move(library: &Library, cluster: &Cluster, tag: &str) {
    let slot = slot_of(tag.as_bytes());
    let keys = ["a", "b", "c", "d"].map(|name| format!("{{{tag}}}{name}"));
    for key in &keys {
        cluster.client(0).expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
    }
    let mut driver = driver(library, cluster.nodes[1].port(), &["--cluster"]);
    let (stop, sold) = (AtomicBool::new(false), AtomicUsize::new(0));
    let notes = scope(|scope| {
        let seller = scope.spawn(|| sell(&mut driver, &keys, &stop, &sold));
        let let_pass = |orders: usize| {
            let goal = sold.load(Ordering::Relaxed) + orders;
            wait_until("the seller goes on", || {
                assert!(!seller.is_finished(), "{}: the seller gave up", library.name);
                sold.load(Ordering::Relaxed) >= goal
            });
        };
        let_pass(20);
        for (from, to, pause) in [(0, 1, 30), (1, 2, 30), (2, 0, 0)] {
            cluster.open_slot(slot, from, to);
            for (n, key) in keys.iter().enumerate() {
                cluster.move_key(key, from, to);
                sleep(if pause == 0 && n == 1 { HALF_MOVED } else { Duration::from_millis(pause) });
            }
            cluster.close_slot(slot, to);
            let_pass(20);
        }
        stop.store(true, Ordering::Relaxed);
        seller.join().expect("the seller comes to its end")
    });
    driver.end();
    let met = |name: &str| -> i64 {
        let line = |node| info(&mut cluster.client(node), "errorstats").get(name).cloned();
        (0..PRIMARIES).filter_map(line).map(|line| line["count=".len()..].parse::<i64>().expect("a number")).sum()
    };
    assert!(met("errorstat_TRYAGAIN") > 0 && met("errorstat_ASK") > 0, "the move was not met");
    for key in &keys {
        as_noted(cluster, key, &notes[key]);
    }
    let orders = sold.load(Ordering::Relaxed);
    eprintln!("{} {}: {orders} orders while a slot moved, 0 lost, 0 doubled", library.language, library.name);
}

/// The pool holds exactly what the seller was told.
#[track_caller]
fn as_noted(cluster: &Cluster, key: &str, notes: &BTreeMap<String, (&'static str, i64)>) {
    let mut client = cluster.client(cluster.owner(key));
    let sum = |state: &str| -> i64 { notes.values().filter(|note| note.0 == state).map(|note| note.1).sum() };
    let (sold, reserved) = (sum("confirmed"), sum("reserved"));
    client.expect_pool(key, &format!("on_hand={} reserved={reserved} sold={sold}", PUT_IN - sold));
    client.verify(key);
    let found: BTreeMap<String, (String, i64)> = poll("one page has all orders", || {
        let page = client.say(&format!("STOCK.ORDERS {key} 0 COUNT 10000"));
        let names: Vec<String> = page.items()[1].items().chunks(2).map(|pair| pair[0].text()).collect();
        let calls: Vec<Vec<&str>> = names.iter().map(|name| vec!["STOCK.ORDER", key, name]).collect();
        let answers = client.pipeline(&calls);
        let orders = answers.iter().map(|order| (order.field("state").text(), order.field("qty").int()));
        Some(names.iter().cloned().zip(orders).collect())
    });
    let told = notes.iter().map(|(order, (state, quantity))| (order.clone(), ((*state).to_string(), *quantity)));
    // An order that was released is known with the quantity that it had.
    assert_eq!(found, told.collect(), "{key}");
}
