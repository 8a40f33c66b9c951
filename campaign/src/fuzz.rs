//! Random bytes and damaged real ones against the targets of `tests/model/targets.rs`, in process,
//! without a fuzzer's feedback. The same targets run under libFuzzer from `fuzz/`.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, share, Ledger, Row};
use testkit::payload::{damage, parse, scramble, write};
use testkit::targets;

const NAME: &str = "random bytes, in process";

#[derive(clap::Args)]
pub struct Options {
    /// The first seed; by default the one behind the last row of the table.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds; each is 10,000 executions over the five targets.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// End earlier, after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

const PER_SEED: u64 = 10_000;

/// How many seeds went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let first = options.seed.unwrap_or_else(|| ledger.next_seed(NAME));
    let corpus = Corpus::new();
    let start = Instant::now();
    let (mut executions, mut useful, mut found, mut last) = (0, 0, 0, first);
    for seed in first..first + options.seeds {
        if options.seconds.is_some_and(|seconds| seed > first && start.elapsed().as_secs() >= seconds) {
            break;
        }
        last = seed;
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
    ledger.write(&Row { campaign: NAME, server: "in process".into(), seeds: (first, last), counts, found });
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
