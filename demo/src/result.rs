//! What the sale came to, in one line, beside the naive shop.

use std::time::Duration;

use crate::naive::Naive;
use crate::report::grouped;

pub struct Outcome {
    pub orders: u64,
    pub units: i64,
    /// Connections that broke under the buyers.
    pub broken: u64,
    /// How long the server was away that was killed, if it was.
    pub away: Option<Duration>,
    pub oversold: i64,
    pub lost: i64,
    pub over_limit: u64,
    pub naive: Option<Naive>,
}

impl Outcome {
    /// The line to forward.
    pub fn line(&self) -> String {
        let killed = match self.away {
            Some(away) => format!(", Redis killed once and back after {:.1} s", away.as_secs_f64()),
            None => String::new(),
        };
        let mut line = format!(
            "{} orders, {} units, {} broken connections{killed}: {} oversold, {} lost, {} over their limit",
            grouped(self.orders as i64),
            grouped(self.units),
            grouped(self.broken as i64),
            grouped(self.oversold),
            grouped(self.lost),
            grouped(self.over_limit as i64),
        );
        if let Some(naive) = &self.naive {
            line += &format!(
                "; the naive shop, not killed: {} oversold, {} lost, {} buyers over their limit",
                grouped(naive.oversold),
                grouped(naive.lost),
                grouped(naive.over_limit as i64),
            );
        }
        line
    }
}
