// SPDX-License-Identifier: Apache-2.0
//! Tests of DNS over TCP: framing, order, losses, zone transfers.

use super::*;

#[test]
fn messages_may_lie_in_any_segments() {
    let queries = [framed(&query(1, "one.org", A)), framed(&query(2, "two.org", A))].concat();
    let responses = [framed(&response(2, "two.org", A, &[])), framed(&response(1, "one.org", A, &[]))].concat();
    for size in [1, 2, 3, 7, 30, usize::MAX] {
        let mut bench = tcp();
        bench.send_in(ToServer, &queries, size);
        bench.send_in(ToClient, &responses, size);
        let names: Vec<&Json> = bench.events().iter().map(|event| &event["resource"]).collect();
        assert_eq!(names, ["two.org", "one.org"], "{size}");
        assert!(bench.events().iter().all(|event| event["status"] == "OK"));
        // The two bytes of length count.
        assert_eq!(bench.events()[0]["source"]["bytes"], query(2, "two.org", A).len() + 2);
    }
}

#[test]
fn a_gap_in_a_response_costs_this_response_alone() {
    let answer = framed(&response(1, "one.org", A, &[record("one.org", A, &[192, 0, 2, 1])]));
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.send(ToServer, &framed(&query(2, "two.org", A)));
    bench.send(ToClient, &answer[..10]);
    bench.lose(ToClient, 5);
    bench.send(ToClient, &[&answer[15..], &framed(&response(2, "two.org", A, &[]))].concat());
    let [one, two] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!((&one["resource"], notes(one)), (&json!("one.org"), json!(INCOMPLETE)));
    assert_eq!((&two["resource"], &two["status"]), (&json!("two.org"), &json!("OK")));
}

#[test]
fn a_gap_over_several_messages_starts_anew() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.send(ToServer, &framed(&query(2, "two.org", A)));
    bench.send(ToClient, &framed(&response(1, "one.org", A, &[]))[..3]);
    bench.lose(ToClient, 1000);
    bench.send(ToClient, &framed(&response(2, "two.org", A, &[])));
    let outcomes: Vec<(&Json, Json)> = bench.events().iter().map(|event| (&event["resource"], notes(event))).collect();
    // Only the length of the broken message was there, no id: the last query has to do.
    assert_eq!(outcomes, [(&json!("two.org"), json!(INCOMPLETE)), (&json!("two.org"), json!(ORPHAN))]);
}

#[test]
fn behind_a_gap_what_is_no_message_is_passed_over() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.send(ToClient, &framed(&response(1, "one.org", A, &[])));
    bench.send(ToServer, &framed(&query(2, "two.org", A)));
    bench.lose(ToClient, 1_000);
    // The rest of a message: its first two bytes as a length would swallow what follows.
    bench.send(ToClient, b"zzzz the rest of a lost message");
    bench.send_in(ToClient, &framed(&response(2, "two.org", A, &[])), 5);
    let outcomes: Vec<&Json> = bench.events().iter().map(|event| &event["status"]).collect();
    assert_eq!(outcomes, ["OK", "OK"]);
}

#[test]
fn a_response_that_ends_early_is_noted() {
    let answer = framed(&response(1, "one.org", A, &[]));
    for cut in 0..answer.len() {
        for reset in [false, true] {
            let mut bench = tcp();
            bench.send(ToServer, &framed(&query(1, "one.org", A)));
            bench.send(ToClient, &answer[..cut]);
            if reset {
                bench.reset(ToClient)
            } else {
                bench.fin(ToClient)
            }
            let note = if cut == 0 { NO_RESPONSE } else { INCOMPLETE };
            assert_eq!(bench.events().iter().map(notes).collect::<Vec<_>>(), [json!(note)], "{cut}");
            bench.finish();
            assert_eq!(bench.events().len(), 1);
        }
    }
}

#[test]
fn a_client_that_ends_first_still_gets_its_response() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.fin(ToServer);
    bench.send(ToClient, &framed(&response(1, "one.org", A, &[])));
    bench.fin(ToClient);
    assert_eq!(bench.events().iter().map(|event| &event["status"]).collect::<Vec<_>>(), ["OK"]);
}

#[test]
fn responses_that_cannot_be_read() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.send(ToClient, &framed(&[0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff]));
    bench.send(ToServer, &framed(&query(2, "two.org", A)));
    bench.send(ToClient, &[0, 0]);
    bench.send(ToServer, &framed(&query(3, "three.org", A)));
    bench.send(ToClient, &framed(&response(3, "three.org", A, &[])));
    let outcomes: Vec<Json> = bench.events().iter().map(notes).collect();
    assert_eq!(
        outcomes,
        [
            json!("Response: Message's data could not be decoded as DNS"),
            json!("Response: Message's length was set to zero"),
            Json::Null
        ]
    );
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
}

#[test]
fn another_protocol_is_left_alone() {
    let mut bench = tcp();
    for _ in 0..8 {
        bench.send(ToServer, &framed(b"no message"));
    }
    bench.send(ToServer, &framed(&query(1, "one.org", A)));
    bench.finish();
    assert_eq!(bench.events().len(), 0);
    assert!(bench.stream_counters().ignored_bytes > 0);
}

