//! The allocator of everything in the library but bodies: the system's, with a slab for large chunks ([`super::slab`]), and where these
//! have nothing a reserve in the library itself.
//!
//! Rust ends the process when a small allocation fails that nobody can answer for: a reference count, a table's next entry. These
//! come from the reserve then, so that calls can go on and end what they are at, connections be closed and sockets
//! terminated. What a peer or a program could go on making is refused meanwhile ([`spare`]). Larger allocations are asked for by calls that
//! answer ENOMEM, and get nothing from here.
//!
//! Cells are taken and given without a lock, because a forked child may inherit any: a bit for each cell, and a block is a run of
//! them in one word.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::slab;
use crate::error::{Error, Result};

/// Cells in a word of bits.
const WORD: usize = u64::BITS as usize;
/// Bytes of a small cell: blocks of up to 4 KiB are made of these.
const SMALL: usize = 64;
/// Bytes of a large cell: blocks of up to 64 KiB.
const LARGE: usize = 1024;
/// 512 KiB, and 1 MiB.
const SMALL_WORDS: usize = 128;
const LARGE_WORDS: usize = 16;
/// Of either kind one part in so many may be used before things are refused.
const FREE_USE: usize = 4;

/// Of an arena, in bytes.
const ALIGNMENT: usize = 4096;

/// Memory that costs nothing until it is used.
#[repr(C, align(4096))]
struct Arena<const CELL: usize, const WORDS: usize> {
    cells: UnsafeCell<[[[u8; CELL]; WORD]; WORDS]>,
    taken: [AtomicU64; WORDS],
    used: AtomicUsize,
}

// SAFETY: bytes of `cells` are handed out to one owner at a time, by atomic bits.
unsafe impl<const CELL: usize, const WORDS: usize> Sync for Arena<CELL, WORDS> {}

static SMALL_ARENA: Arena<SMALL, SMALL_WORDS> = Arena::new();
static LARGE_ARENA: Arena<LARGE, LARGE_WORDS> = Arena::new();

#[global_allocator]
static ALLOCATOR: Reserve = Reserve;

/// Whether there is memory for something that outlives the call: for all that a peer or a program could make without end.
///
/// Errors: `NoMemory` while much of the reserve is in use and the system has nothing.
#[inline]
pub fn spare() -> Result<()> {
    if SMALL_ARENA.is_low() || LARGE_ARENA.is_low() {
        return ask_system();
    }
    Ok(())
}

/// A copy that outlives the call.
///
/// Errors: `NoMemory`, as [`spare`].
pub fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    spare()?;
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::NoMemory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// What has come from the reserve may stay for long; that says nothing about now.
#[cold]
fn ask_system() -> Result<()> {
    let mut trial = Vec::<u8>::new();
    // More than the reserve ever gives, and nothing for a slab.
    let tried = trial.try_reserve_exact(2 * LARGE * WORD + 1);
    // An allocation that nobody uses need not be made.
    std::hint::black_box(&mut trial);
    tried.map_err(|_| Error::NoMemory)
}

/// The slab and the system's allocator, with the reserve behind them.
struct Reserve;

