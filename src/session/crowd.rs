//! The connections of a socket that has many: watched together by one epoll instance, and read together by whoever watches
//! that: the reactor, or, on a lease, a calling thread.
//!
//! With a lease for each of them a thread would have to watch hundreds of descriptors in every wait. Here the lease passes to and
//! fro for all at once. Order: members before read halves; nothing is waited for under the members' lock.
//!
//! Invariant: a session is a member exactly while its lease says so, but for the moment of joining and leaving, which the
//! reactor of the session sees to, or has asked for.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lease_word::{Holder, Lease, Look};
use super::reader::Outcome;
use super::{Session, life, next_id, reader};
use crate::error::Result;
use crate::pipe::{Lent, Peer};
use crate::reactor::{Completion, Handler, Interest, Link, Reactor, Token};
use crate::sys::epoll::{Epoll, Event, NO_EVENT};
use crate::sys::mutex::Mutex;

/// So many connections are read before others have their turn.
const READS_MAX: usize = 64;
/// Bytes that are read at once.
const READ_BYTES: usize = 128 * 1024;
const _: () = assert!(READ_BYTES > reader::KEPT_MAX);

// Commands.
const START: u32 = 0;
const CLOSE: u32 = 1;
const LEASED: u32 = 2;
const ENDED: u32 = 3;

/// The connections of one socket.
pub struct Crowd {
    id: u64,
    link: Link,
    epoll: Epoll,
    lease: Lease,
    members: Mutex<HashMap<u64, Member>>,
    reading: Mutex<Reading>,
    /// The reactor's operation.
    watch: Mutex<Option<Token>>,
    /// `None`: the socket is closed.
    socket: Mutex<Option<Arc<dyn Peer>>>,
    closed: AtomicBool,
    /// There was no memory to read: the reactor alone tries again, from time to time.
    rests: AtomicBool,
}

struct Member {
    session: Arc<Session>,
    fd: RawFd,
}

/// Memory for those who read.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    ready: Vec<Arc<Session>>,
}

impl Crowd {
    /// A crowd without members, which the reactor behind `link` watches. `socket` is told of what is read.
    ///
    /// Errors: as of [`Epoll::new`].
    pub fn new(link: Link, socket: impl FnOnce(u64) -> Arc<dyn Peer>) -> Result<Arc<Crowd>> {
        let id = next_id();
        let crowd = Arc::new(Crowd {
            id,
            epoll: Epoll::new()?,
            lease: Lease::default(),
            members: Mutex::new(HashMap::new()),
            reading: Mutex::new(Reading::default()),
            watch: Mutex::new(None),
            socket: Mutex::new(Some(socket(id))),
            closed: AtomicBool::new(false),
            rests: AtomicBool::new(false),
            link,
        });
        crowd.lease.open();
        crowd.link.call(crowd.clone(), START);
        Ok(crowd)
    }

    /// The crowd, as a caller sees it who takes a lease.
    pub fn peer(self: &Arc<Crowd>) -> Arc<dyn Peer> {
        Arc::new(Handle(self.clone()))
    }

    /// The socket is closed: the reactor watches until the last connection is gone.
    pub fn close(self: &Arc<Crowd>) {
        drop(self.socket.lock().take());
        self.closed.store(true, Ordering::SeqCst);
        self.lease.end();
        self.link.call(self.clone(), CLOSE);
    }

    /// Watches a connection. False: the kernel cannot, or the socket is closed: then the reactor may watch the crowd no more.
    fn add(&self, session: &Arc<Session>, fd: RawFd) -> bool {
        let mut members = self.members.lock();
        if self.closed.load(Ordering::SeqCst) || members.try_reserve(1).is_err() {
            return false;
        }
        // It is one already where a thread that read the connection before this one took the lease from the crowd only afterwards.
        if members.contains_key(&session.id) {
            return true;
        }
        let session = session.clone();
        let id = session.id;
        let added = self.epoll.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN as u32, id);
        if added.is_ok() {
            members.insert(id, Member { session, fd });
        }
        added.is_ok()
    }

    /// Watches a connection no more. While this runs its descriptor is not closed.
    fn remove(self: &Arc<Crowd>, id: u64) {
        let mut members = self.members.lock();
        let Some(member) = members.remove(&id) else { return };
        // Cannot fail: the descriptor was added, and is open.
        let _ = self.epoll.control(libc::EPOLL_CTL_DEL, member.fd, 0, 0);
        let is_over = members.is_empty() && self.closed.load(Ordering::SeqCst);
        drop(members);
        if is_over {
            self.link.call(self.clone(), CLOSE);
        }
    }

    /// Reads what is there into the pipes. False: there is no memory for that.
    fn read(self: &Arc<Crowd>) -> bool {
        let mut reading = self.reading.lock();
        let Reading { bytes, ready } = &mut *reading;
        let mut events = [NO_EVENT; READS_MAX];
        let found: &[Event] = self.epoll.look(&mut events);
        if found.is_empty() {
            return true;
        }
        if ready.try_reserve(found.len()).is_err() || bytes.try_reserve(READ_BYTES - bytes.len()).is_err() {
            self.rests.store(true, Ordering::Release);
            return false;
        }
        bytes.resize(READ_BYTES, 0);
        self.rests.store(false, Ordering::Release);
        {
            let members = self.members.lock();
            let found = found.iter().filter_map(|event| members.get(&{ event.u64 }));
            ready.extend(found.map(|member| member.session.clone()));
        }
        let mut has_news = false;
        for session in ready.drain(..) {
            has_news |= session.read_as_member(self, bytes);
        }
        let socket = self.socket.lock().clone();
        drop(reading);
        if let (true, Some(socket)) = (has_news, socket) {
            socket.tell();
        }
        true
    }

    /// The reactor's turn.
    fn watch(self: &Arc<Crowd>, reactor: &mut Reactor) {
        let mut watch = self.watch.lock();
        let is_over = self.closed.load(Ordering::SeqCst) && self.members.lock().is_empty();
        match *watch {
            Some(token) if is_over => reactor.cancel(token),
            None if !is_over && self.lease.is_the_reactors() => {
                *watch = Some(reactor.poll(self.epoll.as_raw_fd(), Interest::Read, self.clone(), life::READ));
            }
            _ => {}
        }
    }
}

