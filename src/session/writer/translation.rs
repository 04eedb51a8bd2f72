//! What the write half does where the peer wants something else than the frames of the lane: bytes without headers, frames of ZMTP 1.0, or
//! frames in boxes. Records are put into the peer's version of the protocol here.

use super::{Phase, WriteHalf};
use crate::pipe::{Item, Record, chunk};
use crate::reactor::Segment;
use crate::session::life;
use crate::zmtp::{
    Framing, Header, MESSAGE_OVERHEAD, ProtocolError, Sealer, decode_header, encode_cancel, encode_old_header,
    encode_subscribe,
};

/// So many bytes are translated at once.
const TRANSLATED_BYTES: u64 = 64 * 1024;
/// What a frame grows by beside its body, in bytes; in tokens of GSSAPI it is more.
const GROWTH: usize = MESSAGE_OVERHEAD + 9;

/// How far translating has come.
struct Progress {
    /// The position in the outgoing buffers behind what was translated.
    end: u64,
    /// The position at which no further message is begun.
    most: u64,
    /// A message is begun and not ended.
    in_message: bool,
}

impl WriteHalf {
    /// Whether what is sent is not what is in the lane.
    pub(super) fn is_translated(&self) -> bool {
        self.raw || self.framing == Framing::Zmtp1 || self.sealer.is_some()
    }

    /// As [`WriteHalf::walk`] where frames are not those of the lane.
    pub(super) fn walk_translated(&mut self) -> u64 {
        let sent = self.outgoing.position();
        let mut whole = 0;
        while let Some(end) = self.ends.front().copied().filter(|end| *end <= sent) {
            self.ends.pop_front();
            self.walked = end;
            whole += 1;
        }
        self.outgoing.release_to(self.walked);
        whole
    }

    /// Puts frames of the batch into the outgoing buffers, which are empty, as the peer wants them: not many more than the kernel takes,
    /// because they are lost with the connection.
    pub(super) fn fill_translated(&mut self) {
        let start = self.outgoing.position();
        // What is left begins with a whole message: it may go out on another connection.
        let mut progress = Progress {
            end: start,
            most: start + TRANSLATED_BYTES,
            in_message: false,
        };
        while (progress.in_message || progress.end < progress.most)
            && let Some(item) = self.batch.pop()
        {
            match item {
                Item::Bytes(frames) => {
                    self.push_some(&frames, &mut progress);
                    self.batch.recycle(frames);
                }
                Item::Run(frames) => self.push_some(&frames, &mut progress),
                Item::Body(body, more) if self.sealer.is_none() => {
                    let header = self.header(more, body.len());
                    progress.end += (header.len() + body.len()) as u64;
                    self.outgoing.push(Segment::Bytes(header));
                    self.outgoing.push(Segment::Body(body));
                    self.end_frame(more, &mut progress);
                }
                Item::Body(body, more) => {
                    let mut translated = room(body.len() + GROWTH);
                    self.translate(more, false, &body, &mut translated);
                    progress.end += translated.len() as u64;
                    self.outgoing.push(Segment::Bytes(translated));
                    self.end_frame(more, &mut progress);
                }
                Item::Record(record) => self.push_record(record, &mut progress),
            }
        }
        let filled = (self.ends.len() as u64).min(self.unfilled);
        self.unfilled -= filled;
        self.messages += filled;
        if self.batch.is_empty() {
            self.messages += std::mem::take(&mut self.unfilled);
            self.batch.clear();
        }
    }

    /// Frames of ZMTP 3, to the end of the message that reaches the most that is translated, if one does. The others go back.
    fn push_some(&mut self, frames: &[u8], progress: &mut Progress) {
        let taken = self.push_translated(frames, progress);
        if (1..frames.len()).contains(&taken) {
            self.batch.put_back(Item::Bytes(frames[taken..].to_vec()));
        }
    }

    fn push_record(&mut self, record: Record, progress: &mut Progress) {
        if self.raw {
            return;
        }
        let minor = if self.framing == Framing::Zmtp1 { 0 } else { self.minor };
        if let Some(frame) = encode(record, minor) {
            // No message that counts.
            let (counted, most) = (self.ends.len(), progress.most);
            progress.most = u64::MAX;
            self.push_translated(&frame, progress);
            progress.most = most;
            self.ends.truncate(counted);
        }
    }

    /// How many bytes of the frames were translated.
    fn push_translated(&mut self, frames: &[u8], progress: &mut Progress) -> usize {
        let mut translated = room(frames.len().min(TRANSLATED_BYTES as usize));
        let start = progress.end;
        let mut rest = frames;
        while (progress.in_message || progress.end < progress.most)
            && let Some((header, body, next)) = split_frame(rest)
        {
            self.translate(header.more, header.command, body, &mut translated);
            progress.end = start + translated.len() as u64;
            if header.command {
                progress.in_message = false;
            } else {
                self.end_frame(header.more, progress);
            }
            rest = next;
        }
        self.outgoing.push(Segment::Bytes(translated));
        frames.len() - rest.len()
    }

    fn end_frame(&mut self, more: bool, progress: &mut Progress) {
        if !more {
            self.ends.push_back(progress.end);
        }
        progress.in_message = more;
    }

    fn translate(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) {
        if let Some(sealer) = &mut self.sealer {
            if self.phase != Phase::Closed && sealer.seal(more, command, body, out).is_err() {
                self.break_off();
            }
            return;
        }
        out.extend_from_slice(&self.header(more, body.len()));
        out.extend_from_slice(body);
    }

    /// What is to be sent cannot be encrypted: nothing more is written to the connection, and it ends.
    pub(super) fn break_off(&mut self) {
        self.phase = Phase::Closed;
        self.call(life::BREAK);
    }

    /// The header of a frame in clear as the peer has it.
    fn header(&self, more: bool, body_len: usize) -> Vec<u8> {
        if self.raw {
            return Vec::new();
        }
        let (header, header_len) = encode_old_header(more, body_len);
        header[..header_len].to_vec()
    }
}

/// Whole frames of ZMTP 3 as frames in boxes.
pub(super) fn seal_frames(sealer: &mut Sealer, frames: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
    let mut rest = frames;
    while let Some((header, body, next)) = split_frame(rest) {
        sealer.seal(header.more, header.command, body, out)?;
        rest = next;
    }
    Ok(())
}

/// A record in the peer's version of the protocol.
pub(super) fn encode(record: Record, minor: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match record {
        Record::Subscribe(topic) => encode_subscribe(&mut bytes, &topic, minor),
        Record::Cancel(topic) => encode_cancel(&mut bytes, &topic, minor),
        Record::RoutingId(_) | Record::Peer(_) => return None,
    }
    Some(bytes)
}

/// The first frame, and what follows it.
fn split_frame(frames: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let header = decode_header(frames).ok().flatten()?;
    let (body, next) = frames[header.header_len..].split_at_checked(header.body_len as usize)?;
    Some((header, body, next))
}

/// Memory for frames, which comes back with what was sent.
fn room(need: usize) -> Vec<u8> {
    chunk(need).unwrap_or_default()
}
