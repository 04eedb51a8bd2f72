//! ROUTER: the first part of a message names the peer that it goes to, or came from (RFC 28).
//!
//! Invariants: a pipe is in the queue only while its peer is known; a route leads to a known peer's pipe.

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::sending::Sending;
use super::{Pattern, PipeId, Pipes, discard_all, probe};
use crate::error::{Error, Result};
use crate::hub::routes::{Inserted, Routes};
use crate::options::{Opt, Options};
use crate::pipe::{BodySlice, Credit, Payload, Record, Target};

/// Who is behind a pipe.
enum Peer {
    /// Its routing id did not come yet.
    Anonymous,
    /// It has this routing id.
    Known(Bytes),
    /// It may not have, or has lost, its routing id: nothing that it sends is delivered.
    Refused,
}

/// The ROUTER socket type.
pub(super) struct Router {
    queue: FairQueue,
    routes: Routes<PipeId>,
    /// By pipe.
    peers: Vec<Peer>,
    sending: Sending,
    mandatory: bool,
    hands_over: bool,
    probes: bool,
}

impl Router {
    /// A router whose generated routing ids count up from `seed`.
    pub(super) fn new(seed: u32) -> Router {
        Router {
            queue: FairQueue::default(),
            routes: Routes::new(seed),
            peers: Vec::new(),
            sending: Sending::default(),
            mandatory: false,
            hands_over: false,
            probes: false,
        }
    }

    /// Looks for the routing id of a peer that has none yet; `false` if it may not have it.
    fn identify(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        if !matches!(self.peers.get(id as usize), Some(Peer::Anonymous)) {
            return true;
        }
        let Some(end) = pipes.end(id) else { return true };
        let routing_id = loop {
            match end.take_record() {
                Some(Record::RoutingId(routing_id)) => break routing_id,
                Some(_) => {}
                None if end.poll() => break Bytes::new(),
                None => return true,
            }
        };
        let named = if routing_id.is_empty() {
            self.routes.insert_generated(id)
        } else {
            self.claim(pipes, id, routing_id)
        };
        let accepted = named.is_ok();
        self.peers[id as usize] = named.map_or(Peer::Refused, Peer::Known);
        accepted
    }

    /// Makes the routing id lead to the pipe, if it is free or may be taken from another.
    fn claim(&mut self, pipes: &mut Pipes, id: PipeId, routing_id: Bytes) -> Result<Bytes> {
        match self.routes.insert(routing_id.clone(), id)? {
            Inserted::New => {}
            Inserted::Taken(other) if self.hands_over => {
                self.routes.replace(&routing_id, id);
                self.dispossess(pipes, other);
            }
            Inserted::Taken(_) => return Err(Error::AddressInUse),
        }
        Ok(routing_id)
    }

    /// Another pipe has this one's routing id now. A connection is not closed, as libzmq does not: a peer that is alive would
    /// connect again and take the routing id back, and so on for ever.
    fn dispossess(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.peers[id as usize] = Peer::Refused;
        self.queue.remove(pipes, id);
        self.sending.forget(id);
        discard_all(pipes, id);
        let Some(end) = pipes.end(id) else { return };
        end.roll_back();
        if !end.is_connection() {
            pipes.refuse(id);
        }
    }

    /// Decides where the message goes that begins with this routing id.
    fn route(&mut self, pipes: &mut Pipes, routing_id: &[u8], credit: Credit) -> Result<Sending> {
        // What is to be dropped is dropped only on knowledge of now.
        let credit = if self.mandatory { credit } else { Credit::Fresh };
        let lost = if self.mandatory {
            Err(Error::HostUnreachable)
        } else {
            Ok(Sending::Nowhere)
        };
        let Some(id) = self.routes.lookup(routing_id) else {
            return lost;
        };
        let Some(end) = pipes.end(id) else { return lost };
        if end.can_write(credit) {
            Ok(Sending::To(id))
        } else if self.mandatory && !end.other_end_is_closed() {
            Err(Error::Again)
        } else {
            lost
        }
    }
}

