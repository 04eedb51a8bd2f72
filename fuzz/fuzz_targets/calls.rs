//! Calls of three threads on the same contexts, sockets and endpoints, as the input has them: each thread has a part of it as its program.
//! No call crashes, none hangs (libFuzzer's own limit of time finds that), every message's memory is given back once, and when the
//! contexts are terminated no descriptor of theirs is left.
#![no_main]

use std::ffi::{CString, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use libfuzzer_sys::fuzz_target;
use monocoque::constants::*;
use monocoque_fuzz::*;

const THREADS: usize = 3;
const CALLS_MAX: usize = 40;
const CONTEXTS: usize = 2;
const SOCKETS: usize = 6;
const ENDPOINTS: usize = 4;
const MESSAGES: usize = 3;
/// A call that waits gives up after this time.
const WAIT_MS: c_int = 3;

/// What the free function of messages was called for.
static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count_freed(_data: *mut c_void, _hint: *mut c_void) {
    FREED.fetch_add(1, Ordering::SeqCst);
}

/// What the threads share. Handles stay here when they are dead.
#[derive(Default)]
struct World {
    contexts: [AtomicPtr<c_void>; CONTEXTS],
    sockets: [AtomicPtr<c_void>; SOCKETS],
    /// Sockets that another has replaced, to be closed in the end.
    replaced: Mutex<Vec<AtomicPtr<c_void>>>,
    endpoints: Mutex<[CString; ENDPOINTS]>,
    /// Messages that were given a free function.
    given: AtomicUsize,
}

/// One thread: its calls, and its messages.
struct Program<'a> {
    world: &'a World,
    input: &'a [u8],
    messages: [Message; MESSAGES],
}

