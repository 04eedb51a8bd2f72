//! Options of sockets, contexts and messages through the C interface: the first octet chooses the socket's type and whether it has a peer,
//! and the rest are calls with any number, length and content. What is set reads back so that it can be set again, what is refused
//! changes nothing, and no memory but the caller's is written.
#![no_main]

use std::ffi::{CString, c_int, c_void};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use monocoque::constants::*;
use monocoque::options::{Kind, ROWS, row};
use monocoque_fuzz::*;

/// Memory for a number of either size, a key, and a text of any option but one that was set to more.
const ROOMS: [usize; 4] = [4, 8, 32, 512];
/// So many calls of one input.
const CALLS_MAX: usize = 64;

struct Shared(*mut c_void);
// SAFETY: a context may be used by all threads.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// What sockets belong to; it lives as long as the process.
static CONTEXT: LazyLock<Shared> = LazyLock::new(|| Shared(zmq_ctx_new()));

/// The calls, taken from the input octet by octet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(self.0.len().min(count));
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> c_int {
        let mut octets = [0; 4];
        let taken = self.take(4);
        octets[..taken.len()].copy_from_slice(taken);
        c_int::from_le_bytes(octets)
    }

    /// An option that there is, or any number.
    fn option(&mut self) -> c_int {
        match usize::from(self.octet()) {
            place if place < ROWS.len() => ROWS[place].number,
            _ => self.number(),
        }
    }
}

/// What an option says, by each length of the caller's memory. Of an option that acts on the socket two readings differ for other reasons
/// than being set.
fn reading(socket: *mut c_void, number: c_int) -> Vec<Result<Vec<u8>, c_int>> {
    let is_state = [ZMQ_EVENTS, ZMQ_FD, ZMQ_RCVMORE].contains(&number);
    let rooms = if is_state { &[] } else { &ROOMS[..] };
    rooms.iter().map(|&room| option(socket, number, room)).collect()
}

fn set(socket: *mut c_void, socket_type: c_int, number: c_int, value: Option<&[u8]>) {
    let before = reading(socket, number);
    let result = match value {
        Some(value) => set_option(socket, number, value),
        // SAFETY: the library takes NULL for no value.
        None => unsafe { zmq_setsockopt(socket, number, std::ptr::null(), 0) },
    };
    if result != 0 {
        assert_eq!(
            (result, zmq_errno()),
            (-1, libc::EINVAL),
            "option {number} of type {socket_type}"
        );
        assert_eq!(reading(socket, number), before, "option {number}, which was refused");
        return;
    }
    let row = row(number).expect("only what there is can be set");
    assert!(row.can_be_set_on(socket_type), "{} of type {socket_type}", row.name);
    let is_number = matches!(
        row.kind,
        Kind::Int { .. } | Kind::Truth | Kind::Deciseconds | Kind::NotIpv6 | Kind::Wide | Kind::Role { .. }
    );
    if is_number && row.can_be_read() {
        let held = reading(socket, number);
        let value = held
            .iter()
            .find_map(|value| value.as_ref().ok())
            .expect("what can be read");
        assert_eq!(
            set_option(socket, number, value),
            0,
            "{} does not take what it reads",
            row.name
        );
        assert_eq!(reading(socket, number), held, "{}", row.name);
    }
}

fn read(socket: *mut c_void, number: c_int, room: usize) {
    match option(socket, number, room) {
        Ok(value) => {
            let row = row(number).expect("only what there is can be read");
            assert!(row.can_be_read() && value.len() <= room);
        }
        Err(errno) => assert_eq!(errno, libc::EINVAL, "option {number}"),
    }
}

fn on_context(context: *mut c_void, option: c_int, value: c_int) {
    let before = zmq_ctx_get(context, option);
    let result = zmq_ctx_set(context, option, value);
    let after = zmq_ctx_get(context, option);
    if result != 0 {
        assert_eq!((result, zmq_errno()), (-1, libc::EINVAL), "context option {option}");
        assert_eq!(before, after, "context option {option}, which was refused");
    } else if after != before {
        // Some keep no more than whether it is 0.
        assert!(
            after == value || after == c_int::from(value != 0),
            "context option {option}"
        );
    }
}

