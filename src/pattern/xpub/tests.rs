//! Tests of PUB and XPUB.

use super::super::test_support::{Link, Rig, parts};
use super::*;
use crate::constants::*;

const ZMQ_XPUB_MANUAL_LAST_VALUE: i32 = 98;
const ZMQ_ONLY_FIRST_SUBSCRIBE: i32 = 108;

fn hears(rig: &mut Rig) -> Vec<String> {
    let text = |part: &Vec<u8>| String::from_utf8_lossy(part).replace('\u{1}', "+").replace('\0', "-");
    std::iter::from_fn(|| rig.receive().ok())
        .flatten()
        .map(|part| text(&part))
        .collect()
}

fn tell(rig: &mut Rig, peer: PipeId, notice: &str) {
    let topic = Bytes::copy_from_slice(&notice.as_bytes()[1..]);
    let subscribes = notice.starts_with('+');
    rig.remote_tells(
        peer,
        if subscribes {
            Record::Subscribe(topic)
        } else {
            Record::Cancel(topic)
        },
    );
}

/// What the application hears of a fixed course of subscriptions.
fn course(options: &[i32]) -> String {
    let mut rig = Rig::new(ZMQ_XPUB);
    options.iter().for_each(|option| rig.set(*option, 1));
    let (a, b) = (rig.attach(), rig.attach());
    let steps = [
        (a, "+x"),
        (a, "+x"),
        (b, "+x"),
        (b, "-x"),
        (b, "-x"),
        (a, "-y"),
        (b, "+x"),
        (b, "+w"),
    ];
    steps.iter().for_each(|(peer, notice)| tell(&mut rig, *peer, notice));
    rig.hang_up(b);
    hears(&mut rig).concat()
        + " "
        + &{
            rig.hang_up(a);
            hears(&mut rig).concat()
        }
}

/// As libzmq 4.3.5 answers to the same course.
#[test]
fn the_application_hears_of_subscriptions() {
    assert_eq!(course(&[]), "+x-x-y+w-w -x");
    assert_eq!(course(&[ZMQ_XPUB_VERBOSE]), "+x+x+x-x-y+x+w-w -x");
    assert_eq!(course(&[ZMQ_XPUB_VERBOSER]), "+x+x+x-x-x-y+x+w-w-x -x");
    assert_eq!(course(&[ZMQ_XPUB_MANUAL]), "+x+x+x-x-x-y+x+w-w-x -x");
}

#[test]
fn messages_go_to_those_who_want_them() {
    for in_band in [false, true] {
        let mut rig = Rig::new(ZMQ_PUB);
        let (a, b) = (rig.attach(), rig.attach());
        if in_band {
            rig.remote_sends(a, &["\u{1}a", "\u{1}ab"]);
            rig.remote_sends(b, &["\u{1}"]);
        } else {
            tell(&mut rig, a, "+a");
            tell(&mut rig, a, "+ab");
            tell(&mut rig, b, "+");
        }
        rig.send(&["abc", "tail"]).unwrap();
        rig.send(&["b"]).unwrap();
        assert_eq!(
            (rig.remote_reads(a), rig.remote_reads(a)),
            (Some(parts(&["abc", "tail"])), None)
        );
        assert_eq!(
            (rig.remote_reads(b), rig.remote_reads(b)),
            (Some(parts(&["abc", "tail"])), Some(parts(&["b"])))
        );
        assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::NotSupported)));
        rig.set(ZMQ_INVERT_MATCHING, 1);
        rig.send(&["a"]).unwrap();
        rig.send(&["b"]).unwrap();
        assert_eq!((rig.remote_reads(a), rig.remote_reads(b)), (Some(parts(&["b"])), None));
        rig.hang_up(a);
        rig.hang_up(b);
        let again = rig.attach();
        rig.send(&["c"]).unwrap();
        assert_eq!(
            (rig.remote_reads(again), rig.remote_reads(again)),
            (Some(parts(&["c"])), None)
        );
    }
}

