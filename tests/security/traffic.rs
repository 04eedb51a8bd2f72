//! What comes after a good handshake under CURVE: boxes that come again, out of order, from another connection, changed, or in clear.

use std::collections::HashSet;

use crate::peer::{Peer, command, curve_client, greeting, message};
use crate::victim::{LIMIT, Victim};
use crate::{assert_serves, assert_untouched, on_both, support};

/// The values of the monitor's events (zmq_socket_monitor(3)).
const SEQUENCE: &str = "10000002";
const UNEXPECTED: &str = "10000001";
const CRYPTOGRAPHIC: &str = "11000001";
const MALFORMED_MESSAGE: &str = "10000012";

fn admitted(victim: &mut Victim) -> Peer {
    let mut peer = Peer::new(victim.stream(), "DEALER", curve_client());
    assert!(peer.shake());
    peer
}

/// The connection ends after the messages with those texts, with an event of this value.
fn assert_ends_after(victim: &mut Victim, mut peer: Peer, texts: &[&str], value: &str, what: &str) {
    peer.ending();
    let heard = victim.heard();
    let messages: Vec<&str> = heard
        .iter()
        .filter(|line| line.starts_with("message "))
        .filter_map(|line| line.rsplit(':').next())
        .collect();
    assert_eq!(messages, texts, "{what}");
    let failures: Vec<&String> = heard.iter().filter(|line| line.contains("failed")).collect();
    assert_eq!(
        failures,
        [&format!("event failed_protocol {value}")],
        "{what}: {heard:?}"
    );
}

/// CVE-2014-7203: nonces were not unique, and boxes could come again.
#[test]
fn cve_2014_7203_a_box_that_comes_again_or_out_of_order_ends_the_connection() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200"]);
        let mut peer = admitted(&mut victim);
        let first = peer.frame(false, b"one");
        peer.write(&[&first[..], &first].concat());
        assert_ends_after(&mut victim, peer, &["one"], SEQUENCE, "the same box twice at once");

        let mut peer = admitted(&mut victim);
        let first = peer.frame(false, b"one");
        peer.write(&first);
        victim.expect("message ");
        peer.write(&first);
        assert_ends_after(&mut victim, peer, &[], SEQUENCE, "the same box later");

        let mut peer = admitted(&mut victim);
        let [first, second] = [peer.frame(false, b"one"), peer.frame(false, b"two")];
        peer.write(&[second, first].concat());
        assert_ends_after(&mut victim, peer, &["two"], SEQUENCE, "two boxes in the wrong order");

        let mut peer = admitted(&mut victim);
        let large = peer.frame(false, &[b'x'; 100_000]);
        peer.write(&large);
        victim.expect("message ");
        peer.write(&large);
        assert_ends_after(&mut victim, peer, &[], SEQUENCE, "a large box twice");

        let mut peer = admitted(&mut victim);
        let parts = [peer.frame(true, b"one"), peer.frame(false, b"two")].concat();
        peer.write(&[&parts[..], &parts].concat());
        assert_ends_after(&mut victim, peer, &["two"], SEQUENCE, "a message of two parts twice");
        assert_serves(&mut victim, "CURVE");
    });
}

/// CVE-2014-7203: what one connection said means nothing on another one.
#[test]
fn cve_2014_7203_a_recorded_conversation_opens_nothing() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200"]);
        let mut peer = Peer::new(victim.stream(), "DEALER", curve_client());
        let hello = peer.until("HELLO");
        peer.write(&hello);
        let initiate = peer.until("INITIATE");
        peer.write(&initiate);
        assert!(peer.shake());
        let box_ = peer.frame(false, b"recorded");
        peer.write(&box_);
        victim.expect("message ");
        victim.heard();
        let recorded = [&hello[hello.len() - 202..], &initiate, &box_].concat();
        for script in [recorded, [&hello[hello.len() - 202..], &box_].concat(), initiate, box_] {
            let mut again = Peer::new(victim.stream(), "DEALER", curve_client());
            again.write(&[&greeting(b"CURVE")[..], &script].concat());
            again.ending();
            assert_untouched(&mut victim, "a recorded conversation");
        }
        assert_serves(&mut victim, "CURVE");
    });
}

