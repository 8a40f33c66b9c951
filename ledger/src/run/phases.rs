//! How long each step of a transaction took, in the log: `--log stock_ledger::run::phases=debug`.

use std::time::Instant;

/// The steps of one transaction, each with the time at which it ended.
pub struct Phases {
    began: Instant,
    ends: Vec<(&'static str, Instant)>,
}

impl Phases {
    /// The first step begins.
    pub fn begin() -> Phases {
        Phases { began: Instant::now(), ends: Vec::with_capacity(4) }
    }

    /// A step has ended, and the next one begins.
    pub fn end(&mut self, step: &'static str) {
        self.ends.push((step, Instant::now()));
    }

    /// Writes them down.
    pub fn log(&self, stream: &str, events: usize) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let mut before = self.began;
        let mut text = String::new();
        for (step, end) in &self.ends {
            text.push_str(&format!("{step} {:.1} ms, ", end.duration_since(before).as_secs_f64() * 1000.0));
            before = *end;
        }
        let all_ms = before.duration_since(self.began).as_secs_f64() * 1000.0;
        tracing::debug!(stream, events, "{text}in all {all_ms:.1} ms");
    }
}
