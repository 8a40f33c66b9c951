//! kill -9 under load, with an auditor that knows what was acknowledged.
//!
//! Four connections sell through their own orders, each with sixteen calls in flight, until the
//! process is killed. The server runs the calls of a connection in order, so after the restart the
//! orders of each must be as they were after some call between the last acknowledged one and the
//! last sent one. The sums of the pools must be those of these orders.
//!
//! `--mode always`: `appendfsync always`. `--mode cut`: `everysec`, and the end of the file is cut
//! off besides, as when the machine loses power: then each connection's calls up to some call must
//! be there, and the sums must fit. `--mode everysec`: the sale goes on for some seconds, and every
//! call that was acknowledged two seconds before the kill must be there.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, share, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::client::encode;
use testkit::{Client, Server, Value};

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    bounds: Bounds,
    /// How the file is written, and whether its end is lost.
    #[arg(long, value_enum, default_value_t = Mode::Always)]
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// appendfsync always.
    Always,
    /// appendfsync everysec; the last bytes of the file are cut off.
    Cut,
    /// appendfsync everysec, after some seconds of selling.
    #[value(name = "everysec")]
    EverySecond,
}

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 16;
/// So much of the end `appendfsync everysec` may lose: it writes once a second, and waits up to two
/// for a slow disk.
const MAY_BE_LOST: Duration = Duration::from_secs(2);
const POOLS: [&str; 3] = ["{s}a", "{s}b", "{s}c"];

#[derive(Default)]
struct Counts {
    crashes: u64,
    /// Crashes with fewer than ten calls in flight, or without an acknowledged call: they do not
    /// count.
    idle: u64,
    acknowledged: u64,
    in_flight: u64,
    least_in_flight: u64,
    /// Unacknowledged calls that had happened all the same.
    happened: u64,
    /// Crashes that left a half-written snapshot or file behind.
    during_save: u64,
    changed: u64,
    /// Acknowledged calls that are gone, where some may be.
    lost: u64,
}

/// What an order is, as the auditor expects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Reserved(i64),
    Confirmed(i64),
    Returned(i64),
    Released(i64),
}

impl State {
    fn of(answer: &Value) -> State {
        if *answer == Value::Nil {
            return State::Unknown;
        }
        let qty: i64 = answer.field("qty").to_string().parse().unwrap_or(-1);
        match answer.field("state").to_string().trim_matches('"') {
            "reserved" => State::Reserved(qty),
            "confirmed" => State::Confirmed(qty),
            "returned" => State::Returned(qty),
            "released" => State::Released(qty),
            _ => State::Unknown,
        }
    }
}

/// One call: its words, and what the order is in each of its pools afterwards.
#[derive(Clone)]
struct Call {
    argv: Vec<String>,
    order: String,
    pools: Vec<usize>,
    after: State,
}

/// What one connection has ever done that is known to have happened.
struct Buyer {
    name: usize,
    next: u64,
    /// Orders that are not finished, with their state.
    open: Vec<(String, Vec<usize>, State)>,
    /// Sums of what finished orders left, by pool: (sold).
    sold: [i64; 3],
}

