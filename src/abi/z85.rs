//! Z85, the printable form of binary keys: RFC 32, zmq_z85_encode(3), zmq_z85_decode(3); and the functions for CURVE
//! keys: zmq_curve_keypair(3), zmq_curve_public(3).
//!
//! Four bytes, as a big-endian number, are five digits to the base of 85. Calls are independent of each other.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use zeroize::Zeroizing;

use crate::entry;
use crate::error::Error;
use crate::options::z85::{self, TEXT, decode, encode};
use crate::sys::sodium::{self, KEY, Secret};

entry! {
    /// Writes `size` bytes as `size` * 5 / 4 characters and a final 0. `dest`, or NULL with `EINVAL` when `size` is no
    /// multiple of 4, or `EFAULT`. Source: zmq_z85_encode(3).
    ///
    /// # Safety
    /// `data` is null or points to `size` readable bytes; `dest` is null or points to `size` * 5 / 4 + 1 writable ones.
    pub unsafe fn zmq_z85_encode(
        dest: *mut c_char, data: *const u8, size: usize,
    ) -> *mut c_char, on_error ptr::null_mut() => {
        if !size.is_multiple_of(4) || size > isize::MAX as usize {
            return Err(Error::Invalid);
        }
        if dest.is_null() || (data.is_null() && size > 0) {
            return Err(Error::Fault);
        }
        let groups = size / 4;
        for group in 0..groups {
            // SAFETY: both lie within the buffers that the caller promises; arrays of bytes have no alignment.
            unsafe {
                let bytes = data.add(group * 4).cast::<[u8; 4]>().read();
                dest.add(group * 5).cast::<[u8; 5]>().write(encode(bytes));
            }
        }
        // SAFETY: the caller promises room for one byte more.
        unsafe { dest.add(groups * 5).write(0) };
        Ok(dest)
    }
}

entry! {
    /// Writes the bytes that `string` stands for, four for each five characters. `dest`, or NULL with `EINVAL` when
    /// `string` is empty, has a length that is no multiple of 5, a character that is no digit, or a group beyond 32
    /// bits, or `EFAULT`. Source: zmq_z85_decode(3).
    ///
    /// # Safety
    /// `string` is null or a string ended by 0; `dest` is null or points to four fifths as many writable bytes.
    pub unsafe fn zmq_z85_decode(dest: *mut u8, string: *const c_char) -> *mut u8, on_error ptr::null_mut() => {
        if dest.is_null() || string.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: the caller promises a string. The borrow ends here: `dest` may be the string's own buffer.
        let length = unsafe { CStr::from_ptr(string) }.count_bytes();
        if length == 0 || !length.is_multiple_of(5) {
            return Err(Error::Invalid);
        }
        for group in 0..length / 5 {
            // SAFETY: both lie within the buffers that the caller promises; arrays of bytes have no alignment.
            unsafe {
                let digits = string.add(group * 5).cast::<[u8; 5]>().read();
                dest.add(group * 4).cast::<[u8; 4]>().write(decode(digits).ok_or(Error::Invalid)?);
            }
        }
        Ok(dest)
    }
}

/// A key as text, with the 0 behind it.
const KEY_TEXT: usize = TEXT + 1;

entry! {
    /// Writes a new pair of keys, each as 40 characters and a final 0. -1 with `EFAULT` or `ENOTSUP`. Source: zmq_curve_keypair(3).
    ///
    /// # Safety
    /// Both pointers are null or point to 41 writable bytes.
    pub unsafe fn zmq_curve_keypair(
        z85_public_key: *mut c_char, z85_secret_key: *mut c_char,
    ) -> c_int, on_error -1 => {
        if z85_public_key.is_null() || z85_secret_key.is_null() {
            return Err(Error::Fault);
        }
        if !sodium::is_ready() {
            return Err(Error::NotSupported);
        }
        let mut secret = Secret::default();
        sodium::random(&mut secret[..]);
        // SAFETY: the caller promises the room.
        unsafe {
            write_key(z85_public_key, &sodium::public_key(&secret));
            write_key(z85_secret_key, &secret);
        }
        Ok(0)
    }
}

entry! {
    /// Writes the public key that belongs to a secret key, both as 40 characters and a final 0. -1 with `EINVAL` for a text that is no
    /// key, `EFAULT` or `ENOTSUP`. Source: zmq_curve_public(3).
    ///
    /// # Safety
    /// `z85_public_key` is null or points to 41 writable bytes, `z85_secret_key` is null or a string ended by 0.
    pub unsafe fn zmq_curve_public(
        z85_public_key: *mut c_char, z85_secret_key: *const c_char,
    ) -> c_int, on_error -1 => {
        if z85_public_key.is_null() || z85_secret_key.is_null() {
            return Err(Error::Fault);
        }
        if !sodium::is_ready() {
            return Err(Error::NotSupported);
        }
        // SAFETY: the caller promises a string.
        let text = unsafe { CStr::from_ptr(z85_secret_key) }.to_bytes();
        let secret = z85::decode_key(text).ok_or(Error::Invalid)?;
        // SAFETY: the caller promises the room.
        unsafe { write_key(z85_public_key, &sodium::public_key(&secret)) };
        Ok(0)
    }
}

