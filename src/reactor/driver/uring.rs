//! The io_uring driver: multishot accept and receive, one ring per reactor thread, one system call per turn of its loop.
//!
//! Reactor thread only (the kernel is told so: `SINGLE_ISSUER`). An operation stays in the table from its submission to its
//! final completion queue entry and owns all memory that the kernel may touch meanwhile; the table's key is the user data.
//! Dropping the driver cancels and reaps everything before any of that memory is freed. A ring that works no longer gives
//! everything to an epoll driver (`succession.rs`).

mod operation;
mod ring;
mod succession;

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};

use self::operation::{BUFFER_GROUP, Kind, Operation, SendOperation, failure};
use self::ring::{SUBMISSIONS, errno_of};
use self::succession::may_pass;
use super::provided::BufferPool;
use super::table::{Table, admit};
use super::{
    Completion, Driver, GONE_MAX, Interest, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, ReceivedBuffer, SendBuffers, Token,
    Waker,
};
use crate::sys::counters::{self, Counter};
use crate::sys::descriptors::Mark;

/// Completion queue entries handed out per turn.
const BATCH_MAX: usize = 256;

/// Send operations kept for reuse.
const SPARE_SENDS_MAX: usize = 32;

/// User data of the poll on the waker's eventfd.
const WAKE: u64 = u64::MAX;

/// Set in the user data of a cancellation; the rest is the token.
const CANCELLATION: u64 = 1 << 63;

/// How long dropping a driver waits for the kernel, in turns, before it rather leaks.
const REAP_MAX: Duration = Duration::from_secs(5);
const REAP_TURN: Duration = Duration::from_millis(50);

/// The driver over one ring.
pub(super) struct UringDriver {
    /// Dropped before the ring is closed.
    _mark: Mark,
    ring: IoUring,
    /// Entries that wait for a place in the submission queue; what they point to is in `operations`.
    queued: VecDeque<squeue::Entry>,
    operations: Table<Token, Operation>,
    /// Receives that found no free buffer, in order; not known to the kernel.
    starved: VecDeque<Token>,
    /// Completions that need no entry of the queue.
    immediate: VecDeque<Completion>,
    /// What is left of this turn's batch.
    batch: usize,
    pool: Rc<BufferPool>,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spare_sends: Vec<Box<SendOperation>>,
    waker: Waker,
    wake_armed: bool,
    closing: bool,
    enter_flags: EnterFlags,
    /// Whether the kernel acts on operations only inside `io_uring_enter`.
    is_deferred: bool,
    /// Connections that were gone before they were accepted, one after the other.
    gone: u32,
    /// Turns that the kernel has refused, one after the other.
    refusals: u32,
    /// Whether another driver has the operations.
    is_handed_over: bool,
}

