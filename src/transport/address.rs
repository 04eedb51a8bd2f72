//! The address part of a `tcp` endpoint: `host:port` to a socket address, and socket addresses to text.
//!
//! Pure but for the interface list and, with `Lookup::Names`, the resolver. Sources: zmq_tcp(7), and for what the page
//! leaves open (ports are read as by atoi(3), brackets and zones) runs of libzmq 4.3.5.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Error, Result};
use crate::sys::net::{Lookup, interface_address, interface_index, interface_name, resolve};
use crate::transport::socks::{Host, Target};

/// A host and port as an endpoint text names them; the host is not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name, interface, numeric address or `*`, without brackets and zone.
    pub host: Vec<u8>,
    /// The interface index of the zone after `%`; 0 where there is none.
    pub zone: u32,
    /// The port; 0 for `*` and `0`.
    pub port: u16,
}

impl HostPort {
    /// Splits at the last colon. `Error::Invalid` for a missing or unusable port and for an unknown zone.
    pub fn parse(text: &[u8]) -> Result<HostPort> {
        let (host, port) = host_and_port(text)?;
        let (host, zone) = host_and_zone(host)?;
        Ok(HostPort {
            host: host.to_vec(),
            zone,
            port,
        })
    }

    /// The address to bind to: `*`, a numeric address, an interface, or, with `Lookup::Names`, a host name.
    ///
    /// `Error::NoDevice` where it is none of these. With `Lookup::Names` this may block.
    pub fn local(&self, ipv6: bool, lookup: Lookup) -> Result<SocketAddr> {
        let any: IpAddr = if ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        if self.host == b"*" {
            return Ok(SocketAddr::new(any, self.port));
        }
        let numeric = self.addresses(ipv6, Lookup::Numeric);
        let interface = || interface_address(&self.host, ipv6).map(|address| self.complete(address));
        match numeric.ok().and_then(|list| list.first().copied()).or_else(interface) {
            Some(address) => Ok(address),
            None if lookup == Lookup::Names => first(self.addresses(ipv6, lookup)?),
            None => Err(Error::NoDevice),
        }
    }

    /// The peer's address where the host is numeric: never blocks.
    pub fn numeric(&self, ipv6: bool) -> Option<SocketAddr> {
        first(self.addresses(ipv6, Lookup::Numeric).ok()?).ok()
    }

    /// The addresses of the host, in the resolver's order; at least one. May block with `Lookup::Names`.
    pub fn addresses(&self, ipv6: bool, lookup: Lookup) -> Result<Vec<SocketAddr>> {
        let lookup = if could_be_name(&self.host) {
            lookup
        } else {
            Lookup::Numeric
        };
        let mut list = resolve(&self.host, ipv6, lookup)?;
        for address in &mut list {
            *address = self.complete(*address);
        }
        Ok(list)
    }

    /// The address with the port, and with the zone where one was given.
    fn complete(&self, mut address: SocketAddr) -> SocketAddr {
        address.set_port(self.port);
        if let SocketAddr::V6(v6) = &mut address
            && self.zone != 0
        {
            v6.set_scope_id(self.zone);
        }
        address
    }
}

/// Whom a proxy is asked for: numeric addresses as such, and every other host by its name, which nobody here looks up.
///
/// `Error::Invalid` for a missing or unusable port, 0 included, and for a name of more than 255 bytes.
pub fn proxied(text: &[u8]) -> Result<Target> {
    let (host, port) = host_and_port(text)?;
    // Only those of IPv6 have colons; the C library would make IPv4 of a mapped one.
    let is_ipv6 = host.contains(&b':');
    let numeric = resolve(host, is_ipv6, Lookup::Numeric).ok();
    let host = match numeric.and_then(|list| list.first().map(SocketAddr::ip)) {
        Some(IpAddr::V4(ip)) => Host::Ipv4(ip.octets()),
        Some(IpAddr::V6(ip)) => Host::Ipv6(ip.octets()),
        None => Host::name(host).ok_or(Error::Invalid)?,
    };
    match port {
        0 => Err(Error::Invalid),
        port => Ok(Target { host, port }),
    }
}

/// The endpoint text of an address: `tcp://127.0.0.1:5555`, `tcp://[::1]:5555`, `tcp://[fe80::1%eth0]:5555`.
pub fn endpoint_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => format!("tcp://{}:{}", v4.ip(), v4.port()),
        SocketAddr::V6(v6) => format!("tcp://[{}]:{}", host_text(address), v6.port()),
    }
}

