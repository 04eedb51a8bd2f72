//! For tests that are programs of their own, without the harness.

/// Whether a test that is a program of its own is asked for: without a filter, or by one that it fits.
pub fn is_asked_for(name: &str) -> bool {
    let mut filters = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    let is_listed = std::env::args().any(|argument| argument == "--list");
    !is_listed && (filters.peek().is_none() || filters.any(|filter| name.contains(&filter)))
}
