//! The world's network: listeners, connections and what watches them. What a connection does with bytes is in [`super::stream`].
//!
//! The library's descriptors are real, one end of a pair each, of which the network keeps the other as a witness: so that it sees the
//! descriptor being closed, however that happens. Nothing goes through the pair.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::stream::Stream;
use super::{World, with};

/// Ports are given from this one on.
const PORT_MIN: u16 = 10_000;
/// What a connection attempt fails with.
const REFUSALS: [i32; 5] = [
    libc::ECONNREFUSED,
    libc::ETIMEDOUT,
    libc::ENETUNREACH,
    libc::EHOSTUNREACH,
    libc::ECONNRESET,
];
/// What accepting fails with.
const ACCEPT_FAILURES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

/// Who is at an end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// Who accepted it, by the number of the listener.
    Listener(usize),
    /// Who connected, by the source address.
    Source(IpAddr),
}

/// One direction of a connection.
pub struct Flow<'a> {
    /// Its own number.
    pub number: usize,
    /// Who writes.
    pub writer: Party,
    /// Who reads.
    pub reader: Party,
    /// Everything that the writer has written.
    pub bytes: &'a [u8],
    /// How many of these the reader has read before it hung up.
    pub read: usize,
    /// One of the ends is closed, or the connection was reset.
    pub is_over: bool,
}

pub(super) struct Listener {
    address: SocketAddr,
    queue: VecDeque<OwnedFd>,
}

pub(super) enum Role {
    Listener(Listener),
    Stream(Stream),
}

/// What a descriptor of the library stands for.
pub(super) struct Side {
    pub(super) fd: RawFd,
    /// `None`: the library has closed it.
    pub(super) witness: Option<OwnedFd>,
    /// Operations of drivers.
    operations: isize,
    pub(super) role: Role,
}

/// All sides, in the order in which they were made.
#[derive(Default)]
pub(super) struct Network {
    pub(super) sides: Vec<Side>,
    numbers: HashMap<RawFd, usize>,
    crowds: HashMap<RawFd, BTreeMap<u64, RawFd>>,
    ports: u16,
}

/// Binds and listens, for `transport::tcp`: the descriptor and the address.
pub fn listen(mut address: SocketAddr) -> Option<Result<(OwnedFd, SocketAddr), i32>> {
    with(|world| {
        world.detect_closed();
        let network = &mut world.network;
        if address.port() == 0 {
            network.ports += 1;
            address.set_port(PORT_MIN + network.ports);
        } else if network.listener(address.port()).is_some() {
            return Err(libc::EADDRINUSE);
        }
        let queue = VecDeque::new();
        let fd = network.add(Role::Listener(Listener { address, queue })).0;
        Ok((fd, address))
    })
}

/// Starts a connect, for `transport::tcp`.
pub fn connect(peer: SocketAddr, source: Option<SocketAddr>) -> Option<OwnedFd> {
    with(|world| {
        world.detect_closed();
        let source = source.map_or(peer.ip(), |source| source.ip());
        let mut stream = Stream::new(source, peer.port(), world.buffer());
        stream.due_ns = Some(world.now_ns + world.delay_ns());
        world.network.add(Role::Stream(stream)).0
    })
}

/// How a connect ended: SO_ERROR.
pub fn connect_error(fd: RawFd) -> Option<Option<i32>> {
    with(|world| world.network.stream(fd)?.error.take())
}

/// Ends every connection, with this error.
pub fn break_all(errno: i32) {
    with(|world| {
        for number in 0..world.network.sides.len() {
            world.reset(number);
            if let Some(stream) = world.network.at(number) {
                stream.error = stream.error.and(Some(errno));
            }
        }
    });
}

/// The next connection of a listener.
pub fn accept(fd: RawFd) -> Result<OwnedFd, i32> {
    with(|world| {
        if world.random.once_in(world.faults.acceptance) {
            return Err(world.random.pick(&ACCEPT_FAILURES));
        }
        let number = world.network.numbers.get(&fd).copied();
        match number.map(|number| &mut world.network.sides[number].role) {
            Some(Role::Listener(listener)) => listener.queue.pop_front().ok_or(libc::EAGAIN),
            _ => Err(libc::EBADF),
        }
    })
    .unwrap_or(Err(libc::EBADF))
}

/// The number of the open listener at a port.
pub fn listener(port: u16) -> Option<usize> {
    with(|world| {
        world.detect_closed();
        world.network.listener(port)
    })
    .flatten()
}

