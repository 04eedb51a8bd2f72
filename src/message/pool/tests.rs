//! Recycled blocks: sizes, bounds, what goes between threads, and that nobody waits for the depot.

use std::cell::RefCell;
use std::sync::mpsc;

use super::super::Body;
use super::class::{CLASS_BYTES_MAX, CLASS_BYTES_MIN};
use super::*;

/// A depot that gives everything back to the system in the end.
struct TestDepot(Depot);

impl TestDepot {
    fn new() -> TestDepot {
        TestDepot(Depot::new())
    }

    fn idle_bytes(&self) -> usize {
        self.0.lock().unwrap().idle_bytes
    }
}

impl Drop for TestDepot {
    fn drop(&mut self) {
        for index in 0..CLASS_COUNT as u8 {
            while let Some(batch) = self.0.take(Class(index)) {
                self.0.unmake_all(Class(index), batch);
            }
        }
        assert_eq!(self.idle_bytes(), 0);
    }
}

fn take_from(mine: &Magazines<'_>, class: Class) -> NonNull<Idle> {
    mine.take(class)
        .unwrap_or_else(|| mine.depot.make(class).unwrap().cast())
}

fn give_to(mine: &Magazines<'_>, class: Class, block: NonNull<Idle>) {
    // SAFETY: the tests give each block back once, to the magazines of the depot it came from.
    unsafe { mine.give(class, block) };
}

fn patterned(number: usize) -> Vec<u8> {
    let len = [4096, 129, 65_536, 100_000, 3000, 1 << 20, 70_001][number % 7];
    (0..len).map(|index| (index + number) as u8).collect()
}

#[test]
fn a_class_is_the_smallest_that_holds_a_length_and_adds_a_quarter_at_most() {
    assert_eq!(Class::of(CLASS_BYTES_MIN / 2), None);
    assert_eq!(Class::of(CLASS_BYTES_MIN / 2 + 1), Some(Class(0)));
    assert_eq!(Class::of(CLASS_BYTES_MAX + 1), None);
    assert_eq!(Class::of(0), None);
    for len in CLASS_BYTES_MIN..=CLASS_BYTES_MAX {
        let class = Class::of(len).unwrap();
        assert!(class.len() >= len && class.len() * 4 <= len * 5, "{len}");
        assert!(class.0 == 0 || Class(class.0 - 1).len() < len, "{len}");
    }
    for index in 0..CLASS_COUNT as u8 {
        assert_eq!(Class::of(Class(index).len()), Some(Class(index)));
    }
    assert_eq!(Class(CLASS_COUNT as u8 - 1).len(), CLASS_BYTES_MAX);
}

#[test]
fn bodies_that_one_thread_makes_and_another_drops_keep_their_bytes() {
    let (sender, receiver) = mpsc::sync_channel::<(usize, Body)>(30);
    std::thread::scope(|scope| {
        for turn in 0..2 {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in (turn..700).step_by(2) {
                    sender
                        .send((number, Body::from_slice(&patterned(number)).unwrap()))
                        .unwrap();
                }
            });
        }
        drop(sender);
        let mut kept = Vec::new();
        for (number, body) in receiver {
            assert!(*body == patterned(number), "{number}");
            kept.push((number, body));
            if kept.len() == 20 {
                for (number, body) in kept.drain(..) {
                    assert!(*body == patterned(number), "{number}, later");
                }
            }
        }
    });
}

#[test]
fn what_one_thread_gives_another_takes() {
    let depot = TestDepot::new();
    let class = Class::of(65_536).unwrap();
    let giving = Magazines::new(&depot.0);
    let taking = Magazines::new(&depot.0);
    let mut known: Vec<_> = (0..40).map(|_| take_from(&giving, class)).collect();
    for block in &known {
        give_to(&giving, class, *block);
    }
    let kept = 2 * class.batch_blocks();
    let mut recycled: Vec<_> = std::iter::from_fn(|| taking.take(class)).collect();
    // The depot keeps its bound and the giving thread two batches; the rest was given back to the system.
    assert_eq!(recycled.len(), DEPOT_BYTES_MIN / class.len());
    recycled.extend(std::iter::from_fn(|| giving.take(class)));
    assert_eq!(recycled.len(), DEPOT_BYTES_MIN / class.len() + kept);
    known.sort();
    recycled.sort();
    recycled.dedup();
    assert!(recycled.iter().all(|block| known.binary_search(block).is_ok()));
    for block in recycled {
        give_to(&giving, class, block);
    }
}

