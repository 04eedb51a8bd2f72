//! The part of the room `sys` that the models need: the library's own files, but for the futex.

#[path = "../../src/sys/clock.rs"]
pub mod clock;
#[path = "../../src/sys/copy.rs"]
pub mod copy;
pub mod futex;
#[path = "../../src/sys/lock.rs"]
pub mod lock;
#[path = "../../src/sys/mutex.rs"]
pub mod mutex;
pub mod near;
#[path = "../../src/sys/sync.rs"]
pub mod sync;