/// Whether something is there to be read: data, an end, an error, a connection. `None`: the descriptor is not of the world.
pub fn is_readable(fd: RawFd) -> Option<bool> {
    with(|world| world.network.is_readable(fd)).flatten()
}

/// Whether a write is answered by something else than EAGAIN. `None`: the descriptor is not of the world.
pub fn is_writable(fd: RawFd) -> Option<bool> {
    with(|world| {
        let network = &world.network;
        match &network.sides[*network.numbers.get(&fd)?].role {
            Role::Listener(_) => Some(false),
            Role::Stream(stream) => Some(stream.is_writable()),
        }
    })
    .flatten()
}

/// Whether bytes are there that nobody has read.
pub fn has_unread(fd: RawFd) -> Option<bool> {
    with(|world| {
        let number = *world.network.numbers.get(&fd)?;
        Some(world.network.unread(number) > 0)
    })
    .flatten()
}

impl Network {
    fn add(&mut self, role: Role) -> (OwnedFd, usize) {
        let (fd, witness) = pair();
        let number = self.sides.len();
        self.numbers.insert(fd.as_raw_fd(), number);
        self.sides.push(Side {
            fd: fd.as_raw_fd(),
            witness: Some(witness),
            operations: 0,
            role,
        });
        (fd, number)
    }

    pub(super) fn number(&self, fd: RawFd) -> Option<usize> {
        self.numbers.get(&fd).copied()
    }

    pub(super) fn stream(&mut self, fd: RawFd) -> Option<&mut Stream> {
        let number = self.number(fd)?;
        self.at(number)
    }

    pub(super) fn at(&mut self, number: usize) -> Option<&mut Stream> {
        match &mut self.sides[number].role {
            Role::Stream(stream) => Some(stream),
            Role::Listener(_) => None,
        }
    }

    pub(super) fn peer(&self, number: usize) -> Option<(usize, &Stream)> {
        let Role::Stream(stream) = &self.sides[number].role else {
            return None;
        };
        match &self.sides[stream.peer?].role {
            Role::Stream(peer) => Some((stream.peer?, peer)),
            Role::Listener(_) => None,
        }
    }

    /// How many bytes have arrived at a side and were not read.
    pub(super) fn unread(&self, number: usize) -> usize {
        match (&self.sides[number].role, self.peer(number)) {
            (Role::Stream(stream), Some((_, peer))) if !stream.is_purged => peer.moved - stream.read,
            _ => 0,
        }
    }

    fn is_readable(&self, fd: RawFd) -> Option<bool> {
        if self.crowds.contains_key(&fd) && !self.numbers.contains_key(&fd) {
            return Some(!self.ready_members(fd).is_empty());
        }
        let number = self.number(fd)?;
        Some(match &self.sides[number].role {
            Role::Listener(listener) => !listener.queue.is_empty(),
            Role::Stream(stream) => {
                let has_ended = self.peer(number).is_some_and(|(_, peer)| peer.end_moved);
                self.unread(number) > 0 || has_ended || stream.read_ended || stream.error.is_some() || stream.is_broken
            }
        })
    }

    fn listener(&self, port: u16) -> Option<usize> {
        self.sides.iter().position(|side| match &side.role {
            Role::Listener(listener) => side.witness.is_some() && listener.address.port() == port,
            Role::Stream(_) => false,
        })
    }

    pub(super) fn count_operation(&mut self, fd: RawFd, change: isize) {
        if let Some(number) = self.number(fd) {
            self.sides[number].operations += change;
        }
    }

    pub(super) fn next_ns(&self) -> Option<u64> {
        self.sides
            .iter()
            .filter_map(|side| match &side.role {
                Role::Stream(stream) => stream.due_ns,
                Role::Listener(_) => None,
            })
            .min()
    }

    pub(super) fn watch(&mut self, epoll: RawFd, operation: libc::c_int, fd: RawFd, number: u64) {
        let members = self.crowds.entry(epoll).or_default();
        if operation == libc::EPOLL_CTL_DEL {
            members.retain(|_, member| *member != fd);
        } else {
            members.insert(number, fd);
        }
    }

    pub(super) fn ready_members(&self, epoll: RawFd) -> Vec<u64> {
        let Some(members) = self.crowds.get(&epoll) else {
            return Vec::new();
        };
        let is_ready = |fd: &RawFd| self.numbers.contains_key(fd) && self.is_readable(*fd) == Some(true);
        members
            .iter()
            .filter(|(_, fd)| is_ready(fd))
            .map(|(number, _)| *number)
            .collect()
    }

