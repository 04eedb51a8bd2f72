//! What a peer can make the victim keep once it is admitted, or before: each limit holds at its value, and one past it ends the
//! connection, with an event that names the limit. Floods stay within the limit's memory, and disturb nobody else.

use std::net::TcpStream;

use crate::peer::{Peer, client, command, message};
use crate::victim::Victim;
use crate::{assert_serves, assert_settles, on_both};

/// What the monitor says of each limit: the numbers of the options (`monocoque.h`).
const BYTES: &str = "event limit 4d00";
const PARTS: &str = "event limit 4d01";
const HANDSHAKES: &str = "event limit 4d02";
const TOPICS: &str = "event limit 4d03";
const TOPIC_BYTES: &str = "event limit 4d04";

fn admitted(victim: &Victim, socket_type: &'static str, mechanism: &str) -> Peer {
    let mut peer = Peer::new(victim.stream(), socket_type, client(mechanism));
    assert!(peer.shake());
    peer
}

/// The limits that were passed, each followed by the end of its connection.
fn limits_passed(victim: &mut Victim) -> Vec<String> {
    let heard = victim.heard();
    let place = |(at, line): (usize, &String)| line.starts_with("event limit").then_some(at);
    let places: Vec<usize> = heard.iter().enumerate().filter_map(place).collect();
    for at in &places {
        let next = heard.get(at + 1);
        assert!(
            next.is_some_and(|line| line.starts_with("event disconnected")),
            "{heard:?}"
        );
    }
    places.into_iter().map(|at| heard[at].clone()).collect()
}

/// The frames of a message with parts of these sizes that goes on.
fn parts(peer: &mut Peer, sizes: &[usize]) -> Vec<u8> {
    let frames: Vec<_> = sizes.iter().map(|size| peer.frame(true, &vec![b'x'; *size])).collect();
    frames.concat()
}

/// Sends it at once, or so that it is read in pieces.
fn write(peer: &mut Peer, victim: &mut Victim, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        peer.write(piece);
        if piece.len() < bytes.len() {
            victim.tell("sync");
            victim.expect("synced");
        }
    }
}

#[test]
fn a_message_has_so_many_parts() {
    on_both(|library| {
        for mechanism in ["NULL", "CURVE"] {
            let mut victim = Victim::bind(library, "DEALER", mechanism, &["parts=4"]);
            for piece in [usize::MAX, 50] {
                let mut peer = admitted(&victim, "DEALER", mechanism);
                let mut whole = parts(&mut peer, &[1, 0, 2]);
                whole.extend(peer.frame(false, b"end"));
                write(&mut peer, &mut victim, &whole, piece);
                assert!(victim.expect("message ").ends_with("1:x|0:|2:xx|3:end"), "at the limit");
                assert_eq!(limits_passed(&mut victim), [""; 0]);
                let mut more = parts(&mut peer, &[1, 0, 2, 3]);
                more.extend(peer.frame(false, b"end"));
                write(&mut peer, &mut victim, &more, piece);
                peer.ending_of(mechanism);
                assert_eq!(limits_passed(&mut victim), [PARTS], "{mechanism}, {piece}");
            }
            assert_serves(&mut victim, mechanism);
        }
    });
}

/// Short parts, parts that are read in place, and parts of which only the announcement comes.
#[test]
fn the_parts_of_a_message_have_so_many_bytes() {
    on_both(|library| {
        for mechanism in ["NULL", "CURVE"] {
            for sizes in [[10, 20, 30], [300, 0, 20_000], [40_000, 50_000, 10], [10, 20, 100_000]] {
                let limit: usize = sizes.iter().sum();
                let mut victim = Victim::bind(library, "DEALER", mechanism, &[&format!("bytes={limit}")]);
                let mut peer = admitted(&victim, "DEALER", mechanism);
                let mut whole = parts(&mut peer, &sizes[..2]);
                whole.extend(peer.frame(false, &vec![b'x'; sizes[2]]));
                peer.write(&whole);
                victim.expect("message ");
                assert_eq!(
                    limits_passed(&mut victim),
                    [""; 0],
                    "{mechanism}: {sizes:?} at the limit"
                );
                let begun = parts(&mut peer, &sizes[..2]);
                peer.write(&begun);
                let last = peer.frame(false, &vec![b'x'; sizes[2] + 1]);
                let announced = if sizes[2] < 50_000 { last.len() } else { 9 };
                peer.write(&last[..announced]);
                peer.ending_of(mechanism);
                assert_eq!(limits_passed(&mut victim), [BYTES], "{mechanism}: {sizes:?}");
            }
        }
    });
}

