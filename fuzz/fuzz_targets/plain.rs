//! PLAIN in both roles: the first octet chooses the role, what the authentication handler says and the chunking, the rest is what the peer
//! says after its greeting.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::handshake::READY_SIZE_MAX;
use monocoque::zmtp::zap::{Credentials, Verdict, ZapReply};
use monocoque::zmtp::{Handshake, HandshakeConfig, Peer, Progress, ProtocolError, RANDOM, Security, pairs};

/// What both chunkings have to agree on: how it ended, what was asked, and what was sent.
type Outcome = (Result<Option<Peer>, ProtocolError>, Option<Credentials>, Vec<u8>);

fn handshake(is_server: bool) -> Handshake {
    let security = if is_server {
        Security::PlainServer
    } else {
        Security::PlainClient {
            username: Bytes::from_static(b"admin"),
            password: Bytes::from_static(b"secret"),
        }
    };
    let config = HandshakeConfig {
        socket_type: "ROUTER",
        routing_id: None,
        accepts: |theirs| pairs("ROUTER", theirs),
        properties: Vec::new(),
        security,
        asks: false,
        needs_handler: false,
        body_max: None,
    };
    Handshake::new(config, Box::new([0; RANDOM].into()))
}

fn verdict(selector: u8) -> Verdict {
    match selector % 4 {
        0 => Verdict::Absent,
        1 => Verdict::Broken(ProtocolError::ZapMalformed),
        status => Verdict::Reply(ZapReply {
            status: if status == 2 { 200 } else { 400 },
            ..ZapReply::default()
        }),
    }
}

fn drive(is_server: bool, verdict: &Verdict, stream: &[u8], chunk: usize) -> Outcome {
    let mut handshake = handshake(is_server);
    let (mut consumed, mut available, mut asked) = (0, 0, None);
    let result = 'all: loop {
        if available == stream.len() {
            break Ok(None);
        }
        available = stream.len().min(available.saturating_add(chunk));
        let mut step = handshake.input(&stream[consumed..available]);
        loop {
            let (count, progress) = match step {
                Ok(step) => step,
                Err(error) => break 'all Err(error),
            };
            consumed += count;
            assert!(consumed <= available);
            step = match progress {
                Progress::Ask(credentials) => {
                    assert!(is_server && asked.replace(credentials).is_none());
                    match handshake.answer(verdict.clone()) {
                        Ok(Progress::NeedMore) => handshake.input(&stream[consumed..available]),
                        other => other.map(|progress| (0, progress)),
                    }
                }
                Progress::Done(peer, ciphers) => {
                    assert!(ciphers.is_none() && is_server == asked.is_some());
                    assert!(!is_server || matches!(verdict, Verdict::Reply(reply) if reply.status == 200));
                    return (Ok(Some(*peer)), asked, std::mem::take(handshake.output()));
                }
                _ => break,
            };
        }
    };
    (result, asked, std::mem::take(handshake.output()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, stream)) = data.split_first() else {
        return;
    };
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
    greeting[12..17].copy_from_slice(b"PLAIN");
    let stream = [&greeting, stream].concat();
    let (is_server, verdict) = (selector & 1 == 0, verdict(selector >> 1));
    let whole = drive(is_server, &verdict, &stream, usize::MAX);
    assert!(drive(is_server, &verdict, &stream, 1 + usize::from(selector >> 3)) == whole);
    assert!(whole.2.len() < 256, "what is answered is short");
    if let Some(Credentials::Plain { username, password }) = &whole.1 {
        assert!(username.len() <= 255 && password.len() <= 255);
    }
    if let Ok(Some(peer)) = &whole.0 {
        let held: usize = peer
            .properties
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(held <= READY_SIZE_MAX);
    }
});
