//! zmq_socket(3), its options and endpoints.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::context;
use crate::entry;
use crate::error::{Error, Result};
use crate::handle::Reference;
use crate::options::write_value;
use crate::socket::{self, Closing, Socket};

/// The longest value of an option, in bytes: a longer one is a number that was never set, or came to be negative.
const VALUE_MAX: usize = i32::MAX as usize;

/// The bytes of a C string argument; `EINVAL` for NULL.
///
/// # Safety
/// `text` is NULL or a C string that lives for `'a`.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(Error::Invalid);
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

entry! {
    /// A new socket, or NULL with `EINVAL`, `EFAULT`, `EMFILE` or `ETERM`. Source: zmq_socket(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_socket(context: *mut c_void, socket_type: c_int) -> *mut c_void, on_error std::ptr::null_mut() => {
        Ok(socket::open(&context::find(context)?, socket_type)?.as_ptr())
    }
}

entry! {
    /// Closes a socket; what is queued is sent in the background, within linger. 0, or -1 with `ENOTSOCK`. Source: zmq_close(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_close(s: *mut c_void) -> c_int, on_error -1 => {
        socket::close(s)?;
        Ok(0)
    }
}

entry! {
    /// Sets an option. 0, or -1 with `EINVAL`, `EFAULT`, `ETERM` or `ENOTSOCK`. Source: zmq_setsockopt(3).
    ///
    /// # Safety
    /// `optval` is NULL or points to `optvallen` readable bytes.
    pub unsafe fn zmq_setsockopt(s: *mut c_void, option: c_int, optval: *const c_void, optvallen: usize) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        let value = match (optval.is_null(), optvallen) {
            (true, 0) => None,
            (true, _) => return Err(Error::Fault),
            (false, length) if length > VALUE_MAX => return Err(Error::Invalid),
            // SAFETY: as the caller promises.
            (false, _) => Some(unsafe { std::slice::from_raw_parts(optval.cast::<u8>(), optvallen) }),
        };
        reference.lock().ok_or(Error::NotSocket)?.set_option(option, value)?;
        Ok(0)
    }
}

entry! {
    /// Reads an option into `optval`, of `*optvallen` bytes, and puts the length of the value there. 0, or -1 with `EINVAL`,
    /// `EFAULT`, `ETERM` or `ENOTSOCK`. Source: zmq_getsockopt(3).
    ///
    /// # Safety
    /// `optvallen` is NULL or points to a `size_t`, and `optval` to that many writable bytes.
    pub unsafe fn zmq_getsockopt(s: *mut c_void, option: c_int, optval: *mut c_void, optvallen: *mut usize) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        if optval.is_null() || optvallen.is_null() {
            return Err(Error::Fault);
        }
        let value = reference.lock().ok_or(Error::NotSocket)?.option(option)?;
        // SAFETY: as the caller promises.
        let out = unsafe { std::slice::from_raw_parts_mut(optval.cast::<u8>(), (*optvallen).min(isize::MAX as usize)) };
        let length = write_value(&value, out)?;
        // SAFETY: as the caller promises.
        unsafe { *optvallen = length };
        Ok(0)
    }
}

entry! {
    /// Accepts connections on an endpoint. 0, or -1 with `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `EADDRINUSE`,
    /// `EADDRNOTAVAIL`, `ENODEV`, `ETERM`, `ENOTSOCK` or `EMTHREAD`. Source: zmq_bind(3).
    ///
    /// # Safety
    /// `addr` is NULL or a C string.
    pub unsafe fn zmq_bind(s: *mut c_void, addr: *const c_char) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let address = unsafe { text(addr) }?;
        reference.lock().ok_or(Error::NotSocket)?.bind(address)?;
        Ok(0)
    }
}

entry! {
    /// Connects to an endpoint, in the background, again and again. 0, or -1 with `EINVAL`, `EPROTONOSUPPORT`,
    /// `ENOCOMPATPROTO`, `ETERM`, `ENOTSOCK` or `EMTHREAD`. Source: zmq_connect(3).
    ///
    /// # Safety
    /// `addr` is NULL or a C string.
    pub unsafe fn zmq_connect(s: *mut c_void, addr: *const c_char) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let address = unsafe { text(addr) }?;
        reference.lock().ok_or(Error::NotSocket)?.connect(address)?;
        Ok(0)
    }
}

entry! {
    /// Ends a bind; the listening descriptor is closed when it returns. 0, or -1 with `EINVAL`, `ETERM`, `ENOTSOCK` or
    /// `ENOENT`. Source: zmq_unbind(3).
    ///
    /// # Safety
    /// `addr` is NULL or a C string.
    pub unsafe fn zmq_unbind(s: *mut c_void, addr: *const c_char) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let address = unsafe { text(addr) }?;
        end_endpoint(reference, address)
    }
}

/// As on libzmq each of the two calls ends every endpoint of that name; over inproc the bound one, or else the connected ones.
fn end_endpoint(reference: Reference<Socket>, address: &[u8]) -> Result<c_int> {
    let mut closings = Vec::new();
    {
        let mut socket = reference.lock().ok_or(Error::NotSocket)?;
        let bound = socket.unbind(address);
        if !address.starts_with(b"inproc://") || matches!(bound, Err(Error::NoEntry)) {
            match (socket.disconnect(address), &bound) {
                (Ok(closing), _) => closings.push(closing),
                (Err(error), Err(Error::NoEntry)) => return Err(error),
                (Err(_), _) => {}
            }
        }
        match bound {
            Ok(closing) => closings.push(closing),
            Err(error) if closings.is_empty() => return Err(error),
            Err(_) => {}
        }
    }
    closings.into_iter().for_each(Closing::wait);
    Ok(0)
}

entry! {
    /// Ends a connect; what is queued is still sent, within linger. 0, or -1 with `EINVAL`, `ETERM`, `ENOTSOCK` or `ENOENT`.
    /// Source: zmq_disconnect(3).
    ///
    /// # Safety
    /// `addr` is NULL or a C string.
    pub unsafe fn zmq_disconnect(s: *mut c_void, addr: *const c_char) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        // SAFETY: as the caller promises.
        let address = unsafe { text(addr) }?;
        end_endpoint(reference, address)
    }
}

entry! {
    /// Sends the socket's events to a PAIR socket bound to an inproc endpoint; NULL stops that. 0, or -1 with `EINVAL`,
    /// `EPROTONOSUPPORT`, `EADDRINUSE`, `ETERM` or `ENOTSOCK`. Source: zmq_socket_monitor(3).
    ///
    /// # Safety
    /// `addr` is NULL or a C string.
    pub unsafe fn zmq_socket_monitor(s: *mut c_void, addr: *const c_char, events: c_int) -> c_int, on_error -1 => {
        let reference = socket::find(s)?;
        let address = match addr.is_null() {
            true => None,
            // SAFETY: as the caller promises.
            false => Some(unsafe { text(addr) }?),
        };
        reference.lock().ok_or(Error::NotSocket)?.monitor(address, events)?;
        Ok(0)
    }
}
