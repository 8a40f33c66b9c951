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
    /// How many rows were ever used: those that `bytes` has.
    used: u16,
    /// The first free row, or `LAST`. A free row names the next one behind its mark.
    free: u16,
    /// Whether the list of chunks with room names this one.
    listed: bool,
}

/// Chunks of one row length that may have room; the last is filled first.
#[derive(Clone, Debug)]
struct Room {
    stride: u16,
    /// How many rows a chunk of this length has.
    most: u16,
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

/// The content of a new row, in the pieces that its owner has it in.
pub struct NewRow<'r, const HEAD: usize> {
    /// The fixed fields.
    pub head: [u8; HEAD],
    /// What follows them.
    pub body: &'r [u8],
    /// What follows that.
    pub tail: &'r [u8],
}

impl<const HEAD: usize> NewRow<'_, HEAD> {
    fn len(&self) -> usize {
        HEAD.saturating_add(self.body.len()).saturating_add(self.tail.len())
    }
}

impl Chunk {
    const NONE: Self = Self { bytes: Vec::new(), stride: 0, live: 0, used: 0, free: LAST, listed: false };

    #[inline(always)]
    fn row(&self, row: usize) -> Option<&[u8]> {
        let start = row.wrapping_mul(usize::from(self.stride));
        self.bytes.get(start..start.wrapping_add(usize::from(self.stride)))
    }

    #[inline(always)]
    fn row_mut(&mut self, row: usize) -> Option<&mut [u8]> {
        let start = row.wrapping_mul(usize::from(self.stride));
        self.bytes.get_mut(start..start.wrapping_add(usize::from(self.stride)))
    }

    /// Puts a row in, where the chunk has room: `most` rows at most.
    #[inline(always)]
    fn put<const HEAD: usize>(&mut self, new: &NewRow<'_, HEAD>, most: u16, whole: bool) -> Option<usize> {
        if self.free != LAST {
            return self.reuse(new);
        }
        let row = self.used;
        if row >= most {
            return None;
        }
        let len = self.bytes.len().saturating_add(usize::from(self.stride));
        if len > self.bytes.capacity() {
            self.grow(most, whole);
        }
        self.bytes.extend_from_slice(&new.head);
        self.bytes.extend_from_slice(new.body);
        self.bytes.extend_from_slice(new.tail);
        if self.bytes.len() < len {
            self.bytes.push(0);
        }
        self.live = self.live.wrapping_add(1);
        self.used = row.wrapping_add(1);
        Some(usize::from(row))
    }

    /// Puts a row where one was removed.
    fn reuse<const HEAD: usize>(&mut self, new: &NewRow<'_, HEAD>) -> Option<usize> {
        let row = usize::from(self.free);
        let bytes = self.row_mut(row)?;
        let (&mut [_, low, high], _) = bytes.split_first_chunk_mut::<3>()?;
        let (head, rest) = bytes.split_first_chunk_mut::<HEAD>()?;
        *head = new.head;
        let (body, rest) = rest.split_at_mut_checked(new.body.len())?;
        body.copy_from_slice(new.body);
        let (tail, rest) = rest.split_at_mut_checked(new.tail.len())?;
        tail.copy_from_slice(new.tail);
        rest.fill(0);
        self.free = u16::from_le_bytes([low, high]);
        self.live = self.live.wrapping_add(1);
        Some(row)
    }

    /// Takes memory for more rows: twice as many as there are, or all that a chunk can have.
    #[cold]
    fn grow(&mut self, most: u16, whole: bool) {
        let wanted = if whole { most } else { self.used.saturating_mul(2).clamp(2, most) };
        let wanted = usize::from(wanted).saturating_mul(usize::from(self.stride));
        self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
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
        join(self.chunks.len().saturating_sub(1) as u32, usize::from(last.used))
    }

    /// The first number from `at` on at which a row may live: a walk need not look at what never
    /// was, or was freed whole.
    #[must_use]
    pub fn skip_empty(&self, at: u32) -> u32 {
        let (chunk, row) = split(at);
        if self.chunks.get(chunk).is_none_or(|c| row < usize::from(c.used)) {
            return at;
        }
        let empty = self.chunks.iter().skip(chunk).skip(1).take_while(|c| c.bytes.is_empty()).count();
        join(chunk.saturating_add(1).saturating_add(empty) as u32, 0)
    }

