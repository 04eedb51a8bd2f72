//! zmq_poll(3), zmq_proxy(3) and zmq_proxy_steerable(3).

use std::ffi::{c_int, c_long, c_void};

use crate::entry;
use crate::error::Error;
use crate::socket::{self, PollItem};

entry! {
    /// Waits up to `timeout` milliseconds (-1: without limit) for sockets and descriptors: how many items are ready, or -1
    /// with `ENOTSOCK`, `ETERM`, `EFAULT` or `EINTR`. Source: zmq_poll(3).
    ///
    /// # Safety
    /// `items` points to `nitems` items.
    pub unsafe fn zmq_poll(items: *mut PollItem, nitems: c_int, timeout: c_long) -> c_int, on_error -1 => {
        let count = usize::try_from(nitems).map_err(|_| Error::Invalid)?;
        if items.is_null() && count > 0 {
            return Err(Error::Fault);
        }
        let items = match count {
            0 => &mut [],
            // SAFETY: as the caller promises.
            _ => unsafe { std::slice::from_raw_parts_mut(items, count) },
        };
        socket::poll(items, timeout)
    }
}

entry! {
    /// Moves messages between two sockets until the context ends, with a copy of each to `capture` if there is one. -1 with
    /// `ETERM`, `EINTR`, `ENOTSOCK` or `EFAULT`. Source: zmq_proxy(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int, on_error -1 => {
        socket::proxy(frontend, backend, capture, std::ptr::null_mut())
    }
}

entry! {
    /// As `zmq_proxy`, steered by PAUSE, RESUME, TERMINATE and STATISTICS from `control`. 0 after TERMINATE. Source:
    /// zmq_proxy_steerable(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_proxy_steerable(
        frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void, control: *mut c_void,
    ) -> c_int, on_error -1 => {
        socket::proxy(frontend, backend, capture, control)
    }
}

entry! {
    /// As `zmq_proxy` without capture; the type is not looked at. Source: zmq_device, of older versions.
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_device(_device_type: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int, on_error -1 => {
        socket::proxy(frontend, backend, std::ptr::null_mut(), std::ptr::null_mut())
    }
}
