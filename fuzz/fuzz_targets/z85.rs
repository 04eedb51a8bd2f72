//! Z85: keys as text, and any octets and any text through zmq_z85_encode and zmq_z85_decode. What is read is written as the same text, what
//! is written is read again, and nothing is written but what zmq_z85_encode(3) and zmq_z85_decode(3) say.
#![no_main]

use std::ffi::{CString, c_char};

use libfuzzer_sys::fuzz_target;
use monocoque::options::z85::{DIGITS, TEXT, decode_key, encode_key};
use monocoque_fuzz::{zmq_z85_decode, zmq_z85_encode};

/// The text of octets, without its NUL, in memory of just that size.
fn encode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut text = vec![0xa5_u8; octets.len() * 5 / 4 + 1];
    let room = text.as_mut_ptr().cast::<c_char>();
    // SAFETY: both have the sizes that zmq_z85_encode(3) asks for.
    let written = unsafe { zmq_z85_encode(room, octets.as_ptr(), octets.len()) };
    if written.is_null() {
        assert!(text.iter().all(|octet| *octet == 0xa5), "nothing was encoded");
        return None;
    }
    assert_eq!((written, text.pop()), (room, Some(0)));
    Some(text)
}

/// The octets of a text.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let string = CString::new(text).ok()?;
    let mut octets = vec![0_u8; text.len() * 4 / 5];
    // SAFETY: both have the sizes that zmq_z85_decode(3) asks for.
    let written = unsafe { zmq_z85_decode(octets.as_mut_ptr(), string.as_ptr()) };
    (!written.is_null()).then_some(octets)
}

fn check(octets: &[u8], text: &[u8]) {
    match encode(octets) {
        Some(encoded) => {
            assert!(octets.len().is_multiple_of(4) && encoded.iter().all(|digit| DIGITS.contains(digit)));
            assert_eq!(decode(&encoded), (!octets.is_empty()).then(|| octets.to_vec()));
        }
        None => assert!(!octets.len().is_multiple_of(4)),
    }
    if let Some(decoded) = decode(text) {
        assert_eq!(encode(&decoded).as_deref(), Some(text));
    }
    if let Some(key) = decode_key(text) {
        assert_eq!(*encode_key(&key), text[..TEXT]);
        assert_eq!(
            decode(&text[..TEXT]).as_deref(),
            Some(&key[..]),
            "a key is read in either way"
        );
    }
}

fuzz_target!(|data: &[u8]| {
    check(data, data);
    // Octets as digits, so that many texts are keys.
    let digits: Vec<u8> = data
        .iter()
        .map(|&octet| DIGITS[usize::from(octet) % DIGITS.len()])
        .collect();
    check(data, &digits);
    if let Some((key, _)) = data.split_first_chunk() {
        let text = encode_key(key);
        assert!(text.iter().all(|digit| DIGITS.contains(digit)));
        assert!(decode_key(&text[..]).is_some_and(|again| again[..] == key[..]));
    }
});
