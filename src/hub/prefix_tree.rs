//! A compressed radix tree from topic prefixes to values, shared by both subscription indexes.
//!
//! Owned by one socket, used under its lock. Invariants: the root is node 0 and has an empty label; every other node has
//! a label of at least one byte; the labels of a node's children differ in their first byte; a node without a value has
//! at least two children (or is the root, or could not be joined with its only child for want of memory); the number of
//! a node never changes while it has a value.
//! No operation and no destructor recurses, so that a topic of any length is safe (CVE-2021-20236 of libzmq).

use super::arena::{Arena, Entry, Id, NONE};
use super::branches::Branches;
use crate::error::{Error, Result};

/// The number of a node; it stays the same for as long as the node has a value.
pub(super) type NodeId = Id;

/// What is kept under a prefix. An empty value is the same as none: its node may go away.
pub(super) trait Value: Default {
    /// Whether nothing is kept.
    fn is_empty(&self) -> bool;
}

const ROOT: NodeId = 0;

/// Children are kept apart: most nodes have none, and a lookup that fails there never touches a child.
struct Node<V> {
    label: Box<[u8]>,
    value: V,
    /// The node above.
    parent: NodeId,
    branches: Id,
}

impl<V: Value> Node<V> {
    fn new(label: Box<[u8]>, parent: NodeId) -> Self {
        Node {
            label,
            value: V::default(),
            parent,
            branches: NONE,
        }
    }
}

impl<V: Value> Entry for Node<V> {
    fn vacant(next_free: Id) -> Self {
        Node::new(Box::default(), next_free)
    }

    fn next_free(&self) -> Id {
        self.parent
    }
}

/// Prefixes and their values.
pub(super) struct PrefixTree<V> {
    nodes: Arena<Node<V>>,
    branches: Arena<Branches>,
}

impl<V: Value> PrefixTree<V> {
    /// An empty tree.
    pub(super) fn new() -> Self {
        let root = Node::new(Box::default(), NONE);
        PrefixTree {
            nodes: Arena::new(vec![root]),
            branches: Arena::new(Vec::new()),
        }
    }

    /// The node of exactly this topic, if there is one. It may be without a value.
    pub(super) fn find(&self, topic: &[u8]) -> Option<NodeId> {
        let mut at = ROOT;
        let mut rest = topic;
        while let Some(&first) = rest.first() {
            at = self.child(&self.nodes[at], first)?;
            rest = rest.strip_prefix(&*self.nodes[at].label)?;
        }
        Some(at)
    }

    /// The node of exactly this topic, made when there is none. The caller gives it a value, or calls [`prune`].
    ///
    /// [`prune`]: PrefixTree::prune
    pub(super) fn find_or_insert(&mut self, topic: &[u8]) -> Result<NodeId> {
        let mut at = ROOT;
        let mut rest = topic;
        while let Some(&first) = rest.first() {
            let Some(child) = self.child(&self.nodes[at], first) else {
                return self.attach(at, rest).inspect_err(|_| self.prune(at));
            };
            let label = &self.nodes[child].label;
            let common = label
                .iter()
                .zip(rest)
                .take_while(|(ours, theirs)| ours == theirs)
                .count();
            at = if common == label.len() {
                child
            } else {
                self.split(child, common)?
            };
            rest = &rest[common..];
        }
        Ok(at)
    }

    /// The value of a node, to be changed. Whoever empties it calls [`prune`](PrefixTree::prune) next.
    pub(super) fn value_mut(&mut self, id: NodeId) -> &mut V {
        &mut self.nodes[id].value
    }

    /// Removes a node without a value, and those above it that are of no more use; does nothing to a node with one.
    pub(super) fn prune(&mut self, id: NodeId) {
        let mut at = id;
        while at != ROOT && self.nodes[at].value.is_empty() {
            match self.children(&self.nodes[at]) {
                [] => at = self.detach(at),
                &[child] => return self.join(at, child),
                _ => return,
            }
        }
    }

    /// The values of all prefixes of the message, the shortest prefix first.
    pub(super) fn prefixes<'a>(&'a self, message: &'a [u8]) -> Prefixes<'a, V> {
        Prefixes {
            tree: self,
            next: Some(&self.nodes[ROOT]),
            rest: message,
        }
    }

    /// Writes the topic of a node to `topic`. Allocates nothing when the capacity is that of the longest topic.
    pub(super) fn read_topic(&self, id: NodeId, topic: &mut Vec<u8>) {
        topic.clear();
        let mut at = id;
        while at != ROOT {
            let node = &self.nodes[at];
            topic.extend(node.label.iter().rev());
            at = node.parent;
        }
        topic.reverse();
    }

    /// Calls `visit` with every topic that has a value, in lexicographic order; each is written to `topic` first, which
    /// allocates nothing when its capacity is that of the longest one.
    pub(super) fn for_each(&self, topic: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) {
        topic.clear();
        let mut at = ROOT;
        loop {
            if !self.nodes[at].value.is_empty() {
                visit(topic);
            }
            let mut next = self.children(&self.nodes[at]).first().copied();
            while next.is_none() && at != ROOT {
                let left = &self.nodes[at];
                topic.truncate(topic.len() - left.label.len());
                at = left.parent;
                next = self.branches[self.nodes[at].branches].after(left.label[0]);
            }
            let Some(child) = next else { return };
            at = child;
            topic.extend_from_slice(&self.nodes[at].label);
        }
    }

