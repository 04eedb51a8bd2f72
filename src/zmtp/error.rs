//! What can be wrong with a peer's bytes, and how a socket monitor tells it.
//!
//! A protocol error ends the connection. During the handshake libzmq reports some of them as
//! `ZMQ_EVENT_HANDSHAKE_FAILED_*` and others, such as a wrong socket type, by `ZMQ_EVENT_DISCONNECTED` alone;
//! [`ProtocolError::event`] tells which. After the handshake there is `ZMQ_EVENT_DISCONNECTED` only.

use crate::constants::*;

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
    /// A message has more parts than the limit (`MONOCOQUE_MAX_MESSAGE_PARTS`).
    TooManyParts,
    /// The parts of a message are larger together than the limit (`MONOCOQUE_MAX_MESSAGE_BYTES`).
    TooManyBytes,
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
    /// A HELLO command is malformed.
    MalformedHello,
    /// A WELCOME command is malformed.
    MalformedWelcome,
    /// An INITIATE command is malformed.
    MalformedInitiate,
    /// A READY command is malformed.
    MalformedReady,
    /// A MESSAGE command is malformed.
    MalformedMessage,
    /// A box was made with another key, or changed.
    Cryptographic,
    /// A public key is none, or vouches for something else.
    KeyExchange,
    /// A MESSAGE came again, or out of order.
    Sequence,
    /// A peer of a version that knows no security came where there is some.
    Unsecured,
    /// What a server says of itself in the end of the handshake is malformed, or its Socket-Type does not pair with ours.
    ServerMetadata,
    /// There is no authentication handler, and there has to be one.
    NoHandler,
    /// The authentication handler went away instead of answering.
    HandlerGone,
    /// This side has no credentials for its own part in the mechanism.
    #[cfg(feature = "gssapi")]
    NoCredentials,
    /// The authentication handler refused the peer with this status code.
    Denied(u16),
    /// The handler's reply has no such number of frames.
    ZapMalformed,
    /// The handler's reply does not begin with a delimiter.
    ZapUnspecified,
    /// The handler's reply is for another question.
    ZapRequestId,
    /// The handler's reply is of another version.
    ZapVersion,
    /// The handler's reply has no status code that there is.
    ZapStatus,
    /// The properties in the handler's reply are malformed.
    ZapMetadata,
}

impl ProtocolError {
    /// The value that goes with [`ProtocolError::event`]: a `ZMQ_PROTOCOL_ERROR_*` constant, or for
    /// [`ProtocolError::Refused`] the status code (`zmq_socket_monitor(3)`).
    pub const fn event_value(self) -> i32 {
        match self {
            ProtocolError::MechanismMismatch => ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH,
            ProtocolError::UnexpectedCommand => ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND,
            ProtocolError::MalformedCommand => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED,
            ProtocolError::MalformedError => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR,
            ProtocolError::ReadyTooLarge | ProtocolError::MalformedReady => {
                ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY
            }
            ProtocolError::InvalidMetadata | ProtocolError::SocketTypeMismatch | ProtocolError::ServerMetadata => {
                ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA
            }
            ProtocolError::Refused(status) | ProtocolError::Denied(status) => status as i32,
            ProtocolError::MalformedHello => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO,
            ProtocolError::MalformedWelcome => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME,
            ProtocolError::MalformedInitiate => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE,
            ProtocolError::MalformedMessage => ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE,
            ProtocolError::Cryptographic => ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
            ProtocolError::KeyExchange => ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE,
            ProtocolError::Sequence => ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE,
            ProtocolError::NoHandler => libc::EFAULT,
            ProtocolError::HandlerGone => libc::EPIPE,
            #[cfg(feature = "gssapi")]
            ProtocolError::NoCredentials => libc::EACCES,
            ProtocolError::ZapMalformed => ZMQ_PROTOCOL_ERROR_ZAP_MALFORMED_REPLY,
            ProtocolError::ZapUnspecified => ZMQ_PROTOCOL_ERROR_ZAP_UNSPECIFIED,
            ProtocolError::ZapRequestId => ZMQ_PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID,
            ProtocolError::ZapVersion => ZMQ_PROTOCOL_ERROR_ZAP_BAD_VERSION,
            ProtocolError::ZapStatus => ZMQ_PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE,
            ProtocolError::ZapMetadata => ZMQ_PROTOCOL_ERROR_ZAP_INVALID_METADATA,
            ProtocolError::OldIdentity
            | ProtocolError::NotZmtp
            | ProtocolError::ReservedFlags
            | ProtocolError::CommandWithMore
            | ProtocolError::FrameLength
            | ProtocolError::MessageTooLarge
            | ProtocolError::TooManyParts
            | ProtocolError::TooManyBytes
            | ProtocolError::Unsecured
            | ProtocolError::NoMemory => ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED,
        }
    }

