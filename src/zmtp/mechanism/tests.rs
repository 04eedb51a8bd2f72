//! Both sides of PLAIN and CURVE against each other, in every chunking, against octets that were computed apart from this code, and with
//! every octet changed.

use zeroize::Zeroizing;

use super::*;
use crate::options::z85;
use crate::sys::sodium::Secret;
use crate::zmtp::handshake::{Handshake, HandshakeConfig, Progress, pairs};

// Computed with another binding of NaCl from the keys of zmq_curve(7), by the formulas of RFC 26.
const HELLO: &str = "\
    04c80548454c4c4f010000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000007a37cbc142093c8b755dc1b10e86cb42637\
    4ad16aa853ed0bdfc0b2b86d1c7c00000000000000016e3f26f72fe2f05db20de7881ee6a08fc432afe73b138226f5930879\
    c93bdd4d8586425a3a8d6bc5d83598a3017e0f1792ff0381360d168b6fe1c5e0bb752b0d365e13ea8e8a29ce1c5052c8c63e\
    ced7";
const WELCOME: &str = "\
    04a80757454c434f4d45b5b6b7b8b9babbbcbdbebfc0c1c2c3c476a20edca27c9f3a2fdf41dca6795ecfc0afc71eec54927c\
    de79c1f09b050ae2d9820f1f3afa7e89a16051e51e467babb54b517248f887a6269450a8271885f34c4348ea9f3f53f249b4\
    88b7ac7d7764cb17d290c671f3a911ebf5c96dc41e55861be75a010e24813254d8f11f857bf8598a8a59592ff7b85a9b3521\
    f84c15ce4ebd6859eb089512c4fef7a9f4d638e3";
const INITIATE: &str = "\
    06000000000000012408494e495449415445a5a6a7a8a9aaabacadaeafb0b1b2b3b4cf65ae95af7fed98295c52c74af5ae2d\
    7efa19c6eacb302f96006ae4e2524f8f8e7e9d138e42c8039dc0e584292fecd734830a84a71e234f119b90be00400192ed54\
    9a05938ea9b4870816bf450d65df00000000000000026548837ebee36e0f60347608ee46fabe9e485339dbd9d58a83085214\
    bca6f7833e16150c82ff35526f1ca417b3e70b8456b73b5608392f54be841208291238b6be95877abeed2201279f4a058229\
    28c44933d5d31c24ff93519ff1287e735f988db214e7b323b9e37513bf1498bb5cca34479a0049b66572ee201da75f91f15a\
    6701d57e274506ad105231969ba41b521726891dbbbf6093d8a39a8bf81f95ae9b6f4d54f5968753e0a714fc5af99ff6eb44\
    94";
const READY: &str = "\
    044105524541445900000000000000010f99c731c43d4f378d326a980d44381ab9675b42206379942015c8846409aff74b8e\
    c0d4f0cfbf52e1a61700eb5d65e7c0e44f";
const FROM_CLIENT: &str = "\
    0026074d45535341474500000000000000033204d995ee338e15e2347700c87ab84f70cad015a5bf0021074d455353414745\
    000000000000000424b5a955b71a6a61454852fae0182531440028074d4553534147450000000000000005cbe08b83d66d7e\
    cdd15c130976f9f12841330c6dcb6e3876";
const FROM_SERVER: &str = "\
    02000000000000014d074d4553534147450000000000000002e43ee160d4b669ca550dbfd5631c9e5a34c2a0d18bbd370f69\
    84aab91f430dac3182022cd816cd8ed993534288846a4978633655b0161b0b1da4ce13cdd0be5e9903b5995b676aa14872fe\
    da440bb39fc8a66847a43a87f702756f51e9d0b7ae1645e9db506208d7d7bc2a37d8e845de9dd1463a50c4dbabed70bda9f0\
    f16efed7ea68e6e2609cbd21710d9ca849a5bc8deb6e9844ad4a29da866069ca3890ccc210ed3d06ef45cd908b02dea88b5d\
    7af1164f673bafffbd58b65fa6f38e0a011d9577a47365d78f1c42d89803002d4926a02a436f6caf3121790fc51690608f5e\
    4c25eee8c0f0c77ec7fb33d9a77ec12755a27875ede1dbb7acb177850c56cd1881a3c94d70e7704ceb35a6867ff8059a19a2\
    e79a6320ca49f60ad0f816eb12149dceae0da51a3caf6ca8623d9106ac0c9173f29ad3c1980936eb1223";

