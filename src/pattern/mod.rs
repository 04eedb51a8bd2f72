//! What a socket type does with its pipes: one small file a type, made from shared parts (fair queue, load balancer,
//! distributor). Runs under the socket's lock, and knows neither connections nor threads.
//!
//! A pattern is a function of its pipes and arguments: no I/O, no clock, no randomness.

mod accounts;
mod broadcast;
mod dealer;
mod distributor;
mod fair_queue;
mod load_balancer;
mod pair;
mod pull;
mod push;
mod raw;
mod rep;
mod req;
mod rotation;
mod router;
mod sending;
mod stream;
mod sub;
#[cfg(test)]
mod test_support;
mod xpub;

use std::sync::Arc;

use bytes::Bytes;

use self::accounts::Accounts;
use self::broadcast::Broadcast;
use self::stream::Stream;
use crate::constants::*;
use crate::error::{Error, Result};
use crate::message::Metadata;
use crate::options::{Opt, Options};
use crate::pipe::{Backstop, Credit, Due, End, Pace, Payload, Target};

/// Names a pipe of a socket: its place in [`Pipes`].
pub type PipeId = u32;

/// The pipes of one socket.
#[derive(Default)]
pub struct Pipes {
    slots: Vec<Option<End>>,
    free: Vec<PipeId>,
    /// Pipes that may have something unsent, each once.
    dirty: Vec<PipeId>,
    pace: Pace,
    broadcast: Broadcast,
    stream: Stream,
    /// A pipe was asked to have what is unsent flushed in time.
    reminded: bool,
    backstop: Backstop,
    /// By pipe: whether it is in `dirty`.
    is_dirty: Vec<bool>,
    /// Those that a pattern wants no more of, and whether what it has sent to them is to arrive.
    refused: Vec<(PipeId, bool)>,
    /// The only pipe in a [`FairQueue`](fair_queue::FairQueue), after a message from it: the short way of [`Pipes::receive_small`].
    only: Option<PipeId>,
    accounts: Accounts,
}

impl Pipes {
    /// Errors: `NoMemory` where there is none for one more pipe.
    pub fn reserve(&mut self) -> Result<()> {
        let slots = self.slots.try_reserve(1);
        slots
            .and_then(|()| self.is_dirty.try_reserve(1))
            .map_err(|_| Error::NoMemory)
    }

