//! What one call has changed, for the shell to replicate, signal and announce after the change.

use super::host::Handle;
use crate::core::change::{Edges, Kind};

/// The kinds of answers that are counted for `INFO stock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Answer {
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

impl Answer {
    /// Every counted answer with its name in `INFO stock`.
    pub const NAMES: [(Answer, &'static str); 19] = [
        (Answer::Reserved, "reserved"),
        (Answer::Confirmed, "confirmed"),
        (Answer::Late, "late"),
        (Answer::Released, "released"),
        (Answer::Amended, "amended"),
        (Answer::Extended, "extended"),
        (Answer::Returned, "returned"),
        (Answer::Exists, "exists"),
        (Answer::SoldOut, "soldout"),
        (Answer::Limited, "limited"),
        (Answer::Closed, "closed"),
        (Answer::Expired, "expired"),
        (Answer::AlreadyConfirmed, "already_confirmed"),
        (Answer::StillReserved, "still_reserved"),
        (Answer::Suspended, "suspended"),
        (Answer::NoOrder, "noorder"),
        (Answer::Unknown, "unknown"),
        (Answer::NoPool, "nopool"),
        (Answer::Error, "error"),
    ];
    /// How many kinds there are, `Other` included.
    pub const COUNT: usize = 20;
}

/// One change of a pool, as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub kind: Kind,
    /// Which edges of availability it crossed.
    pub edges: Edges,
}

/// What happened to one pool in this call.
#[derive(Debug)]
pub struct Changed {
    /// Which pool.
    pub handle: Handle,
    /// The effect, resolved and encoded (`core::codec::effect`): what goes to the log and the replicas.
    pub effect: Vec<u8>,
    /// The changes in the order in which they happened.
    pub notes: Vec<Note>,
}

/// How large a buffer may stay from call to call.
const KEPT_BYTES: usize = 16 * 1024;

/// What one call has changed. Buffers are kept from call to call.
#[derive(Debug, Default)]
pub struct Journal {
    changed: Vec<Changed>,
    live: usize,
    /// What was answered, for the totals.
    pub answer: Option<Answer>,
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
    pub text: Vec<u8>,
}

impl Journal {
    /// Forgets the last call.
    pub fn clear(&mut self) {
        for changed in self.changed.iter_mut().take(self.live) {
            // One large call should not hold its memory for ever.
            changed.effect.clear();
            changed.effect.shrink_to(KEPT_BYTES);
            changed.notes.clear();
            changed.notes.shrink_to(KEPT_BYTES);
        }
        self.live = 0;
        self.answer = None;
        self.verbatim = false;
        self.effects_skipped = false;
        self.divergences = 0;
        self.published = 0;
        self.dropped = 0;
        self.text.shrink_to(KEPT_BYTES);
    }

    /// The pools that this call changed, in the order of their first change.
    #[must_use]
    pub fn changed(&self) -> &[Changed] {
        self.changed.get(..self.live).unwrap_or(&[])
    }

    /// The record of one pool, made where it is missing.
    pub fn of(&mut self, handle: Handle) -> &mut Changed {
        let live = self.live;
        let at = self.changed.iter().take(live).position(|c| c.handle == handle);
        let at = at.unwrap_or_else(|| {
            if let Some(spare) = self.changed.get_mut(live) {
                spare.handle = handle;
                spare.effect.clear();
                spare.notes.clear();
            } else {
                self.changed.push(Changed { handle, effect: Vec::new(), notes: Vec::new() });
            }
            self.live = live.saturating_add(1);
            live
        });
        #[allow(clippy::indexing_slicing, reason = "`at` is below `live`, which is at most the length")]
        &mut self.changed[at]
    }
}
