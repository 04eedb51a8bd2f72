//! Who may connect: `ZMQ_TCP_ACCEPT_FILTER` and the three `ZMQ_IPC_FILTER_*` lists of zmq_setsockopt(3).
//!
//! Lists belong to their socket's options and change under its lock. An empty list admits everybody. A network stands
//! for its own address family: libzmq with `ZMQ_IPV6` reads "10.0.0.0/8" as the first eight bits of an IPv6 address,
//! which admits nearly every peer; here it is the 10.x.x.x of IPv4 in both modes, and an IPv4-mapped peer counts as
//! IPv4.

use crate::error::{Error, Result};
use crate::sys::reserve;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The filters of one socket.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Filters {
    networks: Vec<Network>,
    processes: Vec<i32>,
    users: Vec<u32>,
    groups: Vec<u32>,
}

impl Filters {
    /// Whether a peer of this address may connect over TCP: no filter is set, or one of the networks has the address.
    pub fn admit_address(&self, peer: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer))
    }

    /// Whether a process may connect over a Unix socket: no filter is set, or its process id, user id or one of its
    /// groups is in the list of that kind.
    pub fn admit_process(&self, process: i32, user: u32, groups: &[u32]) -> bool {
        self.processes.is_empty() && self.users.is_empty() && self.groups.is_empty()
            || self.processes.contains(&process)
            || self.users.contains(&user)
            || groups.iter().any(|group| self.groups.contains(group))
    }

    /// Whether [`Filters::admit_process`] may say no, so that it is worth asking the kernel who the peer is.
    pub fn concern_processes(&self) -> bool {
        !(self.processes.is_empty() && self.users.is_empty() && self.groups.is_empty())
    }

    /// Adds a network, or clears the list with `None`. IPv6 networks are understood only with `ipv6`.
    pub(super) fn set_network(&mut self, text: Option<&[u8]>, ipv6: bool) -> Result<()> {
        let network = text.map(|text| Network::parse(text, ipv6)).transpose()?;
        add_or_clear(&mut self.networks, network)
    }

    /// Adds a process id, or clears the list with `None`.
    pub(super) fn set_process(&mut self, id: Option<i32>) -> Result<()> {
        add_or_clear(&mut self.processes, id)
    }

    /// Adds a user id, or clears the list with `None`.
    pub(super) fn set_user(&mut self, id: Option<i32>) -> Result<()> {
        add_or_clear(&mut self.users, id.map(i32::cast_unsigned))
    }

    /// Adds a group id, or clears the list with `None`.
    pub(super) fn set_group(&mut self, id: Option<i32>) -> Result<()> {
        add_or_clear(&mut self.groups, id.map(i32::cast_unsigned))
    }
}

fn add_or_clear<T>(list: &mut Vec<T>, entry: Option<T>) -> Result<()> {
    let Some(entry) = entry else {
        list.clear();
        return Ok(());
    };
    reserve::spare()?;
    list.try_reserve(1).map_err(|_| Error::NoMemory)?;
    list.push(entry);
    Ok(())
}

/// The addresses that share the first `length` bits with `base`, IPv4 ones in their IPv4-mapped form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    base: u128,
    length: u32,
}

/// Bits before the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u32 = 96;

