//! The epoll driver: readiness turned into completions, for where io_uring is missing or forbidden.
//!
//! Reactor thread only. A descriptor with a lasting operation (accept, receive) is watched level-triggered; one with
//! one-shot operations only is watched with `EPOLLONESHOT`, so that the kernel disarms it as its operation ends. One with
//! no operation is thus never armed, even if a forked child keeps its file open. Registrations change lazily, at the next
//! `wait`: an operation that is started again in between costs at most one system call.

mod registration;

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use io_uring::types::Timespec;

use self::registration::{ONE_SHOT, Registration};
use super::buffers::{errno, receive_now, send_now, uninterrupted};
use super::provided::BufferPool;
use super::table::{Table, admit};
use super::{
    Completion, Driver, GONE_MAX, Interest, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, ReceivedBuffer, SendBuffers, Token,
    Waker,
};
use crate::error::Error;
use crate::sys::counters::{self, Counter};
use crate::sys::epoll::Epoll;

/// Events taken per turn.
const EVENTS_MAX: usize = 128;

/// Connections accepted per listener and turn.
const ACCEPTS_PER_TURN_MAX: usize = 64;

/// Buffers received per connection and turn; the others get theirs before the rest.
const RECEIVES_PER_TURN_MAX: usize = 16;

/// Event data of the waker's eventfd; descriptors are smaller.
const WAKE: u64 = u64::MAX;

const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
const WRITABLE: u32 = libc::EPOLLOUT as u32;
const BROKEN: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

/// The driver over one epoll instance.
pub(super) struct EpollDriver {
    epoll: Epoll,
    operations: Table<Token, Operation>,
    descriptors: Table<RawFd, Descriptor>,
    /// Descriptors whose registration may differ from what their operations want.
    changed: Vec<RawFd>,
    /// Sends that were not tried yet.
    fresh_sends: VecDeque<Token>,
    /// Receives that found no free buffer, in order.
    starved: VecDeque<Token>,
    completed: VecDeque<Completion>,
    /// The operations that an event concerns, while they are gone through.
    concerned: Vec<Token>,
    pool: Rc<BufferPool>,
    waker: Waker,
    events: Box<[libc::epoll_event; EVENTS_MAX]>,
    has_nanoseconds: bool,
}

struct Operation {
    fd: RawFd,
    kind: Kind,
}

enum Kind {
    Accept,
    Poll(Interest),
    Receive { starved: bool },
    Send { buffers: SendBuffers, blocked: bool },
}

/// One descriptor that has operations, or had some.
#[derive(Default)]
struct Descriptor {
    /// In the order in which they were started.
    operations: Vec<Token>,
    registration: Registration,
}

impl EpollDriver {
    /// Sets an epoll instance up.
    ///
    /// # Errors
    /// The value of `errno`, such as `EMFILE`.
    pub(super) fn new() -> Result<Self, i32> {
        Self::with_waker(Waker::new()?)
    }

    /// As [`EpollDriver::new`], in the place of a driver that other threads wake by this.
    pub(super) fn with_waker(waker: Waker) -> Result<Self, i32> {
        let epoll = Epoll::new().map_err(Error::errno)?;
        epoll.control(
            libc::EPOLL_CTL_ADD,
            waker.fd(),
            (libc::EPOLLIN | libc::EPOLLET) as u32,
            WAKE,
        )?;
        Ok(Self {
            epoll,
            operations: Table::default(),
            descriptors: Table::default(),
            changed: Vec::new(),
            fresh_sends: VecDeque::new(),
            starved: VecDeque::new(),
            completed: VecDeque::new(),
            concerned: Vec::new(),
            pool: BufferPool::with_list(RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES)?,
            waker,
            events: Box::new([libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX]),
            has_nanoseconds: true,
        })
    }

    /// Has the next turn begin with what another driver has found.
    pub(super) fn tell(&mut self, completion: Completion) {
        self.completed.push_back(completion);
    }

    fn start(&mut self, token: Token, fd: RawFd, kind: Kind) {
        if let Err(error) = admit(&mut self.operations, token) {
            self.completed.push_back(failure(token, kind, error));
            return;
        }
        if matches!(kind, Kind::Send { .. }) {
            self.fresh_sends.push_back(token);
        }
        self.operations.insert(token, Operation { fd, kind });
        self.descriptors.entry(fd).or_default().operations.push(token);
        self.changed.push(fd);
    }

    /// Forgets an operation whose final completion is about to be told. A descriptor without operations is not left armed.
    fn finish(&mut self, token: Token) -> Option<Kind> {
        let Operation { fd, kind } = self.operations.remove(&token)?;
        if let Some(descriptor) = self.descriptors.get_mut(&fd) {
            descriptor.operations.retain(|&other| other != token);
            if !descriptor.operations.is_empty() {
                self.changed.push(fd);
            } else {
                // To stop watching cannot fail.
                let _ = descriptor.registration.change(&self.epoll, fd, None);
            }
        }
        Some(kind)
    }

