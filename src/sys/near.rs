//! A thread's own object, found without a call. In a shared library each use of a `thread_local!` asks the dynamic linker, which
//! for a message that takes memory and gives it back is a good part of the time.
//!
//! Threads are told apart by their thread pointer, which the ABI of the processor says where to find; where it is not known here, nothing
//! is ever found, and the caller falls back on its `thread_local!`. Invariants: a place is written by the thread whose key it
//! holds, and taken by another when it is vacant, or its key is of the process that this one was forked from: the threads of that one
//! are not in this one, and a new thread may get the address of one of them.
#![allow(unsafe_code, reason = "the thread pointer is a register")]

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::descriptors;

/// Threads whose keys fall on the same place share it: the first has it.
const PLACE_BITS: u32 = 8;
/// Where a key has the number of the process; addresses are below.
const GENERATION_SHIFT: u32 = 48;

/// Objects of one kind, at most one for each thread.
pub struct Near<T> {
    places: [Place<T>; 1 << PLACE_BITS],
}

struct Place<T> {
    /// 0 while the place is vacant.
    key: AtomicUsize,
    object: AtomicPtr<T>,
}

impl<T> Near<T> {
    /// Nothing is known of any thread.
    pub const fn new() -> Near<T> {
        Near {
            places: [const {
                Place {
                    key: AtomicUsize::new(0),
                    object: AtomicPtr::new(ptr::null_mut()),
                }
            }; 1 << PLACE_BITS],
        }
    }

    /// What the calling thread keeps here.
    #[inline]
    pub fn find(&self) -> Option<NonNull<T>> {
        let key = key()?;
        let place = self.place(key);
        if place.key.load(Ordering::Relaxed) != key {
            return None;
        }
        NonNull::new(place.object.load(Ordering::Relaxed))
    }

    /// The calling thread keeps an object here until it [forgets](Near::forget) it, unless another thread has the place. Whoever calls
    /// sees to it that the object lives as long.
    pub fn keep(&self, object: NonNull<T>) {
        // Only in a process whose forks are counted do keys tell its threads from those of its parent.
        if !descriptors::count_forks() {
            return;
        }
        let Some(key) = key() else { return };
        let place = self.place(key);
        let before = place.key.load(Ordering::Relaxed);
        let is_vacant = before == 0 || before >> GENERATION_SHIFT != key >> GENERATION_SHIFT;
        if is_vacant
            && place
                .key
                .compare_exchange(before, key, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            place.object.store(object.as_ptr(), Ordering::Relaxed);
        }
    }

    /// The calling thread keeps nothing here any more.
    pub fn forget(&self) {
        if let Some(key) = key()
            && self.place(key).key.load(Ordering::Relaxed) == key
        {
            let place = self.place(key);
            place.object.store(ptr::null_mut(), Ordering::Relaxed);
            place.key.store(0, Ordering::Release);
        }
    }

    #[inline]
    fn place(&self, key: usize) -> &Place<T> {
        // Fibonacci hashing: stacks lie at regular distances.
        let mixed = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.places[(mixed >> (u64::BITS - PLACE_BITS)) as usize]
    }
}

/// Another number for each thread that is alive, and for those of a forked child; not 0.
#[inline]
fn key() -> Option<usize> {
    let thread = thread_pointer()?;
    Some(thread ^ (descriptors::generation() as usize) << GENERATION_SHIFT)
}

/// Where the thread's control block is: another address for each thread that is alive.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[inline]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn thread_pointer() -> Option<usize> {
    let pointer: usize;
    // SAFETY: the first word of the control block is its own address (System V ABI, AMD64, thread-local storage); it is read alone.
    unsafe { std::arch::asm!("mov {}, fs:0", out(reg) pointer, options(pure, readonly, nostack, preserves_flags)) };
    Some(pointer)
}

/// As above.
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
#[inline]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn thread_pointer() -> Option<usize> {
    let pointer: usize;
    // SAFETY: reading the register has no other effect.
    unsafe { std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(pure, nomem, nostack, preserves_flags)) };
    Some(pointer)
}

/// Not known for this processor.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux")))]
fn thread_pointer() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::child;

    fn object(number: &u32) -> NonNull<u32> {
        NonNull::from(number)
    }

    #[test]
    fn each_thread_finds_its_own_until_it_forgets_it() {
        static NEAR: Near<u32> = Near::new();
        let mine = 1;
        assert_eq!(NEAR.find(), None);
        NEAR.keep(object(&mine));
        assert_eq!(NEAR.find(), Some(object(&mine)));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let theirs = 2;
                    assert_eq!(NEAR.find(), None);
                    NEAR.keep(object(&theirs));
                    // Another thread may have the place; then nothing is found, but never another's.
                    assert!(NEAR.find().is_none_or(|found| found == object(&theirs)));
                    NEAR.forget();
                    assert_eq!(NEAR.find(), None);
                });
            }
        });
        assert_eq!(NEAR.find(), Some(object(&mine)));
        NEAR.forget();
        assert_eq!(NEAR.find(), None);
    }

    #[test]
    fn a_taken_place_stays_with_whoever_has_it() {
        let near = Near::new();
        let (mine, theirs) = (1, 2);
        let place = near.place(key().unwrap());
        // As if another thread had come first.
        place.key.store(key().unwrap() ^ 64, Ordering::Relaxed);
        place.object.store(object(&theirs).as_ptr(), Ordering::Relaxed);
        near.keep(object(&mine));
        assert_eq!(near.find(), None);
        near.forget();
        assert_eq!(place.key.load(Ordering::Relaxed), key().unwrap() ^ 64);
    }

    /// A thread of the child may have the address that one of the parent's had, whose object is gone.
    #[test]
    fn a_forked_child_finds_nothing_of_its_parent_and_takes_its_places() {
        let near = Near::new();
        let (old, new) = (1, 2);
        near.keep(object(&old));
        assert_eq!(near.find(), Some(object(&old)));
        let status = child::status_of_child(|| {
            let is_hidden = near.find().is_none();
            near.keep(object(&new));
            i32::from(!is_hidden || near.find() != Some(object(&new)))
        });
        assert_eq!(status, 0);
        assert_eq!(near.find(), Some(object(&old)));
    }
}
