// SPDX-License-Identifier: Apache-2.0
//! The parsers of a worker's flows: made when a flow of a configured port begins, pooled when it ends.

use std::net::IpAddr;
use std::sync::Arc;

use super::counters::Counters;
use super::parser_pool::ParserPool;
use super::publisher::EventWriter;
use crate::arch::prefetch;
use crate::flow::table::FlowEntry;
use crate::flow::{FlowKey, Orientation, Passage, Selector, community_id};
use crate::protocols::detect::{Candidates, Decision, Detector, ProtocolName, Sender};
use crate::protocols::registry::{Owner, PortTable, Registry, SectionNumber};
use crate::protocols::{AfterGap, Carrier, Context, Direction, End, Endpoint, FlowView, Parser, Step};
use crate::stream::held::HeldPool;
use crate::stream::tcp::{self, Lent, Segment};
use crate::stream::{Limits, Receiver};
use crate::wire::{AddressPair, Decoded, IpAddress, TcpHeader, Transport};

/// Parsers and buffers of streams that were not needed for so long, in packet time and in turns, go.
const POOL_NS: i64 = 60_000_000_000;
const POOL_TURNS: u32 = 1_024;

/// State of one analysed flow.
struct Connection {
    analyser: Analyser,
    /// While the protocol is not known, the number behind the last section.
    section: SectionNumber,
    /// How the client's packets lie in the flow key.
    client: Orientation,
    view: FlowView,
    passage: Option<Passage>,
    stream: tcp::Connection,
}

enum Analyser {
    Parser(Box<dyn Parser>),
    /// Looks at the first bytes to tell whose they are.
    Detector(Detector),
    /// Nobody's.
    Nobody,
}

