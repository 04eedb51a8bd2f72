//! The handshake against recorded bytes: known answers, every chunking, every truncation, every changed byte.

use super::*;
use crate::zmtp::command::READY;
use crate::zmtp::encode_command;
use crate::zmtp::testing::Generator;

/// What libzmq 4.3.5 sent for a DEALER with the routing id "me", captured on a raw socket.
const LIBZMQ_GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x03\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const LIBZMQ_READY: &[u8] = b"\x04\x2b\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me";

fn config(socket_type: &'static str) -> HandshakeConfig {
    HandshakeConfig {
        socket_type,
        routing_id: None,
        accepts: |theirs| pairs("ROUTER", theirs),
        properties: Vec::new(),
        security: Security::Null,
        asks: false,
        needs_handler: false,
        body_max: None,
    }
}

/// NULL takes no random bytes.
fn begin(config: HandshakeConfig) -> Handshake {
    Handshake::new(config, Box::new(Zeroizing::new([0; RANDOM])))
}

fn recorded() -> Vec<u8> {
    [LIBZMQ_GREETING, LIBZMQ_READY].concat()
}

fn with_ready(list: &[u8]) -> Vec<u8> {
    let mut stream = LIBZMQ_GREETING.to_vec();
    encode_command(&mut stream, READY, &[list]);
    stream
}

fn properties(list: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in list {
        encode_property(&mut out, name, value).unwrap();
    }
    out
}

/// Feeds `stream` in chunks as a reactor would: what is not consumed is offered again.
fn drive(stream: &[u8], mut chunk: impl FnMut() -> usize) -> Result<(usize, Option<Peer>), ProtocolError> {
    let mut handshake = begin(config("ROUTER"));
    let (mut consumed, mut available) = (0, 0);
    while available < stream.len() {
        available = stream.len().min(available + chunk());
        let (count, progress) = handshake.input(&stream[consumed..available])?;
        consumed += count;
        assert!(consumed <= available);
        if let Progress::Done(peer, _) = progress {
            return Ok((consumed, Some(*peer)));
        }
    }
    Ok((consumed, None))
}

fn at_once(stream: &[u8]) -> Result<(usize, Option<Peer>), ProtocolError> {
    drive(stream, || usize::MAX / 2)
}

/// Our whole greeting of ZMTP 3.1.
fn greeting(routing_id: &[u8]) -> Vec<u8> {
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, routing_id.len() as u8 + 1];
    greeting.extend_from_slice(b"\x7f\x03\x01NULL");
    greeting.resize(64, 0);
    greeting
}

#[test]
fn the_identity_of_an_older_peer_ends_its_handshake() {
    let signature = &LIBZMQ_GREETING[..10];
    let old = |framing, stream: &[u8]| {
        let (consumed, peer) = at_once(stream).unwrap();
        let peer = peer.unwrap();
        assert_eq!((peer.framing, consumed), (framing, stream.len()));
        peer.routing_id
    };
    assert_eq!(old(Framing::Zmtp1, b"\x05\0four")[..], b"four"[..]);
    assert_eq!(old(Framing::Zmtp1, b"\x01\0"), Bytes::new());
    let long = b"\xff\0\0\0\0\0\0\0\x05\0four";
    assert_eq!(old(Framing::Zmtp1, long)[..], b"four"[..]);
    assert_eq!(
        old(Framing::Zmtp1, &[signature, b"\0\x05\x05\0four"].concat())[..],
        b"four"[..]
    );
    assert_eq!(
        old(Framing::Zmtp2, &[signature, b"\x01\x05\0\x04four"].concat())[..],
        b"four"[..]
    );
    assert_eq!(
        old(Framing::Zmtp2, &[signature, b"\x01\x05\0\0"].concat()),
        Bytes::new()
    );
    assert_eq!(at_once(b"\x05\0fou"), Ok((5, None)));
    assert_eq!(at_once(b"\xff\0\0\0\0\0\0\0\0\0"), Err(ProtocolError::OldIdentity));
    assert_eq!(at_once(b"\xff\0\0\0\0\0\0\x01\x01\0"), Err(ProtocolError::OldIdentity));
    assert_eq!(
        at_once(&[signature, b"\x01\x05\x02\0\0\0\0\0\0\x01\0"].concat()),
        Err(ProtocolError::OldIdentity)
    );
}

