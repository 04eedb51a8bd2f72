//! Pipes in a ring, in the order of their turns: every operation takes the same time, however many pipes there are.
//!
//! Owned by one pattern. Invariant: `links` holds a ring through all members, in both directions; the others are alone.

use super::PipeId;

const NONE: PipeId = PipeId::MAX;

#[derive(Clone, Copy)]
struct Link {
    before: PipeId,
    after: PipeId,
}

const ALONE: Link = Link {
    before: NONE,
    after: NONE,
};

/// Pipes that take turns.
#[derive(Default)]
pub(super) struct Rotation {
    links: Vec<Link>,
    front: Option<PipeId>,
    len: usize,
}

impl Rotation {
    /// The pipe whose turn it is.
    #[inline]
    pub(super) fn front(&self) -> Option<PipeId> {
        self.front
    }

    /// How many pipes take turns.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether the pipe takes part.
    #[inline]
    pub(super) fn contains(&self, id: PipeId) -> bool {
        self.links.get(id as usize).is_some_and(|link| link.after != NONE)
    }

    /// The turn goes to the next pipe.
    #[inline]
    pub(super) fn rotate(&mut self) {
        if let Some(id) = self.front {
            self.front = Some(self.links[id as usize].after);
        }
    }

    /// Adds a pipe, to have its turn after all others.
    pub(super) fn push_back(&mut self, id: PipeId) {
        if self.contains(id) {
            return;
        }
        if self.links.len() <= id as usize {
            self.links.resize(id as usize + 1, ALONE);
        }
        let front = *self.front.get_or_insert(id);
        let before = if front == id {
            id
        } else {
            self.links[front as usize].before
        };
        self.links[id as usize] = Link { before, after: front };
        self.links[before as usize].after = id;
        self.links[front as usize].before = id;
        self.len += 1;
    }

    /// Takes a pipe out. If it was its turn, it is now the next one's.
    pub(super) fn remove(&mut self, id: PipeId) {
        if !self.contains(id) {
            return;
        }
        let Link { before, after } = std::mem::replace(&mut self.links[id as usize], ALONE);
        self.len -= 1;
        if after == id {
            self.front = None;
            return;
        }
        self.links[before as usize].after = after;
        self.links[after as usize].before = before;
        if self.front == Some(id) {
            self.front = Some(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::test_support::Generator;
    use super::*;

    #[test]
    fn a_rotation_agrees_with_a_queue() {
        for seed in 1..=20 {
            let mut random = Generator::new(seed);
            let mut rotation = Rotation::default();
            let mut model: VecDeque<PipeId> = VecDeque::new();
            for _ in 0..3_000 {
                let id = random.below(12) as PipeId;
                match random.below(3) {
                    0 => {
                        rotation.push_back(id);
                        if !model.contains(&id) {
                            model.push_back(id);
                        }
                    }
                    1 => {
                        rotation.remove(id);
                        model.retain(|one| *one != id);
                    }
                    _ => {
                        rotation.rotate();
                        if !model.is_empty() {
                            model.rotate_left(1);
                        }
                    }
                }
                assert_eq!(rotation.front(), model.front().copied());
                assert_eq!(rotation.len(), model.len());
                assert_eq!(rotation.contains(id), model.contains(&id));
            }
        }
    }
}
