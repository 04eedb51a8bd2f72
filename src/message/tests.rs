//! Tests of messages and bodies: what is copied, what is shared, and that free functions run exactly once.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::body::BODY_WINDOW_BYTES_MAX;
use super::*;

/// A buffer of the caller's, and how often it was given back.
struct Caller {
    buffer: Vec<u8>,
    freed: AtomicUsize,
}

impl Caller {
    fn new(len: usize) -> Box<Caller> {
        Box::new(Caller {
            buffer: (0..len).map(|index| index as u8).collect(),
            freed: AtomicUsize::new(0),
        })
    }

    fn message(&self) -> Message {
        let hint = (&raw const *self).cast_mut().cast();
        // SAFETY: every test keeps the caller until its messages are gone, and nothing writes to the buffer.
        unsafe {
            Message::from_extern(
                self.buffer.as_ptr().cast_mut(),
                self.buffer.len(),
                Some(give_back),
                hint,
            )
        }
        .unwrap()
    }

    fn freed(&self) -> usize {
        self.freed.load(Ordering::SeqCst)
    }
}

unsafe extern "C-unwind" fn give_back(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is the caller that outlives its messages.
    let caller = unsafe { &*hint.cast::<Caller>() };
    assert_eq!(data.cast_const().cast::<u8>(), caller.buffer.as_ptr());
    caller.freed.fetch_add(1, Ordering::SeqCst);
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7) as u8).collect()
}

#[test]
fn a_message_holds_what_it_was_made_from_at_every_length() {
    for len in (0..200).chain([4096, 70_000]) {
        let mut message = Message::from_slice(&bytes(len)).unwrap();
        assert_eq!(message.data(), bytes(len));
        assert_eq!(message.len(), len);
        assert!(!message.is_shared());
        assert_eq!(message.data_ptr().cast_const(), message.data().as_ptr());
        let alignment = if len <= INLINE_BYTES_MAX { 8 } else { 16 };
        assert_eq!(message.data_ptr() as usize % alignment, 0, "length {len}");
        assert_eq!(&*message.into_body().unwrap(), bytes(len));
    }
}

#[test]
fn a_sized_message_is_written_by_its_owner() {
    for len in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 100_000] {
        let mut message = Message::with_size(len).unwrap();
        message.data_mut().unwrap().copy_from_slice(&bytes(len));
        assert_eq!(message.data(), bytes(len));
    }
}

#[test]
fn a_part_of_what_was_received_is_overwritten_within_its_memory() {
    for (total, start, lengths) in [(40_960, 48, [40_912, 40_960]), (300, 48, [255, 200])] {
        for length in lengths {
            let mut builder = BodyBuilder::new(total).unwrap();
            builder.spare().unwrap().fill(1);
            builder.advance(total);
            let mut message = Message::from_body(builder.finish_part(start..total));
            assert_eq!(message.data(), vec![1; total - start]);
            let other: Vec<u8> = (0..length).map(|place| place as u8).collect();
            message.refill(&other).unwrap();
            assert_eq!(message.data(), other, "{total}, {length}");
            let body = message.body().map(|body| body.as_ptr().addr());
            assert!(body.is_none_or(|place| place % 16 == 0), "it begins where bodies begin");
        }
    }
}

#[test]
fn impossible_lengths_are_refused() {
    for len in [usize::MAX, usize::MAX - 64, isize::MAX as usize, 1 << 62] {
        assert_eq!(Message::with_size(len).unwrap_err(), Error::NoMemory);
    }
    // SAFETY: the null buffer is refused before anybody reads it.
    let refused = unsafe { Message::from_extern(std::ptr::null_mut(), 1, Some(give_back), std::ptr::null_mut()) };
    assert_eq!(refused.unwrap_err(), Error::Fault);
}

#[test]
fn small_bodies_are_copied_and_large_ones_shared() {
    for length in [0, REFERENCE_INLINE_BYTES_MAX.into(), INLINE_BYTES_MAX] {
        let mut small = Message::from_slice(&bytes(length)).unwrap();
        let copy = small.share();
        assert_ne!(copy.data().as_ptr(), small.data().as_ptr());
        assert_eq!(copy.data(), small.data());
        let reports = length > REFERENCE_INLINE_BYTES_MAX.into();
        assert_eq!((copy.is_shared(), small.is_shared()), (reports, reports), "{length}");
    }

    let mut large = Message::from_slice(&bytes(INLINE_BYTES_MAX + 1)).unwrap();
    let copy = large.share();
    assert_eq!(copy.data().as_ptr(), large.data().as_ptr());
    assert!(copy.is_shared() && large.is_shared());
    assert!(large.data_mut().is_none());
    drop(copy);
    assert!(
        large.is_shared(),
        "as in libzmq, a message that was shared once stays so"
    );
    assert!(large.data_mut().is_some());
}