#[test]
fn who_gets_a_message_is_decided_at_its_first_part() {
    let mut rig = Rig::new(ZMQ_XPUB);
    let peers = [rig.attach(), rig.attach(), rig.attach()];
    tell(&mut rig, peers[0], "+a");
    tell(&mut rig, peers[1], "+a");
    rig.send_part("a", true).unwrap();
    tell(&mut rig, peers[0], "-a");
    tell(&mut rig, peers[2], "+a");
    rig.hang_up(peers[1]);
    assert_eq!(rig.attach(), peers[1], "the number of the pipe is used again");
    rig.send_part("b", false).unwrap();
    assert_eq!(rig.remote_reads(peers[1]), None);
    assert_eq!(
        (rig.remote_reads(peers[0]), rig.remote_reads(peers[2])),
        (Some(parts(&["a", "b"])), None)
    );
}

#[test]
fn the_full_miss_a_message_unless_nobody_may() {
    let mut rig = Rig::new(ZMQ_PUB);
    let full = rig
        .attach_as(Link {
            limit: 1,
            ..Link::default()
        })
        .unwrap();
    let other = rig.attach();
    tell(&mut rig, full, "+");
    tell(&mut rig, other, "+");
    rig.send(&["1"]).unwrap();
    rig.send(&["2", "tail"]).unwrap();
    rig.set(ZMQ_XPUB_NODROP, 1);
    assert_eq!((rig.can_send(), rig.send(&["3"])), (true, Err(Error::Again)));
    assert_eq!(
        (rig.remote_reads(full), rig.send(&["4"])),
        (Some(parts(&["1"])), Ok(()))
    );
    assert_eq!(rig.remote_reads(full), Some(parts(&["4"])));
    let all: Vec<_> = std::iter::from_fn(|| rig.remote_reads(other)).collect();
    assert_eq!(all, [parts(&["1"]), parts(&["2", "tail"]), parts(&["4"])]);
}

#[test]
fn what_peers_send_is_delivered_as_it_is() {
    let mut rig = Rig::new(ZMQ_XPUB);
    let peer = rig.attach_routed("ignored");
    rig.remote_sends(peer, &["user", "part"]);
    rig.remote_sends(peer, &[""]);
    rig.remote_sends(peer, &["u", "\u{1}t"]);
    assert_eq!(
        (rig.receive(), rig.receive()),
        (Ok(parts(&["user", "part"])), Ok(parts(&[""])))
    );
    assert_eq!(rig.receive(), Ok(parts(&["u", "\u{1}t"])));
    rig.send(&["t"]).unwrap();
    assert_eq!(rig.remote_reads(peer), Some(parts(&["t"])));
}

/// libzmq takes all that one peer sent before it looks at the next: here nobody waits for a busy neighbour.
#[test]
fn peers_are_heard_in_the_order_in_which_they_send() {
    let mut rig = Rig::new(ZMQ_XPUB);
    let peers = [("a", rig.attach()), ("b", rig.attach())];
    for number in ["1", "2"] {
        for (name, peer) in peers {
            rig.remote_sends(peer, &[name, number]);
        }
    }
    for number in ["1", "2"] {
        for (name, _) in peers {
            assert_eq!(rig.receive(), Ok(parts(&[name, number])));
        }
    }
}

#[test]
fn a_publisher_discards_what_its_subscribers_send() {
    let mut rig = Rig::new(ZMQ_PUB);
    let peer = rig.attach();
    rig.remote_sends(peer, &["user", "message"]);
    assert!(!rig.pipes.end(peer).unwrap().poll(), "it was read");
    assert_eq!((rig.can_receive(), rig.receive()), (false, Err(Error::NotSupported)));
    rig.remote_sends(peer, &["\u{1}t"]);
    rig.send(&["t"]).unwrap();
    assert_eq!(rig.remote_reads(peer), Some(parts(&["t"])));
}

#[test]
fn newcomers_are_welcomed() {
    let mut rig = Rig::new(ZMQ_PUB);
    rig.set_bytes(ZMQ_XPUB_WELCOME_MSG, b"welcome");
    let peer = rig.attach();
    assert_eq!(rig.remote_reads(peer), Some(parts(&["welcome"])));
}

