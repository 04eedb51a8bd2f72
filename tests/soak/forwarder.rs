//! A TCP forwarder between two parties: it passes bytes on, late, or not at all, and ends its connections with RST.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// How long a thread may take to see that its connection is cut.
const LOOK: Duration = Duration::from_millis(10);

/// What is done with the bytes that come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Each piece is passed on so much later.
    Delay(Duration),
    /// Nothing is read, so that the sender's buffers fill up.
    Stall,
}

/// What the forwarder's threads look at.
struct Shared {
    mode: Mutex<Mode>,
    /// What new connections belong to.
    generation: Mutex<Arc<Generation>>,
}

/// Connections that are cut together.
#[derive(Default)]
struct Generation {
    is_cut: AtomicBool,
    connections: AtomicUsize,
}

/// Two streams, closed before they are no longer counted.
struct Connection {
    streams: Option<[TcpStream; 2]>,
    generation: Arc<Generation>,
}

/// A running forwarder. Its threads end with the process.
pub struct Forwarder {
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

impl Forwarder {
    /// Forwards whatever connects to [`Forwarder::address`].
    pub fn start(target: SocketAddr) -> Forwarder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the forwarder");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Pass),
            generation: Mutex::default(),
        });
        let accepted = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming() {
                // Whoever connected may be gone, and the network be cut: the party tries again.
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(target)) else {
                    continue;
                };
                forward(near, far, &accepted);
            }
        });
        Forwarder { shared, address }
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().expect("the mode") = mode;
    }

    /// Ends every connection with RST, and returns when that is done.
    pub fn reset(&self) {
        let generation = std::mem::take(&mut *self.shared.generation.lock().expect("the generation"));
        generation.is_cut.store(true, Ordering::SeqCst);
        while generation.connections.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.streams = None;
        self.generation.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One thread a direction. The last of them to end closes both descriptors.
fn forward(near: TcpStream, far: TcpStream, shared: &Arc<Shared>) {
    let streams = [near, far];
    for stream in &streams {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(LOOK)).expect("SO_RCVTIMEO");
        stream.set_write_timeout(Some(LOOK)).expect("SO_SNDTIMEO");
    }
    let generation = {
        let current = shared.generation.lock().expect("the generation");
        current.connections.fetch_add(1, Ordering::SeqCst);
        Arc::clone(&current)
    };
    let connection = Arc::new(Connection {
        streams: Some(streams),
        generation,
    });
    for from in 0..2 {
        let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
        thread::spawn(move || {
            let streams = connection.streams.as_ref().expect("open until nobody has it");
            let is_cut = || connection.generation.is_cut.load(Ordering::SeqCst);
            pump(&streams[from], &streams[1 - from], &shared, &is_cut);
            if is_cut() {
                for stream in streams {
                    // A connection that is closed with this set is reset.
                    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
                }
            } else {
                let _ = streams[1 - from].shutdown(std::net::Shutdown::Write);
            }
        });
    }
}

/// Passes bytes on until the stream ends or is cut.
fn pump(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared, is_cut: &dyn Fn() -> bool) {
    let mut bytes = [0; 16 * 1024];
    while !is_cut() {
        let mode = *shared.mode.lock().expect("the mode");
        match mode {
            Mode::Stall => {
                thread::sleep(LOOK);
                continue;
            }
            Mode::Delay(time) => thread::sleep(time),
            Mode::Pass => {}
        }
        let count = match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if is_passing(&error) => continue,
            Err(_) => return,
        };
        let mut rest = &bytes[..count];
        while !rest.is_empty() && !is_cut() {
            match to.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if is_passing(&error) => {}
                Err(_) => return,
            }
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
