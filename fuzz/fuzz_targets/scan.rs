//! Runs of frames: the first four octets choose the limits and a split, the rest is the receive buffer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::{Begun, MessageLimits, ProtocolError, Scan, ScanLimits, Stop, decode_header, scan};

/// The same walk, frame by frame.
fn walk(buffer: &[u8], limits: &ScanLimits) -> Result<Scan, ProtocolError> {
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
        let stop = match decode_header(rest) {
            Err(error) => Stop::Invalid(error),
            Ok(None) => Stop::NeedMore,
            Ok(Some(header)) if limits.max_body.is_some_and(|most| header.body_len > most) => {
                Stop::Invalid(ProtocolError::MessageTooLarge)
            }
            Ok(Some(header)) if header.command => Stop::Command(header),
            Ok(Some(header)) if header.body_len >= limits.large_threshold => Stop::Large(header),
            Ok(Some(header)) if header.header_len as u64 + header.body_len > rest.len() as u64 => {
                Stop::Incomplete(header)
            }
            Ok(Some(_)) if run.begun.parts >= limits.whole.parts => Stop::Invalid(ProtocolError::TooManyParts),
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
        };
        run.stop = stop;
        return match stop {
            Stop::Invalid(error) if run.frames == 0 => Err(error),
            _ => Ok(run),
        };
    }
    Ok(run)
}

fuzz_target!(|data: &[u8]| {
    let Some((&[messages, body, threshold, split], buffer)) = data.split_first_chunk::<4>() else {
        return;
    };
    let limits = ScanLimits {
        max_messages: if messages == 255 {
            usize::MAX
        } else {
            usize::from(messages)
        },
        max_body: (body != 255).then_some(u64::from(body) * 2),
        large_threshold: if threshold == 255 {
            u64::MAX
        } else {
            u64::from(threshold) * 2
        },
        whole: MessageLimits {
            parts: u64::from(split).max(1),
            bytes: u64::from(body) * 8,
        },
        begun: Begun::default(),
    };
    let whole = scan(buffer, &limits);
    assert_eq!(whole, walk(buffer, &limits));
    let Ok(whole) = whole else {
        return;
    };
    assert!(whole.committed_bytes <= whole.bytes && whole.bytes <= buffer.len());
    let first = scan(&buffer[..buffer.len().min(usize::from(split))], &limits).expect("the first frame is good");
    let remaining = ScanLimits {
        max_messages: limits.max_messages - first.messages,
        begun: first.begun,
        ..limits
    };
    match scan(&buffer[first.bytes..], &remaining) {
        Ok(second) => {
            assert_eq!(first.bytes + second.bytes, whole.bytes);
            assert_eq!(first.messages + second.messages, whole.messages);
            assert_eq!((second.begun, second.stop), (whole.begun, whole.stop));
        }
        Err(error) => assert_eq!((first.bytes, Stop::Invalid(error)), (whole.bytes, whole.stop)),
    }
});
