//! What the read half does where there is security: the handshake that waits for the authentication handler, and frames in boxes.
//!
//! A box is opened as a whole. What is in it is queued as if it had come in clear; one whose body is long is opened where it was read to.

use super::{COMMAND_MAX, DIRECT_BODY, Outcome, Phase, ReadHalf};
use crate::error::Error;
use crate::message::{Body, BodyBuilder};
use crate::pipe::chunk;
use crate::zmtp::zap::Verdict;
use crate::zmtp::{MESSAGE_OVERHEAD, OPENED_LEAD, Progress, ProtocolError, decode_header};

/// So many bytes are kept of a peer that waits to be admitted; then no more are read. Until then the end of its connection is seen.
const WAITING_MAX: usize = 8 * 1024;
/// Bodies begin at multiples of this, in bytes.
const ALIGNMENT: usize = 16;
/// What stands before a box that is read into an allocation of its own, so that the body in it begins where bodies begin.
const LEAD: usize = MESSAGE_OVERHEAD.next_multiple_of(ALIGNMENT) - MESSAGE_OVERHEAD;

impl ReadHalf {
    /// What the handshake has come to, with so many bytes that are not consumed.
    pub(super) fn progressed(&mut self, progress: Progress, kept: usize) -> Outcome {
        match progress {
            Progress::NeedMore => Outcome::Drained,
            Progress::Waiting => {
                self.paused = kept >= WAITING_MAX;
                if self.paused { Outcome::Paused } else { Outcome::Drained }
            }
            Progress::Ask(credentials) => Outcome::Ask(credentials),
            Progress::Stalled(error) => Outcome::Stalled(error),
            Progress::Done(peer, ciphers) => Outcome::Ready(peer, ciphers),
        }
    }

    /// How much may be read into a buffer of this size, together with what is kept.
    pub(super) fn read_max(&self, size: usize) -> usize {
        match self.phase {
            Phase::Handshake(_) => size.min(WAITING_MAX),
            _ => size,
        }
    }

