//! The driver of the simulated world (`sys/simulation`): operations end when the world says so, late, in any order, and with errors.
//!
//! [`Driver::wait`] never sleeps. The one who lets the world go on asks [`Pulse`] when the reactor has something to do, and gives it
//! no turn before, so that a wake-up that was forgotten is missed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use super::buffers::{receive_now, send_now};
use super::provided::BufferPool;
use super::{
    Completion, Driver, Interest, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, ReceivedBuffer, SendBuffers, Token, Waker,
};
use crate::sys::{clock, simulation};

/// What the kernel answers when it refuses to watch.
const REFUSALS: [i32; 2] = [libc::ENOMEM, libc::EBADF];

/// Over the world.
pub struct SimulatedDriver {
    state: Rc<RefCell<State>>,
    waker: Waker,
}

/// When the driver's reactor has something to do.
pub struct Pulse {
    state: Rc<RefCell<State>>,
    waker: Waker,
}

struct State {
    operations: BTreeMap<Token, Operation>,
    completed: VecDeque<Completion>,
    pool: Rc<BufferPool>,
    /// When the reactor's sleep ends by itself.
    timeout_ns: Option<u64>,
}

struct Operation {
    fd: RawFd,
    kind: Kind,
    /// When it ends, once it can.
    due_ns: Option<u64>,
    cancelled: bool,
}

enum Kind {
    Accept,
    Poll(Interest),
    Receive,
    /// The buffers are taken when it ends.
    Send(Option<SendBuffers>),
}

impl SimulatedDriver {
    /// A driver for the calling thread's world.
    ///
    /// # Errors
    /// The value of `errno`, such as `EMFILE`.
    pub fn new() -> Result<SimulatedDriver, i32> {
        let state = State {
            operations: BTreeMap::new(),
            completed: VecDeque::new(),
            pool: BufferPool::with_list(RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES)?,
            timeout_ns: None,
        };
        Ok(SimulatedDriver {
            state: Rc::new(RefCell::new(state)),
            waker: Waker::new()?,
        })
    }

    /// Tells when there is something to do.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            state: self.state.clone(),
            waker: self.waker.clone(),
        }
    }

    fn start(&mut self, token: Token, fd: RawFd, kind: Kind) {
        let mut state = self.state.borrow_mut();
        simulation::count_operation(fd, 1);
        let operation = Operation {
            fd,
            kind,
            due_ns: None,
            cancelled: false,
        };
        if state.operations.insert(token, operation).is_some() {
            simulation::violate(format!("token {token} was used twice"));
        }
    }
}

impl Pulse {
    /// When there is something to do next, as of now.
    pub fn due_ns(&self, now_ns: u64) -> Option<u64> {
        let mut state = self.state.borrow_mut();
        if self.waker.is_notified() || !state.completed.is_empty() {
            return Some(now_ns);
        }
        state.make_due(now_ns);
        let operations = state.operations.values().filter_map(|operation| operation.due_ns);
        operations.chain(state.timeout_ns).min()
    }

    /// Wakes the reactor.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// How many buffers are lent out.
    pub fn lent(&self) -> u16 {
        RECEIVE_BUFFERS - self.state.borrow().pool.available()
    }
}

impl State {
    /// What can end is given a time for that.
    fn make_due(&mut self, now_ns: u64) {
        for operation in self
            .operations
            .values_mut()
            .filter(|operation| operation.due_ns.is_none())
        {
            let fd = operation.fd;
            let is_ready = match operation.kind {
                Kind::Accept | Kind::Poll(Interest::Read) | Kind::Receive => simulation::is_readable(fd),
                Kind::Poll(Interest::Write) | Kind::Send(_) => simulation::is_writable(fd),
            };
            operation.due_ns = match (is_ready, simulation::alarm_ns(fd)) {
                (None, alarm_ns) => alarm_ns,
                (Some(is_ready), _) if is_ready || operation.cancelled => Some(now_ns + delay_ns()),
                _ => None,
            };
        }
    }

