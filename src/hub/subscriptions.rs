//! The subscriptions of the peers of a PUB or XPUB: topic prefix → set of pipes.
//!
//! Owned by one socket, used under its lock. Invariants: a pipe has a slot exactly while it has a subscription; a
//! subscription is one `Subscriber` under the topic's node and one number in its slot's `topics`, and each says where the
//! other is; `scratch` is empty between calls with room for the longest topic.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::give_back;
use super::prefix_tree::{NodeId, PrefixTree, Value};
use crate::error::{Error, Result};
use crate::sys::reserve;

/// What [`Subscriptions::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The pipe did not have this topic before.
    pub new_for_pipe: bool,
    /// No pipe had this topic before.
    pub first: bool,
}

/// What [`Subscriptions::remove`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The pipe had this topic.
    pub was_present: bool,
    /// No pipe has this topic any more, and this one did.
    pub last: bool,
}

/// Which pipes want which messages (RFC 29, XPUB: a set of topics per peer).
///
/// `K` names a pipe. Adding and removing costs the length of the topic and the logarithm of the number of pipes that
/// share it; matching costs the length of the longest topic that matches and the number of pipes that match.
pub struct Subscriptions<K> {
    tree: PrefixTree<Subscribers>,
    slots: Vec<Slot<K>>,
    free_slots: Vec<u32>,
    slot_of: BTreeMap<K, u32>,
    match_stamp: Cell<u64>,
    scratch: Vec<u8>,
    /// Topics that at least one pipe has.
    topics: usize,
}

struct Slot<K> {
    pipe: K,
    /// The number of the last match that reported this pipe.
    match_stamp: Cell<u64>,
    topics: Vec<NodeId>,
}

impl<K: Copy + Eq + Ord> Default for Subscriptions<K> {
    fn default() -> Self {
        Subscriptions::new()
    }
}

impl<K: Copy + Eq + Ord> Subscriptions<K> {
    /// No subscriptions.
    pub fn new() -> Self {
        Subscriptions {
            tree: PrefixTree::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            slot_of: BTreeMap::new(),
            match_stamp: Cell::new(0),
            scratch: Vec::new(),
            topics: 0,
        }
    }

    /// Subscribes the pipe to a topic. `NoMemory` changes nothing.
    pub fn add(&mut self, topic: &[u8], pipe: K) -> Result<Added> {
        reserve::spare()?;
        self.scratch.try_reserve(topic.len()).map_err(|_| Error::NoMemory)?;
        let slot = self.open_slot(pipe)?;
        let added = self.add_to_slot(topic, slot);
        self.close_slot_if_unused(slot);
        self.topics += usize::from(added.is_ok_and(|added| added.first));
        added
    }

    /// Cancels a subscription of the pipe.
    pub fn remove(&mut self, topic: &[u8], pipe: K) -> Removed {
        let removed = self.try_remove(topic, pipe).unwrap_or(Removed {
            was_present: false,
            last: false,
        });
        self.topics -= usize::from(removed.last);
        removed
    }

    /// Cancels all subscriptions of the pipe and calls `lost` with every topic that no pipe has any more, in
    /// lexicographic order (in any order when there is no memory to sort them).
    pub fn remove_pipe(&mut self, pipe: K, mut lost: impl FnMut(&[u8])) {
        let Some(&slot) = self.slot_of.get(&pipe) else { return };
        let topics = std::mem::take(&mut self.slots[slot as usize].topics);
        let mut topic = std::mem::take(&mut self.scratch);
        let mut sorted = TopicList::default();
        for &node in &topics {
            let subscribers = self.tree.value_mut(node);
            subscribers.remove(slot);
            if subscribers.is_empty() {
                self.tree.read_topic(node, &mut topic);
                if sorted.push(&topic).is_err() {
                    lost(&topic);
                }
                self.tree.prune(node);
                self.topics -= 1;
            }
        }
        topic.clear();
        self.scratch = topic;
        self.close_slot_if_unused(slot);
        sorted.for_each(lost);
    }

    /// Calls `visit` with every topic of the pipe, in lexicographic order (in any order when there is no memory to sort
    /// them).
    pub fn for_each_topic(&mut self, pipe: K, mut visit: impl FnMut(&[u8])) {
        let Some(&slot) = self.slot_of.get(&pipe) else { return };
        let mut sorted = TopicList::default();
        for &node in &self.slots[slot as usize].topics {
            self.tree.read_topic(node, &mut self.scratch);
            if sorted.push(&self.scratch).is_err() {
                visit(&self.scratch);
            }
        }
        self.scratch.clear();
        sorted.for_each(visit);
    }

