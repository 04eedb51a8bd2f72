//! REQ: a request to one peer, then its reply, in strict alternation (RFC 28).
//!
//! Invariant: `reply_from` is the pipe that the request went to, while that pipe lives; until then nothing that
//! another pipe sends is delivered. (If it ended, the peer may be back on another pipe: then any reply will do, as in
//! libzmq.)

use bytes::Bytes;

use super::fair_queue::FairQueue;
use super::load_balancer::LoadBalancer;
use super::{Pattern, PipeId, Pipes, probe};
use crate::error::{Error, Result};
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Target};

/// What the application may do next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Begin a request.
    Idle,
    /// Go on with the request.
    Sending,
    /// Receive the reply, which did not come yet.
    Waiting,
    /// Receive the reply, whose envelope was read.
    Replied,
}

/// The REQ socket type.
pub(super) struct Req {
    queue: FairQueue,
    balancer: LoadBalancer,
    phase: Phase,
    reply_from: Option<PipeId>,
    request_id: u32,
    correlates: bool,
    relaxed: bool,
    probes: bool,
}

impl Req {
    /// A requester whose request ids count up from `seed`.
    pub(super) fn new(seed: u32) -> Req {
        Req {
            queue: FairQueue::default(),
            balancer: LoadBalancer::default(),
            phase: Phase::Idle,
            reply_from: None,
            request_id: seed,
            correlates: false,
            relaxed: false,
            probes: false,
        }
    }

    /// Writes the envelope of a new request. On an error nothing was written. What came before the request is no reply
    /// to it, and is dropped.
    fn begin(&mut self, pipes: &mut Pipes, credit: Credit) -> Result<PipeId> {
        let id = self.balancer.find(pipes, credit).ok_or(Error::Again)?;
        while self.queue.find(pipes, |_, _| {}).is_some() {
            self.queue.skip(pipes);
        }
        let request_id = self.request_id.wrapping_add(1);
        let mut written = Ok(());
        if self.correlates {
            written = self
                .balancer
                .send(pipes, Payload::Bytes(&request_id.to_ne_bytes()), true, credit);
        }
        written = written.and_then(|()| self.balancer.send(pipes, Payload::Bytes(&[]), true, credit));
        if written.is_err() {
            self.balancer.roll_back(pipes);
        }
        written.map(|()| {
            self.request_id = request_id;
            id
        })
    }

    /// Forgets the request before, and what was not read of its reply.
    fn abandon(&mut self, pipes: &mut Pipes) {
        if self.queue.in_message() {
            self.queue.skip(pipes);
        }
        self.reply_from = None;
        self.phase = Phase::Idle;
    }

    /// Reads up to the body of the reply, past everything that is none. Whether it is there.
    fn find_reply(&mut self, pipes: &mut Pipes) -> bool {
        while self.phase == Phase::Waiting
            && let Some(id) = self.queue.find(pipes, |_, _| {})
        {
            self.queue.begin();
            let expected = self.reply_from.is_none_or(|from| from == id);
            match self.read_envelope(pipes) {
                Envelope::Right if expected => self.phase = Phase::Replied,
                envelope => {
                    if self.queue.in_message() {
                        self.queue.skip(pipes);
                    }
                    if envelope == Envelope::Malformed
                        && let Some(end) = pipes.end(id)
                    {
                        end.reject();
                    }
                }
            }
        }
        self.phase == Phase::Replied
    }

    /// Reads the envelope of a reply as far as it is one.
    fn read_envelope(&mut self, pipes: &mut Pipes) -> Envelope {
        let request_id = self.request_id.to_ne_bytes();
        let mut ours = true;
        if self.correlates {
            let is_id = |part: &[u8]| part.len() == request_id.len();
            match self.queue.front(pipes).and_then(|end| end.peek()) {
                Some(part) if is_id(part) => ours = part == request_id,
                _ => return Envelope::Malformed,
            }
            if !self.skip_part(pipes) {
                return Envelope::Malformed;
            }
        }
        let delimiter = self
            .queue
            .front(pipes)
            .and_then(|end| end.peek())
            .is_some_and(<[u8]>::is_empty);
        match delimiter && self.skip_part(pipes) {
            true if ours => Envelope::Right,
            true => Envelope::Foreign,
            false => Envelope::Malformed,
        }
    }

