//! The short tier of what hostile bytes and exhaustive sequences do; the campaigns run the same
//! code for longer.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use redis_stock::command::host::Origin;
use testkit::host::Host;
use testkit::payload::{damage, parse, scramble, write, Field, Record};
use testkit::scope;
use testkit::targets;

#[test]
fn the_encoding_is_taken_apart_and_put_together() {
    for bytes in targets::pools(1..6) {
        let records = parse(&bytes).expect("a pool is understood");
        assert_eq!(write(&records), bytes);
    }
}

#[test]
fn damaged_pools_are_refused_or_true() {
    let corpus = targets::pools(1..20);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut accepted = 0;
    for at in 0..4_000 {
        let bytes = &corpus[at % corpus.len()];
        let mut records = parse(bytes).expect("a pool is understood");
        let others = parse(&corpus[rng.random_range(0..corpus.len())]).expect("a pool is understood");
        damage(&mut records, &others, &mut rng);
        accepted += u32::from(targets::codec(&write(&records)));
        let mut blind = bytes.clone();
        scramble(&mut blind, &mut rng);
        targets::codec(&blind);
    }
    assert!(accepted > 200, "{accepted} of 4,000: the damage is too coarse to get anywhere");
}

#[test]
fn hostile_effects_arguments_policies_and_sequences_do_no_harm() {
    let shop = targets::shop();
    let mut rng = SmallRng::seed_from_u64(2);
    let effects = targets::effects(1);
    for at in 0..3_000 {
        let mut bytes = effects[at % effects.len()].clone();
        scramble(&mut bytes, &mut rng);
        targets::effect(&bytes, &shop);
    }
    let mut changes = 0;
    for _ in 0..1_500 {
        let bytes: Vec<u8> = (0..rng.random_range(3..150)).map(|_| rng.random()).collect();
        changes += targets::commands(&bytes);
        targets::arguments(&bytes, &shop);
    }
    assert!(changes > 5_000, "only {changes} calls changed anything");
    let text = br#"{"hold":9,"alert":3,"events":"e","limits":[{"by":["user"],"max":2,"per":"day","overrides":[{"for":["v"],"max":10}]}]}"#;
    let mut accepted = 0;
    for _ in 0..5_000 {
        let mut bytes = text.to_vec();
        scramble(&mut bytes, &mut rng);
        accepted += u32::from(targets::policy(&bytes));
    }
    assert!(accepted > 50, "{accepted}");
}

#[test]
fn every_short_sequence_is_as_the_reference_says() {
    let counts = scope::walk(scope::LETTERS.len(), 3, 0..scope::LETTERS.len());
    assert_eq!(counts.sequences, 24 + 24 * 24 + 24 * 24 * 24);
    assert!(counts.changes * 3 > counts.sequences, "{counts:?}");
    // Longer ones, as far as they begin with a reservation.
    let counts = scope::walk(scope::SMALL, 4, 0..2);
    assert_eq!(counts.sequences, 2 * (1 + 14 + 14 * 14 + 14 * 14 * 14));
}

/// The records of a pool that has one of each kind.
fn one_of_each() -> Vec<Record> {
    let mut host = Host::new(1);
    let mut call = |text: &str| {
        let argv: Vec<Vec<u8>> = format!("STOCK.{text}").split(' ').map(|word| word.as_bytes().to_vec()).collect();
        host.call(1_767_225_600_000, Origin::Client, &argv);
    };
    for text in [
        "SET k 100",
        "LIMIT k user 50 PER DAY",
        "LIMIT k region 50",
        "ADD k 1 TOKEN a",
        "ADD k 1 TOKEN b",
        "RESERVE k o 1 FOR user u region r",
        "RESERVE k p 5 FOR user v region r",
        "CONFIRM k p",
        "RETURN k p QTY 1 TOKEN t",
        "RETURN k p QTY 1 TOKEN s",
    ] {
        call(text);
    }
    // More usage than is freed beside the removal of its limit.
    (0..9).for_each(|n| call(&format!("RESERVE k more{n} 1 FOR user w region r{n}")));
    call("UNLIMIT k region");
    let bytes: Vec<u8> = host.state().into_values().flatten().flatten().collect();
    parse(&bytes).expect("a pool is understood")
}

/// Each lie is refused for itself: the rest of the payload is true. What is true at its bound is
/// accepted.
#[test]
fn each_lie_of_a_payload_is_refused() {
    const TOKEN: u8 = 5;
    const USAGE: u8 = 6;
    const LEFT: u8 = 7;
    const RETURN: u8 = 10;
    type Lie = (&'static str, bool, u8, fn(&mut [&mut Record]));
    let lies: &[Lie] = &[
        ("nothing", true, TOKEN, |_| {}),
        ("tokens out of order", false, TOKEN, |r| {
            let Field::Signed(later) = r[1].fields[2] else { panic!("a time") };
            r[0].fields[2] = Field::Signed(later + 1);
        }),
        ("a token without a delta", false, TOKEN, |r| r[0].fields[1] = Field::Signed(0)),
        ("a token twice", false, TOKEN, |r| r[1].fields[0] = r[0].fields[0].clone()),
        ("a value without bytes", false, USAGE, |r| r[0].fields[1] = Field::Bytes(Vec::new())),
        ("a value of 128 bytes", true, USAGE, |r| r[0].fields[1] = Field::Bytes(vec![b'x'; 128])),
        ("a value of 129 bytes", false, USAGE, |r| r[0].fields[1] = Field::Bytes(vec![b'x'; 129])),
        ("usage of limit 0", false, LEFT, |r| r[0].fields[0] = Field::Number(0)),
        ("usage of a limit that will be", false, LEFT, |r| r[0].fields[0] = Field::Number(3)),
        ("usage of a living limit called left", false, LEFT, |r| r[0].fields[0] = Field::Number(1)),
        ("a return twice", false, RETURN, |r| r[1].fields[0] = r[0].fields[0].clone()),
        ("more returned than was", false, RETURN, |r| r[1].fields[1] = Field::Signed(2)),
    ];
    for &(what, is_true, kind, lie) in lies {
        let mut records = one_of_each();
        let mut of_kind: Vec<&mut Record> = records.iter_mut().filter(|record| record.kind == kind).collect();
        assert!(!of_kind.is_empty(), "{what}: there is a record of kind {kind}");
        lie(&mut of_kind);
        assert_eq!(targets::codec(&write(&records)), is_true, "{what}");
    }
}
