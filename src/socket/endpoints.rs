//! Bind, connect, unbind and disconnect, and what a socket has of each.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use bytes::Bytes;

use super::{Face, Socket, type_name};
use crate::constants::*;
use crate::context::{Context, InprocSide};
use crate::error::{Error, Result};
use crate::options::{Opt, Options};
use crate::pipe::PeerInfo;
use crate::reactor::Link;
use crate::session::{Destination, Event, Heartbeats, Listener, Owner, Raw, Session, Settings, Zap, least_loaded};
#[cfg(feature = "gssapi")]
use crate::sys::gssapi::{NameType, Principal};
use crate::sys::memory;
use crate::sys::promise::Awaited;
use crate::sys::reserve;
use crate::transport::{self, Endpoint, Keepalive, Proxy, Refusal, SocketSettings, ipc, tcp};
use crate::zmtp::{CurveClient, CurveServer, MessageLimits, Security};
#[cfg(feature = "gssapi")]
use crate::zmtp::{GssapiClient, GssapiServer};

/// One bind or connect.
struct Entry {
    /// What the caller may name it by: for binds ZMQ_LAST_ENDPOINT, for connects what was given.
    name: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Listener(Arc<Listener>, Awaited<()>, Option<ipc::TemporaryPath>),
    Session(Arc<Session>),
    InprocName(Vec<u8>),
    InprocConnection(u64),
}

impl Kind {
    fn is_bind(&self) -> bool {
        matches!(self, Kind::Listener(..) | Kind::InprocName(_))
    }

    fn is_connection(&self) -> bool {
        matches!(self, Kind::Session(_) | Kind::InprocConnection(_))
    }
}

/// The endpoints of a socket.
#[derive(Default)]
pub(super) struct Endpoints {
    entries: Vec<Entry>,
    /// ZMQ_LAST_ENDPOINT.
    pub(super) last: Vec<u8>,
}

/// Listeners that are being closed.
pub(crate) struct Closing(Vec<Awaited<()>>);

impl Closing {
    /// Until their descriptors are closed.
    pub(crate) fn wait(self) {
        for closed in self.0 {
            #[cfg(test)]
            if crate::sys::simulation::wait_until(|| closed.is_settled()).is_some() {
                continue;
            }
            closed.wait();
        }
    }
}

impl Socket {
    /// zmq_bind(3).
    pub(crate) fn bind(&mut self, address: &[u8]) -> Result<()> {
        self.check()?;
        self.endpoints.reserve()?;
        let parsed = Endpoint::parse(address)?;
        if let Endpoint::Inproc(name) = parsed {
            self.context.names.bind(&name, self.inproc_side())?;
            self.endpoints.last = address.to_owned();
            self.endpoints.add(address.to_owned(), Kind::InprocName(name));
            return Ok(());
        }
        let links = self.links()?;
        let listening = match self.listen(&parsed) {
            Ok(listening) => listening,
            Err(refusal) => {
                self.report_failed_bind(address, &parsed, &refusal);
                return Err(refusal.error);
            }
        };
        let name = listening.endpoint;
        let raw = listening.descriptor.as_raw_fd();
        self.shared.report(Event {
            kind: ZMQ_EVENT_LISTENING,
            value: raw,
            endpoint: name.clone(),
        });
        let is_tcp = matches!(parsed, Endpoint::Tcp(_));
        let settings = Arc::new(settings(&self.options));
        let filters = self.options.filters().clone();
        let (listener, hears) = Listener::new(
            listening.descriptor,
            name.clone(),
            is_tcp,
            settings,
            filters,
            self.face(),
            links,
        );
        self.endpoints.last.clone_from(&name);
        self.endpoints
            .add(name, Kind::Listener(listener, hears, listening.temporary));
        Ok(())
    }

