//! How fast a socket is being sent to: tells a burst from messages that have the connection to themselves, and how long what
//! a burst left may be collected. Touched under the socket's lock.
//!
//! Writing to each of many connections in turn takes long, so with them both times grow: a message that follows sooner than a
//! write to each would take belongs to a burst, and what is collected waits for about as long as that takes, or twice as long in
//! a burst that goes on. Else the caller would do nothing but write, and every write be small.

use crate::sys::{alarm, clock};

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
/// When a burst has lasted for so long, in nanoseconds, the deadline for what its sender may leave behind is not set for every batch:
/// to set a timer may cost more than a write.
const LASTING_NS: u64 = 200_000;
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

/// What somebody was asked, who flushes when the sender does not come back.
#[derive(Debug, Default)]
pub struct Backstop {
    /// When something last began to wait that he was asked for.
    begun_ns: u64,
    /// He flushes within the flush deadline after this time.
    until_ns: u64,
}

impl Backstop {
    /// When something last began to wait.
    pub(super) fn begun_ns(&self) -> u64 {
        self.begun_ns
    }
}

/// Whether a message waits for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// It goes at once.
    No,
    /// It waits, and the backstop knows.
    Yes,
    /// It waits, and the backstop is to flush within the flush deadline after this time.
    Until(u64),
}

/// The pace of one socket.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last message was sent, as far as the clock was read.
    last_ns: u64,
    /// Whether the message being sent is part of a burst, once that was asked.
    burst: Option<bool>,
    /// When the burst began.
    burst_since_ns: u64,
    wrote: bool,
    /// A message was put off since that was last asked.
    left: bool,
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
        self.flushed_some();
    }

    /// Some of what was unsent is written now. That takes time, which is no gap in a burst.
    pub fn flushed_some(&mut self) {
        self.unsent_since_ns = 0;
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

    /// The message is the first that would wait.
    #[inline]
    pub fn defer(&mut self, backstop: &mut Backstop) -> Wait {
        backstop.begun_ns = clock::now_ns();
        if self.is_burst(backstop.begun_ns, 1) {
            self.wait(backstop)
        } else {
            Wait::No
        }
    }

    /// As [`Pace::defer`] for one connection, and so many messages that came one after the other: where messages seldom come to the
    /// same one of many, there is nothing to wait for.
    /// The time until `made_room_ns`, which it took to make room for them, is no gap in a burst.
    #[inline]
    pub(super) fn defer_for(&mut self, backstop: &mut Backstop, messages: usize, made_room_ns: u64) -> Wait {
        let now_ns = clock::now_ns();
        self.last_ns = self.last_ns.max(made_room_ns);
        let since_ns = now_ns.saturating_sub(std::mem::replace(&mut backstop.begun_ns, now_ns));
        let is_burst = self.is_burst(now_ns, messages as u64);
        if is_burst && (self.connections <= CROWD || since_ns < 2 * self.patience_ns()) {
            self.wait(backstop)
        } else {
            Wait::No
        }
    }

    #[inline]
    fn is_burst(&mut self, now_ns: u64, messages: u64) -> bool {
        let since_ns = now_ns.saturating_sub(std::mem::replace(&mut self.last_ns, now_ns));
        let gap_ns = match self.streak {
            0 => BURST_GAP_NS.max(self.crowd * WRITE_NS / 4),
            _ => INTERRUPTION_NS,
        };
        let is_burst = *self.burst.get_or_insert(since_ns < gap_ns * messages);
        if !is_burst {
            self.burst_since_ns = now_ns;
        }
        is_burst
    }

    /// Whether a message was put off since this was last asked.
    #[inline]
    pub fn take_left(&mut self) -> bool {
        std::mem::take(&mut self.left)
    }

    fn wait(&mut self, backstop: &mut Backstop) -> Wait {
        self.left = true;
        let now_ns = backstop.begun_ns;
        if self.unsent_since_ns == 0 {
            self.unsent_since_ns = now_ns;
        }
        let lasts = now_ns.saturating_sub(self.burst_since_ns) > LASTING_NS;
        if now_ns < backstop.until_ns {
            return Wait::Yes;
        }
        let slack_ns = if lasts { alarm::slack_ns() } else { 0 };
        backstop.until_ns = now_ns + slack_ns.max(self.patience_ns() - FLUSH_AGE_NS);
        Wait::Until(backstop.until_ns)
    }

    fn patience_ns(&self) -> u64 {
        if self.crowd <= CROWD {
            return FLUSH_AGE_NS;
        }
        let age = FLUSH_AGE_NS.max(self.crowd * WRITE_NS);
        FLUSH_AGE_MAX_NS.min(if self.streak > 0 { 2 * age } else { age })
    }
}
