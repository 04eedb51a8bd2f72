//! Accepting, readiness and hang-ups.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use super::super::Interest;
use super::*;

on_both_drivers!(
    accepts_a_hundred_connections,
    a_failed_accept_can_be_started_again,
    poll_fires_once,
    poll_for_read_and_write_together,
    poll_sees_what_is_there_already,
    poll_sees_the_reader_of_a_full_pipe_go,
    more_operations_than_the_queues_hold,
    lasting_operations_survive_full_queues,
    every_operation_ends_when_the_peer_hangs_up,
    a_reset_connection_ends_every_operation,
    refused_operations_complete,
    descriptor_numbers_are_reused,
);

fn accepts_a_hundred_connections(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut peers: Vec<TcpStream> = (0..50).map(|_| connect()).collect();
    driver.accept(fd(&listener), 7);
    let mut accepted: Vec<OwnedFd> = Vec::new();
    while accepted.len() < 100 {
        if accepted.len() == 50 {
            peers.extend((0..50).map(|_| connect()));
        }
        let Completion::Accepted {
            token: 7,
            result: Ok(connection),
            more: true,
        } = next(&mut *driver)
        else {
            panic!("not a connection")
        };
        // SAFETY: asks for flags of a live descriptor.
        let flags = unsafe {
            (
                libc::fcntl(fd(&connection), libc::F_GETFD),
                libc::fcntl(fd(&connection), libc::F_GETFL) & libc::O_NONBLOCK,
            )
        };
        assert_eq!(flags, (libc::FD_CLOEXEC, libc::O_NONBLOCK));
        accepted.push(connection);
    }
    assert_quiet(&mut *driver);
    cancel_and_join(&mut *driver, 7);
    let theirs: HashSet<_> = peers.iter().map(|peer| peer.local_addr().unwrap()).collect();
    let ours: HashSet<_> = accepted
        .into_iter()
        .map(|connection| TcpStream::from(connection).peer_addr().unwrap())
        .collect();
    assert_eq!(ours, theirs);
}

fn a_failed_accept_can_be_started_again(mut driver: Box<dyn Driver>) {
    let listener = listener();
    driver.accept(fd(&listener), 1);
    assert_quiet(&mut *driver);
    // SAFETY: plain calls on a live descriptor.
    unsafe { libc::shutdown(fd(&listener), libc::SHUT_RD) };
    assert_eq!(summary(&next(&mut *driver)), (1, Err(libc::EINVAL), false));
    assert_quiet(&mut *driver);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::listen(fd(&listener), 8) }, 0);
    driver.accept(fd(&listener), 1);
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), true));
    cancel_and_join(&mut *driver, 1);
}

fn poll_fires_once(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    for token in 1..4 {
        driver.poll(fd(&near), Interest::Read, token);
        assert_quiet(&mut *driver);
        far.write_all(b"x").unwrap();
        assert_eq!(summary(&next(&mut *driver)), (token, Ok(0), false));
        far.write_all(b"y").unwrap();
        assert_quiet(&mut *driver);
        assert_eq!(super::super::receive_now(fd(&near), &mut [0; 8]), Ok(2));
    }
}

fn poll_for_read_and_write_together(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let filled = fill(fd(&near));
    driver.poll(fd(&near), Interest::Read, 1);
    driver.poll(fd(&near), Interest::Write, 2);
    assert_quiet(&mut *driver);
    far.write_all(b"x").unwrap();
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), false));
    assert_quiet(&mut *driver);
    far.read_exact(&mut vec![0; filled]).unwrap();
    assert_eq!(summary(&next(&mut *driver)), (2, Ok(0), false));
    assert_quiet(&mut *driver);
}

fn poll_sees_what_is_there_already(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    far.write_all(b"x").unwrap();
    for round in 0..3 {
        driver.poll(fd(&near), Interest::Read, round);
        assert_eq!(summary(&next(&mut *driver)), (round, Ok(0), false));
    }
    driver.poll(fd(&near), Interest::Write, 9);
    assert_eq!(summary(&next(&mut *driver)), (9, Ok(0), false));
    drop(far);
    driver.poll(fd(&near), Interest::Read, 10);
    assert_eq!(summary(&next(&mut *driver)), (10, Ok(0), false));
}

/// Such a pipe reports an error and no space.
fn poll_sees_the_reader_of_a_full_pipe_go(mut driver: Box<dyn Driver>) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: sets a flag of a live descriptor.
    unsafe { libc::fcntl(fd(&writer), libc::F_SETFL, libc::O_NONBLOCK) };
    while writer.write(&[0; 4096]).is_ok() {}
    driver.poll(fd(&writer), Interest::Write, 1);
    assert_quiet(&mut *driver);
    drop(reader);
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), false));
}

fn more_operations_than_the_queues_hold(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let count = 3000;
    for token in 0..count {
        driver.poll(fd(&near), Interest::Read, token);
    }
    assert_quiet(&mut *driver);
    far.write_all(b"x").unwrap();
    let mut fired = HashSet::new();
    for _ in 0..count {
        let (token, result, more) = summary(&next(&mut *driver));
        assert!(result.is_ok() && !more && fired.insert(token));
    }
    assert_quiet(&mut *driver);
}

