//! What went over the simulated wires, read without the library: which messages, where they end, and what was read of them.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::sys::simulation::{self, Party, mix};

/// A message's own number: its sender, and how many that sent before it.
pub type Id = (u32, u32);

/// Every part that names a message begins with it.
const MAGIC: [u8; 4] = *b"\xf1sim";
/// The greeting of ZMTP 3 (RFC 37).
const GREETING_BYTES: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The parts of a message, which follow from its number; none is longer than `bytes_max`.
pub fn parts_of(id: Id, bytes_max: usize) -> Vec<Vec<u8>> {
    let seed = mix(u64::from(id.0) << 32 | u64::from(id.1));
    let count = match seed % 8 {
        0..=4 => 1,
        other => other - 3,
    };
    let part = |place: u64| {
        let draw = mix(seed ^ mix(place + 1));
        let most = match draw % 32 {
            0..=17 => 240,
            18..=25 => 4_000,
            26..=29 => 40_000,
            _ => 100_000,
        };
        let length = (draw >> 8) as usize % (most.min(bytes_max) + 1);
        let mut bytes = Vec::with_capacity(12 + length);
        if place == 0 {
            bytes.extend_from_slice(&MAGIC);
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.extend_from_slice(&id.1.to_le_bytes());
        }
        let length = if draw >> 40 & 7 == 0 { 0 } else { length };
        bytes.extend((0..length).map(|byte| (draw >> 16) as u8 ^ byte as u8 ^ (byte >> 8) as u8));
        bytes
    };
    (0..count).map(part).collect()
}

/// The number of the message that begins with this part.
pub fn id_of(part: &[u8]) -> Option<Id> {
    let number = |from: usize| Some(u32::from_le_bytes(part.get(from..from + 4)?.try_into().ok()?));
    part.starts_with(&MAGIC).then_some(())?;
    Some((number(4)?, number(8)?))
}

/// The address that a socket connects from, so that its connections can be told from others'.
pub fn source(socket: u32) -> IpAddr {
    IpAddr::from([127, 1, (socket >> 8) as u8, socket as u8])
}

/// The socket behind an address.
pub fn socket_at(source: IpAddr) -> Option<u32> {
    match source {
        IpAddr::V4(address) => match address.octets() {
            [127, 1, high, low] => Some(u32::from(high) << 8 | u32::from(low)),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

/// One direction of a connection, as far as it was written.
#[derive(Clone)]
pub struct Direction {
    /// Who writes and who reads.
    pub writer: Party,
    /// See above.
    pub reader: Party,
    /// The messages that were written completely, and where they end.
    pub messages: Vec<(Id, usize)>,
    /// How much the reader has read.
    pub read: usize,
    /// How much was written.
    pub written: usize,
    /// The connection has ended.
    pub is_over: bool,
    /// The longest message, in bytes.
    pub longest: usize,
    position: usize,
    message_start: usize,
    id: Option<Id>,
}

/// All of them.
#[derive(Default)]
pub struct Wires {
    directions: HashMap<usize, Direction>,
    order: Vec<usize>,
}

impl Wires {
    /// Reads on.
    pub fn look(&mut self) {
        simulation::flows(|flows| {
            for flow in flows {
                let direction = self.directions.entry(flow.number).or_insert_with(|| {
                    self.order.push(flow.number);
                    Direction {
                        writer: flow.writer,
                        reader: flow.reader,
                        messages: Vec::new(),
                        read: 0,
                        written: 0,
                        is_over: false,
                        longest: 0,
                        position: 0,
                        message_start: 0,
                        id: None,
                    }
                });
                direction.read = flow.read;
                direction.written = flow.bytes.len();
                direction.is_over = flow.is_over;
                direction.walk(flow.bytes);
            }
        });
    }

    /// The directions, in the order in which they began.
    pub fn directions(&self) -> impl Iterator<Item = &Direction> {
        self.order.iter().map(|number| &self.directions[number])
    }
}

impl Direction {
    fn walk(&mut self, bytes: &[u8]) {
        if self.position == 0 {
            if bytes.len() < GREETING_BYTES {
                return;
            }
            self.position = GREETING_BYTES;
            self.message_start = GREETING_BYTES;
        }
        while let Some((flags, body, end)) = frame(bytes, self.position) {
            self.position = end;
            if flags & COMMAND != 0 {
                self.message_start = end;
                continue;
            }
            self.id = self.id.or_else(|| id_of(&bytes[body..end]));
            if flags & MORE != 0 {
                continue;
            }
            self.longest = self.longest.max(end - self.message_start);
            self.message_start = end;
            if let Some(id) = self.id.take() {
                self.messages.push((id, end));
            }
        }
    }
}

/// The frame at a position: its flags, and where its body begins and ends. `None`: it is not all there.
fn frame(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let flags = *bytes.get(at)?;
    let (body, length) = if flags & LONG == 0 {
        (at + 2, u64::from(*bytes.get(at + 1)?))
    } else {
        (at + 9, u64::from_be_bytes(bytes.get(at + 1..at + 9)?.try_into().ok()?))
    };
    let end = body.checked_add(length as usize)?;
    (end <= bytes.len()).then_some((flags, body, end))
}