    /// Adds a pipe.
    pub fn insert(&mut self, end: End) -> PipeId {
        self.spill();
        self.only = None;
        match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(end);
                id
            }
            None => {
                self.slots.push(Some(end));
                self.is_dirty.push(false);
                self.slots.len() as PipeId - 1
            }
        }
    }

    /// Takes a pipe out.
    pub fn remove(&mut self, id: PipeId) -> Option<End> {
        self.spill();
        self.only = None;
        let lost = self.stream.forget(id);
        self.lose_messages(lost);
        if self.reminded {
            self.flush();
        }
        // It may be the one that was asked.
        self.backstop = Backstop::default();
        self.broadcast.remove(id);
        let end = self.slots.get_mut(id as usize)?.take();
        if end.is_some() {
            self.free.push(id);
            self.refused.retain(|(refused, _)| *refused != id);
        }
        end
    }

    /// Receives a small message of one part, if the last receive left only one pipe to do that from and there is nothing to it but what
    /// `take` does with the bytes. Their number; `None`, and nothing happened, when there is more to it or `take` did not take them.
    #[inline(always)]
    pub fn receive_small(&mut self, take: impl FnOnce(&[u8], Option<&Arc<Metadata>>) -> bool) -> Option<usize> {
        let id = self.only?;
        self.end(id)?.offer_small(take)
    }

    /// What decides where messages go and come from changes: the next ones go the long way.
    pub fn leave_short_ways(&mut self) {
        self.spill();
        self.only = None;
    }

    /// Receives so many small messages at most, if the last receive left only one pipe to do that from: appends them to `to` as they
    /// are on the wire (RFC 37). How many.
    pub fn receive_run(&mut self, most: u64, to: &mut Vec<u8>) -> Result<u64> {
        match self.only.and_then(|id| self.end(id)) {
            Some(end) => end.receive_run(most, to),
            None => Ok(0),
        }
    }

    /// A pipe.
    #[inline]
    pub fn end(&mut self, id: PipeId) -> Option<&mut End> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// The only pipe, of a socket that never had two at once.
    pub fn sole(&self) -> Option<PipeId> {
        matches!(self.slots[..], [Some(_)]).then_some(0)
    }

    /// All pipes.
    pub fn ids(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_some())
            .map(|(id, _)| id as PipeId)
    }

    /// The ends of all pipes. It stops at the last one, however many there were once.
    pub fn ends(&mut self) -> impl Iterator<Item = &mut End> {
        let count = self.len();
        self.slots.iter_mut().flatten().take(count)
    }

    /// How many pipes there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A pattern wants no more of a pipe: it is closed after the call.
    pub(super) fn refuse(&mut self, id: PipeId) {
        self.refused.push((id, false));
    }

    /// As [`Pipes::refuse`], once what was sent to it is written.
    pub(super) fn hang_up(&mut self, id: PipeId) {
        self.refused.push((id, true));
    }

    /// Takes one of the pipes that a pattern wants no more of; true: what was sent to it is to arrive.
    #[inline]
    pub fn take_refused(&mut self) -> Option<(PipeId, bool)> {
        self.refused.pop()
    }

    /// Whether there are such pipes.
    #[inline]
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Writes what bursts left unsent, in all pipes that were written to since.
    pub fn flush(&mut self) {
        self.spill();
        self.hand_out();
        self.reminded = false;
        if self.dirty.is_empty() {
            return;
        }
        let connections = self.dirty.len();
        while let Some(id) = self.dirty.pop() {
            self.is_dirty[id as usize] = false;
            if let Some(end) = self.end(id) {
                end.flush();
            }
        }
        self.pace.flushed(connections);
    }

    /// A part is about to be sent.
    #[inline]
    pub fn begin_send(&mut self) -> Result<()> {
        self.spill();
        if self.stream.holds_messages() {
            return Err(Error::NoMemory);
        }
        let unsent = self.dirty.len().max(self.broadcast.len());
        self.pace.begin(self.len(), unsent);
        Ok(())
    }

    /// A part was sent.
    #[inline]
    pub fn end_send(&mut self) {
        match self.pace.end() {
            Due::Everything => self.flush(),
            Due::Older(oldest_ns) if self.broadcast.holds_messages() => {
                if self.pace.unsent_since_ns() < oldest_ns {
                    self.flush();
                }
            }
            Due::Older(oldest_ns) => self.flush_older(oldest_ns),
            Due::Nothing => {}
        }
        if self.broadcast.is_large() {
            self.flush();
        }
    }

    /// Whether messages were put off since this was last asked.
    #[inline]
    pub fn left_some(&mut self) -> bool {
        self.pace.take_left()
    }

    /// Writes what is unsent since before a time. Pipes that have nothing unsent any more stay in the list until the next flush.
    fn flush_older(&mut self, oldest_ns: u64) {
        let mut wrote = false;
        for place in 0..self.dirty.len() {
            let id = self.dirty[place];
            wrote |= self.end(id).is_some_and(|end| end.flush_older(oldest_ns));
        }
        if wrote {
            self.pace.flushed_some();
        }
    }

    /// Writes one part into a pipe.
    #[inline]
    pub fn write(&mut self, id: PipeId, payload: Payload<'_>, more: bool) -> Result<()> {
        let Some(end) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else {
            return Ok(());
        };
        end.write_at_pace(payload, more, &mut self.pace)?;
        if end.has_unsent() {
            self.mark_dirty(id);
        }
        Ok(())
    }

    #[inline]
    fn mark_dirty(&mut self, id: PipeId) {
        if !std::mem::replace(&mut self.is_dirty[id as usize], true) {
            self.dirty.push(id);
        }
    }
}

