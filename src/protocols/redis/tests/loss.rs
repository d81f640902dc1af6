// SPDX-License-Identifier: Apache-2.0
//! Lost bytes, and captures that begin in the middle: no answer may go to another command.

use super::*;

const RESPONSE_LOSS: &str = "Packet loss while capturing the response";

/// SET with a body of 100 bytes, in three parts: before, 50 bytes that are lost, behind.
fn set_in_parts() -> (Vec<u8>, u32, Vec<u8>) {
    let whole = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n", &[b'v'; 100][..], b"\r\n"].concat();
    (whole[..40].to_vec(), 50, whole[90..].to_vec())
}

#[test]
fn a_gap_inside_a_body_is_bridged() {
    let (before, lost, behind) = set_in_parts();
    let mut bench = bench();
    bench.send(ToServer, &before);
    bench.lose(ToServer, lost);
    bench.send(ToServer, &[&behind[..], &command("GET a")].concat());
    bench.send(ToClient, b"+OK\r\n$9\r\nab");
    bench.lose(ToClient, 4);
    bench.send(ToClient, b"ghi\r\n");
    let [set, get] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(set["query"], format!("SET k {}", "v".repeat(50)));
    assert_eq!(set["source"]["bytes"], 26 + 102);
    assert_eq!(set["error"]["message"], "Packet loss while capturing the request");
    assert_eq!(set["status"], "OK");
    assert_eq!(get["redis"]["return_value"], "abghi");
    assert_eq!(get["destination"]["bytes"], 15);
    assert_eq!(get["error"]["message"], RESPONSE_LOSS);
    assert_eq!(get["status"], "OK");
}

#[test]
fn lost_answers_of_a_pipeline() {
    let mut bench = bench();
    bench.send(ToServer, &[command("GET a"), command("GET b"), command("GET c")].concat());
    bench.send(ToClient, b"+1\r\n");
    bench.lose(ToClient, 4);
    bench.send(ToClient, b"+3\r\n");
    // The client goes on when it has all answers.
    bench.send(ToServer, &[command("GET d"), command("GET e")].concat());
    bench.send(ToClient, b"+4\r\n+5\r\n");
    let expected = expected(&[("GET a", "1"), ("GET b", "-"), ("GET c", "-"), ("GET d", "4"), ("GET e", "5")]);
    assert_eq!(pairs(&bench), expected);
    for event in &bench.events()[1..3] {
        assert_eq!(event["error"]["message"], RESPONSE_LOSS);
        assert_eq!(event["status"], "Error");
    }
}

#[test]
fn an_answer_of_which_the_end_is_lost() {
    let mut bench = bench();
    bench.send(ToServer, &[command("LRANGE l 0 -1"), command("GET b")].concat());
    bench.send(ToClient, b"*3\r\n+x\r\n");
    bench.lose(ToClient, 30);
    bench.send(ToClient, b"+y\r\n");
    bench.finish();
    let expected = expected(&[("LRANGE l 0 -1", "[x"), ("GET b", "-")]);
    assert_eq!(pairs(&bench), expected);
    assert_eq!(bench.events()[0]["error"]["message"], RESPONSE_LOSS);
    assert_eq!(bench.events()[0]["status"], "OK");
    assert_eq!(bench.events()[1]["error"]["message"], RESPONSE_LOSS);
}

#[test]
fn lost_commands_of_a_pipeline() {
    let mut bench = bench();
    bench.send(ToServer, &command("GET a"));
    bench.send(ToServer, b"*2\r\n$3\r\nGET\r\n$");
    bench.lose(ToServer, 20);
    bench.send(ToServer, &command("GET d"));
    // a, the one that was cut off, one unknown, d.
    bench.send(ToClient, b"+1\r\n+2\r\n+3\r\n+4\r\n");
    bench.send(ToServer, &command("GET e"));
    bench.send(ToClient, b"+5\r\n");
    let expected = expected(&[("GET a", "1"), ("GET", "2"), ("GET d", "-"), ("GET e", "5")]);
    assert_eq!(pairs(&bench), expected);
    assert_eq!(bench.events()[1]["error"]["message"], "Packet loss while capturing the request");
    assert_eq!(bench.events()[2]["error"]["message"], RESPONSE_LOSS);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 2);
}