/// The numeric host of an address, with its zone, as `getnameinfo(3)` writes it.
pub fn host_text(address: &SocketAddr) -> String {
    let SocketAddr::V6(v6) = address else {
        return address.ip().to_string();
    };
    let ip = match v6.ip().segments() {
        // The C library writes these deprecated addresses with a dotted tail; the standard library does not.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            format!("::{}", Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => v6.ip().to_string(),
    };
    let named = v6.ip().is_unicast_link_local() || v6.ip().is_multicast();
    match v6.scope_id() {
        0 => ip,
        zone => match interface_name(zone).filter(|_| named) {
            Some(name) => format!("{ip}%{name}"),
            None => format!("{ip}%{zone}"),
        },
    }
}

/// A decimal number as atoi(3) reads it: leading white space, a sign, digits, anything after them.
pub fn leading_number(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        let signed = if negative { -digit } else { digit };
        value = value.saturating_mul(10).saturating_add(signed);
    }
    // The C library converts the saturated `long` to `int` by dropping its upper half.
    value as i32
}

/// Whether it makes sense to ask the name servers: other hosts fail at once, without any traffic.
fn could_be_name(host: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte) || !byte.is_ascii();
    !host.is_empty() && host.iter().all(allowed)
}

fn first(list: Vec<SocketAddr>) -> Result<SocketAddr> {
    list.first().copied().ok_or(Error::NoDevice)
}

fn port_number(text: &[u8]) -> Result<u16> {
    if text == b"*" || text == b"0" {
        return Ok(0);
    }
    // Ports above 65535 wrap, as on libzmq; only a result of 0 is refused.
    match leading_number(text) as u16 {
        0 => Err(Error::Invalid),
        port => Ok(port),
    }
}

/// Splits at the last colon, and takes the brackets from the host.
fn host_and_port(text: &[u8]) -> Result<(&[u8], u16)> {
    let colon = text.iter().rposition(|&byte| byte == b':').ok_or(Error::Invalid)?;
    let port = port_number(&text[colon + 1..])?;
    let host = match &text[..colon] {
        [b'[', inner @ .., b']'] => inner,
        host => host,
    };
    Ok((host, port))
}