    /// Reads the next part: whether another follows.
    fn skip_part(&mut self, pipes: &mut Pipes) -> bool {
        matches!(self.queue.receive_found(pipes, &mut Target::Discard), Ok(true))
    }
}

/// What precedes the body of a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Envelope {
    /// What the outstanding request asks for.
    Right,
    /// That of another request.
    Foreign,
    /// None at all.
    Malformed,
}

impl Pattern for Req {
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
        // What is no reply is dropped, or ends its connection, when it comes.
        self.find_reply(pipes);
    }

    fn writable(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.balancer.writable(id);
    }

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.remove(pipes, id);
        self.balancer.remove(id);
        if self.reply_from == Some(id) {
            self.reply_from = None;
        }
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        if matches!(self.phase, Phase::Waiting | Phase::Replied) {
            if !self.relaxed {
                return Err(Error::State);
            }
            self.balancer.find(pipes, credit).ok_or(Error::Again)?;
            self.abandon(pipes);
        }
        if self.phase == Phase::Idle {
            self.reply_from = Some(self.begin(pipes, credit)?);
        }
        let sent = self.balancer.send(pipes, payload, more, credit);
        match sent {
            Ok(()) => self.phase = if more { Phase::Sending } else { Phase::Waiting },
            Err(_) if self.phase == Phase::Idle => self.balancer.roll_back(pipes),
            Err(_) => {}
        }
        sent
    }

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if matches!(self.phase, Phase::Idle | Phase::Sending) {
            return Err(Error::State);
        }
        if !self.find_reply(pipes) {
            return Err(Error::Again);
        }
        let more = self.queue.receive_found(pipes, target)?;
        if !more {
            self.phase = Phase::Idle;
            self.reply_from = None;
        }
        Ok(more)
    }

    fn can_receive(&mut self, pipes: &mut Pipes) -> bool {
        self.find_reply(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes) -> bool {
        (self.relaxed || matches!(self.phase, Phase::Idle | Phase::Sending)) && self.balancer.can_send(pipes)
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        match opt {
            Opt::ReqCorrelate => self.correlates = options.flag(opt),
            Opt::ReqRelaxed => self.relaxed = options.flag(opt),
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
    fn requests_and_replies_alternate() {
        let mut rig = Rig::new(ZMQ_REQ);
        let peer = rig.attach();
        for number in ["1", "2"] {
            assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::State)));
            rig.send_part(number, true).unwrap();
            assert_eq!(rig.receive(), Err(Error::State));
            rig.send_part("tail", false).unwrap();
            assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::State)));
            assert_eq!(rig.receive(), Err(Error::Again));
            assert_eq!(rig.remote_reads(peer), Some(parts(&["", number, "tail"])));
            rig.remote_sends(peer, &["", "re", number]);
            assert_eq!(rig.receive_part().unwrap().data(), b"re");
            assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::State)));
            assert_eq!(rig.receive(), Ok(parts(&[number])));
            assert!(rig.can_send());
        }
    }

    #[test]
    fn what_is_no_reply_is_skipped() {
        let mut rig = Rig::new(ZMQ_REQ);
        let (peer, other) = (rig.attach(), rig.attach());
        rig.remote_sends(peer, &["", "before the request"]);
        rig.send(&["q"]).unwrap();
        rig.remote_sends(other, &["", "from another"]);
        for malformed in [&["no delimiter"][..], &[""], &["x", "", "y"], &["x", "y"]] {
            rig.remote_sends(peer, malformed);
        }
        assert!(!rig.can_receive());
        rig.remote_sends(peer, &[""]);
        rig.remote_sends(peer, &["", "", "reply"]);
        rig.remote_sends(peer, &["", "second reply"]);
        assert_eq!(rig.receive(), Ok(parts(&["", "reply"])));
        rig.send(&["q2"]).unwrap();
        assert_eq!(rig.remote_reads(other), Some(parts(&["", "q2"])));
        assert_eq!(rig.receive(), Err(Error::Again));
    }

    #[test]
    fn a_request_waits_for_a_peer_with_room() {
        let mut rig = Rig::new(ZMQ_REQ);
        assert_eq!((rig.can_send(), rig.send(&["x"])), (false, Err(Error::Again)));
        rig.set(ZMQ_REQ_RELAXED, 1);
        let peer = rig
            .attach_as(Link {
                limit: 1,
                ..Link::default()
            })
            .unwrap();
        rig.send(&["1"]).unwrap();
        assert_eq!((rig.can_send(), rig.send(&["2"])), (false, Err(Error::Again)));
        assert_eq!(rig.remote_reads(peer), Some(parts(&["", "1"])));
        rig.remote_sends(peer, &["", "re 1"]);
        assert_eq!(
            rig.receive(),
            Ok(parts(&["re 1"])),
            "a request that could not be sent replaces none"
        );
    }

    #[test]
    fn relaxed_requests_replace_the_one_before() {
        let mut rig = Rig::new(ZMQ_REQ);
        rig.set(ZMQ_REQ_RELAXED, 1);
        let (a, b) = (rig.attach(), rig.attach());
        rig.send(&["1"]).unwrap();
        assert!(rig.can_send());
        rig.send(&["2"]).unwrap();
        rig.remote_sends(a, &["", "late"]);
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.remote_sends(b, &["", "right", "unread"]);
        assert_eq!(rig.receive_part().unwrap().data(), b"right");
        rig.send(&["3"]).unwrap();
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.remote_sends(a, &["", "right", "left over"]);
        assert_eq!(rig.receive_part().unwrap().data(), b"right");
        rig.detach(a);
        rig.send(&["4"]).unwrap();
        rig.remote_sends(b, &["", "right"]);
        assert_eq!(rig.receive(), Ok(parts(&["right"])));
    }

    #[test]
    fn correlated_replies_carry_the_number_of_the_request() {
        let mut rig = Rig::new(ZMQ_REQ);
        rig.set(ZMQ_REQ_RELAXED, 1);
        rig.set(ZMQ_REQ_CORRELATE, 1);
        let peer = rig.attach();
        rig.send(&["1"]).unwrap();
        rig.send(&["2"]).unwrap();
        // In the machine's own byte order, as libzmq writes it; no other reads it but to send it back.
        let [first, second] = [8_u32, 9].map(|number| String::from_utf8(number.to_ne_bytes().into()).unwrap());
        for number in [&first, &second] {
            let request = rig.remote_reads(peer).unwrap();
            assert_eq!(request[..2], parts(&[number, ""]));
            rig.remote_sends(peer, &[number, "x", "y"]);
            rig.remote_sends(peer, &[number, "", "re", number]);
        }
        assert_eq!(rig.receive(), Ok(parts(&["re", &second])));
        assert_eq!(rig.receive(), Err(Error::State));
    }

    #[test]
    fn when_its_pipe_ended_the_reply_may_come_through_another() {
        let mut rig = Rig::new(ZMQ_REQ);
        let (first, second) = (rig.attach(), rig.attach());
        rig.send(&["q"]).unwrap();
        rig.hang_up(first);
        assert_eq!(
            (rig.send(&["x"]), rig.receive()),
            (Err(Error::State), Err(Error::Again))
        );
        rig.remote_sends(second, &["", "re", "ply"]);
        assert_eq!(rig.receive_part().unwrap().data(), b"re");
        rig.detach(second);
        assert_eq!(rig.receive(), Ok(parts(&["ply"])));
    }
}
