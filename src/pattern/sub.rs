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
use crate::sys::reserve;

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

    #[inline]
    fn delivers_everything(&self) -> bool {
        !self.filters || !self.inverted && self.counts.matches(&[])
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
                // Without memory for it there is a new connection, which is told of everything.
                if end.write_record(record.clone()).is_err() {
                    end.reject();
                }
            }
        }
    }

    /// As in libzmq, peers are told of every subscription, and of a cancellation when it was the last of its topic.
    fn add(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let copy = Bytes::from(reserve::copied(topic)?);
        self.counts.add(topic)?;
        self.tell_all(pipes, &Record::Subscribe(copy));
        Ok(())
    }

    fn cancel(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let copy = Bytes::from(reserve::copied(topic)?);
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
        // The lane is let go whether or not there was memory for all topics. Without, the next connection is told of them.
        let refilled = end.refill(|batch| {
            let mut pushed = Ok(());
            counts.for_each(|topic| {
                if pushed.is_ok() {
                    pushed =
                        reserve::copied(topic).and_then(|topic| batch.push_record(Record::Subscribe(topic.into())));
                }
            });
            pushed
        });
        if refilled.is_err() {
            end.reject();
        }
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
        if self.delivers_everything() {
            return self.queue.receive(pipes, target);
        }
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

    fn topics(&self) -> Option<usize> {
        Some(self.counts.topics())
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        if opt == Opt::InvertMatching {
            self.inverted = options.flag(opt);
        }
    }

    fn subscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        pipes.leave_short_ways();
        self.add(pipes, topic)
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        pipes.leave_short_ways();
        self.cancel(pipes, topic)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use crate::constants::*;
    use crate::error::Error;

    fn subscribe(rig: &mut Rig, topic: &str) {
        rig.pattern.subscribe(&mut rig.pipes, topic.as_bytes()).unwrap();
    }

    fn unsubscribe(rig: &mut Rig, topic: &str) {
        rig.pattern.unsubscribe(&mut rig.pipes, topic.as_bytes()).unwrap();
    }

    #[test]
    fn peers_hear_every_subscription_and_the_last_cancellation() {
        let mut rig = Rig::new(ZMQ_SUB);
        subscribe(&mut rig, "b");
        subscribe(&mut rig, "a");
        subscribe(&mut rig, "a");
        let peers = [rig.attach(), rig.attach()];
        unsubscribe(&mut rig, "a");
        unsubscribe(&mut rig, "a");
        unsubscribe(&mut rig, "unknown");
        subscribe(&mut rig, "b");
        for peer in peers {
            assert_eq!(rig.remote_hears(peer), ["+a", "+b", "-a", "+b"]);
        }
        rig.pattern.reconnected(&mut rig.pipes, peers[0]);
        assert_eq!(
            (rig.remote_hears(peers[0]), rig.remote_hears(peers[1])),
            (vec!["+b".to_owned()], vec![])
        );
    }

    #[test]
    fn a_sub_delivers_what_it_subscribed_to() {
        let mut rig = Rig::new(ZMQ_SUB);
        let peer = rig.attach();
        rig.remote_sends(peer, &["a1"]);
        assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::Again)));
        subscribe(&mut rig, "a");
        let large = "a".repeat(40_000);
        for message in [&["b", "a"][..], &["a2", "b"], &["", "a"], &[&large, "x"], &["b"]] {
            rig.remote_sends(peer, message);
        }
        assert_eq!(rig.receive(), Ok(parts(&["a2", "b"])));
        assert_eq!(rig.receive(), Ok(parts(&[&large, "x"])));
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.set(ZMQ_INVERT_MATCHING, 1);
        rig.remote_sends(peer, &["a3"]);
        rig.remote_sends(peer, &["b3"]);
        assert_eq!((rig.receive(), rig.receive()), (Ok(parts(&["b3"])), Err(Error::Again)));
        assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::NotSupported)));
    }

    #[test]
    fn what_is_unsubscribed_or_inverted_in_a_stream_is_filtered_from_then_on() {
        let mut rig = Rig::new(ZMQ_SUB);
        rig.pattern.subscribe(&mut rig.pipes, b"").unwrap();
        rig.pattern.subscribe(&mut rig.pipes, b"b").unwrap();
        let peer = rig.attach();
        for number in 0..20 {
            rig.remote_sends(peer, &[&format!("{}{number}", ["a", "b"][number % 2])]);
        }
        for number in 0..10 {
            let text = format!("{}{number}", ["a", "b"][number % 2]);
            assert_eq!(rig.receive(), Ok(parts(&[&text])));
        }
        assert!(rig.short_receives > 3);
        rig.pattern.unsubscribe(&mut rig.pipes, b"").unwrap();
        for number in [11, 13, 15] {
            assert_eq!(rig.receive(), Ok(parts(&[&format!("b{number}")])));
        }
        rig.pattern.subscribe(&mut rig.pipes, b"").unwrap();
        assert_eq!(rig.receive(), Ok(parts(&["a16"])));
        rig.pattern.unsubscribe(&mut rig.pipes, b"").unwrap();
        rig.set(ZMQ_INVERT_MATCHING, 1);
        assert_eq!(rig.receive(), Ok(parts(&["a18"])));
        assert_eq!(rig.receive(), Err(Error::Again));
    }

    #[test]
    fn an_xsub_delivers_everything_and_sends_upward() {
        let mut rig = Rig::new(ZMQ_XSUB);
        rig.send(&["nobody", "hears"]).unwrap();
        rig.send(&["\u{1}a"]).unwrap();
        let peer = rig.attach();
        let full = rig
            .attach_as(Link {
                limit: 1,
                ..Link::default()
            })
            .unwrap();
        rig.send(&["\u{1}b", "\0a", "user"]).unwrap();
        rig.send(&["more", "\u{1}of it"]).unwrap();
        rig.send(&["\0unknown"]).unwrap();
        for id in [peer, full] {
            assert_eq!(rig.remote_hears(id), ["+a", "+b", "-a"]);
        }
        assert_eq!(rig.remote_reads(peer), Some(parts(&["user"])));
        assert_eq!(rig.remote_reads(peer), Some(parts(&["more", "\u{1}of it"])));
        assert_eq!(
            (rig.remote_reads(full), rig.remote_reads(full)),
            (Some(parts(&["user"])), None)
        );
        rig.remote_sends(peer, &["anything"]);
        assert_eq!(rig.receive(), Ok(parts(&["anything"])));
        assert!(rig.can_send());
        rig.send_part("half", true).unwrap();
        rig.hang_up(peer);
        assert_eq!(rig.attach(), peer, "the number of the pipe is used again");
        rig.send_part("lost", false).unwrap();
        rig.send(&["\u{1}c"]).unwrap();
        assert_eq!(rig.remote_hears(peer), ["+b", "+c"]);
        assert_eq!(rig.remote_reads(peer), None);
    }
}
