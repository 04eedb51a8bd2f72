//! Tests of lanes and ends against a naive model.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::message::{Body, Message};
use crate::sys::shortage;
use bytes::Bytes;

#[derive(Default)]
struct Calls {
    readable: AtomicUsize,
    writable: AtomicUsize,
}

struct TestPeer {
    calls: Arc<Calls>,
    connection: bool,
}

impl Peer for TestPeer {
    fn readable(&self) {
        self.calls.readable.fetch_add(1, Ordering::Relaxed);
    }
    fn writable(&self) {
        self.calls.writable.fetch_add(1, Ordering::Relaxed);
    }
    fn closed(&self, _linger_ms: i32) {}
    fn is_connection(&self) -> bool {
        self.connection
    }
}

/// Two ends of one pipe, and the calls that each end makes to the other.
fn pair(limit_ab: u32, limit_ba: u32) -> (End, End, Arc<Calls>, Arc<Calls>) {
    let (ab, ba) = lanes(limit_ab, limit_ba);
    let (to_a, to_b) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
    let a = End::new(
        ba.clone(),
        ab.clone(),
        Arc::new(TestPeer {
            calls: to_b.clone(),
            connection: false,
        }),
    );
    let b = End::new(
        ab,
        ba,
        Arc::new(TestPeer {
            calls: to_a.clone(),
            connection: false,
        }),
    );
    (a, b, to_a, to_b)
}

fn text(end: &mut End) -> Option<(Vec<u8>, bool)> {
    let mut message = Message::new();
    let small = end.receive_small(&mut Target::Message(&mut message));
    let more = match small {
        Some(more) => more.unwrap(),
        None => end.receive(&mut Target::Message(&mut message)).unwrap()?,
    };
    assert_eq!(message.more(), more);
    Some((message.data().to_vec(), more))
}

/// A small generator: tests must be repeatable.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn a_message_is_visible_with_its_last_part_only() {
    let (mut a, mut b, _, _) = pair(0, 0);
    a.write(Payload::Bytes(b"one"), true).unwrap();
    assert!(!b.poll());
    a.write(Payload::Bytes(b"two"), false).unwrap();
    assert_eq!(text(&mut b), Some((b"one".to_vec(), true)));
    assert_eq!(text(&mut b), Some((b"two".to_vec(), false)));
    assert_eq!(text(&mut b), None);
}

#[test]
fn what_is_rolled_back_is_never_seen() {
    let (mut a, mut b, _, _) = pair(0, 0);
    a.write(Payload::Bytes(b"lost"), true).unwrap();
    a.roll_back();
    a.write(Payload::Bytes(b"kept"), false).unwrap();
    assert_eq!(text(&mut b), Some((b"kept".to_vec(), false)));
    assert_eq!(text(&mut b), None);
}

#[test]
fn a_reader_that_found_nothing_is_called_once() {
    let (mut a, mut b, _, to_b) = pair(0, 0);
    assert!(!b.poll());
    for _ in 0..3 {
        a.write(Payload::Bytes(b"x"), false).unwrap();
    }
    assert_eq!(to_b.readable.load(Ordering::Relaxed), 1);
}

#[test]
fn the_high_water_mark_counts_messages_and_reopens_at_half() {
    for limit in [1_u32, 2, 3, 10, 1000] {
        let (mut a, mut b, to_a, _) = pair(limit, 0);
        let mut sent = 0;
        while a.can_write(Credit::Recent) {
            a.write(Payload::Bytes(b"part"), true).unwrap();
            a.write(Payload::Bytes(b"last"), false).unwrap();
            sent += 1;
        }
        assert_eq!(sent, limit);
        for read in 1..=limit {
            assert!(b.poll());
            text(&mut b);
            text(&mut b);
            assert_eq!(
                a.can_write(Credit::Fresh),
                read >= limit.div_ceil(2),
                "{limit}: after {read}"
            );
        }
        assert_eq!(to_a.writable.load(Ordering::Relaxed), 1, "{limit}");
    }
}

#[test]
fn a_raised_mark_counts_at_once_but_in_a_full_pipe_from_the_next_credit_on() {
    let (mut a, mut b, _, _) = pair(2, 0);
    a.write(Payload::Bytes(b"1"), false).unwrap();
    a.set_limits(0, 3);
    for body in [b"2", b"3"] {
        assert!(a.can_write(Credit::Fresh));
        a.write(Payload::Bytes(body), false).unwrap();
    }
    assert!(!a.can_write(Credit::Fresh));
    a.set_limits(0, 5);
    assert!(
        !a.can_write(Credit::Fresh),
        "as on libzmq, which looks at the mark when it reads the credit"
    );
    while text(&mut b).is_some() {}
    for body in [b"4", b"5", b"6", b"7", b"8"] {
        assert!(a.can_write(Credit::Fresh));
        a.write(Payload::Bytes(body), false).unwrap();
    }
    assert!(!a.can_write(Credit::Fresh));
}

