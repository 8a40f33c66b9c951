//! Records at stable numbers, in chunks: growing never moves more than one chunk, and an empty
//! chunk is freed.

/// No record.
pub const NONE: u32 = u32::MAX;

const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;
const LOW: u32 = (1 << CHUNK_BITS) - 1;

#[derive(Clone, Debug)]
enum Cell<T> {
    Free { next: u32 },
    Used(T),
}

#[derive(Clone, Debug)]
struct Chunk<T> {
    cells: Vec<Cell<T>>,
    /// First free cell within the chunk, or `NONE`.
    free: u32,
    live: u32,
    /// Whether the slab's list of chunks with room names this one.
    listed: bool,
}

/// A table of records that are named by a number for as long as they live.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks that may have room; the last is filled first.
    room: Vec<u32>,
    live: u32,
    /// Cells that memory is taken for, over all chunks.
    capacity: usize,
}

impl<T: Clone> Clone for Slab<T> {
    fn clone(&self) -> Self {
        let chunks = self.chunks.clone();
        // A copied vector has no room to spare.
        let capacity = chunks.iter().map(|c| c.cells.capacity()).sum();
        Self { chunks, room: self.room.clone(), live: self.live, capacity }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), room: Vec::new(), live: 0, capacity: 0 }
    }
}

fn split(at: u32) -> (usize, usize) {
    ((at >> CHUNK_BITS) as usize, (at & LOW) as usize)
}

fn join(chunk: usize, cell: usize) -> u32 {
    ((chunk as u32) << CHUNK_BITS) | cell as u32
}

impl<T> Slab<T> {
    /// How many records live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether no record lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// One more than the largest number that a record can have now.
    #[must_use]
    pub fn span(&self) -> u32 {
        let last = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        last.saturating_add(self.chunks.last().map_or(0, |chunk| chunk.cells.len())) as u32
    }

    /// The bytes that the table itself has taken, what its records own apart.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let whole = self.chunks.capacity().saturating_mul(size_of::<Chunk<T>>());
        whole.saturating_add(self.capacity.saturating_mul(size_of::<Cell<T>>()))
    }

    /// The record of this number, if it lives.
    #[must_use]
    #[inline]
    pub fn get(&self, at: u32) -> Option<&T> {
        let (chunk, cell) = split(at);
        match self.chunks.get(chunk)?.cells.get(cell)? {
            Cell::Used(record) => Some(record),
            Cell::Free { .. } => None,
        }
    }

    /// The record of this number, if it lives.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let (chunk, cell) = split(at);
        match self.chunks.get_mut(chunk)?.cells.get_mut(cell)? {
            Cell::Used(record) => Some(record),
            Cell::Free { .. } => None,
        }
    }

    /// Stores a record and names it.
    pub fn insert(&mut self, record: T) -> u32 {
        loop {
            let Some(&chunk) = self.room.last() else {
                let fresh = self.chunks.len() as u32;
                self.chunks.push(Chunk { cells: Vec::new(), free: NONE, live: 0, listed: true });
                // The first chunk grows with a small pool; later ones are wanted whole.
                if fresh > 0 {
                    if let Some(chunk) = self.chunks.last_mut() {
                        chunk.cells.reserve_exact(CHUNK);
                        self.capacity = self.capacity.saturating_add(chunk.cells.capacity());
                    }
                }
                self.room.push(fresh);
                continue;
            };
            let Some(home) = self.chunks.get_mut(chunk as usize) else {
                self.room.pop();
                continue;
            };
            let cell = if home.free != NONE {
                let cell = home.free as usize;
                match home.cells.get_mut(cell) {
                    Some(taken @ Cell::Free { .. }) => {
                        if let Cell::Free { next } = *taken {
                            home.free = next;
                        }
                        *taken = Cell::Used(record);
                    }
                    _ => unreachable!("the free list of a chunk names a cell that is not free"),
                }
                cell
            } else if home.cells.len() < CHUNK {
                let before = home.cells.capacity();
                home.cells.push(Cell::Used(record));
                self.capacity = self.capacity.saturating_sub(before).saturating_add(home.cells.capacity());
                home.cells.len().saturating_sub(1)
            } else {
                home.listed = false;
                self.room.pop();
                continue;
            };
            home.live = home.live.saturating_add(1);
            self.live = self.live.saturating_add(1);
            return join(chunk as usize, cell);
        }
    }

    /// Takes a record out; its number may name another one from now on.
    pub fn remove(&mut self, at: u32) -> Option<T> {
        let (number, cell) = split(at);
        let chunk = self.chunks.get_mut(number)?;
        let freed = chunk.cells.get_mut(cell)?;
        if matches!(freed, Cell::Free { .. }) {
            return None;
        }
        let Cell::Used(record) = std::mem::replace(freed, Cell::Free { next: chunk.free }) else { return None };
        chunk.free = cell as u32;
        chunk.live = chunk.live.saturating_sub(1);
        self.live = self.live.saturating_sub(1);
        if chunk.live == 0 {
            self.capacity = self.capacity.saturating_sub(chunk.cells.capacity());
            chunk.cells = Vec::new();
            chunk.free = NONE;
        }
        if !chunk.listed {
            chunk.listed = true;
            self.room.push(number as u32);
        }
        Some(record)
    }
}

impl<T> Slab<T> {
    /// The record of this number, which lives. A number that names nothing is a bug of this crate:
    /// better no answer than one from a wrong record.
    #[must_use]
    #[allow(clippy::panic, reason = "see above; the shell turns it into an error reply")]
    pub fn at(&self, at: u32) -> &T {
        match self.get(at) {
            Some(record) => record,
            None => panic!("no record {at}"),
        }
    }

    /// As [`Slab::at`].
    #[allow(clippy::panic, reason = "see `at`")]
    pub fn at_mut(&mut self, at: u32) -> &mut T {
        match self.get_mut(at) {
            Some(record) => record,
            None => panic!("no record {at}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_memory_comes_back() {
        let mut slab = Slab::default();
        let add = |n| {
            let at = slab.insert(n);
            assert_eq!(slab.span(), n + 1, "the span of a fresh slab is what was added");
            at
        };
        let all: Vec<u32> = (0..5_000u32).map(add).collect();
        assert_eq!(all, (0..5_000).collect::<Vec<_>>(), "a fresh slab numbers its records in order");
        for &at in all.iter().filter(|at| *at % 3 != 0) {
            assert_eq!(slab.remove(at), Some(at));
            assert_eq!(slab.remove(at), None);
        }
        assert!(all.iter().filter(|at| *at % 3 == 0).all(|&at| *slab.at(at) == at));
        let again: Vec<u32> = (0..4_000u32).map(|n| slab.insert(n + 10_000)).collect();
        assert!(again.iter().zip(10_000..).all(|(&at, n)| *slab.at(at) == n));
        let full = slab.bytes();
        for at in 0..slab.span() {
            slab.remove(at);
        }
        assert!(slab.is_empty());
        assert!(slab.bytes() < full / 100);
        assert!(slab.insert(1) < slab.span());
    }
}