impl UringDriver {
    /// Sets a ring and its buffers up, and proves that it works.
    ///
    /// # Errors
    /// The value of `errno`, as [`ring::build`] gives it.
    pub(super) fn new() -> Result<Self, i32> {
        let (ring, is_deferred) = ring::build()?;
        let mut enter_flags = EnterFlags::EXT_ARG | EnterFlags::GETEVENTS;
        if ring.params().is_feature_no_iowait() {
            // Else an idle reactor shows as time spent waiting for disks.
            enter_flags |= EnterFlags::NO_IOWAIT;
        }
        let pool = BufferPool::with_ring(RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES)?;
        let address = pool.ring_address().ok_or(libc::EINVAL)?;
        // SAFETY: the entries are mapped for as long as the pool lives, and the ring is closed before the driver lets go
        // of the pool.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(address, RECEIVE_BUFFERS, BUFFER_GROUP, 0)
        }
        .map_err(|error| errno_of(&error))?;
        Ok(Self {
            _mark: Mark::new(ring.as_raw_fd()),
            ring,
            queued: VecDeque::new(),
            operations: Table::default(),
            starved: VecDeque::new(),
            immediate: VecDeque::new(),
            batch: 0,
            pool,
            spare_sends: Vec::new(),
            waker: Waker::new()?,
            wake_armed: false,
            closing: false,
            enter_flags,
            is_deferred,
            gone: 0,
            refusals: 0,
            is_handed_over: false,
        })
    }

    /// Registers an operation and queues its entry.
    fn start(&mut self, token: Token, fd: RawFd, kind: Kind) {
        if let Err(error) = admit(&mut self.operations, token) {
            self.immediate.push_back(failure(token, kind, error));
            return;
        }
        let operation = Operation {
            fd,
            kind,
            cancelling: false,
        };
        self.queued.push_back(operation.entry(token));
        self.operations.insert(token, operation);
    }

    /// Queues an operation's entry again, after the kernel ended it early.
    fn again(&mut self, token: Token) {
        if let Some(operation) = self.operations.get(&token) {
            self.queued.push_back(operation.entry(token));
        }
    }

    fn resume_starved(&mut self) {
        for _ in 0..self.pool.available() {
            let Some(token) = self.starved.pop_front() else { return };
            if let Some(Operation {
                kind: Kind::Receive { starved },
                ..
            }) = self.operations.get_mut(&token)
                && std::mem::take(starved)
            {
                self.again(token);
            }
        }
    }

    fn arm_wake(&mut self) {
        if !self.wake_armed && !self.closing {
            let poll = opcode::PollAdd::new(Fd(self.waker.fd()), libc::POLLIN as u32).multi(true);
            self.queued.push_back(poll.build().user_data(WAKE));
            self.wake_armed = true;
        }
    }

    /// Moves queued entries into the submission queue, and into the kernel where that is full. False: some are left.
    fn flush(&mut self) -> bool {
        loop {
            let mut submissions = self.ring.submission();
            while let Some(entry) = self.queued.front() {
                // SAFETY: what the entry points to belongs to its operation, which stays in the table until the final
                // completion, or to the driver, which reaps everything before it is dropped.
                if unsafe { submissions.push(entry) }.is_err() {
                    break;
                }
                self.queued.pop_front();
            }
            drop(submissions);
            if self.queued.is_empty() {
                return true;
            }
            if !matches!(self.ring.submit(), Ok(1..)) {
                return false;
            }
        }
    }

    /// Submits, and waits for a completion where `sleep` says so.
    fn enter(&mut self, sleep: bool, timeout: Option<Duration>) -> Result<(), i32> {
        // The kernel copies the time-out during the call; a longer one than it can count is none.
        let time = timeout
            .filter(|time| i64::try_from(time.as_secs()).is_ok())
            .map(Timespec::from);
        let arguments = SubmitArgs::new();
        let arguments = time.as_ref().map_or(arguments, |time| arguments.timespec(time));
        let submit = u32::try_from(self.ring.submission().len()).unwrap_or(SUBMISSIONS);
        counters::count(Counter::BackgroundWaits);
        // SAFETY: the flags say that the argument is an `io_uring_getevents_arg`, which `SubmitArgs` is; it and the time
        // are live locals. The submitted entries are sound as `flush` says.
        let entered = unsafe {
            self.ring
                .submitter()
                .enter(submit, u32::from(sleep), self.enter_flags.bits(), Some(&arguments))
        };
        match entered.map_err(|error| errno_of(&error)) {
            Ok(_) | Err(libc::ETIME | libc::EINTR) => Ok(()),
            // The kernel wants completions taken before it goes on, and there are some.
            Err(_) if !self.ring.completion().is_empty() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What an entry of the completion queue means, if it concerns the reactor.
    fn translate(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let (token, result, flags) = (entry.user_data(), entry.result(), entry.flags());
        let outcome = u32::try_from(result).map_err(|_| result.wrapping_neg());
        let more = cqueue::more(flags);
        if token == WAKE {
            self.wake_armed = more;
            return None;
        }
        if token & CANCELLATION != 0 {
            self.cancellation_ended(token & !CANCELLATION, outcome);
            return None;
        }
        let buffer = cqueue::buffer_select(flags).map(|index| {
            self.pool
                .lend_from_ring(index, outcome.map_or(0, |length| length as usize))
        });
        let operation = self.operations.get(&token)?;
        let cancelling = operation.cancelling;
        let outcome = match outcome {
            Err(libc::EINTR) if cancelling => Err(libc::ECANCELED),
            other => other,
        };
        match &operation.kind {
            Kind::Accept => self.accepted(token, outcome, more, cancelling),
            Kind::Poll(_) => {
                self.operations.remove(&token);
                Some(Completion::Ready {
                    token,
                    result: outcome.map(|_| ()),
                })
            }
            Kind::Receive { .. } => self.received(token, outcome, buffer, more, cancelling),
            Kind::Send(_) if outcome == Err(libc::EINTR) => {
                self.again(token);
                None
            }
            Kind::Send(_) => self.sent(token, outcome.map(|count| count as usize)),
        }
    }

    fn accepted(
        &mut self,
        token: Token,
        outcome: Result<u32, i32>,
        more: bool,
        cancelling: bool,
    ) -> Option<Completion> {
        // SAFETY: a completed accept hands over a descriptor that nothing else owns.
        let result = outcome.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
        match result {
            Ok(_) if more => {}
            Ok(_) if cancelling => self.end_cancelled(token),
            Ok(_) => self.again(token),
            // The connection was gone before it was accepted.
            Err(libc::ECONNABORTED | libc::EPROTO | libc::EINTR) if !cancelling && self.gone < GONE_MAX => {
                self.gone += 1;
                self.again(token);
                return None;
            }
            Err(_) => {
                self.operations.remove(&token);
            }
        }
        let more = result.is_ok();
        self.gone = 0;
        Some(Completion::Accepted { token, result, more })
    }

    fn received(
        &mut self,
        token: Token,
        outcome: Result<u32, i32>,
        buffer: Option<ReceivedBuffer>,
        more: bool,
        cancelling: bool,
    ) -> Option<Completion> {
        let result = match outcome {
            Ok(1..) => {
                if !more && cancelling {
                    self.end_cancelled(token);
                } else if !more {
                    self.again(token);
                }
                return Some(Completion::Received {
                    token,
                    result: Ok(buffer?),
                    more: true,
                });
            }
            Ok(0) => Ok(buffer.unwrap_or_else(ReceivedBuffer::empty)),
            Err(libc::ENOBUFS | libc::EINTR) if cancelling => Err(libc::ECANCELED),
            Err(libc::EINTR) => {
                self.again(token);
                return None;
            }
            Err(libc::ENOBUFS) => {
                if let Some(Operation {
                    kind: Kind::Receive { starved },
                    ..
                }) = self.operations.get_mut(&token)
                {
                    *starved = true;
                    self.starved.push_back(token);
                }
                return None;
            }
            Err(error) => Err(error),
        };
        self.operations.remove(&token);
        Some(Completion::Received {
            token,
            result,
            more: false,
        })
    }

    fn sent(&mut self, token: Token, result: Result<usize, i32>) -> Option<Completion> {
        let Operation {
            kind: Kind::Send(mut send),
            ..
        } = self.operations.remove(&token)?
        else {
            return None;
        };
        let buffers = std::mem::take(&mut send.buffers);
        if self.spare_sends.len() < SPARE_SENDS_MAX {
            self.spare_sends.push(send);
        }
        Some(Completion::Sent { token, result, buffers })
    }

    /// Ends an operation that the kernel does not know (any more).
    fn end_cancelled(&mut self, token: Token) {
        let Some(operation) = self.operations.remove(&token) else {
            return;
        };
        self.immediate
            .push_back(failure(token, operation.kind, libc::ECANCELED));
    }

    /// A cancellation that found nothing, although its operation still lives, came between two of its steps: ask again.
    /// (The usual reason, that the final completion is in the queue already, makes that harmless.)
    fn cancellation_ended(&mut self, token: Token, outcome: Result<u32, i32>) {
        let lives = self
            .operations
            .get(&token)
            .is_some_and(|operation| operation.cancelling);
        if lives && outcome == Err(libc::ENOENT) {
            self.queue_cancellation(token);
        }
    }

    fn queue_cancellation(&mut self, token: Token) {
        self.queued
            .push_back(opcode::AsyncCancel::new(token).build().user_data(CANCELLATION | token));
    }

    /// Cancels everything and takes every final completion. False: the kernel did not let go of something.
    fn reap(&mut self) -> bool {
        self.closing = true;
        let tokens: Vec<Token> = self.operations.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.cancel(token));
        if self.wake_armed {
            self.queued
                .push_back(opcode::AsyncCancel::new(WAKE).build().user_data(CANCELLATION));
        }
        let deadline = Instant::now() + REAP_MAX;
        while Instant::now() < deadline {
            self.batch = usize::MAX;
            while self.next().is_some() {}
            if self.operations.is_empty() && !self.wake_armed && self.queued.is_empty() {
                return true;
            }
            let flushed = self.flush();
            match self.enter(flushed, Some(REAP_TURN)) {
                Ok(()) => {}
                Err(error) if may_pass(error) => std::thread::sleep(REAP_TURN),
                Err(_) => return false,
            }
        }
        false
    }
}

