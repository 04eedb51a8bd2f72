//! A value that one thread leaves and another waits for, without any memory but their own: the standard library's threads and
//! channels end the process where there is none for the handle of the thread that waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who is to leave the value.
#[derive(Debug)]
pub struct Promise<T>(Arc<Place<T>>);

/// Who waits for it.
#[derive(Debug)]
pub struct Awaited<T>(Arc<Place<T>>);

#[derive(Debug)]
struct Place<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum State<T> {
    Open,
    Kept(T),
    Broken,
}

/// A promise, and its other end.
pub fn promise<T>() -> (Promise<T>, Awaited<T>) {
    let place = Arc::new(Place {
        state: Mutex::new(State::Open),
        changed: Condvar::new(),
    });
    (Promise(place.clone()), Awaited(place))
}

impl<T> Promise<T> {
    /// Leaves the value; once.
    pub fn keep(&self, value: T) {
        self.0.settle(State::Kept(value));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.0.settle(State::Broken);
    }
}

impl<T> Awaited<T> {
    /// Whether the value is there, or never will be.
    #[cfg(test)]
    pub fn is_settled(&self) -> bool {
        !matches!(*self.0.lock(), State::Open)
    }

    /// The value; none if the promise was dropped instead.
    pub fn wait(self) -> Option<T> {
        let mut state = self.0.lock();
        while matches!(*state, State::Open) {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match std::mem::replace(&mut *state, State::Broken) {
            State::Kept(value) => Some(value),
            State::Open | State::Broken => None,
        }
    }
}

impl<T> Place<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes first holds.
    fn settle(&self, new: State<T>) {
        let mut state = self.lock();
        if matches!(*state, State::Open) {
            *state = new;
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_arrives() {
        let (promise, awaited) = promise();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                promise.keep(1);
                promise.keep(2);
                drop(promise);
            });
            assert_eq!(awaited.wait(), Some(1));
        });
    }

    #[test]
    fn a_promise_that_is_dropped_is_heard_of() {
        let (promise, awaited) = promise::<u32>();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(promise));
            assert_eq!(awaited.wait(), None);
        });
    }
}
