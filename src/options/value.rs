//! A value on its way to `zmq_getsockopt`, and the one place that knows how long the caller's buffer has to be.
//!
//! The rules were asked of libzmq 4.3.5: a plain number wants a buffer of exactly its size; a present state of the
//! socket (RCVMORE, FD, EVENTS, THREAD_SAFE) is content with a longer one; bytes and texts want room for all of it.
//! Everything else is `EINVAL`, and then the buffer is left as it was.

use super::z85;
use crate::error::{Error, Result};
use crate::sys::sodium::{KEY, Secret};
use bytes::Bytes;

/// What an option reads as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// An `int` for a buffer of exactly four bytes.
    Int(i32),
    /// An `int` for a buffer of four bytes or more.
    State(i32),
    /// An `int64_t` or `uint64_t` for a buffer of exactly eight bytes.
    Wide(i64),
    /// Bytes as they are.
    Bytes(Bytes),
    /// Bytes that a NUL follows; it counts in the returned length.
    Text(Bytes),
    /// A key: its bytes for a buffer of that size, its digits in Z85 and a NUL for one of theirs.
    Key(Secret),
}

/// Copies the value to the front of `out`, a buffer as long as the caller said, and returns the number of bytes
/// written, which is the new `*option_len`. Fails with `EINVAL` when the length does not fit the value.
pub fn write_value(value: &Value, out: &mut [u8]) -> Result<usize> {
    match value {
        Value::Int(number) if out.len() == size_of::<i32>() => fill(out, &number.to_ne_bytes()),
        Value::State(number) => fill(out, &number.to_ne_bytes()),
        Value::Wide(number) if out.len() == size_of::<i64>() => fill(out, &number.to_ne_bytes()),
        Value::Key(key) if out.len() == KEY => fill(out, &key[..]),
        Value::Key(key) if out.len() == z85::TEXT + 1 => {
            fill(&mut out[z85::TEXT..], &[0])?;
            fill(out, &z85::encode_key(key)[..]).map(|length| length + 1)
        }
        Value::Int(_) | Value::Wide(_) | Value::Key(_) => Err(Error::Invalid),
        Value::Bytes(bytes) => fill(out, bytes),
        Value::Text(text) => {
            let is_true = out.len() <= i32::MAX as usize;
            let (body, rest) = out.split_at_mut_checked(text.len()).ok_or(Error::Invalid)?;
            // As in libzmq nothing of what was there stays behind it.
            rest.first_mut().ok_or(Error::Invalid)?;
            // A length that no buffer has was never set: it says nothing of the memory there.
            let cleared = if is_true { rest.len() } else { 1 };
            rest[..cleared].fill(0);
            fill(body, text).map(|length| length + 1)
        }
    }
}

fn fill(out: &mut [u8], bytes: &[u8]) -> Result<usize> {
    out.get_mut(..bytes.len()).ok_or(Error::Invalid)?.copy_from_slice(bytes);
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths from 0 to 20 that the value is written into, with the length returned.
    fn accepted(value: &Value) -> Vec<(usize, usize)> {
        let written = |length| {
            write_value(value, &mut vec![0xEE; length])
                .ok()
                .map(|returned| (length, returned))
        };
        (0..=20).filter_map(written).collect()
    }

    #[test]
    fn a_plain_number_wants_exactly_its_size() {
        assert_eq!(accepted(&Value::Int(1)), [(4, 4)]);
        assert_eq!(accepted(&Value::Wide(1)), [(8, 8)]);
    }

    #[test]
    fn a_state_is_content_with_a_longer_buffer() {
        assert_eq!(
            accepted(&Value::State(1)),
            (4..=20).map(|length| (length, 4)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn bytes_want_room_and_a_text_wants_room_for_its_nul() {
        let hello = Bytes::from_static(b"hello");
        assert_eq!(
            accepted(&Value::Bytes(hello.clone())),
            (5..=20).map(|length| (length, 5)).collect::<Vec<_>>()
        );
        assert_eq!(
            accepted(&Value::Text(hello)),
            (6..=20).map(|length| (length, 6)).collect::<Vec<_>>()
        );
        assert_eq!(accepted(&Value::Bytes(Bytes::new())).len(), 21);
        assert_eq!(accepted(&Value::Text(Bytes::new())).len(), 20);
    }

    #[test]
    fn what_is_written_is_the_value_and_zeros_behind_a_text() {
        let mut out = [0xEE; 8];
        assert_eq!(write_value(&Value::Text(Bytes::from_static(b"lo")), &mut out), Ok(3));
        assert_eq!(out, [b'l', b'o', 0, 0, 0, 0, 0, 0]);
        assert_eq!(write_value(&Value::Wide(-2), &mut out), Ok(8));
        assert_eq!(out, (-2i64).to_ne_bytes());
    }

    #[test]
    fn a_refused_buffer_is_left_as_it_was() {
        let mut out = [0xEE; 2];
        assert_eq!(
            write_value(&Value::Text(Bytes::from_static(b"lo")), &mut out),
            Err(Error::Invalid)
        );
        assert_eq!(out, [0xEE; 2]);
    }
}
