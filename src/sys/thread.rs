//! Background threads as libzmq's users expect them: they never run a signal handler of the application.
//!
//! The spawning thread blocks every signal for the moment of the call, so that the new thread is born with all of them
//! blocked, and restores its own mask afterwards.
#![allow(unsafe_code, reason = "signal masks and prctl are wrapped by no crate that we use")]

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};

/// Starts a thread that has every signal blocked from its first instruction on and a timer slack of 1 ns.
///
/// `name` is shown by the system, cut to 15 bytes. `Error::Again` where no thread can be created (pthread_create(3)).
pub fn spawn_background<F>(name: &str, body: F) -> Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    let name: String = name.chars().filter(|&c| c != '\0').collect();
    let mask = block_all_signals();
    let spawned = Builder::new().name(name).spawn(move || {
        minimise_timer_slack();
        body();
    });
    restore_signals(&mask);
    spawned.map_err(|error: io::Error| Error::from_errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))
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
        handle.join().unwrap();
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
        spawn_background("a\0b", || {}).unwrap().join().unwrap();
    }
}
