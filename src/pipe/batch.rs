//! A batch: what a lane holds. Frames in ZMTP 3 framing, large bodies by reference, and typed records.
//!
//! Invariant: chunks hold whole frames, so that bodies and records stand at frame boundaries. Written out in order, each body
//! behind its header, a batch without records is a valid ZMTP 3 stream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk;
use crate::error::{Error, Result};
use crate::message::{Body, Metadata};
use crate::sys::reserve;
use crate::zmtp::{SHORT_HEADER, decode_header, encode_header};

/// Chunks of fewer bytes are copied rather than moved, so that the next frames find room behind them.
const COPIED_MAX: usize = 8 * 1024;

/// What travels in a pipe beside messages, in order with them.
#[derive(Clone, Debug)]
pub enum Record {
    /// The peer subscribes to a prefix (RFC 29, RFC 37 SUBSCRIBE).
    Subscribe(Bytes),
    /// The peer cancels a subscription (RFC 37 CANCEL).
    Cancel(Bytes),
    /// The peer's routing id; empty if it gave none.
    RoutingId(Bytes),
    /// The properties of the connection that the following messages came through.
    Peer(Arc<Metadata>),
}

/// One piece of a batch.
#[derive(Debug)]
pub enum Item {
    /// Frames.
    Bytes(Vec<u8>),
    /// The body of a frame, and whether its message goes on.
    Body(Body, bool),
    /// Whole messages by reference.
    Run(Body),
    /// A record.
    Record(Record),
}

/// A run of frames, bodies and records.
#[derive(Default, Debug)]
pub struct Batch {
    items: VecDeque<Item>,
    messages: u64,
    bytes: usize,
    spare: Option<Vec<u8>>,
}

impl Batch {
    /// Whether nothing is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many whole messages were put in.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many bytes its frames take on the wire.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a frame, copying its body.
    #[inline]
    pub fn push_frame(&mut self, body: &[u8], more: bool) -> Result<()> {
        let (header, header_len) = encode_header(more, body.len());
        let need = header_len + body.len();
        let chunk = self.chunk(need)?;
        if header_len == SHORT_HEADER {
            // The usual case, which is worth not calling a function for two bytes.
            chunk.extend_from_slice(&[header[0], header[1]]);
        } else {
            chunk.extend_from_slice(&header[..header_len]);
        }
        chunk.extend_from_slice(body);
        self.bytes += need;
        self.messages += u64::from(!more);
        Ok(())
    }

    /// Adds a frame whose body rides by reference.
    pub fn push_body(&mut self, body: Body, more: bool) -> Result<()> {
        let (_, header_len) = encode_header(more, body.len());
        self.items.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.bytes += header_len + body.len();
        self.messages += u64::from(!more);
        self.items.push_back(Item::Body(body, more));
        Ok(())
    }

    /// Adds whole messages that are encoded already and ride by reference.
    pub fn push_run(&mut self, frames: Body, messages: u64) -> Result<()> {
        self.items.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.bytes += frames.len();
        self.messages += messages;
        self.items.push_back(Item::Run(frames));
        Ok(())
    }

    /// Adds frames that are encoded already and hold `messages` message ends.
    pub fn push_frames(&mut self, frames: &[u8], messages: u64) -> Result<()> {
        if !frames.is_empty() {
            self.chunk(frames.len())?.extend_from_slice(frames);
            self.bytes += frames.len();
            self.messages += messages;
        }
        Ok(())
    }

    /// Adds a record; only between messages.
    pub fn push_record(&mut self, record: Record) -> Result<()> {
        // A connection begins. What was told of one before, of which nothing else came, is for nobody: without this, a peer could
        // come and go to have it heaped up. Its properties come first; peers of old versions have none.
        while match self.items.back() {
            Some(Item::Record(Record::RoutingId(_))) => matches!(record, Record::Peer(_) | Record::RoutingId(_)),
            Some(Item::Record(Record::Peer(_))) => matches!(record, Record::Peer(_)),
            _ => false,
        } {
            self.items.pop_back();
        }
        self.items.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.items.push_back(Item::Record(record));
        Ok(())
    }

    /// Moves everything of `other` behind what is here, or nothing.
    ///
    /// Errors: `NoMemory`.
    pub fn append(&mut self, other: &mut Batch) -> Result<()> {
        self.items.try_reserve(other.items.len()).map_err(|_| Error::NoMemory)?;
        let messages = std::mem::take(&mut other.messages);
        let bytes = std::mem::take(&mut other.bytes);
        while let Some(item) = other.items.pop_front() {
            match item {
                Item::Bytes(chunk) if chunk.len() < COPIED_MAX => match self.chunk(chunk.len()) {
                    Ok(last) => {
                        last.extend_from_slice(&chunk);
                        other.recycle(chunk);
                    }
                    // It moves if there is no memory to copy it to: room for it among the items there is.
                    Err(_) => self.items.push_back(Item::Bytes(chunk)),
                },
                item => self.items.push_back(item),
            }
        }
        self.messages += messages;
        self.bytes += bytes;
        Ok(())
    }

