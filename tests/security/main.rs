//! Attacks on sockets that have security, by raw connections: what has no handshake behind it gets nothing in, costs nothing that stays,
//! and holds nobody up. Each test runs on both drivers, against a process of its own (`victim.c`), which has to be alive at the end.

mod clients;
mod crowds;
mod downgrades;
mod handshakes;
mod limits;
mod peer;
mod reproducers;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod victim;

use support::Library;
use victim::Victim;

/// The references run nothing here: what is asked for is this library's alone.
const _: fn() -> Vec<Library> = support::further_references;

/// Runs the test on both drivers.
fn on_both(test: impl Fn(&Library)) {
    support::ours().iter().for_each(test);
}

/// Nobody got in, and nothing that was sent.
fn assert_untouched(victim: &mut Victim, what: &str) {
    let heard = victim.heard();
    let got_in = |line: &String| line.starts_with("message ") || line.starts_with("event succeeded");
    assert!(!heard.iter().any(got_in), "{what}: {heard:?}");
}

/// A peer that does everything right is served.
fn assert_serves(victim: &mut Victim, mechanism: &str) {
    let mut peer = peer::Peer::new(victim.stream(), "DEALER", peer::client(mechanism));
    assert!(peer.shake(), "an honest peer is admitted: {:?}", victim.heard());
    peer.send(b"honest");
    while !victim.expect("message ").ends_with("6:honest") {}
}

/// Memory, in KiB, that a round leaves behind stops growing: the first rounds may find more going on at once than any before them, but what
/// leaks does so in all.
fn assert_settles(what: &str, mut round: impl FnMut() -> u64) {
    const ROUNDS: usize = 14;
    const NOISE_KIB: u64 = 16;
    let mut found = vec![round()];
    while found.len() < ROUNDS {
        let (before, after) = (found[found.len() - 1], round());
        if after <= before + NOISE_KIB {
            return;
        }
        found.push(after);
    }
    panic!("{what}: {found:?} KiB");
}
