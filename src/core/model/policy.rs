//! A pool's whole policy, as SETPOLICY replaces it.

use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Cap, Identity, Missing, Overrides};
use crate::core::model::sale::Schedule;
use crate::core::model::zone::Tz;

/// One limit of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLimit {
    /// What tells it from the others.
    pub identity: Identity,
    /// By which clock its windows begin and end.
    pub tz: Tz,
    /// What happens without its dimensions.
    pub missing: Missing,
    /// What holds where no override does.
    pub base: Cap,
    /// What is different for some values.
    pub overrides: Overrides,
}

/// A policy; `None` stands for the server's default of the moment at which it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long a hold lasts, ms.
    pub hold_ms: Option<i64>,
    /// How long released and expired orders are remembered, ms.
    pub retain_ms: Option<i64>,
    /// How long confirmed and returned orders are remembered, ms.
    pub retain_paid_ms: Option<i64>,
    /// Units that are never sold.
    pub safety: i64,
    /// The `low` edge; 0 = off.
    pub alert: i64,
    /// The events stream.
    pub events: Option<Bytes>,
    /// Entries have one field, with the event as JSON, in place of a field for each value.
    pub packed_events: bool,
    /// The sale window.
    pub schedule: Schedule,
    /// Dimensions whose values orders keep although no limit counts them: sorted by name.
    pub remember: Vec<Bytes>,
    /// The limits, in order, no identity twice.
    pub limits: Vec<PolicyLimit>,
}
