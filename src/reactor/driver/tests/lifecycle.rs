//! Cancelling, waking, sleeping and dropping.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use super::super::Interest;
use super::*;

on_both_drivers!(
    every_kind_of_operation_is_cancelled_once,
    cancelling_what_has_completed_changes_nothing,
    cancelling_in_the_same_turn_as_starting,
    a_token_is_free_after_its_final_completion,
    data_before_the_cancellation_is_not_lost,
    ten_thousand_wake_ups_one_by_one,
    wake_ups_from_many_threads,
    a_wake_up_before_the_wait_counts,
    the_timeout_is_kept_and_idle_costs_no_cpu,
    dropping_with_operations_in_flight,
);

fn every_kind_of_operation_is_cancelled_once(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let (near, _far) = unix_pair();
    fill(fd(&near));
    driver.accept(fd(&listener), 1);
    driver.poll(fd(&near), Interest::Read, 2);
    driver.poll(fd(&near), Interest::Write, 3);
    driver.receive(fd(&near), 4);
    driver.send(fd(&near), 5, one_segment(vec![9; 100]));
    assert_quiet(&mut *driver);
    for _ in 0..2 {
        for token in 0..=6 {
            driver.cancel(token);
        }
    }
    let mut finals: HashMap<Token, u32> = HashMap::new();
    for _ in 0..5 {
        let completion = next(&mut *driver);
        let (token, result, more) = summary(&completion);
        assert_eq!((result, more), (Err(libc::ECANCELED), false), "{token}");
        *finals.entry(token).or_default() += 1;
        if let Completion::Sent { buffers, .. } = completion {
            assert_eq!(buffers.remaining(), 100);
        }
    }
    assert_eq!(finals, (1..=5).map(|token| (token, 1)).collect());
    assert_quiet(&mut *driver);
}

fn cancelling_what_has_completed_changes_nothing(mut driver: Box<dyn Driver>) {
    let (near, _far) = unix_pair();
    for token in 0..50 {
        driver.poll(fd(&near), Interest::Write, token);
        wait(&mut *driver);
        driver.cancel(token);
        assert_eq!(summary(&next(&mut *driver)), (token, Ok(0), false));
        driver.cancel(token);
    }
    assert_quiet(&mut *driver);
}

fn cancelling_in_the_same_turn_as_starting(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    far.write_all(b"x").unwrap();
    driver.receive(fd(&near), 1);
    driver.cancel(1);
    driver.send(fd(&near), 2, one_segment(vec![1]));
    driver.cancel(2);
    driver.poll(fd(&near), Interest::Read, 3);
    driver.cancel(3);
    let mut finals = 0;
    while finals < 3 {
        let (_, result, more) = summary(&next(&mut *driver));
        assert!(result.is_ok() || result == Err(libc::ECANCELED));
        finals += u32::from(!more);
    }
    assert_quiet(&mut *driver);
}

/// The cancellation of the first operation is still queued when the second one starts under its token.
fn a_token_is_free_after_its_final_completion(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    for _ in 0..50 {
        driver.poll(fd(&near), Interest::Write, 1);
        wait(&mut *driver);
        driver.cancel(1);
        assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), false));
        driver.poll(fd(&near), Interest::Read, 1);
        assert_quiet(&mut *driver);
        far.write_all(b"x").unwrap();
        assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), false));
        assert_eq!(super::super::receive_now(fd(&near), &mut [0; 8]), Ok(1));
    }
}

fn data_before_the_cancellation_is_not_lost(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let expected = pattern(200_000);
    let mut received = Vec::new();
    let mut rest = &expected[..];
    let mut token = 0;
    while received.len() < expected.len() {
        driver.receive(fd(&near), token);
        let (now, later) = rest.split_at(rest.len().min(10_000));
        far.write_all(now).unwrap();
        rest = later;
        wait(&mut *driver);
        driver.cancel(token);
        loop {
            match next(&mut *driver) {
                Completion::Received {
                    result: Ok(buffer),
                    more: true,
                    ..
                } => received.extend_from_slice(&buffer),
                Completion::Received {
                    result: Err(libc::ECANCELED),
                    more: false,
                    ..
                } => break,
                other => panic!("{other:?}"),
            }
        }
        token += 1;
    }
    assert!(received == expected);
}

