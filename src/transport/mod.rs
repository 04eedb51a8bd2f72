//! Endpoints and descriptors: how a peer is named, and how a listening or connecting socket comes about.
//!
//! No thread owns this room: its functions take values and give descriptors back. Only `resolver` starts threads, and
//! only there (and in `TcpEndpoint::bind_address` and `resolved_text`, which run in the application's own call) may a
//! call block. Nothing here knows of ZMTP, sessions or the reactor.
//!
//! Endpoint texts are bytes: the path of an `ipc` endpoint and the name of an `inproc` one need not be UTF-8.

pub mod address;
pub mod endpoint;
pub mod ipc;
pub mod resolver;
pub mod settings;
pub mod socks;
pub mod tcp;

pub use endpoint::{Endpoint, IpcEndpoint, TcpConnect};
pub use settings::{Keepalive, SocketSettings};
pub use socks::Proxy;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::error::{Error, Result};
use socket2::{SockRef, Socket};

/// A listening socket (non-blocking, close-on-exec) and the endpoint text that it is known by.
#[derive(Debug)]
pub struct Listener {
    /// The listening descriptor.
    pub descriptor: OwnedFd,
    /// What `ZMQ_LAST_ENDPOINT` gives after the bind, and what `zmq_unbind` takes.
    pub endpoint: Vec<u8>,
    /// What the bind created for itself alone; dropped after the descriptor is closed, it removes that again.
    pub temporary: Option<ipc::TemporaryPath>,
}

/// Why nothing listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What `zmq_bind` answers.
    pub error: Error,
    /// The number of the descriptor that was made for it and is closed again; `None` where it did not come to that.
    pub closed: Option<RawFd>,
}

impl Refusal {
    /// Of a step on the socket, which is closed on the way out.
    fn of(socket: &Socket) -> impl Fn(io::Error) -> Refusal + use<> {
        let closed = Some(socket.as_raw_fd());
        move |error| Refusal {
            error: os_error(error),
            closed,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, closed: None }
    }
}

/// How a connect that was started non-blocking ended (`SO_ERROR`): to be asked once the descriptor is writable.
pub fn finish_connect(socket: impl AsFd) -> Result<()> {
    #[cfg(test)]
    if let Some(error) = crate::sys::simulation::connect_error(socket.as_fd().as_raw_fd()) {
        return error.map_or(Ok(()), |errno| Err(Error::from_errno(errno)));
    }
    match SockRef::from(&socket).take_error().map_err(os_error)? {
        None => Ok(()),
        Some(error) => Err(os_error(error)),
    }
}

/// The error number inside an `io::Error`; `Error::Invalid` where the standard library made the error up.
fn os_error(error: io::Error) -> Error {
    error.raw_os_error().map_or(Error::Invalid, Error::from_errno)
}

/// Takes over the listening descriptor of `ZMQ_USE_FD`, which must be bound already (zmq_setsockopt(3)).
fn adopt_listener(descriptor: i32) -> Result<Socket> {
    let socket = Socket::from(crate::sys::net::adopt_descriptor(descriptor)?);
    socket.set_nonblocking(true).map_err(os_error)?;
    socket.set_cloexec(true).map_err(os_error)?;
    Ok(socket)
}
