//! REQ: a request to one peer, then its reply, in strict alternation (RFC 28).
//!
//! Invariant: `reply_from` is the pipe that the request went to, while that pipe lives; until then nothing that another pipe
//! sends is delivered. (If it ended, the peer may be back on another pipe: then any reply will do, as in libzmq.)

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

    /// Writes the envelope of a new request. On an error nothing was written. What came before the request is no reply to
    /// it, and is dropped.
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
                .send(pipes, Payload::Bytes(&request_id.to_be_bytes()), true, credit);
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
            if self.reply_from.is_none_or(|from| from == id) && self.read_envelope(pipes) {
                self.phase = Phase::Replied;
            } else {
                self.queue.skip(pipes);
            }
        }
        self.phase == Phase::Replied
    }

    /// Reads the envelope of a reply: whether it is right and a body follows.
    fn read_envelope(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.begin();
        let request_id = self.request_id.to_be_bytes();
        (!self.correlates || self.next_part_is(pipes, &request_id)) && self.next_part_is(pipes, &[])
    }

    /// Reads one part: whether it is this one and another follows. After a part that was the last, none is begun.
    fn next_part_is(&mut self, pipes: &mut Pipes, expected: &[u8]) -> bool {
        let Some(part) = self.queue.front(pipes).and_then(|end| end.peek()) else {
            return false;
        };
        let matches = part == expected;
        matches && matches!(self.queue.receive_found(pipes, &mut Target::Discard), Ok(true))
    }
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
