//! Simulation: programs with several sockets on a world that follows from a seed (`sys/simulation`), with real sessions, pipes and
//! patterns. Bytes come in pieces and late, calls fail with every `errno`, connections are refused and reset, sockets are closed.
//!
//! What must hold all the same is in [`account`]. A seed that fails is printed: `MONOCOQUE_SEED=n cargo test --lib simulation` runs it
//! again, alone; `MONOCOQUE_SEEDS=n` runs so many instead of a thousand. `docs/architecture.md` (*Simulation*) says what this
//! does not cover.

mod account;
mod calls;
mod cases;
mod plan;
mod program;
mod wire;

use std::cell::Cell;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::reactor;
use crate::sys::simulation::{self, Faults};
use plan::Plan;

/// How many seeds are run if nobody says otherwise.
const SEEDS: u64 = 1_000;
/// So many failures are told of.
const FAILURES_MAX: usize = 5;
const VIOLATIONS_MAX: usize = 8;
/// The test that runs the seeds, in a process of its own.
const ALONE: &str = "abi::simulation::seeds_alone";

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn a_thousand_seeds() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", ALONE, "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// In a process of its own, where no other test forks or counts descriptors.
#[test]
#[ignore = "started alone by a_thousand_seeds"]
fn seeds_alone() {
    note_panics();
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("MONOCOQUE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MONOCOQUE_SEEDS").unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let failures = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failures.load(Ordering::Relaxed) < FAILURES_MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    let (violations, _) = run(seed);
                    if !violations.is_empty() {
                        failures.fetch_add(1, Ordering::Relaxed);
                        tell(seed, &violations);
                    }
                }
            });
        }
    });
    let done = next.into_inner().min(seeds.end) - seeds.start;
    println!("{done} seeds, {} failed", failures.load(Ordering::Relaxed));
    assert_eq!(failures.into_inner(), 0);
}

/// What was wrong with a seed, and how to see it again.
fn tell(seed: u64, violations: &[String]) {
    let mut text = format!("seed {seed}: {}\n", Plan::of(seed));
    for violation in violations.iter().take(VIOLATIONS_MAX) {
        text.push_str(&format!("    {violation}\n"));
    }
    println!("{text}    again: MONOCOQUE_SEED={seed} cargo test --lib simulation");
}

/// A failing seed is worth nothing if it does not fail again.
#[test]
fn a_seed_replays_exactly() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "abi::simulation::replays_alone", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// As [`seeds_alone`]: how much memory threads keep idle is common to a process, and tells nobody anything here.
#[test]
#[ignore = "started alone by a_seed_replays_exactly"]
fn replays_alone() {
    let digests: Vec<u64> = (0..20).map(|seed| run(seed).1).collect();
    for (seed, digest) in (0..).zip(&digests) {
        assert_eq!(run(seed).1, *digest, "seed {seed} went another way");
    }
    assert_ne!(digests[0], digests[1]);
}

/// Runs one seed on a new thread: what was wrong, and a digest of all that happened.
fn run(seed: u64) -> (Vec<String>, u64) {
    let plan = Plan::of(seed);
    run_world(seed, plan.faults, move || program::run(&plan))
}

/// Runs a program in a world of its own, as [`run`] does.
fn run_world(seed: u64, faults: Faults, program: impl FnOnce() + Send + 'static) -> (Vec<String>, u64) {
    let body = move || {
        simulation::begin(seed, faults, reactor::simulation::turn);
        program();
        reactor::simulation::end();
        let (mut violations, trace) = simulation::end();
        if PANICS.get() > 0 {
            violations.push("a panic was caught".to_owned());
        }
        (violations, trace)
    };
    match std::thread::spawn(body).join() {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (vec![format!("panic: {}", text.unwrap_or_default())], 0)
        }
    }
}

/// Panics that the library catches are seen, too.
fn note_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |information| {
        PANICS.set(PANICS.get() + 1);
        before(information);
    }));
}
