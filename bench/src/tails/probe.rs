//! What the stopwatch in the server noted, and calls one by one.

use std::time::Instant;

use anyhow::{ensure, Result};

use crate::client::Connection;
use crate::wire::Calls;

/// CPU times since the last look.
pub struct Noted {
    pub calls: i64,
    pub slowest_ms: f64,
    pub slow_calls: i64,
    pub turns: i64,
    pub longest_ms: f64,
    pub slow_turns: i64,
}

impl Noted {
    /// Reads what was noted, and begins anew.
    pub fn take(connection: &mut Connection) -> Result<Self> {
        let figures = connection.integers("BENCH.PROBE")?;
        ensure!(figures.len() == 6, "the stopwatch answered {figures:?}");
        let ms = |place: usize| figures[place] as f64 / 1e6;
        Ok(Self {
            calls: figures[0],
            slowest_ms: ms(1),
            slow_calls: figures[2],
            turns: figures[3],
            longest_ms: ms(4),
            slow_turns: figures[5],
        })
    }

    pub fn calls_text(&self) -> String {
        format!("slowest call {:.3} ms CPU, {} of {} above 1 ms", self.slowest_ms, self.slow_calls, self.calls)
    }

    pub fn turns_text(&self) -> String {
        format!("longest turn {:.3} ms CPU, {} of {} above 1 ms", self.longest_ms, self.slow_turns, self.turns)
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