    /// Counts from the start, with nothing in it.
    #[inline]
    pub fn forget_counts(&mut self) {
        (self.messages, self.bytes) = (0, 0);
    }

    /// Takes the first piece out.
    pub fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Puts a piece back in front, or what is left of it.
    pub fn put_back(&mut self, item: Item) {
        self.items.push_front(item);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
        self.messages = 0;
        self.bytes = 0;
    }

    /// Forgets the records.
    pub fn drop_records(&mut self) {
        self.items.retain(|item| !matches!(item, Item::Record(_)));
    }

    /// Takes an emptied chunk back: a small one is kept for the next frames.
    pub fn recycle(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() <= chunk::OWN_MAX && self.spare.is_none() {
            chunk.clear();
            self.spare = Some(chunk);
        }
    }

    /// Hands the kept chunk on to `other`.
    pub fn pass_spare(&mut self, other: &mut Batch) {
        if other.spare.is_none() {
            other.spare = self.spare.take();
        }
    }

    /// The chunk for the next `need` bytes.
    #[inline]
    fn chunk(&mut self, need: usize) -> Result<&mut Vec<u8>> {
        let fits = matches!(self.items.back(), Some(Item::Bytes(chunk)) if chunk.capacity() - chunk.len() >= need);
        if !fits {
            self.make_room(need)?;
        }
        match self.items.back_mut() {
            Some(Item::Bytes(chunk)) => Ok(chunk),
            _ => Err(Error::NoMemory),
        }
    }

    /// Makes the last item a chunk with room for `need` bytes. The first chunk begins small and grows; it moves once it is full.
    #[cold]
    fn make_room(&mut self, need: usize) -> Result<()> {
        reserve::spare()?;
        self.items.try_reserve(1).map_err(|_| Error::NoMemory)?;
        match self.items.back_mut() {
            Some(Item::Bytes(last)) if last.len() + need <= chunk::OWN_MAX => {
                let wanted = (2 * last.capacity()).clamp(last.len() + need, chunk::OWN_MAX);
                last.try_reserve_exact(wanted - last.len())
                    .map_err(|_| Error::NoMemory)?;
            }
            Some(Item::Bytes(last)) if last.capacity() <= chunk::OWN_MAX => {
                let mut larger = chunk::take(last.len() + need)?;
                larger.extend_from_slice(last);
                let small = std::mem::replace(last, larger);
                self.recycle(small);
            }
            None | Some(Item::Body(..) | Item::Record(_)) if need <= chunk::OWN_MAX => {
                let mut first = self.spare.take().unwrap_or_default();
                first
                    .try_reserve_exact(need.max(chunk::OWN_MIN))
                    .map_err(|_| Error::NoMemory)?;
                self.items.push_back(Item::Bytes(first));
            }
            _ => self.items.push_back(Item::Bytes(chunk::take(need)?)),
        }
        Ok(())
    }
}

/// The body of a frame that is being read.
#[derive(Debug)]
pub enum BodySlice<'a> {
    /// Copied into the batch: valid until the next read.
    Bytes(&'a [u8]),
    /// By reference.
    Body(Body),
}

impl BodySlice<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            BodySlice::Bytes(bytes) => bytes,
            BodySlice::Body(body) => body,
        }
    }
}

/// What a reader finds next.
#[derive(Debug)]
pub enum Next<'a> {
    /// A frame; `more` says that its message goes on.
    Frame {
        /// Whether the message goes on.
        more: bool,
        /// The body.
        body: BodySlice<'a>,
    },
    /// A record.
    Record(Record),
    /// Nothing is left.
    Empty,
}

/// Reads a batch frame by frame.
#[derive(Default, Debug)]
pub struct Cursor {
    /// What is read now: the batch's first chunk, taken out of it.
    chunk: Vec<u8>,
    offset: usize,
    /// The rest; its counts are those from when it was taken.
    pub batch: Batch,
}

