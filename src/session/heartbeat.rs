//! Heartbeats (RFC 37, "Connection Heartbeating"; ZMQ_HEARTBEAT_IVL, _TIMEOUT, _TTL in zmq_setsockopt(3)): a PING at every interval, and
//! the end of a connection from which nothing comes: in time after one of ours, or within the time that the peer's PING gave. On the
//! reactor's thread, as all of [`super::life`].
//!
//! Whoever reads notes the time at which something came, but only while that is asked for. What nobody has read yet counts, too.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::life::{HEARTBEAT, Loss, PEER_TTL, SILENCE, Stage};
use crate::reactor::{Reactor, TimerId};
use crate::sys::{clock, net};
use crate::zmtp::encode_ping;

/// What a connection's options say of heartbeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeats {
    /// ZMQ_HEARTBEAT_IVL in milliseconds (0: none are sent).
    pub interval_ms: u32,
    /// ZMQ_HEARTBEAT_TIMEOUT in milliseconds (0: none).
    pub timeout_ms: u32,
    /// ZMQ_HEARTBEAT_TTL in tenths of a second (0: none).
    pub ttl_tenths: u16,
}

/// The timers of a connection, and since when it is waited for.
#[derive(Default)]
pub(super) struct Beat {
    next: Option<TimerId>,
    silence: Option<TimerId>,
    /// When the PING was sent that `silence` belongs to.
    asked_ns: u64,
    peer_ttl: Option<TimerId>,
}

impl Session {
    /// The connection is open.
    pub(super) fn begin_heartbeats(self: &Arc<Self>, reactor: &mut Reactor) {
        let interval_ms = self.settings.heartbeats.interval_ms;
        if interval_ms == 0 {
            return;
        }
        self.reader.lock().note_times();
        let timer = reactor.timer_after(milliseconds(interval_ms), self.clone(), HEARTBEAT);
        self.life.lock().beat.next = Some(timer);
    }

    /// It is not any more.
    pub(super) fn end_heartbeats(&self, reactor: &mut Reactor) {
        let beat = std::mem::take(&mut self.life.lock().beat);
        for timer in [beat.next, beat.silence, beat.peer_ttl].into_iter().flatten() {
            reactor.cancel_timer(timer);
        }
    }

    /// Time for the next PING.
    pub(super) fn heartbeat(self: &Arc<Self>, reactor: &mut Reactor) {
        if self.life.lock().stage != Stage::Open {
            return;
        }
        // Before the PING goes out: its answer may be read, by a caller, before this returns.
        let asked_ns = clock::now_ns();
        let heartbeats = self.settings.heartbeats;
        let mut ping = Vec::new();
        encode_ping(&mut ping, heartbeats.ttl_tenths, &[]);
        self.writer.lock().push_ping(&ping);
        self.write_by_operation(reactor);
        // Of two timers at the same time the first one set comes first.
        let asks = heartbeats.timeout_ms > 0 && self.life.lock().beat.silence.is_none();
        let silence = asks.then(|| reactor.timer_after(milliseconds(heartbeats.timeout_ms), self.clone(), SILENCE));
        let next = reactor.timer_after(milliseconds(heartbeats.interval_ms), self.clone(), HEARTBEAT);
        let beat = &mut self.life.lock().beat;
        beat.next = Some(next);
        if silence.is_some() {
            (beat.silence, beat.asked_ns) = (silence, asked_ns);
        }
    }

    /// The answer to a PING, or anything else, should have come by now.
    pub(super) fn look_for_silence(self: &Arc<Self>, reactor: &mut Reactor) {
        let asked_ns = {
            let beat = &mut self.life.lock().beat;
            beat.silence = None;
            beat.asked_ns
        };
        if self.reader.lock().heard_ns() < asked_ns && !self.has_unread() {
            self.lose(reactor, Loss::Stream(libc::ETIMEDOUT));
        }
    }

    /// A PING has come that gives a time within which something is to follow; or such a time is over.
    pub(super) fn watch_peer_ttl(self: &Arc<Self>, reactor: &mut Reactor) {
        let (ttl_ns, heard_ns) = {
            let reader = self.reader.lock();
            (reader.peer_ttl_ns(), reader.heard_ns())
        };
        let before = self.life.lock().beat.peer_ttl.take();
        if let Some(timer) = before {
            reactor.cancel_timer(timer);
        }
        if ttl_ns == 0 || self.life.lock().stage != Stage::Open {
            return;
        }
        let mut left_ns = (heard_ns + ttl_ns).saturating_sub(clock::now_ns());
        if left_ns == 0 {
            if !self.has_unread() {
                return self.lose(reactor, Loss::Stream(libc::ETIMEDOUT));
            }
            left_ns = ttl_ns;
        }
        let timer = reactor.timer_after(Duration::from_nanos(left_ns), self.clone(), PEER_TTL);
        self.life.lock().beat.peer_ttl = Some(timer);
    }

    /// Whether something came that nobody has read: the socket may be full.
    fn has_unread(&self) -> bool {
        self.life.lock().fd.as_ref().is_some_and(net::has_unread)
    }
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(u64::from(count))
}
