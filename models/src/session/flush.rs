//! Models of the [`FlushDuty`]: what a sender left in the lane, or holds back, and announced, is written, by a tick or by whoever
//! writes before.
//!
//! The connection here does what `session/mod.rs`, `life.rs` and `writer.rs` do with it. The clock stands still but where a model
//! moves it, and orders nothing between threads.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use super::flush_duty::{FlushDuty, Writer};
use crate::Model;
use crate::pipe::{Batch, Lane, Taken};
use crate::sys::lock::{Deferred, Lock};

pub const MODELS: &[Model] = &[
    ("flush: a tick writes what a burst left", a_tick_writes),
    ("flush: a caller writes what a tick would", a_caller_writes),
    (
        "flush: a kernel that takes no more is tried again",
        a_kernel_that_is_full,
    ),
    ("flush: a kernel is full once a tick has written", a_kernel_fills),
    ("flush: what was promised is kept", a_promise_is_kept),
    (
        "flush: a promise covers what the kernel did not take",
        a_promise_covers_what_is_left,
    ),
    ("flush: what is held back is reminded of", a_reminder),
];

const START_NS: u64 = 1_000_000;
/// For how long a lasting burst does not ask again, in nanoseconds.
const SLACK_NS: u64 = 250_000;
/// So many ticks end everything.
const TURNS_MAX: usize = 8;

/// What the caller, the write half and the reactor have in common.
struct Shared {
    duty: FlushDuty,
    lane: Lane,
    /// Commands for the reactor to tick.
    commands: AtomicU32,
    clock_ns: AtomicU64,
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.clock_ns.load(Ordering::SeqCst)
    }

    fn tick_after(&self, since_ns: u64) {
        self.tick_at(self.duty.defer(since_ns));
    }

    fn tick_at(&self, deadline_ns: u64) {
        if self.duty.ask(self.now_ns(), deadline_ns, |_| {}) {
            self.commands.fetch_add(1, Ordering::Release);
        }
    }
}

struct Half {
    shared: Arc<Shared>,
    batch: Batch,
    /// Messages that were taken, and that the kernel did not take.
    outgoing: u64,
    written: u64,
    in_flight: bool,
    full: bool,
    /// So often the kernel takes what there is, ...
    accepts: u32,
    /// ... and then so often it does not.
    refusals: u32,
}

impl Half {
    fn fill(&mut self) -> bool {
        if self.outgoing == 0 && matches!(self.shared.lane.take(&mut self.batch), Taken::Batch(_)) {
            self.outgoing = self.batch.messages();
            self.batch.clear();
        }
        self.outgoing > 0
    }

    fn write_all(&mut self) -> bool {
        self.full = false;
        while !self.in_flight && self.fill() {
            if self.accepts > 0 {
                self.accepts -= 1;
            } else if self.refusals > 0 {
                self.refusals -= 1;
                self.full = true;
                return true;
            }
            self.written += std::mem::take(&mut self.outgoing);
        }
        false
    }

    fn begin_operation(&mut self) -> bool {
        if self.in_flight || !self.fill() {
            return false;
        }
        (self.full, self.in_flight) = (false, true);
        true
    }

    fn end_operation(&mut self) {
        self.in_flight = false;
        self.written += std::mem::take(&mut self.outgoing);
        self.run_deferred(&mut ());
    }
}

impl Deferred for Half {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        if !self.full
            && self.write_all()
            && let Some(deadline_ns) = self.shared.duty.defer_rest(self.shared.now_ns(), 0)
        {
            self.shared.tick_at(deadline_ns);
        }
    }
}

impl Writer for Half {
    fn is_stuck(&self) -> bool {
        self.in_flight || self.full
    }

    fn needs_reactor(&self) -> bool {
        self.full
    }
}

struct Connection {
    shared: Arc<Shared>,
    writer: Lock<Half>,
}

impl Connection {
    fn new(accepts: u32, refusals: u32) -> Arc<Connection> {
        let shared = Arc::new(Shared {
            duty: FlushDuty::default(),
            lane: Lane::new(0),
            commands: AtomicU32::new(0),
            clock_ns: AtomicU64::new(START_NS),
        });
        let half = Half {
            shared: shared.clone(),
            batch: Batch::default(),
            outgoing: 0,
            written: 0,
            in_flight: false,
            full: false,
            accepts,
            refusals,
        };
        Arc::new(Connection {
            shared,
            writer: Lock::new(half),
        })
    }

    /// Whether the lane was empty: then it is to be announced.
    fn push(&self) -> bool {
        let pushed = self.shared.lane.push(|batch| batch.push_frame(b"1", false));
        pushed.unwrap().was_empty
    }

    fn flush_later(&self, since_ns: u64, reminds: bool) {
        if reminds {
            self.shared.duty.remind(since_ns);
        }
        self.shared.duty.promise(since_ns);
        self.shared.tick_after(since_ns);
    }

    fn remind_later(&self, since_ns: u64) {
        self.shared.duty.remind(since_ns);
        let waits = self.shared.lane.has_content();
        let deadline_ns = if waits {
            self.shared.duty.deadline_ns()
        } else {
            u64::MAX
        };
        self.shared.tick_at(deadline_ns);
    }

    /// A message of a burst.
    fn send(&self) {
        if self.push() {
            self.flush_later(self.shared.now_ns(), false);
        }
    }
}

