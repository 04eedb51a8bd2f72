//! Parts of messages on their way between the caller and a pipe: where they come from, and where they go.

use std::sync::Arc;

use super::batch::{Batch, BodySlice};
use super::{LARGE_BODY, REFERENCE_MIN};
use crate::error::Result;
use crate::message::{Body, Message, Metadata};

/// What is sent: one part of a message.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// To be copied.
    Bytes(&'a [u8]),
    /// To ride by reference where that pays.
    Body(&'a Body),
}

impl<'a> Payload<'a> {
    /// What is in a message.
    #[inline]
    pub fn of(message: &'a Message) -> Payload<'a> {
        match message.body() {
            Some(body) if rides(body, REFERENCE_MIN) => Payload::Body(body),
            _ => Payload::Bytes(message.data()),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Bytes(bytes) => bytes,
            Payload::Body(body) => body,
        }
    }

    #[inline]
    pub(super) fn push(self, batch: &mut Batch, more: bool, reference_min: usize) -> Result<()> {
        match self {
            Payload::Body(body) if rides(body, reference_min) => batch.push_body(body.clone(), more),
            payload => batch.push_frame(payload.as_slice(), more),
        }
    }

    /// The bytes, if they are copied for a connection.
    pub fn copied_for_connections(&self) -> Option<&[u8]> {
        match self {
            Payload::Body(body) if rides(body, LARGE_BODY) => None,
            payload => Some(payload.as_slice()),
        }
    }
}

/// Whether a body rides by reference where those do that have so many bytes: one with a free function always does, for that may
/// wait for it.
fn rides(body: &Body, reference_min: usize) -> bool {
    body.len() >= reference_min || body.has_free_function()
}

/// Where a received part goes.
pub enum Target<'a> {
    /// Into a message.
    Message(&'a mut Message),
    /// Into the caller's buffer, cut to its length; `len` becomes the part's whole length.
    Buffer {
        /// The buffer.
        buffer: &'a mut [u8],
        /// The whole length of the part.
        len: usize,
    },
    /// Nowhere.
    Discard,
}

impl Target<'_> {
    /// The length of the part that it was filled with.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Target::Message(message) => message.len(),
            Target::Buffer { len, .. } => *len,
            Target::Discard => 0,
        }
    }

    /// Puts one part into the target.
    #[inline]
    pub fn fill(&mut self, body: BodySlice<'_>, more: bool, metadata: Option<&Arc<Metadata>>) -> Result<()> {
        match (body, &mut *self) {
            (BodySlice::Body(body), Target::Message(message)) => {
                **message = Message::from_body(body);
                message.set_metadata(metadata);
            }
            (body, _) => self.fill_bytes(body.as_slice(), metadata)?,
        }
        if let Target::Message(message) = self {
            message.set_more(more);
        }
        Ok(())
    }

    /// As [`Target::fill`] for bytes that are the whole of a message.
    #[inline]
    pub(super) fn fill_bytes(&mut self, bytes: &[u8], metadata: Option<&Arc<Metadata>>) -> Result<()> {
        match self {
            Target::Message(message) => {
                message.refill(bytes)?;
                message.set_metadata(metadata);
            }
            Target::Buffer { buffer, len } => {
                let kept = bytes.len().min(buffer.len());
                buffer[..kept].copy_from_slice(&bytes[..kept]);
                *len = bytes.len();
            }
            Target::Discard => {}
        }
        Ok(())
    }

    /// Puts a message that was taken from its pipe before into the target.
    pub fn fill_with(&mut self, from: Message) {
        match self {
            Target::Message(message) => **message = from,
            Target::Buffer { buffer, len } => {
                let bytes = from.data();
                let kept = bytes.len().min(buffer.len());
                buffer[..kept].copy_from_slice(&bytes[..kept]);
                *len = bytes.len();
            }
            Target::Discard => {}
        }
    }
}