impl Network {
    /// Reads "address" or "address/length", up to the first NUL; an IPv6 address may stand in brackets.
    fn parse(text: &[u8], ipv6: bool) -> Result<Network> {
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_| Error::Invalid)?;
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| Error::Invalid)?)),
            None => (text, None),
        };
        let (base, bits_before) = if let Ok(address) = address.parse::<Ipv4Addr>() {
            (address.to_ipv6_mapped(), MAPPED_BITS)
        } else {
            let bare = address
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .unwrap_or(address);
            (bare.parse::<Ipv6Addr>().map_err(|_| Error::Invalid)?, 0)
        };
        if !ipv6 && base.to_ipv4_mapped().is_none() {
            return Err(Error::Invalid);
        }
        let length = length.map_or(Some(u128::BITS), |length| length.checked_add(bits_before));
        match length {
            Some(length) if length <= u128::BITS => Ok(Network {
                base: base.to_bits(),
                length,
            }),
            _ => Err(Error::Invalid),
        }
    }

    fn contains(&self, peer: IpAddr) -> bool {
        let peer = match peer {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let differing = peer.to_bits() ^ self.base;
        differing.leading_zeros() >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(networks: &[&str], ipv6: bool) -> Filters {
        let mut filters = Filters::default();
        for network in networks {
            filters.set_network(Some(network.as_bytes()), ipv6).unwrap();
        }
        filters
    }

    fn admits(networks: &[&str], peer: &str) -> bool {
        filters(networks, true).admit_address(peer.parse().unwrap())
    }

    #[test]
    fn no_filter_admits_everybody_and_one_admits_its_own() {
        assert!(admits(&[], "203.0.113.1"));
        assert!(admits(&["127.0.0.1"], "127.0.0.1"));
        assert!(!admits(&["127.0.0.1"], "127.0.0.2"));
        assert!(admits(&["10.0.0.0/8", "127.0.0.0/8"], "127.255.0.1"));
        assert!(!admits(&["10.0.0.0/8"], "127.0.0.1"));
        assert!(!admits(&["128.0.0.0/1"], "127.255.255.255"));
        assert!(admits(&["128.0.0.0/1"], "128.0.0.0"));
        assert!(admits(&["10.0.0.0/0"], "127.0.0.1"));
    }

    #[test]
    fn a_network_stands_for_its_own_family() {
        assert!(!admits(&["10.0.0.0/8"], "::1"));
        assert!(!admits(&["0.0.0.0/0"], "::1"));
        assert!(admits(&["10.0.0.0/8"], "::ffff:10.1.2.3"));
        assert!(admits(&["::ffff:10.0.0.0/104"], "10.1.2.3"));
        assert!(admits(&["::1/64"], "::2"));
        assert!(!admits(&["::1"], "127.0.0.1"));
        assert!(admits(&["::/0"], "127.0.0.1"));
    }

    #[test]
    fn only_addresses_with_a_length_that_fits_are_networks() {
        for wrong in [
            "",
            "/",
            "*",
            "lo",
            "127.0.0.1/",
            "127.0.0.1/33",
            "127.0.0.1/-1",
            "127.0.0.1/x",
            "127.0.0.1/8/8",
        ] {
            assert_eq!(Network::parse(wrong.as_bytes(), true), Err(Error::Invalid), "{wrong}");
        }
        for wrong in [
            "::1/129",
            "[::1",
            "127.0.0.1:80",
            " 127.0.0.1",
            "127.0.0.1/4294967297",
            "127.0.0.1/4294967295",
        ] {
            assert_eq!(Network::parse(wrong.as_bytes(), true), Err(Error::Invalid), "{wrong}");
        }
        assert_eq!(Network::parse(b"\xff", true), Err(Error::Invalid));
        assert_eq!(
            Network::parse(b"[::1]/64", true),
            Network::parse(b"::1/64\0 more", true)
        );
    }

    #[test]
    fn ipv6_networks_need_ipv6() {
        assert_eq!(Network::parse(b"::1", false), Err(Error::Invalid));
        assert!(Network::parse(b"::1", true).is_ok());
        assert!(Network::parse(b"::ffff:127.0.0.1", false).is_ok());
    }

    #[test]
    fn clearing_a_list_admits_everybody_again() {
        let mut filters = filters(&["127.0.0.1"], false);
        filters.set_network(None, false).unwrap();
        assert_eq!(filters, Filters::default());
    }

    #[test]
    fn a_process_is_admitted_by_any_of_its_credentials() {
        let mut filters = Filters::default();
        assert!(filters.admit_process(1, 2, &[3]) && !filters.concern_processes());
        filters.set_user(Some(2)).unwrap();
        filters.set_group(Some(7)).unwrap();
        assert!(filters.concern_processes());
        assert!(filters.admit_process(1, 2, &[3]));
        assert!(filters.admit_process(1, 4, &[3, 7]));
        assert!(!filters.admit_process(1, 4, &[3]));
        filters.set_process(Some(1)).unwrap();
        assert!(filters.admit_process(1, 4, &[3]));
        filters.set_process(None).unwrap();
        assert!(!filters.admit_process(1, 4, &[3]));
    }
}
