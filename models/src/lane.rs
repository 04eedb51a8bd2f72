//! Models of the [`Lane`]: a reader that was told that nothing is there is called when something is, also where its writer held
//! that back.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use crate::Model;
use crate::pipe::{Batch, Lane, Pushed, Taken};
use crate::sys::lock::{Deferred, Lock};

pub const MODELS: &[Model] = &[
    ("lane: a reader that found nothing is called", a_reader_is_called),
    (
        "lane: what its writer holds back is asked for",
        what_is_held_back_is_asked_for,
    ),
    ("lane: a writer that found no room is called", a_writer_is_called),
];

/// The reader's side: it takes what is there whenever it is called.
struct Reader {
    lane: Arc<Lane>,
    batch: Batch,
    read: u64,
    waits: bool,
}

impl Reader {
    fn new(lane: &Arc<Lane>) -> Reader {
        Reader {
            lane: lane.clone(),
            batch: Batch::default(),
            read: 0,
            waits: true,
        }
    }

    fn take(&mut self) -> Taken {
        let taken = self.lane.take(&mut self.batch);
        self.read += self.batch.messages();
        self.batch.clear();
        self.waits = taken == Taken::Nothing;
        taken
    }

    /// Reads until nothing is left, as `End::poll`.
    fn read(&mut self, remind: impl Fn()) {
        loop {
            match self.take() {
                Taken::Batch(_) => {}
                Taken::Nothing => return,
                Taken::HeldBack => remind(),
            }
        }
    }
}

fn push(lane: &Lane) -> Pushed {
    lane.push(|batch| batch.push_frame(b"1", false)).unwrap()
}

fn a_reader_is_called() {
    const MESSAGES: u64 = 2;
    let lane = Arc::new(Lane::new(0));
    let calls = Arc::new(AtomicU32::new(0));
    let writer = {
        let (lane, calls) = (lane.clone(), calls.clone());
        thread::spawn(move || {
            for _ in 0..MESSAGES {
                if push(&lane).reader_waits {
                    calls.fetch_add(1, Ordering::Release);
                }
            }
        })
    };
    let mut reader = Reader::new(&lane);
    reader.read(|| {});
    if calls.swap(0, Ordering::Acquire) > 0 {
        reader.read(|| {});
    }
    writer.join().unwrap();
    while calls.swap(0, Ordering::Acquire) > 0 {
        reader.read(|| {});
    }
    assert!(reader.waits);
    assert_eq!(reader.read, MESSAGES, "what was read");
    // A mark is answered with one call: this one is the reader's last.
    assert!(push(&lane).reader_waits && !push(&lane).reader_waits);
}

/// The writer's socket, which holds back what its reader need not be called for.
struct Socket {
    lane: Arc<Lane>,
    held: u64,
    /// A note to flush was left.
    reminded: Arc<AtomicBool>,
    /// Calls of the reader.
    calls: Arc<AtomicU32>,
}

impl Socket {
    fn send(&mut self) {
        self.held += 1;
        if !self.lane.hold_back() {
            self.spill();
        }
    }

    fn spill(&mut self) {
        for _ in 0..std::mem::take(&mut self.held) {
            if push(&self.lane).reader_waits {
                self.calls.fetch_add(1, Ordering::Release);
            }
        }
    }
}

impl Deferred for Socket {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        if self.reminded.swap(false, Ordering::Acquire) {
            self.spill();
        }
    }
}

fn what_is_held_back_is_asked_for() {
    const MESSAGES: u64 = 3;
    let lane = Arc::new(Lane::new(0));
    let calls = Arc::new(AtomicU32::new(0));
    let reminded = Arc::new(AtomicBool::new(false));
    let socket = Arc::new(Lock::new(Socket {
        lane: lane.clone(),
        held: 0,
        reminded: reminded.clone(),
        calls: calls.clone(),
    }));
    let writer = {
        let socket = socket.clone();
        thread::spawn(move || (0..MESSAGES).for_each(|_| socket.lock().send()))
    };
    let mut reader = Reader::new(&lane);
    let remind = || {
        reminded.store(true, Ordering::Release);
        socket.notify();
    };
    reader.read(remind);
    if calls.swap(0, Ordering::Acquire) > 0 {
        reader.read(remind);
    }
    writer.join().unwrap();
    while calls.swap(0, Ordering::Acquire) > 0 {
        reader.read(remind);
    }
    assert!(reader.waits);
    assert_eq!(socket.lock().held, 0, "what is held back from a reader that waits");
    assert_eq!(reader.read, MESSAGES, "what was read");
}

fn a_writer_is_called() {
    const LIMIT: u32 = 1;
    let lane = Arc::new(Lane::new(LIMIT));
    let calls = Arc::new(AtomicU32::new(0));
    let reader = {
        let (lane, calls) = (lane.clone(), calls.clone());
        thread::spawn(move || {
            let mut reader = Reader::new(&lane);
            for _ in 0..2 {
                let read = reader.read;
                reader.take();
                if reader.read > read && lane.acknowledge(reader.read) {
                    calls.fetch_add(1, Ordering::Release);
                }
            }
            reader
        })
    };
    let mut sent = 0;
    let mut write = || {
        loop {
            let (acknowledged, limit) = lane.credit_or_wait(sent);
            if sent - acknowledged >= u64::from(limit) {
                return sent;
            }
            push(&lane);
            sent += 1;
        }
    };
    let mut sent_in_all = write();
    if calls.swap(0, Ordering::Acquire) > 0 {
        sent_in_all = write();
    }
    let reader = reader.join().unwrap();
    if calls.swap(0, Ordering::Acquire) > 0 {
        sent_in_all = write();
    }
    let unread = sent_in_all - reader.read;
    assert_eq!(unread, u64::from(LIMIT), "there is room, and the writer was not called");
}
