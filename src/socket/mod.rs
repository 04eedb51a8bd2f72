//! A socket: its pattern, its pipes and endpoints, its options, and who waits for it.
//!
//! Everything of a [`Socket`] is under one lock, that of its handle's slot. Connections and peers never wait for it: they put a
//! [`Note`] into the inbox and notify the lock; whoever holds it applies the notes, at the latest before letting go. Only
//! non-blocking direct writes, and reads of what callers hold, are made under the lock. It is never waited for while another lock is
//! held. Under it leaves are taken, the halves of connections, and a crowd's buffer; another socket, which may hold messages back
//! for this one, is only notified.

mod calls;
mod endpoints;
mod leases;
mod left_behind;
mod monitor;
mod options;
mod parts;
mod poll;
mod proxy;
mod readiness;
mod stats;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

pub use calls::{Begun, begin_receive, begin_send, go_on, receive_on, receive_parts, send, send_parts};
pub(crate) use endpoints::Closing;
pub use poll::{PollItem, poll};
pub use proxy::proxy;
pub use stats::{PeerStats, Stats};

use crate::constants::*;
use crate::context::{Context, Member};
use crate::error::{Error, Result};
use crate::handle::{Handle, Reference, Region, Table};
use crate::options::{ContextOpt, Opt, Options, ROWS};
use crate::pattern::{self, Pattern, PipeId, Pipes};
use crate::pipe::{End, Peer, PeerInfo, PeerState};
use crate::session::{Answer, Asked, Crowd, Event, Owner, Session, next_id};
use crate::sys::lock::Deferred;
use crate::sys::mutex::Mutex;
use crate::sys::waiter::{Waiter, Wakes};
use crate::zmtp::zap;
use bytes::Bytes;
use endpoints::Endpoints;
use leases::Leases;
use monitor::{Monitor, Report};
use readiness::Readiness;
use stats::Connections;

/// The sockets that C programs hold handles of.
pub static SOCKETS: Table<Socket> = Table::new(Region::Sockets);

/// The socket behind a handle.
///
/// Errors: `ENOTSOCK`.
#[inline]
pub fn find(handle: *const std::ffi::c_void) -> Result<Reference<Socket>> {
    SOCKETS.slot(handle).ok_or(Error::NotSocket)
}

/// News for a socket from its connections and peers.
enum Note {
    Attach { connection: u64, end: Box<End> },
    Readable(u64),
    Writable(u64),
    Closed(u64),
    Connected(u64),
    Finished(u64),
    Flush,
    Terminate,
    Report(Report),
}

/// A socket.
pub struct Socket {
    shared: Arc<Shared>,
    context: Arc<Context>,
    options: Options,
    pattern: Box<dyn Pattern>,
    pipes: Pipes,
    by_connection: HashMap<u64, PipeId>,
    connections: HashMap<PipeId, u64>,
    /// Pipes whose other end is closed, which are removed once they are read.
    ending: Vec<PipeId>,
    endpoints: Endpoints,
    /// An empty inbox to put in the place of a full one.
    inbox: Vec<Note>,
    readiness: Readiness,
    leases: Leases,
    reports: monitor::Backlog,
    receiving_more: bool,
    /// When a receiving call last ended its wait.
    waited_ns: u64,
    /// Something was sent since.
    has_sent: bool,
    /// A receive found nothing or waited since the last send, or a poll looked: as in libzmq, the next send knows what room there is by
    /// now.
    heard: bool,
    /// Parts received since a receiving call last waited.
    received: u32,
    /// Their bytes.
    received_bytes: usize,
    terminated: bool,
}

/// What others hold of a socket.
pub struct Shared {
    id: u64,
    /// ZMTP's name of it.
    socket_type: &'static str,
    context: Arc<Context>,
    reference: OnceLock<Reference<Socket>>,
    /// `None`: the socket is closed.
    inbox: Mutex<Option<Vec<Note>>>,
    /// Notes were left that the socket is still to be told of.
    untold: AtomicBool,
    crowd: OnceLock<Arc<Crowd>>,
    monitor: Mutex<Option<Monitor>>,
    monitored: AtomicBool,
    type_name: &'static str,
    connections: Connections,
}

