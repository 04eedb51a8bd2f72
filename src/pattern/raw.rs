//! STREAM, and ROUTER under ZMQ_ROUTER_RAW: bytes of connections that do not speak ZMTP (zmq_socket(3), "Native pattern"). The first
//! part of a message names the connection, the next is what came from it, or goes to it; an empty one stands for its beginning and its
//! end, and ends it.
//!
//! Invariants: a pipe is in the queue only while it has a routing id; a route leads to such a pipe.

use std::collections::VecDeque;

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::sending::Sending;
use super::{Pattern, PipeId, Pipes};
use crate::error::{Error, Result};
use crate::hub::routes::{Inserted, Routes};
use crate::message::Message;
use crate::options::{Opt, Options};
use crate::pipe::{BodySlice, Credit, Payload, Target};

/// The STREAM socket type, and the raw ROUTER.
pub(super) struct Raw {
    queue: FairQueue,
    routes: Routes<PipeId>,
    /// By pipe; none when nothing of the connection is delivered any more.
    names: Vec<Option<Bytes>>,
    /// What connections had sent that were ended on this side.
    left: VecDeque<(Bytes, Message)>,
    /// The name of one of those messages was received.
    in_left: bool,
    sending: Sending,
    /// What goes nowhere is refused, as with `mandatory`; and a routing id has the properties of its connection.
    is_stream: bool,
    mandatory: bool,
}

impl Raw {
    /// A STREAM whose generated routing ids count up from `seed`.
    pub(super) fn stream(seed: u32) -> Raw {
        Raw {
            is_stream: true,
            ..Raw::router(seed)
        }
    }

    /// A raw ROUTER, likewise.
    pub(super) fn router(seed: u32) -> Raw {
        Raw {
            queue: FairQueue::default(),
            routes: Routes::new(seed),
            names: Vec::new(),
            left: VecDeque::new(),
            in_left: false,
            sending: Sending::default(),
            is_stream: false,
            mandatory: false,
        }
    }

    /// What has come from a connection is still delivered, when it is ended on this side.
    fn keep_unread(&mut self, pipes: &mut Pipes, id: PipeId) {
        let Some(Some(name)) = self.names.get(id as usize) else {
            return;
        };
        let Some(end) = pipes.end(id) else { return };
        let mut kept = 0;
        if self.queue.is_reading(id) {
            // Its name was received: what follows it comes first, also where it is a notice.
            if let Ok(Some(part)) = end.receive_message()
                && self.left.try_reserve(1).is_ok()
            {
                self.left.push_front((name.clone(), part));
                self.in_left = true;
                kept += 1;
            }
        }
        loop {
            match end.receive_message() {
                Ok(Some(part)) if !part.is_empty() && self.left.try_reserve(1).is_ok() => {
                    self.left.push_back((name.clone(), part));
                    kept += 1;
                }
                Ok(Some(_)) => end.discard_last(),
                // Each connection of the pipe begins with its properties.
                _ if end.take_record().is_some() => {}
                _ => break,
            }
        }
        (0..kept).for_each(|_| pipes.put_aside());
    }

    /// Nothing more goes to the connection or is delivered from it.
    fn forget(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.sending.forget(id);
        if let Some(routing_id) = self.names.get_mut(id as usize).and_then(Option::take) {
            self.routes.remove(&routing_id, id);
        }
    }
}

impl Pattern for Raw {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, initiated: bool, name: Option<Bytes>) -> bool {
        let named = match name.filter(|_| initiated) {
            Some(name) => match self.routes.insert(name.clone(), id) {
                Ok(Inserted::New) => Ok(name),
                _ => Err(Error::AddressInUse),
            },
            None => self.routes.insert_generated(id),
        };
        if self.names.len() <= id as usize {
            self.names.resize(id as usize + 1, None);
        }
        self.names[id as usize] = named.ok();
        self.queue.readable(pipes, id, drop);
        self.names[id as usize].is_some()
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if self.names.get(id as usize).is_some_and(Option::is_some) {
            self.queue.readable(pipes, id, drop);
        }
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.forget(pipes, id);
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        if !self.sending.in_message() {
            if more {
                let is_told = self.is_stream || self.mandatory;
                self.sending = Sending::along(&self.routes, pipes, payload.as_slice(), credit, is_told)?;
            } else {
                // As on libzmq the next part is bytes again, and they go nowhere.
                self.sending = Sending::Unroutable;
            }
            return Ok(());
        }
        // A message has two parts, whatever its second says.
        if let Sending::To(id) = self.sending
            && payload.as_slice().is_empty()
        {
            self.keep_unread(pipes, id);
            self.forget(pipes, id);
            pipes.hang_up(id);
            self.sending = Sending::Between;
            return Ok(());
        }
        self.sending.send(pipes, payload, false)
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.in_left {
            self.in_left = false;
            if let Some((_, part)) = self.left.pop_front() {
                pipes.take_from_aside();
                target.fill_with(part);
            }
            return Ok(false);
        }
        if !self.queue.in_message()
            && let Some((name, _)) = self.left.front()
        {
            target.fill(BodySlice::Bytes(name), true, None)?;
            self.in_left = true;
            return Ok(true);
        }
        if self.queue.in_message() {
            return self.queue.receive_found(pipes, target);
        }
        let id = self.queue.find(pipes, |_, _| {}).ok_or(Error::Again)?;
        let Some(Some(routing_id)) = self.names.get(id as usize) else {
            return Err(Error::Again);
        };
        let end = pipes.end(id).filter(|_| self.is_stream);
        let metadata = end.as_ref().and_then(|end| end.metadata());
        target.fill(BodySlice::Bytes(routing_id), true, metadata)?;
        self.queue.begin();
        Ok(true)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        !self.left.is_empty() || self.queue.can_receive(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        let has_room = |id| pipes.end(id).is_some_and(|end| end.can_write(Credit::Fresh));
        !self.mandatory || self.sending.in_message() || self.routes.iter().map(|(_, id)| id).any(has_room)
    }

