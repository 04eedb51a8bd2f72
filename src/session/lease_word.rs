//! Who watches a connection, as one atomic word. Touched by callers and by the reactor of the session; it knows neither.
//!
//! The read half's lock keeps two from reading at once; the lease says who *watches* the descriptor. A caller holds it for a
//! call and keeps it between calls; it lapses when the caller stays away. Invariant: in every state
//! but [`REACTOR`], [`IN_CALL`], [`CROWD`] and [`IDLE`] with [`TICKING`], nobody needs to watch; from `IDLE` without `TICKING` the caller
//! that makes it so has the reactor tick.

use crate::sys::sync::atomic::{AtomicU32, Ordering};

/// There is no complete connection.
const CLOSED: u32 = 0;
/// The reactor watches.
const REACTOR: u32 = 1;
/// A caller watches, in a call.
const IN_CALL: u32 = 2;
/// A caller has it, and is in no call.
const IDLE: u32 = 3;
/// The socket's [`Crowd`](super::crowd::Crowd) watches.
const CROWD: u32 = 4;
const STATE: u32 = 7;
/// The reactor will look at the lease again.
const TICKING: u32 = 8;
/// A call held it since the reactor last looked.
const USED: u32 = 16;
/// The reactor looks seldom.
const PATIENT: u32 = 32;

/// Who watches a connection for what arrives.
#[derive(Debug, Default)]
pub(super) struct Lease(AtomicU32);

/// Who watches a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The reactor, or nobody needs to.
    Reactor,
    /// A caller, in a call.
    Call,
    /// A caller that is in no call.
    Idle,
    /// Whoever watches the socket's crowd.
    Crowd,
}

/// What the reactor does after it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It looks again.
    Again,
    /// There is nothing to look at.
    Stop,
    /// The reactor watches from now on.
    Lapsed,
}

impl Lease {
    /// Reactor: a connection is complete, and the reactor watches it.
    pub(super) fn open(&self) {
        self.update(|word| Some(word & TICKING | REACTOR));
    }

    /// Reactor: the connection is gone. True: a caller had it.
    pub(super) fn close(&self) -> bool {
        let before = self.0.fetch_and(TICKING, Ordering::SeqCst);
        matches!(before & STATE, IN_CALL | IDLE)
    }

    /// Who watches.
    pub(super) fn holder(&self) -> Holder {
        match self.0.load(Ordering::SeqCst) & STATE {
            IN_CALL => Holder::Call,
            IDLE => Holder::Idle,
            CROWD => Holder::Crowd,
            _ => Holder::Reactor,
        }
    }

    /// Whether the reactor is to watch.
    pub(super) fn is_the_reactors(&self) -> bool {
        self.holder() == Holder::Reactor
    }

    /// A caller takes it for a call. False: there is no connection.
    pub(super) fn take(&self) -> bool {
        self.take_and(0)
    }

    /// As [`Lease::take`]; and until it lapses, the reactor looks seldom.
    pub(super) fn take_for_long(&self) -> bool {
        self.take_and(PATIENT)
    }

    fn take_and(&self, flags: u32) -> bool {
        self.update(|word| match word & STATE {
            CLOSED | CROWD => None,
            _ => Some(word & !(STATE | PATIENT) | IN_CALL | USED | flags),
        })
        .is_some()
    }

    /// A call that reads, and does not watch, counts as one that did. False: callers do not have it.
    pub(super) fn renew(&self) -> bool {
        let word = self.0.load(Ordering::SeqCst);
        let renewed = |word: u32| (word & STATE == IDLE).then_some(word | USED);
        word & (STATE | USED) == IDLE | USED || self.update(renewed).is_some()
    }

    /// Whether the reactor looks seldom.
    pub(super) fn is_patient(&self) -> bool {
        self.0.load(Ordering::SeqCst) & PATIENT != 0
    }

    /// The reactor looks often.
    pub(super) fn hurry(&self) {
        self.0.fetch_and(!PATIENT, Ordering::SeqCst);
    }

