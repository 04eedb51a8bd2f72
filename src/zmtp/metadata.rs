//! The property list of a READY command (RFC 37, "The NULL Security Mechanism" and "Connection Metadata").
//!
//! A property is a name of 1 to 255 octets and a value of up to 2^31-1 octets. Names compare without regard to case. As
//! in libzmq any octet may stand in a name. Reading borrows from the buffer and allocates nothing.

use super::error::ProtocolError;

/// The name of the property that carries the sender's socket type.
pub const SOCKET_TYPE: &[u8] = b"Socket-Type";
/// The name of the property that carries the sender's routing id.
pub const IDENTITY: &[u8] = b"Identity";

/// Appends a property; an error, with nothing appended, if the name or the value has a size that none may have.
pub fn encode_property(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
    let name_len = u8::try_from(name.len()).map_err(|_| ProtocolError::InvalidMetadata)?;
    let value_len = i32::try_from(value.len()).map_err(|_| ProtocolError::InvalidMetadata)?;
    if name_len == 0 {
        return Err(ProtocolError::InvalidMetadata);
    }
    out.push(name_len);
    out.extend_from_slice(name);
    out.extend_from_slice(&value_len.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Whether two property names are the same name.
pub fn same_name(left: &[u8], right: &[u8]) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// The properties of a list, in order: names and values, then an error if the rest of the list is malformed.
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    rest: &'a [u8],
}

impl<'a> Properties<'a> {
    /// Reads a list that fills `bytes`.
    pub fn new(bytes: &'a [u8]) -> Properties<'a> {
        Properties { rest: bytes }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_property(self.rest) {
            Some((name, value, rest)) => {
                self.rest = rest;
                Some(Ok((name, value)))
            }
            None => {
                self.rest = &[];
                Some(Err(ProtocolError::InvalidMetadata))
            }
        }
    }
}

fn split_property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&name_len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let value_len = usize::try_from(i32::from_be_bytes(*value_len)).ok()?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    (name_len > 0).then_some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::testing::Generator;

    type Listed = Result<Vec<(Vec<u8>, Vec<u8>)>, ProtocolError>;

    fn list(bytes: &[u8]) -> Listed {
        Properties::new(bytes)
            .map(|property| property.map(|(name, value)| (name.to_vec(), value.to_vec())))
            .collect()
    }

    #[test]
    fn the_worked_example_has_these_octets() {
        let mut out = Vec::new();
        encode_property(&mut out, SOCKET_TYPE, b"DEALER").unwrap();
        encode_property(&mut out, IDENTITY, b"").unwrap();
        assert_eq!(out, b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0");
        let expected = vec![
            (b"Socket-Type".to_vec(), b"DEALER".to_vec()),
            (b"Identity".to_vec(), Vec::new()),
        ];
        assert_eq!(list(&out), Ok(expected));
    }

    #[test]
    fn names_compare_without_case() {
        assert!(same_name(b"socket-TYPE", SOCKET_TYPE));
        assert!(!same_name(b"Socket-Typ", SOCKET_TYPE));
    }

    #[test]
    fn names_have_1_to_255_octets() {
        let mut out = Vec::new();
        assert_eq!(
            encode_property(&mut out, b"", b"v"),
            Err(ProtocolError::InvalidMetadata)
        );
        assert_eq!(
            encode_property(&mut out, &[b'n'; 256], b"v"),
            Err(ProtocolError::InvalidMetadata)
        );
        assert_eq!(out, b"");
        encode_property(&mut out, &[b'n'; 255], b"v").unwrap();
        assert_eq!(list(&out), Ok(vec![(vec![b'n'; 255], b"v".to_vec())]));
        assert_eq!(list(b"\0\0\0\0\0"), Err(ProtocolError::InvalidMetadata));
    }

    #[test]
    fn every_truncation_but_at_a_property_is_an_error() {
        let mut bytes = Vec::new();
        encode_property(&mut bytes, b"X-a", b"12345").unwrap();
        let first = bytes.len();
        encode_property(&mut bytes, b"X-b", b"").unwrap();
        for cut in 0..bytes.len() {
            let expected = match cut {
                0 => Some(0),
                _ if cut == first => Some(1),
                _ => None,
            };
            assert_eq!(
                list(&bytes[..cut]).ok().map(|properties| properties.len()),
                expected,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_value_length_with_the_top_bit_is_an_error() {
        assert_eq!(list(b"\x01n\x80\0\0\0"), Err(ProtocolError::InvalidMetadata));
        assert_eq!(list(b"\x01n\xff\xff\xff\xffab"), Err(ProtocolError::InvalidMetadata));
    }

    #[test]
    fn an_error_ends_the_list() {
        let mut properties = Properties::new(b"\x01n\0\0\0\x01v\x05x");
        assert_eq!(properties.next(), Some(Ok((&b"n"[..], &b"v"[..]))));
        assert_eq!(properties.next(), Some(Err(ProtocolError::InvalidMetadata)));
        assert_eq!(properties.next(), None);
    }

    #[test]
    fn what_can_be_read_encodes_to_the_same_octets() {
        let mut generator = Generator::new(7);
        let mut read = 0;
        for _ in 0..200_000 {
            let length = generator.below(16);
            let bytes: Vec<u8> = (0..length).map(|_| generator.below(3) as u8).collect();
            if let Ok(properties) = list(&bytes) {
                let mut again = Vec::new();
                for (name, value) in &properties {
                    encode_property(&mut again, name, value).unwrap();
                }
                assert_eq!(again, bytes);
                read += properties.len();
            }
        }
        assert!(read > 100, "only {read} properties were read");
    }
}
