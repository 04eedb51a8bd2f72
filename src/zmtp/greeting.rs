//! The 64-octet greeting (RFC 37, "Formal Grammar" and "Version Negotiation").
//!
//! Ours is sent whole and at once, which the RFC allows to a peer that does not downgrade; libzmq accepts it in both
//! roles. The peer's is checked octet by octet as it arrives, so that an older peer, another mechanism or bytes that
//! are no greeting are known at the first octet that tells. As in libzmq the padding, the filler and as-server are not
//! looked at, and a signature ends in any odd octet.

use super::error::ProtocolError;

/// The size of a greeting, in bytes.
pub const GREETING_SIZE: usize = 64;
/// Our greeting: ZMTP 3.1, mechanism NULL, as-server 0.
pub const GREETING: [u8; GREETING_SIZE] = our_greeting();

const MAJOR: u8 = 3;
const MINOR: u8 = 1;
const SIGNATURE_END: usize = 9;
const MAJOR_AT: usize = 10;
const MINOR_AT: usize = 11;
const MECHANISM_AT: usize = 12;
const MECHANISM: [u8; 20] = *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Reads the peer's greeting.
#[derive(Clone, Debug, Default)]
pub struct GreetingReader {
    position: usize,
    major: u8,
    minor: u8,
}

impl GreetingReader {
    /// Consumes bytes up to the end of the greeting: how many, and once it is complete the minor version to speak, 0 or
    /// 1, the lower of ours and the peer's. A peer of a later major version is spoken to in our own.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Option<u8>), ProtocolError> {
        let wanted = &bytes[..bytes.len().min(GREETING_SIZE - self.position)];
        for &byte in wanted {
            self.octet(byte)?;
            self.position += 1;
        }
        let minor = if self.major > MAJOR {
            MINOR
        } else {
            self.minor.min(MINOR)
        };
        Ok((wanted.len(), (self.position == GREETING_SIZE).then_some(minor)))
    }

    fn octet(&mut self, byte: u8) -> Result<(), ProtocolError> {
        match self.position {
            // A ZMTP 1.0 peer begins with the length of its identity frame, which counts the flags and is not 0.
            0 if byte == 0 => Err(ProtocolError::NotZmtp),
            0 if byte != 0xff => Err(ProtocolError::OldPeer),
            // Even: the flags of a ZMTP 1.0 identity frame with a long length.
            SIGNATURE_END if byte & 1 == 0 => Err(ProtocolError::OldPeer),
            MAJOR_AT if byte < MAJOR => Err(ProtocolError::OldPeer),
            MAJOR_AT => {
                self.major = byte;
                Ok(())
            }
            MINOR_AT => {
                self.minor = byte;
                Ok(())
            }
            at if MECHANISM_AT <= at && at < MECHANISM_AT + MECHANISM.len() && byte != MECHANISM[at - MECHANISM_AT] => {
                Err(ProtocolError::MechanismMismatch)
            }
            _ => Ok(()),
        }
    }
}

const fn our_greeting() -> [u8; GREETING_SIZE] {
    let mut greeting = [0; GREETING_SIZE];
    greeting[0] = 0xff;
    greeting[SIGNATURE_END] = 0x7f;
    greeting[MAJOR_AT] = MAJOR;
    greeting[MINOR_AT] = MINOR;
    let mut index = 0;
    while index < MECHANISM.len() {
        greeting[MECHANISM_AT + index] = MECHANISM[index];
        index += 1;
    }
    greeting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(usize, Option<u8>), ProtocolError> {
        GreetingReader::default().input(bytes)
    }

    fn changed(at: usize, byte: u8) -> [u8; GREETING_SIZE] {
        let mut greeting = GREETING;
        greeting[at] = byte;
        greeting
    }

    #[test]
    fn our_greeting_is_the_worked_example() {
        let mut expected = Vec::from(*b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL");
        expected.resize(64, 0);
        assert_eq!(GREETING[..], expected[..]);
    }

    #[test]
    fn versions_are_negotiated() {
        for (major, minor, spoken) in [(3, 0, 0), (3, 1, 1), (3, 2, 1), (3, 255, 1), (4, 0, 1), (255, 0, 1)] {
            let mut greeting = changed(10, major);
            greeting[11] = minor;
            assert_eq!(read(&greeting), Ok((64, Some(spoken))), "version {major}.{minor}");
        }
    }

    #[test]
    fn an_older_peer_is_known_at_the_octet_that_tells() {
        assert_eq!(read(&[1, 0]), Err(ProtocolError::OldPeer));
        assert_eq!(read(b"G"), Err(ProtocolError::OldPeer));
        assert_eq!(read(&[0]), Err(ProtocolError::NotZmtp));
        let long_identity = [0xff, 0, 0, 0, 0, 0, 0, 1, 2, 0];
        assert_eq!(read(&long_identity[..9]), Ok((9, None)));
        assert_eq!(read(&long_identity), Err(ProtocolError::OldPeer));
        for major in 0..3 {
            let greeting = changed(10, major);
            assert_eq!(read(&greeting[..10]), Ok((10, None)));
            assert_eq!(read(&greeting[..11]), Err(ProtocolError::OldPeer));
        }
    }

    #[test]
    fn a_mechanism_must_match_exactly() {
        for at in 12..32 {
            let greeting = changed(at, b'X');
            assert_eq!(read(&greeting[..at]), Ok((at, None)));
            assert_eq!(read(&greeting[..=at]), Err(ProtocolError::MechanismMismatch));
        }
    }

    #[test]
    fn insignificant_octets_are_not_looked_at() {
        for at in (1..9).chain(32..64) {
            assert_eq!(read(&changed(at, 0xa5)), Ok((64, Some(1))), "octet {at}");
        }
        assert_eq!(read(&changed(9, 1)), Ok((64, Some(1))));
    }

    #[test]
    fn every_chunking_consumes_the_greeting_and_no_more() {
        let stream = [&GREETING[..], b"next"].concat();
        for chunk in 1..=stream.len() {
            let mut reader = GreetingReader::default();
            let mut consumed = 0;
            let minor = loop {
                let end = stream.len().min(consumed + chunk);
                let (count, minor) = reader.input(&stream[consumed..end]).unwrap();
                consumed += count;
                if minor.is_some() {
                    break minor;
                }
            };
            assert_eq!((consumed, minor), (64, Some(1)));
        }
    }
}
