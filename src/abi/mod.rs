//! The C interface: one file per group of manual pages. Each function is a few lines: guard, look the handle up, call inward,
//! translate the error.
#![allow(unsafe_code, reason = "this is the boundary to C")]

pub mod entry;
