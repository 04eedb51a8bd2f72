//! Many parts at once, for whoever passes messages on: a socket is locked once for all of them.

use std::slice::Iter;

use super::Socket;
use super::calls::send;
use crate::constants::ZMQ_SNDMORE;
use crate::error::{Error, Result};
use crate::handle::Reference;
use crate::message::Message;
use crate::pipe::{Credit, End, Payload, REFERENCE_MIN, Target};
use crate::zmtp::SHORT_HEADER;

/// Messages are taken until they have so many bytes.
const BYTES_MAX: usize = 256 * 1024;
/// Memory is kept for so many parts.
const PARTS_KEPT: usize = 1024;

/// Whole messages on their way from one socket to another. The memory of small parts is used again.
#[derive(Default)]
pub(super) struct Parts {
    parts: Vec<Message>,
    count: usize,
    run: Run,
}

/// Small messages of one part that came after each other, behind the parts: frames as they are on the wire (RFC 37), which nobody looks
/// at between two sockets that have one peer each.
#[derive(Default)]
struct Run {
    frames: Vec<u8>,
    messages: u64,
}

impl Run {
    fn clear(&mut self) {
        self.frames.clear();
        self.messages = 0;
    }

    fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.frames[..];
        std::iter::from_fn(move || {
            let [_, len, frames @ ..] = rest else { return None };
            let (body, next) = frames.split_at_checked(usize::from(*len))?;
            rest = next;
            Some(body)
        })
    }

    /// The bytes of the bodies.
    fn bytes(&self) -> u64 {
        self.frames.len() as u64 - self.messages * SHORT_HEADER as u64
    }
}

impl Parts {
    /// Takes what a socket has, up to so many messages, in place of what was here: how many.
    pub(super) fn receive(&mut self, socket: Reference<Socket>, messages_max: usize) -> Result<usize> {
        self.count = 0;
        self.run.clear();
        let mut guard = socket.lock().ok_or(Error::NotSocket)?;
        let mut messages = 0;
        let mut whole = 0;
        let mut bytes = 0;
        // A message that was begun is taken to its end, however many bytes it has.
        while whole != self.count || messages < messages_max && bytes < BYTES_MAX {
            if self.count == self.parts.len() {
                self.parts.try_reserve(1).map_err(|_| Error::NoMemory)?;
                self.parts.push(Message::new());
            }
            let part = &mut self.parts[self.count];
            let received = match guard.receive_now(&mut Target::Message(part)) {
                Err(Error::Again) if messages == 0 && guard.refresh() => guard.receive_now(&mut Target::Message(part)),
                other => other,
            };
            match received {
                Ok(more) => {
                    bytes += part.len();
                    self.count += 1;
                    if !more {
                        messages += 1;
                        whole = self.count;
                        let most = messages_max.saturating_sub(messages);
                        // Without memory for them nothing was read.
                        self.run.messages = guard.receive_run(most as u64, &mut self.run.frames).unwrap_or(0);
                        if self.run.messages > 0 {
                            break;
                        }
                    }
                }
                // What is wrong is told by the next call, which finds nothing before it.
                Err(error) if messages == 0 && error != Error::Again => {
                    self.count = 0;
                    return Err(error);
                }
                Err(_) => break,
            }
        }
        self.count = whole;
        Ok(messages + self.run.messages as usize)
    }

    /// Sends all of them, and waits where the socket takes no more.
    pub(super) fn send_to(&self, socket: Reference<Socket>) -> Result<()> {
        let mut parts = self.parts[..self.count].iter();
        while let Some(stuck) = send_now(socket, &mut parts)? {
            send(socket, Payload::of(stuck), if stuck.more() { ZMQ_SNDMORE } else { 0 })?;
        }
        if self.run.messages > 0 && !stream_run(socket, &self.run)? {
            for body in self.run.bodies() {
                send(socket, Payload::Bytes(body), 0)?;
            }
        }
        Ok(())
    }

    /// The bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        let parts: u64 = self.parts[..self.count].iter().map(|part| part.len() as u64).sum();
        parts + self.run.bytes()
    }

    /// Lets go of those that may be referred to elsewhere.
    pub(super) fn release(&mut self) {
        let large = |part: &&mut Message| part.len() >= REFERENCE_MIN || part.has_free_function();
        self.parts[..self.count]
            .iter_mut()
            .filter(large)
            .for_each(Message::clear);
        self.count = 0;
        self.run.clear();
        self.parts.truncate(PARTS_KEPT);
    }
}

/// Sends parts until the socket takes no more: the one that it did not take.
fn send_now<'a>(socket: Reference<Socket>, parts: &mut Iter<'a, Message>) -> Result<Option<&'a Message>> {
    let mut guard = socket.lock().ok_or(Error::NotSocket)?;
    for part in parts {
        let (payload, more) = (Payload::of(part), part.more());
        if let Payload::Bytes(body) = payload
            && !more
            && guard.send_in_stream(body)
        {
            continue;
        }
        match guard.send_now(payload, more, Credit::Fresh) {
            Ok(()) => {}
            Err(Error::Again) => return Ok(Some(part)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Sends a run as it is, if that can be done at once.
fn stream_run(socket: Reference<Socket>, run: &Run) -> Result<bool> {
    let mut guard = socket.lock().ok_or(Error::NotSocket)?;
    Ok(guard.stream_run(&run.frames, run.messages))
}

/// How many messages a socket takes for certain before a call on it waits; 1 if that cannot be told.
pub(super) fn room(socket: Reference<Socket>) -> Result<usize> {
    let mut guard = socket.lock().ok_or(Error::NotSocket)?;
    guard.pipes.spill();
    let least = guard.pipes.ends().map(End::room).min().unwrap_or(1);
    Ok(usize::try_from(least).unwrap_or(usize::MAX).max(1))
}
