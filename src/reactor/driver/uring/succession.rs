//! What becomes of a ring that works no longer: the program has set up a filter meanwhile, or the kernel is out of memory.
//!
//! Reactor thread only. The kernel acts on a ring whose completions are deferred only while the thread is inside
//! `io_uring_enter`; once that is refused, nothing moves any more, and what was not completed has not happened: such
//! operations begin anew on epoll. Elsewhere (Linux 6.0) the kernel may send or receive something of which nothing will be
//! heard; there connections with a send or a receive end. Readiness can be asked for again in any case.

use super::UringDriver;
use super::operation::{Kind, Operation, failure};
use crate::reactor::driver::epoll::EpollDriver;
use crate::reactor::driver::{Completion, Driver, Interest, Token, current};

/// How many refusals that may pass are waited out, one after the other.
const REFUSALS_MAX: u32 = 100;

/// Whether the kernel may take something a little later.
pub(super) fn may_pass(error: i32) -> bool {
    matches!(error, libc::EAGAIN | libc::EBUSY | libc::ENOMEM)
}

impl UringDriver {
    /// After a refused turn: the driver that goes on, with all operations and what they have to tell. None: this one does.
    pub(super) fn hand_over(&mut self, error: i32) -> Option<EpollDriver> {
        self.refusals += 1;
        if may_pass(error) && self.refusals < REFUSALS_MAX {
            return None;
        }
        // At the limit of descriptors this is tried again after the next refusal.
        let mut heir = EpollDriver::with_waker(self.waker.clone()).ok()?;
        self.is_handed_over = true;
        self.batch = usize::MAX;
        while let Some(completion) = self.next() {
            heir.tell(completion);
        }
        let is_exact = self.is_deferred && !self.ring.submission().cq_overflow();
        for (token, operation) in self.operations.drain() {
            if is_exact || !operation.moves_bytes() {
                begin_anew(&mut heir, token, operation);
            } else {
                heir.tell(lost(token, operation));
            }
        }
        let reason = std::io::Error::from_raw_os_error(error);
        current::note(heir.name(), &format!(" (io_uring works no longer: {reason})"));
        Some(heir)
    }
}

/// What the operation has done nobody knows: the connection ends. The kernel may go on with what it was given, which stays.
fn lost(token: Token, operation: Operation) -> Completion {
    let kind = match operation.kind {
        Kind::Send(send) => {
            let send = Box::leak(send);
            return Completion::Sent {
                token,
                result: Err(libc::ECONNRESET),
                buffers: std::mem::take(&mut send.buffers),
            };
        }
        kind => kind,
    };
    failure(token, kind, libc::ECONNRESET)
}

fn begin_anew(heir: &mut EpollDriver, token: Token, operation: Operation) {
    let Operation { fd, kind, cancelling } = operation;
    match kind {
        Kind::Accept => heir.accept(fd, token),
        Kind::Poll(events) if events & libc::POLLOUT as u32 != 0 => heir.poll(fd, Interest::Write, token),
        Kind::Poll(_) => heir.poll(fd, Interest::Read, token),
        Kind::Receive { .. } => heir.receive(fd, token),
        Kind::Send(send) => {
            // The kernel may have a look at the header until it has let go of the ring.
            let send = Box::leak(send);
            heir.send(fd, token, std::mem::take(&mut send.buffers));
        }
    }
    if cancelling {
        heir.cancel(token);
    }
}