impl Program<'_> {
    fn octet(&mut self) -> u8 {
        let octet = self.input.split_off_first();
        octet.copied().unwrap_or(0)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.octet()) % count
    }

    fn context(&mut self) -> *mut c_void {
        let place = self.below(CONTEXTS);
        self.world.contexts[place].load(Ordering::SeqCst)
    }

    fn socket(&mut self) -> *mut c_void {
        let place = self.below(SOCKETS);
        self.world.sockets[place].load(Ordering::SeqCst)
    }

    fn endpoint(&mut self) -> CString {
        let place = self.below(ENDPOINTS);
        self.world.endpoints.lock().expect("no panic")[place].clone()
    }

    fn message(&mut self) -> *mut Message {
        let place = self.below(MESSAGES);
        &raw mut self.messages[place]
    }

    fn open(&mut self) {
        let (place, context, socket_type) = (self.below(SOCKETS), self.context(), self.below(12) as c_int);
        let socket = zmq_socket(context, socket_type);
        if socket.is_null() {
            assert!([libc::EFAULT, ETERM].contains(&zmq_errno()), "{}", zmq_errno());
            return;
        }
        for option in [ZMQ_SNDTIMEO, ZMQ_RCVTIMEO, ZMQ_LINGER, ZMQ_RECONNECT_IVL] {
            let value = if option == ZMQ_LINGER { 0 } else { WAIT_MS };
            // Others cannot close it, but may terminate its context.
            assert!(set_number(socket, option, value) == 0 || zmq_errno() == ETERM);
        }
        set_option(socket, ZMQ_SUBSCRIBE, b"");
        let before = self.world.sockets[place].swap(socket, Ordering::SeqCst);
        self.world
            .replaced
            .lock()
            .expect("no panic")
            .push(AtomicPtr::new(before));
    }

    /// Calls with an endpoint. What is bound to anything that is free is kept for the others.
    fn attach(&mut self) {
        let (socket, place, what) = (self.socket(), self.below(ENDPOINTS), self.octet());
        let kept = self.world.endpoints.lock().expect("no panic")[place].clone();
        let fresh = match what >> 4 {
            0..4 => c"tcp://127.0.0.1:*".to_owned(),
            4..8 => c"ipc://*".to_owned(),
            _ => kept.clone(),
        };
        // SAFETY: endpoints are strings.
        unsafe {
            match what % 4 {
                0 => {
                    if zmq_bind(socket, fresh.as_ptr()) == 0
                        && let Some(bound) = last_endpoint(socket)
                    {
                        let bound = CString::new(bound).expect("a text");
                        self.world.endpoints.lock().expect("no panic")[place] = bound;
                    }
                }
                1 => drop(zmq_connect(socket, kept.as_ptr())),
                2 => drop(zmq_unbind(socket, kept.as_ptr())),
                _ => drop(zmq_disconnect(socket, kept.as_ptr())),
            }
        }
    }

    fn transfer(&mut self) {
        let (socket, what) = (self.socket(), self.octet());
        let mut bytes = [what; 300];
        let length = if what & 4 == 0 { 5 } else { bytes.len() };
        let flags = c_int::from(what >> 6);
        // SAFETY: the memory is borrowed for the calls.
        unsafe {
            if what & 1 == 0 {
                assert!([-1, length as c_int].contains(&zmq_send(socket, bytes.as_ptr().cast(), length, flags)));
            } else {
                assert!(zmq_recv(socket, bytes.as_mut_ptr().cast(), length, flags & ZMQ_DONTWAIT) >= -1);
            }
        }
    }

    fn on_message(&mut self) {
        let (message, other, what) = (self.message(), self.message(), self.octet());
        let length = if what & 16 == 0 { 20 } else { 40_000 };
        // SAFETY: both are live messages of this thread; each is closed before it is made anew.
        unsafe {
            match what % 8 {
                0 => {
                    zmq_msg_close(message);
                    assert_eq!(zmq_msg_init_size(message, length), 0);
                    zmq_msg_data(message).cast::<u8>().write_bytes(what, length);
                }
                1 => {
                    static BYTES: [u8; 40_000] = [7; 40_000];
                    zmq_msg_close(message);
                    let data = BYTES.as_ptr().cast_mut().cast();
                    assert_eq!(
                        zmq_msg_init_data(message, data, length, Some(count_freed), null_mut()),
                        0
                    );
                    self.world.given.fetch_add(1, Ordering::SeqCst);
                }
                2 => drop(zmq_msg_copy(message, other)),
                3 => drop(zmq_msg_move(message, other)),
                4 => {
                    zmq_msg_close(message);
                    assert_eq!((zmq_msg_close(message), zmq_errno()), (-1, libc::EFAULT));
                    assert_eq!(zmq_msg_init(message), 0);
                }
                5 | 6 => {
                    let size = zmq_msg_size(message) as c_int;
                    let sent = zmq_msg_send(message, self.socket(), c_int::from(what >> 6));
                    // A message that was sent is an empty one.
                    assert!(sent == -1 || (sent == size && zmq_msg_size(message) == 0));
                }
                _ => {
                    let received = zmq_msg_recv(message, self.socket(), c_int::from(what >> 6) & ZMQ_DONTWAIT);
                    assert!(received == -1 || received as usize == zmq_msg_size(message));
                }
            }
        }
    }

    fn poll(&mut self) {
        let count = self.below(5);
        let mut items: Vec<PollItem> = (0..count)
            .map(|_| PollItem {
                socket: self.socket(),
                fd: -1,
                events: i16::from(self.octet() & 7),
                revents: -1,
            })
            .collect();
        // SAFETY: the items are borrowed for the call.
        let ready = unsafe { zmq_poll(items.as_mut_ptr(), count as c_int, WAIT_MS.into()) };
        assert!((-1..=count as c_int).contains(&ready));
        if ready >= 0 {
            let with_events = items.iter().filter(|item| item.revents != 0).count();
            assert_eq!(with_events, ready as usize, "what is ready is said of as many");
            assert!(
                items.iter().all(|item| item.revents & !item.events == 0),
                "nothing is said that was not asked"
            );
        }
    }

    /// Options that change what goes on, but not how long a call may wait.
    fn set(&mut self) {
        const OPTIONS: [c_int; 12] = [
            ZMQ_SNDHWM,
            ZMQ_RCVHWM,
            ZMQ_CONFLATE,
            ZMQ_IMMEDIATE,
            ZMQ_ROUTER_MANDATORY,
            ZMQ_ROUTER_HANDOVER,
            ZMQ_XPUB_VERBOSE,
            ZMQ_XPUB_MANUAL,
            ZMQ_INVERT_MATCHING,
            ZMQ_REQ_RELAXED,
            ZMQ_HEARTBEAT_IVL,
            ZMQ_MAXMSGSIZE,
        ];
        let (socket, option, value) = (self.socket(), OPTIONS[self.below(OPTIONS.len())], self.octet());
        if option == ZMQ_MAXMSGSIZE {
            set_option(socket, option, &i64::from(value).to_ne_bytes());
        } else {
            set_number(socket, option, c_int::from(value & 3));
        }
        let name = [value; 2];
        let by_name = [ZMQ_ROUTING_ID, ZMQ_CONNECT_ROUTING_ID, ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE];
        set_option(
            socket,
            by_name[usize::from(value >> 6)],
            &name[..usize::from(1 + (value >> 2 & 1))],
        );
        for asked in [ZMQ_EVENTS, ZMQ_FD, ZMQ_RCVMORE] {
            if value & 32 != 0 {
                let _ = number(socket, asked);
            }
        }
    }

    fn monitor(&mut self) {
        let (socket, endpoint) = (self.socket(), self.endpoint());
        let begins = self.octet() & 1 == 0;
        // SAFETY: the endpoint is a string, or null to end the monitor.
        unsafe {
            let endpoint = if begins { endpoint.as_ptr() } else { std::ptr::null() };
            zmq_socket_monitor(socket, endpoint, ZMQ_EVENT_ALL);
        }
    }

    fn run(&mut self) {
        for _ in 0..CALLS_MAX {
            if self.input.is_empty() {
                break;
            }
            match self.octet() % 16 {
                0..3 => self.open(),
                3..6 => self.attach(),
                6..9 => self.transfer(),
                9..12 => self.on_message(),
                12 => self.poll(),
                13 => self.set(),
                14 => self.monitor(),
                _ => match self.octet() {
                    0 => drop(zmq_ctx_shutdown(self.context())),
                    1..=128 => drop(zmq_close(self.socket())),
                    // It ends when a socket is closed or its context shut down, by another thread or in the end.
                    _ => {}
                },
            }
        }
        for message in &mut self.messages {
            // SAFETY: the message is live.
            unsafe { assert_eq!(zmq_msg_close(message), 0) };
        }
    }
}

