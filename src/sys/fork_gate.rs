//! What keeps closing descriptors and forking apart: see `descriptors`, which has one gate for the process, and a word for each 64
//! descriptors.

use super::sync::atomic::{AtomicU64, Ordering, fence};

/// One fork, and the part that counts who is closing.
const FORK: u64 = 1 << 32;
const CLOSING: u64 = FORK - 1;

/// The low half counts the threads that are closing, the high half the forks under way.
#[derive(Debug, Default)]
pub struct ForkGate {
    pub(super) state: AtomicU64,
}

impl ForkGate {
    /// Runs the action and has forks wait for it; false, without doing so, when a fork is under way.
    pub fn outside_forks(&self, action: impl FnOnce()) -> bool {
        let enter = |state| (state < FORK).then_some(state + 1);
        if self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter)
            .is_err()
        {
            return false;
        }
        action();
        // A child that was forked by a signal handler amid the action counts nobody.
        let leave = |state| (state & CLOSING != 0).then(|| state - 1);
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, leave);
        true
    }

    /// As [`ForkGate::outside_forks`] for closing what was deferred. One of two comes here last and sees what the other did: who has
    /// deferred something, that the fork is over; or the end of the fork, that it was deferred.
    pub fn outside_forks_again(&self, action: impl FnOnce()) -> bool {
        fence(Ordering::SeqCst);
        self.outside_forks(action)
    }

    /// From now on nobody begins to close; who has begun is waited for until there is none.
    pub fn begin_fork(&self) {
        self.state.fetch_add(FORK, Ordering::SeqCst);
    }

    /// Whether somebody is closing.
    pub fn is_closing(&self) -> bool {
        self.state.load(Ordering::SeqCst) & CLOSING != 0
    }

    /// Whether a fork is under way.
    #[cfg(test)]
    pub fn is_forking(&self) -> bool {
        self.state.load(Ordering::SeqCst) >= FORK
    }

    /// Whether nobody is closing and no fork is under way.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.state.load(Ordering::SeqCst) == 0
    }

    /// In the parent.
    pub fn end_fork(&self) {
        let ended = |state: u64| state.checked_sub(FORK);
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, ended);
    }

    /// In the child, which has one thread.
    pub fn forget(&self) {
        self.state.store(0, Ordering::SeqCst);
    }
}

/// A bit for each of 64 descriptors.
#[derive(Debug, Default)]
pub struct OwnedWord {
    /// It is the library's.
    pub(super) owned: AtomicU64,
    /// It was to be closed during a fork, and is owned still.
    pub(super) deferred: AtomicU64,
}

impl OwnedWord {
    /// Marks a descriptor.
    pub fn mark(&self, bit: u64) {
        self.owned.fetch_or(bit, Ordering::SeqCst);
    }

    /// It is not the library's any more. Whether it was.
    pub fn unmark(&self, bit: u64) -> bool {
        self.owned.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// Whether it is the library's.
    pub fn is_owned(&self, bit: u64) -> bool {
        self.owned.load(Ordering::SeqCst) & bit != 0
    }

    /// Leaves it for the end of a fork.
    pub fn defer(&self, bit: u64) {
        self.deferred.fetch_or(bit, Ordering::SeqCst);
    }

    /// Unmarks what was left for the end of a fork, and has each closed.
    pub fn close_deferred(&self, mut close: impl FnMut(u64)) {
        take_bits(&self.deferred)
            .filter(|bit| self.unmark(*bit))
            .for_each(&mut close);
    }

    /// In a child: has each that is marked closed, and forgets all.
    pub fn close_all(&self, close: impl FnMut(u64)) {
        self.deferred.store(0, Ordering::SeqCst);
        take_bits(&self.owned).for_each(close);
    }

    /// Whether something waits for the end of a fork.
    #[cfg(test)]
    pub fn has_deferred(&self) -> bool {
        self.deferred.load(Ordering::SeqCst) != 0
    }
}

/// The bits of a word that are set, and leaves none.
fn take_bits(word: &AtomicU64) -> impl Iterator<Item = u64> {
    let mut bits = if word.load(Ordering::SeqCst) == 0 {
        0
    } else {
        word.swap(0, Ordering::SeqCst)
    };
    std::iter::from_fn(move || {
        let bit = bits & bits.wrapping_neg();
        bits ^= bit;
        (bit != 0).then_some(bit)
    })
}
