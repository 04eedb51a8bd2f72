//! Commands: READY and ERROR of the NULL handshake, SUBSCRIBE and CANCEL, PING and PONG (RFC 37).
//!
//! Parsing borrows from the frame's body. A command whose name is not known is no error: libzmq passes over it, and so
//! does a session. The encoders append to a vector whose growth the caller can make fallible beforehand.

use super::error::ProtocolError;
use super::frame::{MAX_HEADER, encode_command, encode_header};

/// The most context octets that a PING may carry and a PONG echoes.
pub const PING_CONTEXT_MAX: usize = 16;
/// What [`encode_subscribe`] and [`encode_cancel`] append at most, in bytes, beside the topic.
pub const SUBSCRIPTION_OVERHEAD: usize = MAX_HEADER + 1 + SUBSCRIBE.len();

pub(super) const READY: &[u8] = b"READY";
pub(super) const ERROR: &[u8] = b"ERROR";
const SUBSCRIBE: &[u8] = b"SUBSCRIBE";
const CANCEL: &[u8] = b"CANCEL";
const PING: &[u8] = b"PING";
const PONG: &[u8] = b"PONG";

/// A parsed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The handshake is complete; the property list, for [`super::metadata::Properties`].
    Ready(&'a [u8]),
    /// The handshake is refused; the reason.
    Error(&'a [u8]),
    /// The peer wants messages that begin with this topic.
    Subscribe(&'a [u8]),
    /// The peer takes back one subscription to this topic.
    Cancel(&'a [u8]),
    /// The peer asks for a sign of life.
    Ping {
        /// Without traffic for this long the connection is dead, in tenths of a second; 0 is no hint.
        ttl_tenths: u16,
        /// To be echoed: at most [`PING_CONTEXT_MAX`] octets; of a longer context, the first ones, as libzmq does.
        context: &'a [u8],
    },
    /// The answer to a PING.
    Pong {
        /// The context of that PING, cut in the same way.
        context: &'a [u8],
    },
    /// A command that is not defined for the NULL mechanism.
    Unknown {
        /// Its name.
        name: &'a [u8],
    },
}

/// Parses the body of a command frame.
pub fn parse_command(body: &[u8]) -> Result<Command<'_>, ProtocolError> {
    let (&name_len, rest) = body.split_first().ok_or(ProtocolError::MalformedCommand)?;
    let (name, data) = rest
        .split_at_checked(usize::from(name_len))
        .ok_or(ProtocolError::MalformedCommand)?;
    match name {
        b"" => Err(ProtocolError::MalformedCommand),
        READY => Ok(Command::Ready(data)),
        ERROR => parse_error(data).map(Command::Error),
        SUBSCRIBE => Ok(Command::Subscribe(data)),
        CANCEL => Ok(Command::Cancel(data)),
        PING => {
            let (ttl, context) = data.split_first_chunk::<2>().ok_or(ProtocolError::MalformedCommand)?;
            Ok(Command::Ping {
                ttl_tenths: u16::from_be_bytes(*ttl),
                context: cut_context(context),
            })
        }
        PONG => Ok(Command::Pong {
            context: cut_context(data),
        }),
        _ => Ok(Command::Unknown { name }),
    }
}

/// Appends a PING with a time to live in tenths of a second and a context, cut to [`PING_CONTEXT_MAX`] octets.
pub fn encode_ping(out: &mut Vec<u8>, ttl_tenths: u16, context: &[u8]) {
    encode_command(out, PING, &[&ttl_tenths.to_be_bytes(), cut_context(context)]);
}

/// Appends a PONG that echoes a context, cut to [`PING_CONTEXT_MAX`] octets.
pub fn encode_pong(out: &mut Vec<u8>, context: &[u8]) {
    encode_command(out, PONG, &[cut_context(context)]);
}

/// Appends a subscription in the form of the minor version: a SUBSCRIBE command for 3.1, a message that begins with 1
/// for 3.0.
pub fn encode_subscribe(out: &mut Vec<u8>, topic: &[u8], minor: u8) {
    encode_subscription(out, SUBSCRIBE, 1, topic, minor);
}

/// Appends the end of a subscription in the form of the minor version: a CANCEL command for 3.1, a message that begins
/// with 0 for 3.0.
pub fn encode_cancel(out: &mut Vec<u8>, topic: &[u8], minor: u8) {
    encode_subscription(out, CANCEL, 0, topic, minor);
}

fn encode_subscription(out: &mut Vec<u8>, name: &[u8], legacy: u8, topic: &[u8], minor: u8) {
    if minor > 0 {
        return encode_command(out, name, &[topic]);
    }
    let (header, header_len) = encode_header(false, 1 + topic.len());
    out.extend_from_slice(&header[..header_len]);
    out.push(legacy);
    out.extend_from_slice(topic);
}

/// The reason that an ERROR command gives. As in libzmq, octets after it are passed over.
pub(super) fn parse_error(data: &[u8]) -> Result<&[u8], ProtocolError> {
    let (&length, rest) = data.split_first().ok_or(ProtocolError::MalformedError)?;
    rest.get(..usize::from(length)).ok_or(ProtocolError::MalformedError)
}

/// The ZAP status code that an ERROR command's reason is, or 0.
pub(super) fn status_code(reason: &[u8]) -> u16 {
    match reason {
        b"300" => 300,
        b"400" => 400,
        b"500" => 500,
        _ => 0,
    }
}

fn cut_context(context: &[u8]) -> &[u8] {
    &context[..context.len().min(PING_CONTEXT_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out);
        out
    }

    #[test]
    fn encoders_give_the_octets_that_libzmq_gives() {
        assert_eq!(
            encoded(|out| encode_subscribe(out, b"abc", 1)),
            b"\x04\x0d\x09SUBSCRIBEabc"
        );
        assert_eq!(encoded(|out| encode_subscribe(out, b"abc", 0)), b"\x00\x04\x01abc");
        assert_eq!(encoded(|out| encode_cancel(out, b"late", 1)), b"\x04\x0b\x06CANCELlate");
        assert_eq!(encoded(|out| encode_cancel(out, b"late", 0)), b"\x00\x05\x00late");
        assert_eq!(encoded(|out| encode_ping(out, 10, b"")), b"\x04\x07\x04PING\x00\x0a");
        assert_eq!(encoded(|out| encode_pong(out, b"ctx")), b"\x04\x08\x04PONGctx");
        let long = encoded(|out| encode_subscribe(out, &[b'L'; 300], 1));
        assert_eq!(long[..20], *b"\x06\0\0\0\0\0\0\x01\x36\x09SUBSCRIBEL");
        let long = encoded(|out| encode_subscribe(out, &[b'L'; 300], 0));
        assert_eq!(long[..11], *b"\x02\0\0\0\0\0\0\x01\x2d\x01L");
    }

    #[test]
    fn a_subscription_fits_its_overhead() {
        for length in [0, 200, 245, 246, 254, 255, 1000] {
            let topic = vec![0; length];
            for minor in [0, 1] {
                assert!(encoded(|out| encode_subscribe(out, &topic, minor)).len() <= length + SUBSCRIPTION_OVERHEAD);
                assert!(encoded(|out| encode_cancel(out, &topic, minor)).len() <= length + SUBSCRIPTION_OVERHEAD);
            }
        }
        let longest = encoded(|out| encode_subscribe(out, &[0; 1000], 1)).len();
        assert_eq!(longest, 1000 + SUBSCRIPTION_OVERHEAD);
    }

    #[test]
    fn bodies_parse() {
        assert_eq!(parse_command(b"\x05READYprops"), Ok(Command::Ready(b"props")));
        assert_eq!(parse_command(b"\x05ERROR\x03badxx"), Ok(Command::Error(b"bad")));
        assert_eq!(parse_command(b"\x09SUBSCRIBE"), Ok(Command::Subscribe(b"")));
        assert_eq!(parse_command(b"\x06CANCELa"), Ok(Command::Cancel(b"a")));
        let ping = Command::Ping {
            ttl_tenths: 0x0102,
            context: b"c",
        };
        assert_eq!(parse_command(b"\x04PING\x01\x02c"), Ok(ping));
        assert_eq!(parse_command(b"\x04PONG"), Ok(Command::Pong { context: b"" }));
        assert_eq!(parse_command(b"\x04pingxx"), Ok(Command::Unknown { name: b"ping" }));
    }

    #[test]
    fn a_context_is_cut_after_16_octets() {
        let body = b"\x04PING\0\x000123456789abcdefg";
        let cut = b"0123456789abcdef";
        assert_eq!(
            parse_command(body),
            Ok(Command::Ping {
                ttl_tenths: 0,
                context: cut
            })
        );
        assert_eq!(
            parse_command(&body[..23]),
            Ok(Command::Ping {
                ttl_tenths: 0,
                context: cut
            })
        );
        assert_eq!(
            parse_command(&body[..22]),
            Ok(Command::Ping {
                ttl_tenths: 0,
                context: &cut[..15]
            })
        );
        assert_eq!(encoded(|out| encode_pong(out, b"0123456789abcdefg"))[7..], *cut);
    }

    #[test]
    fn malformed_bodies_are_errors() {
        for body in [&b""[..], b"\0", b"\0abc", b"\x09abc", b"\x04PING", b"\x04PING\0"] {
            assert_eq!(parse_command(body), Err(ProtocolError::MalformedCommand), "{body:?}");
        }
        for body in [&b"\x05ERROR"[..], b"\x05ERROR\x05bad"] {
            assert_eq!(parse_command(body), Err(ProtocolError::MalformedError), "{body:?}");
        }
    }
}
