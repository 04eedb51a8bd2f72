//! The few system calls and primitives that no crate wraps. Knows nothing of the rest of the library.

pub mod errno;
pub mod futex;
pub mod lock;
