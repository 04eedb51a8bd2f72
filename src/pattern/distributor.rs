//! Distribution: a message goes to each of a set of pipes, and past those that are full (RFC 29).
//!
//! Owned by one pattern. Invariant: the set is fixed when a message begins; until its last part only pipes that are
//! gone leave it.

use super::{PipeId, Pipes};
use crate::pipe::{Credit, Payload};

/// The pipes that the message being sent goes to.
#[derive(Default)]
pub(super) struct Distributor {
    chosen: Vec<PipeId>,
    in_message: bool,
}

impl Distributor {
    /// Whether a message was begun and is not complete.
    pub(super) fn in_message(&self) -> bool {
        self.in_message
    }

    /// Begins a message that goes nowhere yet.
    pub(super) fn begin(&mut self) {
        self.chosen.clear();
    }

    /// Adds a pipe to those that the message goes to; `false` if it is full, and then it does not get the message.
    #[inline]
    pub(super) fn choose(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        let has_room = pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh));
        if has_room {
            self.chosen.push(id);
        }
        has_room
    }

    /// Sends one part to the chosen pipes. One that memory is lacking for does not get the message.
    pub(super) fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool) {
        self.chosen.retain(|&id| {
            let written = pipes.write(id, payload, more).is_ok();
            if !written && let Some(end) = pipes.end(id) {
                end.roll_back();
            }
            written
        });
        self.in_message = more;
    }

    /// Forgets a pipe.
    pub(super) fn remove(&mut self, id: PipeId) {
        self.chosen.retain(|chosen| *chosen != id);
    }
}