    fn child(&self, node: &Node<V>, first: u8) -> Option<NodeId> {
        if node.branches == NONE {
            None
        } else {
            self.branches[node.branches].child(first)
        }
    }

    fn children(&self, node: &Node<V>) -> &[NodeId] {
        if node.branches == NONE {
            &[]
        } else {
            self.branches[node.branches].children()
        }
    }

    /// Adds a child without a value.
    fn attach(&mut self, parent: NodeId, label: &[u8]) -> Result<NodeId> {
        let copy = boxed(&[label])?;
        let child = self.nodes.insert(Node::new(copy, parent))?;
        let linked = self.link(parent, label[0], child);
        if linked.is_err() {
            self.nodes.remove(child);
        }
        linked.map(|()| child)
    }

    fn link(&mut self, parent: NodeId, first: u8, child: NodeId) -> Result<()> {
        let branches = self.nodes[parent].branches;
        if branches == NONE {
            self.nodes[parent].branches = self.branches.insert(Branches::one(first, child)?)?;
            return Ok(());
        }
        self.branches[branches].insert(first, child)
    }

    /// Puts a node without a value in the middle of the label of `lower` and returns it.
    fn split(&mut self, lower: NodeId, at: usize) -> Result<NodeId> {
        let node = &self.nodes[lower];
        let parent = node.parent;
        let (above, below) = node.label.split_at(at);
        let (first, below_first) = (above[0], below[0]);
        let (above, below) = (boxed(&[above])?, boxed(&[below])?);
        let middle = self.nodes.insert(Node::new(above, parent))?;
        if let Err(error) = self.link(middle, below_first, lower) {
            self.nodes.remove(middle);
            return Err(error);
        }
        let node = &mut self.nodes[lower];
        node.label = below;
        node.parent = middle;
        self.redirect(parent, first, middle);
        Ok(middle)
    }

    /// Joins a node without a value with its only child, whose number stays. Left undone when memory is short.
    fn join(&mut self, id: NodeId, child: NodeId) {
        let node = &self.nodes[id];
        let (parent, first) = (node.parent, node.label[0]);
        let Ok(label) = boxed(&[&node.label, &self.nodes[child].label]) else {
            return;
        };
        let lower = &mut self.nodes[child];
        lower.label = label;
        lower.parent = parent;
        self.redirect(parent, first, child);
        self.branches.remove(self.nodes[id].branches);
        self.nodes.remove(id);
    }

    /// Removes a node without children and returns the one above.
    fn detach(&mut self, id: NodeId) -> NodeId {
        let node = &self.nodes[id];
        let (parent, first) = (node.parent, node.label[0]);
        let above = self.nodes[parent].branches;
        self.branches[above].remove(first);
        if self.branches[above].children().is_empty() {
            self.branches.remove(above);
            self.nodes[parent].branches = NONE;
        }
        self.nodes.remove(id);
        parent
    }

    /// Makes the branch of `parent` that starts with `first` lead to `child`.
    fn redirect(&mut self, parent: NodeId, first: u8, child: NodeId) {
        let branches = self.nodes[parent].branches;
        self.branches[branches].redirect(first, child);
    }
}

/// See [`PrefixTree::prefixes`].
pub(super) struct Prefixes<'a, V> {
    tree: &'a PrefixTree<V>,
    next: Option<&'a Node<V>>,
    /// What of the message follows the label of `next`.
    rest: &'a [u8],
}

impl<'a, V: Value> Iterator for Prefixes<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        while let Some(node) = self.next.take() {
            if let Some(&first) = self.rest.first()
                && let Some(child) = self.tree.child(node, first)
            {
                let child = &self.tree.nodes[child];
                if let Some(rest) = self.rest.strip_prefix(&*child.label) {
                    self.next = Some(child);
                    self.rest = rest;
                }
            }
            if !node.value.is_empty() {
                return Some(&node.value);
            }
        }
        None
    }
}

fn boxed(parts: &[&[u8]]) -> Result<Box<[u8]>> {
    let mut joined = Vec::new();
    let length = parts.iter().map(|part| part.len()).sum();
    joined.try_reserve_exact(length).map_err(|_| Error::NoMemory)?;
    for part in parts {
        joined.extend_from_slice(part);
    }
    Ok(joined.into_boxed_slice())
}

#[cfg(test)]
impl<V: Value> PrefixTree<V> {
    /// The value of a node.
    pub(super) fn value(&self, id: NodeId) -> &V {
        &self.nodes[id].value
    }

    /// Panics unless the invariants in the head of this file hold.
    pub(super) fn check(&self) {
        let (mut nodes, mut branches) = (0, 0);
        let mut pending = vec![ROOT];
        while let Some(id) = pending.pop() {
            let node = &self.nodes[id];
            let children = self.children(node);
            nodes += 1;
            branches += usize::from(!children.is_empty());
            assert_eq!(node.branches == NONE, children.is_empty());
            assert_eq!(node.label.is_empty(), id == ROOT);
            assert!(
                id == ROOT || !node.value.is_empty() || children.len() >= 2,
                "node {id} is of no use"
            );
            assert!(children.is_sorted_by_key(|&child| self.nodes[child].label[0]));
            for &child in children {
                assert_eq!(self.nodes[child].parent, id);
                assert_eq!(self.child(node, self.nodes[child].label[0]), Some(child));
                pending.push(child);
            }
        }
        assert_eq!((nodes, branches), (self.nodes.live_count(), self.branches.live_count()));
    }

    /// The number of nodes, the root included.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.live_count()
    }
}