fn run_program(world: &World, input: &[u8]) {
    let mut messages = [const { Message::memory() }; MESSAGES];
    for message in &mut messages {
        // SAFETY: the memory is a message's.
        unsafe { assert_eq!(zmq_msg_init(message), 0) };
    }
    Program { world, input, messages }.run();
}

/// The first octet chooses the first sockets, which are connected already, and whether a proxy runs between two of them.
fn run(selector: u8, input: &[u8]) {
    const PAIRS: [[u8; 2]; 8] = [[0, 0], [1, 2], [3, 4], [5, 6], [8, 7], [9, 10], [5, 5], [11, 11]];
    let world = World::default();
    FREED.store(0, Ordering::SeqCst);
    for context in &world.contexts {
        context.store(zmq_ctx_new(), Ordering::SeqCst);
    }
    let names: [CString; ENDPOINTS] =
        [c"inproc://a", c"inproc://b", c"ipc://*", c"tcp://127.0.0.1:*"].map(|name| name.to_owned());
    *world.endpoints.lock().expect("no panic") = names;
    let types = PAIRS[usize::from(selector) % PAIRS.len()];
    let endpoint = selector >> 3 & 3;
    // Octets of calls: two are opened, one bound, the other connected.
    let (first, second) = ([0, 0, 0, types[0]], [0, 1, 0, types[1]]);
    let beginning = [&first[..], &second, &[3, 0, endpoint, 0x80, 3, 1, endpoint, 1]].concat();
    run_program(&world, &beginning);
    let proxied = (selector & 0x20 != 0).then(|| {
        world
            .sockets
            .each_ref()
            .map(|socket| AtomicPtr::new(socket.load(Ordering::SeqCst)))
    });
    std::thread::scope(|scope| {
        let world = &world;
        let proxy = proxied.as_ref().map(|sockets| {
            scope.spawn(|| {
                let [frontend, backend, ..] = sockets.each_ref().map(|socket| socket.load(Ordering::SeqCst));
                assert_eq!(zmq_proxy(frontend, backend, null_mut()), -1, "a proxy ends by an error");
            })
        });
        let length = input.len().div_ceil(THREADS).max(1);
        let programs: Vec<_> = input
            .chunks(length)
            .map(|part| scope.spawn(move || run_program(world, part)))
            .collect();
        for program in programs {
            program.join().expect("a program ends");
        }
        // One is closed while its proxy may use it, the other loses its context.
        if selector & 0x40 != 0 {
            zmq_close(world.sockets[0].load(Ordering::SeqCst));
        }
        for context in &world.contexts {
            assert_eq!(zmq_ctx_shutdown(context.load(Ordering::SeqCst)), 0);
        }
        // A thread that is joined has closed what it had of its own; the scope itself does not wait for that.
        if let Some(proxy) = proxy {
            proxy.join().expect("a proxy ends");
        }
    });
    let replaced = world.replaced.into_inner().expect("no panic");
    for socket in replaced.iter().chain(&world.sockets) {
        let closed = zmq_close(socket.load(Ordering::SeqCst));
        assert!(closed == 0 || zmq_errno() == libc::ENOTSOCK);
    }
    for context in &world.contexts {
        assert_eq!(zmq_ctx_term(context.load(Ordering::SeqCst)), 0);
        assert_eq!(
            (zmq_ctx_term(context.load(Ordering::SeqCst)), zmq_errno()),
            (-1, libc::EFAULT)
        );
    }
    let given = world.given.load(Ordering::SeqCst);
    assert_eq!(
        FREED.load(Ordering::SeqCst),
        given,
        "messages whose memory was given back"
    );
}

