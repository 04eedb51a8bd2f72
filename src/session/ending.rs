//! The end of a connection, and of the session: losing, closing, lingering, finishing. On the reactor's thread, as all of
//! [`super::life`].
//!
//! Invariant: a descriptor is closed when no operation on it is outstanding.

use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::life::{LINGER, Loss, Stage};
use super::{Session, Side};
use crate::constants::*;
use crate::reactor::Reactor;
use crate::reactor::driver::receive_now;
use crate::sys::counters::{Counter, count_many};
use crate::sys::descriptors::Descriptor;
use crate::sys::net;

/// What a peer sent after we closed is read and dropped up to this many times a buffer, so that the close is no reset.
const DISCARDS_MAX: usize = 16;

impl Session {
    pub(super) fn lose(self: &Arc<Self>, reactor: &mut Reactor, loss: Loss) {
        let (stage, fd, shook_hands, is_stalled, asked) = {
            let mut life = self.life.lock();
            if !matches!(life.stage, Stage::Handshake | Stage::Open) {
                return;
            }
            let stage = std::mem::replace(&mut life.stage, Stage::Closing);
            let is_final = matches!(loss, Loss::Protocol(error) if error.is_final());
            life.gives_up = stage == Stage::Handshake && (is_final || self.settings.stops_when_handshake_fails);
            for token in [life.read, life.write].into_iter().flatten() {
                reactor.cancel(token);
            }
            life.verdict = None;
            life.shaking = None;
            let asked = life.asked.take();
            let shook_hands = std::mem::take(&mut life.shook_hands);
            let is_stalled = std::mem::take(&mut life.is_stalled);
            (stage, life.raw_fd(), shook_hands, is_stalled, asked)
        };
        drop(asked);
        self.cancel_timer(reactor);
        self.end_heartbeats(reactor);
        self.close_lease();
        self.leave_crowd();
        if stage == Stage::Open && !matches!(loss, Loss::Ours) {
            // A raw connection may be the program's own descriptor, and one over ipc does not tell.
            let unconfirmed = if self.is_tcp() { net::unconfirmed(fd) } else { 0 };
            self.owner.lost(unconfirmed);
        }
        // Whoever hears of the loss may send at once: that is for the next connection.
        self.writer.lock().stop();
        {
            let mut reader = self.reader.lock();
            if stage == Stage::Open && !matches!(loss, Loss::Ours) {
                reader.decode_to_end();
                // Without memory for it the socket hears nothing of the end.
                let _ = reader.notify();
                reader.tell_news();
                // Who hears of the end finds what came before it.
                if let Some(lanes) = self.lanes() {
                    lanes.socket.tell();
                }
            }
            reader.close();
        }
        match (loss, stage) {
            (Loss::Protocol(error), _) if stage == Stage::Handshake || error.is_of_traffic() => {
                if let Some(kind) = error.event() {
                    self.event(kind, error.event_value());
                }
            }
            (Loss::Stream(errno), _) if !shook_hands && !is_stalled => {
                let errno = if errno == 0 { libc::EPIPE } else { errno };
                self.event(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno);
            }
            (Loss::Limit(_), Stage::Handshake) if !is_stalled => {
                self.event(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, libc::ENOBUFS);
            }
            _ => {}
        }
        let limit = match loss {
            Loss::Limit(option) => Some(option),
            Loss::Protocol(error) => error.limit(),
            _ => None,
        };
        if let Some(option) = limit {
            self.event(MONOCOQUE_EVENT_LIMIT, option);
        }
        if !matches!(loss, Loss::Ours) {
            self.event(ZMQ_EVENT_DISCONNECTED, fd);
        }
        self.end_closing(reactor);
    }

