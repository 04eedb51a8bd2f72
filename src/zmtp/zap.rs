//! ZAP (RFC 27): the question that an accepting side puts to the authentication handler, and the handler's reply. Sans-I/O.

use bytes::Bytes;

use super::error::ProtocolError;
use super::metadata::Properties;

/// Where the handler is bound.
pub const ENDPOINT: &[u8] = b"zeromq.zap.01";
const VERSION: &[u8] = b"1.0";
/// Each question has a connection of its own: its number need not differ.
const REQUEST_ID: &[u8] = b"1";

/// The status code for a peer that may be welcome later.
pub const TEMPORARY: u16 = 300;

/// What a peer has shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    Null,
    /// A name and a password.
    Plain {
        /// The name.
        username: Bytes,
        /// The password.
        password: Bytes,
    },
    /// That it has the secret key of this public key.
    Curve([u8; 32]),
    /// That the system's security service knows it by this name.
    #[cfg(feature = "gssapi")]
    Gssapi(Bytes),
}

/// Everything that a question says.
#[derive(Clone, Debug)]
pub struct Question {
    /// ZMQ_ZAP_DOMAIN.
    pub domain: Bytes,
    /// The peer's address.
    pub address: Bytes,
    /// Our routing id.
    pub routing_id: Bytes,
    /// What the peer has shown.
    pub credentials: Credentials,
}

impl Question {
    /// Its frames, with the delimiter that a REP handler wants in front.
    pub fn into_frames(self) -> Vec<Bytes> {
        let mut frames = vec![
            Bytes::new(),
            Bytes::from_static(VERSION),
            Bytes::from_static(REQUEST_ID),
            self.domain,
            self.address,
            self.routing_id,
        ];
        match self.credentials {
            Credentials::Null => frames.push(Bytes::from_static(b"NULL")),
            Credentials::Plain { username, password } => {
                frames.extend([Bytes::from_static(b"PLAIN"), username, password]);
            }
            Credentials::Curve(key) => {
                frames.extend([Bytes::from_static(b"CURVE"), Bytes::copy_from_slice(&key)]);
            }
            #[cfg(feature = "gssapi")]
            Credentials::Gssapi(principal) => {
                frames.extend([Bytes::from_static(b"GSSAPI"), principal]);
            }
        }
        frames
    }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no handler.
    Absent,
    /// The handler said this.
    Reply(ZapReply),
    /// The handler's reply is none.
    Broken(ProtocolError),
}

/// A handler's reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZapReply {
    /// 200: welcome, 300: not now, 400: no, 500: the handler failed.
    pub status: u16,
    /// What the application may call the peer by.
    pub user_id: Bytes,
    /// More that it may want to know, as it came.
    pub properties: Vec<(Bytes, Bytes)>,
}

impl Verdict {
    /// What the frames of a reply say: delimiter, version, request id, status code, status text, user id, properties. None at all: the
    /// handler went away.
    pub fn of(frames: &[Bytes]) -> Verdict {
        if frames.is_empty() {
            return Verdict::Broken(ProtocolError::HandlerGone);
        }
        match parse(frames) {
            Ok(reply) => Verdict::Reply(reply),
            Err(error) => Verdict::Broken(error),
        }
    }
}

fn parse(frames: &[Bytes]) -> Result<ZapReply, ProtocolError> {
    let [delimiter, version, request_id, status, _text, user_id, list] = frames else {
        return Err(ProtocolError::ZapMalformed);
    };
    if !delimiter.is_empty() {
        return Err(ProtocolError::ZapUnspecified);
    }
    if version != VERSION {
        return Err(ProtocolError::ZapVersion);
    }
    if request_id != REQUEST_ID {
        return Err(ProtocolError::ZapRequestId);
    }
    let status = match &status[..] {
        b"200" => 200,
        b"300" => 300,
        b"400" => 400,
        b"500" => 500,
        _ => return Err(ProtocolError::ZapStatus),
    };
    let mut properties = Vec::new();
    for property in Properties::new(list) {
        let (name, value) = property.map_err(|_| ProtocolError::ZapMetadata)?;
        properties.push((list.slice_ref(name), list.slice_ref(value)));
    }
    Ok(ZapReply {
        status,
        user_id: user_id.clone(),
        properties,
    })
}