#[test]
fn under_manual_the_application_decides_for_the_peer_it_heard_of_last() {
    let mut rig = Rig::new(ZMQ_XPUB);
    rig.set(ZMQ_XPUB_MANUAL, 1);
    let change = |rig: &mut Rig, topic: &str| rig.pattern.subscribe(&mut rig.pipes, topic.as_bytes());
    assert_eq!(change(&mut rig, "nobody"), Ok(()));
    let (a, b) = (rig.attach(), rig.attach());
    tell(&mut rig, a, "+t");
    assert_eq!(hears(&mut rig), ["+t"]);
    rig.send(&["t"]).unwrap();
    tell(&mut rig, b, "+t");
    change(&mut rig, "for a").unwrap();
    assert_eq!(hears(&mut rig), ["+t"]);
    rig.remote_sends(a, &["user"]);
    assert_eq!(hears(&mut rig), ["user"]);
    change(&mut rig, "for b").unwrap();
    rig.send(&["for a"]).unwrap();
    rig.send(&["for b"]).unwrap();
    assert_eq!(
        (rig.remote_reads(a), rig.remote_reads(a)),
        (Some(parts(&["for a"])), None)
    );
    assert_eq!(
        (rig.remote_reads(b), rig.remote_reads(b)),
        (Some(parts(&["for b"])), None)
    );
    rig.pattern.unsubscribe(&mut rig.pipes, b"for b").unwrap();
    rig.send(&["for b"]).unwrap();
    assert_eq!(rig.remote_reads(b), None);
    rig.hang_up(b);
    assert_eq!(rig.attach(), b, "the number of the pipe is used again");
    assert_eq!(change(&mut rig, "nobody"), Ok(()));
    rig.send(&["nobody"]).unwrap();
    assert_eq!(rig.remote_reads(b), None);
    assert_eq!(hears(&mut rig), ["-t"]);
    tell(&mut rig, b, "+u");
    rig.hang_up(b);
    assert_eq!(rig.attach(), b);
    assert_eq!(rig.receive(), Ok(parts(&["\u{1}u"])));
    assert_eq!(change(&mut rig, "nobody"), Ok(()));
    rig.send(&["nobody"]).unwrap();
    assert_eq!((rig.remote_reads(a), rig.remote_reads(b)), (None, None));
}

/// Source: a run of libzmq 4.3.5 (`tests-c/draft_options.c`).
#[test]
fn under_last_value_the_message_after_a_notice_goes_to_its_peer_alone() {
    let mut rig = Rig::new(ZMQ_XPUB);
    rig.set(ZMQ_XPUB_MANUAL_LAST_VALUE, 1);
    let (a, b) = (rig.attach(), rig.attach());
    for peer in [a, b] {
        tell(&mut rig, peer, "+t");
        assert_eq!(hears(&mut rig), ["+t"]);
        rig.pattern.subscribe(&mut rig.pipes, b"t").unwrap();
    }
    for text in ["t1", "t2"] {
        rig.send(&[text]).unwrap();
    }
    assert_eq!((rig.remote_reads(a), rig.remote_reads(a)), (Some(parts(&["t2"])), None));
    assert_eq!(
        (rig.remote_reads(b), rig.remote_reads(b)),
        (Some(parts(&["t1"])), Some(parts(&["t2"])))
    );
}

#[test]
fn a_subscription_within_a_users_message_is_the_users_where_that_is_asked_for() {
    for (only_first, heard) in [(0, vec!["user", "+t"]), (1, vec!["user\u{1}t"])] {
        let mut rig = Rig::new(ZMQ_XPUB);
        rig.set(ZMQ_ONLY_FIRST_SUBSCRIBE, only_first);
        let peer = rig.attach();
        rig.remote_sends(peer, &["user", "\u{1}t"]);
        assert_eq!(hears(&mut rig).concat(), heard.concat().replace('\u{1}', "+"));
        assert_eq!(rig.pattern.topics(), Some(1 - only_first as usize));
    }
}

fn limited(socket_type: i32, count: i32, bytes: i64) -> (Rig, PipeId) {
    let mut rig = Rig::new(socket_type);
    rig.set(MONOCOQUE_MAX_SUBSCRIPTIONS, count);
    rig.set_bytes(MONOCOQUE_MAX_SUBSCRIPTION_BYTES, &bytes.to_ne_bytes());
    let peer = connection(&mut rig);
    (rig, peer)
}

fn connection(rig: &mut Rig) -> PipeId {
    let link = Link {
        is_connection: true,
        ..Link::default()
    };
    rig.attach_as(link).unwrap()
}

