//! Clients of CURVE and PLAIN that meet a hostile server: what it says wrongly gets nothing in, and ends the connection.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use monocoque::zmtp::Security;

use crate::peer::{Peer, command, curve_server, message, property};
use crate::support::Library;
use crate::victim::{LIMIT, Victim};
use crate::{assert_untouched, on_both};

/// Waits for the victim to connect.
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("O_NONBLOCK");
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).expect("no O_NONBLOCK");
            return stream;
        }
        assert!(Instant::now() < deadline, "the victim does not connect");
        thread::sleep(Duration::from_millis(1));
    }
}

struct Server {
    listener: TcpListener,
    victim: Victim,
    mechanism: &'static str,
}

impl Server {
    fn new(library: &Library, mechanism: &'static str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("its number");
        let victim = Victim::connect(library, "DEALER", mechanism, to, &[]);
        Server {
            listener,
            victim,
            mechanism,
        }
    }

    fn accept(&self) -> Peer {
        let stream = accept(&self.listener);
        stream.set_read_timeout(Some(LIMIT)).expect("SO_RCVTIMEO");
        let security = match self.mechanism {
            "CURVE" => curve_server(),
            _ => Security::PlainServer,
        };
        Peer::new(stream, "ROUTER", security)
    }

    /// Talks until the named command, and sends what is made of it: the connection ends, and nothing got in.
    fn attack(&mut self, name: &str, what: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let mut peer = self.accept();
        let bytes = peer.until(name);
        peer.write(&change(bytes));
        peer.ending_of(what);
        assert_untouched(&mut self.victim, what);
    }

    /// The victim believes a server that does everything right.
    fn assert_connects(mut self) {
        let mut peer = self.accept();
        assert!(peer.shake());
        peer.send(b"honest");
        assert!(self.victim.expect("message ").ends_with("6:honest"));
    }
}

/// Every byte of the server's commands is authenticated.
#[test]
fn a_welcome_or_ready_that_is_changed_is_refused() {
    on_both(|library| {
        for place in 0..160 {
            let what = format!("byte {place} of WELCOME");
            Server::new(library, "CURVE").attack("WELCOME", &what, |mut bytes| {
                let start = bytes.len() - 160;
                bytes[start + place] ^= 1;
                bytes
            });
        }
        let mut size = 1;
        let mut place = 0;
        while place < size {
            let what = format!("byte {place} of READY");
            Server::new(library, "CURVE").attack("READY", &what, |mut bytes| {
                // The header and the name stand before it.
                let start = bytes.windows(5).position(|part| part == b"READY").expect("it is there") + 5;
                size = bytes.len() - start;
                bytes[start + place] ^= 1;
                bytes
            });
            place += 1;
        }
        Server::new(library, "CURVE").assert_connects();
    });
}

/// What does not belong to the state, or has another size.
#[test]
fn commands_out_of_place_are_refused() {
    let metadata = property("Socket-Type", b"ROUTER");
    let odd = [
        ("a message", message(false, b"early")),
        ("a long message", message(false, &[b'x'; 100_000])),
        (
            "a large frame",
            [&[2][..], &(1_u64 << 40).to_be_bytes(), &[0; 1000]].concat(),
        ),
        (
            "a large command",
            [&[6][..], &(1_u64 << 62).to_be_bytes(), &[0; 1000]].concat(),
        ),
        ("a ready in clear", command("READY", &metadata)),
        ("a short welcome", command("WELCOME", &[0; 159])),
        ("a long welcome", command("WELCOME", &[0; 161])),
        ("a very long welcome", command("WELCOME", &[0; 65_000])),
        ("a forged welcome", command("WELCOME", &[0; 160])),
        ("a short ready", command("READY", &[0; 23])),
        ("a very long ready", command("READY", &[0; 65_000])),
        ("a hello", command("HELLO", &[0; 194])),
        ("an initiate", command("INITIATE", &[0; 300])),
        (
            "a sealed message",
            message(false, &[b"\x07MESSAGE", &[0; 60][..]].concat()),
        ),
        ("a ping", command("PING", &[0, 0])),
        ("an empty command", vec![4, 0]),
    ];
    on_both(|library| {
        for mechanism in ["CURVE", "PLAIN"] {
            for stage in ["WELCOME", "READY"] {
                for (what, bytes) in &odd {
                    let is_right = mechanism == "PLAIN" && stage == "READY" && *what == "a ready in clear";
                    if !is_right {
                        let mut server = Server::new(library, mechanism);
                        server.attack(stage, &format!("{what} instead of {stage}, {mechanism}"), |_| {
                            bytes.clone()
                        });
                    }
                }
                let mut server = Server::new(library, mechanism);
                if stage == "WELCOME" {
                    server.attack(stage, "WELCOME twice", |bytes| [&bytes[..], &bytes].concat());
                }
            }
        }
    });
}

/// Reasons that are none, too.
#[test]
fn an_error_ends_the_connection() {
    let reasons: [&[u8]; 9] = [
        b"\x03400",
        b"\x03300",
        b"\x03200",
        b"\x03999",
        b"\0",
        b"",
        b"\xffshort",
        b"\x03400 and more",
        b"\x05%s%n\0",
    ];
    on_both(|library| {
        for mechanism in ["CURVE", "PLAIN"] {
            for stage in ["WELCOME", "READY"] {
                for reason in reasons {
                    let mut server = Server::new(library, mechanism);
                    let what = format!("ERROR {reason:?} instead of {stage}, {mechanism}");
                    server.attack(stage, &what, |_| command("ERROR", reason));
                }
            }
        }
    });
}

/// A server without the key, one of another mechanism, and one of another version.
#[test]
fn a_server_that_is_another_one_gets_nothing() {
    on_both(|library| {
        for mechanism in ["CURVE", "PLAIN"] {
            for script in [
                [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0][..], b"\0\x05clear"].concat(),
                [&[1, 0][..], b"\x06\0clear"].concat(),
                [
                    crate::peer::greeting(b"NULL"),
                    command("READY", &property("Socket-Type", b"ROUTER")),
                ]
                .concat(),
            ] {
                let mut server = Server::new(library, mechanism);
                let mut peer = server.accept();
                peer.write(&script);
                let sent = peer.ending();
                assert!(!sent.windows(6).any(|part| part == b"secret"), "{mechanism}: {sent:?}");
                assert!(sent.len() <= 64, "no more than a greeting: {sent:?}");
                assert_untouched(&mut server.victim, mechanism);
            }
        }
    });
}
