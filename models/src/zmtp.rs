//! The part of the room `zmtp` that the models need: headers of frames.

#[path = "../../src/zmtp/error.rs"]
pub mod error;
#[path = "../../src/zmtp/frame.rs"]
pub mod frame;

pub use error::ProtocolError;
pub use frame::{SHORT_HEADER, decode_header, encode_header};
