// SPDX-License-Identifier: Apache-2.0
use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::outputs::selector::{Letters, Rule, When};

fn format(text: &str) -> FormatString {
    FormatString::parse(text).unwrap()
}

fn routed(routing: &Routing, fill: impl FnOnce(&mut Event)) -> [String; 4] {
    let schema = Arc::new(Schema::new(["labels.team"]));
    let mut router = Router::new(routing, &schema);
    let mut event = Event::new(schema);
    fill(&mut event);
    let mut chunk = Chunk::new(0, 4096);
    let mut encoded = EncodedEvent::default();
    router.route(&event, 1_767_531_909_000_000_000, &mut chunk, &mut encoded);
    [encoded.destination, encoded.pipeline, encoded.key, encoded.id]
        .map(|span| String::from_utf8(chunk.bytes(span).to_vec()).unwrap())
}

#[test]
fn kafka_events_are_keyed_by_their_flow() {
    let routing = Routing { key: Some(format("%{[network.community_id]}")), ..Routing::default() };
    let set = |event: &mut Event| {
        event.text(field::NETWORK_COMMUNITY_ID, "1:abc=");
        event.text(field::_METADATA_RAW_INDEX, "an-index");
        event.text(field::_METADATA__ID, "7");
    };
    assert_eq!(routed(&routing, set), ["", "", "1:abc=", "7"], "an index is no topic");
    assert_eq!(routed(&routing, |_| {}), ["", "", "", ""]);
}

#[test]
fn the_index_of_a_protocol_wins_over_the_rules() {
    let by_type =
        Rule { when: When::Always, format: format("Web-%{[type]}-%{+yyyy}"), mappings: Vec::new(), default: None };
    let routing = Routing {
        raw_index: RawIndex::IsDestination,
        destination: Some(Selector { rules: vec![by_type], fallback: None, letters: Letters::Lowered }),
        pipeline: Some(Selector {
            fallback: Some(format("p-%{[destination.port]}-%{[source.ip]}")),
            ..Selector::default()
        }),
        ..Routing::default()
    };
    let set = |event: &mut Event| {
        event.text(field::TYPE, "http");
        event.unsigned(field::DESTINATION_PORT, 80);
        event.address(field::SOURCE_IP, IpAddr::from([10, 0, 0, 1]));
    };
    assert_eq!(routed(&routing, set), ["web-http-2026", "p-80-10.0.0.1", "", ""]);
    let own = routed(&routing, |event| {
        event.constant(field::TYPE, "http");
        event.text(field::_METADATA_RAW_INDEX, "own");
    });
    assert_eq!(own, ["own", "", "", ""]);
}

#[test]
fn a_rule_may_have_a_condition() {
    use crate::config::Configuration;
    let rule = |text: &str, name: &str| {
        let configuration = Configuration::from_text("test.yml", text).unwrap();
        let when = Condition::read(&configuration.root()).unwrap();
        Rule { when: When::Read(when), format: format(name), mappings: Vec::new(), default: None }
    };
    let selector = Selector {
        rules: vec![rule("equals: {type: dns}", "names"), rule("range: {destination.port.lt: 1024}", "low-%{[type]}")],
        fallback: Some(format("rest")),
        letters: Letters::Kept,
    };
    assert_eq!(selector.condition_names(), ["type", "destination.port"]);
    let routing = Routing { destination: Some(selector), ..Routing::default() };
    for (kind, port, expected) in [("dns", 53, "names"), ("http", 80, "low-http"), ("http", 8080, "rest")] {
        let found = routed(&routing, |event| {
            event.constant(field::TYPE, kind);
            event.unsigned(field::DESTINATION_PORT, port);
        });
        assert_eq!(found[0], expected, "{kind} {port}");
    }
}

#[test]
fn names_that_are_too_long_are_left_out() {
    let routing = Routing { key: Some(format("%{[labels.team]}%{[labels.team]}")), ..Routing::default() };
    for (length, expected) in [(LONGEST_BYTES / 2, LONGEST_BYTES), (LONGEST_BYTES / 2 + 1, 0), (LONGEST_BYTES + 1, 0)] {
        let key = routed(&routing, |event| {
            let team = event.schema().field("labels.team").unwrap();
            event.text(team, "x".repeat(length));
        });
        assert_eq!(key[2].len(), expected);
    }
}
