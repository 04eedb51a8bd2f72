//! Peers that offer less than a listener demands: another mechanism, none, or a version of the protocol that has none.

use crate::peer::{Peer, client, command, greeting, message, property};
use crate::support::Library;
use crate::victim::Victim;
use crate::{assert_serves, assert_untouched, on_both};

/// What a peer without security says after its greeting.
fn ready_and_message() -> Vec<u8> {
    let ready = command("READY", &property("Socket-Type", b"DEALER"));
    [ready, message(false, b"in clear")].concat()
}

/// Sends the bytes: nothing is accepted, the connection ends, and no more than a greeting comes back.
fn assert_refused(victim: &mut Victim, bytes: &[u8], what: &str) {
    let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
    peer.write(bytes);
    let answer = peer.ending();
    assert!(answer.len() <= 64, "{what}: {answer:?}");
    assert_untouched(victim, what);
}

/// CVE-2014-7202: a peer chooses the mechanism.
#[test]
fn cve_2014_7202_a_weaker_mechanism_is_refused() {
    on_both(|library| {
        for demanded in ["CURVE", "PLAIN"] {
            let mut victim = Victim::bind(library, "ROUTER", demanded, &["zap=200"]);
            let offers: [&[u8]; 10] = [
                b"NULL",
                b"PLAIN",
                b"CURVE",
                b"",
                b"CURVE\0x",
                b"CURV",
                b"curve",
                b"PLAIN2",
                b"GSSAPI",
                &[0xff; 20],
            ];
            for offer in offers.into_iter().filter(|offer| *offer != demanded.as_bytes()) {
                for as_server in [0, 1] {
                    let mut bytes = greeting(offer);
                    bytes[32] = as_server;
                    let what = format!("{:?} instead of {demanded}", String::from_utf8_lossy(offer));
                    assert_refused(&mut victim, &[bytes, ready_and_message()].concat(), &what);
                }
            }
            // The right name, and then what another mechanism says.
            assert_refused_after_greeting(&mut victim, demanded);
            assert_serves(&mut victim, demanded);
        }
    });
}

/// The handshake of another mechanism behind the right greeting.
fn assert_refused_after_greeting(victim: &mut Victim, demanded: &str) {
    let metadata = property("Socket-Type", b"DEALER");
    let hello = command("HELLO", b"\x05admin\x06secret");
    let scripts = [
        ready_and_message(),
        [command("INITIATE", &metadata), ready_and_message()].concat(),
        [command("WELCOME", b""), ready_and_message()].concat(),
        [hello.clone(), ready_and_message()].concat(),
        [hello.clone(), hello].concat(),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
        peer.write(&[greeting(demanded.as_bytes()), script].concat());
        peer.ending();
        assert_untouched(victim, &format!("script {number} on {demanded}"));
    }
}

/// CVE-2014-9721: peers of ZMTP 1.0 and 2.0 have no mechanism.
#[test]
fn cve_2014_9721_an_older_version_is_refused() {
    on_both(|library| {
        for demanded in ["CURVE", "PLAIN"] {
            let mut victim = Victim::bind(library, "ROUTER", demanded, &["zap=200"]);
            assert_old_versions_are_refused(&mut victim, demanded);
            assert_serves(&mut victim, demanded);
        }
    });
}

/// Where the authentication handler decides, nobody comes past it.
#[test]
fn an_older_version_does_not_come_past_the_handler() {
    on_both(|library: &Library| {
        for verdict in ["zap=400", "zap=200"] {
            let mut victim = Victim::bind(library, "ROUTER", "NULL", &["domain=global", verdict]);
            assert_old_versions_are_refused(&mut victim, verdict);
        }
        let mut victim = Victim::bind(library, "ROUTER", "NULL", &["domain=global", "zap=200"]);
        assert_serves(&mut victim, "NULL");
    });
}

fn assert_old_versions_are_refused(victim: &mut Victim, what: &str) {
    let signature = |end: u8| [&[0xff][..], &[0; 7], &[1, end]].concat();
    let in_clear = |body: &[u8]| [&[0, body.len() as u8][..], body].concat();
    let old_frame = |body: &[u8]| [&[body.len() as u8 + 1, 0][..], body].concat();
    let versions = [
        ("1.0", [vec![1, 0], old_frame(b"in clear")].concat()),
        ("1.0 with an id", [old_frame(b"id"), old_frame(b"in clear")].concat()),
        (
            "1.0 with a long length",
            [signature(0), old_frame(b"in clear")].concat(),
        ),
        (
            "revision 0",
            [signature(0x7f), vec![0, 5, 1, 0], old_frame(b"in clear")].concat(),
        ),
        (
            "2.0",
            [signature(0x7f), vec![1, 5, 0, 0], in_clear(b"in clear")].concat(),
        ),
        (
            "2",
            [signature(0x7f), vec![2, 5, 0, 0], in_clear(b"in clear"), vec![0; 60]].concat(),
        ),
    ];
    for (name, bytes) in versions {
        let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
        peer.write(&bytes);
        peer.ending();
        assert_untouched(victim, &format!("{name}, {what}"));
    }
}
