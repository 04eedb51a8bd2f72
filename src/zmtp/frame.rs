//! Frame headers (RFC 37, "Framing"): one flags octet, then the body's length in one or in eight octets.
//!
//! Runs on whatever thread holds the connection's read or write half. A header is accepted only if the RFC allows it:
//! no reserved bit, no `MORE` on a command, a length below 2^63. A long header for a short body is valid.

use super::error::ProtocolError;

/// More frames of the same message follow.
pub const FLAG_MORE: u8 = 1;
/// The length takes eight octets in network byte order instead of one.
pub const FLAG_LONG: u8 = 2;
/// The frame is a command.
pub const FLAG_COMMAND: u8 = 4;
/// The size of the longest header, in bytes.
pub const MAX_HEADER: usize = 9;

/// Bytes of the header of a frame whose body has up to 255 bytes (RFC 23, 37): flags and length.
pub const SHORT_HEADER: usize = 2;
const SHORT_BODY_MAX: usize = 255;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// More frames of the same message follow; never set on a command.
    pub more: bool,
    /// The frame is a command.
    pub command: bool,
    /// The header's own size: 2 or 9 bytes.
    pub header_len: usize,
    /// The body's size in bytes, below 2^63.
    pub body_len: u64,
}

/// Reads the header at the start of `bytes`; `Ok(None)` while it is not all there.
#[inline]
pub fn decode_header(bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let Some(&flags) = bytes.first() else {
        return Ok(None);
    };
    if flags > FLAG_COMMAND | FLAG_LONG || flags == FLAG_COMMAND | FLAG_MORE {
        return Err(flags_error(flags));
    }
    let (header_len, body_len) = if flags & FLAG_LONG == 0 {
        match bytes.get(1) {
            Some(&length) => (SHORT_HEADER, u64::from(length)),
            None => return Ok(None),
        }
    } else {
        let Some(length) = bytes.get(1..).and_then(|rest| rest.first_chunk::<8>()) else {
            return Ok(None);
        };
        let length = u64::from_be_bytes(*length);
        if length > i64::MAX as u64 {
            return Err(ProtocolError::FrameLength);
        }
        (MAX_HEADER, length)
    };
    Ok(Some(Header {
        more: flags & FLAG_MORE != 0,
        command: flags & FLAG_COMMAND != 0,
        header_len,
        body_len,
    }))
}

/// The header of a message frame: the array and how much of it is used. Bodies up to 255 bytes take the short form.
#[inline]
pub fn encode_header(more: bool, body_len: usize) -> ([u8; MAX_HEADER], usize) {
    encode_flags(u8::from(more), body_len)
}

/// The longest header of ZMTP 1.0, in bytes.
pub const MAX_OLD_HEADER: usize = 10;

/// As [`decode_header`] for ZMTP 1.0 (RFC 13): the length, which counts the flags, comes first, and there are no commands.
pub fn decode_old_header(bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let (length, flags_at) = if first == 0xff {
        match bytes.get(1..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(length) => (u64::from_be_bytes(*length), 9),
            None => return Ok(None),
        }
    } else {
        (u64::from(first), 1)
    };
    if length == 0 || length > i64::MAX as u64 {
        return Err(ProtocolError::FrameLength);
    }
    let Some(&flags) = bytes.get(flags_at) else {
        return Ok(None);
    };
    // As in libzmq the other bits are not looked at.
    Ok(Some(Header {
        more: flags & FLAG_MORE != 0,
        command: false,
        header_len: flags_at + 1,
        body_len: length - 1,
    }))
}

/// As [`encode_header`] for ZMTP 1.0.
pub fn encode_old_header(more: bool, body_len: usize) -> ([u8; MAX_OLD_HEADER], usize) {
    let mut header = [0; MAX_OLD_HEADER];
    let length = body_len as u64 + 1;
    let flags_at = match u8::try_from(length) {
        Ok(length) if length < 0xff => {
            header[0] = length;
            1
        }
        _ => {
            header[0] = 0xff;
            header[1..9].copy_from_slice(&length.to_be_bytes());
            9
        }
    };
    header[flags_at] = u8::from(more);
    (header, flags_at + 1)
}

/// Appends a command frame: `name` (1 to 255 bytes; cut there), then the parts of `body`.
pub fn encode_command(out: &mut Vec<u8>, name: &[u8], body: &[&[u8]]) {
    let name_len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let name = &name[..usize::from(name_len)];
    let body_len = 1 + name.len() + body.iter().map(|part| part.len()).sum::<usize>();
    let (header, header_len) = encode_flags(FLAG_COMMAND, body_len);
    out.extend_from_slice(&header[..header_len]);
    out.push(name_len);
    out.extend_from_slice(name);
    for part in body {
        out.extend_from_slice(part);
    }
}

