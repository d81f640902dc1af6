// SPDX-License-Identifier: Apache-2.0
//! What an event costs from the finished transaction to its bytes in the chunk: `cargo bench --bench encode [-- NAME…]`.
//!
//! Events are filled as the parsers fill those of typical transactions. `fill` is the common fields and the protocol's own,
//! `publish` what follows: direction, constants, processors, JSON, chunk. `--times=N --stage=fill|publish NAME` only runs, for
//! counting instructions.
//!
//! Limits: one worker, memory that is warm, branches that are foreseen better than among other work.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::net::IpAddr;

use rustix::time::{ClockId, clock_gettime};
use support::lane::Laboratory;
use wirebeat::event::{Event, Schema, Value, field};
use wirebeat::flow::{Selector, community_id};
use wirebeat::pipeline::counters::Counters;
use wirebeat::protocols::{
    Carrier, Common, Context, Direction, Endpoint, FlowView, ProtocolCounter, Publisher, Status,
};
use wirebeat::wire::{AddressPair, IpAddress};

const ROUNDS: usize = 9;
const TIMES: u64 = 20_000;
const BEGIN_NS: i64 = 1_760_000_000_123_456_789;

type Fill = fn(&mut Event);

/// Name, addresses, transport and the protocol's own fields of an event.
const EVENTS: &[(&str, [&str; 2], Carrier, Fill)] = &[
    ("http", ["10.20.30.40", "192.168.117.21"], Carrier::Tcp, http),
    ("http6", ["2001:db8:12:3::a1:40", "2001:db8:77::21"], Carrier::Tcp, http),
    ("mysql", ["10.20.30.40", "192.168.117.21"], Carrier::Tcp, mysql),
    ("dns", ["10.20.30.40", "192.168.117.21"], Carrier::Udp, dns),
    ("tls", ["10.20.30.40", "192.168.117.21"], Carrier::Tcp, tls),
    ("flow", ["10.20.30.40", "192.168.117.21"], Carrier::Tcp, flow),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fill,
    Publish,
}

fn main() {
    let (mut times, mut stage, mut names) = (None, Stage::Publish, Vec::new());
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        match argument.split_once('=') {
            Some(("--times", count)) => times = Some(count.parse().expect("--times is a number")),
            Some(("--stage", "fill")) => stage = Stage::Fill,
            Some(("--stage", "publish")) => {}
            None if EVENTS.iter().any(|(name, ..)| *name == argument) => names.push(argument),
            _ => {
                eprintln!("perf/encode: found {argument}; accepted are http, http6, mysql, dns, tls and flow");
                std::process::exit(2);
            }
        }
    }
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let chosen = |name: &str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    let mut benches: Vec<Bench<'_>> = EVENTS
        .iter()
        .filter(|(name, ..)| chosen(name))
        .map(|(name, addresses, carrier, fill)| Bench::new(&laboratory, name, addresses, *carrier, *fill))
        .collect();
    if let Some(times) = times {
        benches.iter_mut().for_each(|bench| bench.run(stage, times));
        return;
    }
    println!("{:<8}{:>8}{:>10}{:>10}{:>10}", "", "bytes", "fill", "publish", "together");
    println!("{:<8}{:>8}{:>10}{:>10}{:>10}", "event", "", "ns", "ns", "ns");
    for bench in &mut benches {
        let mut taken: [Vec<f64>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (stage, taken) in [Stage::Fill, Stage::Publish].into_iter().zip(&mut taken) {
                let begun = cpu_ns();
                bench.run(stage, TIMES);
                taken.push((cpu_ns() - begun) as f64 / TIMES as f64);
            }
        }
        // What else runs here only makes it slower.
        let [fill, whole] = taken.map(|times| times.into_iter().fold(f64::INFINITY, f64::min));
        let counters = &bench.counters;
        println!(
            "{:<8}{:>8}{:>10.0}{:>10.0}{:>10.0}",
            bench.name,
            counters.events_encoded_bytes / counters.events_encoded,
            fill,
            whole - fill,
            whole
        );
    }
}

struct Bench<'l> {
    name: &'static str,
    laboratory: &'l Laboratory,
    flow: FlowView,
    fill: Fill,
    filled: Filled,
    counters: Counters,
}

