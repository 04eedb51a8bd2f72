//! Many peers that never finish: they hold nobody up, and what they cost goes with them or with ZMQ_HANDSHAKE_IVL.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use crate::peer::{Peer, client, greeting};
use crate::support::Library;
use crate::victim::Victim;
use crate::{assert_serves, assert_settles, on_both};

/// Where a peer stops.
const STAGES: [&str; 5] = ["connection", "greeting", "HELLO", "WELCOME", "INITIATE"];
/// Peers that come and go in a round.
const VISITS: usize = 1000;

/// A peer that has got as far as this.
fn stopped(victim: &Victim, mechanism: &str, stage: &str) -> Peer {
    let mut peer = Peer::new(victim.stream(), "DEALER", client(mechanism));
    match stage {
        "connection" => {}
        "greeting" => peer.write(&greeting(mechanism.as_bytes())),
        _ => {
            let hello = peer.until("HELLO");
            peer.write(&hello);
            if stage != "HELLO" {
                // WELCOME has come.
                let initiate = peer.until("INITIATE");
                if stage == "INITIATE" {
                    peer.write(&initiate);
                }
            }
        }
    }
    peer
}

/// Whether a peer can get there where the handler does not answer.
fn is_reached(mechanism: &str, stage: &str, handler: &str) -> bool {
    handler == "zap=200" || mechanism == "CURVE" || !matches!(stage, "WELCOME" | "INITIATE")
}

/// CVE-2020-15166: one raw connection kept all other peers from being heard.
#[test]
fn cve_2020_15166_silent_connections_hold_nobody_up() {
    on_both(|library| {
        for mechanism in ["NULL", "PLAIN", "CURVE"] {
            for stage in STAGES {
                if mechanism == "NULL" && !matches!(stage, "connection" | "greeting") {
                    continue;
                }
                for count in [1, 100] {
                    let mut victim = Victim::bind(library, "ROUTER", mechanism, &["zap=200", "domain=global"]);
                    let silent: Vec<Peer> = (0..count).map(|_| stopped(&victim, mechanism, stage)).collect();
                    for _ in 0..3 {
                        assert_serves(&mut victim, mechanism);
                    }
                    drop(silent);
                    assert_serves(&mut victim, mechanism);
                }
            }
        }
    });
}

/// As well where the victim publishes: what it sends goes to those who are there.
#[test]
fn cve_2020_15166_subscribers_are_served_beside_silent_connections() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "XPUB", "CURVE", &["zap=200"]);
        let silent: Vec<Peer> = STAGES
            .into_iter()
            .cycle()
            .take(100)
            .map(|stage| stopped(&victim, "CURVE", stage))
            .collect();
        let mut subscriber = Peer::new(victim.stream(), "SUB", client("CURVE"));
        assert!(subscriber.shake());
        let frame = subscriber.command_frame("SUBSCRIBE", b"news");
        subscriber.write(&frame);
        victim.expect("message ");
        victim.tell("send news of today");
        victim.expect("sent");
        assert_eq!(subscriber.receive(), b"news of today");
        drop(silent);
    });
}

#[test]
fn peers_that_leave_under_plain_leave_nothing() {
    on_both(|library| leave(library, "PLAIN", "zap=200"));
}

#[test]
fn peers_that_leave_under_curve_leave_nothing() {
    on_both(|library| leave(library, "CURVE", "zap=200"));
}

#[test]
fn peers_that_leave_while_the_handler_is_silent_leave_nothing() {
    on_both(|library| {
        leave(library, "PLAIN", "zap=silent");
        leave(library, "CURVE", "zap=silent");
    });
}

/// Peers that come, get as far as each stage, and go at once. The time for a handshake is longer than the test's patience.
fn leave(library: &Library, mechanism: &str, handler: &str) {
    for stage in STAGES.into_iter().filter(|stage| is_reached(mechanism, stage, handler)) {
        let mut victim = Victim::bind(library, "ROUTER", mechanism, &[handler, "handshake_ms=600000"]);
        let descriptors = victim.descriptors();
        let what = format!("{mechanism}, {handler}, {stage}, {}", library.name);
        assert_settles(&what, || {
            for turn in 0..VISITS {
                drop(stopped(&victim, mechanism, stage));
                if turn % 25 == 0 {
                    victim.wait_for_descriptors(descriptors + 25, &what);
                }
            }
            victim.wait_for_descriptors(descriptors, &what);
            victim.heard();
            victim.memory_kib()
        });
    }
}

/// Peers that stay until their time is over.
#[test]
fn peers_that_stay_are_gone_after_the_time_for_a_handshake() {
    on_both(|library| {
        for handler in ["zap=200", "zap=silent"] {
            for mechanism in ["PLAIN", "CURVE"] {
                for stage in STAGES.into_iter().filter(|stage| is_reached(mechanism, stage, handler)) {
                    if handler == "zap=200" && stage == "INITIATE"
                        || mechanism == "PLAIN" && stage == "HELLO" && handler == "zap=200"
                    {
                        continue;
                    }
                    stay(library, mechanism, stage, handler);
                }
            }
        }
    });
}

/// The same with a handler that never looks at what it is asked.
#[test]
fn peers_that_stay_while_the_handler_is_deaf_are_gone_after_the_time() {
    on_both(|library| {
        stay(library, "PLAIN", "HELLO", "zap=deaf");
        stay(library, "CURVE", "INITIATE", "zap=deaf");
    });
}

fn stay(library: &Library, mechanism: &str, stage: &str, handler: &str) {
    let mut victim = Victim::bind(library, "ROUTER", mechanism, &[handler, "handshake_ms=150"]);
    let descriptors = victim.descriptors();
    let what = format!("{mechanism}, {handler}, {stage}, {}", library.name);
    assert_settles(&what, || {
        let peers: Vec<Peer> = (0..100).map(|_| stopped(&victim, mechanism, stage)).collect();
        for mut peer in peers {
            peer.ending();
        }
        victim.wait_for_descriptors(descriptors, &what);
        victim.heard();
        victim.memory_kib()
    });
}

/// What a peer sends while the handler is asked stays in the kernel.
#[test]
fn a_flood_during_the_handshake_is_not_read() {
    on_both(|library| {
        for (mechanism, stage) in [("PLAIN", "HELLO"), ("CURVE", "INITIATE")] {
            let mut victim = Victim::bind(library, "ROUTER", mechanism, &["zap=silent", "handshake_ms=600000"]);
            // Some with shared buffers, some without.
            let peers: Vec<Peer> = (0..30).map(|_| stopped(&victim, mechanism, stage)).collect();
            victim.heard();
            let before = victim.memory_kib();
            let mut sent = 0;
            for peer in &peers {
                let mut stream = peer.stream().try_clone().expect("the peer's stream");
                stream
                    .set_write_timeout(Some(Duration::from_millis(20)))
                    .expect("SO_SNDTIMEO");
                loop {
                    match stream.write(&[0; 65536]) {
                        Ok(count) => sent += count,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("{error} after {sent} bytes"),
                    }
                    assert!(sent < 1 << 30, "the victim reads on");
                }
            }
            victim.heard();
            let after = victim.memory_kib();
            assert!(
                after <= before + 8 * 1024,
                "{before} KiB, then {after} KiB after {sent} bytes"
            );
        }
    });
}
