//! The read half of a connection: decodes what arrives and queues it into the lane to the socket, in runs of whole messages.
//!
//! Driven by whoever holds its lock. Invariants: what was read and not decoded is in `rest`; parts of a
//! message that is not complete are in `staged`; nothing is decoded beyond the lane's high-water mark.

mod bodies;
mod foreign;
mod secured;

use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::Bytes;

use super::receive_buffer::{FEW_BYTES, ReceiveBuffer};
use super::{Lanes, Raw, Settings};
use crate::error::Error;
use crate::message::BodyBuilder;
use crate::pipe::{Batch, LARGE_BODY, Record};
use crate::reactor::driver::receive_now;
use crate::sys::lock::Deferred;
use crate::sys::reserve;
use crate::zmtp::zap::Credentials;
use crate::zmtp::{
    Begun, Ciphers, Command, Framing, Handshake, Header, MessageLimits, Opener, Peer, ProtocolError, ScanLimits, Stop,
    parse_command, scan,
};

/// A body at least this long is read into its own allocation, in bytes.
const DIRECT_BODY: u64 = 2 * LARGE_BODY as u64;
/// Answers of so many bytes are not added to.
pub(super) const REPLY_MAX: usize = 4 * 1024;
/// A command may be this long, in bytes.
const COMMAND_MAX: u64 = 64 * 1024;
/// So many bytes may be left undecoded until more arrive, at most: a command, or what is read of the handshake.
pub(super) const KEPT_MAX: usize = COMMAND_MAX as usize + HEADER_MAX;
/// The longest header of a frame (RFC 37).
const HEADER_MAX: usize = 9;
/// Reads of one connection before the others have their turn.
pub(super) const READS_MAX: usize = 8;

/// What reading has come to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything there was is decoded.
    Drained,
    /// There may be more to read at once.
    More,
    /// The lane is at its high-water mark.
    Paused,
    /// The authentication handler is to be asked, and [`ReadHalf::answer`] to be called.
    Ask(Credentials),
    /// The authentication handler refused the peer for now.
    Stalled(ProtocolError),
    /// The handshake is complete; decoding goes on once the session is ready for messages.
    Ready(Box<Peer>, Option<Box<Ciphers>>),
    /// The stream ended, or the connection failed with this `errno` (0: end).
    Ended(i32),
    /// The peer broke the protocol.
    Broken(ProtocolError),
    /// There is no memory for what arrives.
    OutOfMemory,
}

enum Phase {
    Closed,
    Handshake(Box<Handshake>),
    Open,
    /// As `Open`, but what arrives are bytes.
    Raw,
}

/// The read half of a connection.
pub struct ReadHalf {
    fd: RawFd,
    phase: Phase,
    lanes: Option<Lanes>,
    rest: ReceiveBuffer,
    staged: Batch,
    body: Option<(BodyBuilder, bool)>,
    sent: u64,
    credit: u64,
    limit: u32,
    paused: bool,
    /// Nothing more is written to the connection: what is left of it is read beyond the high-water mark, up to its end.
    ends: bool,
    /// The `errno` that the stream ended with (0: its end), while what came before waits.
    ended: Option<i32>,
    /// What a caller came to that is the reactor's business.
    left_outcome: Option<Outcome>,
    /// The socket waits for what was queued, and is still to be told.
    has_news: bool,
    raw: Option<Raw>,
    framing: Framing,
    /// Decrypts what arrives.
    opener: Option<Opener>,
    /// When something was read last, if that is to be known; 0: it is not.
    heard_ns: u64,
    /// The peer has sent a PING.
    pinged: bool,
    /// The time that the peer's last PING gave; 0: none.
    peer_ttl_ns: u64,
    /// The reactor is to be told of it.
    has_ttl_news: bool,
    publishes: bool,
    conflates: bool,
    message_max: Option<u64>,
    message_limits: MessageLimits,
    /// What is taken, or is being read, of a message that is not complete.
    begun: Begun,
    /// Protocol bytes to send: handshake, PONG.
    pub(super) reply: Vec<u8>,
}

impl Deferred for ReadHalf {
    type After = ();