/// # Safety
/// `to` points to 41 writable bytes.
unsafe fn write_key(to: *mut c_char, key: &[u8; KEY]) {
    let mut text = Zeroizing::new([0; KEY_TEXT]);
    text[..TEXT].copy_from_slice(&z85::encode_key(key)[..]);
    // SAFETY: as the caller promises; arrays of bytes have no alignment.
    unsafe { to.cast::<[u8; KEY_TEXT]>().write(*text) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::z85::DIGITS;
    use crate::sys::errno;

    fn encoded(data: &[u8]) -> Option<String> {
        let mut text = vec![0x7f_u8; data.len() * 5 / 4 + 2];
        // SAFETY: both buffers are as large as the function asks for.
        let end = unsafe { zmq_z85_encode(text.as_mut_ptr().cast(), data.as_ptr(), data.len()) };
        if end.is_null() {
            return None;
        }
        Some(CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap().to_string())
    }

    fn decoded(text: &CStr) -> Option<Vec<u8>> {
        let mut data = vec![0; text.count_bytes()];
        // SAFETY: both buffers are as large as the function asks for.
        let answer = unsafe { zmq_z85_decode(data.as_mut_ptr(), text.as_ptr()) };
        if answer.is_null() {
            return None;
        }
        data.truncate(text.count_bytes() / 5 * 4);
        Some(data)
    }

    #[test]
    fn the_vectors_of_rfc_32_and_of_the_manual() {
        let hello = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert_eq!(encoded(&hello).as_deref(), Some("HelloWorld"));
        assert_eq!(decoded(c"HelloWorld").as_deref(), Some(&hello[..]));
        let key = decoded(c"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7").unwrap();
        assert_eq!(key.len(), 32);
        assert_eq!(
            encoded(&key).as_deref(),
            Some("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
        );
    }

    #[test]
    fn sizes_that_are_no_whole_groups_are_refused() {
        for size in 0..12 {
            assert_eq!(encoded(&vec![0xFF; size]).is_some(), size % 4 == 0, "{size}");
        }
        assert_eq!(encoded(&[]).as_deref(), Some(""));
        for text in [c"", c"0", c"00", c"000", c"0000", c"000000"] {
            errno::set(0);
            assert_eq!(decoded(text), None);
            assert_eq!(errno::current(), libc::EINVAL);
        }
    }

    #[test]
    fn only_the_digits_are_digits() {
        for byte in 1..=255_u8 {
            let text = [b'0', b'0', b'0', b'0', byte, 0];
            let known = decoded(CStr::from_bytes_with_nul(&text).unwrap());
            let value = DIGITS.iter().position(|&digit| digit == byte);
            assert_eq!(known, value.map(|value| vec![0, 0, 0, value as u8]), "{byte:#x}");
        }
    }

    #[test]
    fn a_group_beyond_32_bits_is_refused() {
        assert_eq!(decoded(c"%nSc0"), Some(vec![0xFF; 4]));
        for text in [c"%nSc1", c"%nSd0", c"%nT00", c"$0000", c"#####", c"%nSc0%nSc1"] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_byte_survives_a_round_trip_in_place() {
        let data: Vec<u8> = (0..=255).collect();
        let mut text = encoded(&data).unwrap().into_bytes();
        text.push(0);
        let place = text.as_mut_ptr();
        // SAFETY: the result is shorter than the string, and is written behind what is read.
        assert_eq!(unsafe { zmq_z85_decode(place, place.cast()) }, place);
        assert_eq!(&text[..256], &data[..]);
    }

    #[test]
    fn null_pointers_are_refused() {
        // SAFETY: null is allowed.
        unsafe {
            assert!(zmq_z85_encode(ptr::null_mut(), b"abcd".as_ptr(), 4).is_null());
            assert!(zmq_z85_decode(ptr::null_mut(), c"abcde".as_ptr()).is_null());
            let mut room = [0_u8; 8];
            assert!(zmq_z85_encode(room.as_mut_ptr().cast(), ptr::null(), 4).is_null());
            assert!(zmq_z85_decode(room.as_mut_ptr(), ptr::null()).is_null());
        }
        assert_eq!(errno::current(), libc::EFAULT);
    }

    #[test]
    fn a_pair_of_keys_belongs_together() {
        let (mut public, mut secret, mut again) = ([1; 42], [1; 42], [1; 42]);
        // SAFETY: the buffers are as large as the functions ask for.
        let answers = unsafe {
            [
                zmq_curve_keypair(public.as_mut_ptr(), secret.as_mut_ptr()),
                zmq_curve_public(again.as_mut_ptr(), secret.as_ptr()),
            ]
        };
        assert_eq!(answers, [0, 0]);
        assert_eq!(public, again);
        assert_ne!(public, secret);
        assert_eq!((public[40], public[41]), (0, 1), "41 bytes are written");
    }

    #[test]
    fn what_is_no_key_and_null_are_refused() {
        let mut key = [1; 41];
        let refused = |answer: c_int| (answer, errno::current());
        for text in [c"", c"short", c"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c ", c"#####"] {
            // SAFETY: the buffer is as large as the function asks for.
            let answer = unsafe { zmq_curve_public(key.as_mut_ptr(), text.as_ptr()) };
            assert_eq!(refused(answer), (-1, libc::EINVAL), "{text:?}");
        }
        // SAFETY: NULL is allowed.
        let answer = unsafe { zmq_curve_keypair(key.as_mut_ptr(), ptr::null_mut()) };
        assert_eq!(refused(answer), (-1, libc::EFAULT));
        // SAFETY: NULL is allowed.
        let answer = unsafe { zmq_curve_public(ptr::null_mut(), c"".as_ptr()) };
        assert_eq!(refused(answer), (-1, libc::EFAULT));
        assert_eq!(key, [1; 41]);
    }
}
