// SPDX-License-Identifier: Apache-2.0
//! When a handshake counts as complete, failed or resumed, and when its event comes.

use super::*;

const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[test]
fn a_handshake_of_tls_1_2() {
    let mut bench = play(&conversation_12(), usize::MAX);
    assert_eq!(bench.events().len(), 1, "published before the connection ends");
    bench.fin(ToServer);
    bench.fin(ToClient);
    let event = only_event(bench);
    assert_eq!(event["status"], "OK");
    assert_eq!(event["event"]["duration"], 3_000_000_000u64);
    assert_eq!(event["destination"]["domain"], "www.rec.test");
    assert_eq!(event["server"]["domain"], "www.rec.test");
    let tls = &event["tls"];
    assert_eq!(tls["version"], "1.2");
    assert_eq!(tls["version_protocol"], "tls");
    assert_eq!(tls["established"], true);
    assert_eq!(tls["resumed"], false);
    assert_eq!(tls["cipher"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(tls["curve"], "secp256r1");
    assert_eq!(tls["next_protocol"], "h2");
    assert_eq!(
        tls["client"]["supported_ciphers"],
        json!(["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])
    );
    assert_eq!(tls["detailed"]["version"], "TLS 1.2");
    assert_eq!(tls["detailed"]["ocsp_response"], "successful");
    assert_eq!(tls["detailed"]["client_certificate_requested"], true);
    assert_eq!(tls["detailed"]["server_certificate_chain"].as_array().unwrap().len(), 1);
    assert_eq!(event.get("error"), None);
}

#[test]
fn segments_and_records_change_nothing() {
    for conversation in [conversation_12(), conversation_13()] {
        let whole = only_event(play(&conversation, usize::MAX));
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(only_event(play(&conversation, size)), whole, "segments of {size}");
        }
        let refragmented: Vec<_> =
            conversation.iter().map(|(direction, bytes)| (*direction, in_records_of(bytes, 11))).collect();
        assert_eq!(only_event(play(&refragmented, usize::MAX)), whole);
        assert_eq!(only_event(play(&refragmented, 1)), whole);
    }
}

/// The same handshake messages in records of a few bytes, over the borders of messages.
fn in_records_of(bytes: &[u8], size: usize) -> Vec<u8> {
    let (mut out, mut messages, mut changed) = (Vec::new(), Vec::new(), false);
    let mut rest = bytes;
    while let [kind, _, _, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = &rest[5..5 + length];
        changed |= kind == 20;
        match kind {
            22 if !changed => messages.extend_from_slice(body),
            _ => {
                messages.chunks(size).for_each(|part| out.extend(record(22, part)));
                messages.clear();
                out.extend(record(kind, body));
            }
        }
        rest = &rest[5 + length..];
    }
    messages.chunks(size).for_each(|part| out.extend(record(22, part)));
    out
}

#[test]
fn tls_1_3_with_and_without_compatibility_mode() {
    let event = only_event(play(&conversation_13(), usize::MAX));
    assert_eq!(event["status"], "OK");
    assert_eq!(event["event"]["duration"], 2_000_000_000u64);
    assert_eq!(event["tls"]["version"], "1.3");
    assert_eq!(event["tls"]["resumed"], false, "the session id is echoed always");
    assert_eq!(event["tls"]["curve"], "x25519");

    let plain = vec![
        (ToServer, client_hello()),
        (ToClient, [server_hello_13(&[]), record(23, &[9; 900])].concat()),
        (ToServer, record(23, &[9; 53])),
    ];
    let bench = play(&plain, usize::MAX);
    assert_eq!(bench.events().len(), 1, "published before the connection ends");
    assert_eq!(only_event(bench), event);
}

#[test]
fn a_refusal_in_tls_1_3_is_an_encrypted_alert() {
    let mut conversation = conversation_13();
    conversation[2].1 = [CHANGE.to_vec(), record(23, &[9; 19])].concat();
    let event = only_event(play(&conversation, usize::MAX));
    assert_eq!(event["status"], "Error");
    assert_eq!(event["tls"]["established"], false);
    assert_eq!(event["event"].get("end"), None);
}

#[test]
fn a_retry_request_is_not_the_servers_hello() {
    let retry =
        handshake(2, &server_hello_body(&RETRY, &SESSION, 0x1302, &[extension(43, &[3, 4]), extension(51, &[0, 23])]));
    let conversation = vec![
        (ToServer, client_hello()),
        (ToClient, [retry, CHANGE.to_vec()].concat()),
        (ToServer, [CHANGE.to_vec(), client_hello()].concat()),
        (ToClient, [server_hello_13(&[]), record(23, &[9; 900])].concat()),
        (ToServer, record(23, &[9; 53])),
    ];
    for size in [1, usize::MAX] {
        let event = only_event(play(&conversation, size));
        assert_eq!(event["status"], "OK");
        assert_eq!(event["event"]["duration"], 4_000_000_000u64);
        assert_eq!(event["tls"]["cipher"], "TLS_AES_128_GCM_SHA256");
        assert_eq!(event["tls"]["curve"], "x25519");
    }
    for flights in 1..=3 {
        let event = only_event(play(&conversation[..flights], usize::MAX));
        assert_eq!(event["status"], "Error", "{flights}");
    }
}

#[test]
fn early_data_completes_nothing() {
    let mut extensions = usual_extensions();
    extensions.push(extension(42, b""));
    let hello = handshake(1, &client_hello_body(&SESSION, &[0x1301], &extensions));
    let mut conversation = vec![
        (ToServer, [hello, CHANGE.to_vec(), record(23, &[9; 500])].concat()),
        (ToClient, [server_hello_13(&[extension(41, &[0, 0])]), CHANGE.to_vec(), record(23, &[9; 100])].concat()),
    ];
    let event = only_event(play(&conversation, usize::MAX));
    assert_eq!(event["status"], "Error");
    conversation.push((ToServer, [record(23, &[9; 21]), record(23, &[9; 53])].concat()));
    let event = only_event(play(&conversation, usize::MAX));
    assert_eq!(event["status"], "OK");
    assert_eq!(event["tls"]["resumed"], true);
    assert_eq!(event["tls"]["detailed"]["resumption_method"], "psk");
}

#[test]
fn resumption_of_tls_1_2() {
    let resumed = |extensions: &[Vec<u8>], session: &[u8], answer: &[u8]| {
        let hello = handshake(1, &client_hello_body(session, &[0xc02f], extensions));
        let conversation = vec![
            (ToServer, hello),
            (ToClient, [server_hello_12(answer), CHANGE.to_vec(), record(22, &[9; 40])].concat()),
            (ToServer, [CHANGE.to_vec(), record(22, &[9; 40])].concat()),
        ];
        let event = only_event(play(&conversation, usize::MAX));
        assert_eq!(event["status"], "OK");
        (event["tls"]["resumed"].clone(), event["tls"]["detailed"]["resumption_method"].clone())
    };
    assert_eq!(resumed(&[], &SESSION, &SESSION), (json!(true), json!("id")));
    assert_eq!(resumed(&[extension(35, b"")], &SESSION, &SESSION), (json!(true), json!("id")));
    assert_eq!(resumed(&[extension(35, &[1; 176])], &SESSION, &SESSION), (json!(true), json!("ticket")));
    assert_eq!(resumed(&[extension(35, &[1; 176])], &[], &[]), (json!(true), json!("ticket")));
    assert_eq!(resumed(&[], &SESSION, &[8; 32]), (json!(false), Json::Null));
    // Only the server's hello so far: it may still ask for a full handshake.
    let begun = vec![(ToServer, client_hello()), (ToClient, server_hello_12(&SESSION))];
    assert_eq!(only_event(play(&begun, usize::MAX))["tls"]["resumed"], false);
}

#[test]
fn alerts_in_clear() {
    let mut bench = play(
        &[(ToServer, client_hello()), (ToClient, [record(21, &[1, 112]), record(21, &[2, 200])].concat())],
        usize::MAX,
    );
    bench.fin(ToClient);
    let event = only_event(bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(
        event["tls"]["detailed"]["alerts"],
        json!([
            {"severity": "warning", "code": 112, "type": "unrecognized_name", "source": "server"},
            {"severity": "fatal", "code": 200, "type": "(unknown:0xc8)", "source": "server"},
        ])
    );
    assert_eq!(event["tls"]["detailed"]["alert_types"], json!(["unrecognized_name", "(unknown:0xc8)"]));

    // The server refuses after the client's change.
    let mut refused = conversation_12();
    refused[3].1 = record(21, &[2, 40]);
    let mut bench = play(&refused, 1);
    bench.reset(ToClient);
    let event = only_event(bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["tls"]["detailed"]["alert_types"], json!(["handshake_failure"]));
}

#[test]
fn the_server_may_answer_a_client_that_left() {
    let hello = client_hello();
    let mut bench = bench();
    bench.send(ToServer, &hello[..70]);
    bench.fin(ToServer);
    assert!(bench.events().is_empty());
    bench.send(ToClient, &record(21, &[2, 50]));
    bench.fin(ToClient);
    let event = only_event(bench);
    assert_eq!(event["tls"]["detailed"]["alert_types"], json!(["decode_error"]));
    assert_eq!(event["error"]["message"], "The connection ended within the client hello");
}

#[test]
fn an_end_in_every_state() {
    for conversation in [conversation_12(), conversation_13()] {
        let complete = only_event(play(&conversation, usize::MAX));
        let total: usize = conversation.iter().map(|(_, bytes)| bytes.len()).sum();
        for length in (0..=total).step_by(7) {
            for how in 0..5 {
                let mut bench = play(&cut(&conversation, length), usize::MAX);
                match how {
                    0 => bench.fin(ToServer),
                    1 => bench.fin(ToClient),
                    2 => bench.reset(ToServer),
                    3 => bench.reset(ToClient),
                    _ => {}
                }
                bench.finish();
                // Six bytes are the header of a record and the type of a message.
                assert_eq!(bench.events().len(), usize::from(length >= 6), "{length} {how}");
                if let [event] = bench.events() {
                    assert_eq!(event["status"] == "OK", event["tls"]["established"] == true);
                    assert!(event["status"] == "Error" || event["tls"]["cipher"] == complete["tls"]["cipher"]);
                }
                assert_eq!(bench.parser.deadline_ns(), None);
            }
        }
    }
}

/// The first bytes of a conversation.
fn cut(conversation: &[(Direction, Vec<u8>)], length: usize) -> Vec<(Direction, Vec<u8>)> {
    let mut left = length;
    conversation
        .iter()
        .map(|(direction, bytes)| {
            let taken = bytes.len().min(left);
            left -= taken;
            (*direction, bytes[..taken].to_vec())
        })
        .collect()
}

#[test]
fn a_gap_in_every_place() {
    let conversation = conversation_12();
    let mut bridged = 0;
    for (flight, (_, bytes)) in conversation.iter().enumerate() {
        for start in (0..bytes.len()).step_by(5) {
            let lost = 12.min(bytes.len() - start);
            let mut bench = bench();
            for (other, (direction, bytes)) in conversation.iter().enumerate() {
                if other == flight {
                    bench.send(*direction, &bytes[..start]);
                    bench.lose(*direction, lost as u32);
                    bench.send(*direction, &bytes[start + lost..]);
                } else {
                    bench.send(*direction, bytes);
                }
            }
            bench.finish();
            assert!(bench.events().len() <= 1);
            for event in bench.events() {
                // What was lost is either of no interest, or the event says so.
                let complete = event["status"] == "OK";
                assert!(complete || event["error"]["message"].is_string() || flight == 0, "{flight} {start} {event:#}");
                bridged += usize::from(complete);
            }
        }
    }
    assert!(bridged > 100, "a gap inside a certificate does not end the handshake: {bridged}");
}

#[test]
fn what_comes_before_tls_is_passed_over() {
    let mut bench = bench();
    bench.send(ToClient, b"220 mail ESMTP\r\n");
    bench.send(ToServer, b"EHLO x\r\n");
    bench.send(ToClient, b"250 STARTTLS\r\n");
    bench.send(ToServer, b"STARTTLS\r\n");
    bench.send(ToClient, b"220 go ahead\r\n");
    for (direction, bytes) in conversation_13() {
        bench.send(direction, &bytes);
    }
    let event = only_event(bench);
    assert_eq!(event["status"], "OK");
    assert_eq!(event["event"]["duration"], 2_000_000, "the handshake begins with its hello");
}

#[test]
fn other_protocols_and_the_middle_of_connections_are_no_events() {
    let mut bench = bench();
    for _ in 0..100 {
        bench.send(ToServer, b"GET / HTTP/1.0\r\n\r\n");
        bench.send(ToClient, b"HTTP/1.0 200 OK\r\n\r\n");
    }
    bench.finish();
    assert!(bench.events().is_empty());

    let mut bench = self::bench();
    bench.send(ToServer, &record(23, &[1; 100]));
    bench.send(ToClient, &record(23, &[1; 100]));
    bench.send(ToServer, &[5; 1000]);
    bench.finish();
    assert!(bench.events().is_empty());
}

#[test]
fn encrypted_data_costs_nothing() {
    for conversation in [conversation_12(), conversation_13()] {
        let mut bench = play(&conversation, usize::MAX);
        let copied_bytes = bench.stream_counters().copied_bytes;
        let skipped = bench.count(ProtocolCounter::SkippedBytes);
        for _ in 0..100 {
            bench.send(ToServer, &[0x17; 1400]);
            bench.send(ToClient, &[0x17; 1400]);
        }
        assert_eq!(bench.stream_counters().copied_bytes, copied_bytes);
        assert_eq!(bench.count(ProtocolCounter::SkippedBytes), skipped, "the parser is not asked any more");
        assert_eq!(only_event(bench)["status"], "OK");
    }
}

#[test]
fn who_sent_the_client_hello_is_the_client() {
    let turned: Vec<_> =
        conversation_13().into_iter().map(|(direction, bytes)| (direction.opposite(), bytes)).collect();
    let event = only_event(play(&turned, usize::MAX));
    assert_eq!(event["status"], Status::Ok.name());
    assert_eq!(event["source"]["ip"], "10.0.0.2");
    assert_eq!(event["destination"]["domain"], "www.rec.test");
}

#[test]
fn a_hello_in_the_form_of_ssl_2_is_passed_over() {
    // Length 40, client hello, version 3.1; one cipher suite, no session, a challenge of 28 bytes.
    let old = [&[0x80, 40, 1, 3, 1, 0, 3, 0, 0, 0, 28, 0, 0, 0x2f][..], &[1; 28]].concat();
    let mut conversation = conversation_12();
    conversation[0].1 = old;
    for size in [1, usize::MAX] {
        let event = only_event(play(&conversation, size));
        assert_eq!(event["status"], "OK");
        assert_eq!(event["tls"]["cipher"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(event["tls"]["client"], Json::Null);
    }
}

#[test]
fn long_messages_are_counted_and_not_kept() {
    let mut bench = bench();
    // A client hello of 16 MB, in full records.
    bench.send(ToServer, &record(22, &[1, 0xff, 0xff, 0xff]));
    for _ in 0..20 {
        bench.send(ToServer, &record(22, &[0; 16_384]));
    }
    assert!(bench.stream_counters().copied_bytes < 64);
    bench.finish();
    assert_eq!(bench.events().len(), 1);
}

/// Takes events and drops them.
struct Sink(crate::event::Event);

impl crate::protocols::Publisher for Sink {
    fn begin(&mut self) -> &mut crate::event::Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _: ProtocolCounter, _: u64) {}
}

#[test]
fn memory_stays_bounded_and_is_used_again() {
    let mut sink = Sink(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut parser = TlsParser::new(Arc::new(Options::default()));
    let flow = bench().flow;
    let mut context = Context { now_ns: 1, flow, publisher: &mut sink };
    for _ in 0..3 {
        let conversation = conversation_12();
        for (direction, bytes) in &conversation[..3] {
            for part in bytes.chunks(100) {
                parser.data(&mut context, *direction, part);
            }
        }
        assert!(parser.kept_bytes() > 1000, "{}", parser.kept_bytes());
        parser.data(&mut context, ToClient, &conversation[3].1);
        assert_eq!(parser.kept_bytes(), 0, "the event is out, the connection lives on");
        parser.finish(&mut context);
    }
    // The longest messages that are kept at all, on both sides.
    for kind in [1, 11] {
        for direction in [ToServer, ToClient] {
            parser.data(&mut context, direction, &record(22, &[kind, 0, 0xff, 0xff]));
            for part in [0; 0xffff].chunks(16_000) {
                parser.data(&mut context, direction, &record(22, part));
            }
        }
    }
    assert!(parser.kept_bytes() > 100_000 && parser.kept_bytes() < 6 * 65_536, "{}", parser.kept_bytes());
    parser.finish(&mut context);
    assert_eq!(parser.kept_bytes(), 0);
}
