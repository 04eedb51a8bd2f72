//! PLAIN (RFC 24, zmq_plain(7)): the client sends HELLO with a name and a password, which the server shows to the authentication handler.
//! WELCOME, INITIATE and READY follow, the last two with the properties of each side.

use bytes::Bytes;

use super::{Step, Terms, admit, read_server, reason, refused, split};
use crate::zmtp::command::{ERROR, READY};
use crate::zmtp::error::ProtocolError;
use crate::zmtp::frame::{FLAG_COMMAND, encode_command};
use crate::zmtp::handshake::read_properties;
use crate::zmtp::zap::{Credentials, Verdict, ZapReply};

const HELLO: &[u8] = b"HELLO";
const WELCOME: &[u8] = b"WELCOME";
const INITIATE: &[u8] = b"INITIATE";
/// How libzmq writes the name of ERROR in this mechanism, with its length: a client of libzmq knows no other form. That of the RFC is
/// understood as well.
const ERROR_OF_LIBZMQ: &[u8] = b"^RROR";

/// One side of PLAIN.
pub struct Plain {
    awaits: Awaits,
    admitted: Option<ZapReply>,
}

enum Awaits {
    Hello,
    Verdict,
    Initiate,
    Welcome,
    Ready,
}

impl Plain {
    pub(super) fn client(username: &[u8], password: &[u8], out: &mut Vec<u8>) -> Plain {
        // The options are no longer than a length octet can say.
        let length = |text: &[u8]| [u8::try_from(text.len()).unwrap_or(u8::MAX)];
        encode_command(out, HELLO, &[&length(username), username, &length(password), password]);
        Plain {
            awaits: Awaits::Welcome,
            admitted: None,
        }
    }

    pub(super) fn server() -> Plain {
        Plain {
            awaits: Awaits::Hello,
            admitted: None,
        }
    }

    pub(super) fn command(&mut self, body: &Bytes, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        if let (Awaits::Welcome | Awaits::Ready, Some(data)) = (&self.awaits, body.strip_prefix(ERROR_OF_LIBZMQ)) {
            return Err(refused(data));
        }
        // As libzmq has it, a name that does not fit its command is that of another command.
        let named = split(body).map_err(|error| {
            if body.is_empty() {
                error
            } else {
                ProtocolError::UnexpectedCommand
            }
        })?;
        match (&self.awaits, named) {
            (Awaits::Hello, (HELLO, data)) => {
                let (username, data) = text(data)?;
                let (password, data) = text(data)?;
                if !data.is_empty() {
                    return Err(ProtocolError::MalformedHello);
                }
                self.awaits = Awaits::Verdict;
                Ok(Step::Ask(Credentials::Plain {
                    username: body.slice_ref(username),
                    password: body.slice_ref(password),
                }))
            }
            (Awaits::Initiate, (INITIATE, list)) => {
                let mut peer = read_properties(body, list, terms)?;
                peer.admitted = self.admitted.take();
                encode_command(out, READY, &[&terms.properties]);
                Ok(Step::Done(Box::new(peer), None))
            }
            (Awaits::Welcome, (WELCOME, data)) => {
                if !data.is_empty() {
                    return Err(ProtocolError::MalformedWelcome);
                }
                encode_command(out, INITIATE, &[&terms.properties]);
                self.awaits = Awaits::Ready;
                Ok(Step::More)
            }
            (Awaits::Ready, (READY, list)) => Ok(Step::Done(read_server(body, list, terms)?, None)),
            (Awaits::Welcome | Awaits::Ready, (ERROR, data)) => Err(refused(data)),
            _ => Err(ProtocolError::UnexpectedCommand),
        }
    }

    pub(super) fn answer(&mut self, verdict: Verdict, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        // Without somebody to check it a password means nothing.
        self.admitted = admit(verdict, true).inspect_err(|error| {
            if let Some(reason) = reason(*error) {
                out.extend_from_slice(&[FLAG_COMMAND, (ERROR_OF_LIBZMQ.len() + reason.len()) as u8]);
                out.extend_from_slice(ERROR_OF_LIBZMQ);
                out.extend_from_slice(reason.as_bytes());
            }
        })?;
        encode_command(out, WELCOME, &[]);
        self.awaits = Awaits::Initiate;
        Ok(Step::More)
    }
}

/// A text behind its length, and what follows it.
fn text(data: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    let (&length, rest) = data.split_first().ok_or(ProtocolError::MalformedHello)?;
    rest.split_at_checked(usize::from(length))
        .ok_or(ProtocolError::MalformedHello)
}
