//! The message object of the C interface: a 64-byte `zmq_msg_t`, and the reference-counted bodies behind it.
//!
//! A message belongs to one thread at a time; bodies and metadata are shared between threads by reference counts. Nothing
//! here waits for a lock, and a free function runs exactly once, on the thread that drops the last reference, with no lock
//! held.
//!
//! Nothing in a message depends on its own address, because C programs copy the 64 bytes about. The first eight bytes
//! hold a magic number, so that a message which was closed or never initialised is recognised instead of followed.
#![allow(unsafe_code, reason = "messages cross the C boundary as raw memory")]

mod body;
mod metadata;
mod pool;

use std::ffi::c_void;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

pub use body::{Body, BodyBuilder, FreeFn};
pub use metadata::Metadata;

use crate::error::{Error, Result};
use crate::sys::copy;

/// The longest body, in bytes, that is kept inside the message itself.
pub const INLINE_BYTES_MAX: usize = 48;

/// libzmq keeps bodies up to this many bytes inline; longer ones say ZMQ_SHARED once copied, and so do ours.
const REFERENCE_INLINE_BYTES_MAX: u8 = 33;

const MAGIC: u32 = 0x716d_5a4d;

const KIND_INLINE: u8 = 0xa1;
const KIND_BODY: u8 = 0xb2;
const KIND_CLOSED: u8 = 0xc3;

const FLAG_MORE: u8 = 1;
const FLAG_SHARED: u8 = 2;

/// One message part: `zmq_msg_t` (zmq_msg_init(3)).
///
/// The body is inline up to [`INLINE_BYTES_MAX`] bytes; otherwise it is a [`Body`]. Inline bodies start 8-aligned.
#[repr(C, align(8))]
pub struct Message {
    kind: u8,
    flags: u8,
    inline_len: u8,
    reserved: u8,
    magic: u32,
    payload: Payload,
    /// From `Arc::into_raw`, or null.
    metadata: *const Metadata,
}

/// `inline` when the kind is `KIND_INLINE` (every byte initialised), `body` when it is `KIND_BODY`.
union Payload {
    inline: [u8; INLINE_BYTES_MAX],
    body: ManuallyDrop<Body>,
}

const _: () = assert!(size_of::<Message>() == 64 && align_of::<Message>() == 8);
const _: () = assert!(std::mem::offset_of!(Message, payload) == 8);

// SAFETY: the raw pointers are a reference-counted body, which is Send, and a counted reference to immutable metadata.
unsafe impl Send for Message {}

impl Message {
    /// An empty message.
    pub const fn new() -> Message {
        Message::with_payload(
            KIND_INLINE,
            Payload {
                inline: [0; INLINE_BYTES_MAX],
            },
        )
    }

    /// A message of `len` bytes of arbitrary content, for the caller to write (zmq_msg_init_size(3)).
    ///
    /// Fails with [`Error::NoMemory`].
    pub fn with_size(len: usize) -> Result<Message> {
        if len <= INLINE_BYTES_MAX {
            let mut message = Message::new();
            message.inline_len = len as u8;
            return Ok(message);
        }
        Ok(Message::of_body(Body::with_size(len)?))
    }

    /// A message that holds a copy of `bytes`. Fails with [`Error::NoMemory`].
    pub fn from_slice(bytes: &[u8]) -> Result<Message> {
        if bytes.len() <= INLINE_BYTES_MAX {
            let mut inline = [0; INLINE_BYTES_MAX];
            inline[..bytes.len()].copy_from_slice(bytes);
            let mut message = Message::with_payload(KIND_INLINE, Payload { inline });
            message.inline_len = bytes.len() as u8;
            return Ok(message);
        }
        Ok(Message::of_body(Body::from_slice(bytes)?))
    }

