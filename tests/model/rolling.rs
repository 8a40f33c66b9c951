//! Rolling windows: never more than MAX in any span, however it lies, and units that come back on
//! time.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis_stock::command::host::Origin;

use testkit::host::Host;
use testkit::payload;
use testkit::reply::Reply;

const START_MS: i64 = 1_767_225_600_000;
/// The kind of the record of one usage.
const USAGE: u8 = 6;

fn call(host: &mut Host, now_ms: i64, text: &str) -> Reply {
    let mut argv: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    argv[0] = [b"STOCK.", argv[0].as_slice()].concat();
    host.call(now_ms, Origin::Client, &argv).0
}

fn host(calls: &[&str]) -> Host {
    let mut host = Host::new(3);
    host.keys.strict = true;
    for text in calls {
        assert_eq!(call(&mut host, START_MS, text).word().as_deref(), Some("OK"), "{text}");
    }
    host
}

/// The integer at this place of an answer.
fn int(answer: &Reply, place: usize) -> i64 {
    let Reply::Array(items) = answer else { return -1 };
    items.get(place).map_or(-1, number)
}

fn number(reply: &Reply) -> i64 {
    if let Reply::Int(number) = reply {
        *number
    } else {
        -1
    }
}

fn word(host: &mut Host, now_ms: i64, text: &str) -> String {
    call(host, now_ms, text).word().unwrap_or_default()
}

/// How many usages a pool keeps.
fn usages(host: &Host) -> usize {
    let state = host.state().remove(b"k".as_slice()).unwrap_or_default().concat();
    payload::parse(&state).unwrap_or_default().iter().filter(|record| record.kind == USAGE).count()
}

#[test]
fn no_span_holds_more_than_max_and_units_come_back_on_time() {
    const MAX: i64 = 10;
    for (seed, seconds) in [(1, 1), (2, 7), (3, 64), (4, 3_600)] {
        let span_ms = seconds * 1_000;
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut host = host(&["SET k 1000000", &format!("LIMIT k user {MAX} PER {seconds} ROLLING")]);
        let mut now_ms = START_MS;
        let mut taken: Vec<(i64, i64)> = Vec::new();
        let mut refused = 0;
        for order in 0..1_500 {
            now_ms += rng.random_range(0..span_ms / 4);
            let qty = rng.random_range(1..4);
            let text = format!("RESERVE k o{order} {qty} EX 999999 FOR user u");
            let answer = call(&mut host, now_ms, &text);
            let in_span = |until_ms: i64| -> i64 {
                taken
                    .iter()
                    .filter(|(at_ms, _)| *at_ms > until_ms - span_ms && *at_ms <= until_ms)
                    .map(|(_, qty)| qty)
                    .sum()
            };
            if answer.word().as_deref() == Some("OK") {
                assert!(in_span(now_ms) + qty <= MAX, "{text} at {now_ms}");
                taken.push((now_ms, qty));
                continue;
            }
            refused += 1;
            let resets_ms = int(&answer, 6);
            let check = format!("CHECK k {qty} FOR user u");
            assert_eq!(word(&mut host, resets_ms - 1, &check), "LIMITED", "{answer:?}");
            assert_eq!(word(&mut host, resets_ms, &check), "OK", "{answer:?}");
            // The exact moment, had every unit its own: at most a sub-window of the span before.
            let ends = taken.iter().map(|(at_ms, _)| at_ms + span_ms).filter(|at_ms| *at_ms > now_ms);
            let exact_ms = ends.into_iter().find(|at_ms| in_span(*at_ms) + qty <= MAX);
            assert!(
                exact_ms.is_some_and(|exact_ms| resets_ms <= exact_ms + span_ms / 64 + 2),
                "{exact_ms:?} {answer:?}"
            );
        }
        assert!(refused > 100 && taken.len() > 300, "{refused} refused, {} taken", taken.len());
        assert_eq!(host.verify(), Vec::<String>::new());
        let before = host.state();
        host.reload();
        assert_eq!(host.state(), before);
    }
}

#[test]
fn a_value_has_65_parts_at_most_and_they_end() {
    let mut host = host(&[
        "SET k 1000000",
        r#"SETPOLICY k {"hold":1,"retain":1,"retain_paid":1,"limits":[{"by":["user"],"max":100000,"per":64,"rolling":true}]}"#,
    ]);
    let mut most = 0;
    let mut now_ms = START_MS;
    for order in 0..1_000 {
        now_ms += 500;
        assert_eq!(word(&mut host, now_ms, &format!("RESERVE k o{order} 1 FOR user u")), "OK");
        assert_eq!(word(&mut host, now_ms, &format!("CONFIRM k o{order}")), "OK");
        most = most.max(usages(&host));
    }
    assert_eq!(most, 65);
    assert_eq!(host.verify(), Vec::<String>::new());
    // Long after, one sweep after the other frees them.
    for _ in 0..100 {
        now_ms += 3_600_000;
        call(&mut host, now_ms, "SWEEP k");
        call(&mut host, now_ms, "ADD k 1");
    }
    assert_eq!(usages(&host), 0);
}