#[test]
fn idle_memory_is_bounded_whatever_its_classes() {
    let depot = TestDepot::new();
    let mine = Magazines::new(&depot.0);
    let mut blocks = Vec::new();
    for index in 0..CLASS_COUNT as u8 {
        let class = Class(index);
        blocks.extend((0..4 * DEPOT_BYTES_MIN / class.len()).map(|_| (class, take_from(&mine, class))));
    }
    for (class, block) in blocks {
        give_to(&mine, class, block);
        assert!(mine.bytes.get() <= THREAD_BYTES_MAX);
        assert!(depot.idle_bytes() <= DEPOT_BYTES_MIN);
    }
}

#[test]
fn a_thread_that_ends_gives_its_blocks_to_the_depot() {
    let depot = TestDepot::new();
    let classes = [Class(0), Class(20), Class(36)];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mine = Magazines::new(&depot.0);
            for class in classes {
                let block = take_from(&mine, class);
                give_to(&mine, class, block);
            }
            assert_eq!(depot.idle_bytes(), 0);
        });
    });
    assert_eq!(depot.idle_bytes(), classes.iter().map(|class| class.len()).sum());
}

#[test]
fn the_block_that_was_given_last_is_taken_first() {
    let depot = TestDepot::new();
    let mine = Magazines::new(&depot.0);
    for (class, is_kept) in [
        (Class(0), true),
        (Class(UNCOUNTED_MAX as u8), true),
        (Class(UNCOUNTED_MAX as u8 + 1), false),
    ] {
        let blocks = [take_from(&mine, class), take_from(&mine, class)];
        assert_eq!(mine.take_last(class), None);
        assert_eq!(mine.keep_last(class, blocks[0]), is_kept);
        assert!(!mine.keep_last(class, blocks[1]), "there is place for one");
        assert_eq!(mine.take_last(class), is_kept.then_some(blocks[0]));
        assert_eq!(mine.keep_last(class, blocks[1]), is_kept);
        give_to(&mine, class, blocks[0]);
        if !is_kept {
            give_to(&mine, class, blocks[1]);
        }
    }
    mine.empty();
    assert_eq!(mine.take_last(Class(0)), None, "it went to the depot with the others");
}

#[test]
fn bodies_may_outlive_the_idle_blocks_of_their_thread() {
    thread_local! {
        static LAST: RefCell<Vec<Body>> = const { RefCell::new(Vec::new()) };
    }
    for first in [true, false] {
        let ended = std::thread::spawn(move || {
            // Thread-local values are dropped in an order that depends on which was used first.
            if first {
                LAST.with_borrow_mut(Vec::clear);
            }
            let body = Body::from_slice(&[7; 9000]).unwrap();
            LAST.with_borrow_mut(|last| last.push(body));
        });
        ended.join().unwrap();
    }
}

#[test]
fn a_depot_that_stays_locked_is_done_without() {
    let depot = TestDepot::new();
    let mine = Magazines::new(&depot.0);
    let class = Class::of(300_000).unwrap();
    // As in a child that was forked while another thread held the lock.
    let lock = depot.0.lock();
    let blocks: Vec<_> = (0..10).map(|_| take_from(&mine, class)).collect();
    for block in blocks {
        give_to(&mine, class, block);
    }
    assert!(mine.bytes.get() > 0);
    mine.empty();
    assert_eq!(mine.bytes.get(), 0);
    drop(lock);
    assert_eq!(depot.idle_bytes(), 0);
}