/// zmq_socket(3).
///
/// Errors: `EINVAL` for an unknown type, `EMFILE`, `ETERM`, and what starting the reactor answers.
pub fn open(context: &Arc<Context>, socket_type: i32) -> Result<Handle> {
    let pattern = pattern::new(socket_type, context.next_seed())?;
    let shared = Arc::new(Shared {
        id: next_id(),
        socket_type: type_name(socket_type),
        context: context.clone(),
        reference: OnceLock::new(),
        inbox: Mutex::new(Some(Vec::new())),
        untold: AtomicBool::new(false),
        crowd: OnceLock::new(),
        monitor: Mutex::new(None),
        monitored: AtomicBool::new(false),
        type_name: type_name(socket_type),
        connections: Connections::default(),
    });
    let weak = Arc::downgrade(&shared);
    context.join(shared.id, weak)?;
    let mut options = Options::new(socket_type);
    let defaults = context.options();
    options.set_int(Opt::Ipv6, i64::from(defaults.int(ContextOpt::Ipv6)));
    options.set_int(Opt::Ipv4Only, i64::from(!defaults.flag(ContextOpt::Ipv6)));
    if !defaults.flag(ContextOpt::Blocky) {
        options.set_int(Opt::Linger, 0);
    }
    if defaults.int(ContextOpt::MaxMsgSize) != i32::MAX {
        options.set_int(Opt::MaxMsgSize, i64::from(defaults.int(ContextOpt::MaxMsgSize)));
    }
    let mut socket = Socket {
        shared: shared.clone(),
        context: context.clone(),
        options,
        pattern,
        pipes: Pipes::default(),
        by_connection: HashMap::new(),
        connections: HashMap::new(),
        ending: Vec::new(),
        endpoints: Endpoints::default(),
        inbox: Vec::new(),
        readiness: Readiness::default(),
        leases: Leases::default(),
        reports: monitor::Backlog::default(),
        receiving_more: false,
        waited_ns: 0,
        has_sent: false,
        heard: false,
        received: 0,
        received_bytes: 0,
        terminated: false,
    };
    for row in ROWS {
        socket.pattern.option_changed(row.opt, &socket.options);
    }
    let handle = match SOCKETS.insert(socket) {
        Ok(handle) => handle,
        Err(error) => {
            context.leave(shared.id);
            return Err(error);
        }
    };
    if let Some(reference) = SOCKETS.slot(handle.as_ptr()) {
        let _ = shared.reference.set(reference);
        // News that came before the reference was known is applied now.
        reference.notify();
    }
    if context.is_terminating() {
        shared.post(Note::Terminate);
    }
    Ok(handle)
}

/// zmq_close(3): listening descriptors are closed when it returns; what is queued is sent in the background, within linger.
///
/// Errors: `ENOTSOCK`.
pub fn close(handle: *const std::ffi::c_void) -> Result<()> {
    let socket = SOCKETS.remove(handle).ok_or(Error::NotSocket)?;
    socket.shut_down();
    Ok(())
}

impl Socket {
    fn shut_down(mut self) {
        self.run_deferred(&mut Wakes::default());
        // Before the connections hear of the end: what they have then is all they wait for.
        self.pipes.flush();
        let left = self.shared.inbox.lock().take().unwrap_or_default();
        left.into_iter().for_each(Note::refuse);
        let linger_ms = self.options.int(Opt::Linger);
        let closing = self.endpoints.close_listeners(linger_ms);
        self.endpoints.leave_names(&self.context, self.shared.id);
        let ids: Vec<PipeId> = self.pipes.ids().collect();
        for id in ids {
            self.pipes.close(id, linger_ms);
        }
        self.endpoints.close_sessions(linger_ms);
        if let Some(crowd) = self.shared.crowd.get() {
            crowd.close();
        }
        self.reports.give_up();
        self.readiness.wake_all();
        closing.wait();
        // The monitor hears of the closed listeners before it ends.
        self.stop_monitor();
        self.context.leave(self.shared.id);
    }

    fn apply(&mut self, note: Note) {
        match note {
            Note::Attach { connection, end } => self.attach(connection, *end, false),
            Note::Readable(connection) | Note::Closed(connection) => {
                if let Some(&id) = self.by_connection.get(&connection) {
                    self.pattern.readable(&mut self.pipes, id);
                    self.look_for_end(id);
                }
            }
            Note::Writable(connection) => {
                if let Some(&id) = self.by_connection.get(&connection) {
                    self.pattern.writable(&mut self.pipes, id);
                }
                self.send_reports();
            }
            Note::Connected(connection) => {
                if let Some(&id) = self.by_connection.get(&connection) {
                    self.pattern.reconnected(&mut self.pipes, id);
                }
            }
            Note::Finished(connection) => self.endpoints.forget(connection),
            Note::Flush => self.pipes.flush(),
            Note::Terminate => self.terminated = true,
            Note::Report(report) => {
                self.reports.push(report);
                self.send_reports();
            }
        }
    }

