//! The short way of a message: while a socket sends one small message after the other to its only connection, the next few are
//! encoded into a buffer of the socket's own, and the pipe gets them all at once.
//!
//! Owned by the socket's [`Pipes`]. A [`LoadBalancer`](super::load_balancer::LoadBalancer) opens it, after a message that waits in
//! its pipe for others to be written with. Invariants: as long as anything is in it, the pipe has room for that, and its peer
//! has been asked to remind the socket; everything else that is done to pipes for sending spills it before.

use super::{PipeId, Pipes};

/// After so many messages the long way is taken once: that looks at the clock.
const MESSAGES_MAX: u64 = 15;
/// The longest body of a short frame (RFC 37), in bytes.
const BODY_MAX: usize = 255;
const HEADER: usize = 2;

/// Messages on the short way.
#[derive(Default)]
pub(super) struct Stream {
    to: PipeId,
    /// So many may follow.
    left: u64,
    messages: u64,
    frames: Vec<u8>,
}

impl Pipes {
    /// Takes a message of one part, if it can go the short way.
    #[inline]
    pub fn stream(&mut self, body: &[u8]) -> bool {
        let stream = &mut self.stream;
        if stream.left == 0 || body.len() > BODY_MAX {
            return false;
        }
        stream.left -= 1;
        stream.messages += 1;
        stream.frames.extend_from_slice(&[0, body.len() as u8]);
        stream.frames.extend_from_slice(body);
        true
    }

    /// Lets the next messages to a pipe go the short way, if it is one where they would wait for others.
    #[inline]
    pub(super) fn open_stream(&mut self, id: PipeId) {
        let room = match self.slots.get_mut(id as usize) {
            Some(Some(end)) => end.room_for_stream(),
            _ => 0,
        };
        let stream = &mut self.stream;
        if room == 0 || stream.frames.capacity() == 0 && !stream.reserve() {
            return;
        }
        (stream.to, stream.left) = (id, room.min(MESSAGES_MAX));
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
