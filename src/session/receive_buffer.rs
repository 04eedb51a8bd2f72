//! What was read from a connection and not decoded. Belongs to the read half.
//!
//! A reactor reads into a buffer of its own and leaves only the rest here; a caller that holds the lease reads into this one.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::sys::reserve;

/// A caller reads this many bytes at once at first, and at most. Four times as many after a read that filled the room.
const CALLER_BYTES_MIN: usize = 16 * 1024;
const CALLER_BYTES_MAX: usize = 256 * 1024;

/// After this many reads that each brought less than [`FEW_BYTES`] a caller reads to its own stack: that is warm, where the buffer of
/// one connection among many is not.
const FEW_READS: u8 = 8;
pub(super) const FEW_BYTES: usize = 2 * 1024;

/// An empty buffer of so many bytes is kept.
const IDLE_BYTES_MAX: usize = 4 * 1024;

/// Bytes in the order in which they arrived.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    /// Initialized, and used in `kept`.
    bytes: Vec<u8>,
    kept: Range<usize>,
    /// The last read filled the room.
    was_filled: bool,
    /// Reads that brought few bytes, since the last that brought more.
    few: u8,
}

impl ReceiveBuffer {
    /// What is kept.
    pub(super) fn kept(&self) -> &[u8] {
        &self.bytes[self.kept.clone()]
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Forgets the first bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.kept.start += count.min(self.kept.len());
        if self.kept.is_empty() {
            self.kept = 0..0;
        }
    }

    /// Adds a copy of bytes.
    pub(super) fn append(&mut self, more: &[u8]) -> Result<()> {
        if self.bytes.len() - self.kept.end < more.len() {
            self.move_to_front();
            let missing = (self.kept.end + more.len()).saturating_sub(self.bytes.len());
            reserve::spare()?;
            self.bytes.try_reserve(missing).map_err(|_| Error::NoMemory)?;
            self.bytes.truncate(self.kept.end);
            self.bytes.extend_from_slice(more);
        } else {
            self.bytes[self.kept.end..][..more.len()].copy_from_slice(more);
        }
        self.kept.end += more.len();
        Ok(())
    }

    /// Where a caller may read to; not empty.
    pub(super) fn room(&mut self) -> Result<&mut [u8]> {
        if self.bytes.len() - self.kept.end <= self.bytes.len() / 2 {
            self.move_to_front();
        }
        let length = self.bytes.len();
        if length < CALLER_BYTES_MIN || self.was_filled && length < CALLER_BYTES_MAX || self.kept.end == length {
            let wanted = (4 * length)
                .clamp(CALLER_BYTES_MIN, CALLER_BYTES_MAX)
                .max(2 * self.kept.len());
            reserve::spare()?;
            self.bytes
                .try_reserve_exact(wanted - length)
                .map_err(|_| Error::NoMemory)?;
            self.bytes.resize(wanted, 0);
        }
        Ok(&mut self.bytes[self.kept.end..])
    }

    /// Whether a caller may read to its stack: nothing is kept, and little will come.
    pub(super) fn brings_few(&self) -> bool {
        self.few >= FEW_READS && self.kept.is_empty()
    }

    /// So many bytes were read by a caller, to wherever.
    pub(super) fn brought(&mut self, count: usize) {
        self.few = if count < FEW_BYTES {
            self.few.saturating_add(1)
        } else {
            0
        };
    }

    /// So many bytes were read to the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.brought(count);
        self.kept.end += count;
        self.was_filled = self.kept.end == self.bytes.len();
    }

    /// Gives memory back that nothing is kept in, if it is much.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.bytes.len() > IDLE_BYTES_MAX {
            (self.bytes, self.kept, self.was_filled) = (Vec::new(), 0..0, false);
        }
    }

    fn move_to_front(&mut self) {
        self.bytes.copy_within(self.kept.clone(), 0);
        self.kept = 0..self.kept.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and rests in all sizes come out as they went in.
    #[test]
    fn bytes_come_out_in_the_order_in_which_they_came_in() {
        let mut buffer = ReceiveBuffer::default();
        let (mut written, mut read) = (0_u32, 0_u32);
        for turn in 0..4_000_usize {
            let count = turn * 37 % 5_000;
            if turn % 3 == 0 {
                let more: Vec<u8> = (0..count).map(|place| (written + place as u32) as u8).collect();
                buffer.append(&more).unwrap();
                written += count as u32;
            } else {
                let room = buffer.room().unwrap();
                assert!(!room.is_empty());
                let count = if turn % 31 == 1 {
                    room.len()
                } else {
                    count.min(room.len())
                };
                (0..)
                    .zip(&mut room[..count])
                    .for_each(|(place, byte)| *byte = (written + place) as u8);
                buffer.filled(count);
                written += count as u32;
            }
            assert_eq!(buffer.len() as u32, written - read);
            let consumed = if turn % 5 == 0 {
                buffer.len()
            } else {
                buffer.len() * (turn % 7) / 7
            };
            assert!(
                (read..)
                    .zip(&buffer.kept()[..consumed])
                    .all(|(place, byte)| *byte == place as u8)
            );
            buffer.consume(consumed);
            read += consumed as u32;
            if turn % 11 == 0 {
                buffer.shrink();
            }
        }
        assert!(buffer.bytes.len() <= 2 * CALLER_BYTES_MAX);
    }
}
