//! A million 64-byte messages over tcp: how many system calls and allocations each side makes. `tests/stress/million.c` counts.

mod support;

use std::time::Duration;

use support::Library;

/// A program ends itself when it makes no progress; this is for one that cannot.
const LIMIT: Duration = Duration::from_secs(300);

const MESSAGES: u64 = 1_000_000;
/// The calls that move data, of a side that sends or receives all of them.
const DATA_CALLS_MAX: u64 = 5_000;
/// One in a thousand messages.
const ALLOCATIONS_MAX: u64 = MESSAGES / 1_000;

/// Messages are written when the oldest has waited 50 µs, so whatever else runs makes for more writes: the best of a few runs
/// shows what the library needs.
const RUNS_MAX: usize = 10;

/// One reference is enough to see that the counters count.
const _: fn() -> Vec<Library> = support::further_references;

#[test]
fn they_take_few_system_calls_and_allocations() {
    for library in support::ours() {
        let mut output = String::new();
        let few = (0..RUNS_MAX).any(|_| {
            output = run(&library);
            sides(&output)
                .iter()
                .all(|side| side.allocations <= ALLOCATIONS_MAX && side.data_calls < DATA_CALLS_MAX)
        });
        assert!(few, "{}: {output}", library.name);
        assert!(sides(&output).iter().all(|side| side.data_calls > 0), "{output}");
    }
}

#[test]
fn the_counters_count() {
    // libzmq allocates for every message that is sent, and makes more calls than we may.
    let output = run(&support::reference());
    let [push, pull] = sides(&output);
    assert!(push.allocations > ALLOCATIONS_MAX, "{output}");
    assert!(push.data_calls.min(pull.data_calls) > DATA_CALLS_MAX, "{output}");
}

/// What one side has counted.
struct Side {
    allocations: u64,
    data_calls: u64,
}

/// The pushing and the pulling side.
fn sides(output: &str) -> [Side; 2] {
    ["push", "pull"].map(|name| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        let numbers: Vec<u64> = line
            .unwrap_or_default()
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        match numbers[..] {
            [MESSAGES, allocations, data_calls] => Side {
                allocations,
                data_calls,
            },
            _ => panic!("no numbers of {name} in {output}"),
        }
    })
}

/// Runs `million` and returns what it printed.
fn run(library: &Library) -> String {
    let program = support::program("tests/stress", "million");
    let outcome = support::run(&program, &[&MESSAGES.to_string()], library, LIMIT);
    assert!(
        outcome.status == "exit status: 0",
        "million on {}: {}\n{}{}",
        library.name,
        outcome.status,
        outcome.stdout,
        outcome.stderr
    );
    outcome.stdout
}
