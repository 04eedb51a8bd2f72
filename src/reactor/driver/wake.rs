//! Waking the reactor from other threads, without a system call while it is awake.
//!
//! A [`WakeWord`] says whether it sleeps; only then the eventfd is written. `wake` notifies; the reactor falls asleep before it may
//! sleep, and rises after that, whether it slept or not: what it finds then is reported as one `Woken`. The eventfd is never read:
//! both drivers watch it for edges.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::sys::counters::{Counter, count};
use crate::sys::descriptors::Descriptor;
use crate::sys::wake_word::WakeWord;

/// Wakes one reactor. Any thread may use it, also after the driver is gone.
#[derive(Clone, Debug)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    word: WakeWord,
    eventfd: Descriptor,
}

impl Waker {
    /// Makes the reactor's current or next `wait` return with a `Woken`. Never blocks, and is no cancellation point.
    pub fn wake(&self) {
        if !self.shared.word.notify() {
            return;
        }
        count(Counter::BackgroundWakes);
        let one = 1_u64;
        // SAFETY: the kernel reads eight bytes from a live local. The eventfd is non-blocking, and its count cannot reach
        // the limit where a write fails.
        unsafe {
            libc::syscall(
                libc::SYS_write,
                self.shared.eventfd.as_raw_fd(),
                &raw const one,
                size_of::<u64>(),
            )
        };
    }

    pub(super) fn new() -> Result<Self, i32> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(super::buffers::errno());
        }
        // SAFETY: a descriptor that was just created and that nothing else owns.
        let eventfd = unsafe { OwnedFd::from_raw_fd(fd) }.into();
        Ok(Self {
            shared: Arc::new(Shared {
                word: WakeWord::new(),
                eventfd,
            }),
        })
    }

    /// The descriptor a driver watches.
    pub(super) fn fd(&self) -> RawFd {
        self.shared.eventfd.as_raw_fd()
    }

    /// Reactor: about to sleep. False: a notification is pending, do not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.shared.word.fall_asleep()
    }

    /// Whether somebody called `wake` since the reactor last rose.
    #[cfg(test)]
    pub(super) fn is_notified(&self) -> bool {
        self.shared.word.is_notified()
    }

    /// Reactor: after the wait, whether it slept or not. True: somebody called `wake`.
    pub(super) fn rise(&self) -> bool {
        self.shared.word.rise()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eventfd_count(waker: &Waker) -> u64 {
        let mut count = 0_u64;
        // SAFETY: the kernel writes at most eight bytes into a live local.
        unsafe { libc::read(waker.fd(), (&raw mut count).cast(), size_of::<u64>()) };
        count
    }

    #[test]
    fn an_awake_reactor_costs_no_system_call() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wake();
        assert_eq!(eventfd_count(&waker), 0);
        assert!(!waker.fall_asleep(), "a pending notification forbids sleeping");
        assert!(waker.rise());
        assert!(!waker.rise(), "wake-ups coalesce into one");
    }

    #[test]
    fn only_the_first_waker_of_a_sleeper_writes() {
        let waker = Waker::new().unwrap();
        assert!(waker.fall_asleep());
        waker.wake();
        waker.wake();
        assert_eq!(eventfd_count(&waker), 1);
        assert!(waker.rise());
    }
}
