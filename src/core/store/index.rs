//! From a keyed hash to the number of a record, by extendible hashing: the table is cut into
//! segments that grow, split and shrink one at a time, so that no insert ever waits for the whole
//! table. `sizes` says how many cells they have: by quarter of the hashes, up to 320 to 512.
//!
//! Source of the scheme: Fagin, Nievergelt, Pippenger, Strong, "Extendible hashing", 1979. Within a
//! segment entries stand in order of their hash at or behind the place where it would put them
//! (linear probing, as Knuth's algorithm 6.4 ordered), so that a search for what is not there ends
//! early, and taking out leaves no marks. A cell holds 32 bits of the hash and the record's number:
//! growing reads no record, and nearly no record is read in vain.

mod sizes;

use sizes::{Sizes, SMALLEST};

/// Behind all records in order. Its bytes are not all alike, so that a small segment is filled by
/// plain stores: the C library's fill begins slowly.
const EMPTY: u64 = u64::MAX - 1;

#[derive(Clone, Debug, Default)]
struct Segment {
    /// Hash bits above, record number below; in order.
    cells: Box<[u64]>,
    /// How many of the cells are homes: follows from how many there are.
    homes: u32,
    live: u32,
    /// How many bits of the hash all of its records share.
    depth: u32,
}

fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn hash_of(cell: u64) -> u32 {
    (cell >> 32) as u32
}

/// Whether a record with this hash belongs before this cell.
fn comes_behind(cell: u64, hash: u32) -> bool {
    cell == EMPTY || hash_of(cell) > hash
}

fn prefix(hash: u32, bits: u32) -> usize {
    (u64::from(hash) << bits >> 32) as usize
}

/// How many of so many cells are homes: the rest takes what the last ones push out.
const fn homes(cells: usize) -> usize {
    cells.saturating_sub(cells / 40).saturating_sub(1)
}

/// The home of a hash among so many, by the bits behind those that all share.
#[inline(always)]
fn home(hash: u32, depth: u32, homes: u32) -> usize {
    // As many bits as a directory entry has, which are fewer than 32 (see [`Index::insert`]).
    let behind = u64::from(hash.wrapping_shl(depth));
    (behind.wrapping_mul(u64::from(homes)) >> 32) as usize
}

/// The cells that have a record.
fn records(cells: &[u64]) -> impl Iterator<Item = u64> + '_ {
    cells.iter().copied().filter(|&cell| cell != EMPTY)
}

/// Writes the records among these cells, which are in order, into empty ones: each at its home or
/// behind the one before it. False: they do not fit.
#[inline]
fn fill(cells: &mut [u64], records: &[u64], home: impl Fn(u32) -> usize) -> bool {
    let mut next = 0usize;
    for &record in records {
        if record == EMPTY {
            continue;
        }
        let at = home(hash_of(record)).max(next);
        let Some(cell) = cells.get_mut(at) else { return false };
        *cell = record;
        next = at.wrapping_add(1);
    }
    true
}

/// The first cell without a record. By fours: most runs are longer.
#[inline(always)]
fn first_gap(run: &[u64]) -> Option<usize> {
    let mut rest = run;
    let before = |rest: &[u64]| run.len().wrapping_sub(rest.len());
    while let Some((four, more)) = rest.split_first_chunk::<4>() {
        if let Some(at) = four.iter().position(|&cell| cell == EMPTY) {
            return Some(before(rest).wrapping_add(at));
        }
        rest = more;
    }
    rest.iter().position(|&cell| cell == EMPTY).map(|at| before(rest).wrapping_add(at))
}

impl Segment {
    fn sized(cells: usize, depth: u32) -> Self {
        Self { cells: vec![EMPTY; cells].into(), homes: homes(cells) as u32, live: 0, depth }
    }

    /// Where the search for a hash begins.
    fn home(&self, hash: u32) -> usize {
        home(hash, self.depth, self.homes)
    }

    /// Whether one more record fits. Never more than eleven twelfths: otherwise searches and shifts
    /// become long.
    fn has_room(&self) -> bool {
        // Far from the bounds of a usize: there are fewer than 2^32 records.
        (self.live as usize).wrapping_add(1).wrapping_mul(12) <= self.cells.len().wrapping_mul(11)
    }

    /// Puts a record in; false where there is no room.
    fn put(&mut self, hash: u32, record: u32) -> bool {
        if !self.has_room() {
            return false;
        }
        let home = self.home(hash);
        let Some(run) = self.cells.get(home..) else { return false };
        let Some(at) = run.iter().position(|&cell| comes_behind(cell, hash)) else { return false };
        self.put_into(hash, record, home.saturating_add(at))
    }

