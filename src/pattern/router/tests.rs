//! Tests of ROUTER.

use super::super::test_support::{Link, Rig, parts};
use super::*;
use crate::constants::*;

#[test]
fn messages_go_to_the_peer_they_name_and_say_where_they_come_from() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let (a, b) = (rig.attach_routed("a"), rig.attach_routed("b"));
    rig.send(&["b", "1", "2"]).unwrap();
    rig.send(&["a", ""]).unwrap();
    rig.send(&["nobody", "x", "y"]).unwrap();
    rig.send(&["a"]).unwrap();
    rig.send(&["a", "3"]).unwrap();
    assert_eq!(
        (rig.remote_reads(a), rig.remote_reads(a)),
        (Some(parts(&[""])), Some(parts(&["3"])))
    );
    assert_eq!(
        (rig.remote_reads(b), rig.remote_reads(b)),
        (Some(parts(&["1", "2"])), None)
    );
    rig.remote_sends(a, &["hello", "you"]);
    rig.remote_sends(b, &[""]);
    assert_eq!(rig.receive(), Ok(parts(&["a", "hello", "you"])));
    assert_eq!(rig.receive(), Ok(parts(&["b", ""])));
    assert_eq!(rig.receive(), Err(Error::Again));
}

#[test]
fn a_peer_is_not_routable_before_its_routing_id_came() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    rig.set(ZMQ_ROUTER_MANDATORY, 1);
    let late = rig.attach();
    assert!(!rig.can_send());
    assert_eq!(rig.send(&["id", "x"]), Err(Error::HostUnreachable));
    rig.remote_tells(late, Record::RoutingId("id".into()));
    assert!(rig.can_send());
    assert_eq!(rig.send(&["id", "x"]), Ok(()));
    // A peer that is back as somebody else keeps its id here.
    rig.remote_tells(late, Record::RoutingId("other".into()));
    rig.remote_sends(late, &["y"]);
    assert_eq!(rig.receive(), Ok(parts(&["id", "y"])));
    assert_eq!(rig.send(&["other", "x"]), Err(Error::HostUnreachable));
}

#[test]
fn peers_without_an_id_get_one() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let peers = [rig.attach_routed(""), rig.attach()];
    for peer in peers {
        rig.remote_sends(peer, &["who"]);
    }
    for (peer, number) in peers.into_iter().zip([7, 8]) {
        let id = rig.receive().unwrap().swap_remove(0);
        assert_eq!(id, [0, 0, 0, 0, number]);
        rig.send(&[std::str::from_utf8(&id).unwrap(), "you"]).unwrap();
        assert_eq!(rig.remote_reads(peer), Some(parts(&["you"])));
    }
}

#[test]
fn mandatory_tells_unknown_from_full() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let link = Link {
        limit: 1,
        routing_id: Some("a"),
        ..Link::default()
    };
    let a = rig.attach_as(link).unwrap();
    rig.send(&["a", "1"]).unwrap();
    rig.send(&["a", "dropped"]).unwrap();
    assert!(rig.can_send());
    rig.set(ZMQ_ROUTER_MANDATORY, 1);
    assert!(!rig.can_send());
    assert_eq!(rig.send(&["a", "2"]), Err(Error::Again));
    assert_eq!(rig.send(&["b", "2"]), Err(Error::HostUnreachable));
    assert_eq!(rig.remote_reads(a), Some(parts(&["1"])));
    assert!(rig.can_send());
    rig.send(&["a", "3"]).unwrap();
    rig.remote_sends(a, &["unread"]);
    rig.hang_up(a);
    assert_eq!(rig.send(&["a", "4"]), Err(Error::HostUnreachable));
    assert!(!rig.can_send());
}

#[test]
fn only_what_is_known_to_find_no_room_is_dropped() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let link = Link {
        limit: 1,
        is_connection: true,
        routing_id: Some("a"),
        ..Link::default()
    };
    let a = rig.attach_as(link).unwrap();
    for (message, expected) in [("1", Some("1")), ("2", None), ("3", Some("3"))] {
        if message == "3" {
            assert_eq!(rig.remote_reads(a), Some(parts(&["1"])));
        }
        let begun = rig
            .pattern
            .send(&mut rig.pipes, Payload::Bytes(b"a"), true, Credit::Recent);
        assert_eq!((begun, rig.send_part(message, false)), (Ok(()), Ok(())));
        if message == "3" {
            assert_eq!(rig.remote_reads(a), expected.map(|text| parts(&[text])));
        }
    }
}

#[test]
fn a_message_is_dropped_when_its_peer_goes_in_the_middle() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let a = rig.attach_routed("a");
    rig.remote_sends(a, &["whole", "message"]);
    assert_eq!(rig.receive_part().unwrap().data(), b"a");
    rig.send_part("a", true).unwrap();
    rig.send_part("1", true).unwrap();
    rig.detach(a);
    assert_eq!(rig.receive(), Ok(parts(&["whole", "message"])));
    let b = rig.attach_routed("b");
    assert_eq!(a, b, "the number of the pipe is used again");
    rig.send_part("2", false).unwrap();
    rig.send(&["b", "3"]).unwrap();
    assert_eq!((rig.remote_reads(b), rig.remote_reads(b)), (Some(parts(&["3"])), None));
}

