//! A batch: what a lane holds. Frames in ZMTP 3 framing, large bodies by reference behind their header, and typed records.
//!
//! Invariants: the header of a body that rides by reference is the last thing in its chunk; a record stands at a frame
//! boundary. So a batch without records, written out in order, is a valid ZMTP 3 stream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk;
use crate::error::{Error, Result};
use crate::message::{Body, Metadata};
use crate::zmtp::{decode_header, encode_header};

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
    /// Frames, or frames and the header of the body that follows.
    Bytes(Vec<u8>),
    /// The body of the header at the end of the chunk before.
    Body(Body),
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
        let chunk = self.chunk(header_len + body.len())?;
        chunk.extend_from_slice(&header[..header_len]);
        chunk.extend_from_slice(body);
        self.bytes += header_len + body.len();
        self.messages += u64::from(!more);
        Ok(())
    }

    /// Adds a frame whose body rides by reference.
    pub fn push_body(&mut self, body: Body, more: bool) -> Result<()> {
        let (header, header_len) = encode_header(more, body.len());
        self.items.try_reserve(2).map_err(|_| Error::NoMemory)?;
        self.chunk(header_len)?.extend_from_slice(&header[..header_len]);
        self.bytes += header_len + body.len();
        self.messages += u64::from(!more);
        self.items.push_back(Item::Body(body));
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
        self.items.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.items.push_back(Item::Record(record));
        Ok(())
    }

    /// Moves everything of `other` behind what is here.
    pub fn append(&mut self, other: &mut Batch) -> Result<()> {
        self.items.try_reserve(other.items.len()).map_err(|_| Error::NoMemory)?;
        let messages = std::mem::take(&mut other.messages);
        let bytes = std::mem::take(&mut other.bytes);
        while let Some(item) = other.items.pop_front() {
            match item {
                Item::Bytes(chunk) if chunk.len() < COPIED_MAX => {
                    self.chunk(chunk.len())?.extend_from_slice(&chunk);
                    other.recycle(chunk);
                }
                item => self.items.push_back(item),
            }
        }
        self.messages += messages;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes the first piece out.
    pub fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
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
        if chunk.capacity() > chunk::OWN_MAX {
            chunk::give(chunk);
        } else if self.spare.is_none() {
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
            None | Some(Item::Body(_) | Item::Record(_)) if need <= chunk::OWN_MAX => {
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
    /// The batch; its counts are those from when it was taken.
    pub batch: Batch,
    offset: usize,
}

impl Cursor {
    /// Whether nothing is left to read.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.settle();
        self.batch.items.is_empty()
    }

    /// Whether a record is next.
    #[inline]
    pub fn record_is_next(&mut self) -> bool {
        self.settle();
        matches!(self.batch.items.front(), Some(Item::Record(_)))
    }

    /// Takes the next frame or record.
    #[inline]
    pub fn take_next(&mut self) -> Next<'_> {
        self.settle();
        let (start, end, more) = match self.batch.items.front() {
            None => return Next::Empty,
            Some(Item::Bytes(chunk)) => match decode_header(&chunk[self.offset..]) {
                Ok(Some(header)) => {
                    let start = self.offset + header.header_len;
                    let end = start + header.body_len as usize;
                    (start, end, header.more)
                }
                // Lanes hold whole frames only; should that ever fail, the rest is dropped rather than misread.
                _ => {
                    self.batch.clear();
                    self.offset = 0;
                    return Next::Empty;
                }
            },
            Some(_) => return self.pop_record(),
        };
        let by_reference = match self.batch.items.front() {
            Some(Item::Bytes(chunk)) => start == chunk.len() && matches!(self.batch.items.get(1), Some(Item::Body(_))),
            _ => false,
        };
        if by_reference {
            self.drop_chunk();
            match self.batch.items.pop_front() {
                Some(Item::Body(body)) => Next::Frame {
                    more,
                    body: BodySlice::Body(body),
                },
                _ => Next::Empty,
            }
        } else {
            self.offset = end;
            match self.batch.items.front() {
                Some(Item::Bytes(chunk)) => Next::Frame {
                    more,
                    body: BodySlice::Bytes(&chunk[start..end]),
                },
                _ => Next::Empty,
            }
        }
    }

    /// The bytes of the frame that is next, if one is.
    #[inline]
    pub fn peek(&mut self) -> Option<&[u8]> {
        self.settle();
        let Some(Item::Bytes(chunk)) = self.batch.items.front() else {
            return None;
        };
        let header = decode_header(&chunk[self.offset..]).ok()??;
        let start = self.offset + header.header_len;
        if start == chunk.len()
            && let Some(Item::Body(body)) = self.batch.items.get(1)
        {
            return Some(body);
        }
        chunk.get(start..start + header.body_len as usize)
    }

    fn pop_record(&mut self) -> Next<'_> {
        match self.batch.items.pop_front() {
            Some(Item::Record(record)) => Next::Record(record),
            _ => Next::Empty,
        }
    }

    /// Drops the chunk in front if it was read to its end.
    #[inline]
    fn settle(&mut self) {
        if let Some(Item::Bytes(chunk)) = self.batch.items.front()
            && chunk.len() == self.offset
        {
            self.drop_chunk();
        }
    }

    /// Reads another batch from now on; the one before is given back.
    pub fn replace(&mut self, batch: Batch) -> Batch {
        self.offset = 0;
        std::mem::replace(&mut self.batch, batch)
    }

    fn drop_chunk(&mut self) {
        if let Some(Item::Bytes(chunk)) = self.batch.items.pop_front() {
            self.batch.recycle(chunk);
        }
        self.offset = 0;
    }
}
