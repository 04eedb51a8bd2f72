//! PULL: receives from its peers in turn (RFC 30).

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::{Pattern, PipeId, Pipes};
use crate::error::{Error, Result};
use crate::pipe::{Credit, Payload, Target};

/// The PULL socket type.
#[derive(Default)]
pub(super) struct Pull {
    queue: FairQueue,
}

impl Pattern for Pull {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        self.queue.readable(pipes, id, drop);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.readable(pipes, id, drop);
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
    }

    fn send(&mut self, _pipes: &mut Pipes, _payload: Payload<'_>, _more: bool, _credit: Credit) -> Result<()> {
        Err(Error::NotSupported)
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        self.queue.receive(pipes, target)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.can_receive(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes) -> bool {
        false
    }
}
