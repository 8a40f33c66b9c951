//! The core, through the command layer, against the reference: answer by answer, with a moving
//! clock. Beside it a replica that only sees effects, at other times and with other parameters, and
//! a server that restarts now and then.

use redis_stock::command::host::Origin;

use redis_stock::core::model::zone::Tz;
use testkit::generate::{Generator, Profile, START_MS};
use testkit::host::{Fields, Host};
use testkit::reference::EventRef;
use testkit::reference::{Config, Reference};
use testkit::reply::same_for;

struct Counts {
    calls: u64,
    changes: u64,
}

fn show(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|a| a.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// The keys of a cart, where it has as many as it says; those of a transfer.
fn cart_keys(argv: &[Vec<u8>]) -> &[Vec<u8>] {
    if argv[0].eq_ignore_ascii_case(b"STOCK.TRANSFER") {
        return argv.get(1..3).unwrap_or(&[]);
    }
    let at = if argv[0].eq_ignore_ascii_case(b"STOCK.MSPLIT") { 3 } else { 2 };
    let count = argv.get(at).and_then(|count| String::from_utf8_lossy(count).parse::<usize>().ok()).unwrap_or(0);
    argv.get(at + 1..).and_then(|rest| rest.get(..count)).unwrap_or(&[])
}

/// One entry as the reference expects it, without what it does not know.
fn expected_fields(key: &[u8], epoch: u64, at_ms: i64, told: &EventRef) -> Fields {
    let mut fields = Fields::new();
    let number = |n: Option<i128>, none: &str| n.map_or(none.to_string(), |n| n.to_string());
    for (name, value) in [
        ("type", told.kind.to_string()),
        ("pool", key.escape_ascii().to_string()),
        ("db", "0".to_string()),
        ("epoch", format!("{epoch:016x}")),
        ("seq", told.seq.to_string()),
        ("qty", told.qty.to_string()),
        ("at", at_ms.to_string()),
        ("available", number(told.available, "-1")),
        ("reserved", told.reserved.to_string()),
        ("on_hand", number(told.on_hand, "")),
        ("sold", told.sold.to_string()),
        ("out", told.out.to_string()),
    ] {
        fields.insert(name, value);
    }
    if told.packed {
        fields.insert("v", "1".to_string());
    }
    if let Some(order) = &told.order {
        fields.insert("order", order.escape_ascii().to_string());
    }
    if let Some(peer) = &told.peer {
        fields.insert("peer", peer.escape_ascii().to_string());
    }
    if let Some(token) = &told.token {
        fields.insert("token", token.escape_ascii().to_string());
    }
    if let Some(peer) = &told.peer {
        fields.insert("peer", peer.escape_ascii().to_string());
    }
    if let Some(changed) = &told.changed {
        fields.insert("changed", changed.clone());
    }
    if let Some(note) = &told.note {
        fields.insert("note", note.escape_ascii().to_string());
    }
    if let Some(edge) = told.edge {
        fields.insert("edge", edge.to_string());
    }
    fields
}

/// Each stream has what the reference says, in this order, and nothing else. (`for` is looked at
/// elsewhere.)
fn check_told(reference: &mut Reference, host: &mut Host, now_ms: i64, told: &dyn Fn() -> String) {
    let mut expected = std::collections::BTreeMap::<(Vec<u8>, Vec<u8>), Vec<Fields>>::new();
    for (key, changes) in reference.take_told() {
        let epoch = host.pool(&key).epoch();
        for change in changes {
            let stream = change.stream.clone().unwrap_or_else(|| b"feed".to_vec());
            if !stream.is_empty() && !host.keys.stream_unreachable {
                let fields = expected_fields(&key, epoch, now_ms, &change);
                expected.entry((stream, key.clone())).or_default().push(fields);
            }
        }
    }
    let mut found = std::collections::BTreeMap::<(Vec<u8>, Vec<u8>), Vec<Fields>>::new();
    for (name, stream) in &host.keys.streams {
        for (_, fields) in &stream.entries {
            let mut fields = fields.clone();
            let sent = fields.remove("for");
            let takes = ["reserved", "late"].contains(&fields["type"].as_str());
            assert_eq!(sent.is_some(), takes, "attributes stand where units are taken: {}", told());
            found.entry((name.clone(), fields["pool"].clone().into_bytes())).or_default().push(fields);
        }
    }
    assert_eq!(found, expected, "what was told differs: {}", told());
}

/// One history. Panics with all that is needed to repeat it.
fn run(seed: u64, steps: u64, profile: Profile) -> Counts {
    let mut generator = Generator::with(seed, profile);
    let mut reference = Reference::new(Config::default());
    let mut host = Host::new(seed);
    host.feed = Some(b"feed".to_vec());
    host.keys.strict = true;
    let mut replica = Host::new(seed ^ 0xabcd);
    replica.keys.strict = true;
    replica.defaults.retain_ms = 1;
    replica.defaults.hold_ms = 7;
    replica.defaults.tz = Tz::Offset(-300);
    let mut counts = Counts { calls: 0, changes: 0 };
    let mut now_ms = START_MS;
    let mut recent: Vec<String> = Vec::new();
    for step in 0..steps {
        let mut next = generator.next();
        reference.resolve(&mut next.argv);
        // Now and then a stream takes no entry: the sale goes on.
        host.keys.stream_unreachable = step % 97 >= 90;
        now_ms += next.advance_ms;
        recent.push(format!("{now_ms} {}", show(&next.argv)));
        let several = next.argv[0].to_ascii_uppercase();
        let several = several.starts_with(b"STOCK.M") || several == b"STOCK.TRANSFER";
        let held = several.then(|| host.state());
        let before = reference.changes();
        let expected = reference.call(now_ms, &next.argv);
        let changed = reference.changes() != before;
        let (answer, effects) = host.call(now_ms, Origin::Client, &next.argv);
        let told = || {
            let last = recent.iter().rev().take(12).rev().cloned().collect::<Vec<_>>().join("\n  ");
            format!("seed {seed}, step {step}\n  {last}\nreference {expected:?}\n     answer {answer:?}")
        };
        assert!(same_for(&next.argv[0], &expected, &answer), "the answers differ: {}", told());
        // A sweep may free memory alone, which nobody can see.
        let frees = next.argv[0].eq_ignore_ascii_case(b"STOCK.SWEEP");
        assert!(changed || frees || effects.is_empty(), "what changes nothing replicates nothing: {}", told());
        assert!(!changed || !effects.is_empty(), "what changes is replicated: {}", told());
        assert!(effects.len() <= 1, "one call is one effect: {}", told());
        if let Some(held) = held {
            assert!(changed || host.state() == held, "what is refused leaves its pools as they were: {}", told());
            for key in cart_keys(&next.argv) {
                let order = next.argv[1].clone();
                for read in
                    [vec![b"STOCK.GET".to_vec(), key.clone()], vec![b"STOCK.ORDER".to_vec(), key.clone(), order]]
                {
                    let expected = reference.call(now_ms, &read);
                    let (found, _) = host.call(now_ms, Origin::Client, &read);
                    let same = same_for(&read[0], &expected, &found);
                    assert!(same, "{} is {expected:?} and is {found:?} after {}", show(&read), told());
                }
            }
        }
        for key in reference.keys().map(<[u8]>::to_vec).collect::<Vec<_>>() {
            let epoch = format!("{:016x}", host.pool(&key).epoch());
            reference.learn_epoch(&key, epoch.as_bytes());
        }
        check_told(&mut reference, &mut host, now_ms, &told);
        counts.calls += 1;
        counts.changes += u64::from(changed);
        for effect in effects {
            replica.call(now_ms + 86_400_000 * 40, Origin::Replication, &effect);
        }
        assert_eq!(host.keys.streams, replica.keys.streams, "the streams differ: {}", told());
        for stream in host.keys.streams.values_mut().chain(replica.keys.streams.values_mut()) {
            stream.entries.clear();
        }
        if step % 64 == 0 {
            assert_eq!(host.verify(), Vec::<String>::new(), "{}", told());
            assert_eq!(host.state(), replica.state(), "primary and replica differ: {}", told());
        }
        if step % 257 == 0 {
            let before = host.state();
            host.reload();
            assert_eq!(host.state(), before, "a load changes the state: {}", told());
            assert_eq!(host.verify(), Vec::<String>::new(), "{}", told());
            host.promotion += 1;
        }
        if step % 331 == 0 {
            replica.reload();
        }
        if recent.len() > 4_000 {
            recent.drain(..2_000);
        }
    }
    counts
}

fn campaign(name: &str, first_seed: u64, steps: u64, profile: Profile) {
    let total: u64 = std::env::var("STOCK_MODEL_OPS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let seeds = total.div_ceil(steps);
    let mut sum = Counts { calls: 0, changes: 0 };
    for seed in first_seed..first_seed + seeds {
        let counts = run(seed, steps, profile);
        sum.calls += counts.calls;
        sum.changes += counts.changes;
    }
    let share = 100 * sum.changes / sum.calls;
    println!("{name}: {} calls over {seeds} seeds from {first_seed}, {share} % changed the state", sum.calls);
    assert!(share >= 20, "too few calls change anything");
}

const PLAIN: Profile = Profile { steps_back: false, backlogs: false, retain_changes: false, carts: false };
const BACKLOGS: Profile = Profile { backlogs: true, retain_changes: true, ..PLAIN };

#[test]
fn plain_histories_agree() {
    campaign("plain", 1, 2_000, PLAIN);
}

#[test]
fn histories_with_changing_memory_agree() {
    campaign("retain", 10_001, 2_000, Profile { retain_changes: true, ..PLAIN });
}

#[test]
fn histories_with_backlogs_agree() {
    campaign("backlogs", 20_001, 4_000, BACKLOGS);
}

#[test]
fn histories_with_clock_steps_agree() {
    campaign("steps", 30_001, 2_000, Profile { steps_back: true, ..BACKLOGS });
}

#[test]
fn histories_with_carts_agree() {
    campaign("carts", 40_001, 4_000, Profile { carts: true, steps_back: true, ..BACKLOGS });
}
