//! What hostile bytes are thrown at, in process: each target takes any bytes, and panics where
//! anything goes wrong that must not. The tests, the campaign and the fuzzers of `fuzz/` all call
//! these.

use redis_stock::command::host::Origin;
use redis_stock::command::{policy_json, TABLE};
use redis_stock::core::codec::{save, save_partial, Loader};
use redis_stock::core::model::pool::Pool;
use redis_stock::core::model::zone::Tz;
use redis_stock::core::verify::verify;

use crate::generate::{Generator, Profile, START_MS};
use crate::host::Host;
use crate::reference::{Config, Reference};
use crate::reply::{same_for, Reply};

const NOW_MS: i64 = START_MS;

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// A shop with one pool of everything, for targets that need one.
pub fn shop() -> Host {
    let mut host = Host::new(11);
    for line in [
        "STOCK.SET k 100",
        "STOCK.LIMIT k user 50 PER DAY",
        "STOCK.LIMIT k region+user 9 PER 10 COUNT ORDERS MISSING ALLOW",
        "STOCK.RESERVE k a 3 PX 1000 FOR user u1 region r1",
        "STOCK.RESERVE k b 2 PX 500 FOR user u2",
        "STOCK.CONFIRM k b",
        "STOCK.RETURN k b QTY 1 TOKEN t",
        "STOCK.RESERVE k c 2 PX 1 FOR user u2",
        "STOCK.ADD k 5 TOKEN d",
    ] {
        host.call(NOW_MS, Origin::Client, &words(line));
    }
    host.call(NOW_MS + 5, Origin::Client, &words("STOCK.SWEEP k"));
    host.tolerant = true;
    host
}

/// Encoded pools of random histories, as a corpus.
pub fn pools(seeds: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for seed in seeds {
        let mut generator = Generator::with(seed, Profile { backlogs: false, ..Profile::default() });
        let mut host = Host::new(seed);
        for step in 0..400 {
            let next = generator.next();
            host.call(generator.now_ms(), Origin::Client, &next.argv);
            if step % 100 == 99 {
                found.extend(host.state().into_values().map(|chunks| chunks.concat()));
            }
        }
    }
    found
}

/// Effects of random histories, as a corpus.
pub fn effects(seed: u64) -> Vec<Vec<u8>> {
    let mut generator = Generator::with(seed, Profile::default());
    let mut host = Host::new(seed);
    let mut found = Vec::new();
    for _ in 0..600 {
        let next = generator.next();
        let (_, effects) = host.call(generator.now_ms(), Origin::Client, &next.argv);
        found.extend(effects.into_iter().filter_map(|mut effect| effect.pop()));
    }
    found
}

fn bytes_of(pool: &Pool) -> Vec<u8> {
    let mut bytes = Vec::new();
    save(pool, &mut |chunk| bytes.extend_from_slice(chunk));
    bytes
}

fn load(bytes: &[u8]) -> Option<Pool> {
    let mut loader = Loader::new();
    loader.feed(bytes).ok()?;
    loader.finish().ok()
}

/// Bytes as an encoded pool. What is accepted is true, is written back so that it reads the same,
/// and can be worked with. Whether it was accepted.
pub fn codec(data: &[u8]) -> bool {
    let Some(pool) = load(data) else { return false };
    assert_eq!(verify(&pool), Vec::<String>::new(), "what is accepted is true");
    let saved = bytes_of(&pool);
    let again = load(&saved).expect("what is saved is read");
    assert_eq!(bytes_of(&again), saved, "what is read is saved the same");
    work(&saved);
    true
}