#[test]
fn units_go_back_to_the_sub_window_that_counted_them() {
    let mut host = host(&["SET k 100", "LIMIT k user 5 PER 64 ROLLING"]);
    let say = |host: &mut Host, after_ms: i64, text: &str| word(host, START_MS + after_ms, text);
    let used = |host: &mut Host, after_ms: i64| {
        let Reply::Array(limits) = call(host, START_MS + after_ms, "USAGE k FOR user u") else { return -1 };
        limits.first().and_then(|limit| limit.field("used")).map_or(-1, number)
    };
    say(&mut host, 0, "RESERVE k a 2 EX 9999 FOR user u");
    say(&mut host, 10_000, "RESERVE k b 2 EX 9999 FOR user u");
    say(&mut host, 20_000, "RESERVE k c 1 EX 9999 FOR user u");
    assert_eq!(say(&mut host, 20_000, "RESERVE k d 1 EX 9999 FOR user u"), "LIMITED");
    assert_eq!(say(&mut host, 30_000, "RELEASE k b"), "OK");
    assert_eq!(used(&mut host, 30_000), 3);
    // The first two come back after 65 s, the one of 20 s after 85 s; what was released does not
    // come back again.
    assert_eq!((used(&mut host, 64_999), used(&mut host, 65_000)), (3, 1));
    assert_eq!((used(&mut host, 84_999), used(&mut host, 85_000)), (1, 0));
    // Units of a sub-window that is over are given up without effect.
    assert_eq!(say(&mut host, 70_000, "RESERVE k e 4 EX 9999 FOR user u"), "OK");
    assert_eq!(say(&mut host, 70_000, "RELEASE k a"), "OK");
    assert_eq!(used(&mut host, 70_000), 5);
    // A return of paid units, and an order that grows: all of it counts in the sub-window of that
    // time.
    assert_eq!(say(&mut host, 71_000, "CONFIRM k c"), "OK");
    assert_eq!(say(&mut host, 72_000, "RETURN k c"), "OK");
    assert_eq!(used(&mut host, 72_000), 4);
    assert_eq!(say(&mut host, 80_000, "AMEND k e 5"), "OK");
    assert_eq!((used(&mut host, 144_999), used(&mut host, 145_000)), (5, 0));
    assert_eq!(host.verify(), Vec::<String>::new());
}

#[test]
fn a_removed_rolling_limit_leaves_nothing_behind() {
    let mut host = host(&["SET k 1000", "LIMIT k user 50 PER 64 ROLLING", "LIMIT k user 50 PER 64"]);
    for second in 0..50 {
        let text = format!("RESERVE k o{second} 1 PX 100 FOR user u");
        assert_eq!(word(&mut host, START_MS + second * 1_000, &text), "OK", "{second}");
    }
    call(&mut host, START_MS + 50_000, "UNLIMIT k user PER 64 ROLLING");
    assert_eq!(host.verify(), Vec::<String>::new());
    host.reload();
    assert_eq!(host.verify(), Vec::<String>::new());
    for minute in 0..60 {
        call(&mut host, START_MS + 100_000_000 + minute * 60_000, "ADD k 1");
        assert_eq!(host.verify(), Vec::<String>::new());
    }
    assert_eq!(usages(&host), 0);
}

/// What a limit costs that everybody shares, when its value has as many sub-windows as it can have:
/// each call adds them up.
/// `cargo test --test model -- --ignored --nocapture --exact
/// rolling::a_shared_limit_with_all_its_parts`
#[test]
#[ignore = "a measurement"]
fn a_shared_limit_with_all_its_sub_windows() {
    const CALLS: usize = 20_000;
    const ROUNDS: usize = 7;
    // Nanoseconds of a call, the least of some rounds.
    let cost = |limit: &str, sub_windows: usize, read: bool| {
        let mut host = host(&["SET k 1000000000"]);
        if !limit.is_empty() {
            call(&mut host, START_MS, &format!("LIMIT k * 1000000000 PER {limit}"));
        }
        for sub_window in 0..sub_windows {
            call(&mut host, START_MS + sub_window as i64 * 1_000, &format!("RESERVE k order-{sub_window} 1 EX 900"));
        }
        let now_ms = START_MS + sub_windows.max(1) as i64 * 1_000 - 1;
        if limit == "64 ROLLING" {
            assert_eq!(usages(&host), sub_windows);
        }
        let mut round = |round: usize| {
            let words = |n: usize| match read {
                true => format!("STOCK.CHECK k 1 FOR user u{n}"),
                false => format!("STOCK.RESERVE k o{round}-{n} 1 EX 900 FOR user u{n}"),
            };
            let calls: Vec<Vec<Vec<u8>>> =
                (0..CALLS).map(|n| words(n).split(' ').map(|word| word.as_bytes().to_vec()).collect()).collect();
            let began = std::time::Instant::now();
            for argv in &calls {
                let (answer, _) = host.call(now_ms, Origin::Client, argv);
                assert_eq!(answer.word().as_deref(), Some("OK"));
            }
            began.elapsed().as_nanos() / CALLS as u128
        };
        (0..ROUNDS).map(&mut round).min().unwrap_or_default()
    };
    for (name, limit, sub_windows) in [
        ("no limit", "", 0),
        ("PER 64", "64", 1),
        ("PER 64 ROLLING, one sub-window", "64 ROLLING", 1),
        ("PER 64 ROLLING, 65 sub-windows", "64 ROLLING", 65),
    ] {
        println!("{name}: RESERVE {} ns, CHECK {} ns", cost(limit, sub_windows, false), cost(limit, sub_windows, true));
    }
}