/// A message of one part has the limit, too; and each message counts for itself.
#[test]
fn messages_of_one_part_count_alone() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "DEALER", "NULL", &["bytes=100", "parts=1"]);
        let mut peer = admitted(&victim, "DEALER", "NULL");
        peer.write(&message(false, &[b'x'; 100]).repeat(50));
        for _ in 0..50 {
            victim.expect("message ");
        }
        assert_eq!(limits_passed(&mut victim), [""; 0]);
        peer.write(&message(false, &[b'x'; 101]));
        peer.ending();
        assert_eq!(limits_passed(&mut victim), [BYTES]);
    });
}

/// ZMTP 1.0 has no greeting to speak of, and frames of its own.
#[test]
fn an_old_peer_has_the_limits() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "DEALER", "NULL", &["parts=2"]);
        let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
        peer.write(&[1, 0, 2, 1, b'a', 2, 0, b'b']);
        assert!(victim.expect("message ").ends_with("1:a|1:b"));
        peer.write(&[2, 1, b'a', 2, 1, b'b', 2, 1, b'c']);
        peer.ending();
        let heard = victim.heard();
        assert!(heard.contains(&PARTS.to_owned()), "{heard:?}");
    });
}

/// A message that never ends, within the defaults' memory or what is set.
#[test]
fn a_message_without_an_end_stays_within_its_limit() {
    const LIMIT_KIB: u64 = 16 * 1024;
    on_both(|library| {
        for mechanism in ["NULL", "CURVE"] {
            for size in [0, 1000, 1 << 20] {
                let bytes = format!("bytes={}", LIMIT_KIB * 1024);
                let mut victim = Victim::bind(library, "DEALER", mechanism, &[&bytes]);
                assert_serves(&mut victim, mechanism);
                let before = victim.memory_kib();
                let mut peer = admitted(&victim, "DEALER", mechanism);
                let mut most = 0;
                // As soon as the victim ends the connection, writing does nothing.
                for _ in 0..(1 << 11) {
                    let count = if size < 1 << 20 { 1000 } else { 1 };
                    let frames = parts(&mut peer, &vec![size; count]);
                    if !try_write(peer.stream(), &frames) {
                        break;
                    }
                    most = most.max(victim.memory_kib());
                }
                let expected = if size == 0 { PARTS } else { BYTES };
                let what = format!("{mechanism}, {size}, {}", library.name);
                peer.ending_of(&what);
                assert_eq!(limits_passed(&mut victim), [expected], "{what}");
                // Beside it: a read of 256 KiB, a window of a body, and what the allocator rounds up.
                assert!(
                    most < before + LIMIT_KIB + LIMIT_KIB / 2,
                    "{what}: {before} KiB before, {most} KiB at most"
                );
                assert_serves(&mut victim, mechanism);
            }
        }
    });
}

/// False: the victim has ended the connection.
fn try_write(mut stream: &TcpStream, bytes: &[u8]) -> bool {
    std::io::Write::write_all(&mut stream, bytes).is_ok()
}

/// A length is only a word: what it announces costs nothing until it comes.
#[test]
fn announced_sizes_cost_nothing() {
    const PEERS: u64 = 100;
    const ANNOUNCED_KIB: u64 = 1 << 20;
    on_both(|library| {
        let mut victim = Victim::bind(library, "DEALER", "NULL", &["bytes=0"]);
        let before = victim.memory_kib();
        let header = [&[3][..], &(ANNOUNCED_KIB * 1024).to_be_bytes(), &[b'x'; 100_000]].concat();
        let peers: Vec<Peer> = (0..PEERS)
            .map(|_| {
                let mut peer = admitted(&victim, "DEALER", "NULL");
                peer.write(&header);
                peer
            })
            .collect();
        victim.heard();
        let after = victim.memory_kib();
        assert!(
            after - before < PEERS * 1024,
            "{before} KiB before, {after} KiB with {PEERS} peers that announce {ANNOUNCED_KIB} KiB each"
        );
        drop(peers);
    });
}

#[test]
fn so_many_peers_shake_hands_and_one_more_ends_the_oldest() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "DEALER", "NULL", &["handshakes=20", "handshake_ms=600000"]);
        let silent = |count: usize, victim: &mut Victim| -> Vec<Peer> {
            let peer = |_| {
                let peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
                victim.expect("event accepted");
                peer
            };
            (0..count).map(peer).collect()
        };
        let mut first = silent(19, &mut victim);
        // With itself they are as many as may be.
        assert_serves(&mut victim, "NULL");
        assert_eq!(limits_passed(&mut victim), [""; 0]);
        first.extend(silent(1, &mut victim));
        assert_eq!(limits_passed(&mut victim), [""; 0]);
        let mut later = silent(1, &mut victim);
        first.remove(0).ending_of("the oldest");
        assert_eq!(limits_passed(&mut victim), [HANDSHAKES]);
        // Each that comes ends the one that is the oldest by then; nobody else.
        for mut oldest in first {
            later.extend(silent(1, &mut victim));
            oldest.ending_of("the next");
            assert_eq!(limits_passed(&mut victim), [HANDSHAKES]);
        }
        let mut last = later.pop().expect("the last that came");
        assert!(last.shake(), "who was not ended may go on");
        victim.expect("event succeeded");
    });
}