    // The reactor alone drives this half for now; it is told by commands.
    fn run_deferred(&mut self, _after: &mut ()) {}
}

impl ReadHalf {
    pub(super) fn new(settings: &Settings) -> ReadHalf {
        ReadHalf {
            fd: -1,
            phase: Phase::Closed,
            lanes: None,
            rest: ReceiveBuffer::default(),
            staged: Batch::default(),
            body: None,
            sent: 0,
            credit: 0,
            limit: settings.receive_limit,
            paused: false,
            ends: false,
            ended: None,
            left_outcome: None,
            has_news: false,
            raw: settings.raw,
            framing: Framing::Zmtp3,
            opener: None,
            heard_ns: 0,
            pinged: false,
            peer_ttl_ns: 0,
            has_ttl_news: false,
            publishes: settings.publishes,
            conflates: settings.conflate,
            message_max: settings.message_max,
            message_limits: settings.message_limits,
            begun: Begun::default(),
            reply: Vec::new(),
        }
    }

    /// A descriptor is there and the handshake begins.
    pub(super) fn open(&mut self, fd: RawFd, mut handshake: Handshake) {
        self.fd = fd;
        self.reply.append(handshake.output());
        self.phase = Phase::Handshake(Box::new(handshake));
    }

    /// A descriptor is there whose bytes are no protocol.
    pub(super) fn open_raw(&mut self, fd: RawFd) {
        self.fd = fd;
        self.phase = Phase::Raw;
    }

    /// The handshake is done: messages go into the lane, after what the socket must know about the connection.
    pub(super) fn activate(&mut self, lanes: Lanes, records: Vec<Record>) -> Result<(), Error> {
        if self.raw.is_none() {
            self.phase = Phase::Open;
        }
        let before = self.lanes.as_ref().map(|before| &before.to_socket);
        if !before.is_some_and(|before| Arc::ptr_eq(before, &lanes.to_socket)) {
            // A new pipe counts from the start.
            (self.sent, self.credit, self.limit) = (0, 0, lanes.to_socket.limit());
        }
        let pushed = lanes
            .to_socket
            .push_records(|batch| records.into_iter().try_for_each(|record| batch.push_record(record)))?;
        self.has_news |= pushed.reader_waits;
        self.lanes = Some(lanes);
        Ok(())
    }

    /// The connection is gone: what is not complete is dropped.
    pub(super) fn close(&mut self) {
        self.fd = -1;
        self.phase = Phase::Closed;
        self.rest = ReceiveBuffer::default();
        self.staged.clear();
        self.begun = Begun::default();
        self.body = None;
        self.paused = false;
        self.ends = false;
        self.ended = None;
        self.left_outcome = None;
        (self.heard_ns, self.peer_ttl_ns, self.has_ttl_news) = (0, 0, false);
        self.opener = None;
        self.reply.clear();
    }

    /// Reads from the descriptor, up to so many times, and decodes. The scratch has more than [`KEPT_MAX`] bytes.
    pub(super) fn read(&mut self, scratch: &mut [u8], reads: usize) -> Outcome {
        // What a pause left comes first, also before the end of the stream.
        match self.resume() {
            None | Some(Outcome::Drained) => {}
            Some(outcome) => return outcome,
        }
        for _ in 0..reads {
            if matches!(self.phase, Phase::Closed) {
                return Outcome::Drained;
            }
            if self.body.is_some() {
                match self.read_body() {
                    Outcome::More => continue,
                    other => return other,
                }
            }
            let kept = self.rest.len();
            let most = self.read_max(scratch.len());
            if kept >= most {
                return Outcome::OutOfMemory;
            }
            scratch[..kept].copy_from_slice(self.rest.kept());
            let count = match receive_now(self.fd, &mut scratch[kept..most]) {
                Ok(0) => return Outcome::Ended(0),
                Ok(count) => count,
                Err(libc::EAGAIN) => return Outcome::Drained,
                Err(errno) => return Outcome::Ended(errno),
            };
            self.hear();
            self.rest.consume(kept);
            let end = kept + count;
            let outcome = self.decode_keeping(&scratch[..end]);
            let filled = end == most;
            match outcome {
                Outcome::Drained if filled || self.body.is_some() => {}
                other => return other,
            }
        }
        Outcome::More
    }

