//! Handshakes that say what they should not, too much, or too early.

use std::time::Duration;

use bytes::Bytes;
use monocoque::zmtp::Security;

use crate::peer::{Peer, client, command, curve_client, greeting, message, property};
use crate::victim::Victim;
use crate::{assert_serves, assert_untouched, on_both};

/// What a handshake command's body may have, in bytes (docs/compatibility.md).
const BODY_MAX: usize = 64 * 1024;
/// What an INITIATE under CURVE has beside its metadata, with the name and the type of the peer, in bytes.
const INITIATE: usize = 9 + 96 + 8 + 16 + 128;

/// CVE-2019-13132: the metadata of INITIATE overflowed a buffer on the stack.
#[test]
fn cve_2019_13132_long_metadata_is_taken_or_refused_whole() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200"]);
        let others = property("Socket-Type", b"DEALER").len() + property("Identity", b"").len();
        let room = BODY_MAX - INITIATE - others - property("X", b"").len();
        for (size, is_taken) in [
            (256, true),
            (257, true),
            (512, true),
            (4096, true),
            (room, true),
            (room + 1, false),
            (BODY_MAX, false),
            (BODY_MAX * 16, false),
        ] {
            let value = vec![b'x'; size];
            let mut peer = Peer::with_properties(victim.stream(), "DEALER", curve_client(), &[("X", &value)]);
            assert_eq!(peer.shake(), is_taken, "metadata of {size} bytes");
            if is_taken {
                peer.send(b"long");
                victim.expect("message ");
            }
        }
        victim.heard();
        // Sizes alone, after HELLO.
        for size in [BODY_MAX as u64 + 1, 1 << 31, 1 << 62, i64::MAX as u64, u64::MAX] {
            let mut peer = Peer::new(victim.stream(), "DEALER", curve_client());
            let hello = peer.until("HELLO");
            peer.write(&hello);
            peer.until("INITIATE");
            peer.write(&[&[6][..], &size.to_be_bytes(), b"\x08INITIATE", &[0; 1000]].concat());
            peer.ending();
            assert_untouched(&mut victim, &format!("an INITIATE of {size} bytes"));
        }
        assert_serves(&mut victim, "CURVE");
    });
}

/// More properties than are held, and malformed ones.
#[test]
fn odd_metadata_gets_nobody_in() {
    on_both(|library| {
        for mechanism in ["PLAIN", "CURVE"] {
            let mut victim = Victim::bind(library, "ROUTER", mechanism, &["zap=200"]);
            let many = vec![("X", &b""[..]); 2000];
            let kinds: [&[(&str, &[u8])]; 4] = [
                &many,
                &[("Socket-Type", b"PUB")],
                &[("Identity", b"\0reserved")],
                &[("Identity", &[b'i'; 256])],
            ];
            for (kind, properties) in kinds.into_iter().enumerate() {
                let stream = victim.stream();
                let mut peer = Peer::with_properties(stream, "DEALER", client(mechanism), properties);
                assert!(!peer.shake(), "{mechanism}, metadata {kind}");
                assert_untouched(&mut victim, &format!("{mechanism}, metadata {kind}"));
            }
            assert_serves(&mut victim, mechanism);
        }
    });
}

/// Who a peer is says the handler, and where it is the connection.
#[test]
fn a_peer_does_not_say_itself_who_it_is() {
    let lies: [(&str, &[u8]); 4] = [
        ("User-Id", b"root"),
        ("User-Id", b"admin"),
        ("Peer-Address", b"10.0.0.1"),
        ("__fd", b"1"),
    ];
    on_both(|library| {
        let cases: [(&str, &[&str], &str); 5] = [
            ("NULL", &[], "-"),
            ("NULL", &["domain=global", "zap=200"], "joe"),
            ("PLAIN", &["zap=200"], "joe"),
            ("CURVE", &["zap=200"], "joe"),
            ("CURVE", &[], "-"),
        ];
        for (mechanism, settings, user) in cases {
            let mut victim = Victim::bind(library, "ROUTER", mechanism, settings);
            let mut peer = Peer::with_properties(victim.stream(), "DEALER", client(mechanism), &lies);
            assert!(peer.shake());
            peer.send(b"lie");
            let message = victim.expect("message ");
            let expected = format!("{user} 127.0.0.1 ");
            assert!(message.starts_with(&expected), "{mechanism} {settings:?}: {message}");
        }
    });
}

