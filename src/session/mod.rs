//! One connection: protocol engine, read half and write half. A connecting session survives reconnection, an accepted one
//! lives as long as its descriptor.
//!
//! Threads: the reactor drives the life of a session ([`life`]); the write half is also driven by the application's threads.
//! Each half is behind a lock with a deferred-work bit, which is its token: whoever holds it drives it, everybody else leaves
//! a note. Order: read half, (try) socket, lane, write half. Only the reactor, holding both halves, closes a descriptor, and
//! only after the last of its operations has completed.

mod connect;
mod crowd;
mod ending;
mod flush_duty;
mod handshake;
mod handshakes;
mod heartbeat;
mod info;
mod lease;
mod lease_word;
mod life;
mod listener;
mod proxy;
mod reader;
mod receive_buffer;
mod traffic;
mod writer;

use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

pub use crowd::Crowd;
pub use heartbeat::Heartbeats;
pub use listener::{Listener, least_loaded};

use crate::pipe::{End, Lane, Lent, Peer, PeerInfo};
use crate::reactor::Link;
use crate::sys::clock;
use crate::sys::lock::Lock;
use crate::sys::mutex::Mutex;
use crate::transport::{IpcEndpoint, Proxy, SocketSettings, TcpConnect};
use crate::zmtp::{MessageLimits, Security};
use flush_duty::FlushDuty;
use lease_word::{Holder, Lease};
use life::Life;
use reader::ReadHalf;
use writer::WriteHalf;

/// A connection that carries bytes, and no protocol of ours (ZMQ_STREAM, ZMQ_ROUTER_RAW).
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// ZMQ_STREAM_NOTIFY: its beginning and its end are told by empty messages.
    pub notifies: bool,
}

/// What a connection needs to know of its socket's options, as they were at bind or connect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The connection is not one of ZMTP.
    pub raw: Option<Raw>,
    /// `ZMQ_TYPE`'s name in ZMTP: `"DEALER"`.
    pub socket_type: &'static str,
    /// ZMQ_ROUTING_ID; sent as `Identity`.
    pub routing_id: Bytes,
    /// ZMQ_METADATA: sent with the handshake.
    pub properties: Vec<(Bytes, Bytes)>,
    /// The socket routes by the peers' ids: they are put into the pipe as records.
    pub routes: bool,
    /// The socket subscribes: its lane to the peer is filled anew for each connection.
    pub subscribes: bool,
    /// The socket takes subscriptions: SUBSCRIBE and CANCEL commands become records.
    pub publishes: bool,
    /// ZMQ_SNDHWM in messages (0: none).
    pub send_limit: u32,
    /// ZMQ_RCVHWM in messages (0: none).
    pub receive_limit: u32,
    /// ZMQ_CONFLATE: only the last message is kept, in either direction.
    pub conflate: bool,
    /// ZMQ_MAXMSGSIZE in bytes.
    pub message_max: Option<u64>,
    /// MONOCOQUE_MAX_MESSAGE_PARTS and MONOCOQUE_MAX_MESSAGE_BYTES.
    pub message_limits: MessageLimits,
    /// MONOCOQUE_MAX_HANDSHAKES (0: none).
    pub handshakes_max: u32,
    /// ZMQ_HANDSHAKE_IVL in milliseconds (0: none).
    pub handshake_ms: u32,
    /// ZMQ_CONNECT_TIMEOUT in milliseconds (0: none).
    pub connect_ms: u32,
    /// ZMQ_RECONNECT_IVL in milliseconds; `None`: no reconnection.
    pub reconnect_ms: Option<u32>,
    /// ZMQ_RECONNECT_IVL_MAX in milliseconds (0: the interval does not grow).
    pub reconnect_max_ms: u32,
    /// ZMQ_RECONNECT_STOP: a refused connection over tcp ends the endpoint.
    pub stops_when_refused: bool,
    /// ZMQ_RECONNECT_STOP: no attempt follows a failed handshake.
    pub stops_when_handshake_fails: bool,
    /// ZMQ_HEARTBEAT_*.
    pub heartbeats: Heartbeats,
    /// ZMQ_IMMEDIATE: messages only go to completed connections.
    pub immediate: bool,
    /// The mechanism, and our role in it.
    pub security: Security,
    /// What the authentication handler is asked, and when.
    pub zap: Zap,
    /// ZMQ_SOCKS_*: whom we connect to instead, over tcp.
    pub proxy: Option<Proxy>,
    /// Options of the descriptor itself.
    pub socket: SocketSettings,
}

