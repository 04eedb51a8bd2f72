//! PUSH: sends to its peers in turn (RFC 30).

use bytes::Bytes;

use super::load_balancer::LoadBalancer;
use super::{Pattern, PipeId, Pipes, discard_all};
use crate::error::{Error, Result};
use crate::pipe::{Credit, Payload, Target};

/// The PUSH socket type.
#[derive(Default)]
pub(super) struct Push {
    balancer: LoadBalancer,
}

impl Pattern for Push {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        self.balancer.add(id);
        discard_all(pipes, id);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        discard_all(pipes, id);
    }

    fn writable(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.balancer.writable(id);
    }

    fn ended(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.balancer.remove(id);
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        self.balancer.send(pipes, payload, more, credit)
    }

    fn receive(&mut self, _pipes: &mut Pipes, _target: &mut Target<'_>) -> Result<bool> {
        Err(Error::NotSupported)
    }

    fn can_receive(&mut self, _pipes: &mut Pipes) -> bool {
        false
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.balancer.can_send(pipes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Rig;
    use crate::constants::{ZMQ_PULL, ZMQ_PUSH};
    use crate::error::Error;

    #[test]
    fn a_pipeline_has_one_direction() {
        let mut push = Rig::new(ZMQ_PUSH);
        let peer = push.attach();
        push.remote_sends(peer, &["against", "the stream"]);
        assert_eq!((push.can_receive(), push.receive()), (false, Err(Error::NotSupported)));
        push.remote_sends(peer, &["again"]);
        push.hang_up(peer);
        assert_eq!(push.pipes.len(), 0, "nothing that nobody reads keeps a pipe");
        let mut pull = Rig::new(ZMQ_PULL);
        pull.attach();
        assert_eq!((pull.can_send(), pull.send(&["x"])), (false, Err(Error::NotSupported)));
    }
}