#[test]
fn records_keep_their_place_between_messages() {
    let (mut a, mut b, _, _) = pair(0, 0);
    a.write(Payload::Bytes(b"before"), false).unwrap();
    a.write_record(Record::Subscribe("topic".into())).unwrap();
    a.write(Payload::Bytes(b"after"), false).unwrap();
    assert!(b.take_record().is_none());
    assert_eq!(text(&mut b).unwrap().0, b"before");
    assert!(matches!(b.take_record(), Some(Record::Subscribe(topic)) if topic == "topic"));
    assert_eq!(text(&mut b).unwrap().0, b"after");
}

#[test]
fn a_held_lane_gives_nothing_and_starts_anew_when_released() {
    let (ab, ba) = lanes(0, 0);
    ab.hold();
    let peer = || {
        Arc::new(TestPeer {
            calls: Arc::default(),
            connection: false,
        })
    };
    let mut a = End::new(ba.clone(), ab.clone(), peer());
    let mut b = End::new(ab, ba, peer());
    a.write_record(Record::Subscribe("old".into())).unwrap();
    a.write(Payload::Bytes(b"kept"), false).unwrap();
    assert!(!b.poll());
    a.refill(|batch| batch.push_record(Record::Subscribe("new".into())))
        .unwrap();
    assert!(matches!(b.take_record(), Some(Record::Subscribe(topic)) if topic == "new"));
    assert!(b.take_record().is_none());
    assert_eq!(text(&mut b).unwrap().0, b"kept");
    assert!(!b.poll());
}

#[test]
fn a_held_lane_that_is_released_without_memory_keeps_its_messages() {
    const MESSAGES: u64 = 6;
    let mut refusals = 0;
    for granted in 0.. {
        let (lane, mut taken) = (lanes(0, 0).0, Batch::default());
        lane.hold();
        lane.push_records(|batch| batch.push_record(Record::Subscribe("old".into())))
            .unwrap();
        for _ in 0..MESSAGES {
            let body = Body::from_slice(&[1; 8]).unwrap();
            lane.push(|batch| batch.push_body(body, false)).unwrap();
        }
        let topic = Bytes::from_static(b"new");
        let (released, refused) = shortage::after(granted, 1, || {
            lane.release(|batch| batch.push_record(Record::Subscribe(topic)))
        });
        refusals += refused;
        assert!(matches!(lane.take(&mut taken), Taken::Batch(_)));
        let told = if released.is_ok() { "Subscribe(b\"new\")" } else { "" };
        let kept = b"\0\x01\x01\x01\x01\x01\x01\x01\x01".repeat(MESSAGES as usize);
        assert_eq!(contents(taken), [told.as_bytes(), &kept].concat(), "{granted} blocks");
        assert_eq!(lane.counts().taken, MESSAGES);
        if released.is_ok() {
            break;
        }
    }
    assert!(refusals > 1, "neither the record nor the messages were refused memory");
}

#[test]
fn conflation_keeps_the_last_message() {
    let (ab, ba) = lanes(0, 0);
    ab.keep_only_last();
    let peer = || {
        Arc::new(TestPeer {
            calls: Arc::default(),
            connection: false,
        })
    };
    let mut a = End::new(ba.clone(), ab.clone(), peer());
    let mut b = End::new(ab, ba, peer());
    for text in ["one", "two", "three"] {
        a.write(Payload::Bytes(text.as_bytes()), false).unwrap();
    }
    assert_eq!(text(&mut b).unwrap().0, b"three");
    assert_eq!(text(&mut b), None);
}

#[test]
fn a_closed_end_is_read_to_its_end_and_takes_nothing_more() {
    let (mut a, mut b, _, _) = pair(0, 0);
    a.write(Payload::Bytes(b"last"), false).unwrap();
    a.close(0);
    assert!(b.other_end_is_closed());
    assert!(!b.is_finished());
    assert!(!b.can_write(Credit::Fresh));
    assert_eq!(text(&mut b).unwrap().0, b"last");
    assert!(b.is_finished());
}

