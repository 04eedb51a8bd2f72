//! The right of a calling thread to drive a connection itself, for the length of a call that waits.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::Arc;

use super::Peer;

/// A connection that the calling thread reads: it watches the descriptor, and calls [`Lease::drive`] when it is ready. Or one that
/// takes no more, which it watches until that has changed.
pub struct Lease {
    peer: Arc<dyn Peer>,
    fd: RawFd,
    writes: bool,
    has_more: bool,
    full: Cell<bool>,
    /// It was just made: the connection takes no more for certain.
    fresh: Cell<bool>,
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
    /// Takes the connection at the other end of a pipe to read it, if there is one that callers may read; or a whole crowd of them.
    pub fn to_read(peer: &Arc<dyn Peer>) -> Option<Lease> {
        let (fd, has_more) = peer.lend()?;
        Some(Lease {
            has_more,
            ..Lease::new(peer, fd, false)
        })
    }

    /// Writes what is left for the connection at the other end, and takes it if it takes no more.
    pub(super) fn to_write(peer: &Arc<dyn Peer>) -> Option<Lease> {
        Some(Lease::new(peer, peer.wait_to_write()?, true))
    }

    fn new(peer: &Arc<dyn Peer>, fd: RawFd, writes: bool) -> Lease {
        Lease {
            peer: peer.clone(),
            fd,
            writes,
            has_more: false,
            full: Cell::new(false),
            fresh: Cell::new(writes),
        }
    }

    /// What to watch, for `POLLIN` or `POLLOUT`, if there is a reason to.
    pub fn watched(&self) -> Option<(RawFd, i16)> {
        let events = if self.writes { libc::POLLOUT } else { libc::POLLIN };
        (!self.full.get()).then_some((self.fd, events))
    }

    /// Whether something is there for certain: the pipe did not take all that was read before.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Reads what is there into the pipe, or writes what is left. False: the lease is over.
    pub fn drive(&self) -> bool {
        if self.writes {
            // The kernel takes some long before it says so to who watches: of a local socket only when most of its buffer is free.
            if !self.fresh.replace(false) {
                self.peer.wait_to_write();
            }
            return true;
        }
        let lent = self.peer.read_lent();
        self.full.set(lent == Lent::Full);
        lent != Lent::Over
    }

    /// Reads as [`Lease::drive`] does, by a thread that can see to what was read. False: the lease is over. And whether there is
    /// something.
    pub fn read(&self) -> (bool, bool) {
        let (lent, has_news) = self.peer.read_lent_silently();
        (lent != Lent::Over, has_news)
    }

    /// Whether it has not lapsed.
    pub fn lasts(&self) -> bool {
        self.writes || self.peer.is_lent()
    }

    /// A call will read, but not watch. False: the lease has lapsed.
    pub fn renew(&self) -> bool {
        self.writes || self.peer.renew_lending()
    }

    /// Has the lapsed lease again, as long as calls come back soon. False: that cannot be.
    pub fn keep(&self) -> bool {
        self.peer.keep_lending()
    }

    /// The call returns. A connection that was read stays with callers for a while; to one that was watched for writing, what
    /// is left is written.
    pub fn pause(&self) {
        if self.writes {
            self.peer.end_wait_to_write();
        } else {
            self.peer.pause_lending();
        }
    }

    /// The other side drives the connection again.
    pub fn end(&self) {
        if self.writes {
            self.peer.end_wait_to_write();
        } else {
            self.peer.end_lending();
        }
    }
}
