//! The life of a session, on the reactor's thread: resolve, connect, shake hands, exchange, lose, wait, connect again; and
//! the end. Here are its state and what the reactor calls; the steps are in `connect`, `handshake`, `traffic` and `ending`.
//!
//! Invariants: [`Life`] is touched by that thread only, but for the answers of the resolver and the
//! authentication handler; a descriptor is closed when no operation
//! on it is outstanding, and until then the stage is `Closing`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::handshakes::Shaking;
use super::heartbeat::Beat;
use super::proxy::Talk;
use super::{Asked, Session, Side};
use crate::error::{Error, Result};
use crate::reactor::{Completion, Handler, Reactor, TimerId, Token};
use crate::sys::clock;
use crate::sys::descriptors::Descriptor;
use crate::zmtp::ProtocolError;
use crate::zmtp::zap::Verdict;

// Commands.
pub(super) const START: u32 = 0;
pub(super) const CLOSE: u32 = 1;
pub(super) const WRITE_FAILED: u32 = 3;
pub(super) const RESUME: u32 = 4;
pub(super) const TICK: u32 = 5;
pub(super) const BREAK: u32 = 6;
pub(super) const RESOLVED: u32 = 7;
pub(super) const LEASE: u32 = 8;
pub(super) const READ_AGAIN: u32 = 9;
pub(super) const GATHER: u32 = 10;
pub(super) const TTL: u32 = 11;
pub(super) const ANSWER: u32 = 12;
pub(super) const EXCEED: u32 = 13;
pub(super) const CROWD_OUT: u32 = 14;

/// The bits of a command that tell what it is; those above tell which connection it is for, where that matters.
const COMMAND_BITS: u32 = 4;

/// A command for one connection of a session: it does nothing to the next one.
pub(super) fn of_connection(command: u32, connection: u32) -> u32 {
    command | connection << COMMAND_BITS
}

// Purposes of operations and timers.
pub(super) const READ: u32 = 0;
pub(super) const WRITE: u32 = 1;
pub(super) const CONNECT: u32 = 2;
pub(super) const RECONNECT: u32 = 3;
pub(super) const CONNECT_TIMEOUT: u32 = 4;
pub(super) const HANDSHAKE_TIMEOUT: u32 = 5;
pub(super) const LINGER: u32 = 6;
pub(super) const LEASE_TICK: u32 = 7;
pub(super) const HEARTBEAT: u32 = 8;
pub(super) const SILENCE: u32 = 9;
pub(super) const PEER_TTL: u32 = 10;
pub(super) const COOKIE: u32 = 11;
pub(super) const PROXY: u32 = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Not started, or waiting to connect again.
    Waiting,
    /// No attempt follows. As in libzmq the pipe stays until the socket lets go of it.
    GivenUp,
    Resolving,
    Connecting,
    Handshake,
    Open,
    /// The descriptor's operations are being ended.
    Closing,
    Finished,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// The peer closed it, or the kernel gave this error (0: none).
    Stream(i32),
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// It passed the limit of this option.
    Limit(i32),
    /// We ended it.
    Ours,
}

/// The state of a session's life.
pub struct Life {
    pub(super) stage: Stage,
    pub(super) fd: Option<Descriptor>,
    pub(super) operations: u32,
    pub(super) read: Option<Token>,
    pub(super) write: Option<Token>,
    pub(super) connect: Option<Token>,
    pub(super) timer: Option<TimerId>,
    pub(super) linger: Option<TimerId>,
    pub(super) cookie: Option<TimerId>,
    /// The descriptor that is being closed was never connected.
    pub(super) attempt: bool,
    pub(super) beat: Beat,
    /// The peer of the open connection speaks ZMTP 3.
    pub(super) shook_hands: bool,
    /// The handshake has failed, which was told, and the connection waits for its time to be over.
    pub(super) is_stalled: bool,
    /// The interval before the next attempt, in milliseconds; 0: the first.
    pub(super) interval_ms: u32,
    pub(super) addresses: VecDeque<SocketAddr>,
    pub(super) resolved: Option<Result<Vec<SocketAddr>>>,
    /// What is being said to a proxy.
    pub(super) talk: Option<Talk>,
    /// The handshake failed, and no further attempt is wanted: as in libzmq where the peer has refused us or has another mechanism, and
    /// as ZMQ_RECONNECT_STOP says.
    pub(super) gives_up: bool,
    /// Who is at the other end, as text; `None`: it went before it was looked at.
    pub(super) peer_address: Option<String>,
    /// The socket type and the routing id that it gave in the handshake.
    pub(super) introduced: (Bytes, Bytes),
    /// The authentication handler is asked.
    pub(super) asked: Option<Asked>,
    /// What it said, and of which connection.
    pub(super) verdict: Option<(u32, Verdict)>,
    /// The listener counts the handshake of the connection among those in progress.
    pub(super) shaking: Option<Shaking>,
}