    /// Closes the descriptor once the last of its operations is over, and goes on to what comes then.
    pub(super) fn end_closing(self: &Arc<Self>, reactor: &mut Reactor) {
        let (fd, attempt) = {
            let mut life = self.life.lock();
            if life.stage != Stage::Closing || life.operations > 0 {
                return;
            }
            (life.fd.take(), std::mem::take(&mut life.attempt))
        };
        let connecting = matches!(self.side, Side::Connecting(_));
        let keeps_pipe = connecting && !self.settings.immediate;
        let over = !connecting || self.closing.load(Ordering::Acquire) && self.is_drained_or_cut();
        self.writer.lock().close(!over && keeps_pipe);
        if attempt {
            self.attempt_closed(fd);
        } else if let Some(fd) = fd {
            self.hang_up(reactor, fd);
        }
        if over {
            return self.finish(reactor);
        }
        if !keeps_pipe {
            self.end_pipe();
        }
        if self.life.lock().gives_up {
            return self.give_up(reactor);
        }
        self.wait_to_connect(reactor);
    }

    fn hang_up(&self, reactor: &mut Reactor, fd: Descriptor) {
        net::shut_down(&fd, Shutdown::Write);
        let Ok(mut scratch) = reactor.take_scratch() else {
            return;
        };
        for _ in 0..DISCARDS_MAX {
            match receive_now(fd.as_raw_fd(), &mut scratch) {
                Ok(count) if count > 0 => {}
                _ => break,
            }
        }
        reactor.return_scratch(scratch);
    }

    pub(super) fn begin_closing(self: &Arc<Self>, reactor: &mut Reactor) {
        let linger_ms = self.linger_ms.load(Ordering::Acquire);
        if linger_ms == 0 || self.life.lock().stage == Stage::GivenUp {
            return self.end(reactor);
        }
        self.writer.lock().forget_caller();
        self.writer.notify();
        self.write_by_operation(reactor);
        self.end_lease();
        // Nobody reads any more, so that nothing limits what is read: the end of the stream is seen.
        self.resume(reactor);
        self.end_if_drained(reactor);
        let waits = {
            let life = self.life.lock();
            life.stage != Stage::Finished && life.linger.is_none()
        };
        if linger_ms > 0 && waits {
            let timer = reactor.timer_after(Duration::from_millis(linger_ms as u64), self.clone(), LINGER);
            self.life.lock().linger = Some(timer);
        }
    }

    /// Nothing is left to send, or no time to send it.
    fn is_drained_or_cut(&self) -> bool {
        self.linger_ms.load(Ordering::Acquire) == 0 || self.is_drained()
    }

    fn is_drained(&self) -> bool {
        let waits = self.lanes().is_some_and(|lanes| lanes.to_wire.has_content());
        let writer = self.writer.lock();
        !waits && !writer.holds_messages()
    }

    pub(super) fn end_if_drained(self: &Arc<Self>, reactor: &mut Reactor) {
        if self.closing.load(Ordering::Acquire) && self.is_drained() {
            self.end(reactor);
        }
    }

    /// Ends the session, whatever it is doing.
    pub(super) fn end(self: &Arc<Self>, reactor: &mut Reactor) {
        self.closing.store(true, Ordering::Release);
        self.linger_ms.store(0, Ordering::Release);
        let stage = self.life.lock().stage;
        match stage {
            Stage::Handshake | Stage::Open => self.lose(reactor, Loss::Ours),
            Stage::Connecting => {
                let mut life = self.life.lock();
                life.stage = Stage::Closing;
                life.attempt = true;
                if let Some(token) = life.connect {
                    reactor.cancel(token);
                }
                drop(life);
                self.end_closing(reactor);
            }
            Stage::Waiting | Stage::Resolving | Stage::GivenUp => self.finish(reactor),
            Stage::Closing | Stage::Finished => {}
        }
    }

    pub(super) fn finish(self: &Arc<Self>, reactor: &mut Reactor) {
        self.cancel_timer(reactor);
        let linger = {
            let mut life = self.life.lock();
            life.stage = Stage::Finished;
            life.fd = None;
            life.linger.take()
        };
        if let Some(timer) = linger {
            reactor.cancel_timer(timer);
        }
        self.end_pipe();
        self.owner.finished(self.id);
    }

    /// The pipe dies with its connection.
    fn end_pipe(&self) {
        let Some(lanes) = self.lanes.lock().take() else { return };
        count_many(Counter::Lost, lanes.to_wire.abandon(0));
        lanes.to_socket.end();
        lanes.socket.readable();
    }
}
