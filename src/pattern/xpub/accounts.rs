//! What each peer of a publisher makes it keep: its topics, and what of it waits for an XPUB's application. Both have the same limits
//! (MONOCOQUE_MAX_SUBSCRIPTIONS, MONOCOQUE_MAX_SUBSCRIPTION_BYTES). A peer of the same process has none.
//!
//! Owned by one pattern, and as exact as it: what is added is taken away again with what it stands for.

use crate::constants::{MONOCOQUE_MAX_SUBSCRIPTION_BYTES, MONOCOQUE_MAX_SUBSCRIPTIONS};
use crate::pattern::PipeId;

/// A number of things, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// How many.
    pub(super) count: u64,
    /// Their bytes together.
    pub(super) bytes: u64,
}

impl Amount {
    /// As a limit it is none.
    pub(super) const NO_LIMIT: Amount = Amount {
        count: u64::MAX,
        bytes: u64::MAX,
    };

    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }

    /// The option whose limit this passes, if it passes one.
    pub(super) fn passes(&self, limits: &Amount) -> Option<i32> {
        if self.count > limits.count {
            Some(MONOCOQUE_MAX_SUBSCRIPTIONS)
        } else if self.bytes > limits.bytes {
            Some(MONOCOQUE_MAX_SUBSCRIPTION_BYTES)
        } else {
            None
        }
    }
}

/// What one peer has.
#[derive(Default)]
struct Account {
    topics: Amount,
    waiting: Amount,
    /// It passed a limit: nothing more of its connection counts.
    is_over: bool,
    is_limited: bool,
}

/// The accounts of all peers.
pub(super) struct Accounts {
    by_pipe: Vec<Account>,
    pub(super) limits: Amount,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            by_pipe: Vec::new(),
            limits: Amount::NO_LIMIT,
        }
    }
}

impl Accounts {
    /// A peer is there, with limits or without.
    pub(super) fn open(&mut self, id: PipeId, is_limited: bool) {
        let place = id as usize;
        if self.by_pipe.len() <= place {
            self.by_pipe.resize_with(place + 1, Account::default);
        }
        self.by_pipe[place] = Account {
            is_limited,
            ..Account::default()
        };
    }

    fn get(&mut self, id: PipeId) -> Option<&mut Account> {
        self.by_pipe.get_mut(id as usize)
    }

    pub(super) fn add_topic(&mut self, id: PipeId, bytes: usize) {
        if let Some(account) = self.get(id) {
            account.topics.add(bytes);
        }
    }

    pub(super) fn take_topic(&mut self, id: PipeId, bytes: usize) {
        if let Some(account) = self.get(id) {
            account.topics.take(bytes);
        }
    }

    pub(super) fn add_waiting(&mut self, id: PipeId, bytes: usize) {
        if let Some(account) = self.get(id) {
            account.waiting.add(bytes);
        }
    }

    pub(super) fn take_waiting(&mut self, id: PipeId, bytes: usize) {
        if let Some(account) = self.get(id) {
            account.waiting.take(bytes);
        }
    }

    /// The option whose limit the peer passes.
    pub(super) fn passed(&mut self, id: PipeId) -> Option<i32> {
        let limits = self.limits;
        let account = self.get(id).filter(|account| account.is_limited && !account.is_over)?;
        account
            .topics
            .passes(&limits)
            .or_else(|| account.waiting.passes(&limits))
    }

    /// The peer's topics are gone, and nothing more of its connection counts.
    pub(super) fn close(&mut self, id: PipeId) {
        if let Some(account) = self.get(id) {
            (account.topics, account.is_over) = (Amount::default(), true);
        }
    }

    /// Whether that is so.
    pub(super) fn is_closed(&self, id: PipeId) -> bool {
        self.by_pipe.get(id as usize).is_some_and(|account| account.is_over)
    }

    /// The pipe has a new connection.
    pub(super) fn reopen(&mut self, id: PipeId) {
        if let Some(account) = self.get(id) {
            account.is_over = false;
        }
    }
}
