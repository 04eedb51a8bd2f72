//! PUB and XPUB: send to every peer that wants the message (RFC 29).
//!
//! Pipes are read to their end as soon as something is in them, so that subscriptions take effect without the
//! application calling. What an XPUB's application is to hear of waits in `upwards`.

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

const SUBSCRIBE: u8 = 1;
const CANCEL: u8 = 0;

/// A part for the application.
struct Upward {
    part: Message,
    /// The part tells of a subscription or cancellation.
    is_notice: bool,
    /// The pipe that it came through, while that lives.
    from: Option<PipeId>,
}

/// The parts that wait for the application.
#[derive(Default)]
struct Upwards {
    parts: VecDeque<Upward>,
    /// PUB: the application hears nothing.
    silent: bool,
}

impl Upwards {
    /// Tells of a subscription or cancellation. Without memory for it the application does not hear of it.
    fn notice(&mut self, kind: u8, topic: &[u8], from: Option<PipeId>, metadata: Option<Arc<Metadata>>) {
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
        part.set_metadata(metadata.as_ref());
        self.push(Upward {
            part,
            is_notice: true,
            from,
        });
    }

    fn push(&mut self, upward: Upward) {
        if !self.silent && self.parts.try_reserve(1).is_ok() {
            self.parts.push_back(upward);
        }
    }
}

/// The PUB and XPUB socket types.
#[derive(Default)]
pub(super) struct XPub {
    pipes: Vec<PipeId>,
    subscriptions: Subscriptions<PipeId>,
    /// ZMQ_XPUB_MANUAL: what the peers asked for, while `subscriptions` is what the application gave them.
    requested: Subscriptions<PipeId>,
    distributor: Distributor,
    upwards: Upwards,
    /// The pipe of the notice that the application received last: whose subscriptions it may change.
    last: Option<PipeId>,
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
        let upwards = Upwards {
            silent: true,
            ..Upwards::default()
        };
        XPub {
            upwards,
            ..XPub::default()
        }
    }

    /// Reads everything that is in a pipe.
    fn drain(&mut self, pipes: &mut Pipes, id: PipeId) {
        loop {
            let Some(end) = pipes.end(id) else { return };
            match end.take_record() {
                Some(Record::Subscribe(topic)) => self.subscribed(id, &topic, end.metadata()),
                Some(Record::Cancel(topic)) => self.cancelled(id, &topic, end.metadata()),
                Some(_) => {}
                None => match end.receive_message() {
                    Ok(Some(part)) => self.take_part(id, part, end.metadata()),
                    Ok(None) => return,
                    // Without memory for a part it is lost; the next one is there.
                    Err(_) => {}
                },
            }
        }
    }

    /// Handles a part that a peer sent. As in libzmq, a part that looks like a subscription is one wherever it stands.
    fn take_part(&mut self, id: PipeId, part: Message, metadata: Option<&Arc<Metadata>>) {
        match part.data() {
            [SUBSCRIBE, topic @ ..] => self.subscribed(id, topic, metadata),
            [CANCEL, topic @ ..] => self.cancelled(id, topic, metadata),
            _ => self.upwards.push(Upward {
                part,
                is_notice: false,
                from: Some(id),
            }),
        }
    }

    fn subscribed(&mut self, id: PipeId, topic: &[u8], metadata: Option<&Arc<Metadata>>) {
        // Without memory for it the peer gets nothing that it did not have before.
        let Ok(added) = self.index().add(topic, id) else { return };
        if self.settings.manual || self.settings.verbose || added.first {
            self.upwards.notice(SUBSCRIBE, topic, Some(id), metadata.cloned());
        }
    }

    fn cancelled(&mut self, id: PipeId, topic: &[u8], metadata: Option<&Arc<Metadata>>) {
        let removed = self.index().remove(topic, id);
        // As in libzmq, what nobody had subscribed to is reported, too.
        let others_have_it = removed.was_present && !removed.last;
        if self.settings.manual || self.settings.verboser || !others_have_it {
            self.upwards.notice(CANCEL, topic, Some(id), metadata.cloned());
        }
    }

    /// Where the peers' own subscriptions go.
    fn index(&mut self) -> &mut Subscriptions<PipeId> {
        if self.settings.manual {
            &mut self.requested
        } else {
            &mut self.subscriptions
        }
    }

    /// Whether the message that begins with this part goes to the same pipes as those before, which are being collected.
    #[inline]
    fn goes_on(&mut self, pipes: &mut Pipes, first: &[u8]) -> bool {
        let subscriptions = &self.subscriptions;
        !self.settings.inverted
            && self.distributor.goes_on(pipes, self.settings.keeps_all, |visit| {
                subscriptions.matching(first, visit)
            })
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
        pipes.spill();
        self.drain(pipes, id);
    }

    fn writable(&mut self, _pipes: &mut Pipes, _id: PipeId) {}

    fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        pipes.spill();
        self.pipes.retain(|pipe| *pipe != id);
        self.distributor.remove(id);
        if self.last == Some(id) {
            self.last = None;
        }
        for upward in &mut self.upwards.parts {
            upward.from = upward.from.filter(|from| *from != id);
        }
        let (settings, upwards) = (&self.settings, &mut self.upwards);
        let mut notice = |topic: &[u8]| upwards.notice(CANCEL, topic, None, None);
        if settings.manual {
            self.requested.for_each_topic(id, &mut notice);
        } else if settings.verboser {
            self.subscriptions.for_each_topic(id, &mut notice);
        }
        self.requested.remove_pipe(id, |_| {});
        self.subscriptions.remove_pipe(id, |topic| {
            if !settings.manual && !settings.verboser {
                notice(topic);
            }
        });
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, _credit: Credit) -> Result<()> {
        if !self.distributor.in_message() && !self.goes_on(pipes, payload.as_slice()) {
            self.choose(pipes, payload.as_slice())?;
            self.distributor.collect(pipes);
        }
        let is_whole = !more && !self.distributor.in_message();
        self.distributor.send(pipes, payload, more);
        // Who wants everything need not be looked for in the next messages.
        let everyone = self.pipes.len();
        if is_whole && !self.settings.inverted && self.subscriptions.to_everything() == everyone {
            pipes.open_stream_to_everyone(everyone);
        }
        Ok(())
    }

    fn receive(&mut self, _pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.upwards.silent {
            return Err(Error::NotSupported);
        }
        let Upward { part, is_notice, from } = self.upwards.parts.pop_front().ok_or(Error::Again)?;
        if is_notice {
            self.last = from;
        }
        let more = part.more();
        target.fill_with(part);
        Ok(more)
    }

    fn can_receive(&mut self, _pipes: &mut Pipes) -> bool {
        !self.upwards.parts.is_empty()
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

    fn subscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        pipes.spill();
        // As in libzmq, there need not be anybody whose subscriptions this changes.
        self.last
            .map_or(Ok(()), |id| self.subscriptions.add(topic, id).map(|_| ()))
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        pipes.spill();
        if let Some(id) = self.last {
            self.subscriptions.remove(topic, id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
