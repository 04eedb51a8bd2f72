//! The table of context options: zmq_ctx_set(3) and zmq_ctx_get(3).
//!
//! The values belong to a context, under its lock. What the manual says of "before creating any sockets" is for the
//! context to keep: a value is accepted at any time, as libzmq 4.3.5 does, and counts when the threads or sockets are
//! created.

use crate::constants::*;
use crate::error::{Error, Result};
use libc::c_int;

/// The largest number of sockets that `ZMQ_SOCKET_LIMIT` reports; like libzmq, `ZMQ_MAX_SOCKETS` takes larger ones.
pub const SOCKET_LIMIT: c_int = 65535;

/// The size of a `zmq_msg_t` (zmq.h), in bytes.
const MESSAGE_SIZE: c_int = 64;

/// `ZMQ_ZERO_COPY_RECV`, a draft that a stable libzmq takes too. Which bodies are copied is for this library to
/// choose, so the value only reads back.
const ZMQ_ZERO_COPY_RECV: c_int = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number not below this one.
    AtLeast(c_int),
    /// Zero or more, kept as 0 or 1.
    Truth,
    /// Adds a CPU to the list of those that the reactor's threads may run on.
    AddCpu,
    /// Takes a CPU off that list.
    RemoveCpu,
    /// Can only be read.
    Fixed,
}

struct Row {
    opt: ContextOpt,
    number: c_int,
    kind: Kind,
    default: c_int,
    readable: bool,
}

macro_rules! table {
    ($($opt:ident $number:ident: $kind:expr, $default:expr, $readable:expr;)*) => {
        /// A context option.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum ContextOpt {
            $(#[doc = concat!("`", stringify!($number), "`")] $opt,)*
        }

        const ROWS: &[Row] = &[$(Row {
            opt: ContextOpt::$opt,
            number: $number,
            kind: $kind,
            default: $default,
            readable: $readable,
        },)*];
    };
}

// Number 3 is ZMQ_THREAD_PRIORITY when it is set and ZMQ_SOCKET_LIMIT when it is read.
table! {
    IoThreads         ZMQ_IO_THREADS:                 Kind::AtLeast(0),        ZMQ_IO_THREADS_DFLT,           true;
    MaxSockets        ZMQ_MAX_SOCKETS:                Kind::AtLeast(1),        ZMQ_MAX_SOCKETS_DFLT,          true;
    SocketLimit       ZMQ_SOCKET_LIMIT:               Kind::Fixed,             SOCKET_LIMIT,                  true;
    ThreadPriority    ZMQ_THREAD_PRIORITY:            Kind::AtLeast(0),        ZMQ_THREAD_PRIORITY_DFLT,      false;
    ThreadSchedPolicy ZMQ_THREAD_SCHED_POLICY:        Kind::AtLeast(0),        ZMQ_THREAD_SCHED_POLICY_DFLT,  true;
    MaxMsgSize        ZMQ_MAX_MSGSZ:                  Kind::AtLeast(0),        c_int::MAX,                    true;
    MessageSize       ZMQ_MSG_T_SIZE:                 Kind::Fixed,             MESSAGE_SIZE,                  true;
    AddCpu            ZMQ_THREAD_AFFINITY_CPU_ADD:    Kind::AddCpu,            0,                             false;
    RemoveCpu         ZMQ_THREAD_AFFINITY_CPU_REMOVE: Kind::RemoveCpu,         0,                             false;
    ThreadNamePrefix  ZMQ_THREAD_NAME_PREFIX:         Kind::AtLeast(c_int::MIN), 0,                           true;
    ZeroCopyRecv      ZMQ_ZERO_COPY_RECV:             Kind::Truth,             1,                             true;
    Ipv6              ZMQ_IPV6:                       Kind::Truth,             0,                             true;
    Blocky            ZMQ_BLOCKY:                     Kind::Truth,             1,                             true;
}