    /// As libzmq has it: the descriptor is closed, if there was one, which over tcp had no name yet; and the address has no transport.
    fn report_failed_bind(&self, address: &[u8], parsed: &Endpoint, refusal: &Refusal) {
        let is_tcp = matches!(parsed, Endpoint::Tcp(_));
        if let Some(descriptor) = refusal.closed {
            self.shared.report(Event {
                kind: ZMQ_EVENT_CLOSED,
                value: descriptor,
                endpoint: if is_tcp { Vec::new() } else { address.to_owned() },
            });
        }
        let transport = address
            .windows(3)
            .position(|text| text == b"://")
            .map_or(0, |at| at + 3);
        self.shared.report(Event {
            kind: ZMQ_EVENT_BIND_FAILED,
            value: refusal.error.errno(),
            endpoint: address[transport..].to_owned(),
        });
    }

    fn listen(&self, endpoint: &Endpoint) -> std::result::Result<transport::Listener, Refusal> {
        let settings = socket_settings(&self.options);
        match endpoint {
            Endpoint::Tcp(address) => tcp::listen(address.bind_address(settings.ipv6)?, &settings),
            Endpoint::Ipc(address) => ipc::listen(address, &settings),
            Endpoint::Inproc(_) => Err(Error::Invalid.into()),
        }
    }

    /// zmq_connect(3).
    pub(crate) fn connect(&mut self, address: &[u8]) -> Result<()> {
        self.check()?;
        self.endpoints.reserve()?;
        self.reserve_pipe()?;
        let destination = match Endpoint::parse(address)? {
            Endpoint::Inproc(name) => {
                let (id, end) = self.context.names.connect(&name, self.inproc_side())?;
                self.attach(id, end, true);
                self.endpoints.last = address.to_owned();
                self.endpoints.add(address.to_owned(), Kind::InprocConnection(id));
                self.changed();
                return Ok(());
            }
            Endpoint::Tcp(tcp) => Destination::Tcp(tcp.for_connect()?),
            Endpoint::Ipc(ipc) => {
                ipc.check()?;
                Destination::Ipc(ipc)
            }
        };
        if self.connects_once() && self.endpoints.entries.iter().any(|entry| entry.is_session_to(address)) {
            return Ok(());
        }
        let link = least_loaded(&self.links()?).clone();
        let settings = Arc::new(settings(&self.options));
        let (session, end) = Session::connecting(destination, address.to_owned(), settings, self.face(), link);
        if let Some(end) = end {
            self.attach(session.id(), end, true);
        }
        self.endpoints.last = address.to_owned();
        self.endpoints.add(address.to_owned(), Kind::Session(session.clone()));
        session.start();
        self.changed();
        Ok(())
    }

    /// Types to which a second connection to the same endpoint would only bring everything twice.
    fn connects_once(&self) -> bool {
        matches!(
            self.options.socket_type(),
            ZMQ_PUB | ZMQ_SUB | ZMQ_REQ | ZMQ_XPUB | ZMQ_XSUB
        )
    }

    /// zmq_unbind(3). The listening descriptor is closed when the receiver hears of it.
    pub(crate) fn unbind(&mut self, address: &[u8]) -> Result<Closing> {
        self.check()?;
        let parsed = Endpoint::parse(address)?;
        let place = self.find_endpoint(address, &parsed, Kind::is_bind)?;
        let name = self.endpoints.entries[place].name.clone();
        let linger_ms = self.options.int(Opt::Linger);
        let mut closing = Vec::new();
        // All binds to an endpoint end together: a path can be bound several times.
        while let Some(kind) = self.endpoints.take(&name, Kind::is_bind) {
            match kind {
                Kind::InprocName(name) => self.context.names.unbind(&name, self.shared.id)?,
                Kind::Listener(listener, hears, unlink) => {
                    drop(unlink);
                    self.pipes.flush();
                    // What arrived stays readable: each pipe goes once it is read.
                    listener.close(linger_ms);
                    closing.push(hears);
                }
                _ => {}
            }
        }
        Ok(Closing(closing))
    }

    /// zmq_disconnect(3): what is queued is still sent, within linger.
    pub(crate) fn disconnect(&mut self, address: &[u8]) -> Result<Closing> {
        self.check()?;
        let parsed = Endpoint::parse(address)?;
        let place = self.find_endpoint(address, &parsed, Kind::is_connection)?;
        let name = self.endpoints.entries[place].name.clone();
        let linger_ms = self.options.int(Opt::Linger);
        // All connections to an endpoint end together.
        while let Some(kind) = self.endpoints.take(&name, Kind::is_connection) {
            match kind {
                Kind::Session(session) => self.end_session(&session, linger_ms),
                Kind::InprocConnection(id) => self.end_inproc(id, linger_ms),
                _ => {}
            }
        }
        self.changed();
        Ok(Closing(Vec::new()))
    }

