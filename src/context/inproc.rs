//! The inproc names of a context (zmq_inproc(7)): which socket is bound to a name, and who connected before anybody was.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::pipe::{End, Lane, Peer, PeerInfo, Record};
use crate::session::{Owner, next_id};
use crate::sys::counters::{Counter, count_many};
use crate::sys::mutex::{Mutex, MutexGuard};

/// One side of an inproc connection.
#[derive(Clone)]
pub struct InprocSide {
    /// The socket.
    pub owner: Arc<dyn Owner>,
    /// The number of the socket, which tells sockets apart.
    pub socket: u64,
    /// ZMQ_SNDHWM in messages (0: none).
    pub send_limit: u32,
    /// ZMQ_RCVHWM in messages (0: none).
    pub receive_limit: u32,
    /// ZMQ_ROUTING_ID.
    pub routing_id: Bytes,
    /// ZMQ_CONFLATE.
    pub conflate: bool,
}

/// A connection to a name that nobody is bound to.
struct Pending {
    id: u64,
    name: Vec<u8>,
    side: InprocSide,
    to_binder: Arc<Lane>,
    from_binder: Arc<Lane>,
    late: Arc<LatePeer>,
}

#[derive(Default)]
struct Names {
    bound: HashMap<Vec<u8>, InprocSide>,
    pending: HashMap<Vec<u8>, Vec<Pending>>,
}

/// The inproc names of a context.
#[derive(Default)]
pub struct InprocNames {
    names: Mutex<Names>,
    /// Questions that the authentication handler has, answered or not.
    pub(super) questions: Arc<AtomicUsize>,
}

impl InprocNames {
    /// Binds a name, and completes the connections that wait for it.
    ///
    /// Errors: `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, name: &[u8], binder: InprocSide) -> Result<()> {
        let mut names = self.names.lock();
        if names.bound.contains_key(name) {
            return Err(Error::AddressInUse);
        }
        names.bound.try_reserve(1).map_err(|_| Error::NoMemory)?;
        names.bound.insert(name.to_owned(), binder.clone());
        let pending = names.pending.remove(name).unwrap_or_default();
        drop(names);
        for connection in pending {
            complete(connection, &binder);
        }
        Ok(())
    }

    /// Frees a name that this socket is bound to.
    ///
    /// Errors: `ENOENT`.
    pub fn unbind(&self, name: &[u8], socket: u64) -> Result<()> {
        let mut names = self.names.lock();
        match names.bound.get(name) {
            Some(side) if side.socket == socket => {
                names.bound.remove(name);
                Ok(())
            }
            _ => Err(Error::NoEntry),
        }
    }

    /// Whether somebody is bound to a name.
    pub(super) fn is_bound(&self, name: &[u8]) -> bool {
        self.names.lock().bound.contains_key(name)
    }

    /// Connects to a name if somebody is bound to it: the connecting side's end.
    pub fn connect_to_bound(&self, name: &[u8], side: InprocSide) -> Option<End> {
        let names = self.names.lock();
        let is_bound = names.bound.contains_key(name);
        is_bound.then(|| self.connect_with(names, name, side).1)
    }

    /// Connects to a name, bound or not: the pipe's number and the connecting socket's end.
    ///
    /// Errors: `ENOMEM`.
    pub fn connect(&self, name: &[u8], side: InprocSide) -> Result<(u64, End)> {
        let mut names = self.names.lock();
        names.pending.try_reserve(1).map_err(|_| Error::NoMemory)?;
        if let Some(waiting) = names.pending.get_mut(name) {
            waiting.try_reserve(1).map_err(|_| Error::NoMemory)?;
        }
        Ok(self.connect_with(names, name, side))
    }

    fn connect_with(&self, mut names: MutexGuard<'_, Names>, name: &[u8], side: InprocSide) -> (u64, End) {
        let id = next_id();
        let binder = names.bound.get(name).cloned();
        let (send, receive) = match &binder {
            Some(binder) => limits(&side, binder),
            None => (side.send_limit, side.receive_limit),
        };
        let to_binder = Arc::new(Lane::new(send));
        let from_binder = Arc::new(Lane::new(receive));
        if side.conflate || binder.as_ref().is_some_and(|binder| binder.conflate) {
            to_binder.keep_only_last();
            from_binder.keep_only_last();
        }
        let late = Arc::new(LatePeer::default());
        let peer: Arc<dyn Peer> = late.clone();
        let mut end = End::new(from_binder.clone(), to_binder.clone(), peer);
        end.set_boost(binder.as_ref().map_or(0, |binder| binder.receive_limit));
        end.set_endpoint(endpoint(name));
        // A fresh lane takes a record; were there no memory for it, the peer would be one without a routing id.
        let _ = to_binder.push_records(|batch| batch.push_record(Record::RoutingId(side.routing_id.clone())));
        let connection = Pending {
            id,
            name: name.to_owned(),
            side,
            to_binder,
            from_binder,
            late,
        };
        match binder {
            Some(binder) => {
                drop(names);
                complete(connection, &binder);
            }
            None => names.pending.entry(name.to_owned()).or_default().push(connection),
        }
        (id, end)
    }

    /// The connecting socket is closed or disconnects: what it sent still waits for the name; without any the connection is forgotten.
    pub fn abandon(&self, id: u64) {
        self.names.lock().pending.retain(|_, waiting| {
            waiting.retain(|connection| connection.id != id || connection.to_binder.has_messages());
            !waiting.is_empty()
        });
    }

    /// The context ends: nobody binds any more.
    pub fn clear(&self) {
        let pending = std::mem::take(&mut self.names.lock().pending);
        for connection in pending.into_values().flatten() {
            count_many(Counter::Lost, connection.to_binder.abandon(0));
        }
    }
}

