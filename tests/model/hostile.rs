//! The short tier of what hostile bytes and exhaustive sequences do; the campaigns run the same code for longer.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::payload::{damage, parse, scramble, write};
use crate::scope;
use crate::targets;

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
