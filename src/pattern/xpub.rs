//! PUB and XPUB: send to every peer that wants the message (RFC 29).
//!
//! Pipes are read to their end as soon as something is in them, so that subscriptions take effect without the application
//! calling. What an XPUB's application is to hear of waits in `upward`.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::distributor::Distributor;
use super::{Pattern, PipeId, Pipes};
use crate::error::{Error, Result};
use crate::hub::subscriptions::Subscriptions;
use crate::message::{Message, Metadata};
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Record, Target};

/// A part for the application, and the pipe that it came through, while that lives.
struct Upward {
    part: Message,
    from: Option<PipeId>,
}

/// The PUB and XPUB socket types.
#[derive(Default)]
pub(super) struct XPub {
    pipes: Vec<PipeId>,
    subscriptions: Subscriptions<PipeId>,
    /// ZMQ_XPUB_MANUAL: what the peers asked for, while `subscriptions` is what the application gave them.
    requested: Subscriptions<PipeId>,
    distributor: Distributor,
    upward: VecDeque<Upward>,
    /// The pipe of the part that the application received last.
    last: Option<PipeId>,
    /// PUB: the application hears nothing.
    silent: bool,
    settings: Settings,
}

#[derive(Default)]
struct Settings {
    verbose: bool,
    verboser: bool,
    manual: bool,
    keeps_all: bool,
    inverted: bool,
    welcome: Bytes,
}

impl XPub {
    /// A PUB.
    pub(super) fn publisher() -> XPub {
        XPub {
            silent: true,
            ..XPub::default()
        }
    }

    /// Reads everything that is in a pipe.
    fn drain(&mut self, pipes: &mut Pipes, id: PipeId) {
        let mut in_message = false;
        loop {
            let Some(end) = pipes.end(id) else { return };
            match end.take_record() {
                Some(Record::Subscribe(topic)) => self.subscribed(id, &topic, end.metadata().cloned()),
                Some(Record::Cancel(topic)) => self.cancelled(id, &topic, end.metadata().cloned()),
                Some(_) => {}
                None => match end.receive_message() {
                    Ok(Some(part)) => {
                        let begins = !in_message;
                        in_message = part.more();
                        self.take_part(id, part, begins, end.metadata().cloned());
                    }
                    Ok(None) => return,
                    // Without memory for a part it is lost; the next one is there.
                    Err(_) => {}
                },
            }
        }
    }

    /// Handles a part that a peer sent.
    fn take_part(&mut self, id: PipeId, part: Message, begins: bool, metadata: Option<Arc<Metadata>>) {
        match part.data() {
            [1, topic @ ..] if begins => self.subscribed(id, topic, metadata),
            [0, topic @ ..] if begins => self.cancelled(id, topic, metadata),
            _ => self.tell(part, Some(id)),
        }
    }

    fn subscribed(&mut self, id: PipeId, topic: &[u8], metadata: Option<Arc<Metadata>>) {
        let index = if self.settings.manual {
            &mut self.requested
        } else {
            &mut self.subscriptions
        };
        // Without memory for it the peer gets nothing that it did not have before.
        let Ok(added) = index.add(topic, id) else { return };
        if self.settings.manual || added.first || self.settings.verbose {
            self.tell_topic(1, topic, Some(id), metadata);
        }
    }

    fn cancelled(&mut self, id: PipeId, topic: &[u8], metadata: Option<Arc<Metadata>>) {
        let index = if self.settings.manual {
            &mut self.requested
        } else {
            &mut self.subscriptions
        };
        let removed = index.remove(topic, id);
        if self.settings.manual || removed.last || self.settings.verboser {
            self.tell_topic(0, topic, Some(id), metadata);
        }
    }

    fn tell_topic(&mut self, kind: u8, topic: &[u8], from: Option<PipeId>, metadata: Option<Arc<Metadata>>) {
        if self.silent {
            return;
        }
        let Ok(mut part) = Message::with_size(topic.len() + 1) else {
            return;
        };
        if let Some(bytes) = part.data_mut() {
            bytes[0] = kind;
            bytes[1..].copy_from_slice(topic);
        }
        part.set_metadata(metadata);
        self.tell(part, from);
    }

