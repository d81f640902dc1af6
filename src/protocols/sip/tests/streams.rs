// SPDX-License-Identifier: Apache-2.0
//! Messages in the bytes of TCP connections, and datagrams.

use super::*;

#[test]
fn messages_lie_anyhow_in_segments() {
    let parts = [
        request("INVITE", 1, "Content-Type: application/sdp\r\n", "v=0\r\ns=x\r\n"),
        request("ACK", 2, "", ""),
        // Keep-alives between messages (RFC 5626).
        b"\r\n\r\n\r\n".to_vec(),
        request("BYE", 3, "l: 0\r\n", ""),
    ];
    let all = parts.concat();
    let expected = ["sip-invite 1 -", "sip-ack 2 -", "sip-bye 3 -"];
    for size in [1, 2, 3, 100, usize::MAX] {
        let mut bench = tcp();
        bench.send_in(ToServer, &all, size);
        assert_eq!(summary(&bench), expected, "{size}");
        let originals: Vec<&str> =
            bench.events().iter().map(|event| event["event"]["original"].as_str().unwrap()).collect();
        assert_eq!(originals.concat().as_bytes(), [&parts[0][..], &parts[1], &parts[3]].concat(), "{size}");
        assert_eq!(bench.events()[0]["sip"]["sdp"]["session"]["name"], "x");
        assert_eq!(bench.events()[0]["network"]["iana_number"], "6");
        assert_eq!(bench.count(ProtocolCounter::Messages), 3);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0);
    }
    // The time is that of the first byte.
    let mut bench = tcp();
    bench.send_in(ToServer, &parts[0], 100);
    assert_eq!(only(&bench)["@timestamp"], "2023-11-14T22:13:20.001Z");
    assert_eq!(only(&bench)["event"]["end"], only(&bench)["event"]["start"]);
}

#[test]
fn both_directions_send_requests() {
    let mut bench = tcp();
    let (there, back) = (request("INVITE", 1, "", "abc"), request("BYE", 2, "", ""));
    bench.send(ToServer, &there[..50]);
    bench.send(ToClient, &back[..30]);
    bench.send(ToServer, &there[50..]);
    bench.send(ToClient, &back[30..]);
    assert_eq!(summary(&bench), ["sip-invite 1 -", "sip-bye 2 -"]);
    assert_eq!(bench.events()[1]["source"]["ip"], "10.0.0.2");
}

#[test]
fn without_a_length_a_message_over_tcp_has_no_body() {
    let mut bench = tcp();
    bench.send(ToClient, b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\nSIP/2.0 481 Gone\r\nCSeq: 2 BYE\r\n\r\n");
    assert_eq!(summary(&bench), ["sip-bye 1 -", "sip-bye 2 -"]);
}

#[test]
fn the_length_of_a_datagram() {
    let message = |length: &str, body: &str| {
        format!("MESSAGE sip:b SIP/2.0\r\nCSeq: 1 MESSAGE\r\n{length}\r\n{body}").into_bytes()
    };
    let original = |event: &Json| event["event"]["original"].as_str().unwrap().to_owned();
    // No length: to the end. A smaller length: what is behind it is ignored.
    let open = event_of(&message("", "hello"));
    assert!(original(&open).ends_with("\r\n\r\nhello") && open.get("error").is_none());
    let longer = event_of(&message("l: 2\r\n", "hello"));
    assert!(original(&longer).ends_with("\r\n\r\nhe") && longer.get("error").is_none());
    let shorter = event_of(&message("l: 9\r\n", "hello"));
    assert_eq!(shorter["error"]["message"], "Request is shorter than its Content-Length");
    let huge = event_of(&message("l: 99999999999999999999999\r\n", "hello"));
    assert!(huge["sip"].get("content_length").is_none());
    let headless = event_of(b"MESSAGE sip:b SIP/2.0\r\nCSeq: 1 MESSAGE");
    assert_eq!(headless["error"]["message"], "Request ends inside its header");
}

#[test]
fn datagrams_that_are_no_messages() {
    let mut bench = udp();
    for nothing in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"\r\n"] {
        bench.datagram(ToServer, nothing);
    }
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0);
    let others: [&[u8]; 8] = [
        b"jaK",
        b"\x00\x01\x00\x08!\x12\xa4B",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 abc\r\n\r\n",
        b"SIP/2.0 4294967301 x\r\n\r\n",
        b"INVITE sip:x SIP/x\r\n\r\n",
        b"INVITE  SIP/2.0\r\n\r\n",
        b": sip:x SIP/2.0\r\n\r\n",
    ];
    for other in others {
        bench.datagram(ToServer, other);
    }
    assert!(bench.events().is_empty(), "{:#?}", bench.events());
    // What begins with a zero is looked at behind it.
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 8);
}

#[test]
fn what_is_not_sip_is_left_alone() {
    let mut bench = tcp();
    bench.send_in(ToServer, &b"\x16\x03\x01 something else \n".repeat(20_000), 1400);
    assert!(bench.stream_counters().ignored_bytes > 0);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    // After a message the search does not end.
    let mut bench = tcp();
    bench.send(ToServer, &request("BYE", 1, "", ""));
    bench.send_in(ToServer, &b"garbage, ".repeat(60_000), 1400);
    bench.send(ToServer, &request("BYE", 2, "", ""));
    bench.send(ToServer, &request("BYE", 3, "", ""));
    assert_eq!(summary(&bench).last().unwrap(), "sip-bye 3 -");
    assert_eq!(bench.stream_counters().ignored_bytes, 0);
}

#[test]
fn a_connection_is_joined_in_the_middle() {
    let all =
        [request("INVITE", 1, "", "SIP/2.0 200 OK\r\n"), request("ACK", 2, "", ""), request("BYE", 3, "", "")].concat();
    let second = request("INVITE", 1, "", "SIP/2.0 200 OK\r\n").len();
    for start in 1..second {
        let mut bench = tcp();
        bench.send_in(ToServer, &all[start..], 7);
        assert_eq!(summary(&bench), ["sip-ack 2 -", "sip-bye 3 -"], "{start}");
    }
}
