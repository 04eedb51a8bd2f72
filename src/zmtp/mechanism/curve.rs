//! The handshake of CURVE (RFC 26, zmq_curve(7)): HELLO, WELCOME, INITIATE, READY.
//!
//! Names are those of the RFC: C and S are the permanent keys, C' and S' those of the connection, small letters their secret halves. What
//! is random is passed in, for one connection alone. A cookie is valid for the connection it was made for, and there once: it holds
//! nothing that the server does not hold as well, and is checked against that.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::sealed::{CurveOpener, CurveSealer};
use super::{Ciphers, Opener, Sealer, Step, Terms, admit, read_server, refuse, refused, split};
use crate::sys::sodium::{self, KEY, NONCE, Secret, TAG};
use crate::zmtp::command::{ERROR, READY};
use crate::zmtp::error::ProtocolError;
use crate::zmtp::frame::encode_command;
use crate::zmtp::handshake::{Peer, read_properties};
use crate::zmtp::zap::{Credentials, Verdict};

const HELLO: &[u8] = b"HELLO";
const WELCOME: &[u8] = b"WELCOME";
const INITIATE: &[u8] = b"INITIATE";

const VERSION: [u8; 2] = [1, 0];
const HELLO_PADDING: usize = 72;
/// What HELLO proves the client's knowledge of S with.
const HELLO_CONTENT: usize = 64;
const SHORT_NONCE: usize = 8;
const LONG_NONCE: usize = 16;
const COOKIE: usize = LONG_NONCE + TAG + 2 * KEY;
const VOUCH: usize = TAG + 2 * KEY;
const HELLO_DATA: usize = VERSION.len() + HELLO_PADDING + KEY + SHORT_NONCE + TAG + HELLO_CONTENT;
const WELCOME_DATA: usize = LONG_NONCE + TAG + KEY + COOKIE;
/// INITIATE without properties.
const INITIATE_DATA_MIN: usize = COOKIE + SHORT_NONCE + TAG + KEY + LONG_NONCE + VOUCH;

/// How many random bytes a connection takes: a secret key, a cookie's key and two long nonces.
pub const RANDOM: usize = 2 * KEY + 2 * LONG_NONCE;

/// A client's keys: C, c and S.
pub struct CurveClient {
    /// ZMQ_CURVE_PUBLICKEY.
    pub public: [u8; KEY],
    /// ZMQ_CURVE_SECRETKEY.
    pub secret: Secret,
    /// ZMQ_CURVE_SERVERKEY.
    pub server: [u8; KEY],
}

/// A server's key: s.
pub struct CurveServer {
    /// ZMQ_CURVE_SECRETKEY.
    pub secret: Secret,
}

/// One side of the handshake.
pub struct Curve {
    state: State,
    /// The secret key of the connection.
    own: Secret,
    /// C', c and s aside: what the other side's commands are checked with.
    random: Box<Zeroizing<[u8; RANDOM]>>,
}

enum State {
    /// Server.
    Hello(Arc<CurveServer>),
    Initiate {
        keys: Arc<CurveServer>,
        /// C'.
        client: [u8; KEY],
    },
    Verdict {
        shared: Secret,
        peer: Box<Peer>,
        /// The nonce of INITIATE.
        last: u64,
    },
    /// Client.
    Welcome(Arc<CurveClient>),
    Ready {
        shared: Secret,
    },
    Over,
}

impl Curve {
    pub(super) fn client(
        keys: &Arc<CurveClient>,
        random: &[u8; RANDOM],
        out: &mut Vec<u8>,
    ) -> Result<Curve, ProtocolError> {
        let curve = Curve::new(State::Welcome(keys.clone()), random);
        let shared = sodium::shared_key(&keys.server, &curve.own).ok_or(ProtocolError::KeyExchange)?;
        let mut sealed = Vec::new();
        let content = [0; HELLO_CONTENT];
        sodium::seal(&mut sealed, &content, &short_nonce(b"CurveZMQHELLO---", 1), &shared);
        let public = sodium::public_key(&curve.own);
        encode_command(
            out,
            HELLO,
            &[&VERSION, &[0; HELLO_PADDING], &public, &1_u64.to_be_bytes(), &sealed],
        );
        Ok(curve)
    }

    pub(super) fn server(keys: &Arc<CurveServer>, random: &[u8; RANDOM]) -> Curve {
        Curve::new(State::Hello(keys.clone()), random)
    }

    fn new(state: State, random: &[u8; RANDOM]) -> Curve {
        let mut own = Secret::default();
        own.copy_from_slice(&random[..KEY]);
        let mut kept = Box::new(Zeroizing::new([0; RANDOM]));
        kept.copy_from_slice(random);
        Curve {
            state,
            own,
            random: kept,
        }
    }

