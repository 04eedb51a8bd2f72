//! What a thread has left unsent: the sockets where its messages wait for others of their burst. When the thread is about to sleep
//! nothing will follow, and they go out. The alarm that was set for them is for a thread that sleeps elsewhere.
//!
//! Kept for each thread, and touched by it alone.

use std::cell::Cell;
use std::sync::{Arc, Weak};

use super::{Note, Shared};
use crate::sys::descriptors::generation;

/// Of more sockets at a time nothing is kept: the alarm sees to them.
const SOCKETS_MAX: usize = 8;

#[derive(Default)]
struct Left {
    sockets: Vec<Weak<Shared>>,
    /// The process that they belong to: see [`generation`].
    process: u32,
}

thread_local! {
    static MINE: Cell<Option<Left>> = const { Cell::new(None) };
}

/// The calling thread left something unsent in a socket.
pub(super) fn leave(shared: &Arc<Shared>) {
    // A thread that is being torn down leaves it to the alarm.
    let _ = MINE.try_with(|mine| {
        let mut left = mine
            .take()
            .filter(|left| left.process == generation())
            .unwrap_or_default();
        left.process = generation();
        let is_known = left.sockets.iter().any(|one| Weak::as_ptr(one) == Arc::as_ptr(shared));
        if !is_known && left.sockets.len() < SOCKETS_MAX && left.sockets.try_reserve(1).is_ok() {
            left.sockets.push(Arc::downgrade(shared));
        }
        mine.set(Some(left));
    });
}

/// Nothing is left unsent in a socket.
pub(super) fn forget(shared: &Arc<Shared>) {
    let _ = MINE.try_with(|mine| {
        if let Some(mut left) = mine.take() {
            left.sockets.retain(|one| Weak::as_ptr(one) != Arc::as_ptr(shared));
            mine.set(Some(left));
        }
    });
}

/// The calling thread is about to sleep: what it left is sent. It must hold no lock.
pub(super) fn send() {
    let _ = MINE.try_with(|mine| {
        let Some(mut left) = mine.take() else { return };
        for socket in left.sockets.drain(..).filter(|_| left.process == generation()) {
            if let Some(shared) = socket.upgrade() {
                shared.post(Note::Flush);
            }
        }
        mine.set(Some(left));
    });
}
