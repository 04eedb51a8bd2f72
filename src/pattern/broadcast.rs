//! A burst of messages to the same connections, encoded once: while the same pipes get message after message, these are
//! collected here, and each pipe is given all of them at once, by reference.
//!
//! Owned by the socket's [`Pipes`], and filled by a [`Distributor`](super::distributor::Distributor), which has it handed out
//! before it chooses other pipes.
//! Invariants: every pipe of the set is one of a connection and has room for `room` messages; `frames` holds `messages` whole
//! messages in its first `whole` bytes, and behind them the parts of one that is not complete.

use super::{PipeId, Pipes};
use crate::error::{Error, Result};
use crate::message::Body;
use crate::pipe::Wait;
use crate::zmtp::encode_header;

/// So many bytes are handed out at once.
const BYTES_MAX: usize = 128 * 1024;
/// What is kept of the memory for frames, in bytes.
const KEPT_MAX: usize = 256 * 1024;

/// What the pipes of one set are to get.
#[derive(Default)]
pub(super) struct Broadcast {
    pipes: Vec<PipeId>,
    frames: Vec<u8>,
    whole: usize,
    messages: u64,
    room: u64,
}

impl Broadcast {
    /// The pipes that one more message can be added for; none if nothing is collected.
    #[inline]
    fn pipes_with_room(&self) -> &[PipeId] {
        if self.messages > 0 && self.messages < self.room {
            &self.pipes
        } else {
            &[]
        }
    }

    /// Whether whole messages are here.
    #[inline]
    pub(super) fn holds_messages(&self) -> bool {
        self.messages > 0
    }

    /// How many pipes they are for.
    #[inline]
    pub(super) fn len(&self) -> usize {
        if self.messages > 0 { self.pipes.len() } else { 0 }
    }

    /// Whether it is time to hand out, however young it is.
    #[inline]
    pub(super) fn is_large(&self) -> bool {
        self.whole >= BYTES_MAX
    }

    /// Collects for these pipes from now on, `room` messages at most; nothing may be here.
    fn begin(&mut self, pipes: &[PipeId], room: u64) -> Result<()> {
        self.pipes.clear();
        self.pipes.try_reserve(pipes.len()).map_err(|_| Error::NoMemory)?;
        self.pipes.extend_from_slice(pipes);
        self.room = room;
        Ok(())
    }

    /// Adds a part.
    #[inline]
    fn push(&mut self, body: &[u8], more: bool) -> Result<()> {
        let (header, header_len) = encode_header(more, body.len());
        self.frames
            .try_reserve(header_len + body.len())
            .map_err(|_| Error::NoMemory)?;
        self.frames.extend_from_slice(&header[..header_len]);
        self.frames.extend_from_slice(body);
        if !more {
            self.whole = self.frames.len();
            self.messages += 1;
        }
        Ok(())
    }

    /// How many messages more the pipes have room for; none if nothing is collected.
    #[inline]
    pub(super) fn room_left(&self) -> u64 {
        if self.messages > 0 {
            self.room.saturating_sub(self.messages)
        } else {
            0
        }
    }

    /// Adds whole messages that are encoded already. An error: there is no memory for them.
    pub(super) fn push_whole(&mut self, frames: &[u8], messages: u64) -> Result<()> {
        self.frames.try_reserve(frames.len()).map_err(|_| Error::NoMemory)?;
        self.frames.extend_from_slice(frames);
        self.whole = self.frames.len();
        self.messages += messages;
        Ok(())
    }

    /// Takes the whole messages out: their frames, and their number.
    ///
    /// Errors: `NoMemory`; then they are lost.
    fn take_whole(&mut self) -> (Result<Body>, u64) {
        let frames = Body::from_slice(&self.frames[..self.whole]);
        let messages = std::mem::take(&mut self.messages);
        self.frames.drain(..std::mem::take(&mut self.whole));
        if self.frames.is_empty() && self.frames.capacity() > KEPT_MAX {
            self.frames = Vec::new();
        }
        (frames, messages)
    }

    /// The pipes.
    fn pipes(&self) -> &[PipeId] {
        &self.pipes
    }

    /// Takes out the parts of the message that is not complete; nothing else may be here.
    fn take_parts(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frames)
    }

    /// A pipe gets nothing more of it.
    pub(super) fn remove(&mut self, id: PipeId) {
        self.pipes.retain(|pipe| *pipe != id);
    }
}

/// Messages that several pipes get alike.
impl Pipes {
    /// The pipe at this place of those that got the messages before, if one message more can be added for all of them.
    #[inline]
    pub(super) fn broadcast_pipe(&self, place: usize) -> Option<PipeId> {
        self.broadcast.pipes_with_room().get(place).copied()
    }

