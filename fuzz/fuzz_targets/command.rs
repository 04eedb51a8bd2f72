//! Command bodies and property lists: what parses encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monocoque::zmtp::command::PING_CONTEXT_MAX;
use monocoque::zmtp::metadata::{Properties, encode_property};
use monocoque::zmtp::{
    Command, decode_header, encode_cancel, encode_ping, encode_pong, encode_subscribe, parse_command,
};

fn check_properties(list: &[u8]) {
    let mut again = Vec::new();
    for property in Properties::new(list) {
        let Ok((name, value)) = property else {
            return;
        };
        encode_property(&mut again, name, value).expect("what was read has sizes that can be written");
    }
    assert_eq!(again, list);
}

fuzz_target!(|body: &[u8]| {
    check_properties(body);
    let Ok(command) = parse_command(body) else {
        return;
    };
    let mut again = Vec::new();
    match command {
        Command::Ready(list) => return check_properties(list),
        Command::Subscribe(topic) => encode_subscribe(&mut again, topic, 1),
        Command::Cancel(topic) => encode_cancel(&mut again, topic, 1),
        Command::Ping { ttl_tenths, context } => encode_ping(&mut again, ttl_tenths, context),
        Command::Pong { context } => encode_pong(&mut again, context),
        Command::Error(reason) => return assert!(reason.len() <= 255),
        Command::Unknown { name } => return assert!(!name.is_empty()),
    }
    let header = decode_header(&again).expect("a valid header").expect("a whole header");
    let encoded = &again[header.header_len..];
    assert!(header.command && encoded.len() as u64 == header.body_len);
    if let Command::Ping { context, .. } | Command::Pong { context } = command
        && context.len() == PING_CONTEXT_MAX
    {
        assert!(body.starts_with(encoded));
    } else {
        assert_eq!(body, encoded);
    }
});
