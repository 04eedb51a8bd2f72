//! The few system calls and primitives that no crate wraps. Knows nothing of the rest of the library.

pub mod alarm;
pub mod cells;
#[cfg(test)]
pub mod child;
pub mod clock;
pub mod copy;
pub mod counters;
pub mod descriptors;
pub mod epoll;
pub mod errno;
pub mod fork_gate;
pub mod futex;
#[cfg(feature = "gssapi")]
pub mod gssapi;
pub mod interruption;
pub mod lock;
pub mod memory;
pub mod mutex;
pub mod near;
pub mod net;
pub mod promise;
pub mod reserve;
pub mod scheduling;
#[cfg(test)]
pub mod shortage;
#[cfg(test)]
pub mod simulation;
pub mod slab;
pub mod sodium;
pub mod spin;
pub mod sync;
pub mod thread;
pub mod waiter;
pub mod wake_word;
