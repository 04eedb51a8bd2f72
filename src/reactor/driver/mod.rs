//! The driver trait: completion-style I/O for one reactor thread, over io_uring or epoll.
//!
//! A driver is created, used and dropped by one thread (its buffers are reference-counted without atomics, so the compiler
//! refuses anything else); only the [`Waker`] crosses threads.
//!
//! Invariants: every operation has exactly one final completion, also when it is cancelled, fails, or its peer hangs up.
//! What the kernel reads or writes belongs to the operation or to the driver until that completion was reaped. The reactor
//! cancels the operations of a descriptor and waits for their final completions before it closes the descriptor.
#![allow(
    unsafe_code,
    reason = "the drivers give the kernel pointers and make the system calls"
)]

mod buffers;
mod current;
mod epoll;
mod probe;
mod provided;
#[cfg(test)]
pub mod simulated;
mod table;
#[cfg(test)]
mod tests;
mod uring;
mod wake;

use std::ffi::CStr;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

pub use buffers::{SEGMENTS_PER_SEND_MAX, Segment, SendBuffers, receive_now, send_now};
pub use current::current;
pub use probe::select;
pub use provided::ReceivedBuffer;
pub use wake::Waker;

/// Names one live operation. The reactor chooses it, below [`TOKENS_MAX`] and unique among the live operations of the
/// driver; a token may be used again as soon as its final completion was taken.
pub type Token = u64;

/// Tokens are below this value; the rest names operations of the drivers themselves.
pub const TOKENS_MAX: Token = (1 << 63) - 1;

/// Receive buffers that one driver lends out at most.
pub const RECEIVE_BUFFERS: u16 = 256;

/// So many connections in a row may be gone before they are accepted; with one more, accepting fails with what the kernel says of it.
const GONE_MAX: u32 = 16;

/// Size of one receive buffer, in bytes.
pub const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;

/// What a readiness operation waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Data, end of stream, hang-up or error.
    Read,
    /// Space to write, hang-up or error.
    Write,
}

/// Something a driver has to tell. Errors are values of `errno`; an operation that was cancelled before it could end
/// otherwise ends with `ECANCELED`.
#[derive(Debug)]
pub enum Completion {
    /// [`Waker::wake`] was called, once or more often, since the last `Woken`.
    Woken,
    /// A connection arrived; its descriptor is non-blocking and close-on-exec.
    Accepted {
        /// The operation.
        token: Token,
        /// The connection; an error is final.
        result: Result<OwnedFd, i32>,
        /// Whether the operation goes on. False with every error (`EMFILE`, for one) and never with a connection.
        more: bool,
    },
    /// The descriptor of a readiness operation is ready. Final.
    Ready {
        /// The operation.
        token: Token,
        /// Ready, or the error with which the kernel refused to watch.
        result: Result<(), i32>,
    },
    /// Data arrived.
    Received {
        /// The operation.
        token: Token,
        /// The data; empty at the end of the stream, which is final as an error is.
        result: Result<ReceivedBuffer, i32>,
        /// Whether the operation goes on.
        more: bool,
    },
    /// A send ended. Final.
    Sent {
        /// The operation.
        token: Token,
        /// How many bytes the kernel took: at least one and perhaps not all, unless the buffers were empty.
        result: Result<usize, i32>,
        /// What was given to the operation, not advanced.
        buffers: SendBuffers,
    },
}

/// Completion-style I/O of one thread.
///
/// Operations are queued by the calls and started by the next [`Driver::wait`]; no call but `wait` blocks. A descriptor may
/// have several operations at once (say a receive, a send and a poll), but at most one receive and one send.
pub trait Driver {
    /// `"io_uring"` or `"epoll"`.
    fn name(&self) -> &'static CStr;

    /// A handle with which other threads end a [`Driver::wait`].
    fn waker(&self) -> Waker;

    /// Accepts connections until cancelled or failed: `Accepted`. The listener is non-blocking.
    fn accept(&mut self, listener: RawFd, token: Token);

    /// Waits once for readiness: `Ready`.
    fn poll(&mut self, fd: RawFd, interest: Interest, token: Token);

    /// Receives into the driver's own buffers until the end of the stream, an error or a cancellation: `Received`. While
    /// all buffers are lent out the operation pauses; it goes on when the reactor gives some back.
    fn receive(&mut self, fd: RawFd, token: Token);

    /// Sends from up to [`SEGMENTS_PER_SEND_MAX`] segments once, as soon as the socket takes anything: `Sent`.
    fn send(&mut self, fd: RawFd, token: Token, buffers: SendBuffers);

    /// Asks an operation to end. Its final completion still comes: with `ECANCELED`, or with its own result where that was
    /// faster. Does nothing for a token that is not live.
    fn cancel(&mut self, token: Token);

    /// Starts what was queued and sleeps until there is a completion, a wake-up or the time-out (none: for ever). Does not
    /// sleep while completions are left over. A return without any completion is possible (a signal).
    ///
    /// # Errors
    /// A value of `errno` when the kernel takes nothing just now (`ENOMEM`, `EAGAIN`); nothing is lost, a later call goes on.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), i32>;

    /// Asked for when `wait` has failed: the driver that goes on in the place of this one, which will not work again and is only
    /// to be dropped. Operations keep their tokens; what this one had found is told by the other one.
    fn successor(&mut self, _error: i32) -> Option<Box<dyn Driver>> {
        None
    }

    /// The next completion of the batch that the last [`Driver::wait`] found. New operations may be queued in between.
    fn next(&mut self) -> Option<Completion>;

    /// Gives a receive buffer back; dropping it does the same.
    fn release(&mut self, buffer: ReceivedBuffer) {
        drop(buffer);
    }
}
