//! REP: a request, then the reply to it, in strict alternation (RFC 28).
//!
//! Invariant: `envelope` and `reply_to` are those of the request that was received last, until its reply is complete.

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::sending::Sending;
use super::{Pattern, PipeId, Pipes, probe};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Target};

/// What the application may do next.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Receive a request, which did not come yet.
    #[default]
    Waiting,
    /// Receive the request, whose envelope was read.
    Requested,
    /// Send the reply.
    Replying,
}

/// The REP socket type.
#[derive(Default)]
pub(super) struct Rep {
    queue: FairQueue,
    phase: Phase,
    envelope: Vec<Message>,
    /// The pipe of the request, while it lives.
    reply_to: Option<PipeId>,
    sending: Sending,
    probes: bool,
}

impl Rep {
    /// Reads up to the body of a request, past everything that is none. Whether it is there.
    fn find_request(&mut self, pipes: &mut Pipes) -> bool {
        while self.phase == Phase::Waiting
            && let Some(id) = self.queue.find(pipes, |_, _| {})
        {
            if self.read_envelope(pipes, id) {
                self.reply_to = Some(id);
                self.phase = Phase::Requested;
            }
        }
        self.phase == Phase::Requested
    }

    /// Reads the parts up to and including the empty one; `false` if no body follows it, and then the message is
    /// dropped.
    fn read_envelope(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        self.envelope.clear();
        loop {
            let mut part = Message::new();
            match self.queue.receive_found(pipes, &mut Target::Message(&mut part)) {
                Ok(true) => {}
                Ok(false) => {
                    if let Some(end) = pipes.end(id) {
                        end.discard_last();
                    }
                    return false;
                }
                Err(_) => return false,
            }
            let ends = part.is_empty();
            if self.envelope.try_reserve(1).is_err() {
                self.queue.skip(pipes);
                return false;
            }
            self.envelope.push(part);
            if ends {
                return true;
            }
        }
    }

    /// Decides where the reply goes, and writes its envelope. On an error nothing was written.
    fn begin_reply(&mut self, pipes: &mut Pipes) -> Result<Sending> {
        let Some(id) = self.reply_to else {
            return Ok(Sending::Unroutable);
        };
        let Some(end) = pipes.end(id) else {
            return Ok(Sending::Unroutable);
        };
        if !end.can_write(Credit::Fresh) {
            let has_gone = end.other_end_is_closed();
            return Ok(if has_gone {
                Sending::Unroutable
            } else {
                Sending::Full(id)
            });
        }
        let written = self
            .envelope
            .iter()
            .try_for_each(|part| pipes.write(id, Payload::Bytes(part.data()), true));
        if written.is_err() {
            roll_back(pipes, id);
        }
        written.map(|()| Sending::To(id))
    }
}

impl Pattern for Rep {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        if self.probes {
            probe(pipes, id);
        }
        self.queue.readable(pipes, id, drop);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.readable(pipes, id, drop);
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.sending.forget(id);
        if self.reply_to == Some(id) {
            self.reply_to = None;
        }
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, _credit: Credit) -> Result<()> {
        if self.phase != Phase::Replying {
            return Err(Error::State);
        }
        let begins = !self.sending.in_message();
        if begins {
            self.sending = self.begin_reply(pipes)?;
        }
        let to = self.sending;
        let sent = self.sending.send(pipes, payload, more);
        if sent.is_err() && begins {
            if let Sending::To(id) = to {
                roll_back(pipes, id);
            }
            self.sending = Sending::Between;
        }
        if sent.is_ok() && !more {
            self.phase = Phase::Waiting;
            self.reply_to = None;
            self.envelope.clear();
        }
        sent
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.phase == Phase::Replying {
            return Err(Error::State);
        }
        if !self.find_request(pipes) {
            return Err(Error::Again);
        }
        let received = self.queue.receive_found(pipes, target);
        match received {
            Ok(true) | Err(Error::Again) => {}
            Ok(false) => self.phase = Phase::Replying,
            // The rest of the request went with the part that there is no memory for.
            Err(_) => (self.phase, self.reply_to) = (Phase::Waiting, None),
        }
        received
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.find_request(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes) -> bool {
        self.phase == Phase::Replying
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        if opt == Opt::ProbeRouter {
            self.probes = options.flag(opt);
        }
    }
}

