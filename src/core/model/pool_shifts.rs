//! What a pool says of its shifts.

use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::shifts::{Shifted, Shifts, MAX_SHIFTS};

impl Pool {
    /// What has shifted between this pool and its peers; `None` = nothing.
    #[must_use]
    pub fn shifts(&self) -> Option<&Shifts> {
        self.shifts.as_deref()
    }

    /// Units received from peers less units sent to them: what of on_hand the database does not
    /// know as this pool's.
    #[must_use]
    pub fn shifted_units(&self) -> i64 {
        self.shifts.as_ref().and_then(|shifts| shifts.net_units()).unwrap_or(0)
    }

    /// Whether the pool has room for it: lanes, and sums within ±(2^53 - 1).
    ///
    /// # Errors
    /// [`Bound::Shifts`], [`Bound::Sum`].
    pub(in crate::core) fn check_shift(&self, shifted: &Shifted<'_>) -> Result<(), Refusal> {
        let shifts = self.shifts();
        if shifts.is_some_and(|shifts| shifts.len() >= MAX_SHIFTS && shifts.get(&shifted.lane()).is_none()) {
            return Err(Refusal::Bound(Bound::Shifts));
        }
        let units = shifted.units(shifts);
        let net = match &shifted.quota {
            Some(quota) => shifts.map_or(Some(0), |shifts| shifts.net_quota(&quota.text, &quota.value)),
            None => {
                self.check_sums(&SumDeltas { on_hand: units, ..SumDeltas::default() })?;
                shifts.map_or(Some(0), Shifts::net_units)
            }
        };
        net.and_then(|net| sum(net, units)).map(|_| ()).ok_or(Refusal::Bound(Bound::Sum))
    }

    /// The bytes that they take.
    pub(in crate::core) fn shifts_bytes(&self) -> usize {
        self.shifts.as_ref().map_or(0, |shifts| size_of::<Shifts>().saturating_add(shifts.bytes()))
    }
}