fn wait_until_woken(driver: &mut dyn Driver) {
    loop {
        wait(driver);
        match driver.next() {
            Some(Completion::Woken) => return,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
}

fn ten_thousand_wake_ups_one_by_one(mut driver: Box<dyn Driver>) {
    let waker = driver.waker();
    let (acknowledge, acknowledged) = mpsc::channel();
    let sent = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&sent);
    let thread = thread::spawn(move || {
        for number in 1..=10_000 {
            counter.store(number, Ordering::Relaxed);
            waker.wake();
            if acknowledged.recv() != Ok(number) {
                return;
            }
        }
    });
    for number in 1..=10_000 {
        wait_until_woken(&mut *driver);
        assert_eq!(
            sent.load(Ordering::Relaxed),
            number,
            "what came before the wake-up is visible"
        );
        acknowledge.send(number).unwrap();
    }
    thread.join().unwrap();
    assert_quiet(&mut *driver);
}

fn wake_ups_from_many_threads(mut driver: Box<dyn Driver>) {
    let sent = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (waker, sent) = (driver.waker(), Arc::clone(&sent));
            thread::spawn(move || {
                for _ in 0..2_500 {
                    sent.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        })
        .collect();
    while sent.load(Ordering::Relaxed) < 10_000 {
        wait_until_woken(&mut *driver);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn a_wake_up_before_the_wait_counts(mut driver: Box<dyn Driver>) {
    let waker = driver.waker();
    waker.wake();
    waker.wake();
    wait(&mut *driver);
    assert!(matches!(driver.next(), Some(Completion::Woken)));
    assert_quiet(&mut *driver);
    waker.wake();
    driver.wait(Some(Duration::ZERO)).unwrap();
    assert!(matches!(driver.next(), Some(Completion::Woken)));
    drop(driver);
    waker.wake();
}

/// CPU time that this thread has used.
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills a live local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn the_timeout_is_kept_and_idle_costs_no_cpu(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let (near, _far) = unix_pair();
    let (fired, mut fired_far) = unix_pair();
    driver.accept(fd(&listener), 1);
    driver.receive(fd(&near), 2);
    driver.poll(fd(&near), Interest::Read, 3);
    driver.poll(fd(&fired), Interest::Read, 4);
    fired_far.write_all(b"x").unwrap();
    assert_eq!(summary(&next(&mut *driver)), (4, Ok(0), false));
    assert_quiet(&mut *driver);
    for timeout in [
        Duration::from_micros(200),
        Duration::from_millis(3),
        Duration::from_millis(400),
    ] {
        let (start, cpu) = (Instant::now(), thread_cpu_time());
        driver.wait(Some(timeout)).unwrap();
        assert!(start.elapsed() >= timeout);
        assert!(driver.next().is_none());
        assert!(
            thread_cpu_time() - cpu < Duration::from_millis(100),
            "an idle driver does not spin"
        );
    }
}

fn dropping_with_operations_in_flight(mut driver: Box<dyn Driver>) {
    let listener = listener();
    let (near, mut far) = unix_pair();
    let (blocked, mut blocked_far) = unix_pair();
    let (unread, mut unread_far) = unix_pair();
    let filled = fill(fd(&blocked));
    driver.accept(fd(&listener), 1);
    driver.receive(fd(&near), 2);
    driver.poll(fd(&near), Interest::Read, 3);
    driver.send(fd(&blocked), 4, one_segment(vec![7; 100]));
    driver.receive(fd(&unread), 5);
    assert_quiet(&mut *driver);
    unread_far.write_all(b"lent").unwrap();
    let Completion::Received { result: Ok(lent), .. } = next(&mut *driver) else {
        panic!("no data")
    };
    unread_far.write_all(b"received and never asked for").unwrap();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    wait(&mut *driver);
    // One that was never even submitted.
    driver.receive(fd(&blocked), 6);
    drop(driver);
    assert_eq!(lent[..], *b"lent");
    drop(lent);
    // Nothing of the driver's acts on the descriptors any more.
    far.write_all(b"for somebody else").unwrap();
    assert_eq!(super::super::receive_now(fd(&near), &mut [0; 64]), Ok(17));
    blocked_far.read_exact(&mut vec![0; filled]).unwrap();
    drop(blocked);
    assert_eq!(blocked_far.read(&mut [0; 8]).unwrap(), 0);
}
