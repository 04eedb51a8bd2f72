//! The few system calls and primitives that no crate wraps. Knows nothing of the rest of the library.

pub mod alarm;
#[cfg(test)]
pub mod child;
pub mod clock;
pub mod copy;
pub mod counters;
pub mod descriptors;
pub mod epoll;
pub mod errno;
pub mod futex;
pub mod lock;
pub mod mutex;
pub mod near;
pub mod net;
pub mod scheduling;
pub mod spin;
pub mod sync;
pub mod thread;
pub mod waiter;
