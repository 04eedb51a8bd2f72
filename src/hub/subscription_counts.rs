//! The subscriptions that a SUB or XSUB made itself: a multiset of topics.
//!
//! Owned by one socket, used under its lock. Invariant: a topic is in the tree exactly while its count is not zero, and
//! `scratch` is empty between calls with room for the longest topic.

use super::prefix_tree::{PrefixTree, Value};
use crate::error::{Error, Result};
use crate::sys::reserve;

impl Value for u64 {
    fn is_empty(&self) -> bool {
        *self == 0
    }
}

/// How often each topic was subscribed to and not yet cancelled (`zmq_setsockopt`(3), ZMQ_SUBSCRIBE: the filters of a
/// socket may be identical, and each is cancelled by itself).
pub struct SubscriptionCounts {
    tree: PrefixTree<u64>,
    scratch: Vec<u8>,
    /// Topics whose count is not zero.
    topics: usize,
}

impl Default for SubscriptionCounts {
    fn default() -> Self {
        SubscriptionCounts::new()
    }
}

impl SubscriptionCounts {
    /// No subscriptions.
    pub fn new() -> Self {
        SubscriptionCounts {
            tree: PrefixTree::new(),
            scratch: Vec::new(),
            topics: 0,
        }
    }

    /// Counts one subscription; `true` when it is the first of its topic. `NoMemory` changes nothing.
    pub fn add(&mut self, topic: &[u8]) -> Result<bool> {
        reserve::spare()?;
        self.scratch.try_reserve(topic.len()).map_err(|_| Error::NoMemory)?;
        let node = self.tree.find_or_insert(topic)?;
        let count = self.tree.value_mut(node);
        *count += 1;
        let first = *count == 1;
        self.topics += usize::from(first);
        Ok(first)
    }

    /// Takes one subscription back: `Some(true)` when it was the last of its topic, `None` when there was none.
    pub fn remove(&mut self, topic: &[u8]) -> Option<bool> {
        let node = self.tree.find(topic)?;
        let count = self.tree.value_mut(node);
        *count = count.checked_sub(1)?;
        let last = *count == 0;
        if last {
            self.tree.prune(node);
            self.topics -= 1;
        }
        Some(last)
    }

    /// How many different topics there are.
    pub fn topics(&self) -> usize {
        self.topics
    }

    /// Whether a topic is a prefix of the message (its first part).
    pub fn matches(&self, message: &[u8]) -> bool {
        self.tree.prefixes(message).next().is_some()
    }

    /// Calls `visit` with every topic once, in lexicographic order: what a new connection is sent.
    pub fn for_each(&mut self, visit: impl FnMut(&[u8])) {
        self.tree.for_each(&mut self.scratch, visit);
        self.scratch.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::test_support::Generator;
    use super::*;

    #[test]
    fn counts_agree_with_a_map() {
        for seed in 1..=20 {
            let mut random = Generator::new(seed);
            let mut counts = SubscriptionCounts::new();
            let mut model: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for _ in 0..2_000 {
                let topic = random.topic();
                if random.below(100) < 55 {
                    let expected = model.entry(topic.clone()).or_default();
                    *expected += 1;
                    assert_eq!(counts.add(&topic), Ok(*expected == 1));
                } else {
                    let expected = model.get_mut(&topic).map(|count| {
                        *count -= 1;
                        *count == 0
                    });
                    if expected == Some(true) {
                        model.remove(&topic);
                    }
                    assert_eq!(counts.remove(&topic), expected);
                }
                counts.tree.check();
                let message = random.topic();
                let expected = model.keys().any(|topic| message.starts_with(topic));
                assert_eq!(counts.matches(&message), expected);
            }
            let mut seen = Vec::new();
            counts.for_each(|topic| seen.push(topic.to_vec()));
            assert_eq!(seen, model.keys().cloned().collect::<Vec<_>>());
            for (topic, count) in model {
                for left in (0..count).rev() {
                    assert_eq!(counts.remove(&topic), Some(left == 0));
                }
            }
            counts.tree.check();
            assert_eq!(counts.tree.node_count(), 1, "an empty index returns its memory");
            assert_eq!(counts.remove(b""), None);
        }
    }

    #[test]
    fn a_very_long_chain_of_prefixes_needs_no_stack() {
        let depth = 3_000;
        let topic = vec![b'a'; depth];
        // A quarter of a megabyte of stack would not survive a recursion over the topic.
        let work = move || {
            let mut counts = SubscriptionCounts::new();
            for length in 0..=depth {
                assert_eq!(counts.add(&topic[..length]), Ok(true));
            }
            let mut length = 0;
            counts.for_each(|topic| {
                assert_eq!(topic.len(), length);
                length += 1;
            });
            assert_eq!(length, depth + 1);
            for length in (0..=depth).step_by(2) {
                assert_eq!(counts.remove(&topic[..length]), Some(true));
            }
            counts.tree.check();
            drop(counts);
        };
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(work)
            .unwrap()
            .join()
            .unwrap();
    }
}
