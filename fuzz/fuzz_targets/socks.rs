//! What a SOCKS proxy answers: the first octet chooses whether we have a name and a password, whom we ask for, and how few octets arrive at
//! once; the rest is the proxy's, and then the peer's.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use monocoque::transport::Proxy;
use monocoque::transport::socks::{Exchange, Host, Refusal, Target};

/// How it ended (true: the connection is the peer's), the octets taken, and what was sent.
type Outcome = (Result<bool, Refusal>, usize, Vec<Vec<u8>>);

fn drive(proxy: &Proxy, target: &Target, stream: &[u8], chunk: usize) -> Outcome {
    let mut exchange = Exchange::new(proxy, target);
    let (mut taken, mut sent) = (0, Vec::new());
    loop {
        sent.extend(exchange.take_outgoing());
        assert!(exchange.take_outgoing().is_none(), "what is to be sent is given once");
        let Some(room) = exchange.room() else {
            return (Ok(true), taken, sent);
        };
        let arrives = room.len().min(chunk).min(stream.len() - taken);
        if arrives == 0 {
            return (Ok(false), taken, sent);
        }
        room[..arrives].copy_from_slice(&stream[taken..taken + arrives]);
        taken += arrives;
        if let Err(refusal) = exchange.received(arrives) {
            assert!(
                exchange.take_outgoing().is_none(),
                "nothing is said to a proxy that refuses"
            );
            return (Err(refusal), taken, sent);
        }
    }
}

/// The octets of an answer that lets us through, as RFC 1928 and 1929 have it, if that is how the stream begins.
fn admission(stream: &[u8]) -> Option<(usize, bool)> {
    let (authenticates, reply_at) = match stream {
        [5, 0, ..] => (false, 2),
        [5, 2, 1, 0, ..] => (true, 4),
        _ => return None,
    };
    let length = match stream.get(reply_at..)? {
        [5, 0, 0, 1, ..] => 4 + 4 + 2,
        [5, 0, 0, 4, ..] => 4 + 16 + 2,
        [5, 0, 0, 3, name, ..] => 5 + usize::from(*name) + 2,
        _ => return None,
    };
    (stream.len() >= reply_at + length).then_some((reply_at + length, authenticates))
}

fn target(selector: u8) -> (Target, Vec<u8>) {
    let (host, octets) = match selector % 3 {
        0 => (Host::Ipv4([127, 0, 0, 1]), vec![1, 127, 0, 0, 1]),
        1 => (Host::Ipv6([9; 16]), [&[4][..], &[9; 16]].concat()),
        _ => (Host::Name(b"peer".to_vec()), b"\x03\x04peer".to_vec()),
    };
    (
        Target { host, port: 0x1234 },
        [b"\x05\x01\x00", &octets[..], b"\x12\x34"].concat(),
    )
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, stream)) = data.split_first() else {
        return;
    };
    let has_name = selector & 1 != 0;
    let proxy = Proxy {
        text: Bytes::from_static(b"127.0.0.1:1080"),
        username: Bytes::from_static(if has_name { b"admin" } else { b"" }),
        password: Bytes::from_static(b"secret"),
    };
    let (target, request) = target(selector >> 1);
    let whole = drive(&proxy, &target, stream, usize::MAX);
    let (ended, taken, sent) = drive(&proxy, &target, stream, 1 + usize::from(selector >> 4));
    assert_eq!((&ended, &sent), (&whole.0, &whole.2));
    // Who is refused has read less when less came at once.
    assert!(taken == whole.1 || ended.is_err());
    assert_eq!(
        (ended == Ok(true)).then_some(taken),
        admission(stream).map(|(length, _)| length)
    );
    let credentials: &[u8] = if has_name {
        b"\x01\x05admin\x06secret"
    } else {
        b"\x01\x00\x00"
    };
    let offer = [5, 1, if has_name { 2 } else { 0 }];
    let said = match admission(stream) {
        Some((_, true)) => vec![&offer[..], credentials, &request],
        Some((_, false)) => vec![&offer[..], &request],
        None => {
            assert_eq!(sent[0], offer);
            assert!(
                sent[1..]
                    .iter()
                    .all(|message| message == credentials || *message == request)
            );
            return;
        }
    };
    assert_eq!(sent, said);
});
