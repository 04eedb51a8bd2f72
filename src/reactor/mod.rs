//! The background thread: one event loop with one driver, timers and a command queue. It knows handlers, not protocols.
//!
//! Everything in a [`Reactor`] belongs to its thread. Other threads hold a [`Link`] and send commands; a command costs no
//! system call while the reactor is awake. A handler that panics is told so and the rest goes on.

pub mod driver;
#[cfg(test)]
pub mod simulation;
mod timers;

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

pub use driver::{Completion, Interest, Segment, SendBuffers, Token, Waker};
pub use timers::TimerId;

use crate::error::{Error, Result};
use crate::sys::alarm::{Alarm, SHARED};
use crate::sys::promise::promise;
use crate::sys::slab::Tidying;
use crate::sys::{clock, thread};
use timers::Timers;

/// Bytes of the buffer that connections read into.
pub const SCRATCH_BYTES: usize = 256 * 1024;
/// Commands that are run before the driver is looked at again.
const COMMANDS_MAX: usize = 256;
/// As many handlers end a turn.
const TURN_MAX: usize = 64;
/// The alarm's own operation.
const ALARM: Token = driver::TOKENS_MAX - 1;
/// How long the loop pauses when the kernel refuses to wait, or to watch the alarm (out of memory), in milliseconds.
const REFUSED_PAUSE_MS: u64 = 10;

/// An object that the reactor works for: a listener or a connection.
pub trait Handler: Send + Sync {
    /// A number that no other handler of the process has.
    fn id(&self) -> u64;
    /// A command that another thread sent with [`Link::call`].
    fn command(self: Arc<Self>, reactor: &mut Reactor, what: u32);
    /// An operation completed. `purpose` is what the operation was started with.
    fn completed(self: Arc<Self>, reactor: &mut Reactor, purpose: u32, completion: Completion);
    /// A timer expired.
    fn timer(self: Arc<Self>, reactor: &mut Reactor, purpose: u32);
    /// Called when the alarm rings (after [`Reactor::tick`]); the answer is when it is to be called again, if it is. It may be
    /// called earlier.
    fn tick(self: Arc<Self>, reactor: &mut Reactor) -> Option<u64>;
    /// The turn of the loop in which it called [`Reactor::after_turn`] is over.
    fn turn_ended(self: Arc<Self>);
    /// One of the calls above panicked: release everything.
    fn failed(self: Arc<Self>, reactor: &mut Reactor);
}

enum Command {
    Call(Arc<dyn Handler>, u32),
    Stop,
}

/// How other threads reach a reactor.
#[derive(Clone)]
pub struct Link {
    commands: Sender<Command>,
    waker: Waker,
    alarm: Arc<Alarm>,
    load: Arc<AtomicUsize>,
}

impl Link {
    /// Has the reactor call [`Handler::tick`] of those that tick, at this time or a little later; costs it nothing before. The
    /// same `owner` may put its deadline off.
    pub fn ring_at(&self, owner: u64, deadline_ns: u64) {
        self.alarm.set(owner, deadline_ns);
    }

    /// Has the reactor call [`Handler::command`]. Commands of one thread arrive in order.
    pub fn call(&self, handler: Arc<dyn Handler>, what: u32) {
        if self.commands.send(Command::Call(handler, what)).is_ok() {
            self.waker.wake();
        }
    }

    /// Has the reactor look after what it does for the whole process: memory that came free.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Ends the reactor after the commands before.
    pub fn stop(&self) {
        if self.commands.send(Command::Stop).is_ok() {
            self.waker.wake();
        }
    }

    /// How many connections and listeners the reactor serves; the pool gives new ones to the least loaded.
    pub fn load(&self) -> &AtomicUsize {
        &self.load
    }
}

/// A running reactor.
pub struct Running {
    /// Reaches it.
    pub link: Link,
    thread: thread::Background,
}

