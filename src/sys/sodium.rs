//! The cryptography of CURVE (RFC 26), by libsodium: X25519 keys, boxes (XSalsa20 and Poly1305), the stream of boxes of a
//! connection, random bytes and comparisons in constant time.
//!
//! Any thread may call anything. Every key in here is overwritten when it goes. A stream of boxes is as `crypto_box` of NaCl with nonces
//! that begin with the same 16 bytes: what follows from those and the key alone is computed once.
#![allow(unsafe_code, reason = "a C library is called")]

use std::sync::OnceLock;

use libsodium_sys as ffi;
use zeroize::{Zeroize, Zeroizing};

/// The size of a public, secret or shared key, in bytes.
pub const KEY: usize = 32;
/// The size of a box's nonce, in bytes.
pub const NONCE: usize = 24;
/// What a box is longer than its content, in bytes.
pub const TAG: usize = 16;
/// The bytes of a nonce that all boxes of a [`Stream`] have in common.
pub const PREFIX: usize = 16;
/// What a buffer has before the content that is encrypted or decrypted in it, in bytes.
pub const LEAD: usize = 32;
/// XSalsa20 gives its bytes in blocks of this size.
const BLOCK: usize = 64;

/// A key that is overwritten when it goes, and does not move in memory before: what moves leaves a copy.
pub type Secret = Box<Zeroizing<[u8; KEY]>>;

/// Whether there is cryptography: libsodium started, once a process.
pub fn is_ready() -> bool {
    static STARTED: OnceLock<bool> = OnceLock::new();
    // SAFETY: the function has no preconditions.
    *STARTED.get_or_init(|| unsafe { ffi::sodium_init() } >= 0)
}

/// Fills `out` with unpredictable bytes of the system.
pub fn random(out: &mut [u8]) {
    // SAFETY: `out` is writable for its length.
    unsafe { ffi::randombytes_buf(out.as_mut_ptr().cast(), out.len()) };
}

/// The public key of a secret key.
pub fn public_key(secret: &[u8; KEY]) -> [u8; KEY] {
    let mut public = [0; KEY];
    // SAFETY: both have the size of a key. The function fails for no secret key.
    unsafe { ffi::crypto_scalarmult_base(public.as_mut_ptr(), secret.as_ptr()) };
    public
}

/// What two keys have in common, for [`seal`] and [`open`]; `None` for a public key that gives nothing away of the other one.
pub fn shared_key(public: &[u8; KEY], secret: &[u8; KEY]) -> Option<Secret> {
    let mut shared = Secret::default();
    // SAFETY: all three have the size of a key.
    let result = unsafe { ffi::crypto_box_beforenm(shared.as_mut_ptr(), public.as_ptr(), secret.as_ptr()) };
    (result == 0).then_some(shared)
}

/// Whether both are equal, in a time that does not depend on what they hold.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    // SAFETY: both are readable for the same length.
    left.len() == right.len()
        && unsafe { ffi::sodium_memcmp(left.as_ptr().cast(), right.as_ptr().cast(), left.len()) } == 0
}

/// Appends the box of `content`.
pub fn seal(out: &mut Vec<u8>, content: &[u8], nonce: &[u8; NONCE], key: &[u8; KEY]) {
    let start = out.len();
    out.resize(start + TAG + content.len(), 0);
    // SAFETY: the room behind `start` is that of the content and the tag; nonce and key have their sizes.
    unsafe {
        ffi::crypto_secretbox_easy(
            out[start..].as_mut_ptr(),
            content.as_ptr(),
            content.len() as u64,
            nonce.as_ptr(),
            key.as_ptr(),
        )
    };
}

/// The content of a box; `None` if the key or nonce is another one, or it was changed.
pub fn open(sealed: &[u8], nonce: &[u8; NONCE], key: &[u8; KEY]) -> Option<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(vec![0; sealed.len().checked_sub(TAG)?]);
    // SAFETY: the content has the room for a box of this length; nonce and key have their sizes.
    let result = unsafe {
        ffi::crypto_secretbox_open_easy(
            content.as_mut_ptr(),
            sealed.as_ptr(),
            sealed.len() as u64,
            nonce.as_ptr(),
            key.as_ptr(),
        )
    };
    (result == 0).then_some(content)
}

/// The boxes of one direction of a connection.
pub struct Stream {
    /// Where it stays: what is moved leaves its bytes behind.
    key: Secret,
}

