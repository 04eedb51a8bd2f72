//! The message functions: zmq_msg_init(3) and its kin, apart from sending and receiving.
//!
//! Functions that may run a caller's free function are defined with `entry_unwind!`: what it throws passes through.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::constants::{ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD};
use crate::error::{Error, Result};
use crate::message::{self, FreeFn, Message};
use crate::{entry, entry_unwind};

entry! {
    /// Makes an empty message. 0, or -1 with `EFAULT`. Source: zmq_msg_init(3).
    ///
    /// # Safety
    /// `msg` is null or points to 64 writable, 8-aligned bytes that hold no open message.
    pub unsafe fn zmq_msg_init(msg: *mut Message) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { message::initialise(msg, Message::new()) }?;
        Ok(0)
    }
}

entry! {
    /// Makes a message of `size` bytes of arbitrary content. 0, or -1 with `EFAULT` or `ENOMEM`; then the message counts as
    /// closed. Source: zmq_msg_init_size(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_init`].
    pub unsafe fn zmq_msg_init_size(msg: *mut Message, size: usize) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { message::initialise_sized(msg, size) }?;
        Ok(0)
    }
}

entry! {
    /// Makes a message of the caller's buffer; `ffn(data, hint)` is called once when it is no longer needed. 0, or -1 with
    /// `EFAULT` or `ENOMEM`; then the message counts as closed and the buffer stays the caller's. Source: zmq_msg_init_data(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_init`]; `data` points to `size` bytes that stay valid until `ffn` is called, from whichever thread, or
    /// for good when `ffn` is null.
    pub unsafe fn zmq_msg_init_data(
        msg: *mut Message, data: *mut c_void, size: usize, ffn: Option<FreeFn>, hint: *mut c_void,
    ) -> c_int, on_error -1 => {
        if msg.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: as the caller promises.
        unsafe { initialise_with(msg, Message::from_extern(data.cast(), size, ffn, hint)) }
    }
}

entry_unwind! {
    /// Releases the content of a message. 0, or -1 with `EFAULT` when it is closed or was never initialised. Source:
    /// zmq_msg_close(3).
    ///
    /// # Safety
    /// `msg` is null or points to 64 readable and writable, 8-aligned bytes that no other thread uses now.
    pub unsafe fn zmq_msg_close(msg: *mut Message) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { message::close(msg) }?;
        Ok(0)
    }
}

entry_unwind! {
    /// Moves the content of `src` to `dest`, whose own content is released; `src` is empty then. Moving a message to itself
    /// changes nothing. 0, or -1 with `EFAULT`. Source: zmq_msg_move(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_close`], for both.
    pub unsafe fn zmq_msg_move(dest: *mut Message, src: *mut Message) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises; only one of the two is borrowed at a time.
        unsafe {
            message::check(dest)?;
            let moved = message::check_mut(src)?.take();
            *message::check_mut(dest)? = moved;
        }
        Ok(0)
    }
}

entry_unwind! {
    /// Makes `dest` a copy of `src`, which may share the bytes; the content of `dest` is released. Copying a message to itself
    /// changes nothing. 0, or -1 with `EFAULT`. Source: zmq_msg_copy(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_close`], for both.
    pub unsafe fn zmq_msg_copy(dest: *mut Message, src: *mut Message) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises; only one of the two is borrowed at a time.
        unsafe {
            message::check(dest)?;
            let copy = message::check_mut(src)?.share();
            *message::check_mut(dest)? = copy;
        }
        Ok(0)
    }
}

entry! {
    /// Where the content of a message starts; null with `EFAULT`. Source: zmq_msg_data(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_close`].
    pub unsafe fn zmq_msg_data(msg: *mut Message) -> *mut c_void, on_error std::ptr::null_mut() => {
        // SAFETY: as the caller promises.
        Ok(unsafe { message::check_mut(msg) }?.data_ptr().cast())
    }
}

entry! {
    /// The size of the content in bytes; 0 with `EFAULT`. Source: zmq_msg_size(3).
    ///
    /// # Safety
    /// `msg` is null or points to 64 readable, 8-aligned bytes that no other thread writes now.
    pub unsafe fn zmq_msg_size(msg: *const Message) -> usize, on_error 0 => {
        // SAFETY: as the caller promises.
        Ok(unsafe { message::check(msg) }?.len())
    }
}

entry! {
    /// 1 when more parts follow, 0 when not; a closed message keeps the answer. 0 with `EFAULT`. Source: zmq_msg_more(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_size`].
    pub unsafe fn zmq_msg_more(msg: *const Message) -> c_int, on_error 0 => {
        // SAFETY: as the caller promises.
        Ok(unsafe { message::check_initialised(msg) }?.more().into())
    }
}

entry! {
    /// The value of `ZMQ_MORE`, `ZMQ_SRCFD` or `ZMQ_SHARED`; -1 with `EINVAL` for another property, and for `ZMQ_SRCFD` of a
    /// message that came from no descriptor, or with `EFAULT`. Source: zmq_msg_get(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_size`].
    pub unsafe fn zmq_msg_get(msg: *const Message, property: c_int) -> c_int, on_error -1 => {
        if !matches!(property, ZMQ_MORE | ZMQ_SRCFD | ZMQ_SHARED) {
            return Err(Error::Invalid);
        }
        // SAFETY: as the caller promises.
        let message = unsafe { message::check_initialised(msg) }?;
        match property {
            ZMQ_MORE => Ok(message.more().into()),
            ZMQ_SHARED => Ok(message.is_shared().into()),
            _ => message.metadata().and_then(|metadata| metadata.source_descriptor()).ok_or(Error::Invalid),
        }
    }
}

entry! {
    /// No property can be set: -1 with `EINVAL`. Source: zmq_msg_set(3).
    ///
    /// # Safety
    /// Nothing is read: always safe.
    pub unsafe fn zmq_msg_set(_msg: *mut Message, _property: c_int, _optval: c_int) -> c_int, on_error -1 => {
        Err(Error::Invalid)
    }
}

entry! {
    /// The value of a property of the connection that the message came from, owned by the message; null with `EINVAL` when there
    /// is none of that name, or with `EFAULT`. Source: zmq_msg_gets(3).
    ///
    /// # Safety
    /// As for [`zmq_msg_size`]; `property` is null or a NUL-terminated string.
    pub unsafe fn zmq_msg_gets(msg: *const Message, property: *const c_char) -> *const c_char, on_error std::ptr::null() => {
        // SAFETY: as the caller promises.
        let message = unsafe { message::check_initialised(msg) }?;
        if property.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: not null, so a NUL-terminated string.
        let name = unsafe { CStr::from_ptr(property) };
        let value = message.metadata().and_then(|metadata| metadata.get(name.to_bytes()));
        value.map(CStr::as_ptr).ok_or(Error::Invalid)
    }
}

/// Writes a new message, or, when it could not be made, a closed one, and hands the error on.
///
/// # Safety
/// As for [`zmq_msg_init`].
unsafe fn initialise_with(msg: *mut Message, made: Result<Message>) -> Result<c_int> {
    match made {
        // SAFETY: as the caller promises.
        Ok(made) => unsafe { message::initialise(msg, made) }?,
        Err(error) => {
            // SAFETY: as the caller promises.
            unsafe { message::mark_closed(msg) };
            return Err(error);
        }
    }
    Ok(0)
}
