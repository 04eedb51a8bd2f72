//! What the tests of this room share: a seeded generator, and a socket of one pattern with peers at the other ends of
//! its pipes. A pattern is told of a pipe only when the pipe asks for it, so that a mark that was not left shows as a
//! hang.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use bytes::Bytes;

use super::{Pattern, PipeId, Pipes};
use crate::error::{Error, Result};
use crate::message::{Message, Metadata};
use crate::options::Options;
use crate::pipe::{Credit, End, Payload, Peer, Record, Target, lanes};

/// Marsaglia's xorshift: the same seed gives the same run.
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Generator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// What one end of a pipe asked of the other.
#[derive(Default)]
struct Calls {
    is_connection: bool,
    readable: AtomicBool,
    writable: AtomicBool,
    closed: AtomicBool,
    rejected: AtomicBool,
    /// The option whose limit the peer passed.
    exceeded: AtomicI32,
    reminded: AtomicBool,
    /// What is held back is to be flushed.
    asked: AtomicBool,
}

impl Peer for Calls {
    fn readable(&self) {
        self.readable.store(true, Ordering::Relaxed);
    }

    fn writable(&self) {
        self.writable.store(true, Ordering::Relaxed);
    }

    fn closed(&self, _linger_ms: i32) {
        self.closed.store(true, Ordering::Relaxed);
        self.readable();
    }

    fn rejected(&self) {
        self.rejected.store(true, Ordering::Relaxed);
    }

    fn exceeded(&self, option: i32) {
        self.exceeded.store(option, Ordering::Relaxed);
    }

    fn remind(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    fn flush_later(&self, _since_ns: u64, reminds: bool) {
        self.reminded.fetch_or(reminds, Ordering::Relaxed);
        self.readable();
    }

    fn remind_later(&self, _since_ns: u64) {
        self.reminded.store(true, Ordering::Relaxed);
    }

    fn is_connection(&self) -> bool {
        self.is_connection
    }
}

/// A whole message.
pub(super) type Parts = Vec<Vec<u8>>;

/// A message of these parts.
pub(super) fn parts(parts: &[&str]) -> Parts {
    parts.iter().map(|part| part.as_bytes().to_vec()).collect()
}

struct Remote {
    end: End,
    to_pattern: Arc<Calls>,
    to_remote: Arc<Calls>,
}

/// A socket of one pattern.
pub(super) struct Rig {
    pub(super) pipes: Pipes,
    pub(super) pattern: Box<dyn Pattern>,
    pub(super) options: Options,
    remotes: BTreeMap<PipeId, Remote>,
    receives: u32,
    /// How many of them went the short way.
    pub(super) short_receives: u32,
    /// How many parts did.
    pub(super) short_sends: u32,
}

/// How a peer is attached.
#[derive(Default)]
pub(super) struct Link<'a> {
    /// High-water mark to the peer in messages (0: none).
    pub(super) limit: u32,
    pub(super) is_connection: bool,
    pub(super) routing_id: Option<&'a str>,
    /// ZMQ_CONNECT_ROUTING_ID.
    pub(super) name: Option<&'static str>,
}

impl Rig {
    pub(super) fn new(socket_type: i32) -> Rig {
        Rig {
            pipes: Pipes::default(),
            pattern: super::new(socket_type, 7).unwrap(),
            options: Options::new(socket_type),
            remotes: BTreeMap::new(),
            receives: 0,
            short_receives: 0,
            short_sends: 0,
        }
    }

    pub(super) fn set(&mut self, number: i32, value: i32) {
        self.set_bytes(number, &value.to_ne_bytes());
    }

    pub(super) fn set_bytes(&mut self, number: i32, value: &[u8]) {
        self.options.set(number, Some(value)).unwrap();
        let opt = crate::options::row(number).unwrap().opt;
        self.pattern.option_changed(opt, &self.options);
    }

    pub(super) fn attach(&mut self) -> PipeId {
        self.attach_as(Link::default()).unwrap()
    }

