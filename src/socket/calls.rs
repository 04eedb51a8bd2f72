//! zmq_send and zmq_recv: try, and where the call may wait, wait for a change and try again.

use std::sync::Arc;

use super::leases::wait_reading;
use super::{Socket, left_behind};
use crate::constants::{ZMQ_DONTWAIT, ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_SNDMORE};
use crate::error::{Error, Result};
use crate::handle::{Guard, Reference};
use crate::message::{Message, Metadata};
use crate::options::Opt;
use crate::pipe::{Credit, Lease, Payload, Target};
use crate::sys::waiter::Waiter;
use crate::sys::{clock, spin};

/// A receiver that waits again this soon, in nanoseconds, is faster than what it receives.
const STREAM_GAP_NS: u64 = 5_000;
/// It gives the sender this much time, in nanoseconds, to go on.
const GATHER_NS: u64 = 1_500;
/// A receiver that got this many messages since it waited last receives a stream: there will be about as many after the time
/// that a sender collects them.
const STREAM_MESSAGES: u32 = 64;
/// Or this many bytes from a connection, in several parts: while a sender writes much at once, a receiver that sleeps is woken for
/// every piece of it, at the sender's expense.
const STREAM_BYTES: usize = 32 * 1024;
/// Unless it got so many bytes: then each look brings enough, and the sender may have to wait for it.
const STREAM_BYTES_MAX: usize = 128 * 1024;
/// That time, in nanoseconds.
const STREAM_PAUSE_NS: u64 = 40_000;

/// How far a call came that does no more than copy bytes.
pub enum Begun {
    /// A message of so many bytes is sent, or received.
    Done(usize),
    /// It is, and the socket has more to do, which it does when this is dropped.
    Busy(usize, Guard<Socket>),
    /// Nothing happened, and the socket is locked for that.
    Locked(Guard<Socket>),
    /// Nothing happened.
    Not,
}

impl Begun {
    #[inline(always)]
    fn done(len: usize, guard: Guard<Socket>) -> Begun {
        match guard.release() {
            Ok(()) => Begun::Done(len),
            Err(guard) => Begun::Busy(len, guard),
        }
    }
}

/// Sends a short message of one part, if there is nothing to it but to copy it: calls that find more to do go on with [`go_on`].
#[inline(always)]
pub fn begin_send(socket: &Reference<Socket>, body: &[u8]) -> Begun {
    let Some(mut guard) = socket.try_lock() else {
        return Begun::Not;
    };
    if !guard.send_in_stream(body) {
        return Begun::Locked(guard);
    }
    Begun::done(body.len(), guard)
}

/// Receives a short message of one part, if there is nothing to it but what `take` does: calls that find more to do go on with
/// [`receive_on`].
#[inline(always)]
pub fn begin_receive(socket: &Reference<Socket>, take: impl FnOnce(&[u8], Option<&Arc<Metadata>>) -> bool) -> Begun {
    let Some(mut guard) = socket.try_lock() else {
        return Begun::Not;
    };
    match guard.receive_in_stream(take) {
        Some(len) => Begun::done(len, guard),
        None => Begun::Locked(guard),
    }
}

/// Sends one part (zmq_send(3)). On an error nothing of it was sent.
pub fn send(socket: Reference<Socket>, payload: Payload<'_>, flags: i32) -> Result<()> {
    go_on(socket, None, payload, flags)
}

/// As [`send`], through the socket locked already or not.
pub fn go_on(socket: Reference<Socket>, locked: Option<Guard<Socket>>, payload: Payload<'_>, flags: i32) -> Result<()> {
    let more = flags & ZMQ_SNDMORE != 0;
    send_with(socket, locked, flags, |socket, credit| {
        socket.send_now(payload, more, credit)
    })
}

/// Sends several parts, of one message if the flags say so; no other thread's come between those.
pub fn send_parts(socket: Reference<Socket>, parts: &[&[u8]], flags: i32) -> Result<()> {
    let mut left = parts;
    send_with(socket, None, flags, |socket, credit| {
        while let Some((part, rest)) = left.split_first() {
            let more = flags & ZMQ_SNDMORE != 0 && !rest.is_empty();
            socket.send_now(Payload::Bytes(part), more, credit)?;
            left = rest;
        }
        Ok(())
    })
}

