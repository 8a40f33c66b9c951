//! `clients/python/hot_sku.py`, as docs/guides/hot-sku.md tells a shop to use it, with a balancer.

use std::process::{Command, Stdio};

use crate::programs::{clients, libraries, python};
use testkit::cluster::{tag_of, Cluster, PRIMARIES};
use testkit::{program, wait_until, Running, Value};

/// Buys one unit for each of so many users, and prints what each is answered. A busy machine gets
/// more time than a shop would give.
const BUY: &str = r#"
import sys, redis, hot_sku
hot_sku.WAIT_S = 20
pool = hot_sku.ShardedPool(redis.RedisCluster.from_url(sys.argv[1], decode_responses=True), "sku")
for n in range(int(sys.argv[2])):
    print(type(pool.reserve(f"o-{n}", 1, {"user": n, "region": "hk"}, ex=900)).__name__)
"#;

/// All units lie in one bucket, and each has a third of what the region may buy: every buyer gets
/// one, whatever bucket is theirs, and then it is sold out.
#[test]
fn units_and_shares_come_to_whoever_asks() {
    if !libraries().any(|library| library.name == "redis-py") {
        return;
    }
    let cluster = Cluster::steady();
    let url = format!("redis://127.0.0.1:{}", cluster.ports()[0]);
    let keys: Vec<String> = (0..PRIMARIES).map(|n| format!("{{{}}}sku", tag_of(n))).collect();
    for (n, key) in keys.iter().enumerate() {
        let mut c = cluster.client(n);
        c.expect(&format!("STOCK.SET {key} {}", if n == 0 { 12 } else { 0 }), "OK");
        c.expect(&format!("STOCK.LIMIT {key} user 1"), "OK");
        c.expect(&format!("STOCK.LIMIT {key} region 4"), "OK");
    }
    let mut config = cluster.client(cluster.owner("{sku}shards"));
    let list: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    config.call(&["SET", "{sku}shards", &format!(r#"{{"version":1,"by":"user","buckets":[{}]}}"#, list.join(","))]);
    let mut stockctl = Command::new(program("stockctl"));
    stockctl.args(["--url", &url, "balance", "sku"]).stdout(Stdio::null()).stderr(Stdio::null());
    let _balancer = Running(stockctl.spawn().expect("it starts"));
    wait_until("a balancer is at work", || config.say("GET {sku}left") != Value::Nil);
    let mut buy = python();
    buy.args(["-c", BUY, &url, "13"]).current_dir(clients("python"));
    let output = buy.output().expect("it runs");
    let told = String::from_utf8(output.stdout).expect("text");
    let expected = format!("{}SoldOut\n", "Reserved\n".repeat(12));
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(&output.stderr));
    let reserved: i64 = (0..PRIMARIES).map(|n| cluster.client(n).get(&keys[n], "reserved")).map(number).sum();
    assert_eq!(reserved, 12);
}

fn number(text: String) -> i64 {
    text.parse().expect("a number")
}
