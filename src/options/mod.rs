//! The options of sockets and contexts, as tables: `table` has a row for each socket option, `context` one for each
//! option of a context. Nothing else in the library knows an option's number, range or default.
//!
//! A socket's [`Options`] belong to it and change under its lock. A clone is a snapshot that shares the values until
//! one side changes: a session keeps the one from when its endpoint was bound or connected, which is what "takes
//! effect for later endpoints" means. [`Options::set`] checks every setting; what it refuses leaves the value as it
//! was.

mod context;
mod filters;
mod security;
mod table;
mod value;
pub mod z85;

pub use context::{ContextOpt, ContextOptions, SOCKET_LIMIT};
pub use filters::Filters;
pub use table::{Access, Effect, Keeper, Kind, Opt, ROWS, Row, row};
pub use value::{Value, write_value};

use crate::constants::{ZMQ_PUB, ZMQ_SUB, ZMQ_XPUB, ZMQ_XSUB};
use crate::error::{Error, Result};
use crate::sys::reserve;
use bytes::Bytes;
use libc::c_int;
use std::sync::Arc;
use std::time::Duration;

/// The options of one socket.
#[derive(Clone, Debug)]
pub struct Options {
    values: Arc<Values>,
}

/// The longest name of a property (RFC 37), in bytes.
const PROPERTY_NAME_MAX: usize = 255;
/// All names and values of ZMQ_METADATA together: less than what a peer accepts of a READY command, in bytes.
const PROPERTY_BYTES_MAX: usize = 32 * 1024;

#[derive(Clone, Debug)]
struct Values {
    numbers: [i64; ROWS.len()],
    /// Only those that are not empty.
    bytes: Vec<(Opt, Bytes)>,
    filters: Filters,
    /// Names and values of ZMQ_METADATA, each name once.
    properties: Vec<(Bytes, Bytes)>,
}

/// What `zmq_setsockopt` did, and what the socket still has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// The value is stored; a socket acts on it where the option works at once.
    Stored(Opt),
    /// The setting is right, nothing is stored: the socket carries it out.
    Live(Opt),
}

/// What `zmq_getsockopt` found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The stored value.
    Value(Value),
    /// The socket has to be asked.
    Live(Opt),
}

impl Options {
    /// The defaults of a socket of this type, which `ZMQ_TYPE` reads from now on.
    pub fn new(socket_type: c_int) -> Options {
        let numbers = std::array::from_fn(|place| ROWS[place].default);
        let mut options = Options {
            values: Arc::new(Values {
                numbers,
                bytes: Vec::new(),
                filters: Filters::default(),
                properties: Vec::new(),
            }),
        };
        options.set_int(Opt::Type, i64::from(socket_type));
        if matches!(socket_type, ZMQ_SUB | ZMQ_XSUB) {
            // What a subscriber still has to send are subscriptions: libzmq does not wait for those.
            options.set_int(Opt::Linger, 0);
        }
        options
    }

    /// The socket's type.
    pub fn socket_type(&self) -> c_int {
        self.int(Opt::Type)
    }

    /// The value of an `int` option.
    pub fn int(&self, opt: Opt) -> i32 {
        // Every kind but `Wide` was checked to fit, or is a default of the table.
        self.int64(opt) as i32
    }

    /// The value of a number of any size; a `uint64_t` as the `int64_t` of the same bits.
    pub fn int64(&self, opt: Opt) -> i64 {
        self.values.numbers[opt as usize]
    }

    /// Whether an option is on: its value is not 0.
    pub fn flag(&self, opt: Opt) -> bool {
        self.int64(opt) != 0
    }

    /// The time of an option in milliseconds; `None` for -1, which stands for "for ever", "never" or "as another
    /// option".
    pub fn duration(&self, opt: Opt) -> Option<Duration> {
        u64::try_from(self.int64(opt)).ok().map(Duration::from_millis)
    }

    /// The bytes or text of an option, if any was set. A text is as it was given: it may end with a NUL.
    pub fn bytes(&self, opt: Opt) -> Option<&Bytes> {
        self.values
            .bytes
            .iter()
            .find(|(stored, _)| *stored == opt)
            .map(|(_, bytes)| bytes)
    }

