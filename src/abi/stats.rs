//! What a socket counts and whom it is connected to, for programs that ask: an addition to libzmq's interface.
//!
//! The structures begin with their size as the caller knows it, so that later versions can add to their ends.

use std::ffi::{c_char, c_int, c_void};
use std::mem::size_of;

use crate::entry;
use crate::error::{Error, Result};
use crate::pipe::Traffic;
use crate::socket::{self, PeerStats, Stats};

/// The counters of a socket since it was made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SocketStats {
    /// `sizeof (monocoque_socket_stats_t)`, set by the caller; afterwards so many bytes are filled in.
    pub size: usize,
    /// The peers that there are now: connections, pipes to sockets of the same process, and connections that are to be made again.
    pub peers: u64,
    /// Connections whose handshake was completed, and pipes to sockets of the same process.
    pub connections: u64,
    /// Of those, the ones that took the place of a connection that was lost.
    pub reconnects: u64,
    /// Connections that the peer or an error ended.
    pub disconnects: u64,
    /// Bytes that those peers' kernels had not confirmed at the end of their connections over tcp: among them are messages, or parts of
    /// them, that count as `delivered`. What a peer's kernel had and its program did not read nobody can tell.
    pub unconfirmed_bytes: u64,
    /// Events of zmq_socket_monitor that nobody gets: there was no room for them, or no reader had come when the monitor ended.
    pub unheard_events: u64,
    /// Messages: all peers that there are and were.
    pub messages: Traffic,
}

/// One peer of a socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PeerEntry {
    /// `sizeof (monocoque_peer_t)`, as it was given in the call.
    pub size: usize,
    /// One of the `MONOCOQUE_PEER_*` constants.
    pub state: i32,
    /// Bytes of `routing_id` that are used.
    pub routing_id_size: u32,
    /// What a ROUTER or STREAM addresses it by; otherwise the ZMQ_ROUTING_ID that it sent.
    pub routing_id: [u8; 256],
    /// The endpoint that was connected to, or was bound and the peer has come to. Texts are cut where they do not fit, and end with 0.
    pub endpoint: [c_char; 256],
    /// Its address as the property `Peer-Address` (zmq_msg_gets) has it; empty over inproc, and without a connection.
    pub address: [c_char; 128],
    /// Its socket type as the property `Socket-Type` has it; empty if it is not known.
    pub socket_type: [c_char; 16],
    /// `NULL`, `PLAIN`, `CURVE` or `GSSAPI`; empty over inproc.
    pub mechanism: [c_char; 16],
    /// Connections to it that were completed, this one included.
    pub connections: u64,
    /// Messages to and from it. Its `dropped_unroutable` is 0: what has no way to go belongs to no peer.
    pub messages: Traffic,
}

impl SocketStats {
    fn new(stats: &Stats) -> SocketStats {
        SocketStats {
            size: size_of::<SocketStats>(),
            peers: stats.peers,
            connections: stats.connections,
            reconnects: stats.reconnects,
            disconnects: stats.disconnects,
            unconfirmed_bytes: stats.unconfirmed_bytes,
            unheard_events: stats.unheard_events,
            messages: stats.traffic,
        }
    }
}

impl PeerEntry {
    fn new(peer: &PeerStats) -> PeerEntry {
        let info = &peer.info;
        let mut routing_id = [0; 256];
        let used = info.routing_id.len().min(routing_id.len());
        routing_id[..used].copy_from_slice(&info.routing_id[..used]);
        PeerEntry {
            size: size_of::<PeerEntry>(),
            state: info.state as i32,
            routing_id_size: used as u32,
            routing_id,
            endpoint: text(&info.endpoint),
            address: text(info.address.as_bytes()),
            socket_type: text(&info.socket_type),
            mechanism: text(info.mechanism.as_bytes()),
            connections: info.connections,
            messages: peer.traffic,
        }
    }
}

/// A text with a 0 behind it, cut to what there is room for.
fn text<const SIZE: usize>(bytes: &[u8]) -> [c_char; SIZE] {
    let mut text = [0; SIZE];
    for (to, from) in text[..SIZE - 1].iter_mut().zip(bytes) {
        *to = *from as c_char;
    }
    text
}

/// Puts as much of `value` where the caller wants it as the caller knows of, `size` bytes; the first of them are the size.
///
/// # Safety
/// `to` points to `size` writable bytes, which need not be aligned.
unsafe fn put<T: Copy>(value: &T, to: *mut u8, size: usize) {
    let filled = size.min(size_of::<T>());
    // SAFETY: both places have so many bytes, and the caller's is no part of `value`, which lives here.
    unsafe {
        std::ptr::from_ref(value)
            .cast::<u8>()
            .copy_to_nonoverlapping(to, filled);
        to.cast::<usize>().write_unaligned(filled);
    }
}

/// What the first version of a structure had must be there.
fn check(size: usize, least: usize) -> Result<()> {
    if size < least { Err(Error::Invalid) } else { Ok(()) }
}

entry! {
    /// Fills `stats` in with the counters of a socket, at any time and from any thread. Its `size` is to be set to that of the structure.
    /// 0, or -1 with `EFAULT`, `EINVAL` for a `size` that is too small, or `ENOTSOCK`. Not part of libzmq.
    ///
    /// # Safety
    /// `stats` is NULL or points to a `size`, and to as many writable bytes as that says.
    pub unsafe fn monocoque_socket_stats(socket: *mut c_void, stats: *mut SocketStats) -> c_int, on_error -1 => {
        let reference = socket::find(socket)?;
        if stats.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: as the caller promises.
        let size = unsafe { stats.cast::<usize>().read_unaligned() };
        check(size, size_of::<SocketStats>())?;
        let found = SocketStats::new(&reference.lock().ok_or(Error::NotSocket)?.stats());
        // SAFETY: as the caller promises.
        unsafe { put(&found, stats.cast(), size) };
        Ok(0)
    }
}

entry! {
    /// Lists the peers of a socket, at any time and from any thread. `peers` has room for `*count` entries of `peer_size` bytes each,
    /// which is to be `sizeof (monocoque_peer_t)`; it may be NULL if `*count` is 0. Afterwards `*count` is how many peers there are: with
    /// more than there was room for, the others are left out. Connections that were accepted are listed once their handshake is complete.
    /// 0, or -1 with `EFAULT`, `EINVAL` for a `peer_size` that is too small, or `ENOTSOCK`. Not part of libzmq.
    ///
    /// # Safety
    /// `count` is NULL or points to a `size_t`, and `peers` to so many entries of `peer_size` writable bytes.
    pub unsafe fn monocoque_socket_peers(socket: *mut c_void, peers: *mut PeerEntry, peer_size: usize, count: *mut usize) -> c_int, on_error -1 => {
        let reference = socket::find(socket)?;
        if count.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: as the caller promises.
        let room = unsafe { *count };
        if peers.is_null() && room > 0 {
            return Err(Error::Fault);
        }
        check(peer_size, size_of::<PeerEntry>())?;
        let mut found = 0;
        reference.lock().ok_or(Error::NotSocket)?.peers(|peer| {
            if found < room {
                // SAFETY: as the caller promises, there is an entry at this place.
                unsafe { put(&PeerEntry::new(&peer), peers.cast::<u8>().add(found * peer_size), peer_size) };
            }
            found += 1;
        });
        // SAFETY: as the caller promises.
        unsafe { *count = found };
        Ok(0)
    }
}