/// Bytes as what has arrived of a pool, then what follows. What is accepted is saved so that it
/// reads the same and goes on the same, and a pool that comes of it is true. Whether it was
/// accepted.
pub fn arriving(come: &[u8], to_come: &[u8]) -> bool {
    let mut loader = Loader::new();
    if loader.feed(come).is_err() || !loader.has_begun() {
        return false;
    }
    let saved = |loader: &Loader| {
        let mut bytes = Vec::new();
        save_partial(loader, &mut |chunk| bytes.extend_from_slice(chunk));
        bytes
    };
    let bytes = saved(&loader);
    let mut again = Loader::new();
    again.feed(&bytes).expect("what is saved is read");
    assert_eq!(saved(&again), bytes, "what is read is saved the same");
    assert!(loader.memory_bytes() < 100_000 + 1_000 * come.len(), "it takes what it is worth");
    let fed = (loader.feed(to_come), again.feed(to_come));
    assert_eq!(fed.0, fed.1, "what is read goes on the same");
    if fed.0.is_ok() {
        assert_eq!(saved(&loader), saved(&again));
        if let Ok(pool) = loader.finish() {
            assert_eq!(verify(&pool), Vec::<String>::new(), "what is whole is true");
        }
    }
    true
}

/// Sells from an accepted pool, gives back, sweeps, and looks whether all is still true.
fn work(bytes: &[u8]) {
    let mut host = Host::new(5);
    host.tolerant = true;
    for piece in [vec![b"MORE".to_vec(), bytes.to_vec()], vec![b"END".to_vec()]] {
        let mut argv = words("STOCK.LOAD k");
        argv.extend(piece);
        host.call(NOW_MS, Origin::Replication, &argv);
    }
    for (at_ms, line) in WORK {
        host.call(NOW_MS + at_ms, Origin::Client, &words(line));
        assert_eq!(host.verify(), Vec::<String>::new(), "after {line}");
    }
    host.reload();
    assert_eq!(host.verify(), Vec::<String>::new());
}

/// What is done to an accepted pool, by ms.
pub const WORK: &[(i64, &str)] = &[
    (0, "STOCK.RESUME k"),
    (0, "STOCK.RESERVE k fresh 1 PX 50 FOR user u1 region r1 store s1 group g1"),
    (1, "STOCK.AMEND k fresh 2"),
    (1, "STOCK.SPLIT k fresh part 1"),
    (1, "STOCK.RESERVE k other 1 PX 50 REPLACES part FOR user u1 region r1 store s1 group g1"),
    (1, "STOCK.CONFIRM k fresh"),
    (1, "STOCK.RESERVEBATCH k PX 50 DIMS 1 user ORDERS 3 b1 1 u1 b2 1 u1 b1 1 u1"),
    (1, "STOCK.CONFIRMBATCH k ORDERS 2 b1 b2"),
    (2, "STOCK.RETURN k fresh"),
    (2, "STOCK.RESERVE k second 1 PX 50 FOR user u2 region r1 store s1 group g1"),
    (3, "STOCK.RELEASE k second"),
    (4, "STOCK.CONFIRM k o1 LATE"),
    (5, "STOCK.RELEASE k o2"),
    (1_000_000_000, "STOCK.SWEEP k COUNT 1000"),
    (100_000_000_000, "STOCK.SWEEP k COUNT 100000"),
    (100_000_000_001, "STOCK.GET k"),
    (100_000_000_001, "STOCK.ORDERS k 0 COUNT 100"),
];

/// Bytes as the effect of a call on another server. Whatever it says, nothing panics, and what is
/// there can be saved.
pub fn effect(data: &[u8], shop: &Host) {
    let mut host = shop.twin();
    host.call(NOW_MS + 10, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"k".to_vec(), data.to_vec()]);
    host.call(NOW_MS + 10, Origin::Replication, &[b"STOCK.EFFECT".to_vec(), b"new".to_vec(), data.to_vec()]);
    host.call(NOW_MS + 20, Origin::Client, &words("STOCK.RESERVE k fresh 1 PX 50 FOR user u1 region r1"));
    host.call(NOW_MS + 2_000, Origin::Client, &words("STOCK.SWEEP k"));
    host.state();
}

