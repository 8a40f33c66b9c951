//! Purchase limits: who may buy how many, in which window, and what counts.

use testkit::{now_ms, pass, Client, Server};

/// Lets a quarter of an hour that is nearly over pass, so that no calendar window ends inside a test.
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

/// used, max, remaining and resets_ms of one limit.
fn usage(c: &mut Client, limit: &str, who: &str) -> String {
    let all = c.say(&format!("STOCK.USAGE k FOR {who}"));
    let map =
        all.items().iter().find(|m| m.field("limit").text() == limit).unwrap_or_else(|| panic!("no {limit} in {all}"));
    ["used", "max", "remaining"].map(|f| map.field(f).to_string()).join(" ")
}

#[test]
fn a_limit_per_user() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 3
         STOCK.RESERVE k a 2 FOR user u => [OK, *]
         STOCK.RESERVE k b 2 FOR user u => [LIMITED, k, user/life/units, [u], 2, 3, 0]
         STOCK.RESERVE k b 2 FOR user v => [OK, *]
         STOCK.RESERVE k c 1 FOR user u => [OK, *]
         STOCK.RESERVE k d 1 => -NODIM *
         STOCK.RESERVE k d 1 FOR region r => -NODIM *
         STOCK.RELEASE k a => [OK, *]
         STOCK.RESERVE k e 2 FOR user u region r => [OK, *]
         STOCK.CONFIRM k e => [OK, 2, 2]
         STOCK.RESERVE k f 1 FOR user u => [LIMITED, k, user/life/units, [u], 3, 3, 0]
         STOCK.RETURN k e QTY 1 TOKEN t => [OK, 1, *, 1]
         STOCK.RESERVE k f 1 FOR user u => [OK, *]
         STOCK.VERIFY k",
    );
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "3 3 0");
    assert_eq!(usage(&mut c, "user/life/units", "user w"), "0 3 3");
}

/// A limit is its set of dimensions, its window and its count.
#[test]
fn identity() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 5
         STOCK.LIMIT k user 1 PER DAY
         STOCK.LIMIT k user 4 PER 3600
         STOCK.LIMIT k user 2 COUNT ORDERS
         STOCK.LIMIT k user 2 COUNT units
         STOCK.LIMIT k region+user 9
         STOCK.LIMIT k user+region 8
         STOCK.LIMIT k * 100
         STOCK.LIMIT k * 10 PER ORDER",
    );
    let limits = c.say("STOCK.LIMITS k");
    let texts: Vec<String> =
        limits.items().iter().map(|m| format!("{} {}", m.field("limit").text(), m.field("max"))).collect();
    assert_eq!(
        texts,
        [
            "user/life/units 2",
            "user/day/units 1",
            "user/3600/units 4",
            "user/life/orders 2",
            "region+user/life/units 8",
            "*/life/units 100",
            "*/order/units 10",
        ]
    );
    c.script(
        "STOCK.UNLIMIT k user PER WEEK => 0
         STOCK.UNLIMIT k user PER DAY => 1
         STOCK.UNLIMIT k user => 1
         STOCK.UNLIMIT k user => 0
         STOCK.UNLIMIT k user COUNT ORDERS => 1
         STOCK.UNLIMIT k user+region => 1
         STOCK.UNLIMIT k * PER ORDER => 1
         STOCK.UNLIMIT k * => 1",
    );
    assert_eq!(c.say("STOCK.LIMITS k").items().len(), 1);
    c.verify("k");
}

