//! What a pool says of its shifts.

use crate::core::model::pool::Pool;
use crate::core::model::shifts::Shifts;

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

    /// The bytes that they take.
    pub(in crate::core) fn shifts_bytes(&self) -> usize {
        self.shifts.as_ref().map_or(0, |shifts| size_of::<Shifts>().saturating_add(shifts.bytes()))
    }
}
