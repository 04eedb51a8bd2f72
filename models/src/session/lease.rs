//! Models of the [`Lease`]: whoever else may hold it, somebody watches an open connection in the end, and the reactor looks at the
//! lease by one timer, if at all.
//!
//! The reactor here does what `session/life.rs`, `lease.rs`, `traffic.rs` and `crowd.rs` do with the lease, and keeps count of what
//! it was asked for.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use super::lease_word::{Holder, Lease, Look};
use crate::Model;

pub const MODELS: &[Model] = &[
    ("lease: two calls while the reactor looks twice", two_calls),
    (
        "lease: calls that do not wait keep it while the reactor looks",
        calls_that_do_not_wait,
    ),
    ("lease: a call ends it while the reactor reads", a_call_ends_it),
    (
        "lease: the program ends it before the call returns",
        the_program_ends_it,
    ),
    (
        "lease: a call during the end of a connection and the next one",
        another_connection,
    ),
    ("lease: a connection joins a crowd and leaves it", a_crowd),
    ("lease: a connection ends that leaves a crowd", an_end_in_a_crowd),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Watch,
    ReadAgain,
}

#[derive(Default)]
struct Session {
    lease: Lease,
    commands: Mutex<Vec<Command>>,
    /// Whether the crowd has it.
    is_member: Mutex<bool>,
}

impl Session {
    fn call(&self, command: Command) {
        self.commands.lock().unwrap().push(command);
    }

    /// A call that waits once.
    fn call_that_reads(&self) {
        if self.lease.take() && self.lease.pause() {
            self.call(Command::Watch);
        }
    }

    /// As above, where neither the connection nor anybody else ends it.
    fn call_that_keeps_it(&self) {
        if self.lease.take() {
            assert_eq!(self.lease.holder(), Holder::Call, "a call has it that was given it");
            if self.lease.pause() {
                self.call(Command::Watch);
            }
        }
    }

    /// A call that finds its message, twice.
    fn calls_that_do_not_wait(&self) {
        for _ in 0..2 {
            if !self.lease.renew() && self.lease.take_for_long() && self.lease.pause() {
                self.call(Command::Watch);
            }
        }
    }

    /// A call that comes to the reactor's business.
    fn call_that_ends(&self) {
        if self.lease.take() {
            self.end();
        }
    }

    fn end(&self) {
        if self.lease.end() {
            self.call(Command::ReadAgain);
        }
    }

    /// Whoever reads the crowd finds the pipe full, of a connection that was a member when he looked.
    fn leave_crowd(&self) {
        let was_member = *self.is_member.lock().unwrap();
        if was_member && self.lease.holder() == Holder::Crowd {
            *self.is_member.lock().unwrap() = false;
            self.lease.leave();
            self.call(Command::ReadAgain);
        }
    }

    /// False: the lease is not the reactor's. A member may be there already.
    fn join_crowd(&self) -> bool {
        let joins = self.lease.join();
        if joins {
            *self.is_member.lock().unwrap() = true;
        }
        joins
    }
}

/// The reactor's side of the session.
struct Reactor {
    session: Arc<Session>,
    /// The descriptor is watched, once.
    watches: bool,
    /// Timers that look at the lease.
    timers: usize,
    is_open: bool,
    gathers: bool,
}

impl Reactor {
    fn new() -> Reactor {
        Reactor {
            session: Arc::default(),
            watches: false,
            timers: 0,
            is_open: false,
            gathers: false,
        }
    }

    fn open(&mut self) {
        self.session.lease.open();
        self.is_open = true;
        self.watch();
    }

    fn close(&mut self) {
        self.session.lease.close();
        *self.session.is_member.lock().unwrap() = false;
        (self.is_open, self.watches) = (false, false);
    }

    fn watch(&mut self) {
        if !self.session.lease.is_the_reactors() || !self.is_open || self.watches {
            return;
        }
        self.watches = !(self.gathers && self.session.join_crowd());
    }

    /// The descriptor is readable.
    fn readable(&mut self) {
        if std::mem::take(&mut self.watches) && self.session.lease.is_the_reactors() {
            self.watch();
        }
    }

    fn run_commands(&mut self) {
        let commands = std::mem::take(&mut *self.session.commands.lock().unwrap());
        for command in commands {
            match command {
                Command::Watch => self.timers += 1,
                Command::ReadAgain => self.watch(),
            }
            assert!(self.timers <= 1, "the lease is looked at by two timers");
        }
    }

