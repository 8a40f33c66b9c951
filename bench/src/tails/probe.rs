//! What the stopwatch in the server noted, and calls one by one.

use std::time::Instant;

use anyhow::{bail, Result};

use crate::client::Connection;
use crate::wire::Calls;

/// CPU times of one kind of thing.
pub struct Times {
    pub count: i64,
    pub worst_ms: f64,
    /// Which one that was, from 1 on.
    pub worst_at: i64,
    /// How many took more than 1 ms.
    pub slow: i64,
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
        let [calls, slowest, slowest_at, slow_calls, turns, longest, longest_at, slow_turns] = figures[..] else {
            bail!("the stopwatch answered {figures:?}");
        };
        let times =
            |count, worst_ns: i64, worst_at, slow| Times { count, worst_ms: worst_ns as f64 / 1e6, worst_at, slow };
        Ok(Self {
            calls: times(calls, slowest, slowest_at, slow_calls),
            turns: times(turns, longest, longest_at, slow_turns),
        })
    }

    pub fn calls_text(&self) -> String {
        let Times { count, worst_ms, worst_at, slow } = self.calls;
        format!("slowest call {worst_ms:.3} ms CPU (number {worst_at}), {slow} of {count} above 1 ms")
    }

    pub fn turns_text(&self) -> String {
        let Times { count, worst_ms, slow, .. } = self.turns;
        format!("longest turn {worst_ms:.3} ms CPU, {slow} of {count} above 1 ms")
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
