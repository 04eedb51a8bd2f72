//! The table of socket options: one row each, in the order of their numbers.
//!
//! Ranges, lengths and socket types are those that libzmq 4.3.5 was seen to accept (`tests-c/options.c` asks it again),
//! defaults and effects those of the manual pages zmq_setsockopt(3) and zmq_getsockopt(3). Every refusal is `EINVAL`.
//! Of the draft options those have rows that a stable libzmq knows, too; the numbers of the others are `EINVAL` like unknown ones.
//! This library's own options come last; `constants` says what they are.

use crate::constants::*;
use libc::c_int;

const ZMQ_ZAP_ENFORCE_DOMAIN: c_int = 93;
const ZMQ_LOOPBACK_FASTPATH: c_int = 94;
const ZMQ_METADATA: c_int = 95;
const ZMQ_MULTICAST_LOOP: c_int = 96;
const ZMQ_XPUB_MANUAL_LAST_VALUE: c_int = 98;
const ZMQ_SOCKS_USERNAME: c_int = 99;
const ZMQ_SOCKS_PASSWORD: c_int = 100;
const ZMQ_ONLY_FIRST_SUBSCRIBE: c_int = 108;
const ZMQ_RECONNECT_STOP: c_int = 109;
const ZMQ_TOPICS_COUNT: c_int = 116;

/// What a value looks like and which values are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An `int` from `min` to `max`, both included.
    Int {
        /// The smallest accepted value.
        min: i32,
        /// The largest accepted value.
        max: i32,
    },
    /// An `int` of which only "zero or not" is kept: it reads back as 0 or 1.
    Truth,
    /// An `int` of milliseconds, kept in whole tenths of a second, as the 16 bits of a ZMTP PING hold them.
    Deciseconds,
    /// The contrary of `ZMQ_IPV6`, kept there.
    NotIpv6,
    /// An `int64_t` or `uint64_t`; every value is accepted.
    Wide,
    /// An `int64_t` of bytes, at least -1.
    Size,
    /// Bytes of a length from `min` to `max`, both included.
    Bytes {
        /// The smallest accepted length.
        min: usize,
        /// The largest accepted length.
        max: usize,
    },
    /// A character string of 1 to `max` bytes; NULL clears it. It is kept as given and reads back with a NUL behind it.
    Text {
        /// The largest accepted length, in bytes.
        max: usize,
    },
    /// As `Text`, without a way to clear it.
    Name {
        /// The largest accepted length, in bytes.
        max: usize,
    },
    /// As `Text`; an empty one clears it, too.
    Optional {
        /// The largest accepted length, in bytes.
        max: usize,
    },
    /// 0 or 1: whether this side is the server of the mechanism, which becomes the socket's with 1. With 0 it has none, but for GSSAPI.
    Role {
        /// `ZMQ_PLAIN`, `ZMQ_CURVE` or `ZMQ_GSSAPI`.
        mechanism: i32,
    },
    /// A text of 1 to 255 bytes that makes the socket a client of PLAIN; NULL takes the mechanism away, and leaves the text.
    Credential,
    /// A name of 1 to 255 bytes that makes the mechanism GSSAPI, and a service's name the socket a client.
    Principal,
    /// A key, as 32 bytes or 40 digits of Z85 (with or without a NUL behind them), that makes the mechanism CURVE. It reads as it is asked
    /// for.
    Key,
    /// A list of networks that grows by one with every setting; NULL clears it.
    Networks,
    /// A property of the connections, `X-name:value`; the list of them grows by one with every new name.
    Property,
    /// A list of process, user or group ids that grows by one with every setting; NULL clears it.
    Ids,
}

/// Whether an option can be set, read, both or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Set and read.
    SetGet,
    /// Set only: reading is `EINVAL`.
    Set,
    /// Read only: setting is `EINVAL`.
    Get,
    /// Neither, as in a libzmq that was built without the feature.
    Neither,
}

impl Access {
    /// Set and read in a library that is built with the feature `gssapi`.
    const WITH_GSSAPI: Access = if cfg!(feature = "gssapi") {
        Access::SetGet
    } else {
        Access::Neither
    };
}

