//! Name lookups off the reactor: a few threads that exist only while names wait for an answer.
//!
//! Any thread may call `resolve`; the callback runs on a resolver thread, or on the caller's where none can be started,
//! and never under the resolver's lock. Numeric hosts need none of this: ask `HostPort::numeric` first. Dropping the
//! resolver forgets the names that no thread has taken up yet, without calling back; a lookup under way still answers,
//! so a callback must cope with an asker that is gone.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::sys::net::Lookup;
use crate::sys::thread::spawn_background;
use crate::transport::address::HostPort;

/// How many lookups run side by side: one slow name server does not hold up every other name.
pub const THREADS_MAX: usize = 4;

/// What is called with the addresses of a name, in the resolver's order, at least one; or with why there are none.
pub type Callback = Box<dyn FnOnce(Result<Vec<SocketAddr>>) + Send>;

type LookUp = fn(&HostPort, bool) -> Result<Vec<SocketAddr>>;

/// Resolves names for one context.
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: LookUp,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Question>,
    threads: usize,
}

struct Question {
    peer: HostPort,
    ipv6: bool,
    answer: Callback,
}

impl Resolver {
    /// A resolver without any thread.
    pub fn new() -> Resolver {
        Resolver::with(|peer, ipv6| peer.addresses(ipv6, Lookup::Names))
    }

    /// Looks the peer's host up and calls back, once.
    ///
    /// The callback gets `Error::NoDevice` where the name has no address, `Error::NoMemory` or `Error::Again` where
    /// there is no memory or no thread for the lookup: all of them reasons to try again later.
    pub fn resolve(&self, peer: HostPort, ipv6: bool, answer: Callback) {
        let question = Question { peer, ipv6, answer };
        if let Some((question, error)) = self.enqueue(question) {
            (question.answer)(Err(error));
        }
    }

    fn with(look_up: LookUp) -> Resolver {
        Resolver {
            shared: Arc::new(Shared {
                look_up,
                queue: Mutex::default(),
            }),
        }
    }

    /// Queues the question and sees to it that a thread will take it; gives it back where that fails.
    fn enqueue(&self, question: Question) -> Option<(Question, Error)> {
        let mut queue = self.shared.lock();
        if queue.waiting.try_reserve(1).is_err() {
            return Some((question, Error::NoMemory));
        }
        if queue.threads < THREADS_MAX {
            let shared = Arc::clone(&self.shared);
            match spawn_background("ZMQbg/Resolver", move || shared.answer_all()) {
                Ok(_) => queue.threads += 1,
                Err(error) if queue.threads == 0 => return Some((question, error)),
                Err(_) => {}
            }
        }
        queue.waiting.push_back(question);
        None
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver::new()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let forgotten = std::mem::take(&mut self.shared.lock().waiting);
        // Outside the lock: a callback's captures may do anything when they are dropped.
        drop(forgotten);
    }
}

impl Shared {
    /// Nothing panics while the lock is held, so a poisoned one still guards a sound queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one thread: it ends when nothing waits.
    fn answer_all(&self) {
        while let Some(Question { peer, ipv6, answer }) = self.next() {
            let outcome = (self.look_up)(&peer, ipv6);
            // A callback that panics ends its own session at most, never the names that wait behind it.
            drop(catch_unwind(AssertUnwindSafe(|| answer(outcome))));
        }
    }

    /// The next question; with none left this thread is counted out under the same lock.
    fn next(&self) -> Option<Question> {
        let mut queue = self.lock();
        let question = queue.waiting.pop_front();
        if question.is_none() {
            queue.threads -= 1;
        }
        question
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    type Answer = Result<Vec<SocketAddr>>;

    fn peer(text: &str) -> HostPort {
        HostPort::parse(text.as_bytes()).unwrap()
    }

    fn send_to(sender: &Sender<Answer>) -> Callback {
        let sender = sender.clone();
        Box::new(move |answer| drop(sender.send(answer)))
    }

    fn ask(resolver: &Resolver, text: &str) -> Receiver<Answer> {
        let (sender, receiver) = channel();
        resolver.resolve(peer(text), false, send_to(&sender));
        receiver
    }

    #[test]
    fn a_name_is_resolved_with_its_port() {
        let answer = ask(&Resolver::new(), "localhost:5555").recv().unwrap().unwrap();
        assert_eq!(answer[0], "127.0.0.1:5555".parse().unwrap());
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert_eq!(ask(&Resolver::new(), ":5555").recv().unwrap(), Err(Error::NoDevice));
        assert_eq!(
            ask(&Resolver::new(), "nosuch.invalid:5555").recv().unwrap(),
            Err(Error::NoDevice)
        );
    }

    #[test]
    fn callbacks_run_on_a_thread_of_that_name_and_may_ask_again() {
        let resolver = Arc::new(Resolver::new());
        let (sender, receiver) = channel();
        let (inner, answers) = (Arc::clone(&resolver), send_to(&sender));
        let (name_sender, names) = channel();
        resolver.resolve(
            peer("localhost:1"),
            false,
            Box::new(move |_| {
                name_sender
                    .send(std::fs::read_to_string("/proc/thread-self/comm"))
                    .unwrap();
                inner.resolve(peer("localhost:2"), false, answers);
            }),
        );
        assert_eq!(names.recv().unwrap().unwrap().trim_end(), "ZMQbg/Resolver");
        assert_eq!(receiver.recv().unwrap().unwrap()[0].port(), 2);
    }

    /// Blocks lookups of `blocked` until every thread is inside one; the fifth question must then still be waiting.
    #[test]
    fn threads_are_few_and_what_waits_is_forgotten_with_the_resolver() {
        static GATE: std::sync::Barrier = std::sync::Barrier::new(THREADS_MAX + 1);
        let resolver = Resolver::with(|_, _| {
            GATE.wait();
            GATE.wait();
            Ok(Vec::new())
        });
        let (sender, receiver) = channel();
        for _ in 0..THREADS_MAX {
            resolver.resolve(peer("blocked:1"), false, send_to(&sender));
        }
        GATE.wait();
        let (waiting_sender, waiting) = channel();
        resolver.resolve(peer("waiting:1"), false, send_to(&waiting_sender));
        drop(waiting_sender);
        assert_eq!(resolver.shared.lock().threads, THREADS_MAX);
        drop(resolver);
        assert!(waiting.recv().is_err(), "forgotten without an answer");
        GATE.wait();
        for _ in 0..THREADS_MAX {
            assert_eq!(receiver.recv().unwrap(), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_callback_that_panics_does_not_stop_the_others() {
        let resolver = Resolver::with(|_, _| Ok(Vec::new()));
        let (sender, receiver) = channel();
        for _ in 0..2 * THREADS_MAX {
            // Unwinds without the panic hook, whose output would clutter the test's.
            resolver.resolve(
                peer("a:1"),
                false,
                Box::new(|_| std::panic::resume_unwind(Box::new(()))),
            );
        }
        resolver.resolve(peer("b:1"), false, send_to(&sender));
        assert_eq!(receiver.recv().unwrap(), Ok(Vec::new()));
    }
}
