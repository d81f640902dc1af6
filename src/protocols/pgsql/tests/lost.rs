// SPDX-License-Identifier: Apache-2.0
//! Gaps, time-outs, ends, captures that begin or end anywhere.

use super::*;

const SECOND_NS: i64 = 1_000_000_000;
const REQUEST_LOSS: &str = "Packet loss while capturing the request";
const RESPONSE_LOSS: &str = "Packet loss while capturing the response";
const NO_RESPONSE: &str = "No response to this request was received";

#[test]
fn an_unanswered_query_is_reported_after_the_time_out() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT pg_sleep(60); SELECT 2"));
    bench.wait(9 * SECOND_NS);
    assert!(bench.events().is_empty());
    bench.wait(2 * SECOND_NS);
    assert_eq!(outcomes(&bench), [format!("Error SELECT pg_sleep(60) ({NO_RESPONSE})")]);
    assert!(bench.events()[0].get("destination").and_then(|end| end.get("bytes")).is_none());
    assert_eq!(bench.parser.deadline_ns(), None);
    // The late answer belongs to nobody else.
    bench.send(ToClient, &[&one_column("a", &[""])[..], &one_column("b", &["2"]), READY].concat());
    bench.send(ToServer, &query("SELECT 3"));
    bench.send(ToClient, &[&one_column("c", &["3"])[..], READY].concat());
    assert_eq!(outcomes(&bench)[1..], ["OK SELECT 3"]);
    assert_eq!(bench.events()[1]["response"], "c\n3\n");
}

#[test]
fn rows_keep_an_answer_from_timing_out() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT slowly"));
    bench.send(ToClient, &columns(&[("a", TEXT, 0)]));
    for _ in 0..5 {
        bench.wait(8 * SECOND_NS);
        bench.send(ToClient, &text_row(&["x"]));
    }
    bench.wait(11 * SECOND_NS);
    let note = "The response was not complete within the transaction timeout";
    assert_eq!(outcomes(&bench), [format!("Error SELECT slowly ({note})")]);
    assert_eq!(bench.events()[0]["pgsql"]["num_rows"], 5);
}

#[test]
fn the_end_of_a_connection_answers_what_waits() {
    let ended = "The connection ended before a response was received";
    let inside = "The connection ended before the response was complete";
    for how in ["fin", "reset", "finish"] {
        let mut bench = logged_in();
        bench.send(ToServer, &query("SELECT 1"));
        match how {
            "fin" => bench.fin(ToClient),
            "reset" => bench.reset(ToClient),
            _ => {}
        }
        bench.finish();
        assert_eq!(outcomes(&bench), [format!("Error SELECT 1 ({ended})")], "{how}");
        let mut bench = logged_in();
        bench.send(ToServer, &query("SELECT 1"));
        bench.send(ToClient, &columns(&[("a", TEXT, 0)]));
        bench.reset(ToClient);
        assert_eq!(outcomes(&bench), [format!("Error SELECT 1 ({inside})")]);
    }
}

#[test]
fn a_backend_that_was_terminated_says_why() {
    let mut bench = logged_in();
    bench.send(ToClient, &error("FATAL", "57P01", "terminating connection due to administrator command"));
    bench.fin(ToClient);
    bench.send(ToServer, &query("SELECT 'nobody there'"));
    bench.reset(ToServer);
    let event = only(&bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["pgsql"]["error_code"], "57P01");
    assert_eq!(event["query"], "SELECT 'nobody there'");
}

#[test]
fn a_gap_inside_the_rows() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT 1"));
    let long = "x".repeat(5000);
    let answer = one_column("a", &[&long]);
    // Inside one row: where it ends is known.
    bench.send(ToClient, &answer[..1000]);
    bench.lose(ToClient, 1460);
    bench.send(ToClient, &[&answer[2460..], READY].concat());
    assert_eq!(outcomes(&bench), [format!("OK SELECT 1 ({RESPONSE_LOSS})")]);
    assert_eq!(bench.events()[0]["pgsql"]["num_rows"], 1);
    bench.send(ToServer, &query("SELECT 2"));
    bench.send(ToClient, &[&one_column("b", &["2"])[..], READY].concat());
    assert_eq!(outcomes(&bench)[1], "OK SELECT 2");
}

#[test]
fn a_gap_over_several_rows_ends_the_answer() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT 1; SELECT 2"));
    let answer = [one_column("a", &["1", "2", "3", "4", "5"]), one_column("b", &["1"])].concat();
    bench.send(ToClient, &answer[..50]);
    bench.lose(ToClient, 30);
    bench.send(ToClient, &[&answer[80..], READY].concat());
    let lost = [format!("OK SELECT 1 ({RESPONSE_LOSS})"), format!("Error SELECT 2 ({RESPONSE_LOSS})")];
    assert_eq!(outcomes(&bench), lost);
    bench.send(ToServer, &query("SELECT 3"));
    bench.send(ToClient, &[&one_column("c", &["3"])[..], READY].concat());
    assert_eq!(outcomes(&bench)[2..], ["OK SELECT 3"]);
}

