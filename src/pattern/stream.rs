//! The short way of a message: while a socket sends one small message after the other to its only connection, the next few are
//! encoded into a buffer of the socket's own, and the pipe gets them all at once.
//!
//! Owned by the socket's [`Pipes`]. A [`LoadBalancer`](super::load_balancer::LoadBalancer) opens it, after a message that waits in
//! its pipe for others to be written with; and a publisher all of whose peers want every message, after one that is collected for them
//! all (`broadcast`). Invariants: as long as anything is in it, the pipe has room for that, and its peer
//! has been asked to remind the socket; everything else that is done to pipes for sending spills it before.

use super::{PipeId, Pipes};
use crate::sys::copy;

/// After so many messages the long way is taken once: that looks at the clock.
const MESSAGES_MAX: u64 = 15;
/// The longest body of a short frame (RFC 37), in bytes.
const BODY_MAX: usize = 255;
const HEADER: usize = 2;

/// In the place of a pipe: all that messages are collected for.
pub(super) const EVERYONE: PipeId = PipeId::MAX;

/// Messages on the short way.
#[derive(Default)]
pub(super) struct Stream {
    to: PipeId,
    /// So many may follow.
    left: u64,
    /// For so many there was room.
    room: u64,
    messages: u64,
    frames: Vec<u8>,
}

impl Pipes {
    /// Takes a message of one part, if it can go the short way.
    #[inline(always)]
    pub fn stream(&mut self, body: &[u8]) -> bool {
        let stream = &mut self.stream;
        if stream.left == 0 || !copy::append(&mut stream.frames, [0, body.len() as u8], body) {
            return false;
        }
        stream.left -= 1;
        stream.messages += 1;
        true
    }

    /// Takes so many messages of one small part each, as they are on the wire, if they can go the short way and there is room for all.
    pub fn stream_run(&mut self, frames: &[u8], messages: u64) -> bool {
        let stream = &mut self.stream;
        if stream.left == 0 || stream.room < stream.messages + messages {
            return false;
        }
        stream.left = 0;
        if stream.messages > 0 {
            self.spill_messages();
        }
        let Some(Some(end)) = self.slots.get_mut(self.stream.to as usize) else {
            return false;
        };
        !self.stream.holds_messages() && end.write_frames(frames, messages, &mut self.pace).is_ok()
    }

    /// Lets the next messages to a pipe go the short way, if it is one where they would wait for others.
    #[inline]
    pub(super) fn open_stream(&mut self, id: PipeId) {
        let room = match self.slots.get_mut(id as usize) {
            Some(Some(end)) => end.room_for_stream(),
            _ => 0,
        };
        self.stream.open(id, room);
    }

    /// As [`Pipes::open_stream`], for messages that all pipes get, if they are collected and so many pipes are all.
    #[inline]
    pub(super) fn open_stream_to_everyone(&mut self, everyone: usize) {
        if self.reminded && self.broadcast.len() == everyone {
            self.stream.open(EVERYONE, self.broadcast.room_left());
        }
    }

    /// Gives the pipe what has come so far; the next message goes the long way.
    #[inline]
    pub fn spill(&mut self) {
        self.stream.left = 0;
        if self.stream.messages > 0 {
            self.spill_messages();
        }
    }

    fn spill_messages(&mut self) {
        let Stream {
            to, messages, frames, ..
        } = &mut self.stream;
        if *to == EVERYONE {
            if self.broadcast.push_whole(frames, *messages).is_ok() {
                self.pace.count(self.broadcast.len() * *messages as usize);
                *messages = 0;
                frames.clear();
            }
            return;
        }
        let Some(Some(end)) = self.slots.get_mut(*to as usize) else {
            return;
        };
        // Without memory for them they stay here until there is some.
        if end.write_frames(frames, *messages, &mut self.pace).is_ok() {
            *messages = 0;
            frames.clear();
        }
    }
}

impl Stream {
    #[inline]
    fn open(&mut self, to: PipeId, room: u64) {
        if room > 0 && (self.frames.capacity() > 0 || self.reserve()) {
            (self.to, self.left, self.room) = (to, room.min(MESSAGES_MAX), room);
        }
    }

    /// A pipe goes: what it could not be given is lost with it. How many messages.
    pub(super) fn forget(&mut self, id: PipeId) -> u64 {
        if self.to != id {
            return 0;
        }
        self.frames.clear();
        std::mem::take(&mut self.messages)
    }

    /// Whether something has come that the pipe was not given.
    #[inline]
    pub(super) fn holds_messages(&self) -> bool {
        self.messages > 0
    }

    fn reserve(&mut self) -> bool {
        self.frames
            .try_reserve_exact(MESSAGES_MAX as usize * (HEADER + BODY_MAX))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Generator, Link, Rig, parts};
    use crate::constants::ZMQ_PUSH;

    /// Messages of all ways and sizes arrive in order, whenever the peer reads; and no more than there is room for.
    #[test]
    fn the_short_way_keeps_order_and_the_high_water_mark() {
        let mut runs = 0;
        for (seed, is_connection) in (1..=40).zip([false, true].into_iter().cycle()) {
            let mut random = Generator::new(seed);
            let limit = [0, 1, 5, 40][random.below(4) as usize];
            let mut rig = Rig::new(ZMQ_PUSH);
            let link = Link {
                limit,
                is_connection,
                ..Link::default()
            };
            let peer = rig.attach_as(link).unwrap();
            let (mut sent, mut read) = (0_u32, 0_u32);
            for _ in 0..3_000 {
                let text = sent.to_string().repeat([1, 1, 1, 90][random.below(4) as usize]);
                match random.below(40) {
                    0..29 => sent += u32::from(rig.send(&[&text]).is_ok()),
                    29 => {
                        let run: Vec<u8> = (sent..sent + 3)
                            .map(|number| number.to_string())
                            .flat_map(|text| [&[0, text.len() as u8], text.as_bytes()].concat())
                            .collect();
                        let taken = rig.pipes.stream_run(&run, 3);
                        sent += if taken { 3 } else { 0 };
                        runs += u32::from(taken);
                    }
                    30 => sent += u32::from(rig.send(&["part", &text]).is_ok()),
                    31 => rig.pipes.flush(),
                    32 => assert!(rig.can_send() || limit != 0 && sent - read >= limit.div_ceil(2)),
                    _ => {
                        if is_connection {
                            rig.pipes.flush();
                        }
                        while let Some(message) = rig.remote_reads(peer) {
                            let last = message.last().unwrap();
                            assert!(last.starts_with(read.to_string().as_bytes()), "seed {seed}");
                            read += 1;
                        }
                        assert_eq!(read, sent, "seed {seed}: nothing stays behind");
                    }
                }
                assert!(limit == 0 || sent - read <= limit, "seed {seed}");
            }
            assert!(read > 100);
        }
        assert!(runs > 100, "{runs}");
    }

    #[test]
    fn a_reader_that_finds_nothing_gets_what_is_held_back() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let peer = rig.attach();
        let mut held_back = 0;
        for _ in 0..1_000 {
            rig.send(&["x"]).unwrap();
            held_back += u32::from(rig.pipes.stream.holds_messages());
        }
        assert!(held_back > 900, "{held_back}");
        for _ in 0..1_000 {
            assert_eq!(rig.remote_reads(peer), Some(parts(&["x"])));
        }
        // It waits now: the next message comes at once.
        assert_eq!(rig.remote_reads(peer), None);
        rig.send(&["y"]).unwrap();
        assert!(!rig.pipes.stream.holds_messages());
        assert_eq!(rig.remote_reads(peer), Some(parts(&["y"])));
    }
}
