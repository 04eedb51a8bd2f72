//! The options of security mechanisms, which depend on each other: whichever was set last says what the mechanism is (ZMQ_MECHANISM in
//! zmq_getsockopt(3)), and there is one role for all. Keys and passwords are overwritten when the last who holds them lets go.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{Opt, Options, z85};
use crate::constants::{ZMQ_CURVE, ZMQ_GSSAPI, ZMQ_NULL, ZMQ_PLAIN};
use crate::error::{Error, Result};
use crate::sys::sodium::{self, KEY, Secret};

const CREDENTIAL_MAX: usize = 255;

impl Options {
    /// Whether this side is the server of the mechanism, which is the socket's.
    pub fn is_server_of(&self, mechanism: i32) -> bool {
        // The number of this option is the role in any mechanism.
        self.int(Opt::Mechanism) == mechanism && self.flag(Opt::PlainServer)
    }

    /// The key that an option holds; all zero if none was set.
    pub fn key(&self, opt: Opt) -> Secret {
        let mut key = Secret::default();
        if let Some(bytes) = self.bytes(opt).filter(|bytes| bytes.len() == KEY) {
            key.copy_from_slice(bytes);
        }
        key
    }

    pub(super) fn set_role(&mut self, mechanism: i32, value: i32) -> Result<()> {
        if !matches!(value, 0 | 1) {
            return Err(Error::Invalid);
        }
        check_support(mechanism)?;
        // A client of GSSAPI needs no other option.
        let is_of_mechanism = value == 1 || mechanism == ZMQ_GSSAPI;
        self.set_mechanism(if is_of_mechanism { mechanism } else { ZMQ_NULL }, value == 1);
        Ok(())
    }

    pub(super) fn set_credential(&mut self, opt: Opt, value: Option<&[u8]>) -> Result<()> {
        match value {
            None => self.set_int(Opt::Mechanism, i64::from(ZMQ_NULL)),
            Some(text) if (1..=CREDENTIAL_MAX).contains(&text.len()) => {
                self.keep_bytes(opt, secret(text));
                self.set_mechanism(ZMQ_PLAIN, false);
            }
            Some(_) => return Err(Error::Invalid),
        }
        Ok(())
    }

    pub(super) fn set_principal(&mut self, opt: Opt, name: &[u8]) -> Result<()> {
        if !(1..=CREDENTIAL_MAX).contains(&name.len()) {
            return Err(Error::Invalid);
        }
        self.keep_bytes(opt, Bytes::copy_from_slice(name));
        let is_server = opt != Opt::GssapiServicePrincipal && self.flag(Opt::PlainServer);
        self.set_mechanism(ZMQ_GSSAPI, is_server);
        Ok(())
    }

    pub(super) fn set_key(&mut self, opt: Opt, given: &[u8]) -> Result<()> {
        check_support(ZMQ_CURVE)?;
        let text = match given {
            [text @ .., 0] if given.len() == z85::TEXT + 1 => text,
            other => other,
        };
        if given.len() == KEY {
            self.keep_bytes(opt, secret(given));
        } else {
            let key = z85::decode_key(text).ok_or(Error::Invalid)?;
            self.keep_bytes(opt, secret(&key[..]));
        }
        let is_server = opt != Opt::CurveServerKey && self.flag(Opt::PlainServer);
        self.set_mechanism(ZMQ_CURVE, is_server);
        Ok(())
    }

    fn set_mechanism(&mut self, mechanism: i32, is_server: bool) {
        self.set_int(Opt::Mechanism, i64::from(mechanism));
        self.set_int(Opt::PlainServer, i64::from(is_server));
    }
}

fn check_support(mechanism: i32) -> Result<()> {
    if mechanism == ZMQ_CURVE && !sodium::is_ready() {
        return Err(Error::Invalid);
    }
    Ok(())
}

/// Bytes that are overwritten when the last reference to them goes.
fn secret(bytes: &[u8]) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes.to_vec()))
}
