//! Golden files of the encoding: what a released version wrote is read for ever, and nothing that
//! is damaged gets in.
//!
//! `tests/golden/pool-v2.bin` is a pool with something of everything, `effects-v2.bin` the effects
//! that made it, and the same of version 1 in the files of its name. All are sequences of strings
//! with their length (u32, little-endian) in front. `make golden` writes them anew: only with a new
//! version of the encoding, beside the old files.

use std::path::PathBuf;

use redis_stock::command::host::Origin;
use redis_stock::core::codec::{save, Loader};
use redis_stock::core::model::pool::Pool;
use redis_stock::core::verify::verify;

use testkit::host::Host;
use testkit::reply::Reply;

const NOON_MS: i64 = 1_767_268_800_000;

/// A history that leaves something of everything behind, as (ms after noon, call).
const HISTORY: &[(i64, &str)] = &[
    (0, "SET k 1000"),
    (
        1,
        r#"SETPOLICY k {"hold":60,"retain":600,"retain_paid":6000,"safety":5,"alert":20,"events":"{k}events","limits":[{"by":["user"],"max":9,"per":"day","tz":"+08:00","overrides":[{"for":["vip"],"max":"unlimited"}]}]}"#,
    ),
    (2, "LIMIT k region+user 5 PER 10 COUNT ORDERS MISSING ALLOW"),
    (3, "LIMIT k group+region 50 PER MONTH TZ -05:30 FOR gold *"),
    (4, "LIMIT k * 900 PER WEEK"),
    (5, "LIMIT k user 4 PER ORDER"),
    (6, "ADD k 50 TOKEN delivery-1"),
    (7, "RESERVE k held 2 FOR user u1 region r1 group gold"),
    (8, "RESERVE k held-with-a-long-name-of-36-bytes-xx 3 PARTIAL EX 90 FOR user u2 region r1 group gold"),
    (9, "RESERVE k paid 4 FOR user u3 region r2 group none"),
    (10, "CONFIRM k paid QTY 3"),
    (11, "RETURN k paid QTY 1 TOKEN r-1 KEEPUSAGE"),
    (12, "RESERVE k back 2 FOR user u3 region r2 group none"),
    (13, "CONFIRM k back"),
    (14, "RETURN k back NORESTOCK"),
    (15, "RELEASE k never-seen"),
    (16, "RESERVE k gone 1 PX 20 FOR user u4 region r1 group gold"),
    (17, "RESERVE k late 1 PX 20 FOR user u4 region r1 group gold"),
    (50, "CONFIRM k late LATE"),
    (51, "CONFIRM k lost QTY 2 LATE SINCE 1767268800040 FOR user u5 region r3 group gold"),
    (52, "RETURN k forgotten QTY 2 TOKEN r-2 LATE"),
    (53, "AMEND k held 1"),
    (54, "AMEND k held 3"),
    (55, "EXTEND k held EX 300"),
    (56, "UNLIMIT k group+region PER MONTH"),
    (57, "SUSPEND k"),
    (58, "RESUME k"),
    (20_000, "RESERVE k held-2 1 FOR user u2 region r1"),
    (20_001, "RELEASE k held-2"),
    (20_002, "LIMIT k store 7 PER HOUR FOR s1"),
    (20_003, "SUSPEND k"),
];

