//! Endpoint strings as types: what `zmq_bind`, `zmq_connect`, `zmq_unbind` and `zmq_disconnect` check, and when.
//!
//! `Endpoint::parse` does what all four share; the `TcpEndpoint` and `IpcEndpoint` methods do the rest. A bind checks and
//! resolves everything at once; a connect checks only the characters, and the peer is resolved at every attempt.
//! Sources: zmq_bind(3), zmq_connect(3), zmq_tcp(7), zmq_ipc(7), zmq_inproc(7), and runs of libzmq 4.3.5.

use std::net::SocketAddr;

use crate::error::{Error, Result};
use crate::sys::net::Lookup;
use crate::transport::address::{HostPort, endpoint_text, proxied};
use crate::transport::socks::Target;

/// The longest ipc path in bytes, `@` included: what fits a unix socket address with its closing zero byte (unix(7)).
pub const IPC_PATH_BYTES_MAX: usize = 107;

/// An endpoint, by transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `tcp://address`.
    Tcp(TcpEndpoint),
    /// `ipc://path`.
    Ipc(IpcEndpoint),
    /// `inproc://name`, any bytes but none empty.
    Inproc(Vec<u8>),
}

impl Endpoint {
    /// Splits the text into transport and address.
    ///
    /// `Error::Invalid` without `://` or with an empty half, `Error::IncompatibleProtocol` for `udp` (no stable socket
    /// type speaks it), `Error::ProtocolNotSupported` for every other transport; names are case-sensitive.
    pub fn parse(text: &[u8]) -> Result<Endpoint> {
        let separator = text
            .windows(3)
            .position(|window| window == b"://")
            .ok_or(Error::Invalid)?;
        let (transport, address) = (&text[..separator], &text[separator + 3..]);
        if transport.is_empty() || address.is_empty() {
            return Err(Error::Invalid);
        }
        let address = address.to_vec();
        match transport {
            b"tcp" => Ok(Endpoint::Tcp(TcpEndpoint { address })),
            b"ipc" => Ok(Endpoint::Ipc(IpcEndpoint { path: address })),
            b"inproc" => Ok(Endpoint::Inproc(address)),
            b"udp" => Err(Error::IncompatibleProtocol),
            _ => Err(Error::ProtocolNotSupported),
        }
    }

    /// The text that this was parsed from.
    #[cfg(test)]
    pub fn text(&self) -> Vec<u8> {
        let (transport, address) = match self {
            Endpoint::Tcp(endpoint) => ("tcp://", &endpoint.address),
            Endpoint::Ipc(endpoint) => ("ipc://", &endpoint.path),
            Endpoint::Inproc(name) => ("inproc://", name),
        };
        [transport.as_bytes(), address].concat()
    }
}

/// The address of a `tcp` endpoint, not checked any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpEndpoint {
    address: Vec<u8>,
}

impl TcpEndpoint {
    /// The address to bind to. May block: the host may be a name.
    ///
    /// A source address before `;` is checked and otherwise ignored. `Error::Invalid` for a missing or unusable port or
    /// an unknown zone, `Error::NoDevice` for a host that is no address, interface or name.
    pub fn bind_address(&self, ipv6: bool) -> Result<SocketAddr> {
        let (source, local) = self.halves();
        if let Some(source) = source {
            HostPort::parse(source)?.local(ipv6, Lookup::Numeric)?;
        }
        HostPort::parse(local)?.local(ipv6, Lookup::Names)
    }

    /// What `zmq_connect` checks before it returns: the characters, and a digit after the last colon.
    pub fn for_connect(&self) -> Result<TcpConnect> {
        let first = self.address.first().copied().unwrap_or(b' ');
        let colon = self
            .address
            .iter()
            .rposition(|&byte| byte == b':')
            .ok_or(Error::Invalid)?;
        let starts_well = first.is_ascii_alphanumeric() || first == b'[' || first == b':';
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"%*-.:;[]_".contains(byte);
        let port_follows = self.address.get(colon + 1).is_some_and(u8::is_ascii_digit);
        if !(starts_well && port_follows && self.address.iter().all(allowed)) {
            return Err(Error::Invalid);
        }
        Ok(TcpConnect { endpoint: self.clone() })
    }

    /// The endpoint text of the address that this names, for an unbind or disconnect whose text matches none exactly:
    /// `tcp://127.0.0.1:05555` and `tcp://localhost:5555` end `tcp://127.0.0.1:5555`. May block.
    pub fn resolved_text(&self, ipv6: bool) -> Option<Vec<u8>> {
        let (source, peer) = self.halves();
        if let Some(source) = source {
            HostPort::parse(source).ok()?.local(ipv6, Lookup::Numeric).ok()?;
        }
        let list = HostPort::parse(peer).ok()?.addresses(ipv6, Lookup::Names).ok()?;
        Some(endpoint_text(list.first()?).into_bytes())
    }

    /// The source address, where there is one, and the rest.
    fn halves(&self) -> (Option<&[u8]>, &[u8]) {
        match self.address.iter().position(|&byte| byte == b';') {
            Some(at) => (Some(&self.address[..at]), &self.address[at + 1..]),
            None => (None, &self.address),
        }
    }
}

/// A `tcp` endpoint that `zmq_connect` accepted. Whether its parts make sense turns out at each attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConnect {
    endpoint: TcpEndpoint,
}

impl TcpConnect {
    /// The local address to connect from, where the endpoint gives one: `*`, an interface or a numeric address.
    ///
    /// `Error::Invalid` or `Error::NoDevice`: this attempt fails, and the next may succeed. Never blocks.
    pub fn source(&self, ipv6: bool) -> Result<Option<SocketAddr>> {
        match self.endpoint.halves().0 {
            Some(source) => HostPort::parse(source)?.local(ipv6, Lookup::Numeric).map(Some),
            None => Ok(None),
        }
    }

    /// The address of a proxy, which no call has checked.
    pub fn to_proxy(text: &[u8]) -> TcpConnect {
        TcpConnect {
            endpoint: TcpEndpoint { address: text.to_vec() },
        }
    }

    /// The peer, to ask a proxy for. `Error::Invalid`: this attempt fails, and so will all others.
    pub fn proxied_peer(&self) -> Result<Target> {
        proxied(self.endpoint.halves().1)
    }

    /// The peer to resolve. `Error::Invalid`: this attempt fails (a port out of range, a zone that is not there now).
    pub fn peer(&self) -> Result<HostPort> {
        let peer = self.endpoint.halves().1;
        // The wildcard is for binding.
        if peer.ends_with(b":*") {
            return Err(Error::Invalid);
        }
        HostPort::parse(peer)
    }
}

/// The path of an `ipc` endpoint, not checked any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpcEndpoint {
    path: Vec<u8>,
}

impl IpcEndpoint {
    /// What bind and connect both check: `Error::NameTooLong` past 107 bytes, `Error::Invalid` for a lone `@`.
    pub fn check(&self) -> Result<()> {
        if self.path.len() > IPC_PATH_BYTES_MAX {
            return Err(Error::NameTooLong);
        }
        if self.path == b"@" { Err(Error::Invalid) } else { Ok(()) }
    }

    /// Path as written; a leading `@` stands for the abstract namespace (zmq_ipc(7)).
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Whether a bind makes its own temporary path: everything that starts with `*`.
    pub fn is_wildcard(&self) -> bool {
        self.path.starts_with(b"*")
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
