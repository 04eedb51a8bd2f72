//! The connections of one listener that have not completed their handshake: so many at most (MONOCOQUE_MAX_HANDSHAKES). Of the
//! listener, on its reactor's thread; the marks go with the sessions.
//!
//! One more ends the oldest, and not itself: who connects and stays silent keeps nobody out that does not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use super::Session;

/// Connections that have ended or completed their handshake are swept out once there are so many more of them than others.
const SWEPT_AT: usize = 64;

/// The handshakes in progress.
pub(super) struct Handshakes {
    most: u32,
    count: Arc<AtomicU32>,
    /// In the order in which they began, with some that are over.
    sessions: VecDeque<Weak<Session>>,
}

/// A handshake is in progress as long as there is this.
pub(super) struct Shaking(Arc<AtomicU32>);

impl Drop for Shaking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handshakes {
    /// None yet, and so many at most (0: no limit).
    pub(super) fn new(most: u32) -> Handshakes {
        Handshakes {
            most,
            count: Arc::new(AtomicU32::new(0)),
            sessions: VecDeque::new(),
        }
    }

    /// One more begins. What comes back is the one that has to end for it.
    pub(super) fn begin(&mut self, session: &Arc<Session>) -> Option<Arc<Session>> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        session.life.lock().shaking = Some(Shaking(self.count.clone()));
        if self.most == 0 {
            return None;
        }
        if self.sessions.len() > 2 * count as usize + SWEPT_AT {
            self.sessions.retain(|session| is_shaking(session).is_some());
        }
        let oldest = if count < self.most {
            None
        } else {
            // Each of them is ended once: those that are being ended count, and are not here any more.
            std::iter::from_fn(|| self.sessions.pop_front()).find_map(|session| is_shaking(&session))
        };
        self.sessions.push_back(Arc::downgrade(session));
        oldest
    }
}

fn is_shaking(session: &Weak<Session>) -> Option<Arc<Session>> {
    let session = session.upgrade()?;
    let is_shaking = session.life.lock().shaking.is_some();
    is_shaking.then_some(session)
}
