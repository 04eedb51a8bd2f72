//! TCP sockets: listening, connecting, and the options that either gets.
//!
//! Any thread may call these; none blocks. Every descriptor made here is non-blocking and close-on-exec. Sources:
//! zmq_tcp(7), zmq_setsockopt(3), and the system calls of libzmq 4.3.5 as strace shows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::error::{Error, Result};
#[cfg(test)]
use crate::sys::simulation;
use crate::transport::address::{endpoint_text, host_text};
use crate::transport::settings::SocketSettings;
use crate::transport::{Listener, Refusal, adopt_listener, os_error};

/// Binds and listens. The endpoint text carries the real port.
///
/// Errors are those of bind(2), listen(2) and `SO_BINDTODEVICE`: `Error::AddressInUse`, `Error::AddressNotAvailable`,
/// `Error::NoDevice` and whatever else the system answers.
pub fn listen(address: SocketAddr, settings: &SocketSettings) -> std::result::Result<Listener, Refusal> {
    #[cfg(test)]
    if let Some(listening) = simulation::listen(address) {
        let (descriptor, address) = listening.map_err(Error::from_errno)?;
        return Ok(Listener {
            descriptor,
            endpoint: endpoint_text(&address).into_bytes(),
            temporary: None,
        });
    }
    let socket = match settings.use_descriptor {
        Some(descriptor) => adopt_listener(descriptor)?,
        None => {
            let (socket, address) = open(address, settings)?;
            let refused = Refusal::of(&socket);
            socket.set_reuse_address(true).map_err(&refused)?;
            socket.bind(&SockAddr::from(address)).map_err(&refused)?;
            socket.listen(settings.backlog).map_err(&refused)?;
            socket
        }
    };
    let endpoint = local_endpoint(&socket)?.into_bytes();
    Ok(Listener {
        descriptor: socket.into(),
        endpoint,
        temporary: None,
    })
}

/// Starts a connect, from `source` where given: the descriptor, and whether it goes on. Ask `finish_connect` once the
/// descriptor is writable.
///
/// The inner error is one that the system reports at once (`ENETUNREACH`, `EADDRNOTAVAIL`), the outer one is about the
/// descriptor.
pub fn start_connect(
    peer: SocketAddr,
    source: Option<SocketAddr>,
    settings: &SocketSettings,
) -> Result<(OwnedFd, Result<()>)> {
    #[cfg(test)]
    if let Some(connection) = simulation::connect(peer, source) {
        return Ok((connection, Ok(())));
    }
    let (socket, peer) = open(peer, settings)?;
    let started = begin_connect(&socket, peer, source);
    Ok((socket.into(), started))
}

fn begin_connect(socket: &Socket, peer: SocketAddr, source: Option<SocketAddr>) -> Result<()> {
    if let Some(source) = source {
        socket.set_reuse_address(true).map_err(os_error)?;
        socket.bind(&SockAddr::from(source)).map_err(os_error)?;
    }
    match socket.connect(&SockAddr::from(peer)) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(os_error(error)),
        _ => Ok(()),
    }
}

/// Sets the options of an established connection, connected or accepted.
///
/// A value that the system refuses (a keep-alive time out of its range) leaves the system's own: the connection works
/// without it.
pub fn tune(socket: impl AsFd, settings: &SocketSettings) {
    let socket = SockRef::from(&socket);
    apply(socket.set_tcp_nodelay(true));
    set_type_of_service(&socket, settings);
    if let Some(enabled) = settings.keepalive.enabled {
        // The times first: setting one turns keep-alive on.
        set_keepalive_times(&socket, settings);
        apply(socket.set_keepalive(enabled));
    }
    if settings.max_retransmit_ms > 0 {
        let limit = Duration::from_millis(settings.max_retransmit_ms.into());
        apply(socket.set_tcp_user_timeout(Some(limit)));
    }
}

/// The peer's numeric address without port, for the `Peer-Address` property (zmq_msg_gets(3)).
pub fn peer_address(socket: impl AsFd) -> Result<String> {
    Ok(host_text(&internet(
        SockRef::from(&socket).peer_addr().map_err(os_error)?,
    )?))
}

