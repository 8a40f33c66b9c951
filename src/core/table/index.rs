//! From a keyed hash to the number of a record, by extendible hashing: the table is cut into segments of at most
//! 512 slots that grow, split and shrink one at a time, so that no insert ever waits for the whole table.
//!
//! Source of the scheme: Fagin, Nievergelt, Pippenger, Strong, "Extendible hashing", 1979. A slot costs five bytes: four for
//! the record's number and one byte of the hash, so that nearly no record is read in vain.

use super::slab::NONE;

const LARGEST: usize = 512;
const SMALLEST: usize = 8;
/// A slot whose record was taken out: a probe goes on behind it.
const GONE: u32 = u32::MAX - 1;

#[derive(Clone, Debug, Default)]
struct Segment {
    slots: Vec<u32>,
    tags: Vec<u8>,
    live: u32,
    gone: u32,
    /// How many bits of the hash all of its records share.
    depth: u32,
}

/// Where a probe begins: the middle bits, since the top ones choose the segment and the low ones are the tag.
fn home(hash: u64, mask: usize) -> usize {
    (hash >> 16) as usize & mask
}

fn tag(hash: u64) -> u8 {
    hash as u8
}

fn prefix(hash: u64, bits: u32) -> usize {
    hash.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0) as usize
}

impl Segment {
    fn sized(slots: usize, depth: u32) -> Self {
        Self { slots: vec![NONE; slots], tags: vec![0; slots], live: 0, gone: 0, depth }
    }

    fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = home(hash, mask);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == NONE {
                return None;
            }
            if slot != GONE && self.tags.get(at) == Some(&tag(hash)) && same(slot) {
                return Some((at, slot));
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    /// Puts a record into a segment that has a free slot.
    fn put(&mut self, hash: u64, record: u32) {
        let mask = self.slots.len().saturating_sub(1);
        let mut at = home(hash, mask);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == NONE || *slot == GONE {
                if *slot == GONE {
                    self.gone = self.gone.saturating_sub(1);
                }
                *slot = record;
                if let Some(t) = self.tags.get_mut(at) {
                    *t = tag(hash);
                }
                self.live = self.live.saturating_add(1);
                return;
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    /// No more than seven eighths are taken, so that a probe always ends.
    fn is_full(&self) -> bool {
        let taken = self.live.saturating_add(self.gone).saturating_add(1) as usize;
        taken.saturating_mul(8) > self.slots.len().saturating_mul(7)
    }

    fn records(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().copied().filter(|&slot| slot != NONE && slot != GONE)
    }

    fn rebuilt(&self, slots: usize, hash_of: &impl Fn(u32) -> u64) -> Self {
        let mut fresh = Self::sized(slots, self.depth);
        for record in self.records() {
            fresh.put(hash_of(record), record);
        }
        fresh
    }
}

/// A set of record numbers, found by the hash of the record.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Segment numbers by the top `depth` bits of the hash.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    depth: u32,
    live: usize,
    slots: usize,
}

impl Index {
    /// How many records it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The bytes it has taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots
            .saturating_mul(size_of::<u32>().saturating_add(1))
            .saturating_add(self.segments.capacity().saturating_mul(size_of::<Segment>()))
            .saturating_add(self.directory.capacity().saturating_mul(size_of::<u32>()))
    }

    fn segment(&self, hash: u64) -> Option<usize> {
        self.directory.get(prefix(hash, self.depth)).map(|&s| s as usize)
    }

    /// The record with this hash that `same` recognises.
    #[must_use]
    pub fn find(&self, hash: u64, same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.segments.get(self.segment(hash)?)?.find(hash, same).map(|(_, record)| record)
    }

    /// Adds a record that is not in it. `hash_of` tells the hash of any record that is.
    pub fn insert(&mut self, hash: u64, record: u32, hash_of: impl Fn(u32) -> u64) {
        if self.segments.is_empty() {
            self.segments.push(Segment::sized(SMALLEST, 0));
            self.directory.push(0);
            self.slots = SMALLEST;
        }
        loop {
            let Some(number) = self.segment(hash) else { return };
            let Some(segment) = self.segments.get_mut(number) else { return };
            if !segment.is_full() {
                segment.put(hash, record);
                self.live = self.live.saturating_add(1);
                return;
            }
            let size = segment.slots.len();
            let crowded = (segment.live as usize).saturating_mul(2) >= size;
            // Records of one hash prefix cannot be split apart, and would double the directory for nothing: then the segment grows.
            let doubles = segment.depth >= self.depth;
            let directory_fits = self.directory.len().saturating_mul(64) <= self.live;
            if crowded && size >= LARGEST && (!doubles || directory_fits) {
                self.split(number, hash, &hash_of);
            } else {
                let wanted = if crowded { size.saturating_mul(2) } else { size };
                *segment = segment.rebuilt(wanted, &hash_of);
                self.slots = self.slots.saturating_sub(size).saturating_add(wanted);
            }
        }
    }

    fn split(&mut self, number: usize, hash: u64, hash_of: &impl Fn(u32) -> u64) {
        let Some(old) = self.segments.get(number) else { return };
        let shared = old.depth;
        let depth = shared.saturating_add(1);
        let size = old.slots.len();
        let mut low = Segment::sized(size, depth);
        let mut high = Segment::sized(size, depth);
        for record in old.records() {
            let hash = hash_of(record);
            if prefix(hash, depth) & 1 == 0 {
                low.put(hash, record);
            } else {
                high.put(hash, record);
            }
        }
        self.slots =
            self.slots.saturating_sub(old.slots.len()).saturating_add(low.slots.len()).saturating_add(high.slots.len());
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|&s| [s, s]).collect();
            self.depth = depth;
        }
        let fresh = self.segments.len() as u32;
        self.segments.push(high);
        if let Some(slot) = self.segments.get_mut(number) {
            *slot = low;
        }
        // The directory entries of one segment stand together; the upper half of them goes to the new one.
        let rest = self.depth.saturating_sub(shared);
        let start = prefix(hash, shared).checked_shl(rest).unwrap_or(0);
        let half = 1usize.checked_shl(rest.saturating_sub(1)).unwrap_or(1);
        for entry in self.directory.iter_mut().skip(start.saturating_add(half)).take(half) {
            *entry = fresh;
        }
    }

    /// Takes a record out; whether it was there.
    pub fn remove(&mut self, hash: u64, record: u32, hash_of: impl Fn(u32) -> u64) -> bool {
        let Some(number) = self.segment(hash) else { return false };
        let Some(segment) = self.segments.get_mut(number) else { return false };
        let Some((at, _)) = segment.find(hash, |slot| slot == record) else { return false };
        if let Some(slot) = segment.slots.get_mut(at) {
            *slot = GONE;
        }
        segment.live = segment.live.saturating_sub(1);
        segment.gone = segment.gone.saturating_add(1);
        self.live = self.live.saturating_sub(1);
        let size = segment.slots.len();
        if size > SMALLEST && (segment.live as usize).saturating_mul(8) < size {
            let wanted = (size / 2).max(SMALLEST);
            *segment = segment.rebuilt(wanted, &hash_of);
            self.slots = self.slots.saturating_sub(size).saturating_add(wanted);
        }
        true
    }

    /// Every record, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments.iter().flat_map(Segment::records)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn hash(n: u32) -> u64 {
        // A permutation with well-mixed bits (splitmix64).
        let mut z = u64::from(n).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    fn finds_what_is_in_and_nothing_else() {
        let mut index = Index::default();
        for n in 0..50_000 {
            index.insert(hash(n), n, hash);
            assert_eq!(index.len(), n as usize + 1);
        }
        for n in 0..50_000 {
            assert_eq!(index.find(hash(n), |r| r == n), Some(n));
            assert_eq!(index.find(hash(n + 50_000), |r| r == n + 50_000), None);
        }
        let full = index.bytes();
        for n in (0..50_000).filter(|n| n % 10 != 0) {
            assert!(index.remove(hash(n), n, hash));
            assert!(!index.remove(hash(n), n, hash));
        }
        assert!(index.bytes() < full / 2, "{} of {full}", index.bytes());
        let mut left: Vec<u32> = index.records().collect();
        left.sort_unstable();
        assert_eq!(left, (0..50_000).filter(|n| n % 10 == 0).collect::<Vec<_>>());
        for n in 0..50_000 {
            assert_eq!(index.find(hash(n), |r| r == n).is_some(), n % 10 == 0);
        }
    }

    #[test]
    fn equal_hashes_end() {
        let mut index = Index::default();
        for n in 0..3_000 {
            index.insert(7, n, |_| 7);
        }
        assert!((0..3_000).all(|n| index.find(7, |r| r == n) == Some(n)));
    }

    #[test]
    fn a_slot_costs_little() {
        let mut index = Index::default();
        for n in 0..1_000_000 {
            index.insert(hash(n), n, hash);
        }
        assert!(index.bytes() < 13_000_000, "{}", index.bytes());
    }
}