    /// Puts a record in where a search for it ended; false, and nothing has changed, where it does
    /// not belong there any more or there is no room.
    fn put_at(&mut self, hash: u32, record: u32, at: usize) -> bool {
        let home = self.home(hash);
        // Entries are in order without gaps from their homes on: so the two next to it say it all.
        let follows = match at.checked_sub(1).filter(|_| at > home) {
            Some(before) => self.cells.get(before).is_some_and(|&cell| !comes_behind(cell, hash)),
            None => at == home,
        };
        let precedes = self.cells.get(at).is_some_and(|&cell| comes_behind(cell, hash));
        follows && precedes && self.has_room() && self.put_into(hash, record, at)
    }

    /// Puts a record in at a place to which it belongs, before those that stand there up to the
    /// next gap; false, and nothing has changed, where there is no gap up to the end.
    #[inline]
    fn put_into(&mut self, hash: u32, record: u32, at: usize) -> bool {
        let Some(run) = self.cells.get_mut(at..) else { return false };
        // Where the gap is before anything moves.
        let Some(gap) = first_gap(run) else { return false };
        let Some(moved) = run.get_mut(..=gap) else { return false };
        if gap > 0 {
            moved.copy_within(..gap, 1);
        }
        if let Some(cell) = moved.first_mut() {
            *cell = u64::from(hash) << 32 | u64::from(record);
        }
        self.live = self.live.wrapping_add(1);
        true
    }

    fn records(&self) -> impl Iterator<Item = u64> + '_ {
        records(&self.cells)
    }

    /// The records among these cells, which are in order and so many, in a segment of at least so
    /// many cells.
    fn of(records: &[u64], live: u32, sizes: Sizes, mut cells: usize, depth: u32) -> Self {
        loop {
            let mut fresh = Self { live, ..Self::sized(cells, depth) };
            let homes = fresh.homes;
            if fill(&mut fresh.cells, records, |hash| home(hash, depth, homes)) {
                return fresh;
            }
            cells = sizes.larger(cells);
        }
    }

    /// Takes the record at a place out: those that it pushed away come back.
    fn take_out(&mut self, mut at: usize) {
        loop {
            let next = at.saturating_add(1);
            let follower = self.cells.get(next).copied().filter(|&cell| cell != EMPTY);
            let moved = follower.filter(|&cell| self.home(hash_of(cell)) < next);
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = moved.unwrap_or(EMPTY);
            }
            if moved.is_none() {
                break;
            }
            at = next;
        }
        self.live = self.live.saturating_sub(1);
    }
}

/// Segments in one block.
const BLOCK: usize = 256;

/// The segments by number, in blocks: one more never moves the others.
#[derive(Clone, Debug, Default)]
struct Segments {
    blocks: Vec<Vec<Segment>>,
    len: usize,
}

impl Segments {
    fn get(&self, number: usize) -> Option<&Segment> {
        self.blocks.get(number / BLOCK)?.get(number % BLOCK)
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut Segment> {
        self.blocks.get_mut(number / BLOCK)?.get_mut(number % BLOCK)
    }

    fn push(&mut self, segment: Segment) {
        match self.blocks.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(segment),
            None => self.blocks.push(vec![segment]),
        }
        self.len = self.len.saturating_add(1);
    }

    fn iter(&self) -> impl Iterator<Item = &Segment> + '_ {
        self.blocks.iter().flatten()
    }

    fn bytes(&self) -> usize {
        // All but the last are full: asked on every call, it must not count them.
        let full = self.blocks.len().saturating_sub(1).saturating_mul(BLOCK);
        let last = self.blocks.last().map_or(0, Vec::capacity);
        let segments = full.saturating_add(last).saturating_mul(size_of::<Segment>());
        segments.saturating_add(self.blocks.capacity().saturating_mul(size_of::<Vec<Segment>>()))
    }
}

/// A position within the index: where a search begins, or where it ended. The default fits nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPosition {
    segment: u32,
    at: u32,
    /// Where a search ended: how often the index had changed by then. Where one begins: one less,
    /// so that a record does not go there.
    changes: u32,
}

impl Default for IndexPosition {
    fn default() -> Self {
        Self { segment: u32::MAX, at: 0, changes: 0 }
    }
}

/// A set of record numbers, found by the hash of the record.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Segment numbers by the top `depth` bits of the hash.
    directory: Vec<u32>,
    segments: Segments,
    depth: u32,
    live: usize,
    cells: usize,
    /// How often a record came in or went out: what was found before may have moved.
    changes: u32,
}

