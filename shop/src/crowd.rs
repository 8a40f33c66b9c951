//! What is counted of a crowd of buyers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde_json::{json, Value};

/// The crowd that runs, or the last one.
#[derive(Default)]
pub struct Crowd {
    running: AtomicBool,
    /// How many come.
    pub buyers: AtomicU64,
    /// How many have gone.
    pub done: AtomicU64,
    /// Got units.
    pub held: AtomicU64,
    /// Paid for them.
    pub paid: AtomicU64,
    /// Left them in the cart.
    pub abandoned: AtomicU64,
    /// Got none.
    pub refused: AtomicU64,
    /// Lost their connection before the answer.
    pub broken: AtomicU64,
    /// Clicked twice.
    pub twice: AtomicU64,
    /// Without an answer, although they asked again and again.
    pub unserved: AtomicU64,
    /// A double click that took twice, or an answer that may not be.
    pub wrong: AtomicU64,
}

impl Crowd {
    /// Begins with so many buyers. False: another crowd is still there.
    pub fn begin(&self, buyers: u32) -> bool {
        if self.running.swap(true, Relaxed) {
            return false;
        }
        for count in self.counts() {
            count.1.store(0, Relaxed);
        }
        self.buyers.store(buyers.into(), Relaxed);
        true
    }

    /// All of them have gone.
    pub fn end(&self) {
        self.running.store(false, Relaxed);
    }

    fn counts(&self) -> [(&'static str, &AtomicU64); 10] {
        [
            ("buyers", &self.buyers),
            ("done", &self.done),
            ("held", &self.held),
            ("paid", &self.paid),
            ("abandoned", &self.abandoned),
            ("refused", &self.refused),
            ("broken", &self.broken),
            ("twice", &self.twice),
            ("unserved", &self.unserved),
            ("wrong", &self.wrong),
        ]
    }

    /// What the back office shows.
    pub fn figures(&self) -> Value {
        let counts = self.counts().into_iter().map(|(name, count)| (name.to_owned(), count.load(Relaxed).into()));
        let mut figures: serde_json::Map<String, Value> = counts.collect();
        figures.insert("running".into(), json!(self.running.load(Relaxed)));
        Value::Object(figures)
    }
}