impl Bench<'_> {
    fn new<'l>(
        laboratory: &'l Laboratory,
        name: &'static str,
        addresses: &[&str; 2],
        carrier: Carrier,
        fill: Fill,
    ) -> Bench<'l> {
        let [client, server]: [IpAddr; 2] = addresses.map(|address| address.parse().expect("an address"));
        let pair = AddressPair { source: IpAddress::from(client), destination: IpAddress::from(server) };
        let (client, server) = (Endpoint { address: client, port: 51_234 }, Endpoint { address: server, port: 8_080 });
        let selector = Selector::Ports { source: client.port, destination: server.port };
        let community_id = Some(community_id(&pair, 6, selector, 0));
        Bench {
            name,
            laboratory,
            flow: FlowView { client, server, carrier, community_id },
            fill,
            filled: Filled(Event::new(std::sync::Arc::new(Schema::new([])))),
            counters: Counters::new(laboratory.sections()),
        }
    }

    fn run(&mut self, stage: Stage, times: u64) {
        let (mut writer, rings) = self.laboratory.writer();
        let flows = self.laboratory.sections();
        for number in 0..times {
            let now_ns = BEGIN_NS + number as i64 * 7_654_321;
            while let Some(mut chunk) = rings.full.pop() {
                chunk.clear();
                let _ = rings.empty.push(chunk);
            }
            let section = if self.name == "flow" { flows } else { 1 };
            let mut section = writer.section(section, now_ns, &mut self.counters);
            let is_filled_only = stage == Stage::Fill;
            if self.name == "flow" {
                let event = if is_filled_only { self.filled.begin() } else { section.begin() };
                ends_of_flow(event, black_box(&self.flow), now_ns);
                (self.fill)(event);
                match is_filled_only {
                    true => self.filled.publish(),
                    false => section.publish_flow(),
                }
                continue;
            }
            let publisher: &mut dyn Publisher = if is_filled_only { &mut self.filled } else { &mut section };
            let mut context = Context { now_ns, flow: *black_box(&self.flow), publisher };
            let common = Common {
                name: self.name,
                network_protocol: Some(self.name),
                requests: Direction::ToServer,
                start_ns: Some(now_ns - 1_234_567),
                end_ns: Some(now_ns),
                source_bytes: 417,
                destination_bytes: 12_345,
                status: Status::Ok,
                notes: &[],
                icmp: None,
            };
            context.publish(black_box(&common), self.fill);
        }
        writer.send();
    }
}

/// Events that nobody takes.
struct Filled(Event);

