//! Memory for large chunks that goes back to the system after a burst.
//!
//! What malloc has once given for a burst it keeps for as long as anything lies above it. Blocks of 64 to 256 KiB lie in regions of
//! their own instead, and what of these has been free for a while is given back: [`Tidying`], which reactors carry. Where no region can
//! be made malloc serves.
//!
//! A block is a run of cells (`cells`) in one region. Regions stay reserved for good, so that an address tells for ever whose it is; they cost no memory, but count where
//! addresses are limited (RLIMIT_AS).
#![allow(unsafe_code, reason = "mmap and madvise are C functions")]

use std::alloc::Layout;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::cells::{CELLS, Cells};

/// Bytes of a cell.
pub const CELL: usize = 64 * 1024;
/// A block has no more of them.
const CELLS_MAX: usize = 4;
const REGION: usize = CELLS * CELL;
/// 4 GiB a slab; the rest comes from malloc.
const REGIONS_MAX: usize = 1024;
/// Pages are no smaller than this, in bytes.
const ALIGNMENT: usize = 4096;
/// While more cells than this came and went lately they will be needed again: clearing pages costs a stream a fifth of its speed.
const BUSY: u32 = 64;
/// How long cells stay free before they go to the system, at least, in nanoseconds.
const QUIET_NS: u64 = 500_000_000;
/// While more cells than this are taken they are looked after, as nobody says when they are free ...
const TAKEN_FEW: u32 = 16;
/// ... after ever longer times, up to this many nanoseconds.
const PAUSE_MAX_NS: u64 = 32_000_000_000;

struct Region {
    base: AtomicPtr<u8>,
    /// Those that may have pages are touched.
    cells: Cells,
}

struct Slab<const REGIONS: usize> {
    regions: [Region; REGIONS],
    count: AtomicUsize,
    /// Somebody makes a region: nobody waits for that.
    growing: AtomicBool,
    /// The region that was last of use.
    hint: AtomicUsize,
    /// How many blocks have been given back.
    given: AtomicU64,
}

/// One for blocks of a cell and one for larger ones: single cells between them would leave no room for runs.
static SLABS: [Slab<REGIONS_MAX>; 2] = [Slab::new(), Slab::new()];

fn slab_of(cells: usize) -> &'static Slab<REGIONS_MAX> {
    &SLABS[usize::from(cells > 1)]
}

/// The cells of such a block; none: it is not for a slab.
#[inline]
pub fn cells(layout: Layout) -> Option<usize> {
    let size = layout.size();
    let fits = size.is_multiple_of(CELL) && size.wrapping_sub(1) < CELLS_MAX * CELL && layout.align() <= ALIGNMENT;
    (fits && !cfg!(unpooled)).then_some(size / CELL)
}

/// A block of so many cells, or null.
#[cold]
pub fn take(cells: usize) -> *mut u8 {
    slab_of(cells).take(cells)
}

/// Takes a block back. False: it is none of these.
#[cold]
pub fn give(block: *mut u8, cells: usize) -> bool {
    slab_of(cells).give(block, cells)
}

/// Whether a block of so many cells is one of these.
#[cold]
pub fn is_ours(block: *const u8, cells: usize) -> bool {
    slab_of(cells).find(block).is_some()
}

/// In a forked child: who made a region is not there.
pub fn forked() {
    SLABS
        .iter()
        .for_each(|slab| slab.growing.store(false, Ordering::Release));
    CARE.release();
}

/// Gives back all that is free, as nobody will look any more.
pub fn tidy() {
    SLABS.iter().for_each(|slab| {
        slab.age();
        slab.age();
        slab.release();
    });
}

/// Whether blocks came free that nobody looks after: whoever runs a loop with a [`Tidying`] is to be woken.
#[inline]
pub fn is_untended() -> bool {
    #[cfg(test)]
    if super::simulation::is_on() {
        return false;
    }
    CARE.is_wanted(&SLABS)
}

