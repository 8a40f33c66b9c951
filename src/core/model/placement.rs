//! A new order from its decision to its row: decided once, written into the effect, read from it on
//! a replica, and applied.

use smallvec::SmallVec;

use crate::core::model::attributes::Attributes;
use crate::core::model::usage::{tuple_at, Joined, Share, TupleAt};

/// What is to be counted for a new order, in the order of the limits.
pub type Shares = SmallVec<[Share; 4]>;

/// A new order, decided.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// Units asked for.
    pub asked: i64,
    /// Units granted.
    pub qty: i64,
    /// Less was enough.
    pub partial: bool,
    /// When it was placed, Unix ms.
    pub placed_ms: i64,
    /// As sent.
    pub attributes: &'a Attributes<'a>,
    /// Keyed hash of the attributes.
    pub fingerprint: u64,
    /// Where it counts.
    pub shares: Shares,
    /// The tuples that do not stand among the attributes.
    pub joined: Joined,
}

impl<'a> Placement<'a> {
    /// What a call asks for, before anything is granted or counted.
    #[must_use]
    #[inline(always)]
    pub fn asked(attributes: &'a Attributes<'a>, qty: i64, partial: bool, placed_ms: i64) -> Self {
        let (shares, joined) = (Shares::new(), Joined::new());
        Self { asked: qty, qty: 0, partial, placed_ms, attributes, fingerprint: 0, shares, joined }
    }

    /// The tuple that a share counts.
    #[must_use]
    pub fn tuple(&self, at: TupleAt) -> &[u8] {
        tuple_at(self.attributes, &self.joined, at)
    }
}