/// What version 2 can do besides, after [`HISTORY`].
const SINCE_2: &[(i64, &str)] = &[
    // A sale window: opened, ended, opened again.
    (20_010, "SCHEDULE k FROM 1767268820500 UNTIL 1767268821000"),
    (20_500, "SWEEP k"),
    (21_000, "SWEEP k"),
    (21_001, "SCHEDULE k UNTIL 1767272400000"),
    (30_000, "RESUME k"),
    (30_001, "RESERVE k swap-1 1 FOR user u6 region r1 store s1"),
    (30_002, "RESERVE k swap-2 2 REPLACES swap-1 FOR user u7 region r1 store s1"),
    (30_003, "RESERVE k whole 3 FOR user u8 region r1 store s1"),
    (30_004, "SPLIT k whole part 1"),
    (
        31_001,
        r#"SETPOLICY k {"hold":60,"retain":600,"retain_paid":6000,"safety":5,"alert":20,"events":"{k}events","remember":["store","email"],"limits":[{"by":["user"],"max":9,"per":"day","tz":"+08:00"},{"by":["region","user"],"max":5,"per":10,"count":"orders","missing":"allow"},{"by":[],"max":900,"per":"week"},{"by":["store"],"per":"hour","missing":"allow","overrides":[{"for":["s1"],"max":7}]}]}"#,
    ),
    (31_002, "RESERVE k remembering 1 FOR user u7 region r1 email u7@shop.test"),
    (31_003, "RESERVE k remembering-two 2 FOR user u8 store s1 email u8@shop.test"),
    (31_004, "CONFIRM k remembering"),
    // Units and quotas of limits between buckets.
    (31_010, "SHIFT k TO {b1}k 40"),
    (31_011, "SHIFT k FROM {b1}k 30"),
    (31_012, "SHIFT k TO {b2}k 7 LIMIT user PER DAY FOR u1"),
    (31_013, "SHIFT k FROM {b2}k 3 SINCE 1767268831013 LIMIT user PER DAY FOR u1"),
    (31_014, "SHIFT k TO {b2}k 100 LIMIT * PER WEEK"),
    (31_015, "SHIFT k TO {b2}k 2 RECEIVED LIMIT region+user PER 10 COUNT ORDERS FOR r1 u1"),
    // Units from and to another pool.
    (40_000, "SET j 50"),
    (40_001, "TRANSFER k j 7 TOKEN move-1 NOTE lorry"),
    (40_002, "TRANSFER j k 3 TOKEN move-2"),
    // Days by local clocks, and the last so many seconds.
    (41_000, "LIMIT k region 500 PER DAY TZ Europe/Berlin MISSING ALLOW NOTE berlin"),
    (41_001, "LIMIT k user 30 PER 6400 ROLLING MISSING ALLOW"),
    (41_002, "RESERVE k rolled 2 FOR user u9 region r4 store s1"),
    (143_000, "RESERVE k rolled-2 1 EX 3000 FOR user u9 region r4 store s1"),
    // A share of an order that is forgotten.
    (700_000, "RETURN k forgotten-2 QTY 1 TOKEN r-3 LATE FOR user u3"),
    (700_001, "RESERVE k open 2 PARTIAL EX 300 FOR user u8 region r4 store s1 email u8@shop.test"),
    // Many orders in a call, one of them twice, one unknown.
    (700_010, "RESERVEBATCH k EX 900 DIMS 2 region user ORDERS 3 batch-1 1 r5 u10 batch-2 2 r5 u11 batch-1 1 r5 u10"),
    (700_011, "CONFIRMBATCH k ORDERS 3 batch-1 never-held batch-2"),
    // Entries of one field.
    (700_020, r#"SETPOLICY k {"events":"{k}events","events_format":"packed"} MERGE"#),
    (700_021, "RESERVE k packed 1 FOR user u9 region r1 store s1"),
];

/// The whole history.
fn history() -> (Host, Vec<Vec<u8>>) {
    play(HISTORY.iter().chain(SINCE_2))
}

fn play<'a>(history: impl IntoIterator<Item = &'a (i64, &'a str)>) -> (Host, Vec<Vec<u8>>) {
    let mut host = Host::new(7);
    host.keys.strict = true;
    let mut effects = Vec::new();
    for (after_ms, call) in history {
        let mut argv: Vec<Vec<u8>> = call.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        argv[0] = [b"STOCK.", argv[0].as_slice()].concat();
        let (answer, made) = host.call(NOON_MS + after_ms, Origin::Client, &argv);
        assert!(!matches!(answer, Reply::Error(_)), "{call}: {answer:?}");
        let pairs = made.iter().flat_map(|effect| effect[1..].chunks(2));
        effects.extend(pairs.filter(|pair| pair[0] == b"k").map(|pair| pair[1].clone()));
    }
    assert_eq!(host.verify(), Vec::<String>::new());
    (host, effects)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|s| [(s.len() as u32).to_le_bytes().as_slice(), s].concat()).collect()
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let (string, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        strings.push(string.to_vec());
        bytes = rest;
    }
    strings
}