    /// The number of every row that lives, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let chunks = self.chunks.iter().enumerate();
        let numbers = chunks.flat_map(|(chunk, c)| (0..usize::from(c.used)).map(move |row| join(chunk as u32, row)));
        numbers.filter(|&at| self.get(at).is_some())
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.capacity().saturating_mul(size_of::<Chunk>()).saturating_add(self.capacity)
    }

    /// The row of this number, if it lives.
    #[must_use]
    #[inline]
    pub fn get(&self, at: u32) -> Option<&[u8]> {
        let (chunk, row) = split(at);
        self.chunks.get(chunk)?.row(row).filter(|row| row.first() != Some(&FREE))
    }

    /// The row of this number, if it lives.
    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut [u8]> {
        let (chunk, row) = split(at);
        self.chunks.get_mut(chunk)?.row_mut(row).filter(|row| row.first() != Some(&FREE))
    }

    /// A new row with this content, and its number. It has at least 3 bytes, and the first is below
    /// 0xff.
    #[inline]
    pub fn add<const HEAD: usize>(&mut self, new: &NewRow<'_, HEAD>) -> u32 {
        let stride = new.len().next_multiple_of(GRAIN) as u16;
        let at = match self.rooms.iter().position(|room| room.stride == stride) {
            Some(at) => at,
            None => self.add_room(stride),
        };
        loop {
            let room = self.rooms.get(at);
            let number = room.and_then(|room| room.chunks.last().copied()).unwrap_or(u32::MAX);
            let (most, whole) = room.map_or((0, false), |room| (room.most, room.grown));
            // Its rows were of this length before it was freed.
            let chunk = self.chunks.get_mut(number as usize).filter(|chunk| chunk.stride == stride);
            let Some(chunk) = chunk else {
                self.next_chunk(at);
                continue;
            };
            let before = chunk.bytes.capacity();
            let Some(row) = chunk.put(new, most, whole) else {
                self.next_chunk(at);
                continue;
            };
            self.capacity = self.capacity.wrapping_sub(before).wrapping_add(chunk.bytes.capacity());
            self.live = self.live.wrapping_add(1);
            return join(number, row);
        }
    }

    #[cold]
    fn add_room(&mut self, stride: u16) -> usize {
        self.rooms.push(Room { stride, most: rows(usize::from(stride)) as u16, chunks: Vec::new(), grown: false });
        self.rooms.len().saturating_sub(1)
    }

    /// Leaves the last chunk of a row length, which is full or was freed, and takes a fresh one if
    /// there is none before it.
    #[cold]
    fn next_chunk(&mut self, at: usize) {
        let Some(room) = self.rooms.get_mut(at) else { return };
        if let Some(left) = room.chunks.pop() {
            if let Some(chunk) = self.chunks.get_mut(left as usize).filter(|chunk| chunk.stride == room.stride) {
                chunk.listed = false;
                room.grown = true;
            }
        }
        if !room.chunks.is_empty() {
            return;
        }
        let fresh = self.spare.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::NONE);
            self.chunks.len().saturating_sub(1) as u32
        });
        // 2^32 rows: more than memory holds; better no answer than a number given twice.
        assert!((fresh as usize) < MOST_CHUNKS.saturating_sub(1), "too many rows");
        if let Some(chunk) = self.chunks.get_mut(fresh as usize) {
            (chunk.stride, chunk.free, chunk.listed) = (room.stride, LAST, true);
        }
        room.chunks.push(fresh);
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
            *chunk = Chunk::NONE;
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

    /// A row of `len` bytes, at least 8: its length, a number, and a filling made of that.
    fn add(rows: &mut Rows, len: usize, content: u32) -> u32 {
        let [a, b, c, d] = content.to_le_bytes();
        let filling = vec![content as u8; len - 6];
        let (body, tail) = filling.split_at(content as usize % filling.len());
        let at = rows.add(&NewRow { head: [0, len as u8, a, b, c, d], body, tail });
        assert_eq!(rows.get(at).unwrap().len(), len.next_multiple_of(GRAIN));
        at
    }

    fn holds(rows: &Rows, at: u32, content: u32) -> bool {
        let row = rows.get(at).unwrap();
        let (filling, pad) = row[6..].split_at(usize::from(row[1]) - 6);
        row[2..6] == content.to_le_bytes() && filling.iter().all(|&b| b == content as u8) && pad.iter().all(|&b| b == 0)
    }

    #[test]
    #[cfg_attr(miri, ignore = "rows of whole chunks take miri minutes")]
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
    #[cfg_attr(miri, ignore = "memory is measured with a million rows")]
    fn a_row_costs_its_bytes() {
        let mut rows = Rows::default();
        (0..1_000_000).for_each(|n| _ = add(&mut rows, 62, n));
        assert!(rows.bytes() < 63_500_000, "{}", rows.bytes());
        let mut few = Rows::default();
        (0..3).for_each(|n| _ = add(&mut few, 62, n));
        assert!(few.bytes() < 512, "{}", few.bytes());
    }
}
