//! Tokens of ADD and TRANSFER, so that a retried delivery is not booked twice.

use crate::core::model::hash::Salt;
use crate::core::model::ids::Bytes;
use crate::core::model::number::{Number, TokenRow};
use crate::core::store::index::Index;
use crate::core::store::list::{Linked, Links};
use crate::core::store::slab::Slab;
use crate::core::store::timeline::Timeline;

/// A token of ADD or TRANSFER with its content.
#[derive(Clone, Debug)]
pub struct AddToken {
    /// The caller's token.
    pub token: Bytes,
    /// Its delta.
    pub delta: i64,
    /// From when it is forgotten, Unix ms.
    pub forget_ms: i64,
    /// Of a transfer: the keyed hash of the other pool's key ([`Salt::peer`]).
    pub peer: Option<u64>,
    links: Links,
}

impl AddToken {
    /// One that is in no list yet.
    #[must_use]
    pub fn new(token: &[u8], delta: i64, forget_ms: i64, peer: Option<u64>) -> Self {
        Self { token: Bytes::new(token), delta, forget_ms, peer, links: Links::default() }
    }
}

impl Linked for Slab<AddToken> {
    type Row = TokenRow;
    fn links(&self, at: TokenRow) -> Links {
        self.at(at.get()).links
    }
    fn change_links(&mut self, at: TokenRow, change: impl FnOnce(Links) -> Links) {
        let token = self.at_mut(at.get());
        token.links = change(token.links);
    }
    fn time_ms(&self, at: TokenRow) -> i64 {
        self.at(at.get()).forget_ms
    }
}

/// The tokens of a pool.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    slab: Slab<AddToken>,
    index: Index,
    order: Timeline<TokenRow>,
    heap_bytes: usize,
}

impl Tokens {
    /// A token that was used before, also when it is over and only its memory is left.
    #[must_use]
    pub fn find(&self, salt: Salt, token: &[u8]) -> Option<(TokenRow, &AddToken)> {
        let at =
            self.index.find(salt.token(token), |at| self.slab.get(at).is_some_and(|t| t.token.as_slice() == token))?;
        self.slab.get(at).map(|t| (TokenRow::of(at), t))
    }

    /// Remembers one, in place of an older use of it.
    pub fn add(&mut self, salt: Salt, record: AddToken) {
        if let Some((at, _)) = self.find(salt, record.token.as_slice()) {
            self.remove(salt, at);
        }
        self.heap_bytes = self.heap_bytes.saturating_add(record.token.heap_bytes());
        let hash = salt.token(record.token.as_slice());
        let at = self.slab.insert(record);
        self.index.insert(hash, at);
        self.order.add(&mut self.slab, TokenRow::of(at));
    }

    fn remove(&mut self, salt: Salt, at: TokenRow) {
        self.order.remove(&mut self.slab, at);
        if let Some(record) = self.slab.remove(at.get()) {
            self.index.remove(salt.token(record.token.as_slice()), at.get());
            self.heap_bytes = self.heap_bytes.saturating_sub(record.token.heap_bytes());
        }
    }

    /// Frees the `n` that are forgotten first.
    pub fn free(&mut self, salt: Salt, n: usize) {
        for _ in 0..n {
            let Some(at) = self.order.first() else { break };
            self.remove(salt, at);
        }
    }

    /// All, from the one that is forgotten first.
    pub fn iter(&self) -> impl Iterator<Item = &AddToken> {
        self.order.iter(&self.slab).filter_map(|at| self.slab.get(at.get()))
    }

    /// What VERIFY finds: whether each is in the index and the sums are right.
    #[must_use]
    pub fn check_invariants(&self, salt: Salt) -> bool {
        let found = |t: &AddToken| self.find(salt, t.token.as_slice()).is_some_and(|(_, found)| std::ptr::eq(found, t));
        let heap: usize = self.iter().map(|t| t.token.heap_bytes()).sum();
        let listed = self.iter().count();
        listed == self.slab.len() && self.index.len() == listed && self.heap_bytes == heap && self.iter().all(found)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slab
            .bytes()
            .saturating_add(self.index.bytes())
            .saturating_add(self.heap_bytes)
            .saturating_add(self.order.bytes())
    }
}
