//! Waiting for a 32-bit word to change, inside the kernel. Raw system calls, so that they are no cancellation points.
#![allow(unsafe_code, reason = "the futex system call has no safe wrapper in libc")]

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` holds `expected`; returns on a wake-up, a signal, or at once when the word differs.
pub fn wait(word: &AtomicU32, expected: u32) {
    // SAFETY: the word outlives the call, and the kernel only reads it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            std::ptr::null::<libc::timespec>(),
        );
    }
}

/// As [`wait`], for so long at most: false when that time has passed.
pub fn wait_for(word: &AtomicU32, expected: u32, time: Duration) -> bool {
    let time = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    };
    // SAFETY: the word and the time outlive the call, and the kernel only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            &raw const time,
        )
    };
    result == 0 || super::errno::current() != libc::ETIMEDOUT
}

/// Wakes one thread that sleeps on `word`.
pub fn wake_one(word: &AtomicU32) {
    // SAFETY: the address is only used as a key.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}
