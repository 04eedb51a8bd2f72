//! Models of the reference count of messages' bodies: the memory is given back once, after everybody has let go of it, and who is alone
//! with it may write.
#![allow(unsafe_code, reason = "a caller's buffer with a free function")]
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads are one, and it reports what would be a race"
)]

use std::ffi::c_void;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use crate::Model;
use crate::message::Message;

pub const MODELS: &[Model] = &[
    (
        "body: memory is given back once, when nobody reads it any more",
        the_last_gives_it_back,
    ),
    ("body: who is alone may write", who_is_alone_may_write),
];

/// A caller's buffer. Loom reports a read of the content that a write is not ordered against.
#[derive(Default)]
struct Buffer {
    content: UnsafeCell<u8>,
    freed: AtomicU32,
}

impl Buffer {
    fn read(&self) -> u8 {
        // SAFETY: loom reports a write at the same time.
        self.content.with(|content| unsafe { *content })
    }

    fn write(&self) {
        // SAFETY: loom reports any other access at the same time.
        self.content.with_mut(|content| unsafe { *content += 1 });
    }
}

unsafe extern "C-unwind" fn give_back(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint came from `Arc::into_raw`, and the function is called once; a second call would be reported by the count, for
    // which each model keeps a reference.
    let buffer = unsafe { Arc::from_raw(hint.cast::<Buffer>()) };
    buffer.write();
    buffer.freed.fetch_add(1, Ordering::Relaxed);
}

fn message(buffer: &Arc<Buffer>) -> Message {
    static BYTES: [u8; 1] = [0];
    let hint = Arc::into_raw(buffer.clone()).cast_mut().cast();
    // SAFETY: nobody reads through the pointer, or writes, and the hint is the function's.
    unsafe { Message::from_extern(BYTES.as_ptr().cast_mut(), 1, Some(give_back), hint) }.unwrap()
}

/// A thread that reads a message and lets go of it.
fn reader(buffer: &Arc<Buffer>, message: Message) -> thread::JoinHandle<()> {
    let buffer = buffer.clone();
    thread::spawn(move || {
        buffer.read();
        drop(message);
    })
}

fn the_last_gives_it_back() {
    let buffer = Arc::new(Buffer::default());
    let mut first = message(&buffer);
    let readers = [first.share(), first.share()].map(|copy| reader(&buffer, copy));
    buffer.read();
    drop(first);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert_eq!(buffer.freed.load(Ordering::Relaxed), 1, "times that it was given back");
    assert_eq!(buffer.read(), 1);
}

fn who_is_alone_may_write() {
    let buffer = Arc::new(Buffer::default());
    let mut first = message(&buffer);
    let copy = first.share();
    // The reader runs first unless loom tries otherwise: it does so for accesses that change what an earlier one left.
    let writer = {
        let buffer = buffer.clone();
        thread::spawn(move || {
            if first.data_mut().is_some() {
                buffer.write();
            }
            first
        })
    };
    buffer.read();
    drop(copy);
    let mut first = writer.join().unwrap();
    assert!(first.data_mut().is_some(), "nobody else is left");
    buffer.write();
    drop(first);
    assert_eq!(buffer.freed.load(Ordering::Relaxed), 1, "times that it was given back");
}
