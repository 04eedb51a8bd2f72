//! Security mechanisms of ZMTP 3: what is said between the greeting and the first message, in either role.
//!
//! A mechanism takes whole commands and answers [`Step`]s. One that has to know whether a peer is welcome stops at [`Step::Ask`] until
//! [`Mechanism::answer`] brings what the authentication handler said (RFC 27); nothing is read meanwhile. Nothing of a peer that has not
//! passed is kept beyond one command, and what a refusal tells the peer is a status code at most.

mod ciphers;
mod curve;
#[cfg(feature = "gssapi")]
mod gssapi;
mod null;
mod plain;
mod sealed;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use ciphers::{Ciphers, Opened, Opener, Sealer};
pub use curve::{CurveClient, CurveServer, RANDOM};
#[cfg(feature = "gssapi")]
pub use gssapi::{GssapiClient, GssapiServer};
pub use sealed::{MESSAGE_OVERHEAD, OPENED_LEAD};

use super::command::{ERROR, status_code};
use super::error::ProtocolError;
use super::frame::encode_command;
use super::handshake::{Peer, read_properties};
use super::zap::{Credentials, TEMPORARY, Verdict, ZapReply};
use curve::Curve;
#[cfg(feature = "gssapi")]
use gssapi::Gssapi;
use null::Null;
use plain::Plain;

/// The mechanism of a connection, our role in it, and what that takes.
#[derive(Clone, Default)]
pub enum Security {
    /// None (RFC 37, zmq_null(7)). Whether the authentication handler is asked.
    #[default]
    Null,
    /// A name and a password in clear (RFC 24, zmq_plain(7)).
    PlainClient {
        /// ZMQ_PLAIN_USERNAME.
        username: Bytes,
        /// ZMQ_PLAIN_PASSWORD.
        password: Bytes,
    },
    /// The side that asks for them.
    PlainServer,
    /// Encryption with keys that both sides know beforehand (RFC 26, zmq_curve(7)).
    CurveClient(Arc<CurveClient>),
    /// The side whose public key is known.
    CurveServer(Arc<CurveServer>),
    /// What the system's security service says of both sides, mostly Kerberos (RFC 38, zmq_gssapi(7)).
    #[cfg(feature = "gssapi")]
    GssapiClient(Arc<GssapiClient>),
    /// The side that is the service.
    #[cfg(feature = "gssapi")]
    GssapiServer(Arc<GssapiServer>),
}

impl Security {
    /// The mechanism's name (RFC 23).
    pub fn name(&self) -> &'static str {
        match self {
            Security::Null => "NULL",
            Security::PlainClient { .. } | Security::PlainServer => "PLAIN",
            Security::CurveClient(_) | Security::CurveServer(_) => "CURVE",
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(_) | Security::GssapiServer(_) => "GSSAPI",
        }
    }

    /// That as a greeting has it.
    pub(super) fn padded_name(&self) -> [u8; 20] {
        let name = self.name();
        let mut padded = [0; 20];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        padded
    }

    /// Whether peers are admitted without any.
    pub fn is_null(&self) -> bool {
        matches!(self, Security::Null)
    }
}

impl fmt::Debug for Security {
    /// The role, and no secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Security::Null => "Null",
            Security::PlainClient { .. } => "PlainClient",
            Security::PlainServer => "PlainServer",
            Security::CurveClient(_) => "CurveClient",
            Security::CurveServer(_) => "CurveServer",
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(_) => "GssapiClient",
            #[cfg(feature = "gssapi")]
            Security::GssapiServer(_) => "GssapiServer",
        })
    }
}

/// What the mechanisms have in common for one connection.
#[derive(Debug)]
pub struct Terms {
    /// The minor version of ZMTP 3 that is spoken.
    pub minor: u8,
    /// Our properties, encoded.
    pub properties: Vec<u8>,
    /// Whether a peer of this socket type may talk to us.
    pub accepts: fn(&str) -> bool,
    /// Whether the authentication handler is asked also where the mechanism needs none.
    pub asks: bool,
    /// Whether peers are refused when there is no authentication handler.
    pub needs_handler: bool,
}

/// What a step has come to.
pub enum Step {
    /// The peer has more to say.
    More,
    /// The authentication handler is to be asked.
    Ask(Credentials),
    /// The handshake is complete.
    Done(Box<Peer>, Option<Box<Ciphers>>),
}

/// The mechanism of a connection, and how far it is.
pub enum Mechanism {
    /// See [`null`].
    Null(Null),
    /// See [`plain`].
    Plain(Plain),
    /// See [`curve`].
    Curve(Box<Curve>),
    /// See [`gssapi`].
    #[cfg(feature = "gssapi")]
    Gssapi(Box<Gssapi>),
}

