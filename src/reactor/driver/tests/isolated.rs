//! Tests that need a process of their own, because they count descriptors or limit their number.
//!
//! Each is an ignored test, run alone by a test that starts this program again.

use std::collections::HashMap;
use std::net::TcpStream;
use std::process::Command;

use super::super::{Interest, select};
use super::*;

/// Runs one ignored test of this file in a new process.
fn run_alone(name: &str) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{module}::{name}"),
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn no_descriptor_leaks() {
    run_alone("no_descriptor_leaks_alone");
}

#[test]
fn running_out_of_descriptors_is_an_error_that_passes() {
    run_alone("running_out_of_descriptors_alone");
}

/// The open descriptors and their flags; far fewer than 1000 are open in such a process.
fn open_descriptors() -> HashMap<RawFd, i32> {
    // SAFETY: asks for the flags of a number, open or not.
    (0..1000)
        .map(|number| (number, unsafe { libc::fcntl(number, libc::F_GETFD) }))
        .filter(|(_, flags)| *flags >= 0)
        .collect()
}

/// Opens a driver and looks at the descriptors that it brought: its own and the waker's.
fn assert_close_on_exec(open: fn() -> Box<dyn Driver>) {
    let before = open_descriptors();
    let _driver = open();
    let mut after = open_descriptors();
    after.retain(|number, _| !before.contains_key(number));
    assert_eq!(after.into_values().collect::<Vec<_>>(), [libc::FD_CLOEXEC; 2]);
}

fn use_everything(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let (near, far) = unix_pair();
    driver.accept(fd(&listener), 1);
    driver.receive(fd(&near), 2);
    driver.poll(fd(&near), Interest::Read, 3);
    super::super::send_now(fd(&far), &one_segment(vec![1])).unwrap();
    let peers: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
        .collect();
    wait(&mut *driver);
    drop(driver.next());
    drop(driver.waker());
    drop(driver);
    drop(peers);
}

#[test]
#[ignore = "started alone by no_descriptor_leaks"]
fn no_descriptor_leaks_alone() {
    assert_close_on_exec(io_uring_driver);
    assert_close_on_exec(epoll_driver);
    let before = open_descriptors();
    for _ in 0..20 {
        use_everything(io_uring_driver());
        use_everything(epoll_driver());
        drop(select().unwrap());
    }
    assert_eq!(open_descriptors(), before);
}

fn limit_descriptors(limit: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: limit,
        rlim_max: 1024,
    };
    // SAFETY: the kernel reads a live local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}

fn accept_at_the_limit(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    limit_descriptors(0);
    driver.accept(fd(&listener), 1);
    assert_eq!(summary(&next(&mut *driver)), (1, Err(libc::EMFILE), false));
    assert_quiet(&mut *driver);
    assert_eq!(select().err(), Some(libc::EMFILE));
    limit_descriptors(1024);
    driver.accept(fd(&listener), 1);
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), true));
    cancel_and_join(&mut *driver, 1);
}

#[test]
#[ignore = "started alone by running_out_of_descriptors_is_an_error_that_passes"]
fn running_out_of_descriptors_alone() {
    accept_at_the_limit(io_uring_driver());
    accept_at_the_limit(epoll_driver());
}
