//! An alarm that any thread sets and one thread is woken by: a timer descriptor and the deadline that it is set to.
//!
//! Who sets it again before it has rung puts its own deadline off, at the price of a system call and without a wake-up. A deadline
//! that several wait for is not put off.
#![allow(unsafe_code, reason = "timerfd is a C function")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{Counter, count};
use super::descriptors::Descriptor;
use super::mutex::Mutex;
use super::{clock, errno, waiter};
use crate::error::{Error, Result};

/// Waits for nobody in particular: no deadline is put off for it.
pub const SHARED: u64 = 0;

/// What setting an alarm took lately, in nanoseconds: a running mean. On a virtual machine it may be fifty times what it is elsewhere.
static COST_NS: AtomicU64 = AtomicU64::new(0);
/// A call that seems to have taken longer was interrupted: it counts for this, in nanoseconds.
const COST_MAX_NS: u64 = 30_000;
/// The weight of the last call in the mean is one in this.
const COST_WEIGHT: u64 = 8;

/// A deadline that is set again and again is put off by so many times what that costs ...
const SLACK_COSTS: u64 = 24;
/// ... but by no more than this, in nanoseconds.
const SLACK_MAX_NS: u64 = 400_000;

/// By how much, in nanoseconds, a deadline is put off by who keeps setting it, so that this costs a small share of the time.
pub fn slack_ns() -> u64 {
    #[cfg(test)]
    if super::simulation::is_on() {
        return SLACK_MAX_NS;
    }
    SLACK_MAX_NS.min(SLACK_COSTS * COST_NS.load(Ordering::Relaxed))
}

/// A deadline for one thread.
#[derive(Debug)]
pub struct Alarm {
    timer: Descriptor,
    set: Mutex<Set>,
}

#[derive(Debug)]
struct Set {
    /// In nanoseconds of the monotonic clock; `None`: it has rung, or was never set.
    deadline_ns: Option<u64>,
    owner: u64,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM` of timerfd_create(2).
    pub fn new() -> Result<Alarm> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::from_errno(errno::current()));
        }
        // SAFETY: a descriptor that was just created and that nothing else owns.
        let timer = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Alarm {
            timer: timer.into(),
            set: Mutex::new(Set {
                deadline_ns: None,
                owner: SHARED,
            }),
        })
    }

    /// Readable once the deadline has passed, until [`Alarm::stop`].
    pub fn fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// Rings at this time or earlier. The deadline that the same owner alone has set before is forgotten.
    pub fn set(&self, owner: u64, deadline_ns: u64) {
        let mut set = self.set.lock();
        match set.deadline_ns {
            Some(before_ns) if before_ns <= deadline_ns && (set.owner != owner || owner == SHARED) => {
                set.owner = SHARED;
            }
            _ => self.apply(&mut set, owner, deadline_ns),
        }
    }

    fn apply(&self, set: &mut Set, owner: u64, deadline_ns: u64) {
        let alone = set.deadline_ns.is_none() || set.owner == owner;
        set.owner = if alone { owner } else { SHARED };
        set.deadline_ns = Some(deadline_ns);
        self.arm(deadline_ns);
    }

    /// As [`Alarm::set`], but puts off no deadline that was set since it rang.
    pub fn set_at_latest(&self, owner: u64, deadline_ns: u64) {
        let mut set = self.set.lock();
        if set.deadline_ns.is_none_or(|before_ns| deadline_ns < before_ns) {
            self.apply(&mut set, owner, deadline_ns);
        } else if set.owner != owner {
            set.owner = SHARED;
        }
    }

    /// It has rung, and is not set any more.
    pub fn stop(&self) {
        let mut set = self.set.lock();
        set.deadline_ns = None;
        #[cfg(test)]
        if super::simulation::set_alarm(self.fd(), None).is_some() {
            return;
        }
        waiter::drain(self.fd());
    }

    fn arm(&self, deadline_ns: u64) {
        #[cfg(test)]
        if super::simulation::set_alarm(self.fd(), Some(deadline_ns)).is_some() {
            return;
        }
        let value = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (deadline_ns / 1_000_000_000) as libc::time_t,
                // Zero would disarm it.
                tv_nsec: (deadline_ns % 1_000_000_000).max(1) as libc::c_long,
            },
        };
        count(Counter::Alarms);
        let begun_ns = clock::now_ns();
        // SAFETY: the value is a live local; the old one is not asked for.
        unsafe { libc::timerfd_settime(self.fd(), libc::TFD_TIMER_ABSTIME, &value, std::ptr::null_mut()) };
        let took_ns = (clock::now_ns() - begun_ns).min(COST_MAX_NS);
        let before_ns = COST_NS.load(Ordering::Relaxed);
        COST_NS.store(
            before_ns - before_ns / COST_WEIGHT + took_ns / COST_WEIGHT,
            Ordering::Relaxed,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(alarm: &Alarm) -> Option<u64> {
        alarm.set.lock().deadline_ns
    }

    #[test]
    fn an_owner_puts_its_own_deadline_off_and_no_other() {
        let alarm = Alarm::new().unwrap();
        let far = u64::MAX / 4;
        alarm.set(1, far);
        alarm.set(1, far + 2);
        assert_eq!(deadline(&alarm), Some(far + 2));
        alarm.set(2, far + 3);
        assert_eq!(deadline(&alarm), Some(far + 2), "the earlier one holds for both");
        alarm.set(1, far + 4);
        assert_eq!(deadline(&alarm), Some(far + 2), "the other one waits for it now");
        alarm.set(2, far + 1);
        assert_eq!(deadline(&alarm), Some(far + 1), "an earlier one is taken");
        alarm.set(2, far + 5);
        assert_eq!(deadline(&alarm), Some(far + 1));
        alarm.stop();
        alarm.set(2, far + 6);
        assert_eq!(deadline(&alarm), Some(far + 6));
        alarm.set_at_latest(2, far + 7);
        assert_eq!(deadline(&alarm), Some(far + 6));
        alarm.set_at_latest(2, far);
        assert_eq!(deadline(&alarm), Some(far));
    }

    #[test]
    fn it_rings_and_is_quiet_again() {
        let alarm = Alarm::new().unwrap();
        alarm.set(1, 1);
        let mut watched = [super::super::waiter::Watched {
            fd: alarm.fd(),
            events: libc::POLLIN,
            found: 0,
        }];
        let waiter = super::super::waiter::Waiter::mine().unwrap();
        waiter.prepare();
        waiter.wait(None, &mut watched).unwrap();
        assert_eq!(watched[0].found, libc::POLLIN);
        alarm.stop();
        waiter.wait_for_descriptors(&mut watched).unwrap();
        assert_eq!(watched[0].found, 0);
    }
}
