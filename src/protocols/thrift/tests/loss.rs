// SPDX-License-Identifier: Apache-2.0
//! Bytes that are missing.

use super::*;

/// Sends a message with `missing` bytes of it lost behind the first `before`.
fn send_torn(bench: &mut Bench, direction: Direction, message: &[u8], before: usize, missing: usize) {
    bench.send(direction, &message[..before]);
    bench.lose(direction, missing as u32);
    bench.send(direction, &message[before + missing..]);
}

#[test]
fn a_hole_in_a_frame_costs_this_message_at_most() {
    let frame = in_frame(&reply("get", 1, &[&string_field(0, "some text"), &i32_field(1, 5)]));
    for before in 0..frame.len() {
        for missing in [1, 2, 5] {
            if before + missing > frame.len() {
                continue;
            }
            let mut bench = bench_with(framed());
            bench.send(ToServer, &[in_frame(&call("get", 1, &[])), in_frame(&call("next", 2, &[]))].concat());
            send_torn(&mut bench, ToClient, &frame, before, missing);
            bench.send(ToClient, &in_frame(&reply("next", 2, &[&i32_field(0, 2)])));
            let case = format!("{missing} bytes behind {before}: {:#?}", bench.events());
            let first = bench.events().iter().find(|event| event["method"] == "get");
            let next = bench.events().iter().find(|event| event["method"] == "next").expect(&case);
            assert_eq!(next["thrift"]["return_value"], "2", "{case}");
            if before >= 4 + 15 {
                let first = first.expect(&case);
                assert_eq!(first["error"]["message"], "Packet loss while capturing the response", "{case}");
            } else {
                assert!(first.is_none(), "{case}");
                bench.finish();
                let first = bench.events().last().expect(&case);
                assert_eq!(first["method"], "get", "{case}");
                assert_eq!(first["error"]["message"], "Packet loss while capturing the response", "{case}");
                assert_eq!(first["status"], "Error", "{case}");
            }
        }
    }
}

#[test]
fn a_hole_in_a_string_is_stepped_over() {
    let mut bench = bench();
    bench.send(ToServer, &call("get", 1, &[]));
    let message = reply("get", 1, &[&string_field(0, "some long text"), &i32_field(1, 5)]);
    send_torn(&mut bench, ToClient, &message, 15 + 7 + 4, 6);
    let event = only(&bench);
    assert_eq!(event["thrift"]["return_value"], "\"some...\"");
    assert_eq!(event["thrift"]["exceptions"], "(1: 5)");
    assert_eq!(event["destination"]["bytes"], message.len());
    assert_eq!(event["error"]["message"], "Packet loss while capturing the response");
}

#[test]
fn a_hole_elsewhere_ends_an_unframed_message_and_the_next_is_found() {
    let mut bench = bench();
    let list = field(LIST, 1, &[&[STRING, 0, 0, 0, 3][..], &["a", "b", "c"].map(string).concat()].concat());
    let message = call("put", 1, &[&list]);
    // In the length of the second element.
    send_torn(&mut bench, ToServer, &message, 15 + 3 + 5 + 5 + 2, 2);
    bench.send(ToClient, &reply("put", 1, &[]));
    bench.send(ToServer, &call("get", 2, &[]));
    bench.send(ToClient, &reply("get", 2, &[]));
    assert_eq!(pairs(&bench), expected(&[("put(1: [\"a\", ...])", ""), ("get()", "")]));
    assert_eq!(bench.events()[0]["error"]["message"], "Packet loss while capturing the request");
    assert_eq!(bench.events()[0]["status"], "OK");
}

#[test]
fn a_capture_that_begins_inside_a_message() {
    for (options, first) in [(options(), call("b", 2, &[])), (framed(), in_frame(&call("b", 2, &[])))] {
        let mut bench = bench_with(options);
        bench.send(ToServer, b"\x7fhalf a message\xff");
        bench.send(ToClient, b"\0");
        bench.lose(ToClient, 100);
        bench.send(ToServer, &first);
        bench.send(ToServer, b"");
        let answer = reply("b", 2, &[]);
        let framed = first.len() > 14;
        bench.send(ToClient, &if framed { in_frame(&answer) } else { answer });
        assert_eq!(pairs(&bench), expected(&[("b()", "")]));
    }
}

#[test]
fn an_end_inside_a_message() {
    let call = call("get", 1, &[&string_field(1, "text")]);
    let reply = reply("get", 1, &[&string_field(0, "text")]);
    type End = fn(&mut Bench);
    let ends: [End; 3] = [|bench| bench.fin(ToClient), |bench| bench.reset(ToServer), Bench::finish];
    for end in ends {
        let mut bench = bench();
        bench.send(ToServer, &call);
        bench.send(ToClient, &reply[..24]);
        end(&mut bench);
        let event = only(&bench);
        assert_eq!(event["thrift"]["return_value"], "\"te...\"");
        assert_eq!(event["error"]["message"], "The connection ended before the response was complete");
        assert_eq!(event["status"], "Error");
    }
    let mut bench = bench();
    bench.send(ToServer, &call[..24]);
    bench.reset(ToClient);
    let event = only(&bench);
    assert_eq!(event["query"], "get(1: \"te...\", ...)");
    assert_eq!(event["error"]["message"], "The connection ended before the request was complete");
}

#[test]
fn a_later_call_without_a_number_of_its_own_keeps_its_reply() {
    let mut bench = bench_with(framed());
    bench.send(ToServer, &in_frame(&call("ping", 0, &[])));
    bench.send(ToClient, &in_frame(&reply("ping", 0, &[])));
    let lost = in_frame(&reply("get", 0, &[]));
    bench.send(ToServer, &in_frame(&call("get", 0, &[])));
    bench.lose(ToClient, lost.len() as u32);
    bench.send(ToServer, &in_frame(&call("put", 0, &[])));
    bench.send(ToClient, &in_frame(&reply("put", 0, &[])));
    bench.send(ToServer, &in_frame(&call("get", 0, &[&i32_field(1, 7)])));
    bench.send(ToClient, &in_frame(&reply("get", 0, &[&string_field(0, "seven")])));
    let events = bench.events();
    assert_eq!(events.len(), 4, "{events:#?}");
    assert_eq!((&events[2]["query"], &events[2]["status"]), (&"get()".into(), &"Error".into()));
    assert_eq!(events[2]["error"]["message"], "Packet loss while capturing the response");
    assert_eq!((&events[3]["query"], &events[3]["status"]), (&"get(1: 7)".into(), &"OK".into()));
}