    fn routing_id(&self, id: PipeId) -> Option<Bytes> {
        self.names.get(id as usize)?.clone().filter(|_| self.is_stream)
    }

    fn peer_name(&self, id: PipeId) -> Option<Bytes> {
        self.names.get(id as usize)?.clone()
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        if opt == Opt::RouterMandatory {
            self.mandatory = options.flag(opt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use super::*;
    use crate::constants::*;

    #[test]
    fn what_comes_from_a_connection_is_named_and_what_is_named_goes_to_it() {
        let mut rig = Rig::new(ZMQ_STREAM);
        let (a, b) = (rig.attach(), rig.attach());
        rig.remote_sends(a, &[""]);
        rig.remote_sends(b, &["from b"]);
        rig.remote_sends(a, &["from a"]);
        let received: Vec<_> = std::iter::from_fn(|| rig.receive().ok()).collect();
        assert_eq!(received.len(), 3);
        let (name_a, name_b) = (received[0][0].clone(), received[1][0].clone());
        assert!(name_a.len() == 5 && name_a[0] == 0 && name_a != name_b);
        assert_eq!(
            (received[0][1].as_slice(), received[1][1].as_slice()),
            (&b""[..], &b"from b"[..])
        );
        assert_eq!(received[2], vec![name_a.clone(), b"from a".to_vec()]);
        rig.send_payload(Payload::Bytes(&name_b), true).unwrap();
        // The second part is the last, whatever it says.
        rig.send_payload(Payload::Bytes(b"to b"), true).unwrap();
        assert_eq!(
            rig.send_payload(Payload::Bytes(b"nobody"), true),
            Err(Error::HostUnreachable)
        );
        assert_eq!(rig.remote_reads(b), Some(parts(&["to b"])));
        assert_eq!(rig.remote_reads(a), None);
    }

    #[test]
    fn an_empty_part_ends_a_connection() {
        let mut rig = Rig::new(ZMQ_STREAM);
        let peer = rig.attach();
        rig.remote_sends(peer, &["hello"]);
        let name = rig.receive().unwrap().remove(0);
        rig.remote_sends(peer, &["unread"]);
        rig.send_payload(Payload::Bytes(&name), true).unwrap();
        rig.send_payload(Payload::Bytes(b""), false).unwrap();
        assert!(
            rig.pipes
                .take_refused()
                .is_some_and(|(id, lingers)| id == peer && lingers)
        );
        assert_eq!(rig.receive(), Ok(vec![name.clone(), b"unread".to_vec()]));
        assert_eq!(rig.receive(), Err(Error::Again));
        assert_eq!(
            rig.send_payload(Payload::Bytes(&name), true),
            Err(Error::HostUnreachable)
        );
    }

    #[test]
    fn a_message_that_was_begun_goes_on_when_its_connection_is_ended() {
        let mut rig = Rig::new(ZMQ_STREAM);
        let (peer, other) = (rig.attach(), rig.attach());
        rig.remote_sends(peer, &["hello"]);
        rig.remote_sends(peer, &["unread"]);
        let name = rig.receive_part().unwrap();
        assert!(name.more());
        rig.send_payload(Payload::Bytes(name.data()), true).unwrap();
        rig.send_payload(Payload::Bytes(b""), false).unwrap();
        rig.remote_sends(other, &["other"]);
        let body = rig.receive_part().unwrap();
        assert_eq!((body.data(), body.more()), (&b"hello"[..], false));
        assert_eq!(rig.receive(), Ok(vec![name.data().to_vec(), b"unread".to_vec()]));
        assert_eq!(rig.receive().map(|message| message[1].clone()), Ok(b"other".to_vec()));
    }

    #[test]
    fn a_full_connection_is_waited_for() {
        let mut rig = Rig::new(ZMQ_STREAM);
        let link = Link {
            limit: 1,
            ..Link::default()
        };
        let peer = rig.attach_as(link).unwrap();
        rig.remote_sends(peer, &["hello"]);
        let name = rig.receive().unwrap().remove(0);
        for text in ["1", "2"] {
            let named = rig.send_payload(Payload::Bytes(&name), true);
            assert_eq!(named, if text == "1" { Ok(()) } else { Err(Error::Again) });
            if named.is_ok() {
                rig.send_payload(Payload::Bytes(text.as_bytes()), false).unwrap();
            }
        }
        assert_eq!(rig.remote_reads(peer), Some(parts(&["1"])));
        rig.send_payload(Payload::Bytes(&name), true).unwrap();
    }
}
