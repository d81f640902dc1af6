// SPDX-License-Identifier: Apache-2.0
//! What goes wrong with the traffic of each protocol: mutated, ended at every byte, begun in its middle, one direction only,
//! a hole at every place, a FIN or a reset in every state. Nothing panics, the balances hold, nothing is left behind, what is
//! missing is counted and noted.
//!
//! `WIREBEAT_TEST_ALL=1` (`make test-slow`) mutates each protocol's captures 100,000 times, else 1,000 times; the other tests try
//! every place as long as that costs no more than [`budget`].

mod support;

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::Value as Json;
use support::capture::{Capture, FIN, RST, SYN};
use support::damage::Sender;
use support::lane::{Analysis, Laboratory};
use support::{PROTOCOLS, everything, name_of, project, recorded};

/// Tests of each folder of `tests/recorded`, with the notes that loss must leave in `error.message`.
macro_rules! protocols {
    ($($protocol:ident: [$($note:literal),*],)+) => {
        $(mod $protocol {
            #[test]
            fn mutated() {
                super::mutated(stringify!($protocol));
            }

            #[test]
            fn ended_at_every_byte() {
                super::ended_at_every_byte(stringify!($protocol));
            }

            #[test]
            fn parts_missing() {
                super::parts_missing(stringify!($protocol), &[$($note),*]);
            }

            #[test]
            fn closed_in_every_state() {
                super::closed_in_every_state(stringify!($protocol));
            }
        })+

        #[test]
        fn every_protocol_is_here() {
            let here = BTreeSet::from([$(stringify!($protocol).to_string()),+]);
            let folders = std::fs::read_dir(project().join("tests/recorded")).expect("it is a folder");
            let folders = folders.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
            assert_eq!(here, folders.collect());
        }
    };
}

protocols! {
    amqp: ["Packet loss while capturing the message", "Close-ok method not received by sender", "Packet loss while capturing the request", "Packet loss while capturing the response"],
    cassandra: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    dhcpv4: [],
    dns: ["No response to this query was received", "Response: received without an associated Query", "Response: Message's data is incomplete"],
    express: ["Packet loss while capturing the request", "Packet loss while capturing the response", "Unmatched request", "Unmatched response"],
    http: ["Packet loss while capturing the request", "Packet loss while capturing the response", "Unmatched request", "Unmatched response"],
    icmp: ["Request was received without an associated response.", "Response was received without an associated request."],
    memcache: ["Packet loss while capturing the request", "Packet loss while capturing the response", "Invalid transaction. Request missing", "Unfinished transaction"],
    mongodb: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    mysql: ["Packet loss while capturing the request", "Packet loss while capturing the response", "The actual query being used is unknown"],
    nfs: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    pgsql: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    redis: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    sip: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    thrift: ["Packet loss while capturing the request", "Packet loss while capturing the response"],
    tls: ["Packet loss while capturing the handshake"],
}

/// Packets that a test of one protocol may analyse.
fn budget() -> usize {
    if everything() { 2_000_000 } else { 40_000 }
}

fn mutated(protocol: &str) {
    let laboratory = Laboratory::new(PROTOCOLS);
    let mut inputs = conversations(protocol);
    inputs.extend(captures(protocol));
    for seed in 0..if everything() { 100_000 } else { 1_000 } {
        let mut random = Rng::with_seed(seed);
        let (name, capture) = &inputs[random.usize(..inputs.len())];
        let mutated = capture.mutated(&mut random);
        laboratory.check(&mutated, &format!("{name} with seed {seed}"));
    }
}

fn ended_at_every_byte(protocol: &str) {
    let laboratory = Laboratory::new(PROTOCOLS);
    let places = |capture: &Capture| {
        let frames = capture.frames.iter().enumerate();
        frames.flat_map(|(place, frame)| (0..=frame.data.len()).map(move |bytes| (place, bytes))).collect()
    };
    every_place(protocol, places, |name, capture, (place, bytes)| {
        let what = format!("{name} ended at byte {bytes} of frame {}", place + 1);
        laboratory.check(&capture.ended_in(place, bytes), &what);
    });
}

