//! PUB and XPUB: send to every peer that wants the message (RFC 29).
//!
//! Pipes are read to their end as soon as something is in them, so that subscriptions take effect without the
//! application calling. What an XPUB's application is to hear of waits in `upwards`. What a peer may make the socket keep is bounded
//! (`accounts`): one that goes beyond loses its connection.

mod accounts;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use self::accounts::{Accounts, Amount};
use super::distributor::Distributor;
use super::{Pattern, PipeId, Pipes, discard_all};
use crate::error::{Error, Result};
use crate::hub::subscriptions::Subscriptions;
use crate::message::{Message, Metadata};
use crate::options::{Opt, Options};
use crate::pipe::{Credit, Payload, Record, Target};
use crate::zmtp::encode_header;

const SUBSCRIBE: u8 = 1;
const CANCEL: u8 = 0;

/// A part for the application.
struct Upward {
    part: Message,
    /// The part tells of a subscription or cancellation.
    is_notice: bool,
    /// The part is the first one that is delivered of a message.
    begins: bool,
    /// The pipe that it came through, while that lives.
    from: Option<PipeId>,
}

/// The parts that wait for the application.
struct Upwards {
    parts: VecDeque<Upward>,
    /// All of them.
    amount: Amount,
    limits: Amount,
    /// PUB: the application hears nothing.
    silent: bool,
}

impl Default for Upwards {
    fn default() -> Self {
        Upwards {
            parts: VecDeque::new(),
            amount: Amount::default(),
            limits: Amount::NO_LIMIT,
            silent: false,
        }
    }
}

impl Upwards {
    /// Tells of a subscription or cancellation: whether it waits now. Without memory or room for it the application does not hear of it.
    fn notice(&mut self, kind: u8, topic: &[u8], from: Option<PipeId>, metadata: Option<Arc<Metadata>>) -> bool {
        if self.silent || self.is_full() {
            return false;
        }
        let Ok(mut part) = Message::with_size(topic.len() + 1) else {
            return false;
        };
        if let Some(bytes) = part.data_mut() {
            bytes[0] = kind;
            bytes[1..].copy_from_slice(topic);
        }
        part.set_metadata(metadata.as_ref());
        self.push(Upward {
            part,
            is_notice: true,
            begins: false,
            from,
        })
    }

    /// Whether the application will hear of it.
    fn push(&mut self, upward: Upward) -> bool {
        let has_room = !self.silent && self.parts.try_reserve(1).is_ok();
        if has_room {
            self.amount.add(upward.part.len());
            self.parts.push_back(upward);
        }
        has_room
    }

    fn pop(&mut self) -> Option<Upward> {
        let upward = self.parts.pop_front()?;
        self.amount.take(upward.part.len());
        Some(upward)
    }

    /// Whether nothing more can wait: peers that come and go leave what they had sent. It is more than one peer can come to.
    fn is_full(&self) -> bool {
        let twice = Amount {
            count: self.limits.count.saturating_mul(2),
            bytes: self.limits.bytes.saturating_mul(2),
        };
        self.amount.passes(&twice).is_some()
    }
}

/// A message that was read from a pipe.
#[derive(Default)]
struct Drained {
    bytes: u64,
    /// It has a part that is no subscription.
    is_message: bool,
    /// The application will get some of it.
    is_delivered: bool,
}