    /// Reads once into the connection's own buffer, for the caller that holds the lease, and decodes. What a pause left is
    /// decoded first.
    pub(super) fn read_leased(&mut self) -> Outcome {
        if let Some(outcome) = self.resume() {
            return outcome;
        }
        if !matches!(self.phase, Phase::Open | Phase::Raw) {
            return Outcome::Drained;
        }
        if self.body.is_some() {
            return self.read_body();
        }
        if matches!(self.phase, Phase::Open) && self.rest.brings_few() {
            return self.read_few();
        }
        self.read_room(false)
    }

    /// Reads to the connection's own buffer. Something may have come to it just before.
    fn read_room(&mut self, begun: bool) -> Outcome {
        let Ok(room) = self.rest.room() else {
            return Outcome::OutOfMemory;
        };
        match receive_now(self.fd, room) {
            Ok(0) => Outcome::Ended(0),
            Ok(count) => {
                self.rest.filled(count);
                self.hear();
                self.decode_rest()
            }
            Err(libc::EAGAIN) if begun => self.decode_rest(),
            Err(libc::EAGAIN) => Outcome::Drained,
            Err(errno) => Outcome::Ended(errno),
        }
    }

    /// Reads to the stack, and if that is too small, goes on in the buffer.
    fn read_few(&mut self) -> Outcome {
        let mut bytes = [0; FEW_BYTES];
        match receive_now(self.fd, &mut bytes) {
            Ok(0) => Outcome::Ended(0),
            Ok(count) => {
                self.rest.brought(count);
                self.hear();
                if count < bytes.len() {
                    return self.decode_keeping(&bytes[..count]);
                }
                if self.rest.append(&bytes).is_err() {
                    return self.stop_without_memory();
                }
                self.read_room(true)
            }
            Err(libc::EAGAIN) => Outcome::Drained,
            Err(errno) => Outcome::Ended(errno),
        }
    }

