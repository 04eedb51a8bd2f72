//! PAIR: one peer at a time (RFC 31). Who comes while there is one waits in line, and loses nothing by it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::load_balancer::LoadBalancer;
use super::{Pattern, PipeId, Pipes};
use crate::error::Result;
use crate::pipe::{Credit, Payload, Target};

/// The PAIR socket type.
#[derive(Default)]
pub(super) struct Pair {
    /// The first is the peer; the others are neither read nor written until it has gone and was read.
    line: VecDeque<PipeId>,
    /// The pipe that is written: the peer's, or that of the next in line once the peer has gone.
    written: Option<PipeId>,
    queue: FairQueue,
    balancer: LoadBalancer,
}

impl Pair {
    /// Makes the first in line that has not gone the one that is written.
    fn choose_written(&mut self, pipes: &mut Pipes) {
        let lives = |id: &&PipeId| pipes.end(**id).is_some_and(|end| !end.other_end_is_closed());
        let first = self.line.iter().find(lives).copied();
        let before = std::mem::replace(&mut self.written, first);
        if before != first {
            before.inspect(|id| self.balancer.remove(*id));
            first.inspect(|id| self.balancer.add(*id));
        }
    }
}

impl Pattern for Pair {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        self.line.push_back(id);
        self.readable(pipes, id);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.choose_written(pipes);
        if self.line.front() == Some(&id) {
            self.queue.readable(pipes, id, drop);
        }
    }

    fn writable(&mut self, _pipes: &mut Pipes, id: PipeId) {
        if self.written == Some(id) {
            self.balancer.writable(id);
        }
    }

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.line.retain(|other| *other != id);
        if let Some(&first) = self.line.front() {
            self.readable(pipes, first);
        } else {
            self.choose_written(pipes);
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
    use super::super::test_support::{Rig, parts};
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
        let second = rig.attach();
        rig.remote_sends(second, &["hello"]);
        assert_eq!(rig.receive(), Err(Error::Again), "the second waits for its turn");
        rig.send(&["a", "b"]).unwrap();
        assert_eq!(rig.remote_reads(first), Some(parts(&["a", "b"])));
        assert_eq!(rig.remote_reads(second), None);
        rig.remote_sends(first, &["last", "words"]);
        rig.hang_up(first);
        assert_eq!(rig.receive(), Ok(parts(&["last", "words"])));
        rig.detach(first);
        assert_eq!(rig.receive(), Ok(parts(&["hello"])));
        rig.send(&["c"]).unwrap();
        assert_eq!(rig.remote_reads(second), Some(parts(&["c"])));
    }

    #[test]
    fn what_is_sent_goes_to_the_next_in_line_once_the_peer_has_gone() {
        let mut rig = Rig::new(ZMQ_PAIR);
        let (first, gone, third) = (rig.attach(), rig.attach(), rig.attach());
        rig.remote_sends(first, &["unread"]);
        rig.hang_up(gone);
        rig.hang_up(first);
        rig.send(&["a"]).unwrap();
        assert_eq!(rig.remote_reads(third), Some(parts(&["a"])));
        rig.remote_sends(third, &["later"]);
        assert_eq!(rig.receive(), Ok(parts(&["unread"])));
        rig.detach(first);
        assert_eq!(rig.receive(), Ok(parts(&["later"])));
    }
}
