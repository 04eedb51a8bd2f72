//! A slot holds one object behind its own lock. Slots are allocated when they are first needed and never freed, so a
//! reference to one is always good; whether the object is still there is told by the slot's sequence number.
//!
//! Invariants: the sequence number changes, under the lock, whenever the object leaves; a [`Guard`] stands for an
//! occupied slot. A forked child never touches a slot of its parent: its lock may have been held at the fork.

use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr;

use crate::error::{Error, Result};
use crate::sys::interruption;
use crate::sys::lock::{self, Deferred, Lock};
use crate::sys::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// What a C program holds: an address with nothing but zeros behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    address: usize,
}

impl Handle {
    pub(super) const fn new(address: usize) -> Handle {
        Handle { address }
    }

    /// The pointer to give to C, which has nothing to read behind it.
    pub const fn as_ptr(self) -> *mut c_void {
        ptr::without_provenance_mut(self.address)
    }
}

/// Which slot the object of a handle is in; null when there is none. In a forked child all are null.
pub(super) type Entry<T> = AtomicPtr<Slot<T>>;

/// Aligned to a cache line, so that neighbours do not slow each other down.
#[repr(align(64))]
pub(super) struct Slot<T: 'static> {
    lock: Lock<Content<T>>,
    sequence: AtomicU64,
    /// The next vacant slot, while this one is vacant.
    pub(super) next: AtomicPtr<Slot<T>>,
}

struct Content<T>(Option<T>);

impl<T: Deferred> Deferred for Content<T> {
    type After = T::After;

    fn run_deferred(&mut self, after: &mut T::After) {
        if let Some(object) = &mut self.0 {
            object.run_deferred(after);
        }
    }
}

impl<T: Deferred + Send> Slot<T> {
    /// A new vacant slot, which lives as long as the process.
    pub(super) fn allocate() -> Result<&'static Slot<T>> {
        let mut place = Vec::new();
        place.try_reserve_exact(1).map_err(|_| Error::NoMemory)?;
        place.push(Slot {
            lock: Lock::new(Content(None)),
            sequence: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
        });
        place.leak().first().ok_or(Error::NoMemory)
    }

    pub(super) fn fill(&self, object: T) {
        self.lock.lock().0 = Some(object);
    }
}

/// Names one object: it stays with that object and never comes to mean another, however often its slot is reused.
pub struct Reference<T: 'static> {
    entry: &'static Entry<T>,
    slot: &'static Slot<T>,
    sequence: u64,
}

impl<T> Clone for Reference<T> {
    fn clone(&self) -> Reference<T> {
        *self
    }
}

impl<T> Copy for Reference<T> {}

impl<T: Deferred + Send> Reference<T> {
    /// The object that `entry` leads to at this moment.
    #[inline]
    pub(super) fn find(entry: &'static Entry<T>) -> Option<Reference<T>> {
        // SAFETY: an entry holds null or a slot of this type, and slots are never freed.
        let slot = unsafe { entry.load(Ordering::Acquire).as_ref() }?;
        Some(Reference {
            entry,
            slot,
            sequence: slot.sequence.load(Ordering::Acquire),
        })
    }

    /// Waits for the object's lock. `None` when the object is gone, or belongs to the parent process, and in a signal handler that
    /// interrupted whoever holds the lock.
    #[inline]
    pub fn lock(&self) -> Option<Guard<T>> {
        if !self.is_ours() {
            return None;
        }
        self.checked(self.slot.lock.lock_unless(interruption::is_interrupted)?)
    }

    /// Takes the object's lock if nobody holds it. `None` also when the object is gone.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<Guard<T>> {
        if !self.is_ours() {
            return None;
        }
        let content = self.slot.lock.try_lock()?;
        if !self.is_same(&content) {
            give_back(content);
            return None;
        }
        Some(Guard { content })
    }

    /// Has the object run its deferred work: now if it is not locked, else before its lock is released. Never waits.
    pub fn notify(&self) {
        if self.is_ours() {
            self.slot.lock.notify();
        }
    }

    /// Vacates the slot, if the object is still there: from then on its handle leads nowhere.
    pub(super) fn take(&self) -> Option<(T, &'static Slot<T>)> {
        let mut guard = self.lock()?;
        let object = guard.content.0.take()?;
        // In this order: who has found the slot by this handle and sees the number of what comes next sees as well that the handle leads
        // nowhere.
        self.entry.store(ptr::null_mut(), Ordering::Release);
        self.slot.sequence.fetch_add(1, Ordering::Release);
        Some((object, self.slot))
    }

    /// False in a forked child, and when the object was removed: the lock need not, and in a child must not, be
    /// touched.
    #[inline]
    fn is_ours(&self) -> bool {
        ptr::eq(self.entry.load(Ordering::Acquire), self.slot)
    }

    #[inline]
    fn checked(&self, content: lock::Guard<'static, Content<T>>) -> Option<Guard<T>> {
        self.is_same(&content).then_some(Guard { content })
    }

    /// Whether the object in the locked slot is the one that was referred to.
    #[inline]
    fn is_same(&self, content: &Content<T>) -> bool {
        self.slot.sequence.load(Ordering::Relaxed) == self.sequence && content.0.is_some()
    }
}

#[cold]
fn give_back<T: Deferred>(content: lock::Guard<'static, Content<T>>) {
    drop(content);
}

/// Exclusive access to an object; dropping it runs deferred work and unlocks.
pub struct Guard<T: Deferred + 'static> {
    content: lock::Guard<'static, Content<T>>,
}

impl<T: Deferred> Guard<T> {
    /// As [`lock::Guard::release`].
    #[inline(always)]
    pub fn release(self) -> std::result::Result<(), Guard<T>> {
        self.content.release().map_err(|content| Guard { content })
    }
}

impl<T: Deferred> Deref for Guard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the slot was occupied when the guard was made, and only `take` vacates it, giving its guard up.
        unsafe { self.content.0.as_ref().unwrap_unchecked() }
    }
}

impl<T: Deferred> DerefMut for Guard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { self.content.0.as_mut().unwrap_unchecked() }
    }
}