    /// Takes the bytes of an option that counts once, as `ZMQ_CONNECT_ROUTING_ID` does for the next connect.
    pub fn take_bytes(&mut self, opt: Opt) -> Option<Bytes> {
        let place = self.values.bytes.iter().position(|(stored, _)| *stored == opt)?;
        Some(Arc::make_mut(&mut self.values).bytes.swap_remove(place).1)
    }

    /// Who may connect.
    pub fn filters(&self) -> &Filters {
        &self.values.filters
    }

    /// ZMQ_METADATA: the names and values that are sent to every peer.
    pub fn properties(&self) -> &[(Bytes, Bytes)] {
        &self.values.properties
    }

    /// Stores a number that needs no check, such as a default that comes from the context.
    pub fn set_int(&mut self, opt: Opt, value: i64) {
        Arc::make_mut(&mut self.values).numbers[opt as usize] = value;
    }

    /// `zmq_setsockopt`: checks number, access, socket type, length and range, and stores the value of a plain option.
    ///
    /// `None` is a NULL with length 0, which is not the same as an empty value: it clears texts and lists. Fails with
    /// `EINVAL`, or with `ENOMEM` where the caller's bytes cannot be copied.
    pub fn set(&mut self, number: c_int, value: Option<&[u8]>) -> Result<Setting> {
        let row = row(number)
            .filter(|row| row.can_be_set_on(self.socket_type()))
            .ok_or(Error::Invalid)?;
        let given = value.unwrap_or_default();
        match row.kind {
            Kind::Int { min, max } => {
                let number = int_from(given)?;
                if !(min..=max).contains(&number) {
                    return Err(Error::Invalid);
                }
                self.store(row.opt, number);
            }
            Kind::Truth => self.store(row.opt, i32::from(int_from(given)? != 0)),
            Kind::Deciseconds => self.store(row.opt, whole_deciseconds(int_from(given)?)?),
            Kind::NotIpv6 => match int_from(given)? {
                number @ (0 | 1) => self.store(Opt::Ipv6, 1 - number),
                _ => return Err(Error::Invalid),
            },
            Kind::Wide => {
                let bytes = given.try_into().map_err(|_| Error::Invalid)?;
                self.set_int(row.opt, i64::from_ne_bytes(bytes));
            }
            Kind::Size => {
                let size = i64::from_ne_bytes(given.try_into().map_err(|_| Error::Invalid)?);
                if size < -1 {
                    return Err(Error::Invalid);
                }
                self.set_int(row.opt, size);
            }
            Kind::Bytes { min, max } if (min..=max).contains(&given.len()) => {
                if row.keeper == Keeper::Stored {
                    self.store_bytes(row.opt, given)?;
                } else if self.is_publisher() && !self.flag(Opt::XpubManual) {
                    return Err(Error::Invalid);
                }
            }
            Kind::Text { max } if value.is_none() || (1..=max).contains(&given.len()) => {
                self.store_bytes(row.opt, given)?;
            }
            Kind::Name { max } if (1..=max).contains(&given.len()) => self.store_bytes(row.opt, given)?,
            Kind::Optional { max } if given.len() <= max => self.store_bytes(row.opt, given)?,
            Kind::Bytes { .. } | Kind::Text { .. } | Kind::Name { .. } | Kind::Optional { .. } => {
                return Err(Error::Invalid);
            }
            Kind::Role { mechanism } => self.set_role(mechanism, int_from(given)?)?,
            Kind::Credential => self.set_credential(row.opt, value)?,
            Kind::Principal => self.set_principal(row.opt, given)?,
            Kind::Key => self.set_key(row.opt, given)?,
            Kind::Networks | Kind::Ids => self.set_filter(row.opt, value)?,
            Kind::Property => self.add_property(given)?,
        }
        Ok(match row.keeper {
            Keeper::Stored => Setting::Stored(row.opt),
            Keeper::Live => Setting::Live(row.opt),
        })
    }

