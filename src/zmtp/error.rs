//! What can be wrong with a peer's bytes, and how a socket monitor tells it.
//!
//! A protocol error ends the connection. During the handshake libzmq reports some of them as
//! `ZMQ_EVENT_HANDSHAKE_FAILED_*` and others, such as a wrong socket type, by `ZMQ_EVENT_DISCONNECTED` alone;
//! [`ProtocolError::event`] tells which. After the handshake there is `ZMQ_EVENT_DISCONNECTED` only.

use crate::constants::{
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA,
    ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY,
    ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH,
    ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND, ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED,
};

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The identity of a peer of ZMTP 1.0 or 2.0 is malformed, or too long.
    OldIdentity,
    /// The first octet begins no greeting of any ZMTP version.
    NotZmtp,
    /// The peer's mechanism is not ours.
    MechanismMismatch,
    /// A reserved bit of a frame's flags is set.
    ReservedFlags,
    /// A command frame has the `MORE` bit.
    CommandWithMore,
    /// A frame's length is above 2^63-1.
    FrameLength,
    /// A frame's body is larger than the limit (`ZMQ_MAXMSGSIZE`).
    MessageTooLarge,
    /// A message frame came where only a command may be.
    UnexpectedMessage,
    /// A command came that does not belong to this state.
    UnexpectedCommand,
    /// A command has no name, or its data is too short.
    MalformedCommand,
    /// The ERROR command's reason does not fit its frame.
    MalformedError,
    /// The handshake command is larger than [`super::handshake::READY_SIZE_MAX`].
    ReadyTooLarge,
    /// A metadata property is malformed, or there are too many of them.
    InvalidMetadata,
    /// The peer's Socket-Type does not pair with ours.
    SocketTypeMismatch,
    /// The peer refused us with an ERROR command; a ZAP status code (300, 400 or 500) if it gave one, else 0.
    Refused(u16),
    /// There was no memory for the peer's handshake command.
    NoMemory,
}

impl ProtocolError {
    /// The value that goes with [`ProtocolError::event`]: a `ZMQ_PROTOCOL_ERROR_*` constant, or for
    /// [`ProtocolError::Refused`] the status code (`zmq_socket_monitor(3)`).
    pub const fn event_value(self) -> i32 {
        match self {
            ProtocolError::MechanismMismatch => ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH,
            ProtocolError::UnexpectedMessage | ProtocolError::UnexpectedCommand => {
                ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND
            }
            ProtocolError::MalformedCommand => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED,
            ProtocolError::MalformedError => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR,
            ProtocolError::ReadyTooLarge => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY,
            ProtocolError::InvalidMetadata | ProtocolError::SocketTypeMismatch => {
                ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA
            }
            ProtocolError::Refused(status) => status as i32,
            ProtocolError::OldIdentity
            | ProtocolError::NotZmtp
            | ProtocolError::ReservedFlags
            | ProtocolError::CommandWithMore
            | ProtocolError::FrameLength
            | ProtocolError::MessageTooLarge
            | ProtocolError::NoMemory => ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED,
        }
    }

    /// The monitor event that precedes `ZMQ_EVENT_DISCONNECTED` when this ends a handshake; `None` where libzmq raises
    /// none: a first octet or an identity of an older version that cannot be, malformed metadata, a wrong Socket-Type, an ERROR command
    /// without a ZAP status code.
    pub const fn event(self) -> Option<i32> {
        match self {
            ProtocolError::NotZmtp
            | ProtocolError::OldIdentity
            | ProtocolError::InvalidMetadata
            | ProtocolError::SocketTypeMismatch
            | ProtocolError::Refused(0) => None,
            ProtocolError::Refused(_) => Some(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH),
            _ => Some(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_those_that_libzmq_raises() {
        let protocol = Some(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
        assert_eq!(ProtocolError::MechanismMismatch.event(), protocol);
        assert_eq!(ProtocolError::MechanismMismatch.event_value(), 0x1100_0002);
        assert_eq!(ProtocolError::UnexpectedMessage.event(), protocol);
        assert_eq!(ProtocolError::UnexpectedMessage.event_value(), 0x1000_0001);
        assert_eq!(ProtocolError::FrameLength.event(), protocol);
        assert_eq!(ProtocolError::FrameLength.event_value(), 0x1000_0000);
        assert_eq!(ProtocolError::OldIdentity.event(), None);
        assert_eq!(ProtocolError::SocketTypeMismatch.event(), None);
        assert_eq!(ProtocolError::Refused(0).event(), None);
        assert_eq!(
            ProtocolError::Refused(400).event(),
            Some(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        );
        assert_eq!(ProtocolError::Refused(400).event_value(), 400);
    }
}
