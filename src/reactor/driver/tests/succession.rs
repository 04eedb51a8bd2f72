//! A ring that the program forbids after it was in use: an epoll driver goes on with what it had begun.

use std::io::{Read, Write};

use super::super::Interest;
use super::*;

const ACCEPT: Token = 1;
const READ: Token = 2;
const WRITE: Token = 3;
const RECEIVE: Token = 4;
const SEND: Token = 5;
const ENDED: Token = 6;

/// Runs on a thread of its own, which a filter stays with.
fn apart(body: fn()) {
    std::thread::spawn(body).join().unwrap();
}

/// Ends what the driver began before, and has the kernel refuse every turn from now on.
fn refuse_turns(driver: &mut dyn Driver, error: i32) {
    assert_quiet(driver);
    forbid(libc::SYS_io_uring_enter, error);
}

/// The driver that goes on after the next refused turn.
fn successor(driver: &mut dyn Driver) -> Box<dyn Driver> {
    let error = driver.wait(Some(WATCHDOG)).unwrap_err();
    let successor = driver.successor(error).expect("a driver that goes on");
    assert_eq!(successor.name(), c"epoll");
    successor
}

#[test]
fn every_operation_goes_on() {
    apart(|| {
        let mut driver = io_uring_driver();
        let listener = listener();
        let pairs: [_; 5] = std::array::from_fn(|_| unix_pair());
        let [(readable, _), (writable, _), (receiver, _), (sender, _), (ended, _)] = &pairs;
        let filled = [fill(fd(writable)), fill(fd(sender))];
        let sent = pattern(100_000);
        driver.accept(fd(&listener), ACCEPT);
        driver.poll(fd(readable), Interest::Read, READ);
        driver.poll(fd(writable), Interest::Write, WRITE);
        driver.receive(fd(receiver), RECEIVE);
        driver.send(fd(sender), SEND, one_segment(sent.clone()));
        driver.receive(fd(ended), ENDED);
        refuse_turns(&mut *driver, libc::EPERM);
        driver.cancel(ENDED);
        let mut next_driver = successor(&mut *driver);
        drop(driver);
        let driver = &mut *next_driver;
        assert_eq!(summary(&next(driver)), (ENDED, Err(libc::ECANCELED), false));
        assert_quiet(driver);

        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(summary(&next(driver)), (ACCEPT, Ok(0), true));
        (&pairs[0].1).write_all(b"x").unwrap();
        assert_eq!(summary(&next(driver)), (READ, Ok(0), false));
        (&pairs[2].1).write_all(b"four").unwrap();
        assert_eq!(summary(&next(driver)), (RECEIVE, Ok(4), true));
        std::io::copy(&mut (&pairs[1].1).take(filled[0] as u64), &mut std::io::sink()).unwrap();
        assert_eq!(summary(&next(driver)), (WRITE, Ok(0), false));

        let mut rest = (&pairs[3].1).take(filled[1] as u64);
        std::io::copy(&mut rest, &mut std::io::sink()).unwrap();
        let (token, count, _) = summary(&next(driver));
        assert_eq!(token, SEND);
        let mut arrived = vec![0; count.unwrap()];
        (&pairs[3].1).read_exact(&mut arrived).unwrap();
        assert!(
            !arrived.is_empty() && sent.starts_with(&arrived),
            "the send happened once"
        );
        for token in [ACCEPT, RECEIVE] {
            cancel_and_join(driver, token);
        }
    });
}

#[test]
fn what_the_ring_had_found_is_told_first() {
    apart(|| {
        let mut driver = io_uring_driver();
        let (receiver, peer) = unix_pair();
        driver.receive(fd(&receiver), RECEIVE);
        assert_quiet(&mut *driver);
        (&peer).write_all(b"first").unwrap();
        wait(&mut *driver);
        forbid(libc::SYS_io_uring_enter, libc::EPERM);
        (&peer).write_all(b"second!").unwrap();
        let mut next_driver = driver.successor(libc::EPERM).expect("a driver that goes on");
        drop(driver);
        assert_eq!(summary(&next(&mut *next_driver)), (RECEIVE, Ok(5), true));
        assert_eq!(summary(&next(&mut *next_driver)), (RECEIVE, Ok(7), true));
        cancel_and_join(&mut *next_driver, RECEIVE);
    });
}

#[test]
fn a_waker_reaches_the_driver_that_goes_on() {
    apart(|| {
        let mut driver = io_uring_driver();
        let waker = driver.waker();
        refuse_turns(&mut *driver, libc::ENOSYS);
        let mut next_driver = successor(&mut *driver);
        drop(driver);
        let other = std::thread::spawn(move || waker.wake());
        wait(&mut *next_driver);
        assert!(matches!(next_driver.next(), Some(Completion::Woken)));
        other.join().unwrap();
    });
}

#[test]
fn a_refusal_that_may_pass_is_waited_out_for_a_while() {
    apart(|| {
        let mut driver = io_uring_driver();
        refuse_turns(&mut *driver, libc::ENOMEM);
        let error = driver.wait(None).unwrap_err();
        let refusals = (1..1000).find(|_| driver.successor(error).is_some());
        assert!(refusals.is_some_and(|count| count > 1), "{refusals:?}");
    });
}
