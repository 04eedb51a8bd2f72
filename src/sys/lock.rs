//! A lock that carries a "work is waiting" bit: the token of sockets and of the two halves of a connection.
//!
//! Whoever has news for a locked object never waits: it queues the news elsewhere and calls [`Lock::notify`]. If the lock is
//! free, the caller takes it and applies the news; if not, the holder does so before it lets go. One atomic word holds all
//! of it, so a notification cannot fall between the holder's last look and its unlock.
//!
//! Invariant: `DEFERRED` is never left set on an unlocked word.
#![allow(unsafe_code, reason = "a lock hands out references to what it guards")]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use super::futex;
use super::sync::atomic::{AtomicU32, Ordering};

const LOCKED: u32 = 1;
const DEFERRED: u32 = 2;
const WAITING: u32 = 4;
/// How often a thread looks again before it sleeps: critical sections are shorter than a sleep and a wake-up.
const SPINS: u32 = if cfg!(loom) { 1 } else { 60 };

/// How long a lock may be held before somebody asks whether it will ever become free.
#[cfg(not(loom))]
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(5);

/// What a locked object does when news was left for it.
pub trait Deferred {
    /// What is left to do once the lock is free: dropping it does that. Who is woken under a lock runs into it.
    type After: Default;

    /// Applies everything that was queued for the object. Runs under the lock.
    fn run_deferred(&mut self, after: &mut Self::After);
}

/// A mutual-exclusion lock with a deferred-work bit.
#[derive(Default)]
pub struct Lock<T: ?Sized> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives out one exclusive reference at a time.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: as above; sharing the lock only ever moves exclusive access between threads.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

impl<T: Deferred> Lock<T> {
    /// A free lock around `value`.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Lock<T> {
        Lock {
            state: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// As above; loom's types are no constants.
    #[cfg(loom)]
    pub fn new(value: T) -> Lock<T> {
        Lock {
            state: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        if self
            .state
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.lock_slow();
        }
        Guard { lock: self }
    }

    /// As [`Lock::lock`]; but where that takes long it gives up if this says that the lock will not become free.
    #[cfg(not(loom))]
    #[inline]
    pub fn lock_unless(&self, is_hopeless: fn() -> bool) -> Option<Guard<'_, T>> {
        let locked = self
            .state
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        if locked.is_err() && !self.lock_patiently(is_hopeless) {
            return None;
        }
        Some(Guard { lock: self })
    }

    /// As [`Lock::lock`]: time does not pass in a model.
    #[cfg(loom)]
    pub fn lock_unless(&self, _: fn() -> bool) -> Option<Guard<'_, T>> {
        Some(self.lock())
    }

    /// Takes the lock if nobody holds it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        match self
            .state
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Some(Guard { lock: self }),
            Err(_) => None,
        }
    }

    /// Says that there is queued work: it is run now if the lock is free, else by its holder. Never waits.
    pub fn notify(&self) {
        let before = self.state.fetch_or(LOCKED | DEFERRED, Ordering::AcqRel);
        if before & LOCKED == 0 {
            drop(Guard { lock: self });
        }
    }

    /// False: given up.
    #[cfg(not(loom))]
    #[cold]
    fn lock_patiently(&self, is_hopeless: fn() -> bool) -> bool {
        if self.look_again() {
            return true;
        }
        // Each signal that is handled meanwhile ends a sleep, but not the wait.
        let begun = std::time::Instant::now();
        let sleep = |seen| {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            !left.is_zero() && futex::wait_for(&self.state, seen, left)
        };
        if self.sleep_for(sleep) {
            return true;
        }
        if is_hopeless() {
            return false;
        }
        self.lock_slow();
        true
    }

    #[cold]
    fn lock_slow(&self) {
        if self.look_again() {
            return;
        }
        self.sleep_for(|seen| {
            futex::wait(&self.state, seen);
            true
        });
    }

    fn look_again(&self) -> bool {
        for _ in 0..SPINS {
            if self.state.load(Ordering::Relaxed) & LOCKED == 0
                && self
                    .state
                    .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// Waits for the lock as long as `sleep` answers that it is worth another look. False: it is not had.
    fn sleep_for(&self, mut sleep: impl FnMut(u32) -> bool) -> bool {
        loop {
            let seen = self.state.load(Ordering::Relaxed);
            if seen & LOCKED == 0 {
                // Others may sleep as well: WAITING stays set, the price is at most one needless wake-up.
                let mine = seen | LOCKED | WAITING;
                if self
                    .state
                    .compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return true;
                }
            } else {
                let marked = seen & WAITING != 0
                    || self
                        .state
                        .compare_exchange(seen, seen | WAITING, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok();
                if marked && !sleep(seen | WAITING) {
                    return false;
                }
            }
        }
    }

    #[cold]
    fn unlock_slow(&self) {
        let mut after = T::After::default();
        loop {
            let seen = self.state.load(Ordering::Relaxed);
            if seen & DEFERRED != 0 {
                self.state.fetch_and(!DEFERRED, Ordering::Acquire);
                // SAFETY: this thread still holds the lock, and its guard's reference is gone.
                unsafe { (*self.value.get()).run_deferred(&mut after) };
            } else if self
                .state
                .compare_exchange(seen, 0, Ordering::Release, Ordering::Relaxed)
                .is_ok()
            {
                if seen & WAITING != 0 {
                    futex::wake_one(&self.state);
                }
                return;
            }
        }
    }
}

/// Exclusive access; dropping it runs deferred work and unlocks.
pub struct Guard<'a, T: Deferred> {
    lock: &'a Lock<T>,
}

