//! What libzmq 4.3.5 answers for each endpoint string, recorded by running it; the manual pages name the errors.

use super::*;
use crate::sys::net::loopback;

/// (endpoint, error of parsing alone).
const UNPARSABLE: [(&str, Error); 26] = [
    ("", Error::Invalid),
    ("foo", Error::Invalid),
    ("://", Error::Invalid),
    ("tcp", Error::Invalid),
    ("tcp:", Error::Invalid),
    ("tcp:/", Error::Invalid),
    ("tcp://", Error::Invalid),
    ("tcp//127.0.0.1:7011", Error::Invalid),
    ("tcp:127.0.0.1:7011", Error::Invalid),
    ("://127.0.0.1:7011", Error::Invalid),
    ("foo://", Error::Invalid),
    ("udp://", Error::Invalid),
    ("ipc://", Error::Invalid),
    ("inproc://", Error::Invalid),
    ("udp://127.0.0.1:7011", Error::IncompatibleProtocol),
    ("foo://bar", Error::ProtocolNotSupported),
    ("TCP://127.0.0.1:7011", Error::ProtocolNotSupported),
    (" tcp://127.0.0.1:7011", Error::ProtocolNotSupported),
    ("IPC://a.sock", Error::ProtocolNotSupported),
    ("INPROC://a", Error::ProtocolNotSupported),
    ("ws://127.0.0.1:7011", Error::ProtocolNotSupported),
    ("wss://127.0.0.1:7011", Error::ProtocolNotSupported),
    ("pgm://eth0;239.192.1.1:5555", Error::ProtocolNotSupported),
    ("norm://127.0.0.1:7011", Error::ProtocolNotSupported),
    ("vmci://*:7011", Error::ProtocolNotSupported),
    ("tipc://{5555,0,0}", Error::ProtocolNotSupported),
];

type Bound = std::result::Result<&'static str, Error>;
const INVALID: Bound = Err(Error::Invalid);
const NO_DEVICE: Bound = Err(Error::NoDevice);