/// Days since 1970 of the first of the month after the one of `day`, counted the slow way.
fn next_month(day: i64) -> i64 {
    let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let (mut first, mut year) = (0, 1970);
    loop {
        for month in 1..=12 {
            let days = match month {
                2 if leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            first += days;
            if first > day {
                return first;
            }
        }
        year += 1;
    }
}

#[test]
fn when_windows_reset() {
    const DAY: i64 = 86_400_000;
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    for (tz, offset) in [("+00:00", 0), ("+08:00", 8 * 60), ("-03:30", -(3 * 60 + 30))] {
        let offset = offset * 60_000;
        let local = now_ms() + offset;
        let day = local.div_euclid(DAY);
        // 1970-01-01 was a Thursday, and weeks begin on Monday.
        let week = (day + 3).div_euclid(7) * 7 - 3 + 7;
        for (window, resets) in [
            ("HOUR", (local.div_euclid(3_600_000) + 1) * 3_600_000 - offset),
            ("DAY", (day + 1) * DAY - offset),
            ("WEEK", week * DAY - offset),
            ("MONTH", next_month(day) * DAY - offset),
            ("7200", (now_ms() / 7_200_000 + 1) * 7_200_000),
            ("ORDER", 0),
        ] {
            let text = format!("user/{}/units", window.to_lowercase());
            c.expect(&format!("STOCK.LIMIT k user 0 PER {window} TZ {tz}"), "OK");
            c.expect("STOCK.RESERVE k o 1 FOR user u", &format!("[LIMITED, k, {text}, [u], 0, 0, {resets}]"));
            let usage = c.say("STOCK.USAGE k FOR user u");
            assert_eq!(usage.items()[0].field("resets_ms").int(), resets, "{text} {tz}");
            c.expect(&format!("STOCK.UNLIMIT k user PER {window}"), "1");
        }
    }
}

/// Calendar windows follow the server's time zone as it was when the limit was set.
#[test]
fn the_time_zone_is_fixed_into_the_limit() {
    let server = Server::with(&["--stock.timezone", "+05:30"]);
    let mut c = server.client();
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

/// A named zone: shown as it is written in the tables, kept by file and log, in the policy, and unknown ones refused.
#[test]
fn limits_follow_the_clocks_of_a_zone() {
    let server = Server::with(&["--stock.timezone", "europe/berlin", "--appendonly", "yes"]);
    let mut c = server.client();
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
    let server = Server::with(&["--appendonly", "yes"]);
    let mut c = server.client();
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

#[test]
fn the_most_exact_override_wins() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k group+user 1
         STOCK.LIMIT k group+user 10 FOR vip *
         STOCK.LIMIT k group+user 20 FOR * ann
         STOCK.LIMIT k user+group 30 FOR ann staff
         STOCK.LIMIT k group+user 0 FOR banned *
         STOCK.LIMIT k group+user UNLIMITED FOR vip boss",
    );
    for (who, expected) in [
        ("group new user bob", "0 1 1"),
        ("group vip user bob", "0 10 10"),
        ("group new user ann", "0 20 20"),
        // Both have one exact value: the earlier dimension decides.
        ("group vip user ann", "0 10 10"),
        ("group staff user ann", "0 30 30"),
        ("group banned user bob", "0 0 0"),
        ("group vip user boss", "0 -1 -1"),
    ] {
        assert_eq!(usage(&mut c, "group+user/life/units", who), expected, "{who}");
    }
    c.script(
        "STOCK.RESERVE k a 1 FOR group banned user bob => [LIMITED, k, group+user/life/units, [banned, bob], 0, 0, 0]
         STOCK.RESERVE k a 11 FOR user bob group vip => [LIMITED, k, group+user/life/units, [vip, bob], 0, 10, 0]
         STOCK.RESERVE k a 500 FOR group vip user boss => [OK, *]
         STOCK.UNLIMIT k group+user FOR vip boss => 1
         STOCK.UNLIMIT k group+user FOR vip boss => 0
         STOCK.RESERVE k b 1 FOR group vip user boss => [LIMITED, k, group+user/life/units, [vip, boss], 500, 10, 0]
         STOCK.UNLIMIT k user+group FOR * vip => 1
         STOCK.RESERVE k c 2 FOR group vip user bob => [LIMITED, k, group+user/life/units, [vip, bob], 0, 1, 0]
         STOCK.VERIFY k",
    );
}

/// An override alone implies a base without limit, and the limit stays when its last override goes.
#[test]
fn overrides_without_a_base() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 2 FOR bob
         STOCK.RESERVE k a 100 FOR user ann => [OK, *]
         STOCK.RESERVE k b 3 FOR user bob => [LIMITED, k, user/life/units, [bob], 0, 2, 0]
         STOCK.LIMITS k => [[limit, user/life/units, max, -1, tz, +00:00, missing, refuse, overrides, [[[bob], 2]]]]
         STOCK.UNLIMIT k user FOR bob => 1
         STOCK.LIMITS k => [[limit, user/life/units, max, -1, tz, +00:00, missing, refuse, overrides, []]]
         STOCK.RESERVE k b 3 FOR user bob => [OK, *]
         STOCK.RESERVE k c 3 => -NODIM *
         STOCK.LIMIT k user 3
         STOCK.RESERVE k c 1 FOR user bob => [LIMITED, k, user/life/units, [bob], 3, 3, 0]
         STOCK.LIMIT k user UNLIMITED
         STOCK.RESERVE k c 1 FOR user bob => [OK, *]
         STOCK.VERIFY k",
    );
    assert_eq!(usage(&mut c, "user/life/units", "user bob"), "4 -1 -1");
}

