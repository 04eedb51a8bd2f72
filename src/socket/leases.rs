//! Calling threads that read their socket's connections themselves, instead of waiting for the reactor to hand over what it
//! has read: one hand-over less for every message that is waited for.
//!
//! Touched under the socket's lock, but for what a call has taken along: those connections are read without it.

use std::sync::Arc;

use super::{Face, Socket};
use crate::error::{Error, Result};
use crate::options::Opt;
use crate::pattern::PipeId;
use crate::pipe::{End, Lease, Peer};
use crate::session::{Crowd, Owner, least_loaded};
use crate::sys::clock;
use crate::sys::lock::Deferred;
use crate::sys::waiter::{Waiter, Wakes, Watched};

/// Of a socket that ever had more pipes, the connections are read together.
pub(super) const PIPES_MAX: usize = 4;

/// A program that comes back to a socket within this time, in nanoseconds, does so again: it goes round many of them.
const ROUND_NS: u64 = 50_000_000;

/// At most so many calls wait for an answer without a look before.
const MISSES_MAX: u8 = 15;

/// What callers hold of a socket's connections.
#[derive(Default)]
pub(super) struct Leases {
    /// Between calls.
    held: Vec<Lease>,
    /// A call has them.
    taken: bool,
    /// Memory for the next call.
    spare: Vec<Lease>,
    /// The program waits for the socket's descriptor: the reactor reads, for good.
    never: bool,
    /// There was a connection.
    connected: bool,
    /// All connections together, as callers see them.
    crowd: Option<Arc<dyn Peer>>,
    /// There can be no crowd.
    no_crowd: bool,
    /// When a call last found that they had lapsed.
    lapsed_ns: u64,
    /// A poll has asked since the last call that waited.
    polled: bool,
    /// So many calls more wait for their answer without a look for it before, and so many did after the last miss.
    skip: u8,
    misses: u8,
}

impl Leases {
    /// Whether there ever was a connection.
    pub(super) fn connected(&self) -> bool {
        self.connected
    }
}

impl Socket {
    /// Takes the socket's connections along, to be read in this call, which gives them back by [`Socket::return_leases`].
    /// `None`: others read.
    pub(super) fn take_leases(&mut self) -> Option<Vec<Lease>> {
        if self.leases.never || self.leases.taken {
            return None;
        }
        let mut leases = std::mem::take(&mut self.leases.held);
        if self.options.flag(Opt::Conflate) {
            return None;
        }
        if self.leases.crowd.is_none() && self.pipes.len() > PIPES_MAX {
            leases.drain(..).for_each(|lease| lease.end());
            self.form_crowd();
        }
        leases.clear();
        match &self.leases.crowd {
            Some(crowd) => leases.extend(Lease::to_read(crowd)),
            None if self.pipes.len() > PIPES_MAX => return None,
            None => leases.extend(self.pipes.ends().filter_map(|end| end.lease())),
        }
        self.leases.taken = true;
        Some(leases)
    }

    /// Has the connections watched together, if the kernel can do that.
    #[cold]
    fn form_crowd(&mut self) {
        if self.leases.no_crowd || !self.leases.connected {
            return;
        }
        let made = self.links().and_then(|links| {
            let link = least_loaded(&links).clone();
            Crowd::new(link, |id| Face(self.shared.clone()).notifier(id))
        });
        let Ok(crowd) = made else {
            self.leases.no_crowd = true;
            return;
        };
        self.leases.crowd = Some(crowd.peer());
        let _ = self.shared.crowd.set(crowd);
        self.pipes.ends().for_each(|end| end.gather());
    }

    /// A pipe came.
    pub(super) fn lease_attached(&mut self, id: PipeId) {
        let Some(end) = self.pipes.end(id) else { return };
        self.leases.connected |= end.is_connection();
        if self.leases.crowd.is_some() {
            end.gather();
        }
    }

    /// Writes what is left to all connections, and takes those along that take no more; given back as above.
    pub(super) fn take_full(&mut self) -> Option<Vec<Lease>> {
        if self.pipes.len() > PIPES_MAX {
            return None;
        }
        let mut leases = std::mem::take(&mut self.leases.spare);
        leases.extend(self.pipes.ends().filter_map(End::wait_to_write));
        Some(leases)
    }

    /// The call returns.
    pub(super) fn return_full(&mut self, mut leases: Vec<Lease>) {
        leases.drain(..).for_each(|lease| lease.pause());
        self.leases.spare = leases;
    }

    /// The call returns.
    pub(super) fn return_leases(&mut self, mut leases: Vec<Lease>) {
        self.leases.taken = false;
        if self.leases.never {
            leases.drain(..).for_each(|lease| lease.end());
        }
        leases.iter().for_each(Lease::pause);
        self.leases.held = leases;
        // Whoever still waits takes over.
        self.readiness.wake_all();
    }