fn peer_of(list: &[(&[u8], &[u8])]) -> Result<Peer, ProtocolError> {
    at_once(&with_ready(&properties(list))).map(|(_, peer)| peer.expect("a whole READY ends the handshake"))
}

#[test]
fn our_side_has_the_octets_of_the_worked_example() {
    let mut handshake = begin(config("DEALER"));
    assert_eq!(handshake.output()[..], greeting(b"")[..10]);
    handshake.input(&LIBZMQ_GREETING[..63]).unwrap();
    assert_eq!(handshake.output()[..], greeting(b""));
    handshake.output().clear();
    handshake.input(&LIBZMQ_GREETING[63..]).unwrap();
    let ready = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";
    assert_eq!(handshake.output()[..], ready[..]);
}

#[test]
fn identity_is_sent_by_three_types_only() {
    let types = [
        "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB",
    ];
    for socket_type in types {
        let mut ours = config(socket_type);
        ours.routing_id = Some(Bytes::from_static(b"me"));
        ours.properties = vec![(Bytes::from_static(b"X-key"), Bytes::from_static(b"value"))];
        let mut handshake = begin(ours);
        handshake.input(LIBZMQ_GREETING).unwrap();
        let mut expected = greeting(b"me");
        let mut list = vec![(SOCKET_TYPE, socket_type.as_bytes())];
        if ["REQ", "DEALER", "ROUTER"].contains(&socket_type) {
            list.push((IDENTITY, b"me"));
        }
        list.push((b"X-key", b"value"));
        encode_command(&mut expected, READY, &[&properties(&list)]);
        assert_eq!(handshake.output()[..], expected[..], "{socket_type}");
    }
}

#[test]
fn a_recorded_handshake_gives_the_peer() {
    let list = [(&b"Socket-Type"[..], &b"DEALER"[..]), (b"Identity", b"me")];
    let expected = Peer {
        framing: Framing::Zmtp3,
        minor: 1,
        socket_type: Bytes::from_static(b"DEALER"),
        routing_id: Bytes::from_static(b"me"),
        properties: list
            .map(|(name, value)| (Bytes::from_static(name), Bytes::from_static(value)))
            .to_vec(),
        admitted: None,
    };
    assert_eq!(at_once(&recorded()), Ok((64 + 45, Some(expected))));
}

#[test]
fn two_of_us_complete_a_handshake_with_each_other() {
    let mut router = begin(config("ROUTER"));
    let mut dealer = begin(HandshakeConfig {
        accepts: |theirs| pairs("DEALER", theirs),
        ..config("DEALER")
    });
    let mut done = Vec::new();
    for _ in 0..5 {
        let from_router = std::mem::take(router.output());
        let from_dealer = std::mem::take(dealer.output());
        for (side, bytes) in [(&mut dealer, from_router), (&mut router, from_dealer)] {
            let (consumed, progress) = side.input(&bytes).unwrap();
            assert_eq!(consumed, bytes.len());
            if let Progress::Done(peer, _) = progress {
                done.push(peer.socket_type);
            }
        }
    }
    assert_eq!(done, ["ROUTER", "DEALER"]);
}

#[test]
fn every_chunking_gives_the_same_peer_and_leaves_what_follows() {
    let stream = [&recorded()[..], b"\x00\x05hello"].concat();
    let expected = at_once(&stream);
    assert_eq!(expected.as_ref().unwrap().0, stream.len() - 7);
    for chunk in 1..stream.len() {
        assert_eq!(drive(&stream, || chunk), expected, "chunks of {chunk}");
    }
    for split in 1..stream.len() {
        let mut sizes = [split, stream.len()].into_iter();
        assert_eq!(drive(&stream, || sizes.next().unwrap()), expected, "split at {split}");
    }
}

#[test]
fn every_truncation_needs_more() {
    let stream = recorded();
    for cut in 0..stream.len() {
        assert_eq!(at_once(&stream[..cut]), Ok((cut, None)), "cut at {cut}");
    }
}