    /// Calls `visit` once with every pipe that has a prefix of the message (its first part). Allocates nothing.
    pub fn matching(&self, message: &[u8], mut visit: impl FnMut(K)) {
        let stamp = self.match_stamp.get() + 1;
        self.match_stamp.set(stamp);
        for subscribers in self.tree.prefixes(message) {
            for subscriber in subscribers.as_slice() {
                let slot = &self.slots[subscriber.slot as usize];
                if slot.match_stamp.replace(stamp) != stamp {
                    visit(slot.pipe);
                }
            }
        }
    }

    /// How many different topics the pipes have.
    pub fn topics(&self) -> usize {
        self.topics
    }

    /// How many pipes want every message: those that have the empty topic.
    #[inline]
    pub fn to_everything(&self) -> usize {
        self.tree.prefixes(&[]).next().map_or(0, |all| all.as_slice().len())
    }

    fn open_slot(&mut self, pipe: K) -> Result<u32> {
        if let Some(&slot) = self.slot_of.get(&pipe) {
            return Ok(slot);
        }
        let new = Slot {
            pipe,
            match_stamp: Cell::new(0),
            topics: Vec::new(),
        };
        let slot = if let Some(slot) = self.free_slots.pop() {
            self.slots[slot as usize] = new;
            slot
        } else {
            let slot = u32::try_from(self.slots.len()).map_err(|_| Error::NoMemory)?;
            self.slots.try_reserve(1).map_err(|_| Error::NoMemory)?;
            // Room for every slot to become free, so that closing one cannot fail.
            self.free_slots
                .try_reserve(self.slots.len() + 1)
                .map_err(|_| Error::NoMemory)?;
            self.slots.push(new);
            slot
        };
        self.slot_of.insert(pipe, slot);
        Ok(slot)
    }

    fn close_slot_if_unused(&mut self, slot: u32) {
        let unused = &self.slots[slot as usize];
        if unused.topics.is_empty() {
            self.slot_of.remove(&unused.pipe);
            self.free_slots.push(slot);
        }
    }

    fn add_to_slot(&mut self, topic: &[u8], slot: u32) -> Result<Added> {
        let topics = &mut self.slots[slot as usize].topics;
        topics.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let position = u32::try_from(topics.len()).map_err(|_| Error::NoMemory)?;
        let node = self.tree.find_or_insert(topic)?;
        let subscribers = self.tree.value_mut(node);
        let first = subscribers.is_empty();
        let inserted = subscribers.insert(Subscriber { slot, position });
        match inserted {
            Ok(true) => topics.push(node),
            Ok(false) => {}
            Err(_) => self.tree.prune(node),
        }
        inserted.map(|new_for_pipe| Added { new_for_pipe, first })
    }

    fn try_remove(&mut self, topic: &[u8], pipe: K) -> Option<Removed> {
        let slot = *self.slot_of.get(&pipe)?;
        let node = self.tree.find(topic)?;
        let subscribers = self.tree.value_mut(node);
        let position = subscribers.remove(slot)? as usize;
        let last = subscribers.is_empty();
        let topics = &mut self.slots[slot as usize].topics;
        topics.swap_remove(position);
        if let Some(&moved) = topics.get(position) {
            self.tree.value_mut(moved).set_position(slot, position as u32);
        }
        give_back(topics);
        self.tree.prune(node);
        self.close_slot_if_unused(slot);
        Some(Removed {
            was_present: true,
            last,
        })
    }
}

/// One pipe under one topic.
#[derive(Clone, Copy)]
struct Subscriber {
    slot: u32,
    /// Where the topic stands in the slot's `topics`.
    position: u32,
}

/// The pipes of one topic, sorted by slot. Most topics have one, which needs no allocation of its own.
#[derive(Default)]
enum Subscribers {
    #[default]
    None,
    One(Subscriber),
    Many(Vec<Subscriber>),
}

impl Value for Subscribers {
    fn is_empty(&self) -> bool {
        matches!(self, Subscribers::None)
    }
}

impl Subscribers {
    fn as_slice(&self) -> &[Subscriber] {
        match self {
            Subscribers::None => &[],
            Subscribers::One(subscriber) => std::slice::from_ref(subscriber),
            Subscribers::Many(many) => many,
        }
    }

