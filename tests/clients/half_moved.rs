//! A slot that stays half moved for two seconds, with one pool of a cart on each side: the server answers TRYAGAIN all the time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::info;
use crate::nodes::{slot_of, tags_of, Cluster};
use crate::programs::{driver, examples, node, python};
use crate::rust_shop::stock::Shop;

/// Carts in all. The first are sold before the move.
const CARTS: usize = 200;
const BEFORE: usize = 20;
const HALF_MOVED: Duration = Duration::from_secs(2);

/// Runs a seller through the move: every cart is answered OK or EXISTS, and taken once.
#[track_caller]
fn sells_through(cluster: &Cluster, tag: &str, mut words: impl Iterator<Item = String>) {
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
    let rest: Vec<String> = words.collect();
    assert!(rest.iter().all(|word| ["OK", "EXISTS"].contains(&word.as_str())), "{rest:?}");
    assert_eq!(answered + rest.len(), CARTS, "the seller gave up");
    for key in &keys {
        let mut client = cluster.client(1);
        client.expect_pool(key, &format!("on_hand=1000 reserved={CARTS}"));
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
        cluster.client(0).expect(&format!("STOCK.SET {{{tag}}}{name} 1000"), "OK");
    }
}

#[track_caller]
fn program_sells_through(cluster: &Cluster, tag: &str, command: &mut Command) {
    open_pools(cluster, tag);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let said = BufReader::new(child.stdout.take().expect("its output")).lines();
    sells_through(cluster, tag, said.map(|line| line.expect("text")));
    assert!(child.wait().expect("its end").success());
}

/// One cluster for all, each client with a slot of its own.
#[test]
fn every_client_waits_for_a_slot_that_is_half_moved() {
    let cluster = Cluster::steady();
    let mut tags = tags_of(0);
    let port = cluster.nodes[2].port().to_string();
    let count = CARTS.to_string();

    let tag = tags.next().expect("a tag");
    let mut command = python();
    command.arg(driver("carts.py")).arg(examples("python")).args([&port, &tag, &count]);
    program_sells_through(&cluster, &tag, &mut command);

    for library in ["ioredis", "node-redis"] {
        let tag = tags.next().expect("a tag");
        let mut command = node();
        command.arg(driver("carts.js")).arg(examples("node")).args([&port, &tag, &count, library]);
        program_sells_through(&cluster, &tag, &mut command);
    }

    let tag = tags.next().expect("a tag");
    let mut command = Command::new("sh");
    command.arg(driver("carts.sh")).arg(examples("shell")).args([&tag, &count]);
    command.env("STOCK_CLI", format!("redis-cli -c -p {port}"));
    program_sells_through(&cluster, &tag, &mut command);

    let tag = tags.next().expect("a tag");
    open_pools(&cluster, &tag);
    let mut shop = Shop::open(&format!("redis://127.0.0.1:{port}"), true).expect("a client");
    let keys = ["a", "b"].map(|name| format!("{{{tag}}}{name}"));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let tell = tell; // dropped when the seller ends
            for n in 0..CARTS {
                let mut command = redis::cmd("STOCK.MRESERVE");
                command.arg(format!("order-{n}")).arg(2).arg(&keys).arg(&["QTY", "1", "1"]);
                let answer: Vec<redis::Value> =
                    redis::from_redis_value(&shop.call(&keys[0], &command).expect("an answer")).expect("an array");
                let word: String = redis::from_redis_value(&answer[0]).expect("a word");
                tell.send(word).expect("a listener");
                // In steps, so that the move falls into the sale.
                sleep(Duration::from_millis(1));
            }
        });
        sells_through(&cluster, &tag, told.into_iter());
    });
}
