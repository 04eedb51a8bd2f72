//! PAIR: one peer at a time (RFC 31).

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::load_balancer::LoadBalancer;
use super::{Pattern, PipeId, Pipes};
use crate::error::Result;
use crate::pipe::{Credit, Payload, Target};

/// The PAIR socket type.
#[derive(Default)]
pub(super) struct Pair {
    pipe: Option<PipeId>,
    queue: FairQueue,
    balancer: LoadBalancer,
}

impl Pattern for Pair {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        if self.pipe.is_some() {
            return false;
        }
        self.pipe = Some(id);
        self.balancer.add(id);
        self.readable(pipes, id);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if self.pipe == Some(id) {
            self.queue.readable(pipes, id, drop);
        }
    }

    fn writable(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.balancer.writable(id);
    }

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        if self.pipe == Some(id) {
            self.pipe = None;
            self.queue.remove(pipes, id);
            self.balancer.remove(id);
        }
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        self.balancer.send(pipes, payload, more, credit)
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        self.queue.receive(pipes, target)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.can_receive(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        self.balancer.can_send(pipes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use crate::constants::ZMQ_PAIR;
    use crate::error::Error;

    #[test]
    fn there_is_one_peer_until_it_is_gone() {
        let mut rig = Rig::new(ZMQ_PAIR);
        assert_eq!(
            (rig.send(&["early"]), rig.receive()),
            (Err(Error::Again), Err(Error::Again))
        );
        let first = rig.attach();
        assert!(rig.attach_as(Link::default()).is_none());
        rig.send(&["a", "b"]).unwrap();
        assert_eq!(rig.remote_reads(first), Some(parts(&["a", "b"])));
        rig.remote_sends(first, &["last", "words"]);
        rig.hang_up(first);
        assert!(
            rig.attach_as(Link::default()).is_none(),
            "what the first one sent was not read yet"
        );
        assert_eq!(rig.receive(), Ok(parts(&["last", "words"])));
        rig.detach(first);
        let second = rig.attach();
        rig.remote_sends(second, &["hello"]);
        assert_eq!(rig.receive(), Ok(parts(&["hello"])));
        rig.send(&["c"]).unwrap();
        assert_eq!(rig.remote_reads(second), Some(parts(&["c"])));
    }
}