const SERVER_PUBLIC: &[u8] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &[u8] = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_PUBLIC: &[u8] = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &[u8] = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
const GREETING: usize = 64;

fn bytes(hex: &str) -> Vec<u8> {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(octet).collect()
}

fn key(text: &[u8]) -> Secret {
    z85::decode_key(text).unwrap()
}

fn config(socket_type: &'static str, accepts: fn(&str) -> bool, security: Security) -> HandshakeConfig {
    HandshakeConfig {
        socket_type,
        routing_id: None,
        accepts,
        properties: Vec::new(),
        security,
        asks: false,
        needs_handler: false,
        body_max: None,
    }
}

fn random(first: u8) -> Box<Zeroizing<[u8; RANDOM]>> {
    Box::new(Zeroizing::new(std::array::from_fn(|place| first + place as u8)))
}

fn client(security: Security) -> Handshake {
    Handshake::new(config("DEALER", |theirs| pairs("DEALER", theirs), security), random(1))
}

fn server(security: Security) -> Handshake {
    Handshake::new(
        config("ROUTER", |theirs| pairs("ROUTER", theirs), security),
        random(101),
    )
}

fn curve_client() -> Handshake {
    client(Security::CurveClient(Arc::new(CurveClient {
        public: **key(CLIENT_PUBLIC),
        secret: key(CLIENT_SECRET),
        server: **key(SERVER_PUBLIC),
    })))
}

fn curve_server() -> Handshake {
    server(Security::CurveServer(Arc::new(CurveServer {
        secret: key(SERVER_SECRET),
    })))
}

fn plain_client() -> Handshake {
    client(Security::PlainClient {
        username: Bytes::from_static(b"admin"),
        password: Bytes::from_static(b"secret"),
    })
}

/// What one side has sent and come to.
#[derive(Default)]
struct Side {
    sent: Vec<u8>,
    peer: Option<Box<Peer>>,
    ciphers: Option<Box<Ciphers>>,
    asked: Option<Credentials>,
}

fn reply(status: u16) -> Verdict {
    Verdict::Reply(ZapReply {
        status,
        user_id: Bytes::from_static(b"joe"),
        properties: Vec::new(),
    })
}

/// Lets both talk, in pieces of `chunk` octets, until nothing comes any more. Questions are answered with `verdict`.
fn talk(
    client: &mut Handshake,
    server: &mut Handshake,
    verdict: &Verdict,
    chunk: usize,
    change: impl Fn(usize, &mut Vec<u8>),
) -> [Result<Side, ProtocolError>; 2] {
    let mut sides = [Ok(Side::default()), Ok(Side::default())];
    let handshakes = [client, server];
    loop {
        let mut is_over = true;
        for from in [0, 1] {
            let mut sent = std::mem::take(handshakes[from].output());
            if sent.is_empty() {
                continue;
            }
            is_over = false;
            change(from, &mut sent);
            if let Ok(side) = &mut sides[from] {
                side.sent.extend_from_slice(&sent);
            }
            let to = 1 - from;
            if let Ok(side) = &mut sides[to]
                && let Err(error) = hear(handshakes[to], &sent, verdict, chunk, side)
            {
                sides[to] = Err(error);
            }
        }
        if is_over {
            return sides;
        }
    }
}

fn hear(
    handshake: &mut Handshake,
    bytes: &[u8],
    verdict: &Verdict,
    chunk: usize,
    side: &mut Side,
) -> Result<(), ProtocolError> {
    let (mut consumed, mut offered) = (0, 0);
    while offered < bytes.len() {
        offered = bytes.len().min(offered + chunk);
        let (count, mut progress) = handshake.input(&bytes[consumed..offered])?;
        consumed += count;
        while let Progress::Ask(credentials) = progress {
            assert!(matches!(handshake.input(b"more"), Ok((0, Progress::Waiting))));
            side.asked = Some(credentials);
            progress = handshake.answer(verdict.clone())?;
        }
        if let Progress::Done(peer, ciphers) = progress {
            (side.peer, side.ciphers) = (Some(peer), ciphers);
        }
    }
    Ok(())
}

