//! A peer's greeting and handshake: the first octet chooses our socket type and the chunking, the rest is the peer's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::handshake::{PROPERTIES_MAX, READY_SIZE_MAX, ROUTING_ID_MAX};
use monocoque::zmtp::{Handshake, HandshakeConfig, Peer, Progress, ProtocolError, RANDOM, Security, pairs};

type Outcome = Result<(usize, Option<Peer>), ProtocolError>;

fn config(selector: u8) -> HandshakeConfig {
    let (socket_type, accepts): (_, fn(&str) -> bool) = match selector % 3 {
        0 => ("ROUTER", |theirs| pairs("ROUTER", theirs)),
        1 => ("XPUB", |theirs| pairs("XPUB", theirs)),
        _ => ("PULL", |theirs| pairs("PULL", theirs)),
    };
    HandshakeConfig {
        socket_type,
        routing_id: None,
        accepts,
        properties: Vec::new(),
        security: Security::Null,
        asks: false,
        needs_handler: false,
        body_max: None,
    }
}

fn drive(selector: u8, stream: &[u8], chunk: usize) -> Outcome {
    let mut handshake = Handshake::new(config(selector), Box::new([0; RANDOM].into()));
    let (mut consumed, mut available) = (0, 0);
    while available < stream.len() {
        available = stream.len().min(available.saturating_add(chunk));
        match handshake.input(&stream[consumed..available]) {
            Ok((count, progress)) => {
                consumed += count;
                assert!(consumed <= available);
                if let Progress::Done(peer, _) = progress {
                    assert!(matches!(
                        handshake.input(&stream[consumed..]),
                        Ok((0, Progress::NeedMore))
                    ));
                    return Ok((consumed, Some(*peer)));
                }
                assert_eq!(consumed, available);
            }
            Err(error) => {
                assert_eq!(handshake.input(stream).unwrap_err(), error);
                return Err(error);
            }
        }
        assert!(handshake.output().len() < 256);
    }
    Ok((consumed, None))
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, stream)) = data.split_first() else {
        return;
    };
    let whole = drive(selector, stream, usize::MAX);
    assert_eq!(drive(selector, stream, 1 + usize::from(selector / 3)), whole);
    if let Ok((consumed, Some(peer))) = &whole {
        assert!(*consumed <= 64 + 9 + READY_SIZE_MAX);
        assert!(peer.minor <= 1);
        assert!(peer.routing_id.len() <= ROUTING_ID_MAX);
        assert!(peer.properties.len() <= PROPERTIES_MAX);
        assert_eq!(drive(selector, &stream[..*consumed], usize::MAX), whole);
    }
});
