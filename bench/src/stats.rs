//! Figures of several runs.

/// The middle one of several figures, with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of these figures; None of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
        Some(Self { median, min, max })
    }

    /// Of `above[i] / below[i]`: what was measured in the same round stands together.
    pub fn of_ratios(above: &[f64], below: &[f64]) -> Option<Self> {
        Self::of(above.iter().zip(below).filter(|(_, below)| **below > 0.0).map(|(above, below)| above / below))
    }
}

/// Delays, of which single ones matter.
#[derive(Default)]
pub struct Delays {
    sorted_ns: Vec<u64>,
}

impl Delays {
    pub fn of(mut delays_ns: Vec<u64>) -> Self {
        delays_ns.sort_unstable();
        Self { sorted_ns: delays_ns }
    }

    pub fn count(&self) -> usize {
        self.sorted_ns.len()
    }

    /// The delay, in ms, that this share of the calls (0 to 1) did not exceed.
    pub fn at_most_ms(&self, share: f64) -> f64 {
        let rank = (share * self.sorted_ns.len() as f64).ceil() as usize;
        self.sorted_ns.get(rank.saturating_sub(1)).map_or(0.0, |ns| *ns as f64 / 1e6)
    }

    pub fn worst_ms(&self) -> f64 {
        self.at_most_ms(1.0)
    }

    /// In words, for a report.
    pub fn text(&self) -> String {
        let [half, most] = [0.5, 0.9999].map(|share| self.at_most_ms(share));
        format!("p50 {half:.3} ms, p99.99 {most:.3} ms, worst {:.3} ms of {} calls", self.worst_ms(), self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0]).map(|s| s.median), Some(3.0));
        assert_eq!(Spread::of([7.0]), Some(Spread { median: 7.0, min: 7.0, max: 7.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_stay_within_their_round() {
        // Each round is twice as slow as the one before; the ratio is not.
        let ratio = Spread::of_ratios(&[2.0, 4.0, 8.0], &[1.0, 2.0, 4.0]);
        assert_eq!(ratio, Some(Spread { median: 2.0, min: 2.0, max: 2.0 }));
        assert_eq!(Spread::of_ratios(&[1.0], &[0.0]), None);
    }

    #[test]
    fn percentiles_count_calls() {
        let delays = Delays::of((1..=10_000).rev().map(|ms| ms * 1_000_000).collect());
        assert_eq!(delays.at_most_ms(0.5), 5_000.0);
        assert_eq!(delays.at_most_ms(0.9999), 9_999.0);
        assert_eq!(delays.worst_ms(), 10_000.0);
        assert_eq!(Delays::default().worst_ms(), 0.0);
    }
}
