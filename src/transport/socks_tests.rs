//! The exchange with a proxy in every chunking, with every reply, and with answers that are none.

use super::*;

const METHOD_NONE: &[u8] = &[5, 0];
const METHOD_PASSWORD: &[u8] = &[5, 2];
const ADMITTED: &[u8] = &[1, 0];
const CONNECTED: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0x12, 0x34];

fn proxy(username: &str, password: &str) -> Proxy {
    Proxy {
        text: Bytes::from_static(b"proxy:1080"),
        username: Bytes::copy_from_slice(username.as_bytes()),
        password: Bytes::copy_from_slice(password.as_bytes()),
    }
}

fn target(host: Host) -> Target {
    Target { host, port: 0x1b63 }
}

fn exchange(username: &str) -> Exchange {
    Exchange::new(&proxy(username, "secret"), &target(Host::Ipv4([10, 0, 0, 7])))
}

/// What an exchange came to: what it sent, and how many of the proxy's bytes it did not take.
type Outcome = Result<(Vec<Vec<u8>>, usize), (Refusal, usize)>;

/// Gives the proxy's bytes in pieces: a piece ends before each of the places.
fn play(mut exchange: Exchange, answers: &[u8], ends: &[usize]) -> Outcome {
    let mut sent = Vec::new();
    let mut taken = 0;
    for end in ends.iter().copied().chain([answers.len()]) {
        loop {
            sent.extend(exchange.take_outgoing());
            let Some(room) = exchange.room() else {
                return Ok((sent, answers.len() - taken));
            };
            assert!(!room.is_empty());
            let count = room.len().min(end - taken);
            if count == 0 {
                break;
            }
            room[..count].copy_from_slice(&answers[taken..taken + count]);
            taken += count;
            exchange.received(count).map_err(|refusal| (refusal, taken))?;
        }
    }
    panic!("the exchange waits for more than {answers:?}");
}

/// Whether the exchange waits for more after these bytes.
fn waits(mut exchange: Exchange, answers: &[u8]) -> bool {
    for byte in answers {
        exchange.take_outgoing();
        exchange.room().unwrap()[0] = *byte;
        exchange.received(1).unwrap();
    }
    exchange.take_outgoing();
    exchange.room().is_some()
}

/// Source: RFC 1928, sections 3 to 6.
#[test]
fn every_chunking_leads_to_the_same_and_takes_nothing_that_follows() {
    let answers = [METHOD_NONE, CONNECTED, b"ZMTP"].concat();
    let expected = vec![vec![5, 1, 0], vec![5, 1, 0, 1, 10, 0, 0, 7, 0x1b, 0x63]];
    let places = answers.len() - 1;
    for mask in 0..1_u32 << places {
        let ends: Vec<usize> = (0..places)
            .filter(|bit| mask & 1 << bit != 0)
            .map(|bit| bit + 1)
            .collect();
        assert_eq!(
            play(exchange(""), &answers, &ends),
            Ok((expected.clone(), 4)),
            "{ends:?}"
        );
    }
}

/// Source: RFC 1929, section 2.
#[test]
fn every_chunking_with_a_name_and_a_password() {
    let answers = [METHOD_PASSWORD, ADMITTED, CONNECTED, b"Z"].concat();
    let expected = vec![
        vec![5, 1, 2],
        b"\x01\x02me\x06secret".to_vec(),
        vec![5, 1, 0, 1, 10, 0, 0, 7, 0x1b, 0x63],
    ];
    let places = answers.len() - 1;
    for mask in 0..1_u32 << places {
        let ends: Vec<usize> = (0..places)
            .filter(|bit| mask & 1 << bit != 0)
            .map(|bit| bit + 1)
            .collect();
        assert_eq!(
            play(exchange("me"), &answers, &ends),
            Ok((expected.clone(), 1)),
            "{ends:?}"
        );
    }
}