    fn end_inproc(&mut self, id: u64, linger_ms: i32) {
        self.context.names.abandon(id);
        if let Some(&pipe) = self.by_connection.get(&id) {
            self.detach(pipe, linger_ms);
        }
    }

    fn end_session(&mut self, session: &Arc<Session>, linger_ms: i32) {
        if let Some(&pipe) = self.by_connection.get(&session.id()) {
            self.detach(pipe, linger_ms);
        }
        session.close(linger_ms);
    }

    pub(super) fn links(&self) -> Result<Vec<Link>> {
        self.context.links(self.options.int64(Opt::Affinity) as u64)
    }

    /// The endpoint of this text, or of the address that the text resolves to.
    fn find_endpoint(&self, address: &[u8], parsed: &Endpoint, fits: impl Fn(&Kind) -> bool) -> Result<usize> {
        self.endpoints.find(address, &fits).or_else(|error| match parsed {
            Endpoint::Tcp(tcp) => {
                let text = tcp.resolved_text(self.options.flag(Opt::Ipv6)).ok_or(error)?;
                self.endpoints.find(&text, &fits)
            }
            _ => Err(error),
        })
    }

    fn face(&self) -> Arc<dyn Owner> {
        Arc::new(Face(self.shared.clone()))
    }

    fn inproc_side(&self) -> InprocSide {
        let limit = |opt| {
            if self.options.flag(Opt::Conflate) {
                0
            } else {
                self.options.int(opt) as u32
            }
        };
        InprocSide {
            owner: self.face(),
            socket: self.shared.id,
            send_limit: limit(Opt::SndHwm),
            receive_limit: limit(Opt::RcvHwm),
            routing_id: self.options.bytes(Opt::RoutingId).cloned().unwrap_or_default(),
            conflate: self.options.flag(Opt::Conflate) && conflates(self.options.socket_type()),
        }
    }
}

impl Endpoints {
    /// Room for one more.
    ///
    /// Errors: `NoMemory`.
    fn reserve(&mut self) -> Result<()> {
        reserve::spare()?;
        self.entries.try_reserve(1).map_err(|_| Error::NoMemory)
    }

    fn add(&mut self, name: Vec<u8>, kind: Kind) {
        self.entries.push(Entry { name, kind });
    }

    fn find(&self, address: &[u8], fits: impl Fn(&Kind) -> bool) -> Result<usize> {
        let place = self
            .entries
            .iter()
            .position(|entry| fits(&entry.kind) && entry.name == address);
        place.ok_or(Error::NoEntry)
    }

    fn take(&mut self, name: &[u8], fits: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let place = self.find(name, fits).ok()?;
        Some(self.entries.remove(place).kind)
    }

    /// A session is over by itself.
    pub(super) fn forget(&mut self, connection: u64) {
        self.entries
            .retain(|entry| !matches!(&entry.kind, Kind::Session(session) if session.id() == connection));
    }

    /// Who is being connected to, but for those of these numbers.
    pub(super) fn sessions_but(&self, known: impl Fn(u64) -> bool) -> impl Iterator<Item = PeerInfo> {
        self.entries.iter().filter_map(move |entry| match &entry.kind {
            Kind::Session(session) if !known(session.id()) => Some(session.info()),
            _ => None,
        })
    }

    pub(super) fn close_listeners(&mut self, linger_ms: i32) -> Closing {
        let mut closing = Vec::new();
        let mut kept = Vec::new();
        for entry in self.entries.drain(..) {
            match entry.kind {
                Kind::Listener(listener, hears, unlink) => {
                    drop(unlink);
                    listener.close(linger_ms);
                    closing.push(hears);
                }
                kind => kept.push(Entry { name: entry.name, kind }),
            }
        }
        self.entries = kept;
        Closing(closing)
    }