    /// Decodes what was read before and bytes that the driver received.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Outcome {
        self.hear();
        if self.rest.is_empty() && !self.paused {
            return self.decode_keeping(bytes);
        }
        if self.rest.append(bytes).is_err() {
            return self.stop_without_memory();
        }
        if self.paused {
            return Outcome::Paused;
        }
        self.decode_rest()
    }

    /// Decodes what was kept, after a pause or the end of the handshake.
    pub(super) fn decode_rest(&mut self) -> Outcome {
        let mut rest = std::mem::take(&mut self.rest);
        let (consumed, outcome) = self.decode(rest.kept());
        rest.consume(consumed);
        self.rest = rest;
        outcome
    }

    /// Whether the lane is full and decoding waits.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// What was decoded is not to be decoded again, by whoever reads before the connection has ended.
    pub(super) fn stop_without_memory(&mut self) -> Outcome {
        self.phase = Phase::Closed;
        self.staged.clear();
        self.body = None;
        Outcome::OutOfMemory
    }

    /// Decodes `bytes`, while nothing is kept, and keeps what is not decoded.
    fn decode_keeping(&mut self, bytes: &[u8]) -> Outcome {
        let (consumed, outcome) = self.decode(bytes);
        if self.rest.append(&bytes[consumed..]).is_err() {
            return self.stop_without_memory();
        }
        self.rest.shrink();
        outcome
    }

    fn decode(&mut self, bytes: &[u8]) -> (usize, Outcome) {
        match self.decode_phase(bytes) {
            (consumed, Outcome::OutOfMemory) => (consumed, self.stop_without_memory()),
            decoded => decoded,
        }
    }

    fn decode_phase(&mut self, bytes: &[u8]) -> (usize, Outcome) {
        match &mut self.phase {
            Phase::Closed => (bytes.len(), Outcome::Drained),
            Phase::Handshake(handshake) => {
                let result = handshake.input(bytes);
                self.reply.append(handshake.output());
                match result {
                    Ok((consumed, progress)) => (consumed, self.progressed(progress, bytes.len() - consumed)),
                    Err(error) => (bytes.len(), Outcome::Broken(error)),
                }
            }
            Phase::Open => {
                let mut position = 0;
                let outcome = match self.framing {
                    Framing::Zmtp1 => self.decode_old_messages(bytes, &mut position),
                    Framing::Zmtp3 if self.opener.is_some() => self.decode_sealed_messages(bytes, &mut position),
                    Framing::Zmtp2 | Framing::Zmtp3 => self.decode_messages(bytes, &mut position),
                };
                (position, outcome)
            }
            Phase::Raw => self.take_raw(bytes),
        }
    }

    fn decode_messages(&mut self, bytes: &[u8], position: &mut usize) -> Outcome {
        loop {
            if let Some(outcome) = self.go_on_with_body(bytes, position) {
                return outcome;
            }
            let room = self.room();
            if room == 0 {
                self.paused = true;
                return Outcome::Paused;
            }
            let limits = ScanLimits {
                max_messages: room,
                max_body: self.message_max,
                large_threshold: DIRECT_BODY,
                whole: self.message_limits,
                begun: self.begun,
            };
            let found = match scan(&bytes[*position..], &limits) {
                Ok(found) => found,
                Err(error) => return Outcome::Broken(error),
            };
            let run = &bytes[*position..*position + found.bytes];
            if self.queue(run, found.committed_bytes, found.messages).is_err() {
                return Outcome::OutOfMemory;
            }
            *position += found.bytes;
            self.begun = found.begun;
            match found.stop {
                Stop::Limit => {}
                Stop::Invalid(error) => return Outcome::Broken(error),
                Stop::NeedMore | Stop::Incomplete(_) => return Outcome::Drained,
                Stop::Large(header) => match self.begin_body(header) {
                    Ok(()) => *position += header.header_len,
                    Err(outcome) => return outcome,
                },
                Stop::Command(header) => match self.command(header, &bytes[*position..]) {
                    Ok(0) => return Outcome::Drained,
                    Ok(length) => *position += length,
                    Err(error) => return Outcome::Broken(error),
                },
            }
        }
    }

    /// How many messages may be decoded now.
    fn room(&mut self) -> usize {
        let Some(lanes) = &self.lanes else { return 0 };
        if self.conflates {
            return 1;
        }
        if self.ends {
            return usize::MAX;
        }
        let used = self.sent.saturating_sub(self.credit);
        if self.limit != 0 && used < u64::from(self.limit) {
            return (u64::from(self.limit) - used) as usize;
        }
        (self.credit, self.limit) = lanes.to_socket.credit_or_wait(self.sent);
        if self.limit == 0 || lanes.to_socket.is_abandoned() {
            return usize::MAX;
        }
        u64::from(self.limit).saturating_sub(self.sent.saturating_sub(self.credit)) as usize
    }

    /// Queues a run of frames of which the first `committed` bytes are whole messages (with what is staged before them).
    fn queue(&mut self, run: &[u8], committed: usize, messages: usize) -> Result<(), Error> {
        let Some(lanes) = &self.lanes else { return Ok(()) };
        let (whole, begun) = run.split_at(committed);
        if committed > 0 {
            let staged = &mut self.staged;
            if !staged.is_empty() {
                // What may fail comes before the first frame of the message is in the lane.
                staged.push_frames(whole, messages as u64)?;
            }
            let pushed = lanes.to_socket.push(|batch| match staged.is_empty() {
                true => batch.push_frames(whole, messages as u64),
                false => batch.append(staged),
            })?;
            self.sent += messages as u64;
            self.has_news |= pushed.reader_waits;
        }
        self.staged.push_frames(begun, 0)
    }

    /// Handles a command at the start of `bytes`; the length of its frame, or 0 if it is not all there.
    fn command(&mut self, header: Header, bytes: &[u8]) -> Result<usize, ProtocolError> {
        if header.body_len > COMMAND_MAX {
            return Err(ProtocolError::MessageTooLarge);
        }
        let end = header.header_len + header.body_len as usize;
        let Some(body) = bytes.get(header.header_len..end) else {
            return Ok(0);
        };
        self.obey(body)?;
        Ok(end)
    }

    /// Does what a command says. As in libzmq, what is malformed or unknown is passed over.
    fn obey(&mut self, body: &[u8]) -> Result<(), ProtocolError> {
        match parse_command(body) {
            Ok(Command::Ping { context, ttl_tenths }) => {
                self.pinged = true;
                // One answer is enough for a peer that does not read them.
                if self.reply.len() < REPLY_MAX {
                    crate::zmtp::encode_pong(&mut self.reply, context);
                }
                self.peer_ttl_ns = u64::from(ttl_tenths) * 100_000_000;
                if ttl_tenths > 0 {
                    self.note_times();
                    self.has_ttl_news = true;
                }
            }
            Ok(Command::Subscribe(topic)) if self.publishes => self.record(topic, Record::Subscribe)?,
            Ok(Command::Cancel(topic)) if self.publishes => self.record(topic, Record::Cancel)?,
            _ => {}
        }
        Ok(())
    }

    /// Without memory for it the connection ends: a peer that comes back says everything again.
    fn record(&mut self, topic: &[u8], record: impl FnOnce(Bytes) -> Record) -> Result<(), ProtocolError> {
        if let Some(lanes) = &self.lanes {
            let pushed = reserve::copied(topic).and_then(|topic| {
                let record = record(topic.into());
                lanes.to_socket.push_records(|batch| batch.push_record(record))
            });
            self.has_news |= pushed.map_err(|_| ProtocolError::NoMemory)?.reader_waits;
        }
        Ok(())
    }

    /// The socket read what was queued: what decoding the rest came to, if it was paused.
    pub(super) fn resume(&mut self) -> Option<Outcome> {
        if !std::mem::take(&mut self.paused) {
            return None;
        }
        match (self.decode_rest(), self.ended) {
            (Outcome::Drained, Some(errno)) => Some(Outcome::Ended(errno)),
            (outcome, _) => Some(outcome),
        }
    }

    /// What the kernel holds is read to its end, however much of it the socket has read: a program that cannot send before there
    /// is a new connection may not come to read the old one.
    pub(super) fn read_to_end(&mut self) {
        self.ends = true;
    }

    /// The connection is lost: what was read of it is decoded beyond the high-water mark.
    pub(super) fn decode_to_end(&mut self) {
        self.ends = true;
        // What comes to light behind the last whole message changes nothing any more.
        drop(self.resume());
    }

    /// Whether what arrives is to be read soon, though nobody asks for messages: PINGs, subscriptions.
    pub(super) fn is_urgent(&self) -> bool {
        self.pinged || self.publishes
    }

    /// Whether the socket waits for what was queued, and is told by whoever reads.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Tells the socket what was queued, if it waits for that.
    pub(super) fn tell_news(&mut self) {
        if let (true, Some(lanes)) = (self.take_news(), &self.lanes) {
            lanes.socket.readable();
        }
    }

    /// As [`ReadHalf::tell_news`], but the socket need not look before it is told. True: there is something to tell.
    pub(super) fn leave_news(&mut self) -> bool {
        let has_news = self.take_news();
        if let (true, Some(lanes)) = (has_news, &self.lanes) {
            lanes.socket.leave_readable();
        }
        has_news
    }

    /// A caller leaves to the reactor what reading has come to.
    pub(super) fn leave_outcome(&mut self, outcome: Outcome) {
        self.left_outcome = Some(outcome);
    }

    /// The reactor goes on after a caller: what reading has come to.
    pub(super) fn take_over(&mut self) -> Outcome {
        let outcome = self.left_outcome.take().or_else(|| self.resume());
        self.rest.shrink();
        outcome.unwrap_or(Outcome::Drained)
    }

    /// The descriptor that is read; -1: there is none.
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// The stream ended. True if what was read waits for the socket: the end is reported after it.
    pub(super) fn end_after_pause(&mut self, errno: i32) -> bool {
        self.ended = Some(errno);
        self.paused
    }
}
