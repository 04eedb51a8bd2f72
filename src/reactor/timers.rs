//! The reactor's timers, by deadline. Owned by the reactor's thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Handler;

/// Names a timer: its deadline, and a number that tells timers of the same deadline apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimerId {
    deadline_ns: u64,
    number: u64,
}

/// Timers in the order of their deadlines.
#[derive(Default)]
pub struct Timers {
    entries: BTreeMap<TimerId, (Arc<dyn Handler>, u32)>,
    next_number: u64,
}

impl Timers {
    /// Adds a timer.
    pub fn add(&mut self, deadline_ns: u64, handler: Arc<dyn Handler>, purpose: u32) -> TimerId {
        let id = TimerId {
            deadline_ns,
            number: self.next_number,
        };
        self.next_number += 1;
        self.entries.insert(id, (handler, purpose));
        id
    }

    /// Forgets a timer.
    pub fn cancel(&mut self, id: TimerId) {
        self.entries.remove(&id);
    }

    /// Takes the first timer that is due.
    pub fn pop(&mut self, now_ns: u64) -> Option<(Arc<dyn Handler>, u32)> {
        let first = self.entries.first_entry()?;
        (first.key().deadline_ns <= now_ns).then(|| first.remove())
    }

    /// When the first timer is due.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(id, _)| id.deadline_ns)
    }
}