impl Cursor {
    /// Whether nothing is left to read.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.settle();
        self.offset == self.chunk.len() && self.batch.items.is_empty()
    }

    /// Whether a record is next.
    #[inline]
    pub fn record_is_next(&mut self) -> bool {
        self.settle();
        self.offset == self.chunk.len() && matches!(self.batch.items.front(), Some(Item::Record(_)))
    }

    /// Whether a frame is next.
    #[inline]
    pub fn frame_is_next(&mut self) -> bool {
        self.settle();
        self.offset < self.chunk.len() || matches!(self.batch.items.front(), Some(Item::Body(..)))
    }

    /// Takes the next frame or record.
    #[inline]
    pub fn take_next(&mut self) -> Next<'_> {
        self.settle();
        let Some((header_len, body_len, more)) = self.header() else {
            return self.take_other();
        };
        let start = self.offset + header_len;
        let end = start + body_len;
        match self.chunk.get(start..end) {
            Some(body) => {
                self.offset = end;
                Next::Frame {
                    more,
                    body: BodySlice::Bytes(body),
                }
            }
            None => Next::Empty,
        }
    }

    /// Takes the next frame if it is the whole of a small message: the usual case, for which it is worth that nothing of the answer
    /// goes through memory.
    #[inline(always)]
    pub fn take_small(&mut self) -> Option<&[u8]> {
        let &[0, length, ref rest @ ..] = self.chunk.get(self.offset..)? else {
            return None;
        };
        let body = rest.get(..usize::from(length))?;
        self.offset += SHORT_HEADER + body.len();
        Some(body)
    }

    /// As [`Cursor::take_small`], if `take` takes the bytes; else the frame stays. Their number.
    #[inline(always)]
    pub fn offer_small(&mut self, take: impl FnOnce(&[u8]) -> bool) -> Option<usize> {
        let &[0, length, ref rest @ ..] = self.chunk.get(self.offset..)? else {
            return None;
        };
        let body = rest.get(..usize::from(length))?;
        if !take(body) {
            return None;
        }
        self.offset += SHORT_HEADER + body.len();
        Some(body.len())
    }

    /// Takes frames as they are, while each is the whole of a small message, and so many at most: appends them to `to`. How many.
    pub fn take_small_run(&mut self, most: u64, to: &mut Vec<u8>) -> Result<u64> {
        let rest = self.chunk.get(self.offset..).unwrap_or_default();
        let (mut messages, mut bytes) = (0, 0);
        while messages < most
            && let [0, length, body @ ..] = &rest[bytes..]
            && usize::from(*length) <= body.len()
        {
            bytes += SHORT_HEADER + usize::from(*length);
            messages += 1;
        }
        to.try_reserve(bytes).map_err(|_| Error::NoMemory)?;
        to.extend_from_slice(&rest[..bytes]);
        self.offset += bytes;
        Ok(messages)
    }

    /// The bytes of the frame that is next, if one is.
    #[inline]
    pub fn peek(&mut self) -> Option<&[u8]> {
        self.settle();
        let Some((header_len, body_len, _)) = self.header() else {
            return match self.batch.items.front() {
                Some(Item::Body(body, _)) if self.offset == self.chunk.len() => Some(body),
                _ => None,
            };
        };
        let start = self.offset + header_len;
        self.chunk.get(start..start + body_len)
    }

    /// Reads another batch from now on; what was left is dropped.
    pub fn replace(&mut self, batch: Batch) {
        self.chunk.clear();
        self.offset = 0;
        self.batch = batch;
    }

    /// The lengths of the next frame's header and body, and whether its message goes on.
    #[inline]
    fn header(&self) -> Option<(usize, usize, bool)> {
        match self.chunk.get(self.offset..)? {
            // The usual case: a short frame.
            [flags @ 0..=1, length, ..] => Some((SHORT_HEADER, usize::from(*length), *flags == 1)),
            bytes => {
                let header = decode_header(bytes).ok()??;
                Some((header.header_len, header.body_len as usize, header.more))
            }
        }
    }

    fn take_other(&mut self) -> Next<'_> {
        if self.offset < self.chunk.len() {
            // Lanes hold whole frames only; should that ever fail, the rest is dropped rather than misread.
            self.replace(Batch::default());
        }
        match self.batch.items.pop_front() {
            Some(Item::Record(record)) => Next::Record(record),
            Some(Item::Body(body, more)) => Next::Frame {
                more,
                body: BodySlice::Body(body),
            },
            _ => Next::Empty,
        }
    }

    /// Goes on to the next chunk if this one was read to its end.
    #[inline]
    fn settle(&mut self) {
        if self.offset == self.chunk.len() {
            self.next_chunk();
        }
    }

    #[cold]
    fn next_chunk(&mut self) {
        if self.chunk.capacity() > 0 {
            let read = std::mem::take(&mut self.chunk);
            self.batch.recycle(read);
        }
        self.offset = 0;
        match self.batch.items.front_mut() {
            Some(Item::Bytes(chunk)) => self.chunk = std::mem::take(chunk),
            // Runs are for connections, which write them as they are. Without memory for a copy they are lost.
            Some(Item::Run(frames)) => self.chunk = reserve::copied(frames).unwrap_or_default(),
            _ => return,
        }
        self.batch.items.pop_front();
    }
}
