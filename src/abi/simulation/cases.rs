//! Programs that a seed has shown to be hard, written out.
//!
//! Each runs alone in its world, where nothing happens but what is written here.

use super::calls::{Answer, Context, Socket};
use super::run_world;
use crate::constants::*;
use crate::sys::simulation::{self, Faults};

const ENDPOINT: &str = "tcp://127.0.0.1:5000";

/// Runs a program in a world without faults.
fn run(program: impl FnOnce(&Context) + Send + 'static) {
    let faults = Faults {
        buffer_max: 100_000,
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
