//! Choosing a driver at run time: io_uring where it works, else epoll.
//!
//! Called on the thread that will use the driver. Nothing is assumed from the kernel's version: a ring is set up and used
//! (many containers forbid io_uring by a filter). Every descriptor is close-on-exec and the memory of both drivers is not
//! inherited by a forked child, which must not touch them otherwise.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::buffers::errno;
use super::epoll::EpollDriver;
use super::uring::UringDriver;
use super::{Completion, Driver, Segment, SendBuffers, current, send_now};

/// Environment variable that forces a driver: `uring` or `epoll`. Any other value is as good as none.
const VARIABLE: &str = "MONOCOQUE_DRIVER";

/// Longest wait for a step of the trial; it takes microseconds where io_uring works.
const TRIAL_STEP_MAX: Duration = Duration::from_secs(1);

/// Steps of the trial at most.
const TRIAL_STEPS_MAX: usize = 8;

/// Whether the trial has passed in this process.
static TRIAL_PASSED: AtomicBool = AtomicBool::new(false);

/// The best driver that works here, for the calling thread.
///
/// # Errors
/// The value of `errno` where no driver, or not the forced one, can be had: `EMFILE`, `ENOMEM`, `EPERM`.
pub fn select() -> Result<Box<dyn Driver>, i32> {
    let (driver, refused) = select_named(std::env::var_os(VARIABLE).as_deref())?;
    let reason = refused.map(|error| format!(" (io_uring is refused: {})", std::io::Error::from_raw_os_error(error)));
    current::note(driver.name(), &reason.unwrap_or_default());
    Ok(driver)
}

/// The driver, and why it is not io_uring where that was tried.
fn select_named(forced: Option<&OsStr>) -> Result<(Box<dyn Driver>, Option<i32>), i32> {
    match forced.and_then(OsStr::to_str) {
        Some("uring") => Ok((uring()?, None)),
        Some("epoll") => Ok((epoll()?, None)),
        _ => match uring() {
            Ok(driver) => Ok((driver, None)),
            Err(error) => Ok((epoll()?, Some(error))),
        },
    }
}

fn epoll() -> Result<Box<dyn Driver>, i32> {
    Ok(Box::new(EpollDriver::new()?))
}

fn uring() -> Result<Box<dyn Driver>, i32> {
    let mut driver = UringDriver::new()?;
    if !TRIAL_PASSED.load(Ordering::Relaxed) {
        try_multishot_receive(&mut driver)?;
        TRIAL_PASSED.store(true, Ordering::Relaxed);
    }
    Ok(Box::new(driver))
}

/// The youngest thing that the driver needs (Linux 6.0) has no feature flag: receives one byte and cancels.
fn try_multishot_receive(driver: &mut UringDriver) -> Result<(), i32> {
    let (near, far) = socket_pair()?;
    let mut byte = SendBuffers::new();
    byte.push(Segment::Bytes(vec![1]));
    send_now(far.as_raw_fd(), &byte)?;
    driver.receive(near.as_raw_fd(), 0);
    let mut received = false;
    for _ in 0..TRIAL_STEPS_MAX {
        driver.wait(Some(TRIAL_STEP_MAX))?;
        while let Some(completion) = driver.next() {
            match completion {
                Completion::Received {
                    result: Ok(buffer),
                    more: true,
                    ..
                } => {
                    received = buffer[..] == [1];
                    driver.cancel(0);
                }
                Completion::Received {
                    result: Err(libc::ECANCELED),
                    ..
                } if received => return Ok(()),
                _ => return Err(libc::ENOSYS),
            }
        }
    }
    Err(libc::ENOSYS)
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd), i32> {
    let mut pair: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the kernel writes two descriptors into the live array.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } != 0 {
        return Err(errno());
    }
    // SAFETY: two descriptors that were just created and that nothing else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::forbid;
    use super::*;

    fn with_forbidden<T: Send + 'static>(system_call: libc::c_long, error: i32, body: fn() -> T) -> T {
        let thread = std::thread::spawn(move || {
            forbid(system_call, error);
            body()
        });
        thread.join().unwrap()
    }

    fn chosen(forced: Option<&str>) -> Result<&'static str, i32> {
        select_named(forced.map(OsStr::new)).map(|(driver, _)| driver.name().to_str().unwrap())
    }

    #[test]
    fn io_uring_is_chosen_where_it_works_and_either_can_be_forced() {
        assert_eq!(chosen(None), Ok("io_uring"));
        assert_eq!(chosen(Some("uring")), Ok("io_uring"));
        assert_eq!(chosen(Some("epoll")), Ok("epoll"));
        assert_eq!(chosen(Some("nonsense")), Ok("io_uring"));
    }

    #[test]
    fn a_refused_ring_falls_back_to_epoll() {
        for error in [libc::ENOSYS, libc::EPERM, libc::ENOMEM] {
            for call in [
                libc::SYS_io_uring_setup,
                libc::SYS_io_uring_enter,
                libc::SYS_io_uring_register,
            ] {
                assert_eq!(
                    with_forbidden(call, error, || chosen(None)),
                    Ok("epoll"),
                    "call {call}, error {error}"
                );
                assert_eq!(with_forbidden(call, error, || chosen(Some("uring"))), Err(error));
            }
        }
    }

    #[test]
    fn the_trial_passes_on_this_kernel() {
        let mut driver = UringDriver::new().unwrap();
        assert_eq!(try_multishot_receive(&mut driver), Ok(()));
    }
}