impl std::fmt::Debug for Credentials {
    /// What kind, and no secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Credentials::Null => "Null",
            Credentials::Plain { .. } => "Plain",
            Credentials::Curve(_) => "Curve",
            #[cfg(feature = "gssapi")]
            Credentials::Gssapi(_) => "Gssapi",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::metadata::encode_property;

    fn reply(frames: &[&'static [u8]]) -> Verdict {
        let frames: Vec<Bytes> = frames.iter().map(|frame| Bytes::from_static(frame)).collect();
        Verdict::of(&frames)
    }

    fn broken(frames: &[&'static [u8]]) -> ProtocolError {
        match reply(frames) {
            Verdict::Broken(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn questions_have_the_frames_of_the_rfc() {
        let question = |credentials| {
            let question = Question {
                domain: Bytes::from_static(b"global"),
                address: Bytes::from_static(b"127.0.0.1"),
                routing_id: Bytes::from_static(b"me"),
                credentials,
            };
            question.into_frames()
        };
        let head: [&[u8]; 6] = [b"", b"1.0", b"1", b"global", b"127.0.0.1", b"me"];
        assert_eq!(question(Credentials::Null), [&head[..], &[b"NULL"]].concat());
        let plain = Credentials::Plain {
            username: Bytes::from_static(b"admin"),
            password: Bytes::from_static(b"secret"),
        };
        let tail: [&[u8]; 3] = [b"PLAIN", b"admin", b"secret"];
        assert_eq!(question(plain), [&head[..], &tail].concat());
        let tail: [&[u8]; 2] = [b"CURVE", &[7; 32]];
        assert_eq!(question(Credentials::Curve([7; 32])), [&head[..], &tail].concat());
    }

    #[test]
    fn a_reply_is_read() {
        let mut list = Vec::new();
        encode_property(&mut list, b"Hello", b"World").unwrap();
        let list: &'static [u8] = list.leak();
        let Verdict::Reply(read) = reply(&[b"", b"1.0", b"1", b"200", b"OK", b"joe", list]) else {
            panic!("it is a reply");
        };
        assert_eq!((read.status, &read.user_id[..]), (200, &b"joe"[..]));
        assert_eq!(
            read.properties,
            [(Bytes::from_static(b"Hello"), Bytes::from_static(b"World"))]
        );
    }

    #[test]
    fn what_is_no_reply_says_why() {
        assert_eq!(broken(&[b""]), ProtocolError::ZapMalformed);
        assert_eq!(broken(&[]), ProtocolError::HandlerGone);
        let eight: [&[u8]; 8] = [b"", b"1.0", b"1", b"200", b"", b"", b"", b""];
        assert_eq!(broken(&eight), ProtocolError::ZapMalformed);
        assert_eq!(
            broken(&[b"x", b"1.0", b"1", b"200", b"", b"", b""]),
            ProtocolError::ZapUnspecified
        );
        assert_eq!(
            broken(&[b"", b"1.1", b"1", b"200", b"", b"", b""]),
            ProtocolError::ZapVersion
        );
        assert_eq!(
            broken(&[b"", b"1.0", b"2", b"200", b"", b"", b""]),
            ProtocolError::ZapRequestId
        );
        for status in [&b"100"[..], b"", b"20", b"2000", b"600"] {
            assert_eq!(
                broken(&[b"", b"1.0", b"1", status, b"", b"", b""]),
                ProtocolError::ZapStatus
            );
        }
        assert_eq!(
            broken(&[b"", b"1.0", b"1", b"200", b"", b"", b"\x05He"]),
            ProtocolError::ZapMetadata
        );
    }
}
