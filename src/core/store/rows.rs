//! Rows of bytes at stable numbers: records of any length, each in a chunk of rows of its length. A
//! row costs its bytes and nothing more; growing never moves more than one chunk, and an empty
//! chunk is freed.

/// Lengths are rounded up to a multiple of this.
const GRAIN: usize = 2;
/// The bytes of a whole chunk: a size that the allocator does not round up.
const CHUNK: usize = 64 * 1024;
const ROW_BITS: u32 = 12;
const LOW: u32 = (1 << ROW_BITS) - 1;
const MOST_CHUNKS: usize = 1 << (u32::BITS - ROW_BITS);
/// The first byte of a row that is free: rows in use begin with a smaller one.
const FREE: u8 = 0xff;
/// The end of a chunk's list of free rows.
const LAST: u16 = u16::MAX;

#[derive(Clone, Debug)]
struct Chunk {
    /// The rows that were ever used.
    bytes: Vec<u8>,
    /// The length of a row; 0 = the chunk has none.
    stride: u16,
    live: u16,
    /// The first free row, or `LAST`. A free row names the next one behind its mark.
    free: u16,
    /// Whether the list of chunks with room names this one.
    listed: bool,
}

/// Chunks of one row length that may have room; the last is filled first.
#[derive(Clone, Debug)]
struct Room {
    stride: u16,
    chunks: Vec<u32>,
    /// One chunk of this length was filled: the next ones are wanted whole.
    grown: bool,
}

/// A table of rows that are named by a number for as long as they live.
#[derive(Debug, Default)]
pub struct Rows {
    chunks: Vec<Chunk>,
    rooms: Vec<Room>,
    /// Chunks without rows, to be used for any length.
    spare: Vec<u32>,
    live: u32,
    /// Bytes that memory is taken for, over all chunks.
    capacity: usize,
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        let chunks = self.chunks.clone();
        // A copied vector has no room to spare.
        let capacity = chunks.iter().map(|c| c.bytes.capacity()).sum();
        Self { chunks, rooms: self.rooms.clone(), spare: self.spare.clone(), live: self.live, capacity }
    }
}

fn split(at: u32) -> (usize, usize) {
    ((at >> ROW_BITS) as usize, (at & LOW) as usize)
}

fn join(chunk: u32, row: usize) -> u32 {
    chunk << ROW_BITS | row as u32
}

/// How many rows of this length a chunk has.
fn rows(stride: usize) -> usize {
    CHUNK.checked_div(stride).unwrap_or(0).min(LOW as usize)
}

impl Chunk {
    fn used(&self) -> usize {
        self.bytes.len().checked_div(usize::from(self.stride)).unwrap_or(0)
    }

    fn row(&self, row: usize) -> Option<&[u8]> {
        let start = row.wrapping_mul(usize::from(self.stride));
        self.bytes.get(start..start.wrapping_add(usize::from(self.stride)))
    }

    fn row_mut(&mut self, row: usize) -> Option<&mut [u8]> {
        let start = row.wrapping_mul(usize::from(self.stride));
        self.bytes.get_mut(start..start.wrapping_add(usize::from(self.stride)))
    }

    /// A free row, if the chunk has one.
    fn take(&mut self, whole: bool) -> Option<usize> {
        if self.free != LAST {
            let row = usize::from(self.free);
            if let Some(&[_, low, high, ..]) = self.row(row) {
                self.free = u16::from_le_bytes([low, high]);
                self.live = self.live.saturating_add(1);
                return Some(row);
            }
        }
        let stride = usize::from(self.stride);
        let (row, most) = (self.used(), rows(stride));
        if row >= most {
            return None;
        }
        let len = self.bytes.len().saturating_add(stride);
        if len > self.bytes.capacity() {
            let wanted = if whole { most } else { row.saturating_mul(2).clamp(2, most) };
            self.bytes.reserve_exact(wanted.saturating_mul(stride).saturating_sub(self.bytes.len()));
        }
        self.bytes.resize(len, 0);
        self.live = self.live.saturating_add(1);
        Some(row)
    }
}

