//! zmq_send(3), zmq_recv(3), and the other calls that send and receive.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use libc::iovec;

use crate::constants::ZMQ_SNDMORE;
use crate::error::{Error, Result};
use crate::handle::{Guard, Reference};
use crate::message::{self, Message, Metadata};
use crate::pipe::{LARGE_BODY, Payload, Target};
use crate::socket::{Begun, Socket};
use crate::sys::copy;
use crate::{entry, socket};

/// The result of a call that tells a size: what does not fit an `int` is told as its largest value.
fn size(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// The longest memory that there can be, in bytes.
const LENGTH_MAX: usize = isize::MAX as usize;

/// The caller's buffer, which may be NULL where its length is 0. What is longer than memory can be, nobody could copy: `ENOMEM`.
///
/// # Safety
/// `data` points to `len` readable bytes that live for `'a`, or `len` is 0.
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8]> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Error::Fault),
        (false, LENGTH_MAX..) => Err(Error::NoMemory),
        // SAFETY: as the caller promises.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) }),
    }
}

/// Sends a message part; a sent message is empty afterwards, any other is as it was.
///
/// # Safety
/// `msg` is NULL or points to 64 bytes.
#[inline(always)]
unsafe fn send_message(msg: *mut Message, s: *mut c_void, flags: c_int) -> Result<c_int> {
    let reference = socket::find(s)?;
    // SAFETY: as the caller promises.
    let message = unsafe { message::check_mut(msg) }?;
    let locked = match message.short() {
        Some(bytes) if flags & ZMQ_SNDMORE == 0 => match socket::begin_send(&reference, bytes) {
            Begun::Done(len) => {
                return if message.clear_quickly() {
                    Ok(len as c_int)
                } else {
                    sent(None, message)
                };
            }
            Begun::Busy(_, guard) => return sent(Some(guard), message),
            Begun::Locked(guard) => Some(guard),
            Begun::Not => None,
        },
        _ => None,
    };
    send_slowly(reference, locked, message, flags)
}

#[inline(never)]
fn send_slowly(
    reference: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    message: &mut Message,
    flags: c_int,
) -> Result<c_int> {
    socket::go_on(reference, locked, Payload::of(message), flags)?;
    sent(None, message)
}

/// The message was sent: what its socket has to do is done, and the message emptied.
#[inline(never)]
fn sent(busy: Option<Guard<Socket>>, message: &mut Message) -> Result<c_int> {
    drop(busy);
    let len = message.len();
    message.clear();
    Ok(size(len))
}

/// Sends bytes that are copied.
#[inline(always)]
fn send_bytes(reference: Reference<Socket>, data: &[u8], flags: c_int) -> Result<c_int> {
    let locked = if flags & ZMQ_SNDMORE == 0 {
        match socket::begin_send(&reference, data) {
            Begun::Done(len) => return Ok(len as c_int),
            Begun::Busy(len, guard) => return Ok(finish(guard, len)),
            Begun::Locked(guard) => Some(guard),
            Begun::Not => None,
        }
    } else {
        None
    };
    send_bytes_slowly(reference, locked, data, flags)
}

#[cold]
fn finish(guard: Guard<Socket>, len: usize) -> c_int {
    drop(guard);
    size(len)
}

#[inline(never)]
fn send_bytes_slowly(
    reference: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    data: &[u8],
    flags: c_int,
) -> Result<c_int> {
    socket::go_on(reference, locked, Payload::Bytes(data), flags)?;
    Ok(size(data.len()))
}

/// Receives a message part in place of what the message held.
///
/// # Safety
/// `msg` is NULL or points to 64 bytes.
#[inline(always)]
unsafe fn receive_message(msg: *mut Message, s: *mut c_void, flags: c_int) -> Result<c_int> {
    let reference = socket::find(s)?;
    // SAFETY: as the caller promises.
    let message = unsafe { message::check_mut(msg) }?;
    let take = |bytes: &[u8], metadata: Option<&Arc<Metadata>>| message.refill_quickly(bytes, metadata);
    let locked = match socket::begin_receive(&reference, take) {
        Begun::Done(len) => return Ok(len as c_int),
        Begun::Busy(len, guard) => return Ok(finish(guard, len)),
        Begun::Locked(guard) => Some(guard),
        Begun::Not => None,
    };
    receive_slowly(reference, locked, message, flags)
}