    fn fail(&mut self, token: Token, error: i32) {
        if let Some(kind) = self.finish(token) {
            self.completed.push_back(failure(token, kind, error));
        }
    }

    /// Brings the kernel's registrations in line with the operations.
    fn apply_changes(&mut self) {
        while let Some(fd) = self.changed.pop() {
            let Some(descriptor) = self.descriptors.get_mut(&fd) else {
                continue;
            };
            let wanted = wanted_events(&self.operations, &descriptor.operations);
            if let Err(error) = descriptor.registration.change(&self.epoll, fd, wanted) {
                for token in descriptor.operations.clone() {
                    self.fail(token, error);
                }
            }
        }
    }

    fn try_fresh_sends(&mut self) {
        while let Some(token) = self.fresh_sends.pop_front() {
            self.try_send(token);
        }
    }

    fn resume_starved(&mut self) {
        for _ in 0..self.pool.available() {
            let Some(token) = self.starved.pop_front() else { return };
            if let Some(Operation {
                fd,
                kind: Kind::Receive { starved },
            }) = self.operations.get_mut(&token)
                && std::mem::take(starved)
            {
                self.changed.push(*fd);
            }
        }
    }

    /// Acts on one event: every operation of the descriptor that it concerns makes a step.
    fn dispatch(&mut self, fd: RawFd, events: u32) {
        let Some(descriptor) = self.descriptors.get_mut(&fd) else {
            return;
        };
        if descriptor.registration.fired() {
            self.changed.push(fd);
        }
        let readable = events & (READABLE | BROKEN) != 0;
        let writable = events & (WRITABLE | BROKEN) != 0;
        let mut concerned = std::mem::take(&mut self.concerned);
        concerned.extend_from_slice(&descriptor.operations);
        for token in concerned.drain(..) {
            match self.operations.get(&token).map(|operation| &operation.kind) {
                Some(Kind::Accept) if readable => self.accept_some(fd, token),
                Some(Kind::Receive { starved: false }) if readable => self.receive_some(fd, token),
                Some(Kind::Poll(Interest::Read)) if readable => self.ready(token),
                Some(Kind::Poll(Interest::Write)) if writable => self.ready(token),
                Some(Kind::Send { .. }) if writable => self.try_send(token),
                _ => {}
            }
        }
        self.concerned = concerned;
    }

    fn ready(&mut self, token: Token) {
        self.finish(token);
        self.completed.push_back(Completion::Ready { token, result: Ok(()) });
    }

    fn accept_some(&mut self, listener: RawFd, token: Token) {
        let mut gone = 0;
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            match accept_now(listener) {
                Ok(connection) => {
                    gone = 0;
                    self.completed.push_back(Completion::Accepted {
                        token,
                        result: Ok(connection),
                        more: true,
                    });
                }
                Err(libc::EAGAIN) => return,
                // The connection was gone before it was accepted.
                Err(libc::ECONNABORTED | libc::EPROTO) if gone < GONE_MAX => gone += 1,
                Err(error) => return self.fail(token, error),
            }
        }
    }

    fn receive_some(&mut self, fd: RawFd, token: Token) {
        for _ in 0..RECEIVES_PER_TURN_MAX {
            let Some(received) = self.pool.lend_filled(|bytes| receive_now(fd, bytes)) else {
                if let Some(Operation {
                    kind: Kind::Receive { starved },
                    ..
                }) = self.operations.get_mut(&token)
                {
                    *starved = true;
                }
                self.starved.push_back(token);
                self.changed.push(fd);
                return;
            };
            match received {
                Ok(buffer) if buffer.is_empty() => {
                    self.finish(token);
                    let result = Ok(ReceivedBuffer::empty());
                    self.completed.push_back(Completion::Received {
                        token,
                        result,
                        more: false,
                    });
                    return;
                }
                Ok(buffer) => {
                    let drained = buffer.len() < RECEIVE_BUFFER_BYTES;
                    self.completed.push_back(Completion::Received {
                        token,
                        result: Ok(buffer),
                        more: true,
                    });
                    if drained {
                        return;
                    }
                }
                Err(libc::EAGAIN) => return,
                Err(error) => return self.fail(token, error),
            }
        }
    }

    fn try_send(&mut self, token: Token) {
        let Some(Operation {
            fd,
            kind: Kind::Send { buffers, blocked },
        }) = self.operations.get_mut(&token)
        else {
            return;
        };
        let result = send_now(*fd, buffers);
        if result == Err(libc::EAGAIN) {
            *blocked = true;
            self.changed.push(*fd);
            return;
        }
        if let Some(Kind::Send { buffers, .. }) = self.finish(token) {
            self.completed.push_back(Completion::Sent { token, result, buffers });
        }
    }

    /// Waits for events; their number.
    fn wait_for_events(&mut self, timeout: Option<Duration>) -> Result<usize, i32> {
        let (epoll, events) = (self.epoll.as_raw_fd(), self.events.as_mut_ptr());
        if self.has_nanoseconds {
            // A longer time than the kernel can count is none.
            let time = timeout
                .filter(|time| i64::try_from(time.as_secs()).is_ok())
                .map(Timespec::from);
            let pointer = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let no_mask = std::ptr::null::<libc::sigset_t>();
            counters::count(Counter::BackgroundWaits);
            // SAFETY: the kernel writes at most `EVENTS_MAX` events into the array of that length, and reads the time, a
            // live local or none; no signal mask.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    events,
                    EVENTS_MAX as libc::c_int,
                    pointer,
                    no_mask,
                    0_usize,
                )
            };
            match usize::try_from(count).map_err(|_| errno()) {
                // Older kernels lack it, and filters may not know it.
                Err(libc::ENOSYS | libc::EPERM) => self.has_nanoseconds = false,
                other => return other,
            }
        }
        let milliseconds = timeout.map_or(-1, whole_milliseconds);
        // SAFETY: as above, without the time.
        let count = unsafe { libc::epoll_wait(epoll, events, EVENTS_MAX as libc::c_int, milliseconds) };
        usize::try_from(count).map_err(|_| errno())
    }
}