/// So many operations complete at once that nothing is left for an accept and a receive, which the kernel then ends.
fn lasting_operations_survive_full_queues(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let (crowd, _crowd_far) = unix_pair();
    let (near, mut far) = unix_pair();
    let polls = 3000;
    driver.accept(fd(&listener), polls);
    driver.receive(fd(&near), polls + 1);
    assert_quiet(&mut *driver);
    for round in 0..3 {
        for token in 0..polls {
            driver.poll(fd(&crowd), Interest::Write, token);
        }
        let Completion::Ready { token: first, .. } = next(&mut *driver) else {
            panic!("not ready")
        };
        far.write_all(b"data").unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut fired = HashSet::from([first]);
        let (mut accepted, mut received) = (0, 0);
        for _ in 1..polls + 2 {
            match next(&mut *driver) {
                Completion::Ready { token, result: Ok(()) } => assert!(fired.insert(token)),
                Completion::Accepted {
                    result: Ok(_),
                    more: true,
                    ..
                } => accepted += 1,
                Completion::Received {
                    result: Ok(buffer),
                    more: true,
                    ..
                } => received += buffer.len(),
                other => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!((fired.len(), accepted, received), (3000, 1, 4));
    }
    cancel_and_join(&mut *driver, polls);
    cancel_and_join(&mut *driver, polls + 1);
}

fn every_operation_ends_when_the_peer_hangs_up(mut driver: Box<dyn Driver>) {
    let (near, far) = unix_pair();
    fill(fd(&near));
    driver.poll(fd(&near), Interest::Read, 1);
    driver.poll(fd(&near), Interest::Write, 2);
    driver.receive(fd(&near), 3);
    driver.send(fd(&near), 4, one_segment(vec![1; 10]));
    assert_quiet(&mut *driver);
    drop(far);
    let mut ended: Vec<_> = (0..4).map(|_| summary(&next(&mut *driver))).collect();
    ended.sort_unstable_by_key(|end| end.0);
    assert_eq!(ended[..2], [(1, Ok(0), false), (2, Ok(0), false)]);
    // The data that the peer did not read makes its hang-up a reset.
    assert!(
        matches!(ended[2], (3, Ok(0) | Err(libc::ECONNRESET), false)),
        "{:?}",
        ended[2]
    );
    assert!(
        matches!(ended[3], (4, Err(libc::EPIPE | libc::ECONNRESET), false)),
        "{:?}",
        ended[3]
    );
    assert_quiet(&mut *driver);
}

fn a_reset_connection_ends_every_operation(mut driver: Box<dyn Driver>) {
    let (near, peer) = tcp_pair();
    fill(fd(&near));
    driver.poll(fd(&near), Interest::Read, 1);
    driver.receive(fd(&near), 2);
    driver.send(fd(&near), 3, one_segment(vec![1; 10]));
    assert_quiet(&mut *driver);
    drop(peer);
    let ended: HashSet<Token> = (0..3)
        .map(|_| {
            let (token, _, more) = summary(&next(&mut *driver));
            assert!(!more);
            token
        })
        .collect();
    assert_eq!(ended.len(), 3);
    assert_sleeps(&mut *driver);
}

fn refused_operations_complete(mut driver: Box<dyn Driver>) {
    driver.accept(-1, 1);
    driver.poll(-1, Interest::Read, 2);
    driver.receive(-1, 3);
    driver.send(-1, 4, one_segment(vec![1]));
    let mut ended: Vec<_> = (0..4).map(|_| summary(&next(&mut *driver))).collect();
    ended.sort_unstable_by_key(|end| end.0);
    assert_eq!(ended, [1, 2, 3, 4].map(|token| (token, Err(libc::EBADF), false)));
    let (near, _far) = unix_pair();
    driver.poll(fd(&near), Interest::Read, 5);
    driver.poll(fd(&near), Interest::Read, 5);
    assert_eq!(summary(&next(&mut *driver)), (5, Err(libc::EEXIST), false));
    driver.receive(fd(&near), super::super::TOKENS_MAX);
    assert_eq!(
        summary(&next(&mut *driver)),
        (super::super::TOKENS_MAX, Err(libc::EINVAL), false)
    );
    driver.poll(fd(&near), Interest::Read, super::super::TOKENS_MAX - 1);
    cancel_and_join(&mut *driver, super::super::TOKENS_MAX - 1);
    cancel_and_join(&mut *driver, 5);
    assert_quiet(&mut *driver);
}

fn descriptor_numbers_are_reused(mut driver: Box<dyn Driver>) {
    for round in 0..20 {
        let (near, mut far) = unix_pair();
        // A copy, as a forked child has one, keeps the file open when the descriptor is closed.
        let copy = near.try_clone().unwrap();
        driver.poll(fd(&near), Interest::Read, round);
        far.write_all(b"x").unwrap();
        assert_eq!(summary(&next(&mut *driver)), (round, Ok(0), false));
        drop(near);
        far.write_all(b"x").unwrap();
        assert_quiet(&mut *driver);
        let (other, mut other_far) = unix_pair();
        driver.receive(fd(&other), 100 + round);
        assert_quiet(&mut *driver);
        far.write_all(b"x").unwrap();
        other_far.write_all(b"hello").unwrap();
        assert_eq!(summary(&next(&mut *driver)), (100 + round, Ok(5), true));
        cancel_and_join(&mut *driver, 100 + round);
        drop(other);
        other_far.write_all(b"x").unwrap_err();
        far.write_all(b"x").unwrap();
        assert_sleeps(&mut *driver);
        drop(copy);
    }
}
