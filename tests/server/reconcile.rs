//! STOCK.RECONCILE: the database is right about the shelf, the pool about what moved since.

use testkit::{now_ms, pass, stock_info, Client, Events, Server};

/// Epoch, seq and out of a pool, as a database keeps them.
fn followed(c: &mut Client, key: &str) -> (String, String, String) {
    let text = |c: &mut Client, field: &str| c.get(key, field).trim_matches('"').to_string();
    (text(c, "epoch"), text(c, "seq"), text(c, "out"))
}

#[test]
fn drift_is_exact_and_repaired_once() {
    let (server, mut c) = Server::start().with_client();
    let mut events = Events::listen(&server, "Ed");
    c.play(
        "STOCK.SET k 10
        STOCK.RESERVE k a 2
        STOCK.RESERVE k b 1
        STOCK.CONFIRM k a",
    );
    events.take(&server);
    let digest = c.digest("k");
    // The database says 7 on the shelf where the pool has 8, of which 1 is held.
    c.expect("STOCK.RECONCILE k 7 DRYRUN", "[OK, -1, 7, 6]");
    c.expect("STOCK.RECONCILE k 8", "[OK, 0, 8, 7]");
    assert_eq!(c.digest("k"), digest);
    c.expect("STOCK.RECONCILE k 7", "[OK, -1, 7, 6]");
    c.expect("STOCK.RECONCILE k 7", "[OK, 0, 7, 6]");
    c.expect_pool("k", "on_hand=7 reserved=1 sold=2 out=2 seq=5");
    // Less than is held: the truth all the same.
    c.expect("STOCK.RECONCILE k -3", "[OK, -10, -3, 0]");
    c.expect_pool("k", "on_hand=-3 available=0 shortfall=4");
    assert_eq!(events.take(&server), ["stock.reconcile k", "stock.reconcile k", "stock.soldout k"]);
    c.verify("k");
}

/// What moved in the pool and has not reached the database is no drift.
#[test]
fn what_is_on_its_way_is_no_drift() {
    let (_server, mut c) = Server::start().with_client();
    c.play(
        "STOCK.SET k 100
        STOCK.RESERVE k a 5
        STOCK.CONFIRM k a",
    );
    // Here the database has followed everything: 95 on its shelf.
    let (epoch, seq, out) = followed(&mut c, "k");
    c.play(
        "STOCK.RESERVE k b 7
        STOCK.CONFIRM k b
        STOCK.RETURN k a QTY 2 TOKEN t
        STOCK.ADD k 10
        STOCK.RESERVE k c 1",
    );
    let late = |shelf: i64| format!("STOCK.RECONCILE k {shelf} AFTER {epoch} {seq} {out}");
    c.expect(&late(95), "[OK, 0, 100, 99]");
    // Three units were stolen from the shelf.
    c.expect(&(late(92) + " DRYRUN"), "[OK, -3, 97, 96]");
    c.expect(&late(92), "[OK, -3, 97, 96]");
    c.expect(&late(92), "[OK, 0, 97, 96]");
    c.expect_pool("k", "on_hand=97 reserved=1 out=0");
    // A SET here that the database does not know of is drift, too.
    c.expect("STOCK.SET k 500", "OK");
    c.expect(&late(92), "[OK, -403, 97, 96]");
    c.expect(&late(92).to_lowercase(), "[OK, 0, 97, 96]");
}

/// The pool keeps its last 16 epochs, with the seq and `out` at which each ended.
#[test]
fn epochs_that_ended_are_known() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 1000", "OK");
    let mut known = Vec::new();
    for n in 0..18 {
        c.expect(&format!("STOCK.RESERVE k o{n} 1"), "[OK, *]");
        c.expect(&format!("STOCK.CONFIRM k o{n}"), "[OK, *]");
        known.push(followed(&mut c, "k"));
        c.expect("DEBUG RELOAD", "OK");
    }
    // 18 epochs: the last one is still the current one, 16 ended ones are kept, one is forgotten.
    for (n, (epoch, seq, out)) in known.iter().enumerate() {
        let on_shelf = 1000 - 1 - n as i64;
        let expected = if n < 1 { "[UNKNOWN, k]" } else { "[OK, 0, 982, 982]" };
        c.expect(&format!("STOCK.RECONCILE k {on_shelf} AFTER {epoch} {seq} {out}"), expected);
        if n >= 1 {
            // The database has seen 3 more of them than this epoch has here, by which 5 units left:
            // lost in a failover. They stay in the database, and counting begins where the epoch
            // ends here.
            let (seq, out): (i64, i64) = (seq.parse().expect("a number"), out.parse().expect("a number"));
            let lost = format!("STOCK.RECONCILE k {} AFTER {epoch} {} {} DRYRUN", on_shelf - 5, seq + 3, out + 5);
            c.expect(&lost, "[OK, -5, 977, 977]");
        }
    }
    c.expect("STOCK.RECONCILE k 5 AFTER 0000000000000001 1 0", "[UNKNOWN, k]");
    assert_eq!(stock_info(&mut c, "replies_unknown"), 2);
}

#[test]
fn due_holds_and_dry_runs() {
    let (server, mut c) = Server::start().with_client();
    c.pause_background();
    c.expect("STOCK.SET k 5", "OK");
    c.expect("STOCK.RESERVE k a 2 PX 10", "[OK, *]");
    pass(now_ms() + 20);
    let digest = c.digest("k");
    assert!(c.watch_survives("k", || {
        server.client().expect("STOCK.RECONCILE k 6 DRYRUN", "[OK, 1, 6, 6]");
    }));
    assert_eq!(c.digest("k"), digest);
    c.expect("STOCK.RECONCILE k 5", "[OK, 0, 5, 5]");
    c.expect_pool("k", "seq=3");
    // Nothing is out of bounds that the database may say, but what it makes of the pool is.
    let (epoch, ..) = followed(&mut c, "k");
    for sign in ["", "-"] {
        let most = format!("{sign}9007199254740991");
        c.expect(&format!("STOCK.RECONCILE k {most} AFTER {epoch} 1 {most}"), "-ERR result*");
    }
    // A suspended pool is corrected, too.
    c.expect("STOCK.SUSPEND k", "OK");
    c.expect("STOCK.RECONCILE k 6", "[OK, 1, 6, 6]");
}
