//! Handles: what is found and what is refused, reuse of values and slots, races, and a forked child.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::wiped::WipedMemory;
use super::*;
use crate::sys::child::status_of_child;

struct Object {
    number: u64,
    news: Arc<AtomicU64>,
}

impl Object {
    fn new(number: u64) -> Object {
        Object {
            number,
            news: Arc::default(),
        }
    }
}

impl Deferred for Object {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        self.number += self.news.swap(0, Ordering::AcqRel);
    }
}

/// A table of its own for each test, as tests run side by side.
fn table(region: Region) -> &'static Table<Object> {
    Box::leak(Box::new(Table::new(region)))
}

fn number(table: &'static Table<Object>, handle: *const c_void) -> Option<u64> {
    Some(table.slot(handle)?.lock()?.number)
}

/// Deterministic noise (xorshift).
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_handle_leads_to_its_object_until_removed() {
    let sockets = table(Region::Sockets);
    let first = sockets.insert(Object::new(1)).unwrap().as_ptr();
    let second = sockets.insert(Object::new(2)).unwrap().as_ptr();
    assert_eq!((number(sockets, first), number(sockets, second)), (Some(1), Some(2)));
    let reference = sockets.slot(first).unwrap();
    reference.lock().unwrap().number = 7;
    assert_eq!(number(sockets, first), Some(7));
    assert_eq!(sockets.remove(first).map(|object| object.number), Some(7));
    assert!(sockets.slot(first).is_none());
    assert!(reference.lock().is_none());
    assert!(reference.try_lock().is_none());
    reference.notify();
    assert!(sockets.remove(first).is_none());
    assert_eq!(number(sockets, second), Some(2));
}

#[test]
fn an_empty_table_knows_no_pointer() {
    let sockets = table(Region::Sockets);
    assert!(sockets.slot(std::ptr::null()).is_none());
    range::reserve().unwrap();
    assert!(sockets.slot(std::ptr::without_provenance(range::base())).is_none());
    assert!(sockets.remove(std::ptr::without_provenance(range::base())).is_none());
}

#[test]
fn a_million_foreign_pointers_lead_nowhere() {
    let sockets = table(Region::Sockets);
    let contexts = table(Region::Contexts);
    let live: HashSet<usize> = (0..1000)
        .map(|n| sockets.insert(Object::new(n)).unwrap().as_ptr().addr())
        .collect();
    let closed: Vec<usize> = (0..1000)
        .map(|n| sockets.insert(Object::new(n)).unwrap().as_ptr().addr())
        .collect();
    for &address in &closed {
        assert!(sockets.remove(std::ptr::without_provenance(address)).is_some());
    }
    let wrong_kind = contexts.insert(Object::new(0)).unwrap().as_ptr();
    assert!(sockets.slot(wrong_kind).is_none());
    assert!(contexts.slot(wrong_kind).is_some());

    let start = range::base();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut found = 0;
    for turn in 0..1_000_000_u64 {
        let noise = next_random(&mut state);
        let address = match turn % 4 {
            0 => noise as usize,
            1 => start + noise as usize % range::RANGE_BYTES,
            2 => start + noise as usize % 40_000,
            _ => closed[noise as usize % closed.len()],
        };
        let known = sockets.slot(std::ptr::without_provenance(address)).is_some();
        assert_eq!(known, live.contains(&address), "{address:#x}");
        found += u64::from(known);
    }
    assert!(found > 1000, "live handles were among them");
    for address in [
        start - 16,
        start + (32 << 20),
        start + range::RANGE_BYTES,
        0,
        1,
        usize::MAX,
        usize::MAX - 15,
    ] {
        assert!(sockets.slot(std::ptr::without_provenance(address)).is_none());
    }
    for &address in &live {
        for offset in 1..16 {
            assert!(sockets.slot(std::ptr::without_provenance(address + offset)).is_none());
        }
    }
}

#[test]
fn values_are_reused_last_and_slots_first() {
    let timers = table(Region::Timers);
    let capacity = Region::Timers.capacity();
    let kept = timers.insert(Object::new(1)).unwrap().as_ptr();
    let first = timers.insert(Object::new(2)).unwrap().as_ptr();
    let stale = timers.slot(first).unwrap();
    timers.remove(first);
    // All other values come before the removed one comes again; the one in use is passed over.
    for turn in 2..capacity {
        let handle = timers.insert(Object::new(3)).unwrap().as_ptr();
        assert_eq!(handle.addr(), kept.addr() + turn * GRANULE_BYTES);
        assert_eq!(timers.remove(handle).map(|object| object.number), Some(3));
    }
    let again = timers.insert(Object::new(4)).unwrap().as_ptr();
    assert_eq!(again, first);
    assert_eq!((number(timers, kept), number(timers, again)), (Some(1), Some(4)));
    assert!(
        stale.lock().is_none(),
        "a reference does not pass to the next object of its value and slot"
    );
}

#[test]
fn a_full_region_refuses() {
    const CAPACITY: usize = 20_000;
    let contexts = Box::leak(Box::new(Table::with(Region::Contexts, CAPACITY, WipedMemory::new())));
    let mut middle = std::ptr::null_mut();
    for number in 0..CAPACITY {
        let handle = contexts.insert(Object::new(number as u64)).unwrap().as_ptr();
        if number == CAPACITY / 2 {
            middle = handle;
        }
    }
    assert_eq!(contexts.insert(Object::new(0)), Err(Error::TooManyFiles));
    assert!(contexts.remove(middle).is_some());
    assert_eq!(contexts.insert(Object::new(7)).map(Handle::as_ptr), Ok(middle));
    assert_eq!(number(contexts, middle), Some(7));
    assert_eq!(contexts.insert(Object::new(0)), Err(Error::TooManyFiles));
}

