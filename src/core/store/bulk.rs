//! An index made in one go, from all of its records: a load knows them before anybody searches.
//! Sorting them costs a fraction of adding one after the other, which reads and cuts segments all
//! over the table.

use super::index::Index;

/// The records of an index to be.
#[derive(Clone, Debug, Default)]
pub struct Bulk {
    /// As cells of the index: hash bits above, record number below.
    cells: Vec<u64>,
}

impl Bulk {
    /// Adds a record.
    pub fn add(&mut self, hash: u64, record: u32) {
        self.cells.push(hash >> 32 << 32 | u64::from(record));
    }

    /// How much memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.cells.capacity().saturating_mul(size_of::<u64>())
    }

    /// The index. `None`: two records have the same key.
    #[must_use]
    pub fn build<K: Ord>(mut self, key: impl Fn(u32) -> K) -> Option<Index> {
        self.cells.sort_unstable();
        let alike = self.cells.chunk_by(|a, b| a >> 32 == b >> 32).filter(|alike| alike.len() > 1);
        for alike in alike {
            // Sorted again: whoever chose the hashes to be alike does not make this slow.
            let mut keys: Vec<K> = alike.iter().map(|&cell| key(cell as u32)).collect();
            keys.sort_unstable();
            if keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return None;
            }
        }
        Some(Index::of(&self.cells))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hash(n: u32) -> u64 {
        u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(n).rotate_left(40)
    }

    #[test]
    fn the_index_is_as_if_it_had_grown() {
        for count in [0, 1, 2, 8, 300, 409, 410, 5_000, if cfg!(miri) { 600 } else { 200_000 }] {
            let mut bulk = Bulk::default();
            let mut grown = Index::default();
            for n in 0..count {
                bulk.add(hash(n), n);
                grown.insert(hash(n), n);
            }
            let mut index = bulk.build(|n| n).unwrap();
            index.check_invariants();
            assert_eq!(index.len(), count as usize);
            assert!(index.bytes() <= grown.bytes() * 5 / 4 + 1_024, "{} and {}", index.bytes(), grown.bytes());
            for n in 0..count {
                assert_eq!(index.find(hash(n), |r| r == n), Some(n));
            }
            assert_eq!(index.find(hash(count), |r| r == count), None);
            // It goes on like any other.
            for n in count..count + 2_000 {
                index.insert(hash(n), n);
            }
            for n in (0..count).step_by(2) {
                assert!(index.remove(hash(n), n));
            }
            index.check_invariants();
        }
    }

    #[test]
    fn equal_hashes_are_no_equal_keys() {
        let all = 0..if cfg!(miri) { 100 } else { 3_000 };
        for equal in [0, 7 << 32, u64::MAX] {
            let mut bulk = Bulk::default();
            all.clone().for_each(|n| bulk.add(equal, n));
            let index = bulk.build(|n| n).unwrap();
            index.check_invariants();
            assert!(all.clone().all(|n| index.find(equal, |r| r == n) == Some(n)));
        }
        let mut bulk = Bulk::default();
        [(7 << 32, 1), (9 << 32, 2), (7 << 32, 3), (7 << 32, 4)].into_iter().for_each(|(h, n)| bulk.add(h, n));
        assert!(bulk.build(|n| n % 3).is_none(), "1 and 4 have the same key");
    }
}
