//! Bytes between the connection and the pipe: which operations the reactor has under way, and what their results lead to.
//! On the reactor's thread, as all of [`super::life`]; the application's threads write past it, through the write half.

use std::net::Shutdown;
use std::sync::Arc;

use super::Session;
use super::life::{Loss, READ, Stage, WRITE};
use super::reader::{Outcome, READS_MAX};
use crate::reactor::{Interest, Reactor};
use crate::sys::net;

impl Session {
    pub(super) fn readable(self: &Arc<Self>, reactor: &mut Reactor) {
        if !self.lease.is_the_reactors() {
            return;
        }
        let Ok(mut scratch) = reactor.take_scratch() else {
            return self.after_reading(reactor, Outcome::OutOfMemory);
        };
        let outcome = self.reader.lock().read(&mut scratch, READS_MAX);
        reactor.return_scratch(scratch);
        self.after_reading(reactor, outcome);
    }

    pub(super) fn resume(self: &Arc<Self>, reactor: &mut Reactor) {
        let outcome = self.reader.lock().resume();
        if let Some(outcome) = outcome {
            self.after_reading(reactor, outcome);
        }
    }

    pub(super) fn after_reading(self: &Arc<Self>, reactor: &mut Reactor, mut outcome: Outcome) {
        loop {
            let (reply, has_news, has_ttl) = {
                let mut reader = self.reader.lock();
                let reply = std::mem::take(&mut reader.reply);
                (reply, reader.leave_news(), reader.take_ttl_news())
            };
            if has_ttl {
                self.watch_peer_ttl(reactor);
            }
            if has_news {
                reactor.after_turn(self.clone());
            }
            if !reply.is_empty() {
                self.writer.lock().push_control(&reply);
            }
            match outcome {
                Outcome::Ready(peer, ciphers) => {
                    self.activate(reactor, &peer, ciphers);
                    outcome = self.reader.lock().decode_rest();
                }
                Outcome::Drained | Outcome::More => {
                    self.watch_cookie(reactor);
                    self.arm_read(reactor);
                    return self.end_if_drained(reactor);
                }
                Outcome::Paused => {
                    // Shared buffers are not for waiting in: the operation ends until the socket has read.
                    let token = self.life.lock().read;
                    if let Some(token) = token {
                        reactor.cancel(token);
                    }
                    return;
                }
                Outcome::Ask(credentials) => return self.ask(reactor, credentials),
                Outcome::Stalled(error) => {
                    self.stall(reactor, error);
                    return self.arm_read(reactor);
                }
                Outcome::Ended(errno) => return self.lose(reactor, Loss::Stream(errno)),
                Outcome::Broken(error) => return self.lose(reactor, Loss::Protocol(error)),
                Outcome::OutOfMemory => return self.lose(reactor, Loss::Stream(libc::ENOMEM)),
            }
        }
    }

    pub(super) fn arm_read(self: &Arc<Self>, reactor: &mut Reactor) {
        if !self.lease.is_the_reactors() {
            return;
        }
        let paused = self.reader.lock().is_paused();
        let mut life = self.life.lock();
        if paused || !matches!(life.stage, Stage::Handshake | Stage::Open) {
            return;
        }
        let gathers = life.stage == Stage::Open && self.owner.crowd().is_some();
        if let Some(token) = life.read {
            if gathers {
                // The crowd watches once this operation has ended.
                reactor.cancel(token);
            }
            return;
        }
        let fd = life.raw_fd();
        if gathers && self.join_crowd(fd) {
            return;
        }
        life.operations += 1;
        // Shared buffers are for peers that were admitted.
        life.read = Some(if self.crowded && life.stage == Stage::Open {
            reactor.receive(fd, self.clone(), READ)
        } else {
            reactor.poll(fd, Interest::Read, self.clone(), READ)
        });
    }

    /// Goes on writing what the kernel did not take at once.
    pub(super) fn write_by_operation(self: &Arc<Self>, reactor: &mut Reactor) {
        if !matches!(self.life.lock().stage, Stage::Handshake | Stage::Open) {
            return;
        }
        let Some((fd, buffers)) = self.writer.lock().take_for_operation() else {
            return;
        };
        let token = reactor.send(fd, buffers, self.clone(), WRITE);
        let mut life = self.life.lock();
        life.operations += 1;
        life.write = Some(token);
    }

    /// The kernel takes nothing more for a peer that is gone.
    pub(super) fn write_failed(self: &Arc<Self>, reactor: &mut Reactor) {
        // What the peer sent before it went is still worth reading. The end of the stream follows it for certain, also where the
        // peer has only given up reading.
        if let Some(fd) = &self.life.lock().fd {
            net::shut_down(fd, Shutdown::Read);
        }
        self.reader.lock().read_to_end();
        self.lease.end();
        self.read_again(reactor);
    }

    /// The driver read to the end of the stream. What waits for the socket to read comes before the end.
    pub(super) fn stream_ended(self: &Arc<Self>, reactor: &mut Reactor, errno: i32) {
        if !self.reader.lock().end_after_pause(errno) {
            self.lose(reactor, Loss::Stream(errno));
        }
    }
}
