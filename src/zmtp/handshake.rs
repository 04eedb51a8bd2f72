//! Greeting and security handshake of one connection, in either role.
//!
//! [`Handshake::new`] puts the first octets of our greeting into the output; the commands of the [`mechanism`](super::mechanism) follow
//! once the peer's greeting is complete, so that metadata goes to no peer of another version or mechanism. The handshake is done when the
//! mechanism is, or with a peer of ZMTP 1.0 or 2.0 when its identity has been read. Memory is bounded: at most [`READY_SIZE_MAX`] bytes and [`PROPERTIES_MAX`] properties of the peer are held,
//! and they are allocated fallibly as they arrive. An error is final: every later input gives it again.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::error::ProtocolError;
use super::frame::{Header, MAX_HEADER, decode_header, decode_old_header};
use super::greeting::{Greeting, Ours, Spoken};
use super::mechanism::{Ciphers, Mechanism, RANDOM, Security, Step, Terms};
use super::metadata::{IDENTITY, Properties, SOCKET_TYPE, encode_property, same_name};
use super::zap::{Credentials, TEMPORARY, Verdict, ZapReply};

/// The largest handshake command that is accepted from a peer: its body, in bytes.
pub const READY_SIZE_MAX: usize = 64 * 1024;
/// The most metadata properties that are accepted from a peer.
pub const PROPERTIES_MAX: usize = 1024;
/// The longest routing id, in bytes (RFC 37, "The Identity Property").
pub const ROUTING_ID_MAX: usize = 255;

/// What we are, and whom we accept.
#[derive(Clone, Debug)]
pub struct HandshakeConfig {
    /// Our socket type as the wire names it, such as `"DEALER"`.
    pub socket_type: &'static str,
    /// Our routing id. As in libzmq the Identity property is sent by REQ, DEALER and ROUTER, empty if there is none,
    /// and by no other type.
    pub routing_id: Option<Bytes>,
    /// Whether a peer of this socket type may talk to us; [`pairs`] knows the RFC's table.
    pub accepts: fn(&str) -> bool,
    /// Application metadata (names that begin with `X-`), sent after the standard properties.
    pub properties: Vec<(Bytes, Bytes)>,
    /// The mechanism, and our role in it.
    pub security: Security,
    /// Whether the authentication handler is asked also where the mechanism needs none.
    pub asks: bool,
    /// Whether peers are refused when there is no authentication handler.
    pub needs_handler: bool,
    /// The largest body of a handshake command that is taken, in bytes; `None`: up to [`READY_SIZE_MAX`].
    pub body_max: Option<u64>,
}

/// How frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// As in ZMTP 3.
    #[default]
    Zmtp3,
    /// As in ZMTP 2.0: like ZMTP 3, but there are no commands.
    Zmtp2,
    /// As in ZMTP 1.0.
    Zmtp1,
}

/// What a completed handshake says of the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// How frames to and from the peer are written.
    pub framing: Framing,
    /// The minor version of ZMTP 3 to speak: 0 or 1, the lower of ours and the peer's.
    pub minor: u8,
    /// The peer's Socket-Type; empty if it sent none, which libzmq accepts.
    pub socket_type: Bytes,
    /// The peer's Identity; empty if it sent none.
    pub routing_id: Bytes,
    /// Every property as it was received, in order.
    pub properties: Vec<(Bytes, Bytes)>,
    /// What the authentication handler said of it, if it was asked.
    pub admitted: Option<ZapReply>,
}

/// How far a handshake is.
#[derive(Debug)]
pub enum Progress {
    /// The peer has more to send.
    NeedMore,
    /// The authentication handler is to be asked, and [`Handshake::answer`] to be called. It is reported once.
    Ask(Credentials),
    /// Nothing is consumed: the answer is waited for, or the peer is to wait until its time is over.
    Waiting,
    /// The authentication handler refused the peer for now, or we cannot go on: it is told nothing. It is reported once.
    Stalled(ProtocolError),
    /// The handshake is complete. It is reported once.
    Done(Box<Peer>, Option<Box<Ciphers>>),
}

