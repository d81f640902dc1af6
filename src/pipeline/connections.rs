// SPDX-License-Identifier: Apache-2.0
//! The parsers of a worker's flows: made when a flow of a configured port begins, pooled when it ends.

use std::net::IpAddr;
use std::sync::Arc;

use super::counters::Counters;
use super::publisher::EventWriter;
use crate::flow::table::FlowEntry;
use crate::flow::{FlowKey, Orientation, Selector, community_id};
use crate::protocols::registry::{PortTable, Registry, SectionNumber};
use crate::protocols::{AfterGap, Carrier, Context, Direction, End, Endpoint, FlowView, Parser, Step};
use crate::stream::held::HeldPool;
use crate::stream::tcp::{self, Lent, Segment};
use crate::stream::{Limits, Receiver};
use crate::wire::{AddressPair, Decoded, IpAddress, TcpHeader, Transport};

/// Parsers that a section keeps for reuse.
const POOLED_PARSERS: usize = 4096;

/// State of one analysed flow.
struct Connection {
    parser: Box<dyn Parser>,
    section: SectionNumber,
    /// How the client's packets lie in the flow key.
    client: Orientation,
    view: FlowView,
    stream: tcp::Connection,
}

/// All analysed flows of a worker.
pub struct Connections {
    registry: Arc<Registry>,
    /// Of the interface whose packets come here.
    ports: Arc<PortTable>,
    limits: Limits,
    idle_ns: i64,
    held: HeldPool,
    slots: Vec<Option<Connection>>,
    free: Vec<u32>,
    pools: Vec<Vec<Box<dyn Parser>>>,
}

/// What a call works with besides the connections.
pub struct Bench<'a> {
    pub writer: &'a mut EventWriter,
    pub counters: &'a mut Counters,
    pub now_ns: i64,
}

impl Connections {
    /// `idle_ns` is how long an idle TCP connection is remembered at least.
    pub fn new(registry: Arc<Registry>, ports: Arc<PortTable>, limits: Limits, idle_ns: i64) -> Connections {
        let pools = registry.sections.iter().map(|_| Vec::new()).collect();
        let held = HeldPool::new(limits.held_bytes_per_worker);
        Connections { registry, ports, limits, idle_ns, held, slots: Vec::new(), free: Vec::new(), pools }
    }

    /// The section that analyses a packet, whose flow is new: by source port, then by destination port.
    pub fn section_of(&self, decoded: &Decoded) -> Option<SectionNumber> {
        let ports = &self.ports;
        match &decoded.transport {
            Transport::Tcp(tcp) => ports.tcp_port(tcp.source_port).or_else(|| ports.tcp_port(tcp.destination_port)),
            Transport::Udp { source_port, destination_port } => {
                ports.udp_port(*source_port).or_else(|| ports.udp_port(*destination_port))
            }
            Transport::Icmp { .. } | Transport::Icmp6 { .. } => ports.icmp(),
            _ => None,
        }
    }

