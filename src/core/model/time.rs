//! Time as a parameter: nothing in here reads a clock.

/// The furthest deadline from now: 3,650 days, in ms.
pub const MAX_AHEAD_MS: i64 = 315_360_000_000;
/// The largest number of seconds that a policy, a window or an option may name (3,650 days).
pub const MAX_SECONDS: i64 = 315_360_000;
/// The furthest time offset from UTC, in minutes.
pub const MAX_OFFSET_MIN: i32 = 18 * 60;

/// Memory of what is over is kept for this much longer, so that a step back of the clock by up to
/// as much changes no answer.
pub const SLACK_MS: i64 = 60_000;

/// The time of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Unix time in ms.
    pub now_ms: i64,
    /// No hold is due: just after a promotion or restart, so that confirmations lost with the old
    /// primary can be repeated, or while the operator has paused expiry.
    pub grace: bool,
}

impl Clock {
    /// A clock outside any grace.
    #[must_use]
    pub const fn at(now_ms: i64) -> Self {
        Self { now_ms, grace: false }
    }

    /// Whether a hold with this deadline is over.
    #[must_use]
    pub const fn is_due(self, deadline_ms: i64) -> bool {
        !self.grace && self.now_ms >= deadline_ms
    }
}