    fn tell(&mut self, part: Message, from: Option<PipeId>) {
        if !self.silent && self.upward.try_reserve(1).is_ok() {
            self.upward.push_back(Upward { part, from });
        }
    }

    /// Chooses the pipes for the message that begins with this part.
    fn choose(&mut self, pipes: &mut Pipes, first: &[u8]) -> Result<()> {
        let mut all_have_room = true;
        self.distributor.begin();
        if self.settings.inverted {
            let mut matching = Vec::new();
            self.subscriptions.matching(first, |id| matching.push(id));
            for &id in self.pipes.iter().filter(|id| !matching.contains(id)) {
                all_have_room &= self.distributor.choose(pipes, id);
            }
        } else {
            let distributor = &mut self.distributor;
            self.subscriptions
                .matching(first, |id| all_have_room &= distributor.choose(pipes, id));
        }
        if self.settings.keeps_all && !all_have_room {
            Err(Error::Again)
        } else {
            Ok(())
        }
    }
}

impl Pattern for XPub {
    fn attached(&mut self, pipes: &mut Pipes, id: PipeId, _initiated: bool, _name: Option<Bytes>) -> bool {
        self.pipes.push(id);
        if !self.settings.welcome.is_empty() {
            // A welcome that there is no memory for is lost like any message of a publisher.
            let _ = pipes.write(id, Payload::Bytes(&self.settings.welcome), false);
        }
        self.drain(pipes, id);
        true
    }

    fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.drain(pipes, id);
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.pipes.retain(|pipe| *pipe != id);
        self.distributor.remove(id);
        if self.last == Some(id) {
            self.last = None;
        }
        for upward in &mut self.upward {
            upward.from = upward.from.filter(|from| *from != id);
        }
        let mut lost: Vec<Vec<u8>> = Vec::new();
        self.requested.remove_pipe(id, |topic| lost.push(topic.to_vec()));
        let manual = self.settings.manual;
        self.subscriptions.remove_pipe(id, |topic| {
            if !manual {
                lost.push(topic.to_vec());
            }
        });
        for topic in lost {
            self.tell_topic(0, &topic, None, None);
        }
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, _credit: Credit) -> Result<()> {
        if !self.distributor.in_message() {
            self.choose(pipes, payload.as_slice())?;
        }
        self.distributor.send(pipes, payload, more);
        Ok(())
    }

    fn receive(&mut self, _pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.silent {
            return Err(Error::NotSupported);
        }
        let Upward { part, from } = self.upward.pop_front().ok_or(Error::Again)?;
        self.last = from;
        let more = part.more();
        target.fill_with(part);
        Ok(more)
    }

    fn can_receive(&mut self, _pipes: &mut Pipes) -> bool {
        !self.upward.is_empty()
    }

    fn can_send(&mut self, _pipes: &mut Pipes) -> bool {
        true
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        let settings = &mut self.settings;
        match opt {
            Opt::XpubVerbose | Opt::XpubVerboser => {
                settings.verboser = options.flag(Opt::XpubVerboser);
                settings.verbose = settings.verboser || options.flag(Opt::XpubVerbose);
            }
            Opt::XpubManual => settings.manual = options.flag(opt),
            Opt::XpubNodrop => settings.keeps_all = options.flag(opt),
            Opt::InvertMatching => settings.inverted = options.flag(opt),
            Opt::XpubWelcomeMsg => settings.welcome = options.bytes(opt).cloned().unwrap_or_default(),
            _ => {}
        }
    }

    fn subscribe(&mut self, _pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let id = self.last.ok_or(Error::Invalid)?;
        self.subscriptions.add(topic, id).map(|_| ())
    }

    fn unsubscribe(&mut self, _pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        let id = self.last.ok_or(Error::Invalid)?;
        self.subscriptions.remove(topic, id);
        Ok(())
    }
}
