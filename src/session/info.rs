//! What a session tells programs of its peer. Any thread may ask; it takes nothing but leaves.

use std::sync::atomic::Ordering;

use super::Session;
use super::life::Stage;
use crate::pipe::{PeerInfo, PeerState};

impl Session {
    /// Who is at the other end of the connection, as far as that is known.
    pub fn info(&self) -> PeerInfo {
        let life = self.life.lock();
        let state = state(life.stage);
        let is_there = matches!(state, PeerState::Handshaking | PeerState::Ready);
        let (address, (socket_type, routing_id)) = if is_there {
            (life.peer_address.clone(), life.introduced.clone())
        } else {
            Default::default()
        };
        PeerInfo {
            endpoint: self.endpoint.clone(),
            address: address.unwrap_or_default(),
            state,
            socket_type,
            routing_id,
            mechanism: self.settings.security.name(),
            connections: self.established.load(Ordering::Relaxed),
        }
    }
}

fn state(stage: Stage) -> PeerState {
    match stage {
        Stage::Waiting => PeerState::Waiting,
        Stage::Resolving | Stage::Connecting => PeerState::Connecting,
        Stage::Handshake => PeerState::Handshaking,
        Stage::Open => PeerState::Ready,
        Stage::Closing | Stage::Finished => PeerState::Closing,
        Stage::GivenUp => PeerState::GivenUp,
    }
}
