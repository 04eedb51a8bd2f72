//! The part of the room `sys` that the models need: the library's own files, but for the futex, what is near, interruptions and the
//! slab.

#[path = "../../src/sys/cells.rs"]
pub mod cells;
#[path = "../../src/sys/clock.rs"]
pub mod clock;
#[path = "../../src/sys/copy.rs"]
pub mod copy;
#[path = "../../src/sys/fork_gate.rs"]
pub mod fork_gate;
pub mod futex;
pub mod interruption;
#[path = "../../src/sys/lock.rs"]
pub mod lock;
#[path = "../../src/sys/mutex.rs"]
pub mod mutex;
pub mod near;
#[path = "../../src/sys/reserve.rs"]
pub mod reserve;
pub mod slab;
#[path = "../../src/sys/sync.rs"]
pub mod sync;
#[path = "../../src/sys/wake_word.rs"]
pub mod wake_word;