/// The handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    config: HandshakeConfig,
    random: Box<Zeroizing<[u8; RANDOM]>>,
    state: State,
    /// From the end of the greeting on.
    security: Option<(Mechanism, Terms)>,
    output: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Greeting(Greeting),
    /// The peer's identity, in ZMTP 1.0 or 2.0.
    Identity {
        framing: Framing,
        frame: Vec<u8>,
    },
    Header {
        bytes: [u8; MAX_HEADER],
        length: usize,
    },
    Body {
        body: Vec<u8>,
        size: usize,
    },
    Asking,
    Done,
    Failed(ProtocolError),
}

impl Handshake {
    /// A handshake whose output already holds our greeting. The random bytes are for it alone; NULL and PLAIN do without.
    pub fn new(config: HandshakeConfig, random: Box<Zeroizing<[u8; RANDOM]>>) -> Handshake {
        let mut output = Vec::new();
        Greeting::begin(&mut output, ours(&config));
        Handshake {
            config,
            random,
            state: State::Greeting(Greeting::default()),
            security: None,
            output,
        }
    }

    /// Takes bytes of the peer: how many were consumed, never one after the end of the handshake, and how far it is.
    /// After an error every call gives that error.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProtocolError> {
        let mut consumed = 0;
        loop {
            match self.step(&bytes[consumed..]) {
                Ok((0, Progress::NeedMore)) => return Ok((consumed, Progress::NeedMore)),
                Ok((count, Progress::NeedMore)) => consumed += count,
                Ok((count, progress)) => return Ok((consumed + count, progress)),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// What became of the question of [`Progress::Ask`]: how far the handshake is. Input goes on after it.
    pub fn answer(&mut self, verdict: Verdict) -> Result<Progress, ProtocolError> {
        let (State::Asking, Some((mechanism, terms))) = (&self.state, &mut self.security) else {
            return Ok(Progress::NeedMore);
        };
        let step = mechanism.answer(verdict, terms, &mut self.output);
        match step {
            Err(error @ ProtocolError::Denied(TEMPORARY)) => Ok(Progress::Stalled(error)),
            other => other.map(|step| self.take(step)).map_err(|error| self.fail(error)),
        }
    }

    /// Whether something of ours is open that must not stay so for long.
    pub fn holds_cookie(&self) -> bool {
        self.security
            .as_ref()
            .is_some_and(|(mechanism, _)| mechanism.holds_cookie())
    }

    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.state = State::Failed(error);
        error
    }

    /// Goes on as the mechanism says.
    fn take(&mut self, step: Step) -> Progress {
        let (state, progress) = match step {
            Step::More => (State::header(), Progress::NeedMore),
            Step::Ask(credentials) => (State::Asking, Progress::Ask(credentials)),
            Step::Done(peer, ciphers) => (State::Done, Progress::Done(peer, ciphers)),
        };
        self.state = state;
        progress
    }

    /// What is to be sent to the peer; the caller drains it after [`Handshake::new`] and after every input.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// One step of the state machine: at least one byte is consumed unless there is nothing left to do.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProtocolError> {
        match &mut self.state {
            State::Greeting(greeting) => {
                let (count, spoken) = greeting.input(bytes, &mut self.output, ours(&self.config))?;
                let progress = match spoken {
                    None => return Ok((count, Progress::NeedMore)),
                    Some(Spoken::Zmtp3(minor)) => self.begin_security(minor)?,
                    Some(Spoken::Zmtp2) => self.begin_identity(Framing::Zmtp2, &[]),
                    Some(Spoken::Zmtp1(begun, length)) => self.begin_identity(Framing::Zmtp1, &begun[..length]),
                };
                // The first octet of an identity may be all that came, and is still to be taken.
                if count == 0 {
                    return self.step(bytes);
                }
                Ok((count, progress))
            }
            State::Identity { framing, frame } => {
                let framing = *framing;
                let (taken, identity) = take_identity(framing, frame, bytes)?;
                let Some(routing_id) = identity else {
                    return Ok((taken, Progress::NeedMore));
                };
                let peer = Peer {
                    framing,
                    routing_id,
                    ..Peer::default()
                };
                self.state = State::Done;
                Ok((taken, Progress::Done(Box::new(peer), None)))
            }
            State::Header { bytes: header, length } => {
                let Some(&byte) = bytes.first() else {
                    return Ok((0, Progress::NeedMore));
                };
                header[*length] = byte;
                *length += 1;
                if let Some(header) = decode_header(&header[..*length])? {
                    self.state = State::Body {
                        body: Vec::new(),
                        size: command_size(&header, self.config.body_max)?,
                    };
                }
                Ok((1, Progress::NeedMore))
            }
            State::Body { body, size } => {
                let wanted = &bytes[..bytes.len().min(*size - body.len())];
                body.try_reserve(wanted.len()).map_err(|_| ProtocolError::NoMemory)?;
                body.extend_from_slice(wanted);
                if body.len() < *size {
                    return Ok((wanted.len(), Progress::NeedMore));
                }
                let body = Bytes::from(std::mem::take(body));
                let Some((mechanism, terms)) = &mut self.security else {
                    return Err(ProtocolError::UnexpectedCommand);
                };
                let step = mechanism.command(&body, terms, &mut self.output)?;
                // A body without a byte was complete with its header.
                Ok((wanted.len(), self.take(step)))
            }
            State::Asking => Ok((0, Progress::Waiting)),
            State::Done => Ok((0, Progress::NeedMore)),
            State::Failed(error) => Err(*error),
        }
    }

