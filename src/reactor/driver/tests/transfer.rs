//! Receiving and sending streams.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::thread;

use crate::message::Body;

use super::super::{RECEIVE_BUFFERS, ReceivedBuffer, SEGMENTS_PER_SEND_MAX};
use super::*;

on_both_drivers!(
    receives_ten_megabytes_in_order_though_buffers_come_back_late,
    many_connections_share_the_buffers,
    a_paused_receive_can_be_cancelled,
    sends_eight_megabytes_to_a_slow_reader,
    segments_go_out_in_order,
    bodies_ride_by_reference,
    receive_and_send_together,
    empty_buffers_are_sent_at_once,
);

fn receives_ten_megabytes_in_order_though_buffers_come_back_late(mut driver: Box<dyn Driver>) {
    let (near, mut peer) = tcp_pair();
    let bytes = pattern(10 * 1024 * 1024);
    let expected = bytes.clone();
    let writer = thread::spawn(move || peer.write_all(&bytes).unwrap());
    driver.receive(fd(&near), 1);
    let mut held: VecDeque<ReceivedBuffer> = VecDeque::new();
    let (mut position, mut pauses) = (0, 0);
    loop {
        let Completion::Received {
            token: 1,
            result: Ok(buffer),
            more,
        } = next(&mut *driver)
        else {
            panic!("no data")
        };
        if !more {
            assert!(buffer.is_empty());
            break;
        }
        assert!(!buffer.is_empty());
        assert!(
            buffer[..] == expected[position..position + buffer.len()],
            "wrong bytes at {position}"
        );
        position += buffer.len();
        held.push_back(buffer);
        if held.len() == usize::from(RECEIVE_BUFFERS) {
            assert_quiet(&mut *driver);
            pauses += 1;
            for buffer in held.drain(..100) {
                driver.release(buffer);
            }
        }
    }
    assert_eq!(position, expected.len());
    assert!(pauses >= 3, "the buffers never ran out");
    assert_quiet(&mut *driver);
    writer.join().unwrap();
}

fn many_connections_share_the_buffers(mut driver: Box<dyn Driver>) {
    let pairs: Vec<_> = (0..400).map(|_| unix_pair()).collect();
    for (token, (near, far)) in pairs.iter().enumerate() {
        (&*far).write_all(&(token as u32).to_le_bytes()).unwrap();
        driver.receive(fd(near), token as Token);
    }
    let mut held = Vec::new();
    for _ in 0..RECEIVE_BUFFERS {
        held.push(received(&mut *driver));
    }
    assert_quiet(&mut *driver);
    let mut seen: Vec<Token> = held.iter().map(|(token, _)| *token).collect();
    for index in 0..pairs.len() - held.len() {
        held[index].1 = ReceivedBuffer::empty();
        let (token, _buffer) = received(&mut *driver);
        seen.push(token);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<Token>>());
    for token in 0..400 {
        cancel_and_join(&mut *driver, token);
    }
}

fn received(driver: &mut dyn Driver) -> (Token, ReceivedBuffer) {
    let Completion::Received {
        token,
        result: Ok(buffer),
        more: true,
    } = next(driver)
    else {
        panic!("no data")
    };
    assert_eq!(buffer[..], (token as u32).to_le_bytes());
    (token, buffer)
}

fn a_paused_receive_can_be_cancelled(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let mut held = Vec::new();
    driver.receive(fd(&near), 1);
    for _ in 0..RECEIVE_BUFFERS {
        far.write_all(b"x").unwrap();
        held.push(next(&mut *driver));
    }
    far.write_all(b"y").unwrap();
    assert_sleeps(&mut *driver);
    cancel_and_join(&mut *driver, 1);
    assert_quiet(&mut *driver);
    driver.receive(fd(&near), 1);
    assert_quiet(&mut *driver);
    held.pop();
    let Completion::Received { result: Ok(buffer), .. } = next(&mut *driver) else {
        panic!("no data")
    };
    assert_eq!(buffer[..], *b"y");
    cancel_and_join(&mut *driver, 1);
}

