//! A slot that stays half moved for two seconds, with one pool of a cart on each side: the server
//! answers TRYAGAIN all the time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::programs::libraries;
use testkit::cluster::{slot_of, tags_of, Cluster};
use testkit::info;

/// Carts in all, of a program that is started once, and of the shell. The first are sold before the
/// move, and the rest must last until it begins, on a machine that is busy.
const CARTS: usize = 3_000;
const CARTS_OF_THE_SHELL: usize = 200;
const BEFORE: usize = 20;
const HALF_MOVED: Duration = Duration::from_secs(2);

/// Runs a seller through the move: every cart is answered OK or EXISTS, and taken once.
#[track_caller]
fn sells_through(cluster: &Cluster, tag: &str, carts: usize, mut words: impl Iterator<Item = String>) {
    let slot = slot_of(tag.as_bytes());
    let keys = ["a", "b"].map(|name| format!("{{{tag}}}{name}"));
    let answered = words.by_ref().take(BEFORE).count();
    assert_eq!(answered, BEFORE, "the seller ended before the move");
    let before = tried_again(cluster);
    cluster.open_slot(slot, 0, 1);
    cluster.move_key(&keys[0], 0, 1);
    sleep(HALF_MOVED);
    assert!(tried_again(cluster) > before, "the seller did not meet the move");
    cluster.move_key(&keys[1], 0, 1);
    cluster.close_slot(slot, 1);
    // And whole, there and back, as fast as the nodes can.
    for (from, to) in [(1, 0), (0, 1)] {
        cluster.open_slot(slot, from, to);
        keys.iter().for_each(|key| cluster.move_key(key, from, to));
        cluster.close_slot(slot, to);
    }
    let rest: Vec<String> = words.collect();
    assert!(rest.iter().all(|word| ["OK", "EXISTS"].contains(&word.as_str())), "{rest:?}");
    assert_eq!(answered + rest.len(), carts, "the seller gave up");
    for key in &keys {
        let mut client = cluster.client(1);
        client.expect_pool(key, &format!("on_hand=10000 reserved={carts}"));
        client.verify(key);
    }
}

/// How many calls the two sides of the move have answered TRYAGAIN.
fn tried_again(cluster: &Cluster) -> i64 {
    let count = |node: usize| -> i64 {
        let stats = info(&mut cluster.client(node), "errorstats");
        stats.get("errorstat_TRYAGAIN").map_or(0, |line| line["count=".len()..].parse().expect("a number"))
    };
    count(0) + count(1)
}

fn open_pools(cluster: &Cluster, tag: &str) {
    for name in ["a", "b"] {
        cluster.client(0).expect(&format!("STOCK.SET {{{tag}}}{name} 10000"), "OK");
    }
}

#[track_caller]
fn program_sells_through(cluster: &Cluster, tag: &str, carts: usize, command: &mut Command) {
    open_pools(cluster, tag);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let printed = BufReader::new(child.stdout.take().expect("its output")).lines();
    sells_through(cluster, tag, carts, printed.map(|line| line.expect("text")));
    assert!(child.wait().expect("its end").success());
}

/// One cluster for all, each client with a slot of its own.
#[test]
fn every_client_waits_for_a_slot_that_is_half_moved() {
    let cluster = Cluster::steady();
    let port = cluster.nodes[2].port();
    for (library, tag) in libraries().zip(tags_of(0)) {
        println!("{}", library.name);
        let carts = if library.routes { CARTS } else { CARTS_OF_THE_SHELL };
        let args = ["--cluster", "carts", &tag, &carts.to_string()];
        program_sells_through(&cluster, &tag, carts, &mut library.program(port, &args));
    }
}
