//! What `zmq_setsockopt` and `zmq_getsockopt` answer for stored options. The answers were taken from libzmq 4.3.5;
//! `tests-c/options.c` asks both libraries for all of them.

use super::*;
use crate::constants::*;
use crate::sys::sodium::Secret;

fn int(value: i32) -> [u8; 4] {
    value.to_ne_bytes()
}

/// What a socket of the type reads after the setting.
fn read_back(socket_type: c_int, number: c_int, value: Option<&[u8]>) -> Result<Reading> {
    let mut options = Options::new(socket_type);
    options.set(number, value)?;
    options.get(number)
}

fn accepts(socket_type: c_int, number: c_int, value: Option<&[u8]>) -> bool {
    match Options::new(socket_type).set(number, value) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, Error::Invalid);
            false
        }
    }
}

#[test]
fn defaults_are_those_of_the_table_and_the_socket_type() {
    for row in ROWS
        .iter()
        .filter(|row| row.can_be_read() && row.keeper == Keeper::Stored)
    {
        let options = Options::new(ZMQ_DEALER);
        let expected = match (row.opt, row.kind) {
            (Opt::Type, _) => Value::Int(ZMQ_DEALER),
            (Opt::ThreadSafe, _) => Value::State(0),
            (_, Kind::Wide | Kind::Size) => Value::Wide(row.default),
            (_, Kind::Bytes { .. }) => Value::Bytes(Bytes::new()),
            (_, Kind::Text { .. } | Kind::Name { .. } | Kind::Optional { .. } | Kind::Credential | Kind::Principal) => {
                Value::Text(Bytes::new())
            }
            (_, Kind::Key) => Value::Key(Secret::default()),
            _ => Value::Int(row.default as i32),
        };
        assert_eq!(options.get(row.number), Ok(Reading::Value(expected)), "{}", row.name);
    }
    for (socket_type, linger) in [
        (ZMQ_PUB, -1),
        (ZMQ_XPUB, -1),
        (ZMQ_SUB, 0),
        (ZMQ_XSUB, 0),
        (ZMQ_REQ, -1),
    ] {
        assert_eq!(Options::new(socket_type).int(Opt::Linger), linger);
    }
}

/// Option, smallest and largest accepted value.
#[test]
fn ranges_are_tested_at_the_limit_and_one_past_it() {
    let ranges = [
        (ZMQ_RATE, 1, i32::MAX),
        (ZMQ_LINGER, -1, i32::MAX),
        (ZMQ_RECONNECT_IVL, -1, i32::MAX),
        (ZMQ_RECONNECT_IVL_MAX, 0, i32::MAX),
        (ZMQ_BACKLOG, 0, i32::MAX),
        (ZMQ_SNDHWM, 0, i32::MAX),
        (ZMQ_TCP_KEEPALIVE, -1, 1),
        (ZMQ_IMMEDIATE, 0, 1),
        (ZMQ_IPV6, 0, 1),
        (ZMQ_IPV4ONLY, 0, 1),
        (ZMQ_CONFLATE, 0, 1),
        (ZMQ_TOS, 0, i32::MAX),
        (ZMQ_HANDSHAKE_IVL, 0, i32::MAX),
        (ZMQ_HEARTBEAT_TTL, -99, 6_553_599),
        (ZMQ_MULTICAST_MAXTPDU, 1, i32::MAX),
        (ZMQ_PLAIN_SERVER, 0, 1),
        (ZMQ_CURVE_SERVER, 0, 1),
        (ZMQ_INVERT_MATCHING, i32::MIN, i32::MAX),
        (MONOCOQUE_MAX_MESSAGE_PARTS, 0, i32::MAX),
        (MONOCOQUE_MAX_HANDSHAKES, 0, i32::MAX),
    ];
    for (number, min, max) in ranges {
        assert!(accepts(ZMQ_PULL, number, Some(&int(min))), "{number}");
        assert!(accepts(ZMQ_PULL, number, Some(&int(max))), "{number}");
        assert!(
            min == i32::MIN || !accepts(ZMQ_PULL, number, Some(&int(min - 1))),
            "{number}"
        );
        assert!(
            max == i32::MAX || !accepts(ZMQ_PULL, number, Some(&int(max + 1))),
            "{number}"
        );
    }
}