    /// The authentication handler has answered, or there is none.
    pub(in crate::session) fn answer(&mut self, verdict: Verdict) -> Outcome {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Outcome::Drained;
        };
        let result = handshake.answer(verdict);
        self.reply.append(handshake.output());
        // What waits is decoded now, or once the session is ready for messages.
        self.paused = false;
        match result {
            Ok(Progress::NeedMore) => self.decode_rest(),
            Ok(progress) => self.progressed(progress, 0),
            Err(error) => Outcome::Broken(error),
        }
    }

    /// Whether the peer was given a cookie that it has not sent back.
    pub(in crate::session) fn holds_cookie(&self) -> bool {
        matches!(&self.phase, Phase::Handshake(handshake) if handshake.holds_cookie())
    }

    /// As [`ReadHalf::decode_messages`] for frames in boxes.
    pub(super) fn decode_sealed_messages(&mut self, bytes: &[u8], position: &mut usize) -> Outcome {
        loop {
            if let Some(outcome) = self.go_on_with_body(bytes, position) {
                return outcome;
            }
            let mut room = self.room();
            if room == 0 {
                self.paused = true;
                return Outcome::Paused;
            }
            let Ok(mut run) = Run::new() else {
                return Outcome::OutOfMemory;
            };
            let stop = loop {
                if room == 0 {
                    break None;
                }
                match self.open_next(&bytes[*position..], &mut run) {
                    Ok(0) => break Some(Outcome::Drained),
                    Ok(length) => *position += length,
                    Err(Stop::Large) => break None,
                    Err(Stop::Broken(error)) => break Some(Outcome::Broken(error)),
                    Err(Stop::OutOfMemory) => break Some(Outcome::OutOfMemory),
                    Err(Stop::Command(length)) => {
                        *position += length;
                        break None;
                    }
                }
                room -= usize::from(run.ends_message);
            };
            let queued = self.queue(&run.frames[OPENED_LEAD..], run.committed, run.messages);
            drop(run.frames);
            if queued.is_err() {
                return Outcome::OutOfMemory;
            }
            if let Some(command) = run.command
                && let Err(error) = self.obey(&command)
            {
                return Outcome::Broken(error);
            }
            match stop {
                Some(outcome) => return outcome,
                None => match self.begin_large(&bytes[*position..]) {
                    Ok(length) => *position += length,
                    Err(outcome) => return outcome,
                },
            }
        }
    }

    /// Opens the box at the start of `bytes`: the length of its frame, or 0 if it is not all there.
    fn open_next(&mut self, bytes: &[u8], run: &mut Run) -> Result<usize, Stop> {
        run.ends_message = false;
        let Some(header) = decode_header(bytes).map_err(Stop::Broken)? else {
            return Ok(0);
        };
        self.check_size(header.body_len).map_err(Stop::Broken)?;
        if header.body_len >= DIRECT_BODY && !header.command {
            return Err(Stop::Large);
        }
        if header.body_len > COMMAND_MAX {
            return Err(Stop::Broken(ProtocolError::MessageTooLarge));
        }
        let end = header.header_len + header.body_len as usize;
        let (Some(body), Some(opener)) = (bytes.get(header.header_len..end), &mut self.opener) else {
            return Ok(0);
        };
        let drops_commands = opener.drops_commands();
        let start = run.frames.len();
        let opened = match opener.open(body, &mut run.frames) {
            Ok(opened) => opened,
            Err(ProtocolError::NoMemory) => return Err(Stop::OutOfMemory),
            Err(error) => return Err(Stop::Broken(error)),
        };
        if header.command && drops_commands {
            // As libzmq has it: a command outside is none that is known.
            run.frames.truncate(start);
            return Ok(end);
        }
        if opened.command {
            let body_at = run.frames.len() - opened.body_len;
            run.command = Some(run.frames.split_off(body_at));
            run.frames.truncate(start);
            return Err(Stop::Command(end));
        }
        self.count_part(opened.body_len, opened.more).map_err(Stop::Broken)?;
        if !opened.more {
            run.messages += 1;
            run.committed = run.frames.len() - OPENED_LEAD;
            run.ends_message = true;
        }
        Ok(end)
    }

    /// Begins a body of its own if the box at the start of `bytes` is long: the length of its header, or 0.
    fn begin_large(&mut self, bytes: &[u8]) -> Result<usize, Outcome> {
        let header = match decode_header(bytes) {
            Ok(Some(header)) if header.body_len >= DIRECT_BODY && !header.command => header,
            _ => return Ok(0),
        };
        if self.room() == 0 {
            return Ok(0);
        }
        self.check_size(header.body_len).map_err(Outcome::Broken)?;
        // What is in the box counts once it is open; what cannot be taken is not waited for.
        let inside = header.body_len.saturating_sub(MESSAGE_OVERHEAD as u64);
        let fits = self.begun.with(inside, false, &self.message_limits);
        fits.map_err(Outcome::Broken)?;
        let builder = usize::try_from(header.body_len)
            .ok()
            .and_then(|length| length.checked_add(LEAD))
            .and_then(|length| BodyBuilder::new(length).ok());
        let Some(mut builder) = builder else {
            return Err(Outcome::OutOfMemory);
        };
        builder.advance(LEAD);
        self.body = Some((builder, false));
        Ok(header.header_len)
    }

    /// What is in a box in an allocation of its own: the body of a message's frame, and whether more follow; or nothing, where it was a
    /// command.
    pub(super) fn open_body(&mut self, mut body: BodyBuilder) -> Result<Option<(Body, bool)>, ProtocolError> {
        let Some(opener) = &mut self.opener else {
            return Ok(None);
        };
        let opened = opener.open_in_place(&mut body.filled()[LEAD..])?;
        let start = LEAD + MESSAGE_OVERHEAD;
        if opened.command {
            if opened.body_len as u64 > COMMAND_MAX {
                return Err(ProtocolError::MessageTooLarge);
            }
            let command = body.finish_part(start..start + opened.body_len);
            return self.obey(&command).map(|()| None);
        }
        self.count_part(opened.body_len, opened.more)?;
        Ok(Some((body.finish_part(start..start + opened.body_len), opened.more)))
    }

    fn count_part(&mut self, body_len: usize, more: bool) -> Result<(), ProtocolError> {
        self.begun = self.begun.with(body_len as u64, more, &self.message_limits)?;
        Ok(())
    }

    /// As in libzmq ZMQ_MAXMSGSIZE is the size of the box.
    fn check_size(&self, frame_body: u64) -> Result<(), ProtocolError> {
        match self.message_max {
            Some(most) if frame_body > most => Err(ProtocolError::MessageTooLarge),
            _ => Ok(()),
        }
    }
}

/// Frames that were in boxes, behind [`OPENED_LEAD`] bytes. The first `committed` bytes of them are whole messages.
struct Run {
    frames: Vec<u8>,
    committed: usize,
    messages: usize,
    /// The last of them ended a message.
    ends_message: bool,
    /// The command behind them.
    command: Option<Vec<u8>>,
}

impl Run {
    fn new() -> Result<Run, Error> {
        let mut frames = chunk(OPENED_LEAD)?;
        frames.resize(OPENED_LEAD, 0);
        Ok(Run {
            frames,
            committed: 0,
            messages: 0,
            ends_message: false,
            command: None,
        })
    }
}

/// Why a run ends.
enum Stop {
    /// A box that is read into an allocation of its own is next.
    Large,
    /// A command was in a box, whose frame has this length.
    Command(usize),
    Broken(ProtocolError),
    OutOfMemory,
}