#[test]
fn any_mix_of_sizes_and_ways_arrives_as_it_was_sent() {
    let mut random = Seeded(7);
    let (mut a, mut b, _, _) = pair(0, 0);
    let mut model: VecDeque<(Vec<u8>, bool)> = VecDeque::new();
    let mut visible = 0;
    let sizes = [
        0,
        1,
        48,
        49,
        254,
        255,
        256,
        257,
        4000,
        LARGE_BODY as u64,
        300_000,
        600_000,
    ];
    for turn in 0..4000_u64 {
        if random.below(2) == 0 {
            let len = sizes[random.below(sizes.len() as u64) as usize] as usize;
            let body: Vec<u8> = (0..len).map(|place| (place as u64 + turn) as u8).collect();
            let more = random.below(3) == 0;
            if random.below(3) == 0 {
                let by_reference = Message::from_slice(&body).unwrap().into_body().unwrap();
                a.write(Payload::Body(&by_reference), more).unwrap();
            } else {
                a.write(Payload::Bytes(&body), more).unwrap();
            }
            model.push_back((body, more));
            if !more {
                visible = model.len();
            }
        } else if visible > 0 {
            assert_eq!(text(&mut b), model.pop_front());
            visible -= 1;
        } else {
            assert!(!b.poll());
        }
    }
}

#[test]
fn bodies_ride_by_reference_where_that_pays() {
    let rides = |message: &Message| {
        let (mut a, mut b, _, _) = pair(0, 0);
        a.write(Payload::of(message), false).unwrap();
        let mut received = Message::new();
        b.receive(&mut Target::Message(&mut received)).unwrap();
        received.data().as_ptr() == message.data().as_ptr()
    };
    let of_size = |len: usize| Message::from_slice(&vec![7; len]).unwrap();
    assert!(!rides(&of_size(REFERENCE_MIN - 1)) && rides(&of_size(REFERENCE_MIN)));
    assert!(Payload::of(&of_size(LARGE_BODY - 1)).copied_for_connections().is_some());
    assert!(Payload::of(&of_size(LARGE_BODY)).copied_for_connections().is_none());
}

#[test]
fn connections_that_come_and_go_without_a_message_leave_one_record() {
    use crate::message::Metadata;
    let peer = |fd: i32| Record::Peer(Metadata::new(fd, []).unwrap());
    let mut batch = Batch::default();
    let count = |batch: &mut Batch| std::iter::from_fn(|| batch.pop()).count();
    for fd in 0..100 {
        batch.push_record(peer(fd)).unwrap();
        batch.push_record(Record::RoutingId("same".into())).unwrap();
    }
    assert_eq!(count(&mut batch), 2);
    for id in ["first", "second"] {
        // Old peers have no properties.
        batch.push_record(Record::RoutingId(id.into())).unwrap();
    }
    assert!(matches!(batch.pop(), Some(Item::Record(Record::RoutingId(id))) if id == "second"));
    assert_eq!(count(&mut batch), 0);
    for fd in 0..3 {
        batch.push_record(peer(fd)).unwrap();
        batch.push_frame(b"message", false).unwrap();
        batch.push_record(Record::Subscribe("topic".into())).unwrap();
    }
    assert_eq!(count(&mut batch), 9, "what else came stays where it is");
}

/// What a batch holds, in order.
fn contents(mut batch: Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(item) = batch.pop() {
        match item {
            Item::Bytes(chunk) => bytes.extend_from_slice(&chunk),
            Item::Body(body, more) => {
                bytes.push(u8::from(more));
                bytes.extend_from_slice(&body);
            }
            Item::Run(frames) => bytes.extend_from_slice(&frames),
            Item::Record(record) => bytes.extend_from_slice(format!("{record:?}").as_bytes()),
        }
    }
    bytes
}

/// The batch that is there, and what is moved behind it: frames in a chunk, a body by reference, a record, and frames again.
fn two_batches() -> (Batch, Batch) {
    let (mut first, mut second) = (Batch::default(), Batch::default());
    first.push_frame(&[1; 40], false).unwrap();
    second.push_frame(&[2; 700], true).unwrap();
    second.push_body(Body::from_slice(&[3; 2000]).unwrap(), false).unwrap();
    second
        .push_record(Record::RoutingId(Bytes::from_static(b"name")))
        .unwrap();
    second.push_frame(&[4; 300], false).unwrap();
    (first, second)
}

#[test]
fn where_memory_ends_a_batch_moves_as_a_whole_or_not_at_all() {
    let (first, second) = two_batches();
    let (before, moved) = (contents(first), contents(second));
    let whole = [before.clone(), moved.clone()].concat();
    let mut refusals = 0;
    for granted in 0.. {
        let (mut first, mut second) = two_batches();
        let messages = (first.messages(), second.messages());
        let (result, refused) = shortage::after(granted, 1, || first.append(&mut second));
        match result {
            Ok(()) => assert_eq!(
                (first.messages(), contents(first)),
                (messages.0 + messages.1, whole.clone())
            ),
            Err(_) => {
                assert_ne!(refused, 0, "an error without a reason");
                assert_eq!((first.messages(), contents(first)), (messages.0, before.clone()));
                assert_eq!((second.messages(), contents(second)), (messages.1, moved.clone()));
            }
        }
        refusals += refused;
        if refused == 0 {
            break;
        }
    }
    assert_ne!(refusals, 0, "nothing was refused");
}
