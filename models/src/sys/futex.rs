//! The kernel's part of a futex: comparing the word and falling asleep are one step to whoever wakes. There is one word in a
//! model.

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref BUCKET: Mutex<()> = Mutex::new(());
    static ref SLEEPERS: Condvar = Condvar::new();
}

/// Sleeps while `word` holds `expected`.
pub fn wait(word: &AtomicU32, expected: u32) {
    let bucket = BUCKET.lock().unwrap();
    if word.load(Ordering::Relaxed) == expected {
        drop(SLEEPERS.wait(bucket).unwrap());
    }
}

/// Wakes one thread that sleeps.
pub fn wake_one(_word: &AtomicU32) {
    let _bucket = BUCKET.lock().unwrap();
    SLEEPERS.notify_one();
}
