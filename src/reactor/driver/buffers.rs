//! What a send owns, and the two non-blocking system calls that calling threads make themselves.
//!
//! The owner of a [`SendBuffers`] is whoever holds the connection's write token: a caller, the reactor, or a driver from
//! `send` to the completion. The bytes of a segment never move while they are queued, however the queue itself moves.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::RawFd;

use crate::message::Body;
use crate::sys::counters::{Counter, count};
#[cfg(test)]
use crate::sys::simulation;

/// Segments that one system call takes at most. The kernel's own limit (`IOV_MAX`) is 1024.
pub const SEGMENTS_PER_SEND_MAX: usize = 64;

/// Finished vectors kept for reuse at most.
const SPARES_MAX: usize = 4;

/// A run of bytes to send.
pub enum Segment {
    /// Encoded frames, owned; handed back through [`SendBuffers::take_spare`].
    Bytes(Vec<u8>),
    /// A message's body, by reference.
    Body(Body),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Segment::Bytes(bytes) => bytes,
            Segment::Body(body) => body,
        }
    }
}

/// A queue of segments and how far it is sent. Positions count the bytes from the first one that was ever queued.
///
/// What is sent is kept until [`SendBuffers::release_to`] says that it will not be needed again, so that a message of which
/// only a part was sent can be sent anew ([`SendBuffers::rewind`]).
#[derive(Default)]
pub struct SendBuffers {
    segments: VecDeque<Segment>,
    /// The position of the first segment.
    base: u64,
    /// Everything before this position was released.
    kept: u64,
    /// Everything before this position was sent.
    sent: u64,
    /// The position behind the last segment.
    end: u64,
    /// The segment with the next byte to send, and where in it that is.
    next: (usize, usize),
    spares: Vec<Vec<u8>>,
}

impl SendBuffers {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a segment; an empty one ends at once.
    pub fn push(&mut self, segment: Segment) {
        let length = segment.bytes().len();
        if length == 0 {
            self.finish(segment);
        } else {
            self.end += length as u64;
            self.segments.push_back(segment);
        }
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.end
    }

    /// Bytes still to send.
    pub fn remaining(&self) -> usize {
        (self.end - self.sent) as usize
    }

    /// The position of the next byte to send.
    pub fn position(&self) -> u64 {
        self.sent
    }

    /// Segments still to send, the first perhaps in part.
    pub fn segments(&self) -> usize {
        self.segments.len() - self.next.0
    }

    /// Takes the next `count` bytes as sent (all, where there are fewer). Once everything is sent, all is released.
    pub fn advance(&mut self, count: usize) {
        let count = count.min(self.remaining());
        self.sent += count as u64;
        if self.sent == self.end {
            return self.release_to(self.end);
        }
        self.next.1 += count;
        while let Some(length) = self.segments.get(self.next.0).map(|segment| segment.bytes().len())
            && self.next.1 >= length
        {
            self.next = (self.next.0 + 1, self.next.1 - length);
        }
    }

    /// What is before this position (of what is sent) is not needed again. Finished bodies are dropped, finished vectors
    /// kept for [`SendBuffers::take_spare`].
    pub fn release_to(&mut self, position: u64) {
        self.kept = position.clamp(self.kept, self.sent);
        while let Some(first) = self.segments.front() {
            let end = self.base + first.bytes().len() as u64;
            if end > self.kept {
                return;
            }
            self.base = end;
            self.next.0 = self.next.0.saturating_sub(1);
            if let Some(finished) = self.segments.pop_front() {
                self.finish(finished);
            }
        }
        self.next = (0, 0);
    }

    /// Everything that was not released is to be sent again.
    pub fn rewind(&mut self) {
        self.sent = self.kept;
        self.next = (0, (self.kept - self.base) as usize);
    }

    /// The bytes from a position (not released) to the end of its segment.
    pub fn bytes_at(&self, position: u64) -> &[u8] {
        let mut start = self.base;
        for segment in &self.segments {
            let bytes = segment.bytes();
            let end = start + bytes.len() as u64;
            if (start..end).contains(&position) {
                return &bytes[(position - start) as usize..];
            }
            start = end;
        }
        &[]
    }

    /// A finished vector, as it was sent, for the next batch of frames.
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spares.pop()
    }

    /// What is to be sent, where that is in one segment.
    fn only_segment(&self) -> Option<&[u8]> {
        let mut left = self.segments.range(self.next.0..);
        let (first, None) = (left.next()?, left.next()) else {
            return None;
        };
        first.bytes().get(self.next.1..)
    }

    /// What one system call is given.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.next.1;
        let left = self.segments.iter().skip(self.next.0).take(SEGMENTS_PER_SEND_MAX);
        left.map(move |segment| &segment.bytes()[std::mem::take(&mut skip)..])
    }

    /// Fills `vectors` with what comes next and says how many it filled. The pointers are good while the segments are
    /// queued, also when this value moves.
    pub(super) fn io_vectors(&self, vectors: &mut [libc::iovec; SEGMENTS_PER_SEND_MAX]) -> usize {
        let mut count = 0;
        for (vector, bytes) in vectors.iter_mut().zip(self.pieces()) {
            *vector = libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            };
            count += 1;
        }
        count
    }

    fn finish(&mut self, segment: Segment) {
        if let Segment::Bytes(bytes) = segment
            && self.spares.len() < SPARES_MAX
            && bytes.capacity() > 0
        {
            self.spares.push(bytes);
        }
    }
}

impl fmt::Debug for SendBuffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SendBuffers({} bytes in {} segments)",
            self.remaining(),
            self.segments()
        )
    }
}

