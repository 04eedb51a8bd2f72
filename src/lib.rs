//! Monocoque: libzmq's C interface on a caller-driven, io_uring-backed messaging engine.
//!
//! The rooms, from the top; each may use only those below it (`docs/architecture.md`, checked by a test):
//! `abi`, `socket`, `pattern`, `hub`, `context`, `session`, `reactor`, `pipe`, `zmtp`, `transport`, `options`, `handle`,
//! `message`, `sys`; `constants` and `error` may be used by all.

pub mod abi;
pub mod constants;
pub mod context;
pub mod error;
pub mod handle;
pub mod hub;
pub mod message;
pub mod options;
pub mod pattern;
pub mod pipe;
pub mod reactor;
pub mod session;
pub mod socket;
pub mod sys;
pub mod transport;
pub mod zmtp;
