//! Recycled memory of bodies from 33 bytes to 1 MiB: one thread allocates them, another frees them, and a general allocator
//! makes such threads wait for each other and gives the pages back to the system in between.
//!
//! Sizes are rounded up to classes, four to a doubling. Every thread keeps a few idle blocks of each class and exchanges
//! them in batches with the depot, under one short lock. What is idle is bounded: [`THREAD_BYTES_MAX`] in a thread, and an
//! adaptive bound in the depot. A burst's memory goes as the burst drains; that of a queue which runs full and empty again
//! and again is kept.
//! Nobody ever waits for the lock: a forked child may inherit it locked. Whoever finds it taken goes to the system instead.
//! A thread's idle blocks go to the depot when it ends. No foreign code runs here but the system's allocator.

mod class;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, TryLockError};

pub(super) use self::class::Class;
use self::class::{CLASS_BITS_MIN, CLASS_COUNT};
use crate::sys::clock;
use crate::sys::near::Near;

/// Bytes that a block has beyond those of its class.
pub(super) const HEAD_BYTES: usize = 32;

/// Where in its head a block has the number of bytes behind it, when it is taken; whoever uses the block leaves that as it is.
pub(super) const CAPACITY_OFFSET: usize = offset_of!(Idle, capacity);

/// The alignment of every block.
pub(super) const ALIGNMENT: usize = 16;

/// A full batch has about this many bytes: little, so that what is used next was used not long ago.
const BATCH_BYTES: usize = 64 * 1024;
/// The fewest and the most blocks of a full batch.
const BATCH_BLOCKS: (usize, usize) = (4, 32);

/// The last class of which a full batch has the most blocks: 2 KiB.
const UNCOUNTED_MAX: usize = 4 * (11 - CLASS_BITS_MIN);
const _: () = assert!(1 << 11 == BATCH_BYTES / BATCH_BLOCKS.1);

/// A thread keeps at most this many idle bytes of larger classes.
const THREAD_BYTES_MAX: usize = 1024 * 1024;

/// The depot's bound at first, and at most. It is raised by what was given back and then missed within
/// [`MISSED_WITHIN_NS`], and lowered every [`PERIOD_NS`] by what lay idle all that time.
const DEPOT_BYTES_MIN: usize = 1024 * 1024;
const DEPOT_BYTES_MAX: usize = 128 * 1024 * 1024;
const MISSED_WITHIN_NS: u64 = 100_000_000;
const PERIOD_NS: u64 = 1_000_000_000;

/// Blocks of fewer bytes go to the allocator with their pages.
const DISCARDED_BYTES_MIN: usize = 16 * 1024;

/// How often a taken lock is tried again: longer than the lock is held by a thread that runs.
const LOCK_TRIES: u32 = 64;

static DEPOT: Depot = Depot::new();

thread_local! {
    static MINE: Mine = const { Mine(Magazines::new(&DEPOT)) };
}
/// The same objects, found sooner.
static NEAR: Near<Magazines<'static>> = Near::new();

impl Class {
    fn batch_blocks(self) -> usize {
        if !self.is_counted() {
            return BATCH_BLOCKS.1;
        }
        (BATCH_BYTES / self.len()).max(BATCH_BLOCKS.0)
    }

    /// Whether blocks count towards the bound of a thread. Two batches of the small classes are never much.
    fn is_counted(self) -> bool {
        self.index() > UNCOUNTED_MAX
    }

    fn layout(self) -> Layout {
        // SAFETY: the alignment is a power of two, and the size is far from overflowing.
        unsafe { Layout::from_size_align_unchecked(HEAD_BYTES + self.len(), ALIGNMENT) }
    }
}

/// Memory for a block of the class, with arbitrary content but for [`Idle::capacity`]. None when the system has none.
#[inline]
pub(super) fn take(class: Class) -> Option<NonNull<u8>> {
    // SAFETY: what a thread keeps there is alive.
    let recycled = match NEAR.find().map(|mine| unsafe { mine.as_ref() }) {
        Some(mine) => mine.take_last(class).or_else(|| mine.take(class)),
        None => MINE.try_with(|mine| mine.found().take(class)).ok().flatten(),
    };
    recycled.or_else(|| DEPOT.make(class)).map(NonNull::cast)
}

