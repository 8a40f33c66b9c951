//! One small shop, told in every language: preload, limits, a cart, pay, cancel, poll, a payment
//! that comes too late, a refund. Behind a proxy that loses one answer and delays another, and
//! against a cluster.

use crate::programs::{libraries, printed};
use testkit::cluster::{Cluster, PRIMARIES};
use testkit::proxy::Proxy;
use testkit::{stock_info, Client, Server};

/// What each of them tells.
const STORY: &str = "\
preloaded
held: 2, 8 left
held: order-lost
held: order-slow
refused: LIMITED user/day/units, 2 of 2
refused: SOLDOUT, 5 left
cart held
cart refused: LIMITED {618}cap
paid: 2 2
cart paid
cancelled: 1 6
poll: confirmed 2
too late: EXPIRED
honoured: OK 1
refunded: 1 7 2
bug: CONFLICT
bug: NODIM
left: 7 3
";

/// What is left behind, whoever sold.
#[track_caller]
fn sold_right(client: &mut Client) {
    client.expect_pool("{618}pen", "on_hand=8 reserved=1 available=7 sold=2");
    client.expect_pool("{618}ink", "on_hand=3 reserved=0 available=3 sold=2");
    for key in ["{618}pen", "{618}ink", "{618}cap"] {
        client.verify(key);
    }
}

/// Behind the proxy, both answers that did not arrive are asked for again.
#[test]
fn every_shop_survives_lost_answers() {
    let (server, mut client) = Server::on_port(&[]).with_client();
    for library in libraries() {
        let proxy = Proxy::before(server.port());
        let repeated = stock_info(&mut client, "replies_exists");
        assert_eq!(printed(&mut library.program(proxy.port, &["shop"])), STORY, "{}", library.name);
        sold_right(&mut client);
        assert!(stock_info(&mut client, "replies_exists") >= repeated + 2, "{}: no call was repeated", library.name);
        client.expect("FLUSHALL", "OK");
    }
}

#[test]
fn every_shop_speaks_the_newer_protocol() {
    let (server, mut client) = Server::on_port(&[]).with_client();
    for library in libraries().filter(|library| library.routes) {
        assert_eq!(printed(&mut library.program(server.port(), &["--resp3", "shop"])), STORY, "{}", library.name);
        sold_right(&mut client);
        client.expect("FLUSHALL", "OK");
    }
}

/// Each client is given a node that does not own the pools.
#[test]
fn every_shop_sells_in_a_cluster() {
    let cluster = Cluster::steady();
    let owner = cluster.owner("{618}pen");
    let stranger = cluster.nodes[(owner + 1) % PRIMARIES].port();
    let mut client = cluster.client(owner);
    for library in libraries() {
        assert_eq!(printed(&mut library.program(stranger, &["--cluster", "shop"])), STORY, "{}", library.name);
        sold_right(&mut client);
        client.expect("FLUSHALL", "OK");
    }
}

/// What each library costs over its bare call:
/// `cargo test --release --test clients overhead -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn overhead() {
    let (server, mut client) = Server::on_port(&[]).with_client();
    for library in libraries().filter(|library| library.routes) {
        let mut program = library.program(server.port(), &["bench", "20000"]);
        // The compiler that a server application of Java has after a minute, not that of a program
        // that ends at once.
        print!("{}", printed(program.env("STOCK_TIERED", "4")));
        client.expect("FLUSHALL", "OK");
    }
}
