//! Sentinel and cluster.

use redis::Value;
use testkit::Sentinel;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{run, word, RedisServer};
use crate::harness::shop::{assert_agreement, sell};
use crate::harness::{wait_until, Shop};

#[test]
fn sentinel_names_the_primary() {
    let mut shop = Shop::new(Database::fresh(Kind::Sqlite));
    let sentinel = Sentinel::of(shop.redis.port, "");
    let through = |sentinel: &Sentinel, shop: &Shop| {
        let text = format!(
            "[pools]\nkey = \"sku:%\"\nevents = \"events\"\n[redis]\nurl = \"redis://127.0.0.1:1/0\"\nmore = [\"redis://127.0.0.1:{}/0\"]\nsentinel = \"shop\"\n[database]\nurl = \"{}\"\n",
            sentinel.port,
            shop.database.url()
        );
        std::fs::write(shop.dir.path().join("stock-ledger.toml"), text).expect("a configuration");
    };
    through(&sentinel, &shop);
    crate::harness::shop::open(&shop, 3, 10);
    let mut c = shop.redis.connect();
    sell(&mut c, "sku:1", "o1", "2");
    shop.ledger(&["run", "--once"]).ok();
    assert_agreement(&shop, &mut c);
    // It must not put the old primary back.
    drop(sentinel);
    // The replica is made the primary: the sentinel tells, and the feed goes on there.
    let next = shop.redis.fork();
    std::mem::replace(&mut shop.redis, next).kill();
    let sentinel = Sentinel::of(shop.redis.port, "");
    through(&sentinel, &shop);
    let mut c = shop.redis.connect();
    sell(&mut c, "sku:1", "o2", "1");
    shop.ledger(&["run", "--once"]).ok();
    assert_agreement(&shop, &mut c);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 7);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    shop.ledger(&["audit"]).ok();
    shop.ledger(&["reconcile"]).ok();
}

/// The feed has a connection of its own: it must get in where the others do.
#[test]
fn every_way_in_is_open_to_the_feed() {
    fn sells(shop: &Shop, url: &str, c: &mut redis::Connection) {
        shop.write_config(url);
        crate::harness::shop::open(shop, 3, 10);
        sell(c, "sku:1", "o1", "2");
        shop.ledger(&["run", "--once"]).ok();
        assert_agreement(shop, c);
        assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 8);
    }
    let redis = RedisServer::start(&["--unixsocket", "socket"]);
    let socket = redis.server.dir().join("socket");
    let shop = Shop::on(redis, Database::fresh(Kind::Sqlite));
    let mut c = shop.redis.connect();
    sells(&shop, &format!("redis+unix://{}", socket.display()), &mut c);
    // A user, and another logical database.
    let shop = Shop::on(shop.redis, Database::fresh(Kind::Sqlite));
    run(&mut c, &["ACL", "SETUSER", "clerk", "on", ">secret", "~*", "&*", "+@all"]);
    run(&mut c, &["SELECT", "2"]);
    sells(&shop, &format!("redis://clerk:secret@127.0.0.1:{}/2", shop.redis.port), &mut c);
    // A password for everyone; and a wrong one.
    let shop = Shop::on(shop.redis, Database::fresh(Kind::Sqlite));
    run(&mut c, &["SELECT", "3"]);
    run(&mut c, &["CONFIG", "SET", "requirepass", "open"]);
    sells(&shop, &format!("redis://:open@127.0.0.1:{}/3", shop.redis.port), &mut c);
    shop.write_config(&format!("redis://:shut@127.0.0.1:{}/3", shop.redis.port));
    shop.ledger(&["preload"]).with(4);
}

/// Sends a command to whichever node has the key.
fn anywhere(nodes: &[RedisServer], words: &[&str]) -> Value {
    for node in nodes {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        match command.query(&mut node.connect()) {
            Ok(value) => return value,
            Err(error) if error.to_string().to_lowercase().contains("moved") => {}
            Err(error) => panic!("{words:?}: {error}"),
        }
    }
    panic!("{words:?}: no node has it");
}

