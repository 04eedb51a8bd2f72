//! The calling thread's `errno`.
#![allow(unsafe_code, reason = "errno is reached through a C function")]

/// Sets `errno`.
#[inline]
pub fn set(value: i32) {
    // SAFETY: the C library answers with the address of the calling thread's own variable.
    unsafe { *libc::__errno_location() = value };
}

/// Reads `errno`.
#[inline]
pub fn current() -> i32 {
    // SAFETY: as in `set`.
    unsafe { *libc::__errno_location() }
}
