//! The counters beside what the tests themselves count, on pipes of both kinds.

use super::super::test_support::{Generator, Link, Rig};
use super::*;
use crate::constants::*;
use crate::error::Error;
use crate::pipe::Record;

fn attach(rig: &mut Rig, limit: u32, is_connection: bool) -> PipeId {
    let link = Link {
        limit,
        is_connection,
        ..Link::default()
    };
    rig.attach_as(link).unwrap()
}

/// The two sums of [`Traffic`].
fn balances(traffic: &Traffic) -> bool {
    let out = traffic.delivered + traffic.queued_out + traffic.dropped_full + traffic.lost_out;
    let arrived = traffic.received + traffic.queued_in + traffic.discarded + traffic.replaced_in + traffic.lost_in;
    (traffic.sent, traffic.arrived) == (out + traffic.dropped_unroutable + traffic.dropped_replaced, arrived)
}

fn read_all(rig: &mut Rig, peer: PipeId) -> u64 {
    std::iter::from_fn(|| rig.remote_reads(peer)).count() as u64
}

/// Subscribers with different marks that read, stop reading, come and go: what each has read is what it was counted for.
#[test]
fn each_message_of_a_publisher_is_counted_once_for_each_subscriber() {
    let mut dropped = 0;
    for seed in 1..=40 {
        let mut random = Generator::new(seed);
        let is_connection = seed % 2 == 0;
        let mut rig = Rig::new(ZMQ_PUB);
        let (mut peers, mut sent, mut read, mut lost) = (Vec::new(), 0, 0, 0);
        for _ in 0..600 {
            match random.below(40) {
                0 if peers.len() < 6 => {
                    let peer = attach(&mut rig, random.below(20) as u32, is_connection);
                    rig.remote_tells(peer, Record::Subscribe("".into()));
                    peers.push(peer);
                }
                1 if peers.len() > 3 => {
                    let gone = peers.remove(random.below(3) as usize);
                    rig.pipes.flush();
                    read += read_all(&mut rig, gone);
                    rig.send(&["unread"]).unwrap();
                    sent += 1 + peers.len() as u64;
                    rig.pipes.flush();
                    lost += 1;
                    rig.hang_up(gone);
                }
                2..8 => {
                    rig.pipes.flush();
                    for &peer in peers.iter().take(4) {
                        read += read_all(&mut rig, peer);
                    }
                }
                8..12 => {
                    rig.send(&["two", "parts"]).unwrap();
                    sent += peers.len() as u64;
                }
                _ => {
                    rig.send(&["x"]).unwrap();
                    sent += peers.len() as u64;
                }
            }
            let traffic = rig.pipes.traffic();
            assert!(balances(&traffic), "seed {seed}: {traffic:?}");
            assert_eq!((traffic.sent, traffic.lost_out), (sent, lost), "seed {seed}");
        }
        rig.pipes.flush();
        for &peer in &peers {
            read += read_all(&mut rig, peer);
        }
        let traffic = rig.pipes.traffic();
        assert_eq!(sent, read + lost + traffic.dropped_full, "seed {seed}");
        dropped += traffic.dropped_full;
    }
    assert!(dropped > 1_000, "{dropped}");
}

#[test]
fn what_has_no_way_to_go_is_counted_for_no_peer() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let link = Link {
        limit: 2,
        routing_id: Some("a"),
        ..Link::default()
    };
    let peer = rig.attach_as(link).unwrap();
    for message in [&["b", "x"][..], &["b", "x", "y"], &["alone"]] {
        rig.send(message).unwrap();
    }
    for _ in 0..5 {
        rig.send(&["a", "x"]).unwrap();
    }
    rig.send_part("a", true).unwrap();
    let traffic = rig.pipes.end(peer).unwrap().traffic();
    assert_eq!((traffic.sent, traffic.queued_out, traffic.dropped_full), (5, 2, 3));
    assert_eq!(read_all(&mut rig, peer), 2);
    rig.hang_up(peer);
    rig.send_part("the rest of what it was full for", false).unwrap();
    let traffic = rig.pipes.traffic();
    assert!(balances(&traffic), "{traffic:?}");
    assert_eq!((traffic.sent, traffic.delivered, traffic.dropped_full), (9, 2, 3));
    assert_eq!(traffic.dropped_unroutable, 4);
}