#[test]
fn an_answer_that_was_lost_shifts_none() {
    // Lost with its ReadyForQuery.
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT 1"));
    bench.lose(ToClient, 66);
    bench.send(ToServer, &query("SELECT 2"));
    bench.send(ToClient, &[&one_column("b", &["2"])[..], READY].concat());
    bench.send(ToServer, &query("SELECT 3"));
    bench.send(ToClient, &[&one_column("c", &["3"])[..], READY].concat());
    bench.finish();
    let outcomes = outcomes(&bench);
    assert_eq!(outcomes.last().map(String::as_str), Some("OK SELECT 3"), "{outcomes:?}");
    assert_eq!(bench.events().last().map(|event| &event["response"]), Some(&json!("c\n3\n")));
    assert!(outcomes.iter().all(|outcome| !outcome.starts_with("OK SELECT 1")), "{outcomes:?}");
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn a_gap_inside_a_query() {
    let mut bench = logged_in();
    let request = query(&format!("SELECT '{}'", "x".repeat(3000)));
    bench.send(ToServer, &request[..1000]);
    bench.lose(ToServer, 1000);
    bench.send(ToServer, &request[2000..]);
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    let event = only(&bench);
    assert_eq!(event["error"]["message"], REQUEST_LOSS);
    assert_eq!(event["status"], "OK");
    assert_eq!(event["source"]["bytes"], request.len());
    assert_eq!(event["query"].as_str().map(str::len), Some(995));
}

#[test]
fn a_gap_behind_a_parse() {
    let mut bench = logged_in();
    let request = [&parse("", "SELECT $1")[..], &bind("", "", &[]), &describe('P', ""), &execute(""), SYNC].concat();
    bench.send(ToServer, &request[..12]);
    bench.lose(ToServer, request.len() as u32 - 12);
    bench.send(ToClient, &[PARSED, BOUND, &one_column("a", &["x"]), READY].concat());
    bench.send(ToServer, &query("SELECT 2"));
    bench.send(ToClient, &[&one_column("b", &["2"])[..], READY].concat());
    bench.finish();
    assert_eq!(outcomes(&bench).last().map(String::as_str), Some("OK SELECT 2"));
    assert_eq!(bench.events().last().map(|event| &event["response"]), Some(&json!("b\n2\n")));
}

#[test]
fn a_capture_may_begin_anywhere() {
    let rest = [&text_row(&["1"])[..], &complete("SELECT 1"), READY].concat();
    for start in 0..rest.len() {
        let mut bench = bench();
        bench.send(ToClient, &rest[start..]);
        bench.send(ToServer, &query("SELECT 2"));
        bench.send(ToClient, &[&one_column("b", &["2"])[..], READY].concat());
        bench.finish();
        assert_eq!(outcomes(&bench), ["OK SELECT 2"], "{start}");
    }
    // The middle of a request.
    let request = query("SELECT first FROM somewhere");
    for start in 1..request.len() {
        let mut bench = bench();
        bench.send(ToServer, &request[start..]);
        bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
        bench.send(ToServer, &query("SELECT 2"));
        bench.send(ToClient, &[&one_column("b", &["2"])[..], READY].concat());
        assert_eq!(outcomes(&bench).last().map(String::as_str), Some("OK SELECT 2"), "{start}");
    }
}

#[test]
fn one_direction_only() {
    let mut bench = bench();
    for number in 0..5000 {
        bench.send(ToServer, &query(&format!("SELECT {number}")));
    }
    bench.finish();
    assert_eq!(bench.events().len(), 5000);
    let mut bench = super::bench();
    for _ in 0..100 {
        bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    }
    bench.finish();
    assert!(bench.events().is_empty());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 100);
    // A pipeline that nobody answers is bounded.
    let mut bench = logged_in();
    for number in 0..10_000 {
        let group = [parse("", &format!("SELECT {number}")), bind("", "", &[]), execute("")].concat();
        bench.send(ToServer, &group);
    }
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 8192);
    bench.finish();
    assert_eq!(bench.events().len(), 10_000);
}

#[test]
fn more_or_fewer_results_than_statements() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("SELECT 1; SELECT 2"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    bench.send(ToServer, &query("SELECT 3"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], &complete("INSERT 0 1"), READY].concat());
    bench.send(ToServer, &query("SELECT 4"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK SELECT 1", "OK SELECT 3", "OK SELECT 4"]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn many_results_without_statements_are_cheap() {
    // A megabyte of semicolons, and an answer to each: the text is searched once, not once for each.
    let mut bench = logged_in();
    bench.send(ToServer, &query(&format!("SELECT 1{}", ";".repeat((1 << 20) - 100))));
    let start = std::time::Instant::now();
    bench.send(ToClient, &complete("X").repeat(50_000));
    assert!(start.elapsed().as_secs() < 20);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 49_999);
}

#[test]
fn long_messages_in_one_byte_segments_are_cheap() {
    let mut bench = logged_in();
    let long = "x".repeat(300_000);
    let start = std::time::Instant::now();
    bench.send_in(ToServer, &query(&format!("SELECT '{long}'")), 1);
    bench.send_in(ToClient, &one_column("a", &[&long]), 1);
    bench.send(ToClient, READY);
    assert!(start.elapsed().as_secs() < 20);
    assert_eq!(only(&bench)["query"].as_str().map(str::len), Some(long.len() + 9));
}

#[test]
fn garbage_is_no_message() {
    let mut bench = bench();
    bench.send(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\n\r\n");
    bench.send(ToServer, &[0x51, 0xff, 0xff, 0xff, 0xff]);
    bench.send(ToServer, &[0, 0, 0, 3]);
    bench.send(ToServer, &untyped(b"\0\x07\0\0"));
    assert!(bench.events().is_empty());
    assert!(bench.count(ProtocolCounter::ParseFailures) >= 4);
    bench.send(ToServer, &query("SELECT 1"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK SELECT 1"]);
}
