//! What is known of whoever is at the other end of a pipe, for programs that ask.

use bytes::Bytes;

/// How far the connection to a peer is. The numbers are those of `MONOCOQUE_PEER_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum PeerState {
    /// There is none: it waits to be made, or to be made again; over inproc nobody is bound to the name.
    #[default]
    Waiting = crate::constants::MONOCOQUE_PEER_WAITING,
    /// The name is being looked up, or the connection being made.
    Connecting = crate::constants::MONOCOQUE_PEER_CONNECTING,
    /// The protocol's handshake is under way.
    Handshaking = crate::constants::MONOCOQUE_PEER_HANDSHAKING,
    /// Messages flow.
    Ready = crate::constants::MONOCOQUE_PEER_READY,
    /// It ends.
    Closing = crate::constants::MONOCOQUE_PEER_CLOSING,
    /// No further attempt is made.
    GivenUp = crate::constants::MONOCOQUE_PEER_GIVEN_UP,
}

/// Who is at the other end of a pipe.
#[derive(Clone, Debug, Default)]
pub struct PeerInfo {
    /// The endpoint that was connected to, or that the peer came to.
    pub endpoint: Vec<u8>,
    /// Its address without a port, or its user, group and process; empty if there is no connection.
    pub address: String,
    /// How far the connection is.
    pub state: PeerState,
    /// ZMTP's name of its socket type; empty as long as it is not known.
    pub socket_type: Bytes,
    /// The routing id that it gave itself; empty if it gave none.
    pub routing_id: Bytes,
    /// ZMTP's name of the security mechanism.
    pub mechanism: &'static str,
    /// How many connections there were that messages could flow through, this one included.
    pub connections: u64,
}