#[test]
fn constant_bodies_are_shared_and_never_written() {
    static DATA: &[u8] = &[7; 100];
    // SAFETY: statics live for good.
    let mut message = unsafe { Message::from_constant(DATA.as_ptr(), DATA.len()) };
    assert!(message.is_shared());
    assert_eq!(message.data_ptr().cast_const(), DATA.as_ptr());
    assert!(message.data_mut().is_none());
    let moved = message.take();
    assert!(moved.is_shared() && !message.is_shared());
    let body = moved.into_body().unwrap();
    assert_eq!(body.as_ptr(), DATA.as_ptr());
    assert!(Message::from_body(body.clone()).is_shared());
    // SAFETY: without a free function and without bytes there is nothing to promise.
    let mut empty = unsafe { Message::from_extern(std::ptr::null_mut(), 0, None, std::ptr::null_mut()) }.unwrap();
    assert!(empty.data().is_empty() && empty.data_ptr().is_null());
}

#[test]
fn a_free_function_runs_once_whatever_happens_to_the_message() {
    for len in [0, 3, 1000] {
        let caller = Caller::new(len);
        let mut message = caller.message();
        assert_eq!(
            message.data_ptr().cast_const(),
            caller.buffer.as_ptr(),
            "the caller's own pointer, at any size"
        );
        let mut copy = message.share();
        let moved = copy.take();
        drop(message);
        drop(copy);
        assert_eq!(caller.freed(), 0);
        let body = moved.into_body().unwrap();
        let rides = body.clone();
        drop(body);
        let message = Message::from_body(rides);
        assert_eq!(message.data(), caller.buffer);
        assert_eq!(caller.freed(), 0);
        drop(message);
        assert_eq!(caller.freed(), 1);
    }
}

#[test]
fn a_free_function_runs_once_across_threads() {
    for _ in 0..200 {
        let caller = Caller::new(100);
        let body = caller.message().into_body().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut message = Message::from_body(body.clone());
                scope.spawn(move || {
                    let copies: Vec<Message> = (0..8).map(|_| message.share()).collect();
                    drop(message);
                    copies
                        .into_iter()
                        .map(|copy| usize::from(copy.data()[99]))
                        .sum::<usize>()
                });
            }
            drop(body);
        });
        assert_eq!(caller.freed(), 1);
    }
}

#[test]
fn flags_and_metadata_travel_with_the_message() {
    let metadata = Metadata::new(5, [(&b"Socket-Type"[..], &b"REQ"[..])]).unwrap();
    let mut message = Message::from_slice(b"part").unwrap();
    message.set_more(true);
    message.set_metadata(Some(&metadata));
    let mut copy = message.share();
    let moved = message.take();
    assert!(!message.more() && message.is_empty() && message.metadata().is_none());
    for message in [&copy, &moved] {
        assert!(message.more());
        assert_eq!(message.metadata().unwrap().get("Socket-Type"), Some(c"REQ"));
    }
    assert_eq!(Arc::strong_count(&metadata), 3);
    copy.set_metadata(None);
    copy.set_more(false);
    assert!(!copy.more() && copy.metadata().is_none());
    drop(moved.into_body());
    assert_eq!(Arc::strong_count(&metadata), 1);
}