#[test]
fn deferred_work_runs_under_the_lock_of_its_object() {
    let sockets = table(Region::Sockets);
    let object = Object::new(1);
    let news = object.news.clone();
    let handle = sockets.insert(object).unwrap().as_ptr();
    let reference = sockets.slot(handle).unwrap();
    news.store(10, Ordering::Release);
    reference.notify();
    assert_eq!(number(sockets, handle), Some(11));
    let guard = reference.lock().unwrap();
    news.store(100, Ordering::Release);
    reference.notify();
    assert!(reference.try_lock().is_none());
    assert_eq!(guard.number, 11);
    drop(guard);
    assert_eq!(number(sockets, handle), Some(111));
}

#[test]
fn threads_agree_on_who_removed_an_object() {
    const EACH: u64 = 20_000;
    const PLACES: usize = 64;
    let sockets = table(Region::Sockets);
    let places: Vec<AtomicU64> = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
    let (inserted, removed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 1..=8_u64 {
            let (places, inserted, removed) = (&places, &inserted, &removed);
            scope.spawn(move || {
                let mut state = thread;
                for _ in 0..EACH {
                    let place = &places[next_random(&mut state) as usize % PLACES];
                    let address = place.load(Ordering::Acquire) as usize;
                    let handle = std::ptr::without_provenance(address);
                    match next_random(&mut state) % 4 {
                        0 => {
                            let handle = sockets.insert(Object::new(thread)).unwrap().as_ptr();
                            sockets.slot(handle).unwrap().lock().unwrap().number = handle.addr() as u64;
                            inserted.fetch_add(1, Ordering::Relaxed);
                            place.store(handle.addr() as u64, Ordering::Release);
                        }
                        1 => {
                            let count = u64::from(sockets.remove(handle).is_some());
                            removed.fetch_add(count, Ordering::Relaxed);
                        }
                        _ => {
                            if let Some(guard) = sockets.slot(handle).and_then(|reference| reference.lock()) {
                                assert_eq!(guard.number, address as u64, "the object is the handle's own");
                            }
                        }
                    }
                }
            });
        }
    });
    let entries = sockets.entries.load(Ordering::Acquire);
    let left = (0..entries)
        .filter(|&index| sockets.remove(sockets.handle(index).as_ptr()).is_some())
        .count();
    assert_eq!(inserted.into_inner(), removed.into_inner() + left as u64);
}

/// Forks while other threads insert, lock and remove; the child must find every handle dead and be able to go on.
fn fork_amid_work(sockets: &'static Table<Object>) {
    let kept = sockets.insert(Object::new(1)).unwrap().as_ptr();
    let locked = sockets.insert(Object::new(2)).unwrap().as_ptr();
    let reference = sockets.slot(locked).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let handle = sockets.insert(Object::new(3)).unwrap().as_ptr();
                    assert_eq!(sockets.remove(handle).map(|object| object.number), Some(3));
                }
            });
        }
        let guard = reference.lock().unwrap();
        let verdict = (0..50)
            .map(|_| status_of_child(|| look_around_in_child(sockets, [kept, locked], &reference)))
            .find(|&status| status != 0);
        drop(guard);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(verdict, None, "a child's wait status; 14: it hung");
    });
    assert_eq!((number(sockets, kept), number(sockets, locked)), (Some(1), Some(2)));
}

/// The child's exit status: 0 when everything is as it should be.
fn look_around_in_child(
    sockets: &'static Table<Object>,
    [kept, locked]: [*mut c_void; 2],
    reference: &Reference<Object>,
) -> i32 {
    if sockets.slot(kept).is_some() || sockets.slot(locked).is_some() {
        return 1;
    }
    reference.notify();
    if reference.lock().is_some() || reference.try_lock().is_some() || sockets.remove(kept).is_some() {
        return 2;
    }
    for turn in 0..1000 {
        let Ok(handle) = sockets.insert(Object::new(turn)) else {
            return 3;
        };
        let handle = handle.as_ptr();
        if number(sockets, handle) != Some(turn) {
            return 4;
        }
        if turn % 2 == 0 && sockets.remove(handle).is_none() {
            return 5;
        }
    }
    0
}

/// Values for the tests above; the fewer there are, the faster is a fork.
const FORK_CAPACITY: usize = 8192;

#[test]
fn a_forked_child_starts_afresh() {
    let table = Table::with(Region::Sockets, FORK_CAPACITY, WipedMemory::new());
    fork_amid_work(Box::leak(Box::new(table)));
}

#[test]
fn a_forked_child_starts_afresh_where_the_kernel_does_not_wipe() {
    let table = Table::with(Region::Sockets, FORK_CAPACITY, WipedMemory::without_kernel_help());
    fork_amid_work(Box::leak(Box::new(table)));
}

#[test]
fn a_child_does_not_repeat_the_values_of_its_parent() {
    let sockets = table(Region::Sockets);
    let last = (0..10)
        .map(|n| sockets.insert(Object::new(n)).unwrap().as_ptr())
        .last()
        .unwrap();
    let status = status_of_child(|| {
        let handle = sockets.insert(Object::new(0)).map(Handle::as_ptr);
        i32::from(handle != Ok(last.wrapping_byte_add(GRANULE_BYTES)))
    });
    assert_eq!(status, 0);
}
