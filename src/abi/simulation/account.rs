//! What must hold of every message: it is received whole, at most once, in the order of its connection, and if it is not received
//! there is a reason.
//!
//! These are reasons: the connection ended, by a fault or because a socket was closed, when the kernel had all of the message and the
//! other side had not read it; the pipe that it waited in belonged to an accepted connection that ended (or to any, under
//! ZMQ_IMMEDIATE); its sender was closed, or took the connection back, before the kernel had it; its receiver was, before the program
//! received it; a REQ asked anew before it had the answer; a REP or a publisher had no room for it in a pipe at its high-water mark, or a
//! publisher no subscriber. There is no other.

use std::collections::{HashMap, HashSet};
use std::ffi::c_int;

use super::plan::{Pattern, Plan};
use super::program::{topic, topic_of};
use super::wire::{Direction, Id, Wires, socket_at};
use crate::constants::*;
use crate::reactor::SCRATCH_BYTES;
use crate::sys::simulation::{Party, violate};

/// What a socket did.
struct Entry {
    binds: bool,
    kind: c_int,
    sent: u32,
    /// It was closed.
    closed: bool,
    /// With this linger.
    linger_ms: i32,
    /// It took connections back.
    disconnected: bool,
}

/// The account of a program.
pub struct Account {
    pattern: Pattern,
    is_whole: bool,
    immediate: bool,
    bound: u32,
    send_limit: u32,
    receive_limit: u32,
    entries: HashMap<u32, Entry>,
    listeners: HashMap<usize, u32>,
    /// Who received what, as which of its messages.
    received: HashMap<(u32, Id), usize>,
    counts: HashMap<u32, usize>,
    wires: Wires,
}

impl Account {
    /// Of a program that follows the plan.
    pub fn new(plan: &Plan) -> Account {
        Account {
            pattern: plan.pattern,
            is_whole: plan.is_whole(),
            immediate: plan.immediate,
            bound: plan.bound as u32,
            send_limit: plan.send_limit as u32,
            receive_limit: plan.receive_limit as u32,
            entries: HashMap::new(),
            listeners: HashMap::new(),
            received: HashMap::new(),
            counts: HashMap::new(),
            wires: Wires::default(),
        }
    }

    /// A socket was opened.
    pub fn opened(&mut self, socket: u32, binds: bool, kind: c_int) {
        let entry = Entry {
            binds,
            kind,
            sent: 0,
            closed: false,
            linger_ms: -1,
            disconnected: false,
        };
        self.entries.insert(socket, entry);
    }

    /// It listens.
    pub fn listens(&mut self, socket: u32, listener: usize) {
        self.listeners.insert(listener, socket);
    }

    /// It is about to be closed.
    pub fn closed(&mut self, socket: u32, linger_ms: i32) {
        let entry = self.entry(socket);
        (entry.closed, entry.linger_ms) = (true, linger_ms);
    }

    /// It is about to take its connections back.
    pub fn disconnected(&mut self, socket: u32) {
        self.entry(socket).disconnected = true;
    }

    /// It has sent a message.
    pub fn sent(&mut self, id: Id) {
        self.entry(id.0).sent += 1;
    }

    /// It has received one.
    pub fn received(&mut self, socket: u32, id: Id) {
        let count = self.counts.entry(socket).or_default();
        if self.received.insert((socket, id), *count).is_some() {
            violate(format!("socket {socket} received {id:?} twice"));
        }
        *count += 1;
    }

    fn entry(&mut self, socket: u32) -> &mut Entry {
        self.entries.get_mut(&socket).expect("an opened socket")
    }

    fn socket(&self, party: Party) -> u32 {
        match party {
            Party::Listener(number) => self.listeners[&number],
            Party::Source(address) => socket_at(address).expect("a socket's address"),
        }
    }

    /// No pipe holds more than its high-water mark.
    pub fn check_marks(&mut self) {
        self.wires.look();
        if self.send_limit > 0 {
            self.check_send_marks();
        }
        if self.receive_limit > 0 {
            let over: Vec<String> = self
                .wires
                .directions()
                .filter_map(|one| self.unread_too_much(one))
                .collect();
            over.into_iter().for_each(violate);
        }
    }

    /// A message counts until the kernel has all of it (zmq_setsockopt(3), ZMQ_SNDHWM). The pipes of who connects stay the same.
    fn check_send_marks(&self) {
        let mut gone: HashMap<u32, HashSet<Id>> = HashMap::new();
        for direction in self.wires.directions() {
            let messages = direction.messages.iter().map(|(id, _)| *id);
            gone.entry(self.socket(direction.writer)).or_default().extend(messages);
        }
        for (socket, entry) in &self.entries {
            let counts = matches!(entry.kind, ZMQ_PUSH | ZMQ_DEALER) && !entry.binds && !self.immediate;
            if !counts || entry.disconnected || entry.closed {
                continue;
            }
            let gone = gone.get(socket).map_or(0, HashSet::len);
            let waits = (entry.sent as usize).saturating_sub(gone);
            let limit = (self.send_limit * self.bound) as usize;
            if waits > limit {
                violate(format!(
                    "socket {socket}: {waits} messages wait, and its pipes have room for {limit}"
                ));
            }
        }
    }

