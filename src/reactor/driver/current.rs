//! Which driver the process uses: for programs that ask (`monocoque_driver`), and for who reads its standard error.
//!
//! Any thread. One word, without a lock, so that a forked child finds it as its parent had it.

use std::ffi::CStr;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Environment variable that has the choice of a driver told on standard error; unset, empty or `0`: not.
const VERBOSE: &str = "MONOCOQUE_VERBOSE";

/// The names that drivers have.
const NAMES: [&CStr; 2] = [c"io_uring", c"epoll"];

/// The driver that was chosen last: one more than its place among the names, or 0 before the first choice.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

/// The driver with which a reactor of the process has started, or on which one went on, last; none before the first.
pub fn current() -> Option<&'static CStr> {
    let chosen = CHOSEN.load(Ordering::Relaxed).checked_sub(1)?;
    NAMES.get(chosen).copied()
}

/// Notes that a reactor has this driver from now on. `reason` says why it is not another one. A change is told if that was asked for.
pub(super) fn note(name: &'static CStr, reason: &str) {
    let place = NAMES
        .iter()
        .position(|known| *known == name)
        .map_or(0, |place| place + 1);
    if CHOSEN.swap(place, Ordering::Relaxed) != place && is_verbose() {
        // There may be nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "monocoque: driver {}{reason}",
            name.to_string_lossy()
        );
    }
}

fn is_verbose() -> bool {
    std::env::var_os(VERBOSE).is_some_and(|value| !value.is_empty() && value != "0")
}