impl Stream {
    /// Boxes under `key` whose nonces begin with `prefix`.
    pub fn new(key: &[u8; KEY], prefix: &[u8; PREFIX]) -> Stream {
        let mut own = Secret::default();
        // SAFETY: input and output have 16 and 32 bytes; the constant may be null.
        unsafe { ffi::crypto_core_hsalsa20(own.as_mut_ptr(), prefix.as_ptr(), key.as_ptr(), std::ptr::null()) };
        Stream { key: own }
    }

    /// Encrypts the content, which stands in `buffer` behind [`LEAD`] bytes that are lost, in place: its tag. `end` is the end of the
    /// nonce, and no other box's.
    pub fn seal(&self, end: u64, buffer: &mut [u8]) -> [u8; TAG] {
        let key = self.apply_behind_lead(end, buffer);
        authenticate(&buffer[LEAD..], &key)
    }

    /// Appends the encrypted content, a first byte and a body: its tag. For long ones, which this does not copy before.
    pub fn seal_apart(&self, end: u64, first: u8, body: &[u8], out: &mut Vec<u8>) -> [u8; TAG] {
        let nonce = end.to_be_bytes();
        let block = self.first_block(&nonce);
        let start = out.len();
        let (head, rest) = body.split_at(body.len().min(BLOCK - KEY - 1));
        out.push(first);
        out.extend_from_slice(head);
        for (byte, key) in out[start..].iter_mut().zip(&block[KEY..]) {
            *byte ^= key;
        }
        out.reserve(rest.len());
        let place = out.len();
        // SAFETY: there is room for the rest behind what is there, which the function fills; it and the body do not overlap. Nonce and key
        // have their sizes.
        unsafe {
            ffi::crypto_stream_salsa20_xor_ic(
                out.as_mut_ptr().add(place),
                rest.as_ptr(),
                rest.len() as u64,
                nonce.as_ptr(),
                1,
                self.key.as_ptr(),
            );
            out.set_len(place + rest.len());
        }
        let (key, _) = halves(&block);
        authenticate(&out[start..], key)
    }

    /// Decrypts `sealed` into `buffer`, behind its first [`LEAD`] bytes, which are lost. False if `tag` is not its tag: then nothing of it
    /// is there.
    #[must_use]
    pub fn open(&self, end: u64, tag: &[u8; TAG], sealed: &[u8], buffer: &mut [u8]) -> bool {
        buffer[LEAD..].copy_from_slice(sealed);
        let key = self.apply_behind_lead(end, buffer);
        let is_whole = is_authentic(tag, sealed, &key);
        if !is_whole {
            buffer.zeroize();
        }
        is_whole
    }

    /// Decrypts `content` in place, if `tag` is its tag. Otherwise it stays as it is.
    #[must_use]
    pub fn open_in_place(&self, end: u64, tag: &[u8; TAG], content: &mut [u8]) -> bool {
        let nonce = end.to_be_bytes();
        let block = self.first_block(&nonce);
        let (key, stream) = halves(&block);
        if !is_authentic(tag, content, key) {
            return false;
        }
        let (head, rest) = content.split_at_mut(content.len().min(stream.len()));
        for (byte, key) in head.iter_mut().zip(stream) {
            *byte ^= key;
        }
        self.apply(&nonce, 1, rest);
        true
    }

    /// What a box begins with and nobody sees is the key of its tag.
    fn apply_behind_lead(&self, end: u64, buffer: &mut [u8]) -> Zeroizing<[u8; KEY]> {
        let mut key = Zeroizing::new([0; KEY]);
        buffer[..LEAD].fill(0);
        self.apply(&end.to_be_bytes(), 0, buffer);
        key.copy_from_slice(&buffer[..LEAD]);
        buffer[..LEAD].zeroize();
        key
    }

    /// The key of a box's tag, and the bytes for the beginning of its content.
    fn first_block(&self, nonce: &[u8; 8]) -> Zeroizing<[u8; BLOCK]> {
        let mut block = Zeroizing::new([0; BLOCK]);
        // SAFETY: the block is writable for its length; nonce and key have their sizes.
        unsafe { ffi::crypto_stream_salsa20(block.as_mut_ptr(), BLOCK as u64, nonce.as_ptr(), self.key.as_ptr()) };
        block
    }

    /// Encrypts or decrypts bytes that begin with this block of the stream.
    fn apply(&self, nonce: &[u8; 8], block: u64, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            // SAFETY: input and output are the same bytes, as the function allows; nonce and key have their sizes.
            unsafe {
                ffi::crypto_stream_salsa20_xor_ic(
                    bytes.as_mut_ptr(),
                    bytes.as_ptr(),
                    bytes.len() as u64,
                    nonce.as_ptr(),
                    block,
                    self.key.as_ptr(),
                )
            };
        }
    }
}

