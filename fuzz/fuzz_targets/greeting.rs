//! The greeting of every version: the first octet chooses what we are and the chunking, the rest is what the peer sends. What comes of it,
//! and what is answered, is what the RFCs say of the octets taken together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::greeting::{GREETING_SIZE, Greeting, Ours, Spoken};
use monocoque::zmtp::{ProtocolError, decode_header, decode_old_header};

const ROUTING_ID: &[u8] = b"own id";
const SOCKET_TYPE: u8 = 5;
const NULL: [u8; 20] = *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const PLAIN: [u8; 20] = *b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// How many octets were taken and what the peer speaks, and what was sent before that was known.
type Outcome = (Result<(usize, Option<Spoken>), ProtocolError>, Vec<u8>);

fn drive(stream: &[u8], ours: Ours<'_>, chunk: usize) -> Outcome {
    let (mut greeting, mut output, mut consumed) = (Greeting::default(), Vec::new(), 0);
    Greeting::begin(&mut output, ours);
    for part in stream.chunks(chunk) {
        match greeting.input(part, &mut output, ours) {
            Ok((count, spoken)) => {
                assert!(
                    count == part.len() || spoken.is_some(),
                    "what is not consumed is not the greeting's"
                );
                consumed += count;
                if spoken.is_some() {
                    return (Ok((consumed, spoken)), output);
                }
            }
            Err(error) => return (Err(error), output),
        }
    }
    (Ok((consumed, None)), output)
}

/// What RFC 37 ("Version Negotiation"), 15 and 13 make of the octets, and what is answered on the way.
fn expected(stream: &[u8], ours: Ours<'_>) -> Outcome {
    let mut answer = [&[0xff][..], &(ROUTING_ID.len() as u64 + 1).to_be_bytes(), &[0x7f]].concat();
    let older = |known: usize, spoken: Spoken, mut answer: Vec<u8>, more: &[u8]| {
        if !ours.takes_older {
            return (Err(ProtocolError::Unsecured), answer);
        }
        answer.extend_from_slice(more);
        (Ok((known, Some(spoken))), answer)
    };
    let signature = stream.first_chunk::<10>();
    match (stream.first(), signature) {
        (None, _) | (Some(0xff), None) => return (Ok((stream.len(), None)), answer),
        (Some(0), _) => return (Err(ProtocolError::NotZmtp), answer),
        (Some(1..=0xfe), _) => return older(0, Spoken::Zmtp1([0; 10], 0), answer, ROUTING_ID),
        (Some(0xff), Some(signature)) if signature[9] % 2 == 0 => {
            return older(10, Spoken::Zmtp1(*signature, 10), answer, ROUTING_ID);
        }
        _ => answer.push(3),
    }
    let signature = *signature.expect("ten octets");
    let Some(&major) = stream.get(10) else {
        return (Ok((10, None)), answer);
    };
    if major < 2 {
        if !ours.takes_older {
            return (Err(ProtocolError::Unsecured), answer);
        }
        answer.push(SOCKET_TYPE);
        if stream.len() == 11 {
            return (Ok((11, None)), answer);
        }
        let size = ROUTING_ID.len() as u8;
        let (spoken, head) = if major == 0 {
            (Spoken::Zmtp1(signature, 0), [size + 1, 0])
        } else {
            (Spoken::Zmtp2, [0, size])
        };
        return older(12, spoken, answer, &[&head, ROUTING_ID].concat());
    }
    answer.push(1);
    answer.extend_from_slice(&ours.mechanism);
    answer.resize(GREETING_SIZE, 0);
    let mechanism = &stream[12.min(stream.len())..32.min(stream.len())];
    if !ours.mechanism.starts_with(mechanism) {
        return (Err(ProtocolError::MechanismMismatch), answer);
    }
    if stream.len() < GREETING_SIZE {
        return (Ok((stream.len(), None)), answer);
    }
    let minor = if major > 3 { 1 } else { stream[11].min(1) };
    (Ok((GREETING_SIZE, Some(Spoken::Zmtp3(minor)))), answer)
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, stream)) = data.split_first() else {
        return;
    };
    let ours = Ours {
        routing_id: ROUTING_ID,
        socket_type: SOCKET_TYPE,
        mechanism: if selector & 1 == 0 { NULL } else { PLAIN },
        takes_older: selector & 2 == 0,
    };
    let whole = drive(stream, ours, usize::MAX);
    assert_eq!(whole, expected(stream, ours));
    assert_eq!(drive(stream, ours, 1 + usize::from(selector >> 2)), whole);
    // What follows our version is a frame that the peer can read.
    if let (Ok((12, Some(spoken))), answer) = whole {
        let decoded = match spoken {
            Spoken::Zmtp2 => decode_header(&answer[12..]),
            _ => decode_old_header(&answer[12..]),
        };
        let header = decoded.expect("a frame").expect("a whole header");
        assert_eq!(answer[12 + header.header_len..], *ROUTING_ID);
    }
});
