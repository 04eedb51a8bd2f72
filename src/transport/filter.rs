//! Which peers an accepting socket admits: the deprecated `ZMQ_TCP_ACCEPT_FILTER` and `ZMQ_IPC_FILTER_*` options.
//!
//! Plain values without state: the socket's owner keeps the lists and asks once for each accepted connection.
//! Source: zmq_setsockopt(3), and for the mask's syntax runs of libzmq 4.3.5.

use std::net::{IpAddr, SocketAddr};

use crate::error::{Error, Result};
use crate::sys::net::PeerCredentials;
use crate::transport::address::{HostPort, leading_number};

/// The credentials that local peers must match; an accepted peer matches any one of them, or all three lists are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialFilter {
    /// `ZMQ_IPC_FILTER_PID`.
    pub processes: Vec<u32>,
    /// `ZMQ_IPC_FILTER_UID`.
    pub users: Vec<u32>,
    /// `ZMQ_IPC_FILTER_GID`.
    pub groups: Vec<u32>,
}

impl CredentialFilter {
    /// Whether this peer may connect.
    pub fn admits(&self, peer: &PeerCredentials) -> bool {
        let open = self.processes.is_empty() && self.users.is_empty() && self.groups.is_empty();
        open || self.processes.contains(&peer.pid) || self.users.contains(&peer.uid) || self.groups.contains(&peer.gid)
    }
}

/// One network of `ZMQ_TCP_ACCEPT_FILTER`: a numeric address and the number of its leading bits that must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressFilter {
    network: IpAddr,
    prefix_bits: u32,
}

impl AddressFilter {
    /// Parses `address` or `address/bits`; with `ipv6` an IPv4 address counts as the mapped one, with 128 bits.
    ///
    /// `Error::Invalid` for anything but a numeric address and a mask that fits it.
    pub fn parse(text: &[u8], ipv6: bool) -> Result<AddressFilter> {
        let (host, bits) = match text.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&text[..slash], Some(&text[slash + 1..])),
            None => (text, None),
        };
        let host = HostPort::parse(&[host, b":0"].concat())?;
        let network = host.numeric(ipv6).ok_or(Error::Invalid)?.ip();
        let bits_max = if network.is_ipv6() { 128 } else { 32 };
        let prefix_bits = match bits {
            None => bits_max,
            Some(b"0") => 0,
            Some(text) => match u32::try_from(leading_number(text)) {
                Ok(bits) if (1..=bits_max).contains(&bits) => bits,
                _ => return Err(Error::Invalid),
            },
        };
        Ok(AddressFilter { network, prefix_bits })
    }

    /// Whether the peer's address lies in this network. Addresses of another family do not.
    pub fn matches(&self, peer: &SocketAddr) -> bool {
        match (self.network, peer.ip()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                same_prefix(u32::from(network).into(), u32::from(peer).into(), 32 - self.prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => same_prefix(network.into(), peer.into(), 128 - self.prefix_bits),
            _ => false,
        }
    }
}

/// Whether a list of networks admits the peer: an empty list admits everyone.
pub fn admits_address(filters: &[AddressFilter], peer: &SocketAddr) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.matches(peer))
}

fn same_prefix(one: u128, other: u128, ignored_bits: u32) -> bool {
    (one ^ other).checked_shr(ignored_bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(text: &str, ipv6: bool) -> bool {
        AddressFilter::parse(text.as_bytes(), ipv6).is_ok()
    }

    /// Source: runs of libzmq 4.3.5 with ZMQ_TCP_ACCEPT_FILTER: (value, accepted without and with ZMQ_IPV6).
    #[test]
    fn filters_parse_as_on_libzmq() {
        let table = [
            ("127.0.0.1", true, true),
            ("127.0.0.1/8", true, true),
            ("127.0.0.1/32", true, true),
            ("127.0.0.1/33", false, true),
            ("127.0.0.1/0", true, true),
            ("127.0.0.1/-1", false, false),
            ("127.0.0.1/", false, false),
            ("127.0.0.1/abc", false, false),
            ("127.0.0.1/8abc", true, true),
            ("127.0.0.1/ 8", true, true),
            ("127.0.0.1/+8", true, true),
            ("/8", false, false),
            ("", false, false),
            ("::1", false, true),
            ("::1/128", false, true),
            ("::1/129", false, false),
            ("[::1]/128", false, true),
            ("localhost", false, false),
            ("localhost/8", false, false),
            ("127.1/8", true, true),
            ("*", false, false),
            ("127.0.0.1:1", false, false),
            ("::ffff:127.0.0.1/104", false, true),
            ("1/2/3", false, false),
        ];
        for (text, ipv4, ipv6) in table {
            assert_eq!((parses(text, false), parses(text, true)), (ipv4, ipv6), "{text:?}");
        }
    }

    #[test]
    fn networks_match_by_prefix_and_family() {
        let table = [
            ("127.0.0.1/8", false, "127.9.9.9:1", true),
            ("127.0.0.1/8", false, "128.0.0.1:1", false),
            ("127.0.0.1", false, "127.0.0.1:1", true),
            ("127.0.0.1", false, "127.0.0.2:1", false),
            ("127.0.0.1/0", false, "203.0.113.1:1", true),
            ("127.0.0.1/8", false, "[::ffff:127.0.0.1]:1", false),
            ("::1/128", true, "[::1]:1", true),
            ("::1/127", true, "[::]:1", true),
            ("::1/128", true, "[::2]:1", false),
            ("::1/0", true, "[2001:db8::1]:1", true),
            ("127.0.0.1/104", true, "[::ffff:127.9.9.9]:1", true),
        ];
        for (text, ipv6, peer, expected) in table {
            let filter = AddressFilter::parse(text.as_bytes(), ipv6).unwrap();
            assert_eq!(filter.matches(&peer.parse().unwrap()), expected, "{text} {peer}");
        }
    }

    #[test]
    fn empty_lists_admit_everyone_and_others_only_matches() {
        let peer = PeerCredentials {
            pid: 10,
            uid: 20,
            gid: 30,
        };
        assert!(CredentialFilter::default().admits(&peer));
        let processes = |list: &[u32]| CredentialFilter {
            processes: list.to_vec(),
            ..Default::default()
        };
        assert!(processes(&[1, 10]).admits(&peer) && !processes(&[20]).admits(&peer));
        assert!(
            CredentialFilter {
                users: vec![20],
                ..processes(&[1])
            }
            .admits(&peer)
        );
        assert!(
            CredentialFilter {
                groups: vec![30],
                ..processes(&[1])
            }
            .admits(&peer)
        );
        let address = "127.0.0.1:1".parse().unwrap();
        let filter = |text: &str| AddressFilter::parse(text.as_bytes(), false).unwrap();
        assert!(admits_address(&[], &address));
        assert!(admits_address(&[filter("10.0.0.0/8"), filter("127.0.0.0/8")], &address));
        assert!(!admits_address(&[filter("10.0.0.0/8")], &address));
    }
}
