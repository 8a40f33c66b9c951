//! The short tier of the simulation; `make campaign` runs the same code for longer.

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
