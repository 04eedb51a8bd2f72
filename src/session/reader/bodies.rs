//! A body that is read into memory of its own: long enough to be worth it, and not all there when its header was read. It takes what was
//! read already, then the bytes as they arrive, and is queued when it is complete.

use super::{Outcome, ReadHalf};
use crate::error::Error;
use crate::message::{Body, BodyBuilder};
use crate::reactor::driver::receive_now;
use crate::zmtp::Header;

impl ReadHalf {
    /// Begins a body that is read into an allocation of its own.
    pub(super) fn begin_body(&mut self, header: Header) -> Result<(), Outcome> {
        self.begun = self
            .begun
            .with(header.body_len, header.more, &self.message_limits)
            .map_err(Outcome::Broken)?;
        let builder = BodyBuilder::new(header.body_len as usize).map_err(|_| Outcome::OutOfMemory)?;
        self.body = Some((builder, header.more));
        Ok(())
    }

    /// Reads once, straight into the body in progress.
    pub(super) fn read_body(&mut self) -> Outcome {
        let Some((body, _)) = &mut self.body else {
            return Outcome::More;
        };
        if !body.is_complete() {
            let Ok(window) = body.spare() else {
                return Outcome::OutOfMemory;
            };
            match receive_now(self.fd, window) {
                Ok(0) => return Outcome::Ended(0),
                Ok(count) => body.advance(count),
                Err(libc::EAGAIN) => return Outcome::Drained,
                Err(errno) => return Outcome::Ended(errno),
            }
            self.hear();
        }
        match self.end_body() {
            Ok(()) | Err(Outcome::Drained) => Outcome::More,
            Err(Outcome::OutOfMemory) => self.stop_without_memory(),
            Err(outcome) => outcome,
        }
    }

    /// Copies bytes into the body in progress, if there is one; what decoding has come to, unless it goes on behind that body.
    pub(super) fn go_on_with_body(&mut self, bytes: &[u8], position: &mut usize) -> Option<Outcome> {
        self.body.as_ref()?;
        *position += self.feed_body(&bytes[*position..]);
        self.end_body().err()
    }

    /// Copies bytes into the body in progress; how many.
    pub(super) fn feed_body(&mut self, bytes: &[u8]) -> usize {
        let Some((body, _)) = &mut self.body else { return 0 };
        let mut taken = 0;
        while taken < bytes.len() && !body.is_complete() {
            let Ok(window) = body.spare() else { break };
            let count = window.len().min(bytes.len() - taken);
            window[..count].copy_from_slice(&bytes[taken..taken + count]);
            body.advance(count);
            taken += count;
        }
        taken
    }

    /// Queues the body in progress if it is complete; otherwise, or where that fails, what decoding has come to.
    pub(super) fn end_body(&mut self) -> Result<(), Outcome> {
        let Some((body, more)) = self.body.take_if(|(body, _)| body.is_complete()) else {
            return Err(Outcome::Drained);
        };
        let (body, more) = match self.opener {
            None => (body.finish(), more),
            Some(_) => match self.open_body(body).map_err(Outcome::Broken)? {
                Some(opened) => opened,
                None => return Ok(()),
            },
        };
        self.queue_body(body, more).map_err(|_| Outcome::OutOfMemory)
    }

    pub(super) fn queue_body(&mut self, body: Body, more: bool) -> Result<(), Error> {
        self.staged.push_body(body, more)?;
        if let (false, Some(lanes)) = (more, &self.lanes) {
            let staged = &mut self.staged;
            let pushed = lanes.to_socket.push(|batch| batch.append(staged))?;
            self.sent += 1;
            self.has_news |= pushed.reader_waits;
        }
        Ok(())
    }
}
