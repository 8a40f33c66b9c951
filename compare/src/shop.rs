//! What a design must do, and what happens to it between its round trips.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::buyers::{Fault, FaultKind, Order};

/// A lock that is not given back ends by itself after this time. In production ten seconds and
/// more; here all times are shortened alike.
pub const LOCK_LIVES: Duration = Duration::from_secs(1);
/// How long a frozen process stands still.
pub const FREEZE: Duration = Duration::from_millis(1_300);
/// A call that has not got its turn by then is given up, and the buyer told to come later.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The shop's answer to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The units are held for the buyer.
    Held,
    /// Sold out, or the buyer has reached the limit.
    Refused,
    /// The shop cannot say: come later.
    Unanswered,
}

/// Why a call ended without an answer.
#[derive(Debug)]
pub enum Stop {
    /// The application died: whatever it remembered is gone.
    Died,
    /// The database took another transaction's side (a deadlock): the same once more.
    Conflict,
    /// The comparison itself fails.
    Failed(anyhow::Error),
}

impl From<redis::RedisError> for Stop {
    fn from(error: redis::RedisError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        // serialization_failure and deadlock_detected; MariaDB gives a deadlock the first of them.
        if ["40001", "40P01"].contains(&code.as_str()) {
            return Self::Conflict;
        }
        Self::Failed(error.into())
    }
}

/// One try of the application at one call: it dies or freezes where the buyers' plan says.
#[derive(Default)]
pub struct Trips {
    made: u32,
    fault: Option<Fault>,
}

impl Trips {
    pub fn with(fault: Option<Fault>) -> Self {
        Self { made: 0, fault }
    }

    /// A round trip is done. Each design says so behind each of its own.
    pub async fn trip(&mut self) -> Result<(), Stop> {
        self.made += 1;
        if self.fault.is_some_and(|fault| fault.trip == self.made) {
            return self.strike().await;
        }
        Ok(())
    }

    /// The work is done, and the answer on its way.
    pub async fn end(&mut self) -> Result<(), Stop> {
        self.strike().await
    }

    async fn strike(&mut self) -> Result<(), Stop> {
        match self.fault.take().map(|fault| fault.kind) {
            Some(FaultKind::Dies) => Err(Stop::Died),
            Some(FaultKind::Freezes) => {
                tokio::time::sleep(FREEZE).await;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// What a design promises to answer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Stop>>;

/// A design. `desk` is the number of the connection, where each of them has its own.
pub trait Shop: Send + Sync {
    /// Takes the units of the order and holds them. The same order again answers what became of it.
    fn reserve<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict>;

    /// Books the payment. True: the buyer gets the goods. The same again answers the same.
    fn pay<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, bool>;

    /// Gives the units of a held order back.
    fn cancel<'a>(&'a self, desk: usize, order: &'a Order) -> Answer<'a, ()>;

    /// The nightly correction: so many units are not there.
    fn correct(&self, missing: i64) -> Answer<'_, ()>;

    /// The background task, which runs every 50 ms: gives units of abandoned orders back.
    fn sweep(&self) -> Answer<'_, ()>;

    /// How many units the shop would still sell.
    fn left(&self) -> Answer<'_, i64>;
}
