//! Every change of a pool, fully resolved: the next state follows from state, change and time.

use smallvec::SmallVec;

use crate::core::model::attributes::Attributes;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Cap, Identity, Missing};
use crate::core::model::number::{LimitId, LimitIndex, OrderRow};
use crate::core::model::order::ReturnContent;
use crate::core::model::placement::Placement;
use crate::core::model::policy::Policy;
use crate::core::model::sale::Schedule;
use crate::core::model::shifts::Shifted;
use crate::core::model::zone::Tz;
use crate::core::store::index::IndexPosition;

/// What is on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHand {
    /// So many units; may be negative.
    Units(i64),
    /// Not counted.
    Unlimited,
}

/// An order's id with the result of looking it up, so that a call searches for it once.
#[derive(Clone, Copy, Debug)]
pub struct OrderRef<'a> {
    /// The caller's id.
    pub id: &'a [u8],
    /// Its keyed hash.
    pub hash: u64,
    /// Row of the order; also set when its retention has passed and the row is not purged yet.
    pub row: Option<OrderRow>,
    /// Where the search for it ended: there a new row goes into the index.
    pub position: IndexPosition,
}

/// In which window the limit with this id counts an order anew.
pub type Recount = SmallVec<[(LimitId, i64); 4]>;

/// One limit, or one override of it, as it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSet {
    /// Which limit.
    pub identity: Identity,
    /// The clock of its windows, where it was given (always for a new limit).
    pub tz: Option<Tz>,
    /// What to do without a dimension, where it was given (always for a new limit).
    pub missing: Option<Missing>,
    /// For these values only.
    pub pattern: Option<Bytes>,
    /// How much is allowed.
    pub cap: Cap,
}

/// How many rows are purged of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Finished orders, from the one that was forgotten first.
    pub orders: u32,
    /// Tokens of ADD and TRANSFER, from the oldest.
    pub tokens: u32,
    /// Usage entries of removed limits.
    pub orphaned: u32,
    /// Usage entries of past windows: (which limit, how many), each limit at most once.
    pub pruned: SmallVec<[(LimitIndex, u32); 4]>,
}

impl Purged {
    /// Whether it frees nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many records it frees.
    #[must_use]
    pub fn total(&self) -> u32 {
        let pruned: u32 = self.pruned.iter().map(|&(_, n)| n).sum();
        self.orders.saturating_add(self.tokens).saturating_add(self.orphaned).saturating_add(pruned)
    }
}

/// A change of a pool.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, on the stack")]
pub enum Change<'a> {
    /// Of one order.
    Order(OrderRef<'a>, OrderChange<'a>),
    /// Of the pool as a whole.
    Pool(PoolChange<'a>),
    /// Rows past their retention are purged. Not announced: nothing changes that a caller can see.
    Purged(Purged),
    /// Limits with a named zone count in these windows from now on. Not announced.
    Resolved(ResolvedWindows),
    /// Limits get back what a forgotten order had counted. Not announced: the return behind it is.
    Credited(Credit<'a>),
}

/// Units of a forgotten order that some limits get back.
#[derive(Clone, Debug)]
pub struct Credit<'a> {
    /// How many.
    pub qty: i64,
    /// Who had bought them, as the caller says.
    pub attributes: &'a Attributes<'a>,
    /// The ids of the limits.
    pub limits: SmallVec<[LimitId; 4]>,
}

/// Windows as the primary reckons them: the limit's id, beginning and end in Unix ms.
pub type ResolvedWindows = SmallVec<[(LimitId, i64, i64); 4]>;

