//! What a subscription costs in memory, counted by the allocator of this test's own process.
//!
//! The figure is printed (`cargo test --test hub_memory -- --nocapture`). No time is measured.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use monocoque::hub::subscriptions::Subscriptions;

/// The system's allocator, counting what is in use as its blocks: 8 bytes of bookkeeping, rounded up to 16.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn block(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn count(size: usize) {
    let now = IN_USE.fetch_add(block(size), Ordering::Relaxed) + block(size);
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes to `System` unchanged; the counters touch no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(block(layout.size()), Ordering::Relaxed);
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_sub(block(layout.size()), Ordering::Relaxed);
        count(size);
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn random_topic(state: &mut u64) -> [u8; 30] {
    std::array::from_fn(|_| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 32) as u8
    })
}

#[test]
fn a_random_topic_of_30_bytes_costs_at_most_200_bytes() {
    for (count, pipes) in [(10_000, 1), (200_000, 10), (300_000, 1), (300_000, 1_000)] {
        let before = IN_USE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let mut subscriptions = Subscriptions::new();
        for number in 0..count {
            subscriptions.add(&random_topic(&mut state), number % pipes).unwrap();
        }
        let each = (IN_USE.load(Ordering::Relaxed) - before) / count as usize;
        let peak = (PEAK.load(Ordering::Relaxed) - before) / count as usize;
        assert!(each <= 200, "{each} bytes a subscription");
        drop(subscriptions);
        assert_eq!(
            IN_USE.load(Ordering::Relaxed),
            before,
            "dropping the index returns everything"
        );
        println!("{count} subscriptions of {pipes} pipes: {each} bytes each, {peak} at the highest");
    }
}