impl<'a, T: Deferred> Guard<'a, T> {
    /// Unlocks if nothing is left to do and nobody waits; else the guard comes back, to be dropped. A caller that has little to do
    /// keeps that apart from its short way, which then needs no stack.
    #[inline(always)]
    pub fn release(self) -> Result<(), Guard<'a, T>> {
        let released = self
            .lock
            .state
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed);
        match released {
            Ok(_) => {
                std::mem::forget(self);
                Ok(())
            }
            Err(_) => Err(self),
        }
    }
}

impl<T: Deferred> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard stands for the held lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: Deferred> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard stands for the held lock and is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: Deferred> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self
            .lock
            .state
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            self.lock.unlock_slow();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    struct Sum {
        inbox: Arc<AtomicU64>,
        total: u64,
    }

    impl Deferred for Sum {
        type After = ();

        fn run_deferred(&mut self, _after: &mut ()) {
            self.total += self.inbox.swap(0, Ordering::AcqRel);
        }
    }

    #[test]
    fn news_left_for_a_busy_holder_is_applied_before_it_lets_go() {
        let inbox = Arc::new(AtomicU64::new(0));
        let lock = Lock::new(Sum {
            inbox: inbox.clone(),
            total: 0,
        });
        let held = lock.lock();
        inbox.store(7, Ordering::Release);
        lock.notify();
        assert!(lock.try_lock().is_none());
        assert_eq!(held.total, 0);
        drop(held);
        assert_eq!(lock.lock().total, 7);
    }

    #[test]
    fn a_guard_with_work_to_do_is_not_released() {
        let inbox = Arc::new(AtomicU64::new(0));
        let lock = Lock::new(Sum {
            inbox: inbox.clone(),
            total: 0,
        });
        assert!(lock.lock().release().is_ok());
        let held = lock.lock();
        inbox.store(7, Ordering::Release);
        lock.notify();
        let Err(held) = held.release() else { panic!("released") };
        drop(held);
        assert_eq!(lock.lock().total, 7);
    }

    #[test]
    fn no_notification_is_lost_between_threads() {
        const EACH: u64 = 50_000;
        let inbox = Arc::new(AtomicU64::new(0));
        let lock = Lock::new(Sum {
            inbox: inbox.clone(),
            total: 0,
        });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..EACH {
                        inbox.fetch_add(1, Ordering::AcqRel);
                        lock.notify();
                        if turn % 3 == 0 {
                            lock.lock().total += 0;
                        }
                    }
                });
            }
        });
        assert_eq!(inbox.load(Ordering::Acquire), 0, "every notification was run");
        assert_eq!(lock.lock().total, 4 * EACH);
    }
}
