//! What the library says about itself and about errors: zmq_errno(3), zmq_strerror(3), zmq_version(3), zmq_has(3).

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use crate::constants::{
    EFSM, EMTHREAD, ENOCOMPATPROTO, ETERM, ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH,
};
use crate::sys::{errno, sodium};
use crate::{entry, reactor};

/// The capabilities of this build; `curve` and `io_uring` need more than that. What zmq_has(3) lists besides, and `ws`, `wss` and `vmci`, is not among them.
const CAPABILITIES: &[&CStr] = &[
    c"ipc",
    c"curve",
    c"io_uring",
    #[cfg(feature = "gssapi")]
    c"gssapi",
];

entry! {
    /// The calling thread's `errno`. Source: zmq_errno(3).
    ///
    /// # Safety
    /// None.
    pub unsafe fn zmq_errno() -> c_int, on_error 0 => {
        Ok(errno::current())
    }
}

entry! {
    /// What an error number means; the text may be overwritten by the thread's next call when the number is unknown.
    /// Source: zmq_strerror(3).
    ///
    /// # Safety
    /// None.
    pub unsafe fn zmq_strerror(errnum: c_int) -> *const c_char, on_error ptr::null() => {
        Ok(match errnum {
            EFSM => c"Operation cannot be accomplished in current state".as_ptr(),
            ENOCOMPATPROTO => c"The protocol is not compatible with the socket type".as_ptr(),
            ETERM => c"Context was terminated".as_ptr(),
            EMTHREAD => c"No thread available".as_ptr(),
            // Not the system's words, but those of libzmq on every system.
            libc::EHOSTUNREACH => c"Host unreachable".as_ptr(),
            // SAFETY: takes any number.
            other => unsafe { libc::strerror(other) },
        })
    }
}

entry! {
    /// Stores the version of the interface. Source: zmq_version(3).
    ///
    /// # Safety
    /// Each pointer is null or points to a writable int.
    pub unsafe fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) -> (), on_error () => {
        for (place, number) in [(major, ZMQ_VERSION_MAJOR), (minor, ZMQ_VERSION_MINOR), (patch, ZMQ_VERSION_PATCH)] {
            if !place.is_null() {
                // SAFETY: as the caller promises.
                unsafe { place.write(number) };
            }
        }
        Ok(())
    }
}

entry! {
    /// 1 when the library has a capability, else 0. Source: zmq_has(3); `io_uring` is this library's own, and 1 when that is what
    /// `monocoque_driver` answers.
    ///
    /// # Safety
    /// `capability` is null or a string ended by 0.
    pub unsafe fn zmq_has(capability: *const c_char) -> c_int, on_error 0 => {
        if capability.is_null() {
            return Ok(0);
        }
        // SAFETY: as the caller promises.
        let capability = unsafe { CStr::from_ptr(capability) };
        let is_there = match capability.to_bytes() {
            b"curve" => sodium::is_ready(),
            b"io_uring" => reactor::driver_name().is_ok_and(|name| name == capability),
            _ => true,
        };
        Ok(c_int::from(is_there && CAPABILITIES.contains(&capability)))
    }
}

entry! {
    /// The driver of the library's background threads, `"io_uring"` or `"epoll"`: the one with which such a thread has started last,
    /// or on which one went on after its ring had failed. Before the first of them it is the one that would be taken, which is
    /// found out by a trial. The string is never freed. Null where none can be had, with `errno` as zmq_socket(3) would give it:
    /// `EMFILE`, `ENOMEM`, `EAGAIN`, or what the kernel answers to a driver that `MONOCOQUE_DRIVER` forces. Not part of libzmq.
    ///
    /// # Safety
    /// None.
    pub unsafe fn monocoque_driver() -> *const c_char, on_error ptr::null() => {
        Ok(reactor::driver_name()?.as_ptr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: c_int) -> String {
        // SAFETY: the answer is a string.
        let text = unsafe { CStr::from_ptr(zmq_strerror(number)) };
        text.to_str().unwrap().to_string()
    }

    #[test]
    fn errors_have_the_texts_of_libzmq() {
        assert_eq!(text(EFSM), "Operation cannot be accomplished in current state");
        assert_eq!(
            text(ENOCOMPATPROTO),
            "The protocol is not compatible with the socket type"
        );
        assert_eq!(text(ETERM), "Context was terminated");
        assert_eq!(text(EMTHREAD), "No thread available");
        assert_eq!(text(libc::EHOSTUNREACH), "Host unreachable");
        assert_eq!(text(0), "Success");
        assert_eq!(text(libc::EINVAL), "Invalid argument");
        assert!(text(ETERM + 100).starts_with("Unknown error"));
        assert!(text(-1).starts_with("Unknown error"));
    }

    #[test]
    fn the_version_is_the_one_of_the_interface() {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: the pointers are to live numbers, or null.
        unsafe {
            zmq_version(&mut major, &mut minor, &mut patch);
            zmq_version(ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        }
        assert_eq!((major, minor, patch), (4, 3, 5));
    }

    #[test]
    fn errno_is_the_threads_own() {
        errno::set(libc::EFAULT);
        // SAFETY: no promise is asked for.
        assert_eq!(unsafe { zmq_errno() }, libc::EFAULT);
        let elsewhere = std::thread::spawn(|| {
            errno::set(libc::EINVAL);
            // SAFETY: no promise is asked for.
            unsafe { zmq_errno() }
        });
        assert_eq!(elsewhere.join().unwrap(), libc::EINVAL);
        // SAFETY: no promise is asked for.
        assert_eq!(unsafe { zmq_errno() }, libc::EFAULT);
    }

    #[test]
    fn capabilities() {
        // SAFETY: the arguments are strings, or null.
        let has = |name: &CStr| unsafe { zmq_has(name.as_ptr()) };
        assert_eq!((has(c"ipc"), has(c"curve")), (1, 1));
        // SAFETY: no promise is asked for, and the answer is a string.
        let driver = unsafe { CStr::from_ptr(monocoque_driver()) };
        assert_eq!(has(c"io_uring"), c_int::from(driver == c"io_uring"));
        for name in [
            c"pgm", c"tipc", c"norm", c"CURVE", c"draft", c"vmci", c"IPC", c"", c"ipc ",
        ] {
            assert_eq!(has(name), 0, "{name:?}");
        }
        assert_eq!(has(c"gssapi"), c_int::from(cfg!(feature = "gssapi")));
        // SAFETY: null is allowed.
        assert_eq!(unsafe { zmq_has(ptr::null()) }, 0);
    }
}
