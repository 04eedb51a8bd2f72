//! Models of the [`WakeWord`]: a thread that sleeps is woken for news, and sees what was done before it was told.
//!
//! The sleeper does what `sys/waiter.rs` and the drivers of the reactor do with it. The descriptor stands for the eventfd.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::Model;
use crate::sys::wake_word::WakeWord;

pub const MODELS: &[Model] = &[
    ("wake: a thread that found nothing is woken", a_waiter_is_woken),
    ("wake: what two did before is seen", what_two_did_is_seen),
];

/// Readable or not.
struct Descriptor {
    is_readable: Mutex<bool>,
    changed: Condvar,
}

impl Descriptor {
    fn write(&self) {
        *self.is_readable.lock().unwrap() = true;
        self.changed.notify_one();
    }

    /// Sleeps until it is readable, and reads it.
    fn read(&self) {
        let mut is_readable = self.is_readable.lock().unwrap();
        while !*is_readable {
            is_readable = self.changed.wait(is_readable).unwrap();
        }
        *is_readable = false;
    }
}

struct Sleeper {
    word: WakeWord,
    descriptor: Descriptor,
}

impl Sleeper {
    fn new() -> Arc<Sleeper> {
        Arc::new(Sleeper {
            word: WakeWord::new(),
            descriptor: Descriptor {
                is_readable: Mutex::new(false),
                changed: Condvar::new(),
            },
        })
    }

    fn notify(&self) {
        if self.word.notify() {
            self.descriptor.write();
        }
    }

    /// Sleeps once, unless there is news; whether there was.
    fn wait(&self) -> bool {
        if self.word.fall_asleep() {
            self.descriptor.read();
        }
        self.word.rise()
    }
}

/// As a receiver that waits at a socket: its waiter is left there, and whoever has news takes it.
fn a_waiter_is_woken() {
    const MESSAGES: u32 = 2;
    #[derive(Default)]
    struct Socket {
        messages: u32,
        is_waited_for: bool,
    }
    let sleeper = Sleeper::new();
    let socket = Arc::new(Mutex::new(Socket::default()));
    let sender = {
        let (sleeper, socket) = (sleeper.clone(), socket.clone());
        thread::spawn(move || {
            for _ in 0..MESSAGES {
                let mut locked = socket.lock().unwrap();
                locked.messages += 1;
                let is_waited_for = std::mem::take(&mut locked.is_waited_for);
                drop(locked);
                if is_waited_for {
                    sleeper.notify();
                }
            }
        })
    };
    let mut received = 0;
    while received < MESSAGES {
        sleeper.word.rise();
        let mut locked = socket.lock().unwrap();
        received += std::mem::take(&mut locked.messages);
        locked.is_waited_for = received < MESSAGES;
        drop(locked);
        if received < MESSAGES {
            sleeper.wait();
        }
    }
    sender.join().unwrap();
}

/// As a reactor: it looks for commands only when it was told of some, and nothing but the word orders them.
fn what_two_did_is_seen() {
    let sleeper = Sleeper::new();
    let commands = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let threads = [0, 1].map(|place| {
        let (sleeper, commands) = (sleeper.clone(), commands.clone());
        thread::spawn(move || {
            commands[place].store(true, Ordering::Relaxed);
            sleeper.notify();
        })
    });
    let mut seen = [false; 2];
    while seen != [true; 2] {
        if sleeper.wait() {
            for (seen, command) in seen.iter_mut().zip(&*commands) {
                *seen |= command.load(Ordering::Relaxed);
            }
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