    /// Ends an operation that is due, or does a part of one that lasts.
    fn act(&mut self, token: Token) {
        let Some(operation) = self.operations.get_mut(&token) else {
            return;
        };
        operation.due_ns = None;
        let (fd, cancelled) = (operation.fd, operation.cancelled);
        // One that was fast enough ends with its own result.
        let cancelled = cancelled && simulation::draw(|random, _| !random.once_in(4));
        let completion = match &mut operation.kind {
            _ if cancelled => None,
            Kind::Poll(_) => Some(Completion::Ready { token, result: ready() }),
            Kind::Accept => match simulation::accept(fd) {
                Ok(connection) => Some(Completion::Accepted {
                    token,
                    result: Ok(connection),
                    more: true,
                }),
                Err(libc::EAGAIN) => return,
                Err(error) => Some(Completion::Accepted {
                    token,
                    result: Err(error),
                    more: false,
                }),
            },
            Kind::Receive => match self.pool.lend_filled(|bytes| receive_now(fd, bytes)) {
                None | Some(Err(libc::EAGAIN)) => return,
                Some(Ok(buffer)) if buffer.is_empty() => Some(Completion::Received {
                    token,
                    result: Ok(ReceivedBuffer::empty()),
                    more: false,
                }),
                Some(result) => {
                    let more = result.is_ok();
                    Some(Completion::Received { token, result, more })
                }
            },
            Kind::Send(buffers) => {
                let result = buffers.as_ref().map_or(Ok(0), |buffers| send_now(fd, buffers));
                if result == Err(libc::EAGAIN) {
                    return;
                }
                let buffers = buffers.take().unwrap_or_default();
                Some(Completion::Sent { token, result, buffers })
            }
        };
        self.end(token, completion);
    }

    /// Tells a completion, or the end of an operation that was cancelled.
    fn end(&mut self, token: Token, completion: Option<Completion>) {
        let lasts = matches!(
            completion,
            Some(Completion::Accepted { more: true, .. } | Completion::Received { more: true, .. })
        );
        if lasts {
            self.completed.extend(completion);
            return;
        }
        let Some(operation) = self.operations.remove(&token) else {
            return;
        };
        simulation::count_operation(operation.fd, -1);
        self.completed.push_back(completion.unwrap_or(match operation.kind {
            Kind::Poll(_) => Completion::Ready {
                token,
                result: Err(libc::ECANCELED),
            },
            Kind::Accept => Completion::Accepted {
                token,
                result: Err(libc::ECANCELED),
                more: false,
            },
            Kind::Receive => Completion::Received {
                token,
                result: Err(libc::ECANCELED),
                more: false,
            },
            Kind::Send(buffers) => Completion::Sent {
                token,
                result: Err(libc::ECANCELED),
                buffers: buffers.unwrap_or_default(),
            },
        }));
    }
}

impl Driver for SimulatedDriver {
    fn name(&self) -> &'static CStr {
        c"simulated"
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
        self.start(token, fd, Kind::Receive);
    }

    fn send(&mut self, fd: RawFd, token: Token, buffers: SendBuffers) {
        self.start(token, fd, Kind::Send(Some(buffers)));
    }

    fn cancel(&mut self, token: Token) {
        if let Some(operation) = self.state.borrow_mut().operations.get_mut(&token) {
            operation.cancelled = true;
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), i32> {
        let state = &mut *self.state.borrow_mut();
        if self.waker.rise() {
            state.completed.push_back(Completion::Woken);
        }
        let now_ns = clock::now_ns();
        state.make_due(now_ns);
        let is_due = |(token, operation): (&Token, &Operation)| {
            operation
                .due_ns
                .is_some_and(|due_ns| due_ns <= now_ns)
                .then_some(*token)
        };
        let mut due: Vec<Token> = state.operations.iter().filter_map(is_due).collect();
        simulation::draw(|random, _| random.shuffle(&mut due));
        for token in due {
            simulation::note(token);
            state.act(token);
        }
        let may_sleep = state.completed.is_empty() && timeout != Some(Duration::ZERO);
        let sleeps = may_sleep && self.waker.fall_asleep();
        state.timeout_ns = if sleeps {
            timeout.map(|time| now_ns.saturating_add(time.as_nanos() as u64))
        } else {
            Some(now_ns)
        };
        Ok(())
    }

    fn next(&mut self) -> Option<Completion> {
        self.state.borrow_mut().completed.pop_front()
    }
}

/// How late a completion is.
fn delay_ns() -> u64 {
    simulation::draw(|random, faults| match random.once_in(faults.lateness) {
        true => random.below(faults.delay_max_ns + 1),
        false => random.below(3_000),
    })
}

/// How a wait for readiness ends.
fn ready() -> Result<(), i32> {
    simulation::draw(|random, faults| match random.once_in(faults.failure) {
        true => Err(random.pick(&REFUSALS)),
        false => Ok(()),
    })
}