/// What a connection's options say of the authentication handler.
#[derive(Clone, Debug, Default)]
pub struct Zap {
    /// ZMQ_ZAP_DOMAIN.
    pub domain: Bytes,
    /// ZMQ_ZAP_ENFORCE_DOMAIN: without a domain or a handler nobody is admitted where there is security.
    pub is_enforced: bool,
}

/// What the authentication handler's reply goes to: its frames.
pub type Answer = Box<dyn FnOnce(&[Bytes]) + Send>;

/// A question to the authentication handler. Without it no answer is wanted any more.
pub type Asked = Box<dyn std::any::Any + Send>;

/// Something that a monitor may want to know (zmq_socket_monitor(3)).
#[derive(Clone, Debug)]
pub struct Event {
    /// One of the `ZMQ_EVENT_*` constants.
    pub kind: i32,
    /// The value that goes with it: a descriptor, an `errno`, an interval, a protocol error.
    pub value: i32,
    /// The endpoint.
    pub endpoint: Vec<u8>,
}

/// What a connection still has to send.
#[derive(Clone, Debug)]
pub struct Unsent {
    /// ZMTP's name of the socket's type.
    pub socket_type: &'static str,
    /// What events call the connection.
    pub endpoint: Vec<u8>,
    /// Messages that the kernel has not taken completely.
    pub messages: u64,
}

/// The socket, as its connections see it. No call waits.
pub trait Owner: Send + Sync {
    /// The peer object for the socket's side of a session's pipe.
    fn notifier(&self, session: u64) -> Arc<dyn Peer>;
    /// A connection is complete and has a new pipe.
    fn attach(&self, session: u64, end: End);
    /// The crowd that its connections are to be members of, if there is one.
    fn crowd(&self) -> Option<&Arc<Crowd>>;
    /// A connecting session has a new connection on its old pipe.
    fn connected(&self, session: u64);
    /// Messages may flow through a connection; `again` says that its session had one before.
    fn established(&self, _again: bool) {}
    /// Such a connection was ended by the peer or an error, with so many bytes that the peer's kernel has not confirmed.
    fn lost(&self, _unconfirmed_bytes: u64) {}
    /// A session or listener was made; what a session still has to send can be asked of it.
    fn started(&self, id: u64, session: Weak<Session>);
    /// A session or listener is over: its descriptor is closed and nothing more comes from it.
    fn finished(&self, session: u64);
    /// An event for the monitor.
    fn event(&self, event: Event);
    /// Asks the authentication handler, if there is one. The answer may come before this returns.
    fn ask(&self, frames: &[Bytes], answer: Answer) -> Option<Asked>;
}

/// Where a session connects to.
#[derive(Debug)]
pub enum Destination {
    /// A tcp address.
    Tcp(TcpConnect),
    /// A local socket.
    Ipc(IpcEndpoint),
}

/// Which side of the connection this is.
#[derive(Debug)]
enum Side {
    /// It connects, again and again.
    Connecting(Destination),
    /// It was accepted.
    Accepted { is_tcp: bool },
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other session or inproc pipe of the process has.
pub fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// One connection.
pub struct Session {
    id: u64,
    side: Side,
    /// What events call it: the endpoint of the connect call, of the listener, or of the proxy.
    endpoint: Vec<u8>,
    link: Link,
    owner: Arc<dyn Owner>,
    settings: Arc<Settings>,
    /// Expects many siblings: reads with the driver's shared buffers.
    crowded: bool,
    life: Mutex<Life>,
    lease: Lease,
    reader: Lock<ReadHalf>,
    writer: Lock<WriteHalf>,
    lanes: Mutex<Option<Lanes>>,
    flush_duty: FlushDuty,
    /// How many connections there were, this one included.
    connection: AtomicU32,
    /// How many of those came so far that messages could flow.
    established: AtomicU64,
    closing: AtomicBool,
    linger_ms: AtomicI32,
    /// The option whose limit the peer passed, on its way to the reactor.
    exceeded: AtomicI32,
}

/// The two lanes of the pipe, as the session sees them.
#[derive(Clone)]
struct Lanes {
    to_socket: Arc<Lane>,
    to_wire: Arc<Lane>,
    socket: Arc<dyn Peer>,
}

impl Session {
    /// A session that connects, with its pipe's end for the socket (none under ZMQ_IMMEDIATE, until it is connected).
    /// Nothing happens before [`Session::start`].
    pub fn connecting(
        destination: Destination,
        name: Vec<u8>,
        settings: Arc<Settings>,
        owner: Arc<dyn Owner>,
        link: Link,
    ) -> (Arc<Session>, Option<End>) {
        let immediate = settings.immediate;
        let name = match (&destination, &settings.proxy) {
            (Destination::Tcp(_), Some(proxy)) => proxy.endpoint(),
            _ => name,
        };
        let session = Session::new(Side::Connecting(destination), name, settings, owner, link, None, false);
        let end = (!immediate).then(|| session.make_pipe());
        (session, end)
    }

