//! A socket's end of a pipe: reads one lane, writes the other. Touched only under the socket's lock.
//!
//! It decides when a connection is written to: a message into an idle connection goes at once, by its caller; those of a burst
//! are collected until they fill [`WRITE_BATCH`] or have waited for as long as the socket's [`Pace`] allows.

mod accounts;

use std::sync::Arc;

use accounts::Accounts;

use super::batch::{Batch, Cursor, Next, Record};
use super::part::{Payload, Target};
use super::{Backstop, LARGE_BODY, Lane, Lease, Pace, Peer, Pushed, REFERENCE_MIN, Taken, Wait};
use crate::error::Result;
use crate::message::{Body, Message, Metadata};
use crate::sys::clock;
use crate::sys::counters::{Counter, count, count_many};

/// A burst is written when it has this many bytes.
const WRITE_BATCH: usize = 128 * 1024;
/// A call that may not block learns of new credit at most this often, in nanoseconds.
const CREDIT_IVL_NS: u64 = 1_000_000;

/// How new the knowledge of free room must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// As of now: calls that would block, polls, and patterns that would drop.
    Fresh,
    /// As of at most a millisecond ago: a loop of calls that may not block gets its `EAGAIN` as on libzmq.
    Recent,
}

/// A socket's end of a pipe.
pub struct End {
    incoming: Arc<Lane>,
    outgoing: Arc<Lane>,
    peer: Arc<dyn Peer>,
    is_connection: bool,
    /// Longer bodies ride by reference.
    reference_min: usize,
    conflates: bool,
    cursor: Cursor,
    metadata: Option<Arc<Metadata>>,
    /// In the middle of a message that is being read.
    reading: bool,
    read: u64,
    read_told: u64,
    /// After how many read messages the writer is told.
    window: u64,
    /// ZMQ_RCVHWM as it was changed after the pipe was made, on inproc.
    read_limit: Option<u32>,
    /// What the other side's ZMQ_RCVHWM adds to the outgoing high-water mark, on inproc.
    boost: u32,
    /// A new mark counts from the next credit on.
    limit_waits: bool,
    staged: Batch,
    staging: bool,
    sent: u64,
    credit: u64,
    limit: u32,
    credit_at_ns: u64,
    /// The pipe was full when it was last looked at.
    was_full: bool,
    /// When a message was last written, or waited, for want of room.
    made_room_ns: u64,
    /// Since when something is unsent; 0: nothing is.
    unsent_since_ns: u64,
    backstop: Backstop,
    /// The socket may hold messages back that are not in the lane yet: the peer is to remind it of them.
    streams: bool,
    /// It was asked to.
    reminds: bool,
    closed: bool,
    accounts: Accounts,
}

impl End {
    /// The end that reads `incoming` and writes `outgoing`, with `peer` at the other end.
    pub fn new(incoming: Arc<Lane>, outgoing: Arc<Lane>, peer: Arc<dyn Peer>) -> End {
        let limit = outgoing.limit();
        let conflates = incoming.conflates();
        let reference_min = if peer.is_connection() {
            LARGE_BODY
        } else {
            REFERENCE_MIN
        };
        End {
            incoming,
            outgoing,
            is_connection: peer.is_connection(),
            reference_min,
            conflates,
            peer,
            cursor: Cursor::default(),
            metadata: None,
            reading: false,
            read: 0,
            read_told: 0,
            window: 1,
            read_limit: None,
            boost: 0,
            limit_waits: false,
            staged: Batch::default(),
            staging: false,
            sent: 0,
            credit: 0,
            limit,
            credit_at_ns: 0,
            was_full: false,
            made_room_ns: 0,
            unsent_since_ns: 0,
            backstop: Backstop::default(),
            streams: false,
            reminds: false,
            closed: false,
            accounts: Accounts::default(),
        }
    }

