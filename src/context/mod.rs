//! A context: its options, the reactor threads (started with the first socket that needs them), the count of sockets and
//! connections that termination waits for, and the inproc names.
//!
//! Any thread may call anything here. The context's own lock is a leaf: nothing is called back under it.

mod inproc;
mod patience;
mod zap;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

pub use inproc::{InprocNames, InprocSide};

use crate::error::{Error, Result};
use crate::handle::{Region, Table};
use crate::options::{ContextOpt, ContextOptions};
use crate::reactor::{Link, Running};
use crate::session::Session;
use crate::sys::lock::Deferred;
use crate::sys::mutex::Mutex;
use crate::sys::reserve;
use crate::sys::scheduling::{self, Scheduling};
use crate::sys::slab;
use crate::sys::waiter::Waiter;
use patience::Patience;

/// The contexts that C programs hold handles of.
pub static CONTEXTS: Table<Entry> = Table::new(Region::Contexts);

/// What a context's handle leads to.
pub struct Entry(pub Arc<Context>);

impl Deferred for Entry {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {}
}

/// A socket, as its context sees it.
pub trait Member: Send + Sync {
    /// The context ends: calls on the socket answer ETERM from now on.
    fn terminate(&self);
    /// ZMTP's name of its type.
    fn socket_type(&self) -> &'static str;
}

/// A context.
pub struct Context {
    options: Mutex<ContextOptions>,
    state: Mutex<State>,
    terminating: AtomicBool,
    /// inproc endpoints.
    pub names: InprocNames,
    seed: AtomicU32,
    patience: Patience,
}

#[derive(Default)]
struct State {
    reactors: Vec<Running>,
    members: HashMap<u64, Weak<dyn Member>>,
    socket_limit: Option<i32>,
    /// Connections and listeners that are not closed yet.
    live: HashMap<u64, Weak<Session>>,
    /// How many more there are, for which there was no memory in that list.
    unlisted: usize,
    waiters: Vec<Arc<Waiter>>,
}

impl State {
    /// Nothing is left to wait for.
    fn is_done(&self) -> bool {
        self.members.is_empty() && self.live.is_empty() && self.unlisted == 0
    }
}

impl Context {
    /// A context with default options and no thread.
    pub fn new() -> Arc<Context> {
        Arc::new(Context {
            options: Mutex::new(ContextOptions::new()),
            state: Mutex::new(State::default()),
            terminating: AtomicBool::new(false),
            names: InprocNames::default(),
            seed: AtomicU32::new(crate::sys::clock::now_ns() as u32),
            patience: Patience::default(),
        })
    }

    /// zmq_ctx_set.
    pub fn set(&self, option: i32, value: i32) -> Result<()> {
        self.options.lock().set(option, value)
    }

    /// zmq_ctx_get.
    pub fn get(&self, option: i32) -> Result<i32> {
        self.options.lock().get(option)
    }

    /// The options as they are now.
    pub fn options(&self) -> ContextOptions {
        self.options.lock().clone()
    }

