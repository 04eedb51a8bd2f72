//! Models of the [`ForkGate`]: what is open when a process forks is marked, so that the child knows of it, and what could not be
//! closed for a fork is closed in the end.
//!
//! The threads do what `sys/descriptors.rs` does with the gate.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::Model;
use crate::sys::fork_gate::{ForkGate, OwnedWord};

pub const MODELS: &[Model] = &[
    ("fork: one closes while another forks", one_closes),
    ("fork: two close while another forks", two_close),
];

#[derive(Default)]
struct Process {
    gate: ForkGate,
    word: OwnedWord,
    is_open: [AtomicBool; 2],
}

impl Process {
    fn with(descriptors: usize) -> Arc<Process> {
        let process = Process::default();
        for descriptor in 0..descriptors {
            process.word.mark(1 << descriptor);
            process.is_open[descriptor].store(true, Ordering::Relaxed);
        }
        Arc::new(process)
    }

    fn close(&self, bit: u64) {
        let descriptor = bit.trailing_zeros() as usize;
        // Its number may be another's by now.
        assert!(self.is_open[descriptor].swap(false, Ordering::Relaxed), "closed twice");
    }

    fn close_deferred(&self) {
        self.gate
            .outside_forks_again(|| self.word.close_deferred(|bit| self.close(bit)));
    }

    /// As a descriptor that is dropped.
    fn let_go(&self, bit: u64) {
        let close_owned = || {
            if self.word.unmark(bit) {
                self.close(bit);
            }
        };
        if !self.gate.outside_forks(close_owned) && self.word.is_owned(bit) {
            self.word.defer(bit);
            self.close_deferred();
        }
    }

    fn fork(&self) {
        self.gate.begin_fork();
        while self.gate.is_closing() {
            thread::yield_now();
        }
        for (descriptor, is_open) in self.is_open.iter().enumerate() {
            let is_known = self.word.is_owned(1 << descriptor);
            assert!(
                !is_open.load(Ordering::Relaxed) || is_known,
                "the child does not know of it"
            );
        }
        self.gate.end_fork();
        self.close_deferred();
    }
}

fn one_closes() {
    close_and_fork(1);
}

fn two_close() {
    close_and_fork(2);
}

fn close_and_fork(descriptors: usize) {
    let process = Process::with(descriptors);
    let closing: Vec<_> = (0..descriptors)
        .map(|descriptor| {
            let process = process.clone();
            thread::spawn(move || process.let_go(1 << descriptor))
        })
        .collect();
    process.fork();
    closing.into_iter().for_each(|thread| thread.join().unwrap());
    let open = process.is_open.iter().filter(|is_open| is_open.load(Ordering::Relaxed));
    assert_eq!(open.count(), 0, "what was deferred is never closed");
}
