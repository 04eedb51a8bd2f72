//! The monotonic clock, in nanoseconds.
#![allow(unsafe_code, reason = "clock_gettime is a C function")]

/// Nanoseconds of the monotonic clock; about 20 ns a call.
#[inline]
pub fn now_ns() -> u64 {
    #[cfg(test)]
    if let Some(now_ns) = super::simulation::now_ns() {
        return now_ns;
    }
    kernel_ns()
}

/// As [`now_ns`], and the machine's time in a simulated world, too: for what is no part of that, as memory.
#[inline]
pub fn kernel_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux and the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
