//! The descriptors that belong to the library, so that a forked child can close its copies of them.
//!
//! A bit for each descriptor, set and cleared without a lock, and a handler that fork(2) runs in the child. The child shuts
//! nothing down: closing a copy leaves the parent's connections as they are. Descriptors beyond [`DESCRIPTORS_MAX`] are not
//! kept track of, and a child inherits them until it calls exec.
#![allow(unsafe_code, reason = "a fork handler closes descriptors by number")]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Descriptors from this number on are not kept track of.
const DESCRIPTORS_MAX: usize = 65_536;

static OWNED: [AtomicU64; DESCRIPTORS_MAX / 64] = [const { AtomicU64::new(0) }; DESCRIPTORS_MAX / 64];
static HANDLER_IS_SET: AtomicBool = AtomicBool::new(false);

/// Marks a descriptor as the library's for as long as it lives; to be dropped before the descriptor is closed.
#[derive(Debug)]
pub struct Mark(RawFd);

impl Mark {
    /// Marks the descriptor.
    pub fn new(fd: RawFd) -> Mark {
        if !HANDLER_IS_SET.swap(true, Ordering::AcqRel) {
            // SAFETY: the handler is a function of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(None, None, Some(close_copies)) };
        }
        if let Some((word, bit)) = place(fd) {
            OWNED[word].fetch_or(bit, Ordering::AcqRel);
        }
        Mark(fd)
    }

    /// Takes the mark away: whether the descriptor was still marked, which it is not in a forked child.
    fn clear(&self) -> bool {
        place(self.0).is_none_or(|(word, bit)| OWNED[word].fetch_and(!bit, Ordering::AcqRel) & bit != 0)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A descriptor of the library: closed when dropped, and by a forked child at its start.
#[derive(Debug)]
pub struct Descriptor {
    mark: ManuallyDrop<Mark>,
    fd: ManuallyDrop<OwnedFd>,
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor {
            mark: ManuallyDrop::new(Mark::new(fd.as_raw_fd())),
            fd: ManuallyDrop::new(fd),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // In a forked child the copy is closed already, and the number may be another's by now.
        if self.mark.clear() {
            // SAFETY: the descriptor is not used after this.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
        }
    }
}

fn place(fd: RawFd) -> Option<(usize, u64)> {
    let number = usize::try_from(fd).ok().filter(|number| *number < DESCRIPTORS_MAX)?;
    Some((number / 64, 1 << (number % 64)))
}

extern "C" fn close_copies() {
    for (word, owned) in OWNED.iter().enumerate() {
        let mut bits = owned.swap(0, Ordering::AcqRel);
        while bits != 0 {
            let number = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            // SAFETY: the copy belongs to this library, whose objects do not use it in the child.
            unsafe { libc::close(number as RawFd) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_marked_until_it_is_closed() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let descriptor = Descriptor::from(OwnedFd::from(file));
        let (word, bit) = place(descriptor.as_raw_fd()).unwrap();
        assert_ne!(OWNED[word].load(Ordering::Acquire) & bit, 0);
        drop(descriptor);
        assert!(place(DESCRIPTORS_MAX as RawFd).is_none() && place(-1).is_none());
    }
}
