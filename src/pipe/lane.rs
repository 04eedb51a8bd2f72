//! One direction of a pipe: a batch behind a leaf lock, with the credit of its high-water mark.
//!
//! Written by one end (under that end's own lock), read by the other. A reader takes everything at once. Nothing runs under
//! the lane's lock but appending and swapping.

use super::batch::{Batch, Item};
use crate::error::Result;
use crate::sys::mutex::{Mutex, MutexGuard};

/// One direction of a pipe.
#[derive(Debug)]
pub struct Lane {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    batch: Batch,
    /// High-water mark in messages; 0: none.
    limit: u32,
    /// Messages that the reader is done with, as far as it has told.
    acknowledged: u64,
    /// Of those, the ones that went nowhere.
    lost: u64,
    /// What batches that are not here any more held: those that were taken, or dropped at the end.
    earlier: Volume,
    /// Messages of those that were not taken: another came in their place.
    replaced: u64,
    /// Likewise: they were here when the reader went.
    left: u64,
    /// The reader found nothing and waits to be called.
    reader_waits: bool,
    /// The writer found no room and waits to be called.
    writer_waits: bool,
    /// The writer holds messages back, which it gives when it is asked.
    writer_holds: bool,
    /// The writer is gone: nothing follows what is here.
    ended: bool,
    /// The reader is gone: what is written is dropped.
    abandoned: bool,
    /// Nothing may be taken until the writer says so (subscriptions of a connection that is not there yet).
    held: bool,
    /// A new message replaces the one before (ZMQ_CONFLATE).
    conflates: bool,
}

/// Messages, and their bytes as frames of ZMTP 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Whole messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What has come through a lane since it was made, in messages.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Put in while there was a reader.
    pub written: Volume,
    /// Taken out by the reader.
    pub taken: u64,
    /// Done with, as far as the reader has told: the kernel has them, or they are `lost`.
    pub acknowledged: u64,
    /// Acknowledged only because they went nowhere.
    pub lost: u64,
    /// Dropped because a later one came.
    pub replaced: u64,
    /// The reader is gone: what was not done with by then goes nowhere.
    pub is_abandoned: bool,
}

/// What a writer learns from writing.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    /// The lane was empty before.
    pub was_empty: bool,
    /// The reader waits: it must be called.
    pub reader_waits: bool,
    /// Bytes in the lane now.
    pub bytes: usize,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Something; the high-water mark is this.
    Batch(u32),
    /// Nothing: the reader is marked as waiting.
    Nothing,
    /// As `Nothing`, but the writer is to be reminded that it holds messages back.
    HeldBack,
}

impl State {
    /// A batch is not here any more.
    fn depart(&mut self, batch: &Batch) {
        self.earlier.messages += batch.messages();
        self.earlier.bytes += batch.bytes() as u64;
    }

    #[inline]
    fn write(&mut self, write: impl FnOnce(&mut Batch) -> Result<()>) -> Result<Pushed> {
        if self.abandoned {
            return Ok(Pushed {
                was_empty: false,
                reader_waits: false,
                bytes: 0,
            });
        }
        let was_empty = self.batch.is_empty();
        write(&mut self.batch)?;
        let reader_waits = std::mem::take(&mut self.reader_waits);
        Ok(Pushed {
            was_empty,
            reader_waits,
            bytes: self.batch.bytes(),
        })
    }
}

impl Lane {
    /// An empty lane with a high-water mark in messages (0: none).
    pub fn new(limit: u32) -> Lane {
        Lane {
            state: Mutex::new(State {
                batch: Batch::default(),
                limit,
                acknowledged: 0,
                lost: 0,
                earlier: Volume::default(),
                replaced: 0,
                left: 0,
                reader_waits: true,
                writer_waits: false,
                writer_holds: false,
                ended: false,
                abandoned: false,
                held: false,
                conflates: false,
            }),
        }
    }

    /// Lets `write` add whole messages to the batch. What is written for a reader that is gone is dropped.
    #[inline]
    pub fn push(&self, write: impl FnOnce(&mut Batch) -> Result<()>) -> Result<Pushed> {
        let mut state = self.state.lock();
        if state.conflates {
            return self.replace(state, write);
        }
        state.write(write)
    }

    /// As [`Lane::push`] where only the last message counts.
    #[cold]
    fn replace(
        &self,
        mut state: MutexGuard<'_, State>,
        write: impl FnOnce(&mut Batch) -> Result<()>,
    ) -> Result<Pushed> {
        let mut before = std::mem::take(&mut state.batch);
        state.replaced += before.messages();
        state.depart(&before);
        let mut replaced = Vec::new();
        let mut records = Ok(());
        while let Some(item) = before.pop() {
            match item {
                Item::Record(record) => records = records.and(state.batch.push_record(record)),
                item => replaced.push(item),
            }
        }
        let pushed = records.and_then(|()| state.write(write));
        // Bodies are dropped without the lock: their owners' free functions run then.
        drop(state);
        drop(replaced);
        pushed
    }

    /// Lets `write` add records.
    pub fn push_records(&self, write: impl FnOnce(&mut Batch) -> Result<()>) -> Result<Pushed> {
        self.state.lock().write(write)
    }

