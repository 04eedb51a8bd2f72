//! Load balancing: messages go to the pipes in turn, past those that are full (RFC 28, 30).
//!
//! Owned by one pattern. Invariants: every pipe is in `active` or in `full`; a pipe in `full` is asked again when no
//! other has room, and one of them after every message, because a connection that was asked with [`Credit::Recent`]
//! may get room without a call; while a message is being written, its pipe has the turn.

use super::rotation::Rotation;
use super::sending::Sending;
use super::{PipeId, Pipes};
use crate::error::{Error, Result};
use crate::pipe::{Credit, Payload};

/// Which pipe is written next.
#[derive(Default)]
pub(super) struct LoadBalancer {
    active: Rotation,
    full: Rotation,
    sending: Sending,
}

impl LoadBalancer {
    /// Adds a pipe.
    pub(super) fn add(&mut self, id: PipeId) {
        self.active.push_back(id);
    }

    /// Forgets a pipe. The rest of a message that was begun there will be dropped.
    pub(super) fn remove(&mut self, id: PipeId) {
        self.active.remove(id);
        self.full.remove(id);
        self.sending.forget(id);
    }

    /// A pipe may have room again.
    pub(super) fn writable(&mut self, id: PipeId) {
        if self.full.contains(id) {
            self.full.remove(id);
            self.active.push_back(id);
        }
    }

    /// Whether a message was begun and is not complete.
    pub(super) fn in_message(&self) -> bool {
        self.sending.in_message()
    }

    /// The pipe that the next message goes to; it has room.
    #[inline]
    pub(super) fn find(&mut self, pipes: &mut Pipes, credit: Credit) -> Option<PipeId> {
        while let Some(id) = self.active.front() {
            if has_room(pipes, id, credit) {
                return Some(id);
            }
            self.active.remove(id);
            self.full.push_back(id);
        }
        (0..self.full.len()).find_map(|_| self.ask_one_again(pipes, credit))
    }

    /// Whether a part can be sent.
    pub(super) fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.in_message() || self.find(pipes, Credit::Fresh).is_some()
    }

    /// Sends one part.
    #[inline]
    pub(super) fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        let begins = !self.sending.in_message();
        if begins && !more && self.active.len() == 1 && self.full.len() == 0 {
            return self.send_to_the_only_one(pipes, payload, credit);
        }
        if begins {
            self.sending = Sending::To(self.find(pipes, credit).ok_or(Error::Again)?);
        }
        let to_pipe = matches!(self.sending, Sending::To(_));
        let sent = self.sending.send(pipes, payload, more);
        if sent.is_err() {
            if begins {
                self.sending = Sending::Between;
            }
            return sent;
        }
        if !more && to_pipe {
            self.active.rotate();
            if self.full.len() > 0 {
                self.ask_one_again(pipes, Credit::Recent);
            }
        }
        Ok(())
    }

    /// The usual case: a message of one part, and one pipe.
    #[inline]
    fn send_to_the_only_one(&mut self, pipes: &mut Pipes, payload: Payload<'_>, credit: Credit) -> Result<()> {
        let id = self.find(pipes, credit).ok_or(Error::Again)?;
        pipes.write(id, payload, false)?;
        pipes.open_stream(id);
        Ok(())
    }

    /// Takes back the message that was begun.
    pub(super) fn roll_back(&mut self, pipes: &mut Pipes) {
        if let Sending::To(id) = std::mem::take(&mut self.sending)
            && let Some(end) = pipes.end(id)
        {
            end.roll_back();
        }
    }

    /// Asks the next of the full pipes whether it has room by now.
    #[cold]
    fn ask_one_again(&mut self, pipes: &mut Pipes, credit: Credit) -> Option<PipeId> {
        let id = self.full.front()?;
        if has_room(pipes, id, credit) {
            self.writable(id);
            return Some(id);
        }
        self.full.rotate();
        None
    }
}

