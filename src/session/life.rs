//! The life of a session, on the reactor's thread: resolve, connect, shake hands, exchange, lose, wait, connect again; and
//! the end. [`Life`] is touched by that thread only.
//!
//! Invariant: a descriptor is closed when no operation on it is outstanding; until then the stage is `Closing`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::reader::Outcome;
use super::{Destination, Session, Side, acceptor};
use socket2::SockRef;

use crate::constants::*;
use crate::error::{Error, Result};
use crate::message::Metadata;
use crate::pipe::Record;
use crate::reactor::driver::receive_now;
use crate::reactor::{Completion, Handler, Interest, Reactor, TimerId, Token};
use crate::transport::resolver::Resolver;
use crate::transport::{finish_connect, ipc, tcp};
use crate::zmtp::{Handshake, HandshakeConfig, Peer, ProtocolError};

// Commands.
pub(super) const START: u32 = 0;
pub(super) const CLOSE: u32 = 1;
pub(super) const WANT_WRITE: u32 = 2;
pub(super) const WRITE_FAILED: u32 = 3;
pub(super) const RESUME: u32 = 4;
pub(super) const TICK: u32 = 5;
pub(super) const BREAK: u32 = 6;
const RESOLVED: u32 = 7;

// Purposes of operations and timers.
const READ: u32 = 0;
const WRITE: u32 = 1;
const CONNECT: u32 = 2;
const RECONNECT: u32 = 3;
const CONNECT_TIMEOUT: u32 = 4;
const HANDSHAKE_TIMEOUT: u32 = 5;
const LINGER: u32 = 6;

/// What a peer sent after we closed is read and dropped up to this many times a buffer, so that the close is no reset.
const DISCARDS_MAX: usize = 16;

/// Looks names up for all contexts.
static RESOLVER: LazyLock<Resolver> = LazyLock::new(Resolver::new);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Not started, or waiting to connect again.
    Waiting,
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
enum Loss {
    /// The peer closed it, or the kernel gave this error (0: none).
    Stream(i32),
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// We ended it.
    Ours,
}

/// The state of a session's life.
pub struct Life {
    stage: Stage,
    fd: Option<OwnedFd>,
    operations: u32,
    read: Option<Token>,
    write: Option<Token>,
    connect: Option<Token>,
    timer: Option<TimerId>,
    linger: Option<TimerId>,
    /// The interval before the next attempt, in milliseconds; 0: the first.
    interval_ms: u32,
    addresses: VecDeque<SocketAddr>,
    resolved: Option<Result<Vec<SocketAddr>>>,
}

impl Life {
    pub(super) fn new(fd: Option<OwnedFd>) -> Life {
        Life {
            stage: Stage::Waiting,
            fd,
            operations: 0,
            read: None,
            write: None,
            connect: None,
            timer: None,
            linger: None,
            interval_ms: 0,
            addresses: VecDeque::new(),
            resolved: None,
        }
    }

