//! Z85 (RFC 32): four bytes, as a big-endian number, are five digits to the base of 85. Keys have 32 bytes, and 40 digits.

use zeroize::Zeroizing;

use crate::sys::sodium::{KEY, Secret};

/// The length of a key as text.
pub const TEXT: usize = KEY / 4 * 5;

/// The digits, by their value (RFC 32).
pub const DIGITS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const NO_DIGIT: u8 = 85;
/// The value of every byte as a digit.
const VALUES: [u8; 256] = values();

/// A key as text.
pub fn encode_key(key: &[u8; KEY]) -> Zeroizing<[u8; TEXT]> {
    let mut text = Zeroizing::new([0; TEXT]);
    for (bytes, digits) in key.as_chunks::<4>().0.iter().zip(text.as_chunks_mut::<5>().0) {
        *digits = encode(*bytes);
    }
    text
}

/// The key that a text of 40 digits is.
pub fn decode_key(text: &[u8]) -> Option<Secret> {
    let text: &[u8; TEXT] = text.try_into().ok()?;
    let mut key = Secret::default();
    for (digits, bytes) in text.as_chunks::<5>().0.iter().zip(key.as_chunks_mut::<4>().0) {
        *bytes = decode(*digits)?;
    }
    Some(key)
}

/// Four bytes as five digits.
pub fn encode(bytes: [u8; 4]) -> [u8; 5] {
    let mut number = u32::from_be_bytes(bytes);
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[number as usize % 85];
        number /= 85;
    }
    digits
}

/// Five digits as four bytes; `None` for what is no digit, and for more than 32 bits.
pub fn decode(digits: [u8; 5]) -> Option<[u8; 4]> {
    let mut number = 0_u64;
    for digit in digits {
        let value = VALUES[usize::from(digit)];
        if value == NO_DIGIT {
            return None;
        }
        number = number * 85 + u64::from(value);
    }
    u32::try_from(number).ok().map(u32::to_be_bytes)
}

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sodium::public_key;

    #[test]
    fn the_keys_of_the_manual_page_belong_together() {
        for (public, secret) in [
            (
                b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
                b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
            ),
            (
                b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
            ),
        ] {
            let key = decode_key(secret).unwrap();
            assert_eq!(*encode_key(&public_key(&key)), *public);
            assert_eq!(*encode_key(&key), *secret);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(decode_key(&[b'0'; TEXT]).is_some());
        assert!(decode_key(&[b'0'; TEXT - 1]).is_none());
        assert!(decode_key(&[b'0'; TEXT + 1]).is_none());
        assert!(decode_key(&[b'#'; TEXT]).is_none(), "more than 32 bits");
        assert!(decode_key(&[b' '; TEXT]).is_none());
    }
}