#[test]
fn a_cluster_has_a_stream_for_each_shard() {
    let config = ["--cluster-enabled", "yes", "--cluster-node-timeout", "20000"];
    let nodes: Vec<RedisServer> = (0..3).map(|_| RedisServer::start(&config)).collect();
    for (n, node) in nodes.iter().enumerate() {
        let (first, last) = ([0, 5461, 10922][n], [5460, 10921, 16383][n]);
        run(&mut node.connect(), &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        run(&mut node.connect(), &["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
    }
    wait_until("the cluster is whole", || {
        nodes.iter().all(|node| {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut node.connect()).expect("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    });
    let database = Database::fresh(Kind::Sqlite);
    let shop = Shop::on(RedisServer::start(&[]), database);
    let text = format!(
        "[pools]\nkey = \"{{#}}sku:%\"\nevents = \"{{#}}events\"\nshards = 8\n[redis]\nurl = \"{}\"\ncluster = true\n[database]\nurl = \"{}\"\n",
        nodes[1].url(),
        shop.database.url()
    );
    std::fs::write(shop.dir.path().join("stock-ledger.toml"), text).expect("a configuration");
    crate::harness::shop::open(&shop, 40, 100);
    let mut pools: Vec<String> = Vec::new();
    for node in &nodes {
        pools.extend(crate::harness::shop::pools(&mut node.connect()));
    }
    assert_eq!(pools.len(), 40);
    for round in 0..10 {
        for pool in &pools {
            let order = format!("o{round}");
            assert_eq!(word(&anywhere(&nodes, &["STOCK.RESERVE", pool, &order, "2"])), "OK");
            if round % 2 == 0 {
                assert_eq!(word(&anywhere(&nodes, &["STOCK.CONFIRM", pool, &order])), "OK");
            }
        }
    }
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT SUM(on_hand) FROM stock"), 40 * (100 - 5 * 2));
    let reserved = "SELECT COUNT(*) FROM stock_lines WHERE state = 'reserved'";
    assert_eq!(shop.database.number(reserved), 40 * 5);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_streams WHERE applied > 0"), 8);
    shop.ledger(&["audit"]).ok();
    anywhere(&nodes, &["STOCK.SET", &pools[0], "500"]);
    shop.ledger(&["reconcile"]).ok().out_has("39 pools agreed, 1 were corrected");
    let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(&pools[0]).query(&mut nodes[0].connect()).expect("a slot");
    assert_eq!(slot, stock_ledger::redis_client::slot(pools[0].as_bytes()));
    assert_eq!(stock_ledger::redis_client::slot(b"foo{}{bar}"), {
        redis::cmd("CLUSTER").arg("KEYSLOT").arg("foo{}{bar}").query::<u16>(&mut nodes[0].connect()).expect("a slot")
    });
    // The slot moves to another node, with pools and stream in it, while it is followed: the feed
    // finds them there.
    let follower = shop.follow(&[]);
    assert_eq!(word(&anywhere(&nodes, &["STOCK.RESERVE", &pools[0], "before", "1"])), "OK");
    let followed = "SELECT COUNT(*) FROM stock_lines WHERE order_id = 'before'";
    wait_until("the feed has begun", || shop.database.number(followed) == 1);
    move_slot(&nodes, slot);
    assert_eq!(word(&anywhere(&nodes, &["STOCK.RESERVE", &pools[0], "moved", "2"])), "OK");
    assert_eq!(word(&anywhere(&nodes, &["STOCK.CONFIRM", &pools[0], "moved"])), "OK");
    let followed = "SELECT COUNT(*) FROM stock_lines WHERE order_id = 'moved' AND state = 'confirmed'";
    wait_until("the feed goes on at the other node", || shop.database.number(followed) == 1);
    shop.end(follower);
    assert_eq!(shop.database.number("SELECT SUM(on_hand) FROM stock"), 40 * (100 - 5 * 2) - 2);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 0);
    shop.ledger(&["audit"]).ok();
}

/// Moves a slot with its keys to the next node.
fn move_slot(nodes: &[RedisServer], slot: u16) {
    let slot = slot.to_string();
    let keys = |node: &RedisServer| -> Vec<String> {
        let keys = run(&mut node.connect(), &["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]);
        redis::from_redis_value(&keys).expect("keys")
    };
    let from = nodes.iter().position(|node| !keys(node).is_empty()).expect("who has the slot");
    let (from, to) = (&nodes[from], &nodes[(from + 1) % nodes.len()]);
    let id = |node: &RedisServer| -> String {
        redis::from_redis_value(&run(&mut node.connect(), &["CLUSTER", "MYID"])).expect("an id")
    };
    let (from_id, to_id) = (id(from), id(to));
    run(&mut to.connect(), &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    run(&mut from.connect(), &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let port = to.port.to_string();
    for key in keys(from) {
        assert_eq!(run(&mut from.connect(), &["MIGRATE", "127.0.0.1", &port, &key, "0", "10000"]), Value::Okay);
    }
    run(&mut to.connect(), &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    for node in nodes {
        run(&mut node.connect(), &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
}
