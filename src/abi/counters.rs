//! What the library did, for programs that ask: an addition to libzmq's interface.

use std::ffi::{CStr, c_char, c_int};

use crate::entry;
use crate::error::Error;
use crate::sys::counters;

entry! {
    /// Stores how often the library did something since the process began: `flushes`, `writes`, `reads`, `sleeps`, `wakes`,
    /// `background_wakes`, `background_waits`, `alarms`; or how many messages waited when their connection or their socket ended and went
    /// nowhere: `messages_lost`. 0, or -1 with `EINVAL` for another name, or `EFAULT`. Not part of libzmq.
    ///
    /// # Safety
    /// `name` is null or a string ended by 0; `value` is null or points to a writable number.
    pub unsafe fn monocoque_counter(name: *const c_char, value: *mut u64) -> c_int, on_error -1 => {
        if name.is_null() || value.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: as the caller promises.
        let name = unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| Error::Invalid)?;
        let count = counters::value(name).ok_or(Error::Invalid)?;
        // SAFETY: as the caller promises.
        unsafe { value.write(count) };
        Ok(0)
    }
}
