//! The library where io_uring is refused: by a filter, wholly or in part, for want of locked memory, or after it was in use.
//! The programs of the other tests run under `tests/no_io_uring/without.c`, which sets the condition, and must do what they do
//! elsewhere: those of `tests-c` print what they print on libzmq.
//!
//! A few programs run under each condition; with `MONOCOQUE_STRESS=full` all of them do.

#[path = "support/difference.rs"]
mod difference;
mod support;

use std::path::Path;
use std::time::Duration;

use support::{Library, Outcome};

/// It is reached only by a program that hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// Conditions in which io_uring does not work: what a filter refuses (`tests/no_io_uring/refusal.h`).
const REFUSED: [&str; 6] = ["eperm", "enosys", "setup", "enter", "register", "mapping"];

/// No locked memory. Whether a ring needs it depends on the kernel's version.
const NO_LOCKED_MEMORY: &str = "memlock";

/// Those of `tests-c` that use reactors most.
const FEW: [&str; 6] = ["crowd", "endpoint_life", "monitor", "poll", "pubsub", "reqrep"];

/// Files of `tests-c` that are not programs.
const OTHER_FILES: [&str; 1] = ["interop_peer"];

/// Programs of `tests/stress` with their arguments; those of [`FEW_STRESS`] run always.
const STRESS: &[(&str, &[&str])] = &[
    ("accounting", &["tcp", "500"]),
    ("backoff", &[]),
    ("burst", &["tcp"]),
    ("chaos", &["1", "ipc", "25000"]),
    ("chaos", &["1", "tcp", "25000"]),
    ("counters", &[]),
    ("endings", &["linger"]),
    ("fd_exchange", &["ipc", "router", "5000", "1"]),
    ("fd_exchange", &["tcp", "dealer", "5000", "1"]),
    ("fork", &["20"]),
    ("handler", &["same", "tcp", "200"]),
    ("handles", &["100000", "1"]),
    ("idle", &["2"]),
    ("interrupted", &["tcp", "50"]),
    ("leaks", &["100"]),
    ("losses", &["tcp"]),
    ("misuse", &["raced", "100"]),
    ("shared", &["tcp", "500"]),
    ("socks", &[]),
    ("taken", &["tcp"]),
    ("termination", &["poll", "term", "ipc", "20"]),
    ("termination", &["proxy", "shutdown", "tcp", "20"]),
    ("termination", &["recv", "close", "tcp", "20"]),
    ("termination", &["send", "term", "tcp", "20"]),
];
const FEW_STRESS: [&str; 3] = ["fork", "leaks", "termination"];

/// Programs of `tests/stress` that other tests give their arguments to, or that refuse calls themselves.
const OTHER_STRESS: [&str; 7] = [
    "exhaustion",
    "full_disk",
    "hostile",
    "listener",
    "million",
    "scheduling",
    "starvation",
];

/// The references run only as what is compared with.
const _: fn() -> Vec<Library> = support::further_references;
const _: fn(&Path, &Library) -> (std::process::Command, std::path::PathBuf) = support::command;

/// The library, left to choose its driver, which it tells on standard error.
fn ours() -> Library {
    let mut library = support::ours().swap_remove(0);
    library.environment = vec![("MONOCOQUE_VERBOSE", "1".into())];
    library
}

/// Runs a program of that folder where a condition holds.
fn run_without(condition: &str, folder: &str, name: &str, arguments: &[&str], library: &Library) -> Outcome {
    let launcher = support::program("tests/no_io_uring", "without");
    let program = support::program(folder, name);
    let program = program.to_str().expect("a path in UTF-8");
    let arguments: Vec<&str> = [condition, program].iter().chain(arguments).copied().collect();
    support::run(&launcher, &arguments, library, LIMIT)
}

fn assert_success(what: &str, outcome: &Outcome) {
    assert!(outcome.status == "exit status: 0", "{what}: {outcome:#?}");
}

#[test]
fn epoll_is_taken_where_io_uring_is_refused_and_can_be_asked_for() {
    for condition in REFUSED {
        let outcome = run_without(condition, "tests/no_io_uring", "driver", &[], &ours());
        assert_success(condition, &outcome);
        assert_eq!(outcome.stdout, "epoll\n".repeat(4), "{condition}");
        let told: Vec<&str> = outcome.stderr.lines().collect();
        assert!(
            matches!(told[..], [line] if line.starts_with("monocoque: driver epoll (io_uring is refused: ")),
            "{condition}: {told:?}"
        );
    }
}

#[test]
fn io_uring_is_taken_where_it_works_and_nothing_is_told_unasked() {
    let program = support::program("tests/no_io_uring", "driver");
    let mut library = ours();
    let outcome = support::run(&program, &[], &library, LIMIT);
    assert_success("free", &outcome);
    assert_eq!(outcome.stdout, "io_uring\n".repeat(4));
    assert_eq!(outcome.stderr, "monocoque: driver io_uring\n");
    for quiet in [vec![], vec![("MONOCOQUE_VERBOSE", "0".to_owned())]] {
        library.environment = quiet;
        assert_eq!(support::run(&program, &[], &library, LIMIT).stderr, "");
    }
    library.environment = vec![("MONOCOQUE_DRIVER", "epoll".into())];
    assert_eq!(support::run(&program, &[], &library, LIMIT).stdout, "epoll\n".repeat(4));
}