/// When a new value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// At once, for existing connections as well.
    AtOnce,
    /// For endpoints that are bound or connected later.
    Later,
}

/// Who keeps the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeper {
    /// The table of the socket's values.
    Stored,
    /// The socket: the option acts on it, or asks for its present state.
    Live,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The option; its discriminant is the place of this row in [`ROWS`].
    pub opt: Opt,
    /// The number that programs use.
    pub number: c_int,
    /// The name in `zmq.h`.
    pub name: &'static str,
    /// What values look like.
    pub kind: Kind,
    /// The value of a number nobody set. Bytes and texts start empty, lists without a member.
    pub default: i64,
    /// Bit n: a socket of type n accepts a setting. Reading does not depend on the type.
    pub types: u16,
    /// Set, get, both or neither.
    pub access: Access,
    /// When a new value counts.
    pub effect: Effect,
    /// Who keeps the value.
    pub keeper: Keeper,
}

impl Row {
    /// Whether `zmq_setsockopt` knows the option for this type of socket.
    pub fn can_be_set_on(&self, socket_type: c_int) -> bool {
        matches!(self.access, Access::SetGet | Access::Set)
            && (0..16).contains(&socket_type)
            && self.types & (1 << socket_type) != 0
    }

    /// Whether `zmq_getsockopt` knows the option.
    pub fn can_be_read(&self) -> bool {
        matches!(self.access, Access::SetGet | Access::Get)
    }
}

/// The row of an option number, if this build has one.
pub fn row(number: c_int) -> Option<&'static Row> {
    ROWS.binary_search_by_key(&number, |row| row.number)
        .ok()
        .map(|place| &ROWS[place])
}

const ALL: u16 = u16::MAX;
const REQ: u16 = 1 << ZMQ_REQ;
/// REP is a ROUTER below, and takes its options.
const ROUTERS: u16 = 1 << ZMQ_ROUTER | 1 << ZMQ_REP;
const PROBERS: u16 = ROUTERS | REQ | 1 << ZMQ_DEALER;
const STREAM: u16 = 1 << ZMQ_STREAM;
/// PUB is an XPUB below, and takes its options.
const PUBLISHERS: u16 = 1 << ZMQ_PUB | 1 << ZMQ_XPUB;
/// A publisher takes subscriptions from its owner under `ZMQ_XPUB_MANUAL`.
const SUBSCRIBERS: u16 = PUBLISHERS | 1 << ZMQ_SUB;

const SIZE: Kind = Kind::Size;
const ANY_INT: Kind = Kind::Int {
    min: i32::MIN,
    max: i32::MAX,
};
const BOOL: Kind = Kind::Int { min: 0, max: 1 };
const NOT_NEGATIVE: Kind = at_least(0);
/// A time-out, size or descriptor where -1 stands for none.
const MINUS_ONE_UP: Kind = at_least(-1);
const MINUS_ONE_TO_ONE: Kind = Kind::Int { min: -1, max: 1 };
/// The text that names a feature this build lacks: it stays empty.
const NO_TEXT: Kind = Kind::Text { max: 0 };
const ANY_TEXT: Kind = Kind::Text { max: usize::MAX };
const DOMAIN: Kind = Kind::Name { max: 255 };
/// RFC 1929: what a length octet can say.
const SOCKS_TEXT: Kind = Kind::Optional { max: 255 };
const PLAIN_ROLE: Kind = Kind::Role { mechanism: ZMQ_PLAIN };
const CURVE_ROLE: Kind = Kind::Role { mechanism: ZMQ_CURVE };
const GSSAPI_ROLE: Kind = Kind::Role { mechanism: ZMQ_GSSAPI };
const NAME_TYPE: Kind = Kind::Int {
    min: ZMQ_GSSAPI_NT_HOSTBASED,
    max: ZMQ_GSSAPI_NT_KRB5_PRINCIPAL,
};
/// `IFNAMSIZ`: the longest name of a network interface, NUL included.
const DEVICE_NAME: Kind = Kind::Text { max: 16 };
/// ZMTP 3.1 (RFC 37) gives a routing id at most 255 octets.
const ROUTING_ID: Kind = Kind::Bytes { min: 1, max: 255 };
const NOT_EMPTY: Kind = Kind::Bytes {
    min: 1,
    max: usize::MAX,
};
const ANY_BYTES: Kind = Kind::Bytes {
    min: 0,
    max: usize::MAX,
};

