//! What the kernel watches one descriptor for.
//!
//! Reactor thread only. The kernel forgets a descriptor when its file is closed for good, so that what is noted here may be
//! out of date for one that has no operations; arming it again finds that out.

use std::os::fd::RawFd;

use crate::sys::epoll::Epoll;

/// Disarms a registration as it fires.
pub(super) const ONE_SHOT: u32 = libc::EPOLLONESHOT as u32;

/// The registration of one descriptor with an epoll instance.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Registration {
    /// Not registered.
    #[default]
    No,
    /// Registered, but its one shot was fired.
    Disarmed,
    /// Registered for these events.
    Armed(u32),
}

impl Registration {
    /// Watches for `wanted`, or for nothing. A call that changes nothing costs nothing.
    ///
    /// # Errors
    /// The value of `errno` where the kernel does not watch the descriptor; it is not registered then.
    pub(super) fn change(&mut self, epoll: &Epoll, fd: RawFd, wanted: Option<u32>) -> Result<(), i32> {
        let Some(events) = wanted else {
            if let Registration::Armed(_) = self {
                *self = Registration::No;
                // Fails only if the descriptor was closed, against the contract; then there is nothing to delete.
                let _ = epoll.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
            }
            return Ok(());
        };
        if *self == Registration::Armed(events) {
            return Ok(());
        }
        let data = u64::from(fd.cast_unsigned());
        let add = || epoll.control(libc::EPOLL_CTL_ADD, fd, events, data);
        let modify = || epoll.control(libc::EPOLL_CTL_MOD, fd, events, data);
        let outcome = match self {
            Registration::No => add(),
            // Closed since, and perhaps another file by now.
            Registration::Disarmed | Registration::Armed(_) => match modify() {
                Err(libc::ENOENT) => add(),
                other => other,
            },
        };
        *self = if outcome.is_ok() {
            Registration::Armed(events)
        } else {
            Registration::No
        };
        outcome
    }

    /// Notes that an event arrived. True: that was its one shot, so that what other operations want must be armed again.
    pub(super) fn fired(&mut self) -> bool {
        let disarmed = matches!(self, Registration::Armed(events) if *events & ONE_SHOT != 0);
        if disarmed {
            *self = Registration::Disarmed;
        }
        disarmed
    }
}
