//! Fair queueing: pipes that have something to read take turns, a whole message each (RFC 28, 29, 30).
//!
//! Owned by one pattern. Invariants: a pipe is in the rotation until it was found empty, which leaves a mark in its
//! lane, so that [`FairQueue::readable`] is called for it; while a message is being read, its pipe has the turn.

use std::collections::VecDeque;

use bytes::Bytes;

use super::rotation::Rotation;
use super::{PipeId, Pipes};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::pipe::{BodySlice, End, Record, Target};

/// Which pipe is read next.
#[derive(Default)]
pub(super) struct FairQueue {
    rotation: Rotation,
    /// The pipe whose message is being read.
    current: Option<PipeId>,
    /// What was left of a message that was being read when its pipe was closed on this side.
    rest: VecDeque<Message>,
}

impl FairQueue {
    /// A pipe may have something to read. Records at its front go to `on_record`.
    pub(super) fn readable(&mut self, pipes: &mut Pipes, id: PipeId, mut on_record: impl FnMut(Record)) {
        pipes.only = None;
        if self.current == Some(id) {
            return;
        }
        let Some(end) = pipes.end(id) else { return };
        while let Some(record) = end.take_record() {
            on_record(record);
        }
        if end.poll() {
            self.rotation.push_back(id);
        }
    }

    /// Whether a message of this pipe was begun.
    pub(super) fn is_reading(&self, id: PipeId) -> bool {
        self.current == Some(id)
    }

    /// Whether the next part belongs to a message that was begun.
    #[inline]
    pub(super) fn in_message(&self) -> bool {
        self.current.is_some() || !self.rest.is_empty()
    }

    /// The pipe whose part is next. Records before it go to `on_record`.
    #[inline]
    pub(super) fn find(&mut self, pipes: &mut Pipes, mut on_record: impl FnMut(PipeId, Record)) -> Option<PipeId> {
        pipes.only = None;
        while let Some(id) = self.rotation.front() {
            if self.current.is_some() {
                return Some(id);
            }
            if let Some(end) = pipes.end(id) {
                if end.has_part() {
                    return Some(id);
                }
                while let Some(record) = end.take_record() {
                    on_record(id, record);
                }
                if end.poll() {
                    return Some(id);
                }
            }
            self.rotation.remove(id);
        }
        None
    }

    /// Whether a part can be received; records before it are ignored.
    pub(super) fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.in_message() || self.find(pipes, ignore).is_some()
    }

    /// Receives the next part of any pipe; records before it are ignored.
    #[inline]
    pub(super) fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        pipes.only = None;
        if let Some(received) = self.receive_from_the_only_one(pipes, target) {
            return received;
        }
        if !self.in_message() && self.find(pipes, ignore).is_none() {
            return Err(Error::Again);
        }
        self.receive_found(pipes, target)
    }

    /// The usual case: a small message, and one pipe.
    #[inline]
    fn receive_from_the_only_one(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Option<Result<bool>> {
        if self.rotation.len() != 1 || self.in_message() {
            return None;
        }
        let id = self.rotation.front()?;
        let received = pipes.end(id)?.receive_small(target)?;
        // Until the queue is asked or told something.
        pipes.only = Some(id);
        Some(received)
    }

    /// Receives the part that is next: that of the pipe that was found, or of the message that was begun.
    #[inline]
    pub(super) fn receive_found(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if !self.rest.is_empty() {
            return Ok(self.receive_rest(pipes, target));
        }
        let id = self.rotation.front().ok_or(Error::Again)?;
        let Some(end) = pipes.end(id) else {
            return Err(Error::Again);
        };
        match end.receive(target) {
            Ok(Some(more)) => {
                self.advance(id, more);
                Ok(more)
            }
            Ok(None) => {
                self.current = None;
                Err(Error::Again)
            }
            Err(error) => {
                // The part is lost, and with it the rest of its message. Dropping that copies nothing and cannot fail.
                let _ = end.skip_message();
                self.advance(id, false);
                Err(error)
            }
        }
    }

    /// The pipe that was found, or whose message was begun.
    pub(super) fn front<'a>(&self, pipes: &'a mut Pipes) -> Option<&'a mut End> {
        pipes.end(self.rotation.front()?)
    }

    /// The number of the pipe that was found.
    pub(super) fn front_id(&self) -> Option<PipeId> {
        self.rotation.front()
    }

    /// Keeps the message of the pipe that was found, behind the routing id as its first part, though the pipe goes.
    pub(super) fn keep_front(&mut self, pipes: &mut Pipes, routing_id: Bytes) {
        let Some(end) = self.front(pipes) else { return };
        let mut first = Message::new();
        let metadata = end.metadata();
        let mut target = Target::Message(&mut first);
        // Without memory for it the message is lost with the others of the pipe.
        if target.fill(BodySlice::Bytes(&routing_id), true, metadata).is_ok() {
            self.rest.push_back(first);
            self.keep_rest(pipes);
        }
    }

    /// Takes the parts up to the end of the message of the pipe that was found.
    fn keep_rest(&mut self, pipes: &mut Pipes) {
        while let Some(Ok(Some(part))) = self.front(pipes).map(|end| end.receive_message()) {
            let more = part.more();
            self.rest.push_back(part);
            if !more {
                pipes.put_aside();
                break;
            }
        }
    }

    /// The message of the pipe that was found counts as begun, before anything of it was read.
    pub(super) fn begin(&mut self) {
        self.current = self.rotation.front();
    }

    /// Drops what is left of the message that is next, or that was begun.
    pub(super) fn skip(&mut self, pipes: &mut Pipes) {
        if !self.rest.is_empty() {
            self.rest.clear();
            return pipes.discard_aside();
        }
        let Some(id) = self.rotation.front() else { return };
        if let Some(end) = pipes.end(id) {
            // Nothing is copied when parts are dropped, so nothing fails.
            while let Ok(Some(true)) = end.receive(&mut Target::Discard) {}
        }
        self.advance(id, false);
    }

    /// Forgets a pipe. What is left of the message that is being read is kept, so that none ends without its last part.
    pub(super) fn remove(&mut self, pipes: &mut Pipes, id: PipeId) {
        if self.current == Some(id) {
            self.current = None;
            self.keep_rest(pipes);
        }
        self.rotation.remove(id);
    }

    #[inline]
    fn advance(&mut self, id: PipeId, more: bool) {
        if more {
            self.current = Some(id);
        } else {
            self.current = None;
            self.rotation.rotate();
        }
    }

    #[cold]
    fn receive_rest(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> bool {
        let part = self.rest.pop_front().unwrap_or_default();
        let more = part.more();
        if !more {
            pipes.take_from_aside();
        }
        target.fill_with(part);
        more
    }
}