impl Buyer {
    /// Some calls to come. Each order goes through reserve, then confirm or release, and sometimes
    /// return.
    fn plan(&self, rng: &mut SmallRng, count: usize) -> Vec<Call> {
        let mut open = self.open.clone();
        let mut next = self.next;
        let mut calls = Vec::new();
        while calls.len() < count {
            let fresh = open.len() < 3 || rng.random_ratio(2, 5);
            if fresh {
                let order = format!("c{}-{next}", self.name);
                next += 1;
                let qty: i64 = rng.random_range(1..5);
                let cart = rng.random_ratio(1, 3);
                let first = rng.random_range(0..3);
                let pools = if cart { vec![first, (first + 1) % 3] } else { vec![first] };
                let user = format!("u{}", rng.random_range(0..50));
                let argv = match cart {
                    true => format!(
                        "STOCK.MRESERVE {order} 2 {} {} QTY {qty} {qty} EX 86400 FOR user {user}",
                        POOLS[pools[0]], POOLS[pools[1]]
                    ),
                    false => format!("STOCK.RESERVE {} {order} {qty} EX 86400 FOR user {user}", POOLS[first]),
                };
                open.push((order.clone(), pools.clone(), State::Reserved(qty)));
                calls.push(call(&argv, order, pools, State::Reserved(qty)));
                continue;
            }
            let at = rng.random_range(0..open.len());
            let (order, pools, state) = open[at].clone();
            let (word, after) = match state {
                State::Reserved(qty) if rng.random_ratio(2, 3) => ("CONFIRM", State::Confirmed(qty)),
                State::Reserved(qty) => ("RELEASE", State::Released(qty)),
                State::Confirmed(qty) => ("RETURN", State::Returned(qty)),
                _ => {
                    open.swap_remove(at);
                    continue;
                }
            };
            let argv = match pools.as_slice() {
                [one] => format!("STOCK.{word} {} {order}", POOLS[*one]),
                [one, two] => format!("STOCK.M{word} {order} 2 {} {}", POOLS[*one], POOLS[*two]),
                _ => continue,
            };
            open[at].2 = after;
            calls.push(call(&argv, order, pools, after));
        }
        calls
    }

    /// Takes over what has happened.
    fn happen(&mut self, calls: &[Call]) {
        for call in calls {
            let number: u64 = call.order.split('-').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            self.next = self.next.max(number + 1);
            match self.open.iter_mut().find(|(order, ..)| *order == call.order) {
                Some(known) => known.2 = call.after,
                None => self.open.push((call.order.clone(), call.pools.clone(), call.after)),
            }
        }
        // What is over is counted and let go, so that this does not grow.
        let mut keep = Vec::new();
        for (order, pools, state) in self.open.drain(..) {
            match state {
                State::Returned(_) | State::Released(_) => {}
                State::Confirmed(qty) if keep.len() > 40 => {
                    for pool in pools {
                        self.sold[pool] += qty;
                    }
                }
                _ => keep.push((order, pools, state)),
            }
        }
        self.open = keep;
    }
}

fn call(line: &str, order: String, pools: Vec<usize>, after: State) -> Call {
    Call { argv: line.split(' ').map(str::to_string).collect(), order, pools, after }
}

/// How much went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let mode = options.mode;
    let (name, command) = match mode {
        Mode::Always => ("kill -9, appendfsync always", "crash"),
        Mode::Cut => ("kill -9, end of the file cut off", "crash --mode cut"),
        Mode::EverySecond => ("kill -9, appendfsync everysec", "crash --mode everysec"),
    };
    let counts = RefCell::new(Counts { least_in_flight: u64::MAX, ..Counts::default() });
    let open = |seed| Shop::open(mode, seed, &counts);
    rounds::run(name, command, &options.bounds, ledger, open, |_| {
        let counts = counts.borrow();
        let mut text = format!(
            "{} crashes that count ({} more were idle), {} calls acknowledged, {} of them changed the state, {} in flight at the kill (at least {}), {} of these had happened, {} during a save or rewrite",
            grouped(counts.crashes),
            counts.idle,
            grouped(counts.acknowledged),
            share(counts.changed, counts.acknowledged),
            grouped(counts.in_flight),
            counts.least_in_flight,
            grouped(counts.happened),
            grouped(counts.during_save),
        );
        if mode == Mode::EverySecond {
            text.push_str(&format!("; {} acknowledged calls lost, none of them older than 2 s", grouped(counts.lost)));
        }
        (counts.crashes > 0).then_some(text)
    })
}

struct Shop<'a> {
    server: Server,
    buyers: Vec<Buyer>,
    mode: Mode,
    counts: &'a RefCell<Counts>,
}