fn golden(name: &str, now: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if std::env::var_os("STOCK_WRITE_GOLDEN").is_some() && !now.is_empty() {
        std::fs::write(path(name), joined(now)).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    split(&std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
}

fn load(chunks: &[Vec<u8>]) -> Result<Pool, String> {
    let mut loader = Loader::new();
    for chunk in chunks {
        loader.feed(chunk).map_err(|d| d.to_string())?;
    }
    loader.finish().map_err(|d| d.to_string())
}

fn saved(pool: &Pool) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    save(pool, &mut |chunk| chunks.push(chunk.to_vec()));
    chunks
}

#[test]
fn the_current_version_writes_what_it_wrote() {
    let (host, effects) = history();
    let state = host.state().remove(b"k".as_slice()).unwrap_or_default();
    assert_eq!(golden("pool-v2.bin", &state), state, "the encoding of a pool has changed: it needs a new version");
    assert_eq!(
        golden("effects-v2.bin", &effects),
        effects,
        "the encoding of effects has changed: it needs a new version"
    );
}

/// Before there were event streams effects told nothing: they still do what they did.
#[test]
fn effects_of_version_1_without_events_are_read() {
    let (host, _) = play(HISTORY);
    let mut replica = Host::new(99);
    for effect in golden("effects-v1-silent.bin", &[]) {
        replica.call(NOON_MS * 2, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), effect]);
    }
    assert_eq!(replica.state(), host.state());
    assert!(replica.keys.streams.is_empty());
}

/// A correction by the database, told in the server's stream.
#[test]
fn a_reconciliation_writes_what_it_wrote() {
    let (mut host, _) = play(HISTORY);
    host.feed = Some(b"feed".to_vec());
    let before = host.twin();
    let call = |host: &mut Host, line: &str| {
        let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        host.call(NOON_MS + 4_000_000, Origin::Client, &argv).1
    };
    call(&mut host, "STOCK.SET j 5");
    let mut effects: Vec<Vec<u8>> =
        call(&mut host, "STOCK.RECONCILE j -70").into_iter().map(|e| e[2].clone()).collect();
    effects.extend(call(&mut host, "STOCK.RECONCILE k 1000").into_iter().map(|e| e[2].clone()));
    let mut replica = before;
    call(&mut replica, "STOCK.SET j 5");
    let kept = golden("reconcile-v2.bin", &effects);
    assert_eq!(kept, effects, "the encoding of effects has changed: it needs a new version");
    for (key, effect) in [b"j", b"k"].into_iter().zip(kept) {
        replica.call(NOON_MS * 2, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), key.to_vec(), effect]);
    }
    assert_eq!(replica.state(), host.state());
    assert_eq!(replica.keys.streams, host.keys.streams);
}

#[test]
fn the_current_version_is_read() {
    let (host, _) = history();
    reads("pool-v2.bin", "effects-v2.bin", host.state().remove(b"k".as_slice()));
}

/// What version 1 wrote makes the pool that the same calls make today.
#[test]
fn version_1_is_read() {
    let (host, _) = play(HISTORY);
    reads("pool-v1.bin", "effects-v1.bin", host.state().remove(b"k".as_slice()));
}

fn reads(pool_file: &str, effects_file: &str, made: Option<Vec<Vec<u8>>>) {
    let state = golden(pool_file, &[]);
    assert_eq!(made.as_ref(), Some(&state));
    let pool = load(&state).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(verify(&pool), Vec::<String>::new());
    assert_eq!(saved(&pool), state);
    // The effects of that time make the same pool, whenever they are replayed.
    let mut replica = Host::new(99);
    for effect in golden(effects_file, &[]) {
        replica.call(NOON_MS * 2, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), effect]);
    }
    assert_eq!(replica.state().remove(b"k".as_slice()), Some(state));
}