/// The key of the tag, and the bytes for the content.
fn halves(block: &[u8; BLOCK]) -> (&[u8; KEY], &[u8]) {
    block.split_first_chunk().unwrap_or((&[0; KEY], &[]))
}

fn authenticate(sealed: &[u8], key: &[u8; KEY]) -> [u8; TAG] {
    let mut tag = [0; TAG];
    // SAFETY: tag and key have their sizes, and the bytes are readable.
    unsafe {
        ffi::crypto_onetimeauth_poly1305(tag.as_mut_ptr(), sealed.as_ptr(), sealed.len() as u64, key.as_ptr());
    }
    tag
}

fn is_authentic(tag: &[u8; TAG], sealed: &[u8], key: &[u8; KEY]) -> bool {
    // SAFETY: tag and key have their sizes, and the bytes are readable.
    let result = unsafe {
        ffi::crypto_onetimeauth_poly1305_verify(tag.as_ptr(), sealed.as_ptr(), sealed.len() as u64, key.as_ptr())
    };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place * 7) as u8).collect()
    }

    #[test]
    fn two_sides_share_a_key_and_nobody_else() {
        let (alice, bob) = ([5; KEY], [6; KEY]);
        let both = shared_key(&public_key(&bob), &alice).unwrap();
        assert_eq!(*both, *shared_key(&public_key(&alice), &bob).unwrap());
        assert_ne!(*both, *shared_key(&public_key(&alice), &[7; KEY]).unwrap());
        assert!(shared_key(&[0; KEY], &alice).is_none(), "a public key of small order");
    }

    #[test]
    fn a_stream_seals_what_a_box_seals() {
        let key = [3; KEY];
        let stream = Stream::new(&key, b"CurveZMQMESSAGEC");
        let mut nonce = [0; NONCE];
        nonce[..PREFIX].copy_from_slice(b"CurveZMQMESSAGEC");
        nonce[PREFIX..].copy_from_slice(&77_u64.to_be_bytes());
        for length in [1, 31, 32, 33, 63, 64, 65, 1000, 70_000] {
            let mut sealed = Vec::new();
            seal(&mut sealed, &bytes(length), &nonce, &key);
            let mut buffer = [&[9; LEAD][..], &bytes(length)].concat();
            let tag = stream.seal(77, &mut buffer);
            assert_eq!([&tag[..], &buffer[LEAD..]].concat(), sealed, "{length}");
            let mut apart = b"before".to_vec();
            let content = bytes(length);
            assert_eq!(stream.seal_apart(77, content[0], &content[1..], &mut apart), tag);
            assert_eq!(apart[6..], sealed[TAG..], "{length}");
            let mut opened = vec![9; LEAD + length];
            assert!(stream.open(77, &tag, &sealed[TAG..], &mut opened));
            assert_eq!(opened[LEAD..], content);
            assert!(stream.open_in_place(77, &tag, &mut apart[6..]));
            assert_eq!(apart[6..], content);
            assert_eq!(**open(&sealed, &nonce, &key).unwrap(), content);
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let stream = Stream::new(&[1; KEY], &[2; PREFIX]);
        let mut buffer = vec![0; LEAD + 100];
        buffer[LEAD..].copy_from_slice(&bytes(100));
        let tag = stream.seal(5, &mut buffer);
        let sealed = buffer[LEAD..].to_vec();
        let opens = |end, tag: &[u8; TAG], sealed: &[u8]| {
            let mut out = vec![1; LEAD + sealed.len()];
            let apart = stream.open(end, tag, sealed, &mut out);
            assert!(apart || out == vec![0; out.len()], "nothing of it is left");
            let mut in_place = sealed.to_vec();
            assert_eq!(stream.open_in_place(end, tag, &mut in_place), apart);
            assert!(apart || in_place == sealed, "it stays as it is");
            apart
        };
        assert!(opens(5, &tag, &sealed));
        assert!(!opens(6, &tag, &sealed));
        for place in [0, 31, 32, 99] {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert!(!opens(5, &tag, &other));
        }
        let mut other = tag;
        other[0] ^= 128;
        assert!(!opens(5, &other, &sealed));
        assert!(!opens(5, &tag, &sealed[..99]));
        assert!(super::open(&[0; TAG - 1], &[0; NONCE], &[0; KEY]).is_none());
    }

    #[test]
    fn comparisons_look_at_every_byte_and_the_length() {
        assert!(is_ready());
        assert!(equal(b"abc", b"abc") && equal(b"", b""));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"abc", b"Abc"));
        let (mut one, mut two) = ([0; 32], [0; 32]);
        random(&mut one);
        random(&mut two);
        assert_ne!(one, two);
    }
}