    fn raw_fd(&self) -> RawFd {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Handler for Session {
    fn command(self: Arc<Self>, reactor: &mut Reactor, what: u32) {
        match what {
            START => match self.side {
                Side::Accepted { .. } => self.begin_handshake(reactor),
                Side::Connecting(_) => self.begin_connecting(reactor),
            },
            CLOSE => self.begin_closing(reactor),
            WANT_WRITE => self.write_by_operation(reactor),
            WRITE_FAILED => self.write_failed(reactor),
            RESUME => self.resume(reactor),
            TICK => reactor.tick(self),
            BREAK => self.lose(reactor, Loss::Stream(libc::EPROTO)),
            RESOLVED => self.resolved(reactor),
            _ => {}
        }
    }

    fn completed(self: Arc<Self>, reactor: &mut Reactor, purpose: u32, completion: Completion) {
        match completion {
            Completion::Ready { result, .. } => {
                self.operation_ended(purpose);
                match (purpose, result) {
                    (READ, Ok(())) => self.readable(reactor),
                    (CONNECT, Ok(())) => self.connect_finished(reactor),
                    (READ, Err(errno)) if errno != libc::ECANCELED => self.lose(reactor, Loss::Stream(errno)),
                    (CONNECT, Err(errno)) if errno != libc::ECANCELED => self.connect_failed(reactor),
                    _ => {}
                }
            }
            Completion::Received { result, more, .. } => {
                if !more {
                    self.operation_ended(READ);
                }
                match result {
                    Ok(buffer) if buffer.is_empty() => self.lose(reactor, Loss::Stream(0)),
                    Ok(buffer) => {
                        let outcome = self.reader.lock().feed(&buffer);
                        reactor.release(buffer);
                        self.after_reading(reactor, outcome);
                    }
                    Err(libc::ECANCELED) => self.arm_read(reactor),
                    Err(errno) => self.lose(reactor, Loss::Stream(errno)),
                }
            }
            Completion::Sent { result, buffers, .. } => {
                self.operation_ended(WRITE);
                let failed = result.is_err();
                self.writer.lock().operation_ended(result.unwrap_or(0), buffers);
                match result {
                    Ok(_) => {
                        self.write_by_operation(reactor);
                        self.end_if_drained(reactor);
                    }
                    Err(errno) if failed && errno != libc::ECANCELED => self.write_failed(reactor),
                    Err(_) => {}
                }
            }
            Completion::Accepted { .. } | Completion::Woken => {}
        }
        self.end_closing(reactor);
    }

    fn timer(self: Arc<Self>, reactor: &mut Reactor, purpose: u32) {
        match purpose {
            RECONNECT => self.begin_connecting(reactor),
            CONNECT_TIMEOUT => self.connect_failed(reactor),
            HANDSHAKE_TIMEOUT => self.lose(reactor, Loss::Stream(libc::EAGAIN)),
            LINGER => self.end(reactor),
            _ => {}
        }
    }

    fn tick(self: Arc<Self>, reactor: &mut Reactor) -> bool {
        self.writer.notify();
        self.end_if_drained(reactor);
        self.tick_is_due.store(false, Ordering::SeqCst);
        // What was queued before the flag fell is seen here; what comes after asks for a tick itself.
        let waits = self.lanes().is_some_and(|lanes| lanes.to_wire.has_content());
        let again = waits && !self.writer.lock().is_stuck();
        again && !self.tick_is_due.swap(true, Ordering::SeqCst)
    }

    fn failed(self: Arc<Self>, reactor: &mut Reactor) {
        self.closing.store(true, Ordering::Release);
        self.end(reactor);
    }
}

impl Session {
    fn operation_ended(&self, purpose: u32) {
        let mut life = self.life.lock();
        life.operations -= 1;
        match purpose {
            READ => life.read = None,
            WRITE => life.write = None,
            _ => life.connect = None,
        }
    }

    // Connecting.

    fn begin_connecting(self: &Arc<Self>, reactor: &mut Reactor) {
        let Side::Connecting(destination) = &self.side else {
            return;
        };
        {
            let mut life = self.life.lock();
            life.timer = None;
            if life.stage != Stage::Waiting {
                return;
            }
            life.stage = Stage::Connecting;
        }
        match destination {
            Destination::Ipc(address) => match ipc::start_connect(address) {
                Ok((fd, Ok(()))) => self.connect_started(reactor, Ok(fd)),
                Ok((fd, Err(error))) => {
                    self.life.lock().fd = Some(fd);
                    self.connect_started(reactor, Err(error));
                }
                Err(error) => self.connect_started(reactor, Err(error)),
            },
            Destination::Tcp(address) => {
                let ipv6 = self.settings.socket.ipv6;
                let peer = match address.peer() {
                    Ok(peer) => peer,
                    Err(error) => return self.connect_started(reactor, Err(error)),
                };
                if let Some(address) = peer.numeric(ipv6) {
                    self.life.lock().addresses = [address].into();
                    return self.try_next_address(reactor);
                }
                self.life.lock().stage = Stage::Resolving;
                let session = self.clone();
                let answer = move |result| {
                    session.life.lock().resolved = Some(result);
                    session.link.clone().call(session, RESOLVED);
                };
                RESOLVER.resolve(peer, ipv6, Box::new(answer));
            }
        }
    }

    fn resolved(self: &Arc<Self>, reactor: &mut Reactor) {
        let result = {
            let mut life = self.life.lock();
            if life.stage != Stage::Resolving {
                return;
            }
            life.stage = Stage::Connecting;
            life.resolved.take()
        };
        match result {
            Some(Ok(addresses)) => {
                self.life.lock().addresses = addresses.into();
                self.try_next_address(reactor);
            }
            Some(Err(_)) | None => self.connect_failed(reactor),
        }
    }

    fn try_next_address(self: &Arc<Self>, reactor: &mut Reactor) {
        let Side::Connecting(Destination::Tcp(endpoint)) = &self.side else {
            return;
        };
        let address = self.life.lock().addresses.pop_front();
        let settings = &self.settings.socket;
        let started = match (address, endpoint.source(settings.ipv6)) {
            (Some(address), Ok(source)) => tcp::start_connect(address, source, settings),
            (Some(_), Err(error)) => Err(error),
            (None, _) => Err(Error::HostUnreachable),
        };
        self.connect_started(reactor, started);
    }

    fn connect_started(self: &Arc<Self>, reactor: &mut Reactor, started: Result<OwnedFd>) {
        match started {
            Ok(fd) => {
                if let Side::Connecting(Destination::Tcp(_)) = self.side {
                    self.event(ZMQ_EVENT_CONNECT_DELAYED, libc::EINPROGRESS);
                }
                let raw = fd.as_raw_fd();
                let token = reactor.poll(raw, Interest::Write, self.clone(), CONNECT);
                let timer = (self.settings.connect_ms > 0).then(|| {
                    let time = Duration::from_millis(u64::from(self.settings.connect_ms));
                    reactor.timer_after(time, self.clone(), CONNECT_TIMEOUT)
                });
                let mut life = self.life.lock();
                life.fd = Some(fd);
                life.operations += 1;
                life.connect = Some(token);
                life.timer = timer;
            }
            Err(_) => self.connect_failed(reactor),
        }
    }

    fn connect_finished(self: &Arc<Self>, reactor: &mut Reactor) {
        let connected = {
            let life = self.life.lock();
            let Some(fd) = life.fd.as_ref().filter(|_| life.stage == Stage::Connecting) else {
                return;
            };
            finish_connect(fd).map(|()| {
                if let Side::Connecting(Destination::Tcp(_)) = self.side {
                    tcp::tune(fd, &self.settings.socket);
                }
                fd.as_raw_fd()
            })
        };
        self.cancel_timer(reactor);
        match connected {
            Ok(fd) => {
                self.event(ZMQ_EVENT_CONNECTED, fd);
                self.begin_handshake(reactor);
            }
            Err(_) => self.connect_failed(reactor),
        }
    }

    fn connect_failed(self: &Arc<Self>, reactor: &mut Reactor) {
        self.cancel_timer(reactor);
        let (fd, more) = {
            let mut life = self.life.lock();
            if life.stage != Stage::Connecting {
                return;
            }
            if let Some(token) = life.connect {
                // Timed out: the attempt is ended, and the next one begins when its operation is over.
                life.stage = Stage::Closing;
                reactor.cancel(token);
                return;
            }
            (life.fd.take(), !life.addresses.is_empty())
        };
        if let Some(fd) = fd {
            self.event(ZMQ_EVENT_CLOSED, fd.as_raw_fd());
        }
        if more {
            self.try_next_address(reactor);
        } else {
            self.wait_to_connect(reactor);
        }
    }

    /// One back-off for every cause of failure, with jitter; it starts over after a completed handshake.
    fn wait_to_connect(self: &Arc<Self>, reactor: &mut Reactor) {
        let Some(first) = self.settings.reconnect_ms else {
            return self.end(reactor);
        };
        let interval = {
            let mut life = self.life.lock();
            life.stage = Stage::Waiting;
            let base = if life.interval_ms == 0 { first } else { life.interval_ms };
            let grows = self.settings.reconnect_max_ms > first;
            life.interval_ms = if grows {
                base.saturating_mul(2).min(self.settings.reconnect_max_ms)
            } else {
                first
            };
            let jitter = if first == 0 {
                0
            } else {
                (reactor.now_ns() >> 7) as u32 % first.max(1)
            };
            base.saturating_add(jitter)
        };
        self.event(ZMQ_EVENT_CONNECT_RETRIED, interval as i32);
        let timer = reactor.timer_after(Duration::from_millis(u64::from(interval)), self.clone(), RECONNECT);
        self.life.lock().timer = Some(timer);
        self.end_if_drained(reactor);
    }

    // The handshake.

    fn begin_handshake(self: &Arc<Self>, reactor: &mut Reactor) {
        let fd = {
            let mut life = self.life.lock();
            life.stage = Stage::Handshake;
            life.raw_fd()
        };
        let settings = &self.settings;
        let handshake = Handshake::new(HandshakeConfig {
            socket_type: settings.socket_type,
            routing_id: Some(settings.routing_id.clone()),
            accepts: acceptor(settings.socket_type),
            properties: Vec::new(),
        });
        self.reader.lock().open(fd, handshake);
        self.writer.lock().open(fd);
        if settings.handshake_ms > 0 {
            let time = Duration::from_millis(u64::from(settings.handshake_ms));
            let timer = reactor.timer_after(time, self.clone(), HANDSHAKE_TIMEOUT);
            self.life.lock().timer = Some(timer);
        }
        self.after_reading(reactor, Outcome::Drained);
    }

    /// The handshake is complete: the pipe is made, or told, and messages may flow.
    fn activate(self: &Arc<Self>, reactor: &mut Reactor, peer: &Peer) {
        self.cancel_timer(reactor);
        let fd = {
            let mut life = self.life.lock();
            life.stage = Stage::Open;
            life.interval_ms = 0;
            life.raw_fd()
        };
        self.event(ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0);
        if self.lanes().is_none() {
            let end = self.make_pipe();
            self.owner.attach(self.id, end);
        } else {
            if self.settings.subscribes
                && let Some(lanes) = self.lanes()
            {
                lanes.to_wire.hold();
            }
            self.owner.connected(self.id);
        }
        let Some(lanes) = self.lanes() else { return };
        let mut records = Vec::new();
        if let Ok(metadata) = self.metadata(fd, peer) {
            records.push(Record::Peer(metadata));
        }
        if self.settings.routes {
            records.push(Record::RoutingId(peer.routing_id.clone()));
        }
        let (to_wire, socket) = (lanes.to_wire.clone(), lanes.socket.clone());
        if self.reader.lock().activate(lanes, records).is_err() {
            return self.lose(reactor, Loss::Stream(libc::ENOMEM));
        }
        self.writer.lock().activate(to_wire, socket, peer.minor);
    }

    fn metadata(&self, fd: RawFd, peer: &Peer) -> Result<Arc<Metadata>> {
        let is_tcp = match &self.side {
            Side::Connecting(destination) => matches!(destination, Destination::Tcp(_)),
            Side::Accepted { is_tcp } => *is_tcp,
        };
        let address = match self.life.lock().fd.as_ref().map(AsFd::as_fd) {
            Some(fd) if is_tcp => tcp::peer_address(fd).ok(),
            Some(fd) => ipc::peer_address(fd).ok(),
            None => None,
        };
        let mut properties: Vec<(&[u8], &[u8])> = Vec::new();
        for (name, value) in &peer.properties {
            properties.push((name, value));
        }
        let descriptor = fd.to_string();
        properties.push((b"__fd", descriptor.as_bytes()));
        if let Some(address) = &address {
            properties.push((b"Peer-Address", address.as_bytes()));
        }
        Metadata::new(fd, properties)
    }

    // Reading and writing.

    fn readable(self: &Arc<Self>, reactor: &mut Reactor) {
        let mut scratch = reactor.take_scratch();
        let outcome = self.reader.lock().read(&mut scratch);
        reactor.return_scratch(scratch);
        self.after_reading(reactor, outcome);
    }

    fn resume(self: &Arc<Self>, reactor: &mut Reactor) {
        let outcome = {
            let mut reader = self.reader.lock();
            if !reader.resume() {
                return;
            }
            reader.decode_rest()
        };
        self.after_reading(reactor, outcome);
    }

    fn after_reading(self: &Arc<Self>, reactor: &mut Reactor, mut outcome: Outcome) {
        loop {
            let reply = std::mem::take(&mut self.reader.lock().reply);
            if !reply.is_empty() {
                self.writer.lock().push_control(&reply);
            }
            match outcome {
                Outcome::Ready(peer) => {
                    self.activate(reactor, &peer);
                    outcome = self.reader.lock().decode_rest();
                }
                Outcome::Drained | Outcome::More => {
                    self.arm_read(reactor);
                    return self.end_if_drained(reactor);
                }
                Outcome::Paused => {
                    // Shared buffers are not for waiting in: the operation ends until the socket has read.
                    let token = self.life.lock().read;
                    if let Some(token) = token {
                        reactor.cancel(token);
                    }
                    return;
                }
                Outcome::Ended(errno) => return self.lose(reactor, Loss::Stream(errno)),
                Outcome::Broken(error) => return self.lose(reactor, Loss::Protocol(error)),
                Outcome::OutOfMemory => return self.lose(reactor, Loss::Stream(libc::ENOMEM)),
            }
        }
    }

    fn arm_read(self: &Arc<Self>, reactor: &mut Reactor) {
        let paused = self.reader.lock().is_paused();
        let mut life = self.life.lock();
        if paused || life.read.is_some() || !matches!(life.stage, Stage::Handshake | Stage::Open) {
            return;
        }
        let fd = life.raw_fd();
        life.operations += 1;
        life.read = Some(if self.crowded {
            reactor.receive(fd, self.clone(), READ)
        } else {
            reactor.poll(fd, Interest::Read, self.clone(), READ)
        });
    }

    /// Goes on writing what the kernel did not take at once.
    fn write_by_operation(self: &Arc<Self>, reactor: &mut Reactor) {
        if !matches!(self.life.lock().stage, Stage::Handshake | Stage::Open) {
            return;
        }
        let Some((fd, buffers)) = self.writer.lock().take_for_operation() else {
            return;
        };
        let token = reactor.send(fd, buffers, self.clone(), WRITE);
        let mut life = self.life.lock();
        life.operations += 1;
        life.write = Some(token);
    }

    fn write_failed(self: &Arc<Self>, reactor: &mut Reactor) {
        // What the peer sent before it went is still worth reading; the end of the stream follows it.
        if !self.crowded {
            self.readable(reactor);
        }
        self.lose(reactor, Loss::Stream(libc::EPIPE));
    }

    // The end of a connection, and of the session.

    fn lose(self: &Arc<Self>, reactor: &mut Reactor, loss: Loss) {
        let (stage, fd) = {
            let mut life = self.life.lock();
            if !matches!(life.stage, Stage::Handshake | Stage::Open) {
                return;
            }
            let stage = std::mem::replace(&mut life.stage, Stage::Closing);
            for token in [life.read, life.write].into_iter().flatten() {
                reactor.cancel(token);
            }
            (stage, life.raw_fd())
        };
        self.cancel_timer(reactor);
        self.reader.lock().close();
        match (loss, stage) {
            (Loss::Protocol(error), Stage::Handshake) => {
                if let Some(kind) = error.event() {
                    self.event(kind, error.event_value());
                }
            }
            (Loss::Stream(errno), Stage::Handshake) => {
                let errno = if errno == 0 { libc::EPIPE } else { errno };
                self.event(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno);
            }
            _ => {}
        }
        if !matches!(loss, Loss::Ours) {
            self.event(ZMQ_EVENT_DISCONNECTED, fd);
        }
        self.end_closing(reactor);
    }

    /// Closes the descriptor once the last of its operations is over, and goes on to what comes then.
    fn end_closing(self: &Arc<Self>, reactor: &mut Reactor) {
        let fd = {
            let mut life = self.life.lock();
            if life.stage != Stage::Closing || life.operations > 0 {
                return;
            }
            life.fd.take()
        };
        let connecting = matches!(self.side, Side::Connecting(_));
        let keeps_pipe = connecting && !self.settings.immediate;
        let over = !connecting || self.closing.load(Ordering::Acquire) && self.is_drained_or_cut();
        let _ = self.writer.lock().close(!over && keeps_pipe);
        if let Some(fd) = fd {
            self.hang_up(reactor, fd);
        }
        if over {
            return self.finish(reactor);
        }
        if !keeps_pipe {
            self.end_pipe();
        }
        self.wait_to_connect(reactor);
    }

    fn hang_up(&self, reactor: &mut Reactor, fd: OwnedFd) {
        drop(SockRef::from(&fd).shutdown(std::net::Shutdown::Write));
        let mut scratch = reactor.take_scratch();
        for _ in 0..DISCARDS_MAX {
            match receive_now(fd.as_raw_fd(), &mut scratch) {
                Ok(count) if count > 0 => {}
                _ => break,
            }
        }
        reactor.return_scratch(scratch);
    }

    fn begin_closing(self: &Arc<Self>, reactor: &mut Reactor) {
        let linger_ms = self.linger_ms.load(Ordering::Acquire);
        if linger_ms == 0 {
            return self.end(reactor);
        }
        self.writer.notify();
        self.end_if_drained(reactor);
        let finished = matches!(self.life.lock().stage, Stage::Finished | Stage::Closing);
        if linger_ms > 0 && !finished {
            let timer = reactor.timer_after(Duration::from_millis(linger_ms as u64), self.clone(), LINGER);
            self.life.lock().linger = Some(timer);
        }
    }

    /// Nothing is left to send, or no time to send it.
    fn is_drained_or_cut(&self) -> bool {
        self.linger_ms.load(Ordering::Acquire) == 0 || self.is_drained()
    }

    fn is_drained(&self) -> bool {
        let waits = self.lanes().is_some_and(|lanes| lanes.to_wire.has_content());
        let writer = self.writer.lock();
        !waits && !writer.holds_messages()
    }

    fn end_if_drained(self: &Arc<Self>, reactor: &mut Reactor) {
        if self.closing.load(Ordering::Acquire) && self.is_drained() {
            self.end(reactor);
        }
    }

    /// Ends the session, whatever it is doing.
    fn end(self: &Arc<Self>, reactor: &mut Reactor) {
        self.closing.store(true, Ordering::Release);
        self.linger_ms.store(0, Ordering::Release);
        let stage = self.life.lock().stage;
        match stage {
            Stage::Handshake | Stage::Open => self.lose(reactor, Loss::Ours),
            Stage::Connecting => {
                let mut life = self.life.lock();
                life.stage = Stage::Closing;
                if let Some(token) = life.connect {
                    reactor.cancel(token);
                }
                drop(life);
                self.end_closing(reactor);
            }
            Stage::Waiting | Stage::Resolving => self.finish(reactor),
            Stage::Closing | Stage::Finished => {}
        }
    }

    fn finish(self: &Arc<Self>, reactor: &mut Reactor) {
        self.cancel_timer(reactor);
        let linger = {
            let mut life = self.life.lock();
            life.stage = Stage::Finished;
            life.fd = None;
            life.linger.take()
        };
        if let Some(timer) = linger {
            reactor.cancel_timer(timer);
        }
        self.end_pipe();
        self.owner.finished(self.id);
    }

    /// The pipe dies with its connection.
    fn end_pipe(&self) {
        let Some(lanes) = self.lanes.lock().take() else { return };
        lanes.to_wire.abandon();
        lanes.to_socket.end();
        lanes.socket.readable();
    }

    fn cancel_timer(&self, reactor: &mut Reactor) {
        let timer = self.life.lock().timer.take();
        if let Some(timer) = timer {
            reactor.cancel_timer(timer);
        }
    }
}
