//! Runs every program of `tests-c` on libzmq and on this library, with each driver, and compares what they print and how
//! they end. A program is compiled once: the same binary runs on all.

#[path = "support/difference.rs"]
mod difference;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use support::Library;

/// Long enough for the slowest program on a busy machine: it is reached only by a program that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Files of `tests-c` that are not programs of this test.
const OTHER_FILES: [&str; 1] = ["interop_peer"];

/// Programs that need not print the same on an installed libzmq 4.3.5: there, `zmq_proxy_steerable` lets one message pass
/// after PAUSE and does not go on after RESUME, against its manual page.
const NOT_ON_4_3_5: [&str; 1] = ["proxy"];

/// Programs that show more with the argument "full": what the libzmq of the `zmq` crate lacks, because it is built without
/// asking the system what it has, and without CURVE. That part is compared with the first installed reference, where there is one.
const SHOWS_MORE: [&str; 10] = [
    "ctx_options",
    "curve",
    "endpoints",
    "kernel_options",
    "mechanisms",
    "option_effects",
    "options",
    "security_options",
    "utils",
    "zap",
];

macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                compare(stringify!($name));
            }
        )*
    };
}

programs! {
    bindings
    conflate
    context
    corners
    crowd
    ctx_options
    curve
    dealerrouter
    draft_options
    endpoint_life
    endpoints
    errors
    fd_events
    heartbeats
    hwm_inproc
    hwm_net
    kernel_options
    mechanisms
    messages
    metadata
    monitor
    monitor_events
    monitor_handshakes
    multipart
    old_peers
    option_effects
    options
    pair
    plain
    poll
    proxy
    pubsub
    pushpull
    reqrep
    reuse
    routers
    security_options
    socks
    stream
    streams
    tails
    threads
    timeouts
    timers
    utils
    xpubxsub
    z85
    zap
}

#[test]
fn every_program_is_compared() {
    let folder = support::source_root().join("tests-c");
    let files = std::fs::read_dir(folder)
        .expect("tests-c")
        .map(|entry| entry.expect("a file of tests-c").path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let names = sources.map(|path| path.file_stem().expect("a file name").to_string_lossy().into_owned());
    let found: BTreeSet<String> = names.filter(|name| !OTHER_FILES.contains(&name.as_str())).collect();
    let listed: BTreeSet<String> = PROGRAMS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed, "the files of tests-c and the list of programs differ");
}

fn compare(name: &str) {
    let program = support::program("tests-c", name);
    let mut references = support::further_references();
    references.retain(|library| !(NOT_ON_4_3_5.contains(&name) && library.name.ends_with("5.2.5")));
    let ours = support::ours();
    let others: Vec<Library> = references.iter().chain(&ours).cloned().collect();
    let mut failures = differences(&program, &[], &support::reference(), &others);
    if let Some(reference) = references.first().filter(|_| SHOWS_MORE.contains(&name)) {
        failures += &differences(&program, &["full"], reference, &ours);
    }
    assert!(failures.is_empty(), "{name} behaves differently:\n{failures}");
}

/// What the program shows on the libraries and did not show on the reference.
fn differences(program: &Path, arguments: &[&str], reference: &Library, libraries: &[Library]) -> String {
    let expected = support::run(program, arguments, reference, LIMIT);
    assert!(
        expected.status == "exit status: 0",
        "{program:?} fails on {}: {}\n{}{}",
        reference.name,
        expected.status,
        expected.stdout,
        expected.stderr
    );
    let mut text = String::new();
    for library in libraries {
        let outcome = support::run(program, arguments, library, LIMIT);
        if (&outcome.status, &outcome.stdout) != (&expected.status, &expected.stdout) {
            let difference = difference::difference(&expected.stdout, &outcome.stdout);
            let (status, stderr) = (&outcome.status, &outcome.stderr);
            text += &format!(
                "--- {}\n+++ {}: {status}\n{difference}{stderr}\n",
                reference.name, library.name
            );
        }
    }
    text
}
