//! The hub of one socket: who subscribed to what, and which pipe a routing id stands for.
//!
//! A hub belongs to its socket and changes only under that socket's lock, between whole messages. Nothing here does I/O,
//! reads a clock or draws random numbers; everything is a function of its arguments. What a peer chooses the size of
//! (topics, how many of them, routing ids) is allocated fallibly.

mod arena;
mod branches;
mod prefix_tree;
pub mod routes;
pub mod subscription_counts;
pub mod subscriptions;

#[cfg(test)]
mod test_support;

/// Returns most of the memory of a vector that has become much emptier.
fn give_back<T>(vector: &mut Vec<T>) {
    if vector.len() < vector.capacity() / 4 {
        vector.shrink_to(vector.len() * 2);
    }
}
