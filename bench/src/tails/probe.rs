//! What the stopwatch in the server noted, calls one by one, and what is slow in every run.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{bail, Result};

use crate::client::Connection;
use crate::wire::Calls;

/// The memory of a server under test. One that needs more has a fault.
pub const MAX_MEMORY: Option<&str> = Some("12gb");

/// CPU times of one kind of thing.
pub struct Times {
    pub count: i64,
    pub worst_ms: f64,
    /// Which one that was, from 1 on.
    pub worst_at: i64,
    /// How many took more than 1 ms.
    pub slow: i64,
    /// How many pages of memory the kernel had to provide in the longest; of calls not noted.
    pub worst_faults: i64,
}

/// What was noted since the last look.
pub struct Noted {
    /// Calls through `BENCH.TIMED`.
    pub calls: Times,
    /// Turns of the event loop.
    pub turns: Times,
}

impl Noted {
    /// Reads what was noted, and begins anew.
    pub fn take(connection: &mut Connection) -> Result<Self> {
        let figures = connection.integers("BENCH.PROBE")?;
        let [calls, slowest, slowest_at, slow_calls, turns, longest, longest_at, slow_turns, faults] = figures[..]
        else {
            bail!("the stopwatch answered {figures:?}");
        };
        let times = |count, worst_ns: i64, worst_at, slow, worst_faults| {
            let worst_ms = worst_ns as f64 / 1e6;
            Times { count, worst_ms, worst_at, slow, worst_faults }
        };
        Ok(Self {
            calls: times(calls, slowest, slowest_at, slow_calls, 0),
            turns: times(turns, longest, longest_at, slow_turns, faults),
        })
    }

    pub fn calls_text(&self) -> String {
        let Times { count, worst_ms, worst_at, slow, .. } = self.calls;
        format!("slowest call {worst_ms:.3} ms CPU (number {worst_at}), {slow} of {count} above 1 ms")
    }

    pub fn turns_text(&self) -> String {
        let Times { count, worst_ms, slow, worst_faults, .. } = self.turns;
        format!("longest turn {worst_ms:.3} ms CPU ({worst_faults} page faults), {slow} of {count} above 1 ms")
    }
}

/// In how many runs the same calls are made on the same pool.
pub const RUNS: usize = 3;
/// Calls that took less are not noted one by one.
const NOTED_MS: f64 = 0.25;

/// Calls that took long, by number, in ms. A virtual machine charges a thread for what it did not
/// do, now here, now there; what the calls cost by themselves they cost in every run.
pub struct Slow(BTreeMap<i64, f64>);

impl Slow {
    /// Reads which calls took long since the last look; before [`Noted::take`], which begins anew.
    pub fn read(connection: &mut Connection) -> Result<Self> {
        let figures = connection.integers("BENCH.SLOWEST")?;
        Ok(Self(figures.chunks_exact(2).map(|pair| (pair[0], pair[1] as f64 / 1e6)).collect()))
    }

    /// What took long in this run and in another one, by its shorter time.
    pub fn and(self, other: &Slow) -> Self {
        let both = self.0.into_iter().filter_map(|(number, ms)| Some((number, ms.min(*other.0.get(&number)?))));
        Self(both.collect())
    }

    /// The longest, in ms; less is not noted.
    pub fn worst_ms(&self) -> f64 {
        self.0.values().copied().fold(NOTED_MS, f64::max)
    }

    /// For the report.
    pub fn text(&self) -> String {
        let worst = self.0.iter().max_by(|one, other| one.1.total_cmp(other.1));
        let Some((number, ms)) = worst else { return format!("none took {NOTED_MS} ms in each run") };
        let above = self.0.values().filter(|&&ms| ms > 1.0).count();
        format!(
            "slowest call {ms:.3} ms CPU (number {number}), {above} above 1 ms, {} of {NOTED_MS} ms or more",
            self.0.len()
        )
    }
}

/// Makes the calls one after the other, and answers how long each took for the client, in ns.
pub fn one_by_one(
    connection: &mut Connection,
    first: u64,
    count: u64,
    prefix: &[u8],
    mut make: impl FnMut(&mut Calls, u64),
    mut between: impl FnMut() -> Result<()>,
) -> Result<Vec<u64>> {
    let mut delays_ns = Vec::with_capacity(count as usize);
    let (mut at, end) = (first, first + count);
    while at < end {
        let some = (end - at).min(1_000);
        let calls = Calls::of(at, some, &mut make);
        for n in 0..calls.len() {
            let begin = Instant::now();
            connection.send(calls.bytes(n, n + 1))?;
            connection.expect(prefix)?;
            delays_ns.push(begin.elapsed().as_nanos() as u64);
        }
        at += some;
        between()?;
    }
    Ok(delays_ns)
}
