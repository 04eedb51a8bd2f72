//! When the reactor looks after what was left unsent: the times that callers asked for, and whether it will look at all.
//!
//! Invariant: whoever leaves something, in the lane or as a time here, does that first and then asks; the reactor first says
//! that it will not look again, and then looks whether something was left meanwhile. So one of them sees the other, and asks for
//! the next tick. Touched by callers and by the reactor of the session; it knows neither.

use crate::sys::lock::{Deferred, Lock};
use crate::sys::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long the messages of a burst may stay unsent, in nanoseconds.
const FLUSH_NS: u64 = 80_000;

/// The write half, as a tick sees it. Its deferred work is to write what is in the lane.
pub(super) trait Writer: Deferred<After = ()> {
    /// Whether nothing can be written before the reactor's operation ends or a connection is there.
    fn is_stuck(&self) -> bool;
    /// Whether the reactor must go on where the kernel took no more.
    fn needs_reactor(&self) -> bool;
}

/// What the reactor was asked to look after.
#[derive(Debug, Default)]
pub(super) struct FlushDuty {
    tick_is_due: AtomicBool,
    /// Since when the oldest message of a burst waits.
    deferred_at_ns: AtomicU64,
    /// The last such time that was asked for by who relies on it.
    promised_at_ns: AtomicU64,
    /// Since when the socket holds messages back that it is to be reminded of; 0: it does not.
    remind_at_ns: AtomicU64,
}

impl FlushDuty {
    /// Something was left in the lane by who does not ask again before it is to be written.
    pub(super) fn promise(&self, since_ns: u64) {
        self.promised_at_ns.fetch_max(since_ns, Ordering::SeqCst);
    }

    /// The socket holds messages back.
    pub(super) fn remind(&self, since_ns: u64) {
        // An exchange, as everywhere that both sides write.
        self.remind_at_ns.swap(since_ns, Ordering::SeqCst);
    }

    /// The kernel took not all: as [`FlushDuty::promise`] and [`FlushDuty::defer`], unless a tick that was promised is still to come,
    /// which is enough.
    pub(super) fn defer_rest(&self, now_ns: u64, slack_ns: u64) -> Option<u64> {
        if self.promise_ns(now_ns).is_some() {
            return None;
        }
        self.promise(now_ns + slack_ns);
        Some(self.defer(now_ns + slack_ns))
    }

    /// Something waits to be written since this time. Gives the time to ask for.
    pub(super) fn defer(&self, since_ns: u64) -> u64 {
        self.deferred_at_ns.store(since_ns, Ordering::Release);
        since_ns + FLUSH_NS
    }

    /// Asks for a tick at this time, or when one was promised or the socket is to be reminded, by setting the alarm with `ring_at`.
    /// True: the reactor must be told.
    pub(super) fn ask(&self, now_ns: u64, deadline_ns: u64, ring_at: impl FnOnce(u64)) -> bool {
        let others = self.promise_ns(now_ns).into_iter().chain(self.reminder_ns());
        ring_at(others.fold(deadline_ns, u64::min));
        self.must_tell()
    }

    /// When a tick comes that was promised.
    fn promise_ns(&self, now_ns: u64) -> Option<u64> {
        let promise_ns = self.promised_at_ns.load(Ordering::SeqCst) + FLUSH_NS;
        (promise_ns > now_ns).then_some(promise_ns)
    }

    fn must_tell(&self) -> bool {
        !self.tick_is_due.swap(true, Ordering::SeqCst)
    }

    /// When the reactor writes what a burst left unsent. A caller that goes on sending does so a little earlier.
    pub(super) fn deadline_ns(&self) -> u64 {
        self.deferred_at_ns.load(Ordering::Acquire) + FLUSH_NS
    }

    /// When the reactor reminds the socket of what it holds back.
    fn reminder_ns(&self) -> Option<u64> {
        let since_ns = self.remind_at_ns.load(Ordering::SeqCst);
        (since_ns != 0).then_some(since_ns + FLUSH_NS)
    }

    /// The next of these times; `writes` says whether there is something to write. A time that the socket was promised is kept
    /// though nothing is to be written now: it does not ask again before.
    pub(super) fn next_tick_ns(&self, now_ns: u64, writes: bool) -> Option<u64> {
        let flush_ns = writes.then(|| self.deadline_ns());
        let others = self.promise_ns(now_ns).into_iter().chain(self.reminder_ns());
        flush_ns.into_iter().chain(others).min()
    }

    /// Reactor: whether the socket is to be reminded now.
    pub(super) fn take_reminder(&self, now_ns: u64) -> bool {
        let since_ns = self.remind_at_ns.load(Ordering::SeqCst);
        if since_ns == 0 || now_ns < since_ns + FLUSH_NS {
            return false;
        }
        // Where this fails, a younger reminder has taken its place.
        self.remind_at_ns
            .compare_exchange(since_ns, 0, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Reactor: writes what waits, if it is time, and tells `wrote` whether the reactor must go on. The answer is when the next
    /// tick is due, if one is. `waits` says whether something is in the lane.
    pub(super) fn tick(
        &self,
        now_ns: u64,
        waits: impl Fn() -> bool,
        writer: &Lock<impl Writer>,
        wrote: impl FnOnce(bool),
    ) -> Option<u64> {
        if waits() && now_ns < self.deadline_ns() {
            return self.next_tick_ns(now_ns, true);
        }
        // A caller that is writing just now is not waited for.
        let Some(mut held) = writer.try_lock() else {
            return Some(now_ns + FLUSH_NS);
        };
        held.run_deferred(&mut ());
        let needed = held.needs_reactor();
        drop(held);
        wrote(needed);
        // What those left who found the flag set is seen from here on; who comes after asks for a tick.
        self.tick_is_due.swap(false, Ordering::SeqCst);
        let (stuck, needed) = match writer.try_lock() {
            Some(held) => (held.is_stuck(), held.needs_reactor()),
            None => (false, true),
        };
        let next_ns = self.next_tick_ns(now_ns, needed || waits() && !stuck);
        next_ns.filter(|_| self.must_tell())
    }
}
