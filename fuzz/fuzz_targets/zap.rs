//! Replies of an authentication handler: frames of one length octet each, the last octets being the last frame.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::metadata::encode_property;
use monocoque::zmtp::zap::Verdict;

fuzz_target!(|data: &[u8]| {
    let (mut frames, mut rest) = (Vec::new(), data);
    while let Some((&length, behind)) = rest.split_first() {
        let (frame, behind) = behind.split_at(behind.len().min(usize::from(length)));
        frames.push(Bytes::copy_from_slice(frame));
        rest = behind;
    }
    let Verdict::Reply(reply) = Verdict::of(&frames) else {
        return;
    };
    assert_eq!(frames.len(), 7);
    assert!(frames[0].is_empty() && frames[1] == "1.0" && frames[2] == "1");
    assert!(frames[3] == reply.status.to_string().as_bytes() && [200, 300, 400, 500].contains(&reply.status));
    assert_eq!(reply.user_id, frames[5]);
    let mut again = Vec::new();
    for (name, value) in &reply.properties {
        encode_property(&mut again, name, value).expect("what was read has sizes that can be written");
    }
    assert_eq!(again, frames[6]);
});
