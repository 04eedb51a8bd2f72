//! Questions to the authentication handler of a context (RFC 27), which is bound to an inproc name.
//!
//! Each question has a connection of its own to the handler's socket, as if a peer of its own asked: the answer is what comes on it, and
//! with it the connection ends. Whoever asked is called on the handler's thread. The lock of a question is a leaf; nothing is called
//! under it but the connection's own end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::{InprocNames, InprocSide};
use crate::pipe::{Credit, End, Payload, Peer};
use crate::session::{Answer, Asked, Crowd, Event, Owner, Session, next_id};
use crate::sys::mutex::Mutex;

/// The frames of an answer at most; more are none.
const FRAMES_MAX: usize = 16;
/// So many questions wait for a handler at most. One that was begun to be read, or announced, is not taken back when nobody wants its answer any
/// more; so a handler that does not look has no more than these.
const QUESTIONS_MAX: usize = 1000;

/// A question and what has come of its answer.
struct Question {
    state: Mutex<State>,
}

struct State {
    end: Option<End>,
    frames: Vec<Bytes>,
    answer: Option<Answer>,
}

/// Whoever asked holds this: without it no answer is wanted any more.
struct Guard(Arc<Question>);

impl InprocNames {
    /// Sends the frames to whoever is bound to the name, and calls `answer` with the frames that come back: none if it goes away instead, or
    /// has too many questions already. `None`: nobody is bound.
    pub fn ask(&self, name: &[u8], frames: &[Bytes], answer: Answer) -> Option<Asked> {
        if self.questions.load(Ordering::Relaxed) >= QUESTIONS_MAX && self.is_bound(name) {
            answer(&[]);
            return Some(Box::new(()));
        }
        let question = Arc::new(Question {
            state: Mutex::new(State {
                end: None,
                frames: Vec::new(),
                answer: Some(answer),
            }),
        });
        let side = InprocSide {
            owner: Arc::new(Hears(Asker::new(&question, &self.questions))),
            socket: next_id(),
            send_limit: 0,
            receive_limit: 0,
            routing_id: Bytes::new(),
            conflate: false,
        };
        let mut end = self.connect_to_bound(name, side)?;
        let last = frames.len() - 1;
        for (place, frame) in frames.iter().enumerate() {
            // Without memory for it the question stays without an answer, and the handshake ends with its time.
            if !end.can_write(Credit::Fresh)
                || end
                    .write_at_pace(Payload::Bytes(frame), place < last, &mut Default::default())
                    .is_err()
            {
                break;
            }
        }
        end.flush();
        question.state.lock().end = Some(end);
        // What came meanwhile was told to nobody.
        question.look();
        Some(Box::new(Guard(question)))
    }
}

impl Question {
    /// Reads what has come, and calls back once that is the answer.
    fn look(&self) {
        let mut state = self.state.lock();
        let State {
            end: Some(end), frames, ..
        } = &mut *state
        else {
            return;
        };
        let is_over = read(end, frames);
        if !is_over {
            return;
        }
        let (end, answer, frames) = (state.end.take(), state.answer.take(), std::mem::take(&mut state.frames));
        drop(state);
        if let Some(mut end) = end {
            end.close(0);
        }
        if let Some(answer) = answer {
            answer(&frames);
        }
    }
}

/// Reads frames up to the last one of a message, or up to the end of the connection: whether either has come.
fn read(end: &mut End, frames: &mut Vec<Bytes>) -> bool {
    loop {
        while end.take_record().is_some() {}
        let mut message = crate::message::Message::new();
        match end.receive(&mut crate::pipe::Target::Message(&mut message)) {
            Ok(Some(more)) => {
                if frames.len() < FRAMES_MAX {
                    frames.push(Bytes::copy_from_slice(message.data()));
                }
                if !more {
                    return true;
                }
            }
            Ok(None) => {
                if end.is_finished() {
                    frames.clear();
                    return true;
                }
                return false;
            }
            Err(_) => return true,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (end, answer) = {
            let mut state = self.0.state.lock();
            (state.end.take(), state.answer.take())
        };
        drop(answer);
        if let Some(mut end) = end {
            end.close(0);
        }
    }
}

/// The asking side, as the handler's socket sees it, which has it for as long as it has the question. Those are counted.
struct Asker {
    question: Weak<Question>,
    questions: Arc<AtomicUsize>,
}

impl Asker {
    fn new(question: &Arc<Question>, questions: &Arc<AtomicUsize>) -> Arc<Asker> {
        questions.fetch_add(1, Ordering::Relaxed);
        Arc::new(Asker {
            question: Arc::downgrade(question),
            questions: questions.clone(),
        })
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.questions.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of the handler's references to the asking side.
struct Hears(Arc<Asker>);

impl Owner for Hears {
    fn notifier(&self, _connection: u64) -> Arc<dyn Peer> {
        Arc::new(Hears(self.0.clone()))
    }

    fn attach(&self, _connection: u64, mut end: End) {
        end.close(0);
    }

    fn crowd(&self) -> Option<&Arc<Crowd>> {
        None
    }

    fn connected(&self, _connection: u64) {}

    fn started(&self, _id: u64, _session: Weak<Session>) {}

    fn finished(&self, _connection: u64) {}

    fn event(&self, _event: Event) {}

    fn ask(&self, _frames: &[Bytes], _answer: Answer) -> Option<Asked> {
        None
    }
}

impl Peer for Hears {
    fn readable(&self) {
        if let Some(question) = self.0.question.upgrade() {
            question.look();
        }
    }

    fn writable(&self) {}

    fn remind(&self) {}

    fn closed(&self, _linger_ms: i32) {
        self.readable();
    }
}
