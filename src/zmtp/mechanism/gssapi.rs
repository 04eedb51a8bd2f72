//! GSSAPI (RFC 38, zmq_gssapi(7)): each side sends a token in an INITIATE command, by which the system's security service knows the
//! other. The client answers the server's with an empty command; then the authentication handler is asked for the client's principal.
//! READY follows, the server's first. Unless both sides have ZMQ_GSSAPI_PLAINTEXT, it and all that comes after it travels encrypted
//! in MESSAGE commands.
//!
//! The RFC leaves the frames open; they are those of libzmq 4.3.4 as seen on the wire.

use std::sync::Arc;

use bytes::Bytes;

use super::ciphers::{MESSAGE, Opened, flags_of, message_data};
use super::sealed::MESSAGE_OVERHEAD;
use super::{Ciphers, Opener, Sealer, Step, Terms, admit, refuse, refused, split};
use crate::sys::gssapi::{Context, Principal};
use crate::sys::mutex::Mutex;
use crate::zmtp::command::{ERROR, READY};
use crate::zmtp::error::ProtocolError;
use crate::zmtp::frame::{encode_command, encode_header};
use crate::zmtp::handshake::{Peer, read_properties};
use crate::zmtp::zap::{Credentials, Verdict, ZapReply};

const INITIATE: &[u8] = b"INITIATE";
/// The length of a token stands before it.
const LENGTH: usize = 4;
/// What a client is told by its options.
#[derive(Debug)]
pub struct GssapiClient {
    /// ZMQ_GSSAPI_PRINCIPAL.
    pub own: Option<Principal>,
    /// ZMQ_GSSAPI_SERVICE_PRINCIPAL.
    pub service: Option<Principal>,
    /// ZMQ_GSSAPI_PLAINTEXT.
    pub is_clear: bool,
}

/// What a server is told by its options.
#[derive(Debug)]
pub struct GssapiServer {
    /// ZMQ_GSSAPI_PRINCIPAL.
    pub own: Option<Principal>,
    /// ZMQ_GSSAPI_PLAINTEXT.
    pub is_clear: bool,
}

/// One side of the handshake.
pub struct Gssapi {
    awaits: Awaits,
    context: Arc<Mutex<Context>>,
    is_clear: bool,
    admitted: Option<ZapReply>,
}

enum Awaits {
    /// Server.
    ClientToken,
    EmptyCommand,
    Verdict,
    ClientReady,
    /// Client.
    ServerToken,
    ServerReady,
}

impl Gssapi {
    pub(super) fn client(settings: &GssapiClient, out: &mut Vec<u8>) -> Result<Gssapi, ProtocolError> {
        let service = settings.service.as_ref().ok_or(ProtocolError::NoCredentials)?;
        let begun = Context::client(settings.own.as_ref(), service).and_then(|mut context| {
            let token = context.step(None)?;
            Some((context, token))
        });
        let (context, token) = begun.ok_or(ProtocolError::NoCredentials)?;
        encode_token(INITIATE, &token, out)?;
        Ok(Gssapi::new(Awaits::ServerToken, context, settings.is_clear))
    }

    pub(super) fn server(settings: &GssapiServer) -> Result<Gssapi, ProtocolError> {
        let context = Context::server(settings.own.as_ref()).ok_or(ProtocolError::NoCredentials)?;
        Ok(Gssapi::new(Awaits::ClientToken, context, settings.is_clear))
    }

    fn new(awaits: Awaits, context: Context, is_clear: bool) -> Gssapi {
        Gssapi {
            awaits,
            context: Arc::new(Mutex::new(context)),
            is_clear,
            admitted: None,
        }
    }

    pub(super) fn command(&mut self, body: &Bytes, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        match self.awaits {
            Awaits::ClientToken => {
                let token = self.take_token(body)?;
                encode_token(INITIATE, &token, out)?;
                self.awaits = Awaits::EmptyCommand;
                Ok(Step::More)
            }
            Awaits::EmptyCommand if is_empty(body) => {
                let principal = self.context.lock().initiator().ok_or(ProtocolError::Cryptographic)?;
                self.awaits = Awaits::Verdict;
                Ok(Step::Ask(Credentials::Gssapi(principal)))
            }
            Awaits::ServerToken => {
                if !self.take_token(body)?.is_empty() {
                    return Err(ProtocolError::Cryptographic);
                }
                encode_empty(out);
                self.awaits = Awaits::ServerReady;
                Ok(Step::More)
            }
            Awaits::ServerReady => {
                // It has no other way to say so: it is not known yet that the keys are the same.
                if let Ok((ERROR, data)) = split(body) {
                    return Err(refused(data));
                }
                let peer = self.ready(body, terms)?;
                self.send_ready(terms, out)?;
                Ok(self.done(peer))
            }
            Awaits::ClientReady => {
                let mut peer = self.ready(body, terms)?;
                peer.admitted = self.admitted.take();
                Ok(self.done(peer))
            }
            Awaits::EmptyCommand | Awaits::Verdict => Err(ProtocolError::UnexpectedCommand),
        }
    }

    pub(super) fn answer(&mut self, verdict: Verdict, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        self.admitted = admit(verdict, terms.needs_handler).inspect_err(|error| refuse(*error, out))?;
        self.send_ready(terms, out)?;
        self.awaits = Awaits::ClientReady;
        Ok(Step::More)
    }

