//! The write half of a connection: takes batches from the lane and gives them to the kernel. Driven by whoever holds its
//! lock: an application thread inside a send, or the reactor.
//!
//! Invariants: while `in_flight` the reactor's send owns the buffers; while the kernel is `full`, a caller waits for it or the
//! reactor goes on with the tick that it was asked for. What was
//! taken and not completely sent stays here from the first byte of its first incomplete message, so that it can go out on the
//! next connection.

mod translation;

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

use super::flush_duty::Writer;
use super::reader::REPLY_MAX;
use super::{Session, Settings, life};
use crate::pipe::{Batch, Item, Lane, Peer, Taken};
use crate::reactor::driver::send_now;
use crate::reactor::{Segment, SendBuffers};
use crate::sys::counters::{Counter, count_many};
use crate::sys::lock::Deferred;
use crate::sys::{alarm, clock};
use crate::zmtp::{self, Framing, Sealer, decode_header, encode_header};
use translation::{encode, seal_frames};

/// What the write half is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// There is no connection.
    Closed,
    /// Only the protocol's own bytes are sent.
    Handshake,
    /// Messages are sent.
    Open,
}

/// The write half of a connection.
pub struct WriteHalf {
    session: Weak<Session>,
    phase: Phase,
    fd: RawFd,
    /// The number of the connection.
    connection: u32,
    /// ZMTP's minor version that the peer speaks.
    minor: u8,
    lane: Option<Arc<Lane>>,
    socket: Option<Arc<dyn Peer>>,
    batch: Batch,
    /// Messages in the batch: some are left in it where frames are translated.
    unfilled: u64,
    outgoing: SendBuffers,
    /// The outgoing buffers hold protocol bytes, not messages.
    outgoing_is_control: bool,
    /// What the connection before did not take completely; it goes out before anything new.
    left_over: SendBuffers,
    /// Messages in the outgoing buffers that are not acknowledged.
    messages: u64,
    /// The position of the first message in the outgoing buffers that is not sent completely.
    walked: u64,
    control: Vec<u8>,
    in_flight: bool,
    /// The kernel took no more.
    full: bool,
    /// A caller waits for the kernel, and goes on.
    caller_waits: bool,
    /// No caller goes on any more.
    closing: bool,
    /// What was not given to the kernel goes out on the next connection.
    keeps: bool,
    /// So does what it did not take completely.
    resends: bool,
    /// Bodies are sent without headers.
    raw: bool,
    /// How the peer of the open connection wants its frames.
    framing: Framing,
    /// Encrypts what is sent.
    sealer: Option<Sealer>,
    /// Where frames are translated: the positions in the outgoing buffers where messages end.
    ends: VecDeque<u64>,
}

impl Deferred for WriteHalf {
    type After = ();

    fn run_deferred(&mut self, _after: &mut ()) {
        self.flush();
    }
}

impl Writer for WriteHalf {
    fn is_stuck(&self) -> bool {
        self.phase != Phase::Open || self.in_flight || self.full
    }

    fn needs_reactor(&self) -> bool {
        self.full && !self.caller_waits && self.phase != Phase::Closed
    }
}

impl WriteHalf {
    pub(super) fn new(session: Weak<Session>, settings: &Settings) -> WriteHalf {
        WriteHalf {
            session,
            phase: Phase::Closed,
            fd: -1,
            connection: 0,
            minor: 0,
            lane: None,
            socket: None,
            batch: Batch::default(),
            outgoing: SendBuffers::new(),
            outgoing_is_control: false,
            left_over: SendBuffers::new(),
            messages: 0,
            walked: 0,
            control: Vec::new(),
            in_flight: false,
            full: false,
            caller_waits: false,
            closing: false,
            keeps: !settings.subscribes && !settings.immediate,
            // What was sent of a stream of bytes goes with it.
            resends: !settings.subscribes && !settings.immediate && settings.raw.is_none(),
            unfilled: 0,
            raw: settings.raw.is_some(),
            framing: Framing::Zmtp3,
            sealer: None,
            ends: VecDeque::new(),
        }
    }

    /// A descriptor is there: protocol bytes may be sent.
    pub(super) fn open(&mut self, fd: RawFd, connection: u32) {
        self.fd = fd;
        self.connection = connection;
        self.phase = Phase::Handshake;
        self.in_flight = false;
        (self.full, self.caller_waits) = (false, false);
    }