#[test]
fn every_changed_byte_gives_the_same_outcome_in_every_chunking() {
    let stream = recorded();
    let mut refused = 0;
    for at in 0..stream.len() {
        for byte in 0..=255 {
            let mut changed = stream.clone();
            changed[at] = byte;
            let whole = at_once(&changed);
            assert_eq!(drive(&changed, || 1), whole, "octet {at} changed to {byte}");
            refused += usize::from(whole.is_err());
        }
    }
    // Of the greeting alone: the first octet, half of the tenth, three versions, and the mechanism.
    assert!(
        refused > 255 + 128 + 3 + 20 * 255,
        "only {refused} changes were refused"
    );
}

#[test]
fn random_streams_never_fail_in_one_chunking_only() {
    let mut generator = Generator::new(0x4a4d);
    for _ in 0..20_000 {
        let mut stream = recorded();
        stream.truncate(64 + generator.below(46));
        for _ in 0..generator.below(4) {
            let at = 64 + generator.below(stream.len() - 63);
            stream.splice(at..at, [generator.below(256) as u8]);
        }
        let whole = at_once(&stream);
        assert_eq!(drive(&stream, || 1 + generator.below(7)), whole, "{stream:?}");
    }
}

#[test]
fn an_error_is_final() {
    let mut handshake = begin(config("ROUTER"));
    assert_eq!(handshake.input(&[0, 0]).unwrap_err(), ProtocolError::NotZmtp);
    assert_eq!(handshake.input(&recorded()).unwrap_err(), ProtocolError::NotZmtp);
    assert_eq!(handshake.input(&[]).unwrap_err(), ProtocolError::NotZmtp);
}

#[test]
fn nothing_is_consumed_after_the_end() {
    let mut handshake = begin(config("ROUTER"));
    assert!(matches!(handshake.input(&recorded()), Ok((109, Progress::Done(..)))));
    assert!(matches!(handshake.input(b"\0\x05hello"), Ok((0, Progress::NeedMore))));
}

#[test]
fn metadata_is_read_as_libzmq_reads_it() {
    assert_eq!(peer_of(&[]).unwrap().socket_type, "");
    let twice = peer_of(&[
        (b"socket-type", b"REQ"),
        (b"IDENTITY", b"a"),
        (b"Identity", b"b"),
        (b"Socket-Type", b"DEALER"),
    ]);
    let twice = twice.unwrap();
    assert_eq!(
        (&twice.socket_type[..], &twice.routing_id[..], twice.properties.len()),
        (&b"DEALER"[..], &b"b"[..], 4)
    );
    for wrong in [&b"PUB"[..], b"dealer", b"FOO", b"", b"\xff"] {
        assert_eq!(peer_of(&[(SOCKET_TYPE, wrong)]), Err(ProtocolError::SocketTypeMismatch));
        assert_eq!(
            peer_of(&[(SOCKET_TYPE, b"REQ"), (SOCKET_TYPE, wrong)]),
            Err(ProtocolError::SocketTypeMismatch)
        );
    }
    assert_eq!(at_once(&with_ready(b"\x05")), Err(ProtocolError::InvalidMetadata));
}

#[test]
fn limits_hold_at_their_value_and_act_one_past_it() {
    assert_eq!(
        peer_of(&[(IDENTITY, &[7; ROUTING_ID_MAX])]).unwrap().routing_id.len(),
        ROUTING_ID_MAX
    );
    assert_eq!(
        peer_of(&[(IDENTITY, &[7; ROUTING_ID_MAX + 1])]),
        Err(ProtocolError::InvalidMetadata)
    );
    assert_eq!(peer_of(&[(IDENTITY, b"\0id")]), Err(ProtocolError::InvalidMetadata));
    let most: Vec<(&[u8], &[u8])> = vec![(b"X", b""); PROPERTIES_MAX];
    assert_eq!(peer_of(&most).unwrap().properties.len(), PROPERTIES_MAX);
    assert_eq!(
        peer_of(&[&most[..], &most[..1]].concat()),
        Err(ProtocolError::InvalidMetadata)
    );
    let overhead = 1 + READY.len() + 1 + 1 + 4;
    let value = vec![b'v'; READY_SIZE_MAX - overhead + 1];
    assert!(peer_of(&[(b"X", &value[1..])]).is_ok());
    assert_eq!(peer_of(&[(b"X", &value)]), Err(ProtocolError::ReadyTooLarge));
}