#[inline(never)]
fn receive_slowly(
    reference: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    message: &mut Message,
    flags: c_int,
) -> Result<c_int> {
    if message.has_free_function() {
        // The function may call into the library: it runs when no lock is held.
        let mut part = Message::new();
        socket::receive_on(reference, locked, &mut Target::Message(&mut part), flags)?;
        *message = part;
    } else {
        socket::receive_on(reference, locked, &mut Target::Message(message), flags)?;
    }
    Ok(size(message.len()))
}

#[inline(never)]
fn receive_bytes_slowly(
    reference: Reference<Socket>,
    locked: Option<Guard<Socket>>,
    buffer: &mut [u8],
    flags: c_int,
) -> Result<c_int> {
    let mut target = Target::Buffer { buffer, len: 0 };
    socket::receive_on(reference, locked, &mut target, flags)?;
    match target {
        Target::Buffer { len, .. } => Ok(size(len)),
        _ => Err(Error::Fault),
    }
}

entry! {
    /// Sends a part from a buffer, which is copied: its length, or -1 with `EAGAIN`, `ENOTSUP`, `EFSM`, `ETERM`, `ENOTSOCK`,
    /// `EINTR`, `EHOSTUNREACH`, `EFAULT` or `ENOMEM`. Source: zmq_send(3).
    ///
    /// # Safety
    /// `buf` points to `len` readable bytes.
    pub unsafe fn zmq_send(s: *mut c_void, buf: *const c_void, len: usize, flags: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let data = unsafe { bytes(buf, len) }?;
        send_bytes(reference, data, flags)
    }
}

entry! {
    /// Sends a part from a buffer that stays valid and unchanged for good; large ones are not copied. Returns as `zmq_send`.
    /// Source: zmq_send_const(3).
    ///
    /// # Safety
    /// `buf` points to `len` bytes that are never changed or freed.
    pub unsafe fn zmq_send_const(s: *mut c_void, buf: *const c_void, len: usize, flags: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let data = unsafe { bytes(buf, len) }?;
        if len < LARGE_BODY {
            socket::send(reference, Payload::Bytes(data), flags)?;
        } else {
            // SAFETY: as the caller promises, the bytes stay.
            let body = unsafe { Message::from_constant(data.as_ptr(), len) }.into_body()?;
            socket::send(reference, Payload::Body(&body), flags)?;
        }
        Ok(size(len))
    }
}

entry! {
    /// Receives a part into a buffer, cut to its length: the part's whole length, or -1 with `EAGAIN`, `ENOTSUP`, `EFSM`,
    /// `ETERM`, `ENOTSOCK`, `EINTR` or `EFAULT`. Source: zmq_recv(3).
    ///
    /// # Safety
    /// `buf` points to `len` writable bytes.
    pub unsafe fn zmq_recv(s: *mut c_void, buf: *mut c_void, len: usize, flags: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        let buffer = match (buf.is_null(), len) {
            (_, 0) => &mut [],
            (true, _) => return Err(Error::Fault),
            // SAFETY: as the caller promises; the bytes are only written to.
            (false, _) => unsafe { std::slice::from_raw_parts_mut(buf.cast::<u8>(), len.min(LENGTH_MAX)) },
        };
        let locked = match socket::begin_receive(&reference, |bytes, _| copy::overwrite(buffer, bytes)) {
            Begun::Done(len) => return Ok(len as c_int),
            Begun::Busy(len, guard) => return Ok(finish(guard, len)),
            Begun::Locked(guard) => Some(guard),
            Begun::Not => None,
        };
        receive_bytes_slowly(reference, locked, buffer, flags)
    }
}

