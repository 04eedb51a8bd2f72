//! The routing table of a ROUTER, or any socket that addresses its peers: routing id → pipe.
//!
//! Owned by one socket, used under its lock. Invariants: a routing id stands for one pipe; every route is once in
//! `routes`, and `index` says where. A route's order among the others never depends on the hash.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::{Error, Result};

/// The longest routing id in bytes (`zmq_setsockopt`(3), ZMQ_ROUTING_ID).
pub const ROUTING_ID_SIZE_MAX: usize = 255;

/// The bytes of a generated routing id: a zero, which no peer may send as its first byte, and a counter.
const GENERATED_SIZE: usize = 5;

/// What [`Routes::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted<K> {
    /// The routing id was free and now leads to the pipe.
    New,
    /// The routing id leads to this other pipe, and still does.
    Taken(K),
}

/// Which pipe a routing id leads to. `K` names a pipe.
pub struct Routes<K> {
    routes: Vec<(Bytes, K)>,
    index: HashMap<Bytes, usize>,
    next_generated: u32,
}

impl<K: Copy + Eq> Routes<K> {
    /// No routes; the first generated routing id will carry `first_generated`.
    pub fn new(first_generated: u32) -> Self {
        Routes {
            routes: Vec::new(),
            index: HashMap::new(),
            next_generated: first_generated,
        }
    }

    /// Adds a route unless the routing id is in use. `Invalid` unless the id has 1 to 255 bytes; `NoMemory` changes
    /// nothing.
    pub fn insert(&mut self, routing_id: Bytes, pipe: K) -> Result<Inserted<K>> {
        if routing_id.is_empty() || routing_id.len() > ROUTING_ID_SIZE_MAX {
            return Err(Error::Invalid);
        }
        if let Some(other) = self.lookup(&routing_id) {
            return Ok(Inserted::Taken(other));
        }
        self.routes.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.index.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.index.insert(routing_id.clone(), self.routes.len());
        self.routes.push((routing_id, pipe));
        Ok(Inserted::New)
    }

    /// Adds a route under a routing id of five bytes that is not in use, and returns the id: a zero byte and a counter
    /// in network byte order, as `zmq_socket`(3) has it for peers without an id of their own.
    pub fn insert_generated(&mut self, pipe: K) -> Result<Bytes> {
        loop {
            let mut routing_id = [0; GENERATED_SIZE];
            routing_id[1..].copy_from_slice(&self.next_generated.to_be_bytes());
            self.next_generated = self.next_generated.wrapping_add(1);
            // Ends: there are more counter values than there can be routes.
            let routing_id = Bytes::copy_from_slice(&routing_id);
            if self.insert(routing_id.clone(), pipe)? == Inserted::New {
                return Ok(routing_id);
            }
        }
    }

    /// Makes an existing route lead to another pipe and returns the one it led to; `None` when there is no such route.
    pub fn replace(&mut self, routing_id: &[u8], pipe: K) -> Option<K> {
        let position = *self.index.get(routing_id)?;
        Some(std::mem::replace(&mut self.routes[position].1, pipe))
    }

    /// Removes the route if it leads to this pipe; `false` when it does not, as after a hand-over to a newer pipe.
    pub fn remove(&mut self, routing_id: &[u8], pipe: K) -> bool {
        if self.lookup(routing_id) != Some(pipe) {
            return false;
        }
        let Some(position) = self.index.remove(routing_id) else {
            return false;
        };
        self.routes.swap_remove(position);
        if let Some((moved, _)) = self.routes.get(position)
            && let Some(place) = self.index.get_mut(moved)
        {
            *place = position;
        }
        true
    }

    /// The pipe that the routing id leads to.
    pub fn lookup(&self, routing_id: &[u8]) -> Option<K> {
        self.index.get(routing_id).map(|&position| self.routes[position].1)
    }

    /// Every route once.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, K)> {
        self.routes.iter().map(|(routing_id, pipe)| (routing_id, *pipe))
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::test_support::Generator;
    use super::*;

    #[test]
    fn routes_agree_with_a_map() {
        for seed in 1..=20 {
            let mut random = Generator::new(seed);
            let mut routes = Routes::new(0);
            let mut model: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            for _ in 0..5_000 {
                let mut routing_id = random.topic();
                routing_id.push(b'.');
                let pipe = random.below(50) as u32;
                let known = model.get(&routing_id).copied();
                assert_eq!(routes.lookup(&routing_id), known);
                match random.below(4) {
                    0 | 1 => {
                        let inserted = routes.insert(Bytes::from(routing_id.clone()), pipe);
                        assert_eq!(inserted, Ok(known.map_or(Inserted::New, Inserted::Taken)));
                        model.entry(routing_id).or_insert(pipe);
                    }
                    2 => {
                        assert_eq!(routes.replace(&routing_id, pipe), known);
                        model.entry(routing_id).and_modify(|old| *old = pipe);
                    }
                    _ => {
                        let owner = if random.below(3) == 0 {
                            pipe
                        } else {
                            known.unwrap_or(pipe)
                        };
                        assert_eq!(routes.remove(&routing_id, owner), known == Some(owner));
                        model.retain(|id, pipe| *id != routing_id || *pipe != owner);
                    }
                }
                assert_eq!(routes.len(), model.len());
            }
            let all: BTreeMap<Vec<u8>, u32> = routes.iter().map(|(id, pipe)| (id.to_vec(), pipe)).collect();
            assert_eq!(all, model);
        }
    }

    #[test]
    fn generated_ids_count_up_wrap_round_and_pass_over_those_in_use() {
        let mut routes = Routes::new(u32::MAX - 1);
        routes.insert(Bytes::from_static(&[0, 0, 0, 0, 0]), 9_u32).unwrap();
        let ids: Vec<Bytes> = (0..3).map(|pipe| routes.insert_generated(pipe).unwrap()).collect();
        assert_eq!(
            ids,
            [&[0, 255, 255, 255, 254][..], &[0, 255, 255, 255, 255], &[0, 0, 0, 0, 1]]
        );
        assert_eq!(routes.lookup(&ids[2]), Some(2));
        assert_eq!(routes.lookup(&[0, 0, 0, 0, 0]), Some(9));
    }

    #[test]
    fn the_size_of_a_routing_id_is_limited() {
        let mut routes = Routes::new(0);
        assert_eq!(routes.insert(Bytes::new(), 1), Err(Error::Invalid));
        assert_eq!(
            routes.insert(Bytes::from(vec![1; ROUTING_ID_SIZE_MAX]), 1),
            Ok(Inserted::New)
        );
        assert_eq!(
            routes.insert(Bytes::from(vec![1; ROUTING_ID_SIZE_MAX + 1]), 1),
            Err(Error::Invalid)
        );
        assert_eq!(routes.len(), 1);
    }
}
