//! Reproducers of faults that other implementations had, where the victim needs no security for them.

use std::net::TcpListener;

use crate::clients::accept;
use crate::peer::{Peer, client, message};
use crate::victim::Victim;
use crate::{assert_serves, assert_settles, on_both};

/// CVE-2019-6250: the size of a frame overflowed the place of its end.
#[test]
fn cve_2019_6250_sizes_that_overflow_are_refused() {
    let sizes = [
        1 << 31,
        1 << 40,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX - 8,
        u64::MAX - 1,
        u64::MAX,
    ];
    on_both(|library| {
        for mechanism in ["NULL", "PLAIN", "CURVE"] {
            let mut victim = Victim::bind(library, "ROUTER", mechanism, &["zap=200"]);
            assert_serves(&mut victim, mechanism);
            assert_settles(mechanism, || {
                for size in sizes {
                    for flags in [2, 3, 6] {
                        let mut peer = Peer::new(victim.stream(), "DEALER", client(mechanism));
                        assert!(peer.shake());
                        peer.write(&[&[flags][..], &u64::to_be_bytes(size), &[b'x'; 100_000]].concat());
                        if flags == 6 || size >= 1 << 63 {
                            peer.ending_of(&format!("{mechanism}: {size:x}, {flags}"));
                        }
                    }
                }
                assert_serves(&mut victim, mechanism);
                victim.memory_kib()
            });
        }
    });
}

/// CVE-2021-20234: a client kept what a server sent of a message when the connection ended in the middle of it.
#[test]
fn cve_2021_20234_messages_without_an_end_leave_nothing() {
    on_both(|library| {
        for (socket_type, theirs) in [("DEALER", "ROUTER"), ("SUB", "PUB"), ("PULL", "PUSH")] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let to = listener.local_addr().expect("its number");
            let settings: &[&str] = if socket_type == "SUB" { &["subscribe="] } else { &[] };
            let mut victim = Victim::connect(library, socket_type, "NULL", to, settings);
            assert_settles(socket_type, || {
                for _ in 0..200 {
                    let mut peer = Peer::new(accept(&listener), theirs, client("NULL"));
                    assert!(peer.shake());
                    let part = message(true, &[b'x'; 20_000]);
                    peer.write(&[&part[..], &part].concat());
                }
                victim.heard();
                victim.memory_kib()
            });
        }
    });
}

/// CVE-2021-20235: malformed frames of ZMTP 1.0 overflowed the buffer that they were read into.
#[test]
fn cve_2021_20235_frames_of_the_first_version_stay_in_their_buffer() {
    let long = |size: u64| [&[0xff][..], &size.to_be_bytes(), &[0]].concat();
    on_both(|library| {
        let mut victim = Victim::bind(library, "ROUTER", "NULL", &[]);
        for size in [0, 1, 255, 8191, 8192, 8193, 65_536, 1 << 40, 1 << 63, u64::MAX] {
            for sent in [0, 1, 8191, 8192, 8193, 100_000] {
                let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
                peer.write(&[1, 0]);
                peer.write(&[&long(size)[..], &vec![b'x'; sent]].concat());
                let mut peer = Peer::new(victim.stream(), "DEALER", client("NULL"));
                peer.write(&[&[1, 0, 3, 1, b'a', b'b'][..], &long(size), &vec![0; sent]].concat());
            }
        }
        assert_serves(&mut victim, "NULL");
    });
}

/// CVE-2021-20236: to cancel a subscription to a long topic took as many stack frames as the topic has bytes.
#[test]
fn cve_2021_20236_long_topics_come_and_go() {
    on_both(|library| {
        for (socket_type, mechanism) in [("PUB", "NULL"), ("XPUB", "NULL"), ("PUB", "CURVE")] {
            let mut victim = Victim::bind(library, socket_type, mechanism, &["zap=200"]);
            for size in [1000, 60_000, 1 << 20, 8 << 20] {
                let mut peer = Peer::new(victim.stream(), "SUB", client(mechanism));
                assert!(peer.shake());
                let mut topic = vec![b'x'; size + 1];
                for kind in [1, 0, 1] {
                    topic[0] = kind;
                    let frame = peer.frame(false, &topic);
                    peer.write(&frame);
                }
                if size < 64_000 {
                    for name in ["SUBSCRIBE", "CANCEL", "SUBSCRIBE"] {
                        let frame = peer.command_frame(name, &topic[1..]);
                        peer.write(&frame);
                    }
                }
            }
            let mut subscriber = Peer::new(victim.stream(), "SUB", client(mechanism));
            assert!(subscriber.shake());
            let frame = subscriber.frame(false, b"\x01news");
            subscriber.write(&frame);
            if socket_type == "XPUB" {
                while !victim.expect("message ").ends_with("5:.news") {}
            }
            let mut is_there = false;
            while !is_there {
                victim.tell("send news");
                victim.expect("sent");
                subscriber.stream().set_nonblocking(true).expect("O_NONBLOCK");
                is_there = subscriber.stream().peek(&mut [0; 1]).is_ok();
                subscriber.stream().set_nonblocking(false).expect("no O_NONBLOCK");
            }
            assert_eq!(subscriber.receive(), b"news");
        }
    });
}

/// CVE-2021-20237: a publisher kept what subscribers sent that is no subscription.
#[test]
fn cve_2021_20237_messages_to_a_publisher_leave_nothing() {
    on_both(|library| {
        for mechanism in ["NULL", "CURVE"] {
            let mut victim = Victim::bind(library, "PUB", mechanism, &["zap=200"]);
            assert_settles(mechanism, || {
                for _ in 0..200 {
                    let mut peer = Peer::with_properties(
                        victim.stream(),
                        "SUB",
                        client(mechanism),
                        &[("X-large", &[b'x'; 10_000])],
                    );
                    assert!(peer.shake());
                    for _ in 0..20 {
                        let frames = [peer.frame(true, &[b'x'; 1000]), peer.frame(false, b"end")].concat();
                        peer.write(&frames);
                    }
                }
                victim.wait_for_descriptors(40, mechanism);
                victim.tell("send nothing");
                victim.expect("sent");
                victim.heard();
                victim.memory_kib()
            });
        }
    });
}