#[inline(always)]
fn send_with(
    socket: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    flags: i32,
    mut send: impl FnMut(&mut Socket, Credit) -> Result<()>,
) -> Result<()> {
    let mut guard = match locked {
        Some(guard) => guard,
        None => socket.lock().ok_or(Error::NotSocket)?,
    };
    let time = if flags & ZMQ_DONTWAIT != 0 {
        0
    } else {
        guard.options.int(Opt::SndTimeo)
    };
    let heard = std::mem::take(&mut guard.heard);
    let credit = if time == 0 && !heard {
        Credit::Recent
    } else {
        Credit::Fresh
    };
    match send(&mut guard, credit) {
        Err(Error::Again) if time != 0 => {}
        Err(Error::Again) => {
            guard.pipes.flush();
            guard.reported_none(ZMQ_POLLOUT);
            return Err(Error::Again);
        }
        result => return result,
    }
    wait(socket, guard, time, ZMQ_POLLOUT, |socket| send(socket, Credit::Fresh))
}

/// Receives one part (zmq_recv(3)): whether its message goes on.
pub fn receive(socket: Reference<Socket>, target: &mut Target<'_>, flags: i32) -> Result<bool> {
    receive_on(socket, None, target, flags)
}

/// As [`receive`], through the socket locked already or not.
pub fn receive_on(
    socket: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    target: &mut Target<'_>,
    flags: i32,
) -> Result<bool> {
    receive_with(socket, locked, flags, |socket| socket.receive_now(target))
}

/// Receives the parts of a message, so many at most; no other thread gets some of those.
pub fn receive_parts(socket: Reference<Socket>, most: usize, flags: i32) -> Result<Vec<Message>> {
    let mut parts = Vec::new();
    receive_with(socket, None, flags, |socket| {
        let mut more = true;
        while more && parts.len() < most {
            parts.try_reserve(1).map_err(|_| Error::NoMemory)?;
            let mut part = Message::new();
            more = socket.receive_now(&mut Target::Message(&mut part))?;
            parts.push(part);
        }
        Ok(())
    })?;
    Ok(parts)
}

#[inline(always)]
fn receive_with<R>(
    socket: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    flags: i32,
    mut receive: impl FnMut(&mut Socket) -> Result<R>,
) -> Result<R> {
    let mut guard = match locked {
        Some(guard) => guard,
        None => socket.lock().ok_or(Error::NotSocket)?,
    };
    let time = if flags & ZMQ_DONTWAIT != 0 {
        0
    } else {
        guard.options.int(Opt::RcvTimeo)
    };
    match receive(&mut guard) {
        Err(Error::Again) if time != 0 => {}
        Err(Error::Again) => {
            guard.pipes.flush();
            guard.context.tidy();
            guard.heard = true;
            if guard.refresh()
                && let Ok(received) = receive(&mut guard)
            {
                return Ok(received);
            }
            guard.reported_none(ZMQ_POLLIN);
            return Err(Error::Again);
        }
        result => {
            if guard.has_sent && time != 0 && result.is_ok() {
                guard.keep_lapsed();
            }
            return result;
        }
    }
    // An answer to what was sent may have come already.
    if guard.has_sent && guard.looks_for_answer() {
        guard.heard = true;
        match receive(&mut guard) {
            Err(Error::Again) => guard.missed_answer(),
            result => {
                // As after a wait.
                (guard.has_sent, guard.received, guard.received_bytes) = (false, 1, 0);
                return result;
            }
        }
    }
    wait(socket, guard, time, ZMQ_POLLIN, receive)
}