    /// Whether a client was given a cookie that it has not sent back.
    pub(super) fn holds_cookie(&self) -> bool {
        matches!(self.state, State::Initiate { .. })
    }

    pub(super) fn command(&mut self, body: &Bytes, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        match (std::mem::replace(&mut self.state, State::Over), split(body)?) {
            (State::Hello(keys), (HELLO, data)) => {
                let client = self.hello(&keys, data, out)?;
                self.state = State::Initiate { keys, client };
                Ok(Step::More)
            }
            (State::Initiate { keys, client }, (INITIATE, data)) => self.initiate(&keys, &client, data, terms),
            (State::Welcome(keys), (WELCOME, data)) => {
                let shared = self.welcome(&keys, data, terms, out)?;
                self.state = State::Ready { shared };
                Ok(Step::More)
            }
            (State::Ready { shared }, (READY, data)) => {
                let malformed = ProtocolError::MalformedReady;
                let (nonce, sealed) = data.split_first_chunk::<SHORT_NONCE>().ok_or(malformed)?;
                if sealed.len() < TAG {
                    return Err(malformed);
                }
                let last = u64::from_be_bytes(*nonce);
                let nonce = joined_nonce(b"CurveZMQREADY---", nonce);
                let list = sodium::open(sealed, &nonce, &shared).ok_or(ProtocolError::Cryptographic)?;
                let list = Bytes::copy_from_slice(&list);
                let peer = read_server(&list, &list, terms)?;
                let ciphers = Ciphers {
                    sealer: Sealer::Curve(CurveSealer::new(&shared, b"CurveZMQMESSAGEC", 3)),
                    opener: Opener::Curve(CurveOpener::new(&shared, b"CurveZMQMESSAGES", last)),
                };
                Ok(Step::Done(peer, Some(Box::new(ciphers))))
            }
            (State::Welcome(_) | State::Ready { .. }, (ERROR, data)) => Err(refused(data)),
            _ => Err(ProtocolError::UnexpectedCommand),
        }
    }

    pub(super) fn answer(&mut self, verdict: Verdict, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        let State::Verdict { shared, mut peer, last } = std::mem::replace(&mut self.state, State::Over) else {
            return Err(ProtocolError::UnexpectedCommand);
        };
        peer.admitted = admit(verdict, terms.needs_handler).inspect_err(|error| refuse(*error, out))?;
        let mut sealed = Vec::new();
        let nonce = short_nonce(b"CurveZMQREADY---", 1);
        sodium::seal(&mut sealed, &terms.properties, &nonce, &shared);
        encode_command(out, READY, &[&1_u64.to_be_bytes(), &sealed]);
        let ciphers = Ciphers {
            sealer: Sealer::Curve(CurveSealer::new(&shared, b"CurveZMQMESSAGES", 2)),
            opener: Opener::Curve(CurveOpener::new(&shared, b"CurveZMQMESSAGEC", last)),
        };
        Ok(Step::Done(peer, Some(Box::new(ciphers))))
    }

    /// C', if the client knows S; the answer is S' and a cookie.
    fn hello(&self, keys: &CurveServer, data: &[u8], out: &mut Vec<u8>) -> Result<[u8; KEY], ProtocolError> {
        let data: &[u8; HELLO_DATA] = data.try_into().map_err(|_| ProtocolError::MalformedHello)?;
        let mut data = Fields(data);
        if data.take::<2>() != VERSION {
            return Err(ProtocolError::MalformedHello);
        }
        data.take::<HELLO_PADDING>();
        let client = data.take::<KEY>();
        let nonce = joined_nonce(b"CurveZMQHELLO---", &data.take::<SHORT_NONCE>());
        let shared = sodium::shared_key(&client, &keys.secret).ok_or(ProtocolError::Cryptographic)?;
        let content = sodium::open(data.0, &nonce, &shared).ok_or(ProtocolError::Cryptographic)?;
        if !sodium::equal(&content, &[0; HELLO_CONTENT]) {
            return Err(ProtocolError::MalformedHello);
        }
        let mut welcome = Zeroizing::new(sodium::public_key(&self.own).to_vec());
        let cookie_nonce = self.long_nonce(0);
        welcome.extend_from_slice(&cookie_nonce);
        let inside = Zeroizing::new([&client[..], &self.own[..]].concat());
        let full = joined_nonce(b"COOKIE--", &cookie_nonce);
        sodium::seal(&mut welcome, &inside, &full, &self.cookie_key());
        let nonce = self.long_nonce(1);
        let mut sealed = Vec::new();
        sodium::seal(&mut sealed, &welcome, &joined_nonce(b"WELCOME-", &nonce), &shared);
        encode_command(out, WELCOME, &[&nonce, &sealed]);
        Ok(client)
    }

