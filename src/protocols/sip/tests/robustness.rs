// SPDX-License-Identifier: Apache-2.0
//! Bytes in pieces, changed, and many; the memory that stays.

use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::protocols::replay;

fn recorded(theme: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/sip").join(theme)
}

#[test]
fn events_are_those_of_packetbeat() {
    let options = Arc::new(Options { addresses: Addresses::Packetbeat, ..Options::default() });
    for theme in ["answers", "calls", "tcp"] {
        let mut events = replay::events(
            &recorded(&format!("{theme}.pcap")),
            &Sip { options: options.clone() },
            Some(5060),
            usize::MAX,
        );
        let mut printed = replay::printed(&recorded(&format!("{theme}.packetbeat.ndjson")));
        for event in &mut events {
            // A field that Packetbeat does not fill.
            if let Some(session) = event["sip"].get_mut("sdp") {
                assert!(session.as_object_mut().unwrap().remove("media").is_some());
            }
            *event = replay::comparable(event.take());
        }
        for event in events.iter_mut().chain(&mut printed).filter(|_| theme == "tcp") {
            // Packetbeat takes TCP for UDP.
            let network = event["network"].as_object_mut().unwrap();
            ["transport", "iana_number", "community_id"].iter().for_each(|key| drop(network.remove(*key)));
        }
        let sorted = |events: &[Json]| {
            let mut texts: Vec<String> = events.iter().map(Json::to_string).collect();
            texts.sort();
            texts
        };
        assert_eq!(sorted(&events), sorted(&printed), "{theme}");
    }
}

#[test]
fn segmentation_changes_nothing() {
    let factory = Sip { options: Arc::default() };
    let whole = replay::events(&recorded("tcp.pcap"), &factory, Some(5060), usize::MAX);
    assert_eq!(whole.len(), 36);
    for size in [1, 2, 7] {
        assert_eq!(replay::events(&recorded("tcp.pcap"), &factory, Some(5060), size), whole, "{size}");
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x0073_6970);
    let more = "Contact: \"A \\\" B\" <sip:a@b;x=\"y\">;q=0.1\r\nAuthorization: Digest username=\"ann\", uri=\"sip:x\"\r\n\
        P-Asserted-Identity: <sip:z@b>\r\nP-Associated-URI: <sip:z@b>\r\nSubject: folded\r\n line\r\nc: application/sdp\r\n";
    let messages = [
        request("INVITE", 1, more, "v=0\r\no=- 1 2 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\nm=audio 1 RTP/AVP 0\r\n"),
        response(200, "OK", 2, "body"),
        request("BYE", 3, "", ""),
    ];
    let alphabet = b"\r\n \t:;,<>\"\\@[]=?/.0aZ\0\xff";
    for round in 0..1000 {
        let (mut stream, mut datagrams) = (tcp(), udp());
        for message in &messages {
            let mut bytes = message.clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..5) {
                    0 => bytes[at] = alphabet[random.usize(..alphabet.len())],
                    1 => bytes.insert(at, alphabet[random.usize(..alphabet.len())]),
                    2 => bytes.truncate(at.max(1)),
                    3 => drop(bytes.drain(at..(at + 20).min(bytes.len() - 1).max(at))),
                    _ => stream.lose(ToServer, 1 + random.u32(..100)),
                }
            }
            datagrams.datagram(ToServer, &bytes);
            stream.send_in(ToServer, &bytes, random.usize(1..400));
        }
        // The search finds a message again.
        stream.send(ToServer, b"\r\n\r\n");
        stream.send_in(ToServer, &request("OPTIONS", 7, "", "").repeat(3), 50);
        stream.finish();
        assert!(datagrams.events().len() <= 3);
        assert!(stream.events().len() <= 12, "{round}");
    }
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = fastrand::Rng::with_seed(7);
    let words: [&[u8]; 12] = [
        b"SIP/2.0",
        b" ",
        b"\r\n",
        b"\n",
        b"INVITE sip:a SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\n",
        b"l:",
        b"9",
        b"\r\n\r\n",
        b"v:x\n",
        b"\"",
        b"<",
    ];
    for _ in 0..1000 {
        let (mut stream, mut datagrams) = (tcp(), udp());
        for _ in 0..10 {
            let bytes =
                (0..random.usize(1..20)).flat_map(|_| words[random.usize(..words.len())].to_vec()).collect::<Vec<u8>>();
            stream.send(ToClient, &bytes);
            datagrams.datagram(ToClient, &bytes);
        }
        stream.finish();
    }
}

#[test]
fn long_headers_in_single_bytes_are_not_quadratic() {
    let begun = Instant::now();
    let mut bench = tcp();
    let long = format!("Subject: {}\r\n", "x".repeat(900_000));
    bench.send_in(ToServer, &request("INVITE", 1, &long, ""), 1);
    // Many short lines, many elements, a header that never ends, and start lines without a header.
    bench.send(ToServer, &request("INVITE", 2, &"Allow: a,b,c\r\n".repeat(60_000), ""));
    bench.send_in(ToServer, &b"INVITE sip:x SIP/2.0\r\n".repeat(60_000), 10);
    bench.send(ToServer, b"\r\n\r\n");
    bench.send(ToServer, &request("INVITE", 3, &format!("Allow: {}\r\n", "a,".repeat(100_000)), ""));
    assert_eq!(summary(&bench), ["sip-invite 1 -", "sip-invite 2 -", "sip-invite 3 -"]);
    assert_eq!(bench.events()[1]["sip"]["allow"].as_array().unwrap().len(), 192);
    assert_eq!(bench.events()[2]["sip"]["allow"].as_array().unwrap().len(), 256);
    // Quadratic work would be 4e11 steps.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn memory_returns_to_its_base() {
    struct Nobody(crate::event::Event);
    impl crate::protocols::Publisher for Nobody {
        fn begin(&mut self) -> &mut crate::event::Event {
            self.0.clear();
            &mut self.0
        }
        fn publish(&mut self) {}
        fn count(&mut self, _: ProtocolCounter, _: u64) {}
    }
    let mut nobody = Nobody(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut parser = SipParser::new(Arc::default());
    let base = parser.kept_bytes();
    let folded = format!("Accept: {}\r\n b\r\n", "A".repeat(100_000));
    let mut context = crate::protocols::Context { now_ns: 1, flow: udp().flow, publisher: &mut nobody };
    parser.datagram(&mut context, ToServer, &request("INVITE", 1, &folded, ""), 100_000);
    parser.data(&mut context, ToServer, &request("INVITE", 1, &folded, ""));
    parser.finish(&mut context);
    assert!(parser.kept_bytes() <= base + 4096, "{} {base}", parser.kept_bytes());
}
