//! When a pool sells: its sale window, and how far that was announced.

use crate::core::model::refusal::Refusal;

/// A sale window; `None` = no bound on that side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The sale opens, Unix ms.
    pub from_ms: Option<i64>,
    /// The sale has ended, Unix ms; later than `from_ms`.
    pub until_ms: Option<i64>,
}

impl Schedule {
    /// Whether it begins before it ends.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.from_ms.zip(self.until_ms).is_none_or(|(from_ms, until_ms)| from_ms < until_ms)
    }

    /// Whether units can be taken anew at this time.
    ///
    /// # Errors
    /// [`Refusal::Early`], [`Refusal::Ended`].
    pub fn check(&self, now_ms: i64) -> Result<(), Refusal> {
        match (self.from_ms, self.until_ms) {
            (Some(from_ms), _) if now_ms < from_ms => Err(Refusal::Early { from_ms }),
            (_, Some(until_ms)) if now_ms >= until_ms => Err(Refusal::Ended { until_ms }),
            _ => Ok(()),
        }
    }

    /// Where the sale stands at this time.
    #[must_use]
    pub fn phase(&self, now_ms: i64) -> SalePhase {
        match self.check(now_ms) {
            Err(Refusal::Early { .. }) => SalePhase::Early,
            Err(_) => SalePhase::Ended,
            Ok(()) => SalePhase::Open,
        }
    }
}

/// Where a sale stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SalePhase {
    /// Before `from_ms`.
    Early = 0,
    /// Units can be taken.
    #[default]
    Open = 1,
    /// At or after `until_ms`.
    Ended = 2,
}

impl SalePhase {
    /// The phase with this number in the encoding.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Early,
            1 => Self::Open,
            2 => Self::Ended,
            _ => return None,
        })
    }
}

/// The sale window of a pool that has one, and the phase that was announced last. Calls are judged
/// by the clock; the announced phase only says what is still to be announced, so that each opening
/// and each end is announced once, also when the clock steps back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// The window.
    pub schedule: Schedule,
    /// What was announced last.
    pub announced: SalePhase,
}

impl Sale {
    /// The phase that is to be announced now, if there is one. After a long silence there may be a
    /// second one behind it.
    #[must_use]
    pub fn due(&self, now_ms: i64) -> Option<SalePhase> {
        let next_ms = self.next_ms()?;
        let next = if self.announced == SalePhase::Early { SalePhase::Open } else { SalePhase::Ended };
        (now_ms >= next_ms).then_some(next)
    }

    /// When the next phase is to be announced, Unix ms.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        match self.announced {
            SalePhase::Early => Some(self.schedule.from_ms.unwrap_or(0)),
            SalePhase::Open => self.schedule.until_ms,
            SalePhase::Ended => None,
        }
    }

    /// The same sale with another window. An opening or an end that this brings about is announced
    /// next; that a sale is to come is not.
    #[must_use]
    pub fn rescheduled(&self, schedule: Schedule, now_ms: i64) -> Self {
        let announced = match (self.announced, schedule.phase(now_ms)) {
            (before, after) if before == after => before,
            (_, SalePhase::Early | SalePhase::Open) => SalePhase::Early,
            (_, SalePhase::Ended) => SalePhase::Open,
        };
        Self { schedule, announced }
    }
}