entry! {
    /// Sends a part, which is empty afterwards: its length, or -1 as `zmq_send`; then it is as it was. Source: zmq_msg_send(3).
    ///
    /// # Safety
    /// `msg` is NULL or points to an initialised message.
    pub unsafe fn zmq_msg_send(msg: *mut Message, s: *mut c_void, flags: c_int) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { send_message(msg, s, flags) }
    }
}

entry! {
    /// Receives a part, in place of what the message held: its length, or -1 as `zmq_recv`. Source: zmq_msg_recv(3).
    ///
    /// # Safety
    /// `msg` is NULL or points to an initialised message.
    pub unsafe fn zmq_msg_recv(msg: *mut Message, s: *mut c_void, flags: c_int) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { receive_message(msg, s, flags) }
    }
}

entry! {
    /// As `zmq_msg_send`. Source: zmq_sendmsg(3).
    ///
    /// # Safety
    /// As `zmq_msg_send`.
    pub unsafe fn zmq_sendmsg(s: *mut c_void, msg: *mut Message, flags: c_int) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { send_message(msg, s, flags) }
    }
}

entry! {
    /// As `zmq_msg_recv`. Source: zmq_recvmsg(3).
    ///
    /// # Safety
    /// As `zmq_msg_recv`.
    pub unsafe fn zmq_recvmsg(s: *mut c_void, msg: *mut Message, flags: c_int) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        unsafe { receive_message(msg, s, flags) }
    }
}

entry! {
    /// Sends the buffers as messages, or with `ZMQ_SNDMORE` as the parts of one that ends with the last: the length of the last,
    /// or -1 as `zmq_send`, or with `EINVAL`.
    ///
    /// # Safety
    /// `iov` points to `count` vectors of readable bytes.
    pub unsafe fn zmq_sendiov(s: *mut c_void, iov: *mut iovec, count: usize, flags: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        if count == 0 || iov.is_null() {
            return Err(Error::Invalid);
        }
        let vector = |place| {
            // SAFETY: as the caller promises.
            let vector: &iovec = unsafe { &*iov.add(place) };
            // SAFETY: as the caller promises.
            unsafe { bytes(vector.iov_base, vector.iov_len) }
        };
        let mut parts: Vec<&[u8]> = Vec::new();
        parts.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        for place in 0..count {
            parts.push(vector(place)?);
        }
        socket::send_parts(reference, &parts, flags)?;
        Ok(parts.last().map_or(0, |last| size(last.len())))
    }
}

entry! {
    /// Receives the parts of one message, at most `*count`, each into memory from malloc(3) that the caller frees; `*count`
    /// becomes their number. That number, or -1 as `zmq_recv`, or with `EINVAL` or `ENOMEM`.
    ///
    /// # Safety
    /// `count` points to a `size_t` and `iov` to that many vectors, which are written to.
    pub unsafe fn zmq_recviov(s: *mut c_void, iov: *mut iovec, count: *mut usize, flags: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        if count.is_null() || iov.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: as the caller promises.
        let wanted = unsafe { count.replace(0) };
        if wanted == 0 {
            return Err(Error::Invalid);
        }
        let parts = socket::receive_parts(reference, wanted, flags)?;
        for (place, part) in parts.iter().enumerate() {
            // SAFETY: malloc has no preconditions; one byte more keeps an empty part apart from a failure.
            let copy = unsafe { libc::malloc(part.len().max(1)) };
            if copy.is_null() {
                return Err(Error::NoMemory);
            }
            // SAFETY: the memory was just allocated with at least this length.
            unsafe { std::ptr::copy_nonoverlapping(part.data().as_ptr(), copy.cast::<u8>(), part.len()) };
            // SAFETY: as the caller promises, there are `wanted` vectors and a count.
            unsafe {
                *iov.add(place) = iovec { iov_base: copy, iov_len: part.len() };
                *count = place + 1;
            }
        }
        Ok(size(parts.len()))
    }
}
