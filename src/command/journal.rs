//! What one call has changed. The shell replicates, signals and announces it afterwards.

use super::host::Handle;
use super::refusal::Outcome;
use crate::core::codec::effect::Common;
use crate::core::codec::Damage;
use crate::core::model::attributes::RecentNames;
use crate::core::model::change::{Kind, Transitions};
use crate::core::model::ids::Bytes;
use crate::core::model::number::{LimitId, LimitIndex};
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;

/// One change of a pool, to be announced as keyspace events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub kind: Kind,
    /// The availability transitions that it caused.
    pub transitions: Transitions,
}

/// What this call has changed in one pool.
#[derive(Debug)]
pub struct PoolChanges {
    /// Which pool.
    pub handle: Handle,
    /// The effect, resolved and encoded (`core::codec::effect`), for replication.
    pub effect: Vec<u8>,
    /// What the reservations in it have in common, where [`Journal::alike`] says so.
    pub common: Common,
    /// The changes in the order in which they happened.
    pub notifications: Vec<Notification>,
}

/// The pool that refused a call, and by what.
#[derive(Debug)]
pub struct Refused {
    /// Which pool.
    pub handle: Handle,
    /// The id of the limit that is reached.
    pub limit: Option<LimitId>,
    /// The dimension that the call lacked.
    pub lacked: Option<Bytes>,
}

impl Refused {
    /// What of a refusal is counted by name.
    #[must_use]
    pub fn of(handle: Handle, pool: &Pool, refusal: &Refusal) -> Self {
        let at = |index: LimitIndex| pool.limits().get(index);
        let (limit, lacked) = if let Refusal::Limited { limit, .. } = refusal {
            (at(*limit).map(|limit| limit.id), None)
        } else if let Refusal::NoDim { limit, dim } = refusal {
            (None, at(*limit).and_then(|limit| limit.identity.dims.get(*dim).cloned()))
        } else {
            (None, None)
        };
        Self { handle, limit, lacked }
    }
}

/// What of replication could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// An effect: what it changes is missing here.
    Effect(Unreadable),
    /// A piece of a pool: the pool is missing here.
    Piece(Unreadable),
}

/// Why it could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has the encoding of a newer module.
    Version(i32),
    /// It has what this module does not know, is damaged, or continues nothing that is here.
    Damage(Damage),
}

impl Unreadable {
    /// Its arguments are none that this module knows.
    pub const FORM: Self = Self::Damage(Damage("its arguments are of no known form"));
}

/// One answer of a call that has several.
#[derive(Debug)]
pub struct Answer {
    /// Its outcome.
    pub outcome: Outcome,
    /// Which pool refused, and by what.
    pub refused: Option<Refused>,
}

/// The most bytes of a buffer that stay allocated after a call.
const KEPT_BYTES: usize = 16 * 1024;
/// The most room for notifications that stays for the next call.
const KEPT_NOTIFICATIONS: usize = 256;

/// What one call has changed. Buffers are kept from call to call.
#[derive(Debug, Default)]
pub struct Journal {
    changed: Vec<PoolChanges>,
    used: usize,
    /// The outcome of the call, for the totals.
    pub outcome: Option<Outcome>,
    /// Which pool refused the call.
    pub refused: Option<Refused>,
    /// The answers of a call that has several: each counts as that of a call. Empty for all others.
    pub answers: Vec<Answer>,
    /// The call itself is replicated as it came (commands of replication).
    pub verbatim: bool,
    /// All reservations of the call have the same dimensions, which the effect then names once.
    pub alike: bool,
    /// There is no replication consumer: effects are not encoded.
    pub effects_skipped: bool,
    /// Effects that did not fit their pool.
    pub divergences: u64,
    /// Holds that have expired.
    pub expired: u64,
    /// What could not be read, which is one of the divergences.
    pub unread: Option<Unread>,
    /// Entries that were appended to event streams.
    pub published: u64,
    /// Entries that a stream did not take.
    pub dropped: u64,
    /// Buffer for a text of an entry: the attributes, or what a change of policy changes.
    pub entry_text: Vec<u8>,
    /// What FOR named last. Not of one call: it only makes the next one faster.
    pub recent_names: RecentNames,
}

impl Journal {
    /// Clears it for the next call.
    #[inline]
    pub fn clear(&mut self) {
        for changed in self.changed.iter_mut().take(self.used) {
            // One large call should not keep its memory for ever.
            changed.effect.clear();
            changed.effect.shrink_to(KEPT_BYTES);
            changed.notifications.clear();
            changed.notifications.shrink_to(KEPT_NOTIFICATIONS);
        }
        self.used = 0;
        self.outcome = None;
        self.refused = None;
        self.answers.clear();
        self.verbatim = false;
        self.alike = false;
        self.effects_skipped = false;
        self.divergences = 0;
        self.unread = None;
        self.expired = 0;
        self.published = 0;
        self.dropped = 0;
        self.entry_text.shrink_to(KEPT_BYTES);
    }

    /// Ends one of several answers, whose outcome and refusal are those noted since the last one.
    pub fn end_answer(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Outcome::Other);
        self.answers.push(Answer { outcome, refused: self.refused.take() });
    }

    /// The pools that this call changed, in the order of their first change.
    #[must_use]
    pub fn changed(&self) -> &[PoolChanges] {
        self.changed.get(..self.used).unwrap_or(&[])
    }

    /// Forgets what the call has changed: nothing of it is replicated, signalled or announced.
    pub const fn forget_changes(&mut self) {
        self.used = 0;
    }

    /// The changes of one pool, empty if there are none yet.
    pub fn changes_of(&mut self, handle: Handle) -> &mut PoolChanges {
        let used = self.used;
        let at = self.changed.iter().take(used).position(|c| c.handle == handle);
        let at = at.unwrap_or_else(|| {
            if let Some(spare) = self.changed.get_mut(used) {
                spare.handle = handle;
                spare.effect.clear();
                spare.common.clear();
                spare.notifications.clear();
            } else {
                let common = Common::default();
                self.changed.push(PoolChanges { handle, effect: Vec::new(), common, notifications: Vec::new() });
            }
            self.used = used.saturating_add(1);
            used
        });
        #[allow(clippy::indexing_slicing, reason = "`at` is below `used`, which is at most the length")]
        &mut self.changed[at]
    }
}
