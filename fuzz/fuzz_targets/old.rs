//! Frames of ZMTP 1.0, one after the other. A header is read as RFC 13 has it, from its own octets alone, and what is translated, in
//! either direction, says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::frame::MAX_OLD_HEADER;
use monocoque::zmtp::{Header, ProtocolError, decode_header, decode_old_header, encode_header, encode_old_header};

/// The length, which counts the flags, is one octet, or 0xff and eight octets.
fn expected(bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let (length, flags_at) = match bytes {
        [0xff, a, b, c, d, e, f, g, h, ..] => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 9),
        [] | [0xff, ..] => return Ok(None),
        [length, ..] => (u64::from(*length), 1),
    };
    if length == 0 || length >> 63 != 0 {
        return Err(ProtocolError::FrameLength);
    }
    Ok(bytes.get(flags_at).map(|flags| Header {
        more: flags % 2 == 1,
        command: false,
        header_len: flags_at + 1,
        body_len: length - 1,
    }))
}

fn check_translation(header: Header) {
    let Ok(body_len) = usize::try_from(header.body_len) else {
        return;
    };
    let (old, old_len) = encode_old_header(header.more, body_len);
    let again = decode_old_header(&old[..old_len])
        .expect("a header")
        .expect("a whole header");
    assert_eq!(
        (again.more, again.header_len, again.body_len),
        (header.more, old_len, header.body_len)
    );
    assert!(old_len <= header.header_len, "ours is the shortest");
    let (new, new_len) = encode_header(header.more, body_len);
    let new = decode_header(&new[..new_len])
        .expect("a header")
        .expect("a whole header");
    assert_eq!(
        (new.more, new.command, new.body_len),
        (header.more, false, header.body_len)
    );
}

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    loop {
        let read = decode_old_header(rest);
        assert_eq!(read, expected(rest));
        for length in 0..rest.len().min(MAX_OLD_HEADER) {
            let early = decode_old_header(&rest[..length]);
            assert!(early == Ok(None) || early == read, "known after {length} octets");
        }
        let Ok(Some(header)) = read else { return };
        assert!(header.header_len <= MAX_OLD_HEADER);
        check_translation(header);
        let end = usize::try_from(header.body_len)
            .ok()
            .and_then(|length| length.checked_add(header.header_len));
        match end.and_then(|end| rest.get(end..)) {
            Some(behind) => rest = behind,
            None => return,
        }
    }
});