#[test]
fn a_flood_of_connections_is_kept_to_the_limit_and_keeps_nobody_out() {
    const LIMIT: usize = 30;
    on_both(|library| {
        let mut victim = Victim::bind(library, "DEALER", "CURVE", &["handshakes=30", "handshake_ms=600000"]);
        let base = victim.descriptors();
        let mut silent = Vec::new();
        for _ in 0..10 {
            silent.extend((0..LIMIT).map(|_| victim.stream()));
            assert_serves(&mut victim, "CURVE");
            victim.wait_for_descriptors(base + LIMIT, "handshakes");
        }
        drop(silent);
    });
}

fn subscribe(peer: &mut Peer, topics: impl Iterator<Item = Vec<u8>>) {
    let frames: Vec<_> = topics.map(|topic| peer.command_frame("SUBSCRIBE", &topic)).collect();
    peer.write(&frames.concat());
}

fn topic(number: usize) -> Vec<u8> {
    format!("{number:030}").into_bytes()
}

#[test]
fn a_peer_subscribes_to_so_many_topics() {
    on_both(|library| {
        for (socket_type, setting, event) in [
            ("PUB", "topics=100", TOPICS),
            ("XPUB", "topics=100", TOPICS),
            ("PUB", "topic_bytes=3000", TOPIC_BYTES),
            ("XPUB", "topic_bytes=3200", TOPIC_BYTES),
        ] {
            let mut victim = Victim::bind(library, socket_type, "NULL", &[setting]);
            let mut other = admitted(&victim, "SUB", "NULL");
            subscribe(&mut other, [b"other".to_vec()].into_iter());
            let mut peer = admitted(&victim, "SUB", "NULL");
            subscribe(&mut peer, (0..100).map(topic));
            // The answer to a PING comes when everything before it is read.
            peer.write(&command("PING", b"\0\0read"));
            assert_eq!(peer.receive(), b"\x04PONGread");
            assert_eq!(
                limits_passed(&mut victim),
                [""; 0],
                "{socket_type}, {setting}: at the limit"
            );
            subscribe(&mut peer, (100..108).map(topic));
            peer.ending_of(setting);
            assert_eq!(limits_passed(&mut victim), [event], "{socket_type}, {setting}");
            victim.tell("send other news");
            victim.expect("sent");
            assert_eq!(other.receive(), b"other news", "others are served");
        }
    });
}

/// Topics without end, by peers that come again and again.
#[test]
fn a_flood_of_subscriptions_stays_within_its_limit() {
    on_both(|library| {
        let mut victim = Victim::bind(library, "PUB", "NULL", &["topics=10000"]);
        let mut round = 0;
        assert_settles(&library.name, || {
            flood(&victim, round);
            round += 1;
            assert_eq!(limits_passed(&mut victim), [TOPICS]);
            victim.memory_kib()
        });
    });
}

fn flood(victim: &Victim, round: usize) {
    const TOPICS: usize = 50_000;
    let mut peer = admitted(victim, "SUB", "NULL");
    for start in (0..TOPICS).step_by(1000) {
        let frames = (start..start + 1000).map(|number| command("SUBSCRIBE", &topic(round * TOPICS + number)));
        if !try_write(peer.stream(), &frames.collect::<Vec<_>>().concat()) {
            break;
        }
    }
    peer.ending_of("subscriptions");
}

/// A peer that asks and never reads gets no more answers than fit into a few KiB.
#[test]
fn pings_whose_answers_nobody_reads_cost_nothing() {
    on_both(|library| {
        for mechanism in ["NULL", "CURVE"] {
            let mut victim = Victim::bind(library, "DEALER", mechanism, &[]);
            let mut peer = admitted(&victim, "DEALER", mechanism);
            victim.heard();
            let before = victim.memory_kib();
            for _ in 0..200 {
                let pings: Vec<_> = (0..1000)
                    .map(|_| peer.command_frame("PING", b"\0\x0a0123456789abcdef"))
                    .collect();
                peer.write(&pings.concat());
            }
            peer.send(b"the end");
            victim.expect("message ");
            let after = victim.memory_kib();
            assert!(after < before + 1024, "{mechanism}: {before} KiB, {after} KiB");
        }
    });
}
