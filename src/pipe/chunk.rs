//! Memory for the frames of batches: chunks of two sizes, which the whole process shares.
//!
//! A lane keeps a small chunk for itself. What a burst needs beyond that comes from here and goes back when it was read, so that
//! a thousand lanes that were busy once hold nothing. Nobody waits for the lock: who finds it taken goes to the allocator.

use std::sync::{Mutex, TryLockError};

use crate::error::{Error, Result};
use crate::sys::reserve;

/// A lane's own chunk has at most this many bytes, and at least [`OWN_MIN`].
pub(super) const OWN_MAX: usize = 4 * 1024;
pub(super) const OWN_MIN: usize = 256;
/// Frames are collected in chunks of this many bytes.
pub(super) const SHARED: usize = 64 * 1024;
/// Runs of frames that were read at once may need more.
const LARGE: usize = 256 * 1024;

/// How many idle chunks are kept.
const IDLE_MAX: usize = 32;
const IDLE_LARGE_MAX: usize = 4;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static IDLE_LARGE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty chunk with room for `need` bytes.
///
/// Errors: `NoMemory`.
pub fn take(need: usize) -> Result<Vec<u8>> {
    let (shelf, size) = if need <= SHARED {
        (&IDLE, SHARED)
    } else {
        (&IDLE_LARGE, LARGE)
    };
    if need <= size
        && let Some(chunk) = with(shelf, Vec::pop).flatten()
    {
        return Ok(chunk);
    }
    reserve::spare()?;
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(need.max(size)).map_err(|_| Error::NoMemory)?;
    Ok(chunk)
}

/// Takes a chunk back that is not needed any more.
pub fn give(mut chunk: Vec<u8>) {
    let (shelf, most) = match chunk.capacity() {
        SHARED => (&IDLE, IDLE_MAX),
        LARGE => (&IDLE_LARGE, IDLE_LARGE_MAX),
        _ => return,
    };
    chunk.clear();
    with(shelf, |idle| {
        if idle.len() < most && idle.try_reserve(1).is_ok() {
            idle.push(chunk);
        }
    });
}

fn with<R>(shelf: &Mutex<Vec<Vec<u8>>>, call: impl FnOnce(&mut Vec<Vec<u8>>) -> R) -> Option<R> {
    match shelf.try_lock() {
        Ok(mut idle) => Some(call(&mut idle)),
        Err(TryLockError::Poisoned(poisoned)) => Some(call(&mut poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_the_room_that_is_needed_and_comes_back_empty() {
        for need in [1, SHARED, SHARED + 1, LARGE, LARGE + 1, 3 * LARGE] {
            let mut chunk = take(need).unwrap();
            assert!(chunk.is_empty() && chunk.capacity() >= need);
            chunk.push(1);
            give(chunk);
            assert!(take(need).unwrap().is_empty());
        }
    }

    #[test]
    fn idle_memory_is_bounded() {
        for size in [SHARED, LARGE] {
            let chunks: Vec<_> = (0..2 * IDLE_MAX).map(|_| take(size).unwrap()).collect();
            chunks.into_iter().for_each(give);
        }
        let idle = |shelf: &Mutex<Vec<Vec<u8>>>| shelf.lock().unwrap().len();
        assert!(idle(&IDLE) <= IDLE_MAX && idle(&IDLE_LARGE) <= IDLE_LARGE_MAX);
    }
}
