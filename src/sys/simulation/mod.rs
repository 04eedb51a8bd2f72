//! A world for tests in the place of the kernel: a clock, a network and alarms that follow from a seed.
//!
//! It belongs to the thread that called [`begin`]; for every other thread the kernel is there as ever. The functions of `sys`,
//! `transport` and the drivers that make system calls on connections ask it first, in tests only. Whoever would sleep has it
//! [`step`]: then the reactors, which live on the same thread, have their turns, and time passes. So a seed replays exactly.
#![allow(unsafe_code, reason = "descriptors are made in pairs, and polled, by C functions")]

mod network;
mod random;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::RawFd;

pub use network::{
    Flow, Party, accept, break_all, connect, connect_error, has_unread, is_readable, is_writable, listen, listener,
};
pub use random::{Random, mix};
pub use stream::{receive, send, shut_down};

use super::epoll::Event;
use crate::error::{Error, Result};
use network::Network;

/// When the clock starts, in nanoseconds.
const START_NS: u64 = 1_000_000_000_000;
/// So many steps without anything else are no wait any more, but a loop.
const STEPS_MAX: u64 = 600_000;

/// What goes wrong, each once in so many times (0: never).
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A read or write takes only a part of what it could.
    pub partial: u64,
    /// A read or write answers EAGAIN, though it could go on.
    pub hesitation: u64,
    /// A read or write fails, with its connection.
    pub failure: u64,
    /// A connection is reset while bytes move.
    pub reset: u64,
    /// A connection attempt fails.
    pub refusal: u64,
    /// An accept fails.
    pub acceptance: u64,
    /// A wait is interrupted by a signal.
    pub interrupt: u64,
    /// A completion comes late, or without a cause.
    pub lateness: u64,
    /// The longest time that bytes or completions are late, in nanoseconds.
    pub delay_max_ns: u64,
    /// The longest that a buffer of the kernel is, in bytes; not 0.
    pub buffer_max: usize,
}

