//! What once went wrong, or nearly did.

use redis_stock::command::host::{Keyspace, Origin};
use redis_stock::core::codec::wire::{put, put_optional, put_signed};
use redis_stock::core::codec::Loader;
use redis_stock::core::model::pool::Pool;
use redis_stock::core::stored_pool::StoredPool;

use testkit::host::Host;
use testkit::reply::Reply;

const NOW_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;

fn call(host: &mut Host, now_ms: i64, text: &str) -> Reply {
    let mut argv: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    argv[0] = [b"STOCK.", argv[0].as_slice()].concat();
    host.call(now_ms, Origin::Client, &argv).0
}

fn shop(calls: &[&str]) -> Host {
    let mut host = Host::new(1);
    for text in calls {
        call(&mut host, NOW_MS, text);
    }
    host
}

/// What a read leaves out counts in no sum: CHECK answers as the write that returns it first.
#[test]
fn due_holds_are_in_no_sum_of_a_check() {
    let mut host = shop(&["SET k UNLIMITED", "RESERVE k o1 9007199254740990 PX 5"]);
    let check = |host: &mut Host, now_ms| call(host, now_ms, "CHECK k 2").word();
    assert_eq!(check(&mut host, NOW_MS).as_deref(), Some("ERR"));
    assert_eq!(check(&mut host, NOW_MS + 5).as_deref(), Some("OK"));
    let reserved = call(&mut host, NOW_MS + 5, "RESERVE k o2 2 PX 5");
    assert_eq!(reserved.word().as_deref(), Some("OK"));
}

/// Tables of every size are saved, loaded and walked whole: their last chunk is empty, partly
/// filled, full.
#[test]
fn every_number_of_orders_and_users_is_kept() {
    let mut host = shop(&["SET k 100000", "LIMIT k user 5"]);
    for n in 1..=4_100 {
        call(&mut host, NOW_MS, &format!("RESERVE k o{n} 1 FOR user u{n}"));
        if n % 512 > 2 && n % 512 < 510 {
            continue;
        }
        let before = host.state();
        host.reload();
        assert_eq!(host.state(), before, "{n}");
        assert_eq!(host.verify(), Vec::<String>::new(), "{n}");
        let mut cursor = "0".to_string();
        let mut seen = 0;
        loop {
            let Reply::Array(page) = call(&mut host, NOW_MS, &format!("ORDERS k {cursor} COUNT 10000")) else {
                panic!()
            };
            let (Some(next), Reply::Array(orders)) = (page[0].bytes(), &page[1]) else { panic!() };
            seen += orders.len() / 2;
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen, n);
    }
}

#[test]
fn late_is_honoured_while_much_is_being_forgotten() {
    let mut host = shop(&["SET k 100000"]);
    for n in 0..400 {
        call(&mut host, NOW_MS + n * 100, &format!("RELEASE k c{n}"));
    }
    let now_ms = NOW_MS + DAY_MS + 400 * 100;
    let late = |host: &mut Host, order: &str, ago_ms: i64| {
        call(host, now_ms, &format!("CONFIRM k {order} QTY 1 LATE SINCE {}", now_ms - ago_ms)).word()
    };
    assert_eq!(late(&mut host, "lost", 5_000).as_deref(), Some("OK"));
    // More wait to be freed than are looked at: the pool errs on the safe side, since `old` may be
    // among them.
    assert_eq!(late(&mut host, "old", DAY_MS + 5_000).as_deref(), Some("NOORDER"));
}