#[test]
fn the_bound_address_may_be_of_any_type_and_is_passed_over() {
    let named = |length: u8| [vec![5, 0, 0, 3, length], vec![b'a'; length.into()], vec![1, 2]].concat();
    let six = [vec![5, 0, 0, 4], vec![9; 18]].concat();
    for reply in [CONNECTED.to_vec(), six, named(0), named(1), named(255)] {
        let answers = [METHOD_NONE, &reply, b"more"].concat();
        let (_, left) = play(exchange(""), &answers, &[]).unwrap();
        assert_eq!(left, 4, "{reply:?}");
        let bytewise: Vec<usize> = (1..answers.len()).collect();
        assert_eq!(play(exchange(""), &answers, &bytewise).unwrap().1, 4, "{reply:?}");
        for length in 0..METHOD_NONE.len() + reply.len() {
            assert!(waits(exchange(""), &answers[..length]), "{length} of {reply:?}");
        }
    }
}

#[test]
fn requests_carry_addresses_and_unresolved_names() {
    let long = vec![b'n'; 255];
    let table: [(Host, Vec<u8>); 5] = [
        (Host::Ipv4([1, 2, 3, 4]), vec![1, 1, 2, 3, 4]),
        (Host::Ipv6([7; 16]), [vec![4], vec![7; 16]].concat()),
        (Host::name(b"a.example").unwrap(), b"\x03\x09a.example".to_vec()),
        (Host::name(b"").unwrap(), vec![3, 0]),
        (Host::name(&long).unwrap(), [vec![3, 255], long.clone()].concat()),
    ];
    for (host, expected) in table {
        let expected = [vec![5, 1, 0], expected, vec![0x1b, 0x63]].concat();
        assert_eq!(request(&target(host)), expected);
    }
    assert_eq!(Host::name(&[b'n'; 256]), None);
}

#[test]
fn names_and_passwords_have_up_to_255_bytes_of_any_value() {
    let (name, password) = ("a\0b".repeat(85), "\u{7f}".repeat(255));
    let bytes = credentials(&proxy(&name, &password));
    assert_eq!(
        bytes,
        [b"\x01\xff", name.as_bytes(), b"\xff", password.as_bytes()].concat()
    );
    assert_eq!(credentials(&proxy("me", "")), b"\x01\x02me\0");
}

/// As libzmq: a proxy that wants no name although one is offered gets none, one that wants a name that is not offered gets an empty one.
#[test]
fn the_proxy_chooses_the_method() {
    let answers = [METHOD_NONE, CONNECTED].concat();
    assert_eq!(play(exchange("me"), &answers, &[]).unwrap().0.len(), 2);
    let answers = [METHOD_PASSWORD, ADMITTED, CONNECTED].concat();
    let (sent, _) = play(exchange(""), &answers, &[]).unwrap();
    assert_eq!(sent[1], b"\x01\x00\x00");
}

#[test]
fn every_refusal_is_told() {
    for code in 1..=255 {
        let answers = [METHOD_NONE, &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(play(exchange(""), &answers, &[]), Err((Refusal::Reply(code), 12)));
        assert_eq!(
            play(exchange(""), &answers, &[3, 4, 9]),
            Err((Refusal::Reply(code), 12))
        );
        let answers = [METHOD_PASSWORD, &[1, code]].concat();
        assert_eq!(
            play(exchange("me"), &answers, &[]),
            Err((Refusal::Credentials(code), 4))
        );
        let answers = [METHOD_NONE, &[5, 0, code]].concat();
        assert_eq!(play(exchange(""), &answers, &[]), Err((Refusal::Malformed(code), 5)));
    }
    for byte in 0..=255 {
        if byte != 0 && byte != 2 {
            assert_eq!(play(exchange(""), &[5, byte], &[]), Err((Refusal::Method(byte), 2)));
        }
        if ![1, 3, 4].contains(&byte) {
            let answers = [METHOD_NONE, &[5, 0, 0, byte]].concat();
            assert_eq!(play(exchange(""), &answers, &[]), Err((Refusal::Malformed(byte), 6)));
        }
    }
}

#[test]
fn every_answer_begins_with_its_version() {
    for byte in 0..=255 {
        if byte != 5 {
            assert_eq!(play(exchange(""), &[byte], &[]), Err((Refusal::Version(byte), 1)));
            let answers = [METHOD_NONE, &[byte]].concat();
            assert_eq!(play(exchange(""), &answers, &[]), Err((Refusal::Version(byte), 3)));
        }
        if byte != 1 {
            let answers = [METHOD_PASSWORD, &[byte]].concat();
            assert_eq!(play(exchange("me"), &answers, &[]), Err((Refusal::Version(byte), 3)));
        }
    }
}