/// What a packet made known of its flow's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing new.
    Nothing,
    /// A section analyses it from here on.
    Analysed(ProtocolName),
    /// Nobody does.
    Unanalysed(ProtocolName),
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
    pools: Vec<ParserPool>,
    /// When it was last looked how many parsers are needed, and the turns since.
    looked_ns: i64,
    turns: u32,
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
        let pools = registry.sections.iter().map(|_| ParserPool::default()).collect();
        let held = HeldPool::new(limits.held_bytes_per_worker);
        Connections {
            registry,
            ports,
            limits,
            idle_ns,
            held,
            slots: Vec::new(),
            free: Vec::new(),
            pools,
            looked_ns: i64::MIN,
            turns: 0,
        }
    }

    /// Asks for the memory of a flow's state, if it has any.
    #[inline]
    pub fn prefetch(&self, place: u32) {
        if let Some(slot) = self.slots.get(place as usize) {
            prefetch(slot);
        }
    }

    /// Who analyses a packet whose flow is new: by source port, then by destination port, then by its first bytes.
    pub fn owner_of(&self, decoded: &Decoded) -> Option<Owner> {
        let ports = &self.ports;
        match &decoded.transport {
            Transport::Tcp(tcp) => {
                let by_port = ports.tcp_port(tcp.source_port).or_else(|| ports.tcp_port(tcp.destination_port));
                by_port.or_else(|| ports.any_port())
            }
            Transport::Udp { source_port, destination_port } => {
                let by_port = ports.udp_port(*source_port).or_else(|| ports.udp_port(*destination_port));
                by_port.or_else(|| ports.any_port())
            }
            Transport::Icmp { .. } | Transport::Icmp6 { .. } => ports.icmp().map(Owner::Section),
            _ => None,
        }
    }

    /// Makes the state of a flow whose packet this is.
    pub fn open(&mut self, owner: Owner, entry: &mut FlowEntry, decoded: &Decoded, orientation: Orientation) {
        let (section, analyser) = match owner {
            Owner::Section(section) => (section, Analyser::Parser(self.parser(section))),
            Owner::Detected(candidates) => (self.no_section(), self.detector(candidates)),
        };
        let client = match self.client_sends(decoded) {
            true => orientation,
            false => orientation.opposite(),
        };
        let connection = Connection {
            analyser,
            section,
            client,
            view: view(&entry.key, client, decoded),
            passage: Passage::of(decoded),
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

    fn parser(&mut self, section: SectionNumber) -> Box<dyn Parser> {
        let pooled = self.pools[usize::from(section)].take();
        pooled.unwrap_or_else(|| self.registry.sections[usize::from(section)].factory.parser())
    }

    fn detector(&self, candidates: Candidates) -> Analyser {
        Analyser::Detector(Detector::new(Arc::clone(&self.registry), candidates))
    }

    fn no_section(&self) -> SectionNumber {
        self.registry.sections.len() as SectionNumber
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
    ) -> Finding {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else {
            return Finding::Nothing;
        };
        let detecting = matches!(connection.analyser, Analyser::Detector(_));
        let (first, more) = parts;
        let mut whole = segment(connection, orientation, tcp, first, cut_bytes, bench.now_ns);
        if more.is_empty() && !detecting {
            connection.give(&whole, &mut self.held, &self.limits, bench);
            return Finding::Nothing;
        }
        // A frame in several buffers is as many segments; only the last one can end the stream or be cut. Before the end of
        // a stream is told, its bytes must tell the protocol.
        let (fin, cut_bytes) = (whole.fin, whole.cut_bytes);
        let last = more.len();
        for (index, part) in std::iter::once(&first).chain(more).enumerate() {
            whole.payload = part;
            whole.fin = fin && index == last && !detecting;
            whole.cut_bytes = if index == last { cut_bytes } else { 0 };
            connection.give(&whole, &mut self.held, &self.limits, bench);
            whole.sequence = whole.sequence.wrapping_add(part.len() as u32 + u32::from(whole.syn));
            whole.syn = false;
        }
        if !detecting {
            return Finding::Nothing;
        }
        let finding = self.stream_finding(place, bench);
        if fin && let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) {
            let sequence = whole.sequence.wrapping_add(cut_bytes);
            let mut end = segment(connection, orientation, tcp, &[], 0, bench.now_ns);
            (end.sequence, end.syn) = (sequence, false);
            connection.give(&end, &mut self.held, &self.limits, bench);
        }
        finding
    }

    /// Hands a stream over once its first bytes have told whose it is.
    fn stream_finding(&mut self, place: u32, bench: &mut Bench<'_>) -> Finding {
        let Some(connection) = self.slot(place) else { return Finding::Nothing };
        let Analyser::Detector(detector) = &connection.analyser else { return Finding::Nothing };
        let (Some(decision), Some((first, first_ns)), told) = (detector.decision, detector.first, detector.told) else {
            return Finding::Nothing;
        };
        let (finding, turned) = self.decided(place, decision, told);
        if let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) {
            let first = if turned { first.opposite() } else { first };
            connection.give_again((first, first_ns), &mut self.held, &self.limits, bench);
        }
        finding
    }

    /// Puts a decision into force. `told` is the direction of the bytes that told. Answers whether the ends were the other
    /// way round.
    fn decided(&mut self, place: u32, decision: Decision, told: Direction) -> (Finding, bool) {
        let Decision::Section { section, sender } = decision else {
            if let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) {
                connection.analyser = Analyser::Nobody;
            }
            let name = match decision {
                Decision::Named(name) => name,
                _ => ProtocolName::NONE,
            };
            return (Finding::Unanalysed(name), false);
        };
        let turned = match sender {
            Sender::Client => told == Direction::ToClient,
            Sender::Server => told == Direction::ToServer,
            Sender::Either => false,
        };
        let parser = self.parser(section);
        if let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) {
            connection.analyser = Analyser::Parser(parser);
            connection.section = section;
            if turned {
                connection.turn();
            }
        }
        (Finding::Analysed(ProtocolName::of_section(&self.registry, section)), turned)
    }

    /// A datagram of an analysed flow.
    pub fn datagram(
        &mut self,
        place: u32,
        orientation: Orientation,
        payload: &[u8],
        wire_length: usize,
        bench: &mut Bench<'_>,
    ) -> Finding {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else {
            return Finding::Nothing;
        };
        let mut finding = Finding::Nothing;
        if let Analyser::Detector(detector) = &mut connection.analyser {
            let Some(decision) = detector.datagram(payload) else { return Finding::Nothing };
            let direction = connection.direction(orientation);
            finding = self.decided(place, decision, direction).0;
        }
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { return finding };
        let direction = connection.direction(orientation);
        connection.with_parser(bench, |parser, context| parser.datagram(context, direction, payload, wire_length));
        finding
    }

    /// Publishes what has waited too long.
    pub fn expire(&mut self, place: u32, bench: &mut Bench<'_>) {
        let Some(connection) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { return };
        let now_ns = bench.now_ns;
        connection.with_parser(bench, |parser, context| {
            if parser.deadline_ns().is_some_and(|deadline| deadline <= now_ns) {
                parser.expire(context);
            }
        });
    }

    /// When the parser wants [`Connections::expire`]; i64::MAX for never.
    pub fn deadline_ns(&self, place: u32) -> i64 {
        match self.slot(place).map(|connection| &connection.analyser) {
            Some(Analyser::Parser(parser)) => parser.deadline_ns().unwrap_or(i64::MAX),
            _ => i64::MAX,
        }
    }

    /// How long after its last packet the state is worth keeping.
    pub fn idle_limit_ns(&self, place: u32) -> i64 {
        let Some(connection) = self.slot(place) else { return 0 };
        let Analyser::Parser(parser) = &connection.analyser else { return self.idle_ns };
        let section = &self.registry.sections[usize::from(connection.section)];
        let limit_ns = section.options.transaction_timeout_ns.max(parser.idle_limit_ns());
        match connection.view.carrier {
            Carrier::Tcp => limit_ns.max(self.idle_ns),
            _ => limit_ns,
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
        connection.with_parser(bench, |parser, context| parser.finish(context));
        let Analyser::Parser(mut parser) = connection.analyser else { return };
        parser.reset();
        self.pools[usize::from(connection.section)].give(parser);
    }

    /// A turn of housekeeping: lets parsers go that are no longer needed.
    pub fn tidy(&mut self, now_ns: i64) {
        self.turns = self.turns.saturating_add(1);
        if self.turns >= POOL_TURNS && now_ns.saturating_sub(self.looked_ns) >= POOL_NS {
            (self.looked_ns, self.turns) = (now_ns, 0);
            self.pools.iter_mut().for_each(ParserPool::look);
            self.held.tidy();
        }
        self.pools.iter_mut().for_each(ParserPool::shed);
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

    /// Lets the parser work outside of its stream, if there is one.
    fn with_parser(&mut self, bench: &mut Bench<'_>, work: impl FnOnce(&mut dyn Parser, &mut Context<'_>)) {
        let Analyser::Parser(parser) = &mut self.analyser else { return };
        let section = usize::from(self.section);
        let mut writer = bench.writer.section(section, bench.now_ns, bench.counters).through(self.passage.as_ref());
        let mut context = Context { now_ns: bench.now_ns, flow: self.view, publisher: &mut writer };
        work(&mut **parser, &mut context);
    }

    fn give(&mut self, segment: &Segment<'_>, pool: &mut HeldPool, limits: &Limits, bench: &mut Bench<'_>) {
        self.with_stream(pool, limits, bench, |stream, lent| stream.segment(segment, lent));
    }

    /// Gives what a detector left to the parser that it chose, the bytes of the end that spoke first before the other's.
    fn give_again(
        &mut self,
        (first, first_ns): (Direction, i64),
        pool: &mut HeldPool,
        limits: &Limits,
        bench: &mut Bench<'_>,
    ) {
        let now_ns = bench.now_ns;
        self.with_stream(pool, limits, bench, |stream, lent| {
            stream.give_again(first, first_ns, lent);
            stream.give_again(first.opposite(), now_ns, lent);
        });
    }

    fn finish(&mut self, pool: &mut HeldPool, limits: &Limits, bench: &mut Bench<'_>) {
        self.with_stream(pool, limits, bench, |stream, lent| stream.finish(lent));
    }

    fn with_stream(
        &mut self,
        pool: &mut HeldPool,
        limits: &Limits,
        bench: &mut Bench<'_>,
        work: impl FnOnce(&mut tcp::Connection, &mut Lent<'_, ParserReceiver<'_>>),
    ) {
        let mut stream_counters = bench.counters.stream;
        let mut writer = bench
            .writer
            .section(usize::from(self.section), bench.now_ns, bench.counters)
            .through(self.passage.as_ref());
        let mut receiver = ParserReceiver {
            parser: match &mut self.analyser {
                Analyser::Parser(parser) => Some(&mut **parser),
                Analyser::Detector(detector) => Some(detector),
                Analyser::Nobody => None,
            },
            context: Context { now_ns: bench.now_ns, flow: self.view, publisher: &mut writer },
            now_ns: bench.now_ns,
        };
        let mut lent = Lent { receiver: &mut receiver, pool, limits, counters: &mut stream_counters };
        work(&mut self.stream, &mut lent);
        bench.counters.stream = stream_counters;
    }

    /// The other end is the client.
    fn turn(&mut self) {
        self.client = self.client.opposite();
        self.stream.turn();
        std::mem::swap(&mut self.view.client, &mut self.view.server);
    }
}

/// Gives a stream's bytes to a parser.
struct ParserReceiver<'a> {
    parser: Option<&'a mut dyn Parser>,
    context: Context<'a>,
    now_ns: i64,
}

impl Receiver for ParserReceiver<'_> {
    fn data(&mut self, direction: Direction, bytes: &[u8], time_ns: i64) -> Step {
        self.context.now_ns = time_ns;
        match &mut self.parser {
            Some(parser) => parser.data(&mut self.context, direction, bytes),
            None => Step::NotMine,
        }
    }

    fn gap(&mut self, direction: Direction, pending: &[u8], missing_bytes: u64, after_ns: i64) -> AfterGap {
        self.context.now_ns = if after_ns == i64::MIN { self.now_ns } else { after_ns };
        match &mut self.parser {
            Some(parser) => parser.gap(&mut self.context, direction, pending, missing_bytes),
            None => AfterGap::Restart,
        }
    }

    fn end(&mut self, direction: Direction, pending: &[u8], end: End) {
        self.context.now_ns = self.now_ns;
        if let Some(parser) = &mut self.parser {
            parser.end(&mut self.context, direction, pending, end);
        }
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