#[test]
fn a_routing_id_in_use_is_refused() {
    for is_connection in [false, true] {
        let mut rig = Rig::new(ZMQ_ROUTER);
        let first = rig.attach_routed("a");
        let link = |routing_id| Link {
            is_connection,
            routing_id,
            ..Link::default()
        };
        let early = rig.attach_as(link(Some("a"))).unwrap();
        let late = rig.attach_as(link(None)).unwrap();
        let record = Record::RoutingId("a".into());
        rig.remote(late).write_record(record).unwrap();
        rig.remote_sends(late, &["never"]);
        for peer in [first, early, late] {
            // Whoever connected may try again; over inproc the peer stays.
            assert_eq!((rig.is_rejected(peer), rig.is_closed(peer)), (peer != first, false));
        }
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.send(&["a", "x"]).unwrap();
        assert_eq!(rig.remote_reads(first), Some(parts(&["x"])));
        rig.hang_up(first);
        let again = rig.attach_routed("a");
        rig.send(&["a", "y"]).unwrap();
        assert_eq!(rig.remote_reads(again), Some(parts(&["y"])));
        rig.hang_up(again);
        // The next connection behind a pipe that stays has the routing id, now that it is free.
        rig.pattern.reconnected(&mut rig.pipes, early);
        rig.remote_tells(early, Record::RoutingId("a".into()));
        rig.send(&["a", "z"]).unwrap();
        assert_eq!(rig.remote_reads(early), Some(parts(&["z"])));
    }
}

#[test]
fn with_handover_the_newcomer_takes_the_routing_id() {
    for is_connection in [false, true] {
        let mut rig = Rig::new(ZMQ_ROUTER);
        rig.set(ZMQ_ROUTER_HANDOVER, 1);
        let link = Link {
            is_connection,
            routing_id: Some("a"),
            ..Link::default()
        };
        let old = rig.attach_as(link).unwrap();
        rig.remote_sends(old, &["1", "2"]);
        rig.remote_sends(old, &["never"]);
        assert_eq!(rig.receive_part().unwrap().data(), b"a");
        rig.send_part("a", true).unwrap();
        rig.send_part("half", true).unwrap();
        let new = rig.attach_routed("a");
        assert_eq!(rig.receive(), Ok(parts(&["1", "2"])), "a message is not cut off");
        assert_eq!(rig.receive(), Err(Error::Again));
        rig.send_part("lost", false).unwrap();
        rig.send(&["a", "x"]).unwrap();
        assert_eq!(
            (rig.remote_reads(old), rig.remote_reads(new)),
            (None, Some(parts(&["x"])))
        );
        assert_eq!(rig.is_closed(old), !is_connection);
        assert!(
            rig.pipes.end(old).is_none_or(|end| !end.poll()),
            "what nobody reads is dropped"
        );
        rig.remote_sends(old, &["nor", "this"]);
        rig.remote_sends(new, &["y"]);
        assert_eq!(rig.receive(), Ok(parts(&["a", "y"])));
        if is_connection {
            rig.hang_up(old);
        }
        assert_eq!(rig.pipes.len(), 1);
        rig.send(&["a", "z"]).unwrap();
        assert_eq!(rig.remote_reads(new), Some(parts(&["z"])));
    }
}

#[test]
fn a_message_that_was_announced_outlives_the_handover() {
    for announced in [false, true] {
        let mut rig = Rig::new(ZMQ_ROUTER);
        rig.set(ZMQ_ROUTER_HANDOVER, 1);
        let old = rig.attach_routed("a");
        rig.remote_sends(old, &["1", "2"]);
        rig.remote_sends(old, &["never"]);
        if announced {
            assert!(rig.can_receive());
        }
        let new = rig.attach_routed("a");
        rig.remote_sends(new, &["y"]);
        if announced {
            assert_eq!(rig.receive(), Ok(parts(&["a", "1", "2"])));
        }
        assert_eq!(rig.receive(), Ok(parts(&["a", "y"])));
        assert_eq!(rig.receive(), Err(Error::Again));
    }
}

#[test]
fn a_peer_is_known_by_the_name_it_was_given() {
    let mut rig = Rig::new(ZMQ_ROUTER);
    let named = |name| Link {
        routing_id: Some("own"),
        name: Some(name),
        ..Link::default()
    };
    let given = rig.attach_as(named("given")).unwrap();
    rig.send(&["own", "1"]).unwrap();
    rig.send(&["given", "2"]).unwrap();
    assert_eq!(
        (rig.remote_reads(given), rig.remote_reads(given)),
        (Some(parts(&["2"])), None)
    );
    rig.remote_sends(given, &["r"]);
    assert_eq!(rig.receive(), Ok(parts(&["given", "r"])));
    assert!(rig.attach_as(named("given")).is_none());
}
