//! A side of a connection of the world: what was written, how far it has come, and how the connection ends.
//!
//! As with TCP: a close with unread data, or data for a closed side, is a reset; after a reset neither what is under way nor, perhaps,
//! what has arrived can be read any more. The writing side keeps every byte, so that a test can tell what became of it.

use std::net::IpAddr;
use std::os::fd::RawFd;

use super::network::Party;
use super::{World, with};

/// What a read or write fails with, and its connection too.
const FAILURES: [i32; 8] = [
    libc::ECONNRESET,
    libc::ETIMEDOUT,
    libc::ENOBUFS,
    libc::ENOMEM,
    libc::EHOSTUNREACH,
    libc::ENETDOWN,
    libc::EIO,
    libc::ECONNABORTED,
];

/// One side of a connection.
pub(super) struct Stream {
    pub(super) source: IpAddr,
    pub(super) port: u16,
    /// The number of the listener.
    pub(super) listener: Option<usize>,
    pub(super) accepted: bool,
    /// The number of the other side.
    pub(super) peer: Option<usize>,
    pub(super) is_established: bool,
    /// Everything that was written here.
    pub(super) written: Vec<u8>,
    /// How much of that has arrived at the other side.
    pub(super) moved: usize,
    /// How much of what arrived here was read.
    pub(super) read: usize,
    /// How much was, when this side said that it writes no more: what comes after that it discards.
    pub(super) kept: Option<usize>,
    /// So many bytes fit on the way to the other side, and there.
    buffer: usize,
    /// When something moves next.
    pub(super) due_ns: Option<u64>,
    /// What the next call fails with.
    pub(super) error: Option<i32>,
    /// It was reset.
    pub(super) is_broken: bool,
    /// What had arrived is gone with that.
    pub(super) is_purged: bool,
    write_ended: bool,
    pub(super) read_ended: bool,
    /// The end of what is written here has arrived at the other side.
    pub(super) end_moved: bool,
}

impl Stream {
    pub(super) fn new(source: IpAddr, port: u16, buffer: usize) -> Stream {
        Stream {
            source,
            port,
            listener: None,
            accepted: false,
            peer: None,
            is_established: false,
            written: Vec::new(),
            moved: 0,
            read: 0,
            kept: None,
            buffer,
            due_ns: None,
            error: None,
            is_broken: false,
            is_purged: false,
            write_ended: false,
            read_ended: false,
            end_moved: false,
        }
    }

    pub(super) fn party(&self) -> Party {
        match self.listener {
            Some(number) if self.accepted => Party::Listener(number),
            _ => Party::Source(self.source),
        }
    }

    fn room(&self) -> usize {
        self.buffer.saturating_sub(self.written.len() - self.moved)
    }

    pub(super) fn is_writable(&self) -> bool {
        let has_failed = self.error.is_some() || self.is_broken;
        has_failed || self.is_established && (self.room() > 0 || self.write_ended)
    }
}

/// Writes as much as the kernel takes of the pieces.
pub fn send<'a>(fd: RawFd, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Result<usize, i32>> {
    with(|world| {
        let number = world.network.number(fd)?;
        let result = world.send(number, pieces);
        world.note(match result {
            Ok(count) => (count as u64) << 8,
            Err(errno) => errno as u64,
        });
        Some(result)
    })
    .flatten()
}

/// Reads what has arrived.
pub fn receive(fd: RawFd, buffer: &mut [u8]) -> Option<Result<usize, i32>> {
    with(|world| {
        let number = world.network.number(fd)?;
        let result = world.receive(number, buffer);
        world.note(match result {
            Ok(count) => (count as u64) << 8 | 1,
            Err(errno) => errno as u64 | 1 << 63,
        });
        Some(result)
    })
    .flatten()
}

/// shutdown(2) of one direction.
pub fn shut_down(fd: RawFd, reads: bool) -> Option<()> {
    with(|world| {
        let number = world.network.number(fd)?;
        let stream = world.network.at(number)?;
        if reads {
            stream.read_ended = true;
        } else {
            stream.write_ended = true;
            stream.kept = Some(stream.read);
            world.schedule(number);
        }
        Some(())
    })
    .flatten()
}

