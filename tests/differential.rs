//! Runs every program of `tests-c` on libzmq and on this library, with each driver, and compares what they print and how
//! they end. A program is compiled once: the same binary runs on all.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

/// Long enough for the slowest program on a busy machine: it is reached only by a program that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Files of `tests-c` that are not programs of this test.
const OTHER_FILES: [&str; 1] = ["interop_peer"];

/// Programs that need not print the same on an installed libzmq 4.3.5: there, `zmq_proxy_steerable` lets one message pass
/// after PAUSE and does not go on after RESUME, against its manual page.
const NOT_ON_4_3_5: [&str; 1] = ["proxy"];

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
    ctx_options
    dealerrouter
    endpoints
    errors
    fd_events
    hwm_inproc
    hwm_net
    messages
    monitor
    multipart
    options
    pair
    poll
    proxy
    pubsub
    pushpull
    reqrep
    threads
    timeouts
    timers
    utils
    xpubxsub
    z85
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
    let program = support::program(name);
    let reference = support::reference();
    let expected = support::run(&program, &[], &reference, LIMIT);
    assert!(
        expected.status == "exit status: 0",
        "{name} fails on {}: {}\n{}{}",
        reference.name,
        expected.status,
        expected.stdout,
        expected.stderr
    );
    let mut failures = String::new();
    let mut references = support::further_references();
    references.retain(|library| !(NOT_ON_4_3_5.contains(&name) && library.name.ends_with("5.2.5")));
    for library in references.iter().chain(&support::ours()) {
        let outcome = support::run(&program, &[], library, LIMIT);
        if (&outcome.status, &outcome.stdout) != (&expected.status, &expected.stdout) {
            let difference = support::difference(&expected.stdout, &outcome.stdout);
            failures += &format!(
                "--- {}\n+++ {}: {}\n{difference}{}\n",
                reference.name, library.name, outcome.status, outcome.stderr
            );
        }
    }
    assert!(failures.is_empty(), "{name} behaves differently:\n{failures}");
}
