//! The one error type and the one table from error to `errno`.
//!
//! A variant stands for one `errno` of the manual pages (libzmq 4.3.5, section 3). There are no strings: what went wrong
//! with a peer is told by monitor events.

use crate::constants::{EFSM, EMTHREAD, ENOCOMPATPROTO, ETERM};

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `EAGAIN`: the call would block, or its time-out expired.
    Again,
    /// `EINTR`: a signal arrived while the call was blocked.
    Interrupted,
    /// `ETERM`: the context was terminated or shut down.
    Terminated,
    /// `ENOTSOCK`: the handle is not a live socket.
    NotSocket,
    /// `EFAULT`: a pointer or handle is not valid.
    Fault,
    /// `EINVAL`: an argument is out of range, malformed or unknown.
    Invalid,
    /// `ENOTSUP`: the socket type or this build does not support the operation.
    NotSupported,
    /// `EFSM`: the socket is not in the state for this operation (REQ/REP).
    State,
    /// `EADDRINUSE`: the endpoint is bound already.
    AddressInUse,
    /// `EADDRNOTAVAIL`: the endpoint is not local.
    AddressNotAvailable,
    /// `ENODEV`: the endpoint names an interface that does not exist.
    NoDevice,
    /// `EPROTONOSUPPORT`: the transport is not supported.
    ProtocolNotSupported,
    /// `ENOCOMPATPROTO`: the transport does not fit the socket type.
    IncompatibleProtocol,
    /// `ENOENT`: the endpoint is not bound or connected.
    NoEntry,
    /// `ENOMEM`: memory could not be allocated.
    NoMemory,
    /// `EMFILE`: the limit of sockets or descriptors is reached.
    TooManyFiles,
    /// `EHOSTUNREACH`: the message cannot be routed.
    HostUnreachable,
    /// `ECONNREFUSED`: nobody is bound to the inproc name.
    ConnectionRefused,
    /// `ENAMETOOLONG`: the ipc path does not fit a socket address.
    NameTooLong,
    /// `EMTHREAD`: no I/O thread is available.
    NoThread,
    /// Any other error number of the operating system.
    Os(i32),
}

impl Error {
    /// The value that `errno` takes for this error.
    pub const fn errno(self) -> i32 {
        match self {
            Error::Again => libc::EAGAIN,
            Error::Interrupted => libc::EINTR,
            Error::Terminated => ETERM,
            Error::NotSocket => libc::ENOTSOCK,
            Error::Fault => libc::EFAULT,
            Error::Invalid => libc::EINVAL,
            Error::NotSupported => libc::ENOTSUP,
            Error::State => EFSM,
            Error::AddressInUse => libc::EADDRINUSE,
            Error::AddressNotAvailable => libc::EADDRNOTAVAIL,
            Error::NoDevice => libc::ENODEV,
            Error::ProtocolNotSupported => libc::EPROTONOSUPPORT,
            Error::IncompatibleProtocol => ENOCOMPATPROTO,
            Error::NoEntry => libc::ENOENT,
            Error::NoMemory => libc::ENOMEM,
            Error::TooManyFiles => libc::EMFILE,
            Error::HostUnreachable => libc::EHOSTUNREACH,
            Error::ConnectionRefused => libc::ECONNREFUSED,
            Error::NameTooLong => libc::ENAMETOOLONG,
            Error::NoThread => EMTHREAD,
            Error::Os(errno) => errno,
        }
    }

    /// The error that an operating system's error number stands for.
    pub const fn from_errno(errno: i32) -> Error {
        match errno {
            libc::EAGAIN => Error::Again,
            libc::EINTR => Error::Interrupted,
            libc::ENOTSOCK => Error::NotSocket,
            libc::EFAULT => Error::Fault,
            libc::EINVAL => Error::Invalid,
            libc::ENOTSUP => Error::NotSupported,
            libc::EADDRINUSE => Error::AddressInUse,
            libc::EADDRNOTAVAIL => Error::AddressNotAvailable,
            libc::ENODEV => Error::NoDevice,
            libc::EPROTONOSUPPORT => Error::ProtocolNotSupported,
            libc::ENOENT => Error::NoEntry,
            libc::ENOMEM => Error::NoMemory,
            libc::EMFILE => Error::TooManyFiles,
            libc::EHOSTUNREACH => Error::HostUnreachable,
            libc::ECONNREFUSED => Error::ConnectionRefused,
            libc::ENAMETOOLONG => Error::NameTooLong,
            other => Error::Os(other),
        }
    }
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_errno_survives_a_round_trip() {
        for errno in 1..134 {
            assert_eq!(Error::from_errno(errno).errno(), errno);
        }
    }
}
