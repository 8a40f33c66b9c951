//! The short tier of the simulation; `make campaign` runs the same code for longer.

use testkit::shards;
use testkit::simulation::{run, Counts};

#[test]
fn a_primary_with_replicas_and_a_file_agrees_with_the_auditor() {
    let total: u64 = std::env::var("STOCK_MODEL_OPS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let steps = 4_000;
    let mut sum = Counts::default();
    for seed in 1..=total.div_ceil(steps) {
        sum += run(seed, steps);
    }
    println!("{sum:?}");
    assert!(sum.changes * 5 > sum.calls, "too few calls change anything");
    assert!(sum.failovers > 0 && sum.crashes > 0 && sum.lost > 0, "nothing went wrong");
}

#[test]
fn a_sharded_pool_keeps_its_units_and_its_limits_whatever_dies() {
    let total: u64 = std::env::var("STOCK_MODEL_OPS").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000);
    let steps = 2_000;
    let mut sum = shards::Counts::default();
    for seed in 1..=total.div_ceil(steps) {
        println!("seed {seed}");
        sum += shards::run(seed, steps);
    }
    println!("{sum:?}");
    assert!(sum.shifts > sum.calls / 50, "too little shifts");
    assert!(sum.deaths > 0 && sum.failovers > 0 && sum.slots > 0 && sum.twice > 0, "nothing went wrong");
    assert!(sum.sold > 0, "nobody bought anything");
}
