//! The append-only file ends anywhere: it is cut off at every byte of its last calls. After a
//! restart the pools and their stream are as after the last call whose bytes are all there, to the
//! digest; a cart, a transaction or a script is there whole or not at all.

use std::cell::RefCell;
use std::fs;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::crash::{append_only, file_of};
use crate::record::{grouped, Ledger};
use crate::rounds::{self, digest, errors, no_internal_error, Bounds, Scene};
use testkit::{Client, Server, Value};

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    bounds: Bounds,
    /// Cut at every so manieth byte.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    step: u64,
}

const POOLS: [&str; 3] = ["{t}a", "{t}b", "{t}c"];
const POLICY: &str = r#"{"events":"{t}ev","limits":[{"by":["user"],"max":1000000000,"per":"day"}]}"#;

#[derive(Default)]
struct Counts {
    cuts: u64,
    calls: u64,
    bytes: u64,
}

/// How much went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    let open = |seed| Torn::open(seed, options.step, &counts);
    rounds::run("file cut at every byte", "torn", &options.bounds, ledger, open, |rounds| {
        let Counts { cuts, calls, bytes } = *counts.borrow();
        let every = if options.step == 1 { "each byte".to_string() } else { format!("each {}th byte", options.step) };
        let text = format!(
            "{} files, {} restarts: cut at {every} of their last {} calls ({} bytes: carts, transactions, scripts); the digest is that after the last whole call, each time",
            grouped(rounds),
            grouped(cuts),
            grouped(calls),
            grouped(bytes)
        );
        (cuts > calls).then_some(text)
    })
}

struct Torn<'c> {
    server: Server,
    step: u64,
    counts: &'c RefCell<Counts>,
}

impl<'c> Torn<'c> {
    fn open(seed: u64, step: u64, counts: &'c RefCell<Counts>) -> Self {
        let (server, mut client) = Server::with(&append_only("always", seed)).with_client();
        for pool in POOLS {
            client.expect(&format!("STOCK.SET {pool} 1000000"), "OK");
            client.expect(&format!("STOCK.SETPOLICY {pool} {POLICY}"), "OK");
        }
        Self { server, step, counts }
    }
}

/// What is done at once, in each of the ways in which that can be; `n` makes its orders new. All
/// holds are long: none falls due between two restarts.
fn ways(n: u64) -> Vec<Vec<Vec<String>>> {
    let [a, b, c] = POOLS;
    let words = |line: String| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    let script = "redis.call('STOCK.RESERVE',KEYS[1],ARGV[1],2,'EX',86400,'FOR','user','u2') \
                  redis.call('STOCK.CONFIRM',KEYS[1],ARGV[1]) return redis.call('STOCK.ADD',KEYS[2],7)";
    let eval = ["EVAL", script, "2", b, c].into_iter().map(str::to_string).chain([format!("s{n}")]).collect();
    vec![
        vec![words(format!("STOCK.RESERVE {a} o{n} 2 EX 86400 FOR user u1"))],
        vec![words(format!("STOCK.MRESERVE m{n} 3 {a} {b} {c} QTY 1 2 3 EX 86400 FOR user u1"))],
        vec![eval],
        vec![
            words("MULTI".into()),
            words(format!("STOCK.RESERVE {a} t{n} 4 EX 86400 FOR user u3")),
            words(format!("STOCK.CONFIRM {a} t{n} QTY 3")),
            words(format!("STOCK.MRESERVE u{n} 2 {b} {c} QTY 1 1 EX 86400 FOR user u3")),
            words(format!("STOCK.MRELEASE u{n} 2 {b} {c}")),
            words(format!("STOCK.RETURN {a} t{n} QTY 1 TOKEN r{n}")),
            words("EXEC".into()),
        ],
        vec![words(format!("STOCK.LIMIT {b} region {} PER DAY MISSING ALLOW", 1_000 + n))],
        vec![words(format!("STOCK.RECONCILE {c} {}", 900_000 + n))],
    ]
}

fn carry_out(client: &mut Client, calls: &[Vec<String>]) {
    for answer in client.pipeline(calls) {
        let wrong = errors(&answer);
        assert!(wrong.is_empty() && answer != Value::Nil, "{calls:?}: {answer}");
    }
}

impl Scene for Torn<'_> {
    const ROUNDS: u64 = 1;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut client = self.server.client();
        for n in 0..5 {
            ways(n).iter().for_each(|way| carry_out(&mut client, way));
        }
        if rng.random_ratio(1, 2) {
            rounds::rewrite(&mut client);
        }
        let file = file_of(self.server.dir()).expect("the file that grows");
        let length = || fs::metadata(&file).expect("its length").len();
        let mut states = vec![(length(), digest(&mut client))];
        let mut last = ways(5);
        last.shuffle(&mut rng);
        for way in &last {
            carry_out(&mut client, way);
            states.push((length(), digest(&mut client)));
        }
        self.server.kill();
        let bytes = fs::read(&file).expect("the file");
        let (first, end) = (states[0].0, bytes.len() as u64);
        assert_eq!(states.last().map(|state| state.0), Some(end), "every acknowledged byte is in the file");
        for len in (first..=end).step_by(self.step as usize).chain([end]) {
            fs::write(&file, &bytes[..len as usize]).expect("the file is cut");
            self.server.start_again();
            let mut client = self.server.client();
            let whole = states.iter().rposition(|state| state.0 <= len).expect("the first state");
            assert_eq!(digest(&mut client), states[whole].1, "cut at byte {len} of {end}, behind call {whole}");
            POOLS.iter().for_each(|pool| client.verify(pool));
            self.server.kill();
            self.counts.borrow_mut().cuts += 1;
        }
        no_internal_error(&self.server);
        let mut counts = self.counts.borrow_mut();
        counts.calls += last.len() as u64;
        counts.bytes += end - first;
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}