    /// Errors: `NoMemory` where there is none for one more pipe.
    fn reserve_pipe(&mut self) -> Result<()> {
        let tables = self.by_connection.try_reserve(1);
        tables
            .and_then(|()| self.connections.try_reserve(1))
            .map_err(|_| Error::NoMemory)?;
        self.pipes.reserve()
    }

    /// Adds a pipe to the pattern. Without memory for it the connection ends.
    fn attach(&mut self, connection: u64, mut end: End, initiated: bool) {
        if self.reserve_pipe().is_err() {
            return end.close(0);
        }
        if !end.is_connection() {
            self.shared.connections.established(false);
        }
        let id = self.pipes.insert(end);
        self.by_connection.insert(connection, id);
        self.connections.insert(id, connection);
        let name = if initiated {
            self.options.take_bytes(Opt::ConnectRoutingId)
        } else {
            None
        };
        if !self.pattern.attached(&mut self.pipes, id, initiated, name) {
            return self.detach(id, 0);
        }
        if let Some(routing_id) = self.pattern.routing_id(id) {
            // It has a length that every routing id may have.
            let _ = self.options.set(ZMQ_ROUTING_ID, Some(&routing_id));
        }
        self.lease_attached(id);
        self.look_for_end(id);
        self.send_reports();
    }

    /// Removes a pipe and closes this end of it.
    fn detach(&mut self, id: PipeId, linger_ms: i32) {
        self.pattern.ended(&mut self.pipes, id);
        self.ending.retain(|ending| *ending != id);
        // Under ZMQ_IMMEDIATE the connection may have its next pipe before this one is read.
        if let Some(connection) = self.connections.remove(&id)
            && self.by_connection.get(&connection) == Some(&id)
        {
            self.by_connection.remove(&connection);
        }
        self.pipes.close(id, linger_ms);
    }

    /// A pipe whose other end is closed takes no more messages, and goes when it is read.
    fn look_for_end(&mut self, id: PipeId) {
        let Some(end) = self.pipes.end(id) else { return };
        if end.other_end_is_closed() && !self.ending.contains(&id) {
            self.ending.push(id);
            self.pipes.spill();
        }
        self.remove_ended();
    }

    fn remove_ended(&mut self) {
        while let Some((id, lingers)) = self.pipes.take_refused() {
            // As long as the socket lives its ZMQ_LINGER does not count.
            self.detach(id, if lingers { -1 } else { 0 });
        }
        let mut place = 0;
        while let Some(&id) = self.ending.get(place) {
            if self.pipes.end(id).is_none_or(End::is_finished) {
                self.detach(id, 0);
                self.ending.retain(|ending| *ending != id);
            } else {
                place += 1;
            }
        }
    }

    fn check(&self) -> Result<()> {
        if self.terminated {
            Err(Error::Terminated)
        } else {
            Ok(())
        }
    }

    /// Something may have changed for those who wait: they look again.
    fn changed(&mut self) {
        self.readiness.wake_all();
        self.signal_rise();
    }

    fn signal_rise(&mut self) {
        if self.readiness.is_watched() {
            let now = if self.terminated { -1 } else { self.ready_events() };
            self.readiness.signal_rise(now);
        }
    }

    /// As [`Socket::changed`], where the change came from a call on the socket itself.
    #[inline]
    fn changed_by_call(&mut self) {
        if !self.ending.is_empty() || self.pipes.has_refused() {
            self.remove_ended();
        }
        if self.readiness.concerns_anyone() {
            self.changed();
        }
    }

    fn wait_here(&mut self, waiter: &Arc<Waiter>) {
        self.pipes.flush();
        left_behind::forget(&self.shared);
        self.context.tidy();
        self.readiness.add(waiter.clone());
    }
}

impl Deferred for Socket {
    type After = Wakes;

    fn run_deferred(&mut self, wakes: &mut Wakes) {
        loop {
            let mut notes = std::mem::take(&mut self.inbox);
            match self.shared.inbox.lock().as_mut() {
                Some(inbox) if !inbox.is_empty() => std::mem::swap(inbox, &mut notes),
                _ => {}
            }
            if notes.is_empty() {
                self.inbox = notes;
                break;
            }
            notes.drain(..).for_each(|note| self.apply(note));
            self.inbox = notes;
        }
        self.readiness.wake_all_later(wakes);
        self.signal_rise();
    }
}

