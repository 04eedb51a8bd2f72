//! The greeting of every version of ZMTP (RFC 37, "Version Negotiation"; RFC 15 and 13).
//!
//! Ours is sent in steps, as libzmq sends it, because what a peer understands is known from what it has sent: ten octets that are a
//! signature to newer peers and the head of an identity to those of ZMTP 1.0, then the major version, then the rest of the version that
//! both speak. The peer's is checked octet by octet as it arrives. As in libzmq the padding, the filler and as-server are not
//! looked at, and a signature ends in any odd octet.

use super::error::ProtocolError;
use super::frame::{encode_header, encode_old_header};

/// The size of a greeting of ZMTP 3, in bytes.
pub const GREETING_SIZE: usize = 64;

const MAJOR: u8 = 3;
const MINOR: u8 = 1;
/// Before this one a peer's number is a revision: of ZMTP 1.0 (0) or 2.0 (1).
const MAJOR_MIN: u8 = 2;
const SIGNATURE_SIZE: usize = 10;
const SIGNATURE_END: usize = SIGNATURE_SIZE - 1;
const MAJOR_AT: usize = 10;
const MINOR_AT: usize = 11;
/// In ZMTP 2.0.
const SOCKET_TYPE_AT: usize = 11;
const MECHANISM_AT: usize = 12;
/// The mechanism without security.
const NULL: [u8; 20] = *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// ZMTP 3: the minor version to speak, 0 or 1, the lower of ours and the peer's. A peer of a later major version is spoken to in our
    /// own.
    Zmtp3(u8),
    /// ZMTP 2.0: its identity follows.
    Zmtp2,
    /// ZMTP 1.0: its identity follows, of which so many of the first bytes were read already.
    Zmtp1([u8; SIGNATURE_SIZE], usize),
}

/// What of ours the greeting of an older version has.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// Our routing id; empty if there is none.
    pub routing_id: &'a [u8],
    /// Our socket type's number (zmq_socket(3)).
    pub socket_type: u8,
    /// Our mechanism.
    pub mechanism: [u8; 20],
    /// Whether peers of an older version are taken, which have no mechanism, and whom nobody is asked about.
    pub takes_older: bool,
}

impl Ours<'_> {
    fn speaks_older(&self) -> Result<(), ProtocolError> {
        if self.takes_older {
            Ok(())
        } else {
            Err(ProtocolError::Unsecured)
        }
    }
}

/// Reads the peer's greeting, and writes ours.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    position: usize,
    signature: [u8; SIGNATURE_SIZE],
    major: u8,
    minor: u8,
}

impl Greeting {
    /// What is sent before anything has come: a signature, or the head of our identity in ZMTP 1.0.
    pub fn begin(output: &mut Vec<u8>, ours: Ours<'_>) {
        output.push(0xff);
        output.extend_from_slice(&(ours.routing_id.len() as u64 + 1).to_be_bytes());
        output.push(0x7f);
    }

    /// Consumes bytes up to the end of the greeting: how many, and once it is complete what the peer speaks.
    pub fn input(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        ours: Ours<'_>,
    ) -> Result<(usize, Option<Spoken>), ProtocolError> {
        for (place, &byte) in bytes.iter().enumerate() {
            if self.position == 0 && byte != 0xff {
                // A ZMTP 1.0 peer begins with the length of its identity frame, which counts the flags and is not 0.
                if byte == 0 {
                    return Err(ProtocolError::NotZmtp);
                }
                ours.speaks_older()?;
                output.extend_from_slice(ours.routing_id);
                return Ok((place, Some(Spoken::Zmtp1(self.signature, 0))));
            }
            let spoken = self.octet(byte, output, ours)?;
            self.position += 1;
            if spoken.is_some() {
                return Ok((place + 1, spoken));
            }
        }
        Ok((bytes.len(), None))
    }