/// A reservation that is written like the one before it: by its deadline, its names and its limits,
/// and in the same effect.
#[test]
fn a_reservation_like_another_needs_the_other() {
    const ALIKE: u8 = 41;
    let call = |host: &mut Host, line: &str| {
        let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        host.call(NOON_MS, Origin::Client, &argv).1
    };
    let apply = |host: &mut Host, effect: &[u8]| {
        host.call(NOON_MS, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), effect.to_vec()]);
        host.divergences()
    };
    let mut primary = Host::new(7);
    for line in [
        "STOCK.SET k 100",
        "STOCK.LIMIT k user 5 PER DAY MISSING ALLOW",
        "STOCK.LIMIT k region 2 PER DAY MISSING ALLOW",
    ] {
        call(&mut primary, line);
    }
    let mut before = primary.twin();
    before.tolerant = true;
    let effect = |line: &str| call(&mut before.twin(), line)[0][2].clone();
    let batch = effect("STOCK.RESERVEBATCH k EX 90 DIMS 1 user ORDERS 3 aaaa 1 u1 bbbb 2 u2 cccc 1 u1");
    let place = |effect: &[u8], id: &[u8]| effect.windows(4).position(|part| part == id).expect("the order");
    // The code, and the length of the id, stand before it.
    let second = place(&batch, b"bbbb") - 2;
    assert_eq!((batch[second], batch[place(&batch, b"cccc") - 2]), (ALIKE, ALIKE), "{batch:?}");
    let mut replica = before.twin();
    assert_eq!(apply(&mut replica, &batch), 0);
    let all = replica.pool(b"k").reserved();
    assert_eq!((all, replica.verify()), (4, Vec::new()));
    // Behind nothing that was written whole: refused, and nothing is held.
    let head = place(&batch, b"aaaa") - 2;
    let alone = [&batch[..head], &batch[second..]].concat();
    let mut replica = before.twin();
    assert_eq!((apply(&mut replica, &alone), replica.pool(b"k").reserved()), (1, 0));
    // Cut anywhere, what is whole counts and the rest is refused.
    for len in second + 1..batch.len() {
        let mut replica = before.twin();
        let (divergences, reserved) = (apply(&mut replica, &batch[..len]), replica.pool(b"k").reserved());
        assert!(matches!((divergences, reserved), (1, 1 | 3) | (0, 3)), "{len}: {divergences} {reserved}");
        assert_eq!(replica.verify(), Vec::<String>::new(), "{len}");
    }
    // By another limit.
    let other = effect("STOCK.RESERVEBATCH k EX 90 DIMS 1 region ORDERS 3 aaaa 1 r1 bbbb 1 r1 cccc 1 r1");
    assert_eq!(other[place(&other, b"bbbb") - 2], ALIKE);
    let mut replica = before.twin();
    assert_eq!((apply(&mut replica, &other), replica.pool(b"k").reserved()), (0, 2), "the third is over its limit");
}

#[test]
fn every_cut_is_refused() {
    let state = history().0.state().remove(b"k".as_slice()).unwrap_or_default();
    let whole = state.concat();
    for len in 0..whole.len() {
        assert!(load(&[whole[..len].to_vec()]).is_err(), "cut at {len}");
    }
    assert!(load(&[whole.clone(), vec![1]]).is_err(), "something behind the end");
    assert!(load(&[whole]).is_ok());
}

#[test]
fn every_flipped_bit_is_refused_or_true() {
    let state = history().0.state().remove(b"k".as_slice()).unwrap_or_default();
    let whole = state.concat();
    let mut accepted = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(pool) = load(&[bytes.clone()]) {
            accepted += 1;
            assert_eq!(verify(&pool), Vec::<String>::new(), "bit {bit}");
            // One state, one encoding: what was accepted is written as it was read.
            let again = saved(&pool).concat();
            let at = again.iter().zip(&bytes).position(|(a, b)| a != b);
            assert!(again == bytes, "bit {bit} of byte {}, differs at {at:?} of {}", bit / 8, bytes.len());
        }
    }
    println!("{accepted} of {} flipped bits give another true pool", whole.len() * 8);
    assert!(accepted > 0, "ids and hashes can be anything");
}

#[test]
fn damaged_effects_do_no_harm() {
    let (_, effects) = history();
    let mut applied = 0;
    for (nth, effect) in effects.iter().enumerate() {
        for bit in 0..effect.len() * 8 {
            let mut bytes = effect.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut replica = Host::new(3);
            replica.tolerant = true;
            for good in &effects[..nth] {
                replica.call(NOON_MS, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), good.clone()]);
            }
            replica.call(NOON_MS, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), bytes]);
            assert_eq!(replica.verify(), Vec::<String>::new(), "effect {nth}, bit {bit}");
            applied += 1;
        }
    }
    println!("{applied} damaged effects");
}
