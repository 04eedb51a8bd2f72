//! Memory for the frames of batches: chunks of two sizes, which the allocator keeps at hand and gives back after a burst
//! ([`crate::sys::slab`]).
//!
//! A lane keeps a small chunk for itself. What a burst needs beyond that is allocated and freed when it was read, so that a thousand
//! lanes that were busy once hold nothing.

use crate::error::{Error, Result};
use crate::sys::reserve;
use crate::sys::slab::CELL;

/// A lane's own chunk has at most this many bytes, and at least [`OWN_MIN`].
pub(super) const OWN_MAX: usize = 4 * 1024;
pub(super) const OWN_MIN: usize = 256;
/// Frames are collected in chunks of this many bytes.
pub(super) const SHARED: usize = CELL;
/// Runs of frames that were read at once may need more.
const LARGE: usize = 4 * CELL;

/// An empty chunk with room for `need` bytes.
///
/// Errors: `NoMemory`.
pub fn take(need: usize) -> Result<Vec<u8>> {
    reserve::spare()?;
    let size = if need <= SHARED { SHARED } else { need.max(LARGE) };
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(size).map_err(|_| Error::NoMemory)?;
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_the_room_that_is_needed() {
        for need in [1, SHARED, SHARED + 1, LARGE, LARGE + 1, 3 * LARGE] {
            let chunk = take(need).unwrap();
            assert!(chunk.is_empty() && chunk.capacity() >= need);
        }
    }
}
