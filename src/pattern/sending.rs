//! Where the parts of the message that is being sent go: shared by the types that send a message to one pipe.
//!
//! Owned by one pattern. Invariant: a message stays with its pipe; if that is gone, the rest of the message is dropped.

use super::{PipeId, Pipes};
use crate::error::Result;
use crate::pipe::Payload;

/// Where the next part goes.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sending {
    /// It begins a message.
    #[default]
    Between,
    /// To the pipe of the parts before it.
    To(PipeId),
    /// Nowhere: the message is dropped.
    Nowhere,
}

impl Sending {
    /// Whether a message was begun and is not complete.
    #[inline]
    pub(super) fn in_message(self) -> bool {
        self != Sending::Between
    }

    /// Sends one part of the message that was begun. An error that costs the whole message ends it.
    #[inline]
    pub(super) fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool) -> Result<()> {
        if let Sending::To(id) = *self {
            let written = pipes.write(id, payload, more);
            if written.is_err() {
                if !more && pipes.end(id).is_some_and(|end| !end.is_staging()) {
                    *self = Sending::Between;
                }
                return written;
            }
        }
        if !more {
            *self = Sending::Between;
        }
        Ok(())
    }

    /// Forgets a pipe.
    pub(super) fn forget(&mut self, id: PipeId) {
        if *self == Sending::To(id) {
            *self = Sending::Nowhere;
        }
    }
}
