//! The C interface: one file per group of manual pages. Each function is a few lines: guard, look the handle up, call inward,
//! translate the error.
#![allow(unsafe_code, reason = "this is the boundary to C")]

pub mod atomic_counter;
pub mod context;
pub mod counters;
pub mod entry;
pub mod info;
pub mod message;
pub mod messaging;
pub mod polling;
#[cfg(test)]
mod simulation;
pub mod socket;
pub mod stats;
pub mod stopwatch;
pub mod threads;
pub mod timers;
pub mod z85;