    fn octet(&mut self, byte: u8, output: &mut Vec<u8>, ours: Ours<'_>) -> Result<Option<Spoken>, ProtocolError> {
        let at = self.position;
        if let Some(place) = self.signature.get_mut(at) {
            *place = byte;
        }
        match at {
            // Even: the flags of a ZMTP 1.0 identity frame with a long length.
            SIGNATURE_END if byte & 1 == 0 => {
                ours.speaks_older()?;
                output.extend_from_slice(ours.routing_id);
                return Ok(Some(Spoken::Zmtp1(self.signature, SIGNATURE_SIZE)));
            }
            SIGNATURE_END => output.push(MAJOR),
            MAJOR_AT => {
                self.major = byte;
                if byte < MAJOR_MIN {
                    ours.speaks_older()?;
                    output.push(ours.socket_type);
                } else {
                    push_rest(output, ours.mechanism);
                }
            }
            SOCKET_TYPE_AT if self.major < MAJOR_MIN => {
                // As in libzmq the peer's socket type is not looked at.
                let id = ours.routing_id;
                let spoken = if self.major == 0 {
                    let (header, header_len) = encode_old_header(false, id.len());
                    output.extend_from_slice(&header[..header_len]);
                    Spoken::Zmtp1(self.signature, 0)
                } else {
                    let (header, header_len) = encode_header(false, id.len());
                    output.extend_from_slice(&header[..header_len]);
                    Spoken::Zmtp2
                };
                output.extend_from_slice(id);
                return Ok(Some(spoken));
            }
            MINOR_AT => self.minor = byte,
            _ if MECHANISM_AT <= at && at < MECHANISM_AT + NULL.len() && byte != ours.mechanism[at - MECHANISM_AT] => {
                return Err(ProtocolError::MechanismMismatch);
            }
            _ if at == GREETING_SIZE - 1 => {
                let minor = if self.major > MAJOR {
                    MINOR
                } else {
                    self.minor.min(MINOR)
                };
                return Ok(Some(Spoken::Zmtp3(minor)));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Our greeting of ZMTP 3 behind its major version.
fn push_rest(output: &mut Vec<u8>, mechanism: [u8; 20]) {
    let start = output.len();
    output.push(MINOR);
    output.extend_from_slice(&mechanism);
    output.resize(start + GREETING_SIZE - MINOR_AT, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ours<'_> = Ours {
        routing_id: b"own id",
        socket_type: 5,
        mechanism: NULL,
        takes_older: true,
    };

    fn theirs() -> [u8; GREETING_SIZE] {
        let mut greeting = [0; GREETING_SIZE];
        greeting[0] = 0xff;
        greeting[SIGNATURE_END] = 0x7f;
        greeting[MAJOR_AT] = 3;
        greeting[MINOR_AT] = 1;
        greeting[MECHANISM_AT..MECHANISM_AT + NULL.len()].copy_from_slice(&NULL);
        greeting
    }

    fn read(bytes: &[u8]) -> Result<(usize, Option<Spoken>), ProtocolError> {
        Greeting::default().input(bytes, &mut Vec::new(), OURS)
    }

    fn changed(at: usize, byte: u8) -> [u8; GREETING_SIZE] {
        let mut greeting = theirs();
        greeting[at] = byte;
        greeting
    }

    /// What is answered after each of the given numbers of octets.
    fn answers(bytes: &[u8], steps: &[usize]) -> Vec<Vec<u8>> {
        let mut greeting = Greeting::default();
        let mut done = 0;
        steps
            .iter()
            .map(|&step| {
                let mut output = Vec::new();
                greeting.input(&bytes[done..step], &mut output, OURS).unwrap();
                done = step;
                output
            })
            .collect()
    }

    #[test]
    fn our_greeting_goes_out_in_the_steps_of_each_version() {
        let mut begin = Vec::new();
        Greeting::begin(&mut begin, OURS);
        assert_eq!(begin, b"\xff\0\0\0\0\0\0\0\x07\x7f");
        let mut rest = Vec::from(*b"\x01NULL");
        rest.resize(53, 0);
        let nothing = Vec::new();
        for major in [2, 3, 4, 255] {
            let expected = vec![nothing.clone(), vec![3], rest.clone(), nothing.clone()];
            assert_eq!(answers(&changed(10, major), &[9, 10, 11, 64]), expected, "{major}");
        }
        let mut second = changed(10, 1);
        second[11] = 7;
        let frame = b"\0\x06own id".to_vec();
        assert_eq!(answers(&second, &[10, 11, 12]), [vec![3], vec![5], frame]);
        second[10] = 0;
        let frame = b"\x07\0own id".to_vec();
        assert_eq!(answers(&second, &[10, 11, 12]), [vec![3], vec![5], frame]);
        let mut first = theirs();
        first[9] = 0x7e;
        assert_eq!(answers(&first, &[9, 10]), [nothing, b"own id".to_vec()]);
        let mut output = Vec::new();
        Greeting::default().input(&[5, 0], &mut output, OURS).unwrap();
        assert_eq!(output, b"own id");
    }

    #[test]
    fn versions_are_negotiated() {
        for (major, minor, spoken) in [
            (2, 0, 0),
            (3, 0, 0),
            (3, 1, 1),
            (3, 2, 1),
            (3, 255, 1),
            (4, 0, 1),
            (255, 0, 1),
        ] {
            let mut greeting = changed(10, major);
            greeting[11] = minor;
            assert_eq!(
                read(&greeting),
                Ok((64, Some(Spoken::Zmtp3(spoken)))),
                "version {major}.{minor}"
            );
        }
    }

    #[test]
    fn an_older_peer_is_known_at_the_octet_that_tells() {
        assert_eq!(read(&[1, 0]), Ok((0, Some(Spoken::Zmtp1([0; 10], 0)))));
        assert_eq!(read(b"G"), Ok((0, Some(Spoken::Zmtp1([0; 10], 0)))));
        assert_eq!(read(&[0]), Err(ProtocolError::NotZmtp));
        let long_identity = [0xff, 0, 0, 0, 0, 0, 0, 1, 2, 0];
        assert_eq!(read(&long_identity[..9]), Ok((9, None)));
        assert_eq!(read(&long_identity), Ok((10, Some(Spoken::Zmtp1(long_identity, 10)))));
        let signature = *theirs().first_chunk().unwrap();
        for (revision, spoken) in [(0, Spoken::Zmtp1(signature, 0)), (1, Spoken::Zmtp2)] {
            let greeting = changed(10, revision);
            assert_eq!(read(&greeting[..11]), Ok((11, None)));
            assert_eq!(read(&greeting), Ok((12, Some(spoken))));
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
            assert_eq!(read(&changed(at, 0xa5)), Ok((64, Some(Spoken::Zmtp3(1)))), "octet {at}");
        }
        assert_eq!(read(&changed(9, 1)), Ok((64, Some(Spoken::Zmtp3(1)))));
    }

    #[test]
    fn every_chunking_consumes_the_greeting_and_no_more() {
        let stream = [&theirs()[..], b"next"].concat();
        for chunk in 1..=stream.len() {
            let mut greeting = Greeting::default();
            let mut consumed = 0;
            let spoken = loop {
                let end = stream.len().min(consumed + chunk);
                let (count, spoken) = greeting.input(&stream[consumed..end], &mut Vec::new(), OURS).unwrap();
                consumed += count;
                if spoken.is_some() {
                    break spoken;
                }
            };
            assert_eq!((consumed, spoken), (64, Some(Spoken::Zmtp3(1))));
        }
    }
}
