//! Limits by the clocks and parameters of a server. What limits count is in `tests/model`.

use testkit::{now_ms, pass, Client, Server};

/// Lets a quarter of an hour that is nearly over pass, so that no calendar window ends inside a
/// test.
fn avoid_the_end_of_a_window() {
    let left = 900_000 - now_ms() % 900_000;
    if left < 5_000 {
        pass(now_ms() + left);
    }
}

fn pool(c: &mut Client) {
    avoid_the_end_of_a_window();
    c.expect("STOCK.SET k 1000", "OK");
}

/// Calendar windows follow the server's time zone as it was when the limit was set.
#[test]
fn the_time_zone_is_fixed_into_the_limit() {
    let (_server, mut c) = Server::with(&["--stock.timezone", "+05:30"]).with_client();
    pool(&mut c);
    c.expect("STOCK.LIMIT k user 1 PER DAY", "OK");
    c.expect("CONFIG SET stock.timezone -01:00", "OK");
    c.expect("STOCK.LIMIT k region 1 PER DAY", "OK");
    let tz = |c: &mut Client| {
        let limits = c.say("STOCK.LIMITS k");
        limits.items().iter().map(|m| m.field("tz").text()).collect::<Vec<_>>()
    };
    assert_eq!(tz(&mut c), ["+05:30", "-01:00"]);
    c.expect("STOCK.LIMIT k user 2 PER DAY", "OK");
    c.expect("STOCK.LIMIT k region 2 PER DAY TZ +18:00", "OK");
    assert_eq!(tz(&mut c), ["+05:30", "+18:00"]);
    for bad in ["+18:01", "+1:00", "08:00", "+08", "+08:60", "Z", "-19:00", "+00:00:00"] {
        c.expect(&format!("STOCK.LIMIT k user 2 PER DAY TZ {bad}"), "-ERR *");
    }
    assert_eq!(tz(&mut c), ["+05:30", "+18:00"]);
}

/// A named zone: shown as it is written in the tables, kept by file and log, in the policy, and
/// unknown ones refused.
#[test]
fn limits_follow_the_clocks_of_a_zone() {
    let (_server, mut c) = Server::with(&["--stock.timezone", "europe/berlin", "--appendonly", "yes"]).with_client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 2 PER DAY => OK
         STOCK.LIMIT k region 2 PER HOUR TZ Australia/Lord_Howe => OK
         STOCK.RESERVE k o 1 FOR user u region r => [OK, 1, *]
         STOCK.RESERVE k p 1 FOR user u region r => [OK, 1, *]
         STOCK.RESERVE k q 1 FOR user u region r => [LIMITED, k, user/day/units, [u], 2, 2, *]
         STOCK.RELEASE k p => [OK, 1, *]
         CONFIG SET stock.timezone Mars/Olympus => -*timezone must be*
         CONFIG GET stock.timezone => [stock.timezone, europe/berlin]
         STOCK.LIMIT k user 3 PER DAY TZ Europe/Atlantis => -ERR invalid time zone: +hh:mm or -hh:mm, up to 18:00, or a name such as Europe/Berlin",
    );
    let digest = c.say("DEBUG DIGEST-VALUE k");
    let policy = c.say("STOCK.POLICY k").text();
    assert!(policy.contains(r#""tz":"Europe/Berlin""#) && policy.contains(r#""tz":"Australia/Lord_Howe""#), "{policy}");
    assert_eq!(c.call(&["STOCK.SETPOLICY", "k", &policy]).text(), "OK");
    assert_eq!(c.say("DEBUG DIGEST-VALUE k"), digest, "its own policy changes nothing");
    for reload in ["DEBUG RELOAD", "DEBUG LOADAOF"] {
        c.expect(reload, "OK");
        assert_eq!(c.say("DEBUG DIGEST-VALUE k"), digest, "{reload}");
    }
    c.expect("STOCK.USAGE k FOR user u region r", "[*, 1, *, 1, *]");
}

#[test]
fn a_rolling_window_counts_the_last_seconds() {
    let (_server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 2 PER 2 ROLLING => OK
         STOCK.RESERVE k a 1 FOR user u => [OK, 1, *]
         STOCK.RESERVE k b 1 FOR user u => [OK, 1, *]
         STOCK.LIMIT k user 2 ROLLING => -ERR ROLLING needs PER with a number of seconds
         STOCK.LIMIT k user 2 PER DAY ROLLING => -ERR ROLLING needs PER with a number of seconds",
    );
    let refused = c.say("STOCK.RESERVE k c 1 FOR user u");
    assert_eq!(refused.items()[2].text(), "user/2-rolling/units");
    let resets_ms = refused.items()[6].int();
    assert!((0..=2_100).contains(&(resets_ms - now_ms())), "{resets_ms}");
    let digest = c.say("DEBUG DIGEST-VALUE k");
    for reload in ["DEBUG RELOAD", "DEBUG LOADAOF"] {
        c.expect(reload, "OK");
        assert_eq!(c.say("DEBUG DIGEST-VALUE k"), digest, "{reload}");
    }
    let policy = c.say("STOCK.POLICY k").text();
    assert!(policy.contains(r#""per":2,"rolling":true"#), "{policy}");
    assert_eq!(c.call(&["STOCK.SETPOLICY", "k", &policy]).text(), "OK");
    assert_eq!(c.say("DEBUG DIGEST-VALUE k"), digest, "its own policy changes nothing");
    std::thread::sleep(std::time::Duration::from_millis((resets_ms - now_ms()).max(0) as u64 + 5));
    c.expect("STOCK.RESERVE k c 1 FOR user u", "[OK, 1, *]");
    c.expect("STOCK.UNLIMIT k user PER 2", "0");
    c.expect("STOCK.UNLIMIT k user PER 2 ROLLING", "1");
    c.expect("STOCK.VERIFY k", "OK");
}
