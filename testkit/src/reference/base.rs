//! Words, bounds and a cheap copy: what everything here stands on.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::reply::Reply;

/// 2^53 - 1: the largest quantity, and the bound of every sum.
pub const MAX_QTY: i128 = 9_007_199_254_740_991;
/// 3,650 days.
pub(super) const MAX_AHEAD_MS: i128 = 3650 * 86_400_000;
/// How far the clock may step back before what was over may be gone for good.
pub(super) const SLACK_MS: i128 = 60_000;
pub(super) const MAX_SECONDS: i128 = 315_360_000;
/// How many due holds a write returns before it does its own work.
pub(super) const DUE_PER_WRITE: usize = 128;

pub(super) type Bytes = Vec<u8>;
/// Order ids, and the values of a limit's dimensions, as keys of maps that are copied all the time.
pub(super) type Id = Rc<[u8]>;
pub(super) type Values = Rc<[Bytes]>;
pub(super) type Attributes = BTreeMap<Bytes, Bytes>;
/// `Err` is a reply as well: a refusal or an error, after which nothing is changed.
pub(super) type Answer = Result<Reply, Reply>;

/// A value that copies share until one of them changes it: copies of pools are what this model is
/// made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shared<T>(Rc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Shared(Rc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}
