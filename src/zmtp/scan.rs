//! Walks over the complete message frames at the start of a receive buffer, without copying.
//!
//! Whoever holds a connection's read half calls [`scan`] and moves the whole run it found in one copy. It keeps no
//! state: a run may begin in the middle of a multipart message, of which the caller says what has come before.

use super::error::ProtocolError;
use super::frame::{Header, decode_header};
use super::limits::{Begun, MessageLimits};

/// What bounds a run of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// The run ends after this many complete messages.
    pub max_messages: usize,
    /// A frame with a larger body, in bytes, is an error (`ZMQ_MAXMSGSIZE`, which libzmq applies to command frames as
    /// well); `None` is no limit.
    pub max_body: Option<u64>,
    /// The run ends before a message frame whose body has at least this many bytes.
    pub large_threshold: u64,
    /// A message beyond these is an error.
    pub whole: MessageLimits,
    /// What came before the buffer of the message that its first frame belongs to.
    pub begun: Begun,
}

/// A run of complete message frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The size of the run, from the start of the buffer.
    pub bytes: usize,
    /// The size of the part of the run that ends where a message ends.
    pub committed_bytes: usize,
    /// The messages that end in the run.
    pub messages: usize,
    /// The frames in the run.
    pub frames: usize,
    /// What has come, up to the end of the run, of a message that does not end in it.
    pub begun: Begun,
    /// What ended the run, at offset [`Scan::bytes`].
    pub stop: Stop,
}

/// What ends a run of complete message frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The buffer ends, or ends within a header.
    NeedMore,
    /// A whole header of a message frame whose body is not all there.
    Incomplete(Header),
    /// A command frame, complete or not.
    Command(Header),
    /// A message frame, complete or not, whose body has at least `large_threshold` bytes.
    Large(Header),
    /// The run holds `max_messages` messages.
    Limit,
    /// A frame that is an error. The frames before it are good; scanning from here gives the error as `Err`.
    Invalid(ProtocolError),
}

/// Finds the run of complete message frames at the start of `buffer`; an error only if the first frame is one.
pub fn scan(buffer: &[u8], limits: &ScanLimits) -> Result<Scan, ProtocolError> {
    let short_bodies = short_body_bound(limits);
    let mut run = Scan {
        bytes: 0,
        committed_bytes: 0,
        messages: 0,
        frames: 0,
        begun: limits.begun,
        stop: Stop::Limit,
    };
    while run.messages < limits.max_messages {
        let rest = &buffer[run.bytes..];
        // The common case: a whole short frame under every limit.
        if let [flags @ 0..=1, length, body @ ..] = rest {
            let length = usize::from(*length);
            if length < short_bodies && length <= body.len() {
                if *flags == 0 && run.begun.parts == 0 {
                    run.advance(2 + length, false);
                } else {
                    match run.begun.with(length as u64, *flags != 0, &limits.whole) {
                        Ok(begun) => run.begun = begun,
                        Err(error) => return run.invalid(error),
                    }
                    run.advance(2 + length, *flags != 0);
                }
                continue;
            }
        }
        let header = match decode_header(rest) {
            Ok(Some(header)) => header,
            Ok(None) => {
                run.stop = Stop::NeedMore;
                return Ok(run);
            }
            Err(error) => return run.invalid(error),
        };
        if limits.max_body.is_some_and(|most| header.body_len > most) {
            return run.invalid(ProtocolError::MessageTooLarge);
        }
        if header.command {
            run.stop = Stop::Command(header);
        } else if header.body_len >= limits.large_threshold {
            run.stop = Stop::Large(header);
        } else if header.body_len > (rest.len() - header.header_len) as u64 {
            run.stop = Stop::Incomplete(header);
        } else {
            match run.begun.with(header.body_len, header.more, &limits.whole) {
                Ok(begun) => run.begun = begun,
                Err(error) => return run.invalid(error),
            }
            run.advance(header.header_len + header.body_len as usize, header.more);
            continue;
        }
        return Ok(run);
    }
    Ok(run)
}

impl Scan {
    #[inline]
    fn advance(&mut self, bytes: usize, more: bool) {
        self.bytes += bytes;
        self.frames += 1;
        self.messages += usize::from(!more);
        if !more {
            self.committed_bytes = self.bytes;
        }
    }

    #[cold]
    fn invalid(mut self, error: ProtocolError) -> Result<Scan, ProtocolError> {
        if self.frames == 0 {
            return Err(error);
        }
        self.stop = Stop::Invalid(error);
        Ok(self)
    }
}