    fn search(&self, slot: u32) -> std::result::Result<usize, usize> {
        self.as_slice()
            .binary_search_by_key(&slot, |subscriber| subscriber.slot)
    }

    /// `false` when the slot was there already. `NoMemory` changes nothing.
    fn insert(&mut self, new: Subscriber) -> Result<bool> {
        let Err(place) = self.search(new.slot) else {
            return Ok(false);
        };
        match self {
            Subscribers::None => *self = Subscribers::One(new),
            Subscribers::One(only) => {
                let mut many = Vec::new();
                many.try_reserve_exact(2).map_err(|_| Error::NoMemory)?;
                many.push(*only);
                many.insert(place, new);
                *self = Subscribers::Many(many);
            }
            Subscribers::Many(many) => {
                many.try_reserve(1).map_err(|_| Error::NoMemory)?;
                many.insert(place, new);
            }
        }
        Ok(true)
    }

    /// Removes the slot and returns where the topic stands in its `topics`.
    fn remove(&mut self, slot: u32) -> Option<u32> {
        let place = self.search(slot).ok()?;
        let position = self.as_slice()[place].position;
        match self {
            Subscribers::None | Subscribers::One(_) => *self = Subscribers::None,
            Subscribers::Many(many) => {
                many.remove(place);
                give_back(many);
                if let &[only] = many.as_slice() {
                    *self = Subscribers::One(only);
                }
            }
        }
        Some(position)
    }

    fn set_position(&mut self, slot: u32, position: u32) {
        let Ok(place) = self.search(slot) else { return };
        match self {
            Subscribers::None => {}
            Subscribers::One(subscriber) => subscriber.position = position,
            Subscribers::Many(many) => many[place].position = position,
        }
    }
}

/// Topics one behind the other in one buffer.
#[derive(Default)]
struct TopicList {
    bytes: Vec<u8>,
    topics: Vec<Range<usize>>,
}

impl TopicList {
    fn push(&mut self, topic: &[u8]) -> Result<()> {
        self.topics.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.bytes.try_reserve(topic.len()).map_err(|_| Error::NoMemory)?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(topic);
        self.topics.push(start..self.bytes.len());
        Ok(())
    }

