// SPDX-License-Identifier: Apache-2.0
//! Connections byte by byte, and what is published of them.

mod options;
mod robustness;
mod urls;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{HttpFactory, Options};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, CommonOptions, Direction, Factory, ProtocolCounter};

use Direction::{ToClient, ToServer};

const TIMEOUT_NS: i64 = 10_000_000_000;

fn defaults() -> Options {
    Options::new(CommonOptions {
        ports: vec![80],
        send_request: false,
        send_response: false,
        transaction_timeout_ns: TIMEOUT_NS,
    })
}

fn factory(options: Options) -> HttpFactory {
    HttpFactory { options: Arc::new(options) }
}

fn bench_of(options: Options) -> Bench {
    Bench::new(factory(options).parser(), Carrier::Tcp, 80)
}

fn bench() -> Bench {
    bench_of(defaults())
}

/// Each event as `METHOD PATH status code note`, with `-` for what is missing.
fn summary(bench: &Bench) -> Vec<String> {
    bench.events().iter().map(line).collect()
}

fn line(event: &Json) -> String {
    let code = &event["http"]["response"]["status_code"];
    let note = match &event["error"]["message"] {
        Json::Null => String::new(),
        Json::String(note) => format!(" ({note})"),
        notes => format!(" {notes}"),
    };
    let code = if code.is_null() { "-".to_owned() } else { code.to_string() };
    format!("{} {} {code}{note}", event["query"].as_str().unwrap_or("-"), event["status"].as_str().unwrap_or("?"))
}

#[test]
fn a_transaction_has_the_common_fields() {
    let mut bench = bench();
    bench.send(
        ToServer,
        b"GET /a/b.txt?y=2&x=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: tester\r\nReferer: http://from/\r\n\r\n",
    );
    bench.send(ToClient, b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ngone!");
    assert_eq!(
        bench.events(),
        [json!({
            "@timestamp": "2023-11-14T22:13:20.001Z",
            "type": "http",
            "status": "Error",
            "method": "GET",
            "query": "GET /a/b.txt",
            "event": {
                "kind": "event", "category": ["network"], "type": ["connection", "protocol"], "dataset": "http",
                "start": "2023-11-14T22:13:20.001Z", "end": "2023-11-14T22:13:20.002Z", "duration": 1_000_000
            },
            "source": {"ip": "10.0.0.1", "port": 40000, "bytes": 95},
            "client": {"ip": "10.0.0.1", "port": 40000, "bytes": 95},
            "destination": {"ip": "10.0.0.2", "port": 80, "bytes": 76, "domain": "example.org"},
            "server": {"ip": "10.0.0.2", "port": 80, "bytes": 76, "domain": "example.org"},
            "network": {
                "type": "ipv4", "transport": "tcp", "protocol": "http", "bytes": 171
            },
            "related": {"ip": ["10.0.0.1", "10.0.0.2"], "hosts": ["example.org", "http://from/"]},
            "url": {
                "scheme": "http", "domain": "example.org", "path": "/a/b.txt", "query": "x=1&y=2", "extension": "txt",
                "full": "http://example.org/a/b.txt?x=1&y=2"
            },
            "user_agent": {"original": "tester"},
            "http": {
                "version": "1.1",
                "request": {
                    "method": "GET", "bytes": 95, "referrer": "http://from/", "headers": {"content-length": 0}
                },
                "response": {
                    "status_code": 404, "status_phrase": "not found", "bytes": 76, "body": {"bytes": 5},
                    "headers": {"content-length": 5, "content-type": "text/plain"}
                }
            }
        })]
    );
    assert_eq!(bench.count(ProtocolCounter::Messages), 2);
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 5);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut bench = bench();
    bench.send(
        ToServer,
        b"GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /4 HTTP/1.1\r\n\r\n",
    );
    bench.send(
        ToClient,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n\
          HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    );
    assert_eq!(summary(&bench), ["GET /1 OK 200", "HEAD /2 OK 200", "POST /3 OK 201", "GET /4 OK 304"]);
    let head = &bench.events()[1]["http"]["response"];
    assert_eq!(head["headers"]["content-length"], 999);
    assert!(head.get("body").is_none());
    assert!(bench.parser.deadline_ns().is_none());
}