/// Short bodies below this size are under every limit on a frame's size, and on that of a message which is one frame.
fn short_body_bound(limits: &ScanLimits) -> usize {
    let bound = limits
        .max_body
        .map_or(u64::MAX, |most| most.saturating_add(1))
        .min(limits.whole.bytes.saturating_add(1))
        .min(limits.large_threshold);
    usize::try_from(bound).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::frame::{encode_command, encode_header};
    use crate::zmtp::testing::Generator;

    const NO_LIMITS: ScanLimits = ScanLimits {
        max_messages: usize::MAX,
        max_body: None,
        large_threshold: u64::MAX,
        whole: MessageLimits::NONE,
        begun: Begun { parts: 0, bytes: 0 },
    };

    /// The same walk, frame by frame with every rule spelled out once.
    fn model(buffer: &[u8], limits: &ScanLimits) -> Result<Scan, ProtocolError> {
        let mut run = Scan {
            bytes: 0,
            committed_bytes: 0,
            messages: 0,
            frames: 0,
            begun: limits.begun,
            stop: Stop::Limit,
        };
        loop {
            let rest = &buffer[run.bytes..];
            run.stop = if run.messages == limits.max_messages {
                Stop::Limit
            } else {
                match decode_header(rest) {
                    Err(error) => Stop::Invalid(error),
                    Ok(None) => Stop::NeedMore,
                    Ok(Some(header)) if header.body_len > limits.max_body.unwrap_or(u64::MAX) => {
                        Stop::Invalid(ProtocolError::MessageTooLarge)
                    }
                    Ok(Some(header)) if header.command => Stop::Command(header),
                    Ok(Some(header)) if header.body_len >= limits.large_threshold => Stop::Large(header),
                    Ok(Some(header)) if header.header_len as u64 + header.body_len > rest.len() as u64 => {
                        Stop::Incomplete(header)
                    }
                    Ok(Some(header)) if run.begun.parts + 1 > limits.whole.parts => {
                        assert!(!header.command);
                        Stop::Invalid(ProtocolError::TooManyParts)
                    }
                    Ok(Some(header)) if run.begun.bytes + header.body_len > limits.whole.bytes => {
                        Stop::Invalid(ProtocolError::TooManyBytes)
                    }
                    Ok(Some(header)) => {
                        run.begun.parts += 1;
                        run.begun.bytes += header.body_len;
                        if !header.more {
                            run.begun = Begun::default();
                        }
                        run.bytes += header.header_len + header.body_len as usize;
                        run.frames += 1;
                        if !header.more {
                            run.committed_bytes = run.bytes;
                            run.messages += 1;
                        }
                        continue;
                    }
                }
            };
            return match run.stop {
                Stop::Invalid(error) if run.frames == 0 => Err(error),
                _ => Ok(run),
            };
        }
    }

    fn frame(out: &mut Vec<u8>, more: bool, body_len: usize) {
        let (header, header_len) = encode_header(more, body_len);
        out.extend_from_slice(&header[..header_len]);
        out.resize(out.len() + body_len, 0xa5);
    }

    fn random_stream(generator: &mut Generator) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..generator.below(12) {
            match generator.below(20) {
                0 => encode_command(&mut out, b"PING", &[b"\0\0"]),
                1 => out.push(generator.below(256) as u8),
                2 => {
                    out.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 3]);
                    out.extend_from_slice(b"abc");
                }
                3..=6 => frame(&mut out, generator.below(2) == 0, 200 + generator.below(400)),
                _ => frame(&mut out, generator.below(3) == 0, generator.below(20)),
            }
        }
        out
    }

    #[test]
    fn a_run_is_counted_in_bytes_frames_and_messages() {
        let mut buffer = Vec::new();
        frame(&mut buffer, false, 3);
        frame(&mut buffer, true, 0);
        frame(&mut buffer, false, 300);
        let committed = buffer.len();
        frame(&mut buffer, true, 1);
        let bytes = buffer.len();
        buffer.push(0);
        let run = scan(&buffer, &NO_LIMITS).unwrap();
        let expected = Scan {
            bytes,
            committed_bytes: committed,
            messages: 2,
            frames: 4,
            begun: Begun { parts: 1, bytes: 1 },
            stop: Stop::NeedMore,
        };
        assert_eq!(run, expected);
    }

    #[test]
    fn each_limit_holds_at_its_value_and_acts_one_past_it() {
        for body_len in [0usize, 1, 100, 255, 256, 1000] {
            let mut buffer = Vec::new();
            frame(&mut buffer, false, body_len);
            let size = body_len as u64;
            let header = decode_header(&buffer).unwrap().unwrap();
            let at = |max_body, large_threshold| {
                scan(
                    &buffer,
                    &ScanLimits {
                        max_messages: 9,
                        max_body,
                        large_threshold,
                        ..NO_LIMITS
                    },
                )
                .map(|run| run.stop)
            };
            assert_eq!(at(Some(size), u64::MAX), Ok(Stop::NeedMore));
            assert_eq!(at(None, size + 1), Ok(Stop::NeedMore));
            assert_eq!(at(None, size), Ok(Stop::Large(header)));
            if size > 0 {
                assert_eq!(at(Some(size - 1), u64::MAX), Err(ProtocolError::MessageTooLarge));
            }
            let none = ScanLimits {
                max_messages: 0,
                ..NO_LIMITS
            };
            assert_eq!(
                scan(&buffer, &none).map(|run| (run.bytes, run.stop)),
                Ok((0, Stop::Limit))
            );
            let one = ScanLimits {
                max_messages: 1,
                ..NO_LIMITS
            };
            let two = [&buffer[..], &buffer[..]].concat();
            assert_eq!(
                scan(&two, &one).map(|run| (run.bytes, run.stop)),
                Ok((buffer.len(), Stop::Limit))
            );
        }
    }

    #[test]
    fn the_size_limit_holds_for_commands() {
        let mut buffer = Vec::new();
        encode_command(&mut buffer, b"SUBSCRIBE", &[&[b'x'; 40]]);
        let at = |max_body| scan(&buffer, &ScanLimits { max_body, ..NO_LIMITS }).map(|run| run.stop);
        assert_eq!(
            at(Some(50)),
            Ok(Stop::Command(decode_header(&buffer).unwrap().unwrap()))
        );
        assert_eq!(at(Some(49)), Err(ProtocolError::MessageTooLarge));
    }

    #[test]
    fn good_frames_before_an_invalid_one_are_kept() {
        let mut buffer = Vec::new();
        frame(&mut buffer, false, 5);
        let good = buffer.len();
        buffer.extend_from_slice(&[0x80, 1, 2]);
        let run = scan(&buffer, &NO_LIMITS).unwrap();
        assert_eq!(
            (run.bytes, run.stop),
            (good, Stop::Invalid(ProtocolError::ReservedFlags))
        );
        assert_eq!(
            scan(&buffer[run.bytes..], &NO_LIMITS),
            Err(ProtocolError::ReservedFlags)
        );
    }

    #[test]
    fn scanning_equals_the_frame_by_frame_model() {
        let mut generator = Generator::new(0x5ca9);
        for round in 0..20_000 {
            let mut stream = random_stream(&mut generator);
            stream.truncate(stream.len() - generator.below(stream.len().min(10) + 1));
            let limits = ScanLimits {
                max_messages: if generator.below(2) == 0 {
                    usize::MAX
                } else {
                    generator.below(6)
                },
                max_body: if generator.below(2) == 0 {
                    None
                } else {
                    Some(generator.below(700) as u64)
                },
                large_threshold: if generator.below(2) == 0 {
                    u64::MAX
                } else {
                    generator.below(700) as u64
                },
                whole: if generator.below(2) == 0 {
                    MessageLimits::NONE
                } else {
                    MessageLimits {
                        parts: 1 + generator.below(3) as u64,
                        bytes: generator.below(900) as u64,
                    }
                },
                begun: Begun {
                    parts: generator.below(2) as u64,
                    bytes: 0,
                },
            };
            assert_eq!(
                scan(&stream, &limits),
                model(&stream, &limits),
                "round {round}: {limits:?} {stream:?}"
            );
        }
    }

    #[test]
    fn the_run_of_a_prefix_is_a_prefix_of_the_run() {
        let mut stream = Vec::new();
        for (more, body_len) in [(true, 4), (false, 260), (false, 0), (true, 255), (false, 9)] {
            frame(&mut stream, more, body_len);
        }
        let whole = scan(&stream, &NO_LIMITS).unwrap();
        assert_eq!((whole.bytes, whole.messages), (stream.len(), 3));
        for cut in 0..=stream.len() {
            let first = scan(&stream[..cut], &NO_LIMITS).unwrap();
            let rest = ScanLimits {
                begun: first.begun,
                ..NO_LIMITS
            };
            let second = scan(&stream[first.bytes..], &rest).unwrap();
            assert_eq!(second.begun, whole.begun);
            assert_eq!(first.bytes + second.bytes, whole.bytes);
            assert_eq!(first.messages + second.messages, whole.messages);
            assert_eq!(first.frames + second.frames, whole.frames);
        }
    }
}