#[test]
fn a_bound_rises_by_what_was_given_back_too_early_and_falls_by_what_lies_idle() {
    const MIB: usize = 1024 * 1024;
    let mut shelves = Shelves::EMPTY;
    let mut now_ns = 10 * PERIOD_NS;
    // Nothing was given back, so there is nothing to regret.
    shelves.miss(8 * MIB, now_ns);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MIN);
    shelves.surplus_bytes = 8 * MIB;
    shelves.surplus_ns = now_ns;
    shelves.miss(3 * MIB, now_ns + MISSED_WITHIN_NS);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MIN + 3 * MIB);
    shelves.miss(6 * MIB, now_ns + MISSED_WITHIN_NS);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MIN + 8 * MIB);
    // Too late to matter.
    shelves.surplus_bytes = 8 * MIB;
    shelves.miss(6 * MIB, now_ns + MISSED_WITHIN_NS + 1);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MIN + 8 * MIB);
    shelves.surplus_bytes = 2 * DEPOT_BYTES_MAX;
    shelves.miss(2 * DEPOT_BYTES_MAX, now_ns);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MAX);
    // All but 5 MiB were in use at some time of the first period, and nothing was asked for in the second.
    shelves.adapt(now_ns);
    shelves.idle_bytes = 90 * MIB;
    shelves.idle_bytes_least = 5 * MIB;
    now_ns += PERIOD_NS;
    shelves.adapt(now_ns);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MAX);
    now_ns += 1;
    shelves.adapt(now_ns);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MAX - 5 * MIB);
    shelves.adapt(now_ns + PERIOD_NS + 1);
    assert_eq!(shelves.idle_bytes_max, DEPOT_BYTES_MAX - 95 * MIB);
}

#[test]
fn what_was_not_asked_for_the_longest_is_given_back_first() {
    let depot = TestDepot::new();
    let mine = Magazines::new(&depot.0);
    let (wanted, forgotten) = (Class::of(100_000).unwrap(), Class::of(200_000).unwrap());
    for class in [forgotten, wanted] {
        let block = take_from(&mine, class);
        give_to(&mine, class, block);
    }
    mine.empty();
    let mut shelves = depot.0.lock().unwrap();
    shelves.idle_bytes_max = wanted.len();
    let (class, batch) = shelves.take_surplus().unwrap();
    assert_eq!(class, forgotten);
    assert!(shelves.take_surplus().is_none());
    drop(shelves);
    depot.0.unmake_all(class, batch);
}

#[test]
fn pages_are_discarded_within_their_block_only() {
    let depot = TestDepot::new();
    for class in (0..CLASS_COUNT as u8).map(Class) {
        let len = HEAD_BYTES + class.len();
        let blocks: Vec<NonNull<u8>> = (0..8).map(|_| depot.0.make(class).unwrap().cast()).collect();
        for block in &blocks {
            // SAFETY: the block has so many bytes and is ours.
            unsafe { block.write_bytes(7, len) };
        }
        for block in blocks.iter().step_by(2) {
            // SAFETY: as above; the content is of no use any more.
            unsafe { discard_pages(class, block.cast()) };
        }
        for (block, discarded) in blocks.iter().zip([true, false].into_iter().cycle()) {
            // SAFETY: the block has so many bytes, all of them written.
            let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), len) };
            let gone = bytes.iter().filter(|byte| **byte == 0).count();
            assert!(gone + bytes.iter().filter(|byte| **byte == 7).count() == len);
            assert!(
                gone == 0 || discarded && class.len() >= DISCARDED_BYTES_MIN,
                "{class:?}"
            );
            // Two of the largest pages there are hold one whole wherever they start.
            assert!(gone > 0 || !discarded || class.len() < 2 * 65_536, "{class:?}");
        }
        for block in blocks {
            // SAFETY: the block is given away.
            unsafe { depot.0.unmake(class, block.cast()) };
        }
    }
}