impl Publisher for Filled {
    fn begin(&mut self) -> &mut Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {
        black_box(&self.0);
    }

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

fn http(event: &mut Event) {
    let [host, path, agent] = black_box([
        "shop.example.com",
        "/catalogue/items/4711/pictures",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ]);
    event.text_if_any(field::METHOD, "GET");
    event.text_if_any(field::HTTP_REQUEST_METHOD, "GET");
    event.unsigned_if_any(field::HTTP_REQUEST_BYTES, 417);
    event.constant(field::HTTP_VERSION, "1.1");
    event.map(field::HTTP_REQUEST_HEADERS, |map| map.unsigned("content-length", 0));
    event.text_if_any(field::USER_AGENT_ORIGINAL, agent);
    event.text(field::DESTINATION_DOMAIN, host);
    event.text(field::SERVER_DOMAIN, host);
    event.append_unique(field::RELATED_HOSTS, host.as_bytes());
    event.constant(field::URL_SCHEME, "http");
    event.text_if_any(field::URL_DOMAIN, host);
    event.unsigned_if_any(field::URL_PORT, 8_080);
    event.text_if_any(field::URL_PATH, path);
    event.text_if_any(field::URL_QUERY, "size=large&page=2");
    event.text_if_any(field::URL_FULL, "http://shop.example.com:8080/catalogue/items/4711/pictures?size=large&page=2");
    event.text(field::QUERY, "GET /catalogue/items/4711/pictures");
    event.unsigned(field::HTTP_RESPONSE_STATUS_CODE, 200);
    event.text_if_any(field::HTTP_RESPONSE_STATUS_PHRASE, "ok");
    event.unsigned_if_any(field::HTTP_RESPONSE_BYTES, 12_345);
    event.unsigned_if_any(field::HTTP_RESPONSE_BODY_BYTES, 12_001);
    event.map(field::HTTP_RESPONSE_HEADERS, |map| {
        map.key("content-type").text("application/json");
        map.unsigned("content-length", 12_001);
    });
}

fn mysql(event: &mut Event) {
    let query = black_box(
        "SELECT customer.id, customer.name, SUM(line.price) FROM customer JOIN line ON line.customer = customer.id \
         WHERE customer.city = 'Berlin' GROUP BY customer.id ORDER BY 3 DESC LIMIT 20",
    );
    event.text(field::QUERY, query);
    event.text(field::METHOD, "SELECT");
    event.text(field::PATH, "shop.customer");
    event.unsigned(field::MYSQL_AFFECTED_ROWS, 0);
    event.unsigned(field::MYSQL_NUM_FIELDS, 3);
    event.unsigned(field::MYSQL_NUM_ROWS, 20);
}

fn dns(event: &mut Event) {
    let name = black_box("www.shop.example.com");
    event.format(field::QUERY, format_args!("class IN, type A, {name}"));
    event.constant(field::METHOD, "QUERY");
    event.text(field::RESOURCE, name);
    event.unsigned(field::DNS_ID, 51_966);
    event.constant(field::DNS_OP_CODE, "QUERY");
    event.constant(field::DNS_RESPONSE_CODE, "NOERROR");
    event.constant(field::DNS_TYPE, "answer");
    event.list(field::DNS_HEADER_FLAGS, |list| ["RD", "RA"].iter().for_each(|flag| list.constant(flag)));
    event.text(field::DNS_QUESTION_NAME, name);
    event.constant(field::DNS_QUESTION_TYPE, "A");
    event.constant(field::DNS_QUESTION_CLASS, "IN");
    event.text(field::DNS_QUESTION_REGISTERED_DOMAIN, "example.com");
    event.text(field::DNS_QUESTION_TOP_LEVEL_DOMAIN, "com");
    event.text(field::DNS_QUESTION_SUBDOMAIN, "www.shop");
    event.unsigned(field::DNS_ANSWERS_COUNT, 3);
    event.unsigned(field::DNS_AUTHORITIES_COUNT, 0);
    event.unsigned(field::DNS_ADDITIONALS_COUNT, 0);
    event.list(field::DNS_ANSWERS, |list| {
        for last in 1..4 {
            list.map(|map| {
                map.text("name", name);
                map.constant("type", "A");
                map.constant("class", "IN");
                map.format("ttl", format_args!("{}", 300));
                map.value("data", Value::Address(IpAddr::from([203, 0, 113, last])));
            });
        }
    });
    event.list(field::DNS_RESOLVED_IP, |list| {
        (1..4).for_each(|last| list.value(Value::Address(IpAddr::from([203, 0, 113, last]))));
    });
}

fn tls(event: &mut Event) {
    let name = black_box("shop.example.com");
    event.constant(field::TLS_VERSION, "1.3");
    event.constant(field::TLS_VERSION_PROTOCOL, "tls");
    event.boolean(field::TLS_ESTABLISHED, true);
    event.boolean(field::TLS_RESUMED, false);
    event.constant(field::TLS_CIPHER, "TLS_AES_128_GCM_SHA256");
    event.text(field::TLS_CLIENT_SERVER_NAME, name);
    event.text(field::TLS_CLIENT_JA3, "579ccef312d18482fc42e2b822ca2430");
    event.text(field::TLS_SERVER_JA3S, "f4febc55ea12b31ae17cfb7e614afda8");
    event.list(field::TLS_CLIENT_SUPPORTED_CIPHERS, |list| {
        for cipher in [
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ] {
            list.constant(cipher);
        }
    });
    event.text(field::DESTINATION_DOMAIN, name);
    event.text(field::SERVER_DOMAIN, name);
    event.append_unique(field::RELATED_HOSTS, name.as_bytes());
}

fn ends_of_flow(event: &mut Event, flow: &FlowView, now_ns: i64) {
    event.time(field::_TIMESTAMP, now_ns);
    event.constant(field::TYPE, "flow");
    event.constant(field::EVENT_KIND, "event");
    event.constant(field::EVENT_DATASET, "flow");
    event.constant(field::EVENT_ACTION, "network_flow");
    event.list(field::EVENT_CATEGORY, |list| list.constant("network"));
    event.list(field::EVENT_TYPE, |list| {
        list.constant("connection");
        list.constant("end");
    });
    event.time(field::EVENT_START, now_ns - 34_567_891_234);
    event.time(field::EVENT_END, now_ns - 30_000_000_000);
    event.signed(field::EVENT_DURATION, 4_567_891_234);
    event.address(field::SOURCE_IP, flow.client.address);
    event.address(field::DESTINATION_IP, flow.server.address);
    event.unsigned(field::SOURCE_PORT, u64::from(flow.client.port));
    event.unsigned(field::DESTINATION_PORT, u64::from(flow.server.port));
    event.constant(field::NETWORK_TYPE, "ipv4");
    event.constant(field::NETWORK_TRANSPORT, flow.carrier.name());
    if let Some(community_id) = flow.community_id {
        event.text(field::NETWORK_COMMUNITY_ID, community_id.as_str());
    }
}

fn flow(event: &mut Event) {
    event.boolean(field::FLOW_FINAL, true);
    event.text(field::FLOW_ID, "EAT/////AP//////CP8AAAHAqAEBwKgBAgECAwQFBgcICQo0EgEA");
    event.set(field::SOURCE_MAC, Value::Mac([2, 0x42, 0xac, 0x11, 0, 2]));
    event.set(field::DESTINATION_MAC, Value::Mac([2, 0x42, 0xac, 0x11, 0, 3]));
    event.unsigned(field::SOURCE_PACKETS, 12);
    event.unsigned(field::SOURCE_BYTES, 3_456);
    event.unsigned(field::DESTINATION_PACKETS, 17);
    event.unsigned(field::DESTINATION_BYTES, 45_678);
    event.unsigned(field::NETWORK_PACKETS, 29);
    event.unsigned(field::NETWORK_BYTES, 49_134);
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