    /// Whether calls must answer ETERM.
    pub fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Acquire)
    }

    /// A start for numbers that should differ from socket to socket.
    pub fn next_seed(&self) -> u32 {
        self.seed.fetch_add(0x9e37_79b9, Ordering::Relaxed)
    }

    /// Counts a new socket.
    ///
    /// Errors: `EMFILE` at ZMQ_MAX_SOCKETS, `ETERM`, `ENOMEM`, and what starting the threads answers.
    pub fn join(&self, id: u64, member: Weak<dyn Member>) -> Result<()> {
        self.start_reactors()?;
        let limit = self.options.lock().int(ContextOpt::MaxSockets);
        let mut state = self.state.lock();
        // As on libzmq the limit is that of the time when the first socket was made.
        let limit = *state.socket_limit.get_or_insert(limit);
        if self.is_terminating() {
            return Err(Error::Terminated);
        }
        if state.members.len() >= limit as usize {
            return Err(Error::TooManyFiles);
        }
        state.members.try_reserve(1).map_err(|_| Error::NoMemory)?;
        state.members.insert(id, member);
        Ok(())
    }

    /// A socket was closed.
    pub fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        state.members.remove(&id);
        wake_if_done(&mut state);
    }

    /// A connection or listener was made: termination waits for it.
    pub fn connection_made(&self, id: u64, session: Weak<Session>) {
        let mut state = self.state.lock();
        if state.live.try_reserve(1).is_ok() {
            state.live.insert(id, session);
        } else {
            state.unlisted += 1;
        }
    }

    /// A connection or listener is closed: once for each that was made.
    pub fn connection_ended(&self, id: u64) {
        let mut state = self.state.lock();
        if state.live.remove(&id).is_none() {
            state.unlisted = state.unlisted.saturating_sub(1);
        }
        wake_if_done(&mut state);
    }

    /// The reactors that ZMQ_AFFINITY allows (bit n: reactor n; 0: all).
    ///
    /// Errors: `EMTHREAD` when there is none.
    pub fn links(&self, affinity: u64) -> Result<Vec<Link>> {
        let state = self.state.lock();
        let allowed = |place: usize| affinity == 0 || place < 64 && affinity >> place & 1 == 1;
        let links: Vec<Link> = state
            .reactors
            .iter()
            .enumerate()
            .filter(|(place, _)| allowed(*place))
            .map(|(_, one)| one.link.clone())
            .collect();
        if links.is_empty() {
            Err(Error::NoThread)
        } else {
            Ok(links)
        }
    }

    /// Has a reactor look after memory that came free, if none does. Where nothing but inproc is used none would.
    #[inline]
    pub fn tidy(&self) {
        if slab::is_untended() {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        if let Some(one) = self.state.lock().reactors.first() {
            one.link.wake();
        }
    }

    /// zmq_ctx_shutdown: every blocked and later call on the context's sockets answers ETERM. False: it was done before.
    pub fn shutdown(&self) -> bool {
        let state = self.state.lock();
        let first = !self.terminating.swap(true, Ordering::AcqRel);
        let members: Vec<Arc<dyn Member>> = state.members.values().filter_map(Weak::upgrade).collect();
        drop(state);
        if first {
            members.iter().for_each(|member| member.terminate());
        }
        first
    }

    /// zmq_ctx_term: shuts down, waits until the last socket is closed and its messages are sent or its linger has passed,
    /// and ends the threads. A wait that does not seem to end is told on the standard error.
    ///
    /// Errors: `EINTR`; the call can be made again.
    pub fn terminate(&self) -> Result<()> {
        self.shutdown();
        let waiter = Waiter::mine()?;
        loop {
            waiter.prepare();
            {
                let mut state = self.state.lock();
                if state.is_done() {
                    break;
                }
                state.waiters.push(waiter.clone());
            }
            let waited = waiter.wait(self.patience.deadline_ns(), &mut []);
            self.state.lock().waiters.retain(|one| !Arc::ptr_eq(one, &waiter));
            if !waited? && self.patience.ends() {
                self.say_what_is_waited_for();
            }
        }
        self.names.clear();
        let reactors = std::mem::take(&mut self.state.lock().reactors);
        reactors.into_iter().for_each(Running::stop);
        slab::tidy();
        Ok(())
    }

    fn say_what_is_waited_for(&self) {
        let (mut open, mut sessions) = (Vec::new(), Vec::new());
        {
            let state = self.state.lock();
            let (members, live) = (state.members.len(), state.live.len());
            if reserve::spare().is_err() || open.try_reserve(members).is_err() || sessions.try_reserve(live).is_err() {
                return;
            }
            open.extend(state.members.values().filter_map(Weak::upgrade));
            sessions.extend(state.live.values().filter_map(Weak::upgrade));
        }
        let (mut types, mut unsent) = (Vec::new(), Vec::new());
        if types.try_reserve(open.len()).is_err() || unsent.try_reserve(sessions.len()).is_err() {
            return;
        }
        types.extend(open.iter().map(|member| member.socket_type()));
        unsent.extend(sessions.iter().map(|session| session.unsent()));
        patience::say(&types, &unsent);
    }

    fn start_reactors(&self) -> Result<()> {
        let options = self.options();
        let mut state = self.state.lock();
        if !state.reactors.is_empty() || self.is_terminating() {
            return Ok(());
        }
        let scheduling = Scheduling {
            priority: options.int(ContextOpt::ThreadPriority),
            policy: options.int(ContextOpt::ThreadSchedPolicy),
            cpus: options.cpus().to_vec(),
        };
        let prefix = options
            .name_prefix()
            .map(|prefix| format!("{prefix}/"))
            .unwrap_or_default();
        for place in 0..options.int(ContextOpt::IoThreads) {
            let name = format!("{prefix}ZMQbg/IO/{place}");
            let scheduling = scheduling.clone();
            match Running::start(&name, move || scheduling::apply(&scheduling)) {
                Ok(running) => state.reactors.push(running),
                Err(error) => {
                    let started = std::mem::take(&mut state.reactors);
                    drop(state);
                    started.into_iter().for_each(Running::stop);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

fn wake_if_done(state: &mut State) {
    if state.is_done() {
        state.waiters.drain(..).for_each(|waiter| waiter.notify());
    }
}