impl Drained {
    fn count(&self, pipes: &mut Pipes, id: PipeId) {
        let Some(end) = pipes.end(id) else { return };
        if self.is_delivered {
            pipes.put_aside();
        } else if self.is_message {
            end.discard_last();
        } else {
            end.subscription_read(self.bytes);
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
    accounts: Accounts,
    /// The pipe of the notice that the application received last: whose subscriptions it may change.
    last: Option<PipeId>,
    /// ZMQ_XPUB_MANUAL_LAST_VALUE: the next message is for that pipe alone.
    only_last: bool,
    settings: Settings,
}

#[derive(Default)]
struct Settings {
    verbose: bool,
    verboser: bool,
    manual: bool,
    last_value: bool,
    only_first: bool,
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
        // A message comes as a whole, so that none goes on from one call to the next.
        let (mut in_message, mut is_users, mut is_lost) = (false, false, false);
        let mut drained = Drained::default();
        loop {
            if !in_message {
                if let Some(option) = self.accounts.passed(id) {
                    self.expel(pipes, id, option);
                }
                if self.accounts.is_closed(id) {
                    return discard_all(pipes, id);
                }
            }
            let Some(end) = pipes.end(id) else { return };
            let taken = match end.take_record() {
                Some(Record::Subscribe(topic)) => self.subscribed(id, &topic, end.metadata()),
                Some(Record::Cancel(topic)) => {
                    self.cancelled(id, &topic, end.metadata());
                    Ok(())
                }
                Some(_) => Ok(()),
                None => match end.receive_message() {
                    Ok(Some(part)) => {
                        if !in_message {
                            drained = Drained::default();
                            is_users = self.settings.only_first && !matches!(part.data(), [SUBSCRIBE | CANCEL, ..]);
                            is_lost = self.upwards.is_full();
                        }
                        in_message = part.more();
                        drained.bytes += (encode_header(false, part.len()).1 + part.len()) as u64;
                        let taken = self.take_part(id, part, (is_users, is_lost), end.metadata(), &mut drained);
                        if !in_message {
                            drained.count(pipes, id);
                        }
                        taken
                    }
                    Ok(None) => return,
                    // Without memory for a part it is lost; the next one is there.
                    Err(error) => Err(error),
                },
            };
            // A peer that comes back says again what it wants.
            if let (Err(_), Some(end)) = (taken, pipes.end(id)) {
                end.reject();
            }
        }
    }

    /// Handles a part that a peer sent. As in libzmq, a part that looks like a subscription is one wherever it stands, but for the
    /// messages of users under ZMQ_ONLY_FIRST_SUBSCRIBE.
    fn take_part(
        &mut self,
        id: PipeId,
        part: Message,
        (is_users, is_lost): (bool, bool),
        metadata: Option<&Arc<Metadata>>,
        drained: &mut Drained,
    ) -> Result<()> {
        match part.data() {
            [SUBSCRIBE, topic @ ..] if !is_users => return self.subscribed(id, topic, metadata),
            [CANCEL, topic @ ..] if !is_users => self.cancelled(id, topic, metadata),
            data => {
                let size = data.len();
                drained.is_message = true;
                let begins = !drained.is_delivered;
                let is_kept = !is_lost
                    && self.upwards.push(Upward {
                        part,
                        is_notice: false,
                        begins,
                        from: Some(id),
                    });
                if is_kept {
                    drained.is_delivered = true;
                    self.accounts.add_waiting(id, size);
                }
            }
        }
        Ok(())
    }

    /// The peer passed a limit: its connection ends, and nothing of it stays but what waits for the application.
    fn expel(&mut self, pipes: &mut Pipes, id: PipeId, option: i32) {
        self.accounts.close(id);
        self.forget_topics(id);
        if let Some(end) = pipes.end(id) {
            end.exceed(option);
        }
    }

    /// The peer's subscriptions end, and the application hears of it.
    fn forget_topics(&mut self, id: PipeId) {
        let (settings, upwards) = (&self.settings, &mut self.upwards);
        let mut notice = |topic: &[u8]| {
            upwards.notice(CANCEL, topic, None, None);
        };
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

    /// Tells the application of a subscription or cancellation of this peer.
    fn notice(&mut self, kind: u8, id: PipeId, topic: &[u8], metadata: Option<&Arc<Metadata>>) {
        if self.upwards.notice(kind, topic, Some(id), metadata.cloned()) {
            self.accounts.add_waiting(id, topic.len() + 1);
        }
    }

    fn subscribed(&mut self, id: PipeId, topic: &[u8], metadata: Option<&Arc<Metadata>>) -> Result<()> {
        let added = self.index().add(topic, id)?;
        if added.new_for_pipe {
            self.accounts.add_topic(id, topic.len());
        }
        if self.settings.manual || self.settings.verbose || added.first {
            self.notice(SUBSCRIBE, id, topic, metadata);
        }
        Ok(())
    }

    fn cancelled(&mut self, id: PipeId, topic: &[u8], metadata: Option<&Arc<Metadata>>) {
        let removed = self.index().remove(topic, id);
        if removed.was_present {
            self.accounts.take_topic(id, topic.len());
        }
        // As in libzmq, what nobody had subscribed to is reported, too.
        let others_have_it = removed.was_present && !removed.last;
        if self.settings.manual || self.settings.verboser || !others_have_it {
            self.notice(CANCEL, id, topic, metadata);
        }
    }

    fn set_limits(&mut self, options: &Options) {
        let limit = |opt| match u64::try_from(options.int64(opt)) {
            Ok(limit) if limit > 0 => limit,
            _ => u64::MAX,
        };
        let limits = Amount {
            count: limit(Opt::MaxSubscriptions),
            bytes: limit(Opt::MaxSubscriptionBytes),
        };
        (self.accounts.limits, self.upwards.limits) = (limits, limits);
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
            && !self.only_last
            && self.distributor.goes_on(pipes, self.settings.keeps_all, |visit| {
                subscriptions.matching(first, visit)
            })
    }

    /// Chooses the pipes for the message that begins with this part.
    fn choose(&mut self, pipes: &mut Pipes, first: &[u8]) -> Result<()> {
        let mut all_have_room = true;
        let only = self.only_last.then_some(self.last);
        let counts = |id| only.is_none_or(|last| last == Some(id));
        self.distributor.begin();
        if self.settings.inverted {
            let mut matching = Vec::new();
            self.subscriptions.matching(first, |id| {
                if counts(id) {
                    matching.push(id);
                }
            });
            for &id in self.pipes.iter().filter(|id| !matching.contains(id)) {
                all_have_room &= self.distributor.choose(pipes, id);
            }
        } else {
            let distributor = &mut self.distributor;
            self.subscriptions.matching(first, |id| {
                if counts(id) {
                    all_have_room &= distributor.choose(pipes, id);
                }
            });
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
        let is_limited = pipes.end(id).is_some_and(|end| end.is_connection());
        self.accounts.open(id, is_limited);
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
        self.forget_topics(id);
    }

    fn reconnected(&mut self, _pipes: &mut Pipes, id: PipeId) {
        self.accounts.reopen(id);
    }

    fn send(&mut self, pipes: &mut Pipes, payload: Payload<'_>, more: bool, _credit: Credit) -> Result<()> {
        if !self.distributor.in_message() && !self.goes_on(pipes, payload.as_slice()) {
            self.choose(pipes, payload.as_slice())?;
            self.distributor.collect(pipes);
            self.only_last = false;
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

    fn receive(&mut self, pipes: &mut Pipes, target: &mut Target<'_>) -> Result<bool> {
        if self.upwards.silent {
            return Err(Error::NotSupported);
        }
        let Upward {
            part,
            is_notice,
            begins,
            from,
        } = self.upwards.pop().ok_or(Error::Again)?;
        if begins {
            pipes.take_from_aside();
        }
        if let Some(id) = from {
            self.accounts.take_waiting(id, part.len());
        }
        if is_notice {
            self.last = from;
            if self.settings.last_value && self.settings.manual {
                pipes.spill();
                self.only_last = true;
            }
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

    fn topics(&self) -> Option<usize> {
        Some(self.subscriptions.topics())
    }

    fn option_changed(&mut self, opt: Opt, options: &Options) {
        let settings = &mut self.settings;
        match opt {
            Opt::XpubVerbose | Opt::XpubVerboser => {
                settings.verboser = options.flag(Opt::XpubVerboser);
                settings.verbose = settings.verboser || options.flag(Opt::XpubVerbose);
            }
            Opt::XpubManual | Opt::XpubManualLastValue => {
                settings.manual = options.flag(Opt::XpubManual);
                settings.last_value = options.flag(Opt::XpubManualLastValue);
            }
            Opt::OnlyFirstSubscribe => settings.only_first = options.flag(opt),
            Opt::XpubNodrop => settings.keeps_all = options.flag(opt),
            Opt::InvertMatching => settings.inverted = options.flag(opt),
            Opt::MaxSubscriptions | Opt::MaxSubscriptionBytes => self.set_limits(options),
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