fn exchange(client: &mut Handshake, server: &mut Handshake, verdict: &Verdict) -> [Result<Side, ProtocolError>; 2] {
    talk(client, server, verdict, usize::MAX / 2, |_, _| {})
}

fn errors(sides: [Result<Side, ProtocolError>; 2]) -> [Option<ProtocolError>; 2] {
    sides.map(|side| side.err())
}

#[test]
fn every_command_of_curve_has_its_octets() {
    let [client, server] = exchange(&mut curve_client(), &mut curve_server(), &Verdict::Absent);
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.sent[GREETING..], [bytes(HELLO), bytes(INITIATE)].concat());
    assert_eq!(server.sent[GREETING..], [bytes(WELCOME), bytes(READY)].concat());
    assert_eq!(server.asked, Some(Credentials::Curve(**key(CLIENT_PUBLIC))));
    assert_eq!(client.peer.unwrap().socket_type, "ROUTER");
    assert_eq!(server.peer.as_ref().unwrap().socket_type, "DEALER");
    assert_eq!(server.peer.unwrap().admitted, None);

    let (from_client, from_server) = (client.ciphers.as_mut().unwrap(), server.ciphers.as_mut().unwrap());
    let mut sealed = Vec::new();
    from_client.sealer.seal(true, false, b"hello", &mut sealed).unwrap();
    from_client.sealer.seal(false, false, b"", &mut sealed).unwrap();
    from_client
        .sealer
        .seal(false, true, b"\x04PING\0\0", &mut sealed)
        .unwrap();
    assert_eq!(sealed, bytes(FROM_CLIENT));
    sealed.clear();
    from_server.sealer.seal(false, false, &[0; 300], &mut sealed).unwrap();
    assert_eq!(sealed, bytes(FROM_SERVER));
}

#[test]
fn what_one_side_seals_the_other_opens() {
    let [client, server] = exchange(&mut curve_client(), &mut curve_server(), &reply(200));
    let (mut sealer, mut opener) = (
        client.unwrap().ciphers.unwrap().sealer,
        server.unwrap().ciphers.unwrap().opener,
    );
    for length in [0, 1, 30, 31, 32, 222, 223, 255, 256, 4095, 4096, 70_000] {
        let body: Vec<u8> = (0..length).map(|place| (place * 3) as u8).collect();
        for more in [false, true] {
            let mut sealed = Vec::new();
            sealer.seal(more, false, &body, &mut sealed).unwrap();
            let header = super::super::decode_header(&sealed).unwrap().unwrap();
            assert!(!header.more && !header.command);
            assert_eq!(header.body_len as usize, length + MESSAGE_OVERHEAD);
            let mut opened = vec![7; OPENED_LEAD];
            let first = opener.open(&sealed[header.header_len..], &mut opened).unwrap();
            assert_eq!((first.more, first.command), (more, false));
            let (plain, plain_len) = super::super::encode_header(more, length);
            assert_eq!(opened, [&[7; OPENED_LEAD][..], &plain[..plain_len], &body].concat());

            sealed.clear();
            sealer.seal(more, false, &body, &mut sealed).unwrap();
            let opened = opener.open_in_place(&mut sealed[header.header_len..]).unwrap();
            assert_eq!(opened.more, more);
            assert_eq!(sealed[header.header_len + MESSAGE_OVERHEAD..], body);
        }
    }
}

