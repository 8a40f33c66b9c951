//! The sale while it runs: units left, held and sold, and who was refused, as the buyers were told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::grouped::grouped;
use crate::progress;

/// Between two points of the chart.
const EVERY: Duration = Duration::from_millis(100);

/// One shop's figures.
pub struct Live {
    stock: i64,
    held: AtomicI64,
    sold: AtomicI64,
    buyers: AtomicU64,
    /// Holds that nobody will pay, with their units: when they end.
    abandoned: Mutex<BinaryHeap<Reverse<(Instant, i64)>>>,
    refusals: Mutex<BTreeMap<String, u64>>,
    samples: Mutex<Vec<Sample>>,
}

/// A point of the chart.
#[derive(Clone, Copy)]
pub struct Sample {
    pub left: i64,
    pub held: i64,
    pub sold: i64,
}

impl Live {
    pub fn new(stock: i64) -> Self {
        Self {
            stock,
            held: AtomicI64::new(0),
            sold: AtomicI64::new(0),
            buyers: AtomicU64::new(0),
            abandoned: Mutex::default(),
            refusals: Mutex::default(),
            samples: Mutex::default(),
        }
    }

    pub fn held(&self, units: i64) {
        self.buyers.fetch_add(1, Relaxed);
        self.held.fetch_add(units, Relaxed);
    }

    /// Such a hold, which nobody will pay: it ends by itself.
    pub fn abandoned(&self, units: i64, until: Instant) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((until, units)));
    }

    /// A hold of so many units is over, and so many of them are paid.
    pub fn ended(&self, units: i64, paid: i64) {
        self.held.fetch_sub(units, Relaxed);
        self.sold.fetch_add(paid, Relaxed);
    }

    pub fn returned(&self, units: i64) {
        self.sold.fetch_sub(units, Relaxed);
    }

    pub fn refused(&self, why: &str) {
        self.buyers.fetch_add(1, Relaxed);
        let mut refusals = self.lock();
        match refusals.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                refusals.insert(why.to_owned(), 1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Sample {
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Reverse((until, units))) = abandoned.peek().copied() {
            if until > Instant::now() {
                break;
            }
            abandoned.pop();
            self.ended(units, 0);
        }
        let (held, sold) = (self.held.load(Relaxed), self.sold.load(Relaxed));
        // One may hear that he has a unit before another hears that it was given back.
        let held = held.min((self.stock - sold).max(0));
        Sample { left: (self.stock - sold - held).max(0), held, sold }
    }

    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn line(&self) -> String {
        let Sample { left, held, sold } = self.now();
        let refused: Vec<String> =
            self.refusals().iter().map(|(why, count)| format!("{why} {}", grouped(*count as i64))).collect();
        let refused = if refused.is_empty() { "nobody".to_owned() } else { refused.join(", ") };
        let [left, held, sold] = [left, held, sold].map(grouped);
        format!("left {left:>7}  held {held:>6}  sold {sold:>7}  refused: {refused}")
    }

    /// Shows the figures while `work` runs.
    pub fn show<T>(&self, shop: &'static str, work: impl FnOnce() -> T) -> T {
        let (bar, over) = (progress::line(shop), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    self.look(&bar);
                    sleep(EVERY);
                }
            });
            let done = work();
            over.store(true, Relaxed);
            self.look(&bar);
            bar.finish();
            done
        })
    }

    fn look(&self, bar: &ProgressBar) {
        bar.set_message(self.line());
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(self.now());
    }
}

/// Calls `then` when so many steps are done, or not at all where the work ends before.
pub fn at<T>(bar: &ProgressBar, part: u64, over: &AtomicBool, then: impl FnOnce() -> T) -> Option<T> {
    let start = Instant::now();
    while bar.position() < part && !over.load(Relaxed) && start.elapsed() < Duration::from_secs(600) {
        sleep(Duration::from_millis(5));
    }
    (!over.load(Relaxed)).then(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_holds_end_by_themselves_and_the_parts_are_the_stock() {
        let live = Live::new(10);
        let now = Instant::now();
        live.held(4);
        live.abandoned(4, now);
        live.held(3);
        live.abandoned(3, now + Duration::from_secs(600));
        let Sample { left, held, sold } = live.now();
        assert_eq!((left, held, sold), (7, 3, 0));
        live.held(7);
        live.ended(7, 7);
        live.held(2);
        let Sample { left, held, sold } = live.now();
        assert_eq!((left, held, sold), (0, 3, 7), "no more is held than there is");
        live.ended(0, 4);
        let Sample { left, held, sold } = live.now();
        assert_eq!((left, held, sold), (0, 0, 11), "what was sold too much is shown");
    }
}
