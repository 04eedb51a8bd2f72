//! 64 cells that threads take and give back without a lock, in runs of a few: a forked child may inherit them at any time. What
//! has been free for a while can be cleared.

use super::sync::atomic::{AtomicU64, Ordering};

/// How many there are.
pub const CELLS: usize = u64::BITS as usize;

/// A bit for each.
#[derive(Debug, Default)]
pub struct Cells {
    pub(super) taken: AtomicU64,
    /// They may have something in them.
    pub(super) touched: AtomicU64,
    /// They were taken or given since somebody looked, and in the time before that.
    pub(super) recent: AtomicU64,
    pub(super) before: AtomicU64,
}

impl Cells {
    /// Takes so many in a row: the first of them.
    pub fn take(&self, cells: usize) -> Option<usize> {
        let mut before = self.taken.load(Ordering::Relaxed);
        while let Some(cell) = place(before, cells) {
            let wanted = run(cells) << cell;
            match self
                .taken
                .compare_exchange_weak(before, before | wanted, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => {
                    self.touched.fetch_or(wanted, Ordering::Relaxed);
                    self.recent.fetch_or(wanted, Ordering::Relaxed);
                    return Some(cell);
                }
                Err(now) => before = now,
            }
        }
        None
    }

    /// Gives back what was taken.
    pub fn give(&self, cell: usize, cells: usize) {
        let given = run(cells) << cell;
        self.recent.fetch_or(given, Ordering::Relaxed);
        self.taken.fetch_and(!given, Ordering::Release);
    }

    /// A time is over: how many cells came or went in it.
    pub fn age(&self) -> u32 {
        let recent = self.recent.swap(0, Ordering::Relaxed);
        self.before.store(recent, Ordering::Relaxed);
        recent.count_ones()
    }

    /// Has all that has been free for a time cleared: so many cells from one on.
    pub fn sweep(&self, mut clear: impl FnMut(usize, usize)) {
        let recent = self.recent.load(Ordering::Relaxed) | self.before.load(Ordering::Relaxed);
        let mut before = self.taken.load(Ordering::Relaxed);
        let free = loop {
            let free = self.touched.load(Ordering::Relaxed) & !recent & !before;
            // Who sweeps owns the cells meanwhile.
            match self
                .taken
                .compare_exchange_weak(before, before | free, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break free,
                Err(now) => before = now,
            }
        };
        self.touched.fetch_and(!free, Ordering::Relaxed);
        let mut left = free;
        while left != 0 {
            let cell = left.trailing_zeros() as usize;
            let cells = (left >> cell).trailing_ones() as usize;
            clear(cell, cells);
            left &= !(run(cells) << cell);
        }
        self.taken.fetch_and(!free, Ordering::Release);
    }

    /// How many are free and may have something in them, and how many are taken.
    pub fn left(&self) -> (u32, u32) {
        let taken = self.taken.load(Ordering::Relaxed);
        let free = self.touched.load(Ordering::Relaxed) & !taken;
        (free.count_ones(), taken.count_ones())
    }
}

/// So many bits.
fn run(cells: usize) -> u64 {
    u64::MAX >> (CELLS - cells)
}

/// The first place of so many free cells.
fn place(taken: u64, cells: usize) -> Option<usize> {
    let mut free = !taken;
    for shift in 1..cells {
        free &= !taken >> shift;
    }
    // What was shifted in is not free: bits at the end stand for runs that go beyond it.
    (free != 0).then(|| free.trailing_zeros() as usize)
}
