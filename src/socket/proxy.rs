//! zmq_proxy(3) and zmq_proxy_steerable(3): a loop over poll, receive and send on the caller's thread.

use std::ffi::c_void;

use super::parts::{Parts, room};
use super::{PollItem, Socket, calls, find, poll};
use crate::constants::{ZMQ_DONTWAIT, ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_REP, ZMQ_SNDMORE};
use crate::error::{Error, Result};
use crate::handle::Reference;
use crate::message::Message;
use crate::pipe::{Payload, Target};

/// Messages that are moved in one direction before the other has its turn.
const BURST_MAX: usize = 1000;
/// Messages that are taken from a socket at once.
const TAKEN_MAX: usize = 100;

/// What went through one side of the proxy.
#[derive(Default)]
struct Traffic {
    messages: u64,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Paused,
    Terminated,
}

/// Moves messages between two sockets until it is told to end (0) or a call fails.
///
/// Errors: `ETERM`, `EINTR`, `ENOTSOCK`, `EFAULT` for a missing socket.
pub fn proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void, control: *mut c_void) -> Result<i32> {
    if frontend.is_null() || backend.is_null() {
        return Err(Error::Fault);
    }
    let optional = |handle: *mut c_void| {
        if handle.is_null() {
            Ok(None)
        } else {
            find(handle).map(Some)
        }
    };
    let mut proxy = Proxy {
        front: find(frontend)?,
        back: find(backend)?,
        same: frontend == backend,
        capture: optional(capture)?,
        control: optional(control)?,
        state: State::Active,
        received: [Traffic::default(), Traffic::default()],
        sent: [Traffic::default(), Traffic::default()],
        parts: Parts::default(),
    };
    let item = |socket, events: i32| PollItem {
        socket,
        fd: 0,
        events: events as i16,
        revents: 0,
    };
    loop {
        let active = proxy.state == State::Active;
        let mut items = vec![];
        if active {
            items.push(item(frontend, ZMQ_POLLIN));
            items.push(item(backend, ZMQ_POLLIN));
        }
        if !control.is_null() {
            items.push(item(control, ZMQ_POLLIN));
        }
        poll(&mut items, -1)?;
        if !control.is_null() && items.last().is_some_and(|last| last.revents != 0) {
            proxy.obey()?;
            if proxy.state == State::Terminated {
                return Ok(0);
            }
        }
        if active && proxy.state == State::Active {
            let ready = [items[0].revents != 0, items[1].revents != 0];
            // A socket that answers itself is ready to send once it has received.
            let mut room = [proxy.same; 2];
            if !proxy.same {
                let mut items = [item(frontend, ZMQ_POLLOUT), item(backend, ZMQ_POLLOUT)];
                poll(&mut items, 0)?;
                room = [items[0].revents != 0, items[1].revents != 0];
            }
            let mut moved = false;
            if ready[0] && room[1] {
                proxy.forward(0)?;
                moved = true;
            }
            if ready[1] && room[0] && !proxy.same {
                proxy.forward(1)?;
                moved = true;
            }
            if !moved {
                proxy.wait_for_room([frontend, backend], control, ready)?;
            }
        }
    }
}

struct Proxy {
    front: Reference<Socket>,
    back: Reference<Socket>,
    same: bool,
    capture: Option<Reference<Socket>>,
    control: Option<Reference<Socket>>,
    state: State,
    received: [Traffic; 2],
    sent: [Traffic; 2],
    /// What is being moved.
    parts: Parts,
}

impl Proxy {
    /// Something can be received, but nothing of it sent: waits until that changes.
    fn wait_for_room(&self, sockets: [*mut c_void; 2], control: *mut c_void, ready: [bool; 2]) -> Result<()> {
        let mut items = Vec::new();
        for side in 0..2 {
            let other_is_ready = ready[1 - side];
            let events = if other_is_ready { ZMQ_POLLOUT } else { 0 } | if ready[side] { 0 } else { ZMQ_POLLIN };
            items.push(PollItem {
                socket: sockets[side],
                fd: 0,
                events: events as i16,
                revents: 0,
            });
        }
        if !control.is_null() {
            items.push(PollItem {
                socket: control,
                fd: 0,
                events: ZMQ_POLLIN as i16,
                revents: 0,
            });
        }
        poll(&mut items, -1).map(drop)
    }

    /// Moves whole messages from one side to the other until there is none, or the burst is over.
    fn forward(&mut self, from: usize) -> Result<()> {
        let (source, sink) = if from == 0 {
            (self.front, self.back)
        } else {
            (self.back, self.front)
        };
        let mut left = BURST_MAX;
        while left > 0 {
            // No more than can be passed on: the rest is the peers' to hold back.
            let mut most = left.min(TAKEN_MAX).min(room(sink)?);
            if let Some(capture) = self.capture {
                most = most.min(room(capture)?);
            }
            let messages = self.parts.receive(source, most)?;
            if messages == 0 {
                return Ok(());
            }
            left -= messages;
            if let Some(capture) = self.capture {
                self.parts.send_to(capture)?;
            }
            self.parts.send_to(sink)?;
            let bytes = self.parts.bytes();
            self.parts.release();
            for traffic in [&mut self.received[from], &mut self.sent[1 - from]] {
                traffic.messages += messages as u64;
                traffic.bytes += bytes;
            }
        }
        Ok(())
    }

    /// Carries out a command from the control socket.
    fn obey(&mut self) -> Result<()> {
        let Some(control) = self.control else { return Ok(()) };
        let mut command = Message::new();
        let more = calls::receive(control, &mut Target::Message(&mut command), ZMQ_DONTWAIT)?;
        if more {
            return Err(Error::Invalid);
        }
        let mut answered = false;
        match command.data() {
            b"PAUSE" => self.state = State::Paused,
            b"RESUME" => self.state = State::Active,
            b"TERMINATE" => self.state = State::Terminated,
            b"STATISTICS" => {
                self.tell_statistics(control)?;
                answered = true;
            }
            _ => {}
        }
        let is_rep = control.lock().ok_or(Error::NotSocket)?.options.socket_type() == ZMQ_REP;
        if is_rep && !answered {
            calls::send(control, Payload::Bytes(&[]), 0)?;
        }
        Ok(())
    }

    /// Eight counters: of each side messages and bytes received, then messages and bytes sent.
    fn tell_statistics(&self, control: Reference<Socket>) -> Result<()> {
        let mut counters = Vec::with_capacity(8);
        for side in 0..2 {
            for traffic in [&self.received[side], &self.sent[side]] {
                counters.extend([traffic.messages, traffic.bytes]);
            }
        }
        for (place, counter) in counters.iter().enumerate() {
            let flags = if place < 7 { ZMQ_SNDMORE } else { 0 };
            calls::send(control, Payload::Bytes(&counter.to_ne_bytes()), flags)?;
        }
        Ok(())
    }
}
