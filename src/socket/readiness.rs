//! Who waits for a socket, and the descriptor of ZMQ_FD. Touched under the socket's lock.
//!
//! The contract of ZMQ_FD (zmq_getsockopt(3)) is edge-triggered: the descriptor becomes readable when readiness rises from
//! what any call last reported, and stays so until ZMQ_EVENTS is read.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use super::Socket;
use crate::constants::{ZMQ_POLLIN, ZMQ_POLLOUT};
use crate::error::Result;
use crate::sys::descriptors::Descriptor;
use crate::sys::waiter::{Waiter, Wakes, drain, new_eventfd, signal};

/// Who waits for a socket.
#[derive(Default)]
pub(super) struct Readiness {
    waiters: Vec<Arc<Waiter>>,
    eventfd: Option<Descriptor>,
    reported: i32,
}

impl Readiness {
    pub(super) fn add(&mut self, waiter: Arc<Waiter>) {
        self.waiters.push(waiter);
    }

    pub(super) fn remove(&mut self, waiter: &Arc<Waiter>) {
        self.waiters.retain(|one| !Arc::ptr_eq(one, waiter));
    }

    pub(super) fn wake_all(&mut self) {
        self.waiters.iter().for_each(|waiter| waiter.notify());
    }

    /// As [`Readiness::wake_all`], when `wakes` is dropped.
    pub(super) fn wake_all_later(&mut self, wakes: &mut Wakes) {
        self.waiters.iter().for_each(|waiter| waiter.notify_later(wakes));
    }

    pub(super) fn is_watched(&self) -> bool {
        self.eventfd.is_some()
    }

    #[inline]
    pub(super) fn concerns_anyone(&self) -> bool {
        self.eventfd.is_some() || !self.waiters.is_empty()
    }

    /// Readiness is `now`: the descriptor becomes readable if that is more than was reported.
    pub(super) fn signal_rise(&mut self, now: i32) {
        if let Some(eventfd) = &self.eventfd
            && now & !self.reported != 0
        {
            signal(eventfd.as_raw_fd());
        }
        self.reported = now;
    }

    /// ZMQ_FD.
    fn descriptor(&mut self) -> Result<RawFd> {
        if let Some(eventfd) = &self.eventfd {
            return Ok(eventfd.as_raw_fd());
        }
        let eventfd = new_eventfd()?;
        let raw = eventfd.as_raw_fd();
        self.eventfd = Some(eventfd);
        Ok(raw)
    }
}

impl Socket {
    /// What the socket is ready for: ZMQ_POLLIN and ZMQ_POLLOUT.
    pub(super) fn ready_events(&mut self) -> i32 {
        let mut events = 0;
        if self.pattern.can_receive(&mut self.pipes) {
            events |= ZMQ_POLLIN;
        }
        self.pipes.spill();
        if self.pattern.can_send(&mut self.pipes) {
            events |= ZMQ_POLLOUT;
        }
        events
    }

    /// ZMQ_EVENTS: reports what the socket is ready for, and makes the descriptor quiet until that rises.
    pub(super) fn report_events(&mut self) -> Result<i32> {
        self.check()?;
        self.pipes.flush();
        self.refresh();
        if let Some(eventfd) = &self.readiness.eventfd {
            drain(eventfd.as_raw_fd());
        }
        let now = self.ready_events();
        self.readiness.reported = now;
        Ok(now)
    }

    /// A call reported that these events are not there. That may be knowledge of a moment ago, so a program that waits for the
    /// descriptor next is told if they are there now.
    pub(super) fn reported_none(&mut self, events: i32) {
        if self.readiness.is_watched() {
            self.readiness.reported &= !events;
            self.changed();
        }
    }

    /// ZMQ_FD. It is readable at first, so that a program that waits before it asks loses nothing.
    pub(super) fn descriptor(&mut self) -> Result<RawFd> {
        let fresh = !self.readiness.is_watched();
        self.end_leases();
        let raw = self.readiness.descriptor()?;
        if fresh {
            self.readiness.reported = 0;
            self.changed();
        }
        Ok(raw)
    }
}
