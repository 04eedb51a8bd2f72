//! The end of a connection, and of the session: losing, closing, lingering, finishing. On the reactor's thread, as all of
//! [`super::life`].
//!
//! Invariant: a descriptor is closed when no operation on it is outstanding.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;

use super::life::{LINGER, Loss, Stage};
use super::{Session, Side};
use crate::constants::*;
use crate::reactor::Reactor;
use crate::reactor::driver::receive_now;
use crate::sys::descriptors::Descriptor;

/// What a peer sent after we closed is read and dropped up to this many times a buffer, so that the close is no reset.
const DISCARDS_MAX: usize = 16;

impl Session {
    pub(super) fn lose(self: &Arc<Self>, reactor: &mut Reactor, loss: Loss) {
        let (stage, fd, shook_hands) = {
            let mut life = self.life.lock();
            if !matches!(life.stage, Stage::Handshake | Stage::Open) {
                return;
            }
            let stage = std::mem::replace(&mut life.stage, Stage::Closing);
            for token in [life.read, life.write].into_iter().flatten() {
                reactor.cancel(token);
            }
            (stage, life.raw_fd(), std::mem::take(&mut life.shook_hands))
        };
        self.cancel_timer(reactor);
        self.end_heartbeats(reactor);
        self.close_lease();
        self.leave_crowd();
        {
            let mut reader = self.reader.lock();
            if stage == Stage::Open && !matches!(loss, Loss::Ours) {
                // Without memory for it the socket hears nothing of the end.
                let _ = reader.notify();
                reader.tell_news();
            }
            reader.close();
        }
        // Whoever hears of the loss may send at once: that is for the next connection.
        self.writer.lock().stop();
        match (loss, stage) {
            (Loss::Protocol(error), Stage::Handshake) => {
                if let Some(kind) = error.event() {
                    self.event(kind, error.event_value());
                }
            }
            (Loss::Stream(errno), _) if !shook_hands => {
                let errno = if errno == 0 { libc::EPIPE } else { errno };
                self.event(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno);
            }
            _ => {}
        }
        if !matches!(loss, Loss::Ours) {
            self.event(ZMQ_EVENT_DISCONNECTED, fd);
        }
        self.end_closing(reactor);
    }

    /// Closes the descriptor once the last of its operations is over, and goes on to what comes then.
    pub(super) fn end_closing(self: &Arc<Self>, reactor: &mut Reactor) {
        let fd = {
            let mut life = self.life.lock();
            if life.stage != Stage::Closing || life.operations > 0 {
                return;
            }
            life.fd.take()
        };
        let connecting = matches!(self.side, Side::Connecting(_));
        let keeps_pipe = connecting && !self.settings.immediate;
        let over = !connecting || self.closing.load(Ordering::Acquire) && self.is_drained_or_cut();
        let _ = self.writer.lock().close(!over && keeps_pipe);
        if let Some(fd) = fd {
            self.hang_up(reactor, fd);
        }
        if over {
            return self.finish(reactor);
        }
        if !keeps_pipe {
            self.end_pipe();
        }
        self.wait_to_connect(reactor);
    }

    fn hang_up(&self, reactor: &mut Reactor, fd: Descriptor) {
        drop(SockRef::from(&fd).shutdown(std::net::Shutdown::Write));
        let mut scratch = reactor.take_scratch();
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
        if linger_ms == 0 {
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
                if let Some(token) = life.connect {
                    reactor.cancel(token);
                }
                drop(life);
                self.end_closing(reactor);
            }
            Stage::Waiting | Stage::Resolving => self.finish(reactor),
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
        lanes.to_wire.abandon();
        lanes.to_socket.end();
        lanes.socket.readable();
    }
}