const fn at_least(min: i32) -> Kind {
    Kind::Int { min, max: i32::MAX }
}

macro_rules! keeper {
    () => {
        Keeper::Stored
    };
    (Live) => {
        Keeper::Live
    };
}

macro_rules! table {
    ($(
        $opt:ident $number:ident: $kind:expr, $default:expr, $types:expr, $access:ident, $effect:ident
        $(, $live:ident)?;
    )*) => {
        /// A socket option of this build.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Opt {
            $(#[doc = concat!("`", stringify!($number), "`")] $opt,)*
        }

        /// Every option of this build, in the order of its number.
        pub static ROWS: &[Row] = &[
            $(Row {
                opt: Opt::$opt,
                number: $number,
                name: stringify!($number),
                kind: $kind,
                default: $default as i64,
                types: $types,
                access: Access::$access,
                effect: Effect::$effect,
                keeper: keeper!($($live)?),
            },)*
        ];
    };
}

table! {
    Affinity                ZMQ_AFFINITY:                 Kind::Wide,       0,       ALL,         SetGet,  Later;
    RoutingId               ZMQ_ROUTING_ID:               ROUTING_ID,       0,       ALL,         SetGet,  Later;
    Subscribe               ZMQ_SUBSCRIBE:                ANY_BYTES,        0,       SUBSCRIBERS, Set,     AtOnce, Live;
    Unsubscribe             ZMQ_UNSUBSCRIBE:              ANY_BYTES,        0,       SUBSCRIBERS, Set,     AtOnce, Live;
    Rate                    ZMQ_RATE:                     at_least(1),      100,     ALL,         SetGet,  Later;
    RecoveryIvl             ZMQ_RECOVERY_IVL:             NOT_NEGATIVE,     10_000,  ALL,         SetGet,  Later;
    SndBuf                  ZMQ_SNDBUF:                   MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    RcvBuf                  ZMQ_RCVBUF:                   MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    RcvMore                 ZMQ_RCVMORE:                  ANY_INT,          0,       ALL,         Get,     AtOnce, Live;
    Fd                      ZMQ_FD:                       ANY_INT,          0,       ALL,         Get,     AtOnce, Live;
    Events                  ZMQ_EVENTS:                   ANY_INT,          0,       ALL,         Get,     AtOnce, Live;
    Type                    ZMQ_TYPE:                     ANY_INT,          0,       ALL,         Get,     AtOnce;
    Linger                  ZMQ_LINGER:                   MINUS_ONE_UP,     -1,      ALL,         SetGet,  AtOnce;
    ReconnectIvl            ZMQ_RECONNECT_IVL:            MINUS_ONE_UP,     100,     ALL,         SetGet,  Later;
    Backlog                 ZMQ_BACKLOG:                  NOT_NEGATIVE,     100,     ALL,         SetGet,  Later;
    ReconnectIvlMax         ZMQ_RECONNECT_IVL_MAX:        NOT_NEGATIVE,     0,       ALL,         SetGet,  Later;
    MaxMsgSize              ZMQ_MAXMSGSIZE:               Kind::Wide,       -1,      ALL,         SetGet,  Later;
    SndHwm                  ZMQ_SNDHWM:                   NOT_NEGATIVE,     1000,    ALL,         SetGet,  AtOnce;
    RcvHwm                  ZMQ_RCVHWM:                   NOT_NEGATIVE,     1000,    ALL,         SetGet,  AtOnce;
    MulticastHops           ZMQ_MULTICAST_HOPS:           at_least(1),      1,       ALL,         SetGet,  Later;
    RcvTimeo                ZMQ_RCVTIMEO:                 MINUS_ONE_UP,     -1,      ALL,         SetGet,  AtOnce;
    SndTimeo                ZMQ_SNDTIMEO:                 MINUS_ONE_UP,     -1,      ALL,         SetGet,  AtOnce;
    Ipv4Only                ZMQ_IPV4ONLY:                 Kind::NotIpv6,    1,       ALL,         SetGet,  Later;
    LastEndpoint            ZMQ_LAST_ENDPOINT:            NO_TEXT,          0,       ALL,         Get,     AtOnce, Live;
    RouterMandatory         ZMQ_ROUTER_MANDATORY:         NOT_NEGATIVE,     0,       ROUTERS,     Set,     AtOnce;
    TcpKeepalive            ZMQ_TCP_KEEPALIVE:            MINUS_ONE_TO_ONE, -1,      ALL,         SetGet,  Later;
    TcpKeepaliveCnt         ZMQ_TCP_KEEPALIVE_CNT:        MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    TcpKeepaliveIdle        ZMQ_TCP_KEEPALIVE_IDLE:       MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    TcpKeepaliveIntvl       ZMQ_TCP_KEEPALIVE_INTVL:      MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    TcpAcceptFilter         ZMQ_TCP_ACCEPT_FILTER:        Kind::Networks,   0,       ALL,         Set,     Later;
    Immediate               ZMQ_IMMEDIATE:                BOOL,             0,       ALL,         SetGet,  Later;
    XpubVerbose             ZMQ_XPUB_VERBOSE:             NOT_NEGATIVE,     0,       PUBLISHERS,  Set,     AtOnce;
    RouterRaw               ZMQ_ROUTER_RAW:               NOT_NEGATIVE,     0,       ROUTERS,     Set,     Later;
    Ipv6                    ZMQ_IPV6:                     BOOL,             0,       ALL,         SetGet,  Later;
    Mechanism               ZMQ_MECHANISM:                ANY_INT,          ZMQ_NULL,ALL,         Get,     Later;
    PlainServer             ZMQ_PLAIN_SERVER:             PLAIN_ROLE,       0,       ALL,         SetGet,  Later;
    PlainUsername           ZMQ_PLAIN_USERNAME:           Kind::Credential, 0,       ALL,         SetGet,  Later;
    PlainPassword           ZMQ_PLAIN_PASSWORD:           Kind::Credential, 0,       ALL,         SetGet,  Later;
    CurveServer             ZMQ_CURVE_SERVER:             CURVE_ROLE,       0,       ALL,         SetGet, Later;
    CurvePublicKey          ZMQ_CURVE_PUBLICKEY:          Kind::Key,        0,       ALL,         SetGet,  Later;
    CurveSecretKey          ZMQ_CURVE_SECRETKEY:          Kind::Key,        0,       ALL,         SetGet,  Later;
    CurveServerKey          ZMQ_CURVE_SERVERKEY:          Kind::Key,        0,       ALL,         SetGet,  Later;
    ProbeRouter             ZMQ_PROBE_ROUTER:             NOT_NEGATIVE,     0,       PROBERS,     Set,     AtOnce;
    ReqCorrelate            ZMQ_REQ_CORRELATE:            NOT_NEGATIVE,     0,       REQ,         Set,     AtOnce;
    ReqRelaxed              ZMQ_REQ_RELAXED:              NOT_NEGATIVE,     0,       REQ,         Set,     AtOnce;
    Conflate                ZMQ_CONFLATE:                 BOOL,             0,       ALL,         SetGet,  Later;
    ZapDomain               ZMQ_ZAP_DOMAIN:               DOMAIN,           0,       ALL,         SetGet,  Later;
    RouterHandover          ZMQ_ROUTER_HANDOVER:          NOT_NEGATIVE,     0,       ROUTERS,     Set,     AtOnce;
    Tos                     ZMQ_TOS:                      NOT_NEGATIVE,     0,       ALL,         SetGet,  Later;
    IpcFilterPid            ZMQ_IPC_FILTER_PID:           Kind::Ids,        0,       ALL,         Set,     Later;
    IpcFilterUid            ZMQ_IPC_FILTER_UID:           Kind::Ids,        0,       ALL,         Set,     Later;
    IpcFilterGid            ZMQ_IPC_FILTER_GID:           Kind::Ids,        0,       ALL,         Set,     Later;
    ConnectRoutingId        ZMQ_CONNECT_ROUTING_ID:       NOT_EMPTY,        0,       ROUTERS | STREAM, Set, Later;
    GssapiServer            ZMQ_GSSAPI_SERVER:            GSSAPI_ROLE,      0,       ALL,         WITH_GSSAPI, Later;
    GssapiPrincipal         ZMQ_GSSAPI_PRINCIPAL:         Kind::Principal,  0,       ALL,         WITH_GSSAPI, Later;
    GssapiServicePrincipal  ZMQ_GSSAPI_SERVICE_PRINCIPAL: Kind::Principal,  0,       ALL,         WITH_GSSAPI, Later;
    GssapiPlaintext         ZMQ_GSSAPI_PLAINTEXT:         BOOL,             0,       ALL,         WITH_GSSAPI, Later;
    HandshakeIvl            ZMQ_HANDSHAKE_IVL:            NOT_NEGATIVE,     30_000,  ALL,         SetGet,  Later;
    SocksProxy              ZMQ_SOCKS_PROXY:              ANY_TEXT,         0,       ALL,         SetGet,  Later;
    XpubNodrop              ZMQ_XPUB_NODROP:              NOT_NEGATIVE,     0,       PUBLISHERS,  Set,     AtOnce;
    XpubManual              ZMQ_XPUB_MANUAL:              NOT_NEGATIVE,     0,       PUBLISHERS,  Set,     AtOnce;
    XpubWelcomeMsg          ZMQ_XPUB_WELCOME_MSG:         ANY_BYTES,        0,       PUBLISHERS,  Set,     AtOnce;
    StreamNotify            ZMQ_STREAM_NOTIFY:            BOOL,             1,       STREAM,      Set,     Later;
    InvertMatching          ZMQ_INVERT_MATCHING:          Kind::Truth,      0,       ALL,         SetGet,  AtOnce;
    HeartbeatIvl            ZMQ_HEARTBEAT_IVL:            NOT_NEGATIVE,     0,       ALL,         SetGet,  Later;
    HeartbeatTtl            ZMQ_HEARTBEAT_TTL:            Kind::Deciseconds,0,       ALL,         SetGet,  Later;
    HeartbeatTimeout        ZMQ_HEARTBEAT_TIMEOUT:        NOT_NEGATIVE,     -1,      ALL,         SetGet,  Later;
    XpubVerboser            ZMQ_XPUB_VERBOSER:            NOT_NEGATIVE,     0,       PUBLISHERS,  Set,     AtOnce;
    ConnectTimeout          ZMQ_CONNECT_TIMEOUT:          NOT_NEGATIVE,     0,       ALL,         SetGet,  Later;
    TcpMaxRt                ZMQ_TCP_MAXRT:                NOT_NEGATIVE,     0,       ALL,         SetGet,  Later;
    ThreadSafe              ZMQ_THREAD_SAFE:              ANY_INT,          0,       ALL,         Get,     AtOnce;
    MulticastMaxTpdu        ZMQ_MULTICAST_MAXTPDU:        at_least(1),      1500,    ALL,         SetGet,  Later;
    VmciBufferSize          ZMQ_VMCI_BUFFER_SIZE:         Kind::Wide,       0,       ALL,         Neither, Later;
    VmciBufferMinSize       ZMQ_VMCI_BUFFER_MIN_SIZE:     Kind::Wide,       0,       ALL,         Neither, Later;
    VmciBufferMaxSize       ZMQ_VMCI_BUFFER_MAX_SIZE:     Kind::Wide,       0,       ALL,         Neither, Later;
    VmciConnectTimeout      ZMQ_VMCI_CONNECT_TIMEOUT:     MINUS_ONE_UP,     -1,      ALL,         Neither, Later;
    UseFd                   ZMQ_USE_FD:                   MINUS_ONE_UP,     -1,      ALL,         SetGet,  Later;
    GssapiPrincipalNametype ZMQ_GSSAPI_PRINCIPAL_NAMETYPE: NAME_TYPE,       0,       ALL,         WITH_GSSAPI, Later;
    GssapiServiceNametype   ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE: NAME_TYPE, 0,     ALL,         WITH_GSSAPI, Later;
    BindToDevice            ZMQ_BINDTODEVICE:             DEVICE_NAME,      0,       ALL,         SetGet,  Later;
    ZapEnforceDomain        ZMQ_ZAP_ENFORCE_DOMAIN:       Kind::Truth,      0,       ALL,         SetGet,  Later;
    LoopbackFastpath        ZMQ_LOOPBACK_FASTPATH:        Kind::Truth,      0,       ALL,         SetGet,  Later;
    Metadata                ZMQ_METADATA:                 Kind::Property,   0,       ALL,         Set,     Later;
    MulticastLoop           ZMQ_MULTICAST_LOOP:           Kind::Truth,      1,       ALL,         SetGet,  Later;
    XpubManualLastValue     ZMQ_XPUB_MANUAL_LAST_VALUE:   NOT_NEGATIVE,     0,       PUBLISHERS,  Set,     AtOnce;
    SocksUsername           ZMQ_SOCKS_USERNAME:           SOCKS_TEXT,       0,       ALL,         SetGet,  Later;
    SocksPassword           ZMQ_SOCKS_PASSWORD:           SOCKS_TEXT,       0,       ALL,         SetGet,  Later;
    OnlyFirstSubscribe      ZMQ_ONLY_FIRST_SUBSCRIBE:     NOT_NEGATIVE,     0,       PUBLISHERS | 1 << ZMQ_XSUB, Set, AtOnce;
    ReconnectStop           ZMQ_RECONNECT_STOP:           ANY_INT,          0,       ALL,         SetGet,  Later;
    TopicsCount             ZMQ_TOPICS_COUNT:             ANY_INT,          0,       ALL,         Get,     AtOnce, Live;
    MaxMessageBytes         MONOCOQUE_MAX_MESSAGE_BYTES:  SIZE,             -1,      ALL,         SetGet,  Later;
    MaxMessageParts         MONOCOQUE_MAX_MESSAGE_PARTS:  NOT_NEGATIVE,     1 << 20, ALL,         SetGet,  Later;
    MaxHandshakes           MONOCOQUE_MAX_HANDSHAKES:     NOT_NEGATIVE,     1 << 14, ALL,         SetGet,  Later;
    MaxSubscriptions        MONOCOQUE_MAX_SUBSCRIPTIONS:  NOT_NEGATIVE,     1 << 22, PUBLISHERS,  SetGet,  AtOnce;
    MaxSubscriptionBytes    MONOCOQUE_MAX_SUBSCRIPTION_BYTES: SIZE,         1 << 28, PUBLISHERS,  SetGet,  AtOnce;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_numbers_and_at_the_place_of_their_option() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.opt as usize, place, "{}", row.name);
            assert!(place == 0 || ROWS[place - 1].number < row.number, "{}", row.name);
        }
    }

    #[test]
    fn every_row_is_found_by_its_number_and_no_other_number_has_one() {
        let mut found = 0;
        for number in -300..0x5000 {
            if let Some(row) = row(number) {
                assert_eq!(row.number, number);
                found += 1;
            }
        }
        assert_eq!(found, ROWS.len());
    }

    #[test]
    fn what_can_be_set_depends_on_the_socket_type_and_the_access() {
        let mandatory = row(ZMQ_ROUTER_MANDATORY).unwrap();
        assert!(mandatory.can_be_set_on(ZMQ_ROUTER) && mandatory.can_be_set_on(ZMQ_REP));
        assert!(!mandatory.can_be_set_on(ZMQ_DEALER) && !mandatory.can_be_set_on(-1) && !mandatory.can_be_set_on(16));
        assert!(!mandatory.can_be_read());
        assert_eq!(row(ZMQ_GSSAPI_SERVER).unwrap().can_be_read(), cfg!(feature = "gssapi"));
        assert!(!row(ZMQ_TYPE).unwrap().can_be_set_on(ZMQ_PAIR));
    }
}