fn sends_eight_megabytes_to_a_slow_reader(mut driver: Box<dyn Driver>) {
    let (near, mut peer) = tcp_pair();
    let expected = pattern(8 * 1024 * 1024);
    let reader = thread::spawn(move || {
        let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            match peer.read(&mut chunk).unwrap() {
                0 => return received,
                count => received.extend_from_slice(&chunk[..count]),
            }
        }
    });
    let mut buffers = SendBuffers::new();
    for chunk in expected.chunks(100_000) {
        buffers.push(Segment::Bytes(chunk.to_vec()));
    }
    let mut sends = 0;
    while !buffers.is_empty() {
        driver.send(fd(&near), sends, buffers);
        let Completion::Sent {
            token,
            result: Ok(count),
            buffers: returned,
        } = next(&mut *driver)
        else {
            panic!("not sent")
        };
        assert!(token == sends && count > 0 && count <= returned.remaining());
        buffers = returned;
        buffers.advance(count);
        sends += 1;
    }
    assert!(sends > 1, "the kernel took everything at once");
    drop(near);
    assert!(reader.join().unwrap() == expected);
}

fn segments_go_out_in_order(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let expected = pattern(200 * 201 / 2);
    let mut buffers = SendBuffers::new();
    let mut rest = &expected[..];
    for length in 0..=200 {
        let (segment, after) = rest.split_at(length);
        buffers.push(Segment::Bytes(segment.to_vec()));
        rest = after;
    }
    while !buffers.is_empty() {
        let most = buffers.segments().min(SEGMENTS_PER_SEND_MAX);
        driver.send(fd(&near), 5, buffers);
        let Completion::Sent {
            token: 5,
            result: Ok(count),
            buffers: returned,
        } = next(&mut *driver)
        else {
            panic!("not sent")
        };
        buffers = returned;
        let before = buffers.segments();
        buffers.advance(count);
        assert_eq!(before - buffers.segments(), most, "one send takes {most} segments");
    }
    let mut received = vec![0; expected.len()];
    far.read_exact(&mut received).unwrap();
    assert!(received == expected);
}

fn bodies_ride_by_reference(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let body = Body::from_slice(b"body").unwrap();
    let mut buffers = one_segment(b"frame ".to_vec());
    buffers.push(Segment::Body(body.clone()));
    buffers.push(Segment::Bytes(b" frame ".to_vec()));
    buffers.push(Segment::Body(body));
    driver.send(fd(&near), 1, buffers);
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(21), false));
    let mut received = [0; 21];
    far.read_exact(&mut received).unwrap();
    assert_eq!(received, *b"frame body frame body");
}

fn receive_and_send_together(mut driver: Box<dyn Driver>) {
    let (near, mut far) = unix_pair();
    let filled = fill(fd(&near));
    driver.receive(fd(&near), 1);
    driver.send(fd(&near), 2, one_segment(b"question".to_vec()));
    assert_quiet(&mut *driver);
    far.write_all(b"hello").unwrap();
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(5), true));
    far.read_exact(&mut vec![0; filled]).unwrap();
    assert_eq!(summary(&next(&mut *driver)), (2, Ok(8), false));
    far.write_all(b"again").unwrap();
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(5), true));
    drop(far);
    assert!(matches!(
        summary(&next(&mut *driver)),
        (1, Ok(0) | Err(libc::ECONNRESET), false)
    ));
    assert_quiet(&mut *driver);
}

fn empty_buffers_are_sent_at_once(mut driver: Box<dyn Driver>) {
    let (near, _far) = unix_pair();
    driver.send(fd(&near), 1, SendBuffers::new());
    assert_eq!(summary(&next(&mut *driver)), (1, Ok(0), false));
}