impl Pattern for Router {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, initiated: bool, name: Option<Bytes>) -> bool {
        if self.peers.len() <= id as usize {
            self.peers.resize_with(id as usize + 1, || Peer::Refused);
        }
        self.peers[id as usize] = Peer::Anonymous;
        if self.probes {
            probe(pipes, id);
        }
        if let Some(name) = name.filter(|_| initiated) {
            match self.routes.insert(name.clone(), id) {
                Ok(Inserted::New) => self.peers[id as usize] = Peer::Known(name),
                _ => return false,
            }
        }
        let accepted = self.identify(pipes, id);
        if accepted {
            self.readable(pipes, id);
        }
        accepted
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if !self.identify(pipes, id) {
            return pipes.refuse(id);
        }
        match self.peers.get(id as usize) {
            Some(Peer::Known(_)) => self.queue.readable(pipes, id, drop),
            Some(Peer::Refused) => discard_all(pipes, id),
            _ => {}
        }
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.sending.forget(id);
        if let Some(peer) = self.peers.get_mut(id as usize)
            && let Peer::Known(routing_id) = std::mem::replace(peer, Peer::Refused)
        {
            self.routes.remove(&routing_id, id);
        }
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        if self.sending.in_message() {
            return self.sending.send(pipes, payload, more);
        }
        // A routing id with nothing behind it is no message.
        if more {
            self.sending = self.route(pipes, payload.as_slice(), credit)?;
        }
        Ok(())
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.queue.in_message() {
            return self.queue.receive_found(pipes, target);
        }
        let id = self.queue.find(pipes, |_, _| {}).ok_or(Error::Again)?;
        let Some(Peer::Known(routing_id)) = self.peers.get(id as usize) else {
            return Err(Error::Again);
        };
        let metadata = pipes.end(id).and_then(|end| end.metadata());
        target.fill(BodySlice::Bytes(routing_id), true, metadata)?;
        self.queue.begin();
        Ok(true)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.can_receive(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        !self.mandatory
            || self.sending.in_message()
            || self
                .routes
                .iter()
                .any(|(_, id)| pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh)))
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        match opt {
            Opt::RouterMandatory => self.mandatory = options.flag(opt),
            Opt::RouterHandover => self.hands_over = options.flag(opt),
            Opt::ProbeRouter => self.probes = options.flag(opt),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use super::*;
    use crate::constants::*;

    #[test]
    fn messages_go_to_the_peer_they_name_and_say_where_they_come_from() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let (a, b) = (rig.attach_routed("a"), rig.attach_routed("b"));
        rig.send(&["b", "1", "2"]).unwrap();
        rig.send(&["a", ""]).unwrap();
        rig.send(&["nobody", "x", "y"]).unwrap();
        rig.send(&["a"]).unwrap();
        rig.send(&["a", "3"]).unwrap();
        assert_eq!(
            (rig.remote_reads(a), rig.remote_reads(a)),
            (Some(parts(&[""])), Some(parts(&["3"])))
        );
        assert_eq!(
            (rig.remote_reads(b), rig.remote_reads(b)),
            (Some(parts(&["1", "2"])), None)
        );
        rig.remote_sends(a, &["hello", "you"]);
        rig.remote_sends(b, &[""]);
        assert_eq!(rig.receive(), Ok(parts(&["a", "hello", "you"])));
        assert_eq!(rig.receive(), Ok(parts(&["b", ""])));
        assert_eq!(rig.receive(), Err(Error::Again));
    }

    #[test]
    fn a_peer_is_not_routable_before_its_routing_id_came() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        rig.set(ZMQ_ROUTER_MANDATORY, 1);
        let late = rig.attach();
        assert!(!rig.can_send());
        assert_eq!(rig.send(&["id", "x"]), Err(Error::HostUnreachable));
        rig.remote_tells(late, Record::RoutingId("id".into()));
        assert!(rig.can_send());
        assert_eq!(rig.send(&["id", "x"]), Ok(()));
        // A peer that is back as somebody else keeps its id here.
        rig.remote_tells(late, Record::RoutingId("other".into()));
        rig.remote_sends(late, &["y"]);
        assert_eq!(rig.receive(), Ok(parts(&["id", "y"])));
        assert_eq!(rig.send(&["other", "x"]), Err(Error::HostUnreachable));
    }

    #[test]
    fn peers_without_an_id_get_one() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let peers = [rig.attach_routed(""), rig.attach()];
        for peer in peers {
            rig.remote_sends(peer, &["who"]);
        }
        for (peer, number) in peers.into_iter().zip([7, 8]) {
            let id = rig.receive().unwrap().swap_remove(0);
            assert_eq!(id, [0, 0, 0, 0, number]);
            rig.send(&[std::str::from_utf8(&id).unwrap(), "you"]).unwrap();
            assert_eq!(rig.remote_reads(peer), Some(parts(&["you"])));
        }
    }

    #[test]
    fn mandatory_tells_unknown_from_full() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let link = Link {
            limit: 1,
            routing_id: Some("a"),
            ..Link::default()
        };
        let a = rig.attach_as(link).unwrap();
        rig.send(&["a", "1"]).unwrap();
        rig.send(&["a", "dropped"]).unwrap();
        assert!(rig.can_send());
        rig.set(ZMQ_ROUTER_MANDATORY, 1);
        assert!(!rig.can_send());
        assert_eq!(rig.send(&["a", "2"]), Err(Error::Again));
        assert_eq!(rig.send(&["b", "2"]), Err(Error::HostUnreachable));
        assert_eq!(rig.remote_reads(a), Some(parts(&["1"])));
        assert!(rig.can_send());
        rig.send(&["a", "3"]).unwrap();
        rig.remote_sends(a, &["unread"]);
        rig.hang_up(a);
        assert_eq!(rig.send(&["a", "4"]), Err(Error::HostUnreachable));
        assert!(!rig.can_send());
    }

    #[test]
    fn a_message_is_dropped_when_its_peer_goes_in_the_middle() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let a = rig.attach_routed("a");
        rig.send_part("a", true).unwrap();
        rig.send_part("1", true).unwrap();
        rig.hang_up(a);
        let b = rig.attach_routed("b");
        assert_eq!(a, b, "the number of the pipe is used again");
        rig.send_part("2", false).unwrap();
        rig.send(&["b", "3"]).unwrap();
        assert_eq!((rig.remote_reads(b), rig.remote_reads(b)), (Some(parts(&["3"])), None));
    }

    #[test]
    fn a_routing_id_in_use_is_refused() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let first = rig.attach_routed("a");
        let early = Link {
            routing_id: Some("a"),
            ..Link::default()
        };
        assert!(rig.attach_as(early).is_none());
        let late = rig.attach();
        rig.remote(late).write_record(Record::RoutingId("a".into())).unwrap();
        rig.remote_sends(late, &["never"]);
        assert!(rig.is_closed(late) && !rig.is_closed(first));
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.send(&["a", "x"]).unwrap();
        assert_eq!(rig.remote_reads(first), Some(parts(&["x"])));
        rig.hang_up(first);
        let again = rig.attach_routed("a");
        rig.send(&["a", "y"]).unwrap();
        assert_eq!(rig.remote_reads(again), Some(parts(&["y"])));
    }

    #[test]
    fn with_handover_the_newcomer_takes_the_routing_id() {
        for is_connection in [false, true] {
            let mut rig = Rig::new(ZMQ_ROUTER);
            rig.set(ZMQ_ROUTER_HANDOVER, 1);
            let link = Link {
                is_connection,
                routing_id: Some("a"),
                ..Link::default()
            };
            let old = rig.attach_as(link).unwrap();
            rig.remote_sends(old, &["1", "2"]);
            rig.remote_sends(old, &["never"]);
            assert_eq!(rig.receive_part().unwrap().data(), b"a");
            rig.send_part("a", true).unwrap();
            rig.send_part("half", true).unwrap();
            let new = rig.attach_routed("a");
            assert_eq!(rig.receive(), Ok(parts(&["1", "2"])), "a message is not cut off");
            assert_eq!(rig.receive(), Err(Error::Again));
            rig.send_part("lost", false).unwrap();
            rig.send(&["a", "x"]).unwrap();
            assert_eq!(
                (rig.remote_reads(old), rig.remote_reads(new)),
                (None, Some(parts(&["x"])))
            );
            assert_eq!(rig.is_closed(old), !is_connection);
            rig.remote_sends(old, &["nor", "this"]);
            rig.remote_sends(new, &["y"]);
            assert_eq!(rig.receive(), Ok(parts(&["a", "y"])));
            if is_connection {
                rig.hang_up(old);
            }
            assert_eq!(rig.pipes.len(), 1);
            rig.send(&["a", "z"]).unwrap();
            assert_eq!(rig.remote_reads(new), Some(parts(&["z"])));
        }
    }

    #[test]
    fn a_peer_is_known_by_the_name_it_was_given() {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let named = |name| Link {
            routing_id: Some("own"),
            name: Some(name),
            ..Link::default()
        };
        let given = rig.attach_as(named("given")).unwrap();
        rig.send(&["own", "1"]).unwrap();
        rig.send(&["given", "2"]).unwrap();
        assert_eq!(
            (rig.remote_reads(given), rig.remote_reads(given)),
            (Some(parts(&["2"])), None)
        );
        rig.remote_sends(given, &["r"]);
        assert_eq!(rig.receive(), Ok(parts(&["given", "r"])));
        assert!(rig.attach_as(named("given")).is_none());
    }
}