    /// The client has the cookie back, and vouches for C' with c.
    fn initiate(
        &mut self,
        keys: &CurveServer,
        client: &[u8; KEY],
        data: &[u8],
        terms: &Terms,
    ) -> Result<Step, ProtocolError> {
        if data.len() < INITIATE_DATA_MIN {
            return Err(ProtocolError::MalformedInitiate);
        }
        let mut data = Fields(data);
        let cookie_nonce = data.take::<LONG_NONCE>();
        let cookie = data.take::<{ COOKIE - LONG_NONCE }>();
        let full = joined_nonce(b"COOKIE--", &cookie_nonce);
        let cookie = sodium::open(&cookie, &full, &self.cookie_key()).ok_or(ProtocolError::Cryptographic)?;
        let expected = Zeroizing::new([&client[..], &self.own[..]].concat());
        if !sodium::equal(&cookie, &expected) {
            return Err(ProtocolError::Cryptographic);
        }
        let nonce = data.take::<SHORT_NONCE>();
        let last = u64::from_be_bytes(nonce);
        let nonce = joined_nonce(b"CurveZMQINITIATE", &nonce);
        let shared = sodium::shared_key(client, &self.own).ok_or(ProtocolError::Cryptographic)?;
        let content = sodium::open(data.0, &nonce, &shared).ok_or(ProtocolError::Cryptographic)?;
        let mut content = Fields(&content);
        let permanent = content.take::<KEY>();
        let nonce = joined_nonce(b"VOUCH---", &content.take::<LONG_NONCE>());
        let vouch = content.take::<VOUCH>();
        let vouching = sodium::shared_key(&permanent, &self.own).ok_or(ProtocolError::Cryptographic)?;
        let vouch = sodium::open(&vouch, &nonce, &vouching).ok_or(ProtocolError::Cryptographic)?;
        let expected = [&client[..], &sodium::public_key(&keys.secret)].concat();
        if !sodium::equal(&vouch, &expected) {
            return Err(ProtocolError::KeyExchange);
        }
        let list = Bytes::copy_from_slice(content.0);
        let peer = read_properties(&list, &list, terms)?;
        self.state = State::Verdict {
            shared,
            peer: Box::new(peer),
            last,
        };
        Ok(Step::Ask(Credentials::Curve(permanent)))
    }

    /// The server knows s; what it is answered names C.
    fn welcome(
        &self,
        keys: &CurveClient,
        data: &[u8],
        terms: &Terms,
        out: &mut Vec<u8>,
    ) -> Result<Secret, ProtocolError> {
        let data: &[u8; WELCOME_DATA] = data.try_into().map_err(|_| ProtocolError::MalformedWelcome)?;
        let mut data = Fields(data);
        let nonce = joined_nonce(b"WELCOME-", &data.take::<LONG_NONCE>());
        let hello = sodium::shared_key(&keys.server, &self.own).ok_or(ProtocolError::KeyExchange)?;
        let content = sodium::open(data.0, &nonce, &hello).ok_or(ProtocolError::Cryptographic)?;
        let mut content = Fields(&content);
        let server = content.take::<KEY>();
        let shared = sodium::shared_key(&server, &self.own).ok_or(ProtocolError::KeyExchange)?;
        let vouching = sodium::shared_key(&server, &keys.secret).ok_or(ProtocolError::KeyExchange)?;
        let nonce = self.long_nonce(0);
        let mut plain = Zeroizing::new([&keys.public[..], &nonce].concat());
        let vouch = [&sodium::public_key(&self.own)[..], &keys.server].concat();
        sodium::seal(&mut plain, &vouch, &joined_nonce(b"VOUCH---", &nonce), &vouching);
        plain.extend_from_slice(&terms.properties);
        let mut sealed = Vec::new();
        sodium::seal(&mut sealed, &plain, &short_nonce(b"CurveZMQINITIATE", 2), &shared);
        encode_command(out, INITIATE, &[content.0, &2_u64.to_be_bytes(), &sealed]);
        Ok(shared)
    }

    fn cookie_key(&self) -> Secret {
        let mut key = Secret::default();
        key.copy_from_slice(&self.random[KEY..2 * KEY]);
        key
    }

    fn long_nonce(&self, number: usize) -> [u8; LONG_NONCE] {
        let start = 2 * KEY + number * LONG_NONCE;
        Fields(&self.random[start..]).take()
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Curve")
    }
}

/// Fields of known sizes, taken from the front. What is missing is zero: sizes are checked before.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        match self.0.split_first_chunk::<SIZE>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; SIZE],
        }
    }
}

fn short_nonce(prefix: &[u8; 16], number: u64) -> [u8; NONCE] {
    joined_nonce(prefix, &number.to_be_bytes())
}

/// A nonce of a text and a variable part, which have the size of one together.
fn joined_nonce(prefix: &[u8], rest: &[u8]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..prefix.len()].copy_from_slice(prefix);
    nonce[prefix.len()..].copy_from_slice(rest);
    nonce
}