#[test]
fn missing_dimensions() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 1 MISSING ALLOW
         STOCK.RESERVE k a 5 => [OK, *]
         STOCK.RESERVE k b 5 FOR region r => [OK, *]
         STOCK.RESERVE k c 2 FOR user u => [LIMITED, *]
         STOCK.LIMIT k user 1
         STOCK.RESERVE k d 5 => [OK, *]
         STOCK.LIMIT k user 1 MISSING REFUSE
         STOCK.RESERVE k e 5 => -NODIM *
         STOCK.CHECK k 5 => -NODIM *
         STOCK.CHECK k 1 FOR user u => [OK, *]
         STOCK.VERIFY k",
    );
}

#[test]
fn counting_orders() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 2 COUNT ORDERS
         STOCK.RESERVE k a 50 FOR user u => [OK, *]
         STOCK.RESERVE k b 1 FOR user u => [OK, *]
         STOCK.RESERVE k c 1 FOR user u => [LIMITED, k, user/life/orders, [u], 2, 2, 0]
         STOCK.AMEND k a 60 => [OK, *]
         STOCK.CONFIRM k a => [OK, 60, 60]
         STOCK.RETURN k a QTY 59 TOKEN t => [OK, *]
         STOCK.RESERVE k c 1 FOR user u => [LIMITED, k, user/life/orders, [u], 2, 2, 0]
         STOCK.RETURN k a => [OK, *]
         STOCK.RESERVE k c 1 FOR user u => [OK, *]
         STOCK.CONFIRM k c => [OK, *]
         STOCK.RETURN k c KEEPUSAGE => [OK, *]
         STOCK.RESERVE k d 1 FOR user u => [LIMITED, k, user/life/orders, [u], 2, 2, 0]
         STOCK.RELEASE k b => [OK, *]
         STOCK.RESERVE k d 1 FOR user u => [OK, *]
         STOCK.VERIFY k",
    );
}

#[test]
fn usage_comes_back_unless_it_is_kept() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 10
         STOCK.RESERVE k a 6 FOR user u => [OK, *]
         STOCK.CONFIRM k a QTY 4 => [OK, 4, 4]",
    );
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "4 10 6");
    c.expect("STOCK.RETURN k a QTY 1 TOKEN t KEEPUSAGE", "[OK, 1, *, 3]");
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "4 10 6");
    c.expect("STOCK.RETURN k a QTY 2 TOKEN t2 NORESTOCK", "[OK, 2, *, 1]");
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "2 10 8");
    c.expect("STOCK.RETURN k a", "[OK, 1, *, 0]");
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "1 10 9");
    let deadline = c.expect("STOCK.RESERVE k b 5 PX 30 FOR user u", "[OK, *]").items()[3].int();
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "6 10 4");
    pass(deadline);
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "1 10 9");
    c.expect("STOCK.RESERVE k c 10 FOR user u", "[LIMITED, *, 1, 10, 0]");
    c.expect("STOCK.RESERVE k c 9 FOR user u", "[OK, *]");
    c.verify("k");
}

/// Where the window is over, nothing goes back to it; the next one starts from nothing.
#[test]
fn windows_roll_on() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 1000", "OK");
    c.expect("STOCK.LIMIT k user 5 PER 2", "OK");
    let next = |now: i64| (now / 2000 + 1) * 2000;
    // Starts with a whole window ahead.
    pass(next(now_ms()) - 1);
    let resets = next(now_ms());
    c.expect("STOCK.RESERVE k a 5 FOR user u", "[OK, *]");
    c.expect("STOCK.RESERVE k b 1 FOR user u", &format!("[LIMITED, k, user/2/units, [u], 5, 5, {resets}]"));
    pass(resets - 1);
    c.expect("STOCK.RESERVE k b 3 FOR user u", "[OK, *]");
    assert_eq!(usage(&mut c, "user/2/units", "user u"), "3 5 2");
    c.expect("STOCK.RELEASE k a", "[OK, 5, *]");
    assert_eq!(usage(&mut c, "user/2/units", "user u"), "3 5 2");
    c.expect("STOCK.RELEASE k b", "[OK, 3, *]");
    assert_eq!(usage(&mut c, "user/2/units", "user u"), "0 5 5");
    c.verify("k");
}