fn roll_back(pipes: &mut Pipes, id: PipeId) {
    if let Some(end) = pipes.end(id) {
        end.roll_back();
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Link, Rig, parts};
    use super::*;
    use crate::constants::ZMQ_REP;

    #[test]
    fn a_reply_goes_back_in_the_envelope_of_its_request() {
        let mut rig = Rig::new(ZMQ_REP);
        let (a, b) = (rig.attach(), rig.attach());
        for malformed in [&["no delimiter"][..], &["x", "y"], &["x", ""], &[""]] {
            rig.remote_sends(a, malformed);
        }
        assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::Again)));
        rig.remote_sends(a, &["1", "2", "", "q", "", "r"]);
        rig.remote_sends(b, &["", "other"]);
        assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::State)));
        assert_eq!(rig.receive_part().unwrap().data(), b"q");
        assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::State)));
        assert_eq!(rig.receive(), Ok(parts(&["", "r"])));
        assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::State)));
        rig.send_part("re", true).unwrap();
        assert_eq!(rig.receive(), Err(Error::State));
        rig.send_part("ply", false).unwrap();
        assert_eq!(rig.remote_reads(a), Some(parts(&["1", "2", "", "re", "ply"])));
        assert_eq!((rig.receive(), rig.send(&["re"])), (Ok(parts(&["other"])), Ok(())));
        assert_eq!(rig.remote_reads(b), Some(parts(&["", "re"])));
    }

    #[test]
    fn requests_are_taken_in_turn() {
        let mut rig = Rig::new(ZMQ_REP);
        let peers = [rig.attach(), rig.attach()];
        for (peer, name) in peers.into_iter().zip(["a", "b"]) {
            rig.remote_sends(peer, &["", name, "1"]);
            rig.remote_sends(peer, &["", name, "2"]);
        }
        for number in ["1", "2"] {
            for (peer, name) in peers.into_iter().zip(["a", "b"]) {
                assert_eq!(rig.receive(), Ok(parts(&[name, number])));
                rig.send(&["re", number]).unwrap();
                assert_eq!(rig.remote_reads(peer), Some(parts(&["", "re", number])));
            }
        }
    }

    #[test]
    fn a_reply_to_a_peer_that_is_gone_or_full_is_dropped() {
        let mut rig = Rig::new(ZMQ_REP);
        let gone = rig.attach();
        rig.remote_sends(gone, &["", "q1"]);
        rig.receive().unwrap();
        rig.hang_up(gone);
        let other = rig.attach();
        assert_eq!(gone, other, "the number of the pipe is used again");
        assert_eq!((rig.can_send(), rig.send(&["re", "ply"])), (true, Ok(())));
        assert_eq!(rig.remote_reads(other), None);
        rig.remote_sends(other, &["", "q2"]);
        rig.receive().unwrap();
        rig.send_part("re", true).unwrap();
        rig.hang_up(other);
        let next = rig.attach();
        rig.send_part("ply", false).unwrap();
        assert_eq!((next, rig.remote_reads(next)), (other, None));
        let full = rig
            .attach_as(Link {
                limit: 1,
                ..Link::default()
            })
            .unwrap();
        for question in ["q3", "q4"] {
            rig.remote_sends(full, &["", question]);
            assert_eq!(rig.receive(), Ok(parts(&[question])));
            rig.send(&["to", question]).unwrap();
        }
        assert_eq!(
            (rig.remote_reads(full), rig.remote_reads(full)),
            (Some(parts(&["", "to", "q3"])), None)
        );
    }

    #[test]
    fn a_request_whose_pipe_goes_is_still_received_whole() {
        let mut rig = Rig::new(ZMQ_REP);
        let peer = rig.attach();
        rig.remote_sends(peer, &["", "1", "2"]);
        assert!(rig.can_receive());
        rig.detach(peer);
        assert_eq!(rig.receive(), Ok(parts(&["1", "2"])));
        assert_eq!(rig.send(&["x"]), Ok(()));
    }
}