impl Driver for UringDriver {
    fn name(&self) -> &'static CStr {
        c"io_uring"
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn accept(&mut self, listener: RawFd, token: Token) {
        self.start(token, listener, Kind::Accept);
    }

    fn poll(&mut self, fd: RawFd, interest: Interest, token: Token) {
        let events = match interest {
            Interest::Read => libc::POLLIN | libc::POLLRDHUP,
            Interest::Write => libc::POLLOUT,
        };
        self.start(token, fd, Kind::Poll(events as u32));
    }

    fn receive(&mut self, fd: RawFd, token: Token) {
        self.start(token, fd, Kind::Receive { starved: false });
    }

    fn send(&mut self, fd: RawFd, token: Token, buffers: SendBuffers) {
        let mut send = self.spare_sends.pop().unwrap_or_else(SendOperation::empty);
        send.prepare(buffers);
        self.start(token, fd, Kind::Send(send));
    }

    fn cancel(&mut self, token: Token) {
        let Some(operation) = self.operations.get_mut(&token) else {
            return;
        };
        if std::mem::replace(&mut operation.cancelling, true) {
            return;
        }
        if matches!(operation.kind, Kind::Receive { starved: true }) {
            self.starved.retain(|&other| other != token);
            self.end_cancelled(token);
        } else {
            self.queue_cancellation(token);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), i32> {
        self.batch = BATCH_MAX;
        self.resume_starved();
        self.arm_wake();
        let may_sleep = self.flush()
            && self.immediate.is_empty()
            && self.ring.completion().is_empty()
            && timeout != Some(Duration::ZERO);
        let sleep = may_sleep && self.waker.fall_asleep();
        let entered = self.enter(sleep, timeout);
        if self.waker.rise() {
            self.immediate.push_front(Completion::Woken);
            return Ok(());
        }
        if entered.is_ok() {
            self.refusals = 0;
        }
        entered
    }

    fn successor(&mut self, error: i32) -> Option<Box<dyn Driver>> {
        Some(Box::new(self.hand_over(error)?))
    }

    fn next(&mut self) -> Option<Completion> {
        loop {
            self.batch = self.batch.checked_sub(1)?;
            if let Some(completion) = self.immediate.pop_front() {
                return Some(completion);
            }
            let entry = self.ring.completion().next()?;
            if let Some(completion) = self.translate(&entry) {
                return Some(completion);
            }
        }
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        if self.is_handed_over || !self.reap() {
            // The kernel may still use these; leaking them is the lesser evil.
            std::mem::forget(std::mem::take(&mut self.operations));
            std::mem::forget(Rc::clone(&self.pool));
        }
    }
}
