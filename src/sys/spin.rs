//! Adaptive spinning: a thread that is about to sleep looks again for a moment, as long as that has paid.
//!
//! To sleep and be woken costs far more than the look. But who waits for slow things looks in vain, so failures make trials rare:
//! at last one wait in 256 is one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::clock;

/// How long a thread spins at most, in nanoseconds, unless `MONOCOQUE_SPIN_US` says otherwise.
const BOUND_NS: u64 = 50_000;
/// At least one wait in this many is a trial: two to this power.
const SKIPPED_BITS_MAX: u32 = 8;

/// What a thread has learned of its waits. Touched by that thread alone.
#[derive(Debug, Default)]
pub struct Spin {
    failures: AtomicU32,
    skip: AtomicU32,
}

impl Spin {
    /// Calls `look` until it is true (so is the answer then), or until spinning has lasted long enough.
    pub fn until(&self, deadline_ns: Option<u64>, mut look: impl FnMut() -> bool) -> bool {
        if look() {
            return true;
        }
        let bound_ns = bound_ns();
        let skip = self.skip.load(Ordering::Relaxed);
        if skip > 0 || bound_ns == 0 {
            self.skip.store(skip.saturating_sub(1), Ordering::Relaxed);
            return false;
        }
        let end_ns = deadline_ns.unwrap_or(u64::MAX).min(clock::now_ns() + bound_ns);
        while clock::now_ns() < end_ns {
            std::hint::spin_loop();
            if look() {
                self.learn(|failures| failures.saturating_sub(1));
                return true;
            }
        }
        self.learn(|failures| (failures + 2).min(SKIPPED_BITS_MAX));
        false
    }

    /// A failure weighs as much as two successes: where both alternate, the CPUs are busy with others, and sleeping is better.
    fn learn(&self, change: impl FnOnce(u32) -> u32) {
        let failures = change(self.failures.load(Ordering::Relaxed));
        self.failures.store(failures, Ordering::Relaxed);
        self.skip.store((1 << failures) - 1, Ordering::Relaxed);
    }
}

/// Passes a moment, of so many nanoseconds, without giving the CPU away; none where threads do not spin.
pub fn pause(time_ns: u64) {
    let end_ns = clock::now_ns() + time_ns.min(bound_ns());
    while clock::now_ns() < end_ns {
        std::hint::spin_loop();
    }
}

/// The bound, found out once: 0 where there is one CPU, because nothing happens there while a thread spins.
fn bound_ns() -> u64 {
    #[cfg(test)]
    if super::simulation::is_on() {
        return BOUND_NS;
    }
    static BOUND: OnceLock<u64> = OnceLock::new();
    *BOUND.get_or_init(|| {
        let set = std::env::var("MONOCOQUE_SPIN_US")
            .ok()
            .and_then(|text| text.parse().ok());
        let one_cpu = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
        match set {
            _ if one_cpu => 0,
            Some(us) => u64::saturating_mul(us, 1_000),
            None => BOUND_NS,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many waits it takes until one is a trial, which ends as `succeeds` says.
    fn waits_until_trial(spin: &Spin, succeeds: bool) -> u32 {
        (1..=1 << SKIPPED_BITS_MAX)
            .find(|_| {
                let mut looks = 0;
                spin.until(None, || {
                    looks += 1;
                    succeeds && looks > 1
                });
                looks > 1
            })
            .unwrap_or(0)
    }

    #[test]
    fn failures_make_trials_rare_and_successes_make_them_frequent_again() {
        if bound_ns() == 0 {
            return;
        }
        let spin = Spin::default();
        let waits: Vec<u32> = (0..6).map(|_| waits_until_trial(&spin, false)).collect();
        assert_eq!(waits, [1, 4, 16, 64, 256, 256]);
        let waits: Vec<u32> = (0..10).map(|_| waits_until_trial(&spin, true)).collect();
        assert_eq!(waits, [256, 128, 64, 32, 16, 8, 4, 2, 1, 1]);
    }

    #[test]
    fn a_deadline_that_has_passed_is_kept() {
        let spin = Spin::default();
        let mut looks = 0;
        assert!(!spin.until(Some(0), || {
            looks += 1;
            looks > 1
        }));
    }
}