/// A change of one order.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, on the stack")]
pub enum OrderChange<'a> {
    /// Units are held for an order that the pool did not know.
    Reserved {
        /// What becomes its row.
        placement: Placement<'a>,
        /// Unix ms.
        deadline_ms: i64,
        /// Units that the order whose place it takes gave up in the same step.
        given_up: i64,
    },
    /// A hold has a new total.
    Amended {
        /// The new total.
        qty: i64,
        /// On the way up all of it is counted anew.
        recount: Option<Recount>,
    },
    /// Units leave a hold for another order in the same step.
    Parted {
        /// The new total.
        qty: i64,
    },
    /// Units that left another hold in the same step are held for an order that the pool did not
    /// know, with the deadline and the attributes of that hold.
    Split {
        /// The order that held them.
        from: OrderRef<'a>,
        /// Units.
        qty: i64,
    },
    /// A hold has a later deadline.
    Extended {
        /// Unix ms.
        deadline_ms: i64,
    },
    /// A hold is paid.
    Confirmed {
        /// Units sold; the rest of the hold is returned to stock.
        qty: i64,
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// An expired order is paid after all.
    Late {
        /// Units taken and sold.
        qty: i64,
        /// Where it counts.
        recount: Recount,
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// An order that the pool did not know is paid.
    LatePlaced {
        /// What becomes its row; all that was asked for is taken and sold.
        placement: Placement<'a>,
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// A hold is given up; or an expired order is closed for good.
    Released {
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// A hold is given up for an order that takes units in the same step.
    Replaced {
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// A release that came before its order, which is refused from then on.
    Cancelled {
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// A hold has expired.
    Expired {
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// Paid units come back, of a confirmed order or of one made by an unverified return.
    Returned {
        /// The caller's token.
        token: Option<&'a [u8]>,
        /// How much, and what happens to it.
        content: ReturnContent,
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
    /// Paid units of a forgotten order come back.
    UnverifiedReturn {
        /// The caller's token.
        token: &'a [u8],
        /// How much, and what happens to it.
        content: ReturnContent,
        /// End of its retention, Unix ms.
        forget_ms: i64,
    },
}

/// A change of the pool as a whole.
#[derive(Clone, Debug)]
pub enum PoolChange<'a> {
    /// The first of every pool: it takes its salt with it.
    Created {
        /// The pool's secret.
        salt: u64,
        /// What is on the shelf.
        on_hand: OnHand,
    },
    /// on_hand is corrected.
    Set(OnHand),
    /// A restock or a write-off.
    Added {
        /// Units, not 0.
        delta: i64,
        /// The caller's token, and from when it is forgotten, Unix ms.
        token: Option<(&'a [u8], i64)>,
    },
    /// Units come from another pool, or go to it, in the same step as its change.
    Transferred {
        /// Units, not 0: negative where they go.
        delta: i64,
        /// The caller's token, and from when it is forgotten, Unix ms.
        token: (&'a [u8], i64),
        /// The key of the other pool.
        peer: &'a [u8],
    },
    /// on_hand is reconciled with the database.
    Reconciled {
        /// Units in the database, less what moved here and has not reached it.
        on_hand: i64,
    },
    /// Nothing more is taken.
    Suspended,
    /// Units are taken again.
    Resumed,
    /// The whole policy is replaced.
    Policy(Box<Policy>),
    /// A limit or an override is set.
    LimitSet(Box<LimitSet>),
    /// A limit is removed with its usage, or one override of it.
    LimitRemoved {
        /// Which limit.
        id: LimitId,
        /// Only this override.
        pattern: Option<Bytes>,
    },
    /// The sale window is set.
    Scheduled(Schedule),
    /// The sale has opened.
    Opened,
    /// The sale has ended.
    Ended,
    /// Units, or a quota of a limit, have left for another pool or come from one.
    Shifted(Box<Shifted<'a>>),
}

/// A change as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `reserved`
    Reserved,
    /// `amended`
    Amended,
    /// `extended`
    Extended,
    /// `confirmed`
    Confirmed,
    /// `late`
    Late,
    /// `released`
    Released,
    /// `cancelled`
    Cancelled,
    /// `expired`
    Expired,
    /// `returned`
    Returned,
    /// `set`
    Set,
    /// `added`
    Added,
    /// `transferred`
    Transferred,
    /// `reconciled`
    Reconciled,
    /// `policy`
    Policy,
    /// `suspended`
    Suspended,
    /// `resumed`
    Resumed,
    /// `opened`
    Opened,
    /// `ended`
    Ended,
    /// `shifted`
    Shifted,
}

impl Kind {
    /// The type of its entry in an event stream.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Amended => "amended",
            Self::Extended => "extended",
            Self::Confirmed => "confirmed",
            Self::Late => "late",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Returned => "returned",
            Self::Set => "set",
            Self::Added => "added",
            Self::Transferred => "transferred",
            Self::Reconciled => "reconciled",
            Self::Policy => "policy",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Opened => "opened",
            Self::Ended => "ended",
            Self::Shifted => "shifted",
        }
    }

    /// The keyspace notification, as the server wants it.
    #[must_use]
    pub const fn event(self) -> &'static std::ffi::CStr {
        match self {
            Self::Reserved => c"stock.reserve",
            Self::Amended => c"stock.amend",
            Self::Extended => c"stock.extend",
            Self::Confirmed => c"stock.confirm",
            Self::Late => c"stock.late",
            Self::Released => c"stock.release",
            Self::Cancelled => c"stock.cancel",
            Self::Expired => c"stock.expire",
            Self::Returned => c"stock.return",
            Self::Set => c"stock.set",
            Self::Added => c"stock.add",
            Self::Transferred => c"stock.transfer",
            Self::Reconciled => c"stock.reconcile",
            Self::Policy => c"stock.policy",
            Self::Suspended => c"stock.suspend",
            Self::Resumed => c"stock.resume",
            Self::Opened => c"stock.open",
            Self::Ended => c"stock.ended",
            Self::Shifted => c"stock.shift",
        }
    }
}

/// An availability transition that applications wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// From above 0 to 0.
    SoldOut,
    /// From 0 to above.
    Restocked,
    /// From above the alert to the alert or less.
    Low,
}

/// The edges that one change crossed: a large step down may cross two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    /// Whether there is any stock at all.
    pub stock: Option<Transition>,
    /// Whether it fell to the alert.
    pub low: Option<Transition>,
}

impl Transitions {
    /// The edges, the one that matters most first.
    pub fn iter(self) -> impl Iterator<Item = Transition> {
        [self.stock, self.low].into_iter().flatten()
    }
}

impl Transition {
    /// Its name in an entry of an event stream.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SoldOut => "soldout",
            Self::Restocked => "restocked",
            Self::Low => "low",
        }
    }

    /// The keyspace notification, as the server wants it.
    #[must_use]
    pub const fn event(self) -> &'static std::ffi::CStr {
        match self {
            Self::SoldOut => c"stock.soldout",
            Self::Restocked => c"stock.restock",
            Self::Low => c"stock.low",
        }
    }
}

