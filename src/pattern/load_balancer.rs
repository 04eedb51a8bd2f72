//! Load balancing: messages go to the pipes in turn, past those that are full (RFC 28, 30).
//!
//! Owned by one pattern. Invariants: every pipe is in `active` or in `full`; a pipe in `full` is asked again when no other
//! has room, and one of them after every message, because a connection that was asked with [`Credit::Recent`] may get room
//! without a call; while a message is being written, its pipe has the turn.

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
        if begins {
            self.sending = Sending::To(self.find(pipes, credit).ok_or(Error::Again)?);
        }
        let to_pipe = self.sending != Sending::Nowhere;
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