fn host_and_zone(host: &[u8]) -> Result<(&[u8], u32)> {
    let Some(percent) = host.iter().rposition(|&byte| byte == b'%') else {
        return Ok((host, 0));
    };
    let name = &host[percent + 1..];
    match interface_index(name).unwrap_or(leading_number(name).cast_unsigned()) {
        0 => Err(Error::Invalid),
        zone => Ok((&host[..percent], zone)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::net::loopback;

    /// Source: runs of libzmq 4.3.5 with `tcp://127.0.0.1:<port>` bound, and the port read from LAST_ENDPOINT.
    #[test]
    fn ports_are_read_as_libzmq_reads_them() {
        let table: [(&str, Option<u16>); 20] = [
            ("5555", Some(5555)),
            ("*", Some(0)),
            ("0", Some(0)),
            ("00", None),
            ("", None),
            ("!", None),
            ("abc", None),
            ("0x1b63", None),
            ("07011", Some(7011)),
            ("+7011", Some(7011)),
            (" 7011", Some(7011)),
            ("7011 ", Some(7011)),
            ("7011abc", Some(7011)),
            ("7011/", Some(7011)),
            ("-1", Some(65535)),
            ("65535", Some(65535)),
            ("65536", None),
            ("72547", Some(7011)),
            ("99999999999999999999", Some(65535)),
            ("-99999999999999999999", None),
        ];
        for (text, expected) in table {
            let parsed = HostPort::parse(format!("127.0.0.1:{text}").as_bytes());
            assert_eq!(parsed.map(|it| it.port).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn hosts_lose_brackets_and_zone() {
        let (index, name) = loopback();
        let table = [
            ("127.0.0.1:1".to_string(), "127.0.0.1", 0),
            ("[::1]:1".to_string(), "::1", 0),
            ("::1:1".to_string(), "::1", 0),
            ("[::1:1".to_string(), "[::1", 0),
            ("::1]:1".to_string(), "::1]", 0),
            (":1".to_string(), "", 0),
            ("[]:1".to_string(), "", 0),
            ("[*]:1".to_string(), "*", 0),
            (format!("[::1%{name}]:1"), "::1", index),
            ("[::1%99]:1".to_string(), "::1", 99),
            (format!("127.0.0.1%{name}:1"), "127.0.0.1", index),
        ];
        for (text, host, zone) in table {
            let parsed = HostPort::parse(text.as_bytes()).unwrap();
            assert_eq!((parsed.host.as_slice(), parsed.zone), (host.as_bytes(), zone), "{text}");
        }
        for text in ["[::1%0]:1", "[::1%]:1", "[::1%nosuch]:1", "a%b:1", "127.0.0.1", ""] {
            assert_eq!(HostPort::parse(text.as_bytes()), Err(Error::Invalid), "{text}");
        }
    }

    #[test]
    fn texts_are_those_of_getnameinfo() {
        let (index, name) = loopback();
        let table = [
            ("127.0.0.1:5".to_string(), "tcp://127.0.0.1:5".to_string()),
            ("[::1]:5".to_string(), "tcp://[::1]:5".to_string()),
            ("[::]:5".to_string(), "tcp://[::]:5".to_string()),
            (
                "[::ffff:127.0.0.1]:5".to_string(),
                "tcp://[::ffff:127.0.0.1]:5".to_string(),
            ),
            ("[::ffff:0.0.0.0]:5".to_string(), "tcp://[::ffff:0.0.0.0]:5".to_string()),
            ("[::127.0.0.1]:5".to_string(), "tcp://[::127.0.0.1]:5".to_string()),
            ("[2001:db8::1]:5".to_string(), "tcp://[2001:db8::1]:5".to_string()),
            (format!("[fe80::1%{index}]:5"), format!("tcp://[fe80::1%{name}]:5")),
            (format!("[::1%{index}]:5"), format!("tcp://[::1%{index}]:5")),
        ];
        for (address, text) in table {
            assert_eq!(endpoint_text(&address.parse().unwrap()), text);
        }
    }

    #[test]
    fn only_what_could_be_a_name_is_looked_up() {
        for host in ["localhost", "a.b-c_d.e", "ä", "127.0.0.1"] {
            assert!(could_be_name(host.as_bytes()), "{host}");
        }
        for host in ["", "*", "[::1", "::1", "127.0.0.1/", " a", "a b", "a\t", "a;b", "a\0"] {
            assert!(!could_be_name(host.as_bytes()), "{host:?}");
        }
    }

    /// Source: runs of libzmq 4.3.5 with ZMQ_SOCKS_PROXY.
    #[test]
    fn a_proxy_gets_addresses_and_names() {
        let name = |text: &str| Some(Host::Name(text.into()));
        let ipv6 = |text: &str| Some(Host::Ipv6(text.parse::<Ipv6Addr>().unwrap().octets()));
        let (_, interface) = loopback();
        let table = [
            ("127.0.0.1".to_string(), Some(Host::Ipv4([127, 0, 0, 1]))),
            ("[127.0.0.1]".to_string(), Some(Host::Ipv4([127, 0, 0, 1]))),
            ("127.1".to_string(), Some(Host::Ipv4([127, 0, 0, 1]))),
            ("0x7f.1".to_string(), Some(Host::Ipv4([127, 0, 0, 1]))),
            ("4294967295".to_string(), Some(Host::Ipv4([255; 4]))),
            ("[::1]".to_string(), ipv6("::1")),
            ("::1".to_string(), ipv6("::1")),
            ("[::ffff:1.2.3.4]".to_string(), ipv6("::ffff:1.2.3.4")),
            (format!("[fe80::1%{interface}]"), ipv6("fe80::1")),
            ("[fe80::1%nosuch]".to_string(), name("fe80::1%nosuch")),
            ("localhost".to_string(), name("localhost")),
            ("Name.".to_string(), name("Name.")),
            ("[name]".to_string(), name("name")),
            ("a:b".to_string(), name("a:b")),
            ("[::1".to_string(), name("[::1")),
            ("lo".to_string(), name("lo")),
            ("".to_string(), name("")),
            ("a".repeat(255), name(&"a".repeat(255))),
            ("a".repeat(256), None),
        ];
        for (text, host) in table {
            let target = proxied(format!("{text}:80").as_bytes()).ok();
            assert_eq!(target, host.map(|host| Target { host, port: 80 }), "{text}");
        }
        for text in ["name", "name:0", "name:00", "name:65536", "name:", "name:x"] {
            assert_eq!(proxied(text.as_bytes()), Err(Error::Invalid), "{text}");
        }
        assert_eq!(proxied(b"name:72547").unwrap().port, 7011);
    }

    #[test]
    fn a_zone_and_a_port_end_up_in_the_address() {
        let peer = HostPort::parse(b"[fe80::1%7]:99").unwrap();
        assert_eq!(peer.numeric(true), Some("[fe80::1%7]:99".parse().unwrap()));
        assert_eq!(peer.numeric(false), None);
        assert_eq!(HostPort::parse(b"localhost:1").unwrap().numeric(false), None);
    }
}