#[test]
fn chunks_are_counted_without_their_framing_and_the_trailer_belongs_to_the_message() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
        4;name=\"a;b\"\r\nabcd\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n";
    bench.send_in(ToClient, answer, 1);
    bench.send(ToClient, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(summary(&bench), ["GET /c OK 200", "GET /d OK 204"]);
    let response = &bench.events()[0]["http"]["response"];
    assert_eq!(response["bytes"], answer.len());
    assert_eq!(response["body"]["bytes"], 14);
    assert_eq!(response["headers"]["content-length"], 14);
}

#[test]
fn broken_chunks_end_the_message() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX");
    bench.send(ToClient, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(summary(&bench), ["GET /c OK 200", "GET /d OK 204"]);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    // A size of more than 64 bits.
    bench.send(ToServer, b"GET /e HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n");
    assert_eq!(summary(&bench)[2], "GET /e OK 200");
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
}

#[test]
fn interim_responses_are_no_answers() {
    let mut bench = bench();
    bench.send(ToServer, b"POST /up HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 100 Continue\r\n\r\n");
    bench.send(ToServer, b"data");
    bench.send(
        ToClient,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(summary(&bench), ["POST /up OK 201"]);
    assert_eq!(bench.events()[0]["http"]["request"]["body"]["bytes"], 4);
    assert_eq!(bench.events()[0]["destination"]["bytes"], 43);
}

#[test]
fn a_refused_body_may_come_or_not() {
    let request = b"POST /up HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n";
    let refusal = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // It does not: what comes is the next request, whole and byte by byte.
    for size in [1, 100] {
        let mut bench = bench();
        bench.send(ToServer, request);
        bench.send(ToClient, refusal);
        bench.send_in(ToServer, b"GET /next HTTP/1.1\r\n\r\n", size);
        bench.send(ToClient, ok);
        assert_eq!(summary(&bench), ["POST /up Error 417", "GET /next OK 200"]);
    }
    // It comes all the same.
    let mut bench = bench();
    bench.send(ToServer, request);
    bench.send(ToClient, refusal);
    bench.send(ToServer, b"{\"some\": \"data\", \"of\": 40, \"bytes\": \"!\"}GET /next HTTP/1.1\r\n\r\n");
    bench.send(ToClient, ok);
    assert_eq!(summary(&bench), ["POST /up Error 417", "GET /next OK 200"]);
}

#[test]
fn an_answer_may_come_before_the_request_is_complete() {
    let mut bench = bench();
    bench.send(ToServer, b"PUT /big HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234");
    bench.send(ToClient, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), [""; 0]);
    bench.send(ToServer, b"56789GET / HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["PUT /big Error 413", "GET / OK 200"]);
    assert_eq!(bench.events()[0]["http"]["request"]["body"]["bytes"], 10);
}

#[test]
fn an_upgraded_connection_is_left_alone() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
    bench.send(ToServer, b"GET /this/is/no/request HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\n\r\n");
    bench.finish();
    assert_eq!(summary(&bench), ["GET /chat OK 101"]);
    assert!(bench.parser.idle_limit_ns() > TIMEOUT_NS);
}

#[test]
fn a_tunnel_is_left_alone_and_a_refused_one_is_not() {
    let connect = b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n";
    let mut first = bench();
    first.send(ToServer, connect);
    // A client that does not wait.
    first.send(ToServer, b"\x16\x03\x01\x02\x00\x01");
    first.send(ToClient, b"HTTP/1.1 200 Connection established\r\n\r\n");
    first.send(ToServer, b"\x16\x03\x01\x02\x00\x01");
    first.send(ToClient, b"HTTP/1.1 200 OK\r\n\r\n");
    first.finish();
    assert_eq!(summary(&first), ["CONNECT db.example:5432 OK 200"]);
    assert_eq!(first.events()[0]["url"], json!({"scheme": "http", "domain": "db.example", "port": 5432}));

    let mut second = bench();
    second.send(ToServer, connect);
    second.send(ToClient, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno");
    second.send(ToServer, b"GET / HTTP/1.1\r\n\r\n");
    second.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&second), ["CONNECT db.example:5432 Error 407", "GET / OK 200"]);
}

