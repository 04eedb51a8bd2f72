//! No block is for a slab: malloc serves all. What a slab hands out is none of the models' business.

use std::alloc::Layout;

/// Bytes of a cell.
pub const CELL: usize = 64 * 1024;

/// The cells of a block; none: it is not for a slab.
pub fn cells(_layout: Layout) -> Option<usize> {
    None
}

/// Never asked.
pub fn take(_cells: usize) -> *mut u8 {
    std::ptr::null_mut()
}

/// False: it is none of a slab's.
pub fn give(_block: *mut u8, _cells: usize) -> bool {
    false
}

/// Whether a block is a slab's.
pub fn is_ours(_block: *const u8, _cells: usize) -> bool {
    false
}
