//! Monocoque: libzmq's C interface on a caller-driven, io_uring-backed messaging engine.
//!
//! The rooms, from the top; each may use only those below it (`docs/architecture.md`, checked by a test):
//! `abi`, `socket`, `pattern`, `hub`, `context`, `session`, `reactor`, `pipe`, `zmtp`, `transport`, `options`, `handle`,
//! `message`, `sys`; `constants` and `error` may be used by all.

mod abi;
pub mod constants;
mod context;
pub mod error;
mod handle;
pub mod hub;
mod message;
pub mod options;
mod pattern;
mod pipe;
mod reactor;
mod session;
mod socket;
mod sys;
pub mod transport;
pub mod zmtp;