#[test]
fn a_size_in_bytes_is_at_least_minus_one() {
    for (size, is_taken) in [(i64::MIN, false), (-2, false), (-1, true), (0, true), (i64::MAX, true)] {
        assert_eq!(
            accepts(ZMQ_PULL, MONOCOQUE_MAX_MESSAGE_BYTES, Some(&size.to_ne_bytes())),
            is_taken,
            "{size}"
        );
    }
}

#[test]
fn a_number_has_its_size_and_no_other() {
    for length in 0..20 {
        assert_eq!(
            accepts(ZMQ_PAIR, ZMQ_LINGER, Some(&vec![0; length])),
            length == 4,
            "{length}"
        );
        assert_eq!(
            accepts(ZMQ_PAIR, ZMQ_MAXMSGSIZE, Some(&vec![0; length])),
            length == 8,
            "{length}"
        );
        assert_eq!(
            accepts(ZMQ_PAIR, ZMQ_IPC_FILTER_UID, Some(&vec![0; length])),
            length == 4,
            "{length}"
        );
    }
    assert!(!accepts(ZMQ_PAIR, ZMQ_LINGER, None));
    assert!(accepts(ZMQ_PAIR, ZMQ_IPC_FILTER_UID, None));
    let wide = read_back(ZMQ_PAIR, ZMQ_AFFINITY, Some(&u64::MAX.to_ne_bytes()));
    assert_eq!(wide, Ok(Reading::Value(Value::Wide(-1))));
}

const SOCKS_USERNAME: c_int = 99;

/// Option, the lengths around each limit and whether they are accepted, and whether NULL is.
#[test]
fn bytes_and_texts_have_a_range_of_lengths() {
    type Lengths = &'static [(usize, bool)];
    let lengths: [(c_int, c_int, Lengths, bool); 10] = [
        (
            ZMQ_DEALER,
            ZMQ_ROUTING_ID,
            &[(0, false), (1, true), (255, true), (256, false)],
            false,
        ),
        (
            ZMQ_ROUTER,
            ZMQ_CONNECT_ROUTING_ID,
            &[(0, false), (1, true), (256, true)],
            false,
        ),
        (
            ZMQ_XPUB,
            ZMQ_XPUB_WELCOME_MSG,
            &[(0, true), (1, true), (5000, true)],
            true,
        ),
        (ZMQ_SUB, ZMQ_SUBSCRIBE, &[(0, true), (1, true), (5000, true)], true),
        (
            ZMQ_PAIR,
            ZMQ_BINDTODEVICE,
            &[(0, false), (1, true), (16, true), (17, false)],
            true,
        ),
        (ZMQ_PAIR, ZMQ_SOCKS_PROXY, &[(0, false), (1, true), (5000, true)], true),
        (ZMQ_PAIR, SOCKS_USERNAME, &[(0, true), (255, true), (256, false)], true),
        (
            ZMQ_PAIR,
            ZMQ_PLAIN_USERNAME,
            &[(0, false), (1, true), (255, true), (256, false)],
            true,
        ),
        (
            ZMQ_PAIR,
            ZMQ_ZAP_DOMAIN,
            &[(0, false), (1, true), (255, true), (256, false)],
            false,
        ),
        (
            ZMQ_PAIR,
            ZMQ_CURVE_SECRETKEY,
            // No text of 41 letters ends with a NUL.
            &[
                (0, false),
                (31, false),
                (32, true),
                (33, false),
                (40, true),
                (41, false),
            ],
            false,
        ),
    ];
    for (socket_type, number, lengths, null) in lengths {
        for &(length, accepted) in lengths {
            assert_eq!(
                accepts(socket_type, number, Some(&vec![b'a'; length])),
                accepted,
                "{number}, {length}"
            );
        }
        assert_eq!(accepts(socket_type, number, None), null, "{number}");
    }
}

#[test]
fn a_text_reads_back_as_it_was_given_until_null_clears_it() {
    let mut options = Options::new(ZMQ_PAIR);
    assert_eq!(
        options.set(ZMQ_BINDTODEVICE, Some(b"lo\0")),
        Ok(Setting::Stored(Opt::BindToDevice))
    );
    let reading = options.get(ZMQ_BINDTODEVICE);
    assert_eq!(reading, Ok(Reading::Value(Value::Text(Bytes::from_static(b"lo\0")))));
    options.set(ZMQ_BINDTODEVICE, None).unwrap();
    assert_eq!(options.bytes(Opt::BindToDevice), None);
}

