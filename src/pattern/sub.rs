//! SUB and XSUB: receive from their peers in turn, and tell them what they want (RFC 29).
//!
//! A SUB delivers only messages that match its own subscriptions, whatever the peers send; an XSUB delivers everything.
//! Subscriptions are never kept for sending again: a new connection gets the set as it is then.

use bytes::Bytes;

use super::distributor::Distributor;
use super::fair_queue::FairQueue;
use super::{Pattern, PipeId, Pipes};
use crate::error::{Error, Result};
use crate::hub::subscription_counts::SubscriptionCounts;
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Record, Target};

/// The SUB and XSUB socket types.
#[derive(Default)]
pub(super) struct Sub {
    queue: FairQueue,
    distributor: Distributor,
    pipes: Vec<PipeId>,
    counts: SubscriptionCounts,
    /// SUB: only matching messages are delivered, and nothing is sent but subscriptions.
    filters: bool,
    inverted: bool,
}

impl Sub {
    /// A SUB.
    pub(super) fn filtering() -> Sub {
        Sub {
            filters: true,
            ..Sub::default()
        }
    }

    /// Finds a message to deliver, dropping those before it that are filtered out.
    fn find(&mut self, pipes: &mut Pipes) -> bool {
        loop {
            if self.queue.in_message() {
                return true;
            }
            let Some(id) = self.queue.find(pipes, |_, _| {}) else {
                return false;
            };
            if !self.filters {
                return true;
            }
            let matches = match pipes.end(id).and_then(|end| end.peek()) {
                Some(first) => self.counts.matches(first) != self.inverted,
                None => false,
            };
            if matches {
                return true;
            }
            self.queue.skip(pipes);
        }
    }

    fn tell_all(&self, pipes: &mut Pipes, record: &Record) {
        for &id in &self.pipes {
            if let Some(end) = pipes.end(id) {
                // Without memory for it the peer misses it until the next connection.
                let _ = end.write_record(record.clone());
            }
        }
    }

    /// As in libzmq, peers are told of every subscription, and of a cancellation when it was the last of its topic.
    fn add(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let copy = copied(topic)?;
        self.counts.add(topic)?;
        self.tell_all(pipes, &Record::Subscribe(copy));
        Ok(())
    }

    fn cancel(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let copy = copied(topic)?;
        if self.counts.remove(topic) == Some(true) {
            self.tell_all(pipes, &Record::Cancel(copy));
        }
        Ok(())
    }
}

impl Pattern for Sub {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        self.pipes.push(id);
        self.reconnected(pipes, id);
        self.queue.readable(pipes, id, drop);
        true
    }

    fn reconnected(&mut self, pipes: &mut Pipes, id: PipeId) {
        let Some(end) = pipes.end(id) else { return };
        let counts = &mut self.counts;
        // The lane is let go whether or not there was memory for all topics.
        let _ = end.refill(|batch| {
            let mut pushed = Ok(());
            counts.for_each(|topic| {
                if pushed.is_ok() {
                    pushed = copied(topic).and_then(|topic| batch.push_record(Record::Subscribe(topic)));
                }
            });
            pushed
        });
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.readable(pipes, id, drop);
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.distributor.remove(id);
        self.pipes.retain(|pipe| *pipe != id);
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, _credit: Credit) -> Result<()> {
        if self.filters {
            return Err(Error::NotSupported);
        }
        if !self.distributor.in_message() {
            match payload.as_slice() {
                [1, topic @ ..] => return self.add(pipes, topic),
                [0, topic @ ..] => return self.cancel(pipes, topic),
                _ => {}
            }
            self.distributor.begin();
            for &id in &self.pipes {
                self.distributor.choose(pipes, id);
            }
        }
        self.distributor.send(pipes, payload, more);
        Ok(())
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if !self.find(pipes) {
            return Err(Error::Again);
        }
        self.queue.receive_found(pipes, target)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.find(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes) -> bool {
        !self.filters
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        if opt == Opt::InvertMatching {
            self.inverted = options.flag(opt);
        }
    }

    fn subscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        self.add(pipes, topic)
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        self.cancel(pipes, topic)
    }
}

fn copied(topic: &[u8]) -> Result<Bytes> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(topic.len()).map_err(|_| Error::NoMemory)?;
    copy.extend_from_slice(topic);
    Ok(copy.into())
}
