//! The part of the room `sys` that the models need: the library's own files, but for the futex.

#[path = "../../src/sys/clock.rs"]
pub mod clock;
pub mod futex;
#[path = "../../src/sys/lock.rs"]
pub mod lock;
#[path = "../../src/sys/mutex.rs"]
pub mod mutex;
#[path = "../../src/sys/sync.rs"]
pub mod sync;
