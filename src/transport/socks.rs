//! The client's side of SOCKS 5 without I/O: bytes to send, bytes received (RFC 1928, and RFC 1929 for names and passwords).
//!
//! An exchange belongs to one attempt to connect. It asks for no byte beyond the proxy's answer, so that whatever follows stays in
//! the kernel for the connection's own protocol. What libzmq 4.3.5 sends and accepts was seen at a proxy; `tests-c/socks.c` asks again.

use std::fmt;

use bytes::Bytes;

use crate::transport::TcpConnect;

const VERSION: u8 = 5;
/// Of the negotiation of RFC 1929.
const AUTHENTICATION_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const RESERVED: u8 = 0;
const SUCCEEDED: u8 = 0;
const IPV4: u8 = 1;
const DOMAIN_NAME: u8 = 3;
const IPV6: u8 = 4;

/// The answers to the methods and to a name with its password.
const SHORT_ANSWER: usize = 2;
/// The reply to a request as far as the octet that tells, or begins, the bound address.
const REPLY_HEAD: usize = 5;
/// The reply with the longest bound address, a name of 255 octets.
const REPLY_MAX: usize = REPLY_HEAD + 255 + 2;

/// A proxy, and who we are to it.
#[derive(Clone)]
pub struct Proxy {
    /// ZMQ_SOCKS_PROXY as it was set.
    pub text: Bytes,
    /// ZMQ_SOCKS_USERNAME, up to 255 bytes; with an empty one no authentication is offered.
    pub username: Bytes,
    /// ZMQ_SOCKS_PASSWORD, up to 255 bytes.
    pub password: Bytes,
}

impl fmt::Debug for Proxy {
    /// Where it is, and no secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({:?})", self.text)
    }
}

impl Proxy {
    /// Where it is. Whether that makes sense turns out at each attempt.
    pub fn address(&self) -> TcpConnect {
        TcpConnect::to_proxy(&self.text)
    }

    /// What monitor events of the connections through it carry.
    pub fn endpoint(&self) -> Vec<u8> {
        [b"tcp://", &self.text[..]].concat()
    }
}

/// Whom the proxy is to connect us to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host, as far as we know it.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host for the proxy: a name is looked up by it, not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Address type 1.
    Ipv4([u8; 4]),
    /// Address type 4.
    Ipv6([u8; 16]),
    /// Address type 3: 255 bytes at most, see [`Host::name`].
    Name(Vec<u8>),
}

impl Host {
    /// A name, if it is not too long for a request.
    pub fn name(text: &[u8]) -> Option<Host> {
        (text.len() <= usize::from(u8::MAX)).then(|| Host::Name(text.to_vec()))
    }
}

/// Why there will be no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The proxy speaks another version, or something else.
    Version(u8),
    /// The proxy takes neither of the methods.
    Method(u8),
    /// The proxy does not know the name, or has another password for it.
    Credentials(u8),
    /// The proxy could not connect: a code of RFC 1928, section 6.
    Reply(u8),
    /// The reply is malformed at this octet.
    Malformed(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    Method,
    Admission,
    Reply,
    Nothing,
}

/// What is said to a proxy, and what it answers.
pub struct Exchange {
    expecting: Expecting,
    outgoing: Vec<u8>,
    request: Vec<u8>,
    /// The message of RFC 1929.
    credentials: Vec<u8>,
    answer: [u8; REPLY_MAX],
    received: usize,
}

impl Exchange {
    /// Begins with the offer of a method, which is outgoing.
    pub fn new(proxy: &Proxy, target: &Target) -> Exchange {
        let method = if proxy.username.is_empty() {
            NO_AUTHENTICATION
        } else {
            USERNAME_PASSWORD
        };
        Exchange {
            expecting: Expecting::Method,
            outgoing: vec![VERSION, 1, method],
            request: request(target),
            credentials: credentials(proxy),
            answer: [0; REPLY_MAX],
            received: 0,
        }
    }

