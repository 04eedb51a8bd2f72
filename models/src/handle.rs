//! Models of the [slots](slot) that handles lead to: a handle never comes to mean another object, whoever else looks it up, closes it, and
//! opens others in its slot. The table's part is done here as `handle/mod.rs` does it: it makes the entry of a new handle lead to a vacant
//! slot, and then puts the object there.
#![allow(unsafe_code, reason = "an entry is reached through a pointer")]

#[path = "../../src/handle/slot.rs"]
mod slot;

use std::ptr;
use std::sync::Arc;

use loom::cell::Cell;
use loom::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use loom::thread;

use crate::Model;
use crate::sys::lock::Deferred;
use slot::{Entry, Reference, Slot};

pub const MODELS: &[Model] = &[
    (
        "handle: a stale one does not mean what came after it",
        a_stale_handle_means_nothing,
    ),
    ("handle: an object is closed once", an_object_is_closed_once),
    ("handle: what is left for an object is applied", what_is_left_is_applied),
];

/// What a handle names.
struct Object {
    number: u32,
    /// Loom reports two threads that touch it at once.
    uses: Cell<u32>,
    note: Arc<AtomicBool>,
    applied: bool,
}

impl Object {
    fn new(number: u32) -> Object {
        Object {
            number,
            uses: Cell::new(0),
            note: Arc::default(),
            applied: false,
        }
    }
}

impl Deferred for Object {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        self.applied |= self.note.load(Ordering::Relaxed);
    }
}

/// A handle's value that leads nowhere yet. Entries live as long as the process.
fn entry() -> &'static Entry<Object> {
    Box::leak(Box::new(AtomicPtr::new(ptr::null_mut())))
}

fn open(entry: &Entry<Object>, slot: &'static Slot<Object>, object: Object) {
    entry.store(ptr::from_ref(slot).cast_mut(), Ordering::Release);
    slot.fill(object);
}

/// A call on the handle: the number of the object that it was made on.
fn call(entry: &'static Entry<Object>, waits: bool) -> Option<u32> {
    let reference = Reference::find(entry)?;
    let object = if waits { reference.lock() } else { reference.try_lock() }?;
    object.uses.set(object.uses.get() + 1);
    Some(object.number)
}

fn close(entry: &'static Entry<Object>) -> Option<(Object, &'static Slot<Object>)> {
    Reference::find(entry)?.take()
}

fn a_stale_handle_means_nothing() {
    let (first, second) = (entry(), entry());
    open(first, Slot::allocate().unwrap(), Object::new(1));
    let calls = [true, false].map(|waits| {
        thread::spawn(move || {
            let named = call(first, waits);
            assert!(
                named.is_none_or(|number| number == 1),
                "the handle of 1 led to {named:?}"
            );
        })
    });
    let (object, slot) = close(first).unwrap();
    assert!(call(first, true).is_none());
    open(second, slot, Object::new(2));
    assert_eq!(call(second, true), Some(2));
    calls.into_iter().for_each(|call| call.join().unwrap());
    assert!(object.number == 1 && object.uses.get() <= 2);
}

fn an_object_is_closed_once() {
    let handle = entry();
    open(handle, Slot::allocate().unwrap(), Object::new(1));
    let closers = [(), ()].map(|()| thread::spawn(move || close(handle).is_some()));
    let closed = closers.map(|closer| closer.join().unwrap());
    assert!(closed[0] != closed[1], "closed by {closed:?}");
    assert!(call(handle, true).is_none());
}

fn what_is_left_is_applied() {
    let handle = entry();
    let object = Object::new(1);
    let note = object.note.clone();
    open(handle, Slot::allocate().unwrap(), object);
    let reference = Reference::find(handle).unwrap();
    let notifier = thread::spawn(move || {
        note.store(true, Ordering::Relaxed);
        reference.notify();
    });
    let caller = thread::spawn(move || call(handle, true));
    assert_eq!(call(handle, true), Some(1));
    caller.join().unwrap();
    notifier.join().unwrap();
    assert!(close(handle).unwrap().0.applied, "what was left for it");
}
