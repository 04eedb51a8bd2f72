//! An epoll instance: many descriptors that are watched together.
#![allow(unsafe_code, reason = "epoll is a C function")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::descriptors::Descriptor;
use super::errno;
use crate::error::{Error, Result};

/// The kernel's event: what happened, and the number that the descriptor was added with.
pub use libc::epoll_event as Event;

/// No event.
pub const NO_EVENT: Event = Event { events: 0, u64: 0 };

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll(Descriptor);

impl Epoll {
    /// An instance that watches nothing.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM` of epoll_create1(2).
    pub fn new() -> Result<Epoll> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(Error::from_errno(errno::current()));
        }
        // SAFETY: a descriptor that was just created and that nothing else owns.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// epoll_ctl(2): adds, changes or deletes a descriptor; its events will have `number`.
    ///
    /// # Errors
    /// The value of `errno`.
    pub fn control(&self, operation: libc::c_int, fd: RawFd, events: u32, number: u64) -> std::result::Result<(), i32> {
        #[cfg(test)]
        if super::simulation::control(self.as_raw_fd(), operation, fd, number).is_some() {
            return Ok(());
        }
        let mut event = Event { events, u64: number };
        // SAFETY: the kernel reads the event, a live local.
        let outcome = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) };
        if outcome == 0 { Ok(()) } else { Err(errno::current()) }
    }

    /// What there is now; no cancellation point.
    pub fn look<'a>(&self, events: &'a mut [Event]) -> &'a [Event] {
        #[cfg(test)]
        if let Some(count) = super::simulation::look_at_crowd(self.as_raw_fd(), events) {
            return &events[..count];
        }
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // SAFETY: the kernel writes at most as many events as the slice has; no signal mask.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait,
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                0 as libc::c_int,
                no_mask,
                0_usize,
            )
        };
        &events[..usize::try_from(count).unwrap_or(0)]
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