/// The memory that the calling thread gave last, if it has not taken it again.
#[inline(always)]
pub(super) fn take_last(class: Class) -> Option<NonNull<u8>> {
    // SAFETY: what a thread keeps there is alive.
    let mine = unsafe { NEAR.find()?.as_ref() };
    mine.take_last(class).map(NonNull::cast)
}

/// Takes the memory of a block back.
///
/// # Safety
/// The memory came from [`take`] for this class, and nothing refers to it any more.
#[inline]
pub(super) unsafe fn give(class: Class, memory: NonNull<u8>) {
    let block = memory.cast();
    // SAFETY: what a thread keeps there is alive.
    if let Some(mine) = NEAR.find().map(|mine| unsafe { mine.as_ref() }) {
        if !mine.keep_last(class, block) {
            // SAFETY: as the caller promises.
            unsafe { mine.give(class, block) };
        }
        return;
    }
    // SAFETY: the caller gives the block away.
    let kept = MINE.try_with(|mine| unsafe { mine.found().give(class, block) });
    if kept.is_err() {
        // SAFETY: the thread is being torn down and did not keep the block.
        unsafe { DEPOT.unmake(class, block) };
    }
}

/// As [`give`], if the memory can be kept for the next [`take_last`]; false when it is still the caller's.
///
/// # Safety
/// As for [`give`].
#[inline(always)]
pub(super) unsafe fn keep_last(class: Class, memory: NonNull<u8>) -> bool {
    // SAFETY: what a thread keeps there is alive.
    NEAR.find()
        .is_some_and(|mine| unsafe { mine.as_ref() }.keep_last(class, memory.cast()))
}

/// The idle blocks of the thread that it belongs to, near for as long as they are alive.
struct Mine(Magazines<'static>);

impl Mine {
    fn found(&self) -> &Magazines<'static> {
        NEAR.keep(NonNull::from(&self.0));
        &self.0
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        NEAR.forget();
    }
}

/// What is written over the head of an idle block.
#[repr(C)]
struct Idle {
    next: Option<NonNull<Idle>>,
    /// The bytes behind the head: written when the block is made, and never again.
    capacity: usize,
    /// The next batch of the class, while this block is the first of one in the depot.
    next_batch: Option<NonNull<Idle>>,
    /// Blocks in the batch that this block is the first of.
    batch_blocks: usize,
}

const _: () = assert!(size_of::<Idle>() <= HEAD_BYTES && align_of::<Idle>() <= ALIGNMENT);

/// Idle blocks of one class, last in, first out.
#[derive(Default)]
struct Batch {
    first: Option<NonNull<Idle>>,
    blocks: usize,
}

impl Batch {
    const EMPTY: Batch = Batch { first: None, blocks: 0 };

    fn pop(&mut self) -> Option<NonNull<Idle>> {
        let block = self.first?;
        // SAFETY: the blocks of a batch are alive and begin with an `Idle`.
        self.first = unsafe { block.as_ref() }.next;
        self.blocks -= 1;
        Some(block)
    }
}

/// The idle blocks of one thread.
struct Magazines<'depot> {
    depot: &'depot Depot,
    /// Bytes of all counted classes.
    bytes: Cell<usize>,
    classes: [Magazine; CLASS_COUNT],
}

/// The idle blocks of one class in one thread. Two batches, so that a thread which takes and gives in turn does not go to
/// the depot each time. The loaded one is spread over two cells, because every message comes through here.
struct Magazine {
    /// What was given last, of a class that is not counted: a thread that takes and gives in turn touches nothing else.
    last: Cell<Option<NonNull<Idle>>>,
    first: Cell<Option<NonNull<Idle>>>,
    blocks: Cell<usize>,
    /// Full or empty.
    spare: Cell<Batch>,
}