/// Who looks after the slabs, in their common name.
struct Care {
    /// Somebody does: one at a time, else time would pass too fast.
    is_taken: AtomicBool,
    /// How many blocks had been given back when somebody last looked.
    seen: AtomicU64,
}

static CARE: Care = Care::new();

impl Care {
    const fn new() -> Care {
        Care {
            is_taken: AtomicBool::new(false),
            seen: AtomicU64::new(0),
        }
    }

    #[inline]
    fn is_wanted<const REGIONS: usize>(&self, slabs: &[Slab<REGIONS>]) -> bool {
        !self.is_taken.load(Ordering::Relaxed) && given(slabs) != self.seen.load(Ordering::Relaxed)
    }

    fn release(&self) {
        self.is_taken.store(false, Ordering::Release);
    }
}

/// How many blocks have been given back.
#[inline]
fn given<const REGIONS: usize>(slabs: &[Slab<REGIONS>]) -> u64 {
    slabs.iter().map(|slab| slab.given.load(Ordering::Relaxed)).sum()
}

/// When to give memory back: whoever runs a loop carries one.
#[derive(Debug, Default)]
pub struct Tidying {
    /// When to look again; `None`: somebody else looks, or nobody need.
    at_ns: Option<u64>,
    /// The pause before that, for what is taken.
    pause_ns: u64,
}

impl Tidying {
    /// Tidies, if it is time for it.
    pub fn look(&mut self, now_ns: u64) {
        #[cfg(test)]
        if super::simulation::is_on() {
            return;
        }
        self.look_at(&SLABS, &CARE, now_ns);
    }

    fn look_at<const REGIONS: usize>(&mut self, slabs: &[Slab<REGIONS>], care: &Care, now_ns: u64) {
        match self.at_ns {
            Some(at_ns) if now_ns < at_ns => return,
            None => {
                if !care.is_wanted(slabs) || care.is_taken.swap(true, Ordering::Acquire) {
                    return;
                }
                self.pause_ns = QUIET_NS;
            }
            Some(_) => {
                care.seen.store(given(slabs), Ordering::Relaxed);
                let recent = slabs.iter().map(Slab::age).sum::<u32>();
                let left = slabs
                    .iter()
                    .map(|slab| if recent > BUSY { slab.left() } else { slab.release() });
                let (free, taken) = left.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                self.pause_ns = match (free > 0, taken > TAKEN_FEW) {
                    (true, _) => QUIET_NS,
                    (false, true) => (2 * self.pause_ns).min(PAUSE_MAX_NS),
                    (false, false) => {
                        self.at_ns = None;
                        care.release();
                        return;
                    }
                };
            }
        }
        self.at_ns = Some(now_ns.saturating_add(self.pause_ns));
    }

    /// When to look again.
    pub fn at_ns(&self) -> Option<u64> {
        self.at_ns
    }
}

impl Drop for Tidying {
    fn drop(&mut self) {
        // Another may go on with it.
        if self.at_ns.is_some() {
            CARE.release();
        }
    }
}

impl<const REGIONS: usize> Slab<REGIONS> {
    const fn new() -> Self {
        Slab {
            regions: [const {
                Region {
                    base: AtomicPtr::new(ptr::null_mut()),
                    cells: Cells {
                        taken: AtomicU64::new(0),
                        touched: AtomicU64::new(0),
                        recent: AtomicU64::new(0),
                        before: AtomicU64::new(0),
                    },
                }
            }; REGIONS],
            count: AtomicUsize::new(0),
            growing: AtomicBool::new(false),
            hint: AtomicUsize::new(0),
            given: AtomicU64::new(0),
        }
    }

    fn present(&self) -> &[Region] {
        &self.regions[..self.count.load(Ordering::Acquire)]
    }

    /// The region and cell that an address is in.
    fn find(&self, block: *const u8) -> Option<(usize, usize)> {
        let regions = self.present();
        let hint = self.hint.load(Ordering::Relaxed);
        let offset = |index: usize| {
            let offset = block.addr().wrapping_sub(regions.get(index)?.base().addr());
            (offset < REGION).then_some((index, offset / CELL))
        };
        offset(hint).or_else(|| (0..regions.len()).find_map(offset))
    }