    /// The timer expires, if there is one.
    fn look(&mut self) {
        if self.timers == 0 {
            return;
        }
        self.timers -= 1;
        match self.session.lease.look() {
            Look::Again => self.timers += 1,
            Look::Stop => {}
            Look::Lapsed => self.watch(),
        }
    }

    fn turn(&mut self) {
        self.run_commands();
        self.look();
    }

    /// Nobody calls any more.
    fn check(&mut self) {
        for _ in 0..4 {
            self.run_commands();
            let is_member = self.is_member();
            assert_eq!(
                is_member,
                self.session.lease.holder() == Holder::Crowd,
                "who is a member"
            );
            match self.session.lease.holder() {
                _ if !self.is_open => assert!(!self.session.lease.take(), "there is no connection"),
                Holder::Reactor => assert!(self.watches, "the reactor is to watch, and does not"),
                Holder::Idle => assert_eq!(self.timers, 1, "callers that stay away have it"),
                Holder::Crowd => {}
                Holder::Call => panic!("a call that has returned has it"),
            }
            self.readable();
            self.look();
        }
        assert_eq!(self.timers, 0, "the reactor looks for ever");
        assert_eq!(
            self.is_open && !self.is_member(),
            self.watches,
            "who watches in the end"
        );
    }

    fn is_member(&self) -> bool {
        *self.session.is_member.lock().unwrap()
    }
}

fn caller(reactor: &Reactor, run: impl FnOnce(&Session) + 'static) -> thread::JoinHandle<()> {
    let session = reactor.session.clone();
    thread::spawn(move || run(&session))
}

fn two_calls() {
    let mut reactor = Reactor::new();
    reactor.open();
    let caller = caller(&reactor, |session| {
        session.call_that_keeps_it();
        session.call_that_keeps_it();
    });
    reactor.turn();
    reactor.readable();
    reactor.turn();
    caller.join().unwrap();
    reactor.check();
}

fn calls_that_do_not_wait() {
    let mut reactor = Reactor::new();
    reactor.open();
    let caller = caller(&reactor, Session::calls_that_do_not_wait);
    let other = self::caller(&reactor, |session| session.lease.hurry());
    reactor.readable();
    reactor.turn();
    reactor.turn();
    [caller, other].into_iter().for_each(|thread| thread.join().unwrap());
    reactor.check();
}

fn a_call_ends_it() {
    let mut reactor = Reactor::new();
    reactor.open();
    let first = caller(&reactor, |session| {
        session.call_that_reads();
        session.call_that_ends();
        session.call_that_reads();
    });
    let second = caller(&reactor, Session::end);
    reactor.readable();
    reactor.turn();
    [first, second].into_iter().for_each(|caller| caller.join().unwrap());
    reactor.check();
}

fn the_program_ends_it() {
    let mut reactor = Reactor::new();
    reactor.open();
    assert!(reactor.session.lease.take());
    let call = caller(&reactor, |session| {
        if session.lease.pause() {
            session.call(Command::Watch);
        }
    });
    let program = caller(&reactor, Session::end);
    reactor.turn();
    [call, program].into_iter().for_each(|caller| caller.join().unwrap());
    assert!(reactor.session.lease.is_the_reactors(), "a call took it back");
    reactor.check();
}

fn another_connection() {
    let mut reactor = Reactor::new();
    reactor.open();
    let caller = caller(&reactor, |session| {
        session.call_that_reads();
        session.call_that_reads();
    });
    reactor.turn();
    reactor.close();
    reactor.turn();
    reactor.open();
    reactor.turn();
    caller.join().unwrap();
    reactor.check();
}

fn a_crowd() {
    let mut reactor = Reactor::new();
    reactor.open();
    let caller = caller(&reactor, Session::call_that_keeps_it);
    let member = self::caller(&reactor, Session::leave_crowd);
    reactor.gathers = true;
    reactor.readable();
    reactor.turn();
    [caller, member].into_iter().for_each(|thread| thread.join().unwrap());
    reactor.check();
}

fn an_end_in_a_crowd() {
    let mut reactor = Reactor::new();
    reactor.gathers = true;
    reactor.open();
    let member = caller(&reactor, Session::leave_crowd);
    reactor.turn();
    reactor.close();
    reactor.open();
    reactor.turn();
    member.join().unwrap();
    reactor.check();
}
