//! The few system calls and primitives that no crate wraps.
