//! The same tests on both drivers: every function here takes a driver and runs once with each.
//!
//! Nothing sleeps and nothing is skipped: a kernel that refuses io_uring fails the tests named `io_uring`. A watchdog ends
//! a test in which a completion never comes.

mod connections;
mod isolated;
mod lifecycle;
mod succession;
mod transfer;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::epoll::EpollDriver;
use super::uring::UringDriver;
use super::{Completion, Driver, Segment, SendBuffers, Token, Waker};

/// These cross threads.
const _: fn() = || {
    fn crosses<T: Send>() {}
    crosses::<(SendBuffers, &Waker)>();
};

/// How long a test waits for what must come.
const WATCHDOG: Duration = Duration::from_secs(20);

/// Makes two tests of each function.
macro_rules! on_both_drivers {
    ($($test:ident),* $(,)?) => {
        mod io_uring {
            $(#[test] fn $test() { super::$test(crate::reactor::driver::tests::io_uring_driver()); })*
        }
        mod epoll {
            $(#[test] fn $test() { super::$test(crate::reactor::driver::tests::epoll_driver()); })*
        }
    };
}
use on_both_drivers;

fn io_uring_driver() -> Box<dyn Driver> {
    println!("driver: io_uring");
    Box::new(UringDriver::new().expect("this kernel, or a filter, refuses io_uring"))
}

fn epoll_driver() -> Box<dyn Driver> {
    println!("driver: epoll");
    Box::new(EpollDriver::new().expect("epoll"))
}

/// Waits; a driver that sleeps through what must come is caught when the watchdog ends its sleep.
fn wait(driver: &mut dyn Driver) {
    let start = Instant::now();
    driver.wait(Some(WATCHDOG)).unwrap();
    assert!(start.elapsed() < WATCHDOG, "the driver slept through it");
}

/// The next completion but `Woken`.
fn next(driver: &mut dyn Driver) -> Completion {
    let deadline = Instant::now() + WATCHDOG;
    while Instant::now() < deadline {
        match driver.next() {
            Some(Completion::Woken) => {}
            Some(completion) => return completion,
            None => wait(driver),
        }
    }
    panic!("the driver is busy without an end");
}

/// There is nothing to do: the driver sleeps for as long as it is told to.
fn assert_sleeps(driver: &mut dyn Driver) {
    assert_quiet(driver);
    let (start, time) = (Instant::now(), Duration::from_millis(20));
    driver.wait(Some(time)).unwrap();
    assert!(start.elapsed() >= time, "the driver does not sleep");
    assert!(driver.next().is_none());
}

/// Lets the driver do everything that it can do at once; there must be nothing to tell.
fn assert_quiet(driver: &mut dyn Driver) {
    for _ in 0..4 {
        driver.wait(Some(Duration::ZERO)).unwrap();
        if let Some(completion) = driver.next() {
            panic!("unexpected: {completion:?}");
        }
    }
}

/// Cancels an operation and takes completions up to its final one, which must be the cancellation.
fn cancel_and_join(driver: &mut dyn Driver, token: Token) {
    driver.cancel(token);
    let last = next(driver);
    assert_eq!(summary(&last), (token, Err(libc::ECANCELED), false), "{last:?}");
}

/// Token, bytes or error, and whether more follows.
fn summary(completion: &Completion) -> (Token, Result<usize, i32>, bool) {
    match completion {
        Completion::Woken => panic!("not an operation"),
        Completion::Accepted { token, result, more } => (*token, result.as_ref().map(|_| 0).map_err(|&e| e), *more),
        Completion::Ready { token, result } => (*token, result.map(|()| 0), false),
        Completion::Received { token, result, more } => (
            *token,
            result.as_ref().map(|buffer| buffer.len()).map_err(|&e| e),
            *more,
        ),
        Completion::Sent { token, result, .. } => (*token, *result, false),
    }
}

fn unix_pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, far)
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// A connection over loopback: the driver's end, non-blocking, and the peer's, blocking.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, peer)
}

fn one_segment(bytes: Vec<u8>) -> SendBuffers {
    let mut buffers = SendBuffers::new();
    buffers.push(Segment::Bytes(bytes));
    buffers
}

/// Sends until the socket takes nothing more.
fn fill(socket: RawFd) -> usize {
    let chunk = one_segment(vec![0; 64 * 1024]);
    let mut total = 0;
    loop {
        match super::send_now(socket, &chunk) {
            Ok(count) => total += count,
            Err(error) => {
                assert_eq!(error, libc::EAGAIN);
                return total;
            }
        }
    }
}

/// Bytes that differ everywhere in a way that a shift or a swap shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length.div_ceil(4))
        .flat_map(|index| (index as u32).wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}

fn fd(socket: &impl AsRawFd) -> RawFd {
    socket.as_raw_fd()
}

/// Forbids one system call to the calling thread: from now on it fails with `error`.
pub(super) fn forbid(system_call: libc::c_long, error: i32) {
    let statement = |code: u32, jump_false: u8, value: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: jump_false,
        k: value,
    };
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            1,
            u32::try_from(system_call).unwrap(),
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            0,
            libc::SECCOMP_RET_ERRNO | error.cast_unsigned(),
        ),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter is well formed and copied by the kernel during the call; it concerns this thread only.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
            0
        );
    }
}