impl World {
    fn send<'a>(&mut self, number: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Result<usize, i32> {
        let fails = self.random.once_in(self.faults.failure);
        if let Some(errno) = self.failure(number, fails) {
            return Err(errno);
        }
        let (hesitates, is_partial) = (
            self.random.once_in(self.faults.hesitation),
            self.random.once_in(self.faults.partial),
        );
        let Some(stream) = self.network.at(number) else {
            return Err(libc::EBADF);
        };
        if stream.write_ended || stream.is_broken {
            return Err(libc::EPIPE);
        }
        let mut room = stream.room();
        if !stream.is_established || room == 0 || hesitates {
            return Err(libc::EAGAIN);
        }
        if is_partial {
            room = self.random.some_of(room);
        }
        let Some(stream) = self.network.at(number) else {
            return Err(libc::EBADF);
        };
        let before = stream.written.len();
        for piece in pieces {
            let count = piece.len().min(room);
            stream.written.extend_from_slice(&piece[..count]);
            room -= count;
        }
        let count = stream.written.len() - before;
        self.schedule(number);
        Ok(count)
    }

    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> Result<usize, i32> {
        let fails = self.random.once_in(self.faults.failure);
        // What arrived before a reset is read before it, unless it is gone.
        if (fails || self.network.unread(number) == 0)
            && let Some(errno) = self.failure(number, fails)
        {
            return Err(errno);
        }
        let unread = self.network.unread(number);
        if unread == 0 {
            let has_ended = self.network.peer(number).is_some_and(|(_, peer)| peer.end_moved);
            let is_over = self
                .network
                .at(number)
                .is_none_or(|stream| stream.read_ended || stream.is_broken);
            return if has_ended || is_over { Ok(0) } else { Err(libc::EAGAIN) };
        }
        if self.random.once_in(self.faults.hesitation) {
            return Err(libc::EAGAIN);
        }
        let mut count = unread.min(buffer.len());
        if count > 0 && self.random.once_in(self.faults.partial) {
            count = self.random.some_of(count);
        }
        let Some((other, peer)) = self.network.peer(number) else {
            return Err(libc::ENOTCONN);
        };
        let start = match &self.network.sides[number].role {
            super::network::Role::Stream(stream) => stream.read,
            super::network::Role::Listener(_) => return Err(libc::EINVAL),
        };
        buffer[..count].copy_from_slice(&peer.written[start..start + count]);
        if let Some(stream) = self.network.at(number) {
            stream.read += count;
        }
        self.schedule(other);
        Ok(count)
    }

    /// What a call on the side fails with: what was left for it, or a new misfortune.
    fn failure(&mut self, number: usize, fails: bool) -> Option<i32> {
        let errno = self.random.pick(&FAILURES);
        let stream = self.network.at(number)?;
        if let Some(errno) = stream.error.take() {
            return Some(errno);
        }
        if !fails || !stream.is_established || stream.is_broken {
            return None;
        }
        self.reset(number);
        self.network.at(number)?.error = None;
        Some(errno)
    }

    /// Both sides find the connection broken.
    pub(super) fn reset(&mut self, number: usize) {
        let Some((other, _)) = self.network.peer(number) else {
            return;
        };
        for one in [number, other] {
            let is_purged = self.random.once_in(2);
            let Some(stream) = self.network.at(one) else { continue };
            if stream.is_broken {
                continue;
            }
            stream.is_broken = true;
            stream.is_purged = is_purged;
            stream.error = Some(libc::ECONNRESET);
            stream.due_ns = None;
        }
    }

    /// The library has closed the side.
    pub(super) fn hang_up(&mut self, number: usize) {
        let unread = self.network.unread(number);
        let Some(stream) = self.network.at(number) else { return };
        stream.write_ended = true;
        if !stream.is_established {
            stream.due_ns = None;
        } else if unread > 0 {
            self.reset(number);
        } else {
            self.schedule(number);
        }
    }

    /// Something may have to move from a side to the other.
    fn schedule(&mut self, number: usize) {
        let delay_ns = self.delay_ns();
        let now_ns = self.now_ns;
        let window = self.window(number);
        let Some(stream) = self.network.at(number) else { return };
        let pending = stream.written.len() - stream.moved;
        let moves = pending > 0 && window > 0 || pending == 0 && stream.write_ended && !stream.end_moved;
        if moves && stream.due_ns.is_none() && !stream.is_broken && stream.is_established {
            stream.due_ns = Some(now_ns + delay_ns);
        }
    }

    /// How many bytes the other side has room for. A side that is closed takes all.
    fn window(&self, number: usize) -> usize {
        match self.network.peer(number) {
            Some((other, peer)) if self.network.sides[other].witness.is_some() => {
                peer.buffer.saturating_sub(self.network.unread(other))
            }
            _ => usize::MAX,
        }
    }

    /// Bytes arrive at the other side, or the end of them.
    pub(super) fn move_bytes(&mut self, number: usize) {
        if self.random.once_in(self.faults.reset) {
            return self.reset(number);
        }
        let is_partial = self.random.once_in(self.faults.partial);
        let window = self.window(number);
        let Some(stream) = self.network.at(number) else { return };
        let pending = stream.written.len() - stream.moved;
        let Some(other) = stream.peer else { return };
        if pending == 0 {
            stream.end_moved = stream.write_ended;
            return;
        }
        if self.network.sides[other].witness.is_none() {
            // Nobody is there any more.
            return self.reset(number);
        }
        let mut count = pending.min(window);
        if count > 0 && is_partial {
            count = self.random.some_of(count);
        }
        if let Some(stream) = self.network.at(number) {
            stream.moved += count;
        }
        self.schedule(number);
    }
}
