//! Local sockets: listening on a path or an abstract name, connecting, and who the peer is.
//!
//! Any thread may call these; none blocks. Every descriptor made here is non-blocking and close-on-exec. A path is
//! unlinked before it is bound, so a bind overrides an earlier one; it stays in the file system after the socket is
//! closed, as libzmq leaves it (another process may have bound it since). Only what a wildcard bind made is removed.
//! Sources: zmq_ipc(7), unix(7), and the system calls of libzmq 4.3.5 as strace shows them.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::error::{Error, Result};
use crate::sys::net::{PeerCredentials, make_temporary_directory, peer_credentials};
use crate::transport::endpoint::IpcEndpoint;
use crate::transport::settings::SocketSettings;
use crate::transport::{Listener, Refusal, adopt_listener, os_error};

/// A socket file in a directory of its own, both made by a wildcard bind and removed when this is dropped.
#[derive(Debug)]
pub struct TemporaryPath {
    directory: PathBuf,
}

impl TemporaryPath {
    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure, and a file that is gone already is none.
        drop(std::fs::remove_file(self.socket()));
        drop(std::fs::remove_dir(&self.directory));
    }
}

/// Binds and listens; a wildcard makes a path first, in `TMPDIR`, `TEMPDIR` or `TMP`, else in the working directory.
///
/// Errors are those of `IpcEndpoint::check`, bind(2) and listen(2): `Error::AddressInUse` for a directory or a taken
/// abstract name, `Error::NoEntry` for a missing directory.
pub fn listen(endpoint: &IpcEndpoint, settings: &SocketSettings) -> std::result::Result<Listener, Refusal> {
    endpoint.check()?;
    if let Some(descriptor) = settings.use_descriptor {
        let socket = adopt_listener(descriptor)?;
        let endpoint = local_endpoint(&socket)?;
        return Ok(Listener {
            descriptor: socket.into(),
            endpoint,
            temporary: None,
        });
    }
    let temporary = if endpoint.is_wildcard() {
        Some(temporary_path()?)
    } else {
        None
    };
    let address = match &temporary {
        Some(temporary) => SockAddr::unix(temporary.socket()).map_err(|_| Error::NameTooLong)?,
        None => socket_address(endpoint.path())?,
    };
    if let Some(path) = address.as_pathname() {
        // A missing file is the normal case; what cannot be removed makes the bind fail with the reason.
        drop(std::fs::remove_file(path));
    }
    let socket = new_socket()?;
    let refused = Refusal::of(&socket);
    socket.bind(&address).map_err(&refused)?;
    socket.listen(settings.backlog).map_err(&refused)?;
    let endpoint = local_endpoint(&socket)?;
    Ok(Listener {
        descriptor: socket.into(),
        endpoint,
        temporary,
    })
}

/// Connects: the descriptor, and how the connect went. A local connect ends at once; `finish_connect` on the descriptor
/// answers as for any other.
///
/// `Error::NoEntry` where there is no such path, `Error::ConnectionRefused` where nobody listens on it, `Error::Again`
/// where the listener's backlog is full: all of them reasons to try again later. The outer result is about the descriptor.
pub fn start_connect(endpoint: &IpcEndpoint) -> Result<(OwnedFd, Result<()>)> {
    endpoint.check()?;
    let socket = new_socket()?;
    let connected = match socket.connect(&socket_address(endpoint.path())?) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(os_error(error)),
        _ => Ok(()),
    };
    Ok((socket.into(), connected))
}

/// The `Peer-Address` property of a local connection: `localhost:uid:gid:pid`, as libzmq 4.3.5 writes it.
pub fn peer_address(socket: impl AsFd) -> Result<String> {
    let PeerCredentials { pid, uid, gid } = credentials(socket)?;
    Ok(format!("localhost:{uid}:{gid}:{pid}"))
}

/// The peer's process, user and group, for the filters of an accepting socket.
pub fn credentials(socket: impl AsFd) -> Result<PeerCredentials> {
    peer_credentials(socket.as_fd())
}

/// The endpoint text of a bound or accepted socket: `ipc:///path`, `ipc://@name`.
pub fn local_endpoint(socket: impl AsFd) -> Result<Vec<u8>> {
    let address = SockRef::from(&socket).local_addr().map_err(os_error)?;
    let (sigil, name) = match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => ("", path.as_os_str().as_bytes()),
        (None, Some(name)) => ("@", name),
        (None, None) => ("", &b""[..]),
    };
    Ok([b"ipc://", sigil.as_bytes(), name].concat())
}

fn new_socket() -> Result<Socket> {
    Socket::new_raw(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None).map_err(os_error)
}

