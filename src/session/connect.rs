//! Connecting: the name is resolved, one address after the other is tried, and after a failure or a loss the session waits
//! and begins again. On the reactor's thread, as all of [`super::life`].

use std::borrow::Cow;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::life::{CONNECT, CONNECT_TIMEOUT, RECONNECT, RESOLVED, Stage};
use super::{Destination, Session, Side};
use crate::constants::*;
use crate::error::{Error, Result};
use crate::reactor::{Interest, Reactor};
use crate::sys::descriptors::Descriptor;
use crate::transport::resolver::Resolver;
use crate::transport::{TcpConnect, finish_connect, ipc, tcp};

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
            Destination::Ipc(address) => self.connect_started(reactor, ipc::start_connect(address)),
            Destination::Tcp(address) => {
                let ipv6 = self.settings.socket.ipv6;
                let peer = match self.next_hop(address).peer() {
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
            Some(Err(error)) => self.connect_failed(reactor, error),
            None => self.connect_failed(reactor, Error::HostUnreachable),
        }
    }

    /// What we connect to for the endpoint: it, or the proxy.
    fn next_hop<'a>(&self, endpoint: &'a TcpConnect) -> Cow<'a, TcpConnect> {
        match self.proxy() {
            Some(proxy) => Cow::Owned(proxy.address()),
            None => Cow::Borrowed(endpoint),
        }
    }

    fn try_next_address(self: &Arc<Self>, reactor: &mut Reactor) {
        let Side::Connecting(Destination::Tcp(endpoint)) = &self.side else {
            return;
        };
        let address = self.life.lock().addresses.pop_front();
        let settings = &self.settings.socket;
        // The source address that the proxy's text may have goes before the endpoint's.
        let source = match self.next_hop(endpoint).source(settings.ipv6) {
            Ok(None) => endpoint.source(settings.ipv6),
            source => source,
        };
        let started = match (address, source) {
            (Some(address), Ok(source)) => tcp::start_connect(address, source, settings),
            (Some(_), Err(error)) => Err(error),
            (None, _) => Err(Error::HostUnreachable),
        };
        self.connect_started(reactor, started);
    }

    fn connect_started(self: &Arc<Self>, reactor: &mut Reactor, started: Result<(OwnedFd, Result<()>)>) {
        match started {
            Ok((fd, Ok(()))) => {
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
            Ok((fd, Err(error))) => {
                self.life.lock().fd = Some(fd.into());
                self.connect_failed(reactor, error);
            }
            Err(error) => self.connect_failed(reactor, error),
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
        match connected {
            Ok(_) if self.proxy().is_some() => self.begin_exchange(reactor),
            Ok(fd) => self.connected(reactor, fd),
            Err(error) => self.connect_failed(reactor, error),
        }
    }

    /// The peer is there, or the proxy that has reached it.
    pub(super) fn connected(self: &Arc<Self>, reactor: &mut Reactor, fd: RawFd) {
        self.cancel_timer(reactor);
        self.event(ZMQ_EVENT_CONNECTED, fd);
        self.begin_handshake(reactor);
    }

    pub(super) fn connect_failed(self: &Arc<Self>, reactor: &mut Reactor, error: Error) {
        self.cancel_timer(reactor);
        let (fd, more) = {
            let mut life = self.life.lock();
            if life.stage != Stage::Connecting {
                return;
            }
            life.talk = None;
            if let Some(token) = life.connect {
                // Timed out: the attempt has failed when its operation is over.
                reactor.cancel(token);
                return;
            }
            (life.fd.take(), !life.addresses.is_empty())
        };
        self.attempt_closed(fd);
        // As libzmq has it, a proxy that is not there may come.
        let refused = error == Error::ConnectionRefused
            && self.proxy().is_none()
            && matches!(self.side, Side::Connecting(Destination::Tcp(_)));
        if more {
            self.try_next_address(reactor);
        } else if refused && self.settings.stops_when_refused {
            self.life.lock().stage = Stage::Waiting;
            self.end(reactor);
        } else if self.settings.reconnect_ms.is_none() {
            self.give_up(reactor);
        } else {
            self.wait_to_connect(reactor);
        }
    }

    /// The descriptor of an attempt that came to nothing is closed.
    pub(super) fn attempt_closed(&self, fd: Option<Descriptor>) {
        if let Some(fd) = fd {
            let raw = fd.as_raw_fd();
            drop(fd);
            self.event(ZMQ_EVENT_CLOSED, raw);
        }
    }

    /// Makes no further attempt. What waits to be sent cannot be sent any more.
    pub(super) fn give_up(self: &Arc<Self>, reactor: &mut Reactor) {
        self.life.lock().stage = Stage::GivenUp;
        if self.closing.load(Ordering::Acquire) {
            self.end(reactor);
        }
    }

    /// One back-off for every cause of failure, with jitter; it starts over after a completed handshake. With a maximum the interval
    /// that is told is exact, as in libzmq, and the wait somewhat shorter.
    pub(super) fn wait_to_connect(self: &Arc<Self>, reactor: &mut Reactor) {
        let Some(first) = self.settings.reconnect_ms else {
            self.life.lock().stage = Stage::Waiting;
            return self.end(reactor);
        };
        let random = reactor.jitter();
        let (interval, wait) = {
            let mut life = self.life.lock();
            life.stage = Stage::Waiting;
            let base = if life.interval_ms == 0 { first } else { life.interval_ms };
            // With a maximum the interval grows and is exact; one that is below the interval is ignored.
            let grows = first > 0 && self.settings.reconnect_max_ms >= first;
            life.interval_ms = if grows {
                base.saturating_mul(2).min(self.settings.reconnect_max_ms)
            } else {
                first
            };
            if grows {
                (base, shortened(base, random))
            } else {
                let jitter = if first == 0 { 0 } else { random as u32 % first };
                (base.saturating_add(jitter), base.saturating_add(jitter))
            }
        };
        self.event(ZMQ_EVENT_CONNECT_RETRIED, interval as i32);
        let timer = reactor.timer_after(Duration::from_millis(u64::from(wait)), self.clone(), RECONNECT);
        self.life.lock().timer = Some(timer);
        self.end_if_drained(reactor);
    }
}

/// The interval, or up to a quarter less: those who lost the same peer do not all come back at once.
fn shortened(interval_ms: u32, random: u64) -> u32 {
    let most = u64::from(interval_ms / 4) + 1;
    interval_ms - (random % most) as u32
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_wait_is_three_quarters_of_the_interval_or_more_and_differs() {
        for interval_ms in [0, 1, 3, 10, 400, u32::MAX] {
            let waits: Vec<u32> = (0..1000).map(|random| shortened(interval_ms, random * 7919)).collect();
            let least = interval_ms - interval_ms / 4;
            assert!(waits.iter().all(|wait| (least..=interval_ms).contains(wait)));
            assert_eq!(waits.iter().any(|wait| *wait != waits[0]), interval_ms >= 4);
        }
    }
}