impl Note {
    /// The socket is gone: what the note gives it is closed.
    fn refuse(self) {
        if let Note::Attach { mut end, .. } = self {
            end.close(0);
        }
    }
}

impl Shared {
    fn post(&self, note: Note) {
        if self.put(note) {
            self.notify();
        }
    }

    /// The note may wait until the socket is told, or until the next one that may not.
    fn leave(&self, note: Note) {
        if self.put(note) {
            self.untold.store(true, Ordering::Release);
        }
    }

    /// False: the socket is closed.
    fn put(&self, note: Note) -> bool {
        let mut inbox = self.inbox.lock();
        if let Some(notes) = inbox.as_mut() {
            notes.push(note);
            return true;
        }
        drop(inbox);
        note.refuse();
        false
    }

    fn notify(&self) {
        if let Some(reference) = self.reference.get() {
            reference.notify();
        }
    }
}

impl Member for Shared {
    fn terminate(&self) {
        self.post(Note::Terminate);
    }

    fn socket_type(&self) -> &'static str {
        self.socket_type
    }
}

/// A socket, as its connections and inproc peers see it.
pub(crate) struct Face(Arc<Shared>);

impl Owner for Face {
    fn notifier(&self, connection: u64) -> Arc<dyn Peer> {
        Arc::new(Notifier {
            shared: self.0.clone(),
            connection,
        })
    }

    fn attach(&self, connection: u64, end: End) {
        self.0.post(Note::Attach {
            connection,
            end: Box::new(end),
        });
    }

    fn crowd(&self) -> Option<&Arc<Crowd>> {
        self.0.crowd.get()
    }

    fn connected(&self, connection: u64) {
        self.0.post(Note::Connected(connection));
    }

    fn established(&self, again: bool) {
        self.0.connections.established(again);
    }

    fn lost(&self, unconfirmed_bytes: u64) {
        self.0.connections.lost(unconfirmed_bytes);
    }

    fn started(&self, id: u64, session: Weak<Session>) {
        self.0.context.connection_made(id, session);
    }

    fn finished(&self, connection: u64) {
        self.0.post(Note::Finished(connection));
        self.0.context.connection_ended(connection);
    }

    fn event(&self, event: Event) {
        self.0.report(event);
    }

    fn ask(&self, frames: &[Bytes], answer: Answer) -> Option<Asked> {
        self.0.context.names.ask(zap::ENDPOINT, frames, answer)
    }
}

/// This side of a pipe, as the other side calls it.
struct Notifier {
    shared: Arc<Shared>,
    connection: u64,
}

impl Peer for Notifier {
    fn readable(&self) {
        self.shared.post(Note::Readable(self.connection));
    }

    fn leave_readable(&self) {
        self.shared.leave(Note::Readable(self.connection));
    }

    fn tell(&self) {
        if self.shared.untold.swap(false, Ordering::AcqRel) {
            self.shared.notify();
        }
    }

    fn writable(&self) {
        self.shared.post(Note::Writable(self.connection));
    }

    fn remind(&self) {
        self.shared.post(Note::Flush);
    }

    fn info(&self) -> PeerInfo {
        PeerInfo {
            state: PeerState::Ready,
            socket_type: Bytes::from_static(self.shared.type_name.as_bytes()),
            connections: 1,
            ..PeerInfo::default()
        }
    }

    fn closed(&self, _linger_ms: i32) {
        self.shared.post(Note::Closed(self.connection));
    }
}

/// ZMTP's name of a socket type (RFC 37).
fn type_name(socket_type: i32) -> &'static str {
    match socket_type {
        ZMQ_PAIR => "PAIR",
        ZMQ_PUB => "PUB",
        ZMQ_SUB => "SUB",
        ZMQ_REQ => "REQ",
        ZMQ_REP => "REP",
        ZMQ_DEALER => "DEALER",
        ZMQ_ROUTER => "ROUTER",
        ZMQ_PULL => "PULL",
        ZMQ_PUSH => "PUSH",
        ZMQ_XPUB => "XPUB",
        ZMQ_STREAM => "STREAM",
        _ => "XSUB",
    }
}

impl Shared {
    fn monitored(&self) -> bool {
        self.monitored.load(Ordering::Acquire)
    }
}
