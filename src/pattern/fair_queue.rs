//! Fair queueing: pipes that have something to read take turns, a whole message each (RFC 28, 29, 30).
//!
//! Owned by one pattern. Invariants: a pipe is in the rotation until it was found empty, which leaves a mark in its lane, so
//! that [`FairQueue::readable`] is called for it; while a message is being read, its pipe has the turn.

use std::collections::VecDeque;

use super::rotation::Rotation;
use super::{PipeId, Pipes};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::pipe::{End, Record, Target};

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
        if self.rotation.contains(id) {
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

    /// Whether the next part belongs to a message that was begun.
    #[inline]
    pub(super) fn in_message(&self) -> bool {
        self.current.is_some() || !self.rest.is_empty()
    }

    /// The pipe whose part is next. Records before it go to `on_record`.
    #[inline]
    pub(super) fn find(&mut self, pipes: &mut Pipes, mut on_record: impl FnMut(PipeId, Record)) -> Option<PipeId> {
        while let Some(id) = self.rotation.front() {
            if self.current.is_some() {
                return Some(id);
            }
            if let Some(end) = pipes.end(id) {
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
        if !self.in_message() && self.find(pipes, ignore).is_none() {
            return Err(Error::Again);
        }
        self.receive_found(pipes, target)
    }

    /// Receives the part that is next: that of the pipe that was found, or of the message that was begun.
    #[inline]
    pub(super) fn receive_found(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if !self.rest.is_empty() {
            return Ok(self.receive_rest(target));
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
                self.skip(pipes);
                Err(error)
            }
        }
    }

    /// The pipe that was found, or whose message was begun.
    pub(super) fn front<'a>(&self, pipes: &'a mut Pipes) -> Option<&'a mut End> {
        pipes.end(self.rotation.front()?)
    }

    /// The message of the pipe that was found counts as begun, before anything of it was read.
    pub(super) fn begin(&mut self) {
        self.current = self.rotation.front();
    }

    /// Drops what is left of the message that is next, or that was begun.
    pub(super) fn skip(&mut self, pipes: &mut Pipes) {
        if !self.rest.is_empty() {
            return self.rest.clear();
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
            while let Some(Ok(Some(part))) = pipes.end(id).map(|end| end.receive_message()) {
                let more = part.more();
                self.rest.push_back(part);
                if !more {
                    break;
                }
            }
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
    fn receive_rest(&mut self, target: &mut Target<'_>) -> bool {
        let part = self.rest.pop_front().unwrap_or_default();
        let more = part.more();
        target.fill_with(part);
        more
    }
}

fn ignore(_: PipeId, _: Record) {}
