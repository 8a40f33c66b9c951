//! Who holds it: orders by buyer, what orders remember, and who has used most.

use testkit::server::Server;
use testkit::{args, Client, Value};

/// A walk to its end: the ids, sorted, and what stands behind each.
fn walk(c: &mut Client, options: &str) -> Vec<(String, Value)> {
    let (mut cursor, mut all) = ("0".to_string(), Vec::new());
    loop {
        let answer = c.say(&format!("STOCK.ORDERS k {cursor} {options}"));
        let page = answer.items()[1].items().to_vec();
        all.extend(page.chunks_exact(2).map(|pair| (pair[0].text(), pair[1].clone())));
        cursor = answer.items()[0].text();
        if cursor == "0" {
            break;
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn ids(c: &mut Client, options: &str) -> Vec<String> {
    walk(c, options).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn orders_are_found_by_what_limits_counted_and_what_they_remember() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 100
         STOCK.LIMIT k region+user 50 MISSING ALLOW
         STOCK.RESERVE k before 1 FOR email a@x => [OK, *]
         STOCK.SETPOLICY k {\"remember\":[\"ip\",\"email\"],\"limits\":[{\"by\":[\"region\",\"user\"],\"max\":50,\"missing\":\"allow\"}]}
         STOCK.RESERVE k a1 2 FOR user u1 region r email a@x ip 10.0.0.1 => [OK, *]
         STOCK.RESERVE k a2 3 FOR user u1 email a@x => [OK, *]
         STOCK.RESERVE k b1 4 FOR user u2 region r email b@x => [OK, *]
         STOCK.CONFIRM k b1 => [OK, *]
         STOCK.ORDER k a1 => {*for: {email: a@x, ip: 10.0.0.1, region: r, user: u1}}
         STOCK.ORDER k a2 => {*for: {email: a@x}}
         STOCK.ORDER k before => {*for: {}}",
    );
    assert_eq!(ids(&mut c, "FOR email a@x"), ["a1", "a2"]);
    assert_eq!(ids(&mut c, "FOR user u1"), ["a1"], "no limit counted a2, and user is not remembered");
    assert_eq!(ids(&mut c, "FOR region r email b@x"), ["b1"]);
    assert_eq!(ids(&mut c, "STATE reserved FOR region r"), ["a1"]);
    assert_eq!(ids(&mut c, "FOR email c@x"), Vec::<String>::new());
    let all = walk(&mut c, "DETAILS COUNT 1");
    assert_eq!(all.len(), 4);
    for (id, map) in &all {
        assert_eq!(map.to_string(), c.say(&format!("STOCK.ORDER k {id}")).to_string());
    }
    // A later policy changes what new orders keep, not what old ones have.
    c.script(
        "STOCK.SETPOLICY k {}
         STOCK.RESERVE k c1 1 FOR email a@x => [OK, *]",
    );
    assert_eq!(ids(&mut c, "FOR email a@x"), ["a1", "a2"]);
    assert_eq!(ids(&mut c, "FOR region r"), Vec::<String>::new(), "its limit is gone");
    c.script(
        "STOCK.ORDERS k 0 DETAILS DETAILS => -ERR *
         STOCK.ORDERS k 0 FOR => -ERR *
         STOCK.ORDERS k 0 FOR user => -ERR *
         STOCK.ORDERS k 0 FOR user u1 COUNT => -ERR *",
    );
}

/// Remembered attributes are part of the state: on a replica, after RDB and AOF, in the digest.
#[test]
fn what_orders_remember_is_kept() {
    let server = Server::on_port(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    let replica = Server::replica_of(&server, &[]);
    let mut c = server.client();
    let mut call = args!["STOCK.RESERVE", "k", "long", 1, "FOR"];
    let dims: Vec<String> = (0..16).map(|n| format!("{n:02}{}", "d".repeat(30))).collect();
    for dim in &dims {
        call.extend([dim.clone().into_bytes(), "v".repeat(128).into_bytes()]);
    }
    let policy = format!("{{\"remember\":{dims:?},\"retain\":60}}");
    c.expect("STOCK.SET k 10", "OK");
    assert_eq!(c.call(&args!["STOCK.SETPOLICY", "k", policy]).to_string(), "OK");
    assert!(c.call(&call).to_string().starts_with("[OK, "));
    assert!(c.say("STOCK.POLICY k").text().contains(&format!("\"remember\":[\"{}\"", dims[0])));
    c.script(
        "STOCK.RESERVE k short 1 => [OK, *]
         STOCK.AMEND k long 2 => [OK, *]
         STOCK.CONFIRM k long => [OK, *]
         STOCK.VERIFY k => OK",
    );
    let before = (c.digest("k"), c.say("STOCK.ORDER k long").to_string(), c.say("STOCK.POLICY k").text());
    assert_eq!(before.1.matches(&"v".repeat(128)).count(), 16);
    replica.catch_up(&server);
    let mut r = replica.client();
    assert_eq!(r.digest("k"), before.0);
    for how in ["DEBUG RELOAD", "DEBUG LOADAOF", "rewrite"] {
        if how == "rewrite" {
            c.rewrite_aof();
        }
        c.expect(if how == "rewrite" { "DEBUG LOADAOF" } else { how }, "OK");
        let after = (c.digest("k"), c.say("STOCK.ORDER k long").to_string(), c.say("STOCK.POLICY k").text());
        assert_eq!(after, before, "{how}");
    }
    c.script(
        "COPY k k2 => 1
         STOCK.VERIFY k2 => OK",
    );
    assert!(c.say("STOCK.ORDER k2 long").to_string().contains("vvv"));
}

#[test]
fn a_policy_says_what_is_wrong_with_remember() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    let digest = c.digest("k");
    let seventeen: Vec<String> = (0..17).map(|n| format!("d{n}")).collect();
    for remember in
        ["[\"User\"]".into(), "[\"u\",\"u\"]".into(), "[1]".into(), "\"u\"".into(), format!("{seventeen:?}")]
    {
        let policy = format!("{{\"remember\":{remember}}}");
        let answer = c.call(&args!["STOCK.SETPOLICY", "k", policy.clone()]);
        assert!(answer.is_error(), "{policy}: {answer}");
    }
    assert_eq!(c.digest("k"), digest);
    c.expect("STOCK.SETPOLICY k {\"remember\":[]}", "OK");
    assert_eq!(c.digest("k"), digest, "as before: nothing is remembered");
}

#[test]
fn who_has_used_most() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 1000
         STOCK.LIMIT k user 20
         STOCK.LIMIT k region+user 50 PER DAY
         STOCK.LIMIT k user 30 FOR u3",
    );
    for (n, (user, region, qty)) in
        [("u1", "r", 5), ("u2", "r", 9), ("u3", "s", 7), ("u4", "s", 7), ("u2", "s", 1), ("u5", "r", 1)]
            .iter()
            .enumerate()
    {
        c.expect(&format!("STOCK.RESERVE k o{n} {qty} FOR user {user} region {region}"), "[OK, *]");
    }
    c.expect("STOCK.RELEASE k o5", "[OK, *]");
    let shown = |answer: Value| -> Vec<String> {
        let line = |map: &Value| {
            format!("{} {} {}/{}", map.field("limit"), map.field("values"), map.field("used"), map.field("max"))
        };
        answer.items().iter().map(line).collect()
    };
    let top = shown(c.say("STOCK.USAGE k TOP 3"));
    assert_eq!(
        top,
        [
            "user/life/units [u2] 10/20",
            "user/life/units [u3] 7/30",
            "user/life/units [u4] 7/20",
            "region+user/day/units [r, u2] 9/50",
            "region+user/day/units [s, u3] 7/50",
            "region+user/day/units [s, u4] 7/50",
        ]
    );
    let of_s = shown(c.say("STOCK.USAGE k TOP 1000 FOR region s"));
    assert_eq!(
        of_s,
        [
            "region+user/day/units [s, u3] 7/50",
            "region+user/day/units [s, u4] 7/50",
            "region+user/day/units [s, u2] 1/50"
        ]
    );
    assert_eq!(shown(c.say("STOCK.USAGE k TOP 1000")).len(), 4 + 5, "nobody is shown who has used nothing");
    c.script(
        "STOCK.USAGE k TOP 5 FOR store x => []
         STOCK.USAGE k TOP 0 => -ERR *
         STOCK.USAGE k TOP 1001 => -ERR *
         STOCK.USAGE k TOP => -ERR *
         STOCK.USAGE k TOP 1 TOP 1 => -ERR *
         STOCK.USAGE no TOP 1 => nil",
    );
}
