//! What happens when the system has no more descriptors, threads, memory or room: calls answer an errno, everything else goes on, and all
//! works again once there is more. Programs of `tests/stress`, each described at its head.
//!
//! Refused calls are the library's calls of the C library, which the programs define themselves, so that most of these run with epoll: what
//! io_uring does in the kernel fails by limits only. `MONOCOQUE_STRESS=full` plays every place of every case.

mod support;

use std::time::Duration;

use support::Library;

/// The references run nothing here: what is asked for is this library's alone.
const _: fn() -> Vec<Library> = support::further_references;

const LIMIT: Duration = Duration::from_secs(120);
const LIMIT_FULL: Duration = Duration::from_secs(3600);

/// Kinds of calls with errors that the kernel gives for them.
const CASES: [(&str, &[&str]); 12] = [
    ("descriptors", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("threads", &["EAGAIN"]),
    ("options", &["ENOMEM", "ENOBUFS", "EINVAL"]),
    ("names", &["ENOSPC", "ENOBUFS", "EACCES", "EROFS", "EADDRINUSE"]),
    ("listen", &["EADDRINUSE", "ENOMEM"]),
    (
        "connect",
        &[
            "ENOBUFS",
            "EACCES",
            "EPERM",
            "ENETUNREACH",
            "EADDRNOTAVAIL",
            "EHOSTDOWN",
        ],
    ),
    (
        "accept",
        &[
            "EMFILE",
            "ENFILE",
            "ENOBUFS",
            "ENOMEM",
            "EPERM",
            "ECONNABORTED",
            "EPROTO",
        ],
    ),
    ("watch", &["ENOMEM", "ENOSPC"]),
    ("wait", &["ENOMEM"]),
    (
        "send",
        &[
            "ENOBUFS",
            "ENOMEM",
            "EACCES",
            "EPERM",
            "EHOSTDOWN",
            "ENETDOWN",
            "EBADF",
            "EPIPE",
        ],
    ),
    (
        "receive",
        &[
            "ENOMEM",
            "ENOBUFS",
            "EHOSTDOWN",
            "ECONNRESET",
            "ETIMEDOUT",
            "EBADF",
            "EIO",
        ],
    ),
    ("maps", &["ENOMEM"]),
];

#[test]
fn a_call_that_is_refused_is_answered_and_all_goes_on() {
    for (kind, errors) in CASES {
        for error in some(errors) {
            for mode in some(&["from", "once", "end"]) {
                exhaust(kind, mode, error, if is_full() { "1" } else { "9" }, &epoll());
            }
        }
    }
}

#[test]
fn memory_may_end_anywhere() {
    for library in support::ours() {
        for mode in some(&["from", "once", "end"]) {
            exhaust("memory", mode, "ENOMEM", if is_full() { "1" } else { "53" }, &library);
        }
    }
}

#[test]
fn descriptors_may_end_anywhere() {
    for library in support::ours() {
        for mode in some(&["from", "end"]) {
            exhaust("left", mode, "EMFILE", if is_full() { "1" } else { "16" }, &library);
        }
    }
}

#[test]
fn who_asks_for_more_without_memory_is_refused() {
    for library in support::ours() {
        // With a limit there is still the room of a slab: more messages fit into it.
        for (how, most) in [("refused", "20000"), ("limited", "60000")] {
            let printed = succeed("starvation", &[how, most], &library);
            for what in ["messages over inproc", "sockets", "connections out"] {
                assert!(printed.contains(&format!("refused: {what}\n")), "{how}: {printed}");
            }
        }
    }
}

#[test]
fn a_listener_without_descriptors_rests_and_goes_on() {
    for library in support::ours() {
        for transport in ["tcp", "ipc"] {
            print!("{}: {}", library.name, succeed("listener", &[transport], &library));
        }
    }
}

#[test]
fn a_full_file_system_is_told() {
    for library in support::ours() {
        print!("{}: {}", library.name, succeed("full_disk", &[], &library));
    }
}

#[test]
fn threads_that_may_not_be_scheduled_so_are_told() {
    for library in support::ours() {
        let printed = succeed("scheduling", &[], &library);
        for line in [
            "SCHED_FIFO: EPERM",
            "SCHED_OTHER: a socket",
            "SCHED_OTHER with a priority: EPERM",
            "no such policy: EINVAL",
            "a CPU: a socket",
            "no such CPU: EINVAL",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
        }
    }
}

fn epoll() -> Library {
    let mut ours = support::ours();
    ours.retain(|library| library.environment.iter().any(|(_, driver)| driver == "epoll"));
    ours.remove(0)
}

fn exhaust(kind: &str, mode: &str, error: &str, stride: &str, library: &Library) {
    print!(
        "{}: {}",
        library.name,
        succeed("exhaustion", &[kind, mode, error, stride], library)
    );
}

/// All of them for the full run, else the first.
fn some<'a>(all: &'a [&'a str]) -> &'a [&'a str] {
    if is_full() { all } else { &all[..1] }
}

/// Runs a program of `tests/stress`, in which nothing may panic either, and returns what it printed.
fn succeed(name: &str, arguments: &[&str], library: &Library) -> String {
    let program = support::program("tests/stress", name);
    let limit = if is_full() { LIMIT_FULL } else { LIMIT };
    let outcome = support::run(&program, arguments, library, limit);
    assert!(
        outcome.status == "exit status: 0" && !outcome.stderr.contains("panicked"),
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