    /// Makes the state of a flow whose packet this is.
    pub fn open(&mut self, section: SectionNumber, entry: &mut FlowEntry, decoded: &Decoded, orientation: Orientation) {
        let parser = match self.pools[usize::from(section)].pop() {
            Some(parser) => parser,
            None => self.registry.sections[usize::from(section)].factory.parser(),
        };
        let client = match self.client_sends(decoded) {
            true => orientation,
            false => orientation.opposite(),
        };
        let connection = Connection {
            parser,
            section,
            client,
            view: view(&entry.key, client, decoded),
            stream: tcp::Connection::default(),
        };
        entry.connection = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(connection);
                place
            }
            None => {
                self.slots.push(Some(connection));
                (self.slots.len() - 1) as u32
            }
        };
    }

    /// Whether the sender of a flow's first packet is its client.
    fn client_sends(&self, decoded: &Decoded) -> bool {
        let by_port = |source: bool, destination: bool| !source || destination;
        match &decoded.transport {
            Transport::Tcp(tcp) if tcp.flags.syn() => !tcp.flags.ack(),
            Transport::Tcp(tcp) => by_port(
                self.ports.tcp_port(tcp.source_port).is_some(),
                self.ports.tcp_port(tcp.destination_port).is_some(),
            ),
            Transport::Udp { source_port, destination_port } => {
                by_port(self.ports.udp_port(*source_port).is_some(), self.ports.udp_port(*destination_port).is_some())
            }
            _ => true,
        }
    }

    /// Whether a segment begins another connection between the same ports.
    pub fn begins_anew(&self, place: u32, orientation: Orientation, tcp: &TcpHeader) -> bool {
        let Some(connection) = self.slot(place) else { return false };
        tcp.flags.syn() && connection.stream.is_new_connection(&segment(connection, orientation, tcp, &[], 0, 0))
    }

    /// A TCP segment of an analysed flow.
    pub fn segment(
        &mut self,
        place: u32,
        orientation: Orientation,
        tcp: &TcpHeader,
        parts: (&[u8], &[&[u8]]),
        cut_bytes: u32,
        bench: &mut Bench<'_>,
    ) {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { return };
        let (first, more) = parts;
        let mut whole = segment(connection, orientation, tcp, first, cut_bytes, bench.now_ns);
        if more.is_empty() {
            return connection.give(&whole, &mut self.held, &self.limits, bench);
        }
        // A frame in several buffers is as many segments; only the last one can end the stream or be cut.
        let (fin, cut_bytes) = (whole.fin, whole.cut_bytes);
        let last = more.len();
        for (index, part) in std::iter::once(&first).chain(more).enumerate() {
            whole.payload = part;
            whole.fin = fin && index == last;
            whole.cut_bytes = if index == last { cut_bytes } else { 0 };
            connection.give(&whole, &mut self.held, &self.limits, bench);
            whole.sequence = whole.sequence.wrapping_add(part.len() as u32 + u32::from(whole.syn));
            whole.syn = false;
        }
    }

    /// A datagram of an analysed flow.
    pub fn datagram(
        &mut self,
        place: u32,
        orientation: Orientation,
        payload: &[u8],
        wire_length: usize,
        bench: &mut Bench<'_>,
    ) {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { return };
        let direction = connection.direction(orientation);
        let section = usize::from(connection.section);
        let mut writer = bench.writer.section(section, bench.now_ns, bench.counters);
        let mut context = Context { now_ns: bench.now_ns, flow: connection.view, publisher: &mut writer };
        connection.parser.datagram(&mut context, direction, payload, wire_length);
    }

    /// Publishes what has waited too long.
    pub fn expire(&mut self, place: u32, bench: &mut Bench<'_>) {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { return };
        if connection.parser.deadline_ns().is_some_and(|deadline| deadline <= bench.now_ns) {
            let section = usize::from(connection.section);
            let mut writer = bench.writer.section(section, bench.now_ns, bench.counters);
            let mut context = Context { now_ns: bench.now_ns, flow: connection.view, publisher: &mut writer };
            connection.parser.expire(&mut context);
        }
    }

    /// When the parser wants [`Connections::expire`]; i64::MAX for never.
    pub fn deadline_ns(&self, place: u32) -> i64 {
        self.slot(place).and_then(|connection| connection.parser.deadline_ns()).unwrap_or(i64::MAX)
    }

    /// How long after its last packet the state is worth keeping.
    pub fn idle_limit_ns(&self, place: u32) -> i64 {
        let Some(connection) = self.slot(place) else { return 0 };
        let section = &self.registry.sections[usize::from(connection.section)];
        let transaction = section.options.transaction_timeout_ns;
        match connection.view.carrier {
            Carrier::Tcp => transaction.max(self.idle_ns).max(connection.parser.idle_limit_ns()),
            _ => transaction.max(connection.parser.idle_limit_ns()),
        }
    }

    /// Ends a flow's state: what waits is published.
    pub fn close(&mut self, place: u32, bench: &mut Bench<'_>) {
        let Some(mut connection) = self.slots.get_mut(place as usize).and_then(Option::take) else { return };
        self.free.push(place);
        bench.counters.connections_closed += 1;
        if connection.view.carrier == Carrier::Tcp {
            connection.finish(&mut self.held, &self.limits, bench);
        }
        let section = usize::from(connection.section);
        let mut writer = bench.writer.section(section, bench.now_ns, bench.counters);
        let mut context = Context { now_ns: bench.now_ns, flow: connection.view, publisher: &mut writer };
        connection.parser.finish(&mut context);
        connection.parser.reset();
        let pool = &mut self.pools[section];
        if pool.len() < POOLED_PARSERS {
            pool.push(connection.parser);
        }
    }

    /// States that exist now, and bytes of early segments.
    pub fn occupancy(&self) -> (usize, usize) {
        (self.slots.len() - self.free.len(), self.held.count())
    }

    fn slot(&self, place: u32) -> Option<&Connection> {
        self.slots.get(place as usize).and_then(Option::as_ref)
    }
}

