//! The option values that sockets are made with, taken from the option table once for each bind or connect.
//!
//! A plain value: whoever makes it decides which thread owns it. The defaults are those of zmq_setsockopt(3).

/// What `listen`, `start_connect` and `tune` need to know of a socket's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// `ZMQ_IPV6`: IPv6 sockets, which serve IPv4 as well through mapped addresses.
    pub ipv6: bool,
    /// `ZMQ_BACKLOG`: connections that wait for being accepted.
    pub backlog: i32,
    /// `ZMQ_TOS`: the type-of-service byte of outgoing packets; 0 leaves the system's.
    pub type_of_service: u32,
    /// `ZMQ_SNDBUF` in bytes; none (-1) leaves the system's.
    pub send_buffer_bytes: Option<u32>,
    /// `ZMQ_RCVBUF` in bytes; none (-1) leaves the system's.
    pub receive_buffer_bytes: Option<u32>,
    /// The `ZMQ_TCP_KEEPALIVE` options.
    pub keepalive: Keepalive,
    /// `ZMQ_TCP_MAXRT` in milliseconds: how long sent data may stay unacknowledged; 0 leaves the system's.
    pub max_retransmit_ms: u32,
    /// `ZMQ_BINDTODEVICE`: the interface to use; empty for any.
    pub bind_to_device: Vec<u8>,
    /// `ZMQ_USE_FD`: a descriptor that is bound and listening, used in place of a new one.
    pub use_descriptor: Option<i32>,
}

/// The keep-alive options of TCP (tcp(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// `ZMQ_TCP_KEEPALIVE`: on, off, or none (-1) for the system's; with none the rest does not count.
    pub enabled: Option<bool>,
    /// `ZMQ_TCP_KEEPALIVE_CNT`: unanswered probes until the connection is given up; none (-1) for the system's.
    pub probes: Option<u32>,
    /// `ZMQ_TCP_KEEPALIVE_IDLE` in seconds; none (-1) for the system's.
    pub idle_s: Option<u32>,
    /// `ZMQ_TCP_KEEPALIVE_INTVL` in seconds; none (-1) for the system's.
    pub interval_s: Option<u32>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        SocketSettings {
            ipv6: false,
            backlog: 100,
            type_of_service: 0,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            keepalive: Keepalive::default(),
            max_retransmit_ms: 0,
            bind_to_device: Vec::new(),
            use_descriptor: None,
        }
    }
}