#[test]
fn http_2_is_left_alone() {
    let mut bench = bench();
    bench.send(ToServer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00");
    bench.send(ToClient, b"\x00\x00\x00\x04\x01\x00\x00\x00\x00");
    bench.finish();
    assert_eq!(summary(&bench), [""; 0]);
    assert!(bench.stream_counters().discarded_bytes > 0);
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /old HTTP/1.0\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nHTML");
    bench.send(ToClient, b" and more");
    assert_eq!(summary(&bench), [""; 0]);
    bench.fin(ToClient);
    assert_eq!(summary(&bench), ["GET /old OK 200"]);
    assert_eq!(bench.events()[0]["http"]["version"], "1.0");
    assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 13);
}

#[test]
fn a_server_that_forgets_the_length_of_nothing() {
    for size in [1, 1000] {
        let mut bench = bench();
        bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
        bench.send_in(ToClient, b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", size);
        assert_eq!(summary(&bench), ["GET /1 OK 200", "GET /2 OK 202"]);
    }
    // What only begins like an answer is the body after all.
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\n\r\nHTT");
    bench.fin(ToClient);
    assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 3);
}

#[test]
fn http_1_0_connections_may_stay_open() {
    let mut bench = bench();
    for path in ["/a", "/b"] {
        bench.send(ToServer, format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").as_bytes());
        bench.send(ToClient, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    }
    assert_eq!(summary(&bench), ["GET /a OK 200", "GET /b OK 200"]);
}

#[test]
fn nonsense_is_reported_when_it_is_refused() {
    for size in [1, 100] {
        let mut bench = bench();
        bench.send_in(ToServer, b"NONSENSE\r\n\r\n", size);
        bench.send(ToClient, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(summary(&bench), ["NONSENSE Error 400 (Malformed request line)"]);
        assert_eq!(bench.events()[0]["method"], "NONSENSE");
        assert_eq!(bench.events()[0]["source"]["port"], 40000);
    }
    // Without an answer, or with a good one, it was no request.
    let mut bench = bench();
    bench.send(ToServer, b"some text\r\n");
    bench.wait(TIMEOUT_NS);
    bench.finish();
    assert_eq!(summary(&bench), [""; 0]);
    let mut bench = self::bench();
    bench.send(ToServer, b"the end of a body\r\n");
    bench.send(ToClient, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["- Error 201 (Unmatched response)"]);
    // Binary is never kept.
    let mut bench = self::bench();
    bench.send(ToServer, b"\x16\x03\x01\n");
    bench.send(ToClient, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["- Error 400 (Unmatched response)"]);
}

#[test]
fn a_response_alone_has_the_server_as_source() {
    let mut bench = bench();
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(summary(&bench), ["- Error 200 (Unmatched response)"]);
    let event = &bench.events()[0];
    assert_eq!(event["source"], json!({"ip": "10.0.0.2", "port": 80}));
    assert_eq!(event["destination"], json!({"ip": "10.0.0.1", "port": 40000, "bytes": 40}));
    assert!(event["event"].get("start").is_none() && event["http"].get("version").is_none());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn roles_follow_the_messages_when_the_ends_are_mistaken() {
    let mut bench = bench();
    bench.send(ToClient, b"GET / HTTP/1.1\r\n\r\n");
    bench.send(ToServer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["GET / OK 200"]);
    assert_eq!(bench.events()[0]["source"]["ip"], "10.0.0.2");
}

#[test]
fn unanswered_requests_are_published_when_the_connection_is_idle() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    bench.wait(TIMEOUT_NS - 1);
    assert_eq!(summary(&bench), [""; 0]);
    bench.wait(1);
    assert_eq!(summary(&bench), ["GET /1 Error - (Unmatched request)", "GET /2 Error - (Unmatched request)"]);
    assert!(bench.events()[0]["event"].get("end").is_none());
    assert!(bench.parser.deadline_ns().is_none());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 2);
}

#[test]
fn an_idle_body_is_published_and_its_rest_skipped() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nten bytes.");
    assert!(bench.parser.idle_limit_ns() > 0);
    bench.wait(TIMEOUT_NS);
    assert_eq!(summary(&bench), ["GET /1 OK 200"]);
    assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 10);
    bench.send(ToServer, b"GET /2 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 500 Not Yet");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    bench.finish();
    assert_eq!(summary(&bench), ["GET /1 OK 200", "GET /2 OK 200"]);
}