    /// The other side's token, which has to be its last: ours that follows.
    fn take_token(&mut self, body: &[u8]) -> Result<Vec<u8>, ProtocolError> {
        let (name, data) = split(body).map_err(|_| ProtocolError::MalformedCommand)?;
        if name != INITIATE {
            return Err(ProtocolError::UnexpectedCommand);
        }
        let token = token(data).ok_or(ProtocolError::MalformedInitiate)?;
        let mut context = self.context.lock();
        let next = context.step(Some(token)).ok_or(ProtocolError::Cryptographic)?;
        if context.is_complete() {
            Ok(next)
        } else {
            Err(ProtocolError::Cryptographic)
        }
    }

    /// What a READY command says, which is in clear or not as our messages will be.
    fn ready(&mut self, body: &Bytes, terms: &Terms) -> Result<Peer, ProtocolError> {
        let clear = if self.is_clear {
            body.clone()
        } else {
            let token = token(message_data(body)?).ok_or(ProtocolError::MalformedMessage)?;
            let clear = self.context.lock().unwrap(token).ok_or(ProtocolError::Cryptographic)?;
            let (_flags, command) = clear.split_first().ok_or(ProtocolError::MalformedMessage)?;
            Bytes::copy_from_slice(command)
        };
        match split(&clear).map_err(|_| ProtocolError::MalformedCommand)? {
            (READY, list) => read_properties(&clear, list, terms),
            _ => Err(ProtocolError::UnexpectedCommand),
        }
    }

    fn send_ready(&mut self, terms: &Terms, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        if self.is_clear {
            encode_command(out, READY, &[&terms.properties]);
            return Ok(());
        }
        let clear = [&[0, READY.len() as u8], READY, &terms.properties].concat();
        let token = self.context.lock().wrap(&clear).ok_or(ProtocolError::Cryptographic)?;
        encode_token(&MESSAGE[1..], &token, out)
    }

    fn done(&self, peer: Peer) -> Step {
        let ciphers = (!self.is_clear).then(|| {
            Box::new(Ciphers {
                sealer: Sealer::Gssapi(GssapiSealer(self.context.clone())),
                opener: Opener::Gssapi(GssapiOpener(self.context.clone())),
            })
        });
        Step::Done(Box::new(peer), ciphers)
    }
}

/// Encrypts what a connection sends.
pub struct GssapiSealer(Arc<Mutex<Context>>);

impl GssapiSealer {
    pub fn seal(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let mut clear = Vec::new();
        clear
            .try_reserve_exact(body.len() + 1)
            .map_err(|_| ProtocolError::NoMemory)?;
        clear.push(flags_of(more, command));
        clear.extend_from_slice(body);
        let token = self.0.lock().wrap(&clear).ok_or(ProtocolError::Cryptographic)?;
        let length = u32::try_from(token.len()).map_err(|_| ProtocolError::MessageTooLarge)?;
        let (header, header_len) = encode_header(false, MESSAGE.len() + LENGTH + token.len());
        out.extend_from_slice(&header[..header_len]);
        out.extend_from_slice(MESSAGE);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&token);
        Ok(())
    }
}

/// Decrypts what a connection receives.
pub struct GssapiOpener(Arc<Mutex<Context>>);

impl GssapiOpener {
    pub fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Opened, ProtocolError> {
        let token = token(message_data(body)?).ok_or(ProtocolError::MalformedMessage)?;
        let clear = self.0.lock().unwrap(token).ok_or(ProtocolError::Cryptographic)?;
        let (&flags, inner) = clear.split_first().ok_or(ProtocolError::MalformedMessage)?;
        let opened = Opened::of(flags, inner.len());
        let (header, header_len) = encode_header(opened.more, inner.len());
        out.try_reserve(header_len + inner.len())
            .map_err(|_| ProtocolError::NoMemory)?;
        out.extend_from_slice(&header[..header_len]);
        out.extend_from_slice(inner);
        Ok(opened)
    }

    pub fn open_in_place(&mut self, body: &mut [u8]) -> Result<Opened, ProtocolError> {
        let token = token(message_data(body)?).ok_or(ProtocolError::MalformedMessage)?;
        let clear = self.0.lock().unwrap(token).ok_or(ProtocolError::Cryptographic)?;
        let (&flags, inner) = clear.split_first().ok_or(ProtocolError::MalformedMessage)?;
        body.get_mut(MESSAGE_OVERHEAD..)
            .and_then(|room| room.get_mut(..inner.len()))
            .ok_or(ProtocolError::MalformedMessage)?
            .copy_from_slice(inner);
        Ok(Opened::of(flags, inner.len()))
    }
}

fn encode_token(name: &[u8], token: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
    let length = u32::try_from(token.len()).map_err(|_| ProtocolError::MessageTooLarge)?;
    encode_command(out, name, &[&length.to_be_bytes(), token]);
    Ok(())
}

/// The token behind its length, which is that of all there is.
fn token(data: &[u8]) -> Option<&[u8]> {
    let (length, token) = data.split_first_chunk::<LENGTH>()?;
    (u32::from_be_bytes(*length) as usize == token.len()).then_some(token)
}

/// The command without even a name by which libzmq's client says that it wants no further token.
fn encode_empty(out: &mut Vec<u8>) {
    out.extend_from_slice(&[COMMAND_FRAME, 0]);
}

const COMMAND_FRAME: u8 = 4;

fn is_empty(body: &[u8]) -> bool {
    body.is_empty() || split(body).is_ok_and(|(name, data)| name == INITIATE && token(data) == Some(&[]))
}
