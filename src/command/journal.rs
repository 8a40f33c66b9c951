//! What one call has changed, for the shell to replicate, signal and announce after the change.

use super::host::Handle;
use crate::core::model::change::{Kind, Transitions};

/// The kinds of answers that are counted for `INFO stock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// Nothing that is counted (reads, settings).
    Other,
    /// Units were reserved.
    Reserved,
    /// A hold was confirmed.
    Confirmed,
    /// A hold was confirmed after its deadline.
    Late,
    /// A hold was released.
    Released,
    /// A hold was amended.
    Amended,
    /// A deadline was moved.
    Extended,
    /// Units were returned after payment.
    Returned,
    /// The same call had been made before.
    Exists,
    /// Not enough stock.
    SoldOut,
    /// A purchase limit was reached.
    Limited,
    /// The order is over.
    Closed,
    /// The hold was over.
    Expired,
    /// Paid already.
    AlreadyConfirmed,
    /// Not paid yet.
    StillReserved,
    /// The pool is suspended.
    Suspended,
    /// No such order.
    NoOrder,
    /// No such epoch.
    Unknown,
    /// No such pool.
    NoPool,
    /// The call was an error (CONFLICT, NODIM, ERR).
    Error,
}

impl Outcome {
    /// Every counted answer with its name in `INFO stock`.
    pub const NAMES: [(Outcome, &'static str); 19] = [
        (Outcome::Reserved, "reserved"),
        (Outcome::Confirmed, "confirmed"),
        (Outcome::Late, "late"),
        (Outcome::Released, "released"),
        (Outcome::Amended, "amended"),
        (Outcome::Extended, "extended"),
        (Outcome::Returned, "returned"),
        (Outcome::Exists, "exists"),
        (Outcome::SoldOut, "soldout"),
        (Outcome::Limited, "limited"),
        (Outcome::Closed, "closed"),
        (Outcome::Expired, "expired"),
        (Outcome::AlreadyConfirmed, "already_confirmed"),
        (Outcome::StillReserved, "still_reserved"),
        (Outcome::Suspended, "suspended"),
        (Outcome::NoOrder, "noorder"),
        (Outcome::Unknown, "unknown"),
        (Outcome::NoPool, "nopool"),
        (Outcome::Error, "error"),
    ];
    /// How many kinds there are, `Other` included.
    pub const COUNT: usize = 20;
}

/// One change of a pool, as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub kind: Kind,
    /// Which edges of availability it crossed.
    pub transitions: Transitions,
}

/// What happened to one pool in this call.
#[derive(Debug)]
pub struct PoolChanges {
    /// Which pool.
    pub handle: Handle,
    /// The effect, resolved and encoded (`core::codec::effect`): what goes to the log and the replicas.
    pub effect: Vec<u8>,
    /// The changes in the order in which they happened.
    pub notifications: Vec<Notification>,
}

/// How large a buffer may stay from call to call.
const KEPT_BYTES: usize = 16 * 1024;

/// What one call has changed. Buffers are kept from call to call.
#[derive(Debug, Default)]
pub struct Journal {
    changed: Vec<PoolChanges>,
    used: usize,
    /// What was answered, for the totals.
    pub outcome: Option<Outcome>,
    /// The call itself is what the log must hold (effect and load forms).
    pub verbatim: bool,
    /// Nobody listens to effects: they need not be written down.
    pub effects_skipped: bool,
    /// Effects that did not fit the state they were applied to.
    pub divergences: u64,
    /// Entries that were appended to event streams.
    pub published: u64,
    /// Entries that could not be.
    pub dropped: u64,
    /// The text of attributes, made anew for each entry.
    pub attributes_json: Vec<u8>,
}

impl Journal {
    /// Forgets the last call.
    pub fn clear(&mut self) {
        for changed in self.changed.iter_mut().take(self.used) {
            // One large call should not hold its memory for ever.
            changed.effect.clear();
            changed.effect.shrink_to(KEPT_BYTES);
            changed.notifications.clear();
            changed.notifications.shrink_to(KEPT_BYTES);
        }
        self.used = 0;
        self.outcome = None;
        self.verbatim = false;
        self.effects_skipped = false;
        self.divergences = 0;
        self.published = 0;
        self.dropped = 0;
        self.attributes_json.shrink_to(KEPT_BYTES);
    }

    /// The pools that this call changed, in the order of their first change.
    #[must_use]
    pub fn changed(&self) -> &[PoolChanges] {
        self.changed.get(..self.used).unwrap_or(&[])
    }

    /// The record of one pool, made where it is missing.
    pub fn changes_of(&mut self, handle: Handle) -> &mut PoolChanges {
        let used = self.used;
        let at = self.changed.iter().take(used).position(|c| c.handle == handle);
        let at = at.unwrap_or_else(|| {
            if let Some(spare) = self.changed.get_mut(used) {
                spare.handle = handle;
                spare.effect.clear();
                spare.notifications.clear();
            } else {
                self.changed.push(PoolChanges { handle, effect: Vec::new(), notifications: Vec::new() });
            }
            self.used = used.saturating_add(1);
            used
        });
        #[allow(clippy::indexing_slicing, reason = "`at` is below `used`, which is at most the length")]
        &mut self.changed[at]
    }
}