/// The world of a thread.
pub struct World {
    random: Random,
    now_ns: u64,
    faults: Faults,
    network: Network,
    alarms: BTreeMap<RawFd, Option<u64>>,
    step: fn() -> Option<u64>,
    steps: u64,
    /// A reactor had a turn, and may have closed something.
    touched: bool,
    /// A digest of everything that happened.
    trace: u64,
    violations: Vec<String>,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Gives the calling thread a world. `step` lets the reactors do what is due: when they have more to do (now, if they did something),
/// or `None` for never.
pub fn begin(seed: u64, faults: Faults, step: fn() -> Option<u64>) {
    let world = World {
        random: Random::new(mix(seed)),
        now_ns: START_NS,
        faults,
        network: Network::default(),
        alarms: BTreeMap::new(),
        step,
        steps: 0,
        touched: false,
        trace: 0,
        violations: Vec::new(),
    };
    WORLD.set(Some(world));
}

/// Ends the thread's world: what was found wrong, and the digest of what happened.
pub fn end() -> (Vec<String>, u64) {
    let mut world = WORLD.take().expect("there is a world");
    world.check_end();
    (world.violations, world.trace)
}

/// Calls with the thread's world, if it has one.
pub fn with<R>(call: impl FnOnce(&mut World) -> R) -> Option<R> {
    let call = |world: &RefCell<Option<World>>| world.borrow_mut().as_mut().map(call);
    super::shortage::suspended(|| WORLD.try_with(call).ok().flatten())
}

/// Whether the thread has a world.
pub fn is_on() -> bool {
    with(|_| ()).is_some()
}

/// The world's time, of which each look takes a little.
pub fn now_ns() -> Option<u64> {
    with(|world| {
        world.now_ns += match world.random.below(1_024) {
            0 => world.random.below(100_000),
            1..=16 => world.random.below(5_000),
            _ => 20 + world.random.below(180),
        };
        world.now_ns
    })
}

/// Sets the alarm of a descriptor, or takes it back.
pub fn set_alarm(fd: RawFd, deadline_ns: Option<u64>) -> Option<()> {
    with(|world| {
        world.alarms.insert(fd, deadline_ns);
    })
}

/// When the alarm of a descriptor rings, if it is set.
pub fn alarm_ns(fd: RawFd) -> Option<u64> {
    with(|world| world.alarms.get(&fd).copied().flatten()).flatten()
}

/// Draws from the world's numbers.
pub fn draw<R>(call: impl FnOnce(&mut Random, &Faults) -> R) -> R {
    with(|world| call(&mut world.random, &world.faults)).expect("there is a world")
}

/// Changes what goes wrong from now on.
pub fn set_faults(faults: Faults) {
    with(|world| world.faults = faults);
}

/// Takes down something that happened.
pub fn note(what: u64) {
    with(|world| world.note(what));
}

/// Something is wrong.
pub fn violate(what: String) {
    with(|world| world.violations.push(what));
}

/// How many violations there are.
pub fn violations() -> usize {
    with(|world| world.violations.len()).unwrap_or(0)
}

/// A reactor has had a turn.
pub fn touched() {
    with(|world| world.touched = true);
}

/// An operation on a descriptor has begun (1) or ended (-1).
pub fn count_operation(fd: RawFd, change: isize) {
    with(|world| world.network.count_operation(fd, change));
}

/// What every connection has carried.
pub fn flows<R>(call: impl FnOnce(&mut dyn Iterator<Item = Flow<'_>>) -> R) -> R {
    with(|world| call(&mut world.network.flows())).expect("there is a world")
}

/// Lets the world go on, to what comes next if nothing is due, but not beyond the deadline. False: nothing will ever happen by itself.
pub fn step(deadline_ns: Option<u64>) -> bool {
    let reactors = with(|world| world.step).expect("there is a world");
    let moved = with(World::tend).unwrap_or(false);
    let next_ns = reactors();
    with(|world| {
        world.steps += 1;
        if world.steps == STEPS_MAX {
            world.violations.push("it goes on for ever".to_owned());
        }
        let network_ns = world.network.next_ns();
        let next = [next_ns, network_ns, deadline_ns].into_iter().flatten().min();
        if let (false, Some(next_ns)) = (moved, next) {
            world.now_ns = world.now_ns.max(next_ns);
        }
        world.steps < STEPS_MAX && (moved || next.is_some())
    })
    .unwrap_or(false)
}

/// Lets this much time pass, in nanoseconds.
pub fn pass(time_ns: u64) {
    let deadline_ns = with(|world| world.now_ns + time_ns).expect("there is a world");
    while with(|world| world.now_ns < deadline_ns) == Some(true) && step(Some(deadline_ns)) {}
}

/// `ppoll(2)` in the world: it goes on until one of the entries is ready or the deadline has passed.
pub fn poll(entries: &mut [libc::pollfd], deadline_ns: Option<u64>) -> Option<Result<usize>> {
    with(|_| ())?;
    loop {
        let found = look(entries);
        if found > 0 {
            return Some(Ok(found));
        }
        if deadline_ns.is_some_and(|deadline_ns| with(|world| world.now_ns >= deadline_ns) == Some(true)) {
            return Some(Ok(0));
        }
        if draw(|random, faults| random.once_in(faults.interrupt)) {
            return Some(Err(Error::Interrupted));
        }
        if !step(deadline_ns) {
            violate("a thread waits for what will never come".to_owned());
            return Some(Err(Error::Terminated));
        }
    }
}

/// How many of the entries are ready. Those that are not of the world are the kernel's.
fn look(entries: &mut [libc::pollfd]) -> usize {
    let mut found = 0;
    for entry in entries {
        entry.revents = 0;
        if entry.fd < 0 {
            continue;
        }
        let wanted = |event: i16| entry.events & event != 0;
        let readable = wanted(libc::POLLIN) && is_readable(entry.fd) == Some(true);
        let writable = wanted(libc::POLLOUT) && is_writable(entry.fd) == Some(true);
        if is_readable(entry.fd).is_some() {
            entry.revents = if readable { libc::POLLIN } else { 0 } | if writable { libc::POLLOUT } else { 0 };
        } else {
            // SAFETY: one live entry, and no wait.
            unsafe { libc::poll(entry, 1, 0) };
        }
        found += usize::from(entry.revents != 0);
    }
    found
}

/// Waits until `is_over`.
pub fn wait_until(mut is_over: impl FnMut() -> bool) -> Option<()> {
    with(|_| ())?;
    while !is_over() {
        if !step(None) {
            violate("a thread waits for a reactor that never answers".to_owned());
            break;
        }
    }
    Some(())
}

/// epoll_ctl(2) in the world.
pub fn control(epoll: RawFd, operation: libc::c_int, fd: RawFd, number: u64) -> Option<()> {
    with(|world| world.network.watch(epoll, operation, fd, number))
}

/// epoll_wait(2) in the world, without a wait: how many events there are.
pub fn look_at_crowd(epoll: RawFd, events: &mut [Event]) -> Option<usize> {
    let ready = with(|world| world.network.ready_members(epoll))?;
    let found = events.iter_mut().zip(ready).map(|(event, number)| {
        *event = Event {
            events: libc::EPOLLIN as u32,
            u64: number,
        };
    });
    Some(found.count())
}

impl World {
    fn note(&mut self, what: u64) {
        self.trace = mix(self.trace ^ what.wrapping_mul(0x2545_f491_4f6c_dd1d));
    }

    /// How late something is.
    fn delay_ns(&mut self) -> u64 {
        if self.random.once_in(self.faults.lateness) {
            self.random.below(self.faults.delay_max_ns + 1)
        } else {
            self.random.below(20_000)
        }
    }
}