    pub(super) fn flows(&self) -> impl Iterator<Item = Flow<'_>> {
        self.sides.iter().enumerate().filter_map(|(number, side)| {
            let Role::Stream(stream) = &side.role else { return None };
            let (peer_number, peer) = self.peer(number)?;
            let is_closed = side.witness.is_none() || self.sides[peer_number].witness.is_none();
            Some(Flow {
                number,
                writer: stream.party(),
                reader: peer.party(),
                bytes: &stream.written,
                read: peer.kept.unwrap_or(peer.read),
                is_over: is_closed || stream.is_broken || peer.is_broken,
            })
        })
    }
}

impl World {
    /// A size for a buffer of the kernel.
    fn buffer(&mut self) -> usize {
        (self.faults.buffer_max >> self.random.below(4)) + 1
    }

    /// Moves what is due. Whether something happened.
    pub(super) fn tend(&mut self) -> bool {
        let mut happened = std::mem::take(&mut self.touched) && self.detect_closed();
        for number in 0..self.network.sides.len() {
            let Some(stream) = self.network.at(number) else {
                continue;
            };
            if stream.due_ns.is_none_or(|due_ns| due_ns > self.now_ns) {
                continue;
            }
            let Some(stream) = self.network.at(number) else {
                continue;
            };
            stream.due_ns = None;
            happened = true;
            if stream.is_established {
                self.move_bytes(number);
            } else {
                self.establish(number);
            }
        }
        happened
    }

    fn establish(&mut self, number: usize) {
        let refused = self
            .random
            .once_in(self.faults.refusal)
            .then(|| self.random.pick(&REFUSALS));
        let Some(stream) = self.network.at(number) else { return };
        let port = stream.port;
        let place = match (self.network.listener(port), refused) {
            (Some(place), None) => place,
            (_, refused) => {
                if let Some(stream) = self.network.at(number) {
                    stream.error = Some(refused.unwrap_or(libc::ECONNREFUSED));
                    stream.is_broken = true;
                }
                return;
            }
        };
        let buffer = self.buffer();
        let Some(stream) = self.network.at(number) else { return };
        let mut accepted = Stream::new(stream.source, port, buffer);
        stream.is_established = true;
        stream.listener = Some(place);
        accepted.is_established = true;
        accepted.listener = Some(place);
        accepted.accepted = true;
        accepted.peer = Some(number);
        let (fd, other) = self.network.add(Role::Stream(accepted));
        if let Some(stream) = self.network.at(number) {
            stream.peer = Some(other);
        }
        if let Role::Listener(listener) = &mut self.network.sides[place].role {
            listener.queue.push_back(fd);
        }
        self.note(number as u64 + 1);
    }

    /// Sees what the library has closed. Whether there was something.
    pub(super) fn detect_closed(&mut self) -> bool {
        let open = |side: &Side| side.witness.as_ref().map(|witness| witness.as_raw_fd());
        let mut entries: Vec<libc::pollfd> = self
            .network
            .sides
            .iter()
            .map(|side| libc::pollfd {
                // A negative one is passed over.
                fd: open(side).unwrap_or(-1),
                events: 0,
                revents: 0,
            })
            .collect();
        // SAFETY: the entries are live, and there is no wait.
        let count = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, 0) };
        if count <= 0 {
            return false;
        }
        for (number, _) in entries.iter().enumerate().filter(|(_, entry)| entry.revents != 0) {
            self.closed(number);
        }
        true
    }

    fn closed(&mut self, number: usize) {
        self.note(!(number as u64));
        let side = &mut self.network.sides[number];
        side.witness = None;
        let (fd, operations) = (side.fd, side.operations);
        if operations != 0 {
            let text = format!("side {number} was closed with {operations} operations under way");
            self.violations.push(text);
        }
        if self.network.numbers.get(&fd) == Some(&number) {
            self.network.numbers.remove(&fd);
        }
        match &mut self.network.sides[number].role {
            // Dropped, they are closed, which is seen next time.
            Role::Listener(listener) => listener.queue.clear(),
            Role::Stream(_) => self.hang_up(number),
        }
    }

    /// Nothing is left open.
    pub(super) fn check_end(&mut self) {
        self.detect_closed();
        for (number, side) in self.network.sides.iter().enumerate() {
            if side.witness.is_some() {
                self.violations.push(format!("side {number} was never closed"));
            }
        }
    }
}

/// Two descriptors, of which each sees the other closed.
fn pair() -> (OwnedFd, OwnedFd) {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors into the array.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) };
    assert_eq!(made, 0, "socketpair");
    // SAFETY: descriptors that were just created and that nothing else owns.
    unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) }
}