#[test]
fn a_box_opens_once_in_its_order_and_unchanged() {
    let [client, server] = exchange(&mut curve_client(), &mut curve_server(), &reply(200));
    let (mut sealer, mut opener) = (
        client.unwrap().ciphers.unwrap().sealer,
        server.unwrap().ciphers.unwrap().opener,
    );
    let mut next = || {
        let mut sealed = Vec::new();
        sealer.seal(false, false, b"abc", &mut sealed).unwrap();
        sealed.split_off(2)
    };
    let (first, second, third) = (next(), next(), next());
    let mut out = vec![0; OPENED_LEAD];
    for place in 0..second.len() {
        let mut changed = second.clone();
        changed[place] ^= 0x10;
        let expected = match place {
            0..8 => ProtocolError::UnexpectedCommand,
            _ => ProtocolError::Cryptographic,
        };
        let error = opener.open(&changed, &mut out).unwrap_err();
        // A name's length may be changed to one that does not fit, and a nonce to one before the last.
        if place > 0 && place != 15 {
            assert_eq!(error, expected, "octet {place}");
        }
        assert!(opener.open_in_place(&mut changed).is_err());
        assert_eq!(out, [0; OPENED_LEAD]);
    }
    opener.open(&second, &mut out).unwrap();
    assert_eq!(opener.open(&second, &mut out), Err(ProtocolError::Sequence));
    assert_eq!(opener.open(&first, &mut out), Err(ProtocolError::Sequence));
    assert_eq!(opener.open_in_place(&mut second.clone()), Err(ProtocolError::Sequence));
    opener.open(&third, &mut out).unwrap();
    for (body, error) in [
        (&b"\x07MESSAGE"[..], ProtocolError::MalformedMessage),
        (&third[..32], ProtocolError::MalformedMessage),
        (b"\x04PING\0\0", ProtocolError::UnexpectedCommand),
        (b"hello", ProtocolError::MalformedCommand),
        (b"", ProtocolError::MalformedCommand),
    ] {
        assert_eq!(opener.open(body, &mut out), Err(error), "{body:?}");
    }
}

#[test]
fn every_chunking_comes_to_the_same() {
    for chunk in [1, 2, 3, 7, 63, 64, 65, 200, 201] {
        let [client, server] = talk(&mut curve_client(), &mut curve_server(), &reply(200), chunk, |_, _| {});
        assert!(client.unwrap().ciphers.is_some() && server.unwrap().ciphers.is_some());
        let [client, server] = talk(
            &mut plain_client(),
            &mut server_of_plain(),
            &reply(200),
            chunk,
            |_, _| {},
        );
        assert!(client.unwrap().peer.is_some() && server.unwrap().peer.is_some());
    }
}

fn server_of_plain() -> Handshake {
    server(Security::PlainServer)
}

/// Where octets may be changed without anybody being the wiser: the padding of HELLO.
#[test]
fn a_changed_octet_of_curve_ends_the_handshake() {
    let padding = GREETING + 2 + 6 + 2..GREETING + 2 + 6 + 2 + 72;
    let lengths = [
        bytes(HELLO).len() + bytes(INITIATE).len(),
        bytes(WELCOME).len() + bytes(READY).len(),
    ];
    for (side, length) in lengths.into_iter().enumerate() {
        for place in GREETING..GREETING + length {
            let position = std::cell::Cell::new([0; 2]);
            let change = |from: usize, sent: &mut Vec<u8>| {
                let mut positions = position.get();
                let start = positions[from];
                positions[from] += sent.len();
                position.set(positions);
                if from == side && (start..start + sent.len()).contains(&place) {
                    sent[place - start] ^= 1;
                }
            };
            let whole = talk(
                &mut curve_client(),
                &mut curve_server(),
                &reply(200),
                usize::MAX / 2,
                change,
            );
            let [client, server] = whole;
            let is_complete = |side: &Result<Side, _>| side.as_ref().is_ok_and(|side| side.peer.is_some());
            let complete = is_complete(&client) && is_complete(&server);
            let is_padding = side == 0 && padding.contains(&place);
            assert_eq!(complete, is_padding, "octet {place} of side {side}");
        }
    }
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let other = |public: &[u8], secret: &[u8], server: &[u8]| {
        client(Security::CurveClient(Arc::new(CurveClient {
            public: **key(public),
            secret: key(secret),
            server: **key(server),
        })))
    };
    let run = |mut client: Handshake| errors(exchange(&mut client, &mut curve_server(), &reply(200)));
    let cryptographic = [None, Some(ProtocolError::Cryptographic)];
    assert_eq!(run(other(CLIENT_PUBLIC, CLIENT_SECRET, CLIENT_PUBLIC)), cryptographic);
    assert_eq!(run(other(SERVER_PUBLIC, CLIENT_SECRET, SERVER_PUBLIC)), cryptographic);
    assert_eq!(
        run(other(CLIENT_PUBLIC, CLIENT_SECRET, &[b'0'; 40]))[0],
        Some(ProtocolError::KeyExchange)
    );
}

