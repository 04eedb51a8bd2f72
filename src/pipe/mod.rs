//! A two-way message queue with high-water marks: two [`Lane`]s, one for each direction, each a batch of encoded frames, body
//! references and records behind one leaf lock. It does not know whether a connection or another socket is at the other end.
//!
//! An [`End`] belongs to a socket and is only touched under that socket's lock. A connection uses the two lanes directly.
//!
//! Invariants: a lane holds whole messages only; records stand between whole messages; whoever finds a lane empty (or full)
//! leaves a mark in it, and the other side answers a mark with exactly one call to [`Peer`].

mod batch;
mod chunk;
mod end;
mod lane;
mod lease;
mod pace;
mod part;
mod peer_info;
mod traffic;

pub use batch::{Batch, BodySlice, Item, Record};
pub use chunk::take as chunk;
pub use end::{Credit, End};
pub use lane::{Lane, Pushed, Taken};
pub use lease::{Lease, Lent};
pub use pace::{Backstop, Due, Pace, Wait};
pub use part::{Payload, Target};
pub use peer_info::{PeerInfo, PeerState};
pub use traffic::{Traffic, Written};

use std::os::fd::RawFd;

/// What one end of a pipe asks of whoever holds the other end. No call waits.
pub trait Peer: Send + Sync {
    /// The lane that this peer reads has something for it again.
    fn readable(&self);
    /// As [`Peer::readable`], but it may wait for a call to [`Peer::tell`].
    fn leave_readable(&self) {
        self.readable();
    }
    /// Everything was left that is to be told at once.
    fn tell(&self) {}
    /// The lane that this peer writes has room again.
    fn writable(&self);
    /// Write what is in the lane to the connection now. Only connections do more than [`Peer::readable`].
    fn flush(&self) {
        self.readable();
    }
    /// Write what is in the lane within the flush deadline (about 80 µs) after this time; and call [`Peer::remind`] of this side if
    /// `reminds` says so.
    fn flush_later(&self, _since_ns: u64, _reminds: bool) {
        self.readable();
    }
    /// Call [`Peer::remind`] of this side within the flush deadline after this time: it holds messages back that are in no lane
    /// yet. Only connections do that. A later call takes the place of one before.
    fn remind_later(&self, _since_ns: u64) {}
    /// What this end holds back is to be flushed.
    fn remind(&self) {}
    /// The other end is closed: it reads no more, and writes nothing after what is in the lane. What is left may be delivered
    /// for `linger_ms` milliseconds (-1: without limit).
    fn closed(&self, linger_ms: i32);
    /// What this end sent breaks the rules of the socket type: a connection ends.
    fn rejected(&self) {}
    /// What this end sent passes the limit of this socket option: a connection ends.
    fn exceeded(&self, _option: i32) {}
    /// Before the calling thread sleeps: writes what is in the lane, and if the connection takes no more, what to watch until it
    /// does.
    fn wait_to_write(&self) -> Option<RawFd> {
        None
    }
    /// The thread is back.
    fn end_wait_to_write(&self) {}
    /// The socket has its connections read together from now on.
    fn gather(&self) {}
    /// The calling thread reads the connection from now on: the descriptor to watch, and whether more was read already than the
    /// lane took. `None`: it may not.
    fn lend(&self) -> Option<(RawFd, bool)> {
        None
    }
    /// By a thread that the connection is lent to: reads what is there into the lane.
    fn read_lent(&self) -> Lent {
        Lent::Over
    }
    /// As [`Peer::read_lent`], but whether the socket would be told of what was read is the second answer.
    fn read_lent_silently(&self) -> (Lent, bool) {
        (self.read_lent(), false)
    }
    /// The thread's call returns. It may come back soon.
    fn pause_lending(&self) {}
    /// Whether the connection is lent.
    fn is_lent(&self) -> bool {
        true
    }
    /// A call will read, but not watch. False: the connection is not lent any more.
    fn renew_lending(&self) -> bool {
        true
    }
    /// It is lent again until the thread stays away for long. False: not to those who do not wait.
    fn keep_lending(&self) -> bool {
        false
    }
    /// The other side reads again.
    fn end_lending(&self) {}
    /// Who is at the other end.
    fn info(&self) -> PeerInfo {
        PeerInfo::default()
    }
    /// Whether a connection is at this end, for which messages are collected into large writes.
    fn is_connection(&self) -> bool {
        false
    }
}

/// A body at least this long rides to a connection by reference instead of being copied into the batch, in bytes.
pub const LARGE_BODY: usize = 16 * 1024;

/// As [`LARGE_BODY`] between two sockets of a process, where a reference saves two copies; no smaller body need be offered as a
/// [`Payload::Body`].
pub const REFERENCE_MIN: usize = 512;

/// The two ends' lanes: `(from a to b, from b to a)` with their high-water marks in messages (0: none).
#[cfg(test)]
pub fn lanes(limit_ab: u32, limit_ba: u32) -> (std::sync::Arc<Lane>, std::sync::Arc<Lane>) {
    use std::sync::Arc;
    (Arc::new(Lane::new(limit_ab)), Arc::new(Lane::new(limit_ba)))
}

#[cfg(test)]
mod tests;