/// The address of a path; a leading `@` becomes the zero byte of the abstract namespace (unix(7)).
fn socket_address(path: &[u8]) -> Result<SockAddr> {
    let address = match path {
        [b'@', name @ ..] => SockAddr::unix(OsString::from_vec([b"\0", name].concat())),
        _ => SockAddr::unix(OsStr::from_bytes(path)),
    };
    address.map_err(|_| Error::NameTooLong)
}

fn temporary_path() -> Result<TemporaryPath> {
    let parent = ["TMPDIR", "TEMPDIR", "TMP"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .find(|path| path.is_dir());
    make_path_in(parent.as_deref().unwrap_or(Path::new("")))
}

fn make_path_in(parent: &Path) -> Result<TemporaryPath> {
    let template = parent.join("tmpXXXXXX").into_os_string().into_vec();
    let directory = make_temporary_directory(template)?;
    Ok(TemporaryPath {
        directory: OsString::from_vec(directory).into(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::IntoRawFd;
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::transport::endpoint::Endpoint;
    use crate::transport::finish_connect;

    /// A directory that is removed with everything in it.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Directory {
            let template = std::env::temp_dir().join("ipcXXXXXX").into_os_string().into_vec();
            Directory(OsString::from_vec(make_temporary_directory(template).unwrap()).into())
        }

        fn endpoint(&self, name: &str) -> IpcEndpoint {
            ipc(self.0.join(name).as_os_str().as_bytes())
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn ipc(path: &[u8]) -> IpcEndpoint {
        match Endpoint::parse(&[b"ipc://", path].concat()) {
            Ok(Endpoint::Ipc(endpoint)) => endpoint,
            other => panic!("{other:?}"),
        }
    }

    fn bind(endpoint: &IpcEndpoint) -> Listener {
        listen(endpoint, &SocketSettings::default()).unwrap()
    }

    /// Ends a listener for good: a child that another test has just forked may still have its descriptor.
    fn close(listener: Listener) {
        SockRef::from(&listener.descriptor)
            .shutdown(std::net::Shutdown::Both)
            .unwrap();
    }

    fn is_socket(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket())
    }

    /// The accepted end of a connect; a local connect is complete when it returns.
    fn accept(listener: &Listener) -> OwnedFd {
        let listener = UnixListener::from(listener.descriptor.try_clone().unwrap());
        listener.accept().unwrap().0.into()
    }

    fn connect(endpoint: &IpcEndpoint) -> Result<OwnedFd> {
        let (socket, connected) = start_connect(endpoint)?;
        connected.map(|()| socket)
    }

    #[test]
    fn a_connection_over_a_path_names_endpoint_and_peer() {
        let directory = Directory::new();
        let endpoint = directory.endpoint("socket");
        let listener = bind(&endpoint);
        assert_eq!(listener.endpoint, Endpoint::Ipc(endpoint.clone()).text());
        let socket = connect(&endpoint).unwrap();
        finish_connect(&socket).unwrap();
        let accepted = accept(&listener);
        assert_eq!(local_endpoint(&accepted), Ok(listener.endpoint.clone()));
        let credentials = credentials(&accepted).unwrap();
        assert_eq!(credentials.pid, std::process::id());
        let expected = format!("localhost:{}:{}:{}", credentials.uid, credentials.gid, credentials.pid);
        assert_eq!(peer_address(&accepted), Ok(expected.clone()));
        assert_eq!(peer_address(&socket), Ok(expected));
    }

    #[test]
    fn abstract_names_are_unique_and_leave_no_file() {
        let name = format!("@monocoque-test-{}", std::process::id());
        let endpoint = ipc(name.as_bytes());
        let listener = bind(&endpoint);
        assert_eq!(listener.endpoint, format!("ipc://{name}").into_bytes());
        let second = listen(&endpoint, &SocketSettings::default());
        assert_eq!(second.unwrap_err().error, Error::AddressInUse);
        connect(&endpoint).unwrap();
        close(listener);
        assert_eq!(connect(&endpoint).unwrap_err(), Error::ConnectionRefused);
        assert!(!Path::new(&name).exists());
    }

    /// Source: zmq_ipc(7): "any existing binding to the same endpoint shall be overridden".
    #[test]
    fn a_bind_overrides_stale_live_and_regular_files() {
        let directory = Directory::new();
        let endpoint = directory.endpoint("socket");
        let path = directory.0.join("socket");
        fs::write(&path, "a regular file").unwrap();
        let first = bind(&endpoint);
        assert!(is_socket(&path));
        let second = bind(&endpoint);
        let _socket = connect(&endpoint).unwrap();
        accept(&second);
        drop(first);
        assert!(
            is_socket(&path),
            "closing the overridden listener leaves the other's file"
        );
        close(second);
        assert!(is_socket(&path), "a closed listener leaves its file, as on libzmq");
        assert_eq!(connect(&endpoint).unwrap_err(), Error::ConnectionRefused);
        bind(&endpoint);
    }

    /// Source: runs of libzmq 4.3.5.
    #[test]
    fn a_symbolic_link_is_replaced_not_followed() {
        let directory = Directory::new();
        let (link, target) = (directory.0.join("link"), directory.0.join("target"));
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let _listener = bind(&directory.endpoint("link"));
        assert!(is_socket(&link));
        assert_eq!(fs::read_to_string(target).unwrap(), "kept");
    }

    /// Source: zmq_bind(3), zmq_ipc(7), runs of libzmq 4.3.5.
    #[test]
    fn unusable_paths_are_refused() {
        let directory = Directory::new();
        fs::create_dir(directory.0.join("sub")).unwrap();
        let settings = SocketSettings::default();
        let refused = |endpoint: &IpcEndpoint| listen(endpoint, &settings).unwrap_err().error;
        assert_eq!(refused(&directory.endpoint("sub")), Error::AddressInUse);
        assert_eq!(refused(&directory.endpoint("nosuch/socket")), Error::NoEntry);
        assert_eq!(refused(&ipc(b"@")), Error::Invalid);
        assert_eq!(refused(&ipc(&[b'a'; 108])), Error::NameTooLong);
        assert_eq!(connect(&ipc(&[b'a'; 108])).unwrap_err(), Error::NameTooLong);
        assert_eq!(connect(&directory.endpoint("nosuch")).unwrap_err(), Error::NoEntry);
    }

    #[test]
    fn the_longest_path_and_name_work() {
        let name = "n".repeat(106 - std::process::id().to_string().len());
        let longest = ipc(format!("@{}{name}", std::process::id()).as_bytes());
        let listener = bind(&longest);
        assert_eq!(listener.endpoint.len(), "ipc://".len() + 107);
        connect(&longest).unwrap();
        let directory = Directory::new();
        let length = 107 - directory.0.as_os_str().len() - 1;
        let longest = directory.endpoint(&"n".repeat(length));
        let listener = bind(&longest);
        assert_eq!(listener.endpoint, Endpoint::Ipc(longest.clone()).text());
        connect(&longest).unwrap();
    }

    #[test]
    fn paths_need_not_be_utf8() {
        let directory = Directory::new();
        let path = directory.0.join(OsStr::from_bytes(b"\xff\xfe"));
        let endpoint = ipc(path.as_os_str().as_bytes());
        let listener = bind(&endpoint);
        assert_eq!(listener.endpoint, [b"ipc://", path.as_os_str().as_bytes()].concat());
        connect(&endpoint).unwrap();
    }

    /// Source: zmq_ipc(7), "unique temporary pathname".
    #[test]
    fn a_temporary_path_is_removed_with_its_directory() {
        let directory = Directory::new();
        let one = make_path_in(&directory.0).unwrap();
        let two = make_path_in(&directory.0).unwrap();
        assert_ne!(one.socket(), two.socket());
        let listener = bind(&ipc(one.socket().as_os_str().as_bytes()));
        assert!(is_socket(&one.socket()));
        drop(listener);
        drop((one, two));
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
    }

    #[test]
    fn a_wildcard_bind_owns_its_path() {
        let settings = SocketSettings::default();
        let Listener {
            descriptor,
            endpoint,
            temporary,
        } = listen(&ipc(b"*"), &settings).unwrap();
        let path = PathBuf::from(OsStr::from_bytes(endpoint.strip_prefix(b"ipc://").unwrap()));
        assert!(is_socket(&path));
        connect(&ipc(path.as_os_str().as_bytes())).unwrap();
        drop(descriptor);
        drop(temporary);
        assert!(!path.exists() && !path.parent().unwrap().exists());
    }

    /// Source: zmq_setsockopt(3), ZMQ_USE_FD.
    #[test]
    fn a_given_descriptor_is_used_as_it_is() {
        let directory = Directory::new();
        let path = directory.0.join("given");
        let given = UnixListener::bind(&path).unwrap();
        let settings = SocketSettings {
            use_descriptor: Some(given.into_raw_fd()),
            ..SocketSettings::default()
        };
        let listener = listen(&directory.endpoint("other"), &settings).unwrap();
        assert_eq!(listener.endpoint, [b"ipc://", path.as_os_str().as_bytes()].concat());
        assert!(!directory.0.join("other").exists());
    }
}
