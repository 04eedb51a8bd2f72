//! A bound endpoint: accepts connections and makes a session of each. Driven by its reactor.
//!
//! At the descriptor limit it stops accepting, says so once, and tries again after a pause (libzmq spins).

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::SockRef;

use super::handshakes::Handshakes;
use super::{Event, Owner, Session, Settings, life, next_id};
use crate::constants::{ZMQ_EVENT_ACCEPT_FAILED, ZMQ_EVENT_ACCEPTED, ZMQ_EVENT_CLOSED};
use crate::options::Filters;
use crate::reactor::{Completion, Handler, Link, Reactor, Token};
use crate::sys::descriptors::Descriptor;
use crate::sys::mutex::Mutex;
use crate::sys::promise::{Awaited, Promise, promise};
use crate::sys::reserve;
use crate::transport::{ipc, tcp};

const START: u32 = 0;
const CLOSE: u32 = 1;
/// How long a listener rests after a failed accept.
const REST: Duration = Duration::from_millis(250);
/// With more live connections than this, new ones are read with the driver's shared buffers.
const CROWD: usize = 16;

/// A bound endpoint.
pub struct Listener {
    id: u64,
    endpoint: Vec<u8>,
    is_tcp: bool,
    settings: Arc<Settings>,
    filters: Filters,
    owner: Arc<dyn Owner>,
    link: Link,
    /// The reactors that take its connections.
    links: Vec<Link>,
    sessions: Mutex<Vec<(u64, Weak<Session>)>>,
    handshakes: Mutex<Handshakes>,
    state: Mutex<State>,
    closed: Promise<()>,
    linger_ms: AtomicI32,
}

struct State {
    fd: Option<Descriptor>,
    token: Option<Token>,
    closing: bool,
}

impl Listener {
    /// A listener on a descriptor that listens already. `Awaited` hears when the descriptor is closed.
    pub fn new(
        fd: OwnedFd,
        endpoint: Vec<u8>,
        is_tcp: bool,
        settings: Arc<Settings>,
        filters: Filters,
        owner: Arc<dyn Owner>,
        links: Vec<Link>,
    ) -> (Arc<Listener>, Awaited<()>) {
        let (closed, hears) = promise();
        let link = least_loaded(&links).clone();
        link.load().fetch_add(1, Ordering::Relaxed);
        let handshakes = Handshakes::new(settings.handshakes_max);
        let listener = Arc::new(Listener {
            id: next_id(),
            endpoint,
            is_tcp,
            settings,
            filters,
            owner,
            link,
            links,
            sessions: Mutex::new(Vec::new()),
            handshakes: Mutex::new(handshakes),
            state: Mutex::new(State {
                fd: Some(fd.into()),
                token: None,
                closing: false,
            }),
            closed,
            linger_ms: AtomicI32::new(0),
        });
        listener.owner.started(listener.id, Weak::new());
        listener.link.call(listener.clone(), START);
        (listener, hears)
    }

    /// Stops listening and closes the descriptor.
    pub fn close(self: &Arc<Listener>, linger_ms: i32) {
        self.linger_ms.store(linger_ms, Ordering::Release);
        self.link.call(self.clone(), CLOSE);
    }

