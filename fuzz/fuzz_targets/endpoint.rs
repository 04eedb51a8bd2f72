//! Endpoint strings, as zmq_bind and zmq_connect take them; no name is looked up. What is accepted has the form that zmq_tcp(7), zmq_ipc(7)
//! and zmq_inproc(7) describe, and the text of an address names that address again.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use monocoque::error::Error;
use monocoque::transport::address::{endpoint_text, proxied};
use monocoque::transport::endpoint::{IPC_PATH_BYTES_MAX, TcpEndpoint};
use monocoque::transport::socks::Host;
use monocoque::transport::{Endpoint, TcpConnect};

/// The address that the text of an address names, by the same way.
fn named_again(address: SocketAddr) -> Option<SocketAddr> {
    let Ok(Endpoint::Tcp(endpoint)) = Endpoint::parse(endpoint_text(&address).as_bytes()) else {
        panic!("{address} has no text");
    };
    endpoint.for_connect().ok()?.peer().ok()?.numeric(address.is_ipv6())
}

fn check_connect(address: &[u8], connect: &TcpConnect) {
    let port_at = 1 + address.iter().rposition(|&octet| octet == b':').expect("a port");
    assert!(address[port_at].is_ascii_digit());
    assert!(
        address
            .iter()
            .all(|octet| octet.is_ascii_graphic() && !b"/@\"'\\".contains(octet))
    );
    for ipv6 in [false, true] {
        if let Ok(peer) = connect.peer() {
            assert_eq!(peer, connect.peer().expect("what was parsed once"));
            if let Some(found) = peer.numeric(ipv6) {
                assert_eq!(found.port(), peer.port);
                assert!(ipv6 || found.is_ipv4());
                assert_eq!(named_again(found), Some(found));
            }
        }
        if let Ok(Some(source)) = connect.source(ipv6) {
            assert!(address.contains(&b';'), "a source that the text does not have");
            assert_eq!(named_again(source), Some(source));
        }
    }
    if let Ok(target) = connect.proxied_peer() {
        assert_ne!(target.port, 0);
        assert!(!matches!(target.host, Host::Name(name) if name.len() > 255));
    }
}

fn check_tcp(address: &[u8], endpoint: &TcpEndpoint) {
    // The order of what is before the source and behind it does not matter to what is checked at once.
    match endpoint.for_connect() {
        Ok(connect) => check_connect(address, &connect),
        Err(error) => assert_eq!(error, Error::Invalid),
    }
}

fuzz_target!(|text: &[u8]| {
    let separator = text.windows(3).position(|window| window == b"://");
    match Endpoint::parse(text) {
        Ok(endpoint) => {
            let at = separator.expect("an endpoint has a transport");
            let (transport, address) = (&text[..at], &text[at + 3..]);
            assert!(!address.is_empty());
            match &endpoint {
                Endpoint::Tcp(tcp) => {
                    assert_eq!(transport, b"tcp");
                    check_tcp(address, tcp);
                }
                Endpoint::Ipc(ipc) => {
                    assert_eq!((transport, ipc.path()), (&b"ipc"[..], address));
                    let fits = address.len() <= IPC_PATH_BYTES_MAX && address != b"@";
                    assert_eq!(ipc.check().is_ok(), fits);
                    assert_eq!(ipc.is_wildcard(), address[0] == b'*');
                }
                Endpoint::Inproc(name) => assert_eq!((transport, &name[..]), (&b"inproc"[..], address)),
            }
        }
        Err(Error::Invalid) => assert!(separator.is_none_or(|at| at == 0 || at + 3 == text.len())),
        Err(Error::IncompatibleProtocol) => assert!(text.starts_with(b"udp://")),
        Err(Error::ProtocolNotSupported) => {
            assert!(
                [&b"tcp://"[..], b"ipc://", b"inproc://", b"udp://"]
                    .iter()
                    .all(|known| !text.starts_with(known))
            );
        }
        Err(error) => panic!("{error:?}"),
    }
    // What ZMQ_SOCKS_PROXY holds is checked by nothing before it is used.
    let to_proxy = TcpConnect::to_proxy(text);
    if let Some(found) = to_proxy.peer().ok().and_then(|peer| peer.numeric(true)) {
        assert_eq!(named_again(found), Some(found));
    }
    if let Ok(target) = proxied(text) {
        assert_ne!(target.port, 0);
    }
});
