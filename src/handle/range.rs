//! The 64 MiB of address space that handles point into. Nothing else is ever mapped there, so no handle can be the address of
//! anything else in the process. Who reads there finds zeros: bindings look for marks of their own objects behind any pointer (CZMQ's
//! zsock_resolve). Who writes there faults.
//!
//! Reserved once per process, by whichever thread comes first, and never given back. Nobody waits for anybody here: a
//! fork may happen at any instant and the child must be able to go on.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Distance between two handles, in bytes. As heap pointers are, handles are multiples of 16.
pub const GRANULE_BYTES: usize = 16;

/// Size of the whole range, in bytes.
pub const RANGE_BYTES: usize = 64 << 20;

/// As much can be read behind the last handle.
const MARGIN_BYTES: usize = 64 << 10;

static BASE: AtomicUsize = AtomicUsize::new(0);

/// Which kind of object a handle stands for. Each kind has its own part of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Contexts: 16 MiB, about a million handles.
    Contexts,
    /// Sockets: 32 MiB, about two million handles.
    Sockets,
    /// Timer sets: 8 MiB, about half a million handles.
    Timers,
    /// Threads: 8 MiB, about half a million handles.
    Threads,
}

impl Region {
    /// Where the region starts, in bytes from the start of the range.
    pub const fn offset(self) -> usize {
        match self {
            Region::Sockets => 0,
            Region::Contexts => 32 << 20,
            Region::Timers => 48 << 20,
            Region::Threads => 56 << 20,
        }
    }

    /// How many handles the region has.
    pub const fn capacity(self) -> usize {
        let bytes = match self {
            Region::Sockets => 32 << 20,
            Region::Contexts => 16 << 20,
            Region::Timers | Region::Threads => 8 << 20,
        };
        bytes / GRANULE_BYTES
    }
}

/// The address of the range; 0 until it was reserved.
#[inline]
pub fn base() -> usize {
    BASE.load(Ordering::Relaxed)
}

/// Reserves the range unless that was done before.
pub fn reserve() -> Result<()> {
    if base() != 0 {
        return Ok(());
    }
    // SAFETY: a new private mapping at an address of the kernel's choice touches no other memory.
    let mapped = unsafe {
        libc::mmap(
            ptr::null_mut(),
            RANGE_BYTES + MARGIN_BYTES,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(Error::NoMemory);
    }
    if BASE
        .compare_exchange(0, mapped.addr(), Ordering::Release, Ordering::Relaxed)
        .is_err()
    {
        discard(mapped, RANGE_BYTES + MARGIN_BYTES);
    }
    Ok(())
}

/// Unmaps a mapping that another thread's made superfluous before anyone saw it.
pub(super) fn discard(mapped: *mut c_void, bytes: usize) {
    // SAFETY: the caller made this mapping, nobody else knows its address.
    unsafe { libc::munmap(mapped, bytes) };
}