impl Mechanism {
    /// The greetings are exchanged. `random` is for this connection alone.
    pub fn begin(
        security: &Security,
        random: &[u8; RANDOM],
        terms: &Terms,
        out: &mut Vec<u8>,
    ) -> Result<(Mechanism, Step), ProtocolError> {
        Ok(match security {
            Security::Null => {
                let (null, step) = Null::begin(terms, out);
                (Mechanism::Null(null), step)
            }
            Security::PlainClient { username, password } => {
                (Mechanism::Plain(Plain::client(username, password, out)), Step::More)
            }
            Security::PlainServer => (Mechanism::Plain(Plain::server()), Step::More),
            Security::CurveClient(keys) => {
                let curve = Curve::client(keys, random, out)?;
                (Mechanism::Curve(Box::new(curve)), Step::More)
            }
            Security::CurveServer(keys) => {
                let curve = Curve::server(keys, random);
                (Mechanism::Curve(Box::new(curve)), Step::More)
            }
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(settings) => {
                let gssapi = Gssapi::client(settings, out)?;
                (Mechanism::Gssapi(Box::new(gssapi)), Step::More)
            }
            #[cfg(feature = "gssapi")]
            Security::GssapiServer(settings) => {
                let gssapi = Gssapi::server(settings)?;
                (Mechanism::Gssapi(Box::new(gssapi)), Step::More)
            }
        })
    }

    /// The body of a command of the peer.
    pub fn command(&mut self, body: &Bytes, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        match self {
            Mechanism::Null(null) => null.command(body, terms),
            Mechanism::Plain(plain) => plain.command(body, terms, out),
            Mechanism::Curve(curve) => curve.command(body, terms, out),
            #[cfg(feature = "gssapi")]
            Mechanism::Gssapi(gssapi) => gssapi.command(body, terms, out),
        }
    }

    /// What became of the question that the last step was.
    pub fn answer(&mut self, verdict: Verdict, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        match self {
            Mechanism::Null(null) => null.answer(verdict, terms, out),
            Mechanism::Plain(plain) => plain.answer(verdict, out),
            Mechanism::Curve(curve) => curve.answer(verdict, terms, out),
            #[cfg(feature = "gssapi")]
            Mechanism::Gssapi(gssapi) => gssapi.answer(verdict, terms, out),
        }
    }

    /// Whether something of ours is open that must not stay so for long: the cookie of CURVE.
    pub fn holds_cookie(&self) -> bool {
        matches!(self, Mechanism::Curve(curve) if curve.holds_cookie())
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mechanism")
    }
}

/// What the handler's reply makes of a peer: who it is, or why it may not enter.
fn admit(verdict: Verdict, is_needed: bool) -> Result<Option<ZapReply>, ProtocolError> {
    match verdict {
        Verdict::Absent if is_needed => Err(ProtocolError::NoHandler),
        Verdict::Absent => Ok(None),
        Verdict::Broken(error) => Err(error),
        Verdict::Reply(reply) if reply.status == 200 => Ok(Some(reply)),
        Verdict::Reply(reply) => Err(ProtocolError::Denied(reply.status)),
    }
}

/// What an ERROR command tells a refused peer, behind its name: the status code, unless that is for now only.
fn reason(error: ProtocolError) -> Option<String> {
    match error {
        ProtocolError::Denied(status) if status != TEMPORARY => Some(format!("\x03{status}")),
        _ => None,
    }
}

/// Tells a refused peer why, where it is to know.
fn refuse(error: ProtocolError, out: &mut Vec<u8>) {
    if let Some(reason) = reason(error) {
        encode_command(out, ERROR, &[reason.as_bytes()]);
    }
}

/// A command's name and what follows it.
fn split(body: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    let (&name_len, rest) = body.split_first().ok_or(ProtocolError::MalformedCommand)?;
    rest.split_at_checked(usize::from(name_len))
        .ok_or(ProtocolError::MalformedCommand)
}

/// What a server says of itself: as in libzmq a client's monitor hears what is wrong with that.
fn read_server(body: &Bytes, list: &[u8], terms: &Terms) -> Result<Box<Peer>, ProtocolError> {
    read_properties(body, list, terms)
        .map(Box::new)
        .map_err(|error| match error {
            ProtocolError::InvalidMetadata | ProtocolError::SocketTypeMismatch => ProtocolError::ServerMetadata,
            other => other,
        })
}

/// What the peer's ERROR command says.
fn refused(data: &[u8]) -> ProtocolError {
    match super::command::parse_error(data) {
        Ok(reason) => ProtocolError::Refused(status_code(reason)),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