const ON_HAND: i64 = 1_000_000_000;

impl Scene for Shop<'_> {
    const ROUNDS: u64 = 40;

    fn round(&mut self, seed: u64) {
        let crash = self.crash(seed, &mut self.counts.borrow_mut());
        crash.unwrap_or_else(|wrong| {
            panic!("{wrong}\n(a crash is not repeatable to the call, and rounds on the same server came before it)")
        });
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

impl Shop<'_> {
    fn open(mode: Mode, seed: u64, counts: &RefCell<Counts>) -> Shop<'_> {
        let fsync = if mode == Mode::Always { "always" } else { "everysec" };
        // A save takes long enough to be hit.
        let slow_save = ["--rdb-key-save-delay", "20000"];
        let (server, mut client) = Server::with(&[&append_only(fsync, seed)[..], &slow_save].concat()).with_client();
        for pool in POOLS {
            client.expect(&format!("STOCK.SET {pool} {ON_HAND}"), "OK");
            client.expect(&format!("STOCK.LIMIT {pool} user 100000000"), "OK");
        }
        let buyers = (0..CONNECTIONS).map(|name| Buyer { name, next: 0, open: Vec::new(), sold: [0; 3] }).collect();
        Shop { server, buyers, mode, counts }
    }

    fn crash(&mut self, seed: u64, counts: &mut Counts) -> Result<(), String> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let save = ["", "", "BGSAVE", "BGREWRITEAOF"][rng.random_range(0..4)];
        if !save.is_empty() {
            let _ = self.server.client().try_call(&[save]);
        }
        let size_before = file_of(self.server.dir()).map_or(0, |file| file.metadata().map_or(0, |data| data.len()));
        let (wait, pace, count) = match self.mode {
            Mode::EverySecond => (rng.random_range(2_200_000..4_000_000), Duration::from_micros(500), 8_000),
            Mode::Always | Mode::Cut => (rng.random_range(500..25_000), Duration::ZERO, 4_000),
        };
        let wait = Duration::from_micros(wait);
        let plans: Vec<Vec<Call>> = self.buyers.iter().map(|buyer| buyer.plan(&mut rng, count)).collect();
        let socket = self.server.socket();
        let barrier = std::sync::Barrier::new(CONNECTIONS + 1);
        let answered = AtomicUsize::new(0);
        let (results, killed_at) = thread::scope(|scope| {
            let threads: Vec<_> = plans
                .iter()
                .map(|calls| {
                    let (socket, barrier, answered) = (&socket, &barrier, &answered);
                    scope.spawn(move || sell(socket, calls, pace, barrier, answered))
                })
                .collect();
            barrier.wait();
            let start = Instant::now();
            while answered.load(Ordering::Relaxed) == 0 && start.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_micros(200));
            }
            thread::sleep(wait);
            let killed_at = Instant::now();
            self.server.kill();
            let results =
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Sold::failed("a thread ended")));
            (results.collect::<Vec<Sold>>(), killed_at)
        });
        let leftovers = std::fs::read_dir(self.server.dir())
            .into_iter()
            .flatten()
            .flatten()
            .chain(std::fs::read_dir(self.server.dir().join("appendonlydir")).into_iter().flatten().flatten());
        let during_save = leftovers.filter(|file| file.file_name().to_string_lossy().starts_with("temp-")).count() > 0;
        for file in std::fs::read_dir(self.server.dir()).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("temp-") {
                let _ = std::fs::remove_file(file.path());
            }
        }
        if self.mode == Mode::Cut {
            cut(self.server.dir(), size_before, &mut rng);
        }
        self.server.start_again();
        let mut client = self.server.client();
        let sent: usize = results.iter().map(|sold| sold.sent).sum();
        let acknowledged: usize = results.iter().map(|sold| sold.answered.len()).sum();
        if let Some(wrong) = results.iter().find_map(|sold| sold.wrong.clone()) {
            return Err(wrong);
        }
        let in_flight = sent - acknowledged;
        let counted = in_flight >= 10 && acknowledged >= 1;
        let (mut happened, mut lost) = (0, 0);
        for ((buyer, calls), sold) in self.buyers.iter_mut().zip(&plans).zip(&results) {
            let acknowledged = sold.answered.len();
            let least = match self.mode {
                Mode::Always => acknowledged,
                Mode::Cut => 0,
                Mode::EverySecond => sold.answered.partition_point(|&at| killed_at.duration_since(at) >= MAY_BE_LOST),
            };
            let at = reached(&mut client, buyer, calls, least, sold.sent)?;
            happened += at.saturating_sub(acknowledged);
            lost += acknowledged.saturating_sub(at);
            buyer.happen(&calls[..at]);
        }
        self.sums(&mut client)?;
        if counted {
            counts.crashes += 1;
            counts.acknowledged += acknowledged as u64;
            counts.changed += acknowledged as u64;
            counts.in_flight += in_flight as u64;
            counts.least_in_flight = counts.least_in_flight.min(in_flight as u64);
            counts.happened += happened as u64;
            counts.during_save += u64::from(during_save);
            counts.lost += lost as u64;
        } else {
            counts.idle += 1;
        }
        Ok(())
    }

    /// The pools hold what the orders say, and nothing else.
    fn sums(&self, client: &mut Client) -> Result<(), String> {
        for (place, pool) in POOLS.iter().enumerate() {
            let (mut sold, mut reserved) = (0, 0);
            for buyer in &self.buyers {
                sold += buyer.sold[place];
                for (_, pools, state) in &buyer.open {
                    if pools.contains(&place) {
                        match state {
                            State::Reserved(qty) => reserved += qty,
                            State::Confirmed(qty) => sold += qty,
                            _ => {}
                        }
                    }
                }
            }
            let map = client.call(&["STOCK.GET", pool]);
            let field = |name: &str| map.field(name).to_string().parse::<i64>().unwrap_or(i64::MIN);
            let is = (field("sold"), field("reserved"), field("on_hand"));
            let should = (sold, reserved, ON_HAND - sold);
            if is != should {
                return Err(format!("{pool}: sold, reserved, on hand are {is:?}, should be {should:?}"));
            }
            let verified = client.call(&["STOCK.VERIFY", pool]).to_string();
            if verified != "OK" {
                return Err(format!("{pool}: VERIFY says {verified}"));
            }
        }
        Ok(())
    }
}

