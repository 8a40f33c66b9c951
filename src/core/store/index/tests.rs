#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]

use super::*;

/// What tests do ten thousands of times, miri does hundreds of times.
const SCALE: u32 = if cfg!(miri) { 100 } else { 1 };

impl Index {
    /// Every segment is in order, each record at or behind its home with nothing empty between, and
    /// the sums are right.
    pub fn check_invariants(&self) {
        let mut live = 0;
        for segment in self.segments.iter() {
            live += segment.live as usize;
            assert_eq!(segment.records().count(), segment.live as usize);
            assert!(segment.records().map(hash_of).is_sorted());
            for (at, &cell) in segment.cells.iter().enumerate().filter(|(_, &cell)| cell != EMPTY) {
                let home = segment.home(hash_of(cell));
                assert!(home <= at && segment.cells[home..at].iter().all(|&s| s != EMPTY));
            }
        }
        assert_eq!(live, self.len());
        assert_eq!(self.cells, self.segments.iter().map(|s| s.cells.len()).sum::<usize>());
        assert_eq!(self.directory.len(), if self.segments.len == 0 { 0 } else { 1 << self.depth });
    }
}

fn hash(n: u32) -> u64 {
    // A permutation with well-mixed bits (splitmix64).
    let mut z = u64::from(n).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn finds_what_is_in_and_nothing_else() {
    const MANY: u32 = 50_000 / SCALE;
    let mut index = Index::default();
    for n in 0..MANY {
        index.insert(hash(n), n);
        assert_eq!(index.len(), n as usize + 1);
    }
    index.check_invariants();
    for n in 0..MANY {
        assert_eq!(index.find(hash(n), |r| r == n), Some(n));
        assert_eq!(index.find(hash(n + MANY), |r| r == n + MANY), None);
    }
    let full = index.bytes();
    for n in (0..MANY).filter(|n| n % 10 != 0) {
        assert!(index.remove(hash(n), n));
        assert!(!index.remove(hash(n), n));
    }
    index.check_invariants();
    assert!(index.bytes() < full / 2, "{} of {full}", index.bytes());
    let mut left: Vec<u32> = index.records().collect();
    left.sort_unstable();
    assert_eq!(left, (0..MANY).filter(|n| n % 10 == 0).collect::<Vec<_>>());
    for n in 0..MANY {
        assert_eq!(index.find(hash(n), |r| r == n).is_some(), n % 10 == 0);
    }
}

#[test]
fn equal_hashes_end() {
    const MANY: u32 = if cfg!(miri) { 50 } else { 1_000 };
    for equal in [7, u64::MAX, 0, 0xffff_ffff_0000_0000] {
        let mut index = Index::default();
        for n in 0..MANY {
            index.insert(equal, n);
        }
        index.check_invariants();
        assert!((0..MANY).all(|n| index.find(equal, |r| r == n) == Some(n)));
        assert!((0..MANY).all(|n| index.remove(equal, n)));
        index.check_invariants();
    }
}

/// Where a search for the n-th record ends that is not in.
fn position(index: &Index, n: u32) -> IndexPosition {
    let (found, position) = index.find_from(hash(n), index.begin(hash(n)).0, |r| r == n);
    assert_eq!(found, None);
    position
}

#[test]
fn a_position_serves_however_old_it_is() {
    const MANY: u32 = 60_000 / SCALE;
    let mut index = Index::default();
    let mut positions = std::collections::VecDeque::new();
    for n in 0..MANY {
        positions.push_back((n, position(&index, n)));
        // Fresh at first, then hundreds of insertions, splits and removals old.
        if positions.len() > n as usize % if cfg!(miri) { 50 } else { 700 } {
            let (n, position) = positions.pop_front().unwrap();
            index.insert_at(hash(n), n, position);
        }
        if n % 5 == 4 && index.find(hash(n / 2), |r| r == n / 2).is_some() {
            assert!(index.remove(hash(n / 2), n / 2));
        }
        if n % 1_000 == 0 {
            index.check_invariants();
        }
    }
    index.check_invariants();
    let all: Vec<u32> = index.records().collect();
    assert!(all.len() > MANY as usize / 3 * 2 && all.iter().all(|&n| index.find(hash(n), |r| r == n) == Some(n)));
}

#[test]
fn a_position_is_old_when_a_record_was_taken_out() {
    const MANY: u32 = 20_000 / SCALE;
    let mut index = Index::default();
    for n in 0..MANY {
        index.insert(hash(n), n);
    }
    for n in MANY..2 * MANY {
        let position = position(&index, n);
        assert!(index.remove(hash(n - MANY), n - MANY));
        index.insert_at(hash(n), n, position);
    }
    index.check_invariants();
    assert!((MANY..2 * MANY).all(|n| index.find(hash(n), |r| r == n) == Some(n)));
}

#[test]
fn nothing_moves_where_no_gap_takes_it() {
    // The run reaches the end of the segment: what is put into it would push the last one out.
    let mut segment = Segment::sized(SMALLEST, 0);
    let home = homes(SMALLEST).saturating_sub(1);
    let high = |n: u32| u32::MAX - 10 + n;
    assert_eq!(segment.home(high(0)), home);
    let mut n = 0;
    while segment.put(high(n), n) {
        n += 1;
    }
    let before = segment.cells.clone();
    assert!(segment.has_room() && before.last() != Some(&EMPTY));
    assert!(!segment.put_at(high(0), 99, home + 1));
    assert!(!segment.put_at(high(0) - 1, 99, home));
    assert_eq!(segment.cells, before);
    // Where it does not belong it does not go either.
    assert!(!segment.put_at(0, 99, 1) && !segment.put_at(0, 99, SMALLEST));
    assert_eq!(segment.cells, before);
}

#[test]
#[cfg_attr(miri, ignore = "memory is measured with two million records")]
fn a_record_costs_little_at_each_size() {
    let mut index = Index::default();
    for n in 0..2_000_000 {
        index.insert(hash(n), n);
        if n > 100_000 && n % 20_000 == 0 {
            let each = index.bytes() as f64 / f64::from(n);
            assert!(each < 10.75, "{each} bytes at {n}");
        }
    }
    index.check_invariants();
}

#[test]
fn coming_and_going_leaves_it_in_order() {
    const AWAY: u32 = if cfg!(miri) { 300 } else { 3_000 };
    let mut index = Index::default();
    for n in 0..200_000 / SCALE {
        index.insert(hash(n), n);
        if n >= AWAY {
            assert!(index.remove(hash(n - AWAY), n - AWAY));
        }
        if n % 10_000 == 0 {
            index.check_invariants();
        }
    }
    assert!(index.bytes() < 100_000, "{}", index.bytes());
}