    /// Whether something can be read. If not, [`Peer::readable`] of this end's own peer object will tell.
    #[inline]
    pub fn poll(&mut self) -> bool {
        if self.conflates {
            return self.poll_newest();
        }
        if !self.cursor.is_empty() {
            return true;
        }
        match self.incoming.take(&mut self.cursor.batch) {
            Taken::Batch(limit) => {
                self.window = window(self.read_limit.unwrap_or(limit));
                true
            }
            Taken::Nothing => false,
            Taken::HeldBack => {
                self.peer.remind();
                self.poll()
            }
        }
    }

    /// As [`End::poll`] where only the last message counts: one that came since replaces one that was not begun.
    #[cold]
    fn poll_newest(&mut self) -> bool {
        let mut newest = Batch::default();
        if !self.reading && matches!(self.incoming.take(&mut newest), Taken::Batch(_)) {
            self.overwrite(newest.messages());
            self.cursor.replace(newest);
        }
        !self.cursor.is_empty()
    }

    /// Whether a part is next, not a record.
    #[inline]
    pub fn has_part(&mut self) -> bool {
        if self.conflates || !self.cursor.frame_is_next() {
            self.poll();
            return self.cursor.frame_is_next();
        }
        true
    }

    /// Takes the record that is next, if one is. Records of the connection itself are kept here.
    #[inline]
    pub fn take_record(&mut self) -> Option<Record> {
        while self.poll() && self.cursor.record_is_next() {
            match self.cursor.take_next() {
                Next::Record(Record::Peer(metadata)) => self.metadata = Some(metadata),
                Next::Record(record) => return Some(record),
                _ => return None,
            }
        }
        None
    }

    /// Reads one part into `target`: `Some(more)`, or `None` if nothing is there. Records must have been taken before.
    #[inline]
    pub fn receive(&mut self, target: &mut Target<'_>) -> Result<Option<bool>> {
        if !self.has_part() {
            return Ok(None);
        }
        let Next::Frame { more, body } = self.cursor.take_next() else {
            return Ok(None);
        };
        let filled = target.fill(body, more, self.metadata.as_ref());
        self.reading = more;
        if !more {
            self.read += 1;
            if filled.is_err() || matches!(target, Target::Discard) {
                self.discard_last();
            }
            if self.read - self.read_told >= self.window {
                self.tell_read();
            }
        }
        filled.map(|()| Some(more))
    }

    /// Reads one part if it is the whole of a small message that was taken out of the lane already, and no other is being read.
    #[inline(always)]
    pub fn receive_small(&mut self, target: &mut Target<'_>) -> Option<Result<bool>> {
        if self.conflates || self.reading {
            return None;
        }
        let body = self.cursor.take_small()?;
        let filled = target.fill_bytes(body, self.metadata.as_ref());
        self.read += 1;
        if filled.is_err() {
            self.discard_last();
        }
        if self.read - self.read_told >= self.window {
            self.tell_read();
        }
        Some(filled.map(|()| false))
    }

    /// As [`End::receive_small`], if there is nothing to it but what `take` does with the bytes. Their number; `None`, and nothing was
    /// read, when there is more to it or `take` did not take them.
    #[inline(always)]
    pub fn offer_small(&mut self, take: impl FnOnce(&[u8], Option<&Arc<Metadata>>) -> bool) -> Option<usize> {
        if self.conflates || self.reading || self.read + 1 - self.read_told >= self.window {
            return None;
        }
        let metadata = self.metadata.as_ref();
        let len = self.cursor.offer_small(|bytes| take(bytes, metadata))?;
        self.read += 1;
        Some(len)
    }

    /// Reads messages of one small part each, so many at most, as they are on the wire: appends them to `to`. How many; one that needs
    /// more than that is left to [`End::receive`].
    pub fn receive_run(&mut self, most: u64, to: &mut Vec<u8>) -> Result<u64> {
        if self.conflates || self.reading {
            return Ok(0);
        }
        let untold = (self.window - 1).saturating_sub(self.read - self.read_told);
        let messages = self.cursor.take_small_run(most.min(untold), to)?;
        self.read += messages;
        Ok(messages)
    }