/// What one connection did until the server was gone.
#[derive(Default)]
struct Sold {
    /// How many calls were sent.
    sent: usize,
    /// When each of those that were acknowledged was.
    answered: Vec<Instant>,
    /// An answer that was not OK.
    wrong: Option<String>,
}

impl Sold {
    fn failed(why: &str) -> Sold {
        Sold { wrong: Some(why.into()), ..Sold::default() }
    }
}

/// Sends until the server is gone, and rests for a while after each answer.
fn sell(socket: &Path, calls: &[Call], pace: Duration, barrier: &std::sync::Barrier, answered: &AtomicUsize) -> Sold {
    let client = Client::unix(socket);
    barrier.wait();
    let Ok(mut client) = client else { return Sold::failed("no connection") };
    let mut sold = Sold::default();
    let mut gone = false;
    while let Some(next) = calls.get(sold.answered.len()) {
        while !gone && sold.sent < calls.len() && sold.sent - sold.answered.len() < IN_FLIGHT {
            gone = client.try_send(&encode(&calls[sold.sent].argv)).is_err();
            // Also where the send failed: some of it may have arrived.
            sold.sent += 1;
        }
        let Ok(answer) = client.try_read() else { break };
        let text = answer.to_string();
        if !text.starts_with("[OK") && !text.starts_with("OK") {
            sold.wrong = Some(format!("{} answered {text}", next.argv.join(" ")));
            break;
        }
        sold.answered.push(Instant::now());
        answered.fetch_add(1, Ordering::Relaxed);
        thread::sleep(pace);
    }
    sold
}

