//! The global allocator. Inside the server it is the server's, so that `maxmemory`, `INFO memory`
//! and `MEMORY USAGE` see every byte; elsewhere (unit tests, benches, fuzzers, tools that only link
//! the library) it is the system's.
//!
//! Each call chooses by whether the server has filled its function pointer in. That happens once,
//! as the first step of loading and before any code of this crate allocates. So memory always goes
//! back to the allocator that it came from.

use std::alloc::{GlobalAlloc, Layout, System};

use redis_module::raw;

// Miri has an allocator of its own, and cannot read the server's function pointers.
#[cfg_attr(not(miri), global_allocator)]
static ALLOCATOR: ServerAllocator = ServerAllocator;

struct ServerAllocator;

/// The alignment of the server's blocks whose size is a multiple of it ([`is_usable`] checks it).
const NATIVE_ALIGN: usize = 16;

// SAFETY: every method keeps to the contract of `GlobalAlloc`: blocks have the requested size and
// alignment, and go back to the allocator that they came from (see above). The server's functions
// do not unwind; when memory runs out they end the process.
unsafe impl GlobalAlloc for ServerAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the pointer is written once, before anything is allocated.
        match unsafe { raw::RedisModule_Alloc } {
            // SAFETY: the server's function takes any size.
            Some(alloc) if layout.align() <= NATIVE_ALIGN => unsafe {
                alloc(padded(layout.size(), layout.align())).cast()
            },
            // SAFETY: as above; the block has room for the largest shift.
            Some(alloc) => unsafe {
                shift_up(alloc(layout.size().saturating_add(layout.align())).cast(), layout.align())
            },
            // SAFETY: passed on as it is.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the pointer is written once, before anything is allocated.
        match unsafe { raw::RedisModule_Free } {
            // SAFETY: the block came from the server's `alloc` as it is.
            Some(free) if layout.align() <= NATIVE_ALIGN => unsafe { free(block.cast()) },
            // SAFETY: the block came from `shift_up`.
            Some(free) => unsafe { free(shift_down(block).cast()) },
            // SAFETY: passed on as it is.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the pointer is written once, before anything is allocated.
        match unsafe { raw::RedisModule_Realloc } {
            // SAFETY: the block came from the server's `alloc` as it is.
            Some(realloc) if layout.align() <= NATIVE_ALIGN => unsafe {
                realloc(block.cast(), padded(size, layout.align())).cast()
            },
            // SAFETY: the server's `realloc` would not keep the shift, so the block is copied; the
            // sizes are the caller's.
            Some(_) => unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
                moved
            },
            // SAFETY: passed on as it is.
            None => unsafe { System.realloc(block, layout, size) },
        }
    }
}

/// The size, rounded up to a multiple of the alignment: the server aligns small blocks to no more
/// than their size.
const fn padded(size: usize, align: usize) -> usize {
    size.saturating_add(align - 1) & !(align - 1)
}

/// The first aligned address behind the start of a block. The distance from the start is stored in
/// front of it: there are at least 8 bytes, since blocks are aligned to 8 and the address is behind
/// the start.
///
/// # Safety
/// The block is aligned to 8, and larger by `align` than what is used of it.
unsafe fn shift_up(block: *mut u8, align: usize) -> *mut u8 {
    let shift = align - (block as usize & (align - 1));
    // SAFETY: `shift` is at least 8 and at most `align`.
    unsafe {
        let aligned = block.add(shift);
        aligned.cast::<usize>().sub(1).write(shift);
        aligned
    }
}

/// The start of a block, from the address that [`shift_up`] returned.
///
/// # Safety
/// The address came from [`shift_up`].
unsafe fn shift_down(aligned: *mut u8) -> *mut u8 {
    // SAFETY: `shift_up` wrote the distance there.
    unsafe { aligned.sub(aligned.cast::<usize>().sub(1).read()) }
}

/// Whether the server's allocator aligns as assumed here. One that puts a header before each block
/// (the C library's without `malloc_size`) does not, and the module refuses to load.
pub fn is_usable() -> bool {
    [16_usize, 32, 48, 112].into_iter().all(|size| {
        // SAFETY: allocated and freed at once, by the server, which has been found to have both
        // functions.
        unsafe {
            let block = api!(RedisModule_Alloc(size));
            let aligned = (block as usize).is_multiple_of(NATIVE_ALIGN);
            api!(RedisModule_Free(block));
            aligned
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_padded_to_the_alignment() {
        assert_eq!(padded(1, 1), 1);
        assert_eq!(padded(8, 16), 16);
        assert_eq!(padded(17, 16), 32);
        assert_eq!(padded(0, 8), 0);
    }

    #[test]
    fn a_shifted_block_is_aligned_and_found_again() {
        let mut room = [0_u64; 64];
        for align in [32_usize, 64, 128] {
            for word in 0..16 {
                let start = room[word..].as_mut_ptr().cast::<u8>();
                // SAFETY: 48 words are left, which is more than the largest shift.
                unsafe {
                    let aligned = shift_up(start, align);
                    assert_eq!(aligned as usize % align, 0);
                    assert_eq!(shift_down(aligned), start);
                }
            }
        }
    }
}
