//! What a message may have as a whole: its parts, and their bytes together.
//!
//! ZMQ_MAXMSGSIZE bounds each part. Without a bound on the whole, a peer that never ends a message has memory without end
//! committed for it, because only whole messages count towards a high-water mark.

use super::error::ProtocolError;

/// The most that one message may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Parts (`MONOCOQUE_MAX_MESSAGE_PARTS`).
    pub parts: u64,
    /// Bytes of all parts together (`MONOCOQUE_MAX_MESSAGE_BYTES`).
    pub bytes: u64,
}

impl MessageLimits {
    /// No limits.
    pub const NONE: MessageLimits = MessageLimits {
        parts: u64::MAX,
        bytes: u64::MAX,
    };
}

/// What has come of a message whose last part has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Its parts.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Begun {
    /// After one more part: what is begun then. The part need not be there yet, only its size.
    pub fn with(self, body_len: u64, more: bool, limits: &MessageLimits) -> Result<Begun, ProtocolError> {
        let begun = Begun {
            parts: self.parts + 1,
            bytes: self.bytes.saturating_add(body_len),
        };
        if begun.parts > limits.parts {
            Err(ProtocolError::TooManyParts)
        } else if begun.bytes > limits.bytes {
            Err(ProtocolError::TooManyBytes)
        } else if more {
            Ok(begun)
        } else {
            Ok(Begun::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MessageLimits = MessageLimits { parts: 3, bytes: 10 };

    fn after(sizes: &[u64], limits: &MessageLimits) -> Result<Begun, ProtocolError> {
        sizes
            .iter()
            .try_fold(Begun::default(), |begun, size| begun.with(*size, true, limits))
    }

    #[test]
    fn each_limit_holds_at_its_value_and_acts_one_past_it() {
        assert_eq!(after(&[0, 10, 0], &LIMITS), Ok(Begun { parts: 3, bytes: 10 }));
        assert_eq!(after(&[0; 4], &LIMITS), Err(ProtocolError::TooManyParts));
        assert_eq!(after(&[5, 6], &LIMITS), Err(ProtocolError::TooManyBytes));
        assert_eq!(after(&[5, u64::MAX], &LIMITS), Err(ProtocolError::TooManyBytes));
        assert_eq!(
            after(&[5, u64::MAX], &MessageLimits::NONE),
            Ok(Begun {
                parts: 2,
                bytes: u64::MAX
            })
        );
    }

    #[test]
    fn the_last_part_ends_what_is_begun_and_counts() {
        let begun = after(&[4, 4], &LIMITS).unwrap();
        assert_eq!(begun.with(2, false, &LIMITS), Ok(Begun::default()));
        assert_eq!(begun.with(3, false, &LIMITS), Err(ProtocolError::TooManyBytes));
    }
}