#[test]
fn the_handler_decides_who_enters() {
    for (make_client, make_server) in [
        (plain_client as fn() -> Handshake, server_of_plain as fn() -> Handshake),
        (curve_client, curve_server),
    ] {
        let run = |verdict: &Verdict| exchange(&mut make_client(), &mut make_server(), verdict);
        let [client, server] = run(&reply(200));
        assert!(client.unwrap().peer.is_some());
        assert_eq!(server.unwrap().peer.unwrap().admitted.unwrap().user_id, "joe");
        for status in [400, 500] {
            assert_eq!(
                errors(run(&reply(status))),
                [
                    Some(ProtocolError::Refused(status)),
                    Some(ProtocolError::Denied(status))
                ]
            );
        }
        assert_eq!(
            errors(run(&Verdict::Broken(ProtocolError::ZapVersion))),
            [None, Some(ProtocolError::ZapVersion)]
        );
        let [client, server] = run(&reply(300));
        assert!(client.unwrap().peer.is_none() && server.unwrap().peer.is_none());
    }
    assert_eq!(
        errors(exchange(&mut plain_client(), &mut server_of_plain(), &Verdict::Absent)),
        [None, Some(ProtocolError::NoHandler)]
    );
}

#[test]
fn the_handler_is_asked_about_peers_without_security_where_there_is_a_domain() {
    let asking = || {
        let null = config("ROUTER", |theirs| pairs("ROUTER", theirs), Security::Null);
        Handshake::new(HandshakeConfig { asks: true, ..null }, random(1))
    };
    let [client, server] = exchange(&mut client(Security::Null), &mut asking(), &reply(200));
    let server = server.unwrap();
    assert_eq!(server.asked, Some(Credentials::Null));
    assert_eq!(server.peer.unwrap().admitted.unwrap().user_id, "joe");
    assert!(client.unwrap().peer.is_some());
    let denied = errors(exchange(&mut client_of_null(), &mut asking(), &reply(400)));
    assert_eq!(
        denied,
        [Some(ProtocolError::Refused(400)), Some(ProtocolError::Denied(400))]
    );
}

fn client_of_null() -> Handshake {
    client(Security::Null)
}

#[test]
fn plain_shows_name_and_password() {
    let [client, server] = exchange(&mut plain_client(), &mut server_of_plain(), &reply(200));
    let hello = b"\x04\x13\x05HELLO\x05admin\x06secret";
    assert_eq!(client.unwrap().sent[GREETING..][..hello.len()], *hello);
    let server = server.unwrap();
    let expected = Credentials::Plain {
        username: Bytes::from_static(b"admin"),
        password: Bytes::from_static(b"secret"),
    };
    assert_eq!(server.asked, Some(expected));
    assert_eq!(server.sent[GREETING..][..10], *b"\x04\x08\x07WELCOME");
}

/// A peer that has passed the greeting and sends these commands.
fn after_greeting(mut handshake: Handshake, mechanism: &[u8], commands: &[u8]) -> Result<Progress, ProtocolError> {
    let mut stream = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01".to_vec();
    stream.extend_from_slice(mechanism);
    stream.resize(GREETING, 0);
    stream.extend_from_slice(commands);
    handshake.input(&stream).map(|(_, progress)| progress)
}

