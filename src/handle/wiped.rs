//! Memory that a forked child finds full of zeros: what is in it belongs to one process, locks included.
//!
//! The kernel does the wiping (`MADV_WIPEONFORK`, Linux 4.14); where it cannot, a fork handler does. A block is
//! reserved inaccessible and made accessible from its start as it is needed, so that it costs what is used even in a
//! program that locks its memory. It is never given back.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::range::discard;
use crate::error::{Error, Result};

/// One block of memory that is all zeros in a forked child.
pub struct WipedMemory {
    base: AtomicPtr<u8>,
    accessible_bytes: AtomicUsize,
    kernel_wipes: bool,
}

/// Blocks that the kernel does not wipe. There is one for each kind of handle; the rest of the places is for tests.
static WIPED_BY_HAND: [AtomicPtr<WipedMemory>; 8] = [const { AtomicPtr::new(ptr::null_mut()) }; 8];
static FORK_HANDLER_SET: AtomicBool = AtomicBool::new(false);

impl WipedMemory {
    /// A block that is not reserved yet.
    pub const fn new() -> WipedMemory {
        WipedMemory {
            base: AtomicPtr::new(ptr::null_mut()),
            accessible_bytes: AtomicUsize::new(0),
            kernel_wipes: true,
        }
    }

    /// A block that behaves as on a kernel without `MADV_WIPEONFORK`.
    #[cfg(test)]
    pub const fn without_kernel_help() -> WipedMemory {
        WipedMemory {
            kernel_wipes: false,
            ..WipedMemory::new()
        }
    }

    /// The start of the block, page-aligned; null until it was reserved.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.base.load(Ordering::Acquire)
    }

    /// How many bytes from the start may be read and written.
    pub fn accessible_bytes(&self) -> usize {
        self.accessible_bytes.load(Ordering::Acquire)
    }

    /// Reserves `bytes` of address space unless that was done before. Waits for nobody: a child may be forked
    /// meanwhile.
    pub fn reserve(&'static self, bytes: usize) -> Result<()> {
        if !self.base().is_null() {
            return Ok(());
        }
        // SAFETY: a new private mapping at an address of the kernel's choice touches no other memory.
        let mapped = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(Error::NoMemory);
        }
        // SAFETY: the advice concerns the mapping just made.
        let wiped = self.kernel_wipes && unsafe { libc::madvise(mapped, bytes, libc::MADV_WIPEONFORK) } == 0;
        // Known to the fork handler before anyone can write into it.
        if !wiped && let Err(error) = self.wipe_by_hand() {
            discard(mapped, bytes);
            return Err(error);
        }
        let published = self
            .base
            .compare_exchange(ptr::null_mut(), mapped.cast(), Ordering::AcqRel, Ordering::Relaxed);
        if published.is_err() {
            discard(mapped, bytes);
        }
        Ok(())
    }

    /// Makes at least the first `bytes` of the reserved block accessible.
    pub fn grow(&self, bytes: usize) -> Result<()> {
        // SAFETY: the range lies in the block, which this type owns, and only gains permissions.
        let failed = unsafe { libc::mprotect(self.base().cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) } != 0;
        if failed {
            return Err(Error::NoMemory);
        }
        self.accessible_bytes.fetch_max(bytes, Ordering::AcqRel);
        Ok(())
    }

    fn wipe_by_hand(&'static self) -> Result<()> {
        let own = ptr::from_ref(self).cast_mut();
        let placed = WIPED_BY_HAND.iter().any(|place| {
            match place.compare_exchange(ptr::null_mut(), own, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => true,
                Err(occupant) => occupant == own,
            }
        });
        if !placed {
            return Err(Error::NoMemory);
        }
        if !FORK_HANDLER_SET.load(Ordering::Acquire) {
            // SAFETY: the handler lives as long as the process, as the library is never unloaded. Set twice, it does
            // the same thing twice.
            if unsafe { libc::pthread_atfork(None, None, Some(wipe_in_child)) } != 0 {
                return Err(Error::NoMemory);
            }
            FORK_HANDLER_SET.store(true, Ordering::Release);
        }
        Ok(())
    }
}

extern "C" fn wipe_in_child() {
    for place in &WIPED_BY_HAND {
        // SAFETY: only `'static` blocks are registered.
        let Some(block) = (unsafe { place.load(Ordering::Acquire).as_ref() }) else {
            continue;
        };
        let bytes = block.accessible_bytes();
        if bytes > 0 {
            // SAFETY: these bytes are writable, and a child has one thread, which is here.
            unsafe { ptr::write_bytes(block.base(), 0, bytes) };
        }
    }
}