// SAFETY: blocks come from the system's allocator or from an arena, are as large and aligned as the layout says, and go back to where they
// came from, which their address tells.
unsafe impl GlobalAlloc for Reserve {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        #[cfg(test)]
        if super::shortage::refuses(layout.size()) {
            return ptr::null_mut();
        }
        if let Some(cells) = slab::cells(layout) {
            let block = slab::take(cells);
            if !block.is_null() {
                return block;
            }
        }
        // SAFETY: the caller's promise about the layout is passed on.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { take(layout) } else { block }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        #[cfg(test)]
        if super::shortage::refuses(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise about the layout is passed on.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = take(layout);
        if !block.is_null() {
            // SAFETY: a block that was just taken has as many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if slab::cells(layout).is_some_and(|cells| slab::give(block, cells)) {
            return;
        }
        if !give(block, layout) {
            // SAFETY: not of an arena, so the system's, with this layout.
            unsafe { System.dealloc(block, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        #[cfg(test)]
        if super::shortage::refuses(size) {
            return ptr::null_mut();
        }
        let is_slab = || slab::cells(layout).is_some_and(|cells| slab::is_ours(block, cells));
        if !is_ours(block) && !is_slab() {
            // SAFETY: of neither an arena nor a slab, so the system's, with this layout.
            let moved = unsafe { System.realloc(block, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the block has this layout, and the caller promises that the size is not zero and does not overflow.
        unsafe { self.move_to(block, layout, size) }
    }
}

impl Reserve {
    /// Moves a block to another place, of another size.
    ///
    /// # Safety
    /// As for `realloc`.
    #[cold]
    unsafe fn move_to(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the size is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: two blocks of at least so many bytes, and the old one is given away by the caller.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

/// A block of the reserve, or null.
#[cold]
fn take(layout: Layout) -> *mut u8 {
    let small = SMALL_ARENA.take(layout);
    if small.is_null() {
        LARGE_ARENA.take(layout)
    } else {
        small
    }
}

#[inline]
fn is_ours(block: *const u8) -> bool {
    SMALL_ARENA.offset(block).is_some() || LARGE_ARENA.offset(block).is_some()
}

/// False: it is none of the reserve's.
#[inline]
fn give(block: *const u8, layout: Layout) -> bool {
    if let Some(offset) = SMALL_ARENA.offset(block) {
        SMALL_ARENA.give(offset, layout);
        return true;
    }
    if let Some(offset) = LARGE_ARENA.offset(block) {
        LARGE_ARENA.give(offset, layout);
        return true;
    }
    false
}

impl<const CELL: usize, const WORDS: usize> Arena<CELL, WORDS> {
    const fn new() -> Self {
        Arena {
            cells: UnsafeCell::new([[[0; CELL]; WORD]; WORDS]),
            taken: [const { AtomicU64::new(0) }; WORDS],
            used: AtomicUsize::new(0),
        }
    }

    #[inline]
    fn is_low(&self) -> bool {
        self.used.load(Ordering::Relaxed) > WORDS * WORD / FREE_USE
    }

    /// Where in the arena the address is, if it is.
    #[inline]
    fn offset(&self, block: *const u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.cells.get().addr());
        (offset < WORDS * WORD * CELL).then_some(offset)
    }

    /// The bits of a block at the first place of a word, and how many cells it has; none where no word has room for it.
    fn run(layout: Layout) -> Option<(u64, usize)> {
        let cells = layout.size().div_ceil(CELL).max(1);
        (cells <= WORD).then(|| (u64::MAX >> (WORD - cells), cells))
    }

    fn take(&self, layout: Layout) -> *mut u8 {
        let step = layout.align().div_ceil(CELL);
        let Some((run, cells)) = Self::run(layout).filter(|_| step <= WORD && layout.align() <= ALIGNMENT) else {
            return ptr::null_mut();
        };
        for (word, taken) in self.taken.iter().enumerate() {
            let mut before = taken.load(Ordering::Relaxed);
            while let Some(place) = (0..=WORD - cells)
                .step_by(step)
                .find(|place| before & run << place == 0)
            {
                let after = before | run << place;
                match taken.compare_exchange_weak(before, after, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {
                        self.used.fetch_add(cells, Ordering::Relaxed);
                        return self.cells.get().cast::<u8>().wrapping_add((word * WORD + place) * CELL);
                    }
                    Err(now) => before = now,
                }
            }
        }
        ptr::null_mut()
    }

    #[cold]
    fn give(&self, offset: usize, layout: Layout) {
        let (word, place) = (offset / CELL / WORD, offset / CELL % WORD);
        if let Some((run, cells)) = Self::run(layout) {
            self.taken[word].fetch_and(!(run << place), Ordering::Release);
            self.used.fetch_sub(cells, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tiny = Arena<16, 2>;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_do_not_overlap_and_come_back() {
        let arena = Box::new(Tiny::new());
        let sizes = [1, 16, 17, 200, 16 * WORD - 217 - 38];
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for size in sizes {
            let offset = arena.offset(arena.take(layout(size, 1))).unwrap();
            assert!(
                blocks
                    .iter()
                    .all(|(other, len)| offset >= other + len || other >= &(offset + size))
            );
            blocks.push((offset, size));
        }
        assert!(arena.is_low());
        for (offset, size) in blocks {
            arena.give(offset, layout(size, 1));
        }
        assert_eq!(arena.used.load(Ordering::Relaxed), 0);
        assert!(arena.taken.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let arena = Box::new(Tiny::new());
        assert!(arena.take(layout(16 * WORD + 1, 1)).is_null());
        assert!(!arena.take(layout(16 * WORD, 1)).is_null());
        assert!(!arena.take(layout(16 * WORD, 1)).is_null());
        assert!(arena.take(layout(1, 1)).is_null());
        assert!(arena.offset(ptr::from_ref(&0)).is_none());
    }

    #[test]
    fn blocks_are_aligned() {
        for align in [1, 8, 64, 128, 1024, 4096] {
            for _ in 0..3 {
                let block = take(layout(100, align));
                assert_eq!(block.addr() % align, 0);
                assert!(is_ours(block) && give(block, layout(100, align)));
            }
        }
    }

    #[test]
    fn a_block_grows_out_of_the_reserve_and_keeps_its_bytes() {
        let block = take(layout(3, 1));
        // SAFETY: three bytes of a block that was just taken, which is moved by its own allocator.
        let moved = unsafe {
            ptr::copy_nonoverlapping([1, 2, 3].as_ptr(), block, 3);
            ALLOCATOR.realloc(block, layout(3, 1), 100_000)
        };
        assert!(!is_ours(moved));
        // SAFETY: the first bytes of the block, which is given back with the layout that it has now.
        unsafe {
            assert_eq!(std::slice::from_raw_parts(moved, 3), [1, 2, 3]);
            ALLOCATOR.dealloc(moved, layout(100_000, 1));
        }
    }
}