    fn take(&self, cells: usize) -> *mut u8 {
        let hint = self.hint.load(Ordering::Relaxed);
        let regions = self.present();
        // The first ones first, so that the last ones come free; but not from the start each time.
        for index in [hint].into_iter().chain(0..regions.len()) {
            if let Some(block) = regions.get(index).and_then(|region| region.take(cells)) {
                self.hint.store(index, Ordering::Relaxed);
                return block;
            }
        }
        self.grow(cells)
    }

    /// A block of a new region.
    #[cold]
    fn grow(&self, cells: usize) -> *mut u8 {
        let count = self.count.load(Ordering::Acquire);
        let Some(region) = self.regions.get(count) else {
            return ptr::null_mut();
        };
        if self.growing.swap(true, Ordering::AcqRel) {
            return ptr::null_mut();
        }
        let mut block = ptr::null_mut();
        if self.count.load(Ordering::Acquire) == count {
            region.base.store(map(), Ordering::Relaxed);
            if !region.base().is_null() {
                block = region.take(cells).unwrap_or(ptr::null_mut());
                self.count.store(count + 1, Ordering::Release);
            }
        }
        self.growing.store(false, Ordering::Release);
        block
    }

    fn give(&self, block: *mut u8, cells: usize) -> bool {
        let Some((index, cell)) = self.find(block) else {
            return false;
        };
        self.hint.store(index, Ordering::Relaxed);
        self.regions[index].cells.give(cell, cells);
        self.given.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A time is over: how many cells came or went in it.
    fn age(&self) -> u32 {
        self.present().iter().map(|region| region.cells.age()).sum()
    }

    /// Gives the system the pages of all that has been free for a time, and says what is left.
    fn release(&self) -> (u32, u32) {
        self.present().iter().for_each(Region::release);
        self.left()
    }

    /// How many cells are free and have pages, and how many are taken.
    fn left(&self) -> (u32, u32) {
        let left = self.present().iter().map(|region| region.cells.left());
        left.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

impl Region {
    /// It does not change once the region is among those that are present.
    fn base(&self) -> *mut u8 {
        self.base.load(Ordering::Relaxed)
    }

    fn take(&self, cells: usize) -> Option<*mut u8> {
        let cell = self.cells.take(cells)?;
        Some(self.base().wrapping_add(cell * CELL))
    }

    /// As [`Slab::release`].
    fn release(&self) {
        self.cells.sweep(|cell, cells| {
            let start = self.base().wrapping_add(cell * CELL);
            // SAFETY: the cells are mapped, and of no block: nobody reads or writes them until this is done.
            unsafe { libc::madvise(start.cast(), cells * CELL, libc::MADV_DONTNEED) };
        });
    }
}

/// A region's addresses, or null.
fn map() -> *mut u8 {
    // SAFETY: no address is asked for, and nothing else is replaced; the result is checked.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            REGION,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    // One chunk is not to take a page of 2 MiB; a burst in such pages took 1.6 times as long.
    // SAFETY: the region that was just mapped. It is a wish: a refusal does no harm.
    unsafe { libc::madvise(base, REGION, libc::MADV_NOHUGEPAGE) };
    base.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 1).unwrap()
    }

    fn resident(block: *mut u8) -> bool {
        let mut page = 0_u8;
        // SAFETY: one page is asked for, and one byte written.
        assert_eq!(unsafe { libc::mincore(block.cast(), 1, &raw mut page) }, 0);
        page & 1 != 0
    }

    #[test]
    fn blocks_of_some_sizes_are_for_a_slab() {
        let sizes = [1, CELL, CELL + 1, 2 * CELL, 4 * CELL, 5 * CELL];
        let all = sizes.map(|size| cells(layout(size)));
        assert_eq!(all, [None, Some(1), None, Some(2), Some(4), None]);
    }

    #[test]
    fn blocks_do_not_overlap_and_come_back() {
        let slab = Box::new(Slab::<2>::new());
        let mut blocks = Vec::new();
        let mut taken = 0;
        for cells in (1..=4).cycle() {
            let block = slab.take(cells);
            if block.is_null() {
                break;
            }
            // SAFETY: a block of so many cells that was just taken.
            unsafe { block.write_bytes(cells as u8, cells * CELL) };
            taken += cells;
            blocks.push((block, cells));
        }
        assert!(taken > 2 * CELLS - 4, "{taken}");
        for (block, cells) in blocks {
            // SAFETY: the bytes of a block that is not given back yet.
            let bytes = unsafe { std::slice::from_raw_parts(block, cells * CELL) };
            assert!(bytes.iter().all(|byte| *byte == cells as u8));
            assert!(slab.give(block, cells));
        }
        assert!(slab.present().iter().all(|region| region.cells.left().1 == 0));
        assert!(!slab.give(ptr::from_ref(&*slab).cast_mut().cast(), 1));
        assert_eq!(slab.find(ptr::null()), None);
    }

    #[test]
    fn what_stays_free_is_given_back() {
        let slabs = Box::new([Slab::<1>::new()]);
        let (slab, care) = (&slabs[0], Care::new());
        let [kept, given] = [1, 2].map(|cells| {
            let block = slab.take(cells);
            // SAFETY: a block of so many cells that was just taken.
            unsafe { block.write_bytes(1, cells * CELL) };
            block
        });
        let mut tidying = Tidying::default();
        tidying.look_at(&*slabs, &care, 0);
        assert_eq!(tidying.at_ns(), None, "nothing was given back");
        assert!(!care.is_wanted(&*slabs));
        slab.give(given, 2);
        assert!(care.is_wanted(&*slabs));
        tidying.look_at(&*slabs, &care, 0);
        tidying.look_at(&*slabs, &care, QUIET_NS - 1);
        assert_eq!(tidying.at_ns(), Some(QUIET_NS));
        let mut second = Tidying::default();
        second.look_at(&*slabs, &care, 0);
        assert_eq!(second.at_ns(), None, "one at a time");
        tidying.look_at(&*slabs, &care, QUIET_NS);
        assert!(resident(given), "it was in use since the last time");
        tidying.look_at(&*slabs, &care, 2 * QUIET_NS);
        assert!(!resident(given) && !resident(given.wrapping_add(CELL)) && resident(kept));
        assert_eq!(tidying.at_ns(), None, "nothing is left to do");
        assert!(!care.is_taken.load(Ordering::Relaxed) && !care.is_wanted(&*slabs));
        assert_eq!(slab.take(2), given);
        // SAFETY: the first byte of a block that was just taken.
        assert_eq!(unsafe { given.read() }, 0);
    }

    #[test]
    fn threads_take_and_give_while_one_tidies() {
        let slab = Slab::<3>::new();
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 1..=3_u8 {
                let (slab, done) = (&slab, &done);
                scope.spawn(move || {
                    for round in 0..2_000 {
                        let cells = 1 + round % 3;
                        let blocks: Vec<_> = (0..5)
                            .map(|_| slab.take(cells))
                            .filter(|block| !block.is_null())
                            .collect();
                        // SAFETY: bytes of blocks that this thread has taken.
                        unsafe {
                            blocks.iter().for_each(|block| block.add(CELL / 2).write(thread));
                            assert!(blocks.iter().all(|block| block.add(CELL / 2).read() == thread));
                        }
                        assert!(blocks.iter().all(|block| slab.give(*block, cells)));
                    }
                    done.fetch_add(1, Ordering::Release);
                });
            }
            while done.load(Ordering::Acquire) < 3 {
                slab.age();
                slab.release();
            }
        });
        assert!(slab.present().iter().all(|region| region.cells.left().1 == 0));
    }
}
