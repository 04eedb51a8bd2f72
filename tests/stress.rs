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
fn what_a_burst_took_is_given_back() {
    for library in support::ours() {
        for transport in ["inproc", "tcp"] {
            succeed("burst", &[transport], &library);
        }
    }
}

#[test]
fn writes_wake_ups_and_alarms_are_rare_beside_messages() {
    for library in support::ours() {
        succeed("counters", &[], &library);
    }
}

#[test]
fn every_message_is_counted_whatever_way_it_goes() {
    let messages = number(5_000, 200_000);
    for library in support::ours() {
        for transport in TRANSPORTS {
            succeed("accounting", &[transport, &messages], &library);
        }
    }
}

#[test]
fn what_is_lost_or_dropped_is_counted() {
    for library in support::ours() {
        for transport in TRANSPORTS {
            succeed("losses", &[transport], &library);
        }
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
fn no_proxy_keeps_a_socket_from_ending() {
    for library in support::ours() {
        succeed("socks", &[], &library);
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

#[test]
fn what_no_program_should_do_gets_an_errno() {
    let rounds = number(100, 10_000);
    for library in support::ours() {
        for misuse in [
            "messages",
            "arguments",
            "closed",
            "timers",
            "threads",
            "interrupted",
            "terminated",
        ] {
            succeed("misuse", &[misuse], &library);
        }
        succeed("misuse", &["raced", &rounds], &library);
    }
}

#[test]
fn whatever_ends_a_connection_it_is_made_again_at_growing_intervals() {
    for library in support::ours() {
        succeed("backoff", &[], &library);
    }
}

#[test]
fn threads_that_share_a_socket_get_whole_messages() {
    let messages = number(500, 50_000);
    for library in support::ours() {
        for transport in TRANSPORTS {
            succeed("shared", &[transport, &messages], &library);
        }
    }
}

#[test]
fn calls_in_a_signal_handler_return() {
    let signals = number(200, 5_000);
    for library in support::ours() {
        for transport in ["tcp", "ipc"] {
            succeed("handler", &["same", transport, &signals], &library);
        }
        succeed("handler", &["other", "tcp", &signals], &library);
        succeed("handler", &["waiting", "tcp", &signals], &library);
    }
}

#[test]
fn both_sides_hear_that_a_routing_id_is_taken() {
    for library in support::ours() {
        for transport in ["tcp", "ipc"] {
            succeed("taken", &[transport], &library);
        }
    }
}

#[test]
fn a_long_wait_for_termination_is_told_once() {
    for mut library in support::ours() {
        succeed("endings", &["wait"], &library);
        library.environment.push(("MONOCOQUE_QUIET", "1".to_owned()));
        succeed("endings", &["quiet"], &library);
    }
}

#[test]
fn the_linger_at_the_close_counts_for_all_pipes() {
    for library in support::ours() {
        succeed("endings", &["linger"], &library);
    }
}

#[test]
fn a_port_is_free_when_unbind_or_close_returns() {
    for library in support::ours() {
        succeed("endings", &["unbind"], &library);
    }
}

#[test]
fn calls_that_do_not_wait_are_never_interrupted() {
    for library in support::ours() {
        for transport in TRANSPORTS {
            succeed("interrupted", &[transport, &number(50, 2_000)], &library);
        }
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