    /// A session for an accepted connection.
    fn accepted(
        fd: OwnedFd,
        is_tcp: bool,
        name: Vec<u8>,
        settings: Arc<Settings>,
        owner: Arc<dyn Owner>,
        link: Link,
        crowded: bool,
    ) -> Arc<Session> {
        Session::new(
            Side::Accepted { is_tcp },
            name,
            settings,
            owner,
            link,
            Some(fd),
            crowded,
        )
    }

    fn new(
        side: Side,
        endpoint: Vec<u8>,
        settings: Arc<Settings>,
        owner: Arc<dyn Owner>,
        link: Link,
        fd: Option<OwnedFd>,
        crowded: bool,
    ) -> Arc<Session> {
        link.load().fetch_add(1, Ordering::Relaxed);
        let session = Arc::new_cyclic(|weak| Session {
            id: next_id(),
            side,
            endpoint,
            link,
            owner,
            crowded,
            life: Mutex::new(Life::new(fd)),
            lease: Lease::default(),
            reader: Lock::new(ReadHalf::new(&settings)),
            writer: Lock::new(WriteHalf::new(weak.clone(), &settings)),
            settings,
            lanes: Mutex::new(None),
            flush_duty: FlushDuty::default(),
            connection: AtomicU32::new(0),
            established: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            linger_ms: AtomicI32::new(-1),
            exceeded: AtomicI32::new(0),
        });
        session.owner.started(session.id, Arc::downgrade(&session));
        session
    }

    /// What it is waited for.
    pub fn unsent(&self) -> Unsent {
        let in_lane = self.lanes().map_or(0, |lanes| lanes.to_wire.messages());
        Unsent {
            socket_type: self.settings.socket_type,
            endpoint: self.endpoint.clone(),
            messages: in_lane + self.writer.lock().unsent(),
        }
    }

    /// What other parts know the session by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Has the reactor begin.
    pub fn start(self: &Arc<Session>) {
        self.link.call(self.clone(), life::START);
    }

    /// Ends the connection as [`Peer::closed`] does; for a session that has no pipe yet.
    pub fn close(self: &Arc<Session>, linger_ms: i32) {
        self.linger_ms.store(linger_ms, Ordering::Release);
        self.closing.store(true, Ordering::Release);
        self.link.call(self.clone(), life::CLOSE);
    }

    /// The peer passed the limit of this option: the connection that it has now ends.
    fn exceed(self: &Arc<Session>, option: i32) {
        self.exceeded.store(option, Ordering::Release);
        let connection = self.connection.load(Ordering::Acquire);
        self.link
            .call(self.clone(), life::of_connection(life::EXCEED, connection));
    }

    /// Makes the pipe, keeps its two lanes and gives out the socket's end.
    fn make_pipe(self: &Arc<Session>) -> End {
        let settings = &self.settings;
        let to_socket = Arc::new(Lane::new(settings.receive_limit));
        let to_wire = Arc::new(Lane::new(settings.send_limit));
        if settings.conflate {
            to_socket.keep_only_last();
            to_wire.keep_only_last();
        }
        if settings.subscribes {
            to_wire.hold();
        }
        let socket = self.owner.notifier(self.id);
        let lanes = Lanes {
            to_socket: to_socket.clone(),
            to_wire: to_wire.clone(),
            socket,
        };
        *self.lanes.lock() = Some(lanes);
        End::new(to_socket, to_wire, self.clone().peer())
    }

