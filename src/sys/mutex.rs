//! A mutual-exclusion lock for leaves: short critical sections that run no foreign code, so poisoning has no meaning.

use std::sync::PoisonError;

use super::sync;
pub use super::sync::MutexGuard;

/// `std::sync::Mutex` without poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A free lock around `value`.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    /// As above; loom's types are no constants.
    #[cfg(loom)]
    pub fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
