//! How often a second calls are answered, measured from cron to cron.

use std::time::{Duration, Instant};

use crate::command::refusal::Outcome;

/// The least time between two measurements.
const SPAN: Duration = Duration::from_secs(1);

/// Totals at the last measurement, and what came since the one before.
pub struct Rates {
    measured: Option<(Instant, [u64; Outcome::COUNT])>,
    per_sec: [u64; Outcome::COUNT],
}

impl Rates {
    /// Nothing measured yet.
    pub const fn new() -> Self {
        Self { measured: None, per_sec: [0; Outcome::COUNT] }
    }

    /// Measures, if the last time was a second ago or more.
    pub fn measure(&mut self, now: Instant, totals: &[u64; Outcome::COUNT]) {
        let Some((before, old)) = &self.measured else {
            self.measured = Some((now, *totals));
            return;
        };
        let span = now.saturating_duration_since(*before);
        if span < SPAN {
            return;
        }
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        for ((rate, total), old) in self.per_sec.iter_mut().zip(totals).zip(old) {
            *rate = total.wrapping_sub(*old).saturating_mul(1_000).checked_div(ms).unwrap_or(0);
        }
        self.measured = Some((now, *totals));
    }

    /// Calls a second with this outcome.
    pub fn per_sec(&self, outcome: Outcome) -> u64 {
        self.per_sec.get(outcome as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_by_the_time_that_has_passed() {
        let mut rates = Rates::new();
        let start = Instant::now();
        let totals = |count| {
            let mut totals = [0; Outcome::COUNT];
            totals[Outcome::SoldOut as usize] = count;
            totals
        };
        rates.measure(start, &totals(100));
        assert_eq!(rates.per_sec(Outcome::SoldOut), 0);
        rates.measure(start + Duration::from_millis(900), &totals(500));
        assert_eq!(rates.per_sec(Outcome::SoldOut), 0, "too early");
        rates.measure(start + Duration::from_millis(2_000), &totals(700));
        assert_eq!((rates.per_sec(Outcome::SoldOut), rates.per_sec(Outcome::Limited)), (300, 0));
        rates.measure(start + Duration::from_millis(3_500), &totals(700));
        assert_eq!(rates.per_sec(Outcome::SoldOut), 0);
    }
}
