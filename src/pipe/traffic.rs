//! What has gone through a pipe, in whole messages: the counters that programs read. They are worked out when they are asked for,
//! from what lanes and ends count anyway, a batch at a time.
//!
//! Two sums hold at any moment: `sent` is `delivered + queued_out` and everything that was dropped or lost on the way out, `arrived`
//! is `received + queued_in` and everything that was discarded or lost on the way in.

use std::ops::AddAssign;
use std::sync::Arc;

use super::Lane;

/// Messages that a socket, or one pipe of it, has sent and received. A message of several parts is one; so is each that a raw
/// connection (ZMQ_STREAM) brings. Subscriptions and cancellations are none. Bytes are those of frames of ZMTP 3: a part of up to 255
/// bytes has two more than its body, a longer one nine more.
///
/// `sent = delivered + queued_out + dropped_full + dropped_unroutable + dropped_replaced + lost_out`
///
/// `arrived = received + queued_in + discarded + replaced_in + lost_in`
///
/// Between two sockets of a process there is one queue, which both see: what the receiver has not taken yet is `queued_out` of the
/// sender and `queued_in` of the receiver.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that calls took to be sent, once for each peer that they were for: a PUB's count once a subscriber that wants them.
    pub sent: u64,
    /// The bytes of those that found room.
    pub sent_bytes: u64,
    /// Of those sent: the kernel has all of the message, or the receiving socket of the same process has taken it.
    pub delivered: u64,
    /// They wait.
    pub queued_out: u64,
    /// The peer's queue was at its high-water mark (PUB, XPUB, XSUB, REP, ROUTER without ZMQ_ROUTER_MANDATORY), or there was no memory.
    pub dropped_full: u64,
    /// They had no way to go: no peer of that routing id, or a reply whose request came from a peer that has gone.
    pub dropped_unroutable: u64,
    /// A later message took their place (ZMQ_CONFLATE).
    pub dropped_replaced: u64,
    /// They waited when their connection or pipe ended, and go nowhere any more. A connecting socket keeps for its next connection
    /// everything from the first message that the kernel did not take completely.
    pub lost_out: u64,
    /// Messages that came from peers and are whole.
    pub arrived: u64,
    /// Their bytes.
    pub arrived_bytes: u64,
    /// Of those that arrived: a call received them to their last part, or was given them by part.
    pub received: u64,
    /// They wait to be received.
    pub queued_in: u64,
    /// They are not for the application: no subscription of a SUB's matches any more, they have no envelope of a request or reply, they
    /// answer no request, or came from a peer whose routing id is taken; or there was no memory for them.
    pub discarded: u64,
    /// A later message took their place (ZMQ_CONFLATE).
    pub replaced_in: u64,
    /// They waited when this side closed their pipe.
    pub lost_in: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.delivered += other.delivered;
        self.queued_out += other.queued_out;
        self.dropped_full += other.dropped_full;
        self.dropped_unroutable += other.dropped_unroutable;
        self.dropped_replaced += other.dropped_replaced;
        self.lost_out += other.lost_out;
        self.arrived += other.arrived;
        self.arrived_bytes += other.arrived_bytes;
        self.received += other.received;
        self.queued_in += other.queued_in;
        self.discarded += other.discarded;
        self.replaced_in += other.replaced_in;
        self.lost_in += other.lost_in;
    }
}

/// What an end has written into its lane, which may outlive the end.
#[derive(Debug)]
pub struct Written {
    pub(super) lane: Arc<Lane>,
    pub(super) is_connection: bool,
    /// Messages that were given to the lane, also when nobody read it any more.
    pub(super) sent: u64,
    /// Messages that there was no room for.
    pub(super) dropped: u64,
}

impl Written {
    /// The half of [`Traffic`] that is about sending, and whether it is final: nothing waits any more.
    pub fn traffic(&self) -> (Traffic, bool) {
        let counts = self.lane.counts();
        let gone = if self.is_connection {
            counts.acknowledged
        } else {
            counts.taken
        };
        let waiting = counts.written.messages.saturating_sub(counts.replaced + gone);
        // What was written for a reader that had gone is in no lane.
        let unread = self.sent.saturating_sub(counts.written.messages);
        let (queued_out, left) = if counts.is_abandoned {
            (0, waiting)
        } else {
            (waiting, 0)
        };
        let traffic = Traffic {
            sent: self.sent + self.dropped,
            sent_bytes: counts.written.bytes,
            delivered: gone - counts.lost.min(gone),
            queued_out,
            dropped_full: self.dropped,
            dropped_replaced: counts.replaced,
            lost_out: counts.lost + left + unread,
            ..Traffic::default()
        };
        (traffic, waiting == 0 || counts.is_abandoned)
    }
}
