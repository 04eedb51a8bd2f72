//! Programs that load the library and count what it does: `tests/stress`, each described at its head. Every one runs with
//! each driver.
//!
//! `MONOCOQUE_STRESS=full` plays the full numbers: a million exchanges a transport, a thousand rounds of termination, ten million
//! handles.

mod support;

use std::time::Duration;

use support::Library;

/// A program ends itself when it makes no progress; this is for one that cannot.
const LIMIT: Duration = Duration::from_secs(300);
const LIMIT_FULL: Duration = Duration::from_secs(3 * 3600);

const TRANSPORTS: [&str; 3] = ["tcp", "ipc", "inproc"];

/// The references run nothing here: what is asked for is this library's alone.
const _: fn() -> Vec<support::Library> = support::further_references;

#[test]
fn a_wait_on_the_descriptor_of_a_socket_never_misses_an_event() {
    // Four kinds a transport.
    let exchanges = number(5_000, 250_000);
    for library in support::ours() {
        for transport in TRANSPORTS {
            for kind in ["dealer", "router", "pair", "reqrep"] {
                succeed("fd_exchange", &[transport, kind, &exchanges, "1"], &library);
            }
        }
    }
}

#[test]
fn blocked_calls_end_when_the_context_terminates_or_shuts_down() {
    terminate(&["term", "shutdown"], &support::ours());
}

#[test]
fn blocked_calls_end_when_a_signal_is_handled() {
    terminate(&["signal", "restart"], &support::ours());
}

#[test]
fn blocked_calls_end_when_their_socket_is_closed() {
    terminate(&["close"], &support::ours());
}

#[test]
fn no_value_passed_as_a_handle_does_harm() {
    for seed in ["1", "2"] {
        for library in support::ours() {
            succeed("handles", &[&number(100_000, 2_500_000), seed], &library);
        }
    }
}

#[test]
fn closed_contexts_and_sockets_leave_nothing_behind() {
    for library in support::ours() {
        succeed("leaks", &["100"], &library);
    }
}

#[test]
fn writes_wake_ups_and_alarms_are_rare_beside_messages() {
    for library in support::ours() {
        succeed("counters", &[], &library);
    }
}

#[test]
fn whatever_a_program_does_nothing_is_lost_doubled_or_stuck() {
    let messages = number(25_000, 1_000_000);
    for seed in ["1", "2"] {
        for library in support::ours() {
            for transport in TRANSPORTS {
                succeed("chaos", &[seed, transport, &messages], &library);
            }
        }
    }
}

#[test]
fn a_hundred_idle_sockets_cost_nothing() {
    for library in support::ours() {
        succeed("idle", &[&number(2, 10)], &library);
    }
}

#[test]
fn a_child_process_has_nothing_of_its_parents_sockets_and_harms_nothing() {
    let children = number(20, 1_000);
    for library in support::ours() {
        succeed("fork", &[&children], &library);
    }
}

/// Every operation that blocks, over every transport.
fn terminate(actions: &[&str], libraries: &[Library]) {
    let rounds = number(20, 1_000);
    for library in libraries {
        for action in actions {
            for operation in ["send", "recv", "poll", "proxy", "monitor"] {
                for transport in TRANSPORTS {
                    succeed("termination", &[operation, action, transport, &rounds], library);
                }
            }
        }
    }
}

/// Runs a program of `tests/stress` and returns what it printed.
fn succeed(name: &str, arguments: &[&str], library: &Library) -> String {
    let program = support::program("tests/stress", name);
    let limit = if is_full() { LIMIT_FULL } else { LIMIT };
    let outcome = support::run(&program, arguments, library, limit);
    assert!(
        outcome.status == "exit status: 0",
        "{name} {arguments:?} on {}: {}\n{}{}",
        library.name,
        outcome.status,
        outcome.stdout,
        outcome.stderr
    );
    outcome.stdout
}

fn is_full() -> bool {
    std::env::var("MONOCOQUE_STRESS").is_ok_and(|value| value == "full")
}

fn number(quick: u32, full: u32) -> String {
    if is_full() { full } else { quick }.to_string()
}