impl Magazine {
    const fn new() -> Magazine {
        Magazine {
            last: Cell::new(None),
            first: Cell::new(None),
            blocks: Cell::new(0),
            spare: Cell::new(Batch::EMPTY),
        }
    }

    fn load(&self, batch: Batch) -> Batch {
        Batch {
            first: self.first.replace(batch.first),
            blocks: self.blocks.replace(batch.blocks),
        }
    }
}

impl<'depot> Magazines<'depot> {
    const fn new(depot: &'depot Depot) -> Magazines<'depot> {
        Magazines {
            depot,
            bytes: Cell::new(0),
            classes: [const { Magazine::new() }; CLASS_COUNT],
        }
    }

    #[inline]
    fn take_last(&self, class: Class) -> Option<NonNull<Idle>> {
        self.classes[class.index()].last.take()
    }

    /// Whether the block was kept.
    #[inline]
    fn keep_last(&self, class: Class, block: NonNull<Idle>) -> bool {
        let last = &self.classes[class.index()].last;
        let is_kept = !class.is_counted() && last.get().is_none();
        if is_kept {
            last.set(Some(block));
        }
        is_kept
    }

    fn take(&self, class: Class) -> Option<NonNull<Idle>> {
        let magazine = &self.classes[class.index()];
        if magazine.first.get().is_none() {
            self.load_another(class);
        }
        let block = magazine.first.get()?;
        // SAFETY: the blocks of a magazine are alive and begin with an `Idle`.
        magazine.first.set(unsafe { block.as_ref() }.next);
        magazine.blocks.update(|blocks| blocks - 1);
        if class.is_counted() {
            self.bytes.update(|bytes| bytes - class.len());
        }
        Some(block)
    }

    #[cold]
    fn load_another(&self, class: Class) {
        let magazine = &self.classes[class.index()];
        let mut batch = magazine.spare.take();
        if batch.blocks == 0 {
            batch = self.depot.take(class).unwrap_or_default();
            self.count(class, &batch, usize::wrapping_add);
        }
        magazine.load(batch);
    }

    /// # Safety
    /// The block is of the class, made by the depot, idle, and given away.
    unsafe fn give(&self, class: Class, block: NonNull<Idle>) {
        let magazine = &self.classes[class.index()];
        if magazine.blocks.get() >= class.batch_blocks() || class.is_counted() {
            self.make_place(class);
        }
        // SAFETY: the caller gives the block away; it is large enough and aligned.
        unsafe { (&raw mut (*block.as_ptr()).next).write(magazine.first.get()) };
        magazine.first.set(Some(block));
        magazine.blocks.update(|blocks| blocks + 1);
    }

    /// Makes place for a block of the class, and counts it if such blocks are counted.
    #[cold]
    fn make_place(&self, class: Class) {
        if class.is_counted() {
            if self.bytes.get() + class.len() > THREAD_BYTES_MAX {
                self.empty();
            }
            self.bytes.update(|bytes| bytes + class.len());
        }
        let magazine = &self.classes[class.index()];
        if magazine.blocks.get() >= class.batch_blocks() {
            let full = magazine.spare.replace(magazine.load(Batch::EMPTY));
            self.count(class, &full, usize::wrapping_sub);
            self.depot.give(class, full);
        }
    }

    fn count(&self, class: Class, batch: &Batch, add: fn(usize, usize) -> usize) {
        if class.is_counted() {
            self.bytes.update(|bytes| add(bytes, batch.blocks * class.len()));
        }
    }

    /// Gives all blocks to the depot.
    fn empty(&self) {
        for (magazine, index) in self.classes.iter().zip(0_u8..) {
            if let Some(block) = magazine.last.take() {
                // SAFETY: the block is idle and of this class.
                unsafe { self.give(Class(index), block) };
            }
            self.depot.give(Class(index), magazine.load(Batch::EMPTY));
            self.depot.give(Class(index), magazine.spare.take());
        }
        self.bytes.set(0);
    }
}

impl Drop for Magazines<'_> {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The idle blocks that no thread keeps, and the source of all blocks.
struct Depot {
    shelves: Mutex<Shelves>,
}

impl Depot {
    const fn new() -> Depot {
        Depot {
            shelves: Mutex::new(Shelves::EMPTY),
        }
    }

