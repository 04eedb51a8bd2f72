//! Models of [`Lock`]: one thread at a time has the object, and what was left for it is applied.

use std::sync::Arc;

use loom::cell::Cell;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::Model;
use crate::sys::lock::{Deferred, Lock};

pub const MODELS: &[Model] = &[
    ("lock: what two leave for a holder is applied", two_notify_a_holder),
    ("lock: what is left for two that wait is applied", one_notifies_two),
    ("lock: three that wait have it in turn", three_in_turn),
];

const NOTIFIERS: usize = 2;

/// What is left for the object, by each notifier. The notes order nothing by themselves: that is the lock's to do.
type Notes = Arc<[AtomicBool; NOTIFIERS]>;

/// Loom reports two threads that touch a cell at once, or one that has not seen what the other did before.
struct Object {
    notes: Notes,
    applied: [Cell<bool>; NOTIFIERS],
    visits: Cell<u32>,
}

impl Deferred for Object {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        for (note, applied) in self.notes.iter().zip(&self.applied) {
            applied.set(note.load(Ordering::Relaxed));
        }
    }
}

struct Rig {
    notes: Notes,
    lock: Lock<Object>,
}

impl Rig {
    fn new() -> Arc<Rig> {
        let notes = Notes::default();
        let object = Object {
            notes: notes.clone(),
            applied: [Cell::new(false), Cell::new(false)],
            visits: Cell::new(0),
        };
        Arc::new(Rig {
            notes,
            lock: Lock::new(object),
        })
    }

    fn notify(&self, notifier: usize) {
        self.notes[notifier].store(true, Ordering::Relaxed);
        self.lock.notify();
    }

    fn visit(&self) {
        let object = self.lock.lock();
        object.visits.set(object.visits.get() + 1);
        // As the short way does: what is left to do is done when the guard that comes back is dropped.
        drop(object.release());
    }

    /// Everybody is done.
    fn check(&self, notifiers: usize, visits: u32) {
        let object = self.lock.try_lock().expect("the lock is free");
        let applied = object.applied.iter().filter(|applied| applied.get()).count();
        assert_eq!(applied, notifiers, "notes that were applied");
        assert_eq!(object.visits.get(), visits);
    }
}

fn spawn(rig: &Arc<Rig>, run: impl FnOnce(&Rig) + 'static) -> thread::JoinHandle<()> {
    let rig = rig.clone();
    thread::spawn(move || run(&rig))
}

fn two_notify_a_holder() {
    let rig = Rig::new();
    let threads = [0, 1].map(|notifier| spawn(&rig, move |rig| rig.notify(notifier)));
    rig.visit();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    rig.check(2, 1);
}

fn one_notifies_two() {
    let rig = Rig::new();
    let visitor = spawn(&rig, Rig::visit);
    let notifier = spawn(&rig, |rig| rig.notify(0));
    rig.visit();
    [visitor, notifier]
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    rig.check(1, 2);
}

fn three_in_turn() {
    let rig = Rig::new();
    let threads = [0, 1].map(|_| spawn(&rig, Rig::visit));
    rig.visit();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    rig.check(0, 3);
}