    pub(super) fn attach_routed(&mut self, routing_id: &str) -> PipeId {
        let link = Link {
            routing_id: Some(routing_id),
            ..Link::default()
        };
        self.attach_as(link).unwrap()
    }

    /// Attaches a peer; `None` if the pattern refuses it.
    pub(super) fn attach_as(&mut self, link: Link<'_>) -> Option<PipeId> {
        let (to_remote, to_pattern) = lanes(link.limit, 0);
        let calls_remote = Arc::new(Calls {
            is_connection: link.is_connection,
            ..Calls::default()
        });
        let calls_pattern = Arc::new(Calls::default());
        let ours = End::new(to_pattern.clone(), to_remote.clone(), calls_remote.clone());
        let mut theirs = End::new(to_remote, to_pattern, calls_pattern.clone());
        if let Some(routing_id) = link.routing_id {
            theirs
                .write_record(Record::RoutingId(Bytes::copy_from_slice(routing_id.as_bytes())))
                .unwrap();
        }
        let id = self.pipes.insert(ours);
        self.assert_no_short_way();
        self.remotes.insert(
            id,
            Remote {
                end: theirs,
                to_pattern: calls_pattern,
                to_remote: calls_remote,
            },
        );
        let name = link.name.map(|name| Bytes::from_static(name.as_bytes()));
        let accepted = self.pattern.attached(&mut self.pipes, id, name.is_some(), name);
        if !accepted {
            self.detach(id);
        }
        self.settle();
        accepted.then_some(id)
    }

    /// This side gives a pipe up.
    pub(super) fn detach(&mut self, id: PipeId) {
        self.pattern.ended(&mut self.pipes, id);
        self.pipes.close(id, 0);
        self.assert_no_short_way();
    }

    /// Pipes came or went: nothing is known of where the next message comes from.
    fn assert_no_short_way(&mut self) {
        assert!(self.pipes.receive_small(|_, _| true).is_none());
    }

    /// Passes on what the peers' ends asked of the pattern.
    pub(super) fn settle(&mut self) {
        for (&id, remote) in &self.remotes {
            if remote.to_pattern.readable.swap(false, Ordering::Relaxed) {
                self.pattern.readable(&mut self.pipes, id);
            }
            if remote.to_pattern.asked.swap(false, Ordering::Relaxed) {
                self.pipes.flush();
            }
            if remote.to_pattern.writable.swap(false, Ordering::Relaxed) {
                self.pattern.writable(&mut self.pipes, id);
            }
        }
        while let Some((id, _)) = self.pipes.take_refused() {
            self.detach(id);
        }
    }

    /// Whether this side has closed the pipe.
    pub(super) fn is_closed(&self, id: PipeId) -> bool {
        self.remotes[&id].to_remote.closed.load(Ordering::Relaxed)
    }

    /// Whether the peer's connection is to end.
    pub(super) fn is_rejected(&self, id: PipeId) -> bool {
        self.remotes[&id].to_remote.rejected.load(Ordering::Relaxed)
    }

    /// The option whose limit the peer passed, so that its connection is to end; asked once.
    pub(super) fn take_exceeded(&self, id: PipeId) -> Option<i32> {
        let option = self.remotes[&id].to_remote.exceeded.swap(0, Ordering::Relaxed);
        (option != 0).then_some(option)
    }

    /// The peer goes; what it sent before is still there.
    pub(super) fn hang_up(&mut self, id: PipeId) {
        self.remotes.get_mut(&id).unwrap().end.close(0);
        self.settle();
        self.pattern.readable(&mut self.pipes, id);
        let end = self.pipes.end(id).unwrap();
        end.other_end_is_closed();
        if end.is_finished() {
            self.detach(id);
        }
    }

    /// Whether this side wants to be reminded to flush, by any of its pipes; asks no more then.
    pub(super) fn is_reminded(&self) -> bool {
        let mut asked = self.remotes.values().map(|remote| &remote.to_remote.reminded);
        asked.any(|reminded| reminded.swap(false, Ordering::Relaxed))
    }