    /// The option whose limit the peer passed, where that is one of this library's own.
    pub const fn limit(self) -> Option<i32> {
        match self {
            ProtocolError::TooManyParts => Some(MONOCOQUE_MAX_MESSAGE_PARTS),
            ProtocolError::TooManyBytes => Some(MONOCOQUE_MAX_MESSAGE_BYTES),
            _ => None,
        }
    }

    /// Whether [`ProtocolError::event`] tells of it also after the handshake: as libzmq has it, what is wrong with encrypted traffic.
    pub const fn is_of_traffic(self) -> bool {
        matches!(
            self,
            ProtocolError::Sequence
                | ProtocolError::Cryptographic
                | ProtocolError::MalformedMessage
                | ProtocolError::MalformedCommand
                | ProtocolError::UnexpectedCommand
        )
    }

    /// Whether the side that connected does not try again, as in libzmq: the peer has refused it, or both differ in what the handshake is.
    pub const fn is_final(self) -> bool {
        match self {
            ProtocolError::Refused(status) => status != 0,
            ProtocolError::MechanismMismatch
            | ProtocolError::UnexpectedCommand
            | ProtocolError::MalformedCommand
            | ProtocolError::MalformedError
            | ProtocolError::MalformedHello
            | ProtocolError::MalformedWelcome
            | ProtocolError::MalformedInitiate
            | ProtocolError::MalformedReady
            | ProtocolError::ReadyTooLarge
            | ProtocolError::Cryptographic
            | ProtocolError::KeyExchange => true,
            _ => false,
        }
    }

    /// The monitor event that precedes `ZMQ_EVENT_DISCONNECTED` when this ends a handshake; `None` where libzmq raises
    /// none: a first octet or an identity of an older version that cannot be, a size that is not taken, malformed metadata, a wrong
    /// Socket-Type, an ERROR command without a ZAP status code.
    pub const fn event(self) -> Option<i32> {
        match self {
            ProtocolError::NotZmtp
            | ProtocolError::OldIdentity
            | ProtocolError::FrameLength
            | ProtocolError::MessageTooLarge
            | ProtocolError::TooManyParts
            | ProtocolError::TooManyBytes
            | ProtocolError::ReadyTooLarge
            | ProtocolError::NoMemory
            | ProtocolError::InvalidMetadata
            | ProtocolError::SocketTypeMismatch
            | ProtocolError::Unsecured
            | ProtocolError::Refused(0) => None,
            ProtocolError::NoHandler | ProtocolError::HandlerGone => Some(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL),
            #[cfg(feature = "gssapi")]
            ProtocolError::NoCredentials => Some(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL),
            ProtocolError::Refused(_) | ProtocolError::Denied(_) => Some(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH),
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
        assert_eq!(ProtocolError::UnexpectedCommand.event(), protocol);
        assert_eq!(ProtocolError::UnexpectedCommand.event_value(), 0x1000_0001);
        assert_eq!(ProtocolError::ReservedFlags.event(), protocol);
        assert_eq!(ProtocolError::ReservedFlags.event_value(), 0x1000_0000);
        assert_eq!(ProtocolError::FrameLength.event(), None);
        assert_eq!(ProtocolError::MessageTooLarge.event(), None);
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