    /// The call returns. True: the reactor must be asked to look at the lease.
    pub(super) fn pause(&self) -> bool {
        // The first look after a call that nobody looked at finds whether another one has come.
        let next = |word| {
            if word & TICKING == 0 {
                IDLE | TICKING | word & PATIENT
            } else {
                word & !STATE | IDLE
            }
        };
        self.update(|word| (word & STATE == IN_CALL).then(|| next(word)))
            .is_some_and(|before| before & TICKING == 0)
    }

    /// Nobody reads by the lease any more. True: it was not the reactor's.
    pub(super) fn end(&self) -> bool {
        self.update(|word| matches!(word & STATE, IN_CALL | IDLE).then_some(word & TICKING | REACTOR))
            .is_some()
    }

    /// Reactor: the crowd watches from now on. False: the reactor does not watch.
    pub(super) fn join(&self) -> bool {
        self.update(|word| (word & STATE == REACTOR).then_some(word & !STATE | CROWD))
            .is_some()
    }

    /// The crowd does not watch any more: the reactor does.
    pub(super) fn leave(&self) {
        self.update(|word| (word & STATE == CROWD).then_some(word & !STATE | REACTOR));
    }

    /// Reactor: looks whether the caller has come back since the last look.
    pub(super) fn look(&self) -> Look {
        let mut look = Look::Stop;
        self.update(|word| {
            let (next, found) = match word & STATE {
                IDLE if word & USED != 0 => (word & !USED, Look::Again),
                IDLE => (REACTOR, Look::Lapsed),
                // A caller that sleeps in a call has the reactor look again when it returns.
                state => (state, Look::Stop),
            };
            look = found;
            Some(next)
        });
        look
    }

    /// The word before, if `change` changed it.
    fn update(&self, mut change: impl FnMut(u32) -> Option<u32>) -> Option<u32> {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, &mut change)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lapses_when_no_call_comes_between_two_looks() {
        let lease = Lease::default();
        assert!(!lease.take(), "there is no connection");
        lease.open();
        assert!(lease.is_the_reactors() && lease.take() && !lease.is_the_reactors());
        assert!(lease.pause(), "nobody looks yet");
        assert!(lease.take());
        assert!(!lease.pause(), "the reactor looks already");
        assert_eq!(lease.look(), Look::Again);
        assert!(lease.take());
        assert!(!lease.pause(), "the reactor looks already");
        assert_eq!((lease.look(), lease.look()), (Look::Again, Look::Lapsed));
        assert!(lease.is_the_reactors() && !lease.end());
    }

    #[test]
    fn a_caller_that_sleeps_in_a_call_is_not_looked_at() {
        let lease = Lease::default();
        lease.open();
        assert!(lease.take() && lease.pause() && lease.take());
        assert_eq!(lease.look(), Look::Stop);
        assert!(lease.pause(), "it is looked at again once the call returns");
    }

    #[test]
    fn a_call_that_reads_without_watching_keeps_the_lease() {
        let lease = Lease::default();
        lease.open();
        assert!(!lease.renew(), "the reactor has it");
        assert!(lease.take_for_long() && lease.pause());
        assert!(lease.renew() && lease.renew());
        assert_eq!(lease.look(), Look::Again);
        assert!(lease.is_patient() && lease.renew());
        lease.hurry();
        assert!(!lease.is_patient());
        assert_eq!(lease.look(), Look::Again);
        assert_eq!(lease.look(), Look::Lapsed);
        assert!(!lease.renew() && lease.is_the_reactors());
        assert!(lease.take_for_long() && lease.pause() && lease.take());
        assert!(!lease.is_patient(), "this call waits");
        assert!(!lease.pause());
        lease.close();
        assert!(!lease.renew() && !lease.take_for_long());
    }

    #[test]
    fn the_return_from_a_call_takes_nothing_back_from_the_reactor() {
        let lease = Lease::default();
        lease.open();
        assert!(lease.take() && lease.end() && lease.is_the_reactors());
        assert!(!lease.pause() && lease.is_the_reactors());
        assert!(lease.take());
        assert!(lease.close());
        assert!(!lease.pause() && !lease.end() && !lease.take() && lease.is_the_reactors());
    }
}
