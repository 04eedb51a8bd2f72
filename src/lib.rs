//! Monocoque: libzmq's C interface on a caller-driven, io_uring-backed messaging engine.
//!
//! The rooms, from the top; each may use only those below it (`docs/architecture.md`, checked by a test):
//! `abi`, `socket`, `pattern`, `hub`, `context`, `session`, `reactor`, `pipe`, `zmtp`, `transport`, `options`, `handle`,
//! `message`, `sys`; `constants` and `error` may be used by all.

pub mod abi;
pub mod constants;
pub mod error;
pub mod sys;