#[inline]
fn has_room(pipes: &mut Pipes, id: PipeId, credit: Credit) -> bool {
    pipes.end(id).is_some_and(|end| end.can_write(credit))
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Generator, Link, Parts, Rig, parts};
    use super::*;
    use crate::constants::ZMQ_PUSH;

    fn attach(rig: &mut Rig, limit: u32, is_connection: bool) -> PipeId {
        let link = Link {
            limit,
            is_connection,
            ..Link::default()
        };
        rig.attach_as(link).unwrap()
    }

    fn unread(rig: &mut Rig, peer: PipeId) -> u32 {
        std::iter::from_fn(|| rig.remote_reads(peer))
            .map(|message| assert_eq!(message, parts(&["x", "y"])))
            .count() as u32
    }

    /// Peers read at random. Whoever has room gets messages again, and nobody gets more than there is room for.
    #[test]
    fn messages_go_where_there_is_room_and_nobody_is_forgotten() {
        for seed in 1..=30 {
            let mut random = Generator::new(seed);
            let mut rig = Rig::new(ZMQ_PUSH);
            let limits: Vec<u32> = (0..1 + random.below(8)).map(|_| 1 + random.below(5) as u32).collect();
            let peers: Vec<PipeId> = limits
                .iter()
                .map(|&limit| attach(&mut rig, limit, seed % 2 == 0))
                .collect();
            let (mut sent, mut read) = (0, 0);
            for _ in 0..3_000 {
                if random.below(8) == 0 {
                    let place = random.below(peers.len() as u64) as usize;
                    let count = unread(&mut rig, peers[place]);
                    assert!(count <= limits[place], "beyond the high-water mark");
                    read += count;
                    continue;
                }
                let credit = if random.below(2) == 0 {
                    Credit::Fresh
                } else {
                    Credit::Recent
                };
                if rig
                    .pattern
                    .send(&mut rig.pipes, Payload::Bytes(b"x"), true, credit)
                    .is_ok()
                {
                    rig.send_part("y", false).unwrap();
                    sent += 1;
                } else if credit == Credit::Fresh {
                    let counts: Vec<u32> = peers.iter().map(|&peer| unread(&mut rig, peer)).collect();
                    assert!(!counts.contains(&0), "somebody had room");
                    read += counts.iter().sum::<u32>();
                }
            }
            read += peers.iter().map(|&peer| unread(&mut rig, peer)).sum::<u32>();
            assert_eq!(sent, read);
            let begun = std::time::Instant::now();
            let mut missing: Vec<PipeId> = peers.clone();
            while !missing.is_empty() {
                assert_eq!(rig.send(&["x", "y"]), Ok(()));
                missing.retain(|&peer| unread(&mut rig, peer) == 0);
                assert!(begun.elapsed().as_secs() < 10, "forgotten: {missing:?}");
            }
        }
    }

    #[test]
    fn messages_rotate_and_parts_stay_together() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let peers = [rig.attach(), rig.attach(), rig.attach()];
        for round in ["1", "2", "3", "4", "5"] {
            rig.send(&[round, "tail"]).unwrap();
        }
        let mut all = |peer| -> Vec<Parts> { std::iter::from_fn(|| rig.remote_reads(peer)).collect() };
        assert_eq!(all(peers[0]), [parts(&["1", "tail"]), parts(&["4", "tail"])]);
        assert_eq!(all(peers[1]), [parts(&["2", "tail"]), parts(&["5", "tail"])]);
        assert_eq!(all(peers[2]), [parts(&["3", "tail"])]);
    }

    #[test]
    fn the_rest_of_a_message_whose_pipe_is_gone_is_dropped() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let (a, b) = (rig.attach(), rig.attach());
        rig.send_part("1", true).unwrap();
        rig.hang_up(a);
        assert_eq!(rig.attach(), a, "the number of the pipe is used again");
        assert!(rig.can_send());
        rig.send_part("2", true).unwrap();
        rig.send_part("3", false).unwrap();
        rig.send(&["next"]).unwrap();
        rig.send(&["last"]).unwrap();
        assert_eq!(rig.remote_reads(b), Some(parts(&["next"])));
        assert_eq!(rig.remote_reads(a), Some(parts(&["last"])));
    }

    #[test]
    fn without_a_pipe_or_room_there_is_nothing_to_send_to() {
        let mut rig = Rig::new(ZMQ_PUSH);
        assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::Again)));
        let a = attach(&mut rig, 1, false);
        assert_eq!((rig.can_send(), rig.send(&["x"])), (true, Ok(())));
        assert_eq!((rig.can_send(), rig.send(&["y"])), (false, Err(Error::Again)));
        assert_eq!(rig.remote_reads(a), Some(parts(&["x"])));
        assert_eq!((rig.can_send(), rig.send(&["y"])), (true, Ok(())));
    }

    fn send_recent(rig: &mut Rig) -> Result<()> {
        rig.pattern
            .send(&mut rig.pipes, Payload::Bytes(b"x"), false, Credit::Recent)
    }

    /// A connection that was asked with `Recent` may have left no mark: nobody calls when it has room.
    #[test]
    fn a_connection_that_looked_full_is_asked_again() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let a = attach(&mut rig, 1, true);
        for _ in 0..3 {
            assert_eq!(send_recent(&mut rig), Ok(()));
            assert_eq!(send_recent(&mut rig), Err(Error::Again));
            assert_eq!(send_recent(&mut rig), Err(Error::Again));
            assert_eq!(rig.remote_reads(a), Some(parts(&["x"])));
            assert!(rig.can_send());
        }
    }

    #[test]
    fn a_connection_that_looked_full_is_asked_again_while_others_have_room() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let (a, b) = (attach(&mut rig, 1, true), attach(&mut rig, 0, true));
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            while rig.remote_reads(a).is_none() {
                assert_eq!(send_recent(&mut rig), Ok(()));
                assert!(begun.elapsed().as_secs() < 10, "forgotten");
            }
            // The second of these may find the first one unread, without looking at the lane.
            assert_eq!(send_recent(&mut rig), Ok(()));
            assert_eq!(send_recent(&mut rig), Ok(()));
        }
        assert!(rig.remote_reads(b).is_some());
    }
}
