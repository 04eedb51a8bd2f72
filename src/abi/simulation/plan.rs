//! What a seed stands for: which sockets there are, how they are set up, and what goes wrong.

use std::ffi::c_int;
use std::fmt;

use crate::constants::*;
use crate::sys::simulation::{Faults, Random, mix};

/// Who talks to whom. The first type binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// PULL binds, PUSH connects.
    Collect,
    /// PUSH binds, PULL connects.
    Distribute,
    /// ROUTER binds, DEALER connects.
    Route,
    /// PUB binds, SUB connects.
    Publish,
    /// SUB binds, PUB connects.
    Gather,
    /// REP binds, REQ connects.
    Request,
}

const PATTERNS: [Pattern; 6] = [
    Pattern::Collect,
    Pattern::Distribute,
    Pattern::Route,
    Pattern::Publish,
    Pattern::Gather,
    Pattern::Request,
];

impl Pattern {
    /// The socket types that bind and connect.
    pub fn types(self) -> (c_int, c_int) {
        match self {
            Pattern::Collect => (ZMQ_PULL, ZMQ_PUSH),
            Pattern::Distribute => (ZMQ_PUSH, ZMQ_PULL),
            Pattern::Route => (ZMQ_ROUTER, ZMQ_DEALER),
            Pattern::Publish => (ZMQ_PUB, ZMQ_SUB),
            Pattern::Gather => (ZMQ_SUB, ZMQ_PUB),
            Pattern::Request => (ZMQ_REP, ZMQ_REQ),
        }
    }
}

/// A seed's plan.
#[derive(Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// See there.
    pub pattern: Pattern,
    /// Reactors.
    pub reactors: c_int,
    /// Sockets that bind.
    pub bound: usize,
    /// Sockets that connect to each of them.
    pub connecting: usize,
    /// ZMQ_SNDHWM.
    pub send_limit: c_int,
    /// ZMQ_RCVHWM.
    pub receive_limit: c_int,
    /// No part is longer, in bytes.
    pub part_max: usize,
    /// ZMQ_HEARTBEAT_IVL.
    pub heartbeat_ms: c_int,
    /// ZMQ_IMMEDIATE.
    pub immediate: bool,
    /// How many things the program does.
    pub actions: u64,
    /// It closes sockets, and takes connections back, once in so many (0: never).
    pub upheaval: u64,
    /// What goes wrong while it does them.
    pub faults: Faults,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::new(mix(!seed));
        let pattern = random.pick(&PATTERNS);
        // One world in four is slow, but whole: there nothing may be lost at all.
        let is_whole = random.once_in(4);
        let sometimes = |random: &mut Random, times: &[u64]| if is_whole { 0 } else { random.pick(times) };
        Plan {
            seed,
            pattern,
            reactors: 1 + random.below(2) as c_int,
            bound: 1 + usize::from(random.once_in(3)),
            connecting: random.pick(&[1, 1, 1, 2, 2, 3, 3, 6, 6, 18]),
            send_limit: random.pick(&[0, 1, 2, 10, 100, 1000]),
            receive_limit: random.pick(&[0, 1, 2, 10, 100, 1000]),
            part_max: random.pick(&[20, 240, 1_500, 100_000, 100_000]),
            heartbeat_ms: random.pick(&[0, 0, 0, 20]),
            immediate: random.once_in(6),
            actions: 20 + random.below(100),
            upheaval: sometimes(&mut random, &[0, 0, 10, 40]),
            faults: Faults {
                partial: random.pick(&[0, 1, 2, 10]),
                hesitation: random.pick(&[0, 3, 20]),
                failure: sometimes(&mut random, &[0, 100, 1_000]),
                reset: sometimes(&mut random, &[0, 30, 200]),
                refusal: sometimes(&mut random, &[0, 2, 10]),
                acceptance: sometimes(&mut random, &[0, 5]),
                interrupt: random.pick(&[0, 10, 100]),
                lateness: random.pick(&[0, 3, 20, 200]),
                delay_max_ns: random.pick(&[100_000, 3_000_000, 60_000_000]),
                buffer_max: random.pick(&[6_000, 60_000, 400_000]),
            },
        }
    }

    /// Whether no connection may end before its sockets do.
    pub fn is_whole(&self) -> bool {
        let faults = &self.faults;
        faults.failure + faults.reset + faults.refusal + faults.acceptance + self.upheaval == 0
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}
