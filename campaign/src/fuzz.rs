//! Random bytes and damaged real ones against the targets of `tests/model/targets.rs`, in process,
//! without a fuzzer's feedback. The same targets run under libFuzzer from `fuzz/`.

use std::panic::{catch_unwind, AssertUnwindSafe};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, share, Ledger, Row};
use crate::rounds::Bounds;
use testkit::payload::{damage, parse, scramble, write};
use testkit::targets;

const NAME: &str = "random bytes, in process";

/// Executions over the five targets, for each seed.
const PER_SEED: u64 = 10_000;

/// How many seeds went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let mut seeds = bounds.seeds(NAME, 10, ledger);
    let corpus = Corpus::new();
    let (mut executions, mut useful, mut found) = (0, 0, 0);
    for seed in seeds.by_ref() {
        match catch_unwind(AssertUnwindSafe(|| corpus.throw(seed))) {
            Ok(good) => {
                executions += PER_SEED;
                useful += good;
            }
            Err(_) => {
                found += 1;
                eprintln!("to repeat: make campaign NAME=fuzz ARGS='--seed {seed} --seeds 1'");
                if found >= 10 {
                    break;
                }
            }
        }
    }
    let counts = format!(
        "{} executions over 5 targets, {} accepted or changed the state",
        grouped(executions),
        share(useful, executions)
    );
    ledger.write(&Row { campaign: NAME, server: "in process".into(), seeds: seeds.ran(), counts, found });
    found
}

struct Corpus {
    pools: Vec<Vec<u8>>,
    effects: Vec<Vec<u8>>,
    policies: Vec<Vec<u8>>,
    shop: testkit::host::Host,
}

impl Corpus {
    fn new() -> Corpus {
        let policies = [
            r#"{"hold":900,"retain":86400,"retain_paid":604800,"safety":0,"alert":10,"events":"{618}events","limits":[{"by":["user"],"max":2,"per":"day","tz":"+08:00","count":"units","missing":"refuse","overrides":[{"for":["vip7"],"max":10}]}]}"#,
            r#"{"limits":[{"by":[],"max":"unlimited","per":60},{"by":["a","b","c","d"],"per":"month","count":"orders","overrides":[{"for":["*","x",{"base64":"/wA="},"*"],"max":0}]}]}"#,
            "{}",
        ];
        Corpus {
            pools: targets::pools(1..40),
            effects: (1..6).flat_map(targets::effects).collect(),
            policies: policies.iter().map(|text| text.as_bytes().to_vec()).collect(),
            shop: targets::shop(),
        }
    }

    /// 10,000 executions; how many got anywhere.
    fn throw(&self, seed: u64) -> u64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut good = 0;
        let one = |of: &[Vec<u8>], rng: &mut SmallRng| of[rng.random_range(0..of.len())].clone();
        for at in 0..PER_SEED {
            let got = match at % 10 {
                // Half of the encoded pools are damaged with a plan.
                0..2 => {
                    let mut records = parse(&one(&self.pools, &mut rng)).expect("a pool is understood");
                    let others = parse(&one(&self.pools, &mut rng)).expect("a pool is understood");
                    damage(&mut records, &others, &mut rng);
                    targets::codec(&write(&records))
                }
                2..4 => {
                    let mut bytes = one(&self.pools, &mut rng);
                    scramble(&mut bytes, &mut rng);
                    targets::codec(&bytes)
                }
                4..6 => {
                    let mut bytes = one(&self.effects, &mut rng);
                    scramble(&mut bytes, &mut rng);
                    targets::effect(&bytes, &self.shop);
                    false
                }
                6 => {
                    let mut bytes = one(&self.policies, &mut rng);
                    scramble(&mut bytes, &mut rng);
                    targets::policy(&bytes)
                }
                7..9 => {
                    let bytes: Vec<u8> = (0..rng.random_range(0..120)).map(|_| letter(&mut rng)).collect();
                    targets::arguments(&bytes, &self.shop)
                }
                _ => {
                    let bytes: Vec<u8> = (0..rng.random_range(3..96)).map(|_| rng.random()).collect();
                    targets::commands(&bytes) > 0
                }
            };
            good += u64::from(got);
        }
        good
    }
}

/// A byte of arguments: mostly what options and numbers are made of.
fn letter(rng: &mut SmallRng) -> u8 {
    const LIKELY: &[u8] = b"\xfe\xfe\xfe\xfe0123456789-kabEXPQTYFORLATESINCEuserregion+* ";
    match rng.random_range(0..10) {
        0 => rng.random(),
        _ => LIKELY[rng.random_range(0..LIKELY.len())],
    }
}
