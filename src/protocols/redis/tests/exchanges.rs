// SPDX-License-Identifier: Apache-2.0
//! Commands and what belongs to them: fields, pipelines, inline commands, subscriptions, time-outs.

use super::*;

#[test]
fn fields_of_a_command() {
    let mut bench = bench();
    bench.send(ToServer, &command("set key3 me"));
    bench.send(ToClient, b"+OK\r\n");
    let event = only(&bench);
    assert_eq!(event["type"], "redis");
    assert_eq!(event["method"], "SET");
    assert_eq!(event["resource"], "key3");
    assert_eq!(event["query"], "set key3 me");
    assert_eq!(event["request"], "set key3 me");
    assert_eq!(event["response"], "OK");
    assert_eq!(event["event"]["action"], "redis.set");
    assert_eq!(event["event"]["outcome"], Json::Null);
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert_eq!(event["status"], "OK");
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&Json::from(31), &Json::from(5)));
    assert_eq!(event["error"], Json::Null);
}

#[test]
fn errors_are_failures() {
    let mut bench = bench();
    bench.send(ToServer, &command("FOO.BAR x"));
    bench.send(ToClient, b"-ERR unknown command 'FOO.BAR'\r\n");
    bench.send(ToServer, &command("EVAL x 0"));
    // A blob error of RESP3.
    bench.send(ToClient, b"!10\r\nERR a\r\nb!!\r\n");
    let [unknown, blob] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(unknown["method"], "FOO.BAR");
    assert_eq!(unknown["status"], "Error");
    assert_eq!(unknown["event"]["outcome"], "failure");
    assert_eq!(unknown["redis"]["error"], "ERR unknown command 'FOO.BAR'");
    assert_eq!(unknown["redis"]["return_value"], Json::Null);
    assert_eq!(blob["redis"]["error"], "ERR a\r\nb!!");
    assert_eq!(blob["status"], "Error");
}

#[test]
fn names_of_two_words() {
    for (sent, method, resource) in [
        ("config get maxmemory", "CONFIG GET", "maxmemory"),
        ("CLIENT SETNAME me", "CLIENT SETNAME", "me"),
        ("CLIENT TRACKING on", "CLIENT TRACKING", "on"),
        ("XINFO STREAM s", "XINFO STREAM", "s"),
        ("PUBSUB CHANNELS", "PUBSUB", "CHANNELS"),
        ("OBJECT ENCODING k", "OBJECT", "ENCODING"),
        ("CONFIG", "CONFIG", ""),
        ("DEBUG \u{1}", "DEBUG", "\u{1}"),
        ("PING", "PING", ""),
    ] {
        let mut bench = bench();
        bench.send(ToServer, &command(sent));
        bench.send(ToClient, b"+OK\r\n");
        let event = only(&bench);
        assert_eq!((&event["method"], &event["resource"]), (&Json::from(method), &Json::from(resource)), "{sent}");
        assert_eq!(event["event"]["action"], format!("redis.{}", method.to_lowercase()));
    }
}

#[test]
fn a_long_name_is_cut() {
    let mut bench = bench();
    bench.send(ToServer, &command(&"n".repeat(5000)));
    bench.send(ToClient, b"-ERR unknown\r\n");
    let event = only(&bench);
    assert_eq!(event["method"], "N".repeat(64));
    assert_eq!(event["query"], "n".repeat(5000));
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let mut bench = bench();
    bench.send(ToServer, &[command("SET a 1"), command("LPUSH a x"), command("GET a")].concat());
    bench.send(ToClient, b"+OK\r\n-WRONGTYPE no\r\n$1\r\n");
    assert_eq!(bench.events().len(), 2);
    bench.send(ToClient, b"1\r\n");
    assert_eq!(pairs(&bench), expected(&[("SET a 1", "OK"), ("LPUSH a x", "!WRONGTYPE no"), ("GET a", "1")]));
}

