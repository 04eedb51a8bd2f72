//! Programs that a seed has shown to be hard, written out.
//!
//! Each runs alone in its world, where nothing happens but what is written here.

use std::collections::HashSet;

use super::calls::{Answer, Context, Socket};
use super::run_world;
use crate::constants::*;
use crate::sys::shortage;
use crate::sys::simulation::{self, Faults};

const ENDPOINT: &str = "tcp://127.0.0.1:5000";

/// Runs a program in a world without faults.
fn run(program: impl FnOnce(&Context) + Send + 'static) {
    run_in_pieces(100_000, program);
}

/// As [`run`], where no more than so many bytes are under way.
fn run_in_pieces(buffer_max: usize, program: impl FnOnce(&Context) + Send + 'static) {
    let faults = Faults {
        buffer_max,
        ..Faults::default()
    };
    let program = move || {
        let context = Context::new(1);
        program(&context);
        context.terminate().expect("zmq_ctx_term");
        simulation::pass(1_000_000);
    };
    assert_eq!(run_world(1, faults, program).0, Vec::<String>::new());
}

fn open(context: &Context, kind: i32) -> Socket {
    let socket = Socket::open(context, kind);
    socket.set(ZMQ_LINGER, 0);
    socket.set(ZMQ_RCVTIMEO, 1_000);
    socket.set(ZMQ_SNDTIMEO, 1_000);
    socket
}

fn text(received: Answer<(Vec<u8>, bool)>) -> Answer<String> {
    received.map(|(part, _)| String::from_utf8(part).expect("text"))
}

/// Under ZMQ_IMMEDIATE a connection has a pipe of its own. What came over the one before is read later, and that pipe goes then.
/// What comes over the new one is received all the same.
#[test]
fn a_pipe_that_is_read_late_takes_no_other_with_it() {
    run(|context| {
        let (push, pull) = (open(context, ZMQ_PUSH), open(context, ZMQ_PULL));
        pull.set(ZMQ_IMMEDIATE, 1);
        pull.set(ZMQ_RECONNECT_IVL, 1);
        push.bind(ENDPOINT).unwrap();
        pull.connect(ENDPOINT).unwrap();
        push.send(b"before", 0).unwrap();
        // Long enough for the reactor to have read it.
        simulation::pass(50_000_000);
        simulation::break_all(libc::ECONNRESET);
        simulation::pass(50_000_000);
        push.send(b"behind", 0).unwrap();
        assert_eq!(text(pull.receive(0)), Ok("before".to_owned()));
        assert_eq!(text(pull.receive(0)), Ok("behind".to_owned()));
        push.send(b"after", 0).unwrap();
        assert_eq!(text(pull.receive(0)), Ok("after".to_owned()));
        push.close().unwrap();
        pull.close().unwrap();
    });
}

/// What a connection has brought is received, also beyond the high-water mark, when a write finds that the connection is over.
#[test]
fn what_was_read_is_received_though_the_connection_fails() {
    run(|context| {
        let (push, pull) = (open(context, ZMQ_PUSH), open(context, ZMQ_PULL));
        pull.set(ZMQ_RCVHWM, 1);
        pull.set(ZMQ_HEARTBEAT_IVL, 50);
        pull.set(ZMQ_HEARTBEAT_TIMEOUT, 10_000);
        // They wait for the connection, and go with one write.
        push.set(ZMQ_RECONNECT_IVL, 1);
        push.connect(ENDPOINT).unwrap();
        let messages = ["1", "2", "3", "4", "5"];
        for message in messages {
            push.send(message.as_bytes(), 0).unwrap();
        }
        pull.bind(ENDPOINT).unwrap();
        // They are read; the next thing to happen is a PING.
        simulation::pass(30_000_000);
        simulation::break_all(libc::ETIMEDOUT);
        simulation::pass(40_000_000);
        for message in messages {
            assert_eq!(text(pull.receive(0)), Ok(message.to_owned()));
        }
        push.close().unwrap();
        pull.close().unwrap();
    });
}

/// Who waits without a limit is woken by the reactor, where that reads for the socket.
#[test]
fn who_waits_is_woken() {
    run(|context| {
        let (push, pull) = (open(context, ZMQ_PUSH), open(context, ZMQ_PULL));
        pull.set(ZMQ_RCVTIMEO, -1);
        // The program may wait for the descriptor: no call reads the connection.
        pull.get(ZMQ_FD).unwrap();
        push.connect(ENDPOINT).unwrap();
        push.send(b"late", 0).unwrap();
        pull.bind(ENDPOINT).unwrap();
        assert_eq!(text(pull.receive(0)), Ok("late".to_owned()));
        push.set(ZMQ_LINGER, -1);
        push.send(b"last", 0).unwrap();
        push.close().unwrap();
        assert_eq!(text(pull.receive(0)), Ok("last".to_owned()));
        pull.close().unwrap();
    });
}

/// Bytes that have not been read from any connection.
fn unread() -> usize {
    simulation::flows(|flows| flows.map(|flow| flow.bytes.len() - flow.read).sum())
}