/// What the process has open: the link of each descriptor.
fn descriptors() -> Vec<String> {
    let folder = std::fs::read_dir("/proc/self/fd").expect("the descriptors");
    // The one that reads them is gone by the time that it is looked at.
    let links = folder.filter_map(|entry| std::fs::read_link(entry.expect("a descriptor").path()).ok());
    let mut links: Vec<String> = links
        .map(|link| link.display().to_string())
        .filter(|link| !link.contains("/fd"))
        .collect();
    links.sort();
    links
}

/// Has this thread wait once: what it waits with is its own as long as it lives.
fn wait() {
    let context = zmq_ctx_new();
    let socket = zmq_socket(context, ZMQ_PULL);
    assert_eq!(set_number(socket, ZMQ_RCVTIMEO, 1), 0);
    // SAFETY: no memory is given.
    unsafe { assert_eq!((zmq_recv(socket, null_mut(), 0, 0), zmq_errno()), (-1, libc::EAGAIN)) };
    assert_eq!((zmq_close(socket), zmq_ctx_term(context)), (0, 0));
}

fuzz_target!(|data: &[u8]| {
    static FIRST: Once = Once::new();
    FIRST.call_once(wait);
    let before = descriptors();
    let Some((&selector, input)) = data.split_first() else {
        return;
    };
    run(selector, input);
    assert_eq!(descriptors(), before, "descriptors that are open");
});