fn parts_missing(protocol: &str, notes: &[&str]) {
    let laboratory = Laboratory::new(PROTOCOLS);
    let mut found = BTreeSet::new();
    let mut analyse = |capture: &Capture, what: &str| {
        let analysis = laboratory.analyse(capture);
        analysis.assert_sound(what);
        found.extend(noted(&analysis));
        analysis
    };
    for (name, capture) in conversations(protocol) {
        for sender in [Sender::LowToHigh, Sender::HighToLow] {
            analyse(&capture.only_from(sender), &format!("{name}, only {sender:?}"));
            let Some(place) = capture.first_from(sender) else { continue };
            analyse(&capture.begun_at(place + 1), &format!("{name} from behind the first message of {sender:?} on"));
            let what = format!("{name} without the first message of {sender:?}");
            let analysis = analyse(&capture.without(place), &what);
            assert_counted(&capture, place, &analysis, &what);
        }
    }
    every_place(protocol, every_frame, |name, capture, place| {
        analyse(&capture.begun_at(place), &format!("{name} from frame {} on", place + 1));
    });
    every_place(protocol, every_frame, |name, capture, place| {
        let what = format!("{name} without frame {}", place + 1);
        let analysis = analyse(&capture.without(place), &what);
        assert_counted(capture, place, &analysis, &what);
    });
    let bytes = |capture: &Capture| {
        let frames = capture.frames.iter().enumerate().filter(|_| capture.is_ethernet());
        let segments = frames.filter_map(|(place, frame)| Some((place, frame.segment()?.payload)));
        segments.flat_map(|(place, length)| (0..length).map(move |byte| (place, byte))).collect()
    };
    every_place(protocol, bytes, |name, capture, (place, byte)| {
        let what = format!("{name} without byte {byte} of the payload of frame {}", place + 1);
        let analysis = analyse(&capture.holed(place, byte), &what);
        assert_counted(capture, place, &analysis, &what);
    });
    println!("{protocol}: {found:?}");
    let missing: Vec<_> = notes.iter().filter(|note| !found.contains(**note)).collect();
    assert!(missing.is_empty(), "{protocol}: nothing says {missing:?}, but {found:?}");
}

fn closed_in_every_state(protocol: &str) {
    let laboratory = Laboratory::new(PROTOCOLS);
    let ends = |capture: &Capture| {
        let frames = 0..if capture.is_ethernet() { capture.frames.len() } else { 0 };
        let segments = frames.filter(|place| capture.frames[*place].segment().is_some());
        segments
            .flat_map(|place| [FIN, RST].map(|flag| [true, false].map(|by_sender| (place, flag, by_sender))))
            .flatten()
            .collect()
    };
    every_place(protocol, ends, |name, capture, (place, flag, by_sender)| {
        let Some(closed) = capture.closed_behind(place, flag, by_sender) else { return };
        let what = format!("{name}, {} behind frame {}", if flag == FIN { "FIN" } else { "reset" }, place + 1);
        laboratory.check(&closed, &what);
    });
}

/// The captures of a protocol.
fn captures(protocol: &str) -> Vec<(String, Capture)> {
    let paths = recorded().into_iter().filter(|path| name_of(path).starts_with(&format!("{protocol}/")));
    paths.map(|path| (name_of(&path), Capture::read(&path).expect("it is a pcap file"))).collect()
}

/// The conversations in them.
fn conversations(protocol: &str) -> Vec<(String, Capture)> {
    let of_capture = |(name, capture): (String, Capture)| {
        let conversations = capture.conversations().into_iter().enumerate();
        conversations.map(|(number, capture)| (format!("{name}, conversation {number}"), capture)).collect::<Vec<_>>()
    };
    captures(protocol).into_iter().flat_map(of_capture).collect()
}

fn every_frame(capture: &Capture) -> Vec<usize> {
    (0..capture.frames.len()).collect()
}

/// Calls a test with every place of every conversation, or with some of them where all would cost more packets than the budget.
fn every_place<P: Copy>(protocol: &str, places: impl Fn(&Capture) -> Vec<P>, mut test: impl FnMut(&str, &Capture, P)) {
    let conversations = conversations(protocol);
    let cost: usize = conversations.iter().map(|(_, capture)| places(capture).len() * capture.frames.len()).sum();
    let step = cost.div_ceil(budget()).max(1);
    let mut skip = 0;
    for (name, capture) in &conversations {
        let places = places(capture);
        places.iter().skip(skip).step_by(step).for_each(|place| test(name, capture, *place));
        // Goes on counting in the next conversation.
        skip = (skip + step - places.len() % step) % step;
    }
}

/// What follows a lost segment, in a connection that is seen from its beginning on, makes the loss known.
fn assert_counted(capture: &Capture, place: usize, analysis: &Analysis, what: &str) {
    let frame = &capture.frames[place];
    let Some(lost) = frame.segment().filter(|segment| capture.is_ethernet() && segment.payload > 0) else { return };
    let of_sender = capture.frames.iter().enumerate().filter_map(|(other, another)| {
        let segment = another.segment().filter(|_| other != place && another.ends() == frame.ends())?;
        Some((other, segment, segment.sequence.wrapping_sub(lost.sequence) as i32))
    });
    let opened = of_sender.clone().any(|(other, segment, _)| other < place && segment.flags & SYN != 0);
    let mut data = of_sender.filter(|(_, segment, _)| segment.payload > 0);
    let goes_on = data.clone().any(|(other, _, distance)| other > place && distance > 0);
    let comes_again = data.any(|(_, _, distance)| distance == 0);
    if opened && goes_on && !comes_again {
        let counters = &analysis.counters;
        let known = counters.stream.gaps + counters.stream.ignored_bytes + counters.payload_no_protocol_bytes;
        assert!(known > 0, "{what}: the loss is not counted");
    }
}

fn noted(analysis: &Analysis) -> Vec<String> {
    let messages = analysis.events.iter().map(|event| &event["error"]["message"]);
    let notes = messages.flat_map(|message| match message {
        Json::String(note) => vec![note.clone()],
        notes => notes.as_array().into_iter().flatten().filter_map(|note| note.as_str().map(str::to_owned)).collect(),
    });
    notes.collect()
}
