//! Turns the pointers that C programs hold into objects, safely: nothing a caller passes is ever read through.
//!
//! A handle is an address in a reserved range (`range`). Its distance from the start of its kind's region is an index
//! into the table's entries, and an entry leads to the slot that the object lives in (`slot`), or nowhere. Values are
//! given out in turn through the whole region, so that a stale one is recognised for as long as can be; slots are
//! reused at once, so memory follows the largest number of objects alive at a time.
//!
//! Entries and the list of vacant slots live in memory that a forked child finds wiped (`wiped`): every inherited
//! handle is dead there without a look at any inherited lock, and the child's own objects get slots of their own. Any
//! thread may call anything here. Order of locks: a slot's lock and the list's are never held together.
#![allow(unsafe_code, reason = "entries and slots are reached through addresses")]

mod range;
mod slot;
#[cfg(test)]
mod tests;
mod wiped;

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use range::Region;
pub use slot::{Guard, Handle, Reference};

use crate::error::{Error, Result};
use crate::sys::lock::{Deferred, Lock};
use crate::sys::reserve;
use range::GRANULE_BYTES;
use slot::{Entry, Slot};
use wiped::WipedMemory;

/// Entries become accessible in steps of this size, a multiple of every page size.
const STEP_BYTES: usize = 64 << 10;

/// All objects of one kind that C programs hold handles of. One `static` for each [`Region`].
pub struct Table<T: 'static> {
    region: Region,
    /// How many handles there are, of those that the region has room for.
    capacity: usize,
    /// The header, then the entries.
    memory: WipedMemory,
    /// Entries with a smaller index are accessible.
    entries: AtomicUsize,
    /// The index that is tried first for the next object. A child goes on from here, and so repeats no value of its
    /// parent.
    cursor: AtomicUsize,
    kind: PhantomData<fn(T) -> T>,
}

/// Valid, unlocked and empty when all its bytes are zero, which is how every process finds it.
struct Header<T: 'static> {
    vacancies: Lock<Vacancies<T>>,
}

struct Vacancies<T: 'static> {
    first: Option<&'static Slot<T>>,
    live: usize,
}

impl<T> Deferred for Vacancies<T> {
    type After = ();

    /// Nobody leaves work for the list.
    fn run_deferred(&mut self, _after: &mut ()) {}
}

impl<T> Table<T> {
    /// Entries start on a cache line of their own.
    const ENTRIES_OFFSET: usize = size_of::<Header<T>>().next_multiple_of(64);

    /// An empty table. Reserves nothing yet.
    pub const fn new(region: Region) -> Table<T> {
        Table::with(region, region.capacity(), WipedMemory::new())
    }

    const fn with(region: Region, capacity: usize, memory: WipedMemory) -> Table<T> {
        Table {
            region,
            capacity,
            memory,
            entries: AtomicUsize::new(0),
            cursor: AtomicUsize::new(0),
            kind: PhantomData,
        }
    }
}

impl<T: Deferred + Send> Table<T> {
    /// Gives `object` a handle, which is valid until [`remove`](Table::remove).
    ///
    /// `TooManyFiles` when every handle is in use, `NoMemory` when memory is short.
    pub fn insert(&'static self, object: T) -> Result<Handle> {
        reserve::spare()?;
        range::reserve()?;
        self.memory
            .reserve(Self::ENTRIES_OFFSET + self.capacity * size_of::<Entry<T>>())?;
        if self.memory.accessible_bytes() == 0 {
            self.memory.grow(STEP_BYTES)?;
        }
        let (index, slot) = self.claim()?;
        slot.fill(object);
        Ok(self.handle(index))
    }

    /// The object behind a pointer that came from C; `None` for anything but a live handle of this table.
    #[inline]
    pub fn slot(&'static self, handle: *const c_void) -> Option<Reference<T>> {
        // Nothing is accessible before the range is reserved, so its address is good once an index passes the
        // comparison.
        let entries = self.entries.load(Ordering::Acquire);
        let offset = handle.addr().wrapping_sub(range::base() + self.region.offset());
        // Rotating moves the bits that make a pointer misaligned to the top, where they make the index too large.
        let index = offset.rotate_right(GRANULE_BYTES.trailing_zeros());
        if index >= entries {
            return None;
        }
        Reference::find(self.entry(index))
    }

    /// Takes the object out, once its lock is free. Its handle and all references to it are dead from then on.
    pub fn remove(&'static self, handle: *const c_void) -> Option<T> {
        let (object, slot) = self.slot(handle)?.take()?;
        let mut vacancies = self.header().vacancies.lock();
        let next = vacancies
            .first
            .map_or(ptr::null_mut(), |first| ptr::from_ref(first).cast_mut());
        slot.next.store(next, Ordering::Relaxed);
        vacancies.first = Some(slot);
        vacancies.live = vacancies.live.saturating_sub(1);
        Some(object)
    }

    /// Joins an unused handle value with a vacant slot.
    fn claim(&'static self) -> Result<(usize, &'static Slot<T>)> {
        let mut vacancies = self.header().vacancies.lock();
        if vacancies.live >= self.capacity {
            return Err(Error::TooManyFiles);
        }
        let index = self.unused_value()?;
        let slot = match vacancies.first {
            Some(slot) => {
                // SAFETY: the list links slots of this type, which are never freed.
                vacancies.first = unsafe { slot.next.load(Ordering::Relaxed).as_ref() };
                slot
            }
            None => Slot::allocate()?,
        };
        vacancies.live += 1;
        self.entry(index)
            .store(ptr::from_ref(slot).cast_mut(), Ordering::Release);
        Ok((index, slot))
    }

    /// The next value without an object, of which there is one. Called with the list locked.
    fn unused_value(&'static self) -> Result<usize> {
        loop {
            let index = self.cursor.load(Ordering::Relaxed);
            if index >= self.entries.load(Ordering::Relaxed) {
                self.make_accessible(index)?;
            }
            self.cursor.store((index + 1) % self.capacity, Ordering::Relaxed);
            if self.entry(index).load(Ordering::Relaxed).is_null() {
                return Ok(index);
            }
        }
    }

    fn make_accessible(&self, index: usize) -> Result<()> {
        let end = Self::ENTRIES_OFFSET + (index + 1) * size_of::<Entry<T>>();
        let reserved = Self::ENTRIES_OFFSET + self.capacity * size_of::<Entry<T>>();
        let bytes = end.next_multiple_of(STEP_BYTES).min(reserved);
        self.memory.grow(bytes)?;
        let entries = (bytes - Self::ENTRIES_OFFSET) / size_of::<Entry<T>>();
        self.entries.store(entries, Ordering::Release);
        Ok(())
    }

    fn handle(&self, index: usize) -> Handle {
        Handle::new(range::base() + self.region.offset() + index * GRANULE_BYTES)
    }

    /// For callers that know that the memory is accessible.
    fn header(&'static self) -> &'static Header<T> {
        // SAFETY: the block starts with the header, is aligned to a page and never given back; zeros are a valid
        // header.
        unsafe { &*self.memory.base().cast() }
    }

    /// For an index below `entries`.
    #[inline]
    fn entry(&'static self, index: usize) -> &'static Entry<T> {
        // SAFETY: entries below that bound are accessible and never given back; zeros are a valid entry.
        unsafe {
            &*self
                .memory
                .base()
                .add(Self::ENTRIES_OFFSET)
                .cast::<Entry<T>>()
                .add(index)
        }
    }
}