/// Calls again whenever the socket has changed, for `time` milliseconds (-1: without limit).
fn wait<R>(
    socket: Reference<Socket>,
    guard: Guard<Socket>,
    time: i32,
    event: i32,
    mut call: impl FnMut(&mut Socket) -> Result<R>,
) -> Result<R> {
    let waiter = Waiter::mine()?;
    let deadline = u64::try_from(time).ok().map(|ms| clock::now_ns() + ms * 1_000_000);
    let mut guard = guard;
    guard.polls(false);
    loop {
        waiter.prepare();
        let (streams, pause_ns) = if event == ZMQ_POLLIN {
            guard.streams()
        } else {
            (false, 0)
        };
        let mut leases = if event == ZMQ_POLLIN {
            guard.take_leases()
        } else {
            guard.take_full()
        };
        guard.wait_here(&waiter);
        // A change between the last try and the registration would have been applied by this thread itself: it holds the lock.
        drop(guard);
        left_behind::send();
        if !leases.iter().flatten().any(Lease::has_more) {
            spin::pause(pause_ns);
        }
        let waited = wait_reading(&waiter, deadline, std::slice::from_mut(&mut leases), &mut []);
        if streams {
            spin::pause(GATHER_NS);
        }
        let Some(locked) = socket.lock() else {
            leases.into_iter().flatten().for_each(|lease| lease.end());
            return Err(Error::NotSocket);
        };
        guard = locked;
        guard.readiness.remove(&waiter);
        guard.heard |= event == ZMQ_POLLIN;
        match leases {
            Some(leases) if event == ZMQ_POLLIN => guard.return_leases(leases),
            Some(leases) => guard.return_full(leases),
            None => {}
        }
        guard.waited_ns = clock::now_ns();
        match call(&mut guard) {
            Err(Error::Again) => {}
            result => return result,
        }
        if !waited? || deadline.is_some_and(|deadline| clock::now_ns() >= deadline) {
            guard.reported_none(event);
            return Err(Error::Again);
        }
    }
}

impl Socket {
    /// Whether messages come one after the other, without an answer, more slowly than the caller takes them: then the next ones
    /// are worth a moment's pause, because each look costs more than a message. And how long to pause before the first look.
    fn streams(&mut self) -> (bool, u64) {
        let answers = std::mem::take(&mut self.has_sent);
        let received = std::mem::take(&mut self.received);
        let bytes = std::mem::take(&mut self.received_bytes);
        let in_pieces = received > 1 && bytes >= STREAM_BYTES && self.leases.connected();
        let is_stream = !answers && (received >= STREAM_MESSAGES || in_pieces) && bytes < STREAM_BYTES_MAX;
        let is_fast = !answers && clock::now_ns() < self.waited_ns + STREAM_GAP_NS;
        (is_fast, if is_stream { STREAM_PAUSE_NS } else { 0 })
    }

    /// The short way, where that is open.
    #[inline(always)]
    pub(super) fn send_in_stream(&mut self, body: &[u8]) -> bool {
        let sent = !self.terminated && !self.readiness.is_watched() && self.pipes.stream(body);
        self.has_sent |= sent;
        sent
    }

    /// As [`Socket::send_in_stream`], for frames of so many small messages.
    pub(super) fn stream_run(&mut self, frames: &[u8], messages: u64) -> bool {
        let sent = !self.terminated && !self.readiness.is_watched() && self.pipes.stream_run(frames, messages);
        self.has_sent |= sent;
        if sent && self.pipes.left_some() {
            left_behind::leave(&self.shared);
        }
        sent
    }

    /// Receives frames of small messages, so many at most, after one was received: how many.
    pub(super) fn receive_run(&mut self, most: u64, to: &mut Vec<u8>) -> Result<u64> {
        if self.terminated || !self.ending.is_empty() || self.readiness.concerns_anyone() {
            return Ok(0);
        }
        let messages = self.pipes.receive_run(most, to)?;
        self.received = self.received.saturating_add(messages as u32);
        self.received_bytes += to.len();
        Ok(messages)
    }

    #[inline]
    pub(super) fn send_now(&mut self, payload: Payload<'_>, more: bool, credit: Credit) -> Result<()> {
        self.check()?;
        self.has_sent = true;
        self.pipes.begin_send()?;
        let sent = self.pattern.send(&mut self.pipes, payload, more, credit);
        self.pipes.end_send();
        if self.pipes.left_some() {
            left_behind::leave(&self.shared);
        }
        sent?;
        self.changed_by_call();
        Ok(())
    }

    /// The short way, where that is open.
    #[inline(always)]
    fn receive_in_stream(&mut self, take: impl FnOnce(&[u8], Option<&Arc<Metadata>>) -> bool) -> Option<usize> {
        if self.terminated || !self.ending.is_empty() || self.readiness.concerns_anyone() {
            return None;
        }
        let len = self.pipes.receive_small(take)?;
        self.received = self.received.saturating_add(1);
        self.received_bytes += len;
        Some(len)
    }

    #[inline]
    pub(super) fn receive_now(&mut self, target: &mut Target<'_>) -> Result<bool> {
        self.check()?;
        let more = self.pattern.receive(&mut self.pipes, target)?;
        self.receiving_more = more;
        self.received = self.received.saturating_add(1);
        self.received_bytes += target.len();
        self.changed_by_call();
        Ok(more)
    }
}
