//! For tests: a thread for which memory ends at a chosen allocation.

use std::cell::Cell;

/// What is refused from now on.
#[derive(Clone, Copy)]
struct Shortage {
    /// Blocks of at least so many bytes.
    from: usize,
    /// After so many of them.
    left: u32,
    refused: u32,
}

thread_local! {
    static SHORTAGE: Cell<Option<Shortage>> = const { Cell::new(None) };
}

/// Runs something for which only `granted` blocks of `from` bytes or more are there: what it answers, and how many were refused.
pub fn after<R>(granted: u32, from: usize, run: impl FnOnce() -> R) -> (R, u32) {
    SHORTAGE.set(Some(Shortage {
        from,
        left: granted,
        refused: 0,
    }));
    let answer = run();
    let refused = SHORTAGE.take().map_or(0, |shortage| shortage.refused);
    (answer, refused)
}

/// Runs something that has memory all the same.
pub fn suspended<R>(run: impl FnOnce() -> R) -> R {
    let before = SHORTAGE.take();
    let answer = run();
    SHORTAGE.set(before);
    answer
}

/// The allocator: whether a block of this size is refused.
pub fn refuses(size: usize) -> bool {
    let Some(mut shortage) = SHORTAGE.get().filter(|shortage| size >= shortage.from) else {
        return false;
    };
    let refuses = shortage.left == 0;
    shortage.left = shortage.left.saturating_sub(1);
    shortage.refused += u32::from(refuses);
    SHORTAGE.set(Some(shortage));
    refuses
}