fn on_message(message: &mut Message, property: c_int, value: c_int, name: &[u8]) {
    // SAFETY: the message is live, and the name a string.
    unsafe {
        assert_eq!((zmq_msg_set(message, property, value), zmq_errno()), (-1, libc::EINVAL));
        let read = zmq_msg_get(message, property);
        match property {
            ZMQ_MORE | ZMQ_SHARED => assert_eq!(read, 0),
            ZMQ_SRCFD => assert_eq!(read, -1),
            _ => assert_eq!((read, zmq_errno()), (-1, libc::EINVAL), "property {property}"),
        }
        if let Ok(name) = CString::new(name) {
            assert!(zmq_msg_gets(message, name.as_ptr()).is_null());
            assert_eq!(zmq_errno(), libc::EINVAL);
        }
        assert_eq!(zmq_msg_size(message), 3);
    }
}

/// A socket of the type that talks to this one.
fn peer_of(socket_type: c_int) -> c_int {
    match socket_type {
        ZMQ_PUB => ZMQ_SUB,
        ZMQ_SUB => ZMQ_PUB,
        ZMQ_REQ => ZMQ_ROUTER,
        ZMQ_REP | ZMQ_ROUTER => ZMQ_DEALER,
        ZMQ_DEALER => ZMQ_ROUTER,
        ZMQ_PULL => ZMQ_PUSH,
        ZMQ_PUSH => ZMQ_PULL,
        ZMQ_XPUB => ZMQ_XSUB,
        ZMQ_XSUB => ZMQ_XPUB,
        other => other,
    }
}

/// A message goes each way, if it can. What was set may keep either from it.
fn exchange(ends: [*mut c_void; 2]) {
    let mut memory = [0_u8; 8];
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        // SAFETY: the memory is borrowed for the calls.
        unsafe {
            zmq_send(from, b"\x01m".as_ptr().cast(), 2, ZMQ_DONTWAIT);
            let length = zmq_recv(to, memory.as_mut_ptr().cast(), memory.len(), ZMQ_DONTWAIT);
            assert!(length >= -1);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let selector = input.octet();
    let socket_type = c_int::from(selector & 15) % (ZMQ_STREAM + 1);
    let socket = zmq_socket(CONTEXT.0, socket_type);
    let peer = zmq_socket(CONTEXT.0, peer_of(socket_type));
    assert!(!socket.is_null() && !peer.is_null());
    let has_peer = selector & 16 != 0 && socket_type != ZMQ_STREAM;
    if has_peer {
        let name = CString::new(format!("inproc://{}", socket.addr())).expect("a name");
        // SAFETY: the name is a string.
        unsafe {
            assert_eq!(
                (zmq_bind(peer, name.as_ptr()), zmq_connect(socket, name.as_ptr())),
                (0, 0)
            )
        };
    }
    let context = zmq_ctx_new();
    let mut message = Message::memory();
    // SAFETY: the memory is a message's.
    unsafe { assert_eq!(zmq_msg_init_size(&mut message, 3), 0) };
    for _ in 0..CALLS_MAX {
        if input.0.is_empty() {
            break;
        }
        match input.octet() % 8 {
            0..=2 => {
                let (number, length) = (input.option(), usize::from(input.octet()));
                set(socket, socket_type, number, (length != 255).then(|| input.take(length)));
            }
            3 => {
                let (number, value) = (input.option(), input.octet() as i8);
                set(socket, socket_type, number, Some(&c_int::from(value).to_ne_bytes()));
            }
            4 => read(socket, input.option(), usize::from(input.octet())),
            5 => {
                let option = c_int::from(input.octet() as i8);
                on_context(context, option, input.number());
            }
            6 => {
                let (property, value) = (c_int::from(input.octet() as i8), input.number());
                on_message(&mut message, property, value, input.take(8));
            }
            _ if has_peer => exchange([socket, peer]),
            _ => {}
        }
    }
    // SAFETY: the message is live.
    unsafe { assert_eq!(zmq_msg_close(&mut message), 0) };
    assert_eq!(
        [set_number(socket, ZMQ_LINGER, 0), set_number(peer, ZMQ_LINGER, 0)],
        [0, 0]
    );
    assert_eq!([zmq_close(socket), zmq_close(peer), zmq_ctx_term(context)], [0, 0, 0]);
    assert_eq!((zmq_close(socket), zmq_errno()), (-1, libc::ENOTSOCK));
});