impl Rows {
    /// How many rows live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether no row lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// One more than the largest number that a row can have now.
    #[must_use]
    pub fn span(&self) -> u32 {
        let Some(last) = self.chunks.last() else { return 0 };
        join(self.chunks.len().saturating_sub(1) as u32, last.used())
    }

    /// The first number from `at` on at which a row may live: a walk need not look at what never
    /// was, or was freed whole.
    #[must_use]
    pub fn skip_empty(&self, at: u32) -> u32 {
        let (chunk, row) = split(at);
        if self.chunks.get(chunk).is_none_or(|c| row < c.used()) {
            return at;
        }
        let empty = self.chunks.iter().skip(chunk).skip(1).take_while(|c| c.bytes.is_empty()).count();
        join(chunk.saturating_add(1).saturating_add(empty) as u32, 0)
    }

    /// The number of every row that lives, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let chunks = self.chunks.iter().enumerate();
        let numbers = chunks.flat_map(|(chunk, c)| (0..c.used()).map(move |row| join(chunk as u32, row)));
        numbers.filter(|&at| self.get(at).is_some())
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.capacity().saturating_mul(size_of::<Chunk>()).saturating_add(self.capacity)
    }

    /// The row of this number, if it lives.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<&[u8]> {
        let (chunk, row) = split(at);
        self.chunks.get(chunk)?.row(row).filter(|row| row.first() != Some(&FREE))
    }

    /// The row of this number, if it lives.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut [u8]> {
        let (chunk, row) = split(at);
        self.chunks.get_mut(chunk)?.row_mut(row).filter(|row| row.first() != Some(&FREE))
    }

    /// A new row of at least so many bytes, at least 3, and its number. What was in it before is
    /// left; the first byte must be set to something below 0xff.
    #[allow(clippy::panic, reason = "2^32 rows: more than memory holds; better no answer than a number given twice")]
    pub fn add(&mut self, len: usize) -> (u32, &mut [u8]) {
        let stride = len.div_ceil(GRAIN).saturating_mul(GRAIN) as u16;
        let at = self.rooms.iter().position(|room| room.stride == stride).unwrap_or_else(|| {
            self.rooms.push(Room { stride, chunks: Vec::new(), grown: false });
            self.rooms.len().saturating_sub(1)
        });
        loop {
            let Some(room) = self.rooms.get_mut(at) else { panic!("a length has no room") };
            let Some(&number) = room.chunks.last() else {
                let fresh = self.spare.pop().unwrap_or_else(|| {
                    self.chunks.push(Chunk { bytes: Vec::new(), stride: 0, live: 0, free: LAST, listed: false });
                    self.chunks.len().saturating_sub(1) as u32
                });
                assert!((fresh as usize) < MOST_CHUNKS.saturating_sub(1), "too many rows");
                if let Some(chunk) = self.chunks.get_mut(fresh as usize) {
                    (chunk.stride, chunk.free, chunk.listed) = (stride, LAST, true);
                }
                room.chunks.push(fresh);
                continue;
            };
            let chunk = self.chunks.get_mut(number as usize).filter(|chunk| chunk.stride == stride);
            let Some(chunk) = chunk else {
                // Its rows were of this length before it was freed.
                room.chunks.pop();
                continue;
            };
            let before = chunk.bytes.capacity();
            let Some(row) = chunk.take(room.grown) else {
                chunk.listed = false;
                room.chunks.pop();
                room.grown = true;
                continue;
            };
            self.capacity = self.capacity.saturating_sub(before).saturating_add(chunk.bytes.capacity());
            self.live = self.live.saturating_add(1);
            let number = join(number, row);
            let (chunk, row) = split(number);
            match self.chunks.get_mut(chunk).and_then(|chunk| chunk.row_mut(row)) {
                Some(row) => return (number, row),
                None => panic!("a new row is not there"),
            }
        }
    }

    /// Takes a row out; its number may name another one from now on.
    pub fn remove(&mut self, at: u32) {
        let (number, row) = split(at);
        let Some(chunk) = self.chunks.get_mut(number) else { return };
        let next = chunk.free.to_le_bytes();
        let Some(bytes) = chunk.row_mut(row).and_then(|row| row.first_chunk_mut::<3>()) else { return };
        if bytes.first() == Some(&FREE) {
            return;
        }
        *bytes = [FREE, next[0], next[1]];
        chunk.free = row as u16;
        chunk.live = chunk.live.saturating_sub(1);
        self.live = self.live.saturating_sub(1);
        if chunk.live == 0 {
            self.capacity = self.capacity.saturating_sub(chunk.bytes.capacity());
            *chunk = Chunk { bytes: Vec::new(), stride: 0, live: 0, free: LAST, listed: false };
            self.spare.push(number as u32);
        } else if !chunk.listed {
            chunk.listed = true;
            let stride = chunk.stride;
            if let Some(room) = self.rooms.iter_mut().find(|room| room.stride == stride) {
                room.chunks.push(number as u32);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn add(rows: &mut Rows, len: usize, content: u32) -> u32 {
        let (at, row) = rows.add(len);
        assert!(row.len() >= len && row.len() < len + GRAIN);
        row[0] = 0;
        row[1..5].copy_from_slice(&content.to_le_bytes());
        row[5..].fill(content as u8);
        at
    }

    fn holds(rows: &Rows, at: u32, content: u32) -> bool {
        let row = rows.get(at).unwrap();
        row[1..5] == content.to_le_bytes() && row[5..].iter().all(|&b| b == content as u8)
    }

    #[test]
    fn numbers_are_stable_and_memory_comes_back() {
        let mut rows = Rows::default();
        let len = |n: u32| 20 + n as usize % 50;
        let all: Vec<u32> = (0..50_000).map(|n| add(&mut rows, len(n), n)).collect();
        assert_eq!(rows.len(), 50_000);
        for (n, &at) in all.iter().enumerate().filter(|(n, _)| n % 3 != 0) {
            assert!(holds(&rows, at, n as u32));
            rows.remove(at);
            assert!(rows.get(at).is_none());
            rows.remove(at);
        }
        assert_eq!(rows.len(), 16_667);
        let again: Vec<(u32, u32)> = (0..40_000).map(|n| (n + 100_000, add(&mut rows, len(n), n + 100_000))).collect();
        assert!(all.iter().enumerate().filter(|(n, _)| n % 3 == 0).all(|(n, &at)| holds(&rows, at, n as u32)));
        assert!(again.iter().all(|&(n, at)| holds(&rows, at, n)));
        let mut walked = 0;
        let mut at = 0;
        while at < rows.span() {
            let next = rows.skip_empty(at);
            if next > at {
                at = next;
                continue;
            }
            walked += u32::from(rows.get(at).is_some());
            at += 1;
        }
        assert_eq!(walked as usize, rows.len());
        assert_eq!(rows.numbers().count(), rows.len());
        let full = rows.bytes();
        assert_eq!(rows.capacity, rows.chunks.iter().map(|c| c.bytes.capacity()).sum::<usize>());
        for at in 0..rows.span() {
            rows.remove(at);
        }
        assert!(rows.is_empty() && rows.capacity == 0);
        assert!(rows.bytes() < full / 20, "{} of {full}", rows.bytes());
        // What was freed serves any length.
        let chunks = rows.chunks.len();
        (0..50_000).for_each(|n| _ = add(&mut rows, 44, n));
        assert_eq!(rows.chunks.len(), chunks);
    }

    #[test]
    fn a_row_costs_its_bytes() {
        let mut rows = Rows::default();
        (0..1_000_000).for_each(|n| _ = add(&mut rows, 62, n));
        assert!(rows.bytes() < 63_500_000, "{}", rows.bytes());
        let mut few = Rows::default();
        (0..3).for_each(|n| _ = add(&mut few, 62, n));
        assert!(few.bytes() < 512, "{}", few.bytes());
    }
}
