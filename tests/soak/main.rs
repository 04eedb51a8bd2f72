//! The soak: every pattern at once, for minutes, in processes of their own, some on libzmq and some on this library, while those are
//! killed and stopped, their connections reset, delayed and stalled, and the network is cut. In the end the accounts must be right: no
//! message changed, doubled or out of order, none lost but with a connection, nobody stuck, memory, descriptors and threads as before.
//!
//! `MONOCOQUE_SOAK_MINUTES` says how long (0.5 unless given), `MONOCOQUE_SOAK_SEED` makes the same choices again, and
//! `MONOCOQUE_SOAK_SCENES` names the scenes to play, all unless given.

mod accounts;
mod forwarder;
mod harm;
mod party;
#[path = "../support/program.rs"]
mod program;
mod scenes;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harm::Harmer;
use party::Usage;
use stage::{LIMIT, Stage};
use support::Library;

/// What a process may hold more at the end than after the first round: a fifth, and what the library's pools and the allocator keep of
/// queues that were longer in later rounds.
const GROWTH_KIB: u64 = 8 * 1024;
/// So many sockets a lasting process has that have peers.
const SOCKETS_MAX: usize = 2;
/// Set in the process that has a network of its own.
const INSIDE: &str = "MONOCOQUE_SOAK_INSIDE";

const _: fn() = || {
    let _ = support::run;
};

fn main() {
    if !program::is_asked_for("soak") {
        return;
    }
    // Built by the outer process: what is built needs no network, but cargo's folders need their owner.
    support::program("tests/soak", "party");
    if std::env::var_os(INSIDE).is_none() && has_networks() {
        let inside = Command::new("unshare")
            .args(["--map-root-user", "--net"])
            .args(std::env::args_os())
            .env(INSIDE, "1")
            .status()
            .expect("run unshare");
        std::process::exit(inside.code().unwrap_or(1));
    }
    let has_network = std::env::var_os(INSIDE).is_some();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{}", std::process::id()));
    let minutes: f64 = number("MONOCOQUE_SOAK_MINUTES").unwrap_or(0.5);
    let seed = number("MONOCOQUE_SOAK_SEED").unwrap_or_else(|| f64::from(std::process::id())) as u64;
    println!(
        "soak: {minutes} minutes, seed {seed}, network {}",
        if has_network { "of its own" } else { "never cut" }
    );
    play(
        &folder,
        Duration::from_secs_f64(minutes * 60.0),
        Harmer::new(seed, has_network),
    );
    // What a failed run leaves is what explains it.
    std::fs::remove_dir_all(&folder).expect("remove the ledgers");
}

fn number(name: &str) -> Option<f64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether this process may have a network of its own, whose loopback interface it can take down.
fn has_networks() -> bool {
    let trial = Command::new("unshare")
        .args(["--map-root-user", "--net", "ip", "link", "set", "lo", "up"])
        .output();
    trial.is_ok_and(|output| output.status.success())
}

fn play(folder: &Path, time: Duration, mut harmer: Harmer) {
    let (ours, theirs) = (support::ours(), support::further_references());
    let has_curve = !theirs.is_empty();
    let theirs: Library = theirs.into_iter().next().unwrap_or_else(support::reference);
    // Pauses between bursts make it fewer than the rate says; a stream that lives from the first to the last moment has room.
    let messages_max = 20_000 + (time.as_secs_f64() * 2000.0) as u64;
    let mut scenes = scenes::all(&ours[0], &ours[1], &theirs, has_curve);
    if let Ok(names) = std::env::var("MONOCOQUE_SOAK_SCENES") {
        scenes.retain(|scene| names.split(',').any(|name| name == scene.name));
    }
    let mut stages: Vec<Stage> = scenes
        .into_iter()
        .map(|scene| Stage::open(scene, folder, messages_max))
        .collect();
    let round = (time / 4).min(Duration::from_secs(30));
    let start = Instant::now();
    let mut first: BTreeMap<String, Usage> = BTreeMap::new();
    for number in 0.. {
        harmer.harm(&mut stages, round.min(time.saturating_sub(start.elapsed())));
        stages.iter_mut().for_each(Stage::recover);
        stages.iter_mut().for_each(Stage::settle);
        let is_last = start.elapsed() >= time;
        for stage in &stages {
            compare(stage, &mut first, number > 0);
        }
        println!(
            "round {number}: {:.0} s, everybody reached, nothing missing",
            start.elapsed().as_secs_f64()
        );
        if is_last {
            break;
        }
        stages.iter().for_each(Stage::resume);
    }
    stages.iter_mut().for_each(Stage::close);
    report(&stages, &harmer);
}

/// What the lasting processes hold, beside what they held after the first round.
fn compare(stage: &Stage, first: &mut BTreeMap<String, Usage>, is_warm: bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let now = stage.lasting();
        let is_as_before = now.iter().all(|(name, usage)| {
            first.get(name).is_none_or(|before| {
                let memory_max = before.memory_kib + before.memory_kib / 5 + GROWTH_KIB;
                usage.memory_kib <= memory_max
                    && usage.descriptors == before.descriptors
                    && usage.epolls <= before.epolls + SOCKETS_MAX
                    && usage.threads == before.threads
            })
        });
        if !is_warm {
            first.extend(now);
            return;
        }
        if is_as_before {
            for (name, usage) in now {
                let before = first[&name];
                println!(
                    "  {name}: {} KiB ({}), {} descriptors, {} threads",
                    usage.memory_kib, before.memory_kib, usage.descriptors, usage.threads
                );
            }
            return;
        }
        assert!(Instant::now() < deadline, "{now:?}, after the first round {first:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn report(stages: &[Stage], harmer: &Harmer) {
    println!("done to them: {harmer}");
    println!(
        "{:<14} {:>9} {:>9} {:>7} {:>6} {:>6}",
        "scene", "sent", "seen", "lost", "pieces", "cuts"
    );
    for stage in stages {
        let (sent, seen, cuts) = stage.account();
        let lost = seen.lost + seen.missed_first;
        println!(
            "{:<14} {sent:>9} {:>9} {lost:>7} {:>6} {cuts:>6}",
            stage.scene.name, seen.messages, seen.gaps
        );
        for end in &stage.their_ends {
            println!("  ended by itself: {end}");
        }
    }
}
