// SPDX-License-Identifier: Apache-2.0
//! Which response belongs to which request.

use super::*;

fn queries(bench: &Bench) -> Vec<&str> {
    bench.events().iter().map(|event| event["cassandra"]["request"]["query"].as_str().unwrap_or_default()).collect()
}

#[test]
fn responses_in_any_order() {
    let mut bench = bench();
    bench.send(ToServer, &(0..100).flat_map(|stream| query(stream, &format!("SELECT {stream}"))).collect::<Vec<u8>>());
    let order: Vec<i16> = (0..100).map(|place| place * 37 % 100).collect();
    for stream in &order {
        bench.send(ToClient, &failure(*stream, &format!("answer {stream}")));
    }
    assert_eq!(bench.events().len(), 100);
    for (event, stream) in bench.events().iter().zip(&order) {
        assert_eq!(event["cassandra"]["request"]["query"], format!("SELECT {stream}"));
        assert_eq!(event["cassandra"]["response"]["error"]["msg"], format!("answer {stream}"));
    }
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn an_event_answers_nothing() {
    let mut bench = bench();
    bench.send(ToServer, &query(5, "SELECT 5"));
    bench.send(ToClient, &[response(-1, EVENT, &string("OTHER")), void(5)].concat());
    let [pushed, event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(pushed["cassandra"]["no_request"], true);
    assert_eq!(pushed["cassandra"]["response"]["event"]["type"], "OTHER");
    assert_eq!(event["cassandra"]["request"]["query"], "SELECT 5");
}

#[test]
fn a_response_without_a_request_is_counted() {
    let mut bench = bench();
    bench.send(ToClient, &void(5));
    bench.send(ToServer, &query(5, "SELECT 5"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    bench.send(ToClient, &void(5));
    assert_eq!(bench.events().len(), 1);
}

#[test]
fn a_stream_id_that_is_used_while_it_waits() {
    let mut bench = bench();
    bench.send(ToServer, &query(5, "old"));
    bench.send(ToServer, &query(5, "new"));
    bench.send(ToClient, &void(5));
    assert_eq!(queries(&bench), ["old", "new"]);
    assert_eq!(bench.events()[0]["error"]["message"], NO_RESPONSE);
    assert_eq!(bench.events()[0]["status"], "Error");
    assert_eq!(bench.events()[1]["status"], "OK");
    assert_eq!(bench.count(ProtocolCounter::DuplicateRequests), 1);
}

#[test]
fn unanswered_requests() {
    let mut options = Options::default();
    options.common.transaction_timeout_ns = 3_000_000_000;
    let mut bench = bench_with(options);
    bench.send(ToServer, &query(1, "first"));
    let begun_ns = bench.now_ns;
    assert_eq!(bench.parser.deadline_ns(), Some(begun_ns + 3_000_000_000));
    bench.wait(2_000_000_000);
    bench.send(ToServer, &query(2, "second"));
    bench.wait(999_000_000);
    assert_eq!(queries(&bench), ["first"]);
    let event = &bench.events()[0];
    assert_eq!(event["status"], "Error");
    assert_eq!(event["error"]["message"], NO_RESPONSE);
    assert!(event["event"].get("end").is_none() && event["event"].get("duration").is_none());
    assert!(event["cassandra"].get("response").is_none() && event["destination"].get("bytes").is_none());
    // It comes too late.
    bench.send(ToClient, &[void(1), void(2)].concat());
    assert_eq!(queries(&bench), ["first", "second"]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 1);
    bench.send(ToServer, &query(3, "third"));
    bench.finish();
    assert_eq!(bench.events()[2]["error"]["message"], ENDED);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn a_reversed_capture() {
    // The capture begins inside a connection, and the server's first segment is its first.
    let mut bench = bench();
    bench.send(ToServer, &void(9));
    bench.send(ToClient, &query(1, "SELECT 1"));
    bench.send(ToServer, &[void(1), response(-1, EVENT, &string("OTHER"))].concat());
    let [event, pushed] = bench.events() else { panic!("{:#?}", bench.events()) };
    for event in [event, pushed] {
        assert_eq!(event["source"]["ip"], "10.0.0.2");
        assert_eq!(event["destination"]["ip"], "10.0.0.1");
    }
    bench.send(ToClient, &query(2, "SELECT 2"));
    bench.fin(ToClient);
    assert_eq!(bench.events().len(), 2);
    bench.fin(ToServer);
    assert_eq!(bench.events().len(), 3);
}

#[test]
fn a_response_after_the_clients_fin() {
    let mut bench = bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.fin(ToServer);
    bench.send(ToClient, &void(1));
    bench.fin(ToClient);
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["status"], "OK");
}

#[test]
fn times_are_those_of_first_bytes() {
    let mut bench = bench();
    bench.send_in(ToServer, &query(1, "SELECT 1"), 8);
    bench.send_in(ToClient, &failure(1, "a longer message"), 8);
    // Three segments of the request, and the first of the response.
    assert_eq!(bench.events()[0]["event"]["duration"], 3_000_000);
}