#[test]
fn a_long_pipeline_goes_on_while_it_is_answered() {
    let mut bench = bench();
    bench.send(ToServer, &command("SET a 1"));
    bench.lose(ToServer, 2 * command("SET b 2").len() as u32);
    bench.send(ToServer, &[command("SET d 4"), command("SET e 5"), command("SET f 6")].concat());
    // a and two unknown ones: the server is still to answer d, e and f.
    bench.send(ToClient, b"+1\r\n+2\r\n+3\r\n");
    bench.send(ToServer, &command("GET g"));
    bench.send(ToClient, b"+4\r\n+5\r\n+6\r\n+7\r\n");
    bench.send(ToServer, &command("GET h"));
    bench.send(ToClient, b"+8\r\n");
    let expected = expected(&[
        ("SET a 1", "1"),
        ("SET d 4", "-"),
        ("SET e 5", "-"),
        ("SET f 6", "-"),
        ("GET g", "-"),
        ("GET h", "8"),
    ]);
    assert_eq!(pairs(&bench), expected);
}

#[test]
fn commands_that_came_late_behind_a_gap_were_answered_before() {
    let mut bench = bench();
    bench.send(ToServer, &command("GET a"));
    bench.send(ToClient, b"+1\r\n");
    // The frame with `GET b` is lost; those with `GET c` and `GET d` are held until that is certain.
    bench.send(ToClient, b"+2\r\n");
    bench.send(ToClient, b"+3\r\n");
    bench.send(ToClient, b"+4\r\n");
    bench.lose(ToServer, command("GET b").len() as u32);
    bench.send(ToServer, &[command("GET c"), command("GET d"), command("GET e")].concat());
    bench.send(ToClient, b"+5\r\n");
    bench.send(ToServer, &command("GET f"));
    bench.send(ToClient, b"+6\r\n");
    let expected = expected(&[("GET a", "1"), ("GET c", "-"), ("GET d", "-"), ("GET e", "-"), ("GET f", "6")]);
    assert_eq!(pairs(&bench), expected);
}

#[test]
fn a_capture_that_begins_inside_a_command() {
    let mut bench = bench();
    // The end of a value, then a whole command; the answers to both.
    bench.send(ToServer, &[b"ue with text\r\nand more\r\n$3\r\nabc\r\n", &command("GET a")[..]].concat());
    bench.send(ToClient, b"+1\r\n");
    bench.send(ToServer, b"GET inline\r\n");
    bench.send(ToClient, b"+2\r\n");
    assert_eq!(pairs(&bench), expected(&[("GET a", "1"), ("GET inline", "2")]));
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 33);
}

#[test]
fn a_capture_that_begins_inside_an_answer() {
    let mut bench = bench();
    bench.send(ToClient, b"abc\r\n+1\r\n");
    bench.send(ToServer, &command("GET a"));
    bench.send(ToClient, b"+2\r\n");
    assert_eq!(pairs(&bench), expected(&[("GET a", "2")]));
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 9);
}

#[test]
fn one_direction_only() {
    let mut bench = bench();
    bench.send(ToServer, &[command("GET a"), command("GET b")].concat());
    bench.finish();
    assert_eq!(pairs(&bench), expected(&[("GET a", "-"), ("GET b", "-")]));
    let mut bench = super::bench();
    bench.send(ToClient, b"+1\r\n+2\r\n");
    bench.finish();
    assert_eq!(bench.events().len(), 0);
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 8);
}

#[test]
fn a_gap_at_every_place_never_mixes_answers() {
    // Each command is answered by its own argument, so a wrong pair shows.
    let names = ["aa", "bb", "cc", "dd"];
    let ask: Vec<u8> = names.iter().flat_map(|name| command(&format!("GET {name}"))).collect();
    let answer: Vec<u8> = names.iter().flat_map(|name| format!("$2\r\n{name}\r\n").into_bytes()).collect();
    for (direction, stream) in [(ToServer, &ask), (ToClient, &answer)] {
        for at in 0..stream.len() {
            for lost in 1..=(stream.len() - at).min(45) {
                let mut bench = bench();
                for (other, whole) in [(ToServer, &ask), (ToClient, &answer)] {
                    if other != direction {
                        bench.send(other, whole);
                        continue;
                    }
                    bench.send(other, &whole[..at]);
                    bench.lose(other, lost as u32);
                    bench.send(other, &whole[at + lost..]);
                }
                bench.send(ToServer, &command("GET ee"));
                bench.send(ToClient, b"$2\r\nee\r\n");
                bench.finish();
                for event in bench.events() {
                    let word = event["query"].as_str().unwrap().trim_start_matches("GET").trim();
                    let shown = event["redis"]["return_value"].as_str().unwrap_or(word);
                    let damaged = event["error"]["message"].is_string();
                    assert!(damaged || shown == word, "{direction:?} {lost} at {at}: {event:#}");
                }
                let last = bench.events().last().unwrap();
                let bridged_to_the_end = direction == ToClient && at + lost == stream.len();
                assert!(last["query"] == "GET ee" || bridged_to_the_end, "{direction:?} {lost} at {at}: {last:#}");
            }
        }
    }
}
