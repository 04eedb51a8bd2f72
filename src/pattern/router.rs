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
    /// It may not have, or has lost, its routing id: nothing that it sends is delivered. A new connection may have one again.
    Refused,
}

/// The ROUTER socket type.
pub(super) struct Router {
    queue: FairQueue,
    routes: Routes<PipeId>,
    /// By pipe.
    peers: Vec<Peer>,
    sending: Sending,
    /// The pipe whose message the application was told of and has not begun to receive.
    announced: Option<PipeId>,
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
            announced: None,
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

    /// Another pipe has this one's routing id now. A connection is not closed, as libzmq does not: a peer that is
    /// alive would connect again and take the routing id back, and so on for ever.
    fn dispossess(&mut self, pipes: &mut Pipes, id: PipeId) {
        let peer = std::mem::replace(&mut self.peers[id as usize], Peer::Refused);
        if let Peer::Known(routing_id) = peer
            && self.announced == Some(id)
        {
            self.queue.keep_front(pipes, routing_id);
        }
        self.queue.remove(pipes, id);
        self.sending.forget(id);
        discard_all(pipes, id);
        if pipes.end(id).is_some_and(|end| !end.is_connection()) {
            pipes.refuse(id);
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
        self.readable(pipes, id);
        true
    }

    fn reconnected(&mut self, _pipes: &mut Pipes, id: PipeId) {
        if let Some(peer @ Peer::Refused) = self.peers.get_mut(id as usize) {
            *peer = Peer::Anonymous;
        }
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if !self.identify(pipes, id)
            && let Some(end) = pipes.end(id)
        {
            // A connection ends, so that both sides hear of it, and may be made again. Over inproc the peer stays, and nobody hears it,
            // as on libzmq.
            end.reject();
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
        self.announced = self.announced.filter(|announced| *announced != id);
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
        if more {
            self.sending = Sending::along(&self.routes, pipes, payload.as_slice(), credit, self.mandatory)?;
        } else {
            // A routing id with nothing behind it is no message.
            pipes.drop_message(Sending::Unroutable);
        }
        Ok(())
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.queue.in_message() {
            return self.queue.receive_found(pipes, target);
        }
        self.announced = None;
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
        let can_receive = self.queue.can_receive(pipes);
        if can_receive && !self.queue.in_message() {
            self.announced = self.queue.front_id();
        }
        can_receive
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        !self.mandatory
            || self.sending.in_message()
            || self
                .routes
                .iter()
                .any(|(_, id)| pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh)))
    }

    fn peer_name(&self, id: PipeId) -> Option<Bytes> {
        match self.peers.get(id as usize)? {
            Peer::Known(routing_id) => Some(routing_id.clone()),
            _ => None,
        }
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
mod tests;