    /// Collects parts for these pipes from now on. False: they are to be written to one by one.
    pub(super) fn begin_broadcast(&mut self, pipes: &[PipeId]) -> bool {
        let mut room = u64::MAX;
        for &id in pipes {
            match self.end(id) {
                Some(end) if end.takes_runs() => room = room.min(end.room()),
                _ => return false,
            }
        }
        room > 0 && self.broadcast.begin(pipes, room).is_ok()
    }

    /// Adds a part. An error: there is no memory for it.
    pub(super) fn write_broadcast(&mut self, body: &[u8], more: bool) -> Result<()> {
        self.broadcast.push(body, more)?;
        if more {
            return Ok(());
        }
        self.pace.count(self.broadcast.len());
        if !self.reminded {
            match (self.pace.defer(&mut self.backstop), self.broadcast.pipes().first()) {
                (Wait::Yes, _) => self.reminded = true,
                (Wait::Until(since_ns), Some(&first)) => {
                    self.reminded = true;
                    self.end(first).inspect(|end| end.ask_reminder(since_ns));
                }
                _ => self.flush(),
            }
        }
        Ok(())
    }

    /// The rest of the message is written pipe by pipe: each is given the parts that were collected. Adds those to `pipes` that
    /// there was memory for.
    #[cold]
    pub(super) fn end_broadcast(&mut self, pipes: &mut Vec<PipeId>) {
        self.hand_out();
        let parts = self.broadcast.take_parts();
        for place in 0..self.broadcast.pipes().len() {
            let id = self.broadcast.pipes()[place];
            let Some(end) = self.end(id) else { continue };
            if parts.is_empty() || end.write_parts(&parts).is_ok() {
                pipes.push(id);
            } else {
                end.pass_over(1);
            }
        }
    }

    /// Gives the pipes the messages that were collected for them.
    #[inline]
    pub(super) fn hand_out(&mut self) {
        if self.broadcast.holds_messages() {
            self.hand_out_all();
        }
    }