/// Sends what the socket takes without waiting, from up to [`SEGMENTS_PER_SEND_MAX`] segments; the buffers are not advanced.
/// Raises no signal and is no cancellation point.
///
/// # Errors
/// The value of `errno`, `EAGAIN` where the socket takes nothing; see `sendmsg(2)`.
pub fn send_now(fd: RawFd, buffers: &SendBuffers) -> Result<usize, i32> {
    count(Counter::Writes);
    #[cfg(test)]
    if let Some(result) = simulation::send(fd, buffers.pieces()) {
        return result;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    if let Some(bytes) = buffers.only_segment() {
        let none = std::ptr::null::<libc::c_void>();
        let (start, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: the kernel reads from the slice, which is borrowed for the call.
        return uninterrupted(|| unsafe { libc::syscall(libc::SYS_sendto, fd, start, length, flags, none, 0) });
    }
    let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
    let vector_count = buffers.io_vectors(&mut vectors);
    let header = message_header(vectors.as_mut_ptr(), vector_count);
    // SAFETY: the header and the vectors are live locals, and the segments they point to are borrowed for the call.
    uninterrupted(|| unsafe { libc::syscall(libc::SYS_sendmsg, fd, &raw const header, flags) })
}

/// Receives what is there without waiting; 0 is the end of the stream. Is no cancellation point.
///
/// # Errors
/// The value of `errno`, `EAGAIN` where nothing is there; see `recv(2)`.
pub fn receive_now(fd: RawFd, buffer: &mut [u8]) -> Result<usize, i32> {
    let none = std::ptr::null_mut::<libc::c_void>();
    let (start, length) = (buffer.as_mut_ptr(), buffer.len());
    count(Counter::Reads);
    #[cfg(test)]
    if let Some(result) = simulation::receive(fd, buffer) {
        return result;
    }
    // SAFETY: the kernel writes at most `length` bytes into the slice, which is borrowed for the call.
    uninterrupted(|| unsafe { libc::syscall(libc::SYS_recvfrom, fd, start, length, libc::MSG_DONTWAIT, none, none) })
}

/// An I/O vector that points nowhere.
pub(super) const EMPTY_VECTOR: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

/// A header for `sendmsg` over `count` vectors.
pub(super) fn message_header(vectors: *mut libc::iovec, count: usize) -> libc::msghdr {
    // SAFETY: a header of zeroes is valid: no name, no vectors, no control data. (Some targets have padding fields, so that
    // it cannot be written out as a literal.)
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = vectors;
    header.msg_iovlen = count as _;
    header
}

/// `errno` as the last failed system call of this thread left it.
pub(super) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Makes a system call again while signals interrupt it.
pub(super) fn uninterrupted(mut call: impl FnMut() -> libc::c_long) -> Result<usize, i32> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => match errno() {
                libc::EINTR => {}
                error => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize, fill: u8) -> Segment {
        Segment::Bytes(vec![fill; length])
    }

    #[test]
    fn advancing_keeps_the_offset_and_hands_vectors_back() {
        let mut buffers = SendBuffers::new();
        buffers.push(bytes(10, 1));
        buffers.push(bytes(0, 0));
        buffers.push(bytes(5, 2));
        assert_eq!((buffers.remaining(), buffers.segments()), (15, 2));
        buffers.advance(4);
        assert_eq!((buffers.remaining(), buffers.segments()), (11, 2));
        buffers.release_to(4);
        assert!(buffers.take_spare().is_none());
        let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
        assert_eq!(buffers.io_vectors(&mut vectors), 2);
        assert_eq!((vectors[0].iov_len, vectors[1].iov_len), (6, 5));
        buffers.advance(6);
        assert!(buffers.take_spare().is_none(), "what is not released is kept");
        buffers.release_to(10);
        assert_eq!(buffers.take_spare().unwrap().len(), 10);
        buffers.advance(usize::MAX);
        assert!(buffers.is_empty());
        assert_eq!(buffers.segments(), 0);
    }

    #[test]
    fn rewinding_goes_back_to_what_was_released() {
        let mut buffers = SendBuffers::new();
        buffers.push(bytes(10, 1));
        buffers.push(bytes(10, 2));
        buffers.push(bytes(10, 3));
        buffers.advance(25);
        buffers.release_to(13);
        assert_eq!(
            (buffers.remaining(), buffers.segments(), buffers.position()),
            (5, 1, 25)
        );
        assert_eq!(buffers.bytes_at(13), [2; 7]);
        assert_eq!(buffers.bytes_at(20), [3; 10]);
        buffers.rewind();
        assert_eq!(
            (buffers.remaining(), buffers.segments(), buffers.position()),
            (17, 2, 13)
        );
        let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
        assert_eq!(buffers.io_vectors(&mut vectors), 2);
        assert_eq!((vectors[0].iov_len, vectors[1].iov_len), (7, 10));
        buffers.advance(17);
        assert!(buffers.is_empty() && buffers.segments() == 0);
        buffers.push(bytes(5, 4));
        assert_eq!((buffers.remaining(), buffers.segments()), (5, 1));
    }

    #[test]
    fn one_call_takes_a_bounded_number_of_segments() {
        let mut buffers = SendBuffers::new();
        for _ in 0..=SEGMENTS_PER_SEND_MAX {
            buffers.push(bytes(1, 7));
        }
        let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
        assert_eq!(buffers.io_vectors(&mut vectors), SEGMENTS_PER_SEND_MAX);
    }
}
