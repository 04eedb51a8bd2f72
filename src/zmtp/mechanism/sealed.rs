//! MESSAGE commands of CURVE (RFC 26, "Message Commands"): each frame, a message's or a command's, in a box of its own.
//!
//! As on libzmq they travel as message frames of ZMTP without `MORE`, and the flags that count are inside. Nonces rise by one; those of
//! the peer have to rise, so that nothing is read twice.

use super::ciphers::{MESSAGE as NAME, Opened, flags_of, message_data};
use crate::sys::sodium::{KEY, LEAD, PREFIX, Stream, TAG};
use crate::zmtp::error::ProtocolError;
use crate::zmtp::frame::encode_header;

const NONCE: usize = 8;
/// What stands before the encrypted flags.
const CLEAR: usize = NAME.len() + NONCE + TAG;
/// What a frame's body is longer than that of the frame inside it, in bytes.
pub const MESSAGE_OVERHEAD: usize = CLEAR + 1;
/// What an opener wants before the frames that it appends to, in bytes.
pub const OPENED_LEAD: usize = LEAD;
/// What a frame has before its encrypted content is the room that encrypting it in place takes.
const _: () = assert!(CLEAR == LEAD);
/// Bodies from this size on are encrypted from where they are instead of being copied before, in bytes.
const LONG: usize = 4 * 1024;

/// Encrypts what a connection sends.
pub struct CurveSealer {
    stream: Stream,
    nonce: u64,
}

impl CurveSealer {
    pub fn new(key: &[u8; KEY], prefix: &[u8; PREFIX], first_nonce: u64) -> CurveSealer {
        CurveSealer {
            stream: Stream::new(key, prefix),
            nonce: first_nonce,
        }
    }

    /// Appends the frame for a frame of this body; without memory for it nothing.
    pub fn seal(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let (header, header_len) = encode_header(false, body.len() + MESSAGE_OVERHEAD);
        out.try_reserve(header_len + MESSAGE_OVERHEAD + body.len())
            .map_err(|_| ProtocolError::NoMemory)?;
        out.extend_from_slice(&header[..header_len]);
        let start = out.len();
        out.extend_from_slice(&[0; CLEAR]);
        let flags = flags_of(more, command);
        let tag = if body.len() < LONG {
            out.push(flags);
            out.extend_from_slice(body);
            self.stream.seal(self.nonce, &mut out[start..])
        } else {
            self.stream.seal_apart(self.nonce, flags, body, out)
        };
        out[start..start + NAME.len()].copy_from_slice(NAME);
        out[start + NAME.len()..start + CLEAR - TAG].copy_from_slice(&self.nonce.to_be_bytes());
        out[start + CLEAR - TAG..start + CLEAR].copy_from_slice(&tag);
        self.nonce += 1;
        Ok(())
    }
}

/// Decrypts what a connection receives.
pub struct CurveOpener {
    stream: Stream,
    /// The nonce of the last box.
    nonce: u64,
}

impl CurveOpener {
    pub fn new(key: &[u8; KEY], prefix: &[u8; PREFIX], last_nonce: u64) -> CurveOpener {
        CurveOpener {
            stream: Stream::new(key, prefix),
            nonce: last_nonce,
        }
    }

    /// Opens the box that is the body of a frame: appends a frame of ZMTP 3 with what was in it. What is there already has
    /// [`OPENED_LEAD`] bytes or more.
    pub fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Opened, ProtocolError> {
        let (nonce, tag, content) = parts(body)?;
        self.check_order(nonce)?;
        let start = out.len();
        let (header, header_len) = encode_header(false, content.len() - 1);
        // The flags are where the header's last byte will be.
        let content_at = start + header_len - 1;
        let lead_at = content_at.checked_sub(LEAD).ok_or(ProtocolError::NoMemory)?;
        out.try_reserve(header_len + content.len())
            .map_err(|_| ProtocolError::NoMemory)?;
        out.resize(content_at + content.len(), 0);
        let buffer = &mut out[lead_at..];
        let mut before = [0; LEAD];
        before.copy_from_slice(&buffer[..LEAD]);
        let is_whole = self.stream.open(nonce, tag, content, buffer);
        buffer[..LEAD].copy_from_slice(&before);
        if !is_whole {
            out.truncate(start);
            return Err(ProtocolError::Cryptographic);
        }
        self.nonce = nonce;
        let opened = Opened::of(out[content_at], out.len() - content_at - 1);
        out[start..start + header_len].copy_from_slice(&header[..header_len]);
        out[start] |= u8::from(opened.more);
        Ok(opened)
    }

    /// Opens the box in place: what was in it. Its body stands behind [`MESSAGE_OVERHEAD`].
    pub fn open_in_place(&mut self, body: &mut [u8]) -> Result<Opened, ProtocolError> {
        let (nonce, tag, _) = parts(body)?;
        self.check_order(nonce)?;
        let tag = *tag;
        let content = &mut body[CLEAR..];
        if !self.stream.open_in_place(nonce, &tag, content) {
            return Err(ProtocolError::Cryptographic);
        }
        self.nonce = nonce;
        Ok(Opened::of(content[0], content.len() - 1))
    }

    /// What comes again, or out of order, is refused.
    fn check_order(&self, nonce: u64) -> Result<(), ProtocolError> {
        if nonce > self.nonce {
            Ok(())
        } else {
            Err(ProtocolError::Sequence)
        }
    }
}

/// Nonce, tag and what is encrypted, which is not empty.
fn parts(body: &[u8]) -> Result<(u64, &[u8; TAG], &[u8]), ProtocolError> {
    let parts = message_data(body)?
        .split_first_chunk::<NONCE>()
        .and_then(|(nonce, rest)| {
            let (tag, content) = rest.split_first_chunk::<TAG>()?;
            (!content.is_empty()).then_some((u64::from_be_bytes(*nonce), tag, content))
        });
    parts.ok_or(ProtocolError::MalformedMessage)
}
