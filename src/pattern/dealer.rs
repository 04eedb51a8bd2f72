//! DEALER: sends to its peers in turn and receives from them in turn (RFC 28).

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::load_balancer::LoadBalancer;
use super::{Pattern, PipeId, Pipes, probe};
use crate::error::Result;
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Target};

/// The DEALER socket type.
#[derive(Default)]
pub(super) struct Dealer {
    queue: FairQueue,
    balancer: LoadBalancer,
    probes: bool,
}

impl Pattern for Dealer {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        if self.probes {
            probe(pipes, id);
        }
        self.balancer.add(id);
        self.queue.readable(pipes, id, drop);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.readable(pipes, id, drop);
    }

    fn writable(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.balancer.writable(id);
    }

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.balancer.remove(id);
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

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        if opt == Opt::ProbeRouter {
            self.probes = options.flag(opt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use crate::constants::{ZMQ_DEALER, ZMQ_PROBE_ROUTER, ZMQ_REP, ZMQ_REQ, ZMQ_ROUTER};
    use crate::error::Error;

    #[test]
    fn a_dealer_sends_and_receives_in_turn() {
        let mut rig = Rig::new(ZMQ_DEALER);
        let peers = [rig.attach(), rig.attach()];
        for message in ["1", "2"] {
            rig.send(&[message]).unwrap();
        }
        for (peer, message) in peers.into_iter().zip(["1", "2"]) {
            assert_eq!(rig.remote_reads(peer), Some(parts(&[message])));
            rig.remote_sends(peer, &["re", message]);
        }
        assert_eq!(rig.receive(), Ok(parts(&["re", "1"])));
        assert_eq!(rig.receive(), Ok(parts(&["re", "2"])));
    }

    #[test]
    fn a_dealer_deals_to_who_has_room() {
        let mut rig = Rig::new(ZMQ_DEALER);
        let [small, large] = [1, 2].map(|limit| {
            let link = Link {
                limit,
                ..Link::default()
            };
            rig.attach_as(link).unwrap()
        });
        for message in ["1", "2", "3"] {
            rig.send(&[message]).unwrap();
        }
        assert_eq!((rig.can_send(), rig.send(&["refused"])), (false, Err(Error::Again)));
        assert_eq!(rig.remote_reads(small), Some(parts(&["1"])));
        assert_eq!((rig.can_send(), rig.send(&["4"])), (true, Ok(())));
        assert_eq!(rig.remote_reads(small), Some(parts(&["4"])));
        assert_eq!(
            [(); 3].map(|()| rig.remote_reads(large)),
            [Some(parts(&["2"])), Some(parts(&["3"])), None]
        );
    }

    #[test]
    fn a_dealer_has_queues_for_the_peers_that_are_there() {
        let mut rig = Rig::new(ZMQ_DEALER);
        assert_eq!((rig.can_send(), rig.send(&["early"])), (false, Err(Error::Again)));
        let first = rig.attach();
        rig.send(&["1"]).unwrap();
        rig.hang_up(first);
        assert_eq!(rig.pipes.len(), 0);
        assert_eq!((rig.can_send(), rig.send(&["late"])), (false, Err(Error::Again)));
        assert_eq!(rig.attach(), first, "the number of the pipe is used again");
        assert_eq!(rig.remote_reads(first), None);
        rig.send(&["2"]).unwrap();
        assert_eq!(rig.remote_reads(first), Some(parts(&["2"])));
    }

    #[test]
    fn probers_send_an_empty_message_first() {
        for socket_type in [ZMQ_DEALER, ZMQ_ROUTER, ZMQ_REQ, ZMQ_REP] {
            let mut rig = Rig::new(socket_type);
            let before = rig.attach();
            rig.set(ZMQ_PROBE_ROUTER, 1);
            let after = rig.attach();
            assert_eq!(
                (rig.remote_reads(before), rig.remote_reads(after)),
                (None, Some(parts(&[""])))
            );
        }
    }
}