/// The connection's own end as an endpoint text: what the monitor events of an accepted connection carry.
pub fn local_endpoint(socket: impl AsFd) -> Result<String> {
    Ok(endpoint_text(&internet(
        SockRef::from(&socket).local_addr().map_err(os_error)?,
    )?))
}

/// The peer's end as an endpoint text.
#[cfg(test)]
pub fn remote_endpoint(socket: impl AsFd) -> Result<String> {
    Ok(endpoint_text(&internet(
        SockRef::from(&socket).peer_addr().map_err(os_error)?,
    )?))
}

/// A socket of the address's family with every option that counts before bind and connect.
///
/// Where the system has no IPv6, an address that means IPv4 as well is used as such; the second value says which.
fn open(address: SocketAddr, settings: &SocketSettings) -> Result<(Socket, SocketAddr)> {
    let (socket, address) = match (new_socket(address), ipv4_equivalent(address)) {
        (Err(error), Some(ipv4)) if error == Error::Os(libc::EAFNOSUPPORT) => (new_socket(ipv4)?, ipv4),
        (socket, _) => (socket?, address),
    };
    if address.is_ipv6() {
        socket.set_only_v6(false).map_err(os_error)?;
    }
    set_type_of_service(&socket, settings);
    if !settings.bind_to_device.is_empty() {
        socket.bind_device(Some(&settings.bind_to_device)).map_err(os_error)?;
    }
    if let Some(bytes) = settings.send_buffer_bytes {
        apply(socket.set_send_buffer_size(bytes as usize));
    }
    if let Some(bytes) = settings.receive_buffer_bytes {
        apply(socket.set_recv_buffer_size(bytes as usize));
    }
    Ok((socket, address))
}

fn new_socket(address: SocketAddr) -> Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::TCP)).map_err(os_error)
}

/// The IPv4 address that an IPv6 one stands for: a mapped one, or "any" for "any".
fn ipv4_equivalent(address: SocketAddr) -> Option<SocketAddr> {
    let IpAddr::V6(ip) = address.ip() else {
        return None;
    };
    let ipv4 = if ip == Ipv6Addr::UNSPECIFIED {
        Ipv4Addr::UNSPECIFIED
    } else {
        ip.to_ipv4_mapped()?
    };
    Some(SocketAddr::new(ipv4.into(), address.port()))
}

fn set_type_of_service(socket: &Socket, settings: &SocketSettings) {
    if settings.type_of_service != 0 {
        apply(socket.set_tos_v4(settings.type_of_service));
        // Refused on an IPv4 socket.
        apply(socket.set_tclass_v6(settings.type_of_service));
    }
}

/// One call a value, so that one that the system refuses does not keep the others from being set.
fn set_keepalive_times(socket: &Socket, settings: &SocketSettings) {
    let keepalive = settings.keepalive;
    let seconds = |value: u32| Duration::from_secs(value.into());
    if let Some(probes) = keepalive.probes {
        apply(socket.set_tcp_keepalive(&TcpKeepalive::new().with_retries(probes)));
    }
    if let Some(idle) = keepalive.idle_s {
        apply(socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(seconds(idle))));
    }
    if let Some(interval) = keepalive.interval_s {
        apply(socket.set_tcp_keepalive(&TcpKeepalive::new().with_interval(seconds(interval))));
    }
}

/// For options that only tune: a refusal leaves the system's value in place.
fn apply(outcome: std::io::Result<()>) {
    drop(outcome);
}