/// An option of some types and a value for it; the types, of the twelve, that take it.
#[test]
fn an_option_of_other_socket_types_is_unknown() {
    let publishers = [ZMQ_PUB, ZMQ_XPUB];
    let one = int(1);
    for socket_type in ZMQ_PAIR..=ZMQ_STREAM {
        let routers = [ZMQ_REP, ZMQ_ROUTER].contains(&socket_type);
        for (number, types) in [
            (ZMQ_CONNECT_ROUTING_ID, &[ZMQ_REP, ZMQ_ROUTER, ZMQ_STREAM][..]),
            (ZMQ_STREAM_NOTIFY, &[ZMQ_STREAM]),
        ] {
            let expected = types.contains(&socket_type);
            assert_eq!(
                accepts(socket_type, number, Some(&one)),
                expected,
                "{number}, {socket_type}"
            );
        }
        for number in [ZMQ_ROUTER_MANDATORY, ZMQ_ROUTER_HANDOVER, ZMQ_ROUTER_RAW] {
            assert_eq!(
                accepts(socket_type, number, Some(&one)),
                routers,
                "{number}, {socket_type}"
            );
        }
        for number in [
            ZMQ_XPUB_VERBOSE,
            ZMQ_XPUB_VERBOSER,
            ZMQ_XPUB_NODROP,
            ZMQ_XPUB_MANUAL,
            ZMQ_XPUB_WELCOME_MSG,
        ] {
            assert_eq!(
                accepts(socket_type, number, Some(&one)),
                publishers.contains(&socket_type),
                "{number}, {socket_type}"
            );
        }
        for number in [ZMQ_REQ_CORRELATE, ZMQ_REQ_RELAXED] {
            assert_eq!(
                accepts(socket_type, number, Some(&one)),
                socket_type == ZMQ_REQ,
                "{number}, {socket_type}"
            );
        }
        let probers = [ZMQ_REQ, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER];
        assert_eq!(
            accepts(socket_type, ZMQ_PROBE_ROUTER, Some(&one)),
            probers.contains(&socket_type),
            "{socket_type}"
        );
        assert_eq!(
            accepts(socket_type, ZMQ_SUBSCRIBE, Some(b"a")),
            socket_type == ZMQ_SUB,
            "{socket_type}"
        );
    }
}

#[test]
fn metadata_is_a_name_that_begins_with_x_and_a_value() {
    let long = |len: usize| [b"X-".as_slice(), &vec![b'n'; len], b":1"].concat();
    let mut options = Options::new(ZMQ_PUSH);
    for bad in [
        &b""[..],
        b"X-a",
        b"X-a:",
        b":1",
        b"X-:1",
        b"x-a:1",
        b"Socket-Type:PULL",
        &long(254),
    ] {
        assert_eq!(options.set(95, Some(bad)), Err(Error::Invalid), "{bad:?}");
    }
    for good in [&b"X-a:1"[..], b"X-b:two:three", b"X-a:again", &long(253)] {
        assert_eq!(
            options.set(95, Some(good)),
            Ok(Setting::Stored(Opt::Metadata)),
            "{good:?}"
        );
    }
    let kept: Vec<(&[u8], &[u8])> = options
        .properties()
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let name = [b"X-".as_slice(), &[b'n'; 253]].concat();
    assert_eq!(kept, [(&b"X-a"[..], &b"1"[..]), (b"X-b", b"two:three"), (&name, b"1")]);
    assert_eq!(options.get(95), Err(Error::Invalid));
    assert_eq!(
        options.set(95, Some(&[b"X-c:".as_slice(), &[1; 33_000]].concat())),
        Err(Error::Invalid)
    );
}

#[test]
fn a_publisher_takes_subscriptions_in_manual_mode_alone() {
    for socket_type in [ZMQ_PUB, ZMQ_XPUB] {
        let mut options = Options::new(socket_type);
        assert_eq!(options.set(ZMQ_SUBSCRIBE, Some(b"a")), Err(Error::Invalid));
        options.set(ZMQ_XPUB_MANUAL, Some(&int(1))).unwrap();
        assert_eq!(
            options.set(ZMQ_SUBSCRIBE, Some(b"a")),
            Ok(Setting::Live(Opt::Subscribe))
        );
        assert_eq!(
            options.set(ZMQ_UNSUBSCRIBE, Some(b"")),
            Ok(Setting::Live(Opt::Unsubscribe))
        );
        options.set(ZMQ_XPUB_MANUAL, Some(&int(0))).unwrap();
        assert_eq!(options.set(ZMQ_UNSUBSCRIBE, Some(b"a")), Err(Error::Invalid));
    }
}

