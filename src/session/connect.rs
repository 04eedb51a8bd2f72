//! Connecting: the name is resolved, one address after the other is tried, and after a failure or a loss the session waits
//! and begins again. On the reactor's thread, as all of [`super::life`].

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::life::{CONNECT, CONNECT_TIMEOUT, RECONNECT, RESOLVED, Stage};
use super::{Destination, Session, Side};
use crate::constants::*;
use crate::error::{Error, Result};
use crate::reactor::{Interest, Reactor};
use crate::transport::resolver::Resolver;
use crate::transport::{finish_connect, ipc, tcp};

/// Looks names up for all contexts.
static RESOLVER: LazyLock<Resolver> = LazyLock::new(Resolver::new);

impl Session {
    pub(super) fn begin_connecting(self: &Arc<Self>, reactor: &mut Reactor) {
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
                    self.life.lock().fd = Some(fd.into());
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

    pub(super) fn resolved(self: &Arc<Self>, reactor: &mut Reactor) {
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
                life.fd = Some(fd.into());
                life.operations += 1;
                life.connect = Some(token);
                life.timer = timer;
            }
            Err(_) => self.connect_failed(reactor),
        }
    }

    pub(super) fn connect_finished(self: &Arc<Self>, reactor: &mut Reactor) {
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

    pub(super) fn connect_failed(self: &Arc<Self>, reactor: &mut Reactor) {
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
    pub(super) fn wait_to_connect(self: &Arc<Self>, reactor: &mut Reactor) {
        let Some(first) = self.settings.reconnect_ms else {
            self.life.lock().stage = Stage::Waiting;
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
}
