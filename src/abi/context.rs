//! zmq_ctx_new(3) and its kin.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::constants::ZMQ_IO_THREADS;
use crate::context::{CONTEXTS, Context, Entry};
use crate::entry;
use crate::error::{Error, Result};
use crate::sys::waiter::Waiter;

/// The context behind a handle; `EFAULT` for anything else.
pub(super) fn find(context: *mut c_void) -> Result<Arc<Context>> {
    let reference = CONTEXTS.slot(context).ok_or(Error::Fault)?;
    let entry = reference.lock().ok_or(Error::Fault)?;
    Ok(entry.0.clone())
}

fn new_context() -> Result<*mut c_void> {
    // A caller needs a descriptor to wait with: that there is none is told now, as libzmq does.
    Waiter::mine()?;
    Ok(CONTEXTS.insert(Entry(Context::new()))?.as_ptr())
}

fn terminate(context: *mut c_void) -> Result<c_int> {
    find(context)?.terminate()?;
    CONTEXTS.remove(context).ok_or(Error::Fault)?;
    Ok(0)
}

entry! {
    /// A new context, or NULL with `ENOMEM` or `EMFILE`. Source: zmq_ctx_new(3).
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn zmq_ctx_new() -> *mut c_void, on_error std::ptr::null_mut() => {
        new_context()
    }
}

entry! {
    /// Ends a context: waits until its sockets are closed and their messages sent, within linger. 0, or -1 with `EFAULT`, or
    /// `EINTR`, after which it can be called again. Source: zmq_ctx_term(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_ctx_term(context: *mut c_void) -> c_int, on_error -1 => {
        terminate(context)
    }
}

entry! {
    /// Has every blocked and later call on the context's sockets answer `ETERM`. 0, or -1 with `EFAULT`. Source:
    /// zmq_ctx_shutdown(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_ctx_shutdown(context: *mut c_void) -> c_int, on_error -1 => {
        find(context)?.shutdown();
        Ok(0)
    }
}

entry! {
    /// Sets an option of the context. 0, or -1 with `EINVAL` or `EFAULT`. Source: zmq_ctx_set(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_ctx_set(context: *mut c_void, option: c_int, optval: c_int) -> c_int, on_error -1 => {
        find(context)?.set(option, optval)?;
        Ok(0)
    }
}

entry! {
    /// The value of an option of the context, or -1 with `EINVAL` or `EFAULT`. Source: zmq_ctx_get(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int, on_error -1 => {
        find(context)?.get(option)
    }
}

entry! {
    /// A new context with this many I/O threads, or NULL with `EINVAL`. Source: zmq_init(3).
    ///
    /// # Safety
    /// None needed.
    pub unsafe fn zmq_init(io_threads: c_int) -> *mut c_void, on_error std::ptr::null_mut() => {
        if io_threads < 0 {
            return Err(Error::Invalid);
        }
        let context = new_context()?;
        find(context)?.set(ZMQ_IO_THREADS, io_threads)?;
        Ok(context)
    }
}

entry! {
    /// As `zmq_ctx_term`. Source: zmq_term(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_term(context: *mut c_void) -> c_int, on_error -1 => {
        terminate(context)
    }
}

entry! {
    /// As `zmq_ctx_term`. Source: zmq_ctx_destroy(3).
    ///
    /// # Safety
    /// Any pointer is checked.
    pub unsafe fn zmq_ctx_destroy(context: *mut c_void) -> c_int, on_error -1 => {
        terminate(context)
    }
}
