//! What orders remember.

use testkit::server::Server;
use testkit::{args, Client};

use super::history::kept;

/// Remembered attributes are part of the state: on a replica, after RDB and AOF, in the digest.
#[test]
fn what_orders_remember_is_kept() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).with_client();
    let replica = Server::replica_of(&server, &[]);
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
    let shown = |c: &mut Client| (c.say("STOCK.ORDER k long").to_string(), c.say("STOCK.POLICY k").text());
    let before = shown(&mut c);
    assert_eq!(before.0.matches(&"v".repeat(128)).count(), 16);
    kept(&mut server, &replica, &["k"]);
    let mut c = server.client();
    assert_eq!(shown(&mut c), before);
    c.script(
        "COPY k k2 => 1
         STOCK.VERIFY k2 => OK",
    );
    assert!(c.say("STOCK.ORDER k2 long").to_string().contains("vvv"));
}
