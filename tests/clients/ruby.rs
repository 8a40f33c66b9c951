//! What only the library for Ruby has: sharded pools (docs/guides/hot-sku.md), and no arguments out
//! of an array.

use std::thread::scope;

use crate::programs::{libraries, printed, Library};
use testkit::{info, Client, Server};

fn ruby() -> impl Iterator<Item = &'static Library> {
    libraries().filter(|library| library.language == "ruby")
}

/// Users 42 and 45 buy in the second bucket of two.
#[test]
fn a_bucket_that_is_sold_out_gets_units_of_another_one() {
    for library in ruby() {
        let (server, mut client) = Server::on_port(&[]).with_client();
        client.play("STOCK.SET {b0}s 1\nSTOCK.SET {b1}s 0");
        let config = r#"{"version":1,"by":"user","buckets":["{b0}s","{b1}s"]}"#;
        client.call(&["SET", "{s}shards", config]);
        let buy = |user: &str| printed(&mut library.program(server.port(), &["sharded", "s", user]));
        // Without a balancer the answer of the bucket stands.
        assert_eq!(buy("42"), "{b1}s SOLDOUT\n");
        client.expect("LLEN {s}asks", "0");
        client.expect("SET {s}left 1", "OK");
        let said = scope(|scope| {
            let buyer = scope.spawn(|| buy("42"));
            balance(&mut client);
            buyer.join().expect("the buyer comes to an end")
        });
        assert_eq!(said, "{b1}s OK\n");
        // All buckets together have nothing left: final at once.
        client.play("SET {s}left 0\nDEL {s}asks");
        assert_eq!(buy("45"), "{b1}s SOLDOUT\n");
        client.expect("LLEN {s}asks", "0");
        client.expect_pool("{b1}s", "on_hand=1 reserved=1 available=0");
    }
}

/// The part of a balancer: waits for an order that asks, and shifts one unit.
fn balance(client: &mut Client) {
    client.expect("BLPOP {s}asks 10", r#"[{s}asks, [\"order-42\",1,1]]"#);
    client.expect("STOCK.SHIFT {b0}s TO {b1}s 1", "[OK, *]");
    client.expect("STOCK.SHIFT {b1}s FROM {b0}s 1", "[OK, *]");
}

/// redis-client would send the elements of an array, or hash, as words of their own.
#[test]
fn an_id_that_is_an_array_makes_no_arguments() {
    for library in ruby() {
        let server = Server::on_port(&[]);
        let said = printed(&mut library.program(server.port(), &["words"]));
        assert_eq!(said, "TypeError\n".repeat(6));
        let stats = info(&mut server.client(), "commandstats");
        assert!(stats.keys().all(|name| !name.to_uppercase().contains("RESERVE")), "{stats:?}");
    }
}