/// Bytes as the JSON of a policy. What is accepted is written so that it reads the same.
pub fn policy(data: &[u8]) -> bool {
    let Ok(policy) = policy_json::read(data, Tz::Offset(60)) else { return false };
    let text = policy_json::write(&policy);
    let again =
        policy_json::read(text.as_bytes(), Tz::UTC).unwrap_or_else(|_| panic!("what is written is read: {text}"));
    assert_eq!(policy_json::write(&again), text);
    true
}

/// Bytes as any command with any arguments: the first byte chooses the command, the rest is cut at
/// bytes 0xfe. One whole answer, no panic, and the pools stay true.
pub fn arguments(data: &[u8], shop: &Host) -> bool {
    let Some((&first, rest)) = data.split_first() else { return false };
    let spec = &TABLE[usize::from(first) % TABLE.len()];
    let mut argv = vec![spec.name.as_bytes().to_vec()];
    if !rest.is_empty() {
        argv.extend(rest.split(|&byte| byte == 0xfe).map(<[u8]>::to_vec));
    }
    let mut host = shop.twin();
    let (answer, effects) = host.call(NOW_MS + 10, Origin::Client, &argv);
    if let Reply::Error(text) = &answer {
        let code = text.split(' ').next().unwrap_or("");
        assert!(
            ["ERR", "WRONGTYPE", "CONFLICT", "NODIM", "TRYAGAIN"].contains(&code),
            "an error without a code: {text}"
        );
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "an error holds bytes of the caller: {text}");
    }
    assert_eq!(host.verify(), Vec::<String>::new());
    !matches!(answer, Reply::Error(_)) || !effects.is_empty()
}

/// Bytes as a sequence of calls, three bytes each, on two pools: every answer is that of the
/// reference, a replica follows. How many calls changed the state.
pub fn commands(data: &[u8]) -> u64 {
    let mut host = Host::new(3);
    let mut replica = Host::new(9);
    let mut reference = Reference::new(Config::default());
    let mut now_ms = NOW_MS;
    let mut changes = 0;
    for line in ["STOCK.SET k 9", "STOCK.SET l UNLIMITED", "STOCK.LIMIT k user 5", "STOCK.LIMIT l * 7 PER 1"] {
        let argv = words(line);
        reference.call(now_ms, &argv);
        for effect in host.call(now_ms, Origin::Client, &argv).1 {
            replica.call(now_ms, Origin::Replication, &effect);
        }
    }
    for piece in data.chunks_exact(3).take(64) {
        let (advance_ms, argv) = spell(piece, now_ms);
        now_ms += advance_ms;
        let before = reference.changes();
        let expected = reference.call(now_ms, &argv);
        let (answer, effects) = host.call(now_ms, Origin::Client, &argv);
        assert!(same_for(&argv[0], &expected, &answer), "{argv:?}\nreference {expected:?}\n     answer {answer:?}");
        changes += u64::from(reference.changes() != before);
        for effect in effects {
            replica.call(0, Origin::Replication, &effect);
        }
        assert_eq!(host.verify(), Vec::<String>::new(), "after {argv:?}");
    }
    assert_eq!(host.state(), replica.state(), "primary and replica differ");
    changes
}