#[test]
fn amend_and_limits() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.LIMIT k user 5
         STOCK.RESERVE k a 3 FOR user u => [OK, *]
         STOCK.AMEND k a 5 => [OK, 5, 995]
         STOCK.AMEND k a 6 => [LIMITED, k, user/life/units, [u], 5, 5, 0]
         STOCK.AMEND k a 2 => [OK, 2, 998]
         STOCK.RESERVE k b 3 FOR user u => [OK, *]
         STOCK.AMEND k a 3 => [LIMITED, k, user/life/units, [u], 5, 5, 0]
         STOCK.LIMIT k user 1
         STOCK.AMEND k a 1 => [OK, 1, 996]
         STOCK.LIMIT k region 1
         STOCK.LIMIT k user 100
         STOCK.AMEND k a 50 => [OK, 50, 947]
         STOCK.UNLIMIT k user => 1
         STOCK.AMEND k a 900 => [OK, 900, 97]
         STOCK.VERIFY k",
    );
    c.script(
        "STOCK.SET j 100
         STOCK.LIMIT j user 4 PER ORDER
         STOCK.RESERVE j a 5 FOR user u => [LIMITED, j, user/order/units, [u], 0, 4, 0]
         STOCK.RESERVE j a 4 FOR user u => [OK, *]
         STOCK.RESERVE j b 4 FOR user u => [OK, *]
         STOCK.AMEND j a 5 => [LIMITED, j, user/order/units, [u], 0, 4, 0]
         STOCK.VERIFY j",
    );
}

/// A limit counts from when it is set: orders that are older never touch its usage.
#[test]
fn a_new_limit_begins_at_zero() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.script(
        "STOCK.RESERVE k old 7 FOR user u => [OK, *]
         STOCK.LIMIT k user 5
         STOCK.RESERVE k new 5 FOR user u => [OK, *]
         STOCK.RELEASE k old => [OK, *]
         STOCK.RESERVE k x 1 FOR user u => [LIMITED, k, user/life/units, [u], 5, 5, 0]
         STOCK.LIMIT k user 3
         STOCK.RESERVE k x 1 FOR user u => [LIMITED, k, user/life/units, [u], 5, 3, 0]
         STOCK.UNLIMIT k user => 1
         STOCK.LIMIT k user 3
         STOCK.RESERVE k x 3 FOR user u => [OK, *]
         STOCK.RELEASE k new => [OK, *]
         STOCK.RESERVE k y 1 FOR user u => [LIMITED, k, user/life/units, [u], 3, 3, 0]
         STOCK.VERIFY k",
    );
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "3 3 0");
}

#[test]
fn late_and_limits() {
    let server = Server::start();
    let mut c = server.client();
    pool(&mut c);
    c.expect("STOCK.LIMIT k user 5", "OK");
    let placed = now_ms();
    let deadline = c.expect("STOCK.RESERVE k a 4 PX 30 FOR user u", "[OK, *]").items()[3].int();
    pass(deadline);
    c.script(&format!(
        "STOCK.RESERVE k b 2 FOR user u => [OK, *]
         STOCK.LIMIT k region 1
         STOCK.CONFIRM k a LATE => [LIMITED, k, user/life/units, [u], 2, 5, 0]
         STOCK.CONFIRM k a QTY 3 LATE => [OK, 3, 3]
         STOCK.CONFIRM k lost QTY 1 LATE SINCE {placed} FOR user u => [LIMITED, k, user/life/units, [u], 5, 5, 0]
         STOCK.CONFIRM k lost QTY 1 LATE SINCE {placed} => -NODIM *
         STOCK.CONFIRM k lost QTY 1 LATE SINCE {placed} FOR user v => [OK, 1, 4]
         STOCK.CONFIRM k lost2 QTY 1 LATE SINCE {} FOR user v => -NODIM *
         STOCK.VERIFY k",
        now_ms() + 100_000
    ));
    assert_eq!(usage(&mut c, "user/life/units", "user u"), "5 5 0");
}