/// (address part, address bound without ZMQ_IPV6, address bound with it, whether connect accepts it).
/// `LO` stands for the name of the loopback interface; a bound port of 0 is an ephemeral one.
const TCP: [(&str, Bound, Bound, bool); 83] = [
    ("/", INVALID, INVALID, false),
    (":", INVALID, INVALID, false),
    ("*", INVALID, INVALID, false),
    ("*:", INVALID, INVALID, false),
    ("*:*", Ok("0.0.0.0:0"), Ok("[::]:0"), false),
    ("*:0", Ok("0.0.0.0:0"), Ok("[::]:0"), false),
    (":*", NO_DEVICE, NO_DEVICE, false),
    (":0", NO_DEVICE, NO_DEVICE, true),
    (":7011", NO_DEVICE, NO_DEVICE, true),
    ("127.0.0.1", INVALID, INVALID, false),
    ("127.0.0.1:", INVALID, INVALID, false),
    ("127.0.0.1:*", Ok("127.0.0.1:0"), Ok("[::ffff:127.0.0.1]:0"), false),
    ("127.0.0.1:0", Ok("127.0.0.1:0"), Ok("[::ffff:127.0.0.1]:0"), true),
    ("127.0.0.1:!", INVALID, INVALID, false),
    (
        "127.0.0.1:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "127.0.0.1:07011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "127.0.0.1:+7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        false,
    ),
    (
        "127.0.0.1: 7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        false,
    ),
    (
        "127.0.0.1:7011 ",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        false,
    ),
    (
        "127.0.0.1:7011abc",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    ("127.0.0.1:abc", INVALID, INVALID, false),
    (
        "127.0.0.1:-1",
        Ok("127.0.0.1:65535"),
        Ok("[::ffff:127.0.0.1]:65535"),
        false,
    ),
    ("127.0.0.1:00", INVALID, INVALID, true),
    ("127.0.0.1:0x1b63", INVALID, INVALID, true),
    (
        "127.0.0.1:65535",
        Ok("127.0.0.1:65535"),
        Ok("[::ffff:127.0.0.1]:65535"),
        true,
    ),
    ("127.0.0.1:65536", INVALID, INVALID, true),
    (
        "127.0.0.1:72547",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "127.0.0.1:7011/",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        false,
    ),
    ("127.0.0.1/:7011", NO_DEVICE, NO_DEVICE, false),
    (" 127.0.0.1:7011", NO_DEVICE, NO_DEVICE, false),
    ("127.0.0.1 :7011", NO_DEVICE, NO_DEVICE, false),
    ("0.0.0.0:7011", Ok("0.0.0.0:7011"), Ok("[::ffff:0.0.0.0]:7011"), true),
    ("127.1:7011", Ok("127.0.0.1:7011"), Ok("[::ffff:127.0.0.1]:7011"), true),
    (
        "127.0.0.01:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "2130706433:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "0x7f000001:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    ("LO:7011", Ok("127.0.0.1:7011"), Ok("[::1]:7011"), true),
    ("LO:*", Ok("127.0.0.1:0"), Ok("[::1]:0"), false),
    ("[LO]:7011", Ok("127.0.0.1:7011"), Ok("[::1]:7011"), true),
    ("nosuch0.invalid:7011", NO_DEVICE, NO_DEVICE, true),
    ("nosuch0.invalid:abc", INVALID, INVALID, false),
    ("a b:7011", NO_DEVICE, NO_DEVICE, false),
    ("a%b:7011", INVALID, INVALID, true),
    ("[::1]:7011", NO_DEVICE, Ok("[::1]:7011"), true),
    ("[::1]:*", NO_DEVICE, Ok("[::1]:0"), false),
    ("[::1]", NO_DEVICE, NO_DEVICE, true),
    ("[::1:7011", NO_DEVICE, NO_DEVICE, true),
    ("::1]:7011", NO_DEVICE, NO_DEVICE, true),
    ("::1:7011", NO_DEVICE, Ok("[::1]:7011"), true),
    ("[::1]7011", NO_DEVICE, NO_DEVICE, true),
    ("[]:7011", NO_DEVICE, NO_DEVICE, true),
    ("[*]:7011", Ok("0.0.0.0:7011"), Ok("[::]:7011"), true),
    ("[::]:7011", NO_DEVICE, Ok("[::]:7011"), true),
    (":::7011", NO_DEVICE, Ok("[::]:7011"), true),
    (
        "[::ffff:127.0.0.1]:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    (
        "[127.0.0.1]:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1]:7011"),
        true,
    ),
    ("[::1%0]:7011", INVALID, INVALID, true),
    ("[::1%]:7011", INVALID, INVALID, true),
    ("[::1%nosuch]:7011", INVALID, INVALID, true),
    ("[::1%99]:7011", NO_DEVICE, Ok("[::1%99]:7011"), true),
    (
        "127.0.0.1%LO:7011",
        Ok("127.0.0.1:7011"),
        Ok("[::ffff:127.0.0.1%IX]:7011"),
        true,
    ),
    ("[2001:db8::1]:7011", NO_DEVICE, Ok("[2001:db8::1]:7011"), true),
    (
        "127.0.0.1:0;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        true,
    ),
    (
        "127.0.0.1:*;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        true,
    ),
    (
        "*:*;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        false,
    ),
    (":0;127.0.0.1:7012", NO_DEVICE, NO_DEVICE, true),
    ("127.0.0.1;127.0.0.1:7012", INVALID, INVALID, true),
    ("127.0.0.1:;127.0.0.1:7012", INVALID, INVALID, true),
    (
        "LO:0;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        true,
    ),
    ("nosuch0:0;127.0.0.1:7012", NO_DEVICE, NO_DEVICE, true),
    ("localhost:0;127.0.0.1:7012", NO_DEVICE, NO_DEVICE, true),
    (
        "127.0.0.1:99999;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        true,
    ),
    ("127.0.0.1:abc;127.0.0.1:7012", INVALID, INVALID, true),
    (";127.0.0.1:7012", INVALID, INVALID, false),
    ("127.0.0.1:0;", INVALID, INVALID, true),
    ("127.0.0.1:0;127.0.0.1", INVALID, INVALID, true),
    ("127.0.0.1:0;*:7012", Ok("0.0.0.0:7012"), Ok("[::]:7012"), true),
    (
        "127.0.0.1:0;127.0.0.1:*",
        Ok("127.0.0.1:0"),
        Ok("[::ffff:127.0.0.1]:0"),
        false,
    ),
    ("127.0.0.1:0;127.0.0.1:7012;127.0.0.1:7013", NO_DEVICE, NO_DEVICE, true),
    ("[::1]:0;[::1]:7012", NO_DEVICE, Ok("[::1]:7012"), true),
    ("[::1]:0;127.0.0.1:7012", NO_DEVICE, Ok("[::ffff:127.0.0.1]:7012"), true),
    ("127.0.0.1:0;[::1]:7012", NO_DEVICE, Ok("[::1]:7012"), true),
    (
        "203.0.113.1:0;127.0.0.1:7012",
        Ok("127.0.0.1:7012"),
        Ok("[::ffff:127.0.0.1]:7012"),
        true,
    ),
];

fn tcp(address: &str) -> TcpEndpoint {
    match Endpoint::parse(format!("tcp://{address}").as_bytes()) {
        Ok(Endpoint::Tcp(endpoint)) => endpoint,
        other => panic!("{address}: {other:?}"),
    }
}

fn ipc(path: &str) -> IpcEndpoint {
    match Endpoint::parse(format!("ipc://{path}").as_bytes()) {
        Ok(Endpoint::Ipc(endpoint)) => endpoint,
        other => panic!("{path}: {other:?}"),
    }
}

/// Source: zmq_bind(3) and zmq_connect(3), EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO.
#[test]
fn malformed_and_unknown_transports_are_refused() {
    for (text, error) in UNPARSABLE {
        assert_eq!(Endpoint::parse(text.as_bytes()), Err(error), "{text:?}");
    }
}

/// Source: zmq_tcp(7), "Assigning a local address to a socket".
#[test]
fn tcp_binds_resolve_as_on_libzmq() {
    let (index, name) = loopback();
    for (address, ipv4, ipv6, _) in TCP {
        let endpoint = tcp(&address.replace("LO", &name));
        for (expected, flag) in [(ipv4, false), (ipv6, true)] {
            let expected: Result<SocketAddr> =
                expected.map(|text| text.replace("IX", &index.to_string()).parse().unwrap());
            assert_eq!(endpoint.bind_address(flag), expected, "{address} ipv6 {flag}");
        }
    }
}

/// Source: zmq_tcp(7), "Connecting a socket".
#[test]
fn tcp_connects_are_checked_as_on_libzmq() {
    for (address, _, _, accepted) in TCP {
        let expected = if accepted { Ok(()) } else { Err(Error::Invalid) };
        assert_eq!(tcp(address).for_connect().map(drop), expected, "{address}");
    }
    for (address, accepted) in [
        ("a..b:1", true),
        ("a.:1", true),
        ("a-:1", true),
        ("-a:1", false),
        (".:1", false),
    ] {
        assert_eq!(tcp(address).for_connect().is_ok(), accepted, "{address}");
    }
}

/// Source: runs of libzmq 4.3.5 with every byte at every kind of place.
#[test]
fn every_byte_is_accepted_where_libzmq_accepts_it() {
    let accepted = |place: &str, byte: u8| {
        let text = [b"tcp://", place.as_bytes()].concat();
        let text: Vec<u8> = text.iter().map(|&it| if it == b'?' { byte } else { it }).collect();
        match Endpoint::parse(&text) {
            Ok(Endpoint::Tcp(endpoint)) => endpoint.for_connect().is_ok(),
            _ => false,
        }
    };
    for byte in 1..=255_u8 {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let inside = alphanumeric || b"%*-.:;[]_".contains(&byte);
        for (place, expected) in [
            ("?:1", alphanumeric || byte == b'[' || byte == b':'),
            ("a?a:1", inside),
            ("[?]:1", inside),
            ("a:1?1", inside),
            ("a:1?", inside && byte != b':'),
            ("a:?", byte.is_ascii_digit()),
            ("a?", false),
        ] {
            assert_eq!(accepted(place, byte), expected, "{place} with byte {byte}");
        }
    }
}

/// Source: zmq_tcp(7), source addresses; runs of libzmq 4.3.5 under strace for which attempts reach connect(2).
#[test]
fn a_connect_resolves_its_source_and_peer_at_each_attempt() {
    let (_, name) = loopback();
    let source = |address: &str| {
        tcp(address)
            .for_connect()
            .unwrap()
            .source(false)
            .map(|it| it.map(|it| it.to_string()))
    };
    assert_eq!(source("127.0.0.1:7011"), Ok(None));
    assert_eq!(
        source("127.0.0.2:*;127.0.0.1:7011"),
        Ok(Some("127.0.0.2:0".to_string()))
    );
    assert_eq!(
        source(&format!("{name}:0;localhost:7011")),
        Ok(Some("127.0.0.1:0".to_string()))
    );
    assert_eq!(source("[*]:0;127.0.0.1:7011"), Ok(Some("0.0.0.0:0".to_string())));
    assert_eq!(source("localhost:0;127.0.0.1:7011"), Err(Error::NoDevice));
    assert_eq!(source("127.0.0.1;127.0.0.1:7011"), Err(Error::Invalid));

    let peer = |address: &str| tcp(address).for_connect().unwrap().peer();
    let numeric = |address: &str| peer(address).unwrap().numeric(false).map(|it| it.to_string());
    assert_eq!(numeric("127.0.0.1:0"), Some("127.0.0.1:0".to_string()));
    assert_eq!(numeric("127.0.0.1:65537"), Some("127.0.0.1:1".to_string()));
    assert_eq!(numeric("lo:0;127.0.0.1:7011abc"), Some("127.0.0.1:7011".to_string()));
    for unresolvable in [
        "[*]:7011",
        "127.0.0.1:0;*:7011",
        ":7011",
        "[::1]:7011",
        "localhost:7011",
    ] {
        assert_eq!(numeric(unresolvable), None, "{unresolvable}");
    }
    for malformed in ["127.0.0.1:00", "127.0.0.1:65536", "127.0.0.1:0;", "[::1%nosuch]:7011"] {
        assert_eq!(peer(malformed), Err(Error::Invalid), "{malformed}");
    }
}

/// Source: runs of libzmq 4.3.5: which other spellings end a bound or connected `tcp://127.0.0.1:7021`.
#[test]
fn unbind_and_disconnect_know_other_spellings() {
    let resolved = |address: &str, ipv6| {
        tcp(address)
            .resolved_text(ipv6)
            .map(|it| String::from_utf8(it).unwrap())
    };
    let plain = Some("tcp://127.0.0.1:7021".to_string());
    let mapped = Some("tcp://[::ffff:127.0.0.1]:7021".to_string());
    for address in [
        "127.0.0.1:7021",
        "127.0.0.1:07021",
        "127.0.0.1:0;127.0.0.1:7021",
        "127.1:7021",
    ] {
        assert_eq!(resolved(address, false), plain, "{address}");
        assert_eq!(resolved(address, true), mapped, "{address}");
    }
    assert_eq!(resolved("localhost:7021", false), plain);
    for address in [
        "*:7021",
        "nosuch.invalid:7021",
        ":",
        "127.0.0.1:bad",
        "127.0.0.1:0;*:7021",
    ] {
        assert_eq!(resolved(address, false), None, "{address}");
    }
}

/// Source: zmq_ipc(7): 107 characters for the path; ENAMETOOLONG for bind and connect in runs of libzmq 4.3.5.
#[test]
fn ipc_paths_are_limited() {
    assert_eq!(ipc(&"a".repeat(107)).check(), Ok(()));
    assert_eq!(ipc(&"a".repeat(108)).check(), Err(Error::NameTooLong));
    assert_eq!(ipc(&format!("@{}", "a".repeat(106))).check(), Ok(()));
    assert_eq!(ipc(&format!("@{}", "a".repeat(107))).check(), Err(Error::NameTooLong));
    assert_eq!(ipc("@").check(), Err(Error::Invalid));
    assert_eq!(ipc("@@").check(), Ok(()));
    assert!(ipc("*").is_wildcard() && ipc("*a").is_wildcard() && !ipc("a*").is_wildcard());
}

/// Source: zmq_inproc(7): no restrictions on the format of the name.
#[test]
fn inproc_names_are_any_bytes() {
    for name in [&b"a"[..], b"*", b"/", b"\xff\xfe", &[b'a'; 1000]] {
        let text = [b"inproc://", name].concat();
        let endpoint = Endpoint::parse(&text).unwrap();
        assert_eq!(endpoint, Endpoint::Inproc(name.to_vec()));
        assert_eq!(endpoint.text(), text);
    }
}