/// One call of three bytes.
fn spell(piece: &[u8], now_ms: i64) -> (i64, Vec<Vec<u8>>) {
    let (what, who, how) = (piece[0], piece[1], piece[2]);
    let key = if who & 1 == 0 { "k" } else { "l" };
    let order = ["a", "b", "c", "d"][usize::from(who >> 1 & 3)];
    let user = ["u", "v"][usize::from(who >> 3 & 1)];
    let region = ["r", "s"][usize::from(who >> 4 & 1)];
    let qty = [1i64, 2, 3, 5, 8, 9, 10, 9_007_199_254_740_991][usize::from(how & 7)];
    let span = [1, 5, 10, 1000, 1001, 60_000, 900_000, 315_360_000_000i64][usize::from(how >> 3 & 7)];
    let advance_ms = [0, 0, 1, 5, 9, 10, 1000, 70_000][usize::from(who >> 5)];
    let at = now_ms + advance_ms;
    let late = if how & 0x80 != 0 { " LATE" } else { "" };
    let attributes = format!("FOR user {user} region {region}");
    let line = match what % 32 {
        0..6 => format!("STOCK.RESERVE {key} {order} {qty} PX {span} {attributes}"),
        6 if how & 0xc0 == 0 => {
            let other = ["a", "b", "c", "d"][usize::from(how >> 4 & 3)];
            format!("STOCK.RESERVEBATCH {key} DIMS 1 user ORDERS 3 {order} {qty} {user} {other} 1 v {order} 1 {user}")
        }
        6 => format!("STOCK.RESERVE {key} {order} {qty} PARTIAL {attributes}"),
        7..10 => format!("STOCK.CONFIRM {key} {order}{late}"),
        10 => format!("STOCK.CONFIRM {key} {order} QTY {qty} LATE SINCE {} {attributes}", at - span.min(at - 1)),
        11 if how & 0x80 != 0 => format!("STOCK.CONFIRMBATCH {key} ORDERS 3 a {order} d"),
        11 => format!("STOCK.CONFIRM {key} {order} QTY {qty}"),
        12..14 => format!("STOCK.RELEASE {key} {order}"),
        14 => format!("STOCK.AMEND {key} {order} {qty}"),
        15 if how & 0x40 == 0 => format!("STOCK.SPLIT {key} {order} o{} {qty}", how >> 3 & 3),
        15 => format!("STOCK.RESERVE {key} {order} {qty} REPLACES o{} {attributes}", how >> 3 & 3),
        16 => format!("STOCK.EXTEND {key} {order} PX {span}"),
        17 => format!("STOCK.RETURN {key} {order}"),
        18 => format!("STOCK.RETURN {key} {order} QTY {qty} TOKEN t{}{late}", how >> 3 & 3),
        19 => format!("STOCK.RETURN {key} {order} KEEPUSAGE NORESTOCK"),
        20 => format!("STOCK.SET {key} {}", if how & 0x40 == 0 { qty - 2 } else { -qty }),
        21 => format!("STOCK.SET {key} UNLIMITED"),
        22 => format!("STOCK.ADD {key} {}", if how & 0x80 == 0 { qty } else { -qty }),
        23 => format!("STOCK.ADD {key} {qty} TOKEN t{}", how >> 3 & 3),
        24 => {
            let window = ["ORDER", "HOUR", "1", "10"][usize::from(how >> 3 & 3)];
            let count = ["UNITS", "ORDERS"][usize::from(how >> 5 & 1)];
            format!(
                "STOCK.LIMIT {key} {} {qty} PER {window} COUNT {count}",
                ["user", "region+user", "*", "region"][usize::from(how >> 6)]
            )
        }
        25 => format!("STOCK.UNLIMIT {key} user"),
        26 => format!(
            "STOCK.SETPOLICY {key} {{\"hold\":{},\"retain\":{},\"retain_paid\":70,\"safety\":{}}}",
            1 + (how & 3),
            1 + (how >> 2 & 7),
            i64::from(how >> 5) - 3
        ),
        27 => format!("STOCK.MRESERVE {order} 2 k l QTY {qty} {} PX {span} {attributes}", how >> 3 & 7),
        28 => format!("STOCK.{} {order} 2 k l", ["MCONFIRM", "MRELEASE", "MRETURN"][usize::from(how % 3)]),
        29 => format!("STOCK.{} {key}", ["SUSPEND", "RESUME"][usize::from(how & 1)]),
        30 => format!("STOCK.SWEEP {key}"),
        _ => format!("STOCK.GET {key}"),
    };
    (advance_ms, words(&line))
}
