//! Numbered entries in one block of memory, with a list of the free ones running through them.
//!
//! Owned by one prefix tree. Invariants: a number stays valid until its entry is removed; growing and removing never
//! allocate more than an eighth beyond what was ever in use at once; when only the permanent entries are left, the
//! memory of all others is returned.

use std::ops::{Index, IndexMut};

use crate::error::{Error, Result};

/// Numbers an entry; [`NONE`] numbers none.
pub(super) type Id = u32;

/// The number of no entry.
pub(super) const NONE: Id = Id::MAX;

/// An entry that can carry the number of the next free one while it is free.
pub(super) trait Entry {
    /// A free entry.
    fn vacant(next_free: Id) -> Self;
    /// What a free entry was made with.
    fn next_free(&self) -> Id;
}

/// See the head of this file.
pub(super) struct Arena<T> {
    entries: Vec<T>,
    first_free: Id,
    free_count: usize,
    /// The entries 0 to here are never removed.
    permanent_count: usize,
}

impl<T: Entry> Arena<T> {
    /// An arena whose `permanent` entries are never removed.
    pub(super) fn new(permanent: Vec<T>) -> Self {
        let permanent_count = permanent.len();
        Arena {
            entries: permanent,
            first_free: NONE,
            free_count: 0,
            permanent_count,
        }
    }

    /// Adds an entry and returns its number. `NoMemory` changes nothing.
    pub(super) fn insert(&mut self, entry: T) -> Result<Id> {
        if self.first_free != NONE {
            let id = self.first_free;
            self.first_free = self[id].next_free();
            self.free_count -= 1;
            self[id] = entry;
            return Ok(id);
        }
        let id = Id::try_from(self.entries.len())
            .ok()
            .filter(|id| *id != NONE)
            .ok_or(Error::NoMemory)?;
        if self.entries.len() == self.entries.capacity() {
            // Growing by an eighth keeps the slack small; the allocator moves large blocks without copying.
            let more = (self.entries.len() / 8).max(8);
            self.entries.try_reserve_exact(more).map_err(|_| Error::NoMemory)?;
        }
        self.entries.push(entry);
        Ok(id)
    }

    /// Removes an entry that is in use and not permanent.
    pub(super) fn remove(&mut self, id: Id) {
        self[id] = T::vacant(self.first_free);
        self.first_free = id;
        self.free_count += 1;
        if self.live_count() == self.permanent_count {
            self.entries.truncate(self.permanent_count);
            self.entries.shrink_to_fit();
            self.first_free = NONE;
            self.free_count = 0;
        }
    }

    /// How many entries are in use.
    pub(super) fn live_count(&self) -> usize {
        self.entries.len() - self.free_count
    }
}

impl<T> Index<Id> for Arena<T> {
    type Output = T;

    fn index(&self, id: Id) -> &T {
        &self.entries[id as usize]
    }
}

impl<T> IndexMut<Id> for Arena<T> {
    fn index_mut(&mut self, id: Id) -> &mut T {
        &mut self.entries[id as usize]
    }
}