/// Has one socket ask and the other answer, and 30 ms pass: a program with many sockets is back at this one by then.
fn go_round(dealer: &Socket, router: &Socket) {
    dealer.send(b"question", 0).unwrap();
    let (routing_id, _) = router.receive(0).unwrap();
    assert_eq!(text(router.receive(0)), Ok("question".to_owned()));
    router.send(&routing_id, ZMQ_SNDMORE).unwrap();
    router.send(b"answer", 0).unwrap();
    simulation::pass(30_000_000);
}

/// Of a program that comes back to its socket within some 50 ms, to find each answer there, the calls read. When it
/// stays away, the reactor does.
#[test]
fn who_goes_round_reads() {
    run(|context| {
        let (dealer, router) = (open(context, ZMQ_DEALER), open(context, ZMQ_ROUTER));
        router.bind(ENDPOINT).unwrap();
        dealer.connect(ENDPOINT).unwrap();
        dealer.set(ZMQ_RCVTIMEO, 1);
        dealer.receive(0).expect_err("nothing was sent");
        for round in 0..10 {
            go_round(&dealer, &router);
            if round > 3 {
                assert_ne!(unread(), 0, "round {round}: the reactor has read");
            }
            assert_eq!(text(dealer.receive(0)), Ok("answer".to_owned()));
        }
        go_round(&dealer, &router);
        simulation::pass(150_000_000);
        assert_eq!(unread(), 0, "nobody has read");
        assert_eq!(text(dealer.receive(0)), Ok("answer".to_owned()));
        dealer.close().unwrap();
        router.close().unwrap();
    });
}

/// Not where PINGs are to be answered in time.
#[test]
fn heartbeats_do_not_wait_for_who_goes_round() {
    run(|context| {
        let (dealer, router) = (open(context, ZMQ_DEALER), open(context, ZMQ_ROUTER));
        router.set(ZMQ_HEARTBEAT_IVL, 40);
        router.bind(ENDPOINT).unwrap();
        dealer.connect(ENDPOINT).unwrap();
        dealer.set(ZMQ_RCVTIMEO, 1);
        dealer.receive(0).expect_err("nothing was sent");
        for round in 0..20 {
            go_round(&dealer, &router);
            if round > 10 {
                assert_eq!(unread(), 0, "round {round}: what arrives waits for the program");
            }
            assert_eq!(text(dealer.receive(0)), Ok("answer".to_owned()));
        }
        dealer.close().unwrap();
        router.close().unwrap();
    });
}

/// A part of a message of two, which all differ, so that a receiver can tell whether one was cut.
fn part_of(number: u32, part: u32) -> Vec<u8> {
    let mut bytes = vec![number as u8; 300 + 2200 * (1 - part as usize) + 150 * (number % 5) as usize];
    bytes[..8].copy_from_slice(&(u64::from(number) << 32 | u64::from(part)).to_ne_bytes());
    bytes
}

/// Receives what comes, and notes the numbers.
fn receive_all(pull: &Socket, received: &mut HashSet<u32>) {
    while let Ok((first, more)) = pull.receive(0) {
        let number = u32::from_ne_bytes(first[4..8].try_into().unwrap());
        assert!(received.insert(number) && more, "{number} again");
        let second = pull.receive(ZMQ_DONTWAIT).unwrap();
        assert!(
            first == part_of(number, 0) && second == (part_of(number, 1), false),
            "{number} is cut"
        );
    }
}

/// Wherever memory ends while a connection is read, no message is cut, and none comes twice.
#[test]
fn where_memory_ends_messages_stay_whole() {
    const MESSAGES: u32 = 60;
    // What the calls themselves make is smaller than chunks are.
    const CHUNK: usize = 4096;
    let mut refusals = 0;
    for (granted, piece) in
        (0..10).flat_map(|granted| [1_000, 1_700, 3_000, 9_000, 100_000].map(|piece| (granted, piece)))
    {
        let (tell, told) = std::sync::mpsc::channel();
        run_in_pieces(piece, move |context| {
            let (push, pull) = (open(context, ZMQ_PUSH), open(context, ZMQ_PULL));
            push.set(ZMQ_RECONNECT_IVL, 1);
            push.connect(ENDPOINT).unwrap();
            pull.bind(ENDPOINT).unwrap();
            pull.set(ZMQ_RCVTIMEO, 100);
            let send = |number| {
                push.send(&part_of(number, 0), ZMQ_SNDMORE).unwrap();
                push.send(&part_of(number, 1), 0).unwrap();
            };
            send(0);
            assert_eq!(
                [pull.receive(0).unwrap().0, pull.receive(0).unwrap().0],
                [0, 1].map(|part| part_of(0, part))
            );
            (1..MESSAGES).for_each(send);
            // Each connection has a pipe of its own, and these take turns.
            let mut received = HashSet::from([0]);
            let ((), refused) = shortage::after(granted, CHUNK, || receive_all(&pull, &mut received));
            receive_all(&pull, &mut received);
            let all = received.len() == MESSAGES as usize;
            assert!(all || refused > 0, "{received:?} came, and memory there was");
            tell.send(refused).unwrap();
            push.close().unwrap();
            pull.close().unwrap();
        });
        refusals += told.recv().unwrap();
    }
    assert_ne!(refusals, 0, "nothing was refused");
}