    /// The live sessions that were accepted here.
    fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions
            .lock()
            .iter()
            .filter_map(|(_, session)| session.upgrade())
            .collect()
    }

    fn arm(self: &Arc<Listener>, reactor: &mut Reactor) {
        let mut state = self.state.lock();
        if let Some(fd) = state.fd.as_ref().map(AsRawFd::as_raw_fd)
            && state.token.is_none()
            && !state.closing
        {
            state.token = Some(reactor.accept(fd, self.clone(), START));
        }
    }

    fn accept(self: &Arc<Listener>, fd: OwnedFd) {
        let raw = fd.as_raw_fd();
        if let Err(error) = reserve::spare() {
            return self.event(ZMQ_EVENT_ACCEPT_FAILED, error.errno());
        }
        if !self.admits(&fd) {
            // Accepted, and then turned away: there is no error number.
            return self.event(ZMQ_EVENT_ACCEPT_FAILED, 0);
        }
        if self.is_tcp {
            tcp::tune(&fd, &self.settings.socket);
        }
        // The connection's own end, which is more than the listener knows where that is bound to a wildcard.
        let local = if self.is_tcp {
            tcp::local_endpoint(&fd).map(String::into_bytes)
        } else {
            ipc::local_endpoint(&fd)
        };
        let endpoint = local.unwrap_or_else(|_| self.endpoint.clone());
        self.owner.event(Event {
            kind: ZMQ_EVENT_ACCEPTED,
            value: raw,
            endpoint: endpoint.clone(),
        });
        let mut sessions = self.sessions.lock();
        sessions.retain(|(_, session)| session.strong_count() > 0);
        let crowded = sessions.len() >= CROWD;
        let link = least_loaded(&self.links).clone();
        let session = Session::accepted(
            fd,
            self.is_tcp,
            endpoint,
            self.settings.clone(),
            self.owner.clone(),
            link,
            crowded,
        );
        sessions.push((session.id(), Arc::downgrade(&session)));
        drop(sessions);
        let shakes_hands = self.settings.raw.is_none();
        let oldest = shakes_hands.then(|| self.handshakes.lock().begin(&session)).flatten();
        session.start();
        if let Some(oldest) = oldest {
            oldest.link.call(oldest.clone(), life::CROWD_OUT);
        }
    }

    fn admits(&self, fd: &OwnedFd) -> bool {
        if self.is_tcp {
            let address = SockRef::from(fd)
                .peer_addr()
                .ok()
                .and_then(|address| address.as_socket());
            address.is_none_or(|address| self.filters.admit_address(address.ip()))
        } else if self.filters.concern_processes() {
            ipc::credentials(fd).is_ok_and(|peer| self.filters.admit_process(peer.pid as i32, peer.uid, &[peer.gid]))
        } else {
            true
        }
    }

    fn close_now(&self) {
        let mut state = self.state.lock();
        if state.token.is_none()
            && let Some(fd) = state.fd.take()
        {
            let raw = fd.as_raw_fd();
            drop(fd);
            drop(state);
            self.event(ZMQ_EVENT_CLOSED, raw);
            self.owner.finished(self.id);
            self.closed.keep(());
        }
    }

    fn event(&self, kind: i32, value: i32) {
        self.owner.event(Event {
            kind,
            value,
            endpoint: self.endpoint.clone(),
        });
    }
}

impl Handler for Listener {
    fn id(&self) -> u64 {
        self.id
    }

    fn command(self: Arc<Self>, reactor: &mut Reactor, what: u32) {
        if what == START {
            return self.arm(reactor);
        }
        let token = {
            let mut state = self.state.lock();
            state.closing = true;
            state.token
        };
        // Only this thread accepts: nothing follows these, and each was started before.
        for session in self.sessions() {
            session.close(self.linger_ms.load(Ordering::Acquire));
        }
        match token {
            Some(token) => reactor.cancel(token),
            None => self.close_now(),
        }
    }

    fn completed(self: Arc<Self>, reactor: &mut Reactor, _purpose: u32, completion: Completion) {
        let Completion::Accepted { result, more, .. } = completion else {
            return;
        };
        if !more {
            self.state.lock().token = None;
        }
        let closing = self.state.lock().closing;
        match result {
            Ok(fd) if !closing => self.accept(fd),
            Err(errno) if !closing && errno != libc::ECANCELED => {
                self.event(ZMQ_EVENT_ACCEPT_FAILED, errno);
                reactor.timer_after(REST, self.clone(), START);
                return;
            }
            _ => {}
        }
        if !more {
            if closing { self.close_now() } else { self.arm(reactor) }
        }
    }

    fn timer(self: Arc<Self>, reactor: &mut Reactor, _purpose: u32) {
        self.arm(reactor);
    }

    fn tick(self: Arc<Self>, _reactor: &mut Reactor) -> Option<u64> {
        None
    }

    fn turn_ended(self: Arc<Self>) {}

    fn failed(self: Arc<Self>, reactor: &mut Reactor) {
        self.command(reactor, CLOSE);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.link.load().fetch_sub(1, Ordering::Relaxed);
    }
}

/// The reactor that serves the fewest.
pub fn least_loaded(links: &[Link]) -> &Link {
    let mut best = &links[0];
    for link in links {
        if link.load().load(Ordering::Relaxed) < best.load().load(Ordering::Relaxed) {
            best = link;
        }
    }
    best
}
