//! One operation in the ring: what the kernel may touch until the final completion, and the submission entry for it.
//!
//! Reactor thread only. A send's header and vectors are boxed, so that the table may move its entries.

use std::os::fd::RawFd;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use crate::reactor::driver::buffers::{EMPTY_VECTOR, message_header};
use crate::reactor::driver::{Completion, SEGMENTS_PER_SEND_MAX, SendBuffers, Token};

/// The ring's one group of provided buffers.
pub(super) const BUFFER_GROUP: u16 = 0;

/// A live operation.
pub(super) struct Operation {
    pub(super) fd: RawFd,
    pub(super) kind: Kind,
    pub(super) cancelling: bool,
}

pub(super) enum Kind {
    Accept,
    Poll(u32),
    /// Starved: found no free buffer, and is not known to the kernel.
    Receive {
        starved: bool,
    },
    Send(Box<SendOperation>),
}

/// What the kernel reads during a send; never moves.
pub(super) struct SendOperation {
    header: libc::msghdr,
    vectors: [libc::iovec; SEGMENTS_PER_SEND_MAX],
    pub(super) buffers: SendBuffers,
}

impl Operation {
    /// Whether it takes bytes from the kernel, or gives it some.
    pub(super) fn moves_bytes(&self) -> bool {
        matches!(self.kind, Kind::Receive { .. } | Kind::Send(_))
    }

    /// The submission entry. What it points to lives as long as the operation.
    pub(super) fn entry(&self, token: Token) -> squeue::Entry {
        let fd = Fd(self.fd);
        let entry = match &self.kind {
            Kind::Accept => opcode::AcceptMulti::new(fd)
                .flags(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
                .build(),
            Kind::Poll(events) => opcode::PollAdd::new(fd, *events).build(),
            Kind::Receive { .. } => opcode::RecvMulti::new(fd, BUFFER_GROUP).build(),
            Kind::Send(send) => opcode::SendMsg::new(fd, &raw const send.header)
                .flags(libc::MSG_NOSIGNAL as u32)
                .build(),
        };
        entry.user_data(token)
    }
}

impl SendOperation {
    pub(super) fn empty() -> Box<Self> {
        Box::new(Self {
            header: message_header(std::ptr::null_mut(), 0),
            vectors: [EMPTY_VECTOR; SEGMENTS_PER_SEND_MAX],
            buffers: SendBuffers::new(),
        })
    }

    pub(super) fn prepare(&mut self, buffers: SendBuffers) {
        self.buffers = buffers;
        let count = self.buffers.io_vectors(&mut self.vectors);
        self.header = message_header(self.vectors.as_mut_ptr(), count);
    }
}

/// The final completion of an operation that failed without the kernel.
pub(super) fn failure(token: Token, kind: Kind, error: i32) -> Completion {
    match kind {
        Kind::Accept => Completion::Accepted {
            token,
            result: Err(error),
            more: false,
        },
        Kind::Poll(_) => Completion::Ready {
            token,
            result: Err(error),
        },
        Kind::Receive { .. } => Completion::Received {
            token,
            result: Err(error),
            more: false,
        },
        Kind::Send(send) => Completion::Sent {
            token,
            result: Err(error),
            buffers: send.buffers,
        },
    }
}
