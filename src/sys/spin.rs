//! Adaptive spinning: a thread that is about to sleep looks again for a moment, as long as that has paid.
//!
//! To sleep and be woken costs far more than the look. But who waits for slow things looks in vain, so each failure doubles the
//! number of waits before the next trial.

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
                self.failures.store(0, Ordering::Relaxed);
                return true;
            }
        }
        let failures = self.failures.load(Ordering::Relaxed).min(SKIPPED_BITS_MAX);
        self.skip.store((1 << failures) - 1, Ordering::Relaxed);
        self.failures.store(failures + 1, Ordering::Relaxed);
        false
    }
}

/// The bound, found out once: 0 where there is one CPU, because nothing happens there while a thread spins.
fn bound_ns() -> u64 {
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

    #[test]
    fn failures_make_trials_rare_and_a_success_makes_them_frequent_again() {
        let spin = Spin::default();
        let mut trials = 0;
        let mut waits = 0;
        while trials < 4 {
            let mut looks = 0;
            spin.until(None, || {
                looks += 1;
                false
            });
            waits += 1;
            if bound_ns() == 0 {
                return;
            }
            trials += u32::from(looks > 1);
        }
        assert_eq!(waits, 1 + 1 + 2 + 4);
        while spin.skip.load(Ordering::Relaxed) > 0 {
            assert!(!spin.until(None, || false));
        }
        let mut looks = 0;
        assert!(spin.until(None, || {
            looks += 1;
            looks > 1
        }));
        assert_eq!(spin.failures.load(Ordering::Relaxed), 0);
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
