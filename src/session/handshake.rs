//! The handshake of a new connection, and what begins when it is complete. On the reactor's thread, as all of
//! [`super::life`].

use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Session;
use super::life::{self, COOKIE, HANDSHAKE_TIMEOUT, Loss, Stage};
use super::reader::Outcome;
use crate::constants::*;
use crate::error::Result;
use crate::message::Metadata;
use crate::pipe::Record;
use crate::reactor::Reactor;
use crate::sys::sodium;
use crate::transport::{ipc, tcp};
use crate::zmtp::zap::{Credentials, Question, Verdict};
use crate::zmtp::{Ciphers, Framing, Handshake, HandshakeConfig, Peer, ProtocolError, RANDOM, Security};

/// How long a client may keep a cookie (RFC 26, "The WELCOME Command").
const COOKIE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a peer that is not welcome for now is kept where ZMQ_HANDSHAKE_IVL sets no time.
const STALLED_MAX: Duration = Duration::from_secs(30);
/// The property by which the authentication handler says who a peer is (zmq_msg_gets(3)).
const USER_ID: &[u8] = b"User-Id";
const PEER_ADDRESS: &[u8] = b"Peer-Address";
const DESCRIPTOR: &[u8] = b"__fd";
/// What no peer says of itself.
const OURS: [&[u8]; 3] = [USER_ID, PEER_ADDRESS, DESCRIPTOR];

impl Session {
    pub(super) fn begin_handshake(self: &Arc<Self>, reactor: &mut Reactor) {
        let fd = {
            let mut life = self.life.lock();
            if life.stage == Stage::Finished || life.fd.is_none() {
                return;
            }
            life.stage = Stage::Handshake;
            life.raw_fd()
        };
        let peer_address = self.look_at_peer();
        {
            let mut life = self.life.lock();
            life.peer_address = peer_address;
            life.introduced = Default::default();
        }
        let connection = self.connection.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let settings = &self.settings;
        if settings.raw.is_some() {
            self.reader.lock().open_raw(fd);
            self.writer.lock().open(fd, connection);
            self.activate(reactor, &Peer::default(), None);
            return self.after_reading(reactor, Outcome::Drained);
        }
        let config = HandshakeConfig {
            socket_type: settings.socket_type,
            routing_id: Some(settings.routing_id.clone()),
            accepts: acceptor(settings.socket_type),
            properties: settings.properties.clone(),
            security: settings.security.clone(),
            asks: !settings.zap.domain.is_empty(),
            needs_handler: settings.zap.is_enforced,
            body_max: settings.message_max,
        };
        let handshake = Handshake::new(config, randomness(&settings.security));
        self.reader.lock().open(fd, handshake);
        self.writer.lock().open(fd, connection);
        if settings.handshake_ms > 0 {
            let time = Duration::from_millis(u64::from(settings.handshake_ms));
            let timer = reactor.timer_after(time, self.clone(), HANDSHAKE_TIMEOUT);
            self.life.lock().timer = Some(timer);
        }
        self.after_reading(reactor, Outcome::Drained);
    }

    /// The handshake is complete: the pipe is made, or told, and messages may flow.
    pub(super) fn activate(self: &Arc<Self>, reactor: &mut Reactor, peer: &Peer, ciphers: Option<Box<Ciphers>>) {
        let (sealer, opener) = match ciphers {
            Some(ciphers) => (Some(ciphers.sealer), Some(ciphers.opener)),
            None => (None, None),
        };
        self.cancel_timer(reactor);
        let fd = {
            let mut life = self.life.lock();
            life.stage = Stage::Open;
            life.interval_ms = 0;
            life.shaking = None;
            life.raw_fd()
        };
        // As libzmq has it, a peer of an older version does not shake hands.
        let shook_hands = self.settings.raw.is_none() && peer.framing == Framing::Zmtp3;
        {
            let mut life = self.life.lock();
            life.shook_hands = shook_hands;
            life.introduced = (peer.socket_type.clone(), peer.routing_id.clone());
        }
        let before = self.established.fetch_add(1, Ordering::Relaxed);
        self.owner.established(before > 0);
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
        let has_properties = shook_hands || self.settings.raw.is_some();
        if let Some(Ok(metadata)) = has_properties.then(|| self.metadata(fd, peer)) {
            records.push(Record::Peer(metadata));
        }
        if self.settings.publishes && peer.framing == Framing::Zmtp1 {
            // It filters itself (RFC 13): it wants everything.
            records.push(Record::Subscribe(Bytes::new()));
        }
        if self.settings.routes {
            records.push(Record::RoutingId(peer.routing_id.clone()));
        }
        let (to_wire, socket) = (lanes.to_wire.clone(), lanes.socket.clone());
        let begun = {
            let mut reader = self.reader.lock();
            reader.speak(peer.framing, opener);
            let begun = reader.activate(lanes, records);
            // Whoever hears of it finds a socket that knows its peer.
            reader.tell_news();
            if shook_hands {
                self.event(ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0);
            }
            begun.and_then(|()| reader.notify())
        };
        if begun.is_err() {
            return self.lose(reactor, Loss::Stream(libc::ENOMEM));
        }
        self.writer.lock().activate(to_wire, socket, peer, sealer);
        self.lease.open();
        if shook_hands {
            self.begin_heartbeats(reactor);
        }
    }

