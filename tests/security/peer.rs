//! Peers on plain sockets: the library's own protocol code drives the honest part of a conversation, the tests the rest.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use monocoque::options::z85;
use monocoque::zmtp::zap::{Verdict, ZapReply};
use monocoque::zmtp::{
    Ciphers, CurveClient, CurveServer, Handshake, HandshakeConfig, Progress, RANDOM, Security, decode_header,
    encode_command, encode_header,
};
use zeroize::Zeroizing;

/// The keys of zmq_curve(7), as `victim.c` has them.
const SERVER_SECRET: &[u8] = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const SERVER_PUBLIC: &[u8] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const CLIENT_SECRET: &[u8] = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
const CLIENT_PUBLIC: &[u8] = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

/// A client that knows the victim's key.
pub fn curve_client() -> Security {
    Security::CurveClient(Arc::new(CurveClient {
        public: **z85::decode_key(CLIENT_PUBLIC).expect("a key"),
        secret: z85::decode_key(CLIENT_SECRET).expect("a key"),
        server: **z85::decode_key(SERVER_PUBLIC).expect("a key"),
    }))
}

/// The server that a connecting victim expects.
pub fn curve_server() -> Security {
    Security::CurveServer(Arc::new(CurveServer {
        secret: z85::decode_key(SERVER_SECRET).expect("a key"),
    }))
}

/// A client with the name and password that a connecting victim has.
pub fn plain_client() -> Security {
    Security::PlainClient {
        username: Bytes::from_static(b"admin"),
        password: Bytes::from_static(b"secret"),
    }
}

/// The mechanism of this name, as a client has it.
pub fn client(mechanism: &str) -> Security {
    match mechanism {
        "PLAIN" => plain_client(),
        "CURVE" => curve_client(),
        _ => Security::Null,
    }
}

/// A greeting of ZMTP 3.1.
pub fn greeting(mechanism: &[u8]) -> Vec<u8> {
    let mut greeting = vec![0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
    greeting[12..12 + mechanism.len()].copy_from_slice(mechanism);
    greeting
}

/// A command frame.
pub fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_command(&mut frame, name.as_bytes(), &[data]);
    frame
}

/// A message frame in clear.
pub fn message(more: bool, body: &[u8]) -> Vec<u8> {
    let (header, header_len) = encode_header(more, body.len());
    [&header[..header_len], body].concat()
}

/// A property as metadata has it.
pub fn property(name: &str, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("a short value").to_be_bytes();
    [&[name.len() as u8], name.as_bytes(), &length, value].concat()
}

/// One end of a connection to the victim.
pub struct Peer {
    stream: TcpStream,
    handshake: Handshake,
    /// Received and not consumed.
    rest: Vec<u8>,
    progress: Progress,
    ciphers: Option<Ciphers>,
}

impl Peer {
    /// A peer of that socket type.
    pub fn new(stream: TcpStream, socket_type: &'static str, security: Security) -> Peer {
        Peer::with_properties(stream, socket_type, security, &[])
    }