#[test]
fn the_end_of_the_server_leaves_requests_unanswered() {
    for reset in [false, true] {
        let mut bench = bench();
        bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\n");
        match reset {
            false => bench.fin(ToClient),
            true => bench.reset(ToServer),
        }
        assert_eq!(summary(&bench), ["GET /1 Error - (Unmatched request)"]);
        bench.finish();
        assert_eq!(bench.events().len(), 1);
    }
    // One that comes after the server's end.
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    bench.fin(ToClient);
    bench.send(ToServer, b"GET /2 HTTP/1.1\r\n\r\n");
    assert_eq!(summary(&bench), ["GET /1 OK 200", "GET /2 Error - (Unmatched request)"]);
}

#[test]
fn the_client_may_close_its_half_before_the_answer() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /half HTTP/1.1\r\n\r\n");
    bench.fin(ToServer);
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(summary(&bench), ["GET /half OK 200"]);
}

#[test]
fn cut_off_messages_say_so() {
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this";
    let note = "GET /cut Error 200 (Response cut off by the end of the connection)";
    for reset in [false, true] {
        let mut bench = bench();
        bench.send(ToServer, b"GET /cut HTTP/1.1\r\n\r\n");
        bench.send(ToClient, response);
        match reset {
            false => bench.fin(ToClient),
            true => bench.reset(ToClient),
        }
        assert_eq!(summary(&bench), [note]);
        assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 9);
        assert_eq!(bench.events()[0]["http"]["response"]["headers"]["content-length"], 1000);
    }
    // In the header, with what is known of it.
    let mut bench = bench();
    bench.send(ToServer, b"GET /cut HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Type: text/pl");
    bench.fin(ToClient);
    assert_eq!(summary(&bench), [note]);
    // The request's body, which nobody answers.
    let mut bench = self::bench();
    bench.send(ToServer, b"POST /cut HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
    bench.reset(ToServer);
    assert_eq!(
        summary(&bench),
        [r#"POST /cut Error - ["Request cut off by the end of the connection","Unmatched request"]"#]
    );
    // At the end of the capture nothing is known to be cut off.
    let mut bench = self::bench();
    bench.send(ToServer, b"GET /cut HTTP/1.1\r\n\r\n");
    bench.send(ToClient, response);
    bench.finish();
    assert_eq!(summary(&bench), ["GET /cut OK 200"]);
}

#[test]
fn gaps_inside_a_counted_body_are_bridged() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
    bench.lose(ToClient, 80);
    bench.send(ToClient, b"0123456789HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n");
    assert_eq!(summary(&bench), ["GET /1 OK 200 (Packet loss while capturing the response)"]);
    assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 100);
    assert_eq!(bench.events()[0]["http"]["response"]["bytes"], 60);
    // A gap that ends where the body ends.
    bench.lose(ToClient, 10);
    bench.send(ToServer, b"GET /3 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        summary(&bench)[1..],
        ["GET /2 OK 201 (Packet loss while capturing the response)".to_owned(), "GET /3 OK 202".to_owned()]
    );
}

