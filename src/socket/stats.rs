//! What a socket counts, and whom it is connected to, for programs that ask. Whoever asks takes the socket's lock like any other call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Socket;
use crate::pattern::PipeId;
use crate::pipe::{PeerInfo, Traffic};

/// What connections count on their own threads.
#[derive(Default)]
pub(super) struct Connections {
    made: AtomicU64,
    made_again: AtomicU64,
    lost: AtomicU64,
    unconfirmed_bytes: AtomicU64,
    /// Events that no monitor got; the monitor's own socket counts them.
    pub(super) unheard_events: Arc<AtomicU64>,
}

/// The counters of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// All its pipes.
    pub traffic: Traffic,
    /// Peers that it has a pipe to now, or is connecting to.
    pub peers: u64,
    /// Connections that messages could flow through.
    pub connections: u64,
    /// Of those, the ones that took the place of another.
    pub reconnects: u64,
    /// Connections that the peer or an error ended.
    pub disconnects: u64,
    /// What the peers' kernels had not confirmed then, in bytes.
    pub unconfirmed_bytes: u64,
    /// Events that no monitor got.
    pub unheard_events: u64,
}

/// One peer: whoever is at the other end of a pipe, or is being connected to.
#[derive(Clone, Debug, Default)]
pub struct PeerStats {
    /// Who it is.
    pub info: PeerInfo,
    /// What has gone through its pipe.
    pub traffic: Traffic,
}

impl Connections {
    pub(super) fn established(&self, again: bool) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.made_again.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    pub(super) fn lost(&self, unconfirmed_bytes: u64) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.unconfirmed_bytes.fetch_add(unconfirmed_bytes, Ordering::Relaxed);
    }
}

impl Socket {
    /// The counters as they are now.
    pub(crate) fn stats(&mut self) -> Stats {
        let connections = &self.shared.connections;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            connections: read(&connections.made),
            reconnects: read(&connections.made_again),
            disconnects: read(&connections.lost),
            unconfirmed_bytes: read(&connections.unconfirmed_bytes),
            unheard_events: read(&connections.unheard_events),
            peers: self.pipes.len() as u64 + self.sessions_without_pipe().count() as u64,
            traffic: self.pipes.traffic(),
        }
    }

    /// Shows every peer to `visit`: those that have a pipe, and those that are being connected to and get one later.
    pub(crate) fn peers(&mut self, mut visit: impl FnMut(PeerStats)) {
        self.pipes.settle_lanes();
        let ids: Vec<PipeId> = self.pipes.ids().collect();
        for id in ids {
            let Some(end) = self.pipes.end(id) else { continue };
            let (mut info, traffic) = (end.info(), end.traffic());
            if let Some(name) = self.pattern.peer_name(id) {
                info.routing_id = name;
            }
            visit(PeerStats { info, traffic });
        }
        for info in self.sessions_without_pipe() {
            visit(PeerStats {
                info,
                traffic: Traffic::default(),
            });
        }
    }

    fn sessions_without_pipe(&self) -> impl Iterator<Item = PeerInfo> {
        self.endpoints.sessions_but(|id| self.by_connection.contains_key(&id))
    }
}