fn ignore(_: PipeId, _: Record) {}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::test_support::{Generator, Parts, Rig, parts};
    use super::*;
    use crate::constants::*;

    /// Peers send at random, messages of one to three parts that say where they come from.
    #[test]
    fn everything_arrives_whole_in_order_and_in_turn() {
        let (mut short_receives, mut runs) = (0, 0);
        for seed in 1..=30 {
            let mut random = Generator::new(seed);
            let mut rig = Rig::new(ZMQ_PULL);
            let peers: Vec<PipeId> = (0..1 + random.below(9)).map(|_| rig.attach()).collect();
            let mut unread: Vec<VecDeque<Parts>> = vec![VecDeque::new(); peers.len()];
            // How many messages of others each peer that has something unread was passed over for.
            let mut passed = vec![0; peers.len()];
            for number in 0..2_000 {
                let place = random.below(peers.len() as u64) as usize;
                if random.below(3) == 0 {
                    let text = format!("{place} {number}");
                    let burst = if random.below(12) == 0 { 10 } else { 1 };
                    for _ in 0..burst {
                        let parts = if burst > 1 { 1 } else { 1 + random.below(3) };
                        let message: Vec<&str> = (0..parts).map(|_| text.as_str()).collect();
                        rig.remote_sends(peers[place], &message);
                        unread[place].push_back(message.iter().map(|part| part.as_bytes().to_vec()).collect());
                    }
                } else if random.below(4) == 0 {
                    let mut frames = Vec::new();
                    let messages = rig.pipes.receive_run(1 + random.below(5), &mut frames).unwrap();
                    let mut rest = &frames[..];
                    for _ in 0..messages {
                        let (body, next) = rest[2..].split_at(usize::from(rest[1]));
                        rest = next;
                        let text = String::from_utf8(body.to_vec()).unwrap();
                        let from: usize = text.split(' ').next().unwrap().parse().unwrap();
                        assert_eq!(unread[from].pop_front(), Some(vec![body.to_vec()]));
                        let others_wait = (0..peers.len()).any(|other| other != from && !unread[other].is_empty());
                        assert!(!others_wait, "a run comes from the only one");
                        runs += 1;
                    }
                    assert!(rest.is_empty());
                } else if let Ok(message) = rig.receive() {
                    let text = String::from_utf8(message[0].clone()).unwrap();
                    let from: usize = text.split(' ').next().unwrap().parse().unwrap();
                    assert_eq!(unread[from].pop_front().as_ref(), Some(&message));
                    passed[from] = 0;
                    for other in (0..peers.len()).filter(|other| *other != from && !unread[*other].is_empty()) {
                        passed[other] += 1;
                        assert!(passed[other] <= peers.len(), "everyone has a turn");
                    }
                } else {
                    assert!(unread.iter().all(VecDeque::is_empty));
                }
            }
            while rig.receive().is_ok() {
                unread.iter_mut().find(|queue| !queue.is_empty()).unwrap().pop_front();
            }
            short_receives += rig.short_receives;
        }
        assert!(short_receives > 100 && runs > 100, "{short_receives} {runs}");
    }

    #[test]
    fn a_turn_lasts_for_one_message_with_all_its_parts() {
        let mut rig = Rig::new(ZMQ_PULL);
        let (a, b) = (rig.attach(), rig.attach());
        rig.remote_sends(a, &["a1", "more"]);
        rig.remote_sends(a, &["a2"]);
        rig.remote_sends(b, &["b1"]);
        let order: Vec<Parts> = std::iter::from_fn(|| rig.receive().ok()).collect();
        assert_eq!(order.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(order[1], [b"b1".to_vec()]);
    }

    fn receiver(socket_type: i32) -> Rig {
        let mut rig = Rig::new(socket_type);
        if socket_type == ZMQ_SUB {
            rig.pattern.subscribe(&mut rig.pipes, b"").unwrap();
        }
        rig
    }

    #[test]
    fn every_type_that_receives_from_many_takes_from_them_in_turn() {
        for socket_type in [ZMQ_PULL, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_SUB, ZMQ_XSUB] {
            let mut rig = receiver(socket_type);
            let peers = ["a", "b", "c"].map(|name| (name, rig.attach_routed(name)));
            for (name, peer) in peers {
                for number in ["1", "2", "3"] {
                    rig.remote_sends(peer, &[name, number]);
                }
            }
            for number in ["1", "2", "3"] {
                for (name, _) in peers {
                    let message = rig.receive().unwrap();
                    assert!(message.ends_with(&parts(&[name, number])), "{socket_type}: {message:?}");
                }
            }
            assert_eq!(rig.receive(), Err(Error::Again));
        }
    }

    #[test]
    fn a_peer_has_a_queue_until_it_goes_and_was_read() {
        for socket_type in [ZMQ_PULL, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_SUB, ZMQ_XSUB] {
            let mut rig = receiver(socket_type);
            let stays = rig.attach_routed("stays");
            let goes = rig.attach_routed("goes");
            rig.remote_sends(goes, &["last words"]);
            rig.hang_up(goes);
            assert_eq!(rig.receive().unwrap().last().unwrap(), b"last words");
            assert!(rig.pipes.end(goes).is_none_or(|end| end.is_finished()));
            rig.detach(goes);
            assert_eq!(rig.attach_routed("new"), goes, "the number of the pipe is used again");
            assert_eq!(rig.receive(), Err(Error::Again));
            rig.remote_sends(goes, &["first words"]);
            rig.remote_sends(stays, &["still here"]);
            let mut heard = [(); 2].map(|()| rig.receive().unwrap().pop().unwrap());
            heard.sort();
            assert_eq!(heard.to_vec(), parts(&["first words", "still here"]));
        }
    }

    #[test]
    fn a_message_is_read_to_its_end_though_its_pipe_goes() {
        let mut rig = Rig::new(ZMQ_PULL);
        let (a, b) = (rig.attach(), rig.attach());
        rig.remote_sends(a, &["1", "2", "3"]);
        rig.remote_sends(a, &["lost"]);
        rig.remote_sends(b, &["b"]);
        assert_eq!(rig.receive_part().unwrap().data(), b"1");
        rig.detach(a);
        assert!(rig.can_receive());
        assert_eq!(rig.receive().unwrap(), [b"2".to_vec(), b"3".to_vec()]);
        assert_eq!(rig.receive().unwrap(), [b"b".to_vec()]);
        assert_eq!(rig.receive(), Err(Error::Again));
    }

    #[test]
    fn records_are_taken_before_the_frames_behind_them() {
        let mut rig = Rig::new(ZMQ_PULL);
        let a = rig.attach_routed("some");
        assert!(!rig.can_receive(), "a record alone is nothing to receive");
        rig.remote_sends(a, &["m"]);
        rig.remote_tells(a, Record::RoutingId("again".into()));
        rig.remote_sends(a, &["n"]);
        assert_eq!(rig.receive().unwrap(), [b"m".to_vec()]);
        assert_eq!(rig.receive().unwrap(), [b"n".to_vec()]);
        rig.remote_tells(a, Record::RoutingId("last".into()));
        rig.hang_up(a);
        assert_eq!(rig.pipes.len(), 0, "what only holds records is read to its end");
    }
}