#[test]
fn a_token_with_a_long_memory_holds_no_other() {
    let mut host = shop(&["SET k 1", r#"SETPOLICY k {"retain_paid":315360000}"#, "ADD k 1 TOKEN first"]);
    host.defaults.max_orders = 100;
    call(&mut host, NOW_MS, r#"SETPOLICY k {"retain_paid":1}"#);
    for n in 1..300 {
        let now_ms = NOW_MS + n * 3_600_000;
        call(&mut host, now_ms, "SWEEP k");
        assert_eq!(call(&mut host, now_ms, &format!("ADD k 1 TOKEN t{n}")).word().as_deref(), Some("OK"));
    }
}

#[test]
fn usage_of_a_wrong_clock_holds_no_other() {
    let mut host = shop(&[
        "SET k 1000000",
        r#"SETPOLICY k {"retain":1,"retain_paid":1,"limits":[{"by":["user"],"max":5,"per":"hour"}]}"#,
    ]);
    call(&mut host, NOW_MS + 365 * DAY_MS, "RESERVE k a 1 FOR user wrong");
    call(&mut host, NOW_MS + 365 * DAY_MS, "CONFIRM k a");
    for n in 1..5_000 {
        let now_ms = NOW_MS + n * 60_000;
        call(&mut host, now_ms, &format!("RESERVE k o{n} 1 FOR user u{n}"));
        call(&mut host, now_ms, &format!("CONFIRM k o{n}"));
        call(&mut host, now_ms, "SWEEP k");
    }
    let left = host.pool(b"k").free_effort();
    assert!(left < 200, "{left} records, where two hours of users are 120");
}

#[test]
fn a_creation_replaces_what_has_diverged() {
    let mut replica = shop(&["SET k 100000"]);
    replica.tolerant = true;
    for n in 0..300 {
        call(&mut replica, NOW_MS, &format!("RESERVE k o{n} 1 EX 1"));
    }
    let mut primary = Host::new(2);
    let set = [b"STOCK.SET".to_vec(), b"k".to_vec(), b"5".to_vec()];
    let (_, effects) = primary.call(NOW_MS, Origin::Client, &set);
    replica.call(NOW_MS, Origin::Replication, &effects[0]);
    assert_eq!(replica.verify(), Vec::<String>::new());
    assert_eq!(replica.state(), primary.state());
}

#[test]
fn the_account_of_memory_survives_copies() {
    let mut host = shop(&["SET k 100000"]);
    for n in 0..1_500 {
        call(&mut host, NOW_MS, &format!("RESERVE k o{n} 1"));
    }
    for round in 0..20 {
        *host.pool_mut(b"k") = host.pool(b"k").copy();
        for n in 0..3 {
            call(&mut host, NOW_MS, &format!("RESERVE k r{round}x{n} 1"));
        }
    }
    let copied = host.pool(b"k").memory_bytes();
    host.reload();
    let loaded = host.pool(b"k").memory_bytes();
    assert!(copied < loaded * 3 / 2 && loaded < copied * 3 / 2, "{copied} after copies, {loaded} after a load");
}

#[test]
fn long_overrides_are_accounted_for() {
    let mut host = shop(&["SET k 1"]);
    let before = host.pool(b"k").memory_bytes();
    for n in 0..500 {
        call(&mut host, NOW_MS, &format!("LIMIT k a+b+c 5 FOR {n:0>128} {n:0>128} {n:0>128}"));
    }
    let after = host.pool(b"k").memory_bytes();
    assert!(after - before > 500 * 386, "{}", after - before);
}

#[test]
fn each_reign_brings_an_epoch_and_the_last_sixteen_are_kept() {
    let mut host = shop(&["SET k 1"]);
    let mut ended = Vec::new();
    for promotion in 2..40 {
        let pool = host.pool(b"k");
        ended.push((pool.epoch(), pool.seq(), pool.out()));
        host.promotion = promotion;
        call(&mut host, NOW_MS, "ADD k 1");
        call(&mut host, NOW_MS, "ADD k 1");
    }
    let pool = host.pool(b"k");
    let kept: Vec<_> = pool.ended_epochs().iter().map(|e| (e.epoch, e.seq, e.out)).collect();
    assert_eq!(kept, ended[ended.len() - 16..]);
    let (epoch, copy) = (pool.epoch(), pool.copy());
    *host.pool_mut(b"k") = copy;
    call(&mut host, NOW_MS, "ADD k 1");
    assert_ne!(host.pool(b"k").epoch(), epoch, "a copy goes on in an epoch of its own");
}

#[test]
fn the_age_of_a_limit_survives_a_load() {
    let mut host = shop(&["SET k 10"]);
    call(&mut host, NOW_MS + 1_000, "LIMIT k user 1");
    host.reload();
    let late = format!("CONFIRM k o QTY 3 LATE SINCE {}", NOW_MS + 500);
    assert_eq!(
        call(&mut host, NOW_MS + 2_000, &late).word().as_deref(),
        Some("OK"),
        "the limit is newer than the order"
    );
}

#[test]
fn the_background_wakes_for_everything_that_it_can_free() {
    let policy = r#"SETPOLICY k {"retain":1,"retain_paid":1,"limits":[{"by":["user"],"max":5,"per":"hour"}]}"#;
    for calls in [
        &["ADD k 1 TOKEN t"][..],
        &["RELEASE k o"],
        &["RESERVE k o 1 PX 50 FOR user u"],
        &["RESERVE k o 1 FOR user u", "CONFIRM k o"],
        &["RESERVE k o 1 FOR user u", "CONFIRM k o", "UNLIMIT k user PER HOUR"],
    ] {
        let mut host = shop(&["SET k 100", policy]);
        let idle = host.pool(b"k").free_effort();
        for text in calls {
            call(&mut host, NOW_MS, text);
        }
        let mut wakes = 0;
        while let Some(at_ms) = host.pool(b"k").next_wake_ms() {
            let before = host.state();
            call(&mut host, at_ms.max(NOW_MS), "SWEEP k");
            assert_ne!(host.state(), before, "woken for nothing: {calls:?}");
            wakes += 1;
            assert!(wakes < 10, "{calls:?}");
        }
        assert!(wakes > 0, "{calls:?}");
        assert_eq!(host.pool(b"k").free_effort(), idle, "{calls:?}");
    }
}

/// What the queue of the background goes by, where nobody sells.
#[test]
fn the_background_wakes_for_an_opening_and_for_an_end() {
    let mut host = shop(&["SET k 100"]);
    call(&mut host, NOW_MS, &format!("SCHEDULE k FROM {} UNTIL {}", NOW_MS + 10, NOW_MS + 20));
    for at_ms in [NOW_MS + 10, NOW_MS + 20] {
        assert_eq!(host.pool(b"k").next_wake_ms(), Some(at_ms));
        let before = host.state();
        call(&mut host, at_ms, "SWEEP k");
        assert_ne!(host.state(), before, "it is announced");
    }
    assert_eq!(host.pool(b"k").next_wake_ms(), None);
}

#[test]
fn an_emptied_pool_gives_its_memory_back() {
    let mut host = shop(&["SET k 100000", r#"SETPOLICY k {"retain":1,"limits":[{"by":["user"],"max":5,"per":60}]}"#]);
    let empty = host.pool(b"k").memory_bytes();
    for n in 0..5_000 {
        call(
            &mut host,
            NOW_MS,
            &format!("RESERVE k order-with-a-long-name-{n:0>40} 1 PX 5 FOR user user-with-a-long-name-{n:0>40}"),
        );
    }
    let full = host.pool(b"k").memory_bytes();
    for _ in 0..3 {
        call(&mut host, NOW_MS + DAY_MS, "SWEEP k COUNT 100000");
    }
    call(&mut host, NOW_MS + 2 * DAY_MS, "SWEEP k COUNT 100000");
    let left = host.pool(b"k").memory_bytes();
    assert!(full > empty + 5_000 * 200, "{full}");
    assert!(left < empty + 20_000, "{empty} empty, {full} full, {left} left");
}

#[test]
fn an_order_has_a_thousand_return_tokens_at_most() {
    let mut host = shop(&["SET k 5000", "RESERVE k o 2000", "CONFIRM k o"]);
    for n in 0..1_000 {
        assert_eq!(call(&mut host, NOW_MS, &format!("RETURN k o QTY 1 TOKEN t{n}")).word().as_deref(), Some("OK"));
    }
    assert_eq!(call(&mut host, NOW_MS, "RETURN k o QTY 1 TOKEN t1000").word().as_deref(), Some("ERR"));
    assert_eq!(call(&mut host, NOW_MS, "RETURN k o QTY 1 TOKEN t999").word().as_deref(), Some("EXISTS"));
}

/// A payload of a pool without orders.
fn payload(next_limit: u64, seq: u64, on_hand: i64, safety: i64) -> Vec<u8> {
    let mut out = vec![1];
    put(&mut out, 7);
    put_optional(&mut out, Some(on_hand));
    out.push(0);
    for n in [safety, 0, 0, 0, 0] {
        put_signed(&mut out, n);
    }
    for _ in 0..3 {
        put_optional(&mut out, None);
    }
    out.push(0);
    put(&mut out, 99);
    put(&mut out, seq);
    put_signed(&mut out, 0);
    put_signed(&mut out, i64::MAX);
    put(&mut out, next_limit);
    out.extend_from_slice(&[11, 0, 0]);
    out
}

fn load(bytes: &[u8]) -> Result<Pool, String> {
    let mut loader = Loader::new();
    loader.feed(bytes).map_err(|d| d.to_string())?;
    loader.finish().map_err(|d| d.to_string())
}

#[test]
fn counters_of_a_payload_have_bounds() {
    let most = 9_007_199_254_740_991;
    assert!(load(&payload(1, 5, 10, 0)).is_ok());
    assert!(load(&payload(u64::from(u32::MAX), 5, 10, 0)).is_err(), "ids of limits would run out");
    assert!(load(&payload(1, u64::MAX, 10, 0)).is_err(), "seq would leave 2^53-1");
    assert!(load(&payload(1, 5, most, -most)).is_err(), "available would leave 2^53-1");
    let mut host = Host::new(1);
    let Ok(pool) = load(&payload(1 << 31, 5, 10, 0)) else { panic!("the last id is still one") };
    host.keys.create(b"k", StoredPool::Complete(pool));
    assert_eq!(call(&mut host, NOW_MS, "LIMIT k user 5").word().as_deref(), Some("ERR"));
    assert_eq!(host.verify(), Vec::<String>::new());
}

/// Found by damaged payloads: a pool that was loaded with its last number could be changed once
/// more, and was then refused.
#[test]
fn a_pool_at_its_last_number_stays_loadable() {
    const LAST: u64 = 9_007_199_254_740_991;
    let mut host = Host::new(1);
    let pool = load(&payload(1, LAST, 5, 0)).expect("the bound is within the bounds");
    host.keys.create(b"k", StoredPool::Complete(pool));
    for text in ["ADD k 1", "RESERVE k o1 2"] {
        assert_eq!(call(&mut host, NOW_MS, text).word().as_deref(), Some("OK"));
    }
    host.reload();
    assert_eq!(host.verify(), Vec::<String>::new());
}

/// Found by the simulation: the sum of one limit was an error before the next limit could refuse.
#[test]
fn amend_up_near_the_bound_is_refused_by_the_limit_that_refuses() {
    let mut host = Host::new(1);
    for text in [
        "SET k UNLIMITED",
        "LIMIT k user 5 FOR vip",
        "LIMIT k region 10 MISSING ALLOW",
        "RESERVE k a 5 FOR user u region r",
        "RESERVE k b 9007199254740980 FOR user u",
    ] {
        let answer = call(&mut host, NOW_MS, text);
        assert!(answer.word().as_deref() == Some("OK"), "{text}: {answer:?}");
    }
    assert_eq!(call(&mut host, NOW_MS, "AMEND k a 20").word().as_deref(), Some("LIMITED"));
    assert_eq!(call(&mut host, NOW_MS, "AMEND k a 9").word().as_deref(), Some("OK"));
}

/// Found by the simulation: usage that a change of TZ had ended was freed, or not yet, when TZ went
/// back.
#[test]
fn usage_comes_back_with_tz_whatever_was_written_meanwhile() {
    const HOUR_MS: i64 = 3_600_000;
    let evening_ms = NOW_MS - NOW_MS.rem_euclid(24 * HOUR_MS) + 17 * HOUR_MS;
    let mut answers = Vec::new();
    for written in [false, true] {
        let mut host = Host::new(1);
        for text in
            ["SET k 100", "LIMIT k user 5 PER DAY", "RESERVE k a 3 FOR user u", "LIMIT k user 5 PER DAY TZ +08:00"]
        {
            assert_eq!(call(&mut host, evening_ms, text).word().as_deref(), Some("OK"), "{text}");
        }
        if written {
            call(&mut host, evening_ms + HOUR_MS, "SWEEP");
            call(&mut host, evening_ms + HOUR_MS, "RESERVE k b 1 FOR user v");
        }
        call(&mut host, evening_ms + HOUR_MS, "LIMIT k user 5 PER DAY TZ +00:00");
        let answer = call(&mut host, evening_ms + HOUR_MS, "CHECK k 3 FOR user u");
        assert_eq!(answer.word().as_deref(), Some("LIMITED"));
        answers.push(answer);
        assert_eq!(host.verify(), Vec::<String>::new());
    }
    assert_eq!(answers[0], answers[1]);
}

/// Records that are equal in what orders them are in order, too.
#[test]
fn what_happened_in_one_millisecond_is_loaded_again() {
    let mut host = shop(&["SET k 100", "LIMIT k user 50 PER DAY", "LIMIT k region 50 PER DAY"]);
    for text in [
        "ADD k 1 TOKEN a",
        "ADD k 1 TOKEN b",
        "RESERVE k o 1 FOR user u region r",
        "RESERVE k p 1 FOR user v region s",
        "RESERVE k q 1 FOR user v region s",
        "CONFIRM k q",
        "RESERVE k r 1 FOR user v region s",
        "CONFIRM k r",
        "UNLIMIT k region PER DAY",
    ] {
        call(&mut host, NOW_MS, text);
    }
    let before = host.state();
    host.reload();
    assert_eq!(host.state(), before);
    assert_eq!(host.verify(), Vec::<String>::new());
    assert_eq!(call(&mut host, NOW_MS, "ADD k 1 TOKEN b").word().as_deref(), Some("EXISTS"));
}

/// Values that are counted again and again are found without a search: also in the next window,
/// while orders of the last one are still remembered, and after a load.
#[test]
fn values_that_are_counted_often_are_counted_right() {
    let mut host =
        shop(&["SET k 100000", "LIMIT k user 1", "LIMIT k region 4 PER 60", "LIMIT k store 5 PER 60 ROLLING"]);
    let mut orders = 0;
    for minute in [0, 2, 4, 6] {
        let now_ms = NOW_MS + minute * 60_000;
        for (region, store) in [("r1", "s1"), ("r2", "s2"), ("r1", "s3")] {
            for n in 0..6 {
                orders += 1;
                let text = format!("RESERVE k o{orders} 1 EX 600 FOR user u{orders} region {region} store {store}");
                // Two stores share the region r1, of which the first has taken all.
                let expected = if n < 4 && store != "s3" { "OK" } else { "LIMITED" };
                let answer = call(&mut host, now_ms, &text);
                assert_eq!(answer.word().as_deref(), Some(expected), "{minute} {text}");
                assert_eq!(host.verify(), Vec::<String>::new(), "{minute} {text}");
            }
        }
        // One unit of r1 comes back.
        let first = orders - 17;
        assert_eq!(call(&mut host, now_ms, &format!("RELEASE k o{first}")).word().as_deref(), Some("OK"));
        let again = format!("RESERVE k again{minute} 1 EX 600 FOR user again{minute} region r1 store s3");
        assert_eq!(call(&mut host, now_ms, &again).word().as_deref(), Some("OK"), "{minute}");
        assert_eq!(host.verify(), Vec::<String>::new(), "{minute}");
        if minute == 2 {
            host.reload();
        }
    }
}