#[test]
fn a_peer_has_so_many_topics_and_is_gone_with_one_more() {
    let (mut rig, peer) = limited(ZMQ_PUB, 3, 0);
    for notice in ["+a", "+b", "+c", "+c", "-b", "+d"] {
        tell(&mut rig, peer, notice);
    }
    assert_eq!(rig.take_exceeded(peer), None, "at the limit");
    rig.send(&["a"]).unwrap();
    assert_eq!(rig.remote_reads(peer), Some(parts(&["a"])));
    tell(&mut rig, peer, "+e");
    assert_eq!(rig.take_exceeded(peer), Some(MONOCOQUE_MAX_SUBSCRIPTIONS));
    tell(&mut rig, peer, "+f");
    for topic in ["a", "f"] {
        rig.send(&[topic]).unwrap();
        assert_eq!(rig.remote_reads(peer), None, "nothing of it is kept");
    }
    assert_eq!(rig.take_exceeded(peer), None, "said once");
    // The same pipe, with a new connection behind it.
    rig.pattern.reconnected(&mut rig.pipes, peer);
    tell(&mut rig, peer, "+g");
    rig.send(&["g"]).unwrap();
    assert_eq!(rig.remote_reads(peer), Some(parts(&["g"])));
}

#[test]
fn the_topics_of_a_peer_have_so_many_bytes() {
    let (mut rig, peer) = limited(ZMQ_PUB, 0, 10);
    tell(&mut rig, peer, "+12345");
    tell(&mut rig, peer, "+67890");
    assert_eq!(rig.take_exceeded(peer), None);
    tell(&mut rig, peer, "-12345");
    tell(&mut rig, peer, "+123456");
    assert_eq!(rig.take_exceeded(peer), Some(MONOCOQUE_MAX_SUBSCRIPTION_BYTES));
}

#[test]
fn what_waits_for_the_application_has_the_same_limits() {
    let (mut rig, peer) = limited(ZMQ_XPUB, 4, 0);
    let other = connection(&mut rig);
    for notice in ["+a", "-a", "+a", "-a"] {
        tell(&mut rig, peer, notice);
    }
    assert_eq!(rig.take_exceeded(peer), None);
    tell(&mut rig, other, "+b");
    tell(&mut rig, peer, "+a");
    assert_eq!(rig.take_exceeded(peer), Some(MONOCOQUE_MAX_SUBSCRIPTIONS));
    assert_eq!(rig.take_exceeded(other), None, "others are not disturbed");
    assert_eq!(hears(&mut rig).concat(), "+a-a+a-a+b+a-a");
}

#[test]
fn an_application_that_reads_gives_room() {
    let (mut rig, peer) = limited(ZMQ_XPUB, 2, 0);
    for _ in 0..100 {
        tell(&mut rig, peer, "+a");
        tell(&mut rig, peer, "-a");
        assert_eq!(hears(&mut rig).concat(), "+a-a");
    }
    assert_eq!(rig.take_exceeded(peer), None);
}

#[test]
fn a_message_upwards_is_kept_or_lost_as_a_whole() {
    let (mut rig, peer) = limited(ZMQ_XPUB, 2, 0);
    rig.remote_sends(peer, &["x", "y", "z"]);
    assert_eq!(rig.take_exceeded(peer), Some(MONOCOQUE_MAX_SUBSCRIPTIONS));
    rig.hang_up(peer);
    // What peers leave behind is bounded, too.
    for _ in 0..10 {
        let next = connection(&mut rig);
        rig.remote_sends(next, &["u", "v"]);
        rig.hang_up(next);
    }
    assert_eq!(rig.receive(), Ok(parts(&["x", "y", "z"])));
    assert_eq!(rig.receive(), Ok(parts(&["u", "v"])));
    assert!(rig.receive().is_err());
}

#[test]
fn peers_of_the_same_process_have_no_limit() {
    let (mut rig, _) = limited(ZMQ_XPUB, 1, 1);
    let peer = rig.attach();
    for notice in ["+a", "+b", "+c"] {
        tell(&mut rig, peer, notice);
    }
    assert_eq!(rig.take_exceeded(peer), None);
}
