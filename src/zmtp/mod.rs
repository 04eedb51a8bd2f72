//! ZMTP 3.1 (RFC 37) and 3.0 (RFC 23) with the mechanisms NULL, PLAIN (RFC 24) and CURVE (RFC 26), 2.0 (RFC 15) and 1.0 (RFC 13), sans-I/O.
//!
//! Bytes go in, events and bytes come out: nothing here knows a descriptor, a clock, a thread or a random number, so
//! the reactor, a calling thread, the tests and the fuzzers drive the same code. A connection is a [`Handshake`] until
//! it answers [`Progress::Done`]; from then on it is frames, walked by [`scan`] and written with [`encode_header`],
//! with the commands of [`command`] between them. Nothing here panics on what a peer sends, and every error is a
//! [`ProtocolError`].
//!
//! Where the RFC leaves room, the behaviour is that of libzmq 4.3.5 as seen on the wire; where libzmq tolerates what
//! the RFC forbids (reserved flag bits, `MORE` on a command, a message before READY), the RFC is followed.
#![forbid(unsafe_code)]

pub mod command;
pub mod error;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod limits;
pub mod mechanism;
pub mod metadata;
pub mod scan;
pub mod zap;

#[cfg(test)]
mod testing;

pub use command::{Command, encode_cancel, encode_ping, encode_pong, encode_subscribe, parse_command};
pub use error::ProtocolError;
pub use frame::{
    Header, MAX_HEADER, SHORT_HEADER, decode_header, decode_old_header, encode_command, encode_header,
    encode_old_header,
};
pub use handshake::{Framing, Handshake, HandshakeConfig, Peer, Progress, pairs};
pub use limits::{Begun, MessageLimits};
pub use mechanism::{
    Ciphers, CurveClient, CurveServer, MESSAGE_OVERHEAD, OPENED_LEAD, Opened, Opener, RANDOM, Sealer, Security,
};
#[cfg(feature = "gssapi")]
pub use mechanism::{GssapiClient, GssapiServer};
pub use scan::{Scan, ScanLimits, Stop, scan};
