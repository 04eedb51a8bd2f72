//! What an end tells of the messages that went through it: see [`Traffic`].

use bytes::Bytes;

use super::End;
use crate::pipe::{PeerInfo, Traffic, Written};

/// What an end counts beside the messages that it reads and writes.
#[derive(Default)]
pub(super) struct Accounts {
    /// Messages that were for the peer when there was no room.
    dropped: u64,
    /// Messages that were read and not delivered.
    discarded: u64,
    /// Messages that were taken from the lane and not read, because a later one came (ZMQ_CONFLATE).
    overwritten: u64,
    /// Messages that were read and told of subscriptions, and their bytes.
    subscriptions: u64,
    subscription_bytes: u64,
    /// What a pipe of inproc is called.
    endpoint: Option<Bytes>,
}

impl End {
    /// What has gone through the pipe so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = self.incoming_traffic();
        traffic += self.written().traffic().0;
        traffic
    }

    /// The half of that which is about receiving.
    pub fn incoming_traffic(&self) -> Traffic {
        let counts = self.incoming.counts();
        let replaced_in = counts.replaced + self.accounts.overwritten;
        let unread = counts.written.messages.saturating_sub(self.read + replaced_in);
        let (queued_in, lost_in) = if counts.is_abandoned { (0, unread) } else { (unread, 0) };
        Traffic {
            arrived: counts.written.messages - self.accounts.subscriptions,
            arrived_bytes: counts.written.bytes - self.accounts.subscription_bytes,
            received: self.read - self.accounts.discarded - self.accounts.subscriptions,
            queued_in,
            discarded: self.accounts.discarded,
            replaced_in,
            lost_in,
            ..Traffic::default()
        }
    }

    /// The other half, which may change after this end is closed.
    pub fn written(&self) -> Written {
        Written {
            lane: self.outgoing.clone(),
            is_connection: self.is_connection,
            sent: self.sent,
            dropped: self.accounts.dropped,
        }
    }

    /// So many messages were for this peer, and there was no room for them.
    #[cold]
    pub fn pass_over(&mut self, messages: u64) {
        // Who has gone is nobody's peer any more.
        if !self.closed {
            self.accounts.dropped += messages;
        }
    }

    /// A batch of so many messages takes the place of what was taken before and not read.
    pub(super) fn overwrite(&mut self, messages: u64) {
        let before = self.incoming.counts().taken - messages;
        let done = self.read + self.accounts.overwritten;
        self.accounts.overwritten += before.saturating_sub(done);
    }

    /// Nothing more is read: how many messages wait.
    pub(super) fn abandon(&self) -> u64 {
        self.incoming.abandon(self.read + self.accounts.overwritten)
    }

    /// The message that was read last is not for the application.
    pub fn discard_last(&mut self) {
        self.accounts.discarded += 1;
    }

    /// The message that was read last, of so many bytes as frames, told of subscriptions and of nothing else.
    pub fn subscription_read(&mut self, bytes: u64) {
        self.accounts.subscriptions += 1;
        self.accounts.subscription_bytes += bytes;
    }

    /// What the pipe is called where nobody else can tell (inproc).
    pub fn set_endpoint(&mut self, endpoint: Vec<u8>) {
        self.accounts.endpoint = Some(endpoint.into());
    }

    /// Who is at the other end.
    pub fn info(&self) -> PeerInfo {
        let mut info = self.peer.info();
        if let Some(endpoint) = &self.accounts.endpoint {
            info.endpoint = endpoint.to_vec();
        }
        info
    }
}
