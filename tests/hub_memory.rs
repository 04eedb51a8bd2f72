//! What a subscription costs in memory, counted in the C library's calls of this test's own process: the library has its own allocator
//! above them.
//!
//! The figure is printed (`cargo test --test hub_memory -- --nocapture`). No time is measured.
#![allow(unsafe_code, reason = "the functions of malloc(3) are defined here")]

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use monocoque::hub::subscriptions::Subscriptions;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(memory: *mut c_void);
    fn malloc_usable_size(memory: *mut c_void) -> usize;
}

/// The bytes of a block with its bookkeeping; 0 for null.
///
/// # Safety
/// Null, or a block of the C library.
unsafe fn block(memory: *mut c_void) -> usize {
    if memory.is_null() {
        return 0;
    }
    // SAFETY: as the caller promises.
    unsafe { malloc_usable_size(memory) + size_of::<usize>() }
}

/// # Safety
/// As for [`block`].
unsafe fn counted(memory: *mut c_void) -> *mut c_void {
    // SAFETY: as the caller promises.
    let bytes = unsafe { block(memory) };
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
    memory
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the C library's own function.
    unsafe { counted(__libc_malloc(size)) }
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: the C library's own function.
    unsafe { counted(__libc_calloc(count, size)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller gives a block of the C library, or null.
    unsafe {
        IN_USE.fetch_sub(block(memory), Ordering::Relaxed);
        counted(__libc_realloc(memory, size))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: the caller gives a place to write to.
    unsafe { *place = counted(__libc_memalign(alignment, size)) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    // SAFETY: the caller gives a block of the C library, or null.
    unsafe {
        IN_USE.fetch_sub(block(memory), Ordering::Relaxed);
        __libc_free(memory);
    }
}

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