#[test]
fn commands_that_do_not_belong_or_do_not_fit_are_refused() {
    use ProtocolError::*;
    for (commands, error) in [
        (&b"\x04\x06\x05HELLO"[..], MalformedHello),
        (b"\x04\x07\x05HELLO\x01", MalformedHello),
        (b"\x04\x08\x05HELLO\0\x01", MalformedHello),
        (b"\x04\x09\x05HELLO\0\0x", MalformedHello),
        (b"\x04\x06\x05READY", UnexpectedCommand),
        (b"\x04\x09\x08INITIATE", UnexpectedCommand),
        (b"\x00\x05hello", UnexpectedCommand),
        (b"\x00\x06\x05HELLO", MalformedHello),
        (b"\x04\0", MalformedCommand),
    ] {
        let refused = after_greeting(server_of_plain(), b"PLAIN", commands).unwrap_err();
        assert_eq!(refused, error, "{commands:?}");
    }
    for (commands, error) in [
        (&b"\x04\x09\x07WELCOMEx"[..], MalformedWelcome),
        (b"\x04\x06\x05READY", UnexpectedCommand),
        (b"\x04\x08\x05ERROR\x05x", MalformedError),
        (b"\x04\x0a\x05ERROR\x03400", Refused(400)),
        (b"\x04\x09^RROR\x03500", Refused(500)),
        (b"\x04\x06\x05HELLO", UnexpectedCommand),
    ] {
        let refused = after_greeting(plain_client(), b"PLAIN", commands).unwrap_err();
        assert_eq!(refused, error, "{commands:?}");
    }
    let hello = bytes(HELLO);
    let mut other_version = hello.clone();
    other_version[8] = 2;
    let mut short = hello[..hello.len() - 1].to_vec();
    short[1] -= 1;
    for commands in [&b"\x04\x06\x05HELLO"[..], &other_version, &short] {
        let refused = after_greeting(curve_server(), b"CURVE", commands).unwrap_err();
        assert_eq!(refused, MalformedHello);
    }
    let early = [&hello[..], b"\x04\x09\x08INITIATE"].concat();
    assert_eq!(
        after_greeting(curve_server(), b"CURVE", &early).unwrap_err(),
        MalformedInitiate
    );
    let early = [&hello[..], &hello].concat();
    assert_eq!(
        after_greeting(curve_server(), b"CURVE", &early).unwrap_err(),
        UnexpectedCommand
    );
    assert_eq!(
        after_greeting(curve_client(), b"CURVE", b"\x04\x08\x07WELCOME").unwrap_err(),
        MalformedWelcome
    );
}

#[test]
fn another_mechanism_or_an_older_version_is_refused() {
    for (make, name) in [
        (curve_server as fn() -> Handshake, &b"CURVE"[..]),
        (curve_client, b"CURVE"),
        (server_of_plain, b"PLAIN"),
        (plain_client, b"PLAIN"),
        (client_of_null, b"NULL"),
    ] {
        for other in [&b"NULL"[..], b"PLAIN", b"CURVE", b"GSSAPI", b""] {
            let result = after_greeting(make(), other, b"");
            if other == name {
                assert!(result.is_ok());
            } else {
                assert_eq!(result.unwrap_err(), ProtocolError::MechanismMismatch);
            }
        }
    }
    for make in [
        curve_server as fn() -> Handshake,
        curve_client,
        server_of_plain,
        plain_client,
    ] {
        for old in [
            &b"\x01\0"[..],
            b"\xff\0\0\0\0\0\0\0\x01\x7e",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\0",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05",
        ] {
            assert_eq!(make().input(old).unwrap_err(), ProtocolError::Unsecured, "{old:?}");
        }
    }
}

#[test]
fn a_cookie_is_held_from_hello_to_initiate() {
    let (mut client, mut server) = (curve_client(), curve_server());
    assert!(!server.holds_cookie());
    let hello = [
        &{
            let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE".to_vec();
            greeting.resize(GREETING, 0);
            greeting
        }[..],
        &bytes(HELLO),
    ]
    .concat();
    server.input(&hello).unwrap();
    assert!(server.holds_cookie());
    let [client_side, _] = exchange(&mut client, &mut curve_server(), &reply(200));
    assert!(client_side.is_ok());
    server.input(&bytes(INITIATE)).unwrap();
    assert!(!server.holds_cookie());
}