impl Driver for EpollDriver {
    fn name(&self) -> &'static CStr {
        c"epoll"
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn accept(&mut self, listener: RawFd, token: Token) {
        self.start(token, listener, Kind::Accept);
    }

    fn poll(&mut self, fd: RawFd, interest: Interest, token: Token) {
        self.start(token, fd, Kind::Poll(interest));
    }

    fn receive(&mut self, fd: RawFd, token: Token) {
        self.start(token, fd, Kind::Receive { starved: false });
    }

    fn send(&mut self, fd: RawFd, token: Token, buffers: SendBuffers) {
        self.start(
            token,
            fd,
            Kind::Send {
                buffers,
                blocked: false,
            },
        );
    }

    fn cancel(&mut self, token: Token) {
        match self.operations.get(&token).map(|operation| &operation.kind) {
            Some(Kind::Receive { starved: true }) => self.starved.retain(|&other| other != token),
            Some(Kind::Send { blocked: false, .. }) => self.fresh_sends.retain(|&other| other != token),
            _ => {}
        }
        self.fail(token, libc::ECANCELED);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), i32> {
        self.resume_starved();
        self.try_fresh_sends();
        self.apply_changes();
        let may_sleep = self.completed.is_empty() && timeout != Some(Duration::ZERO);
        let sleep = may_sleep && self.waker.fall_asleep();
        let waited = self.wait_for_events(if sleep { timeout } else { Some(Duration::ZERO) });
        if self.waker.rise() {
            self.completed.push_front(Completion::Woken);
        }
        let count = match waited {
            Err(libc::EINTR) => 0,
            other => other?,
        };
        for index in 0..count {
            let libc::epoll_event { events, u64: data } = self.events[index];
            if let (true, Ok(fd)) = (data != WAKE, RawFd::try_from(data)) {
                self.dispatch(fd, events);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Completion> {
        self.completed.pop_front()
    }
}

/// What a descriptor is to be watched for; none: nothing at the moment.
fn wanted_events(operations: &Table<Token, Operation>, tokens: &[Token]) -> Option<u32> {
    let mut events = 0;
    let mut one_shot = ONE_SHOT;
    for token in tokens {
        match operations.get(token).map(|operation| &operation.kind) {
            Some(Kind::Accept | Kind::Receive { starved: false }) => {
                events |= READABLE;
                one_shot = 0;
            }
            Some(Kind::Poll(Interest::Read)) => events |= READABLE,
            Some(Kind::Poll(Interest::Write) | Kind::Send { blocked: true, .. }) => events |= WRITABLE,
            _ => {}
        }
    }
    (events != 0).then_some(events | one_shot)
}

fn accept_now(listener: RawFd) -> Result<OwnedFd, i32> {
    let none = std::ptr::null_mut::<libc::c_void>();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: asks for no address.
    let fd = uninterrupted(|| unsafe { libc::syscall(libc::SYS_accept4, listener, none, none, flags) })?;
    // SAFETY: a descriptor that was just created and that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Rounded up, so that a wait is never shorter than asked.
fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// The final completion of an operation that failed.
fn failure(token: Token, kind: Kind, error: i32) -> Completion {
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
        Kind::Send { buffers, .. } => Completion::Sent {
            token,
            result: Err(error),
            buffers,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up_and_saturate() {
        assert_eq!(whole_milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(whole_milliseconds(Duration::from_millis(7)), 7);
        assert_eq!(whole_milliseconds(Duration::MAX), i32::MAX);
    }
}
