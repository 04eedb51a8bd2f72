//! Who reads a connection: its reactor, or, on a lease, a calling thread that would otherwise wait for the reactor to hand
//! over what it has read. Who watches it says [`Lease`](super::lease_word::Lease).

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::lease_word::Look;
use super::life;
use super::reader::{Outcome, ReadHalf};
use crate::pipe::Lent;
use crate::reactor::Reactor;
use crate::sys::clock;

/// How often the reactor looks whether a caller has come back: seldom enough that it does not cost more than it saves where a
/// program waits a hundred times a second, soon enough for everything that happens while nobody waits.
pub(super) const TICK: Duration = Duration::from_millis(15);

/// How often, where a program comes to each of many sockets in turn to hear an answer.
const LONG_TICK: Duration = Duration::from_millis(60);

/// Looks are put off to a multiple of this, so that those at many connections are taken together.
const LOOKS_APART_NS: u64 = 4_000_000;

impl Session {
    /// A caller watches the connection from now on: its descriptor, and whether something waits to be decoded.
    pub(super) fn take_lease(&self) -> Option<(RawFd, bool)> {
        if self.crowded || self.owner.crowd().is_some() || !self.lease.take() {
            return None;
        }
        let reader = self.reader.lock();
        Some((reader.fd(), reader.is_paused()))
    }

    /// A caller will read, and not watch. False: the lease has lapsed.
    pub(super) fn renew_lease(&self) -> bool {
        self.lease.renew()
    }

    /// A caller that will come back within [`LONG_TICK`] reads from now on, though it does not wait. Not of peers for which that might
    /// be too late.
    pub(super) fn keep_lease(self: &Arc<Self>) -> bool {
        let is_urgent = self.settings.heartbeats.interval_ms != 0 || self.reader.lock().is_urgent();
        if is_urgent || self.crowded || self.owner.crowd().is_some() || !self.lease.take_for_long() {
            return false;
        }
        self.pause_lease();
        true
    }

    /// A caller: reads what is there into the lane, and tells the socket of it by `tell`.
    pub(super) fn read_by_caller<T: Default>(self: &Arc<Self>, tell: impl FnOnce(&mut ReadHalf) -> T) -> (Lent, T) {
        if self.lease.is_the_reactors() {
            return (Lent::Over, T::default());
        }
        let (lent, told) = self.read_here(|reader| {
            let outcome = reader.read_leased();
            (outcome, tell(reader))
        });
        if lent == Lent::Over {
            // Also where the lease has lapsed meanwhile: the outcome waits for the reactor.
            self.lease.end();
            self.link.call(self.clone(), life::READ_AGAIN);
        }
        (lent, told)
    }

    /// Whoever watches: reads by `read`, which gives a second answer. What else has to be done is left to the reactor.
    pub(super) fn read_here<T>(self: &Arc<Self>, read: impl FnOnce(&mut ReadHalf) -> (Outcome, T)) -> (Lent, T) {
        let mut reader = self.reader.lock();
        let (outcome, answer) = read(&mut reader);
        let lent = match outcome {
            Outcome::Drained | Outcome::More => Lent::Read,
            Outcome::Paused => Lent::Full,
            other => {
                reader.leave_outcome(other);
                Lent::Over
            }
        };
        // Before the read half is given back: afterwards the connection may be another one.
        let reply = std::mem::take(&mut reader.reply);
        if !reply.is_empty() {
            self.lease.hurry();
            self.writer.lock().push_control(&reply);
        }
        if reader.take_ttl_news() {
            self.link.call(self.clone(), life::TTL);
        }
        (lent, answer)
    }

    /// The call that holds the lease returns.
    pub(super) fn pause_lease(self: &Arc<Self>) {
        if self.lease.pause() {
            self.link.call(self.clone(), life::LEASE);
        }
    }

    /// The reactor reads from now on.
    pub(super) fn end_lease(self: &Arc<Self>) {
        if self.lease.end() {
            self.link.call(self.clone(), life::READ_AGAIN);
        }
    }

    /// Reactor: the connection is gone; a caller that watches it looks again.
    pub(super) fn close_lease(&self) {
        if self.lease.close() {
            self.wake_caller();
        }
    }

    /// The caller that watches looks again.
    pub(super) fn wake_caller(&self) {
        if let Some(lanes) = self.lanes() {
            lanes.socket.readable();
        }
    }

    /// Reactor: looks at the lease later.
    pub(super) fn watch_lease(self: &Arc<Self>, reactor: &mut Reactor) {
        let time = if self.lease.is_patient() { LONG_TICK } else { TICK };
        let at_ns = clock::now_ns() + time.as_nanos() as u64;
        reactor.timer_at(at_ns.next_multiple_of(LOOKS_APART_NS), self.clone(), life::LEASE_TICK);
    }

    /// Reactor: looks at the lease now.
    pub(super) fn look_at_lease(self: &Arc<Self>, reactor: &mut Reactor) {
        match self.lease.look() {
            Look::Again => self.watch_lease(reactor),
            Look::Stop => {}
            Look::Lapsed => self.read_again(reactor),
        }
    }

    /// Reactor: goes on where the caller has left off.
    pub(super) fn read_again(self: &Arc<Self>, reactor: &mut Reactor) {
        let outcome = self.reader.lock().take_over();
        self.after_reading(reactor, outcome);
    }
}
