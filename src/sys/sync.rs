//! The types that threads meet at. The models (`models/README.md`) put loom's in the place of the standard library's; what they
//! check takes its types from here.

#[cfg(loom)]
pub use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub use std::sync::{Mutex, MutexGuard, atomic};