    #[cold]
    fn hand_out_all(&mut self) {
        // What there is no memory for is lost, as any message of a publisher.
        let (frames, messages) = self.broadcast.take_whole();
        let since_ns = self.pace.unsent_since_ns();
        for place in 0..self.broadcast.pipes().len() {
            let id = self.broadcast.pipes()[place];
            let Some(end) = self.end(id) else { continue };
            match &frames {
                Ok(frames) if end.write_run(frames, messages, since_ns).is_ok() => self.mark_dirty(id),
                _ => end.pass_over(messages),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::test_support::{Generator, Link, Parts, Rig};
    use crate::constants::*;
    use crate::error::Error;
    use crate::message::Body;
    use crate::pipe::{Payload, Record};

    use super::*;

    const TOPICS: [&str; 3] = ["", "a", "b"];

    struct Subscriber {
        id: PipeId,
        wants: [bool; 3],
        expects: VecDeque<Parts>,
    }

    fn connect(rig: &mut Rig, limit: u32) -> PipeId {
        let link = Link {
            limit,
            is_connection: true,
            ..Link::default()
        };
        rig.attach_as(link).unwrap()
    }

    fn subscribed(rig: &mut Rig, limit: u32) -> PipeId {
        let id = connect(rig, limit);
        rig.remote_tells(id, Record::Subscribe("".into()));
        id
    }

    fn read_everything(rig: &mut Rig, subscriber: &mut Subscriber) {
        while let Some(message) = rig.remote_reads(subscriber.id) {
            assert_eq!(Some(message), subscriber.expects.pop_front());
        }
    }

    /// Bursts of messages in one to three parts, some by reference, while peers come, go, and change what they want; every other time
    /// they want everything at first, and most messages have one part.
    #[test]
    fn every_peer_gets_what_it_wants_whole_and_in_order() {
        let mut short_sends = 0;
        for (seed, are_alike) in (1..=80).zip([false, true].into_iter().cycle()) {
            let mut random = Generator::new(seed);
            let mut rig = Rig::new(ZMQ_PUB);
            let large = Body::from_slice(&[7; 20_000]).unwrap();
            let mut peers: Vec<Subscriber> = Vec::new();
            for number in 0..600 {
                let place = random.below(12) as usize;
                match random.below(40) {
                    _ if place >= peers.len() && peers.len() < if are_alike { 4 } else { 12 } => {
                        peers.push(Subscriber {
                            id: if are_alike {
                                subscribed(&mut rig, 0)
                            } else {
                                connect(&mut rig, 0)
                            },
                            wants: [are_alike, false, false],
                            expects: VecDeque::new(),
                        })
                    }
                    _ if place >= peers.len() => {}
                    0 => {
                        rig.pipes.flush();
                        let mut gone = peers.remove(place);
                        read_everything(&mut rig, &mut gone);
                        assert!(gone.expects.is_empty());
                        rig.hang_up(gone.id);
                    }
                    1..=2 => {
                        let topic = random.below(3) as usize;
                        let wants = !std::mem::replace(&mut peers[place].wants[topic], true);
                        let name = TOPICS[topic].into();
                        peers[place].wants[topic] = wants;
                        let record = if wants {
                            Record::Subscribe(name)
                        } else {
                            Record::Cancel(name)
                        };
                        rig.remote_tells(peers[place].id, record);
                    }
                    4 => read_everything(&mut rig, &mut peers[place]),
                    5 => rig.pipes.flush(),
                    _ => {
                        let topic = 1 + random.below(2) as usize;
                        let parts = if are_alike && random.below(9) > 0 {
                            1
                        } else {
                            1 + random.below(3)
                        };
                        let mut message = Parts::new();
                        for part in 0..parts {
                            let more = part + 1 < parts;
                            if part > 0 && random.below(8) == 0 {
                                rig.send_payload(Payload::Body(&large), more).unwrap();
                                message.push(large.to_vec());
                            } else {
                                let text = format!("{}{number}", TOPICS[topic]);
                                rig.send_part(&text, more).unwrap();
                                message.push(text.into_bytes());
                            }
                        }
                        for peer in peers.iter_mut().filter(|peer| peer.wants[0] || peer.wants[topic]) {
                            peer.expects.push_back(message.clone());
                        }
                    }
                }
            }
            rig.pipes.flush();
            for peer in &mut peers {
                read_everything(&mut rig, peer);
                assert!(peer.expects.is_empty(), "seed {seed}");
            }
            short_sends += rig.short_sends;
        }
        assert!(short_sends > 1000, "{short_sends}");
    }

    #[test]
    fn nobody_is_given_more_than_its_mark() {
        let mut rig = Rig::new(ZMQ_PUB);
        rig.set(ZMQ_XPUB_NODROP, 1);
        let peers: Vec<PipeId> = [10, 30, 10, 0, 20, 30]
            .map(|limit| subscribed(&mut rig, limit))
            .to_vec();
        for _ in 0..50 {
            for _ in 0..10 {
                rig.send(&["two", "parts"]).unwrap();
            }
            assert_eq!(rig.send(&["x"]), Err(Error::Again));
            rig.pipes.flush();
            for peer in &peers {
                let count = std::iter::from_fn(|| rig.remote_reads(*peer)).count();
                assert_eq!(count, 10);
            }
        }
    }

    #[test]
    fn a_peer_that_is_full_is_passed_over_and_gets_messages_again_when_it_has_read() {
        let mut rig = Rig::new(ZMQ_PUB);
        let slow = subscribed(&mut rig, 10);
        let fast: Vec<PipeId> = (0..6).map(|_| subscribed(&mut rig, 0)).collect();
        for number in 0..100 {
            rig.send(&[&number.to_string()]).unwrap();
        }
        rig.pipes.flush();
        let read = |rig: &mut Rig, peer| std::iter::from_fn(|| rig.remote_reads(peer)).count();
        assert_eq!(read(&mut rig, slow), 10);
        for _ in 0..10 {
            rig.send(&["again"]).unwrap();
        }
        rig.pipes.flush();
        assert!((1..=10).contains(&read(&mut rig, slow)));
        for peer in fast {
            assert_eq!(read(&mut rig, peer), 110);
        }
    }

    #[test]
    fn what_is_held_back_is_asked_a_reminder_for() {
        let mut rig = Rig::new(ZMQ_PUB);
        let peers: Vec<PipeId> = (0..8).map(|_| subscribed(&mut rig, 0)).collect();
        // Whether messages make a burst is a matter of time, so that it may take some tries.
        let holds = (0..10_000).any(|_| {
            rig.send(&["burst"]).unwrap();
            rig.pipes.broadcast.holds_messages()
        });
        assert!(holds && rig.is_reminded());
        rig.pipes.flush();
        let counts: Vec<usize> = peers
            .iter()
            .map(|peer| std::iter::from_fn(|| rig.remote_reads(*peer)).count())
            .collect();
        assert!(counts.iter().all(|count| *count > 0 && *count == counts[0]));
    }
}