    /// The reactor reads, until a call takes the connections along again.
    pub(super) fn give_leases_back(&mut self) {
        self.leases.held.drain(..).for_each(|lease| lease.end());
    }

    /// The reactor reads, for good.
    pub(super) fn end_leases(&mut self) {
        self.leases.never = true;
        self.leases.held.drain(..).for_each(|lease| lease.end());
    }

    /// A blocking call for an answer to what was sent found it without waiting, because the reactor has read it. Of a program that goes
    /// round many sockets the caller reads the next one: otherwise the reactor would be woken for each.
    #[inline]
    pub(super) fn keep_lapsed(&mut self) {
        if !self.leases.held.iter().all(Lease::lasts) {
            self.keep_leases();
        }
    }

    #[cold]
    fn keep_leases(&mut self) {
        let now_ns = clock::now_ns();
        let before_ns = std::mem::replace(&mut self.leases.lapsed_ns, now_ns);
        if self.leases.polled || now_ns - before_ns.max(self.waited_ns) >= ROUND_NS {
            return;
        }
        self.leases.held.retain(|lease| lease.lasts() || lease.keep());
        // What a reactor had to say of a connection before it could be lent comes before what is read from it.
        self.run_deferred(&mut Wakes::default());
    }

    /// Before a call waits for an answer: reads what callers hold, where that has paid. False: there was nothing to look at.
    #[inline]
    pub(super) fn looks_for_answer(&mut self) -> bool {
        let leases = &mut self.leases;
        if leases.skip > 0 {
            leases.skip -= 1;
            return false;
        }
        if leases.held.is_empty() {
            return false;
        }
        self.pipes.flush();
        if !self.leases.held.iter().all(Lease::renew) {
            self.keep_leases();
        }
        let looked = self.refresh();
        self.leases.misses >>= u32::from(looked);
        looked
    }

    /// The answer was not there: the next calls wait without looking.
    #[cold]
    pub(super) fn missed_answer(&mut self) {
        self.leases.misses = (2 * self.leases.misses + 1).min(MISSES_MAX);
        self.leases.skip = self.leases.misses;
    }

    /// Whether the program asks by polls, which may find something elsewhere without reading this: what it holds lapses soon.
    #[inline]
    pub(super) fn polls(&mut self, is_poll: bool) {
        self.leases.polled = is_poll;
    }

    /// Reads what callers hold and nobody watches, for a call that does not wait. True: there was something to look at.
    #[inline]
    pub(super) fn refresh(&mut self) -> bool {
        if self.leases.held.is_empty() {
            return false;
        }
        self.read_held();
        true
    }

    #[cold]
    fn read_held(&mut self) {
        if let (Some(pipe), [lease], None) = (self.pipes.sole(), &self.leases.held[..], &self.leases.crowd) {
            let (goes_on, has_news) = lease.read();
            if !goes_on {
                self.leases.held.clear();
            }
            if has_news {
                self.pattern.readable(&mut self.pipes, pipe);
                self.look_for_end(pipe);
                self.changed();
            }
            return;
        }
        // The connections notify this socket, which is locked: what they have to say is applied here.
        self.leases.held.retain(Lease::drive);
        self.run_deferred(&mut Wakes::default());
    }
}

/// Waits as [`Waiter::wait`] does, and reads the connections that the call has taken along meanwhile.
pub(super) fn wait_reading(
    waiter: &Waiter,
    deadline_ns: Option<u64>,
    leases: &mut [Option<Vec<Lease>>],
    watched: &mut [Watched],
) -> Result<bool> {
    let mut drive_all = || {
        leases
            .iter_mut()
            .flatten()
            .for_each(|leases| leases.retain(Lease::drive))
    };
    if !watched.is_empty() {
        drive_all();
    } else if waiter.spin(deadline_ns, &mut drive_all) {
        return Ok(true);
    }
    let mut few = [Watched::default(); PIPES_MAX];
    let mut many = Vec::new();
    let count = watched.len() + leases.iter().flatten().map(Vec::len).sum::<usize>();
    let all = match few.get_mut(..count) {
        Some(few) => few,
        None => {
            many.try_reserve(count).map_err(|_| Error::NoMemory)?;
            many.resize(count, Watched::default());
            &mut many[..]
        }
    };
    let (others, lent) = all.split_at_mut(watched.len());
    others.copy_from_slice(watched);
    for (place, lease) in lent.iter_mut().zip(leases.iter().flatten().flatten()) {
        // A negative descriptor is passed over.
        (place.fd, place.events) = lease.watched().unwrap_or((-1, 0));
    }
    let waited = waiter.wait(deadline_ns, all);
    watched.copy_from_slice(&all[..watched.len()]);
    for (place, lease) in all[watched.len()..].iter().zip(leases.iter().flatten().flatten()) {
        if place.found != 0 {
            lease.drive();
        }
    }
    waited
}