    /// What was read and not received: the high-water mark's messages, and what one read may bring beyond them.
    fn unread_too_much(&self, direction: &Direction) -> Option<String> {
        let reader = self.socket(direction.reader);
        if direction.is_over || self.entries[&reader].closed {
            return None;
        }
        let is_read = |(_, end): &&(Id, usize)| *end <= direction.read;
        let is_unreceived = |(id, _): &&(Id, usize)| !self.received.contains_key(&(reader, *id));
        let unreceived = direction.messages.iter().filter(is_read).filter(is_unreceived);
        let (_, end) = unreceived.take(self.receive_limit as usize).last()?;
        let beyond = direction.read - end;
        let most = SCRATCH_BYTES + direction.longest;
        (beyond > most).then(|| format!("socket {reader} has read {beyond} bytes beyond its high-water mark"))
    }

    /// At the end a REQ still has no answer.
    pub fn unanswered(&self, id: Id) {
        let may_be_dropped = (1..100).contains(&self.send_limit);
        if self.is_whole && !may_be_dropped {
            violate(format!("{id:?} was never answered"));
        }
    }

    /// At the end, when nothing is under way any more.
    pub fn check_end(&mut self) {
        self.wires.look();
        let mut written: HashMap<Id, Vec<&Direction>> = HashMap::new();
        for direction in self.wires.directions() {
            self.check_direction(direction);
            for (id, _) in &direction.messages {
                written.entry(*id).or_default().push(direction);
            }
        }
        if matches!(self.pattern, Pattern::Publish | Pattern::Gather) {
            return self.check_published();
        }
        for (socket, entry) in &self.entries {
            for message in 0..entry.sent {
                let id = (*socket, message);
                let directions = written.get(&id).map_or(&[][..], Vec::as_slice);
                if directions.len() > 1 {
                    violate(format!("{id:?} was written {} times", directions.len()));
                }
                let reason = self.why_missing(id, entry, directions.first().copied());
                if let Err(what) = reason {
                    violate(format!("{id:?} {what}"));
                }
            }
        }
        let mut receipts: HashMap<Id, usize> = HashMap::new();
        self.received
            .keys()
            .for_each(|(_, id)| *receipts.entry(*id).or_default() += 1);
        for (id, _) in receipts.iter().filter(|(_, count)| **count > 1) {
            violate(format!("{id:?} was received by several"));
        }
    }

    /// A direction carries messages in the order in which they were sent, and what was read of it is received in that order.
    fn check_direction(&self, direction: &Direction) {
        let reader = self.socket(direction.reader);
        let (mut last, mut last_place) = (None, None);
        for (id, end) in &direction.messages {
            if last >= Some(*id) {
                violate(format!("{id:?} was written after {last:?}"));
            }
            last = Some(*id);
            match self.received.get(&(reader, *id)) {
                None if *end <= direction.read && !self.may_drop(reader, *id) => {
                    violate(format!("socket {reader} has read {id:?} and not received it"));
                }
                Some(place) if last_place >= Some(*place) => {
                    violate(format!("socket {reader} received {id:?} too early"));
                }
                Some(place) => last_place = Some(*place),
                None => {}
            }
            if *end > direction.read && !direction.is_over {
                violate(format!("{id:?} never arrived at socket {reader}"));
            }
        }
        if self.is_whole && direction.is_over {
            violate(format!("the connection of socket {reader} ended without a reason"));
        }
    }

    /// A socket that was read for may keep a message from its program.
    fn may_drop(&self, reader: u32, id: Id) -> bool {
        let entry = &self.entries[&reader];
        let has_subscribed = match self.pattern {
            Pattern::Publish | Pattern::Gather => topic(id).starts_with(topic_of(reader)),
            _ => true,
        };
        // An answer that comes after its question was given up, or a question of who has gone.
        let is_stale = self.pattern == Pattern::Request && !self.is_whole;
        entry.closed || entry.disconnected || !has_subscribed || is_stale || entry.kind == ZMQ_REQ
    }

    /// Why a message was not received: nothing to say if it was.
    fn why_missing(&self, id: Id, entry: &Entry, direction: Option<&Direction>) -> Result<(), &'static str> {
        if direction.is_some() {
            // What was written and not read is looked at with its direction.
            return Ok(());
        }
        let lost_a_pipe = (entry.binds || self.immediate)
            && self
                .wires
                .directions()
                .any(|direction| direction.is_over && self.socket(direction.writer) == id.0);
        // A REQ that may ask anew gives up what it has asked before (ZMQ_REQ_RELAXED).
        let was_given_up = entry.kind == ZMQ_REQ && id.1 + 1 < entry.sent;
        // A REP drops the answer if there is no room in its requester's pipe.
        let was_dropped = entry.kind == ZMQ_REP && self.send_limit > 0;
        let was_cut =
            was_given_up || was_dropped || entry.closed && (entry.linger_ms >= 0 || entry.binds) || entry.disconnected;
        if lost_a_pipe || was_cut {
            Ok(())
        } else {
            Err("was sent, and never written")
        }
    }

    /// Without a high-water mark a publisher drops nothing for who is subscribed: from the first message that it was sent. (After a
    /// connection before, that may have been meant for its subscriptions.)
    fn check_published(&self) {
        if self.send_limit > 0 || !self.is_whole {
            return;
        }
        for direction in self.wires.directions().filter(|direction| !direction.is_over) {
            let (writer, reader) = (self.socket(direction.writer), self.socket(direction.reader));
            let Some(((_, first), _)) = direction.messages.first() else {
                continue;
            };
            let wanted = (*first..self.entries[&writer].sent).map(|message| (writer, message));
            let wanted = wanted.filter(|id| topic(*id).starts_with(topic_of(reader)));
            if !wanted.eq(direction.messages.iter().map(|(id, _)| *id)) {
                violate(format!("socket {writer} left messages out for socket {reader}"));
            }
        }
    }
}
