//! Forked children of tests: each gives its verdict as an exit status.
#![allow(unsafe_code, reason = "fork and what a child may call are C functions")]

/// Forks: the child's number, or 0 in the child, which may call only what a signal handler may, and malloc.
pub fn fork() -> libc::pid_t {
    // SAFETY: the children of the tests keep to that.
    unsafe { libc::fork() }
}

/// The wait status of a child that exits with the verdict.
pub fn status_of_child(verdict: impl FnOnce() -> i32) -> i32 {
    status_of(fork(), verdict)
}

/// As [`status_of_child`] after the fork. In the child, which is 0, this does not return.
pub fn status_of(child: libc::pid_t, verdict: impl FnOnce() -> i32) -> i32 {
    if child == 0 {
        // SAFETY: a child that hangs is killed by this and fails the test.
        unsafe { libc::alarm(20) };
        let verdict = verdict();
        // SAFETY: ends the child without running the test harness.
        unsafe { libc::_exit(verdict) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made, if one was.
    match unsafe { libc::waitpid(child, &mut status, 0) } {
        reaped if reaped == child && child > 0 => status,
        _ => -1,
    }
}