/// The high-water marks of a connection: from the connecting side, and to it. One without a limit makes the sum so.
fn limits(connecting: &InprocSide, bound: &InprocSide) -> (u32, u32) {
    let sum = |a: u32, b: u32| if a == 0 || b == 0 { 0 } else { a.saturating_add(b) };
    (
        sum(connecting.send_limit, bound.receive_limit),
        sum(bound.send_limit, connecting.receive_limit),
    )
}

fn endpoint(name: &[u8]) -> Vec<u8> {
    [b"inproc://", name].concat()
}

fn complete(connection: Pending, binder: &InprocSide) {
    let Pending {
        id,
        name,
        side,
        to_binder,
        from_binder,
        late,
    } = connection;
    let (send, receive) = limits(&side, binder);
    from_binder.set_limit(receive);
    let _ = from_binder.push_records(|batch| batch.push_record(Record::RoutingId(binder.routing_id.clone())));
    let mut end = End::new(to_binder.clone(), from_binder, side.owner.notifier(id));
    end.set_boost(side.receive_limit);
    end.set_endpoint(endpoint(&name));
    binder.owner.attach(id, end);
    late.complete(binder.owner.notifier(id));
    if to_binder.set_limit(send) {
        side.owner.notifier(id).writable();
    }
    side.owner.notifier(id).readable();
}

/// The peer of a connection whose other side may come later. What is asked of it before is asked of the other side then.
#[derive(Default)]
struct LatePeer {
    peer: OnceLock<Arc<dyn Peer>>,
    closed: Mutex<Option<i32>>,
}

impl LatePeer {
    fn complete(&self, peer: Arc<dyn Peer>) {
        let closed = {
            let closed = self.closed.lock();
            drop(self.peer.set(peer.clone()));
            *closed
        };
        peer.readable();
        if let Some(linger_ms) = closed {
            peer.closed(linger_ms);
        }
    }
}

impl Peer for LatePeer {
    fn readable(&self) {
        if let Some(peer) = self.peer.get() {
            peer.readable();
        }
    }

    fn writable(&self) {
        if let Some(peer) = self.peer.get() {
            peer.writable();
        }
    }

    fn remind(&self) {
        if let Some(peer) = self.peer.get() {
            peer.remind();
        }
    }

    fn info(&self) -> PeerInfo {
        self.peer.get().map(|peer| peer.info()).unwrap_or_default()
    }

    fn closed(&self, linger_ms: i32) {
        let mut closed = self.closed.lock();
        match self.peer.get() {
            Some(peer) => {
                drop(closed);
                peer.closed(linger_ms);
            }
            None => *closed = Some(linger_ms),
        }
    }
}
