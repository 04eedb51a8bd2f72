//! The children of one node of a prefix tree, found by the first byte of their labels.
//!
//! Owned by one prefix tree. Invariant: `children` has one number for each bit set in `present`, in the order of the
//! bits, so that a child's place is the count of the bits below its own. A byte that is not there is known from
//! `present` alone.

use super::arena::{Entry, Id};
use super::give_back;
use crate::error::{Error, Result};

/// See the head of this file.
pub(super) struct Branches {
    present: [u64; 4],
    children: Vec<Id>,
}

impl Branches {
    /// One child.
    pub(super) fn one(first: u8, child: Id) -> Result<Self> {
        let mut branches = Branches {
            present: [0; 4],
            children: Vec::new(),
        };
        branches.insert(first, child)?;
        Ok(branches)
    }

    /// The child whose label starts with this byte.
    pub(super) fn child(&self, first: u8) -> Option<Id> {
        self.contains(first).then(|| self.children[self.rank(first)])
    }

    /// All children in the order of their first bytes.
    pub(super) fn children(&self) -> &[Id] {
        &self.children
    }

    /// The child that follows the one whose label starts with this byte.
    pub(super) fn after(&self, first: u8) -> Option<Id> {
        self.children
            .get(self.rank(first) + usize::from(self.contains(first)))
            .copied()
    }

    /// Adds a child; its byte must be free. `NoMemory` changes nothing.
    pub(super) fn insert(&mut self, first: u8, child: Id) -> Result<()> {
        if self.children.len() == self.children.capacity() {
            // Most nodes have few children; doubling from four, as a vector does by itself, would waste half.
            let more = (self.children.len() / 4).max(2);
            self.children.try_reserve_exact(more).map_err(|_| Error::NoMemory)?;
        }
        self.children.insert(self.rank(first), child);
        self.present[usize::from(first / 64)] |= 1 << (first % 64);
        Ok(())
    }

    /// Removes the child whose label starts with this byte.
    pub(super) fn remove(&mut self, first: u8) {
        if self.contains(first) {
            self.children.remove(self.rank(first));
            self.present[usize::from(first / 64)] &= !(1 << (first % 64));
            give_back(&mut self.children);
        }
    }

    /// Replaces the child whose label starts with this byte.
    pub(super) fn redirect(&mut self, first: u8, child: Id) {
        if self.contains(first) {
            let place = self.rank(first);
            self.children[place] = child;
        }
    }

    fn contains(&self, first: u8) -> bool {
        self.present[usize::from(first / 64)] >> (first % 64) & 1 == 1
    }

    /// How many children come before this byte.
    fn rank(&self, first: u8) -> usize {
        let word = usize::from(first / 64);
        let below = self.present[word] & ((1 << (first % 64)) - 1);
        let whole: u32 = self.present[..word].iter().map(|bits| bits.count_ones()).sum();
        (whole + below.count_ones()) as usize
    }
}

impl Entry for Branches {
    fn vacant(next_free: Id) -> Self {
        Branches {
            present: [u64::from(next_free), 0, 0, 0],
            children: Vec::new(),
        }
    }

    fn next_free(&self) -> Id {
        self.present[0] as Id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::test_support::Generator;
    use super::*;

    #[test]
    fn branches_agree_with_a_map_over_all_bytes() {
        let mut random = Generator::new(5);
        let mut branches = Branches::one(7, 1).unwrap();
        let mut model = BTreeMap::from([(7_u8, 1)]);
        for round in 2..20_000 {
            let byte = random.below(256) as u8;
            if random.below(40_000) < round {
                branches.remove(byte);
                model.remove(&byte);
            } else if let Some(child) = model.get_mut(&byte) {
                branches.redirect(byte, round as Id);
                *child = round as Id;
            } else {
                branches.insert(byte, round as Id).unwrap();
                model.insert(byte, round as Id);
            }
            let asked = random.below(256) as u8;
            assert_eq!(branches.child(asked), model.get(&asked).copied());
            let after = model
                .range((std::ops::Bound::Excluded(asked), std::ops::Bound::Unbounded))
                .next();
            assert_eq!(branches.after(asked), after.map(|(_, child)| *child));
            assert!(branches.children().iter().eq(model.values()));
        }
    }
}
