//! The C interface as the simulated programs call it: the same functions, with their errors as values.

use std::ffi::{CString, c_int, c_void};

use crate::abi::context::{zmq_ctx_new, zmq_ctx_set, zmq_ctx_term};
use crate::abi::message::{zmq_msg_close, zmq_msg_data, zmq_msg_init, zmq_msg_init_size, zmq_msg_more, zmq_msg_size};
use crate::abi::messaging::{zmq_msg_recv, zmq_msg_send, zmq_recv, zmq_send};
use crate::abi::polling::zmq_poll;
use crate::abi::socket::{
    zmq_bind, zmq_close, zmq_connect, zmq_disconnect, zmq_getsockopt, zmq_setsockopt, zmq_socket,
};
use crate::constants::{ZMQ_RCVMORE, ZMQ_SNDMORE};
use crate::message::Message;
use crate::socket::PollItem;
use crate::sys::shortage;
use crate::sys::{errno, simulation};

/// What a call answers; an error is a value of `errno`.
pub type Answer<T> = Result<T, i32>;

/// A part that is longer than this is not received by `zmq_recv` here.
const BUFFER_BYTES: usize = 128 * 1024;

fn answer(result: c_int) -> Answer<c_int> {
    if result < 0 { Err(errno::current()) } else { Ok(result) }
}

/// A context.
pub struct Context(*mut c_void);

impl Context {
    /// zmq_ctx_new, with so many reactors.
    pub fn new(reactors: c_int) -> Context {
        // SAFETY: takes nothing.
        let context = unsafe { zmq_ctx_new() };
        // SAFETY: the pointer is checked.
        let set = unsafe { zmq_ctx_set(context, crate::constants::ZMQ_IO_THREADS, reactors) };
        assert_eq!(set, 0);
        Context(context)
    }

    /// zmq_ctx_term.
    pub fn terminate(&self) -> Answer<c_int> {
        // SAFETY: the pointer is checked.
        answer(unsafe { zmq_ctx_term(self.0) })
    }
}

/// A socket.
#[derive(Clone, Copy)]
pub struct Socket(*mut c_void);

impl Socket {
    /// zmq_socket.
    pub fn open(context: &Context, kind: c_int) -> Socket {
        // SAFETY: the pointer is checked.
        let socket = unsafe { zmq_socket(context.0, kind) };
        assert!(!socket.is_null(), "zmq_socket: {}", errno::current());
        Socket(socket)
    }

    /// zmq_setsockopt with an `int`.
    pub fn set(&self, option: c_int, value: c_int) {
        self.set_bytes(option, &value.to_ne_bytes());
    }

    /// zmq_setsockopt.
    pub fn set_bytes(&self, option: c_int, value: &[u8]) {
        // SAFETY: the value is borrowed for the call.
        let set = unsafe { zmq_setsockopt(self.0, option, value.as_ptr().cast(), value.len()) };
        assert_eq!(set, 0, "zmq_setsockopt {option}: {}", errno::current());
    }

    /// zmq_getsockopt of an `int`.
    pub fn get(&self, option: c_int) -> Answer<c_int> {
        let mut value = 0;
        let mut length = size_of::<c_int>();
        // SAFETY: value and length are live locals.
        let got = unsafe { zmq_getsockopt(self.0, option, (&raw mut value).cast(), &mut length) };
        answer(got).map(|_| value)
    }

