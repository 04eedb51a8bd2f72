//! Distribution: a message goes to each of a set of pipes, and past those that are full (RFC 29).
//!
//! Owned by one pattern. Invariant: the set is fixed when a message begins; until its last part only pipes that are
//! gone leave it. While the same pipes get one message after the other, these are collected once for all of them.

use super::{PipeId, Pipes};
use crate::pipe::{Credit, Payload};

/// The pipes that the message being sent goes to.
#[derive(Default)]
pub(super) struct Distributor {
    chosen: Vec<PipeId>,
    /// What the message before went to.
    before: Vec<PipeId>,
    /// Pipes that it is for and that are full.
    passed: Vec<PipeId>,
    in_message: bool,
    /// The message is collected for all its pipes.
    collects: bool,
}

impl Distributor {
    /// Whether a message was begun and is not complete.
    pub(super) fn in_message(&self) -> bool {
        self.in_message
    }

    /// Begins a message that goes nowhere yet.
    pub(super) fn begin(&mut self) {
        self.chosen.clear();
        self.passed.clear();
    }

    /// Begins a message that goes to the same pipes as those that are collected, if that is so: `matching` visits the pipes that
    /// want it, and those that are full are passed over unless there may be none.
    #[inline]
    pub(super) fn goes_on(
        &mut self,
        pipes: &mut Pipes,
        keeps_all: bool,
        matching: impl FnOnce(&mut dyn FnMut(PipeId)),
    ) -> bool {
        if pipes.broadcast_pipe(0).is_none() {
            return false;
        }
        self.passed.clear();
        let (mut place, mut same) = (0, true);
        let passed = &mut self.passed;
        matching(&mut |id| {
            if pipes.broadcast_pipe(place) == Some(id) {
                place += 1;
            } else {
                same = same && !keeps_all && !pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh));
                passed.push(id);
            }
        });
        self.collects = same && pipes.broadcast_pipe(place).is_none();
        self.collects
    }

    /// The pipes are chosen: collects the message if they are those of the message before.
    pub(super) fn collect(&mut self, pipes: &mut Pipes) {
        if self.chosen.is_empty() {
            return;
        }
        if self.before == self.chosen {
            self.collects = pipes.begin_broadcast(&self.chosen);
        } else {
            self.before.clone_from(&self.chosen);
        }
    }

    /// Adds a pipe to those that the message goes to; `false` if it is full, and then it does not get the message.
    #[inline]
    pub(super) fn choose(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        // What is collected counts only once it was handed out.
        pipes.hand_out();
        let has_room = pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh));
        if has_room {
            self.chosen.push(id);
        } else {
            self.passed.push(id);
        }
        has_room
    }

    /// Sends one part to the chosen pipes. One that memory is lacking for does not get the message.
    pub(super) fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool) {
        self.in_message = more;
        if !self.passed.is_empty() {
            self.count_passed(pipes);
        }
        if self.collects {
            self.collects = more;
            match payload.copied_for_connections() {
                Some(body) if pipes.write_broadcast(body, more).is_ok() => return,
                _ => self.stop_collecting(pipes),
            }
        }
        self.chosen.retain(|&id| {
            let written = pipes.write(id, payload, more).is_ok();
            if !written && let Some(end) = pipes.end(id) {
                end.roll_back();
                end.pass_over(1);
            }
            written
        });
    }

    /// The message begins, and goes past those that are full.
    #[cold]
    fn count_passed(&mut self, pipes: &mut Pipes) {
        for id in self.passed.drain(..) {
            if let Some(end) = pipes.end(id) {
                end.pass_over(1);
            }
        }
    }

    /// The rest of the message cannot be collected.
    #[cold]
    fn stop_collecting(&mut self, pipes: &mut Pipes) {
        self.collects = false;
        self.chosen.clear();
        pipes.end_broadcast(&mut self.chosen);
    }

    /// Forgets a pipe.
    pub(super) fn remove(&mut self, id: PipeId) {
        self.chosen.retain(|chosen| *chosen != id);
        self.passed.retain(|passed| *passed != id);
    }
}