/// After which of its calls the orders of a connection are as they are: the first that fits,
/// between these two.
fn reached(client: &mut Client, buyer: &Buyer, calls: &[Call], least: usize, most: usize) -> Result<usize, String> {
    // The last calls decide; earlier orders are all looked at as well.
    let mut orders: Vec<(String, Vec<usize>)> = Vec::new();
    for call in &calls[..most] {
        if !orders.iter().rev().any(|(order, _)| *order == call.order) {
            orders.push((call.order.clone(), call.pools.clone()));
        }
    }
    for (order, pools, _) in &buyer.open {
        if !orders.iter().any(|(other, _)| other == order) {
            orders.push((order.clone(), pools.clone()));
        }
    }
    let questions: Vec<Vec<String>> = orders
        .iter()
        .flat_map(|(order, pools)| pools.iter().map(move |&pool| (order, pool)))
        .map(|(order, pool)| vec!["STOCK.ORDER".into(), POOLS[pool].into(), order.clone()])
        .collect();
    let answers = client.pipeline(&questions);
    let mut found = std::collections::HashMap::new();
    let mut answers = answers.iter();
    for (order, pools) in &orders {
        let states: Vec<State> = pools.iter().filter_map(|_| answers.next()).map(State::of).collect();
        if states.windows(2).any(|two| two[0] != two[1]) {
            return Err(format!("the cart {order} is {states:?} in its pools"));
        }
        found.insert(order.clone(), states[0]);
    }
    // As they were before the first call, then call by call.
    let mut expected: std::collections::HashMap<String, State> =
        orders.iter().map(|(order, _)| (order.clone(), State::Unknown)).collect();
    for (order, _, state) in &buyer.open {
        expected.insert(order.clone(), *state);
    }
    let mut wrong = expected.iter().filter(|(order, state)| found.get(*order) != Some(state)).count();
    for at in 0..=most {
        if at >= least && wrong == 0 {
            return Ok(at);
        }
        let Some(call) = calls.get(at).filter(|_| at < most) else { break };
        let now = found.get(&call.order).copied();
        let before = expected.insert(call.order.clone(), call.after);
        wrong -= usize::from(before != now);
        wrong += usize::from(Some(call.after) != now);
    }
    Err(format!(
        "connection {}: the orders are as after none of the calls {least} to {most} ({} differ at the end)",
        buyer.name, wrong
    ))
}

/// How a server writes its file, which is rewritten only when it is told to; with a preamble or
/// without by turns.
pub fn append_only(fsync: &str, seed: u64) -> [&str; 10] {
    let preamble = if seed.is_multiple_of(2) { "yes" } else { "no" };
    [
        "--appendonly",
        "yes",
        "--appendfsync",
        fsync,
        "--aof-use-rdb-preamble",
        preamble,
        "--auto-aof-rewrite-percentage",
        "0",
        "--aof-load-truncated",
        "yes",
    ]
}

/// The file that grows now.
pub fn file_of(dir: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(dir.join("appendonlydir")).ok()?.flatten();
    let mut files: Vec<PathBuf> =
        files.map(|file| file.path()).filter(|path| path.to_string_lossy().ends_with(".incr.aof")).collect();
    files.sort_by_key(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.split('.').rev().nth(2).and_then(|n| n.parse::<u64>().ok())
    });
    files.pop()
}

/// Takes bytes off the end, but none from before this round.
fn cut(dir: &Path, size_before: u64, rng: &mut SmallRng) {
    let Some(path) = file_of(dir) else { return };
    let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) else { return };
    let size = file.metadata().map_or(0, |data| data.len());
    let least = if size >= size_before { size_before } else { 0 };
    let span = (size - least).min(20_000);
    if span > 0 {
        let _ = file.set_len(size - rng.random_range(0..=span));
    }
}
