//! The part of the room `pipe` that the models need: the library's own files.

#[path = "../../src/pipe/batch.rs"]
mod batch;
#[path = "../../src/pipe/chunk.rs"]
mod chunk;
#[path = "../../src/pipe/lane.rs"]
mod lane;

pub use batch::Batch;
pub use lane::{Lane, Pushed, Taken};
