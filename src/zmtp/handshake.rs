//! Greeting and NULL handshake of one connection, in either role.
//!
//! [`Handshake::new`] puts the first octets of our greeting into the output; our READY follows once the peer's greeting is complete,
//! so that metadata goes to no peer of another version or mechanism. The handshake is done when the peer's READY has been
//! read, or with a peer of ZMTP 1.0 or 2.0 its identity. Memory is bounded: at most [`READY_SIZE_MAX`] bytes and [`PROPERTIES_MAX`] properties of the peer are held,
//! and they are allocated fallibly as they arrive. An error is final: every later input gives it again.

use bytes::Bytes;

use super::command::{Command, READY, parse_command};
use super::error::ProtocolError;
use super::frame::{Header, MAX_HEADER, decode_header, decode_old_header, encode_command};
use super::greeting::{Greeting, Ours, Spoken};
use super::metadata::{IDENTITY, Properties, SOCKET_TYPE, encode_property, same_name};

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
}

/// How far a handshake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The peer has more to send.
    NeedMore,
    /// The handshake is complete. It is reported once.
    Done(Peer),
}

/// The handshake of one connection.
#[derive(Debug)]
pub struct Handshake {
    config: HandshakeConfig,
    state: State,
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
        minor: u8,
        bytes: [u8; MAX_HEADER],
        length: usize,
    },
    Body {
        minor: u8,
        body: Vec<u8>,
        size: usize,
    },
    Done,
    Failed(ProtocolError),
}

impl Handshake {
    /// A handshake whose output already holds our greeting.
    pub fn new(config: HandshakeConfig) -> Handshake {
        let mut output = Vec::new();
        Greeting::begin(&mut output, ours(&config));
        Handshake {
            config,
            state: State::Greeting(Greeting::default()),
            output,
        }
    }

    /// Takes bytes of the peer: how many were consumed, never one after the peer's READY, and how far the handshake is.
    /// After an error every call gives that error.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProtocolError> {
        let mut consumed = 0;
        loop {
            match self.step(&bytes[consumed..]) {
                Ok((count, Some(peer))) => return Ok((consumed + count, Progress::Done(peer))),
                Ok((0, None)) => return Ok((consumed, Progress::NeedMore)),
                Ok((count, None)) => consumed += count,
                Err(error) => {
                    self.state = State::Failed(error);
                    return Err(error);
                }
            }
        }
    }

    /// What is to be sent to the peer; the caller drains it after [`Handshake::new`] and after every input.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// One step of the state machine: at least one byte is consumed unless there is nothing left to do.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, Option<Peer>), ProtocolError> {
        match &mut self.state {
            State::Greeting(greeting) => {
                let (count, spoken) = greeting.input(bytes, &mut self.output, ours(&self.config))?;
                self.state = match spoken {
                    None => return Ok((count, None)),
                    Some(Spoken::Zmtp3(minor)) => {
                        encode_ready(&mut self.output, &self.config)?;
                        State::Header {
                            minor,
                            bytes: [0; MAX_HEADER],
                            length: 0,
                        }
                    }
                    Some(Spoken::Zmtp2) => State::Identity {
                        framing: Framing::Zmtp2,
                        frame: Vec::new(),
                    },
                    Some(Spoken::Zmtp1(begun, length)) => State::Identity {
                        framing: Framing::Zmtp1,
                        frame: begun[..length].to_vec(),
                    },
                };
                // The first octet of an identity may be all that came, and is still to be taken.
                if count == 0 {
                    return self.step(bytes);
                }
                Ok((count, None))
            }
            State::Identity { framing, frame } => {
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
                        let peer = Peer {
                            framing: *framing,
                            routing_id: Bytes::copy_from_slice(&frame[header.header_len..]),
                            ..Peer::default()
                        };
                        self.state = State::Done;
                        return Ok((taken, Some(peer)));
                    }
                    let Some(&byte) = bytes.get(taken) else {
                        return Ok((taken, None));
                    };
                    frame.push(byte);
                    taken += 1;
                }
            }
            State::Header {
                minor,
                bytes: header,
                length,
            } => {
                let Some(&byte) = bytes.first() else {
                    return Ok((0, None));
                };
                header[*length] = byte;
                *length += 1;
                if let Some(header) = decode_header(&header[..*length])? {
                    let (minor, size) = (*minor, command_size(&header)?);
                    self.state = State::Body {
                        minor,
                        body: Vec::new(),
                        size,
                    };
                }
                Ok((1, None))
            }
            State::Body { minor, body, size } => {
                let wanted = &bytes[..bytes.len().min(*size - body.len())];
                body.try_reserve(wanted.len()).map_err(|_| ProtocolError::NoMemory)?;
                body.extend_from_slice(wanted);
                if body.len() < *size {
                    return Ok((wanted.len(), None));
                }
                let peer = read_command(std::mem::take(body), *minor, self.config.accepts)?;
                self.state = State::Done;
                Ok((wanted.len(), Some(peer)))
            }
            State::Done => Ok((0, None)),
            State::Failed(error) => Err(*error),
        }
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

fn encode_ready(out: &mut Vec<u8>, config: &HandshakeConfig) -> Result<(), ProtocolError> {
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
    encode_command(out, READY, &[&properties]);
    Ok(())
}

/// The body size of a frame that may be a handshake command.
fn command_size(header: &Header) -> Result<usize, ProtocolError> {
    if !header.command {
        return Err(ProtocolError::UnexpectedMessage);
    }
    match usize::try_from(header.body_len) {
        Ok(size) if size <= READY_SIZE_MAX => Ok(size),
        _ => Err(ProtocolError::ReadyTooLarge),
    }
}

fn read_command(body: Vec<u8>, minor: u8, accepts: fn(&str) -> bool) -> Result<Peer, ProtocolError> {
    let body = Bytes::from(body);
    // A command that has not even a name is one that does not belong here, as libzmq sees it.
    let command = parse_command(&body).map_err(|error| match error {
        ProtocolError::MalformedCommand => ProtocolError::UnexpectedCommand,
        other => other,
    })?;
    match command {
        Command::Ready(list) => read_properties(&body, list, minor, accepts),
        Command::Error(reason) => Err(ProtocolError::Refused(status_code(reason))),
        _ => Err(ProtocolError::UnexpectedCommand),
    }
}

/// As in libzmq every Socket-Type is checked, and the last of several equal names counts.
fn read_properties(body: &Bytes, list: &[u8], minor: u8, accepts: fn(&str) -> bool) -> Result<Peer, ProtocolError> {
    let mut peer = Peer {
        framing: Framing::Zmtp3,
        minor,
        socket_type: Bytes::new(),
        routing_id: Bytes::new(),
        properties: Vec::new(),
    };
    for property in Properties::new(list) {
        let (name, value) = property?;
        if peer.properties.len() == PROPERTIES_MAX {
            return Err(ProtocolError::InvalidMetadata);
        }
        peer.properties.try_reserve(1).map_err(|_| ProtocolError::NoMemory)?;
        peer.properties.push((body.slice_ref(name), body.slice_ref(value)));
        if same_name(name, SOCKET_TYPE) {
            if !std::str::from_utf8(value).is_ok_and(accepts) {
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

/// The ZAP status code that an ERROR command's reason is, or 0.
fn status_code(reason: &[u8]) -> u16 {
    match reason {
        b"300" => 300,
        b"400" => 400,
        b"500" => 500,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