    /// zmq_bind.
    pub fn bind(&self, endpoint: &str) -> Answer<c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a live C string.
        answer(unsafe { zmq_bind(self.0, endpoint.as_ptr()) })
    }

    /// zmq_connect.
    pub fn connect(&self, endpoint: &str) -> Answer<c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a live C string.
        answer(unsafe { zmq_connect(self.0, endpoint.as_ptr()) })
    }

    /// zmq_disconnect.
    pub fn disconnect(&self, endpoint: &str) -> Answer<c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a live C string.
        answer(unsafe { zmq_disconnect(self.0, endpoint.as_ptr()) })
    }

    /// Sends a part by `zmq_send`.
    pub fn send(&self, part: &[u8], flags: c_int) -> Answer<c_int> {
        // SAFETY: the part is borrowed for the call.
        answer(unsafe { zmq_send(self.0, part.as_ptr().cast(), part.len(), flags) })
    }

    /// Sends a part by `zmq_msg_send`.
    pub fn send_message(&self, part: &[u8], flags: c_int) -> Answer<c_int> {
        let mut message = Message::new();
        // SAFETY: the message is a live local.
        answer(unsafe { zmq_msg_init_size(&mut message, part.len()) })?;
        // SAFETY: the message was just made with this length.
        unsafe {
            let data = zmq_msg_data(&mut message).cast::<u8>();
            std::ptr::copy_nonoverlapping(part.as_ptr(), data, part.len());
        }
        // SAFETY: the message is a live local.
        let sent = answer(unsafe { zmq_msg_send(&mut message, self.0, flags) });
        // SAFETY: as above.
        unsafe { zmq_msg_close(&mut message) };
        sent
    }

    /// Receives a part by `zmq_recv`: it, and whether more follow.
    pub fn receive(&self, flags: c_int) -> Answer<(Vec<u8>, bool)> {
        let mut buffer = shortage::suspended(|| vec![0; BUFFER_BYTES]);
        // SAFETY: the buffer is borrowed for the call.
        let length = answer(unsafe { zmq_recv(self.0, buffer.as_mut_ptr().cast(), buffer.len(), flags) })?;
        buffer.truncate(length as usize);
        Ok((buffer, self.get(ZMQ_RCVMORE)? != 0))
    }

    /// Receives a part by `zmq_msg_recv`: it, and whether more follow.
    pub fn receive_message(&self, flags: c_int) -> Answer<(Vec<u8>, bool)> {
        let mut message = Message::new();
        // SAFETY: the message is a live local for all of these calls.
        unsafe {
            zmq_msg_init(&mut message);
            answer(zmq_msg_recv(&mut message, self.0, flags))?;
            let (data, length) = (zmq_msg_data(&mut message).cast::<u8>(), zmq_msg_size(&message));
            let part = std::slice::from_raw_parts(data, length).to_vec();
            let more = zmq_msg_more(&message) != 0;
            zmq_msg_close(&mut message);
            Ok((part, more))
        }
    }

    /// zmq_close.
    pub fn close(self) -> Answer<c_int> {
        // SAFETY: the pointer is checked.
        answer(unsafe { zmq_close(self.0) })
    }
}

/// Between two parts the world may go on.
fn pause(ways: u64, place: usize) {
    if place > 0 && ways >> (32 + place % 32) & 3 == 0 {
        simulation::pass(ways >> 8 & 0xf_ffff);
    }
}

/// Sends all parts of a message, each in one of two ways. An error is that of the first part.
pub fn send_parts(socket: Socket, parts: &[Vec<u8>], flags: c_int, ways: u64) -> Answer<()> {
    for (place, part) in parts.iter().enumerate() {
        pause(ways, place);
        let more = if place + 1 < parts.len() { ZMQ_SNDMORE } else { 0 };
        let sent = match ways >> place & 1 {
            0 => socket.send(part, flags | more),
            _ => socket.send_message(part, flags | more),
        };
        match sent {
            Err(errno) if place == 0 => return Err(errno),
            // The rest of a message is never refused; a signal may interrupt nothing that waits.
            Err(errno) => panic!("part {place} of {} was refused: {errno}", parts.len()),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Receives all parts of a message. The first may be waited for.
pub fn receive_parts(socket: Socket, flags: c_int, ways: u64) -> Answer<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    loop {
        pause(ways, parts.len());
        let received = match ways >> (parts.len() % 64) & 1 {
            0 => socket.receive(flags),
            _ => socket.receive_message(flags),
        };
        match received {
            Err(errno) if parts.is_empty() => return Err(errno),
            Err(errno) => panic!("part {} of a message is missing: {errno}", parts.len()),
            Ok((part, more)) => {
                parts.push(part);
                if !more {
                    return Ok(parts);
                }
            }
        }
    }
}

/// Waits for events of several sockets: which of them are ready for what.
pub fn poll(sockets: &[(Socket, i16)], timeout_ms: i64) -> Answer<Vec<i16>> {
    let mut items: Vec<PollItem> = sockets
        .iter()
        .map(|(socket, events)| PollItem {
            socket: socket.0,
            fd: -1,
            events: *events,
            revents: 0,
        })
        .collect();
    // SAFETY: the items are live for the call.
    answer(unsafe { zmq_poll(items.as_mut_ptr(), items.len() as c_int, timeout_ms) })?;
    Ok(items.iter().map(|item| item.revents).collect())
}
