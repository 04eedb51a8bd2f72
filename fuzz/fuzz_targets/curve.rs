//! CURVE in both roles: a real conversation, of which the input changes or replaces what one side says. The first octet chooses which command
//! of the four that is, and how; the rest are octets to be added to it without carry, or to stand instead of it.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use monocoque::options::z85;
use monocoque::zmtp::zap::Verdict;
use monocoque::zmtp::{
    Ciphers, CurveClient, CurveServer, Handshake, HandshakeConfig, Progress, RANDOM, Security, pairs,
};

const SERVER_PUBLIC: &[u8] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &[u8] = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_PUBLIC: &[u8] = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &[u8] = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
/// Where HELLO has octets that mean nothing: behind its header, name and version.
const PADDING: std::ops::Range<usize> = 10..82;
/// Flags of a frame.
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

static SIDES: LazyLock<[Security; 2]> = LazyLock::new(|| {
    let key = |text| z85::decode_key(text).expect("a key");
    [
        Security::CurveClient(Arc::new(CurveClient {
            public: **key(CLIENT_PUBLIC),
            secret: key(CLIENT_SECRET),
            server: **key(SERVER_PUBLIC),
        })),
        Security::CurveServer(Arc::new(CurveServer {
            secret: key(SERVER_SECRET),
        })),
    ]
});

fn side(place: usize) -> Handshake {
    let config = HandshakeConfig {
        socket_type: "DEALER",
        routing_id: None,
        accepts: |theirs| pairs("DEALER", theirs),
        properties: Vec::new(),
        security: SIDES[place].clone(),
        asks: false,
        needs_handler: false,
        body_max: None,
    };
    Handshake::new(config, Box::new([1 + place as u8; RANDOM].into()))
}

/// What has become of one side.
#[derive(Default)]
struct State {
    ciphers: Option<Box<Ciphers>>,
    failed: bool,
}

/// Gives one side what the other says.
fn hear(side: &mut Handshake, state: &mut State, bytes: &[u8], chunk: usize) {
    for part in bytes.chunks(chunk) {
        let mut rest = part;
        while !rest.is_empty() && !state.failed && state.ciphers.is_none() {
            let progress = match side.input(rest) {
                Ok((consumed, progress)) => {
                    rest = &rest[consumed..];
                    progress
                }
                Err(error) => {
                    assert_eq!(side.input(rest).unwrap_err(), error);
                    state.failed = true;
                    return;
                }
            };
            let progress = match progress {
                Progress::Ask(_) => side.answer(Verdict::Absent).expect("no handler is needed"),
                other => other,
            };
            if let Progress::Done(_, ciphers) = progress {
                state.ciphers = ciphers;
                assert!(state.ciphers.is_some());
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let (attacked, replaces, chunk) = (
        usize::from(selector & 3),
        selector & 4 != 0,
        1 + usize::from(selector >> 3) * 8,
    );
    let mut sides = [side(0), side(1)];
    let mut states = [State::default(), State::default()];
    // The greetings.
    for _ in 0..3 {
        for from in [0, 1] {
            let said = std::mem::take(sides[from].output());
            let (greeting, hello) =
                said.split_at(
                    said.len()
                        .min(if said.len() > 100 { said.len() - 202 } else { said.len() }),
                );
            hear(&mut sides[1 - from], &mut states[1 - from], greeting, usize::MAX);
            sides[from].output().extend_from_slice(hello);
            if !hello.is_empty() {
                break;
            }
        }
    }
    let mut is_same = true;
    for number in 0..4 {
        let from = number % 2;
        let real = std::mem::take(sides[from].output());
        let mut said = real.clone();
        if number == attacked {
            if replaces {
                said = data.to_vec();
            } else {
                said.iter_mut().zip(data).for_each(|(octet, change)| *octet ^= change);
            }
            let padding = if number == 0 { PADDING } else { 0..0 };
            // Whether a frame is a command, and whether more follow, is not looked at in the handshake: but a command that says that more
            // follow is no frame at all.
            let means_the_same = |at: usize| match at {
                0 => [0, MORE, COMMAND].contains(&(said[0] ^ (real[0] & LONG))),
                _ => said[at] == real[at],
            };
            is_same = said.len() == real.len() && (0..said.len()).all(|at| padding.contains(&at) || means_the_same(at));
        }
        hear(&mut sides[1 - from], &mut states[1 - from], &said, chunk);
        assert!(sides[1 - from].output().len() < 512, "what is answered is short");
        let heard_it_out = if number == 3 {
            states[0].ciphers.is_some()
        } else {
            !sides[1 - from].output().is_empty()
        };
        if !is_same {
            // What a side does not say itself is not taken for it, but one that still wants more may answer nothing yet.
            let starts_as_real = replaces && said.starts_with(&real);
            assert!(
                starts_as_real || !heard_it_out,
                "a changed command {number} was believed"
            );
            return;
        }
        assert!(heard_it_out, "command {number} was not believed");
    }
    assert!(states.iter().all(|state| state.ciphers.is_some() && !state.failed));
});
