//! `stockctl verify`.

use testkit::Server;

use crate::fake::Fake;
use crate::harness::{command, ended, run, Ended};

#[test]
fn a_replica_is_verified_and_a_primary_is_left_alone() {
    let primary = Server::on_port(&[]);
    primary.client().script(
        "STOCK.SET sku:1 10
         STOCK.SET sku:2 10
         STOCK.SET cap:1 UNLIMITED
         STOCK.RESERVE sku:1 o 3 => [OK, *]
         SET text v",
    );
    let replica = Server::replica_of(&primary, &[]);
    replica.catch_up(&primary);
    run(&primary, &["verify"]).with(2).err_has("is a primary").err_has("--on-primary");
    run(&primary, &["verify", "--on-primary"]).ok().says(&["3 pools verified at ", "(primary): 0 differ."]);
    run(&replica, &["verify"]).ok().says(&["3 pools verified at ", "(replica): 0 differ."]);
    let all = run(&replica, &["verify", "--match", "sku:*", "--pause", "1", "--json"]).ok().json();
    assert_eq!((&all["verified"], &all["gone"], &all["forbidden"]), (&2.into(), &0.into(), &0.into()));
    run(&replica, &["verify", "--match", "skew:*"]).with(1).says(&["0 pools verified at "]);
    assert_eq!((&all["differ"], &all["servers"][0]["role"]), (&serde_json::json!([]), &"replica".into()));
}

/// No call makes a pool that does not add up: a server that says so stands in for one.
#[test]
fn what_differs_is_named_and_ends_with_1() {
    let fake = Fake::start(|words| match words.join(" ").as_str() {
        "INFO cluster" => "$19\r\ncluster_enabled:0\r\n\r\n".into(),
        "INFO replication" => "$12\r\nrole:slave\r\n\r\n".into(),
        scan if scan.starts_with("SCAN 0 ") => "*2\r\n$1\r\n7\r\n*2\r\n$5\r\nsku:1\r\n$5\r\nsku:2\r\n".into(),
        scan if scan.starts_with("SCAN 7 ") => {
            "*2\r\n$1\r\n0\r\n*3\r\n$5\r\nsku:2\r\n$5\r\nsku:3\r\n$5\r\nsku:4\r\n".into()
        }
        "STOCK.VERIFY sku:1" => "+OK\r\n".into(),
        "STOCK.VERIFY sku:2" => "*2\r\n$18\r\nreserved: 5, not 4\r\n$8\r\nan order\r\n".into(),
        "STOCK.VERIFY sku:3" => "$-1\r\n".into(),
        "STOCK.VERIFY sku:4" => "-NOPERM no\r\n".into(),
        _ => "+OK\r\n".into(),
    });
    let at = |words: &[&str]| -> Ended { ended(&mut command(&[&["--url", &fake.url()], words].concat())) };
    let shown = at(&["verify"]).with(1);
    assert_eq!(shown.err, "");
    shown.says(&[
        "sku:2 at 127.0.0.1:",
        "does not add up:\n  reserved: 5, not 4\n  an order\n",
        "2 pools verified at ",
        ": 1 differ.",
        "1 were deleted or moved meanwhile.",
        "1 may not be read by this user.",
    ]);
    let all = at(&["verify", "--json"]).with(1).json();
    assert_eq!((&all["verified"], &all["gone"], &all["forbidden"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(all["differ"][0]["key"], "sku:2");
    assert_eq!(all["differ"][0]["differences"], serde_json::json!(["reserved: 5, not 4", "an order"]));
}