fn spawn(connection: &Arc<Connection>, run: impl FnOnce(&Connection) + 'static) -> thread::JoinHandle<()> {
    let connection = connection.clone();
    thread::spawn(move || run(&connection))
}

/// The reactor's side of it.
struct Reactor {
    connection: Arc<Connection>,
    /// When it ticks, if it does.
    next_ns: Option<u64>,
    operates: bool,
    reminded: Arc<AtomicBool>,
}

impl Reactor {
    fn new(connection: &Arc<Connection>) -> Reactor {
        Reactor {
            connection: connection.clone(),
            next_ns: None,
            operates: false,
            reminded: Arc::new(AtomicBool::new(false)),
        }
    }

    fn run_commands(&mut self) {
        let shared = &self.connection.shared;
        for _ in 0..shared.commands.swap(0, Ordering::Acquire) {
            assert_eq!(self.next_ns, None, "it ticks already");
            self.next_ns = Some(shared.duty.next_tick_ns(shared.now_ns(), true).unwrap_or(0));
        }
    }

    /// Ticks, as the alarm may ring at any time, and ends an operation.
    fn turn(&mut self) {
        self.run_commands();
        let Connection { shared, writer } = &*self.connection;
        if std::mem::take(&mut self.operates) {
            writer.lock().end_operation();
        }
        if self.next_ns.is_none() {
            return;
        }
        let now_ns = shared.now_ns();
        if shared.duty.take_reminder(now_ns) {
            self.reminded.swap(true, Ordering::AcqRel);
        }
        let operates = &mut self.operates;
        self.next_ns = shared.duty.tick(
            now_ns,
            || shared.lane.has_content(),
            writer,
            |needed| {
                if needed {
                    *operates |= writer.lock().begin_operation();
                }
            },
        );
    }

    /// As above, when it is time for it.
    fn turn_in_time(&mut self) {
        if let Some(next_ns) = self.next_ns {
            self.connection.shared.clock_ns.fetch_max(next_ns, Ordering::SeqCst);
        }
        self.turn();
    }

    /// Nobody calls any more.
    fn check(&mut self, messages: u64) {
        for _ in 0..TURNS_MAX {
            self.turn_in_time();
        }
        let is_idle = self.next_ns.is_none() && !self.operates;
        assert!(
            is_idle && self.connection.shared.commands.load(Ordering::Acquire) == 0,
            "it ticks for ever"
        );
        let half = self.connection.writer.try_lock().expect("nobody writes");
        assert_eq!(half.written, messages, "what was written");
    }
}

fn a_tick_writes() {
    let connection = Connection::new(0, 0);
    let sender = spawn(&connection, |connection| {
        connection.send();
        connection.send();
    });
    let mut reactor = Reactor::new(&connection);
    reactor.turn();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(2);
}

fn a_caller_writes() {
    let connection = Connection::new(0, 0);
    connection.send();
    let sender = spawn(&connection, |connection| {
        connection.send();
        connection.writer.notify();
        connection.send();
    });
    let mut reactor = Reactor::new(&connection);
    reactor.run_commands();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(3);
}

fn a_kernel_that_is_full() {
    let connection = Connection::new(0, 1);
    connection.send();
    let sender = spawn(&connection, |connection| {
        connection.writer.notify();
        connection.send();
    });
    let mut reactor = Reactor::new(&connection);
    reactor.run_commands();
    reactor.turn_in_time();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(2);
}

fn a_kernel_fills() {
    let connection = Connection::new(1, 1);
    connection.send();
    let sender = spawn(&connection, |connection| {
        // No part of a burst: it is written at once, and nothing was promised.
        connection.push();
        connection.writer.notify();
    });
    let mut reactor = Reactor::new(&connection);
    reactor.run_commands();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(2);
}

fn a_promise_is_kept() {
    keep_a_promise(&Connection::new(0, 0));
}

fn a_promise_covers_what_is_left() {
    keep_a_promise(&Connection::new(0, 1));
}

fn keep_a_promise(connection: &Arc<Connection>) {
    let until_ns = START_NS + SLACK_NS;
    connection.push();
    connection.flush_later(until_ns, false);
    let sender = spawn(connection, move |connection| {
        connection.writer.notify();
        // As `Pace::wait`: the clock is read once the message is there.
        if connection.push() {
            let now_ns = connection.shared.now_ns();
            if now_ns >= until_ns {
                connection.flush_later(now_ns + SLACK_NS, false);
            }
        }
    });
    let mut reactor = Reactor::new(connection);
    reactor.turn();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(2);
}

fn a_reminder() {
    let connection = Connection::new(0, 0);
    connection.send();
    let mut reactor = Reactor::new(&connection);
    let reminded = reactor.reminded.clone();
    let sender = spawn(&connection, move |connection| {
        let since_ns = connection.shared.now_ns();
        connection.remind_later(since_ns);
        // It comes back, writes by itself, and holds back anew.
        reminded.swap(false, Ordering::AcqRel);
        connection.remind_later(since_ns + 1);
    });
    reactor.run_commands();
    reactor.turn_in_time();
    reactor.turn_in_time();
    sender.join().unwrap();
    reactor.check(1);
    assert!(
        reactor.reminded.load(Ordering::Acquire),
        "the socket holds back what nobody reminds it of"
    );
}