#[test]
fn gaps_inside_chunks_and_endless_bodies() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123");
    bench.lose(ToClient, 8);
    bench.send(ToClient, b"cdef\r\n0\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123");
    // The framing is lost with this one.
    bench.lose(ToClient, 20);
    bench.send(ToClient, b"rubbish of a chunk");
    bench.send(ToClient, b"HTTP/1.0 203 Until Close\r\n\r\nabc");
    bench.lose(ToClient, 20);
    bench.send(ToClient, b"def");
    bench.fin(ToClient);
    let loss = "(Packet loss while capturing the response)";
    assert_eq!(
        summary(&bench),
        [format!("GET /1 OK 200 {loss}"), format!("GET /2 OK 201 {loss}"), format!("GET /3 OK 203 {loss}")]
    );
    assert_eq!(bench.events()[0]["http"]["response"]["body"]["bytes"], 16);
    assert_eq!(bench.events()[2]["http"]["response"]["body"]["bytes"], 26);
}

#[test]
fn a_lost_answer_does_not_shift_the_others() {
    let lost = r#"GET /1 Error - ["Packet loss while capturing the response","Unmatched request"]"#;
    let mut first = bench();
    first.send(ToServer, b"GET /0 HTTP/1.1\r\n\r\n");
    first.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    first.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\n");
    first.lose(ToClient, 200);
    first.send(ToServer, b"GET /2 HTTP/1.1\r\n\r\n");
    // The gap shows with the next answer, which begins behind it.
    first.send(ToClient, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&first), ["GET /0 OK 200", lost, "GET /2 OK 202"]);
    let mut second = bench();
    second.send(ToServer, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    second.send(ToClient, b"HTTP/1.1 200 O");
    second.lose(ToClient, 200);
    second.send(ToClient, b"rest of a body");
    second.send(ToClient, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&second), [lost, "GET /2 OK 202"]);
    // The body of one and the header of the next.
    let mut third = bench();
    third.send(ToServer, b"GET /0 HTTP/1.1\r\n\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    third.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    third.lose(ToClient, 150);
    third.send(ToClient, b"body\r\n");
    third.send(ToClient, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&third), ["GET /0 OK 200 (Packet loss while capturing the response)", lost, "GET /2 OK 202"]);
}

#[test]
fn a_lost_request_leaves_its_answer_alone() {
    let mut bench = bench();
    bench.send(ToServer, b"GET /1 HTTP/1.1\r\nHost: a");
    bench.lose(ToServer, 50);
    bench.send(ToServer, b"tail of a header\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    bench.send(ToServer, b"GET /2 HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["- Error 400 (Unmatched response)", "GET /2 OK 200"]);
}

#[test]
fn lengths_that_contradict_each_other_count_as_none() {
    let mut bench = bench();
    bench.send(ToServer, b"POST /1 HTTP/1.1\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nuntil the end");
    bench.fin(ToClient);
    assert_eq!(summary(&bench), ["POST /1 OK 200", "GET /2 OK 200"]);
    assert_eq!(bench.events()[0]["http"]["request"]["body"]["bytes"], 3);
    assert_eq!(bench.events()[1]["http"]["response"]["body"]["bytes"], 13);
}

#[test]
fn a_parser_that_is_used_again_remembers_nothing() {
    let mut parser = factory(defaults()).parser();
    let mut fresh = Bench::new(factory(defaults()).parser(), Carrier::Tcp, 80);
    for _ in 0..2 {
        let mut used = Bench::new(parser, Carrier::Tcp, 80);
        used.send(ToServer, b"POST /1 HTTP/1.1\r\nContent-Length: 30\r\n\r\nabc");
        used.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Len");
        used.parser.reset();
        assert!(used.parser.deadline_ns().is_none());
        parser = used.parser;
    }
    let mut used = Bench::new(parser, Carrier::Tcp, 80);
    for bench in [&mut used, &mut fresh] {
        bench.send(ToServer, b"GET /2 HTTP/1.1\r\n\r\n");
        bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    assert_eq!(used.events(), fresh.events());
}
