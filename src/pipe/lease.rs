//! The right of a calling thread to read a connection itself, for the length of a call.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::Arc;

use super::Peer;

/// A connection that the calling thread reads: it watches the descriptor, and calls [`Lease::read`] when it is ready.
pub struct Lease {
    peer: Arc<dyn Peer>,
    fd: RawFd,
    full: Cell<bool>,
}

/// What reading a connection has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// Everything there was is in the pipe.
    Read,
    /// The pipe takes no more: the descriptor need not be watched until it does.
    Full,
    /// The connection is not lent any more.
    Over,
}

impl Lease {
    /// Takes the connection at the other end of a pipe, if there is one that may be read by callers.
    pub(super) fn take(peer: &Arc<dyn Peer>) -> Option<Lease> {
        let fd = peer.lend()?;
        Some(Lease {
            peer: peer.clone(),
            fd,
            full: Cell::new(false),
        })
    }

    /// What to watch, if there is a reason to.
    pub fn fd(&self) -> Option<RawFd> {
        (!self.full.get()).then_some(self.fd)
    }

    /// Reads what is there into the pipe. False: the lease is over.
    pub fn read(&self) -> bool {
        let lent = self.peer.read_lent();
        self.full.set(lent == Lent::Full);
        lent != Lent::Over
    }

    /// The call returns. The connection stays with callers for a while.
    pub fn pause(&self) {
        self.peer.pause_lending();
    }

    /// The other side reads again.
    pub fn end(&self) {
        self.peer.end_lending();
    }
}