impl Running {
    /// Starts the thread and its driver; `prepare` is the first that it does.
    ///
    /// Errors: those of `prepare`, and what the kernel answers to creating the thread (`EAGAIN`) or the driver's descriptors (`EMFILE`, `ENOMEM`).
    pub fn start(name: &str, prepare: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Running> {
        #[cfg(test)]
        if crate::sys::simulation::is_on() {
            return simulation::start();
        }
        let (ready, started) = promise();
        let thread = thread::spawn_background(name, move || {
            let made = prepare().and_then(|()| driver::select().map_err(Error::from_errno));
            match made.and_then(|driver| Ok((driver, Arc::new(Alarm::new()?)))) {
                Err(error) => ready.keep(Err(error)),
                Ok((driver, alarm)) => {
                    let (sender, receiver) = unbounded();
                    let link = Link {
                        commands: sender,
                        waker: driver.waker(),
                        alarm: alarm.clone(),
                        load: Arc::new(AtomicUsize::new(0)),
                    };
                    ready.keep(Ok(link));
                    Reactor::new(driver, receiver, alarm).run();
                }
            }
        })?;
        match started.wait() {
            Some(Ok(link)) => Ok(Running { link, thread }),
            Some(Err(error)) => {
                thread.join();
                Err(error)
            }
            None => Err(Error::Again),
        }
    }

    /// Ends the reactor and waits for its thread.
    pub fn stop(self) {
        self.link.stop();
        self.thread.join();
    }
}

/// The name of the driver with which a reactor has started, or on which one went on, last. Before the first, the choice is made
/// on a thread of its own, as a reactor would make it.
///
/// # Errors
/// As [`Running::start`].
pub fn driver_name() -> Result<&'static CStr> {
    if let Some(name) = driver::current() {
        return Ok(name);
    }
    let (choice, chosen) = promise();
    thread::spawn_background("ZMQbg/driver", move || {
        choice.keep(driver::select().map(|driver| driver.name()));
    })?
    .join();
    chosen.wait().ok_or(Error::Again)?.map_err(Error::from_errno)
}

struct Operation {
    handler: Arc<dyn Handler>,
    purpose: u32,
}

/// The event loop, as its handlers see it.
pub struct Reactor {
    driver: Box<dyn driver::Driver>,
    commands: Receiver<Command>,
    operations: Vec<Option<Operation>>,
    free: Vec<usize>,
    timers: Timers,
    alarm: Arc<Alarm>,
    ticking: Vec<Arc<dyn Handler>>,
    scratch: Vec<u8>,
    /// To be called when everything that the driver had is dispatched.
    turn: Vec<Arc<dyn Handler>>,
    /// The monotonic time at which the loop last woke up, in nanoseconds.
    now_ns: u64,
    jitter: u64,
    tidying: Tidying,
    /// The kernel would not watch the alarm: that is tried again.
    alarm_refused: bool,
    stopping: bool,
}

impl Reactor {
    fn new(driver: Box<dyn driver::Driver>, commands: Receiver<Command>, alarm: Arc<Alarm>) -> Reactor {
        Reactor {
            driver,
            commands,
            operations: Vec::new(),
            free: Vec::new(),
            timers: Timers::default(),
            alarm,
            ticking: Vec::new(),
            scratch: Vec::new(),
            turn: Vec::new(),
            now_ns: clock::now_ns(),
            jitter: 0,
            tidying: Tidying::default(),
            alarm_refused: false,
            stopping: false,
        }
    }

    /// A number that differs from call to call, also within a turn, and from process to process.
    pub fn jitter(&mut self) -> u64 {
        // The multiplier and the increment of Knuth's MMIX.
        self.jitter = (self.jitter ^ self.now_ns)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.jitter >> 32
    }

    /// Waits for readiness once.
    pub fn poll(&mut self, fd: RawFd, interest: Interest, handler: Arc<dyn Handler>, purpose: u32) -> Token {
        let token = self.operation(handler, purpose);
        self.driver.poll(fd, interest, token);
        token
    }

