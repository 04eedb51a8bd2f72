//! Through a proxy: what is said between the connect and the handshake. On the reactor's thread, as all of [`super::life`].
//!
//! Invariants: meanwhile the stage is `Connecting`, at most one operation is under way, and a timer runs. An exchange whose time is
//! over is gone from the session's life.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use super::life::{CONNECT_TIMEOUT, PROXY, Stage};
use super::{Destination, Session, Side};
use crate::error::{Error, Result};
use crate::reactor::driver::{receive_now, send_now};
use crate::reactor::{Interest, Reactor, Segment, SendBuffers};
use crate::transport::Proxy;
use crate::transport::socks::Exchange;

/// How long a proxy may take to reach the peer where ZMQ_CONNECT_TIMEOUT sets no time: as long as a connect of our own would.
const EXCHANGE_MAX: Duration = Duration::from_secs(127);

/// An exchange, and what of it the kernel has not taken.
pub struct Talk {
    exchange: Exchange,
    outgoing: SendBuffers,
}

impl Session {
    /// Whom we connect to in place of the peer.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        match self.side {
            Side::Connecting(Destination::Tcp(_)) => self.settings.proxy.as_ref(),
            _ => None,
        }
    }

    /// The proxy has taken the connection. ZMQ_CONNECT_TIMEOUT runs on, as the peer is not reached yet.
    pub(super) fn begin_exchange(self: &Arc<Self>, reactor: &mut Reactor) {
        let (Some(proxy), Side::Connecting(Destination::Tcp(address))) = (self.proxy(), &self.side) else {
            return;
        };
        let target = match address.proxied_peer() {
            Ok(target) => target,
            Err(error) => return self.connect_failed(reactor, error),
        };
        let talk = Talk {
            exchange: Exchange::new(proxy, &target),
            outgoing: SendBuffers::new(),
        };
        let needs_timer = {
            let mut life = self.life.lock();
            // What it answers it would answer at its other addresses as well.
            life.addresses.clear();
            life.talk = Some(talk);
            life.timer.is_none()
        };
        if needs_timer {
            let timer = reactor.timer_after(EXCHANGE_MAX, self.clone(), CONNECT_TIMEOUT);
            self.life.lock().timer = Some(timer);
        }
        self.go_on_talking(reactor);
    }

    /// Says and hears what can be said and heard at once.
    pub(super) fn go_on_talking(self: &Arc<Self>, reactor: &mut Reactor) {
        let (fd, talk) = {
            let mut life = self.life.lock();
            if life.stage != Stage::Connecting {
                return;
            }
            (life.raw_fd(), life.talk.take())
        };
        let Some(mut talk) = talk else {
            return self.connect_failed(reactor, Error::Os(libc::ETIMEDOUT));
        };
        match talk.go_on(fd) {
            Ok(Some(interest)) => {
                let token = reactor.poll(fd, interest, self.clone(), PROXY);
                let mut life = self.life.lock();
                life.talk = Some(talk);
                life.operations += 1;
                life.connect = Some(token);
            }
            Ok(None) => self.connected(reactor, fd),
            Err(error) => self.connect_failed(reactor, error),
        }
    }
}

impl Talk {
    /// What to wait for, or none when the connection is the peer's.
    fn go_on(&mut self, fd: RawFd) -> Result<Option<Interest>> {
        loop {
            if let Some(bytes) = self.exchange.take_outgoing() {
                self.outgoing.push(Segment::Bytes(bytes));
            }
            if !self.outgoing.is_empty() {
                match send_now(fd, &self.outgoing) {
                    Ok(count) => self.outgoing.advance(count),
                    Err(libc::EAGAIN) => return Ok(Some(Interest::Write)),
                    Err(errno) => return Err(Error::from_errno(errno)),
                }
                continue;
            }
            let Some(room) = self.exchange.room() else {
                return Ok(None);
            };
            match receive_now(fd, room) {
                Ok(0) => return Err(Error::HostUnreachable),
                Ok(count) => self.exchange.received(count).map_err(|_| Error::HostUnreachable)?,
                Err(libc::EAGAIN) => return Ok(Some(Interest::Read)),
                Err(errno) => return Err(Error::from_errno(errno)),
            }
        }
    }
}