    /// Becomes a message that holds a copy of `bytes`, with the metadata that it has. Memory that is its own is used again.
    /// Fails with [`Error::NoMemory`], and is as it was then.
    #[inline]
    pub fn refill(&mut self, bytes: &[u8]) -> Result<()> {
        if self.kind == KIND_INLINE && bytes.len() <= INLINE_BYTES_MAX {
            // SAFETY: the kind says that `inline` is in use.
            let inline = unsafe { &mut self.payload.inline };
            inline[..bytes.len()].copy_from_slice(bytes);
            (self.flags, self.inline_len) = (0, bytes.len() as u8);
            return Ok(());
        }
        // SAFETY: the kind says that `body` is in use.
        let again = self.kind == KIND_BODY
            && bytes.len() > INLINE_BYTES_MAX
            && unsafe { (*self.payload.body).overwrite(bytes) };
        if !again {
            let mut fresh = Message::from_slice(bytes)?;
            std::mem::swap(&mut fresh.metadata, &mut self.metadata);
            *self = fresh;
        }
        self.flags = 0;
        Ok(())
    }

    /// As [`Message::refill`] with metadata, of 255 bytes at most, if that takes nothing but copying them; else the message is as it was.
    #[inline(always)]
    pub fn refill_quickly(&mut self, bytes: &[u8], metadata: Option<&Arc<Metadata>>) -> bool {
        if self.metadata != metadata.map_or(std::ptr::null(), Arc::as_ptr) {
            return false;
        }
        let is_filled = if self.kind == KIND_INLINE {
            // SAFETY: the kind says that `inline` is in use.
            let is_filled = copy::overwrite(unsafe { &mut self.payload.inline }, bytes);
            if is_filled {
                self.inline_len = bytes.len() as u8;
            }
            is_filled
        } else {
            // SAFETY: the kind says that `body` is in use.
            self.kind == KIND_BODY
                && bytes.len() > INLINE_BYTES_MAX
                && unsafe { (*self.payload.body).overwrite_quickly(bytes) }
        };
        if is_filled {
            self.flags = 0;
        }
        is_filled
    }

    /// A message that refers to `data` and never frees it (zmq_send_const(3)).
    ///
    /// # Safety
    /// `data` is valid for reads of `len` bytes, from any thread, as long as the message or anything made from it lives.
    pub unsafe fn from_constant(data: *const u8, len: usize) -> Message {
        // SAFETY: the caller's promise is the one that `Body::constant` asks for.
        Message::of_body(unsafe { Body::constant(data, len) })
    }

    /// A message that refers to the caller's buffer and calls `free(data, hint)` once nothing refers to it any more
    /// (zmq_msg_init_data(3)). Without a free function the buffer is borrowed, as by [`Message::from_constant`].
    ///
    /// Fails with [`Error::NoMemory`], and with [`Error::Fault`] for a null buffer that is not empty; then the buffer stays
    /// the caller's.
    ///
    /// # Safety
    /// `data` is valid for reads and writes of `len` bytes, from any thread, until `free` is called, or for good without
    /// one; `free` may be called from any thread.
    pub unsafe fn from_extern(data: *mut u8, len: usize, free: Option<FreeFn>, hint: *mut c_void) -> Result<Message> {
        if data.is_null() && len > 0 {
            return Err(Error::Fault);
        }
        // No memory is as long.
        if len > isize::MAX as usize {
            return Err(Error::NoMemory);
        }
        match free {
            // SAFETY: the caller's promise is the one that `Body::external` asks for.
            Some(free) => Ok(Message::of_body(unsafe { Body::external(data, len, free, hint)? })),
            // SAFETY: without a free function the caller promises that the buffer stays valid.
            None => Ok(unsafe { Message::from_constant(data, len) }),
        }
    }

    /// A message around a body that came through a pipe. It counts as shared when the body has other references.
    pub fn from_body(body: Body) -> Message {
        let flags = if body.is_shared() { FLAG_SHARED } else { 0 };
        let mut message = Message::of_body(body);
        message.flags = flags;
        message
    }

    /// The body.
    pub fn data(&self) -> &[u8] {
        match self.kind {
            // SAFETY: the kind says that `inline` is in use.
            KIND_INLINE => unsafe { &self.payload.inline[..usize::from(self.inline_len)] },
            // SAFETY: the kind says that `body` is in use.
            KIND_BODY => unsafe { &self.payload.body },
            _ => &[],
        }
    }