    fn metadata(&self, fd: RawFd, peer: &Peer) -> Result<Arc<Metadata>> {
        // The first of a name counts. What the connection tells comes first, and then what the authentication handler says: no peer says
        // by itself where or who it is.
        let descriptor = fd.to_string();
        let mut properties: Vec<(&[u8], &[u8])> = vec![(DESCRIPTOR, descriptor.as_bytes())];
        let address = self.life.lock().peer_address.clone();
        if let Some(address) = &address {
            properties.push((PEER_ADDRESS, address.as_bytes()));
        }
        if let Some(admitted) = &peer.admitted {
            properties.push((USER_ID, &admitted.user_id));
            for (name, value) in &admitted.properties {
                properties.push((name, value));
            }
        }
        for (name, value) in &peer.properties {
            if !OURS.contains(&&name[..]) {
                properties.push((name, value));
            }
        }
        Metadata::new(fd, properties)
    }

    /// Who is at the other end, as it is when the connection begins: its address without a port, or its user, group and process.
    fn look_at_peer(&self) -> Option<String> {
        let life = self.life.lock();
        let fd = life.fd.as_ref().map(AsFd::as_fd)?;
        if self.is_tcp() {
            tcp::peer_address(fd).ok()
        } else {
            ipc::peer_address(fd).ok()
        }
    }

    /// There are too many handshakes at the listener, and of those this is the oldest.
    pub(super) fn crowd_out(self: &Arc<Self>, reactor: &mut Reactor) {
        if self.life.lock().stage == Stage::Handshake {
            self.lose(reactor, Loss::Limit(MONOCOQUE_MAX_HANDSHAKES));
        }
    }

    /// Puts a question about the peer to the authentication handler.
    pub(super) fn ask(self: &Arc<Self>, reactor: &mut Reactor, credentials: Credentials) {
        if self.settings.zap.is_enforced && self.settings.zap.domain.is_empty() {
            return self.go_on_after(reactor, Verdict::Absent);
        }
        let Some(address) = self.life.lock().peer_address.clone() else {
            // It went before it was looked at.
            return self.lose(reactor, Loss::Stream(libc::ENOTCONN));
        };
        let question = Question {
            domain: self.settings.zap.domain.clone(),
            address: address.into(),
            routing_id: self.settings.routing_id.clone(),
            credentials,
        };
        let session = self.clone();
        let connection = self.connection.load(Ordering::Acquire);
        let answer = move |frames: &[Bytes]| {
            {
                let mut life = session.life.lock();
                // The connection that asked may be gone, and another may have its answer here.
                if session.connection.load(Ordering::Acquire) != connection {
                    return;
                }
                life.verdict = Some((connection, Verdict::of(frames)));
            }
            let command = life::of_connection(life::ANSWER, connection);
            session.link.clone().call(session, command);
        };
        match self.owner.ask(&question.into_frames(), Box::new(answer)) {
            Some(asked) => {
                self.life.lock().asked = Some(asked);
                self.arm_read(reactor);
            }
            None => self.go_on_after(reactor, Verdict::Absent),
        }
    }

    /// The authentication handler has answered.
    pub(super) fn answered(self: &Arc<Self>, reactor: &mut Reactor) {
        let connection = self.connection.load(Ordering::Acquire);
        let (asked, verdict) = {
            let mut life = self.life.lock();
            (life.asked.take(), life.verdict.take())
        };
        drop(asked);
        if let Some((_, verdict)) = verdict.filter(|(asked_for, _)| *asked_for == connection) {
            self.go_on_after(reactor, verdict);
        }
    }

    fn go_on_after(self: &Arc<Self>, reactor: &mut Reactor, verdict: Verdict) {
        if self.life.lock().stage == Stage::Handshake {
            let outcome = self.reader.lock().answer(verdict);
            self.after_reading(reactor, outcome);
        }
    }

    /// The peer is not welcome for now: it waits until the time for the handshake is over.
    pub(super) fn stall(self: &Arc<Self>, reactor: &mut Reactor, error: ProtocolError) {
        if let Some(kind) = error.event() {
            self.event(kind, error.event_value());
            self.life.lock().is_stalled = true;
        }
        if self.settings.handshake_ms == 0 {
            let timer = reactor.timer_after(STALLED_MAX, self.clone(), HANDSHAKE_TIMEOUT);
            self.life.lock().timer = Some(timer);
        }
    }

    /// A client has a cookie, if it was just given one: it has some time to send it back.
    pub(super) fn watch_cookie(self: &Arc<Self>, reactor: &mut Reactor) {
        let gives_cookies = matches!(self.settings.security, Security::CurveServer(_));
        if !gives_cookies || self.life.lock().cookie.is_some() || !self.reader.lock().holds_cookie() {
            return;
        }
        let timer = reactor.timer_after(COOKIE_LIFETIME, self.clone(), COOKIE);
        self.life.lock().cookie = Some(timer);
    }

    /// A cookie is as old as it may be.
    pub(super) fn look_at_cookie(self: &Arc<Self>, reactor: &mut Reactor) {
        if self.reader.lock().holds_cookie() {
            self.lose(reactor, Loss::Stream(libc::ETIMEDOUT));
        }
    }
}

/// Random bytes for one handshake, where it takes any.
fn randomness(security: &Security) -> Box<Zeroizing<[u8; RANDOM]>> {
    let mut random = Box::new(Zeroizing::new([0; RANDOM]));
    if matches!(security, Security::CurveClient(_) | Security::CurveServer(_)) {
        sodium::random(&mut random[..]);
    }
    random
}

/// Which peers a socket type talks to.
fn acceptor(socket_type: &str) -> fn(&str) -> bool {
    macro_rules! pairs_with {
        ($($name:literal),*) => {
            match socket_type {
                $($name => |theirs| crate::zmtp::pairs($name, theirs),)*
                _ => |_| false,
            }
        };
    }
    pairs_with!(
        "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"
    )
}
