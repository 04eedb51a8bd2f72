//! What the library did since the process began, counted: what costs time, and should be rare beside the messages.
//!
//! Touched by every thread, once for each system call, hand-over or end, never for each message. Counters have cache lines of their own.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Pipes to connections that their socket's calls had written out.
    Flushes,
    /// System calls that write to connections, whoever makes them; not the operations of io_uring.
    Writes,
    /// System calls that read from connections, likewise.
    Reads,
    /// Times that a calling thread went to sleep.
    Sleeps,
    /// System calls that wake a calling thread.
    Wakes,
    /// System calls that wake a background thread.
    BackgroundWakes,
    /// System calls of background threads that wait for something to do.
    BackgroundWaits,
    /// System calls that set the alarm for what waits to be written.
    Alarms,
    /// Messages that waited when their connection, or their socket, ended, and went nowhere.
    Lost,
}

/// Every counter and its name.
const NAMES: [(Counter, &str); 9] = [
    (Counter::Flushes, "flushes"),
    (Counter::Writes, "writes"),
    (Counter::Reads, "reads"),
    (Counter::Sleeps, "sleeps"),
    (Counter::Wakes, "wakes"),
    (Counter::BackgroundWakes, "background_wakes"),
    (Counter::BackgroundWaits, "background_waits"),
    (Counter::Alarms, "alarms"),
    (Counter::Lost, "messages_lost"),
];

#[repr(align(64))]
struct Cell(AtomicU64);

static COUNTS: [Cell; NAMES.len()] = [const { Cell(AtomicU64::new(0)) }; NAMES.len()];

/// It happened once more.
#[inline]
pub fn count(counter: Counter) {
    COUNTS[counter as usize].0.fetch_add(1, Ordering::Relaxed);
}

/// It happened so many times more.
pub fn count_many(counter: Counter, times: u64) {
    if times > 0 {
        COUNTS[counter as usize].0.fetch_add(times, Ordering::Relaxed);
    }
}

/// How often it happened, if there is a counter of that name.
pub fn value(name: &str) -> Option<u64> {
    let (counter, _) = NAMES.iter().find(|(_, known)| *known == name)?;
    Some(COUNTS[*counter as usize].0.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_name_and_a_place_of_its_own() {
        for (place, (counter, name)) in NAMES.into_iter().enumerate() {
            assert_eq!(counter as usize, place, "{name}");
            assert!(value(name).is_some());
        }
        assert_eq!(value("flush"), None);
    }
}