#[inline]
fn encode_flags(flags: u8, body_len: usize) -> ([u8; MAX_HEADER], usize) {
    let mut header = [0; MAX_HEADER];
    if body_len <= SHORT_BODY_MAX {
        header[0] = flags;
        header[1] = body_len as u8;
        (header, SHORT_HEADER)
    } else {
        header[0] = flags | FLAG_LONG;
        header[1..].copy_from_slice(&(body_len as u64).to_be_bytes());
        (header, MAX_HEADER)
    }
}

#[cold]
fn flags_error(flags: u8) -> ProtocolError {
    if flags & !(FLAG_COMMAND | FLAG_LONG | FLAG_MORE) != 0 {
        ProtocolError::ReservedFlags
    } else {
        ProtocolError::CommandWithMore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(more: bool, command: bool, header_len: usize, body_len: u64) -> Result<Option<Header>, ProtocolError> {
        Ok(Some(Header {
            more,
            command,
            header_len,
            body_len,
        }))
    }

    #[test]
    fn old_headers_come_back_as_they_went() {
        for body_len in [0, 1, 252, 253, 254, 255, 256, 70_000] {
            for more in [false, true] {
                let (header, header_len) = encode_old_header(more, body_len);
                assert_eq!(header_len, if body_len < 254 { 2 } else { 10 }, "{body_len}");
                let expected = Header {
                    more,
                    command: false,
                    header_len,
                    body_len: body_len as u64,
                };
                assert_eq!(decode_old_header(&header[..header_len]), Ok(Some(expected)));
                assert_eq!(decode_old_header(&header[..header_len - 1]), Ok(None));
            }
        }
        assert_eq!(decode_old_header(&[]), Ok(None));
        assert_eq!(decode_old_header(&[0]), Err(ProtocolError::FrameLength));
        assert_eq!(decode_old_header(&[0xff; 9]), Err(ProtocolError::FrameLength));
        assert_eq!(
            decode_old_header(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(ProtocolError::FrameLength)
        );
        assert!(
            decode_old_header(&[2, 0xfe])
                .unwrap()
                .is_some_and(|header| !header.more)
        );
    }

    #[test]
    fn headers_have_the_octets_of_the_grammar() {
        assert_eq!(encode_header(false, 0), ([0, 0, 0, 0, 0, 0, 0, 0, 0], 2));
        assert_eq!(encode_header(true, 255), ([1, 255, 0, 0, 0, 0, 0, 0, 0], 2));
        assert_eq!(encode_header(false, 256), ([2, 0, 0, 0, 0, 0, 0, 1, 0], 9));
        assert_eq!(encode_header(true, 0x0102_0304_0506), ([3, 0, 0, 1, 2, 3, 4, 5, 6], 9));
        assert_eq!(decode_header(&[0, 0]), header(false, false, 2, 0));
        assert_eq!(decode_header(&[1, 255, 7]), header(true, false, 2, 255));
        assert_eq!(decode_header(&[4, 41]), header(false, true, 2, 41));
        assert_eq!(decode_header(&[6, 0, 0, 0, 0, 0, 0, 0, 5]), header(false, true, 9, 5));
    }

    #[test]
    fn every_encoded_header_decodes_and_needs_all_its_bytes() {
        for more in [false, true] {
            for body_len in [0, 1, 254, 255, 256, 65_535, 1 << 32, i64::MAX as usize] {
                let (bytes, length) = encode_header(more, body_len);
                assert_eq!(
                    decode_header(&bytes[..length]),
                    header(more, false, length, body_len as u64)
                );
                for cut in 0..length {
                    assert_eq!(decode_header(&bytes[..cut]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_an_error() {
        for flags in 0..=255u8 {
            let expected = match flags {
                0..=4 | 6 => None,
                5 | 7 => Some(ProtocolError::CommandWithMore),
                _ => Some(ProtocolError::ReservedFlags),
            };
            assert_eq!(
                decode_header(&[flags, 0, 0, 0, 0, 0, 0, 0, 0]).err(),
                expected,
                "flags {flags:#x}"
            );
            assert_eq!(decode_header(&[flags]).err(), expected, "flags {flags:#x}");
        }
        let top = [2, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode_header(&top), Err(ProtocolError::FrameLength));
        let below = [2, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(decode_header(&below), header(false, false, 9, i64::MAX as u64));
    }

    #[test]
    fn a_command_takes_the_short_form_up_to_255_bytes() {
        let mut out = Vec::new();
        encode_command(&mut out, b"PING", &[&[0, 10], b"ctx"]);
        assert_eq!(out, b"\x04\x0a\x04PING\x00\x0actx");
        for (data, flags, header_len) in [(250, 4, 2), (251, 6, 9)] {
            out.clear();
            encode_command(&mut out, b"PONG", &[&vec![b'x'; data]]);
            assert_eq!((out[0], out.len()), (flags, header_len + 5 + data));
            let body_len = (5 + data) as u64;
            assert_eq!(decode_header(&out), header(false, true, header_len, body_len));
        }
    }
}
