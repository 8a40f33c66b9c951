//! All pools, and how a call gets at one: on a copy, which is kept where the call changes
//! something.

use std::collections::BTreeMap;

use super::answers::{error, words};
use super::base::{Answer, Bytes, Shared, DUE_PER_WRITE};
use super::config::Config;
use super::pool::Pool;
use crate::reply::Reply;

/// All pools of a server. A copy costs little.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    pub(super) config: Config,
    pub(super) pools: BTreeMap<Bytes, Shared<Pool>>,
}

impl Reference {
    pub fn new(config: Config) -> Self {
        Reference { config, pools: BTreeMap::new() }
    }

    /// How many changes all pools have seen: the sum of their `seq`.
    pub fn changes(&self) -> i64 {
        self.pools.values().map(|pool| pool.seq).sum()
    }

    /// The number of a pool's last change, and its `out`.
    pub fn position(&self, key: &[u8]) -> Option<(i64, i64)> {
        self.pools.get(key).map(|pool| (pool.seq, pool.out as i64))
    }

    /// The names of the pools.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.pools.keys().map(Vec::as_slice)
    }

    /// The pool as a write or a read at `now` finds it: without what is over, due holds returned.
    pub(super) fn view(&self, now: i128, key: &[u8]) -> Option<Pool> {
        let mut pool = Pool::clone(self.pools.get(key)?);
        pool.forget(now);
        pool.tell_of_the_sale(now);
        pool.return_due(now, DUE_PER_WRITE);
        pool.fix_memory(&self.config);
        Some(pool)
    }

    /// Runs an operation on an existing pool, and keeps what it changed.
    pub(super) fn write(
        &mut self,
        now: i128,
        key: &[u8],
        operation: impl FnOnce(&mut Pool, &Config) -> Answer,
    ) -> Answer {
        let Some(mut pool) = self.view(now, key) else {
            return Err(words(&[Reply::bulk("NOPOOL"), Reply::bulk(key)]));
        };
        let answer = pool.attempt(&self.config, operation);
        self.keep_one(key, pool);
        answer
    }

    /// Keeps a copy of an existing pool, if something has changed on it.
    pub(super) fn keep_one(&mut self, key: &[u8], pool: Pool) {
        if pool.seq != self.pools[key].seq {
            self.pools.insert(key.to_vec(), pool.into());
        }
    }
}

impl Pool {
    /// Runs an operation on a copy, which takes the place of the pool where the operation succeeds.
    pub(super) fn attempt(&mut self, config: &Config, operation: impl FnOnce(&mut Pool, &Config) -> Answer) -> Answer {
        let mut next = self.clone();
        let mut answer = operation(&mut next, config);
        next.spread_shares();
        next.fix_memory(config);
        if answer.is_ok() {
            match next.within_bounds() {
                true => *self = next,
                false => answer = Err(error("a sum would be out of range")),
            }
        }
        answer
    }
}