    pub(super) fn leave_names(&mut self, context: &Context, socket: u64) {
        for entry in &self.entries {
            match &entry.kind {
                // A name that was taken over by nobody else is this socket's.
                Kind::InprocName(name) => drop(context.names.unbind(name, socket)),
                Kind::InprocConnection(id) => context.names.abandon(*id),
                _ => {}
            }
        }
    }

    /// Ends the sessions that have no pipe (those that have one were told through it).
    pub(super) fn close_sessions(&mut self, linger_ms: i32) {
        for entry in self.entries.drain(..) {
            if let Kind::Session(session) = entry.kind {
                session.close(linger_ms);
            }
        }
    }
}

impl Entry {
    fn is_session_to(&self, address: &[u8]) -> bool {
        matches!(self.kind, Kind::Session(_)) && self.name == address
    }
}

fn conflates(socket_type: i32) -> bool {
    matches!(socket_type, ZMQ_PULL | ZMQ_PUSH | ZMQ_SUB | ZMQ_PUB | ZMQ_DEALER)
}

/// Bits of ZMQ_RECONNECT_STOP.
const STOP_WHEN_REFUSED: i32 = 1;
const STOP_WHEN_HANDSHAKE_FAILS: i32 = 2;

/// What connections made from now on need to know of the options.
fn settings(options: &Options) -> Settings {
    let socket_type = options.socket_type();
    let milliseconds = |opt| options.int(opt).max(0) as u32;
    let is_raw = socket_type == ZMQ_STREAM || socket_type == ZMQ_ROUTER && options.flag(Opt::RouterRaw);
    let notifies = socket_type != ZMQ_STREAM || options.flag(Opt::StreamNotify);
    Settings {
        socket_type: type_name(socket_type),
        raw: is_raw.then_some(Raw { notifies }),
        routing_id: options.bytes(Opt::RoutingId).cloned().unwrap_or_else(Bytes::new),
        properties: options.properties().to_vec(),
        routes: socket_type == ZMQ_ROUTER && !is_raw,
        subscribes: matches!(socket_type, ZMQ_SUB | ZMQ_XSUB),
        publishes: matches!(socket_type, ZMQ_PUB | ZMQ_XPUB),
        send_limit: milliseconds(Opt::SndHwm),
        receive_limit: milliseconds(Opt::RcvHwm),
        conflate: options.flag(Opt::Conflate) && conflates(socket_type),
        message_max: u64::try_from(options.int64(Opt::MaxMsgSize)).ok(),
        message_limits: message_limits(options),
        handshakes_max: options.int(Opt::MaxHandshakes) as u32,
        handshake_ms: milliseconds(Opt::HandshakeIvl),
        connect_ms: milliseconds(Opt::ConnectTimeout),
        reconnect_ms: u32::try_from(options.int(Opt::ReconnectIvl)).ok(),
        reconnect_max_ms: milliseconds(Opt::ReconnectIvlMax),
        stops_when_refused: options.int(Opt::ReconnectStop) & STOP_WHEN_REFUSED != 0,
        stops_when_handshake_fails: options.int(Opt::ReconnectStop) & STOP_WHEN_HANDSHAKE_FAILS != 0,
        heartbeats: heartbeats(options),
        immediate: options.flag(Opt::Immediate),
        security: security(options),
        zap: Zap {
            domain: options.bytes(Opt::ZapDomain).cloned().unwrap_or_default(),
            is_enforced: options.flag(Opt::ZapEnforceDomain),
        },
        proxy: proxy(options),
        socket: socket_settings(options),
    }
}

/// What one message may have as a whole, where the peer is not of this process.
fn message_limits(options: &Options) -> MessageLimits {
    let unless_zero = |limit| if limit == 0 { u64::MAX } else { limit };
    let bytes = u64::try_from(options.int64(Opt::MaxMessageBytes));
    MessageLimits {
        parts: unless_zero(options.int64(Opt::MaxMessageParts) as u64),
        bytes: unless_zero(bytes.unwrap_or_else(|_| memory::total_bytes() / 2)),
    }
}