    fn begin_security(&mut self, minor: u8) -> Result<Progress, ProtocolError> {
        let terms = Terms {
            minor,
            properties: our_properties(&self.config)?,
            accepts: self.config.accepts,
            asks: self.config.asks,
            needs_handler: self.config.needs_handler,
        };
        let begun = Mechanism::begin(&self.config.security, &self.random, &terms, &mut self.output);
        #[cfg(feature = "gssapi")]
        if let Err(error @ ProtocolError::NoCredentials) = begun {
            // As in libzmq nothing is said. To try again at once would not change it.
            self.state = State::Asking;
            return Ok(Progress::Stalled(error));
        }
        let (mechanism, step) = begun?;
        self.security = Some((mechanism, terms));
        Ok(self.take(step))
    }

    fn begin_identity(&mut self, framing: Framing, begun: &[u8]) -> Progress {
        self.state = State::Identity {
            framing,
            frame: begun.to_vec(),
        };
        Progress::NeedMore
    }
}

impl State {
    fn header() -> State {
        State::Header {
            bytes: [0; MAX_HEADER],
            length: 0,
        }
    }
}

/// Takes the frame that is the identity of an older peer: how many bytes, and the identity once it is all there.
fn take_identity(framing: Framing, frame: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, Option<Bytes>), ProtocolError> {
    let mut taken = 0;
    loop {
        let header = match framing {
            Framing::Zmtp1 => decode_old_header(frame),
            _ => decode_header(frame),
        };
        let header = header.map_err(|_| ProtocolError::OldIdentity)?;
        let size = header.map_or(usize::MAX, |header| header.header_len + header.body_len as usize);
        if header.is_some_and(|header| header.body_len > ROUTING_ID_MAX as u64) {
            return Err(ProtocolError::OldIdentity);
        }
        if let Some(header) = header.filter(|_| frame.len() == size) {
            return Ok((taken, Some(Bytes::copy_from_slice(&frame[header.header_len..]))));
        }
        let Some(&byte) = bytes.get(taken) else {
            return Ok((taken, None));
        };
        frame.push(byte);
        taken += 1;
    }
}

