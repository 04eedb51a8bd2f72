//! zmq_socket_monitor(3): events of a socket as messages of a PAIR socket of its own, bound to an inproc name.
//!
//! A reader that is slow, gone or not yet there never holds anything up: reports wait in a bounded backlog, and what does not
//! fit is dropped and counted.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Note, SOCKETS, Shared, Socket, close, open};
use crate::constants::*;
use crate::error::{Error, Result};
use crate::options::Opt;
use crate::pipe::{Credit, Payload};
use crate::session::Event;
use crate::transport::Endpoint;

/// Reports that wait for the monitor's reader at most.
const REPORTS_MAX: usize = 10_000;

/// Where a socket's events go.
pub(super) struct Monitor {
    events: i32,
    target: Arc<Shared>,
    handle: usize,
}

/// One event as its two parts.
pub(super) struct Report([Vec<u8>; 2]);

/// Reports that wait for the reader.
#[derive(Default)]
pub(super) struct Backlog {
    reports: VecDeque<Report>,
    /// Where those are counted that no reader gets.
    unheard: Option<Arc<AtomicU64>>,
}

impl Backlog {
    pub(super) fn push(&mut self, report: Report) {
        if self.reports.len() < REPORTS_MAX {
            self.reports.push_back(report);
        } else {
            self.count_unheard(1);
        }
    }

    /// The reader that has not come by now will not.
    pub(super) fn give_up(&mut self) {
        let left = self.reports.drain(..).count();
        self.count_unheard(left as u64);
    }

    fn count_unheard(&self, reports: u64) {
        if let Some(unheard) = &self.unheard {
            unheard.fetch_add(reports, Ordering::Relaxed);
        }
    }
}

impl Report {
    fn new(event: &Event) -> Report {
        let mut first = Vec::with_capacity(6);
        first.extend_from_slice(&(event.kind as u16).to_ne_bytes());
        first.extend_from_slice(&event.value.to_ne_bytes());
        Report([first, event.endpoint.clone()])
    }
}

impl Shared {
    /// Tells the monitor, if there is one that wants to know.
    pub(super) fn report(&self, event: Event) {
        if !self.monitored() {
            return;
        }
        let target = match self.monitor.lock().as_ref() {
            Some(monitor) if monitor.events & event.kind == event.kind => monitor.target.clone(),
            _ => return,
        };
        target.post(Note::Report(Report::new(&event)));
    }
}

impl Socket {
    /// Sends reports that wait, as far as the reader has room.
    pub(super) fn send_reports(&mut self) {
        while let Some(report) = self.reports.reports.front() {
            if !self.pattern.can_send(&mut self.pipes) {
                return;
            }
            let [first, second] = &report.0;
            let sent = self
                .pattern
                .send(&mut self.pipes, Payload::Bytes(first), true, Credit::Fresh)
                .and_then(|()| {
                    self.pattern
                        .send(&mut self.pipes, Payload::Bytes(second), false, Credit::Fresh)
                });
            if sent.is_err() {
                return;
            }
            self.reports.reports.pop_front();
        }
    }

    /// Starts a monitor (any before it is stopped), or stops it with no address, which works as long as the socket is there.
    /// `Error::Invalid` for events that there are not.
    pub(crate) fn monitor(&mut self, address: Option<&[u8]>, events: i32) -> Result<()> {
        let of_libzmq = if events & MONOCOQUE_EVENT_LIMIT == MONOCOQUE_EVENT_LIMIT {
            events & !MONOCOQUE_EVENT_LIMIT
        } else {
            events
        };
        if of_libzmq & !ZMQ_EVENT_ALL != 0 {
            return Err(Error::Invalid);
        }
        let Some(address) = address else {
            self.stop_monitor();
            return Ok(());
        };
        if !matches!(Endpoint::parse(address)?, Endpoint::Inproc(_)) {
            return Err(Error::ProtocolNotSupported);
        }
        self.check()?;
        self.stop_monitor();
        let handle = open(&self.context, ZMQ_PAIR)?;
        let reference = SOCKETS.slot(handle.as_ptr()).ok_or(Error::NotSocket)?;
        let bound = reference.lock().ok_or(Error::NotSocket).and_then(|mut socket| {
            socket.options.set_int(Opt::Linger, 0);
            socket.bind(address)?;
            socket.reports.unheard = Some(self.shared.connections.unheard_events.clone());
            Ok(socket.shared.clone())
        });
        match bound {
            Ok(target) => {
                *self.shared.monitor.lock() = Some(Monitor {
                    events,
                    target,
                    handle: handle.as_ptr().addr(),
                });
                self.shared.monitored.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                let _ = close(handle.as_ptr());
                Err(error)
            }
        }
    }

    /// Stops the monitor after a last event.
    pub(super) fn stop_monitor(&mut self) {
        let stopped = Event {
            kind: ZMQ_EVENT_MONITOR_STOPPED,
            value: 0,
            endpoint: Vec::new(),
        };
        self.shared.report(stopped);
        self.shared.monitored.store(false, Ordering::Release);
        let monitor = self.shared.monitor.lock().take();
        if let Some(monitor) = monitor {
            let _ = close(std::ptr::without_provenance::<c_void>(monitor.handle));
        }
    }
}