/// CVE-2014-7203: the victim's own nonces rise, and no two connections have a key in common.
#[test]
fn cve_2014_7203_nothing_is_sealed_twice_alike() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "PUB", "CURVE", &["zap=200"]);
        let mut boxes = HashSet::new();
        for _ in 0..20 {
            let mut peer = Peer::new(victim.stream(), "SUB", curve_client());
            let hello = peer.until("HELLO");
            peer.write(&hello);
            let initiate = peer.until("INITIATE");
            // The cookie is the first thing in it.
            assert!(boxes.insert(initiate[initiate.len() - 250..][..90].to_vec()));
            peer.write(&initiate);
            assert!(peer.shake());
            let frame = peer.command_frame("SUBSCRIBE", b"");
            peer.write(&frame);
            for _ in 0..5 {
                // The subscription may be on its way.
                victim.tell("send same");
                victim.expect("sent");
            }
            drop(peer);
        }
    });
}

#[test]
fn a_box_that_is_changed_or_none_ends_the_connection() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200"]);
        let whole = {
            let mut peer = admitted(&mut victim);
            let frame = peer.frame(false, b"good");
            frame.len()
        };
        for place in 2..whole {
            let mut peer = admitted(&mut victim);
            let mut frame = peer.frame(false, b"good");
            frame[place] ^= 0x80;
            peer.write(&frame);
            peer.ending();
            let heard = victim.heard();
            assert!(
                !heard.iter().any(|line| line.starts_with("message ")),
                "byte {place}: {heard:?}"
            );
            assert!(
                heard.iter().any(|line| line.contains("failed_protocol")),
                "byte {place}: {heard:?}"
            );
        }
        let scripts: [(&str, Vec<u8>, &str); 6] = [
            (
                "a message in clear",
                message(false, b"\x02hi there, in clear"),
                UNEXPECTED,
            ),
            ("a ping in clear", command("PING", &[0, 0]), UNEXPECTED),
            ("an error in clear", command("ERROR", b"\x03400"), UNEXPECTED),
            ("a subscription in clear", command("SUBSCRIBE", b"topic"), UNEXPECTED),
            (
                "a short box",
                message(false, &[b"\x07MESSAGE", &[0xff; 24][..]].concat()),
                MALFORMED_MESSAGE,
            ),
            (
                "a forged box",
                message(false, &[b"\x07MESSAGE", &[0xff; 25][..]].concat()),
                CRYPTOGRAPHIC,
            ),
        ];
        for (what, script, value) in scripts {
            let mut peer = admitted(&mut victim);
            peer.write(&script);
            assert_ends_after(&mut victim, peer, &[], value, what);
        }
        let mut peer = admitted(&mut victim);
        let mut large = peer.frame(false, &[b'x'; 100_000]);
        *large.last_mut().expect("a byte") ^= 1;
        peer.write(&large);
        assert_ends_after(&mut victim, peer, &[], CRYPTOGRAPHIC, "a large box that is changed");
        assert_serves(&mut victim, "CURVE");
    });
}

/// The flags outside are anybody's: they merge no messages and make no commands of them.
#[test]
fn flags_outside_the_box_change_no_message() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "CURVE", &["zap=200"]);
        let mut peer = admitted(&mut victim);
        for text in [&b"one"[..], b"two"] {
            let mut frame = peer.frame(false, text);
            frame[0] |= 1;
            peer.write(&frame);
        }
        for text in ["3:one", "3:two"] {
            let message = victim.expect("message ");
            // A routing id of five random bytes, printed as a character each, and one part.
            let parts = message.split_once(" 5:").map(|(_, parts)| parts.get(5..));
            assert_eq!(parts, Some(Some(format!("|{text}").as_str())), "{message}");
        }
    });
}

/// Secret keys are overwritten, wherever the library had them.
#[test]
fn a_secret_key_goes_with_its_socket() {
    on_both(|library| {
        let program = support::program("tests/security", "secrets");
        let outcome = support::run(&program, &[], library, LIMIT);
        assert_eq!(outcome.status, "exit status: 0", "{outcome:?}");
    });
}
