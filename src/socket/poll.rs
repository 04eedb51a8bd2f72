//! zmq_poll(3): waits for sockets and descriptors. One waiter is left with every socket, so the wait itself watches only the
//! waiter and the plain descriptors.

use std::ffi::c_void;
use std::sync::Arc;

use super::leases::wait_reading;
use super::{Socket, find, left_behind};
use crate::constants::*;
use crate::error::{Error, Result};
use crate::handle::Reference;
use crate::pipe::Lease;
use crate::sys::clock;
use crate::sys::waiter::{Waiter, Watched};

/// Of at most so many sockets the caller reads the connections itself.
const LEASED_MAX: usize = 4;

/// `zmq_pollitem_t`.
#[repr(C)]
#[derive(Debug)]
pub struct PollItem {
    /// The socket, or NULL.
    pub socket: *mut c_void,
    /// The descriptor, if there is no socket.
    pub fd: i32,
    /// What to wait for: ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR, ZMQ_POLLPRI.
    pub events: i16,
    /// What was found.
    pub revents: i16,
}

/// Waits up to `timeout_ms` (-1: without limit) until something is ready: how many items are.
///
/// Errors: `ENOTSOCK`, `ETERM`, `EINTR`.
pub fn poll(items: &mut [PollItem], timeout_ms: i64) -> Result<i32> {
    let deadline = u64::try_from(timeout_ms)
        .ok()
        .map(|ms| clock::now_ns().saturating_add(ms.saturating_mul(1_000_000)));
    let mut sockets = Vec::new();
    for item in items.iter().filter(|item| !item.socket.is_null()) {
        sockets.push(find(item.socket)?);
    }
    let mut watched = watched(items);
    // A first look, which asks nothing of anybody else.
    let mut ready = look(items, &sockets, timeout_ms == 0, |_, _| {})?;
    if timeout_ms == 0 || ready > 0 {
        if !watched.is_empty() {
            Waiter::mine()?.wait_for_descriptors(&mut watched)?;
            ready += found(items, &watched);
        }
        return Ok(ready);
    }
    let waiter = Waiter::mine()?;
    let few = sockets.len() <= LEASED_MAX;
    let mut leases = Vec::new();
    loop {
        waiter.prepare();
        let looked = look(items, &sockets, false, |socket, wanted| {
            socket.wait_here(&waiter);
            let reads = few && wanted & ZMQ_POLLIN != 0;
            if !few {
                socket.give_leases_back();
            }
            leases.push(if reads { socket.take_leases() } else { None });
        });
        left_behind::send();
        let waited = match looked {
            Ok(0) => wait_reading(&waiter, deadline, &mut leases, &mut watched),
            _ => waiter.wait_for_descriptors(&mut watched).map(|()| true),
        };
        leave(&sockets, &waiter, &mut leases);
        looked?;
        ready = look(items, &sockets, false, |_, _| {})? + found(items, &watched);
        if ready > 0 {
            return Ok(ready);
        }
        if !waited? || deadline.is_some_and(|deadline| clock::now_ns() >= deadline) {
            return Ok(0);
        }
    }
}

/// Looks at the sockets: how many are ready. Connections that callers read are looked at by `refresh`. `also` is called for
/// each socket and what is wanted of it.
fn look(
    items: &mut [PollItem],
    sockets: &[Reference<Socket>],
    refresh: bool,
    mut also: impl FnMut(&mut Socket, i32),
) -> Result<i32> {
    let mut ready = 0;
    let mut references = sockets.iter();
    for item in items {
        item.revents = 0;
        if item.socket.is_null() {
            continue;
        }
        let Some(reference) = references.next() else { break };
        let mut socket = reference.lock().ok_or(Error::NotSocket)?;
        let wanted = i32::from(item.events);
        let mut events = socket.events_for_poll(wanted)?;
        if refresh && wanted & !events & ZMQ_POLLIN != 0 && socket.refresh() {
            events = socket.events_for_poll(wanted)?;
        }
        item.revents = (events & wanted) as i16;
        ready += i32::from(item.revents != 0);
        also(&mut socket, wanted);
    }
    Ok(ready)
}

/// Takes the waiter away from the sockets, and gives them back what was taken along from each.
fn leave(sockets: &[Reference<Socket>], waiter: &Arc<Waiter>, leases: &mut Vec<Option<Vec<Lease>>>) {
    let mut taken = leases.drain(..);
    for reference in sockets {
        let leases = taken.next().flatten();
        match reference.lock() {
            Some(mut socket) => {
                socket.readiness.remove(waiter);
                if let Some(leases) = leases {
                    socket.return_leases(leases);
                }
            }
            None => leases.into_iter().flatten().for_each(|lease| lease.end()),
        }
    }
}

fn watched(items: &[PollItem]) -> Vec<Watched> {
    let flag = |events: i16, ours: i32, theirs: i16| if i32::from(events) & ours != 0 { theirs } else { 0 };
    items
        .iter()
        .filter(|item| item.socket.is_null())
        .map(|item| Watched {
            fd: item.fd,
            events: flag(item.events, ZMQ_POLLIN, libc::POLLIN)
                | flag(item.events, ZMQ_POLLOUT, libc::POLLOUT)
                | flag(item.events, ZMQ_POLLPRI, libc::POLLPRI),
            found: 0,
        })
        .collect()
}

/// Puts what was found of the descriptors into their items.
fn found(items: &mut [PollItem], watched: &[Watched]) -> i32 {
    let mut ready = 0;
    for (item, one) in items.iter_mut().filter(|item| item.socket.is_null()).zip(watched) {
        let mut events = 0;
        if one.found & libc::POLLIN != 0 {
            events |= ZMQ_POLLIN;
        }
        if one.found & libc::POLLOUT != 0 {
            events |= ZMQ_POLLOUT;
        }
        if one.found & libc::POLLPRI != 0 {
            events |= ZMQ_POLLPRI;
        }
        if one.found & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI) != 0 {
            events |= ZMQ_POLLERR;
        }
        item.revents = events as i16;
        ready += i32::from(events != 0);
    }
    ready
}

impl Socket {
    fn events_for_poll(&mut self, wanted: i32) -> Result<i32> {
        self.check()?;
        self.heard = true;
        self.polls(true);
        let mut events = 0;
        if wanted & ZMQ_POLLIN != 0 && self.pattern.can_receive(&mut self.pipes) {
            events |= ZMQ_POLLIN;
        }
        self.pipes.spill();
        if wanted & ZMQ_POLLOUT != 0 && self.pattern.can_send(&mut self.pipes) {
            events |= ZMQ_POLLOUT;
        }
        Ok(events)
    }
}