fn ours(config: &HandshakeConfig) -> Ours<'_> {
    let names = [
        "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB",
    ];
    Ours {
        routing_id: config.routing_id.as_deref().unwrap_or_default(),
        socket_type: names
            .iter()
            .position(|name| *name == config.socket_type)
            .unwrap_or_default() as u8,
        mechanism: config.security.padded_name(),
        takes_older: config.security.is_null() && !config.asks,
    }
}

/// Whether two socket types, as the wire names them, may talk to each other (RFC 37, "The Socket-Type Property"; the
/// draft types included).
pub fn pairs(ours: &str, theirs: &str) -> bool {
    let partners: &[&str] = match ours {
        "REQ" => &["REP", "ROUTER"],
        "REP" => &["REQ", "DEALER"],
        "DEALER" => &["REP", "DEALER", "ROUTER"],
        "ROUTER" => &["REQ", "DEALER", "ROUTER"],
        "PUB" | "XPUB" => &["SUB", "XSUB"],
        "SUB" | "XSUB" => &["PUB", "XPUB"],
        "PUSH" => &["PULL"],
        "PULL" => &["PUSH"],
        "PAIR" => &["PAIR"],
        "CLIENT" => &["SERVER"],
        "SERVER" => &["CLIENT"],
        "RADIO" => &["DISH"],
        "DISH" => &["RADIO"],
        "SCATTER" => &["GATHER"],
        "GATHER" => &["SCATTER"],
        "PEER" => &["PEER"],
        "CHANNEL" => &["CHANNEL"],
        _ => &[],
    };
    partners.contains(&theirs)
}

/// The properties that we send, encoded.
fn our_properties(config: &HandshakeConfig) -> Result<Vec<u8>, ProtocolError> {
    let mut properties = Vec::new();
    encode_property(&mut properties, SOCKET_TYPE, config.socket_type.as_bytes())?;
    if matches!(config.socket_type, "REQ" | "DEALER" | "ROUTER") {
        encode_property(
            &mut properties,
            IDENTITY,
            config.routing_id.as_deref().unwrap_or_default(),
        )?;
    }
    for (name, value) in &config.properties {
        encode_property(&mut properties, name, value)?;
    }
    Ok(properties)
}

/// The body size of a frame that may be a handshake command. As in libzmq its flags do not say whether it is one.
fn command_size(header: &Header, body_max: Option<u64>) -> Result<usize, ProtocolError> {
    if body_max.is_some_and(|most| header.body_len > most) {
        return Err(ProtocolError::MessageTooLarge);
    }
    match usize::try_from(header.body_len) {
        Ok(size) if size <= READY_SIZE_MAX => Ok(size),
        _ => Err(ProtocolError::ReadyTooLarge),
    }
}

/// What the property list in the body of a command says. As in libzmq every Socket-Type is checked, and the last of several equal names counts.
pub(super) fn read_properties(body: &Bytes, list: &[u8], terms: &Terms) -> Result<Peer, ProtocolError> {
    let mut peer = Peer {
        minor: terms.minor,
        ..Peer::default()
    };
    for property in Properties::new(list) {
        let (name, value) = property?;
        if peer.properties.len() == PROPERTIES_MAX {
            return Err(ProtocolError::InvalidMetadata);
        }
        peer.properties.try_reserve(1).map_err(|_| ProtocolError::NoMemory)?;
        peer.properties.push((body.slice_ref(name), body.slice_ref(value)));
        if same_name(name, SOCKET_TYPE) {
            if !std::str::from_utf8(value).is_ok_and(terms.accepts) {
                return Err(ProtocolError::SocketTypeMismatch);
            }
            peer.socket_type = body.slice_ref(value);
        } else if same_name(name, IDENTITY) {
            // A leading zero is reserved for routing ids that the receiver makes up.
            if value.len() > ROUTING_ID_MAX || value.first() == Some(&0) {
                return Err(ProtocolError::InvalidMetadata);
            }
            peer.routing_id = body.slice_ref(value);
        }
    }
    Ok(peer)
}

#[cfg(test)]
mod tests;