    /// Accepts until cancelled or failed.
    pub fn accept(&mut self, listener: RawFd, handler: Arc<dyn Handler>, purpose: u32) -> Token {
        let token = self.operation(handler, purpose);
        self.driver.accept(listener, token);
        token
    }

    /// Receives until cancelled, failed or ended.
    pub fn receive(&mut self, fd: RawFd, handler: Arc<dyn Handler>, purpose: u32) -> Token {
        let token = self.operation(handler, purpose);
        self.driver.receive(fd, token);
        token
    }

    /// Sends once.
    pub fn send(&mut self, fd: RawFd, buffers: SendBuffers, handler: Arc<dyn Handler>, purpose: u32) -> Token {
        let token = self.operation(handler, purpose);
        self.driver.send(fd, token, buffers);
        token
    }

    /// Gives a receive buffer back to the driver.
    pub fn release(&mut self, buffer: driver::ReceivedBuffer) {
        self.driver.release(buffer);
    }

    /// Asks an operation to end; its final completion still comes.
    pub fn cancel(&mut self, token: Token) {
        self.driver.cancel(token);
    }

    /// Calls the handler at a time.
    pub fn timer_at(&mut self, deadline_ns: u64, handler: Arc<dyn Handler>, purpose: u32) -> TimerId {
        self.timers.add(deadline_ns, handler, purpose)
    }

    /// Calls the handler after a time.
    pub fn timer_after(&mut self, delay: Duration, handler: Arc<dyn Handler>, purpose: u32) -> TimerId {
        self.timer_at(
            clock::now_ns().saturating_add(delay.as_nanos() as u64),
            handler,
            purpose,
        )
    }

