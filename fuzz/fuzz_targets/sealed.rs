//! Boxes after the key exchange of CURVE: the input is a run of frames (flags, length, body), each of which is sealed, opened in both ways,
//! changed and repeated. What is left of it is tried as a box.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use monocoque::options::z85;
use monocoque::zmtp::mechanism::Opened;
use monocoque::zmtp::zap::Verdict;
use monocoque::zmtp::{
    Ciphers, CurveClient, CurveServer, Handshake, HandshakeConfig, MESSAGE_OVERHEAD, OPENED_LEAD, Opener, Progress,
    ProtocolError, RANDOM, Security, decode_header, pairs,
};

fn side(security: Security) -> Handshake {
    let config = HandshakeConfig {
        socket_type: "DEALER",
        routing_id: None,
        accepts: |theirs| pairs("DEALER", theirs),
        properties: Vec::new(),
        security,
        asks: false,
        needs_handler: false,
        body_max: None,
    };
    Handshake::new(config, Box::new([7; RANDOM].into()))
}

/// What both sides of a good handshake have, the client's first.
fn exchange() -> [Ciphers; 2] {
    let key = |text: &[u8]| z85::decode_key(text).expect("a key");
    let client = Security::CurveClient(Arc::new(CurveClient {
        public: **key(b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"),
        secret: key(b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"),
        server: **key(b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"),
    }));
    let server = Security::CurveServer(Arc::new(CurveServer {
        secret: key(b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"),
    }));
    let mut sides = [side(client), side(server)];
    let mut ciphers = [None, None];
    while ciphers.iter().any(Option::is_none) {
        for from in [0, 1] {
            let said = std::mem::take(sides[from].output());
            let to = 1 - from;
            let mut progress = sides[to].input(&said).expect("what the other side says").1;
            if matches!(progress, Progress::Ask(_)) {
                progress = sides[to].answer(Verdict::Absent).expect("no handler is needed");
            }
            if let Progress::Done(_, found) = progress {
                ciphers[to] = found;
            }
        }
    }
    ciphers.map(|ciphers| *ciphers.expect("both are done"))
}

/// The body in the frame that the opener gives, and its flags.
fn open(opener: &mut Opener, sealed: &[u8]) -> Result<(Opened, Vec<u8>), ProtocolError> {
    let mut out = vec![0xaa; OPENED_LEAD];
    let opened = opener.open(sealed, &mut out);
    assert!(
        out[..OPENED_LEAD].iter().all(|&octet| octet == 0xaa),
        "nothing else is touched"
    );
    let opened = opened.inspect_err(|_| assert_eq!(out.len(), OPENED_LEAD))?;
    let frame = &out[OPENED_LEAD..];
    let header = decode_header(frame).expect("a frame").expect("a whole frame");
    assert_eq!(header.header_len as u64 + header.body_len, frame.len() as u64);
    assert_eq!((header.more, header.command), (opened.more, false));
    Ok((opened, frame[header.header_len..].to_vec()))
}

fuzz_target!(|data: &[u8]| {
    let [mut client, mut server] = exchange();
    let [_, mut other] = exchange();
    let mut rest = data;
    while let Some((&[flags, length, place], behind)) = rest.split_first_chunk::<3>() {
        let (body, behind) = behind.split_at(behind.len().min(usize::from(length)));
        // Some are long enough for the other way of sealing.
        let body = body.repeat(if flags & 4 == 0 { 1 } else { 40 });
        let (more, command) = (flags & 1 != 0, flags & 2 != 0);
        let mut frame = Vec::new();
        let sealed = client.sealer.seal(more, command, &body, &mut frame);
        sealed.expect("a frame of such a size");
        let header = decode_header(&frame).expect("a frame").expect("a whole frame");
        assert!(!header.more && !header.command && header.body_len == (body.len() + MESSAGE_OVERHEAD) as u64);
        let sealed = &frame[header.header_len..];
        let mut changed = sealed.to_vec();
        let at = usize::from(place) % changed.len();
        changed[at] ^= 1 + (flags >> 4);
        assert!(open(&mut server.opener, &changed).is_err(), "octet {at} was changed");
        let body_len = body.len();
        let opened = Opened {
            more,
            command,
            body_len,
        };
        let expected = (opened, body);
        assert_eq!(open(&mut server.opener, sealed), Ok(expected.clone()));
        assert_eq!(open(&mut server.opener, sealed), Err(ProtocolError::Sequence));
        assert!(other.opener.open_in_place(&mut changed).is_err());
        let mut place = sealed.to_vec();
        assert_eq!(other.opener.open_in_place(&mut place), Ok(expected.0));
        assert_eq!(place[MESSAGE_OVERHEAD..], expected.1);
        assert_eq!(
            other.opener.open_in_place(&mut sealed.to_vec()),
            Err(ProtocolError::Sequence)
        );
        rest = behind;
    }
    assert!(open(&mut server.opener, data).is_err());
    assert!(server.opener.open_in_place(&mut data.to_vec()).is_err());
    let forged = [b"\x07MESSAGE", data].concat();
    assert!(open(&mut server.opener, &forged).is_err());
});