    /// The handshake is done: messages may be sent.
    pub(super) fn activate(
        &mut self,
        lane: Arc<Lane>,
        socket: Arc<dyn Peer>,
        peer: &zmtp::Peer,
        sealer: Option<Sealer>,
    ) {
        self.lane = Some(lane);
        self.socket = Some(socket);
        self.minor = peer.minor;
        self.framing = peer.framing;
        self.sealer = sealer;
        if self.is_translated() && !self.left_over.is_empty() {
            // It is in the framing of the connection before: its room is for others.
            self.left_over = SendBuffers::new();
            let lost = std::mem::take(&mut self.messages);
            self.lose(lost);
        }
        self.phase = Phase::Open;
        self.flush();
    }

    /// The connection is lost: nothing more is written to it.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Closed;
    }

    /// The connection is gone. What the kernel did not take completely stays for the next one, if there may be one.
    pub(super) fn close(&mut self, again: bool) {
        self.phase = Phase::Closed;
        self.fd = -1;
        self.control.clear();
        self.ends.clear();
        let is_translated = self.is_translated();
        self.sealer = None;
        let outgoing = std::mem::take(&mut self.outgoing);
        let is_control = std::mem::take(&mut self.outgoing_is_control);
        if !(again && self.keeps) {
            let unfilled = std::mem::take(&mut self.unfilled);
            self.batch.clear();
            if again {
                self.lose(unfilled);
            }
        }
        if !(again && self.resends) || is_translated {
            self.left_over = SendBuffers::new();
            let lost = std::mem::take(&mut self.messages);
            // A pipe that goes on has room for others in their place.
            if again {
                self.lose(lost);
            }
            return;
        }
        if !is_control && !outgoing.is_empty() {
            self.left_over = outgoing;
            self.left_over.rewind();
        }
    }

    /// Queues protocol bytes; they go out between messages, before any that is not yet taken.
    /// With many of them waiting already a peer that reads nothing gets no more.
    pub(super) fn push_control(&mut self, bytes: &[u8]) {
        if self.control.len() < REPLY_MAX {
            match &mut self.sealer {
                None => self.control.extend_from_slice(bytes),
                Some(sealer) => {
                    if seal_frames(sealer, bytes, &mut self.control).is_err() {
                        return self.break_off();
                    }
                }
            }
        }
        self.flush();
    }

    /// As [`WriteHalf::push_control`], unless others wait: a peer that reads nothing gets one.
    pub(super) fn push_ping(&mut self, bytes: &[u8]) {
        if self.control.is_empty() && !self.outgoing_is_control {
            self.push_control(bytes);
        }
    }

    /// Whether bytes of messages wait for a connection.
    pub(super) fn holds_messages(&self) -> bool {
        self.unfilled > 0
            || !self.left_over.is_empty()
            || (self.in_flight || !self.outgoing.is_empty()) && !self.outgoing_is_control
    }

    /// How many messages the kernel has not taken completely.
    pub(super) fn unsent(&self) -> u64 {
        self.messages + self.unfilled
    }

    /// Writes until nothing is left or the kernel takes no more; then the reactor goes on, unless a caller does before.
    pub(super) fn flush(&mut self) {
        if !self.full && self.write_all() {
            self.leave_to_reactor(0);
        }
    }

    /// For a caller that is about to sleep: writes, and says what to watch until the kernel takes more, if it is full.
    pub(super) fn wait(&mut self) -> Option<RawFd> {
        if self.closing {
            return None;
        }
        self.caller_waits = self.write_all();
        self.caller_waits.then_some(self.fd)
    }

    /// The caller is back.
    pub(super) fn end_wait(&mut self) {
        if std::mem::take(&mut self.caller_waits) && self.write_all() {
            self.leave_to_reactor(alarm::slack_ns());
        }
    }

    /// No caller will come back.
    pub(super) fn forget_caller(&mut self) {
        (self.caller_waits, self.closing) = (false, true);
    }

    fn leave_to_reactor(&self, slack_ns: u64) {
        if let Some(session) = self.session.upgrade() {
            session.tick_for_rest(clock::now_ns(), slack_ns);
        }
    }

    /// Writes until nothing is left (false) or the kernel takes no more.
    fn write_all(&mut self) -> bool {
        self.full = false;
        while self.phase != Phase::Closed && !self.in_flight && self.fill() {
            match send_now(self.fd, &self.outgoing) {
                Ok(count) => self.sent(count),
                Err(libc::EAGAIN) => {
                    self.full = true;
                    return true;
                }
                Err(errno) => {
                    self.phase = Phase::Closed;
                    let gone = matches!(errno, libc::EPIPE | libc::ECONNRESET);
                    self.call(if gone { life::WRITE_FAILED } else { life::BREAK });
                }
            }
        }
        false
    }

    /// Reactor: hands the outgoing buffers over for an operation, if there is something to send.
    pub(super) fn take_for_operation(&mut self) -> Option<(RawFd, SendBuffers)> {
        if self.phase == Phase::Closed || self.in_flight || self.caller_waits || !self.fill() {
            return None;
        }
        self.full = false;
        self.in_flight = true;
        Some((self.fd, std::mem::take(&mut self.outgoing)))
    }

    /// Reactor: the operation is over; the kernel took `count` bytes. True: another is needed.
    pub(super) fn operation_ended(&mut self, count: usize, buffers: SendBuffers) -> bool {
        self.in_flight = false;
        self.outgoing = buffers;
        self.sent(count);
        !self.outgoing.is_empty()
    }

    /// The kernel took `count` bytes: messages that it has completely give their credit back.
    fn sent(&mut self, count: usize) {
        self.outgoing.advance(count);
        let whole = if self.outgoing_is_control || self.outgoing.is_empty() {
            self.ends.clear();
            self.messages
        } else if self.is_translated() {
            self.walk_translated()
        } else {
            self.walk()
        };
        while let Some(chunk) = self.outgoing.take_spare() {
            self.batch.recycle(chunk);
        }
        if self.outgoing_is_control {
            self.outgoing_is_control = !self.outgoing.is_empty();
            return;
        }
        self.messages -= whole;
        self.acknowledge(whole);
    }

    /// The lane has room for so many messages more.
    fn acknowledge(&self, messages: u64) {
        if messages > 0
            && let (Some(lane), Some(socket)) = (&self.lane, &self.socket)
            && lane.acknowledge_more(messages)
        {
            socket.writable();
        }
    }

    /// So many messages go nowhere: the lane has room for others in their place.
    fn lose(&self, messages: u64) {
        count_many(Counter::Lost, messages);
        if messages > 0
            && let (Some(lane), Some(socket)) = (&self.lane, &self.socket)
            && lane.lose(messages)
        {
            socket.writable();
        }
    }

    /// Counts the messages that are sent completely, and releases them.
    fn walk(&mut self) -> u64 {
        let sent = self.outgoing.position();
        let mut whole = 0;
        let mut boundary = self.walked;
        let mut position = self.walked;
        while position < sent
            && let Ok(Some(header)) = decode_header(self.outgoing.bytes_at(position))
        {
            position += header.header_len as u64 + header.body_len;
            if position > sent {
                break;
            }
            if !header.more {
                boundary = position;
                whole += u64::from(!header.command);
            }
        }
        self.walked = boundary;
        self.outgoing.release_to(boundary);
        whole.min(self.messages)
    }

    /// Makes sure that there is something in the outgoing buffers, if anything is to be sent.
    fn fill(&mut self) -> bool {
        if !self.outgoing.is_empty() {
            return true;
        }
        if !self.control.is_empty() {
            self.outgoing_is_control = true;
            self.outgoing.push(Segment::Bytes(std::mem::take(&mut self.control)));
            self.walked = self.outgoing.position();
            return true;
        }
        if self.phase == Phase::Open && !self.left_over.is_empty() {
            self.outgoing = std::mem::take(&mut self.left_over);
            self.walked = self.outgoing.position();
            return true;
        }
        let Some(lane) = &self.lane else { return false };
        if self.phase != Phase::Open {
            return false;
        }
        if self.batch.is_empty() {
            if !matches!(lane.take(&mut self.batch), Taken::Batch(_)) {
                return false;
            }
            self.unfilled = self.batch.messages();
        }
        self.walked = self.outgoing.position();
        if self.is_translated() {
            self.fill_translated();
            return !self.outgoing.is_empty();
        }
        self.messages += std::mem::take(&mut self.unfilled);
        while let Some(item) = self.batch.pop() {
            match item {
                Item::Bytes(bytes) => self.outgoing.push(Segment::Bytes(bytes)),
                Item::Body(body, more) => {
                    let (header, header_len) = encode_header(more, body.len());
                    self.outgoing.push(Segment::Bytes(header[..header_len].to_vec()));
                    self.outgoing.push(Segment::Body(body));
                }
                Item::Run(frames) => self.outgoing.push(Segment::Body(frames)),
                Item::Record(record) => {
                    if let Some(bytes) = encode(record, self.minor) {
                        self.outgoing.push(Segment::Bytes(bytes));
                    }
                }
            }
        }
        self.batch.clear();
        !self.outgoing.is_empty()
    }

    fn call(&self, what: u32) {
        if let Some(session) = self.session.upgrade() {
            let command = life::of_connection(what, self.connection);
            session.link.clone().call(session, command);
        }
    }
}
