// SPDX-License-Identifier: Apache-2.0
//! Lost bytes, and connections that end inside a message.

use super::*;

const LOSS: &str = "Packet loss while capturing the request";

/// Three messages with bodies.
fn conversation() -> [Vec<u8>; 3] {
    [1, 2, 3].map(|number| request("MESSAGE", number, "", &"b".repeat(60)))
}

#[test]
fn a_gap_costs_only_what_lies_in_it() {
    let all = conversation().concat();
    let length = all.len() / 3;
    let head = length - 60;
    for keep_original in [true, false] {
        for at in 0..all.len() {
            for lost in [1, 30, 61, length] {
                if at + lost >= all.len() {
                    continue;
                }
                let mut bench = bench_with(Options { keep_original, ..Options::default() }, Carrier::Tcp);
                bench.send(ToServer, &all[..at]);
                bench.lose(ToServer, lost as u32);
                bench.send(ToServer, &all[at + lost..]);
                bench.finish();
                let context = format!("{lost} bytes at {at}: {:?}", summary(&bench));
                for number in 1..=3 {
                    let (start, end) = ((number - 1) * length, number * length);
                    let found = bench.events().iter().filter(|event| event["event"]["sequence"] == number).count();
                    let hits_head = at < start + head && at + lost > start;
                    let hits_body = at < end && at + lost > start + head;
                    // The first one's start may have been the first bytes that were seen.
                    if !hits_head {
                        assert_eq!(found, 1, "{number} {context}");
                    }
                    let event = bench.events().iter().find(|event| event["event"]["sequence"] == number);
                    if let Some(event) = event
                        && keep_original
                        && hits_body
                        && !hits_head
                    {
                        assert_eq!(event["error"]["message"], LOSS, "{number} {context}");
                    } else if let Some(event) = event {
                        assert!(event.get("error").is_none(), "{number} {context}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_message_that_was_cut_is_no_other_message() {
    // The body is a message of its own (RFC 3420); lost bytes must not make it one.
    let fragment = String::from_utf8(response(200, "OK", 9, "")).unwrap();
    let all =
        [request("NOTIFY", 1, "Content-Type: message/sipfrag\r\n", &fragment), request("BYE", 2, "", "")].concat();
    let head = all.len() - request("BYE", 2, "", "").len() - fragment.len();
    let mut bench = tcp();
    bench.send(ToServer, &all[..head + 10]);
    bench.lose(ToServer, 20);
    bench.send(ToServer, &all[head + 30..]);
    assert_eq!(summary(&bench), [format!("sip-notify 1 {LOSS}"), "sip-bye 2 -".to_owned()]);
}

#[test]
fn every_prefix_and_every_end() {
    let all = conversation().concat();
    let length = all.len() / 3;
    let head = length - 60;
    for cut in 0..=length {
        for size in [1, usize::MAX] {
            for end in 0..3 {
                let mut bench = tcp();
                bench.send_in(ToServer, &all[..cut], size);
                match end {
                    0 => bench.fin(ToServer),
                    1 => bench.reset(ToClient),
                    _ => {}
                }
                bench.finish();
                let note = match (cut == length, end) {
                    (true, _) => "-",
                    (false, 2) => LOSS,
                    (false, _) => "Request cut off by the end of the connection",
                };
                let expected: Vec<String> =
                    (cut >= head).then(|| format!("sip-message 1 {note}")).into_iter().collect();
                assert_eq!(summary(&bench), expected, "{cut} {size} {end}");
                let failures = u64::from(cut > 0 && cut < head);
                assert_eq!(bench.count(ProtocolCounter::ParseFailures), failures, "{cut} {size} {end}");
            }
        }
    }
}

#[test]
fn datagrams_that_the_capture_cut_say_what_they_can() {
    let message = request("INVITE", 1, "", "hello");
    let line = message.iter().position(|byte| *byte == b'\n').unwrap();
    for length in 1..message.len() {
        let mut bench = udp();
        bench.cut_datagram(ToServer, &message[..length], message.len());
        match bench.events() {
            [] => assert!(length < line, "{length}"),
            events => assert_eq!(events[0]["error"]["message"], LOSS, "{length}"),
        }
        let mut bench = udp();
        bench.datagram(ToServer, &message[..length]);
        assert_eq!(bench.events().len() as u64 + bench.count(ProtocolCounter::ParseFailures), 1);
    }
}

#[test]
fn a_parser_is_as_new_after_reset() {
    let mut bench = tcp();
    let message = request("INVITE", 1, "", "hello");
    bench.send(ToServer, &message[..message.len() - 2]);
    bench.parser.reset();
    let mut next = tcp();
    std::mem::swap(&mut next.parser, &mut bench.parser);
    next.send(ToServer, &message);
    next.send(ToServer, b"garbage\r\n\r\n");
    next.parser.reset();
    assert_eq!(summary(&next), ["sip-invite 1 -"]);
    bench.parser = next.parser;
    let mut last = tcp();
    std::mem::swap(&mut last.parser, &mut bench.parser);
    last.send(ToServer, b"OPTIONS sip:x SIP/2.0\r\n\r\n");
    assert_eq!(summary(&last), ["sip-options null -"]);
    assert_eq!(last.parser.deadline_ns(), None);
}