#[test]
fn an_answer_that_looks_like_a_command_is_an_answer() {
    let mut bench = bench();
    bench.send(ToServer, &command("LRANGE l 0 -1"));
    bench.send(ToClient, &command("GET a"));
    bench.send(ToServer, &command("LRANGE l 0 -1"));
    bench.send(ToClient, b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    bench.send(ToServer, &command("LRANGE l 0 -1"));
    bench.send(ToClient, b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    let answers: Vec<String> = pairs(&bench).into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers, ["[GET, a]", "[message, a, b]", "[subscribe, a, 1]"]);
}

#[test]
fn a_transaction() {
    let mut bench = bench();
    bench.send(ToServer, &[command("MULTI"), command("SET t 1"), command("INCR s"), command("EXEC")].concat());
    bench.send(ToClient, b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR no\r\n");
    let last = &bench.events()[3];
    assert_eq!(last["redis"]["return_value"], "[OK, ERR no]");
    assert_eq!(last["status"], "OK");
}

#[test]
fn inline_commands() {
    let mut bench = bench();
    bench.send(ToServer, b"PING\r\n\r\n  set  inline 'two words' \r\nECHO \"a\\x41\\n\"\nNOPE\r\n");
    bench.send(ToClient, b"+PONG\r\n+OK\r\n$3\r\naA\n\r\n-ERR unknown\r\n");
    let [ping, set, echo, nope] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!((&ping["query"], &ping["source"]["bytes"]), (&Json::from("PING"), &Json::from(6)));
    assert_eq!((&set["method"], &set["resource"]), (&Json::from("SET"), &Json::from("inline")));
    assert_eq!(set["query"], "set  inline 'two words'");
    assert_eq!(echo["resource"], "aA\n");
    assert_eq!(echo["redis"]["return_value"], "aA\n");
    assert_eq!(nope["status"], "Error");
}

#[test]
fn a_protocol_error_is_shown_with_its_answer() {
    for (sent, query) in [
        (&b"*1\r\n$-5\r\n"[..], "*1 $-5"),
        (b"*2\r\n$3\r\nGET\r\n:5\r\n", "*2 GET :5"),
        (b"*x\r\n", "*x"),
        (b"SET a 'open\r\n", "SET a 'open"),
    ] {
        let mut bench = bench();
        bench.send(ToServer, &command("PING"));
        bench.send(ToClient, b"+PONG\r\n");
        bench.send(ToServer, sent);
        bench.send(ToClient, b"-ERR Protocol error\r\n");
        bench.fin(ToClient);
        let event = &bench.events()[1];
        assert_eq!(event["query"], query);
        assert_eq!(event["redis"]["error"], "ERR Protocol error");
        assert_eq!(event["error"]["message"], "Not a valid command");
        assert_eq!(event["method"], Json::Null);
        assert_eq!(event["event"]["action"], Json::Null);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    }
}

#[test]
fn empty_arrays_are_no_commands() {
    let mut bench = bench();
    bench.send(ToServer, &[&command("GET a")[..], b"*0\r\n*-1\r\n", &command("GET b")].concat());
    bench.send(ToClient, b"$-1\r\n+x\r\n");
    assert_eq!(pairs(&bench), expected(&[("GET a", "nil"), ("GET b", "x")]));
}

/// A published message, RESP2.
const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n";

#[test]
fn subscriptions_of_resp2() {
    let mut bench = bench();
    bench.send(ToServer, &command("SUBSCRIBE news sport"));
    bench.send(ToClient, b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    assert_eq!(bench.events().len(), 0);
    bench.send(ToClient, MESSAGE);
    bench.send(ToClient, b"*3\r\n$9\r\nsubscribe\r\n$5\r\nsport\r\n:2\r\n");
    bench.send(ToServer, &command("PSUBSCRIBE w*"));
    bench.send(ToClient, b"*4\r\n$8\r\npmessage\r\n$2\r\nw*\r\n$2\r\nwe\r\n$1\r\nx\r\n");
    bench.send(ToClient, b"*3\r\n$10\r\npsubscribe\r\n$2\r\nw*\r\n:3\r\n");
    bench.send(ToServer, &command("PING"));
    bench.send(ToClient, MESSAGE);
    bench.send(ToClient, b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    // All channels; the pattern stays.
    bench.send(ToServer, &command("UNSUBSCRIBE"));
    bench.send(ToClient, b"*3\r\n$11\r\nunsubscribe\r\n$5\r\nsport\r\n:2\r\n");
    bench.send(ToClient, b"*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    bench.send(ToServer, &command("UNSUBSCRIBE"));
    bench.send(ToClient, b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
    bench.send(ToServer, &command("QUIT"));
    bench.send(ToClient, b"+OK\r\n");
    let expected = expected(&[
        ("SUBSCRIBE news sport", "[[subscribe, news, 1], [subscribe, sport, 2]]"),
        ("PSUBSCRIBE w*", "[psubscribe, w*, 3]"),
        ("PING", "[pong, ]"),
        ("UNSUBSCRIBE", "[[unsubscribe, sport, 2], [unsubscribe, news, 1]]"),
        ("UNSUBSCRIBE", "[unsubscribe, nil, 1]"),
        ("QUIT", "OK"),
    ]);
    assert_eq!(pairs(&bench), expected);
    assert_eq!(bench.events()[0]["destination"]["bytes"], 67);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
}

#[test]
fn pushes_of_resp3() {
    let mut bench = bench();
    bench.send(ToServer, &command("SUBSCRIBE news"));
    bench.send(ToClient, b">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    bench.send(ToServer, &command("LRANGE l 0 -1"));
    bench.send(ToClient, b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
    bench.send(ToClient, b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    bench.send(ToClient, MESSAGE);
    let expected = expected(&[("SUBSCRIBE news", "[subscribe, news, 1]"), ("LRANGE l 0 -1", "[message, news, hi]")]);
    assert_eq!(pairs(&bench), expected);
}

#[test]
fn shards_are_counted_apart() {
    let mut bench = bench();
    bench.send(ToServer, &command("SSUBSCRIBE a b"));
    bench.send(ToClient, b"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:2\r\n");
    bench.send(ToClient, b"*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
    bench.send(ToServer, &command("SUNSUBSCRIBE"));
    bench.send(
        ToClient,
        b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n",
    );
    let answers: Vec<String> = pairs(&bench).into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers, ["[[ssubscribe, a, 1], [ssubscribe, b, 2]]", "[[sunsubscribe, a, 1], [sunsubscribe, b, 0]]"]);
}

#[test]
fn a_subscription_that_is_refused_or_queued_has_one_answer() {
    let mut bench = bench();
    bench.send(ToServer, &[command("SUBSCRIBE a b c"), command("PING")].concat());
    bench.send(ToClient, b"-NOPERM no\r\n+PONG\r\n");
    assert_eq!(pairs(&bench), expected(&[("SUBSCRIBE a b c", "!NOPERM no"), ("PING", "PONG")]));
}

#[test]
fn lines_of_monitor_are_no_answers() {
    let mut bench = bench();
    bench.send(ToServer, &command("MONITOR"));
    bench.send(ToClient, b"+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n");
    bench.send(ToServer, &command("QUIT"));
    bench.send(ToClient, b"+1339518084.2 [0 127.0.0.1:60866] \"get\" \"a\"\r\n+OK\r\n");
    assert_eq!(pairs(&bench), expected(&[("MONITOR", "OK"), ("QUIT", "OK")]));
}

#[test]
fn commands_that_are_answered_by_nothing() {
    let mut bench = bench();
    for line in ["CLIENT REPLY SKIP", "SET a 1", "GET a", "CLIENT REPLY OFF", "SET a 2", "CLIENT REPLY ON", "GET a"] {
        bench.send(ToServer, &command(line));
    }
    bench.send(ToClient, b"+1\r\n+OK\r\n+2\r\n");
    bench.send(ToServer, &command("REPLCONF ACK 5"));
    bench.finish();
    let mut pairs = pairs(&bench);
    pairs.sort();
    let mut expected = expected(&[
        ("CLIENT REPLY SKIP", "-"),
        ("SET a 1", "-"),
        ("GET a", "1"),
        ("CLIENT REPLY OFF", "-"),
        ("SET a 2", "-"),
        ("CLIENT REPLY ON", "OK"),
        ("GET a", "2"),
        ("REPLCONF ACK 5", "-"),
    ]);
    expected.sort();
    assert_eq!(pairs, expected);
    assert!(bench.events().iter().all(|event| event["status"] == "OK"));
}

#[test]
fn replication_is_left_alone() {
    let mut bench = bench();
    bench.send(ToServer, &command("PSYNC ? -1"));
    bench.send(ToClient, b"\n\n+FULLRESYNC 8371 1\r\n$5\r\nREDIS*1\r\n$4\r\nPING\r\n");
    bench.send(ToServer, &command("REPLCONF ACK 5"));
    bench.finish();
    assert_eq!(pairs(&bench), expected(&[("PSYNC ? -1", "FULLRESYNC 8371 1")]));
    let mut bench = super::bench();
    bench.send(ToServer, &command("SYNC"));
    bench.send(ToClient, b"\n$5\r\nREDIS*1\r\n$4\r\nPING\r\n");
    bench.finish();
    assert_eq!(pairs(&bench), expected(&[("SYNC", "-")]));
    assert_eq!(bench.events()[0]["status"], "OK");
}

#[test]
fn tls_is_left_alone() {
    let mut bench = bench();
    bench.send(ToServer, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03*1\r\n$4\r\nPING\r\n");
    bench.send(ToServer, &command("PING"));
    bench.send(ToClient, b"+PONG\r\n");
    bench.finish();
    assert_eq!(bench.events().len(), 0);
}

#[test]
fn an_unanswered_command_is_published_after_the_time_out() {
    let mut bench = bench();
    bench.send(ToServer, &[command("BLPOP l 0"), command("GET a")].concat());
    bench.wait(9_999_000_000);
    assert_eq!(bench.events().len(), 0);
    bench.wait(1_000_000);
    // What comes late belongs to nobody else.
    bench.send(ToServer, &command("GET b"));
    bench.send(ToClient, b"*2\r\n$1\r\nl\r\n$1\r\nv\r\n$1\r\na\r\n$1\r\nb\r\n");
    let [blocked, waited, answered] = bench.events() else { panic!("{:#?}", bench.events()) };
    for event in [blocked, waited] {
        assert_eq!(event["status"], "Error");
        assert_eq!(event["event"]["outcome"], "failure");
        assert_eq!(event["error"]["message"], "No response to this request was received");
        assert_eq!(event["redis"], Json::Null);
        assert_eq!(event["destination"]["bytes"], Json::Null);
    }
    assert_eq!((&answered["query"], &answered["redis"]["return_value"]), (&Json::from("GET b"), &Json::from("b")));
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 2);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 2);
}

#[test]
fn a_slow_answer_is_waited_for_while_it_comes() {
    let mut bench = bench();
    bench.send(ToServer, &command("GET a"));
    bench.wait(9_000_000_000);
    bench.send(ToClient, b"$8\r\nab");
    bench.wait(9_000_000_000);
    bench.send(ToClient, b"cd");
    bench.wait(9_000_000_000);
    assert_eq!(bench.events().len(), 0);
    bench.wait(1_000_000_000);
    let event = only(&bench);
    assert_eq!(event["redis"]["return_value"], "abcd");
    assert_eq!(event["error"]["message"], "The response was not complete within the transaction timeout");
    bench.send(ToServer, &command("GET b"));
    bench.send(ToClient, b"efgh\r\n+x\r\n");
    assert_eq!(pairs(&bench)[1], ("GET b", "x".to_owned()));
}

#[test]
fn the_end_of_a_connection_in_every_state() {
    type Ending = fn(&mut Bench);
    let endings: [Ending; 4] =
        [|bench| bench.fin(ToClient), |bench| bench.reset(ToServer), |bench| bench.reset(ToClient), Bench::finish];
    for ending in endings {
        for (answer, shown, note) in [
            (&b""[..], "-", "The connection ended before a response was received"),
            (b"$5\r\nab", "ab", "The connection ended before the response was complete"),
            (b"*2\r\n:1\r\n", "[1", "The connection ended before the response was complete"),
        ] {
            let mut bench = bench();
            bench.send(ToServer, &[command("GET a"), command("GET b")].concat());
            bench.send(ToServer, b"*2\r\n$3\r\nGET\r\n$1\r\n");
            bench.send(ToClient, answer);
            ending(&mut bench);
            bench.finish();
            assert_eq!(pairs(&bench), expected(&[("GET a", shown), ("GET b", "-")]));
            assert_eq!(bench.events()[0]["error"]["message"], note);
            assert_eq!(bench.events()[0]["status"], "Error");
            assert_eq!(bench.parser.deadline_ns(), None);
        }
    }
}