    /// `zmq_getsockopt`: the value of a stored option. Fails with `EINVAL` where the option is unknown or cannot be
    /// read.
    pub fn get(&self, number: c_int) -> Result<Reading> {
        let row = row(number).filter(|row| row.can_be_read()).ok_or(Error::Invalid)?;
        if row.keeper == Keeper::Live {
            return Ok(Reading::Live(row.opt));
        }
        let bytes = || self.bytes(row.opt).cloned().unwrap_or_default();
        Ok(Reading::Value(match row.kind {
            // It is asked of the socket, so it takes a longer buffer, as the other states do.
            _ if row.opt == Opt::ThreadSafe => Value::State(self.int(row.opt)),
            Kind::Int { .. } | Kind::Truth | Kind::Deciseconds => Value::Int(self.int(row.opt)),
            Kind::NotIpv6 => Value::Int(1 - self.int(Opt::Ipv6)),
            Kind::Wide | Kind::Size => Value::Wide(self.int64(row.opt)),
            Kind::Bytes { .. } => Value::Bytes(bytes()),
            Kind::Text { .. } | Kind::Name { .. } | Kind::Optional { .. } => Value::Text(bytes()),
            Kind::Credential | Kind::Principal => Value::Text(bytes()),
            Kind::Role { mechanism } => Value::Int(i32::from(self.is_server_of(mechanism))),
            Kind::Key => Value::Key(self.key(row.opt)),
            Kind::Networks | Kind::Ids | Kind::Property => return Err(Error::Invalid),
        }))
    }

    fn is_publisher(&self) -> bool {
        matches!(self.socket_type(), ZMQ_PUB | ZMQ_XPUB)
    }

    /// Stores a checked number. VERBOSE and VERBOSER are one setting of two degrees, of which the last call counts;
    /// MANUAL_LAST_VALUE turns MANUAL on and off.
    fn store(&mut self, opt: Opt, value: i32) {
        self.set_int(opt, i64::from(value));
        match opt {
            Opt::XpubVerbose => self.set_int(Opt::XpubVerboser, 0),
            Opt::XpubVerboser => self.set_int(Opt::XpubVerbose, i64::from(value)),
            Opt::XpubManualLastValue => self.set_int(Opt::XpubManual, i64::from(value)),
            _ => {}
        }
    }

    /// Stores a copy of the bytes; empty ones stand for none.
    fn store_bytes(&mut self, opt: Opt, given: &[u8]) -> Result<()> {
        self.keep_bytes(opt, reserve::copied(given)?.into());
        Ok(())
    }

    fn keep_bytes(&mut self, opt: Opt, value: Bytes) {
        let bytes = &mut Arc::make_mut(&mut self.values).bytes;
        bytes.retain(|(stored, _)| *stored != opt);
        if !value.is_empty() {
            bytes.push((opt, value));
        }
    }

    /// As in libzmq a name begins with `X-`, neither part is empty, and the first value of a name counts.
    fn add_property(&mut self, given: &[u8]) -> Result<()> {
        let colon = given.iter().position(|byte| *byte == b':').ok_or(Error::Invalid)?;
        let (name, value) = (&given[..colon], &given[colon + 1..]);
        let is_name = name.starts_with(b"X-") && name.len() > 2 && name.len() <= PROPERTY_NAME_MAX;
        let properties = self.properties();
        let bytes: usize = properties.iter().map(|(name, value)| name.len() + value.len()).sum();
        if !is_name || value.is_empty() || bytes + given.len() > PROPERTY_BYTES_MAX {
            return Err(Error::Invalid);
        }
        if properties.iter().all(|(known, _)| known != name) {
            let property = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
            Arc::make_mut(&mut self.values).properties.push(property);
        }
        Ok(())
    }

    fn set_filter(&mut self, opt: Opt, value: Option<&[u8]>) -> Result<()> {
        let ipv6 = self.flag(Opt::Ipv6);
        let filters = &mut Arc::make_mut(&mut self.values).filters;
        if opt == Opt::TcpAcceptFilter {
            return filters.set_network(value, ipv6);
        }
        let id = value.map(int_from).transpose()?;
        match opt {
            Opt::IpcFilterPid => filters.set_process(id),
            Opt::IpcFilterUid => filters.set_user(id),
            _ => filters.set_group(id),
        }
    }
}

fn int_from(given: &[u8]) -> Result<i32> {
    given.try_into().map(i32::from_ne_bytes).map_err(|_| Error::Invalid)
}

/// Milliseconds cut to whole tenths of a second, of which a PING carries up to 65535 (RFC 37). Like libzmq, this takes
/// the negative ones that are cut to nothing.
fn whole_deciseconds(milliseconds: i32) -> Result<i32> {
    u16::try_from(milliseconds / 100)
        .map(|tenths| i32::from(tenths) * 100)
        .map_err(|_| Error::Invalid)
}

#[cfg(test)]
mod tests;