/// Messages, subscriptions and large frames before the handshake is complete.
#[test]
fn nothing_counts_before_the_handshake_is_complete() {
    let early = [
        ("a message", message(false, b"early")),
        ("a part", message(true, b"early")),
        ("a subscription", command("SUBSCRIBE", b"early")),
        ("an old subscription", message(false, b"\x01early")),
        ("a ping", command("PING", &[0, 0])),
        (
            "a large frame",
            [&[2][..], &(1_u64 << 40).to_be_bytes(), &[0; 1000]].concat(),
        ),
        (
            "a large command",
            [&[6][..], &(1_u64 << 40).to_be_bytes(), &[0; 1000]].concat(),
        ),
        (
            "a frame of overflowing size",
            [&[2][..], &[0xff; 8], &[0; 1000]].concat(),
        ),
        ("an empty command", vec![4, 0]),
        ("reserved flags", vec![0xf8, 0]),
    ];
    on_both(|library| {
        for (mechanism, socket_type, ours) in [
            ("PLAIN", "ROUTER", "DEALER"),
            ("CURVE", "ROUTER", "DEALER"),
            ("PLAIN", "XPUB", "SUB"),
            ("CURVE", "XPUB", "SUB"),
        ] {
            let mut victim = Victim::bind(library, socket_type, mechanism, &["zap=200"]);
            for stage in ["HELLO", "INITIATE"] {
                for (what, bytes) in &early {
                    let mut peer = Peer::new(victim.stream(), ours, client(mechanism));
                    if stage == "INITIATE" {
                        let hello = peer.until("HELLO");
                        peer.write(&hello);
                        // The handler is asked between the two under PLAIN.
                    }
                    let next = peer.until(stage);
                    let own = next.windows(stage.len()).position(|part| part == stage.as_bytes());
                    let before = own.map_or(0, |name| name.saturating_sub(if next[0] == 6 { 10 } else { 3 }));
                    let greeting_rest = if stage == "HELLO" { &next[..before] } else { &[] };
                    peer.write(&[greeting_rest, bytes, &next[greeting_rest.len()..]].concat());
                    peer.ending();
                    assert_untouched(
                        &mut victim,
                        &format!("{what} before {stage}, {mechanism}, {socket_type}"),
                    );
                }
            }
        }
    });
}

/// Every length of a name and a password, and lengths that lie.
#[test]
fn plain_credentials_of_every_length() {
    on_both(|library| {
        let victim = Victim::bind(library, "ROUTER", "PLAIN", &["zap=200"]);
        for length in 0..=255 {
            for [username, password] in [[length, 3], [3, length], [length, length]] {
                let text = |length| Bytes::from(vec![b'a'; length]);
                let credentials = Security::PlainClient {
                    username: text(username),
                    password: text(password),
                };
                let mut peer = Peer::new(victim.stream(), "DEALER", credentials);
                assert!(peer.shake(), "a name of {username} and a password of {password} bytes");
            }
        }
        // What those did may still be told: the others have a victim of their own.
        let mut victim = Victim::bind(library, "ROUTER", "PLAIN", &["zap=200"]);
        let mut malformed: Vec<Vec<u8>> = vec![vec![], vec![0], vec![255], b"\x05admin".to_vec()];
        malformed.push(b"\x05admin\x06secretx".to_vec());
        malformed.extend((1..=255).map(|length| [&[length][..], &vec![b'a'; usize::from(length) - 1]].concat()));
        malformed.extend((1..=255).map(|length| [&[0, length][..], &vec![b'a'; usize::from(length) - 1]].concat()));
        malformed.push([&[255][..], &[b'a'; 255], &[255], &[b'a'; 5000]].concat());
        for data in malformed {
            let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
            peer.write(&[greeting(b"PLAIN"), command("HELLO", &data)].concat());
            peer.ending();
            assert_untouched(&mut victim, &format!("{data:?}"));
        }
        assert_serves(&mut victim, "PLAIN");
    });
}

/// What a refused peer is told is a status code, and it gets in with nothing that it sends after it.
#[test]
fn a_peer_that_is_refused_gets_nothing_in() {
    on_both(|library| {
        for mechanism in ["PLAIN", "CURVE"] {
            for status in ["300", "400", "500", "999"] {
                let settings = [&format!("zap={status}")[..], "handshake_ms=300"];
                let mut victim = Victim::bind(library, "ROUTER", mechanism, &settings);
                let mut peer = Peer::new(victim.stream(), "DEALER", client(mechanism));
                let last = if mechanism == "PLAIN" { "HELLO" } else { "INITIATE" };
                if last == "INITIATE" {
                    let hello = peer.until("HELLO");
                    peer.write(&hello);
                }
                let bytes = peer.until(last);
                peer.write(&bytes);
                let metadata = property("Socket-Type", b"DEALER");
                peer.write(
                    &[
                        command("INITIATE", &metadata),
                        command("READY", &metadata),
                        message(false, b"x"),
                    ]
                    .concat(),
                );
                let told = peer.ending();
                assert!(told.len() <= 64 + 12, "{mechanism} {status}: {told:?}");
                assert_untouched(&mut victim, &format!("{mechanism} {status}"));
            }
        }
    });
}

/// A handshake that comes a byte at a time is a handshake, as long as it is in time.
#[test]
fn a_slow_handshake_ends_with_its_time() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200", "handshake_ms=400"]);
        let mut peer = Peer::new(victim.stream(), "DEALER", curve_client());
        let hello = peer.until("HELLO");
        for byte in &hello[..hello.len() - 1] {
            peer.write(&[*byte]);
            std::thread::sleep(Duration::from_millis(4));
        }
        peer.ending();
        assert_untouched(&mut victim, "a slow handshake");
        assert_serves(&mut victim, "CURVE");
    });
}
