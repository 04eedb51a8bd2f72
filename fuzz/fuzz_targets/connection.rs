//! A peer that is a plain socket, at a PULL of the whole library: the first octet chooses the version of the protocol whose handshake goes
//! before the input, and a limit of the message's size, and the second into which pieces the input is cut. The PULL receives the messages
//! that a slow and simple reading of the same bytes finds before anything that is no frame, and no others.
#![no_main]

use std::ffi::{CString, c_int, c_void};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use monocoque::constants::*;
use monocoque::zmtp::{
    Framing, Handshake, HandshakeConfig, Progress, RANDOM, Security, decode_header, decode_old_header, pairs,
};
use monocoque_fuzz::*;

const SIZE_MAX: u64 = 50;
/// The library takes no longer command (`src/session/reader.rs`), and ZMQ_MAXMSGSIZE holds for commands, too.
const COMMAND_MAX: u64 = 64 * 1024;
/// Nothing takes so long but what hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Shared(*mut c_void);
// SAFETY: a context may be used by all threads.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

static CONTEXT: LazyLock<Shared> = LazyLock::new(|| Shared(zmq_ctx_new()));

type Messages = Vec<Vec<Vec<u8>>>;

/// What goes before the input: the handshake of a PUSH of ZMTP 3.1, 2.0 or 1.0, or nothing.
fn beginning(selector: u8) -> Vec<u8> {
    const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";
    const PUSH: u8 = 8;
    match selector % 4 {
        0 => Vec::new(),
        1 => {
            let ready = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH";
            let mut greeting = [SIGNATURE, b"\x03\x01NULL"].concat();
            greeting.resize(64, 0);
            [&greeting[..], ready].concat()
        }
        2 => [SIGNATURE, &[1, PUSH], b"\0\0"].concat(),
        _ => b"\x01\0".to_vec(),
    }
}

/// The messages in the bytes of a peer, up to its end or the first thing that is no frame.
fn expected(stream: &[u8], size_max: Option<u64>) -> Messages {
    let config = HandshakeConfig {
        socket_type: "PULL",
        routing_id: None,
        accepts: |theirs| pairs("PULL", theirs),
        properties: Vec::new(),
        security: Security::Null,
        asks: false,
        needs_handler: false,
        body_max: size_max,
    };
    let (mut messages, mut parts) = (Messages::new(), Vec::new());
    let mut handshake = Handshake::new(config, Box::new([0; RANDOM].into()));
    let Ok((consumed, Progress::Done(peer, _))) = handshake.input(stream) else {
        return messages;
    };
    let mut rest = &stream[consumed..];
    loop {
        let header = match peer.framing {
            Framing::Zmtp1 => decode_old_header(rest),
            Framing::Zmtp2 | Framing::Zmtp3 => decode_header(rest),
        };
        let Ok(Some(header)) = header else { return messages };
        let most = if header.command { COMMAND_MAX } else { u64::MAX };
        if header.body_len > most.min(size_max.unwrap_or(u64::MAX)) {
            return messages;
        }
        let Some(body) = rest[header.header_len..].get(..header.body_len as usize) else {
            return messages;
        };
        rest = &rest[header.header_len + body.len()..];
        if !header.command {
            parts.push(body.to_vec());
            if !header.more {
                messages.push(std::mem::take(&mut parts));
            }
        }
    }
}

/// A listening PULL, and where.
fn listen(size_max: Option<u64>) -> (*mut c_void, UnixStream) {
    let socket = zmq_socket(CONTEXT.0, ZMQ_PULL);
    assert!(!socket.is_null());
    assert_eq!(set_number(socket, ZMQ_RCVHWM, 0), 0);
    let size_max = size_max.map_or(-1, |most| most as i64);
    assert_eq!(set_option(socket, ZMQ_MAXMSGSIZE, &size_max.to_ne_bytes()), 0);
    let name = format!("monocoque-fuzz-{}-{}", std::process::id(), socket.addr());
    let endpoint = CString::new(format!("ipc://@{name}")).expect("an endpoint");
    // SAFETY: the endpoint is a string.
    unsafe { assert_eq!(zmq_bind(socket, endpoint.as_ptr()), 0) };
    let address = SocketAddr::from_abstract_name(name).expect("a name");
    let stream = UnixStream::connect_addr(&address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    (socket, stream)
}

/// Reads what is there of a message, all of its parts.
fn receive(socket: *mut c_void) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    loop {
        let mut memory = vec![0_u8; 8192];
        // SAFETY: the memory is borrowed for the call.
        let length = unsafe { zmq_recv(socket, memory.as_mut_ptr().cast(), memory.len(), ZMQ_DONTWAIT) };
        let Ok(length) = usize::try_from(length) else {
            assert!(parts.is_empty(), "a part of a message is there alone");
            assert_eq!(zmq_errno(), libc::EAGAIN);
            return None;
        };
        memory.truncate(length);
        parts.push(memory);
        if number(socket, ZMQ_RCVMORE) == Ok(0) {
            return Some(parts);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[selector, cut], input)) = data.split_first_chunk::<2>() else {
        return;
    };
    let size_max = (selector & 4 != 0).then_some(SIZE_MAX);
    let stream = [&beginning(selector)[..], input].concat();
    let (socket, mut peer) = listen(size_max);
    // Only few pieces are so small, because each is a system call and more.
    let piece = stream.len().div_ceil(1 + usize::from(cut % 8)).max(1);
    for part in stream.chunks(piece) {
        // The library closes the connection at what is no frame, and then nothing more can be written.
        if peer.write_all(part).is_err() {
            break;
        }
    }
    // May have been closed by the other side.
    let _ = peer.shutdown(Shutdown::Write);
    let mut said = [0; 256];
    let mut answers = 0;
    // The end: what was read before that is with the socket. What we cannot have read any more is no end of another kind.
    while let Ok(count @ 1..) = peer.read(&mut said) {
        answers += count;
    }
    assert!(answers <= 128 + stream.len() * 3, "more is answered than was asked");
    let wanted = expected(&stream, size_max);
    let received: Messages = std::iter::from_fn(|| receive(socket)).collect();
    assert_eq!(received, wanted);
    assert_eq!((set_number(socket, ZMQ_LINGER, 0 as c_int), zmq_close(socket)), (0, 0));
});