#[test]
fn a_message_that_was_begun_for_a_peer_that_goes_is_lost() {
    let mut rig = Rig::new(ZMQ_PUSH);
    let peer = rig.attach();
    rig.send_part("1", true).unwrap();
    rig.hang_up(peer);
    assert_eq!(rig.pipes.traffic(), Traffic::default());
    rig.send_part("2", false).unwrap();
    let lost = Traffic {
        sent: 1,
        lost_out: 1,
        ..Traffic::default()
    };
    assert_eq!(rig.pipes.traffic(), lost);
}

#[test]
fn what_a_socket_does_not_deliver_is_discarded() {
    let mut sub = Rig::new(ZMQ_SUB);
    sub.pattern.subscribe(&mut sub.pipes, b"a").unwrap();
    let mut rep = Rig::new(ZMQ_REP);
    let mut req = Rig::new(ZMQ_REQ);
    let mut xpub = Rig::new(ZMQ_XPUB);
    let wanted: [(&mut Rig, [&[&str]; 3]); 4] = [
        (&mut sub, [&["a", "1"], &["b", "2"], &["ab"]]),
        (&mut rep, [&["", "1"], &["no envelope"], &["id", "", "2"]]),
        (&mut req, [&["", "late"], &["", "later"], &["", "last"]]),
        (&mut xpub, [&["user's"], &["\u{1}topic"], &["of two", "parts"]]),
    ];
    let counts: Vec<Traffic> = wanted
        .into_iter()
        .map(|(rig, messages)| {
            let peer = rig.attach();
            messages.iter().for_each(|message| rig.remote_sends(peer, message));
            while rig.receive().is_ok() {}
            let before = rig.pipes.traffic();
            assert!(balances(&before), "{before:?}");
            let _ = rig.send(&["a reply or request"]);
            while rig.receive().is_ok() {}
            let after = rig.pipes.traffic();
            rig.detach(peer);
            let closed = rig.pipes.traffic();
            assert!(balances(&closed), "{closed:?}");
            assert_eq!((after.received, after.discarded), (closed.received, closed.discarded));
            assert_eq!(closed.lost_in, after.queued_in);
            after
        })
        .collect();
    let told = |traffic: &Traffic| (traffic.arrived, traffic.received, traffic.discarded, traffic.queued_in);
    let told: Vec<_> = counts.iter().map(told).collect();
    assert_eq!(told, [(3, 2, 1, 0), (3, 2, 1, 0), (3, 0, 3, 0), (2, 2, 0, 0)]);
}

#[test]
fn what_waits_in_the_pattern_is_queued() {
    let mut rig = Rig::new(ZMQ_PULL);
    let peer = rig.attach();
    rig.remote_sends(peer, &["1", "2"]);
    rig.remote_sends(peer, &["never read"]);
    rig.receive_part().unwrap();
    rig.detach(peer);
    let told = |traffic: Traffic| (traffic.received, traffic.queued_in, traffic.lost_in);
    assert_eq!(told(rig.pipes.traffic()), (0, 1, 1));
    assert_eq!(rig.receive_part().unwrap().data(), b"2");
    assert_eq!(told(rig.pipes.traffic()), (1, 0, 1));
    assert_eq!(rig.receive().map(drop), Err(Error::Again));
}

#[test]
fn bytes_are_those_of_frames() {
    let mut rig = Rig::new(ZMQ_PAIR);
    let peer = rig.attach();
    let long = "x".repeat(256);
    rig.send(&["four", &long]).unwrap();
    for _ in 0..40 {
        rig.send(&["5ive."]).unwrap();
    }
    rig.remote_sends(peer, &[&long]);
    let traffic = rig.pipes.traffic();
    assert_eq!((traffic.sent, traffic.sent_bytes), (41, 6 + 265 + 40 * 7));
    assert_eq!((traffic.arrived, traffic.arrived_bytes), (1, 265));
}
