//! Waiting, and the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `probe` until it has something, for a minute at most.
#[track_caller]
pub fn poll<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    poll(what, || condition().then_some(()));
}

/// Unix time in ms, of the clock that the server reads too.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as i64
}

/// Lets the clock pass a deadline.
pub fn pass(deadline_ms: i64) {
    while now_ms() <= deadline_ms {
        std::thread::sleep(Duration::from_millis(1));
    }
}
