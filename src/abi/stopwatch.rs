//! Stopwatches (`zmq_utils.h`; there is no manual page). The handle *is* the time of the start, in microseconds of the
//! monotonic clock: there is no memory behind it, so no handle, however stale, can do harm.

use std::ffi::{c_ulong, c_void};
use std::ptr;

use crate::entry;
use crate::error::{Error, Result};
use crate::sys::clock;

entry! {
    /// Starts a stopwatch.
    ///
    /// # Safety
    /// None.
    pub unsafe fn zmq_stopwatch_start() -> *mut c_void, on_error ptr::null_mut() => {
        Ok(ptr::without_provenance_mut(now_us().max(1)))
    }
}

entry! {
    /// Microseconds since the start; 0 with `EFAULT` for NULL.
    ///
    /// # Safety
    /// None: the handle is not read through.
    pub unsafe fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong, on_error 0 => {
        elapsed_us(watch)
    }
}

entry! {
    /// Microseconds since the start; 0 with `EFAULT` for NULL. The stopwatch is not to be used again.
    ///
    /// # Safety
    /// None: the handle is not read through.
    pub unsafe fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong, on_error 0 => {
        elapsed_us(watch)
    }
}

fn elapsed_us(watch: *mut c_void) -> Result<c_ulong> {
    if watch.is_null() {
        return Err(Error::Fault);
    }
    Ok(now_us().wrapping_sub(watch.addr()) as c_ulong)
}

/// Where pointers have 32 bits, only the low ones: differences up to 71 minutes come out right.
fn now_us() -> usize {
    (clock::now_ns() / 1000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::errno;

    #[test]
    fn microseconds_since_the_start() {
        let before_ns = clock::now_ns();
        // SAFETY: no promise is asked for.
        let (first, last) = unsafe {
            let watch = zmq_stopwatch_start();
            assert!(!watch.is_null());
            while clock::now_ns() - before_ns < 3_000_000 {
                std::hint::spin_loop();
            }
            (zmq_stopwatch_intermediate(watch), zmq_stopwatch_stop(watch))
        };
        let most = now_us() as c_ulong - (before_ns / 1000) as c_ulong + 1;
        assert!(first <= last && last <= most, "{first} {last} {most}");
        assert!(last > 0);
    }

    #[test]
    fn null_is_no_stopwatch() {
        errno::set(0);
        // SAFETY: no promise is asked for.
        let answers = unsafe {
            (
                zmq_stopwatch_intermediate(ptr::null_mut()),
                zmq_stopwatch_stop(ptr::null_mut()),
            )
        };
        assert_eq!((answers, errno::current()), ((0, 0), libc::EFAULT));
    }
}
