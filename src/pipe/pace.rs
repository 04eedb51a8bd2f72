//! How fast a socket is being sent to: tells a burst from messages that have the connection to themselves, and how long what
//! a burst left may be collected. Touched under the socket's lock.
//!
//! Writing to each of many connections in turn takes long, so with them both times grow: a message that follows sooner than a
//! write to each would take belongs to a burst, and what is collected waits for about as long as that takes, or twice as long in
//! a burst that goes on. Else the caller would do nothing but write, and every write be small.

use crate::sys::clock;

/// A message this soon after the last write belongs to a burst, in nanoseconds.
const BURST_GAP_NS: u64 = 3_000;
/// No message of a burst is left unsent for longer by its caller, in nanoseconds.
const FLUSH_AGE_NS: u64 = 50_000;
/// The clock is read once in this many messages, counted for each connection that they go to.
const CLOCK_EVERY: u32 = 16;
/// With more connections than this written to in turn, they are a crowd.
const CROWD: u64 = 4;
/// What writing to one connection takes, in nanoseconds.
const WRITE_NS: u64 = 4_000;
/// A burst of which a flush gives each of a crowd this many messages goes on.
const STREAM: u64 = 16;
/// So many flushes have to find fewer until it does no more: threads are interrupted at any time.
const STREAK_MAX: u32 = 4;
/// A gap shorter than this, in nanoseconds, is taken for such an interruption in a burst that goes on.
const INTERRUPTION_NS: u64 = 5_000_000;
/// However many they are, nothing waits for longer, in nanoseconds.
const FLUSH_AGE_MAX_NS: u64 = 2_000_000;

/// What is to be written once a message was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// What waits for longer than since this time.
    Older(u64),
    /// All that waits.
    Everything,
}

/// The pace of one socket.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last message was sent, as far as the clock was read.
    last_ns: u64,
    /// Whether the message being sent is part of a burst, once that was asked.
    burst: Option<bool>,
    wrote: bool,
    /// How many connections there are.
    connections: u64,
    /// How many of them are written to in turn.
    crowd: u64,
    /// How many the last flush found.
    flushed: u64,
    /// Messages since the last flush, counted for each connection.
    copies: u64,
    /// Messages since the clock was read, counted for each connection.
    unclocked: u32,
    /// Above 0 the burst goes on: how many flushes found that, less those that did not.
    streak: u32,
    /// Since when the oldest message waits, over all connections; 0: none does.
    unsent_since_ns: u64,
}

impl Pace {
    /// A message is about to be written, to one connection or many; this many there are, and have something unsent.
    #[inline]
    pub fn begin(&mut self, connections: usize, unsent: usize) {
        self.burst = None;
        self.connections = connections as u64;
        self.crowd = self.flushed.max(unsent as u64);
    }

    /// It was written.
    #[inline]
    pub fn end(&mut self) -> Due {
        if !self.wrote && self.unclocked < CLOCK_EVERY {
            return Due::Nothing;
        }
        self.wrote = false;
        self.unclocked = 0;
        self.last_ns = clock::now_ns();
        let oldest_ns = self.last_ns.saturating_sub(self.patience_ns());
        if self.crowd <= CROWD {
            Due::Older(oldest_ns)
        } else if self.unsent_since_ns != 0 && self.unsent_since_ns < oldest_ns {
            Due::Everything
        } else {
            Due::Nothing
        }
    }

    /// Everything that was unsent is written now, for so many connections.
    pub fn flushed(&mut self, connections: usize) {
        self.flushed = connections as u64;
        let streams = self.flushed > CROWD && self.copies / self.flushed >= STREAM;
        self.streak = if streams {
            STREAK_MAX.min(self.streak + 1)
        } else {
            self.streak.saturating_sub(1)
        };
        self.copies = 0;
        self.unsent_since_ns = 0;
        self.resume();
    }

    /// Something was written after the message: that takes its time, too.
    pub fn resume(&mut self) {
        self.last_ns = clock::now_ns();
    }

    /// Since when the oldest unsent message waits, over all connections; never 0.
    pub fn unsent_since_ns(&self) -> u64 {
        self.unsent_since_ns.max(1)
    }

    /// So many more connections were given the message.
    #[inline]
    pub fn count(&mut self, connections: usize) {
        self.unclocked += connections as u32;
        self.copies += connections as u64;
    }

    /// A connection was written to by this call.
    #[inline]
    pub(super) fn wrote(&mut self) {
        self.wrote = true;
    }

    /// The message is part of a burst, and the first that is held back: since when it counts as waiting. `None`: it goes at once.
    #[inline]
    pub fn defer(&mut self) -> Option<u64> {
        let now_ns = clock::now_ns();
        self.is_burst(now_ns).then(|| self.wait_from(now_ns))
    }

    /// As [`Pace::defer`] for one connection, with the time of when it was last asked for that. Where messages seldom come to the
    /// same one of many connections, there is nothing to wait for.
    #[inline]
    pub(super) fn defer_for(&mut self, last_ns: &mut u64) -> Option<u64> {
        let now_ns = clock::now_ns();
        let since_ns = now_ns.saturating_sub(std::mem::replace(last_ns, now_ns));
        let is_burst = self.is_burst(now_ns);
        let returns = self.connections <= CROWD || since_ns < 2 * self.patience_ns();
        (is_burst && returns).then(|| self.wait_from(now_ns))
    }

    #[inline]
    fn is_burst(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(std::mem::replace(&mut self.last_ns, now_ns));
        let gap_ns = match self.streak {
            0 => BURST_GAP_NS.max(self.crowd * WRITE_NS / 4),
            _ => INTERRUPTION_NS,
        };
        *self.burst.get_or_insert(since_ns < gap_ns)
    }

    fn wait_from(&mut self, now_ns: u64) -> u64 {
        if self.unsent_since_ns == 0 {
            self.unsent_since_ns = now_ns;
        }
        now_ns + (self.patience_ns() - FLUSH_AGE_NS)
    }

    fn patience_ns(&self) -> u64 {
        if self.crowd <= CROWD {
            return FLUSH_AGE_NS;
        }
        let age = FLUSH_AGE_NS.max(self.crowd * WRITE_NS);
        FLUSH_AGE_MAX_NS.min(if self.streak > 0 { 2 * age } else { age })
    }
}