    fn is_tcp(&self) -> bool {
        match &self.side {
            Side::Connecting(destination) => matches!(destination, Destination::Tcp(_)),
            Side::Accepted { is_tcp } => *is_tcp,
        }
    }

    fn lanes(&self) -> Option<Lanes> {
        self.lanes.lock().clone()
    }

    fn peer(self: Arc<Session>) -> Arc<dyn Peer> {
        Arc::new(Handle(self))
    }

    /// The reactor writes what is left a little after this time.
    fn tick_after(self: &Arc<Session>, since_ns: u64) {
        self.tick_at(self.flush_duty.defer(since_ns));
    }

    /// The reactor writes what the kernel did not take, a little later. Who has waited for the kernel and goes on gives it some slack.
    fn tick_for_rest(self: &Arc<Session>, now_ns: u64, slack_ns: u64) {
        if let Some(deadline_ns) = self.flush_duty.defer_rest(now_ns, slack_ns) {
            self.tick_at(deadline_ns);
        }
    }

    /// The reactor looks after this session at this time, or when the socket is to be reminded.
    fn tick_at(self: &Arc<Session>, deadline_ns: u64) {
        let ring_at = |ring_ns| self.link.ring_at(self.id, ring_ns);
        if self.flush_duty.ask(clock::now_ns(), deadline_ns, ring_at) {
            self.link.call(self.clone(), life::TICK);
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

impl Drop for Session {
    fn drop(&mut self) {
        self.link.load().fetch_sub(1, Ordering::Relaxed);
    }
}

/// The session, as its pipe's other end sees it.
struct Handle(Arc<Session>);

impl Peer for Handle {
    fn readable(&self) {
        self.0.writer.notify();
    }

    fn writable(&self) {
        // A caller that reads the connection sees the room itself.
        match self.0.lease.holder() {
            Holder::Reactor | Holder::Crowd => self.0.link.call(self.0.clone(), life::RESUME),
            Holder::Call => self.0.wake_caller(),
            Holder::Idle => {}
        }
    }

    fn flush(&self) {
        self.0.writer.notify();
    }

    fn flush_later(&self, since_ns: u64, reminds: bool) {
        if reminds {
            self.0.flush_duty.remind(since_ns);
        }
        self.0.flush_duty.promise(since_ns);
        self.0.tick_after(since_ns);
    }

    fn remind_later(&self, since_ns: u64) {
        self.0.flush_duty.remind(since_ns);
        // What waits in the lane goes first.
        let waits = self.0.waits_for_flush();
        self.0.tick_at(if waits {
            self.0.flush_duty.deadline_ns()
        } else {
            u64::MAX
        });
    }

    fn closed(&self, linger_ms: i32) {
        self.0.close(linger_ms);
    }

    fn rejected(&self) {
        let connection = self.0.connection.load(Ordering::Acquire);
        self.0
            .link
            .call(self.0.clone(), life::of_connection(life::BREAK, connection));
    }

    fn exceeded(&self, option: i32) {
        self.0.exceed(option);
    }

    fn wait_to_write(&self) -> Option<RawFd> {
        self.0.writer.lock().wait()
    }

    fn end_wait_to_write(&self) {
        self.0.writer.lock().end_wait();
    }

    fn gather(&self) {
        self.0.link.call(self.0.clone(), life::GATHER);
    }

    fn lend(&self) -> Option<(RawFd, bool)> {
        self.0.take_lease()
    }

    fn is_lent(&self) -> bool {
        !self.0.lease.is_the_reactors()
    }

    fn renew_lending(&self) -> bool {
        self.0.renew_lease()
    }

    fn keep_lending(&self) -> bool {
        self.0.keep_lease()
    }

    fn read_lent(&self) -> Lent {
        self.0.read_by_caller(ReadHalf::tell_news).0
    }

    fn read_lent_silently(&self) -> (Lent, bool) {
        self.0.read_by_caller(ReadHalf::take_news)
    }

    fn pause_lending(&self) {
        self.0.pause_lease();
    }

    fn end_lending(&self) {
        self.0.end_lease();
    }

    fn info(&self) -> PeerInfo {
        self.0.info()
    }

    fn is_connection(&self) -> bool {
        true
    }
}