#[test]
fn a_zone_transfer_of_many_messages_is_one_event() {
    let messages: Vec<Vec<u8>> = [
        vec![soa("zone.org", 7), record("zone.org", NS, &name("ns.zone.org"))],
        vec![record("a.zone.org", A, &[192, 0, 2, 1]), record("b.zone.org", A, &[192, 0, 2, 2])],
        vec![record("c.zone.org", A, &[192, 0, 2, 3]), soa("zone.org", 7)],
    ]
    .iter()
    .map(|records| framed(&response(9, "zone.org", AXFR, records)))
    .collect();
    let all = messages.concat();
    for size in [1, 100, usize::MAX] {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
        bench.send_in(ToClient, &all, size);
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(event["status"], "OK");
        assert_eq!(event["destination"]["bytes"], all.len());
        assert_eq!(event["dns"]["answers_count"], 6);
        let types: Vec<&Json> =
            event["dns"]["answers"].as_array().expect("a list").iter().map(|answer| &answer["type"]).collect();
        assert_eq!(types, ["SOA", "NS", "A", "A", "A", "SOA"]);
        assert_eq!(event["dns"]["resolved_ip"], json!(["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
        assert!(
            event["response"].as_str().expect("a text").ends_with("192.0.2.2; 192.0.2.3; rname admin, ns"),
            "{}",
            event["response"]
        );
    }
}

#[test]
fn a_zone_transfer_that_is_broken_off_tells_its_part() {
    let part = framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7), record("zone.org", A, &[192, 0, 2, 1])]));
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
    bench.send(ToClient, &part);
    bench.wait(9_000_000_000);
    bench.send(ToClient, &framed(&response(9, "", AXFR, &[record("zone.org", A, &[192, 0, 2, 2])])));
    bench.wait(9_000_000_000);
    assert_eq!(bench.events().len(), 0, "the transfer was going on");
    bench.fin(ToClient);
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(notes(event), json!(INCOMPLETE));
    assert_eq!(event["dns"]["answers_count"], 3);
    assert_eq!((&event["dns"]["type"], &event["status"]), (&json!("answer"), &json!("Error")));
}

#[test]
fn a_zone_transfer_with_a_hole_is_one_event_that_says_so() {
    let messages = [
        framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7), record("a.zone.org", A, &[192, 0, 2, 1])])),
        framed(&response(9, "zone.org", AXFR, &[record("b.zone.org", A, &[192, 0, 2, 2])])),
        framed(&response(9, "zone.org", AXFR, &[record("c.zone.org", A, &[192, 0, 2, 3]), soa("zone.org", 7)])),
    ];
    let all = messages.concat();
    let ends = [messages[0].len(), messages[0].len() + messages[1].len()];
    // Within a message, a whole message, over a boundary, and the beginning.
    for (from, to) in
        [(ends[0] + 5, ends[0] + 20), (ends[0], ends[1]), (ends[0] - 7, ends[1]), (0, ends[0]), (0, ends[1])]
    {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
        // Something came before, so that a hole is seen as one.
        bench.send(ToServer, &framed(&query(8, "zone.org", A)));
        bench.send(ToClient, &framed(&response(8, "zone.org", A, &[])));
        bench.send(ToClient, &all[..from]);
        bench.lose(ToClient, (to - from) as u32);
        bench.send(ToClient, &all[to..]);
        bench.finish();
        let transfers: Vec<&Json> = bench.events().iter().filter(|event| event["dns"]["id"] == 9).collect();
        let [event] = transfers[..] else { panic!("{from}..{to}: {transfers:#?}") };
        assert_eq!(event["dns"]["question"]["type"], "AXFR");
        assert_eq!((&event["status"], notes(event)), (&json!("Error"), json!(INCOMPLETE)), "{from}..{to}");
    }
}

#[test]
fn a_large_zone_transfer_is_counted_and_not_kept() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
    let record = record("zone.org", A, &[192, 0, 2, 1]);
    let middle = framed(&response(9, "zone.org", AXFR, &vec![record; 2000]));
    bench.send(ToClient, &framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7)])));
    for _ in 0..50 {
        bench.send(ToClient, &middle);
    }
    bench.send(ToClient, &framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7)])));
    let [event] = bench.events() else { panic!("{} events", bench.events().len()) };
    assert_eq!(event["dns"]["answers_count"], 100_002);
    assert_eq!(event["dns"]["answers"].as_array().expect("a list").len(), 2_001);
    assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "192.0.2.1"]));
    assert_eq!(event["status"], "OK");
}

#[test]
fn an_incremental_transfer_ends_with_its_third_serial() {
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(9, "zone.org", IXFR)));
    let records = [soa("zone.org", 9), soa("zone.org", 7), soa("zone.org", 9), record("zone.org", A, &[192, 0, 2, 1])];
    for record in &records[..] {
        bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, std::slice::from_ref(record))));
    }
    // A lone SOA in the first message: the client is up to date.
    assert_eq!(bench.events().len(), 1 + 3);
    let mut bench = tcp();
    bench.send(ToServer, &framed(&query(9, "zone.org", IXFR)));
    bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, &records)));
    assert_eq!(bench.events().len(), 0);
    bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, &[soa("zone.org", 9)])));
    assert_eq!(bench.events().iter().map(|event| &event["dns"]["answers_count"]).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_refused_transfer_is_over_at_once() {
    let mut bench = tcp();
    let mut refused = response(9, "zone.org", AXFR, &[]);
    refused[3] |= 5;
    bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
    bench.send(ToClient, &framed(&refused));
    assert_eq!(bench.events()[0]["dns"]["response_code"], "REFUSED");
    assert_eq!(bench.events()[0]["status"], "Error");
}
