//! Atomic counters: zmq_atomic_counter_new(3) and its kin. Any thread may use a counter, and a signal handler too: one
//! atomic word, no lock. Unlike a socket, a counter is plain memory of the caller's; NULL is recognised, other bad
//! pointers are not.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::entry;
use crate::error::{Error, Result};
use crate::sys::reserve;

entry! {
    /// Makes a counter of value 0. NULL with `ENOMEM`. Source: zmq_atomic_counter_new(3).
    ///
    /// # Safety
    /// None; the result must be given to `zmq_atomic_counter_destroy` in the end.
    pub unsafe fn zmq_atomic_counter_new() -> *mut c_void, on_error ptr::null_mut() => {
        reserve::spare()?;
        let mut place = Vec::new();
        place.try_reserve_exact(1).map_err(|_| Error::NoMemory)?;
        place.push(AtomicI32::new(0));
        Ok(Box::into_raw(place.into_boxed_slice()).cast())
    }
}

entry! {
    /// Gives a counter a value. Source: zmq_atomic_counter_set(3).
    ///
    /// # Safety
    /// `counter` is null or a live counter.
    pub unsafe fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) -> (), on_error () => {
        // SAFETY: as the caller promises.
        unsafe { live(counter) }?.store(value, Ordering::SeqCst);
        Ok(())
    }
}

entry! {
    /// Adds one and returns the value before. After the largest value comes the smallest. Source:
    /// zmq_atomic_counter_inc(3).
    ///
    /// # Safety
    /// `counter` is null (0 with `EFAULT`) or a live counter.
    pub unsafe fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int, on_error 0 => {
        // SAFETY: as the caller promises.
        Ok(unsafe { live(counter) }?.fetch_add(1, Ordering::SeqCst))
    }
}

entry! {
    /// Subtracts one and returns 0 if the counter became 0, else 1. Source: zmq_atomic_counter_dec(3).
    ///
    /// # Safety
    /// `counter` is null (0 with `EFAULT`) or a live counter.
    pub unsafe fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int, on_error 0 => {
        // SAFETY: as the caller promises.
        let before = unsafe { live(counter) }?.fetch_sub(1, Ordering::SeqCst);
        Ok(c_int::from(before != 1))
    }
}

entry! {
    /// The value of a counter. Source: zmq_atomic_counter_value(3).
    ///
    /// # Safety
    /// `counter` is null (0 with `EFAULT`) or a live counter.
    pub unsafe fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int, on_error 0 => {
        // SAFETY: as the caller promises.
        Ok(unsafe { live(counter) }?.load(Ordering::SeqCst))
    }
}

entry! {
    /// Destroys a counter and sets the caller's pointer to NULL. Source: zmq_atomic_counter_destroy(3).
    ///
    /// # Safety
    /// `counter_p` is null or points to a pointer that is null or a live counter, which nobody uses any more.
    pub unsafe fn zmq_atomic_counter_destroy(counter_p: *mut *mut c_void) -> (), on_error () => {
        // SAFETY: as the caller promises.
        let counter = unsafe { counter_p.as_mut() }.ok_or(Error::Fault)?;
        if !counter.is_null() {
            // SAFETY: a live counter is a box's content; the caller promises that this is its last use.
            drop(unsafe { Box::from_raw(counter.cast::<AtomicI32>()) });
        }
        *counter = ptr::null_mut();
        Ok(())
    }
}

/// # Safety
/// `counter` is null or a counter that lives for `'a`.
unsafe fn live<'a>(counter: *mut c_void) -> Result<&'a AtomicI32> {
    // SAFETY: as the caller promises.
    unsafe { counter.cast::<AtomicI32>().as_ref() }.ok_or(Error::Fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::errno;

    #[test]
    fn the_example_of_the_manual() {
        // SAFETY: the counter is live until it is destroyed at the end.
        unsafe {
            let mut counter = zmq_atomic_counter_new();
            assert_eq!(zmq_atomic_counter_value(counter), 0);
            assert_eq!([(); 3].map(|()| zmq_atomic_counter_inc(counter)), [0, 1, 2]);
            assert_eq!(zmq_atomic_counter_value(counter), 3);
            assert_eq!([(); 3].map(|()| zmq_atomic_counter_dec(counter)), [1, 1, 0]);
            zmq_atomic_counter_set(counter, 2);
            assert_eq!([(); 2].map(|()| zmq_atomic_counter_dec(counter)), [1, 0]);
            zmq_atomic_counter_destroy(&mut counter);
            assert!(counter.is_null());
            zmq_atomic_counter_destroy(&mut counter);
        }
    }

    #[test]
    fn below_zero_and_over_the_ends_it_goes_on() {
        // SAFETY: the counter is live until it is destroyed at the end.
        unsafe {
            let mut counter = zmq_atomic_counter_new();
            assert_eq!(
                (zmq_atomic_counter_dec(counter), zmq_atomic_counter_value(counter)),
                (1, -1)
            );
            zmq_atomic_counter_set(counter, c_int::MAX);
            assert_eq!(
                (zmq_atomic_counter_inc(counter), zmq_atomic_counter_value(counter)),
                (c_int::MAX, c_int::MIN)
            );
            assert_eq!(
                (zmq_atomic_counter_dec(counter), zmq_atomic_counter_value(counter)),
                (1, c_int::MAX)
            );
            zmq_atomic_counter_destroy(&mut counter);
        }
    }

    #[test]
    fn null_is_no_counter() {
        errno::set(0);
        // SAFETY: null is allowed.
        let answers = unsafe {
            zmq_atomic_counter_set(ptr::null_mut(), 1);
            zmq_atomic_counter_destroy(ptr::null_mut());
            [
                zmq_atomic_counter_inc(ptr::null_mut()),
                zmq_atomic_counter_dec(ptr::null_mut()),
                zmq_atomic_counter_value(ptr::null_mut()),
            ]
        };
        assert_eq!((answers, errno::current()), ([0; 3], libc::EFAULT));
    }

    #[test]
    fn no_increment_of_any_thread_is_lost() {
        // SAFETY: the counter is live until it is destroyed at the end.
        unsafe {
            let mut counter = zmq_atomic_counter_new();
            let address = counter.expose_provenance();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(move || {
                        for _ in 0..10_000 {
                            zmq_atomic_counter_inc(ptr::with_exposed_provenance_mut(address));
                        }
                    });
                }
            });
            assert_eq!(zmq_atomic_counter_value(counter), 40_000);
            zmq_atomic_counter_destroy(&mut counter);
        }
    }
}
