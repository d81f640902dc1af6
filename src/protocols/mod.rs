// SPDX-License-Identifier: Apache-2.0
//! Application protocols: the registry, and what every parser is given and must answer.
//!
//! A parser belongs to one flow. It is given the bytes of a TCP connection in order, or datagrams, and publishes an event
//! for each transaction. It is pooled: [`Parser::reset`] makes it as new. Adding a protocol is one folder and one line in
//! [`DESCRIPTORS`]; `CONTRIBUTING.md` says how.

pub mod amqp;
#[cfg(test)]
pub mod bench;
#[cfg(test)]
pub mod captured;
pub mod cassandra;
mod common;
mod csv;
pub mod detect;
pub mod dhcpv4;
pub mod dns;
pub mod echo;
pub mod http;
pub mod icmp;
pub mod memcache;
pub mod mongodb;
pub mod mysql;
pub mod nfs;
pub mod notes;
pub mod pgsql;
pub mod redis;
pub mod registry;
#[cfg(test)]
pub mod replay;
pub mod sip;
mod text;
pub mod thrift;
pub mod tls;

use std::net::IpAddr;

pub use crate::flow::perimeter::Perimeter;
pub use crate::stream::{AfterGap, Direction, End, Step};
pub use common::{Common, Notes, Status};
pub use registry::Registry;

use crate::config::{ConfigError, Section};
use crate::event::Event;
use crate::flow::CommunityId;

/// Every protocol, in Packetbeat's registration order (which the generated BPF filter follows), then those it lacks.
pub const DESCRIPTORS: &[Descriptor] = &[
    icmp::DESCRIPTOR,
    amqp::DESCRIPTOR,
    cassandra::DESCRIPTOR,
    dhcpv4::DESCRIPTOR,
    dns::DESCRIPTOR,
    http::DESCRIPTOR,
    memcache::DESCRIPTOR,
    mongodb::DESCRIPTOR,
    mysql::DESCRIPTOR,
    nfs::DESCRIPTOR,
    pgsql::DESCRIPTOR,
    redis::DESCRIPTOR,
    sip::DESCRIPTOR,
    thrift::DESCRIPTOR,
    tls::DESCRIPTOR,
    echo::DESCRIPTOR,
];

/// What the rest of the program knows of a protocol.
pub struct Descriptor {
    /// `type` of events and of the configuration, and `network.protocol`.
    pub name: &'static str,
    pub transports: Transports,
    /// Ports without `ports` in the configuration.
    pub default_ports: &'static [u16],
    /// Tells the protocol by its first bytes; None where they say too little.
    pub recognise: Option<detect::Recognise>,
    /// Reads the section's own options. Common ones are read by the registry.
    pub configure: Configure,
}

/// Reads a protocol's section.
pub type Configure = fn(&Section<'_>, &CommonOptions) -> Result<Box<dyn Factory>, ConfigError>;

/// What a protocol is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transports {
    Tcp,
    Udp,
    TcpAndUdp,
    /// ICMP and ICMPv6 messages; no ports.
    Icmp,
}

impl Transports {
    pub fn tcp(self) -> bool {
        matches!(self, Transports::Tcp | Transports::TcpAndUdp)
    }

    pub fn udp(self) -> bool {
        matches!(self, Transports::Udp | Transports::TcpAndUdp)
    }
}

/// Options that every protocol has (Packetbeat behaviour, section 2.4).
#[derive(Clone, Debug)]
pub struct CommonOptions {
    pub ports: Vec<u16>,
    pub send_request: bool,
    pub send_response: bool,
    pub transaction_timeout_ns: i64,
}

/// Makes the parsers of one configured section; shared by all workers.
pub trait Factory: Send + Sync {
    fn parser(&self) -> Box<dyn Parser>;
}

/// The protocol's state for one flow.
pub trait Parser {
    /// Bytes of a TCP stream in order: those left unconsumed before, then new ones. The time of a message's first byte is
    /// `context.now_ns` of the call that first shows it.
    fn data(&mut self, _context: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::NotMine
    }

    /// `missing_bytes` of a TCP stream will never come; `pending` is what was left unconsumed before them, and is gone.
    fn gap(
        &mut self,
        _context: &mut Context<'_>,
        _direction: Direction,
        _pending: &[u8],
        _missing_bytes: u64,
    ) -> AfterGap {
        AfterGap::Restart
    }