    /// Forgets a timer; an expired one is no error.
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.cancel(timer);
    }

    /// Calls [`Handler::tick`] whenever the alarm rings, and at this time at the latest, until it answers that it is over.
    pub fn tick(&mut self, at_ns: u64, handler: Arc<dyn Handler>) {
        self.alarm.set(handler.id(), at_ns);
        self.ticking.push(handler);
    }

    /// Calls [`Handler::turn_ended`] when what the driver has brought is dispatched: who waits for many connections is woken once.
    pub fn after_turn(&mut self, handler: Arc<dyn Handler>) {
        self.turn.push(handler);
    }

    /// Lends the buffer to read into; give it back with [`Reactor::return_scratch`].
    ///
    /// Errors: `NoMemory`, where it is not there yet.
    pub fn take_scratch(&mut self) -> Result<Vec<u8>> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let missing = SCRATCH_BYTES - scratch.len();
        scratch.try_reserve_exact(missing).map_err(|_| Error::NoMemory)?;
        scratch.resize(SCRATCH_BYTES, 0);
        Ok(scratch)
    }

    /// Takes the buffer back.
    pub fn return_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    fn run(mut self) {
        self.begin();
        while self.run_once() {}
    }

    fn begin(&mut self) {
        self.driver.poll(self.alarm.fd(), Interest::Read, ALARM);
    }

    /// Does what is to be done, waits, and does what the wait has brought. False: the reactor was stopped.
    fn run_once(&mut self) -> bool {
        let more = self.run_commands();
        if self.stopping {
            return false;
        }
        self.run_timers();
        self.end_turn();
        self.tidying.look(self.now_ns);
        let timeout = if more { Some(Duration::ZERO) } else { self.sleep_time() };
        if let Err(error) = self.driver.wait(timeout) {
            match self.driver.successor(error) {
                Some(driver) => self.driver = driver,
                None => std::thread::sleep(Duration::from_millis(REFUSED_PAUSE_MS)),
            }
        }
        self.now_ns = clock::now_ns();
        if std::mem::take(&mut self.alarm_refused) {
            self.run_ticks();
        }
        while let Some(completion) = self.driver.next() {
            self.dispatch(completion);
            if self.turn.len() >= TURN_MAX {
                self.end_turn();
            }
        }
        self.end_turn();
        true
    }

    fn end_turn(&mut self) {
        let mut handlers = std::mem::take(&mut self.turn);
        for handler in handlers.drain(..) {
            self.guarded(handler, |handler, _| handler.turn_ended());
        }
        handlers.append(&mut self.turn);
        self.turn = handlers;
    }

    /// True if some may be left.
    fn run_commands(&mut self) -> bool {
        for _ in 0..COMMANDS_MAX {
            match self.commands.try_recv() {
                Ok(Command::Call(handler, what)) => {
                    self.guarded(handler, |handler, reactor| handler.command(reactor, what))
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => self.stopping = true,
                Err(TryRecvError::Empty) => return false,
            }
        }
        true
    }

    fn run_timers(&mut self) {
        let now = clock::now_ns();
        self.now_ns = now;
        while let Some((handler, purpose)) = self.timers.pop(now) {
            self.guarded(handler, |handler, reactor| handler.timer(reactor, purpose));
        }
    }

    /// The alarm rings.
    fn run_ticks(&mut self) {
        self.alarm.stop();
        self.driver.poll(self.alarm.fd(), Interest::Read, ALARM);
        let mut next_ns = None;
        let mut place = 0;
        while let Some(handler) = self.ticking.get(place).cloned() {
            let mut again = None;
            self.guarded(handler, |handler, reactor| again = handler.tick(reactor));
            if again.is_some() {
                place += 1;
                next_ns = next_ns.into_iter().chain(again).min();
            } else {
                drop(self.ticking.swap_remove(place));
            }
        }
        if let Some(next_ns) = next_ns {
            // A single one may put it off by itself.
            let owner = if let [only] = &self.ticking[..] {
                only.id()
            } else {
                SHARED
            };
            // A caller may have asked for less since it rang.
            self.alarm.set_at_latest(owner, next_ns);
        }
    }

    fn sleep_time(&self) -> Option<Duration> {
        let next = self
            .timers
            .next_deadline_ns()
            .into_iter()
            .chain(self.tidying.at_ns())
            .min();
        let next = next.map(|next| Duration::from_nanos(next.saturating_sub(clock::now_ns())));
        let again = self.alarm_refused.then_some(Duration::from_millis(REFUSED_PAUSE_MS));
        next.into_iter().chain(again).min()
    }

    fn dispatch(&mut self, completion: Completion) {
        let (token, last) = match &completion {
            Completion::Woken => return,
            Completion::Accepted { token, more, .. } | Completion::Received { token, more, .. } => (*token, !more),
            Completion::Ready { token, .. } | Completion::Sent { token, .. } => (*token, true),
        };
        if token == ALARM {
            return match completion {
                Completion::Ready { result: Err(_), .. } => self.alarm_refused = true,
                _ => self.run_ticks(),
            };
        }
        let index = token as usize;
        let Some(Some(operation)) = self.operations.get(index) else {
            return;
        };
        let (handler, purpose) = (operation.handler.clone(), operation.purpose);
        if last {
            self.operations[index] = None;
            self.free.push(index);
        }
        self.guarded(handler, |handler, reactor| {
            handler.completed(reactor, purpose, completion)
        });
    }

    fn guarded(&mut self, handler: Arc<dyn Handler>, call: impl FnOnce(Arc<dyn Handler>, &mut Reactor)) {
        let for_call = handler.clone();
        if catch_unwind(AssertUnwindSafe(|| call(for_call, self))).is_err() {
            drop(catch_unwind(AssertUnwindSafe(|| handler.failed(self))));
        }
    }

    fn operation(&mut self, handler: Arc<dyn Handler>, purpose: u32) -> Token {
        let operation = Some(Operation { handler, purpose });
        match self.free.pop() {
            Some(index) => {
                self.operations[index] = operation;
                index as Token
            }
            None => {
                self.operations.push(operation);
                self.operations.len() as Token - 1
            }
        }
    }
}