    /// A new block. None when the system has no memory.
    #[cold]
    fn make(&self, class: Class) -> Option<NonNull<Idle>> {
        if let Some(mut shelves) = self.lock() {
            shelves.miss(class.len(), clock::kernel_ns());
        }
        // SAFETY: the layout has the size of a head at least.
        let block = NonNull::new(unsafe { System.alloc(class.layout()) })?.cast::<Idle>();
        let idle = Idle {
            next: None,
            capacity: class.len(),
            next_batch: None,
            batch_blocks: 0,
        };
        // SAFETY: the memory is new, large enough and aligned.
        unsafe { block.write(idle) };
        Some(block)
    }

    /// # Safety
    /// The block is of the class, made by this depot, idle, and given away.
    #[cold]
    unsafe fn unmake(&self, class: Class, block: NonNull<Idle>) {
        // SAFETY: as the caller promises.
        unsafe { discard_pages(class, block) };
        // SAFETY: blocks are made with the layout of their class.
        unsafe { System.dealloc(block.as_ptr().cast(), class.layout()) };
    }

    fn unmake_all(&self, class: Class, mut batch: Batch) {
        while let Some(block) = batch.pop() {
            // SAFETY: the blocks of a batch are idle and of its class, and this one has left the batch.
            unsafe { self.unmake(class, block) };
        }
    }

    fn take(&self, class: Class) -> Option<Batch> {
        self.lock()?.take(class)
    }

    /// Keeps the blocks of a batch, and returns to the system what is beyond the bound then.
    fn give(&self, class: Class, batch: Batch) {
        if batch.blocks == 0 {
            return;
        }
        let Some(mut shelves) = self.lock() else {
            return self.unmake_all(class, batch);
        };
        shelves.give(class, batch);
        if shelves.idle_bytes > DEPOT_BYTES_MIN {
            shelves.adapt(clock::kernel_ns());
        }
        while let Some((class, surplus)) = shelves.take_surplus() {
            drop(shelves);
            self.unmake_all(class, surplus);
            let Some(again) = self.lock() else { return };
            shelves = again;
        }
    }

    /// None when another thread holds the lock, or held it when this process was forked.
    fn lock(&self) -> Option<MutexGuard<'_, Shelves>> {
        for _ in 0..LOCK_TRIES {
            match self.shelves.try_lock() {
                Ok(shelves) => return Some(shelves),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => hint::spin_loop(),
            }
        }
        None
    }
}

/// Gives the pages back that lie wholly in the block: the allocator keeps them as long as anything lies above them.
///
/// # Safety
/// The block is of the class and idle; its content is lost.
unsafe fn discard_pages(class: Class, block: NonNull<Idle>) {
    if class.len() < DISCARDED_BYTES_MIN {
        return;
    }
    // SAFETY: no pointers.
    let Ok(page_bytes) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else {
        return;
    };
    let start = block.addr().get().next_multiple_of(page_bytes);
    let end = (block.addr().get() + class.layout().size()) / page_bytes * page_bytes;
    if end > start {
        let pages = block.as_ptr().with_addr(start).cast();
        // SAFETY: the pages are the block's alone, and nothing in it is needed. A failure, as for locked memory, leaves them.
        unsafe { libc::madvise(pages, end - start, libc::MADV_DONTNEED) };
    }
}