#[test]
fn a_forced_ring_that_cannot_be_had_gives_no_sockets() {
    let mut library = ours();
    library.environment = vec![("MONOCOQUE_DRIVER", "uring".into())];
    let errors = [
        ("eperm", "Operation not permitted"),
        ("enosys", "Function not implemented"),
        ("mapping", "Cannot allocate memory"),
    ];
    for (condition, error) in errors {
        let outcome = run_without(condition, "tests/no_io_uring", "driver", &[], &library);
        assert_success(condition, &outcome);
        assert_eq!(outcome.stdout, format!("{error}\nno socket: {error}\n"));
    }
}

#[test]
fn without_locked_memory_some_driver_works() {
    let outcome = run_without(NO_LOCKED_MEMORY, "tests/no_io_uring", "driver", &[], &ours());
    assert_success(NO_LOCKED_MEMORY, &outcome);
    let possible = ["io_uring\n", "epoll\n"].map(|name| name.repeat(4));
    assert!(possible.contains(&outcome.stdout), "{outcome:?}");
}

#[test]
fn a_ring_that_is_refused_after_it_was_in_use_is_replaced() {
    let program = support::program("tests/no_io_uring", "late");
    for condition in ["eperm", "enosys", "enter"] {
        // Beyond 16 connections a listener's are read by other operations.
        for connections in ["2", "40"] {
            let outcome = support::run(&program, &[condition, connections], &ours(), LIMIT);
            assert_success(condition, &outcome);
            assert_eq!(outcome.stdout, "io_uring\nepoll\nepoll\n", "{condition}");
            let told: Vec<&str> = outcome.stderr.lines().collect();
            assert!(
                matches!(told[..], [first, second] if first == "monocoque: driver io_uring"
                    && second.starts_with("monocoque: driver epoll (io_uring works no longer: ")),
                "{condition}: {told:?}"
            );
        }
    }
}

#[test]
fn programs_print_what_they_print_on_libzmq() {
    let names: Vec<String> = if is_full() {
        names_in("tests-c", &OTHER_FILES)
    } else {
        FEW.map(String::from).to_vec()
    };
    for name in names {
        let program = support::program("tests-c", &name);
        let expected = support::run(&program, &[], &support::reference(), LIMIT);
        assert_success(&name, &expected);
        for condition in conditions() {
            let outcome = run_without(condition, "tests-c", &name, &[], &ours());
            assert!(
                (&outcome.status, &outcome.stdout) == (&expected.status, &expected.stdout),
                "{name}, {condition}, {}: {}\n{}{}",
                ours().name,
                outcome.status,
                difference::difference(&expected.stdout, &outcome.stdout),
                outcome.stderr
            );
            assert_no_ring(&name, condition, &outcome);
        }
    }
}

#[test]
fn stress_programs_succeed() {
    for (name, arguments) in STRESS.iter().filter(|(name, _)| is_full() || FEW_STRESS.contains(name)) {
        for condition in conditions() {
            let outcome = run_without(condition, "tests/stress", name, arguments, &ours());
            assert_success(&format!("{name} {arguments:?}, {condition}"), &outcome);
            assert_no_ring(name, condition, &outcome);
        }
    }
}

#[test]
fn every_stress_program_has_its_arguments() {
    let mut listed: Vec<&str> = STRESS.iter().map(|(name, _)| *name).collect();
    listed.dedup();
    assert_eq!(names_in("tests/stress", &OTHER_STRESS), listed);
}

/// All conditions, or two that differ: the first system call is refused, or one after the ring was set up.
fn conditions() -> Vec<&'static str> {
    if is_full() {
        REFUSED.into_iter().chain([NO_LOCKED_MEMORY]).collect()
    } else {
        vec!["eperm", "enter"]
    }
}

/// What the program told of its driver, if it used one, was that it is epoll.
fn assert_no_ring(name: &str, condition: &str, outcome: &Outcome) {
    assert!(
        condition == NO_LOCKED_MEMORY || !outcome.stderr.contains("driver io_uring"),
        "{name}, {condition}: {}",
        outcome.stderr
    );
}

/// The programs in a folder of the source tree, by name.
fn names_in(folder: &str, others: &[&str]) -> Vec<String> {
    let files = std::fs::read_dir(support::source_root().join(folder)).expect("a folder of programs");
    let paths = files.map(|entry| entry.expect("a file").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let mut names: Vec<String> = sources
        .map(|path| path.file_stem().expect("a file name").to_string_lossy().into_owned())
        .filter(|name| !others.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

fn is_full() -> bool {
    std::env::var("MONOCOQUE_STRESS").is_ok_and(|value| value == "full")
}
