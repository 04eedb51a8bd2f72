//! What a send owns, and the two non-blocking system calls that calling threads make themselves.
//!
//! The owner of a [`SendBuffers`] is whoever holds the connection's write token: a caller, the reactor, or a driver from
//! `send` to the completion. The bytes of a segment never move while they are queued, however the queue itself moves.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::RawFd;

use crate::message::Body;

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

/// A queue of segments, and how much of the first is sent already.
#[derive(Default)]
pub struct SendBuffers {
    segments: VecDeque<Segment>,
    /// Sent bytes of the first segment; less than its length.
    offset: usize,
    remaining: usize,
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
            self.remaining += length;
            self.segments.push_back(segment);
        }
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }

    /// Bytes still to send.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// Segments still to send, the first perhaps in part.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Takes the next `count` bytes as sent (all, where there are fewer). Finished bodies are dropped, finished vectors
    /// kept for [`SendBuffers::take_spare`].
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.remaining);
        self.remaining -= left;
        while let Some(first) = self.segments.front() {
            let rest = first.bytes().len() - self.offset;
            if left < rest {
                self.offset += left;
                return;
            }
            left -= rest;
            self.offset = 0;
            if let Some(finished) = self.segments.pop_front() {
                self.finish(finished);
            }
        }
    }

    /// A finished vector, empty and with its capacity, for the next batch of frames.
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spares.pop()
    }

    /// Fills `vectors` with what comes next and says how many it filled. The pointers are good while the segments are
    /// queued, also when this value moves.
    pub(super) fn io_vectors(&self, vectors: &mut [libc::iovec; SEGMENTS_PER_SEND_MAX]) -> usize {
        let mut skip = self.offset;
        let mut count = 0;
        for (vector, segment) in vectors.iter_mut().zip(&self.segments) {
            let bytes = &segment.bytes()[skip..];
            *vector = libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            };
            skip = 0;
            count += 1;
        }
        count
    }

    fn finish(&mut self, segment: Segment) {
        if let Segment::Bytes(mut bytes) = segment
            && self.spares.len() < SPARES_MAX
            && bytes.capacity() > 0
        {
            bytes.clear();
            self.spares.push(bytes);
        }
    }
}

impl fmt::Debug for SendBuffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SendBuffers({} bytes in {} segments)",
            self.remaining,
            self.segments.len()
        )
    }
}

/// Sends what the socket takes without waiting, from up to [`SEGMENTS_PER_SEND_MAX`] segments; the buffers are not advanced.
/// Raises no signal and is no cancellation point.
///
/// # Errors
/// The value of `errno`, `EAGAIN` where the socket takes nothing; see `sendmsg(2)`.
pub fn send_now(fd: RawFd, buffers: &SendBuffers) -> Result<usize, i32> {
    let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
    let count = buffers.io_vectors(&mut vectors);
    let header = message_header(vectors.as_mut_ptr(), count);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
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
        assert!(buffers.take_spare().is_none());
        let mut vectors = [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX];
        assert_eq!(buffers.io_vectors(&mut vectors), 2);
        assert_eq!((vectors[0].iov_len, vectors[1].iov_len), (6, 5));
        buffers.advance(6);
        let spare = buffers.take_spare().unwrap();
        assert!(spare.is_empty() && spare.capacity() >= 10);
        buffers.advance(usize::MAX);
        assert!(buffers.is_empty());
        assert_eq!(buffers.segments(), 0);
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
