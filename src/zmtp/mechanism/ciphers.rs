//! What encrypts and decrypts a connection after its handshake, whatever the mechanism: each frame, a message's or a command's, becomes
//! the body of a MESSAGE, and the flags that count are inside it.

use std::fmt;

#[cfg(feature = "gssapi")]
use super::gssapi::{GssapiOpener, GssapiSealer};
use super::sealed::{CurveOpener, CurveSealer};
use crate::zmtp::error::ProtocolError;

/// What the body of every MESSAGE begins with.
pub(super) const MESSAGE: &[u8; 8] = b"\x07MESSAGE";
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// What encrypts and decrypts a connection.
pub struct Ciphers {
    /// What we send.
    pub sealer: Sealer,
    /// What we receive.
    pub opener: Opener,
}

/// Encrypts what a connection sends.
pub enum Sealer {
    /// In boxes of CURVE.
    Curve(CurveSealer),
    /// In tokens of GSSAPI.
    #[cfg(feature = "gssapi")]
    Gssapi(GssapiSealer),
}

impl Sealer {
    /// Appends the frame for a frame of this body. Where it cannot, nothing may be sent any more.
    pub fn seal(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self {
            Sealer::Curve(sealer) => sealer.seal(more, command, body, out),
            #[cfg(feature = "gssapi")]
            Sealer::Gssapi(sealer) => sealer.seal(more, command, body, out),
        }
    }
}

/// A frame that was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// More frames of the same message follow.
    pub more: bool,
    /// The frame is a command.
    pub command: bool,
    /// The length of its body, in bytes.
    pub body_len: usize,
}

impl Opened {
    pub(super) fn of(flags: u8, body_len: usize) -> Opened {
        Opened {
            more: flags & MORE != 0,
            command: flags & COMMAND != 0,
            body_len,
        }
    }
}

/// Decrypts what a connection receives.
pub enum Opener {
    /// Boxes of CURVE.
    Curve(CurveOpener),
    /// Tokens of GSSAPI.
    #[cfg(feature = "gssapi")]
    Gssapi(GssapiOpener),
}

impl Opener {
    /// Opens the body of a frame: appends a frame of ZMTP 3 with what was in it. What is there already has
    /// [`OPENED_LEAD`](super::OPENED_LEAD) bytes or more.
    pub fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Opened, ProtocolError> {
        match self {
            Opener::Curve(opener) => opener.open(body, out),
            #[cfg(feature = "gssapi")]
            Opener::Gssapi(opener) => opener.open(body, out),
        }
    }

    /// Opens the body of a frame where it is: what was in it then stands behind [`MESSAGE_OVERHEAD`] bytes.
    pub fn open_in_place(&mut self, body: &mut [u8]) -> Result<Opened, ProtocolError> {
        match self {
            Opener::Curve(opener) => opener.open_in_place(body),
            #[cfg(feature = "gssapi")]
            Opener::Gssapi(opener) => opener.open_in_place(body),
        }
    }

    /// Whether a MESSAGE in a frame that is a command is dropped. Under GSSAPI libzmq takes it as any other.
    pub fn drops_commands(&self) -> bool {
        matches!(self, Opener::Curve(_))
    }
}

/// The octet before an encrypted body.
pub(super) fn flags_of(more: bool, command: bool) -> u8 {
    (MORE * u8::from(more)) | (COMMAND * u8::from(command))
}

/// What follows the name of a MESSAGE.
pub(super) fn message_data(body: &[u8]) -> Result<&[u8], ProtocolError> {
    body.strip_prefix(MESSAGE).ok_or_else(|| {
        let is_named = body.first().is_some_and(|&length| usize::from(length) < body.len());
        if is_named {
            ProtocolError::UnexpectedCommand
        } else {
            ProtocolError::MalformedCommand
        }
    })
}

impl fmt::Debug for Ciphers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ciphers")
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer")
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opener")
    }
}
