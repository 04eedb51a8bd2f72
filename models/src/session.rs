//! The part of the room `session` that the models need: the library's own files. The models stand beside them, because these types
//! are the room's own.

pub mod flush;
#[path = "../../src/session/flush_duty.rs"]
mod flush_duty;
pub mod lease;
#[path = "../../src/session/lease_word.rs"]
mod lease_word;
