//! The C interface, as the targets call it: what `include/zmq.h` declares. Functions that take nothing but handles and numbers are safe to
//! call with any, because no handle is read through; the others are as unsafe as C has them.
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "a handle is a pointer that nobody reads through"
)]

use std::ffi::{CStr, c_char, c_int, c_long, c_short, c_void};
use std::mem::MaybeUninit;

use monocoque::constants::*;

/// `zmq_msg_t`.
#[repr(C, align(8))]
pub struct Message([MaybeUninit<u8>; 64]);

impl Message {
    /// Memory for a message, with arbitrary content.
    pub const fn memory() -> Message {
        Message([MaybeUninit::uninit(); 64])
    }
}

/// `zmq_pollitem_t`.
#[repr(C)]
pub struct PollItem {
    pub socket: *mut c_void,
    pub fd: c_int,
    pub events: c_short,
    pub revents: c_short,
}

/// `zmq_free_fn`.
pub type Free = unsafe extern "C" fn(*mut c_void, *mut c_void);

unsafe extern "C" {
    pub safe fn zmq_errno() -> c_int;
    pub safe fn zmq_ctx_new() -> *mut c_void;
    pub safe fn zmq_ctx_term(context: *mut c_void) -> c_int;
    pub safe fn zmq_ctx_shutdown(context: *mut c_void) -> c_int;
    pub safe fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub safe fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int;
    pub safe fn zmq_socket(context: *mut c_void, socket_type: c_int) -> *mut c_void;
    pub safe fn zmq_close(socket: *mut c_void) -> c_int;
    pub safe fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int;
    pub fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, length: usize) -> c_int;
    pub fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, length: *mut usize) -> c_int;
    pub fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int;
    pub fn zmq_send(socket: *mut c_void, bytes: *const c_void, length: usize, flags: c_int) -> c_int;
    pub fn zmq_recv(socket: *mut c_void, bytes: *mut c_void, length: usize, flags: c_int) -> c_int;
    pub fn zmq_poll(items: *mut PollItem, count: c_int, timeout_ms: c_long) -> c_int;
    pub fn zmq_msg_init(message: *mut Message) -> c_int;
    pub fn zmq_msg_init_size(message: *mut Message, length: usize) -> c_int;
    pub fn zmq_msg_init_data(
        message: *mut Message,
        data: *mut c_void,
        length: usize,
        free: Option<Free>,
        hint: *mut c_void,
    ) -> c_int;
    pub fn zmq_msg_close(message: *mut Message) -> c_int;
    pub fn zmq_msg_move(to: *mut Message, from: *mut Message) -> c_int;
    pub fn zmq_msg_copy(to: *mut Message, from: *mut Message) -> c_int;
    pub fn zmq_msg_data(message: *mut Message) -> *mut c_void;
    pub fn zmq_msg_size(message: *const Message) -> usize;
    pub fn zmq_msg_get(message: *const Message, property: c_int) -> c_int;
    pub fn zmq_msg_set(message: *mut Message, property: c_int, value: c_int) -> c_int;
    pub fn zmq_msg_gets(message: *const Message, name: *const c_char) -> *const c_char;
    pub fn zmq_msg_send(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    pub fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int;
    pub fn zmq_z85_encode(text: *mut c_char, data: *const u8, length: usize) -> *mut c_char;
    pub fn zmq_z85_decode(data: *mut u8, text: *const c_char) -> *mut u8;
}

/// Sets an option; 0 or -1.
pub fn set_option(socket: *mut c_void, option: c_int, value: &[u8]) -> c_int {
    // SAFETY: the value is borrowed for the call.
    unsafe { zmq_setsockopt(socket, option, value.as_ptr().cast(), value.len()) }
}

/// As [`set_option`], of a number.
pub fn set_number(socket: *mut c_void, option: c_int, value: c_int) -> c_int {
    set_option(socket, option, &value.to_ne_bytes())
}

/// Reads an option into memory of this size: what it holds, or the error number. Behind what is told there are zeros or what was
/// there before, and where it fails nothing is written.
pub fn option(socket: *mut c_void, option: c_int, room: usize) -> Result<Vec<u8>, c_int> {
    const UNTOUCHED: u8 = 0xa5;
    let (mut memory, mut length) = (vec![UNTOUCHED; room], room);
    // SAFETY: both are borrowed for the call, and the length is that of the memory.
    let result = unsafe { zmq_getsockopt(socket, option, memory.as_mut_ptr().cast(), &mut length) };
    if result != 0 {
        assert_eq!(length, room, "the length of option {option} that could not be read");
        length = 0;
    }
    assert!(length <= room, "option {option} is longer than the memory");
    let behind = &memory[length..];
    let is_cleared = result == 0 && behind.iter().all(|octet| *octet == 0);
    assert!(
        is_cleared || behind.iter().all(|octet| *octet == UNTOUCHED),
        "memory behind option {option}"
    );
    memory.truncate(length);
    if result == 0 { Ok(memory) } else { Err(zmq_errno()) }
}

/// As [`option`], of a number.
pub fn number(socket: *mut c_void, number: c_int) -> Result<c_int, c_int> {
    option(socket, number, size_of::<c_int>()).map(|value| {
        let value = value.first_chunk().expect("an int");
        c_int::from_ne_bytes(*value)
    })
}

/// Where the socket listens.
pub fn last_endpoint(socket: *mut c_void) -> Option<Vec<u8>> {
    let text = option(socket, ZMQ_LAST_ENDPOINT, 256).ok()?;
    let text = CStr::from_bytes_with_nul(&text).expect("a text").to_bytes();
    (!text.is_empty()).then(|| text.to_vec())
}