    /// A peer that sends more properties.
    pub fn with_properties(
        stream: TcpStream,
        socket_type: &'static str,
        security: Security,
        properties: &[(&str, &[u8])],
    ) -> Peer {
        let config = HandshakeConfig {
            socket_type,
            routing_id: None,
            accepts: |_| true,
            properties: properties
                .iter()
                .map(|(name, value)| (Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value)))
                .collect(),
            security,
            asks: false,
            needs_handler: false,
            body_max: None,
        };
        Peer {
            stream,
            handshake: Handshake::new(config, Box::new(Zeroizing::new(random()))),
            rest: Vec::new(),
            progress: Progress::NeedMore,
            ciphers: None,
        }
    }

    /// Its connection.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Talks until the named command is to be sent next, and returns what was not sent with it.
    pub fn until(&mut self, name: &str) -> Vec<u8> {
        loop {
            let output = std::mem::take(self.handshake.output());
            if output.windows(name.len()).any(|part| part == name.as_bytes()) {
                return output;
            }
            self.write(&output);
            if matches!(self.progress, Progress::Done(..)) {
                panic!("{name} was never sent");
            }
            assert!(self.listen(), "closed before {name}");
        }
    }

    /// Completes the handshake; false if the victim ends the connection instead.
    pub fn shake(&mut self) -> bool {
        loop {
            let output = std::mem::take(self.handshake.output());
            self.write(&output);
            if let Progress::Done(_, ciphers) = &mut self.progress {
                self.ciphers = ciphers.take().map(|ciphers| *ciphers);
                return true;
            }
            if !self.listen() {
                return false;
            }
        }
    }

    /// Reads once and goes on with the handshake; false at the end of the connection, and where the victim broke the protocol.
    fn listen(&mut self) -> bool {
        if self.rest.is_empty() {
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(count) if count > 0 => self.rest.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the victim is silent"),
                _ => return false,
            }
        }
        let Ok((consumed, mut progress)) = self.handshake.input(&self.rest) else {
            return false;
        };
        self.rest.drain(..consumed);
        if matches!(progress, Progress::Ask(_)) {
            let welcome = ZapReply {
                status: 200,
                ..ZapReply::default()
            };
            progress = self
                .handshake
                .answer(Verdict::Reply(welcome))
                .expect("the victim is welcome");
        }
        self.progress = progress;
        true
    }

    /// Sends bytes. Whether the victim still listens is seen by reading.
    pub fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the victim does not read"),
            _ => {}
        }
    }

    /// The frame that carries this one, in a box under CURVE.
    pub fn frame(&mut self, more: bool, body: &[u8]) -> Vec<u8> {
        match &mut self.ciphers {
            Some(ciphers) => {
                let mut frame = Vec::new();
                ciphers.sealer.seal(more, false, body, &mut frame).expect("memory");
                frame
            }
            None => message(more, body),
        }
    }

    /// The frame that carries this command, in a box under CURVE.
    pub fn command_frame(&mut self, name: &str, data: &[u8]) -> Vec<u8> {
        let clear = command(name, data);
        let Some(ciphers) = &mut self.ciphers else {
            return clear;
        };
        let header = decode_header(&clear).expect("a frame").expect("a whole frame");
        let mut frame = Vec::new();
        ciphers
            .sealer
            .seal(false, true, &clear[header.header_len..], &mut frame)
            .expect("memory");
        frame
    }

    /// Sends a message of one part.
    pub fn send(&mut self, body: &[u8]) {
        let frame = self.frame(false, body);
        self.write(&frame);
    }

    /// Reads to the end of the connection: what came. It fails if that does not end.
    pub fn ending(&mut self) -> Vec<u8> {
        self.ending_of("")
    }

    /// As [`Peer::ending`], with what it is the end of, for who reads of its failure.
    pub fn ending_of(&mut self, what: &str) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("{what}: the connection stays open after {bytes:?}")
                }
                _ => return bytes,
            }
        }
    }

    /// The body of the next frame, in clear; the victim sends one for certain.
    pub fn receive(&mut self) -> Vec<u8> {
        loop {
            if let Some(header) = decode_header(&self.rest).expect("a frame") {
                let end = header.header_len + header.body_len as usize;
                if self.rest.len() >= end {
                    let body: Vec<u8> = self.rest.drain(..end).skip(header.header_len).collect();
                    let Some(ciphers) = &mut self.ciphers else { return body };
                    let mut body = body;
                    ciphers.opener.open_in_place(&mut body).expect("a box");
                    return body.split_off(monocoque::zmtp::MESSAGE_OVERHEAD);
                }
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).expect("a frame of the victim");
            assert!(count > 0, "the victim closed the connection");
            self.rest.extend_from_slice(&buffer[..count]);
        }
    }
}

fn random() -> [u8; RANDOM] {
    let mut bytes = [0; RANDOM];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("random bytes");
    bytes
}
