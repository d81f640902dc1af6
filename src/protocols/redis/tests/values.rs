// SPDX-License-Identifier: Apache-2.0
//! Text of answers.

use super::super::line::{Line, LineScanner, number};
use super::*;

#[test]
fn text_of_every_type() {
    let cases: &[(&[u8], &str)] = &[
        (b"+OK\r\n", "OK"),
        (b"+\r\n", ""),
        (b":-12\r\n", "-12"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", "nil"),
        (b"*-1\r\n", "nil"),
        (b"*0\r\n", "[]"),
        (b"*1\r\n*0\r\n", "[[]]"),
        (b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+b\r\n", "[a, [1, nil], b]"),
        (b"*2\r\n*-1\r\n$0\r\n\r\n", "[nil, ]"),
        (b"*2\r\n-ERR x\r\n:1\r\n", "[ERR x, 1]"),
        // RESP3
        (b"_\r\n", "nil"),
        (b"#t\r\n", "true"),
        (b"*2\r\n#f\r\n_\r\n", "[false, nil]"),
        (b",1.5e3\r\n", "1.5e3"),
        (b",-inf\r\n", "-inf"),
        (b"(3492890328409238509324850943850943825024385\r\n", "3492890328409238509324850943850943825024385"),
        (b"=15\r\ntxt:Some string\r\n", "Some string"),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", "{a: 1, b: [2]}"),
        (b"%0\r\n", "{}"),
        (b"~2\r\n+a\r\n+b\r\n", "[a, b]"),
        (b"*2\r\n%1\r\n+a\r\n+b\r\n+c\r\n", "[{a: b}, c]"),
        // Attributes, at the top and inside
        (b"|1\r\n+ttl\r\n:3600\r\n:7\r\n", "7"),
        (b"*2\r\n:1\r\n|1\r\n+k\r\n*1\r\n:9\r\n:2\r\n", "[1, 2]"),
        (b"|0\r\n+x\r\n", "x"),
        // Streamed strings and aggregates
        (b"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;0\r\n", "Hello wor"),
        (b"*?\r\n:1\r\n*?\r\n:2\r\n.\r\n.\r\n", "[1, [2]]"),
        (b"%?\r\n+a\r\n:1\r\n.\r\n", "{a: 1}"),
        (b"*?\r\n.\r\n", "[]"),
    ];
    for (answer, shown) in cases {
        for size in [1, 2, usize::MAX] {
            let mut bench = bench();
            bench.send(ToServer, &[command("FIRST"), command("SECOND")].concat());
            bench.send_in(ToClient, &[answer, &b":5\r\n"[..]].concat(), size);
            assert_eq!(pairs(&bench), expected(&[("FIRST", shown), ("SECOND", "5")]), "{}", answer.escape_ascii());
            assert_eq!(bench.events()[0]["destination"]["bytes"], answer.len());
        }
    }
}

#[test]
fn what_is_no_answer() {
    let deep = b"*1\r\n".repeat(100);
    let cases: &[&[u8]] = &[
        b"hello\r\n",
        b":x\r\n",
        b":\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"*-2\r\n",
        b"%-1\r\n",
        b"#x\r\n",
        b",\r\n",
        b"_x\r\n",
        b".\r\n",
        b"*1\r\n.\r\n",
        b"*1\r\n\r\n",
        b"$99999999999999999999\r\n",
        b"$?\r\n+x\r\n",
        &deep,
    ];
    for answer in cases {
        let mut bench = bench();
        bench.send(ToServer, &command("FIRST"));
        bench.send(ToClient, answer);
        bench.send(ToServer, &command("SECOND"));
        bench.send(ToClient, b"+2\r\n");
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1, "{}", answer.escape_ascii());
        let events = bench.events();
        assert_eq!(events.len(), 2, "{events:#?}");
        assert_eq!(events[0]["error"]["message"], "Packet loss while capturing the response");
        assert_eq!(pairs(&bench)[1], ("SECOND", "2".to_owned()));
    }
}

#[test]
fn long_texts_are_cut_and_counted() {
    let mut bench = bench();
    let length = (1 << 20) + 1000;
    let value = vec![b'v'; length];
    let set = [format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\n").as_bytes(), &value, b"\r\n"].concat();
    bench.send_in(ToServer, &set, 1 << 16);
    bench.send(ToClient, b"+OK\r\n");
    bench.send(ToServer, &command("GET k"));
    bench.send_in(ToClient, &[format!("${length}\r\n").as_bytes(), &value, b"\r\n"].concat(), 1 << 16);
    let [set_event, get_event] = bench.events() else { panic!("two events") };
    assert_eq!(set_event["query"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(set_event["source"]["bytes"], set.len());
    assert_eq!(set_event["error"]["message"], "The request is longer than what is kept of it");
    assert_eq!(get_event["redis"]["return_value"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(get_event["error"]["message"], "The response is longer than what is kept of it");
    assert_eq!(get_event["status"], "OK");
}

#[test]
fn numbers() {
    assert_eq!(number(b"9223372036854775807"), Some(i64::MAX));
    assert_eq!(number(b"-9223372036854775808"), Some(i64::MIN));
    assert_eq!(number(b"+7"), Some(7));
    for wrong in [&b""[..], b"-", b"1x", b"9223372036854775808", b" 1", b"--1"] {
        assert_eq!(number(wrong), None);
    }
}

#[test]
fn lines() {
    let mut scanner = LineScanner::default();
    assert_eq!(scanner.line(b"ab", 10), Line::Incomplete);
    assert_eq!(scanner.line(b"ab\r\nc", 10), Line::Found { text: b"ab", length: 4 });
    assert_eq!(scanner.line(b"\n", 10), Line::Found { text: b"", length: 1 });
    assert_eq!(scanner.line(b"0123456789\n", 10), Line::TooLong);
    assert_eq!(scanner.line(b"012345678\n", 10), Line::Found { text: b"012345678", length: 10 });
}
