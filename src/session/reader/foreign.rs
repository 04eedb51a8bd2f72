//! What the read half does beside the frames of ZMTP 3: those of ZMTP 1.0, bytes that are no frames, and the times of heartbeats.

use super::{DIRECT_BODY, Outcome, ReadHalf};
use crate::error::Error;
use crate::sys::clock;
use crate::zmtp::{Framing, Opener, ProtocolError, decode_old_header, encode_header};

/// A message of a raw connection has so many bytes at most.
const RAW_MAX: usize = 8192;

impl ReadHalf {
    /// How the frames of the connection that begins are written, and what decrypts them.
    pub(in crate::session) fn speak(&mut self, framing: Framing, opener: Option<Opener>) {
        (self.framing, self.opener) = (framing, opener);
    }

    /// As [`ReadHalf::decode_messages`] for ZMTP 1.0.
    pub(super) fn decode_old_messages(&mut self, bytes: &[u8], position: &mut usize) -> Outcome {
        loop {
            if let Some(outcome) = self.go_on_with_body(bytes, position) {
                return outcome;
            }
            if self.room() == 0 {
                self.paused = true;
                return Outcome::Paused;
            }
            let rest = &bytes[*position..];
            let header = match decode_old_header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => return Outcome::Drained,
                Err(error) => return Outcome::Broken(error),
            };
            if self.message_max.is_some_and(|most| header.body_len > most) {
                return Outcome::Broken(ProtocolError::MessageTooLarge);
            }
            if header.body_len >= DIRECT_BODY {
                if let Err(outcome) = self.begin_body(header) {
                    return outcome;
                }
                *position += header.header_len;
                continue;
            }
            let end = header.header_len + header.body_len as usize;
            let Some(body) = rest.get(header.header_len..end) else {
                return Outcome::Drained;
            };
            match self.begun.with(header.body_len, header.more, &self.message_limits) {
                Ok(begun) => self.begun = begun,
                Err(error) => return Outcome::Broken(error),
            }
            let (new_header, header_len) = encode_header(header.more, body.len());
            let frame = [&new_header[..header_len], body].concat();
            let committed = if header.more { 0 } else { frame.len() };
            if self.queue(&frame, committed, usize::from(!header.more)).is_err() {
                return Outcome::OutOfMemory;
            }
            *position += end;
        }
    }

    /// Queues bytes as messages, of no more bytes each than those of libzmq have.
    pub(super) fn take_raw(&mut self, bytes: &[u8]) -> (usize, Outcome) {
        let mut position = 0;
        for piece in bytes.chunks(RAW_MAX) {
            if self.room() == 0 {
                self.paused = true;
                return (position, Outcome::Paused);
            }
            if self.queue_raw(piece).is_err() {
                return (position, Outcome::OutOfMemory);
            }
            position += piece.len();
        }
        (position, Outcome::Drained)
    }

    fn queue_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(lanes) = &self.lanes else { return Ok(()) };
        let pushed = lanes.to_socket.push(|batch| batch.push_frame(bytes, false))?;
        self.sent += 1;
        self.has_news |= pushed.reader_waits;
        Ok(())
    }

    /// Tells the beginning or the end of a raw connection, if that is wanted.
    pub(in crate::session) fn notify(&mut self) -> Result<(), Error> {
        match self.raw {
            Some(raw) if raw.notifies => self.queue_raw(&[]),
            _ => Ok(()),
        }
    }

    /// From now on it is noted when something is read.
    pub(in crate::session) fn note_times(&mut self) {
        self.heard_ns = clock::now_ns();
    }

    #[inline]
    pub(super) fn hear(&mut self) {
        if self.heard_ns != 0 {
            self.note_times();
        }
    }

    /// When something was read last.
    pub(in crate::session) fn heard_ns(&self) -> u64 {
        self.heard_ns
    }

    /// Within which time something is to follow, as the peer's last PING said; 0: any.
    pub(in crate::session) fn peer_ttl_ns(&self) -> u64 {
        self.peer_ttl_ns
    }

    /// Whether the peer has said so since this was last asked.
    pub(in crate::session) fn take_ttl_news(&mut self) -> bool {
        std::mem::take(&mut self.has_ttl_news)
    }
}
