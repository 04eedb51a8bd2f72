//! The C library calls about addresses, interfaces and descriptors that neither std nor socket2 wraps, and what is asked of a
//! connection beside reading and writing.
//!
//! Any thread may call these. `resolve` with `Lookup::Names` may block for as long as the system's resolver does: the
//! reactor never calls it. Nothing here keeps state, and every list that the C library returns is freed before return.
#![allow(unsafe_code, reason = "thin wrappers of C library calls, each checked on return")]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use socket2::SockRef;

use crate::error::{Error, Result};

/// Which hosts `resolve` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Numeric addresses only: never blocks.
    Numeric,
    /// Names as well, through `getaddrinfo(3)`: may block.
    Names,
}

/// The process at the other end of a local socket when it connected (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// The addresses of `host`, port 0, in the resolver's order; at least one.
///
/// Without `ipv6` these are IPv4 addresses; with it IPv6 ones, or mapped IPv4 ones where the host has no other.
/// `Error::NoDevice` where there is none, `Error::NoMemory` where the resolver had no memory.
pub fn resolve(host: &[u8], ipv6: bool, lookup: Lookup) -> Result<Vec<SocketAddr>> {
    let host = CString::new(host).map_err(|_| Error::NoDevice)?;
    // SAFETY: `addrinfo` is plain data for which all zeroes is the documented "no hints" value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = if ipv6 { libc::AI_V4MAPPED } else { 0 };
    if lookup == Lookup::Numeric {
        hints.ai_flags |= libc::AI_NUMERICHOST;
    }
    let mut list: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: `host` is a C string, `hints` and `list` are live for the call, and a null service is allowed.
    let status = unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &hints, &mut list) };
    match status {
        0 => {}
        libc::EAI_MEMORY => return Err(Error::NoMemory),
        _ => return Err(Error::NoDevice),
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is a node of the list that getaddrinfo returned and that is freed only below.
        let node = unsafe { &*entry };
        // SAFETY: a node's `ai_addr` is null or a socket address of the family that it states.
        addresses.extend(unsafe { socket_address(node.ai_addr) });
        entry = node.ai_next;
    }
    // SAFETY: `list` came from getaddrinfo, and no reference into it is left.
    unsafe { libc::freeaddrinfo(list) };
    if addresses.is_empty() {
        Err(Error::NoDevice)
    } else {
        Ok(addresses)
    }
}

/// The first address, port 0, of the named interface in the wanted family.
pub fn interface_address(name: &[u8], ipv6: bool) -> Option<SocketAddr> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `list` is live for the call.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return None;
    }
    let mut found = None;
    let mut entry = list;
    while !entry.is_null() && found.is_none() {
        // SAFETY: `entry` is a node of the list that getifaddrs returned and that is freed only below.
        let node = unsafe { &*entry };
        // SAFETY: `ifa_name` of a node is a C string.
        if unsafe { CStr::from_ptr(node.ifa_name) }.to_bytes() == name {
            // SAFETY: `ifa_addr` of a node is null or a socket address of the family that it states.
            found = unsafe { socket_address(node.ifa_addr) }.filter(|address| address.is_ipv6() == ipv6);
        }
        entry = node.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs, and no reference into it is left.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// The index of the named interface; indices start at 1.
pub fn interface_index(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is a C string.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of the interface with this index.
pub fn interface_name(index: u32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: `name` has the IF_NAMESIZE bytes that the call asks for.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: the call succeeded, so `name` holds a terminated string.
    Some(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned())
}

/// Who connected this local socket.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> Result<PeerCredentials> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the option's value is a `ucred`; pointer and length describe one that is live for the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut length,
        )
    };
    if status != 0 {
        return Err(last_error());
    }
    Ok(PeerCredentials {
        pid: credentials.pid.cast_unsigned(),
        uid: credentials.uid,
        gid: credentials.gid,
    })
}

/// Ends one direction of a connection: nothing more is written to it (or read). An error says that it is over anyway.
pub fn shut_down(connection: impl AsFd, how: Shutdown) {
    #[cfg(test)]
    if super::simulation::shut_down(connection.as_fd().as_raw_fd(), how == Shutdown::Read).is_some() {
        return;
    }
    drop(SockRef::from(&connection).shutdown(how));
}

/// Whether something came over a connection that nobody has read.
pub fn has_unread(connection: impl AsFd) -> bool {
    #[cfg(test)]
    if let Some(has_unread) = super::simulation::has_unread(connection.as_fd().as_raw_fd()) {
        return has_unread;
    }
    let mut byte = [MaybeUninit::uninit()];
    let peeked = SockRef::from(&connection).recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT);
    peeked.is_ok_and(|count| count > 0)
}