/// A socket type.
///
/// `send` and `receive` handle one part. Both answer [`Error::Again`] where the call would have to wait; the socket then waits
/// for a change and calls again. A failed call leaves the pattern and the part as they were.
pub trait Pattern: Send {
    /// A pipe was added. `initiated` says that this side connected; `name` is the routing id that ZMQ_CONNECT_ROUTING_ID
    /// gave to the peer. False: the pipe is refused and closed.
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, initiated: bool, name: Option<Bytes>) -> bool;
    /// A pipe has a new connection behind it: subscriptions are sent again.
    fn reconnected(&mut self, _pipes: &mut Pipes, _id: PipeId) {}
    /// A pipe may have something to read again.
    fn readable(&mut self, pipes: &mut Pipes, id: PipeId);
    /// A pipe may have room again.
    fn writable(&mut self, pipes: &mut Pipes, id: PipeId);
    /// A pipe was read to its end, or is being closed; it is removed after the call.
    fn ended(&mut self, pipes: &mut Pipes, id: PipeId);
    /// Sends one part.
    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()>;
    /// Receives one part: whether the message goes on.
    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool>;
    /// Whether a part can be received at once.
    fn can_receive(&mut self, pipes: &mut Pipes) -> bool;
    /// Whether a part can be sent at once.
    fn can_send(&mut self, pipes: &mut Pipes) -> bool;
    /// The routing id of a pipe, where that is to be had as ZMQ_ROUTING_ID (zmq_socket(3), ZMQ_STREAM).
    fn routing_id(&self, _id: PipeId) -> Option<Bytes> {
        None
    }
    /// What the socket's own program calls the peer behind a pipe, where it addresses peers (ROUTER, STREAM).
    fn peer_name(&self, _id: PipeId) -> Option<Bytes> {
        None
    }
    /// How many topics are subscribed to, where the socket has to do with those (ZMQ_TOPICS_COUNT).
    fn topics(&self) -> Option<usize> {
        None
    }
    /// A stored option of the socket has a new value (called once for each such option after the socket is made, too).
    fn option_changed(&mut self, _opt: Opt, _options: &Options) {}
    /// ZMQ_SUBSCRIBE.
    fn subscribe(&mut self, _pipes: &mut Pipes, _topic: &[u8]) -> Result<()> {
        Err(Error::Invalid)
    }
    /// ZMQ_UNSUBSCRIBE.
    fn unsubscribe(&mut self, _pipes: &mut Pipes, _topic: &[u8]) -> Result<()> {
        Err(Error::Invalid)
    }
}

/// The pattern of a ROUTER whose connections do not speak ZMTP (ZMQ_ROUTER_RAW).
pub fn raw_router(seed: u32) -> Box<dyn Pattern> {
    Box::new(raw::Raw::router(seed))
}

/// The pattern of a socket type; `seed` starts the numbers of generated routing ids and request ids.
pub fn new(socket_type: i32, seed: u32) -> Result<Box<dyn Pattern>> {
    Ok(match socket_type {
        ZMQ_PAIR => Box::new(pair::Pair::default()),
        ZMQ_PUB => Box::new(xpub::XPub::publisher()),
        ZMQ_SUB => Box::new(sub::Sub::filtering()),
        ZMQ_REQ => Box::new(req::Req::new(seed)),
        ZMQ_REP => Box::new(rep::Rep::default()),
        ZMQ_DEALER => Box::new(dealer::Dealer::default()),
        ZMQ_ROUTER => Box::new(router::Router::new(seed)),
        ZMQ_PULL => Box::new(pull::Pull::default()),
        ZMQ_PUSH => Box::new(push::Push::default()),
        ZMQ_XPUB => Box::new(xpub::XPub::default()),
        ZMQ_XSUB => Box::new(sub::Sub::default()),
        ZMQ_STREAM => Box::new(raw::Raw::stream(seed)),
        _ => return Err(Error::Invalid),
    })
}

/// Sends the empty message that makes this socket known to a ROUTER (ZMQ_PROBE_ROUTER).
fn probe(pipes: &mut Pipes, id: PipeId) {
    // Without memory for it the peer hears of this socket with the first message.
    let _ = pipes.write(id, Payload::Bytes(&[]), false);
}

/// Drops everything that is in a pipe which nobody reads.
fn discard_all(pipes: &mut Pipes, id: PipeId) {
    let Some(end) = pipes.end(id) else { return };
    while end.take_record().is_some() || matches!(end.receive(&mut Target::Discard), Ok(Some(_))) {}
}

#[cfg(test)]
mod tests {
    use super::test_support::{Link, Rig};
    use super::*;

    #[test]
    fn what_is_to_be_flushed_does_not_grow_with_the_messages() {
        let mut rig = Rig::new(ZMQ_PUSH);
        let attach = |_| {
            rig.attach_as(Link {
                is_connection: true,
                ..Link::default()
            })
        };
        let peers: Vec<PipeId> = (0..2).filter_map(attach).collect();
        for _ in 0..10_000 {
            // The second message to a connection that is written out belongs to a burst.
            for peer in &peers {
                rig.remote(*peer).receive(&mut Target::Discard).unwrap();
            }
            rig.send(&["x"]).unwrap();
            rig.send(&["x"]).unwrap();
        }
        assert!(rig.pipes.dirty.len() <= peers.len());
        rig.pipes.flush();
        let ids: Vec<PipeId> = rig.pipes.ids().collect();
        assert!(ids.iter().all(|id| !rig.pipes.end(*id).unwrap().has_unsent()));
        assert!(rig.pipes.dirty.is_empty());
    }
}