    /// Takes everything into `batch`, which must be empty.
    pub fn take(&self, batch: &mut Batch) -> Taken {
        let mut state = self.state.lock();
        if state.held || state.batch.is_empty() {
            state.reader_waits = true;
            batch.pass_spare(&mut state.batch);
            return if std::mem::take(&mut state.writer_holds) {
                Taken::HeldBack
            } else {
                Taken::Nothing
            };
        }
        // Its counts are those of what was in it.
        batch.forget_counts();
        std::mem::swap(&mut state.batch, batch);
        state.depart(batch);
        batch.pass_spare(&mut state.batch);
        Taken::Batch(state.limit)
    }

    /// Whether the writer may hold messages back until a reader that found nothing has it reminded: not while one waits.
    pub fn hold_back(&self) -> bool {
        let mut state = self.state.lock();
        state.writer_holds = !state.reader_waits && !state.conflates;
        state.writer_holds
    }

    /// Whether a reader would find something.
    pub fn has_content(&self) -> bool {
        let state = self.state.lock();
        !state.held && !state.batch.is_empty()
    }

    /// How many whole messages are in it.
    pub fn messages(&self) -> u64 {
        self.state.lock().batch.messages()
    }

    /// Whether whole messages are in it.
    pub fn has_messages(&self) -> bool {
        self.state.lock().batch.messages() > 0
    }

    /// Whether nothing is in it and, its writer being gone, nothing ever will be.
    pub fn is_finished(&self) -> bool {
        let state = self.state.lock();
        state.ended && state.batch.is_empty()
    }

    /// The reader is done with `messages` in all. True if the writer waits and must be called now.
    pub fn acknowledge(&self, messages: u64) -> bool {
        let mut state = self.state.lock();
        state.acknowledged = state.acknowledged.max(messages);
        std::mem::take(&mut state.writer_waits)
    }

    /// As [`Lane::acknowledge`] for a reader that counts from the last call on.
    pub fn acknowledge_more(&self, messages: u64) -> bool {
        let mut state = self.state.lock();
        state.acknowledged += messages;
        std::mem::take(&mut state.writer_waits)
    }

    /// As [`Lane::acknowledge_more`] for messages that go nowhere.
    pub fn lose(&self, messages: u64) -> bool {
        let mut state = self.state.lock();
        state.lost += messages;
        state.acknowledged += messages;
        std::mem::take(&mut state.writer_waits)
    }

    /// What has come through so far.
    pub fn counts(&self) -> Counts {
        let state = self.state.lock();
        let (here, earlier) = (&state.batch, state.earlier);
        Counts {
            written: Volume {
                messages: earlier.messages + here.messages(),
                bytes: earlier.bytes + here.bytes() as u64,
            },
            taken: earlier.messages - state.replaced - state.left,
            acknowledged: state.acknowledged,
            lost: state.lost,
            replaced: state.replaced,
            is_abandoned: state.abandoned,
        }
    }

    /// What the reader has acknowledged, and the high-water mark.
    pub fn credit(&self) -> (u64, u32) {
        let state = self.state.lock();
        (state.acknowledged, state.limit)
    }

    /// As [`Lane::credit`]; with no room for a message after `sent`, the writer is marked as waiting.
    pub fn credit_or_wait(&self, sent: u64) -> (u64, u32) {
        let mut state = self.state.lock();
        state.writer_waits = state.limit != 0 && sent.saturating_sub(state.acknowledged) >= u64::from(state.limit);
        (state.acknowledged, state.limit)
    }

    /// Changes the high-water mark. True if the writer waits and must look again.
    pub fn set_limit(&self, limit: u32) -> bool {
        let mut state = self.state.lock();
        state.limit = limit;
        std::mem::take(&mut state.writer_waits)
    }

    /// The high-water mark in messages (0: none).
    pub fn limit(&self) -> u32 {
        self.state.lock().limit
    }

    /// The writer is gone. True if the reader waits and must be called.
    pub fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.ended = true;
        std::mem::take(&mut state.reader_waits)
    }

    /// Whether the writer is gone.
    pub fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// The reader, which has `read` messages or those that it has acknowledged, is gone: what is here is dropped, and so is what is
    /// still written. The number of messages that were written and go nowhere.
    pub fn abandon(&self, read: u64) -> u64 {
        let mut dropped = Batch::default();
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.abandoned, true) {
            return 0;
        }
        std::mem::swap(&mut dropped, &mut state.batch);
        state.left = dropped.messages();
        state.depart(&dropped);
        state.acknowledged = state.acknowledged.max(read);
        state
            .earlier
            .messages
            .saturating_sub(state.acknowledged + state.replaced)
    }

    /// Whether the reader is gone.
    pub fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// From now on a new message replaces the one that is here; there is no high-water mark.
    pub fn keep_only_last(&self) {
        let mut state = self.state.lock();
        state.conflates = true;
        state.limit = 0;
    }

    /// Whether a new message replaces the one before.
    pub fn conflates(&self) -> bool {
        self.state.lock().conflates
    }

    /// Keeps the reader from taking anything until [`Lane::release`].
    pub fn hold(&self) {
        self.state.lock().held = true;
    }

    /// Drops the records that are here, puts what `write` writes before the messages, and lets the reader at it. On an error it has the
    /// messages alone.
    pub fn release(&self, write: impl FnOnce(&mut Batch) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        let mut messages = std::mem::take(&mut state.batch);
        messages.drop_records();
        state.held = false;
        state.reader_waits = false;
        let released = write(&mut state.batch).and_then(|()| state.batch.append(&mut messages));
        if released.is_err() {
            state.batch = messages;
        }
        released
    }
}