    /// Reads one part as a message.
    pub fn receive_message(&mut self) -> Result<Option<Message>> {
        let mut message = Message::new();
        Ok(self.receive(&mut Target::Message(&mut message))?.map(|_| message))
    }

    /// The bytes of the part that is next. Records must have been taken before.
    #[inline]
    pub fn peek(&mut self) -> Option<&[u8]> {
        if self.poll() { self.cursor.peek() } else { None }
    }

    /// Drops the rest of the message that is being read.
    pub fn skip_message(&mut self) -> Result<()> {
        while self.reading && self.receive(&mut Target::Discard)?.is_some() {}
        Ok(())
    }

    /// Whether everything was read and, the other end being closed, nothing follows.
    pub fn is_finished(&mut self) -> bool {
        self.cursor.is_empty() && self.incoming.is_finished()
    }

    /// The properties of the connection that the last part came through.
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.metadata.as_ref()
    }

    /// Whether there is room for a message below the high-water mark. If not, the peer will call once there is.
    #[inline]
    pub fn can_write(&mut self, credit: Credit) -> bool {
        !self.closed && (!self.is_full() || self.look_for_credit(credit))
    }

    /// Whether the other end is closed. If so, this one takes no more messages.
    pub fn other_end_is_closed(&mut self) -> bool {
        self.closed |= self.incoming.has_ended();
        self.closed
    }

    /// As [`End::write_at_pace`] for a message that is no part of a burst.
    #[cfg(test)]
    pub fn write(&mut self, payload: Payload<'_>, more: bool) -> Result<()> {
        self.write_at_pace(payload, more, &mut Pace::default())
    }

    /// Writes one part. A message becomes visible with its last part.
    #[inline]
    pub fn write_at_pace(&mut self, payload: Payload<'_>, more: bool, pace: &mut Pace) -> Result<()> {
        if more || self.staging {
            return self.stage(payload, more, pace);
        }
        let pushed = self
            .outgoing
            .push(|batch| payload.push(batch, false, self.reference_min))?;
        self.sent += 1;
        self.announce(pushed, 1, pace);
        Ok(())
    }

    /// Writes a part of a message that has several.
    fn stage(&mut self, payload: Payload<'_>, more: bool, pace: &mut Pace) -> Result<()> {
        payload.push(&mut self.staged, more, self.reference_min)?;
        self.staging = more;
        if more {
            return Ok(());
        }
        let staged = &mut self.staged;
        let pushed = self.outgoing.push(|batch| batch.append(staged));
        self.staged.clear();
        let pushed = pushed?;
        self.sent += 1;
        self.announce(pushed, 1, pace);
        Ok(())
    }

    /// How many messages may be held back for [`End::write_frames`]: none, unless others wait to be written or read before them, and the
    /// peer will remind this end in time.
    #[inline]
    pub fn room_for_stream(&mut self) -> u64 {
        if self.staging || self.closed || self.conflates {
            return 0;
        }
        self.streams = true;
        let is_covered = if self.is_connection {
            self.reminds && self.has_unsent()
        } else {
            self.outgoing.hold_back()
        };
        if !is_covered {
            return 0;
        }
        match self.limit {
            0 => u64::MAX,
            limit => u64::from(limit).saturating_sub(self.sent.saturating_sub(self.credit)),
        }
    }

    /// Writes whole messages that are encoded already.
    pub fn write_frames(&mut self, frames: &[u8], messages: u64, pace: &mut Pace) -> Result<()> {
        let pushed = self.outgoing.push(|batch| batch.push_frames(frames, messages))?;
        self.sent += messages;
        self.announce(pushed, messages as usize, pace);
        Ok(())
    }

    /// Whether whole messages may be written by [`End::write_run`].
    pub fn takes_runs(&self) -> bool {
        self.is_connection && !self.conflates && !self.closed && !self.staging
    }

    /// For how many messages there is room, as of now.
    pub fn room(&mut self) -> u64 {
        (self.credit, self.limit) = self.outgoing.credit();
        match self.limit {
            0 => u64::MAX,
            limit => u64::from(limit).saturating_sub(self.sent.saturating_sub(self.credit)),
        }
    }

    /// Writes whole messages that are encoded already, the first at this time; they go out with the next flush.
    pub fn write_run(&mut self, frames: &Body, messages: u64, since_ns: u64) -> Result<()> {
        self.outgoing.push(|batch| batch.push_run(frames.clone(), messages))?;
        self.sent += messages;
        self.unsent_since_ns = since_ns;
        Ok(())
    }

    /// The first parts of a message, encoded already; [`End::write_at_pace`] writes the others.
    pub fn write_parts(&mut self, frames: &[u8]) -> Result<()> {
        self.staged.push_frames(frames, 0)?;
        self.staging = true;
        Ok(())
    }

    /// The peer is to remind this end to flush, within the flush deadline after this time.
    pub fn ask_reminder(&self, since_ns: u64) {
        self.peer.remind_later(since_ns);
    }

    /// Whether a message was begun and is not complete.
    pub fn is_staging(&self) -> bool {
        self.staging
    }

    /// Drops the parts of a message that is not complete.
    pub fn roll_back(&mut self) {
        self.staged.clear();
        self.staging = false;
    }

    /// Writes a record.
    pub fn write_record(&mut self, record: Record) -> Result<()> {
        let pushed = self.outgoing.push_records(|batch| batch.push_record(record))?;
        if pushed.reader_waits || self.is_connection {
            self.peer.flush();
        }
        Ok(())
    }

    /// Fills the outgoing lane anew after a new connection: see [`Lane::hold`].
    pub fn refill(&mut self, records: impl FnOnce(&mut Batch) -> Result<()>) -> Result<()> {
        self.outgoing.release(records)?;
        self.peer.flush();
        Ok(())
    }

    /// Writes what a burst left unsent.
    #[inline]
    pub fn flush(&mut self) {
        if self.has_unsent() {
            self.unsent_since_ns = 0;
            count(Counter::Flushes);
            self.peer.flush();
        }
    }

    /// As [`End::flush`], for what waits for longer than since a time. Whether that was so.
    #[inline]
    pub fn flush_older(&mut self, oldest_ns: u64) -> bool {
        let is_old = self.has_unsent() && self.unsent_since_ns < oldest_ns;
        if is_old {
            self.flush();
        }
        is_old
    }

    /// Whether a connection is at the other end.
    pub fn is_connection(&self) -> bool {
        self.is_connection
    }

    /// Whether a burst left something unsent.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.unsent_since_ns != 0
    }

    /// The other side's ZMQ_RCVHWM, which adds to the outgoing high-water mark whenever that changes (inproc).
    pub fn set_boost(&mut self, messages: u32) {
        self.boost = messages;
    }

    /// Changes the high-water marks in messages (0: none).
    pub fn set_limits(&mut self, incoming: u32, outgoing: u32) {
        if self.is_connection {
            if self.incoming.set_limit(incoming) {
                self.peer.writable();
            }
        } else {
            self.read_limit = Some(incoming);
            self.window = window(incoming);
        }
        let limit = if outgoing == 0 {
            0
        } else {
            outgoing.saturating_add(self.boost)
        };
        self.outgoing.set_limit(limit);
        // A full pipe learns of its new mark with the next credit, as on libzmq.
        self.limit_waits = !self.is_connection && self.is_full();
        if !self.limit_waits {
            self.limit = limit;
        }
    }

    /// The right to read the connection at the other end, where the calling thread may.
    pub fn lease(&self) -> Option<Lease> {
        // The newest message alone counts for a pipe that conflates: it is read to the end all the time.
        if self.is_connection && !self.conflates && !self.closed {
            Lease::to_read(&self.peer)
        } else {
            None
        }
    }

    /// The connection at the other end is read together with the others of the socket from now on.
    pub fn gather(&self) {
        self.peer.gather();
    }

    /// Before the calling thread sleeps: writes what is left, and if the connection takes no more, the right to go on when it does.
    pub fn wait_to_write(&mut self) -> Option<Lease> {
        if !self.is_connection || self.closed {
            return None;
        }
        if std::mem::take(&mut self.unsent_since_ns) != 0 {
            count(Counter::Flushes);
        }
        Lease::to_write(&self.peer)
    }

    /// What the other end sent breaks the rules of the socket type: its connection ends.
    pub fn reject(&self) {
        self.peer.rejected();
    }

    /// As [`End::reject`], because of the limit that this socket option sets.
    pub fn exceed(&self, option: i32) {
        self.peer.exceeded(option);
    }

    /// Closes this end: nothing more is read, and what was written may be delivered for `linger_ms` (-1: without limit).
    pub fn close(&mut self, linger_ms: i32) {
        self.roll_back();
        self.outgoing.end();
        let over = self.incoming.has_ended();
        count_many(Counter::Lost, self.abandon());
        // A session whose pipe died with its connection may be connecting again, for a new pipe.
        if !over {
            self.peer.closed(linger_ms);
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.limit != 0 && self.sent.saturating_sub(self.credit) >= u64::from(self.limit)
    }

    #[cold]
    fn look_for_credit(&mut self, credit: Credit) -> bool {
        if self.is_connection {
            // What the kernel took since is room enough, as long as nobody who may not wait asks.
            if credit == Credit::Fresh && self.has_unsent() {
                (self.credit, self.limit) = self.outgoing.credit();
                if !self.is_full() {
                    return true;
                }
            }
            // Never wait, or drop, with something unsent.
            let writes = self.has_unsent();
            self.flush();
            let now = clock::now_ns();
            if writes || std::mem::take(&mut self.was_full) {
                self.made_room_ns = now;
            }
            if credit == Credit::Recent && now - self.credit_at_ns < CREDIT_IVL_NS {
                return false;
            }
            self.credit_at_ns = now;
        }
        let (acknowledged, limit) = self.outgoing.credit_or_wait(self.sent);
        if !self.limit_waits || acknowledged != self.credit {
            (self.credit, self.limit, self.limit_waits) = (acknowledged, limit, false);
        }
        self.was_full = self.is_full();
        !self.was_full
    }

    fn tell_read(&mut self) {
        self.read_told = self.read;
        if self.incoming.acknowledge(self.read) {
            self.peer.writable();
        }
    }

    /// Tells the other end what was written, or puts it off for a burst.
    #[inline]
    fn announce(&mut self, pushed: Pushed, messages: usize, pace: &mut Pace) {
        if !self.is_connection {
            if pushed.reader_waits {
                self.peer.readable();
            }
            return;
        }
        pace.count(messages);
        if pushed.was_empty {
            let wait = pace.defer_for(&mut self.backstop, messages, self.made_room_ns);
            self.unsent_since_ns = self.backstop.begun_ns();
            match wait {
                Wait::No => {
                    self.flush();
                    pace.wrote();
                }
                Wait::Yes => {}
                Wait::Until(since_ns) => {
                    self.reminds = self.streams;
                    self.peer.flush_later(since_ns, self.reminds);
                }
            }
        } else if self.has_unsent() && pushed.bytes >= WRITE_BATCH {
            self.flush();
            pace.wrote();
        }
        // Otherwise the connection is not ready to be written to: whoever makes it so takes what is here, too.
    }
}

/// After how many read messages a writer with this high-water mark is told.
fn window(limit: u32) -> u64 {
    if limit == 0 { 1024 } else { u64::from(limit).div_ceil(2) }
}
