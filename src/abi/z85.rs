//! Z85, the printable form of binary keys: RFC 32, zmq_z85_encode(3), zmq_z85_decode(3); and the functions for CURVE
//! keys, which this build does not have.
//!
//! Four bytes, as a big-endian number, are five digits to the base of 85. Calls are independent of each other.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use crate::entry;
use crate::error::{Error, Result};

/// The digits, by their value (RFC 32).
const DIGITS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const NO_DIGIT: u8 = 85;
/// The value of every byte as a digit.
const VALUES: [u8; 256] = values();

entry! {
    /// Writes `size` bytes as `size` * 5 / 4 characters and a final 0. `dest`, or NULL with `EINVAL` when `size` is no
    /// multiple of 4, or `EFAULT`. Source: zmq_z85_encode(3).
    ///
    /// # Safety
    /// `data` is null or points to `size` readable bytes; `dest` is null or points to `size` * 5 / 4 + 1 writable ones.
    pub unsafe fn zmq_z85_encode(
        dest: *mut c_char, data: *const u8, size: usize,
    ) -> *mut c_char, on_error ptr::null_mut() => {
        if !size.is_multiple_of(4) {
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
                dest.add(group * 4).cast::<[u8; 4]>().write(decode(digits)?);
            }
        }
        Ok(dest)
    }
}

entry! {
    /// -1 with `ENOTSUP`: this build has no cryptography. Source: zmq_curve_keypair(3).
    ///
    /// # Safety
    /// None: nothing is read or written.
    pub unsafe fn zmq_curve_keypair(
        _z85_public_key: *mut c_char, _z85_secret_key: *mut c_char,
    ) -> c_int, on_error -1 => {
        Err(Error::NotSupported)
    }
}

entry! {
    /// -1 with `ENOTSUP`: this build has no cryptography. Source: zmq_curve_public(3).
    ///
    /// # Safety
    /// None: nothing is read or written.
    pub unsafe fn zmq_curve_public(
        _z85_public_key: *mut c_char, _z85_secret_key: *const c_char,
    ) -> c_int, on_error -1 => {
        Err(Error::NotSupported)
    }
}

fn encode(bytes: [u8; 4]) -> [u8; 5] {
    let mut number = u32::from_be_bytes(bytes);
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[number as usize % 85];
        number /= 85;
    }
    digits
}

fn decode(digits: [u8; 5]) -> Result<[u8; 4]> {
    let mut number = 0_u64;
    for digit in digits {
        let value = VALUES[usize::from(digit)];
        if value == NO_DIGIT {
            return Err(Error::Invalid);
        }
        number = number * 85 + u64::from(value);
    }
    let number = u32::try_from(number).map_err(|_| Error::Invalid)?;
    Ok(number.to_be_bytes())
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
    fn curve_keys_are_not_supported() {
        let mut key = [0; 41];
        // SAFETY: nothing is read or written.
        let answers = unsafe {
            [
                zmq_curve_keypair(key.as_mut_ptr(), ptr::null_mut()),
                zmq_curve_public(key.as_mut_ptr(), key.as_ptr()),
            ]
        };
        assert_eq!(answers, [-1, -1]);
        assert_eq!(errno::current(), libc::ENOTSUP);
    }
}