fn internet(address: SockAddr) -> Result<SocketAddr> {
    address.as_socket().ok_or(Error::Invalid)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::IntoRawFd;

    use super::*;
    use crate::sys::net::loopback;
    use crate::transport::finish_connect;
    use crate::transport::settings::Keepalive;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn listen_on(text: &str) -> Listener {
        listen(address(text), &SocketSettings::default()).unwrap()
    }

    fn bound_address(listener: &Listener) -> SocketAddr {
        address(
            std::str::from_utf8(&listener.endpoint)
                .unwrap()
                .strip_prefix("tcp://")
                .unwrap(),
        )
    }

    fn started(peer: SocketAddr, source: Option<SocketAddr>, settings: &SocketSettings) -> OwnedFd {
        let (socket, started) = start_connect(peer, source, settings).unwrap();
        started.unwrap();
        socket
    }

    /// Waits in poll(2), through std's blocking accept, until the connection is there.
    fn accept(listener: Listener) -> TcpStream {
        let listener = TcpListener::from(listener.descriptor);
        listener.set_nonblocking(false).unwrap();
        listener.accept().unwrap().0
    }

    /// The accepted end is proof that the handshake is over, so `finish_connect` is final.
    fn connected_pair(settings: &SocketSettings, source: Option<SocketAddr>) -> (OwnedFd, TcpStream) {
        let listener = listen(address("127.0.0.1:0"), settings).unwrap();
        let socket = started(bound_address(&listener), source, settings);
        let accepted = accept(listener);
        finish_connect(&socket).unwrap();
        (socket, accepted)
    }

    #[test]
    fn endpoint_texts_carry_the_real_port() {
        for (text, prefix) in [
            ("127.0.0.1:0", "tcp://127.0.0.1:"),
            ("0.0.0.0:0", "tcp://0.0.0.0:"),
            ("[::1]:0", "tcp://[::1]:"),
            ("[::]:0", "tcp://[::]:"),
            ("[::ffff:127.0.0.1]:0", "tcp://[::ffff:127.0.0.1]:"),
        ] {
            let listener = listen_on(text);
            let endpoint = String::from_utf8(listener.endpoint).unwrap();
            let port: u16 = endpoint.strip_prefix(prefix).unwrap().parse().unwrap();
            assert_ne!(port, 0);
        }
    }

    /// Source: zmq_bind(3), ERRORS.
    #[test]
    fn a_taken_or_foreign_address_is_refused() {
        let settings = SocketSettings::default();
        let first = listen_on("127.0.0.1:0");
        assert_eq!(
            listen(bound_address(&first), &settings).unwrap_err().error,
            Error::AddressInUse
        );
        let foreign = listen(address("203.0.113.1:0"), &settings);
        assert_eq!(foreign.unwrap_err().error, Error::AddressNotAvailable);
    }

    #[test]
    fn a_connection_carries_bytes_and_names_both_ends() {
        let (socket, mut accepted) = connected_pair(&SocketSettings::default(), None);
        assert_eq!(peer_address(&accepted), Ok("127.0.0.1".to_string()));
        assert_eq!(local_endpoint(&accepted), remote_endpoint(&socket));
        assert_eq!(remote_endpoint(&accepted), local_endpoint(&socket));
        let mut stream = TcpStream::from(socket);
        stream.write_all(b"x").unwrap();
        let mut byte = [0];
        accepted.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn ipv6_sockets_serve_ipv4_peers() {
        let listener = listen_on("[::]:0");
        let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), bound_address(&listener).port());
        let socket = started(peer, None, &SocketSettings::default());
        let accepted = accept(listener);
        finish_connect(&socket).unwrap();
        assert_eq!(peer_address(&accepted), Ok("::ffff:127.0.0.1".to_string()));
    }

    #[test]
    fn a_source_address_is_used() {
        let (socket, accepted) = connected_pair(&SocketSettings::default(), Some(address("127.0.0.2:0")));
        assert_eq!(peer_address(&accepted), Ok("127.0.0.2".to_string()));
        assert_eq!(local_endpoint(&socket), remote_endpoint(&accepted));
    }

    #[test]
    fn a_refused_connect_says_so() {
        // Bound but not listening: the port is refused and cannot be taken by another test meanwhile.
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        bound.bind(&SockAddr::from(address("127.0.0.1:0"))).unwrap();
        let peer = internet(bound.local_addr().unwrap()).unwrap();
        let socket = started(peer, None, &SocketSettings::default());
        // A blocking write waits for the connect to end, and does not clear SO_ERROR of a failed one: it returns it.
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(false).unwrap();
        let outcome = match finish_connect(&stream) {
            Ok(()) => (&stream).write(b"x").map(drop).map_err(os_error),
            error => error,
        };
        assert_eq!(outcome, Err(Error::ConnectionRefused));
    }

    #[test]
    fn descriptors_are_non_blocking_and_close_on_exec() {
        let listener = listen_on("127.0.0.1:0");
        let socket = started(bound_address(&listener), None, &SocketSettings::default());
        for descriptor in [&listener.descriptor, &socket] {
            let number = std::os::fd::AsRawFd::as_raw_fd(descriptor);
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, libc::O_NONBLOCK);
            assert_eq!(flags & libc::O_CLOEXEC, libc::O_CLOEXEC);
        }
    }

    #[test]
    fn options_reach_the_socket() {
        let keepalive = Keepalive {
            enabled: Some(true),
            probes: Some(3),
            idle_s: Some(44),
            interval_s: Some(55),
        };
        let (_, name) = loopback();
        let settings = SocketSettings {
            type_of_service: 0x10,
            send_buffer_bytes: Some(70_000),
            receive_buffer_bytes: Some(80_000),
            keepalive,
            max_retransmit_ms: 6000,
            bind_to_device: name.into_bytes(),
            ..SocketSettings::default()
        };
        let (socket, accepted) = connected_pair(&settings, None);
        for socket in [SockRef::from(&socket), SockRef::from(&accepted)] {
            tune(&*socket, &settings);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert_eq!(socket.tos_v4().unwrap(), 0x10);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(44));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(55));
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(6)));
            // The kernel doubles buffer sizes for its own bookkeeping (socket(7)).
            assert_eq!(socket.send_buffer_size().unwrap(), 140_000);
            assert_eq!(socket.recv_buffer_size().unwrap(), 160_000);
        }
    }

    #[test]
    fn one_refused_keepalive_value_leaves_the_others() {
        let keepalive = Keepalive {
            enabled: Some(true),
            probes: Some(1000),
            idle_s: Some(44),
            interval_s: None,
        };
        let settings = SocketSettings {
            keepalive,
            ..SocketSettings::default()
        };
        let (socket, _accepted) = connected_pair(&settings, None);
        tune(&socket, &settings);
        let socket = SockRef::from(&socket);
        assert_ne!(socket.tcp_keepalive_retries().unwrap(), 1000);
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(44));
    }

    /// Source: a run of libzmq 4.3.5 with ZMQ_BINDTODEVICE set to an interface that is not there.
    #[test]
    fn an_unknown_device_fails_the_bind() {
        let settings = SocketSettings {
            bind_to_device: b"nosuch0".to_vec(),
            ..SocketSettings::default()
        };
        assert_eq!(
            listen(address("127.0.0.1:0"), &settings).unwrap_err().error,
            Error::NoDevice
        );
    }

    /// Source: zmq_setsockopt(3), ZMQ_USE_FD.
    #[test]
    fn a_given_descriptor_is_used_as_it_is() {
        let given = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", given.local_addr().unwrap());
        let settings = SocketSettings {
            use_descriptor: Some(given.into_raw_fd()),
            ..SocketSettings::default()
        };
        let listener = listen(address("127.0.0.1:1"), &settings).unwrap();
        assert_eq!(listener.endpoint, endpoint.into_bytes());
    }

    #[test]
    fn only_addresses_that_mean_ipv4_have_an_equivalent() {
        for (ipv6, ipv4) in [
            ("[::]:5", Some("0.0.0.0:5")),
            ("[::ffff:127.0.0.1]:5", Some("127.0.0.1:5")),
            ("[::1]:5", None),
            ("[::127.0.0.1]:5", None),
            ("127.0.0.1:5", None),
        ] {
            assert_eq!(ipv4_equivalent(address(ipv6)), ipv4.map(address), "{ipv6}");
        }
    }
}