impl Handler for Crowd {
    fn id(&self) -> u64 {
        self.id
    }

    fn command(self: Arc<Self>, reactor: &mut Reactor, what: u32) {
        match what {
            LEASED => drop(reactor.timer_after(super::lease::TICK, self.clone(), life::LEASE_TICK)),
            START | CLOSE | ENDED => self.watch(reactor),
            _ => {}
        }
    }

    fn completed(self: Arc<Self>, reactor: &mut Reactor, _purpose: u32, completion: Completion) {
        *self.watch.lock() = None;
        let fails = match completion {
            Completion::Ready { result: Err(errno), .. } => errno != libc::ECANCELED,
            _ => self.lease.is_the_reactors() && !self.read(),
        };
        if fails {
            // There is no memory, here or in the kernel.
            reactor.timer_after(super::lease::TICK, self, life::READ);
            return;
        }
        self.watch(reactor);
    }

    fn timer(self: Arc<Self>, reactor: &mut Reactor, purpose: u32) {
        if purpose == life::READ {
            self.rests.store(false, Ordering::Release);
            return self.watch(reactor);
        }
        match self.lease.look() {
            Look::Again => drop(reactor.timer_after(super::lease::TICK, self.clone(), life::LEASE_TICK)),
            Look::Stop => {}
            Look::Lapsed => self.watch(reactor),
        }
    }

    fn tick(self: Arc<Self>, _reactor: &mut Reactor) -> Option<u64> {
        None
    }

    fn turn_ended(self: Arc<Self>) {}

    fn failed(self: Arc<Self>, reactor: &mut Reactor) {
        self.watch(reactor);
    }
}

/// The crowd, as a caller sees it.
struct Handle(Arc<Crowd>);

impl Peer for Handle {
    fn readable(&self) {}

    fn writable(&self) {}

    fn closed(&self, _linger_ms: i32) {}

    fn lend(&self) -> Option<(RawFd, bool)> {
        let lends = !self.0.rests.load(Ordering::Acquire) && self.0.lease.take();
        lends.then(|| (self.0.epoll.as_raw_fd(), false))
    }

    fn read_lent(&self) -> Lent {
        if self.0.lease.is_the_reactors() {
            return Lent::Over;
        }
        if !self.0.read() {
            self.end_lending();
            return Lent::Over;
        }
        Lent::Read
    }

    fn pause_lending(&self) {
        if self.0.lease.pause() {
            self.0.link.call(self.0.clone(), LEASED);
        }
    }

    fn is_lent(&self) -> bool {
        !self.0.lease.is_the_reactors()
    }

    fn renew_lending(&self) -> bool {
        self.0.lease.renew()
    }

    fn keep_lending(&self) -> bool {
        let keeps = self.lend().is_some();
        if keeps {
            self.pause_lending();
        }
        keeps
    }

    fn end_lending(&self) {
        if self.0.lease.end() {
            self.0.link.call(self.0.clone(), ENDED);
        }
    }
}

impl Session {
    /// Reactor: the crowd watches the connection from now on, if the socket has one. What arrived before is read by it.
    pub(super) fn join_crowd(self: &Arc<Self>, fd: RawFd) -> bool {
        let Some(crowd) = self.owner.crowd() else { return false };
        if !self.lease.join() {
            return false;
        }
        let is_member = crowd.add(self, fd);
        if !is_member {
            self.lease.leave();
        }
        is_member
    }

    /// Reactor: the connection ends, and its descriptor is still open.
    pub(super) fn leave_crowd(&self) {
        if let Some(crowd) = self.owner.crowd() {
            crowd.remove(self.id);
        }
    }

    /// Whoever reads the crowd. True: the socket is to be told.
    fn read_as_member(self: &Arc<Self>, crowd: &Arc<Crowd>, bytes: &mut [u8]) -> bool {
        let (lent, has_news) = self.read_here(|reader| {
            // Looked at under the reader's lock: the lease is closed before the read half is.
            let outcome = match self.lease.holder() {
                Holder::Crowd => reader.read(bytes, 1),
                _ => Outcome::Drained,
            };
            (outcome, reader.leave_news())
        });
        if lent != Lent::Read {
            // The reactor of the session goes on: it comes back when the pipe has room again, or ends the connection.
            crowd.remove(self.id);
            self.lease.leave();
            self.link.call(self.clone(), life::READ_AGAIN);
        }
        has_news
    }
}
