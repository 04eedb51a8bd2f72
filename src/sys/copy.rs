//! Copying a few bytes without a call: of what a short message costs, calls of `memcpy` are a good part.
#![allow(unsafe_code, reason = "what is written is beyond the length of a vector")]

/// Appends a header and not more than 255 bytes, if there is room for them.
#[inline(always)]
pub fn append(to: &mut Vec<u8>, header: [u8; 2], bytes: &[u8]) -> bool {
    let (start, len) = (to.len(), bytes.len());
    if len > 255 || to.capacity() - start < header.len() + len {
        return false;
    }
    // SAFETY: there is room for that many bytes behind the vector's own, and they overlap nothing that is borrowed.
    unsafe {
        let at = to.as_mut_ptr().add(start);
        at.cast::<[u8; 2]>().write(header);
        copy(bytes.as_ptr(), at.add(header.len()), len);
        to.set_len(start + header.len() + len);
    }
    true
}

/// Copies not more than 255 bytes to the start of what has room for them; false when it has not.
#[inline(always)]
pub fn overwrite(to: &mut [u8], bytes: &[u8]) -> bool {
    let fits = bytes.len() <= 255 && bytes.len() <= to.len();
    if fits {
        // SAFETY: the bytes fit, and are borrowed apart from their place.
        unsafe { copy(bytes.as_ptr(), to.as_mut_ptr(), bytes.len()) };
    }
    fits
}

/// Copies both ends of the bytes; they may overlap.
///
/// # Safety
/// `from` and `to` are valid for `len` bytes, which are 255 at most, and do not overlap.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: every piece lies within the `len` bytes.
    unsafe {
        match len {
            129.. => ends::<128>(from, to, len),
            65.. => ends::<64>(from, to, len),
            33.. => ends::<32>(from, to, len),
            16.. => ends::<16>(from, to, len),
            8.. => ends::<8>(from, to, len),
            4.. => ends::<4>(from, to, len),
            1.. => {
                piece::<1>(from, to, 0);
                piece::<1>(from, to, len / 2);
                piece::<1>(from, to, len - 1);
            }
            0 => {}
        }
    }
}

/// # Safety
/// `from` and `to` are valid for `len` bytes, which are `BYTES` or more.
#[inline(always)]
unsafe fn ends<const BYTES: usize>(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        piece::<BYTES>(from, to, 0);
        piece::<BYTES>(from, to, len - BYTES);
    }
}

/// # Safety
/// `from` and `to` are valid for `at` and `BYTES` more bytes.
#[inline(always)]
unsafe fn piece<const BYTES: usize>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: as the caller promises; bytes need no alignment.
    unsafe {
        to.add(at)
            .cast::<[u8; BYTES]>()
            .write(from.add(at).cast::<[u8; BYTES]>().read())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_length_is_copied_whole_and_nothing_else_written() {
        let bytes: Vec<u8> = (0..=255).map(|number: u8| number ^ 0x5a).collect();
        for len in 0..=255 {
            for spare in 0..20 {
                let mut to = Vec::with_capacity(3 + 2 + len + spare);
                to.extend_from_slice(b"abc");
                to.resize(to.capacity(), 0xee);
                to.truncate(3);
                assert!(append(&mut to, [1, len as u8], &bytes[..len]));
                assert_eq!(to[..5], [b'a', b'b', b'c', 1, len as u8]);
                assert_eq!(to[5..], bytes[..len]);
                let (end, capacity) = (to.len(), to.capacity());
                // SAFETY: all of it was initialised above.
                unsafe { to.set_len(capacity) };
                assert!(to[end..].iter().all(|byte| *byte == 0xee), "{len}");
            }
        }
    }

    #[test]
    fn bytes_are_overwritten_from_the_start() {
        let mut to = [7; 100];
        assert!(overwrite(&mut to, &[1; 33]));
        assert!(to[..33] == [1; 33] && to[33..] == [7; 67]);
        assert!(overwrite(&mut to, &[]) && overwrite(&mut to, &[2; 100]));
        assert!(!overwrite(&mut to, &[3; 101]) && !overwrite(&mut [0; 300], &[3; 256]));
        assert_eq!(to, [2; 100]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut to = Vec::with_capacity(10);
        let room = to.capacity();
        assert!(!append(&mut to, [0, 0], &vec![1; room - 1]));
        assert!(to.is_empty());
        let mut to = Vec::with_capacity(1000);
        assert!(!append(&mut to, [0, 0], &[1; 256]));
        assert!(to.is_empty());
    }
}
