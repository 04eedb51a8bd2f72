//! Hostile bytes at a bound socket (`tests/stress/hostile.c`): every truncation and every change of a byte of a recorded
//! conversation. The same program runs on the reference libraries, and where those report a broken handshake this one must too.
//!
//! `MONOCOQUE_STRESS=full` changes every byte in more ways.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::Library;

const LIMIT: Duration = Duration::from_secs(600);

/// Every bit of a byte at once, and the lowest.
const MASKS: [&str; 2] = ["0xff", "0x01"];
const MASKS_FULL: [&str; 8] = ["0xff", "0x01", "0x02", "0x04", "0x08", "0x20", "0x40", "0x80"];

/// The bytes of the greeting that choose the version: what is read after them as one of another version is some error or none, and
/// which one depends on how much was read by then. That the connection ends, and nothing else is lost, the program sees to.
const VERSION_BYTES: [usize; 4] = [0, 9, 10, 11];
/// The flags of the READY frame: RFC 37 leaves no choice, libzmq overlooks some.
const READY_FLAGS: usize = 64;

/// The references run nothing here: what is asked for is this library's alone.
const _: fn() -> Vec<support::Library> = support::further_references;

#[test]
fn a_router_survives_hostile_bytes() {
    compare("router");
}

#[test]
fn a_pull_socket_survives_hostile_bytes() {
    compare("pull");
}

#[test]
fn a_pub_socket_survives_hostile_bytes() {
    compare("pub");
}

#[test]
fn an_xpub_socket_survives_hostile_bytes() {
    compare("xpub");
}

/// A case, (what was done, at which byte, with which mask), and the event of the handshake.
type Events = BTreeMap<(String, usize, String), String>;

fn compare(socket_type: &str) {
    let expected = play(socket_type, &support::reference());
    for library in support::ours() {
        let found = play(socket_type, &library);
        assert_eq!(found.len(), expected.len());
        for (case, event) in &found {
            let reference = &expected[case];
            let (what, byte, _) = case;
            let as_expected = match (what.as_str(), *byte) {
                ("changed", byte) if VERSION_BYTES.contains(&byte) => true,
                ("changed", READY_FLAGS) => event == "HANDSHAKE_FAILED_PROTOCOL",
                // A metadata error ends the connection without an event in libzmq; one more does no harm.
                _ => event == reference || reference == "-" && event.contains("FAILED"),
            };
            assert!(
                as_expected,
                "{case:?} on {}: {event}, on libzmq {reference}",
                library.name
            );
        }
    }
}

fn play(socket_type: &str, library: &Library) -> Events {
    let program = support::program("tests/stress", "hostile");
    let is_full = std::env::var("MONOCOQUE_STRESS").is_ok_and(|value| value == "full");
    let masks: &[&str] = if is_full { &MASKS_FULL } else { &MASKS };
    let arguments: Vec<&str> = [socket_type].iter().chain(masks).copied().collect();
    let outcome = support::run(&program, &arguments, library, LIMIT);
    assert!(
        outcome.status == "exit status: 0",
        "{socket_type} on {}: {}\n{}{}",
        library.name,
        outcome.status,
        outcome.stdout,
        outcome.stderr
    );
    let lines = outcome.stdout.lines().filter(|line| !line.starts_with("ok"));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, byte, mask, event] = words[..] else {
                panic!("{line}")
            };
            let byte = byte.parse().expect("the position of a byte");
            ((what.to_owned(), byte, mask.to_owned()), event.to_owned())
        })
        .collect()
}