    /// What is to be sent before anything more is received; given once.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        let bytes = std::mem::take(&mut self.outgoing);
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Where the next bytes from the proxy go, as many as are sure to be part of its answer. None: the connection is the peer's.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let wanted = self.wanted();
        (wanted > 0).then(|| &mut self.answer[self.received..wanted])
    }

    /// So many bytes, not more than there was room for, were received.
    pub fn received(&mut self, count: usize) -> Result<(), Refusal> {
        self.received += count;
        self.check()?;
        if self.received < self.wanted() {
            return Ok(());
        }
        self.received = 0;
        match self.expecting {
            // Only now: a connection that is closed with nothing unread is no reset to the proxy.
            Expecting::Reply if self.answer[1] != SUCCEEDED => return Err(Refusal::Reply(self.answer[1])),
            Expecting::Method if self.answer[1] == USERNAME_PASSWORD => {
                self.outgoing = std::mem::take(&mut self.credentials);
                self.expecting = Expecting::Admission;
            }
            Expecting::Method | Expecting::Admission => {
                self.outgoing = std::mem::take(&mut self.request);
                self.expecting = Expecting::Reply;
            }
            Expecting::Reply | Expecting::Nothing => self.expecting = Expecting::Nothing,
        }
        Ok(())
    }

    /// How long the answer is, as far as that is known.
    fn wanted(&self) -> usize {
        match self.expecting {
            Expecting::Nothing => 0,
            Expecting::Method | Expecting::Admission => SHORT_ANSWER,
            Expecting::Reply if self.received < REPLY_HEAD => REPLY_HEAD,
            Expecting::Reply => match self.answer[3] {
                IPV4 => REPLY_HEAD - 1 + 4 + 2,
                IPV6 => REPLY_HEAD - 1 + 16 + 2,
                _ => REPLY_HEAD + usize::from(self.answer[4]) + 2,
            },
        }
    }

    /// Whether what has come so far may go on.
    fn check(&self) -> Result<(), Refusal> {
        let version = match self.expecting {
            Expecting::Admission => AUTHENTICATION_VERSION,
            _ => VERSION,
        };
        for (place, &byte) in self.answer[..self.received].iter().enumerate() {
            match (self.expecting, place) {
                (_, 0) if byte != version => return Err(Refusal::Version(byte)),
                (Expecting::Method, 1) if !matches!(byte, NO_AUTHENTICATION | USERNAME_PASSWORD) => {
                    return Err(Refusal::Method(byte));
                }
                (Expecting::Admission, 1) if byte != SUCCEEDED => return Err(Refusal::Credentials(byte)),
                (Expecting::Reply, 2) if byte != RESERVED => return Err(Refusal::Malformed(byte)),
                (Expecting::Reply, 3) if !matches!(byte, IPV4 | DOMAIN_NAME | IPV6) => {
                    return Err(Refusal::Malformed(byte));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn request(target: &Target) -> Vec<u8> {
    let mut bytes = vec![VERSION, CONNECT, RESERVED];
    match &target.host {
        Host::Ipv4(octets) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(octets);
        }
        Host::Ipv6(octets) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(octets);
        }
        Host::Name(name) => {
            bytes.push(DOMAIN_NAME);
            push_counted(&mut bytes, name);
        }
    }
    bytes.extend_from_slice(&target.port.to_be_bytes());
    bytes
}

fn credentials(proxy: &Proxy) -> Vec<u8> {
    let mut bytes = vec![AUTHENTICATION_VERSION];
    push_counted(&mut bytes, &proxy.username);
    // A password without a name goes to nobody.
    let password = if proxy.username.is_empty() {
        &[]
    } else {
        &proxy.password[..]
    };
    push_counted(&mut bytes, password);
    bytes
}

/// Bytes behind their number; the options and [`Host::name`] let no more than 255 pass.
fn push_counted(bytes: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(usize::from(u8::MAX))];
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text);
}

#[cfg(test)]
#[path = "socks_tests.rs"]
mod tests;
