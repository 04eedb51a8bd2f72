//! The handshake of a new connection, and what begins when it is complete. On the reactor's thread, as all of
//! [`super::life`].

use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::life::{HANDSHAKE_TIMEOUT, Loss, Stage};
use super::reader::Outcome;
use super::{Destination, Session, Side};
use crate::constants::*;
use crate::error::Result;
use crate::message::Metadata;
use crate::pipe::Record;
use crate::reactor::Reactor;
use crate::transport::{ipc, tcp};
use crate::zmtp::{Framing, Handshake, HandshakeConfig, Peer};

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
        let connection = self.connection.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let settings = &self.settings;
        if settings.raw.is_some() {
            self.reader.lock().open_raw(fd);
            self.writer.lock().open(fd, connection);
            self.activate(reactor, &Peer::default());
            return self.after_reading(reactor, Outcome::Drained);
        }
        let handshake = Handshake::new(HandshakeConfig {
            socket_type: settings.socket_type,
            routing_id: Some(settings.routing_id.clone()),
            accepts: acceptor(settings.socket_type),
            properties: settings.properties.clone(),
        });
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
    pub(super) fn activate(self: &Arc<Self>, reactor: &mut Reactor, peer: &Peer) {
        self.cancel_timer(reactor);
        let fd = {
            let mut life = self.life.lock();
            life.stage = Stage::Open;
            life.interval_ms = 0;
            life.raw_fd()
        };
        // As libzmq has it, a peer of an older version does not shake hands.
        let shook_hands = self.settings.raw.is_none() && peer.framing == Framing::Zmtp3;
        self.life.lock().shook_hands = shook_hands;
        if shook_hands {
            self.event(ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0);
        }
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
            reader.speak(peer.framing);
            reader.activate(lanes, records).and_then(|()| reader.notify())
        };
        if begun.is_err() {
            return self.lose(reactor, Loss::Stream(libc::ENOMEM));
        }
        self.writer.lock().activate(to_wire, socket, peer);
        self.lease.open();
        if shook_hands {
            self.begin_heartbeats(reactor);
        }
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
