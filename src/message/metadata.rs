//! What a connection's handshake and transport say about the messages that come from it (zmq_msg_gets(3)).
//!
//! Built once a connection by its session, immutable, and shared by reference counts with every message from there.

use std::ffi::CStr;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The properties of one connection.
#[derive(Debug)]
pub struct Metadata {
    source_descriptor: i32,
    /// Names and values one after the other, each value with a NUL behind it.
    text: Vec<u8>,
    properties: Vec<Property>,
}

#[derive(Debug)]
struct Property {
    name: Range<usize>,
    /// Ends behind the NUL.
    value: Range<usize>,
}

impl Metadata {
    /// The properties of a connection, in the order in which they are looked up, and its descriptor (-1: none).
    ///
    /// Fails with [`Error::NoMemory`]: names and values are as long as the peer makes them.
    pub fn new<'a>(
        source_descriptor: i32,
        properties: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Arc<Metadata>> {
        let mut metadata = Metadata {
            source_descriptor,
            text: Vec::new(),
            properties: Vec::new(),
        };
        for (name, value) in properties {
            metadata
                .text
                .try_reserve(name.len() + value.len() + 1)
                .map_err(|_| Error::NoMemory)?;
            metadata.properties.try_reserve(1).map_err(|_| Error::NoMemory)?;
            let name = append(&mut metadata.text, name);
            let value = append(&mut metadata.text, value);
            metadata.text.push(0);
            metadata.properties.push(Property {
                name,
                value: value.start..value.end + 1,
            });
        }
        Ok(Arc::new(metadata))
    }

    /// The value of the first property of that name (case counts, as in libzmq), as far as its first NUL.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&CStr> {
        let name = name.as_ref();
        let property = self
            .properties
            .iter()
            .find(|property| &self.text[property.name.clone()] == name)?;
        CStr::from_bytes_until_nul(&self.text[property.value.clone()]).ok()
    }

    /// ZMQ_SRCFD of zmq_msg_get(3): the descriptor of the connection, when its transport tells one.
    pub fn source_descriptor(&self) -> Option<i32> {
        (self.source_descriptor >= 0).then_some(self.source_descriptor)
    }
}

/// Appends within the capacity that was reserved, and says where.
fn append(text: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = text.len();
    text.extend_from_slice(bytes);
    start..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_by_their_exact_name() {
        let properties = [
            (&b"Socket-Type"[..], &b"DEALER"[..]),
            (b"Identity", b""),
            (b"X-cut", b"ab\0cd"),
            (b"Identity", b"2"),
        ];
        let metadata = Metadata::new(-1, properties).unwrap();
        assert_eq!(metadata.get("Socket-Type"), Some(c"DEALER"));
        assert_eq!(metadata.get("Identity"), Some(c""));
        assert_eq!(metadata.get("X-cut"), Some(c"ab"));
        assert_eq!(metadata.get("socket-type"), None);
        assert_eq!(metadata.get(""), None);
        assert_eq!(metadata.get(b"\xff"), None);
    }

    #[test]
    fn a_descriptor_is_told_only_where_there_is_one() {
        assert_eq!(Metadata::new(-1, []).unwrap().source_descriptor(), None);
        assert_eq!(Metadata::new(0, []).unwrap().source_descriptor(), Some(0));
    }
}