/// The proxy of connections over tcp that are made from now on.
fn proxy(options: &Options) -> Option<Proxy> {
    let text = |opt| options.bytes(opt).cloned().unwrap_or_default();
    let proxy = Proxy {
        text: text(Opt::SocksProxy),
        username: text(Opt::SocksUsername),
        password: text(Opt::SocksPassword),
    };
    (!proxy.text.is_empty()).then_some(proxy)
}

/// The mechanism of connections made from now on, with its keys.
fn security(options: &Options) -> Security {
    let text = |opt| options.bytes(opt).cloned().unwrap_or_default();
    match options.int(Opt::Mechanism) {
        ZMQ_PLAIN if options.is_server_of(ZMQ_PLAIN) => Security::PlainServer,
        ZMQ_PLAIN => Security::PlainClient {
            username: text(Opt::PlainUsername),
            password: text(Opt::PlainPassword),
        },
        ZMQ_CURVE if options.is_server_of(ZMQ_CURVE) => Security::CurveServer(Arc::new(CurveServer {
            secret: options.key(Opt::CurveSecretKey),
        })),
        ZMQ_CURVE => Security::CurveClient(Arc::new(CurveClient {
            public: **options.key(Opt::CurvePublicKey),
            secret: options.key(Opt::CurveSecretKey),
            server: **options.key(Opt::CurveServerKey),
        })),
        #[cfg(feature = "gssapi")]
        ZMQ_GSSAPI if options.is_server_of(ZMQ_GSSAPI) => Security::GssapiServer(Arc::new(GssapiServer {
            own: principal(options, Opt::GssapiPrincipal, Opt::GssapiPrincipalNametype),
            is_clear: options.flag(Opt::GssapiPlaintext),
        })),
        #[cfg(feature = "gssapi")]
        ZMQ_GSSAPI => Security::GssapiClient(Arc::new(GssapiClient {
            own: principal(options, Opt::GssapiPrincipal, Opt::GssapiPrincipalNametype),
            service: principal(options, Opt::GssapiServicePrincipal, Opt::GssapiServiceNametype),
            is_clear: options.flag(Opt::GssapiPlaintext),
        })),
        _ => Security::Null,
    }
}

/// The principal that two options name. The name ends with its first NUL.
#[cfg(feature = "gssapi")]
fn principal(options: &Options, name: Opt, name_type: Opt) -> Option<Principal> {
    let text = options.bytes(name)?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let name_type = match options.int(name_type) {
        ZMQ_GSSAPI_NT_USER_NAME => NameType::User,
        ZMQ_GSSAPI_NT_KRB5_PRINCIPAL => NameType::Kerberos,
        _ => NameType::HostBased,
    };
    Some(Principal {
        name: text.slice(..end),
        name_type,
    })
}

fn heartbeats(options: &Options) -> Heartbeats {
    let interval_ms = options.int(Opt::HeartbeatIvl).max(0) as u32;
    Heartbeats {
        interval_ms,
        // Until it is set it is the interval.
        timeout_ms: u32::try_from(options.int(Opt::HeartbeatTimeout)).unwrap_or(interval_ms),
        ttl_tenths: (options.int(Opt::HeartbeatTtl).max(0) / 100) as u16,
    }
}

fn socket_settings(options: &Options) -> SocketSettings {
    let unless_default = |opt| u32::try_from(options.int(opt)).ok();
    SocketSettings {
        ipv6: options.flag(Opt::Ipv6),
        backlog: options.int(Opt::Backlog),
        type_of_service: options.int(Opt::Tos) as u32,
        send_buffer_bytes: unless_default(Opt::SndBuf),
        receive_buffer_bytes: unless_default(Opt::RcvBuf),
        keepalive: Keepalive {
            enabled: unless_default(Opt::TcpKeepalive).map(|value| value != 0),
            probes: unless_default(Opt::TcpKeepaliveCnt),
            idle_s: unless_default(Opt::TcpKeepaliveIdle),
            interval_s: unless_default(Opt::TcpKeepaliveIntvl),
        },
        max_retransmit_ms: options.int(Opt::TcpMaxRt) as u32,
        bind_to_device: options
            .bytes(Opt::BindToDevice)
            .map_or_else(Vec::new, |name| name.to_vec()),
        use_descriptor: u32::try_from(options.int(Opt::UseFd)).ok().map(|fd| fd as i32),
    }
}