    fn for_each(mut self, mut visit: impl FnMut(&[u8])) {
        let bytes = &self.bytes;
        self.topics
            .sort_unstable_by(|left, right| bytes[left.clone()].cmp(&bytes[right.clone()]));
        for topic in self.topics {
            visit(&bytes[topic]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::test_support::Generator;
    use super::*;

    type Model = BTreeMap<Vec<u8>, BTreeSet<u32>>;

    fn matched(subscriptions: &Subscriptions<u32>, message: &[u8]) -> Vec<u32> {
        let mut pipes = Vec::new();
        subscriptions.matching(message, |pipe| pipes.push(pipe));
        pipes.sort_unstable();
        pipes
    }

    fn expected_match(model: &Model, message: &[u8]) -> Vec<u32> {
        let sets = model
            .iter()
            .filter(|(topic, _)| message.starts_with(topic))
            .map(|(_, pipes)| pipes);
        sets.flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn check_links(subscriptions: &Subscriptions<u32>) {
        subscriptions.tree.check();
        for (&pipe, &slot) in &subscriptions.slot_of {
            let entry = &subscriptions.slots[slot as usize];
            assert_eq!(entry.pipe, pipe);
            assert!(!entry.topics.is_empty());
            for (position, &node) in entry.topics.iter().enumerate() {
                let subscribers = subscriptions.tree.value(node);
                let place = subscribers.search(slot).expect("the topic knows its pipe");
                assert_eq!(subscribers.as_slice()[place].position as usize, position);
            }
        }
        assert_eq!(
            subscriptions.slot_of.len() + subscriptions.free_slots.len(),
            subscriptions.slots.len()
        );
    }

    fn add(subscriptions: &mut Subscriptions<u32>, model: &mut Model, topic: &[u8], pipe: u32) {
        let pipes = model.entry(topic.to_vec()).or_default();
        let first = pipes.is_empty();
        let expected = Added {
            new_for_pipe: pipes.insert(pipe),
            first,
        };
        assert_eq!(subscriptions.add(topic, pipe), Ok(expected));
    }

    fn remove(subscriptions: &mut Subscriptions<u32>, model: &mut Model, topic: &[u8], pipe: u32) {
        let was_present = model.get_mut(topic).is_some_and(|pipes| pipes.remove(&pipe));
        let last = model.get(topic).is_some_and(BTreeSet::is_empty);
        model.retain(|_, pipes| !pipes.is_empty());
        assert_eq!(subscriptions.remove(topic, pipe), Removed { was_present, last });
    }

    fn remove_pipe(subscriptions: &mut Subscriptions<u32>, model: &mut Model, pipe: u32) {
        let with_pipe = model.iter().filter(|(_, pipes)| pipes.contains(&pipe));
        let had: Vec<Vec<u8>> = with_pipe.map(|(topic, _)| topic.clone()).collect();
        let mut expected = Vec::new();
        model.retain(|topic, pipes| {
            if pipes.remove(&pipe) && pipes.is_empty() {
                expected.push(topic.clone());
            }
            !pipes.is_empty()
        });
        let mut topics = Vec::new();
        subscriptions.for_each_topic(pipe, |topic| topics.push(topic.to_vec()));
        assert_eq!(topics, had);
        let mut lost = Vec::new();
        subscriptions.remove_pipe(pipe, |topic| lost.push(topic.to_vec()));
        assert_eq!(lost, expected);
    }

    #[test]
    fn subscriptions_agree_with_a_map() {
        for seed in 1..=20 {
            let mut random = Generator::new(seed);
            let mut subscriptions = Subscriptions::new();
            let mut model = Model::new();
            for _ in 0..1_500 {
                let (topic, pipe) = (random.topic(), random.below(12) as u32 * 1_000_003);
                match random.below(100) {
                    0..60 => add(&mut subscriptions, &mut model, &topic, pipe),
                    60..98 => remove(&mut subscriptions, &mut model, &topic, pipe),
                    _ => remove_pipe(&mut subscriptions, &mut model, pipe),
                }
                check_links(&subscriptions);
                let message = random.topic();
                assert_eq!(matched(&subscriptions, &message), expected_match(&model, &message));
            }
            for pipe in 0..12 {
                remove_pipe(&mut subscriptions, &mut model, pipe * 1_000_003);
            }
            check_links(&subscriptions);
            assert_eq!(subscriptions.tree.node_count(), 1, "an empty index returns its memory");
            assert_eq!(matched(&subscriptions, b""), Vec::<u32>::new());
        }
    }

    #[test]
    fn a_pipe_is_reported_once_though_several_prefixes_match() {
        let mut subscriptions = Subscriptions::new();
        for topic in [&b""[..], b"a", b"ab", b"abc"] {
            subscriptions.add(topic, 7_u32).unwrap();
        }
        subscriptions.add(b"ab", 8).unwrap();
        for _ in 0..2 {
            assert_eq!(matched(&subscriptions, b"abd"), [7, 8]);
            assert_eq!(matched(&subscriptions, b"b"), [7]);
        }
    }

    #[test]
    fn a_topic_of_a_million_bytes_is_one_node() {
        let mut subscriptions = Subscriptions::new();
        let topic = vec![0x5a; 1 << 20];
        subscriptions.add(&topic, 1_u32).unwrap();
        assert_eq!(subscriptions.tree.node_count(), 2);
        assert_eq!(matched(&subscriptions, &topic), [1]);
        assert_eq!(matched(&subscriptions, &topic[1..]), Vec::<u32>::new());
        assert_eq!(
            subscriptions.remove(&topic, 1),
            Removed {
                was_present: true,
                last: true
            }
        );
    }

    #[test]
    fn many_pipes_share_a_topic_and_leave_in_any_order() {
        let mut random = Generator::new(99);
        let mut subscriptions = Subscriptions::new();
        let mut model = Model::new();
        let mut pipes: Vec<u32> = (0..2_000).collect();
        for &pipe in &pipes {
            add(&mut subscriptions, &mut model, b"", pipe);
            add(&mut subscriptions, &mut model, b"news", pipe);
        }
        assert_eq!(matched(&subscriptions, b"news of the day"), pipes);
        while !pipes.is_empty() {
            let pipe = pipes.swap_remove(random.below(pipes.len() as u64) as usize);
            remove_pipe(&mut subscriptions, &mut model, pipe);
        }
        check_links(&subscriptions);
        assert!(model.is_empty());
    }
}