impl Life {
    pub(super) fn new(fd: Option<OwnedFd>) -> Life {
        Life {
            stage: Stage::Waiting,
            fd: fd.map(Descriptor::from),
            operations: 0,
            read: None,
            write: None,
            connect: None,
            timer: None,
            linger: None,
            cookie: None,
            attempt: false,
            beat: Beat::default(),
            shook_hands: false,
            is_stalled: false,
            interval_ms: 0,
            addresses: VecDeque::new(),
            resolved: None,
            talk: None,
            gives_up: false,
            peer_address: None,
            introduced: Default::default(),
            asked: None,
            verdict: None,
            shaking: None,
        }
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Handler for Session {
    fn id(&self) -> u64 {
        self.id
    }

    fn command(self: Arc<Self>, reactor: &mut Reactor, what: u32) {
        let command = what & ((1 << COMMAND_BITS) - 1);
        let is_stale = what != of_connection(command, self.connection.load(Ordering::Acquire));
        match command {
            BREAK | WRITE_FAILED | ANSWER | EXCEED if is_stale => {}
            START => match self.side {
                Side::Accepted { .. } => self.begin_handshake(reactor),
                Side::Connecting(_) => self.begin_connecting(reactor),
            },
            CLOSE => self.begin_closing(reactor),
            WRITE_FAILED => self.write_failed(reactor),
            RESUME => self.resume(reactor),
            TICK => reactor.tick(self.flush_duty.next_tick_ns(clock::now_ns(), true).unwrap_or(0), self),
            BREAK => self.lose(reactor, Loss::Stream(libc::EPROTO)),
            RESOLVED => self.resolved(reactor),
            LEASE => self.watch_lease(reactor),
            READ_AGAIN => self.read_again(reactor),
            GATHER => self.arm_read(reactor),
            TTL => self.watch_peer_ttl(reactor),
            ANSWER => self.answered(reactor),
            EXCEED => self.lose(reactor, Loss::Limit(self.exceeded.load(Ordering::Acquire))),
            CROWD_OUT => self.crowd_out(reactor),
            _ => {}
        }
    }

    fn completed(self: Arc<Self>, reactor: &mut Reactor, purpose: u32, completion: Completion) {
        match completion {
            Completion::Ready { result, .. } => {
                self.operation_ended(purpose);
                match (purpose, result) {
                    (READ, Ok(())) => self.readable(reactor),
                    (READ, Err(libc::ECANCELED)) => self.arm_read(reactor),
                    (CONNECT, Ok(())) => self.connect_finished(reactor),
                    (READ, Err(errno)) if errno != libc::ECANCELED => self.lose(reactor, Loss::Stream(errno)),
                    (PROXY, Ok(())) => self.go_on_talking(reactor),
                    (CONNECT | PROXY, Err(errno)) => self.connect_failed(reactor, Error::from_errno(errno)),
                    _ => {}
                }
            }
            Completion::Received { result, more, .. } => {
                if !more {
                    self.operation_ended(READ);
                }
                match result {
                    Ok(buffer) if buffer.is_empty() => self.stream_ended(reactor, 0),
                    Ok(buffer) => {
                        let outcome = self.reader.lock().feed(&buffer);
                        reactor.release(buffer);
                        self.after_reading(reactor, outcome);
                    }
                    Err(libc::ECANCELED) => self.arm_read(reactor),
                    Err(errno) => self.stream_ended(reactor, errno),
                }
            }
            Completion::Sent { result, buffers, .. } => {
                self.operation_ended(WRITE);
                let more = self.writer.lock().operation_ended(result.unwrap_or(0), buffers);
                match result {
                    Ok(_) => {
                        if more {
                            self.write_by_operation(reactor);
                        } else {
                            self.writer.lock().flush();
                        }
                        self.end_if_drained(reactor);
                    }
                    Err(libc::ECANCELED) => {}
                    Err(libc::EPIPE | libc::ECONNRESET) => {
                        self.writer.lock().stop();
                        self.write_failed(reactor);
                    }
                    Err(errno) => self.lose(reactor, Loss::Stream(errno)),
                }
            }
            Completion::Accepted { .. } | Completion::Woken => {}
        }
        self.end_closing(reactor);
    }

    fn timer(self: Arc<Self>, reactor: &mut Reactor, purpose: u32) {
        match purpose {
            RECONNECT => self.begin_connecting(reactor),
            CONNECT_TIMEOUT => self.connect_failed(reactor, Error::Os(libc::ETIMEDOUT)),
            HANDSHAKE_TIMEOUT => self.lose(reactor, Loss::Stream(libc::EAGAIN)),
            LINGER => self.end(reactor),
            LEASE_TICK => self.look_at_lease(reactor),
            HEARTBEAT => self.heartbeat(reactor),
            SILENCE => self.look_for_silence(reactor),
            PEER_TTL => self.watch_peer_ttl(reactor),
            COOKIE => self.look_at_cookie(reactor),
            _ => {}
        }
    }

    fn tick(self: Arc<Self>, reactor: &mut Reactor) -> Option<u64> {
        let now_ns = clock::now_ns();
        if self.flush_duty.take_reminder(now_ns)
            && let Some(lanes) = self.lanes()
        {
            lanes.socket.remind();
        }
        let waits = || self.waits_for_flush();
        self.flush_duty.tick(now_ns, waits, &self.writer, |needs_reactor| {
            if needs_reactor {
                self.write_by_operation(reactor);
            }
            self.end_if_drained(reactor);
        })
    }

    fn turn_ended(self: Arc<Self>) {
        if let Some(lanes) = self.lanes() {
            lanes.socket.tell();
        }
    }

    fn failed(self: Arc<Self>, reactor: &mut Reactor) {
        self.closing.store(true, Ordering::Release);
        self.end(reactor);
    }
}

impl Session {
    /// Whether something is in the lane to the connection.
    pub(super) fn waits_for_flush(&self) -> bool {
        self.lanes().is_some_and(|lanes| lanes.to_wire.has_content())
    }

    fn operation_ended(&self, purpose: u32) {
        let mut life = self.life.lock();
        life.operations -= 1;
        match purpose {
            READ => life.read = None,
            WRITE => life.write = None,
            _ => life.connect = None,
        }
    }

    pub(super) fn cancel_timer(&self, reactor: &mut Reactor) {
        let timers = {
            let mut life = self.life.lock();
            [life.timer.take(), life.cookie.take()]
        };
        for timer in timers.into_iter().flatten() {
            reactor.cancel_timer(timer);
        }
    }
}
