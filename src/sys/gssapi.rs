//! The system's security service (RFC 2743, RFC 4121), through libgssapi: names, credentials, and the context of a connection.
//!
//! Only its Kerberos mechanism is spoken. What its configuration, key table and credential cache are is the system's affair
//! (krb5.conf(5), kerberos(7)). Taking credentials reads files, and a client's first token may ask the realm's key distribution centre:
//! both take the thread for as long as the system lets them.

use bytes::Bytes;
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, GSS_NT_USER_NAME, OidSet};
use libgssapi::util::Buf;

/// How the text of a principal's name is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameType {
    /// `service@host`, or `service` on this host.
    HostBased,
    /// A user of this system.
    User,
    /// A name of Kerberos.
    Kerberos,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The text.
    pub name: Bytes,
    /// What it means.
    pub name_type: NameType,
}

/// The context of a connection: one side of its handshake, and the keys that come of it.
pub enum Context {
    /// The side that begins.
    Client(ClientCtx),
    /// The side that is the service.
    Server(ServerCtx),
}

/// What is asked for: the service shows who it is as well, and nothing is read twice or left out.
const WANTED: CtxFlags = CtxFlags::GSS_C_MUTUAL_FLAG
    .union(CtxFlags::GSS_C_REPLAY_FLAG)
    .union(CtxFlags::GSS_C_SEQUENCE_FLAG)
    .union(CtxFlags::GSS_C_CONF_FLAG)
    .union(CtxFlags::GSS_C_INTEG_FLAG);

impl Context {
    /// A client of the service, as the principal or as whoever the credential cache is for. `None`: there are no credentials.
    pub fn client(own: Option<&Principal>, service: &Principal) -> Option<Context> {
        let credentials = credentials(own, CredUsage::Initiate).ok()?;
        let service = service.to_name().ok()?;
        let context = ClientCtx::new(Some(credentials), service, WANTED, Some(GSS_MECH_KRB5));
        Some(Context::Client(context))
    }

    /// A service, as the principal or as any that the key table has. `None`: there are no credentials.
    pub fn server(own: Option<&Principal>) -> Option<Context> {
        let credentials = credentials(own, CredUsage::Accept).ok()?;
        Some(Context::Server(ServerCtx::new(Some(credentials))))
    }

    /// Takes the other side's token, which is `None` for a client that begins: our next one, which may be empty. `None`: it failed.
    pub fn step(&mut self, token: Option<&[u8]>) -> Option<Vec<u8>> {
        let next = match self {
            Context::Client(context) => context.step(token, None),
            Context::Server(context) => context.step(token?, None),
        };
        next.ok()
            .map(|token| token.map_or_else(Vec::new, |token| token.to_vec()))
    }

    /// Whether both sides know each other, and messages can be protected.
    pub fn is_complete(&self) -> bool {
        let needed = CtxFlags::GSS_C_CONF_FLAG | CtxFlags::GSS_C_INTEG_FLAG;
        let (is_complete, flags, needed) = match self {
            Context::Client(context) => (
                context.is_complete(),
                context.flags(),
                needed | CtxFlags::GSS_C_MUTUAL_FLAG,
            ),
            Context::Server(context) => (context.is_complete(), context.flags(), needed),
        };
        is_complete && flags.is_ok_and(|flags| flags.contains(needed))
    }

    /// The name of the side that began.
    pub fn initiator(&self) -> Option<Bytes> {
        let name = match self {
            Context::Client(context) => context.source_name(),
            Context::Server(context) => context.source_name(),
        };
        let text = name.ok()?.display_name().ok()?;
        Some(Bytes::copy_from_slice(&text))
    }

    /// Encrypts. `None`: it failed, and no message may follow.
    pub fn wrap(&mut self, clear: &[u8]) -> Option<Buf> {
        match self {
            Context::Client(context) => context.wrap(true, clear).ok(),
            Context::Server(context) => context.wrap(true, clear).ok(),
        }
    }

    /// What is in a token that was encrypted. `None`: it was not, or changed, or came again or out of order.
    pub fn unwrap(&mut self, token: &[u8]) -> Option<Buf> {
        if !is_sealed(token) {
            return None;
        }
        match self {
            Context::Client(context) => context.unwrap(token).ok(),
            Context::Server(context) => context.unwrap(token).ok(),
        }
    }
}

impl Principal {
    fn to_name(&self) -> Result<Name, Error> {
        let kind = match self.name_type {
            NameType::HostBased => GSS_NT_HOSTBASED_SERVICE,
            NameType::User => GSS_NT_USER_NAME,
            NameType::Kerberos => GSS_NT_KRB5_PRINCIPAL,
        };
        Name::new(&self.name, Some(kind))
    }
}

fn credentials(own: Option<&Principal>, usage: CredUsage) -> Result<Cred, Error> {
    let name = own.map(Principal::to_name).transpose()?;
    let mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
    Cred::acquire(name.as_ref(), None, usage, Some(&mechanisms))
}

/// Whether a token of gss_wrap says that it is encrypted (RFC 4121, section 4.2.6.2): one may be signed only. The octet is itself
/// protected. Tokens of the ciphers before RFC 4121 are none.
fn is_sealed(token: &[u8]) -> bool {
    const SEALED: u8 = 2;
    matches!(token, [5, 4, flags, ..] if flags & SEALED != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_signed_only_is_not_taken() {
        assert!(is_sealed(&[5, 4, 6, 0xff]) && is_sealed(&[5, 4, 7]));
        for token in [&[5, 4, 4, 0xff][..], &[5, 4], &[4, 4, 2], &[0x60, 2, 2], &[]] {
            assert!(!is_sealed(token), "{token:?}");
        }
    }
}