impl Connection {
    fn direction(&self, orientation: Orientation) -> Direction {
        if orientation == self.client { Direction::ToServer } else { Direction::ToClient }
    }

    fn give(&mut self, segment: &Segment<'_>, pool: &mut HeldPool, limits: &Limits, bench: &mut Bench<'_>) {
        let mut stream_counters = bench.counters.stream;
        let mut writer = bench.writer.section(usize::from(self.section), bench.now_ns, bench.counters);
        let mut receiver = ParserReceiver {
            parser: &mut *self.parser,
            context: Context { now_ns: bench.now_ns, flow: self.view, publisher: &mut writer },
        };
        let mut lent = Lent { receiver: &mut receiver, pool, limits, counters: &mut stream_counters };
        self.stream.segment(segment, &mut lent);
        bench.counters.stream = stream_counters;
    }

    fn finish(&mut self, pool: &mut HeldPool, limits: &Limits, bench: &mut Bench<'_>) {
        let mut stream_counters = bench.counters.stream;
        let mut writer = bench.writer.section(usize::from(self.section), bench.now_ns, bench.counters);
        let mut receiver = ParserReceiver {
            parser: &mut *self.parser,
            context: Context { now_ns: bench.now_ns, flow: self.view, publisher: &mut writer },
        };
        let mut lent = Lent { receiver: &mut receiver, pool, limits, counters: &mut stream_counters };
        self.stream.finish(&mut lent);
        bench.counters.stream = stream_counters;
    }
}

/// Gives a stream's bytes to a parser.
struct ParserReceiver<'a> {
    parser: &'a mut dyn Parser,
    context: Context<'a>,
}

impl Receiver for ParserReceiver<'_> {
    fn data(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        self.parser.data(&mut self.context, direction, bytes)
    }

    fn gap(&mut self, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        self.parser.gap(&mut self.context, direction, pending, missing_bytes)
    }

    fn end(&mut self, direction: Direction, pending: &[u8], end: End) {
        self.parser.end(&mut self.context, direction, pending, end);
    }
}

fn segment<'a>(
    connection: &Connection,
    orientation: Orientation,
    tcp: &TcpHeader,
    payload: &'a [u8],
    cut_bytes: u32,
    time_ns: i64,
) -> Segment<'a> {
    Segment {
        direction: connection.direction(orientation),
        sequence: tcp.sequence,
        acknowledgement: tcp.flags.ack().then_some(tcp.acknowledgement),
        syn: tcp.flags.syn(),
        fin: tcp.flags.fin(),
        reset: tcp.flags.rst(),
        payload,
        cut_bytes,
        time_ns,
    }
}

fn view(key: &FlowKey, client: Orientation, decoded: &Decoded) -> FlowView {
    let ends = [(key.low, key.low_port), (key.high, key.high_port)];
    let (client, server) = client.ordered(ends[0], ends[1]);
    let carrier = match decoded.transport {
        Transport::Tcp(_) => Carrier::Tcp,
        Transport::Icmp { .. } => Carrier::Icmp,
        Transport::Icmp6 { .. } => Carrier::Icmp6,
        _ => Carrier::Udp,
    };
    let addresses = AddressPair { source: client.0, destination: server.0 };
    let selector = Selector::Ports { source: client.1, destination: server.1 };
    FlowView {
        client: endpoint(client),
        server: endpoint(server),
        carrier,
        community_id: matches!(carrier, Carrier::Tcp | Carrier::Udp)
            .then(|| community_id(&addresses, key.protocol, selector, 0)),
    }
}

fn endpoint((address, port): (IpAddress, u16)) -> Endpoint {
    Endpoint { address: IpAddr::from(address), port }
}