/// Source: ZMQ_MAXMSGSIZE in zmq_setsockopt(3), which libzmq looks at before it knows what a frame is.
#[test]
fn the_limit_on_messages_holds_for_the_handshake_too() {
    let read = |body_max, bytes: &[u8]| {
        let mut handshake = begin(HandshakeConfig {
            body_max: Some(body_max),
            ..config("ROUTER")
        });
        handshake.input(LIBZMQ_GREETING).and_then(|_| handshake.input(bytes))
    };
    let size = u64::from(LIBZMQ_READY[1]);
    assert!(matches!(read(size, LIBZMQ_READY), Ok((_, Progress::Done(..)))));
    assert_eq!(
        read(size - 1, LIBZMQ_READY).unwrap_err(),
        ProtocolError::MessageTooLarge
    );
    assert_eq!(read(4, b"\x00\x05").unwrap_err(), ProtocolError::MessageTooLarge);
}

#[test]
fn only_a_ready_command_ends_the_handshake() {
    let after_greeting = |frame: &[u8]| at_once(&[LIBZMQ_GREETING, frame].concat());
    assert_eq!(after_greeting(b"\x00\x05hello"), Err(ProtocolError::UnexpectedCommand));
    assert_eq!(after_greeting(b"\x05"), Err(ProtocolError::CommandWithMore));
    assert_eq!(after_greeting(b"\x04\x00"), Err(ProtocolError::UnexpectedCommand));
    assert_eq!(
        after_greeting(b"\x04\x07\x04PING\0\0"),
        Err(ProtocolError::UnexpectedCommand)
    );
    assert_eq!(
        after_greeting(b"\x04\x06\x05ready"),
        Err(ProtocolError::UnexpectedCommand)
    );
    assert_eq!(
        after_greeting(b"\x04\x0a\x05ERROR\x03bad"),
        Err(ProtocolError::Refused(0))
    );
    for (reason, status) in [(b"300", 300), (b"400", 400), (b"500", 500), (b"200", 0), (b"401", 0)] {
        let frame = [b"\x04\x0a\x05ERROR\x03", &reason[..]].concat();
        assert_eq!(after_greeting(&frame), Err(ProtocolError::Refused(status)));
    }
    assert_eq!(after_greeting(b"\x04\x06\x05ERROR"), Err(ProtocolError::MalformedError));
    assert_eq!(
        after_greeting(b"\x06\0\0\0\0\0\0\0\x06\x05READY").map(|(count, _)| count),
        Ok(64 + 15)
    );
}

#[test]
fn sizes_that_a_property_cannot_have_end_our_own_handshake() {
    let mut ours = config("ROUTER");
    ours.properties = vec![(Bytes::new(), Bytes::new())];
    assert_eq!(
        begin(ours).input(LIBZMQ_GREETING).unwrap_err(),
        ProtocolError::InvalidMetadata
    );
}

#[test]
fn pairs_are_symmetric_and_those_of_the_rfc() {
    let legal = [
        "REQ REP",
        "REQ ROUTER",
        "REP DEALER",
        "DEALER DEALER",
        "DEALER ROUTER",
        "ROUTER ROUTER",
        "PUB SUB",
        "PUB XSUB",
        "XPUB SUB",
        "XPUB XSUB",
        "PUSH PULL",
        "PAIR PAIR",
        "CLIENT SERVER",
        "RADIO DISH",
        "SCATTER GATHER",
        "PEER PEER",
        "CHANNEL CHANNEL",
    ];
    let types = [
        "REQ", "REP", "DEALER", "ROUTER", "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "PAIR", "CLIENT", "SERVER",
        "RADIO", "DISH", "SCATTER", "GATHER", "PEER", "CHANNEL", "STREAM", "",
    ];
    for ours in types {
        for theirs in types {
            let listed = [format!("{ours} {theirs}"), format!("{theirs} {ours}")];
            let expected = listed.iter().any(|pair| legal.contains(&pair.as_str()));
            assert_eq!(pairs(ours, theirs), expected, "{ours} and {theirs}");
        }
    }
}