impl<'a> Change<'a> {
    /// The order that it is about.
    #[must_use]
    pub const fn order(&self) -> Option<OrderRef<'a>> {
        match self {
            Self::Order(order, _) => Some(*order),
            Self::Pool(_) | Self::Purged(_) | Self::Resolved(_) | Self::Credited(_) => None,
        }
    }

    /// The caller's token, where it has one.
    #[must_use]
    pub const fn token(&self) -> Option<&'a [u8]> {
        match self {
            Self::Order(_, OrderChange::Returned { token, .. }) => *token,
            Self::Order(_, OrderChange::UnverifiedReturn { token, .. })
            | Self::Pool(
                PoolChange::Added { token: Some((token, _)), .. } | PoolChange::Transferred { token: (token, _), .. },
            ) => Some(token),
            Self::Order(..) | Self::Pool(_) | Self::Purged(_) | Self::Resolved(_) | Self::Credited(_) => None,
        }
    }

    /// The other pool of a transfer or a shift.
    #[must_use]
    pub const fn peer(&self) -> Option<&'a [u8]> {
        match self {
            Self::Pool(PoolChange::Transferred { peer, .. }) => Some(peer),
            Self::Pool(PoolChange::Shifted(shifted)) => Some(shifted.peer),
            Self::Order(..) | Self::Pool(_) | Self::Purged(_) | Self::Resolved(_) | Self::Credited(_) => None,
        }
    }

    /// How it is announced; `None` when nothing that a caller can see changes.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Order(_, change) => Some(change.kind()),
            Self::Pool(change) => Some(change.kind()),
            Self::Purged(_) | Self::Resolved(_) | Self::Credited(_) => None,
        }
    }
}

impl OrderChange<'_> {
    /// From when the order that it finishes is forgotten, Unix ms.
    #[must_use]
    pub const fn forget_ms(&self) -> Option<i64> {
        match self {
            Self::Reserved { .. }
            | Self::Amended { .. }
            | Self::Parted { .. }
            | Self::Split { .. }
            | Self::Extended { .. } => None,
            Self::Confirmed { forget_ms, .. }
            | Self::Late { forget_ms, .. }
            | Self::LatePlaced { forget_ms, .. }
            | Self::Released { forget_ms }
            | Self::Replaced { forget_ms }
            | Self::Cancelled { forget_ms }
            | Self::Expired { forget_ms }
            | Self::Returned { forget_ms, .. }
            | Self::UnverifiedReturn { forget_ms, .. } => Some(*forget_ms),
        }
    }

    /// How it is announced.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Reserved { .. } | Self::Split { .. } => Kind::Reserved,
            Self::Amended { .. } | Self::Parted { .. } => Kind::Amended,
            Self::Extended { .. } => Kind::Extended,
            Self::Confirmed { .. } => Kind::Confirmed,
            Self::Late { .. } | Self::LatePlaced { .. } => Kind::Late,
            Self::Released { .. } | Self::Replaced { .. } => Kind::Released,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Expired { .. } => Kind::Expired,
            Self::Returned { .. } | Self::UnverifiedReturn { .. } => Kind::Returned,
        }
    }
}

impl PoolChange<'_> {
    /// How it is announced.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Created { .. } | Self::Set(_) => Kind::Set,
            Self::Added { .. } => Kind::Added,
            Self::Transferred { .. } => Kind::Transferred,
            Self::Reconciled { .. } => Kind::Reconciled,
            Self::Suspended => Kind::Suspended,
            Self::Resumed => Kind::Resumed,
            Self::Policy(_) | Self::LimitSet(_) | Self::LimitRemoved { .. } | Self::Scheduled(_) => Kind::Policy,
            Self::Opened => Kind::Opened,
            Self::Ended => Kind::Ended,
            Self::Shifted(_) => Kind::Shifted,
        }
    }
}