/// The options of one context.
#[derive(Clone, Debug)]
pub struct ContextOptions {
    values: [c_int; ROWS.len()],
    /// ZMQ_THREAD_NAME_PREFIX was set: 0 is a prefix like others then.
    has_name_prefix: bool,
    cpus: Vec<c_int>,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ContextOptions {
    /// The defaults.
    pub fn new() -> Self {
        let values = std::array::from_fn(|place| ROWS[place].default);
        Self {
            values,
            has_name_prefix: false,
            cpus: Vec::new(),
        }
    }

    /// The value of an option.
    pub fn int(&self, opt: ContextOpt) -> c_int {
        self.values[opt as usize]
    }

    /// Whether an option is on.
    pub fn flag(&self, opt: ContextOpt) -> bool {
        self.int(opt) != 0
    }

    /// What the names of the reactor's threads begin with, if that was set.
    pub fn name_prefix(&self) -> Option<c_int> {
        self.has_name_prefix.then(|| self.int(ContextOpt::ThreadNamePrefix))
    }

    /// The CPUs that the reactor's threads may run on, in rising order; none: they are not bound.
    pub fn cpus(&self) -> &[c_int] {
        &self.cpus
    }

    /// `zmq_ctx_set`: fails with `EINVAL` for an unknown option, a value out of range, and a CPU to remove that is
    /// not in the list.
    pub fn set(&mut self, number: c_int, value: c_int) -> Result<()> {
        let row = ROWS
            .iter()
            .find(|row| row.number == number && row.kind != Kind::Fixed)
            .ok_or(Error::Invalid)?;
        match row.kind {
            Kind::AtLeast(min) if value >= min => self.values[row.opt as usize] = value,
            Kind::Truth if value >= 0 => self.values[row.opt as usize] = c_int::from(value != 0),
            Kind::AddCpu if value >= 0 => self.add_cpu(value)?,
            Kind::RemoveCpu => {
                let place = self.cpus.binary_search(&value).map_err(|_| Error::Invalid)?;
                self.cpus.remove(place);
            }
            _ => return Err(Error::Invalid),
        }
        self.has_name_prefix |= row.opt == ContextOpt::ThreadNamePrefix;
        Ok(())
    }

    /// `zmq_ctx_get`: fails with `EINVAL` for an unknown option and for those that can only be set.
    pub fn get(&self, number: c_int) -> Result<c_int> {
        let row = ROWS
            .iter()
            .find(|row| row.number == number && row.readable)
            .ok_or(Error::Invalid)?;
        Ok(self.int(row.opt))
    }

    fn add_cpu(&mut self, cpu: c_int) -> Result<()> {
        if let Err(place) = self.cpus.binary_search(&cpu) {
            self.cpus.try_reserve(1).map_err(|_| Error::NoMemory)?;
            self.cpus.insert(place, cpu);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_the_place_of_their_option() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.opt as usize, place);
        }
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let options = ContextOptions::new();
        let defaults = [
            (1, 1),
            (2, 1023),
            (3, 65535),
            (4, -1),
            (5, c_int::MAX),
            (6, 64),
            (9, 0),
            (10, 1),
            (42, 0),
            (70, 1),
        ];
        for (number, value) in defaults {
            assert_eq!(options.get(number), Ok(value), "{number}");
        }
        assert_eq!(options.int(ContextOpt::ThreadPriority), -1);
        assert!(options.cpus().is_empty());
        for unknown in [-1, 0, 7, 8, 11, 43, 71] {
            assert_eq!(options.get(unknown), Err(Error::Invalid), "{unknown}");
        }
    }

    /// Number, the largest value that is refused, the smallest that is accepted, and what it reads back as.
    #[test]
    fn ranges_are_those_of_libzmq() {
        let limits = [
            (1, -1, 0, 0),
            (2, 0, 1, 1),
            (4, -1, 0, 0),
            (5, -1, 0, 0),
            (10, -1, 0, 0),
            (42, -1, 0, 0),
            (70, -1, 0, 0),
        ];
        for (number, refused, accepted, reading) in limits {
            let mut options = ContextOptions::new();
            assert_eq!(options.set(number, refused), Err(Error::Invalid), "{number}");
            assert_eq!(options.set(number, c_int::MIN), Err(Error::Invalid), "{number}");
            assert_eq!(options.set(number, accepted), Ok(()), "{number}");
            assert_eq!(options.get(number), Ok(reading), "{number}");
            assert_eq!(options.set(number, c_int::MAX), Ok(()), "{number}");
            let truth = matches!(number, 10 | 42 | 70);
            assert_eq!(options.get(number), Ok(if truth { 1 } else { c_int::MAX }), "{number}");
            assert_eq!(options.set(number, refused), Err(Error::Invalid), "{number}");
            assert_ne!(options.get(number), Ok(refused), "{number}");
        }
        for number in [-1, 0, 6, 11, 41, 43, 69, 71] {
            assert_eq!(ContextOptions::new().set(number, 1), Err(Error::Invalid), "{number}");
        }
        let mut options = ContextOptions::new();
        assert_eq!(options.name_prefix(), None);
        assert_eq!(options.set(9, c_int::MIN), Ok(()));
        assert_eq!(options.set(9, 0), Ok(()));
        assert_eq!(options.name_prefix(), Some(0));
    }

    #[test]
    fn number_3_sets_the_priority_and_reads_the_limit() {
        let mut options = ContextOptions::new();
        assert_eq!(options.set(3, -1), Err(Error::Invalid));
        assert_eq!(options.set(3, 7), Ok(()));
        assert_eq!(options.int(ContextOpt::ThreadPriority), 7);
        assert_eq!(options.get(3), Ok(SOCKET_LIMIT));
    }

    #[test]
    fn cpus_are_a_set() {
        let mut options = ContextOptions::new();
        for cpu in [3, 0, 3] {
            assert_eq!(options.set(7, cpu), Ok(()));
        }
        assert_eq!(options.cpus(), [0, 3]);
        assert_eq!(options.set(7, -1), Err(Error::Invalid));
        assert_eq!(options.set(8, 1), Err(Error::Invalid));
        assert_eq!(options.set(8, 3), Ok(()));
        assert_eq!(options.set(8, 3), Err(Error::Invalid));
        assert_eq!(options.cpus(), [0]);
    }
}
