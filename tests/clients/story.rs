//! One small shop, told in every language: preload, limits, a cart, pay, cancel, poll, a payment that comes too late, a refund.
//! Behind a proxy that loses one answer and delays another, and against a cluster.

use std::process::Command;

use crate::harness::{stock_info, Client, Server};
use crate::nodes::{Cluster, PRIMARIES};
use crate::programs::{examples, node, python, told};
use crate::proxy::Proxy;
use crate::rust_shop;

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

/// Runs a shop against one server, through the proxy.
#[track_caller]
fn survives_lost_answers(shop: impl Fn(u16, bool) -> String) {
    let server = Server::on_port(&[]);
    let proxy = Proxy::before(server.port());
    assert_eq!(shop(proxy.port, false), STORY);
    let mut client = server.client();
    sold_right(&mut client);
    // Both answers that did not arrive were asked for again.
    assert!(stock_info(&mut client, "replies_exists") >= 2, "no call was repeated");
}

fn flags(cluster: bool) -> &'static [&'static str] {
    if cluster {
        &["--cluster"]
    } else {
        &[]
    }
}

fn redis_py(port: u16, cluster: bool) -> String {
    let url = format!("redis://127.0.0.1:{port}");
    told(python().arg(examples("python").join("shop.py")).arg(url).args(flags(cluster)))
}

fn in_node(library: &str, port: u16, cluster: bool) -> String {
    told(node().arg(examples("node").join("shop.js")).args([library, &port.to_string()]).args(flags(cluster)))
}

fn ioredis(port: u16, cluster: bool) -> String {
    in_node("ioredis", port, cluster)
}

fn node_redis(port: u16, cluster: bool) -> String {
    in_node("node-redis", port, cluster)
}

fn redis_rs(port: u16, cluster: bool) -> String {
    let mut out = Vec::new();
    rust_shop::run(&format!("redis://127.0.0.1:{port}"), cluster, &mut out).expect("the shop works");
    String::from_utf8(out).expect("text")
}

fn redis_cli(port: u16, cluster: bool) -> String {
    let cli = format!("redis-cli {} -p {port}", if cluster { "-c" } else { "" });
    told(Command::new("sh").arg(examples("shell").join("shop.sh")).env("STOCK_CLI", cli))
}

#[test]
fn redis_py_survives_lost_answers() {
    survives_lost_answers(redis_py);
}

#[test]
fn ioredis_survives_lost_answers() {
    survives_lost_answers(ioredis);
}

#[test]
fn node_redis_survives_lost_answers() {
    survives_lost_answers(node_redis);
}

#[test]
fn redis_rs_survives_lost_answers() {
    survives_lost_answers(redis_rs);
}

#[test]
fn redis_cli_survives_lost_answers() {
    survives_lost_answers(redis_cli);
}

/// Each client is given a node that does not own the pools.
#[test]
fn each_sells_in_a_cluster() {
    let cluster = Cluster::steady();
    let owner = cluster.owner("{618}pen");
    let stranger = cluster.nodes[(owner + 1) % PRIMARIES].port();
    let mut client = cluster.client(owner);
    for shop in [redis_py, ioredis, node_redis, redis_rs, redis_cli] {
        assert_eq!(shop(stranger, true), STORY);
        sold_right(&mut client);
        client.expect("FLUSHALL", "OK");
    }
}