#[test]
fn what_belongs_to_a_feature_of_other_builds_is_never_a_silent_success() {
    let on = int(1);
    #[cfg(not(feature = "gssapi"))]
    for number in [ZMQ_GSSAPI_SERVER, ZMQ_GSSAPI_PLAINTEXT] {
        assert!(!accepts(ZMQ_ROUTER, number, Some(&on)), "{number}");
    }
    #[cfg(not(feature = "gssapi"))]
    assert!(!accepts(ZMQ_ROUTER, ZMQ_GSSAPI_PRINCIPAL, Some(b"name")));
    for number in [-1, 0, 10, 20, 95, 97, 101, 110, 130] {
        assert!(!accepts(ZMQ_XPUB, number, Some(&on)), "{number}");
        assert_eq!(Options::new(ZMQ_XPUB).get(number), Err(Error::Invalid), "{number}");
    }
}

/// What was set, one after the other, and what ZMQ_MECHANISM, ZMQ_PLAIN_SERVER and ZMQ_CURVE_SERVER read then.
#[test]
fn the_mechanism_is_that_of_the_last_setting() {
    let (on, off): (&[u8], &[u8]) = (&1_i32.to_ne_bytes(), &0_i32.to_ne_bytes());
    type Settings<'a> = &'a [(c_int, Option<&'a [u8]>)];
    let cases: [(Settings<'_>, [i32; 3]); 9] = [
        (&[], [ZMQ_NULL, 0, 0]),
        (&[(ZMQ_PLAIN_SERVER, Some(on))], [ZMQ_PLAIN, 1, 0]),
        (
            &[(ZMQ_PLAIN_SERVER, Some(on)), (ZMQ_PLAIN_SERVER, Some(off))],
            [ZMQ_NULL, 0, 0],
        ),
        (
            &[(ZMQ_CURVE_SERVER, Some(on)), (ZMQ_PLAIN_SERVER, Some(off))],
            [ZMQ_NULL, 0, 0],
        ),
        (
            &[(ZMQ_PLAIN_SERVER, Some(on)), (ZMQ_PLAIN_USERNAME, Some(b"joe"))],
            [ZMQ_PLAIN, 0, 0],
        ),
        (
            &[(ZMQ_PLAIN_USERNAME, Some(b"joe")), (ZMQ_PLAIN_USERNAME, None)],
            [ZMQ_NULL, 0, 0],
        ),
        (
            &[(ZMQ_CURVE_SERVER, Some(on)), (ZMQ_CURVE_SECRETKEY, Some(&[1; 32]))],
            [ZMQ_CURVE, 0, 1],
        ),
        (
            &[(ZMQ_CURVE_SERVER, Some(on)), (ZMQ_CURVE_SERVERKEY, Some(&[1; 32]))],
            [ZMQ_CURVE, 0, 0],
        ),
        (
            &[(ZMQ_PLAIN_PASSWORD, Some(b"x")), (ZMQ_CURVE_PUBLICKEY, Some(&[1; 32]))],
            [ZMQ_CURVE, 0, 0],
        ),
    ];
    for (settings, expected) in cases {
        let mut options = Options::new(ZMQ_REP);
        for (number, value) in settings {
            options.set(*number, *value).unwrap();
        }
        let read = [ZMQ_MECHANISM, ZMQ_PLAIN_SERVER, ZMQ_CURVE_SERVER].map(|number| options.get(number));
        let expected = expected.map(|value| Ok(Reading::Value(Value::Int(value))));
        assert_eq!(read, expected, "{settings:?}");
    }
}

#[test]
fn a_key_is_taken_and_read_as_bytes_or_digits() {
    let text = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    let key = z85::decode_key(text).unwrap();
    for given in [&key[..], text, &[&text[..], b"\0"].concat()] {
        let mut options = Options::new(ZMQ_REP);
        options.set(ZMQ_CURVE_SECRETKEY, Some(given)).unwrap();
        assert_eq!(options.key(Opt::CurveSecretKey), key);
        let Ok(Reading::Value(value)) = options.get(ZMQ_CURVE_SECRETKEY) else {
            panic!("a key can be read");
        };
        let mut out = [7; 60];
        assert_eq!(write_value(&value, &mut out[..32]), Ok(32));
        assert_eq!(out[..33], [&key[..], &[7]].concat());
        assert_eq!(write_value(&value, &mut out[..41]), Ok(41));
        assert_eq!(out[..42], [&text[..], b"\0\x07"].concat());
        for length in [0, 31, 33, 40, 42, 60] {
            assert_eq!(write_value(&value, &mut out[..length]), Err(Error::Invalid));
        }
    }
}

#[test]
fn a_refused_value_leaves_the_one_before_it() {
    let mut options = Options::new(ZMQ_PAIR);
    options.set(ZMQ_LINGER, Some(&int(5))).unwrap();
    assert_eq!(options.set(ZMQ_LINGER, Some(&int(-2))), Err(Error::Invalid));
    options.set(ZMQ_ROUTING_ID, Some(b"hello")).unwrap();
    assert_eq!(options.set(ZMQ_ROUTING_ID, Some(b"")), Err(Error::Invalid));
    assert_eq!(options.int(Opt::Linger), 5);
    assert_eq!(options.bytes(Opt::RoutingId), Some(&Bytes::from_static(b"hello")));
}

#[test]
fn ipv4only_is_the_contrary_of_ipv6() {
    let mut options = Options::new(ZMQ_PAIR);
    options.set(ZMQ_IPV6, Some(&int(1))).unwrap();
    assert_eq!(options.get(ZMQ_IPV4ONLY), Ok(Reading::Value(Value::Int(0))));
    options.set(ZMQ_IPV4ONLY, Some(&int(1))).unwrap();
    assert!(!options.flag(Opt::Ipv6));
}

#[test]
fn of_verbose_and_verboser_the_last_call_counts() {
    let mut options = Options::new(ZMQ_XPUB);
    let steps = [
        (ZMQ_XPUB_VERBOSER, 1, true, true),
        (ZMQ_XPUB_VERBOSE, 1, true, false),
        (ZMQ_XPUB_VERBOSER, 0, false, false),
        (ZMQ_XPUB_VERBOSER, 1, true, true),
        (ZMQ_XPUB_VERBOSE, 0, false, false),
    ];
    for (number, value, verbose, verboser) in steps {
        options.set(number, Some(&int(value))).unwrap();
        assert_eq!(
            (options.flag(Opt::XpubVerbose), options.flag(Opt::XpubVerboser)),
            (verbose, verboser)
        );
    }
}

#[test]
fn a_heartbeat_lives_for_whole_tenths_of_a_second_and_matching_is_inverted_or_not() {
    for (given, kept) in [(-99, 0), (99, 0), (100, 100), (255, 200), (6_553_599, 6_553_500)] {
        let reading = read_back(ZMQ_PAIR, ZMQ_HEARTBEAT_TTL, Some(&int(given)));
        assert_eq!(reading, Ok(Reading::Value(Value::Int(kept))));
    }
    let reading = read_back(ZMQ_PAIR, ZMQ_INVERT_MATCHING, Some(&int(-7)));
    assert_eq!(reading, Ok(Reading::Value(Value::Int(1))));
}

#[test]
fn states_are_asked_of_the_socket_and_can_only_be_read() {
    let options = Options::new(ZMQ_PAIR);
    let states = [
        (ZMQ_RCVMORE, Opt::RcvMore),
        (ZMQ_FD, Opt::Fd),
        (ZMQ_EVENTS, Opt::Events),
        (ZMQ_LAST_ENDPOINT, Opt::LastEndpoint),
    ];
    for (number, opt) in states {
        assert_eq!(options.get(number), Ok(Reading::Live(opt)));
        assert!(!accepts(ZMQ_PAIR, number, Some(&int(0))));
    }
    assert_eq!(options.get(ZMQ_SUBSCRIBE), Err(Error::Invalid));
}

#[test]
fn durations_end_at_minus_one() {
    let mut options = Options::new(ZMQ_PAIR);
    assert_eq!(options.duration(Opt::RcvTimeo), None);
    assert_eq!(options.duration(Opt::ReconnectIvl), Some(Duration::from_millis(100)));
    options.set_int(Opt::RcvTimeo, 0);
    assert_eq!(options.duration(Opt::RcvTimeo), Some(Duration::ZERO));
}

#[test]
fn a_snapshot_keeps_its_values_and_a_routing_id_for_one_connect_is_taken_once() {
    let mut options = Options::new(ZMQ_ROUTER);
    options.set(ZMQ_CONNECT_ROUTING_ID, Some(b"peer")).unwrap();
    let snapshot = options.clone();
    options.set(ZMQ_SNDHWM, Some(&int(7))).unwrap();
    assert_eq!(
        options.take_bytes(Opt::ConnectRoutingId),
        Some(Bytes::from_static(b"peer"))
    );
    assert_eq!(options.take_bytes(Opt::ConnectRoutingId), None);
    assert_eq!(snapshot.int(Opt::SndHwm), 1000);
    assert_eq!(
        snapshot.bytes(Opt::ConnectRoutingId),
        Some(&Bytes::from_static(b"peer"))
    );
}

#[test]
fn filters_grow_with_every_setting_and_follow_ipv6() {
    let mut options = Options::new(ZMQ_PAIR);
    assert_eq!(options.set(ZMQ_TCP_ACCEPT_FILTER, Some(b"::1")), Err(Error::Invalid));
    options.set(ZMQ_IPV6, Some(&int(1))).unwrap();
    options.set(ZMQ_TCP_ACCEPT_FILTER, Some(b"::1")).unwrap();
    options.set(ZMQ_TCP_ACCEPT_FILTER, Some(b"127.0.0.0/8")).unwrap();
    let admits = |options: &Options, peer: &str| options.filters().admit_address(peer.parse().unwrap());
    assert!(admits(&options, "::1") && admits(&options, "127.0.0.1") && !admits(&options, "10.0.0.1"));
    options.set(ZMQ_TCP_ACCEPT_FILTER, None).unwrap();
    assert!(admits(&options, "10.0.0.1"));
    options.set(ZMQ_IPC_FILTER_PID, Some(&int(1))).unwrap();
    options.set(ZMQ_IPC_FILTER_UID, Some(&int(2))).unwrap();
    options.set(ZMQ_IPC_FILTER_GID, Some(&int(3))).unwrap();
    let admits = |process, user, group| options.filters().admit_process(process, user, &[group]);
    assert!(admits(1, 0, 0) && admits(0, 2, 0) && admits(0, 0, 3) && !admits(3, 1, 2));
}

/// As libzmq 4.3.4 with GSSAPI was seen to have it; `tests/gssapi.sh` asks both.
#[cfg(feature = "gssapi")]
#[test]
fn the_options_of_gssapi_set_the_mechanism_and_the_role() {
    let mut options = Options::new(ZMQ_DEALER);
    let state = |options: &Options| (options.int(Opt::Mechanism), options.is_server_of(ZMQ_GSSAPI));
    options.set(ZMQ_GSSAPI_PLAINTEXT, Some(&int(1))).unwrap();
    options.set(ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, Some(&int(2))).unwrap();
    assert_eq!(
        options.set(ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, Some(&int(3))),
        Err(Error::Invalid)
    );
    assert_eq!(state(&options), (ZMQ_NULL, false));
    options.set(ZMQ_GSSAPI_SERVER, Some(&int(1))).unwrap();
    options.set(ZMQ_GSSAPI_PRINCIPAL, Some(b"zmq")).unwrap();
    assert_eq!(state(&options), (ZMQ_GSSAPI, true));
    options.set(ZMQ_GSSAPI_SERVICE_PRINCIPAL, Some(b"zmq")).unwrap();
    assert_eq!(state(&options), (ZMQ_GSSAPI, false));
    options.set(ZMQ_PLAIN_SERVER, Some(&int(0))).unwrap();
    options.set(ZMQ_GSSAPI_SERVER, Some(&int(0))).unwrap();
    assert_eq!(state(&options), (ZMQ_GSSAPI, false));
    for wrong in [None, Some(&[][..]), Some(&[b'x'; 256])] {
        assert_eq!(options.set(ZMQ_GSSAPI_PRINCIPAL, wrong), Err(Error::Invalid));
    }
}
