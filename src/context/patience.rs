//! What zmq_ctx_term says when it has waited for some time: which sockets are open, and what is still to be sent where. One line
//! on the standard error, once a context: with the default ZMQ_LINGER a message that nobody takes is waited for without end, and the
//! program does not show why. MONOCOQUE_QUIET=1 silences it.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::session::Unsent;
use crate::sys::clock;
use crate::sys::thread::spawn_background;

/// How long the wait is taken for nothing unusual.
const PATIENCE_S: u64 = 5;
/// Sockets and connections that are named.
const NAMED_MAX: usize = 8;

/// Since when termination waits, and whether that was said.
#[derive(Default)]
pub(super) struct Patience {
    since_ns: OnceLock<u64>,
    said: AtomicBool,
}

impl Patience {
    /// When it is to be said; `None`: it was.
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        let since_ns = self.since_ns.get_or_init(clock::now_ns);
        (!self.said.load(Ordering::Relaxed)).then_some(since_ns + PATIENCE_S * 1_000_000_000)
    }

    /// Whether it is to be said now.
    pub(super) fn ends(&self) -> bool {
        !self.said.swap(true, Ordering::Relaxed)
    }
}

/// Says it, unless that is not wanted. On a thread of its own: a standard error that is a pipe may be full, or without a reader, which
/// raises a signal that the thread blocks.
pub(super) fn say(open: &[&str], unsent: &[Unsent]) {
    if std::env::var_os("MONOCOQUE_QUIET").is_some_and(|value| value == "1") {
        return;
    }
    let line = line(open, unsent);
    // Where there is no thread for it, it is not said.
    let _ = spawn_background("ZMQbg/Say", move || {
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

fn line(open: &[&str], unsent: &[Unsent]) -> String {
    let mut reasons = Vec::new();
    if !open.is_empty() {
        let sockets = counted(open.len() as u64, "socket");
        let names = named(open.iter().map(|name| (*name).to_owned()));
        reasons.push(format!("{sockets} not closed ({names})"));
    }
    if !unsent.is_empty() {
        let one = |unsent: &Unsent| {
            let endpoint = String::from_utf8_lossy(&unsent.endpoint).escape_debug().to_string();
            let messages = counted(unsent.messages, "message");
            format!("{messages} of a {} for {endpoint}", unsent.socket_type)
        };
        reasons.push(format!("not sent: {}", named(unsent.iter().map(one))));
    }
    format!(
        "monocoque: zmq_ctx_term has waited for {PATIENCE_S} s: {} (ZMQ_LINGER limits the wait, MONOCOQUE_QUIET=1 silences this)\n",
        reasons.join("; ")
    )
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first of them, and how many more there are.
fn named(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(NAMED_MAX);
    let mut names: Vec<String> = all.take(NAMED_MAX).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_whatever_there_is() {
        let unsent = |endpoint: &[u8], messages| Unsent {
            socket_type: "PUSH",
            endpoint: endpoint.to_vec(),
            messages,
        };
        let text = line(
            &["PUB"; 10],
            &[unsent(b"tcp://[::1]:5", 1), unsent(b"ipc://a\nb\xff", 7)],
        );
        assert!(text.contains("10 sockets not closed (PUB, PUB, PUB, PUB, PUB, PUB, PUB, PUB, and 2 more);"));
        assert!(text.contains("1 message of a PUSH for tcp://[::1]:5, 7 messages of a PUSH for ipc://a\\nb"));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn it_is_said_once() {
        let patience = Patience::default();
        let deadline = patience.deadline_ns().unwrap();
        assert_eq!(
            patience.deadline_ns(),
            Some(deadline),
            "an interrupted call does not start over"
        );
        assert_eq!((patience.ends(), patience.ends()), (true, false));
        assert_eq!(patience.deadline_ns(), None);
    }
}
