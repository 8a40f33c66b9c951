//! Long random histories, with carts, expiry and several streams: every side has the same pools and
//! the same streams.

use crate::following::wait_for_quiet;
use crate::load::Load;
use testkit::{stock_info, Client, Server};

/// Pools that tell in three streams of their own, in the server's, and in none.
const STREAMS: [&str; 4] = ["{shop}a", "{shop}b", "{shop}c", "feed"];

fn pools(client: &mut Client) -> Vec<String> {
    let names: Vec<String> = (0..10).map(|n| format!("{{shop}}{n}")).collect();
    client.expect("CONFIG SET stock.events feed", "OK");
    for (n, name) in names.iter().enumerate() {
        let units = if n == 9 { "UNLIMITED" } else { "150" };
        client.expect(&format!("STOCK.SET {name} {units}"), "OK");
        let events = STREAMS[n % 4];
        let events = match n {
            5 => r#","events":"""#.to_string(),
            _ if events == "feed" => String::new(),
            _ => format!(r#","events":"{events}""#),
        };
        // Some of them packed, in the same streams.
        let events = if n % 3 == 0 { format!(r#"{events},"events_format":"packed""#) } else { events };
        let policy = format!(r#"{{"alert":20,"limits":[{{"by":["user"],"max":40,"per":"day"}}]{events}}}"#);
        assert_eq!(client.call(&["STOCK.SETPOLICY", name, &policy]).to_string(), "OK");
    }
    names
}

/// Everything that must be the same: digests of pools and streams, and each stream whole, ids and
/// fields.
fn all(client: &mut Client, pools: &[String]) -> Vec<String> {
    let digests: Vec<String> = pools.iter().map(String::as_str).chain(STREAMS).map(|key| client.digest(key)).collect();
    let streams = STREAMS.map(|stream| client.call(&["XRANGE", stream, "-", "+"]).to_string());
    digests.into_iter().chain(streams).collect()
}

/// Says which one differs, in short: a whole stream is long.
#[track_caller]
fn assert_same(found: &[String], expected: &[String], where_found: &str) {
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let at = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| text.get(at.saturating_sub(200)..(at + 100).min(text.len())).map(str::to_string);
        assert!(found == expected, "{where_found}: item {n} at {at}: {:?} {:?}", around(found), around(expected));
    }
}

#[test]
fn random_histories_are_the_same_on_every_side() {
    let calls = crate::amount(6_000, 60_000);
    let seed = crate::seed("random_histories_are_the_same_on_every_side");
    for (preamble, maxlen) in [("yes", "0"), ("no", "500")] {
        let primary = Server::on_port(&["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
        let replica = Server::replica_of(&primary, &["--stream-node-max-entries", "30"]);
        let (mut c, mut r) = (primary.client(), replica.client());
        c.expect(&format!("CONFIG SET stock.events-maxlen {maxlen}"), "OK");
        let pools = pools(&mut c);
        let load = Load::start(&primary, "o", &pools, 4, seed);
        load.allow(calls / 2);
        // The log is rewritten, and a second replica joins, while the load runs.
        c.rewrite_aof();
        let late = Server::replica_of(&primary, &[]);
        load.allow(calls);
        load.finish();
        wait_for_quiet(&mut c, &pools);
        let told = all(&mut c, &pools);
        let lengths = STREAMS.map(|stream| c.call(&["XLEN", stream]).int());
        println!("preamble {preamble}, bound {maxlen}: entries {lengths:?}");
        assert!(lengths.iter().all(|&length| length > 300), "{lengths:?}");
        assert!(maxlen == "0" || lengths.iter().all(|&length| length < 700), "{lengths:?}");
        for replica in [&replica, &late] {
            replica.catch_up(&primary);
            let mut client = replica.client();
            assert_same(&all(&mut client, &pools), &told, "a replica");
            assert_eq!((stock_info(&mut client, "divergences"), stock_info(&mut client, "events_dropped")), (0, 0));
        }
        for step in ["DEBUG LOADAOF", "a rewrite", "DEBUG LOADAOF", "DEBUG RELOAD"] {
            match step {
                "a rewrite" => c.rewrite_aof(),
                step => drop(c.expect(step, "OK")),
            }
            assert_same(&all(&mut c, &pools), &told, &format!("preamble {preamble}, after {step}"));
            pools.iter().for_each(|pool| c.verify(pool));
        }
        r.verify(&pools[0]);
        assert_eq!((stock_info(&mut c, "divergences"), stock_info(&mut c, "events_dropped")), (0, 0));
    }
}
