//! The counters of a socket: those of its pipes, of the pipes that it had, and of what never came to a pipe.
//!
//! Owned by the socket's [`Pipes`]. A pipe that is closed may still have something to deliver in the background; its lane is kept until
//! that is over.

use super::sending::Sending;
use super::{PipeId, Pipes};
use crate::pipe::{Traffic, Written};

/// Lanes of closed pipes are looked through when there are this many, and whenever there are twice as many as were left then.
const LANES_MIN: usize = 16;

/// What is counted beside the pipes.
#[derive(Default)]
pub(super) struct Accounts {
    /// Pipes that are no more, and messages that had none.
    settled: Traffic,
    /// What closed pipes still deliver.
    lanes: Vec<Written>,
    lanes_max: usize,
    /// Messages that were read from their pipes and wait in the pattern.
    aside: u64,
    /// Those of them that were dropped there.
    aside_dropped: u64,
}

impl Accounts {
    fn settle(&mut self) {
        let settled = &mut self.settled;
        self.lanes.retain(|written| {
            let (traffic, is_final) = written.traffic();
            if is_final {
                *settled += traffic;
            }
            !is_final
        });
        self.lanes_max = LANES_MIN.max(2 * self.lanes.len());
    }
}

impl Pipes {
    /// Takes a pipe out and closes its end: what was written may be delivered for `linger_ms` milliseconds (-1: without limit).
    pub fn close(&mut self, id: PipeId, linger_ms: i32) {
        let Some(mut end) = self.remove(id) else { return };
        end.flush();
        end.close(linger_ms);
        let accounts = &mut self.accounts;
        accounts.settled += end.incoming_traffic();
        let written = end.written();
        let (traffic, is_final) = written.traffic();
        // Without memory to remember it what waits counts as it is now.
        if is_final || accounts.lanes.try_reserve(1).is_err() {
            accounts.settled += traffic;
            return;
        }
        accounts.lanes.push(written);
        if accounts.lanes.len() > accounts.lanes_max {
            accounts.settle();
        }
    }

    /// What has gone through all pipes that the socket has and had.
    pub fn traffic(&mut self) -> Traffic {
        self.settle_lanes();
        let mut traffic = self.accounts.settled;
        self.accounts
            .lanes
            .iter()
            .for_each(|written| traffic += written.traffic().0);
        self.ends().for_each(|end| traffic += end.traffic());
        let Accounts {
            aside, aside_dropped, ..
        } = self.accounts;
        traffic.received -= aside + aside_dropped;
        traffic.queued_in += aside;
        traffic.discarded += aside_dropped;
        traffic
    }

    /// Messages that are held back are given to their pipes, so that they count there.
    pub fn settle_lanes(&mut self) {
        self.spill();
        self.hand_out();
        self.accounts.settle();
    }

    /// A message that goes nowhere has come to its end.
    #[cold]
    pub(super) fn drop_message(&mut self, sending: Sending) {
        let settled = &mut self.accounts.settled;
        match sending {
            Sending::Full(id) => {
                if let Some(Some(end)) = self.slots.get_mut(id as usize) {
                    end.pass_over(1);
                }
                return;
            }
            Sending::Unroutable => settled.dropped_unroutable += 1,
            Sending::Lost => settled.lost_out += 1,
            Sending::Between | Sending::To(_) => return,
        }
        settled.sent += 1;
    }

    /// Messages that were held back for a pipe are lost with it.
    pub(super) fn lose_messages(&mut self, messages: u64) {
        self.accounts.settled.sent += messages;
        self.accounts.settled.lost_out += messages;
    }

    /// A message that was read from its pipe waits in the pattern.
    pub(super) fn put_aside(&mut self) {
        self.accounts.aside += 1;
    }

    /// Such a message is received.
    pub(super) fn take_from_aside(&mut self) {
        self.accounts.aside = self.accounts.aside.saturating_sub(1);
    }

    /// Such a message is not for the application after all.
    pub(super) fn discard_aside(&mut self) {
        // What there was no memory for counts as discarded already, and never waited.
        if self.accounts.aside > 0 {
            self.accounts.aside -= 1;
            self.accounts.aside_dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests;
