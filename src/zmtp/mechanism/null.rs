//! NULL (RFC 37, "The NULL Security Mechanism"; zmq_null(7)): each side sends its READY and reads the other's. With a domain for it the
//! authentication handler is asked before ours is sent.

use bytes::Bytes;

use super::{Step, Terms, admit, refuse, refused, split};
use crate::zmtp::command::{ERROR, READY};
use crate::zmtp::error::ProtocolError;
use crate::zmtp::frame::encode_command;
use crate::zmtp::handshake::read_properties;
use crate::zmtp::zap::{Credentials, Verdict, ZapReply};

/// One side of NULL.
#[derive(Default)]
pub struct Null {
    admitted: Option<ZapReply>,
}

impl Null {
    pub(super) fn begin(terms: &Terms, out: &mut Vec<u8>) -> (Null, Step) {
        if terms.asks {
            return (Null::default(), Step::Ask(Credentials::Null));
        }
        encode_command(out, READY, &[&terms.properties]);
        (Null::default(), Step::More)
    }

    pub(super) fn answer(&mut self, verdict: Verdict, terms: &Terms, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        self.admitted = admit(verdict, terms.needs_handler).inspect_err(|error| refuse(*error, out))?;
        encode_command(out, READY, &[&terms.properties]);
        Ok(Step::More)
    }

    pub(super) fn command(&mut self, body: &Bytes, terms: &Terms) -> Result<Step, ProtocolError> {
        // As libzmq has it, a command without a name is one that does not belong here.
        match split(body).map_err(|_| ProtocolError::UnexpectedCommand)? {
            (READY, list) => {
                let mut peer = read_properties(body, list, terms)?;
                peer.admitted = self.admitted.take();
                Ok(Step::Done(Box::new(peer), None))
            }
            (ERROR, data) => Err(refused(data)),
            _ => Err(ProtocolError::UnexpectedCommand),
        }
    }
}
