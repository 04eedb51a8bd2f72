//! Background threads as libzmq's users expect them: they never run a signal handler of the application.
//!
//! The spawning thread blocks every signal for the moment of the call, so that the new thread is born with all of them
//! blocked, and restores its own mask afterwards. The threads are the C library's: the standard library ends the process where there is
//! no memory for a thread's handle.
#![allow(unsafe_code, reason = "threads, signal masks and prctl are C functions")]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::error::{Error, Result};

/// A stack of the standard library's size, in bytes.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// Names are cut to so many bytes, with the NUL.
const NAME_BYTES: usize = 16;

/// A thread that runs, or has run; it goes on by itself if this is dropped.
#[derive(Debug)]
pub struct Background(libc::pthread_t);

impl Background {
    /// Waits until it has ended.
    pub fn join(self) {
        // SAFETY: the thread was neither joined nor detached.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        mem::forget(self);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // SAFETY: the thread was neither joined nor detached.
        unsafe { libc::pthread_detach(self.0) };
    }
}

struct Start {
    name: [u8; NAME_BYTES],
    body: Box<dyn FnOnce() + Send>,
}

/// Starts a thread that has every signal blocked from its first instruction on and a timer slack of 1 ns.
///
/// `name` is shown by the system, cut to 15 bytes. `Error::Again` where no thread can be created (pthread_create(3)).
pub fn spawn_background<F>(name: &str, body: F) -> Result<Background>
where
    F: FnOnce() + Send + 'static,
{
    let mut start = Box::new(Start {
        name: [0; NAME_BYTES],
        body: Box::new(body),
    });
    let bytes = name.bytes().filter(|&byte| byte != 0);
    for (place, byte) in start.name[..NAME_BYTES - 1].iter_mut().zip(bytes) {
        *place = byte;
    }
    let start = Box::into_raw(start);
    let mask = block_all_signals();
    let created = create(start);
    restore_signals(&mask);
    if created.is_err() {
        // SAFETY: no thread was made, so the box is still this function's.
        drop(unsafe { Box::from_raw(start) });
    }
    created
}

fn create(start: *mut Start) -> Result<Background> {
    let (mut attributes, mut thread) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: the attributes are initialized before they are used and destroyed after that, and `run` takes the box over, if it
    // comes to run.
    let errno = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        let mut usual = 0;
        libc::pthread_attr_getstacksize(attributes.as_ptr(), &raw mut usual);
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES);
        let mut errno = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, start.cast());
        if errno == libc::EINVAL && libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), usual) == 0 {
            // The program's thread-local variables leave no room in such a stack.
            errno = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, start.cast());
        }
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        errno
    };
    if errno != 0 {
        return Err(Error::from_errno(errno));
    }
    // SAFETY: the call succeeded, so it stored the thread.
    Ok(Background(unsafe { thread.assume_init() }))
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: the box that `spawn_background` gave away.
    let Start { name, body } = *unsafe { Box::from_raw(start.cast::<Start>()) };
    // SAFETY: the name ends with a NUL, and is short enough.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr().cast()) };
    minimise_timer_slack();
    // A panic was told where it came up.
    drop(catch_unwind(AssertUnwindSafe(body)));
    ptr::null_mut()
}

/// Blocks every signal of the calling thread and returns the mask that it had.
fn block_all_signals() -> libc::sigset_t {
    // SAFETY: `sigset_t` is plain data; both sets are written by the calls before they are read.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: both sets are live for the calls, which cannot fail with valid arguments.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    before
}

fn restore_signals(mask: &libc::sigset_t) {
    // SAFETY: `mask` is a set that pthread_sigmask filled in; the old value is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// Asks for timers without slack, so that deadlines do not slip by the default 50 µs.
fn minimise_timer_slack() {
    const SLACK_NS: libc::c_ulong = 1;
    // SAFETY: this prctl takes one integer and changes only the calling thread's timers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_field(field: &str) -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line[field.len()..].trim().to_string()
    }

    #[test]
    fn every_signal_is_blocked_and_the_callers_mask_is_restored() {
        let before = status_field("SigBlk:");
        let (sender, receiver) = std::sync::mpsc::channel();
        let handle = spawn_background("ZMQbg/Test", move || {
            // SAFETY: this prctl takes nothing and returns the calling thread's slack.
            let slack = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
            sender
                .send((status_field("SigBlk:"), status_field("Name:"), slack))
                .unwrap();
        })
        .unwrap();
        let (blocked, name, slack) = receiver.recv().unwrap();
        handle.join();
        let blocked = u64::from_str_radix(&blocked, 16).unwrap();
        for signal in 1..=64 {
            // SIGKILL and SIGSTOP cannot be blocked; 32 and 33 belong to the C library.
            let expected = ![libc::SIGKILL, libc::SIGSTOP, 32, 33].contains(&signal);
            assert_eq!(blocked & (1 << (signal - 1)) != 0, expected, "signal {signal}");
        }
        assert_eq!(name, "ZMQbg/Test");
        assert_eq!(slack, 1);
        assert_eq!(status_field("SigBlk:"), before);
    }

    #[test]
    fn a_name_with_a_nul_byte_is_no_panic() {
        spawn_background("a\0b", || {}).unwrap().join();
    }
}