    /// A direction of a TCP connection ended. After [`End::Reset`] and [`End::Expired`] both have ended, one call each.
    fn end(&mut self, _context: &mut Context<'_>, _direction: Direction, _pending: &[u8], _end: End) {}

    /// A UDP datagram's payload, or an ICMP message from its type on. `wire_length` is its length before the capture cut it.
    fn datagram(&mut self, _context: &mut Context<'_>, _direction: Direction, _payload: &[u8], _wire_length: usize) {}

    /// Publishes what has waited until `context.now_ns` or longer.
    fn expire(&mut self, _context: &mut Context<'_>) {}

    /// When [`Parser::expire`] wants to be called next, in packet time. None: nothing waits.
    fn deadline_ns(&self) -> Option<i64>;

    /// How long an idle connection is worth remembering beyond the transaction time-out; 0: not longer.
    fn idle_limit_ns(&self) -> i64 {
        0
    }

    /// The flow is over, or the capture: everything that waits is published.
    fn finish(&mut self, context: &mut Context<'_>);

    /// As new, keeping its buffers; it goes to another flow of the same section.
    fn reset(&mut self);
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: IpAddr,
    /// 0 where the transport has none.
    pub port: u16,
}

/// Transport of a flow, as `network.transport` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Tcp,
    Udp,
    Icmp,
    Icmp6,
}

impl Carrier {
    pub fn name(self) -> &'static str {
        match self {
            Carrier::Tcp => "tcp",
            Carrier::Udp => "udp",
            Carrier::Icmp => "icmp",
            Carrier::Icmp6 => "ipv6-icmp",
        }
    }
}

/// What is known of the flow that a parser belongs to.
#[derive(Clone, Copy, Debug)]
pub struct FlowView {
    /// Sender of [`Direction::ToServer`].
    pub client: Endpoint,
    /// Sender of [`Direction::ToClient`].
    pub server: Endpoint,
    pub carrier: Carrier,
    /// `network.community_id` of TCP and UDP; that of ICMP depends on the message.
    pub community_id: Option<CommunityId>,
}

impl FlowView {
    /// Who sends in a direction.
    pub fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }
}

/// Lent to a parser for one call.
pub struct Context<'a> {
    /// Time of the packet, or of the expiry, in nanoseconds since 1970.
    pub now_ns: i64,
    pub flow: FlowView,
    pub publisher: &'a mut dyn Publisher,
}

impl Context<'_> {
    /// Publishes one event: the common fields, then what `fill` sets.
    pub fn publish(&mut self, common: &Common<'_>, fill: impl FnOnce(&mut Event)) {
        let event = self.publisher.begin();
        common.fill(event, &self.flow);
        fill(event);
        self.publisher.publish();
    }

    /// Counts what happened under the protocol's name.
    pub fn count(&mut self, counter: ProtocolCounter, amount: u64) {
        self.publisher.count(counter, amount);
    }
}

/// Takes the events of one protocol section.
pub trait Publisher {
    /// An empty event.
    fn begin(&mut self) -> &mut Event;
    /// Completes the event that was begun (perimeter, processors) and encodes it.
    fn publish(&mut self);
    fn count(&mut self, counter: ProtocolCounter, amount: u64);
}

/// Counters that each protocol section has; `<protocol>.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProtocolCounter {
    UnmatchedRequests,
    UnmatchedResponses,
    DuplicateRequests,
    /// Messages or datagrams that could not be parsed.
    ParseFailures,
    /// Requests given up because a connection had too many waiting.
    EvictedRequests,
    /// Body bytes that nobody asked for, counted and not stored.
    SkippedBytes,
    /// Messages seen.
    Messages,
}

impl ProtocolCounter {
    pub const ALL: [ProtocolCounter; 7] = [
        ProtocolCounter::UnmatchedRequests,
        ProtocolCounter::UnmatchedResponses,
        ProtocolCounter::DuplicateRequests,
        ProtocolCounter::ParseFailures,
        ProtocolCounter::EvictedRequests,
        ProtocolCounter::SkippedBytes,
        ProtocolCounter::Messages,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ProtocolCounter::UnmatchedRequests => "unmatched_requests",
            ProtocolCounter::UnmatchedResponses => "unmatched_responses",
            ProtocolCounter::DuplicateRequests => "duplicate_requests",
            ProtocolCounter::ParseFailures => "parse_failures",
            ProtocolCounter::EvictedRequests => "evicted_requests",
            ProtocolCounter::SkippedBytes => "skipped_bytes",
            ProtocolCounter::Messages => "messages",
        }
    }
}