#[test]
fn closed_and_foreign_memory_is_a_fault() {
    let caller = Caller::new(64);
    let mut message = caller.message();
    message.set_more(true);
    let pointer = &raw mut message;
    // SAFETY: the pointer is to a live message on this thread's stack, or null.
    unsafe {
        assert!(check(pointer).is_ok() && check_mut(pointer).is_ok());
        assert_eq!(close(pointer), Ok(()));
        assert_eq!(caller.freed(), 1);
        assert_eq!(close(pointer), Err(Error::Fault));
        assert_eq!(check(pointer).unwrap_err(), Error::Fault);
        assert_eq!(check_mut(pointer).unwrap_err(), Error::Fault);
        let closed = check_initialised(pointer).unwrap();
        assert!(closed.more() && closed.is_empty() && closed.data().is_empty());
        assert_eq!(check(std::ptr::null()).unwrap_err(), Error::Fault);
        assert_eq!(close(std::ptr::null_mut()), Err(Error::Fault));
        assert_eq!(initialise(std::ptr::null_mut(), Message::new()), Err(Error::Fault));
    }
    drop(message);
    assert_eq!(caller.freed(), 1);
    for fill in [0x00, 0x5a, 0xff] {
        let mut memory = MaybeUninit::<Message>::uninit();
        // SAFETY: the memory is as large as a message, and `check` looks before it believes.
        unsafe {
            memory.as_mut_ptr().cast::<u8>().write_bytes(fill, size_of::<Message>());
            assert_eq!(check_initialised(memory.as_ptr()).unwrap_err(), Error::Fault);
            mark_closed(memory.as_mut_ptr());
            assert_eq!(close(memory.as_mut_ptr()), Err(Error::Fault));
            assert_eq!(
                initialise(memory.as_mut_ptr(), Message::from_slice(&[1; 99]).unwrap()),
                Ok(())
            );
            assert_eq!(close(memory.as_mut_ptr()), Ok(()));
        }
    }
}

#[test]
fn a_message_may_be_copied_byte_by_byte() {
    let caller = Caller::new(64);
    for original in [
        Message::from_slice(b"inline").unwrap(),
        Message::from_slice(&[3; 100]).unwrap(),
        caller.message(),
    ] {
        let expected = original.data().to_vec();
        let original = ManuallyDrop::new(original);
        // SAFETY: the original is never used or dropped again, as when a C program copies the structure.
        let mut copy = unsafe { std::ptr::read(&raw const *original) };
        assert_eq!(copy.data(), expected);
        assert_eq!(copy.data_ptr().cast_const(), copy.data().as_ptr());
    }
    assert_eq!(caller.freed(), 1);
}

#[test]
fn a_builder_assembles_any_length_from_any_chunks() {
    for total in [
        0,
        1,
        1000,
        BODY_WINDOW_BYTES_MAX,
        BODY_WINDOW_BYTES_MAX + 1,
        5 * BODY_WINDOW_BYTES_MAX + 17,
    ] {
        for chunk in [total.div_ceil(7).max(1), usize::MAX] {
            let expected = bytes(total);
            let mut builder = BodyBuilder::new(total).unwrap();
            while !builder.is_complete() {
                let arrived = builder.len();
                let spare = builder.spare().unwrap();
                assert_eq!(spare.len(), (total - arrived).min(BODY_WINDOW_BYTES_MAX));
                let count = spare.len().min(chunk);
                spare[..count].copy_from_slice(&expected[arrived..arrived + count]);
                builder.advance(count);
            }
            assert!(builder.spare().unwrap().is_empty());
            let body = builder.finish();
            assert!(*body == expected[..], "total {total}, chunk {chunk}");
            assert_eq!(body.as_ptr() as usize % 16, 0);
        }
    }
}

#[test]
fn a_builder_is_cheap_until_bytes_arrive() {
    let mut huge = BodyBuilder::new(1 << 62).unwrap();
    assert_eq!(huge.spare().unwrap().len(), BODY_WINDOW_BYTES_MAX);
    huge.advance(10);
    assert_eq!(huge.len(), 10);
    assert_eq!(huge.finish().len(), 10);
    drop(BodyBuilder::new(usize::MAX).unwrap());
}

#[test]
fn a_message_that_is_filled_again_uses_its_own_memory_and_nobody_elses() {
    let long = |byte: u8, len: usize| vec![byte; len];
    let mut message = Message::from_slice(&long(1, 100)).unwrap();
    let place = message.data().as_ptr();
    message.set_more(true);
    message.refill(&long(2, 90)).unwrap();
    assert_eq!(
        (message.data(), message.data().as_ptr(), message.more()),
        (&long(2, 90)[..], place, false)
    );
    let copy = message.share();
    message.refill(&long(3, 90)).unwrap();
    assert_eq!((copy.data(), message.data()), (&long(2, 90)[..], &long(3, 90)[..]));
    assert!(!message.is_shared());
    for len in [0, 48, 49, 5_000, 64, 7] {
        message.refill(&long(len as u8, len)).unwrap();
        assert_eq!(message.data(), long(len as u8, len));
    }
    let caller = Caller::new(80);
    let mut message = caller.message();
    message.refill(&long(4, 80)).unwrap();
    assert_eq!((caller.freed(), message.data()), (1, &long(4, 80)[..]));
    assert_eq!(caller.buffer[79], 79);
}