    /// The body for writing; `None` when it is constant or other messages may refer to it.
    pub fn data_mut(&mut self) -> Option<&mut [u8]> {
        match self.kind {
            KIND_INLINE => {
                let len = usize::from(self.inline_len);
                // SAFETY: the kind says that `inline` is in use.
                Some(unsafe { &mut self.payload.inline[..len] })
            }
            // SAFETY: the kind says that `body` is in use.
            KIND_BODY => unsafe { (*self.payload.body).unique_mut() },
            _ => None,
        }
    }

    /// Where the body starts, as C programs see it: they may write there, within the contract of zmq_msg_copy(3).
    pub fn data_ptr(&mut self) -> *mut u8 {
        match self.kind {
            KIND_INLINE => (&raw mut self.payload).cast(),
            // SAFETY: the kind says that `body` is in use.
            KIND_BODY => unsafe { self.payload.body.as_ptr().cast_mut() },
            _ => std::ptr::null_mut(),
        }
    }

    /// The length of the body in bytes.
    pub fn len(&self) -> usize {
        self.body().map_or(usize::from(self.inline_len), Body::len)
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more parts of the same message follow. A closed message keeps the answer (zmq_msg_more(3)).
    pub fn more(&self) -> bool {
        self.flags & FLAG_MORE != 0
    }

    /// Sets whether more parts follow.
    pub fn set_more(&mut self, more: bool) {
        self.flags = if more {
            self.flags | FLAG_MORE
        } else {
            self.flags & !FLAG_MORE
        };
    }

    /// ZMQ_SHARED of zmq_msg_get(3): the body is constant, or is or once was shared with another message.
    pub fn is_shared(&self) -> bool {
        self.flags & FLAG_SHARED != 0 || self.body().is_some_and(|body| body.is_constant() || body.is_shared())
    }

    /// Another message with the same body, flags and metadata (zmq_msg_copy(3)). Inline bodies are copied, others are
    /// shared, and both messages then count as shared for good.
    pub fn share(&mut self) -> Message {
        let mut copy = match self.kind {
            KIND_BODY => {
                self.flags |= FLAG_SHARED;
                // SAFETY: the kind says that `body` is in use.
                Message::of_body(unsafe { (*self.payload.body).clone() })
            }
            KIND_INLINE => {
                if self.inline_len > REFERENCE_INLINE_BYTES_MAX {
                    self.flags |= FLAG_SHARED;
                }
                // SAFETY: the kind says that `inline` is in use.
                let inline = unsafe { self.payload.inline };
                Message::with_payload(KIND_INLINE, Payload { inline })
            }
            _ => Message::new(),
        };
        copy.inline_len = self.inline_len;
        copy.flags = self.flags;
        if !self.metadata.is_null() {
            // SAFETY: the pointer came from `Arc::into_raw` and this message holds one count of it.
            unsafe { Arc::increment_strong_count(self.metadata) };
            copy.metadata = self.metadata;
        }
        copy
    }

    /// Moves everything out and leaves an empty message without flags (zmq_msg_move(3)).
    pub fn take(&mut self) -> Message {
        std::mem::take(self)
    }

    /// The bytes, if they are few and need not go by reference: 255 at most, and no free function waits.
    #[inline(always)]
    pub fn short(&self) -> Option<&[u8]> {
        if self.kind == KIND_INLINE {
            // SAFETY: the kind says that `inline` is in use.
            return unsafe { &self.payload.inline }.get(..usize::from(self.inline_len));
        }
        let body = self.body()?;
        (body.len() <= 255 && !body.has_free_function()).then_some(body)
    }

    /// As [`Message::clear`], if that takes nothing but keeping the memory for the next message. Else the message is as it was.
    #[inline(always)]
    pub fn clear_quickly(&mut self) -> bool {
        if !self.metadata.is_null() {
            return false;
        }
        // SAFETY: the kind says whether `body` is in use; its memory is given away once, as the kind changes.
        if self.kind == KIND_BODY && !unsafe { (*self.payload.body).recycle() } {
            return false;
        }
        (self.kind, self.flags, self.inline_len) = (KIND_INLINE, 0, 0);
        self.payload = Payload {
            inline: [0; INLINE_BYTES_MAX],
        };
        true
    }

    /// Drops everything and leaves an empty message without flags.
    #[inline]
    pub fn clear(&mut self) {
        (self.flags, self.inline_len) = (0, 0);
        if self.kind == KIND_INLINE && self.metadata.is_null() {
            return;
        }
        self.release();
        self.kind = KIND_INLINE;
        // What was a body's pointers is no initialised inline body for the compiler.
        self.payload = Payload {
            inline: [0; INLINE_BYTES_MAX],
        };
    }

    /// Whether a caller's free function waits for the last reference to the body.
    pub fn has_free_function(&self) -> bool {
        self.body().is_some_and(Body::has_free_function)
    }

    /// The body alone. An inline body is copied into an allocation of its own, which alone can fail
    /// ([`Error::NoMemory`]); one that is outside never fails.
    pub fn into_body(mut self) -> Result<Body> {
        if self.kind == KIND_BODY {
            self.kind = KIND_CLOSED;
            // SAFETY: `body` was in use, and the new kind makes this the only owner of it.
            return Ok(ManuallyDrop::into_inner(unsafe {
                std::ptr::read(&raw const self.payload.body)
            }));
        }
        Body::from_slice(self.data())
    }

    /// The properties of the connection that the message came from.
    pub fn metadata(&self) -> Option<&Metadata> {
        // SAFETY: null, or from `Arc::into_raw` with one count held by this message.
        unsafe { self.metadata.as_ref() }
    }

    /// Replaces the properties of the connection that the message came from.
    #[inline]
    pub fn set_metadata(&mut self, metadata: Option<&Arc<Metadata>>) {
        if self.metadata == metadata.map_or(std::ptr::null(), Arc::as_ptr) {
            return;
        }
        self.drop_metadata();
        self.metadata = metadata.map_or(std::ptr::null(), |metadata| Arc::into_raw(metadata.clone()));
    }

    const fn with_payload(kind: u8, payload: Payload) -> Message {
        Message {
            kind,
            flags: 0,
            inline_len: 0,
            reserved: 0,
            magic: MAGIC,
            payload,
            metadata: std::ptr::null(),
        }
    }

    fn of_body(body: Body) -> Message {
        Message::with_payload(
            KIND_BODY,
            Payload {
                body: ManuallyDrop::new(body),
            },
        )
    }

    /// The body, if it is outside the message.
    #[inline]
    pub fn body(&self) -> Option<&Body> {
        // SAFETY: the kind says that `body` is in use.
        (self.kind == KIND_BODY).then(|| unsafe { &*self.payload.body })
    }

    fn drop_metadata(&mut self) {
        let metadata = std::mem::replace(&mut self.metadata, std::ptr::null());
        if !metadata.is_null() {
            // SAFETY: the pointer came from `Arc::into_raw`, and this message gives up its count here.
            drop(unsafe { Arc::from_raw(metadata) });
        }
    }

    /// Drops what the message holds and marks it closed, keeping its flags. The free function, which may unwind, runs last.
    fn release(&mut self) {
        let kind = std::mem::replace(&mut self.kind, KIND_CLOSED);
        self.inline_len = 0;
        self.drop_metadata();
        if kind == KIND_BODY {
            // SAFETY: `body` was in use, and the new kind keeps it from being dropped again.
            unsafe { ManuallyDrop::drop(&mut self.payload.body) };
        }
    }
}

impl Default for Message {
    fn default() -> Message {
        Message::new()
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if self.kind == KIND_BODY || !self.metadata.is_null() {
            self.release();
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("len", &self.len())
            .field("more", &self.more())
            .finish_non_exhaustive()
    }
}

/// The live message at `pointer`; [`Error::Fault`] when it is null, closed or was never initialised (the last is recognised
/// by a magic number, as far as that goes).
///
/// # Safety
/// `pointer` is null or valid for reads of 64 bytes and 8-aligned, and nothing writes to the message during `'a`.
pub unsafe fn check<'a>(pointer: *const Message) -> Result<&'a Message> {
    // SAFETY: as the caller promises.
    let message = unsafe { check_initialised(pointer)? };
    if message.kind == KIND_CLOSED {
        Err(Error::Fault)
    } else {
        Ok(message)
    }
}

/// As [`check`], for changing the message.
///
/// # Safety
/// `pointer` is null or valid for reads and writes of 64 bytes and 8-aligned, and nothing else uses the message during `'a`.
pub unsafe fn check_mut<'a>(pointer: *mut Message) -> Result<&'a mut Message> {
    // SAFETY: as the caller promises.
    unsafe { check(pointer)? };
    // SAFETY: it is a live message, which the caller gives to us alone.
    Ok(unsafe { &mut *pointer })
}

/// As [`check`], but a closed message passes: it is empty and has kept its flags (zmq_msg_more(3)).
///
/// # Safety
/// As for [`check`].
pub unsafe fn check_initialised<'a>(pointer: *const Message) -> Result<&'a Message> {
    if pointer.is_null() {
        return Err(Error::Fault);
    }
    // SAFETY: the caller promises 64 readable bytes; these two fields are plain integers, of which any value is valid.
    let (magic, kind) = unsafe { ((*pointer).magic, (*pointer).kind) };
    if magic != MAGIC || !matches!(kind, KIND_INLINE | KIND_BODY | KIND_CLOSED) {
        return Err(Error::Fault);
    }
    // SAFETY: the magic number says that this is a message of ours.
    Ok(unsafe { &*pointer })
}

/// Writes `message` to uninitialised memory; what was there is not released. [`Error::Fault`] when `pointer` is null.
///
/// # Safety
/// `pointer` is null or valid for writes of 64 bytes and 8-aligned.
pub unsafe fn initialise(pointer: *mut Message, message: Message) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::Fault);
    }
    // SAFETY: as the caller promises.
    unsafe { pointer.write(message) };
    Ok(())
}

