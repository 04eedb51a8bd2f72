//! Whether one thread is awake, asleep or has been told of news: the word that spares a system call for each wake-up of one that is awake.
//!
//! It belongs to a thread that sleeps in the kernel until a descriptor of its own is readable, and is shared with those who wake it. Who
//! has news swaps NOTIFIED in, and makes the descriptor readable only if it found ASLEEP. The sleeper turns AWAKE into ASLEEP before it
//! sleeps; where that fails there is news. After sleeping, or not, it swaps in AWAKE. So no news is lost, and what a thread did before it
//! notified is seen by the sleeper after the swap that finds NOTIFIED, also where several notified. A descriptor that is made readable
//! late, after the sleeper rose for another reason, only makes its next sleep short.

use super::sync::atomic::{AtomicU32, Ordering};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const NOTIFIED: u32 = 2;

/// The word of one sleeper.
#[derive(Debug)]
pub struct WakeWord {
    state: AtomicU32,
}

impl WakeWord {
    /// Of a thread that is awake and knows of no news.
    pub fn new() -> WakeWord {
        WakeWord {
            state: AtomicU32::new(AWAKE),
        }
    }

    /// Anybody: there is news. True: the sleeper is to be woken.
    pub fn notify(&self) -> bool {
        self.state.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP
    }

    /// The sleeper: whether there is news.
    pub fn is_notified(&self) -> bool {
        self.state.load(Ordering::SeqCst) == NOTIFIED
    }

    /// The sleeper is about to sleep. False: there is news, and it must not.
    pub fn fall_asleep(&self) -> bool {
        self.state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// The sleeper forgets what it was told, before it looks for news and after it slept. True: it was told.
    pub fn rise(&self) -> bool {
        self.state.swap(AWAKE, Ordering::SeqCst) == NOTIFIED
    }
}