/// Batches by class.
struct Shelves {
    /// Bytes of all batches.
    idle_bytes: usize,
    /// The bound of `idle_bytes`.
    idle_bytes_max: usize,
    /// The least that `idle_bytes` was since the period began.
    idle_bytes_least: usize,
    period_start_ns: u64,
    /// Bytes that were beyond the bound and were not missed since.
    surplus_bytes: usize,
    /// When there was surplus for the last time.
    surplus_ns: u64,
    /// How many batches were taken to be used, ever.
    taken: u64,
    classes: [Shelf; CLASS_COUNT],
}

/// The batches of one class, each linked by its first block.
struct Shelf {
    first: Option<NonNull<Idle>>,
    /// The number of the last batch that was taken from here.
    taken: u64,
}

// SAFETY: idle blocks belong to whoever holds the shelves, on whatever thread.
unsafe impl Send for Shelves {}

impl Shelves {
    const EMPTY: Shelves = Shelves {
        idle_bytes: 0,
        idle_bytes_max: DEPOT_BYTES_MIN,
        idle_bytes_least: 0,
        period_start_ns: 0,
        surplus_bytes: 0,
        surplus_ns: 0,
        taken: 0,
        classes: [const { Shelf { first: None, taken: 0 } }; CLASS_COUNT],
    };

    /// A block has to be made: had the surplus been kept that was given back just before, it would be there.
    fn miss(&mut self, bytes: usize, now_ns: u64) {
        if now_ns.saturating_sub(self.surplus_ns) > MISSED_WITHIN_NS {
            self.surplus_bytes = 0;
        }
        let missed = bytes.min(self.surplus_bytes);
        self.surplus_bytes -= missed;
        self.idle_bytes_max = DEPOT_BYTES_MAX.min(self.idle_bytes_max + missed);
    }

    /// Lowers the bound at the end of a period, and notes the time of what is beyond it.
    fn adapt(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.period_start_ns) > PERIOD_NS {
            self.idle_bytes_max = DEPOT_BYTES_MIN.max(self.idle_bytes_max.saturating_sub(self.idle_bytes_least));
            self.idle_bytes_least = self.idle_bytes;
            self.period_start_ns = now_ns;
        }
        if self.idle_bytes > self.idle_bytes_max {
            self.surplus_ns = now_ns;
        }
    }

    /// While there is more than the bound, a batch of the class that was not asked for the longest.
    fn take_surplus(&mut self) -> Option<(Class, Batch)> {
        if self.idle_bytes <= self.idle_bytes_max {
            return None;
        }
        let stocked = (0_u8..).zip(&self.classes).filter(|(_, shelf)| shelf.first.is_some());
        let class = stocked
            .min_by_key(|(_, shelf)| shelf.taken)
            .map(|(index, _)| Class(index))?;
        let batch = self.unlink(class)?;
        self.surplus_bytes += batch.blocks * class.len();
        Some((class, batch))
    }

    fn take(&mut self, class: Class) -> Option<Batch> {
        self.taken += 1;
        self.classes[class.index()].taken = self.taken;
        self.unlink(class)
    }

    /// The batch is of the class and not empty.
    fn give(&mut self, class: Class, batch: Batch) {
        let Some(mut first) = batch.first else { return };
        let shelf = &mut self.classes[class.index()];
        // SAFETY: the blocks of a batch are alive and begin with an `Idle`, and the batch is ours.
        let head = unsafe { first.as_mut() };
        head.next_batch = shelf.first;
        head.batch_blocks = batch.blocks;
        shelf.first = Some(first);
        self.idle_bytes += batch.blocks * class.len();
    }

    fn unlink(&mut self, class: Class) -> Option<Batch> {
        let shelf = &mut self.classes[class.index()];
        let first = shelf.first?;
        // SAFETY: the first block of a batch on a shelf is alive and begins with an `Idle`.
        let head = unsafe { first.as_ref() };
        shelf.first = head.next_batch;
        let blocks = head.batch_blocks;
        self.idle_bytes -= blocks * class.len();
        self.idle_bytes_least = self.idle_bytes_least.min(self.idle_bytes);
        Some(Batch {
            first: Some(first),
            blocks,
        })
    }
}

#[cfg(test)]
mod tests;