    pub(super) fn remote(&mut self, id: PipeId) -> &mut End {
        &mut self.remotes.get_mut(&id).unwrap().end
    }

    /// A peer sends a message.
    pub(super) fn remote_sends(&mut self, id: PipeId, message: &[&str]) {
        for (place, part) in message.iter().enumerate() {
            let more = place + 1 < message.len();
            self.remote(id).write(Payload::Bytes(part.as_bytes()), more).unwrap();
        }
        self.settle();
    }

    /// A peer sends a record.
    pub(super) fn remote_tells(&mut self, id: PipeId, record: Record) {
        self.remote(id).write_record(record).unwrap();
        self.settle();
    }

    /// The next message that came to a peer, past records.
    pub(super) fn remote_reads(&mut self, id: PipeId) -> Option<Parts> {
        // Whoever finds nothing asks for what is held back.
        self.remote(id).poll();
        self.settle();
        let end = self.remote(id);
        while end.take_record().is_some() {}
        let mut message = Parts::new();
        while let Some(part) = end.receive_message().unwrap() {
            message.push(part.data().to_vec());
            if !part.more() {
                break;
            }
        }
        self.settle();
        (!message.is_empty()).then_some(message)
    }

    /// The records that came to a peer, as `+topic` and `-topic`.
    pub(super) fn remote_hears(&mut self, id: PipeId) -> Vec<String> {
        let mut heard = Vec::new();
        let text = |topic: &Bytes| String::from_utf8_lossy(topic).into_owned();
        while let Some(record) = self.remote(id).take_record() {
            match record {
                Record::Subscribe(topic) => heard.push(format!("+{}", text(&topic))),
                Record::Cancel(topic) => heard.push(format!("-{}", text(&topic))),
                _ => {}
            }
        }
        heard
    }

    pub(super) fn send_part(&mut self, part: &str, more: bool) -> Result<()> {
        if !more && self.pipes.stream(part.as_bytes()) {
            self.short_sends += 1;
            return Ok(());
        }
        self.send_payload(Payload::Bytes(part.as_bytes()), more)
    }

    pub(super) fn send_payload(&mut self, payload: Payload<'_>, more: bool) -> Result<()> {
        self.pipes.begin_send()?;
        let sent = self.pattern.send(&mut self.pipes, payload, more, Credit::Fresh);
        self.pipes.end_send();
        sent
    }

    /// Sends a whole message, of which only the first part may fail.
    pub(super) fn send(&mut self, message: &[&str]) -> Result<()> {
        for (place, part) in message.iter().enumerate() {
            let sent = self.send_part(part, place + 1 < message.len());
            assert!(sent.is_ok() || place == 0);
            sent?;
        }
        Ok(())
    }

    pub(super) fn receive_part(&mut self) -> Result<Message> {
        let mut part = Message::new();
        let more = self.pattern.receive(&mut self.pipes, &mut Target::Message(&mut part))?;
        assert_eq!(more, part.more());
        Ok(part)
    }

    /// Receives a whole message. What `can_receive` says must be true.
    pub(super) fn receive(&mut self) -> Result<Parts> {
        let mut message = Parts::new();
        // Every other time the short way is tried first, where the last receive opened it.
        self.receives += 1;
        let take = |bytes: &[u8], _: Option<&Arc<Metadata>>| {
            message.push(bytes.to_vec());
            true
        };
        if self.receives.is_multiple_of(2) && self.pipes.receive_small(take).is_some() {
            self.short_receives += 1;
            return Ok(message);
        }
        let ready = self.can_receive();
        loop {
            let part = self.receive_part();
            assert!(part.is_ok() || message.is_empty());
            assert!(part.is_ok() == ready || matches!(part, Err(Error::State | Error::NotSupported)));
            let part = part?;
            message.push(part.data().to_vec());
            if !part.more() {
                return Ok(message);
            }
        }
    }

    pub(super) fn can_receive(&mut self) -> bool {
        self.pattern.can_receive(&mut self.pipes)
    }

    pub(super) fn can_send(&mut self) -> bool {
        self.pattern.can_send(&mut self.pipes)
    }
}