/// As [`initialise`] with [`Message::with_size`]; when memory is short, what is there counts as closed.
///
/// # Safety
/// As for [`initialise`].
#[inline(always)]
pub unsafe fn initialise_sized(pointer: *mut Message, len: usize) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::Fault);
    }
    // Each kind of message is written where it is to be: on the way through a local one, its parts would be read before they have
    // left the processor's store buffer.
    if len <= INLINE_BYTES_MAX {
        let mut message = Message::new();
        message.inline_len = len as u8;
        // SAFETY: as the caller promises.
        unsafe { pointer.write(message) };
        return Ok(());
    }
    match Body::recycled(len) {
        // SAFETY: as the caller promises.
        Some(body) => unsafe { pointer.write(Message::of_body(body)) },
        // SAFETY: as the caller promises.
        None => return unsafe { initialise_outside(pointer, len) },
    }
    Ok(())
}

/// As [`initialise_sized`], with memory that has to be looked for.
///
/// # Safety
/// As for [`initialise`], and not null.
#[inline(never)]
unsafe fn initialise_outside(pointer: *mut Message, len: usize) -> Result<()> {
    match Body::with_size(len) {
        // SAFETY: as the caller promises.
        Ok(body) => unsafe { pointer.write(Message::of_body(body)) },
        Err(error) => {
            // SAFETY: as the caller promises.
            unsafe { mark_closed(pointer) };
            return Err(error);
        }
    }
    Ok(())
}

/// Marks uninitialised memory as a closed message, so that using it is an error rather than a chance. Null is ignored.
///
/// # Safety
/// As for [`initialise`].
#[cold]
pub unsafe fn mark_closed(pointer: *mut Message) {
    if !pointer.is_null() {
        let closed = Message::with_payload(
            KIND_CLOSED,
            Payload {
                inline: [0; INLINE_BYTES_MAX],
            },
        );
        // SAFETY: as the caller promises.
        unsafe { pointer.write(closed) };
    }
}

/// Releases the message at `pointer` and marks it closed (zmq_msg_close(3)); [`Error::Fault`] when it is null, closed already
/// or was never initialised.
///
/// # Safety
/// As for [`check_mut`].
pub unsafe fn close(pointer: *mut Message) -> Result<()> {
    // SAFETY: as the caller promises.
    unsafe { check_mut(pointer)? }.release();
    Ok(())
}

#[cfg(test)]
mod tests;
