//! Models of what threads do to each other, run on the library's own types with loom, which tries every interleaving of a few
//! threads up to a number of preemptions.
//!
//!     cargo run --release --manifest-path models/Cargo.toml -- [PART OF A NAME]
//!
//! `LOOM_MAX_PREEMPTIONS` sets the number (3). A model that fails ends the run with a panic that says what was wrong.

#[path = "../../src/constants.rs"]
mod constants;
#[path = "../../src/error.rs"]
mod error;
mod handle;
#[path = "../../src/message/mod.rs"]
mod message;
mod pipe;
mod session;
mod sys;
mod zmtp;

mod body;
mod cells;
mod fork;
mod lane;
mod lock;
mod wake;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use loom::model::Builder;

const PREEMPTIONS: usize = 3;

/// A model: its name, and what loom runs again and again.
type Model = (&'static str, fn());

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let rooms = [
        lock::MODELS,
        session::lease::MODELS,
        session::flush::MODELS,
        lane::MODELS,
        wake::MODELS,
        body::MODELS,
        handle::MODELS,
        cells::MODELS,
        fork::MODELS,
    ];
    let chosen = rooms.into_iter().flatten().filter(|(name, _)| name.contains(&part));
    for (name, model) in chosen {
        let mut builder = Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
        println!("{name}");
        let started = Instant::now();
        let runs = Arc::new(AtomicU64::new(0));
        let counted = runs.clone();
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            model();
        });
        let runs = runs.load(Ordering::Relaxed);
        println!("    passed: {runs} interleavings, {} ms", started.elapsed().as_millis());
    }
}
