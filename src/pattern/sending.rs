//! Where the parts of the message that is being sent go: shared by the types that send a message to one pipe.
//!
//! Owned by one pattern. Invariant: a message stays with its pipe; if that is gone, the rest of the message is dropped.

use super::{PipeId, Pipes};
use crate::error::{Error, Result};
use crate::hub::routes::Routes;
use crate::pipe::{Credit, Payload};

/// Where the next part goes.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sending {
    /// It begins a message.
    #[default]
    Between,
    /// To the pipe of the parts before it.
    To(PipeId),
    /// Nowhere: this pipe was full when it began. What goes nowhere is counted at its end.
    Full(PipeId),
    /// Nowhere: nobody has that routing id, or whoever is to have the reply has gone.
    Unroutable,
    /// Nowhere: the pipe of the parts before it has gone.
    Lost,
}

impl Sending {
    /// Where the message goes that begins with this routing id. What goes nowhere is told (`EHOSTUNREACH`, or `EAGAIN` while there is no
    /// room) or else dropped, and that only on knowledge of now.
    pub(super) fn along(
        routes: &Routes<PipeId>,
        pipes: &mut Pipes,
        routing_id: &[u8],
        credit: Credit,
        is_told: bool,
    ) -> Result<Sending> {
        let lost = if is_told {
            Err(Error::HostUnreachable)
        } else {
            Ok(Sending::Unroutable)
        };
        let Some(id) = routes.lookup(routing_id) else {
            return lost;
        };
        let Some(end) = pipes.end(id) else { return lost };
        if end.can_write(if is_told { credit } else { Credit::Fresh }) {
            Ok(Sending::To(id))
        } else if end.other_end_is_closed() {
            lost
        } else if is_told {
            Err(Error::Again)
        } else {
            Ok(Sending::Full(id))
        }
    }

    /// Whether a message was begun and is not complete.
    #[inline]
    pub(super) fn in_message(self) -> bool {
        self != Sending::Between
    }

    /// Sends one part of the message that was begun. An error that costs the whole message ends it.
    #[inline(always)]
    pub(super) fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool) -> Result<()> {
        let Sending::To(id) = *self else {
            self.drop_part(pipes, more);
            return Ok(());
        };
        let written = pipes.write(id, payload, more);
        if written.is_err() {
            if !more && pipes.end(id).is_some_and(|end| !end.is_staging()) {
                *self = Sending::Between;
            }
            return written;
        }
        if !more {
            *self = Sending::Between;
        }
        Ok(())
    }

    /// As [`Sending::send`] for a message that goes nowhere.
    #[cold]
    fn drop_part(&mut self, pipes: &mut Pipes, more: bool) {
        if !more {
            pipes.drop_message(std::mem::take(self));
        }
    }

    /// Forgets a pipe.
    pub(super) fn forget(&mut self, id: PipeId) {
        if *self == Sending::To(id) {
            *self = Sending::Lost;
        } else if *self == Sending::Full(id) {
            *self = Sending::Unroutable;
        }
    }
}