/// Takes over a descriptor that the application handed us (`ZMQ_USE_FD`); `EBADF` where it is not open.
pub fn adopt_descriptor(descriptor: RawFd) -> Result<OwnedFd> {
    // SAFETY: F_GETFD takes no argument and touches no memory.
    if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is open, and by the option's contract the library owns it from now on.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Creates a directory that only this user can enter; `template` ends in `XXXXXX` (mkdtemp(3)).
pub fn make_temporary_directory(template: Vec<u8>) -> Result<Vec<u8>> {
    let template = CString::new(template).map_err(|_| Error::Invalid)?.into_raw();
    // SAFETY: `template` is a writable C string that we own; the call changes its last six characters in place.
    let made = unsafe { libc::mkdtemp(template) };
    let error = last_error();
    // SAFETY: `template` came from `into_raw` above, and its length did not change.
    let path = unsafe { CString::from_raw(template) };
    if made.is_null() {
        Err(error)
    } else {
        Ok(path.into_bytes())
    }
}

fn last_error() -> Error {
    Error::from_errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL))
}

/// The address as a Rust value, port 0; none for null and for other families.
///
/// # Safety
/// `address` is null or points to a socket address that is as long as its family demands.
unsafe fn socket_address(address: *const libc::sockaddr) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and every socket address starts with its family.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a `sockaddr_in`; it is read unaligned.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, 0)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is a `sockaddr_in6`; it is read unaligned.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

/// How many bytes the kernel has for the peer of a tcp connection that the peer's kernel has not confirmed (tcp(7), `SIOCOUTQ`); 0
/// where it does not tell.
pub fn unconfirmed(fd: RawFd) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the number is live for the call, which writes nothing else; a descriptor that is none is an error.
    let status = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &mut bytes) };
    if status == 0 {
        u64::try_from(bytes).unwrap_or(0)
    } else {
        0
    }
}

/// The index of the loopback interface and its name, for tests of this room and those above it.
#[cfg(test)]
pub fn loopback() -> (u32, String) {
    (1..64)
        .filter_map(|index| Some((index, interface_name(index)?)))
        .find(|(_, name)| {
            interface_address(name.as_bytes(), false).is_some_and(|address| address.ip() == Ipv4Addr::LOCALHOST)
        })
        .expect("every machine has a loopback interface")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn ips(host: &str, ipv6: bool, lookup: Lookup) -> Vec<String> {
        match resolve(host.as_bytes(), ipv6, lookup) {
            Ok(list) => list.iter().map(|address| address.ip().to_string()).collect(),
            Err(error) => vec![format!("{error:?}")],
        }
    }

    #[test]
    fn numeric_hosts_need_no_lookup() {
        assert_eq!(ips("127.0.0.1", false, Lookup::Numeric), ["127.0.0.1"]);
        assert_eq!(ips("127.1", false, Lookup::Numeric), ["127.0.0.1"]);
        assert_eq!(ips("::1", true, Lookup::Numeric), ["::1"]);
        assert_eq!(ips("127.0.0.1", true, Lookup::Numeric), ["::ffff:127.0.0.1"]);
        for (host, ipv6) in [
            ("::1", false),
            ("localhost", false),
            ("localhost", true),
            ("", false),
            ("a\0b", false),
        ] {
            assert_eq!(ips(host, ipv6, Lookup::Numeric), ["NoDevice"], "{host:?}");
        }
    }

    #[test]
    fn localhost_is_a_name() {
        assert_eq!(ips("localhost", false, Lookup::Names)[0], "127.0.0.1");
    }

    #[test]
    fn interfaces_are_found_by_name_and_index() {
        let (index, name) = loopback();
        assert_eq!(interface_index(name.as_bytes()), Some(index));
        assert_eq!(interface_index(b"nosuch0"), None);
        assert_eq!(interface_name(u32::MAX), None);
        assert_eq!(interface_address(b"nosuch0", false), None);
    }

    #[test]
    fn peer_credentials_are_ours_on_a_socket_pair() {
        let (one, _other) = UnixStream::pair().unwrap();
        let credentials = peer_credentials(one.as_fd()).unwrap();
        assert_eq!(credentials.pid, std::process::id());
    }

    #[test]
    fn only_an_open_descriptor_is_adopted() {
        let (one, _other) = UnixStream::pair().unwrap();
        let raw = std::os::fd::IntoRawFd::into_raw_fd(one);
        assert_eq!(adopt_descriptor(raw).unwrap().as_raw_fd(), raw);
        assert_eq!(adopt_descriptor(-1).unwrap_err(), Error::Os(libc::EBADF));
    }

    #[test]
    fn temporary_directories_are_private_and_distinct() {
        use std::os::unix::ffi::OsStringExt;
        use std::os::unix::fs::PermissionsExt;
        let template = std::env::temp_dir().join("tmpXXXXXX").into_os_string().into_vec();
        let one = make_temporary_directory(template.clone()).unwrap();
        let two = make_temporary_directory(template).unwrap();
        assert_ne!(one, two);
        for path in [one, two] {
            let path = std::ffi::OsString::from_vec(path);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
            std::fs::remove_dir(path).unwrap();
        }
        assert_eq!(
            make_temporary_directory(b"/nosuch-directory/tmpXXXXXX".to_vec()),
            Err(Error::NoEntry)
        );
    }
}