impl Index {
    /// The index of these cells (hash bits above, record number below), which are in order and each
    /// of another record.
    #[must_use]
    pub fn of(cells: &[u64]) -> Self {
        let mut index = Self { live: cells.len(), ..Self::default() };
        if cells.is_empty() {
            return index;
        }
        // As [`Index::insert`] bounds it: hashes that are alike double nothing.
        let deepest = cells.len().checked_div(64).and_then(usize::checked_ilog2).unwrap_or(0);
        index.cut(cells, 0, deepest);
        index.depth = index.segments.iter().map(|s| s.depth).max().unwrap_or(0);
        for (number, segment) in index.segments.iter().enumerate() {
            let entries = 1usize.checked_shl(index.depth.saturating_sub(segment.depth)).unwrap_or(1);
            index.directory.extend(std::iter::repeat_n(number as u32, entries));
        }
        index
    }

    /// Makes the segments of these cells, in order.
    fn cut(&mut self, cells: &[u64], depth: u32, deepest: u32) {
        let (live, sizes) = (cells.len(), Sizes::of(cells.first().map_or(0, |&cell| hash_of(cell)), depth));
        if live.saturating_mul(5) <= sizes.largest.saturating_mul(4) || depth >= deepest {
            let segment = Segment::of(cells, live as u32, sizes, sizes.fitting(live), depth);
            self.cells = self.cells.saturating_add(segment.cells.len());
            self.segments.push(segment);
            return;
        }
        let below = depth.saturating_add(1);
        let middle = cells.partition_point(|&cell| prefix(hash_of(cell), below) & 1 == 0);
        let (low, high) = cells.split_at(middle);
        self.cut(low, below, deepest);
        self.cut(high, below, deepest);
    }

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
        self.cells
            .saturating_mul(size_of::<u64>())
            .saturating_add(self.segments.bytes())
            .saturating_add(self.directory.capacity().saturating_mul(size_of::<u32>()))
    }

    fn segment(&self, hash: u32) -> Option<usize> {
        self.directory.get(prefix(hash, self.depth)).map(|&s| s as usize)
    }

    /// The record with this hash that `same` recognises.
    #[must_use]
    pub fn find(&self, hash: u64, same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.find_from(hash, self.begin(hash).0, same).0
    }

    /// Where the search for a hash begins, and what stands there. Reading that is of no use but for
    /// the memory to be on its way while other things are done: a search in a large table waits for
    /// little else.
    #[must_use]
    #[inline(always)]
    pub fn begin(&self, hash: u64) -> (IndexPosition, u64) {
        let hash = short(hash);
        let Some(number) = self.segment(hash) else { return (IndexPosition::default(), 0) };
        let Some(segment) = self.segments.get(number) else { return (IndexPosition::default(), 0) };
        let home = segment.home(hash);
        let cell = segment.cells.get(home).copied().unwrap_or(0);
        let changes = self.changes.wrapping_sub(1);
        (IndexPosition { segment: number as u32, at: home as u32, changes }, cell)
    }

    /// As [`Index::find`], from where [`Index::begin`] said of the index as it is; and where the
    /// search ended, for [`Index::insert_at`].
    #[must_use]
    #[inline(always)]
    pub fn find_from(
        &self,
        hash: u64,
        from: IndexPosition,
        mut same: impl FnMut(u32) -> bool,
    ) -> (Option<u32>, IndexPosition) {
        let mut position = from;
        position.changes = from.changes.wrapping_add(1);
        while let Some(record) = self.seek(short(hash), &mut position) {
            if same(record) {
                return (Some(record), position);
            }
            position.at = position.at.wrapping_add(1);
        }
        (None, position)
    }

    /// The next record with this hash at or behind a position, which moves there. `None`: there is
    /// none, and the search ends there.
    #[inline(always)]
    fn seek(&self, hash: u32, position: &mut IndexPosition) -> Option<u32> {
        let segment = self.segments.get(position.segment as usize)?;
        for &cell in segment.cells.get(position.at as usize..)? {
            if hash_of(cell) >= hash {
                return (hash_of(cell) == hash && cell != EMPTY).then_some(cell as u32);
            }
            position.at = position.at.wrapping_add(1);
        }
        None
    }

    /// As [`Index::insert`], where a search for the record ended. What was inserted or taken out
    /// since is noticed.
    pub fn insert_at(&mut self, hash: u64, record: u32, position: IndexPosition) {
        let number = position.segment as usize;
        let unchanged = position.changes == self.changes;
        let here = unchanged || self.segment(short(hash)) == Some(number);
        let segment = self.segments.get_mut(number).filter(|_| here);
        let done = segment.is_some_and(|segment| {
            let (hash, at) = (short(hash), position.at as usize);
            if unchanged {
                segment.has_room() && segment.put_into(hash, record, at)
            } else {
                segment.put_at(hash, record, at)
            }
        });
        if done {
            self.live = self.live.wrapping_add(1);
            self.changes = self.changes.wrapping_add(1);
        } else {
            self.insert(hash, record);
        }
    }

    /// Adds a record that is not in it.
    pub fn insert(&mut self, hash: u64, record: u32) {
        let hash = short(hash);
        if self.segments.len == 0 {
            self.segments.push(Segment::sized(SMALLEST, 0));
            self.directory.push(0);
            self.cells = SMALLEST;
        }
        loop {
            let Some(number) = self.segment(hash) else { return };
            let Some(segment) = self.segments.get_mut(number) else { return };
            if segment.put(hash, record) {
                self.live = self.live.saturating_add(1);
                self.changes = self.changes.wrapping_add(1);
                return;
            }
            // Records of one hash prefix cannot be split apart, and would double the directory for
            // nothing: then the segment grows.
            let size = segment.cells.len();
            let crowded = (segment.live as usize).saturating_mul(2) >= size;
            let doubles = segment.depth >= self.depth;
            let directory_fits = self.directory.len().saturating_mul(64) <= self.live;
            let sizes = Sizes::of(hash, segment.depth);
            if crowded && size >= sizes.largest && (!doubles || directory_fits) {
                self.split(number, hash);
            } else {
                self.resize(number, sizes, sizes.larger(size));
            }
        }
    }

    fn resize(&mut self, number: usize, sizes: Sizes, cells: usize) {
        let Some(segment) = self.segments.get_mut(number) else { return };
        let before = segment.cells.len();
        *segment = Segment::of(&segment.cells, segment.live, sizes, cells, segment.depth);
        self.cells = self.cells.saturating_sub(before).saturating_add(segment.cells.len());
    }

    fn split(&mut self, number: usize, hash: u32) {
        let Some(old) = self.segments.get(number) else { return };
        let shared = old.depth;
        let depth = shared.saturating_add(1);
        // In order of their hashes, which agree in the bits before this one.
        let is_high = |&cell: &u64| cell != EMPTY && prefix(hash_of(cell), depth) & 1 == 1;
        let middle = old.cells.iter().position(is_high).unwrap_or(old.cells.len());
        let (low, high) = old.cells.split_at(middle);
        let sizes = Sizes::of(hash, depth);
        let side = |cells: &[u64]| {
            let live = records(cells).count();
            Segment::of(cells, live as u32, sizes, sizes.fitting_half(live), depth)
        };
        let (low, high) = (side(low), side(high));
        self.cells =
            self.cells.saturating_sub(old.cells.len()).saturating_add(low.cells.len()).saturating_add(high.cells.len());
        if depth > self.depth {
            // In one pass over memory taken at once: this is the one step that grows with the
            // table.
            let mut doubled = Vec::with_capacity(self.directory.len().saturating_mul(2));
            self.directory.iter().for_each(|&s| doubled.extend_from_slice(&[s, s]));
            self.directory = doubled;
            self.depth = depth;
        }
        let fresh = self.segments.len as u32;
        self.segments.push(high);
        if let Some(segment) = self.segments.get_mut(number) {
            *segment = low;
        }
        // The directory entries of one segment stand together; the upper half of them goes to the
        // new one.
        let rest = self.depth.saturating_sub(shared);
        let start = prefix(hash, shared).checked_shl(rest).unwrap_or(0);
        let half = 1usize.checked_shl(rest.saturating_sub(1)).unwrap_or(1);
        for entry in self.directory.iter_mut().skip(start.saturating_add(half)).take(half) {
            *entry = fresh;
        }
    }

    /// Takes a record out; whether it was there.
    pub fn remove(&mut self, hash: u64, record: u32) -> bool {
        let hash = short(hash);
        let Some(number) = self.segment(hash) else { return false };
        let Some(segment) = self.segments.get_mut(number) else { return false };
        let cell = u64::from(hash) << 32 | u64::from(record);
        let run = segment.cells.get(segment.home(hash)..).unwrap_or(&[]);
        let ahead = run.iter().take_while(|&&other| !comes_behind(other, hash)).position(|&other| other == cell);
        let Some(at) = ahead.map(|ahead| segment.home(hash).saturating_add(ahead)) else { return false };
        segment.take_out(at);
        self.live = self.live.saturating_sub(1);
        self.changes = self.changes.wrapping_add(1);
        let (live, size) = (segment.live as usize, segment.cells.len());
        // Looked at now and then: where many hashes are alike, it may not become smaller.
        if size > SMALLEST && live.saturating_mul(3) < size && live.is_multiple_of((size / 16).max(1)) {
            let sizes = Sizes::of(hash, segment.depth);
            self.resize(number, sizes, sizes.fitting(live));
        }
        true
    }

    /// Every record, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments.iter().flat_map(Segment::records).map(|cell| cell as u32)
    }
}

#[cfg(test)]
mod tests;
