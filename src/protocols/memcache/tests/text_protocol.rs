// SPDX-License-Identifier: Apache-2.0
//! Commands and answers of the text protocol.

use serde_json::json;

use super::*;

/// What one command and its answer give, as `request` and `response`.
fn exchange(command: &str, answer: &str) -> (Json, Json) {
    let mut bench = bench_with(Options { parse_unknown: true, ..showing() }, Carrier::Tcp);
    bench.send(ToServer, command.as_bytes());
    bench.send(ToClient, answer.as_bytes());
    bench.finish();
    let memcache = &only(&bench)["memcache"];
    assert_eq!(memcache["protocol_type"], "text");
    (memcache["request"].clone(), memcache["response"].clone())
}

#[test]
fn a_command_and_its_answer() {
    let mut bench = bench();
    bench.send(ToServer, b"set key 5 100 3\r\nabc\r\n");
    bench.send(ToClient, b"STORED\r\n");
    let event = only(&bench);
    assert_eq!(
        event["memcache"],
        json!({
            "protocol_type": "text",
            "request": {"command": "set", "type": "Store", "keys": ["key"], "flags": 5, "exptime": 100,
                        "bytes": 3, "count_values": 1, "noreply": false},
            "response": {"command": "STORED", "type": "Success"},
        })
    );
    assert_eq!((&event["event.action"], &event["event.outcome"]), (&json!("memcache.store"), &json!("success")));
    assert_eq!((&event["status"], &event["event"]["duration"]), (&json!("OK"), &json!(1_000_000)));
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(22), &json!(8)));
    assert_eq!((&event["client"]["bytes"], &event["network"]["bytes"]), (&json!(22), &json!(30)));
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn every_retrieval_command() {
    let value = json!({"command": "VALUE", "type": "Load", "keys": ["a", "b"], "count_values": 2, "bytes": 3, "flags": 7,
                       "cas_unique": 0, "values": ["eA==", "eXo="]});
    let answer = "VALUE a 7 1\r\nx\r\nVALUE b 9 2\r\nyz\r\nEND\r\n";
    for command in ["get", "gets"] {
        let (request, response) = exchange(&format!("{command} a  b c\r\n"), answer);
        assert_eq!(request, json!({"command": command, "type": "Load", "keys": ["a", "b", "c"]}));
        assert_eq!(response, value);
    }
    let (request, response) = exchange("gats 60 a\r\n", "VALUE a 0 0 12\r\n\r\nEND\r\n");
    assert_eq!(request, json!({"command": "gats", "type": "Load", "keys": ["a"], "exptime": 60}));
    assert_eq!(
        (&response["cas_unique"], &response["bytes"], &response["values"]),
        (&json!(12), &json!(0), &json!([""]))
    );
    let (_, response) = exchange("get a\r\n", "END\r\n");
    assert_eq!(response, json!({"command": "END", "type": "Load"}));
    // Memory errors can end a list of values.
    let (_, response) = exchange("get a b\r\n", "VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n");
    assert_eq!((&response["command"], &response["error_msg"]), (&json!("SERVER_ERROR"), &json!("out of memory")));
}

#[test]
fn every_storage_command() {
    for command in ["set", "add", "replace", "append", "prepend"] {
        let (request, response) = exchange(&format!("{command} k 1 -1 2\r\n\r\n\r\n"), "NOT_STORED\r\n");
        assert_eq!(
            request,
            json!({"command": command, "type": "Store", "keys": ["k"], "flags": 1, "exptime": -1, "bytes": 2,
                   "count_values": 1, "noreply": false, "values": ["DQo="]})
        );
        assert_eq!(response, json!({"command": "NOT_STORED", "type": "Fail"}));
    }
    let (request, response) = exchange("cas k 1 2 1 99\r\nx\r\n", "EXISTS\r\n");
    assert_eq!((&request["cas_unique"], &request["bytes"]), (&json!(99), &json!(1)));
    assert_eq!(response, json!({"command": "EXISTS", "type": "Success"}));
    let (request, response) = exchange("touch k 30\r\n", "TOUCHED\r\n");
    assert_eq!(request, json!({"command": "touch", "type": "Store", "keys": ["k"], "exptime": 30, "noreply": false}));
    assert_eq!(response, json!({"command": "TOUCHED", "type": "Success"}));
}

#[test]
fn every_other_command() {
    for (command, answer, request, response) in [
        (
            "incr k 2\r\n",
            "18446744073709551615\r\n",
            json!({"command": "incr", "type": "Counter", "keys": ["k"], "delta": 2, "noreply": false}),
            json!({"command": "<counter_op_res>", "type": "Counter", "value": u64::MAX}),
        ),
        (
            "decr k 2\r\n",
            "NOT_FOUND\r\n",
            json!({"command": "decr", "type": "Counter", "keys": ["k"], "delta": 2, "noreply": false}),
            json!({"command": "NOT_FOUND", "type": "Fail"}),
        ),
        (
            "delete k 0\r\n",
            "DELETED\r\n",
            json!({"command": "delete", "type": "Delete", "keys": ["k"], "noreply": false}),
            json!({"command": "DELETED", "type": "Success"}),
        ),
        (
            "flush_all 30\r\n",
            "OK\r\n",
            json!({"command": "flush_all", "type": "Delete", "exptime": 30}),
            json!({"command": "OK", "type": "Success"}),
        ),
        (
            "slabs reassign -1 5\r\n",
            "NOTFULL dest class has spare memory\r\n",
            json!({"command": "slabs reassign", "type": "SlabCtrl", "source_class": -1, "dest_class": 5}),
            json!({"command": "NOTFULL", "type": "Fail", "error_msg": "dest class has spare memory"}),
        ),
        (
            "slabs automove 2\r\n",
            "OK\r\n",
            json!({"command": "slabs automove", "type": "SlabCtrl", "automove": "aggressive"}),
            json!({"command": "OK", "type": "Success"}),
        ),
        (
            "lru_crawler sleep 50\r\n",
            "OK\r\n",
            json!({"command": "lru_crawler sleep", "type": "LRUCrawler", "sleep_us": 50}),
            json!({"command": "OK", "type": "Success"}),
        ),
        (
            "lru_crawler tocrawl 7\r\n",
            "OK\r\n",
            json!({"command": "lru_crawler tocrawl", "type": "LRUCrawler", "value": 7}),
            json!({"command": "OK", "type": "Success"}),
        ),
        (
            "lru_crawler crawl 1,2\r\n",
            "BUSY currently processing crawler request\r\n",
            json!({"command": "lru_crawler crawl", "type": "LRUCrawler", "raw_args": "1,2"}),
            json!({"command": "BUSY", "type": "Fail", "error_msg": "currently processing crawler request"}),
        ),
        (
            "stats items\r\n",
            "STAT a 1\r\nSTAT b two words\r\nEND\r\n",
            json!({"command": "stats", "type": "Stats", "raw_args": "items"}),
            json!({"command": "STAT", "type": "Stats",
                   "stats": [{"name": "a", "value": "1"}, {"name": "b", "value": "two words"}]}),
        ),
        (
            "verbosity 3\r\n",
            "OK\r\n",
            json!({"command": "verbosity", "type": "Info", "verbosity": 3}),
            json!({"command": "OK", "type": "Success"}),
        ),
        (
            "version\r\n",
            "VERSION 1.6\r\n",
            json!({"command": "version", "type": "Info"}),
            json!({"command": "VERSION", "type": "Info"}),
        ),
        (
            "nonsense  1\n",
            "ERROR\n",
            json!({"command": "UNKNOWN", "type": "UNKNOWN", "line": "nonsense  1"}),
            json!({"command": "ERROR", "type": "Fail"}),
        ),
        (
            "version\r\n",
            "HELLO you\r\n",
            json!({"command": "version", "type": "Info"}),
            json!({"command": "UNKNOWN", "type": "UNKNOWN", "line": "HELLO you"}),
        ),
        (
            "config get cluster\r\n",
            "CONFIG cluster 0 4\r\n12\na\r\n\r\nEND\r\n",
            json!({"command": "config", "type": "Info", "raw_args": "get cluster"}),
            Json::Null,
        ),
    ] {
        if response.is_null() {
            continue;
        }
        assert_eq!(exchange(command, answer), (request, response), "{command}");
    }
}

#[test]
fn lists_that_are_not_shown_end_with_their_answer() {
    let mut bench = bench();
    bench.send(ToServer, b"config get cluster\r\nlru_crawler metadump all\r\nstats cachedump 1 2\r\nversion\r\n");
    bench.send(ToClient, b"CONFIG cluster 0 5\r\n12\na\n\r\nEND\r\n");
    bench.send(ToClient, b"key=a exp=-1\r\nkey=b exp=-1\r\nEND\r\nITEM a [1 b; 0 s]\r\nEND\r\nVERSION 1\r\n");
    bench.finish();
    assert_eq!(shown(&bench), ["config CONFIG: OK", "UNKNOWN ITEM: OK", "stats ITEM: OK", "version VERSION: OK"]);
}

#[test]
fn meta_commands() {
    let (request, response) = exchange("mg k v k c\r\n", "VA 2 kk c9 f3\r\nhi\r\n");
    assert_eq!(request, json!({"command": "mg", "type": "Load", "keys": ["k"], "raw_args": "v k c"}));
    assert_eq!(
        response,
        json!({"command": "VA", "type": "Load", "keys": ["k"], "cas_unique": 9, "flags": 3, "count_values": 1, "bytes": 2,
               "values": ["aGk="]})
    );
    let (request, response) = exchange("ms k 2 T60\r\nhi\r\n", "NS\r\n");
    assert_eq!(
        (&request["type"], &request["bytes"], &request["raw_args"]),
        (&json!("Store"), &json!(2), &json!("T60"))
    );
    assert_eq!(response, json!({"command": "NS", "type": "Fail"}));
    // Quiet ones are answered in some cases only; the no-op says that all answers have come.
    let mut bench = bench();
    bench.send(ToServer, b"mg a v q\r\nmg b v q k\r\nms c 1 q\r\nx\r\nmd d q\r\nmn\r\n");
    bench.send(ToClient, b"VA 1 kb\r\nx\r\nNS\r\nMN\r\n");
    let expected = ["mg -: OK", "mg VA: OK", "ms NS: OK", "md -: OK", "mn MN: OK"];
    // The first `mg` could have had the value, were it not for the key.
    assert_eq!(shown(&bench), expected);
    assert_eq!(bench.events()[1]["memcache"]["request"]["quiet"], true);
}

#[test]
fn commands_without_an_answer_do_not_wait() {
    let mut bench = bench();
    bench.send(ToServer, b"set a 0 0 1 noreply\r\nx\r\ndelete a noreply\r\nincr b 1 noreply\r\nflush_all noreply\r\n");
    bench.send(ToServer, b"touch a 1 noreply\r\nverbosity 1 noreply\r\nquit\r\n");
    let commands = ["set", "delete", "incr", "flush_all", "touch", "verbosity", "quit"];
    assert_eq!(shown(&bench), commands.map(|command| format!("{command} -: OK")));
    assert!(bench.events()[..6].iter().all(|event| event["memcache"]["request"]["noreply"] == true));
    assert!(bench.events().iter().all(|event| event.get("error").is_none() && event.get("event.outcome").is_none()));
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn answers_are_given_out_in_order() {
    let mut bench = bench();
    bench.send(ToServer, b"get a\r\nset b 0 0 1\r\nx\r\nget c\r\nincr d 1\r\n");
    bench.send(ToClient, b"VALUE a 0 3\r\nEND\r\nEND\r\nSTORED\r\nEND\r\n7\r\n");
    assert_eq!(shown(&bench), ["get VALUE: OK", "set STORED: OK", "get END: OK", "incr <counter_op_res>: OK"]);
    assert_eq!(bench.events()[0]["memcache"]["response"]["bytes"], 3);
}

#[test]
fn an_answer_goes_to_the_first_command_that_it_fits() {
    let mut bench = bench();
    bench.send(ToServer, b"get lost\r\nset b 0 0 1\r\nx\r\n");
    bench.send(ToClient, b"STORED\r\n");
    assert_eq!(shown(&bench), ["get -: Server Error", "set STORED: OK"]);
    assert_eq!(note(&bench.events()[0]), "Unfinished transaction");
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 1);
}

#[test]
fn status_is_what_the_answer_says() {
    for (answer, status, compatible) in [
        ("STORED", "OK", "OK"),
        ("EXISTS", "OK", "OK"),
        ("NOT_STORED", "OK", "Error"),
        ("NOT_FOUND", "OK", "Error"),
        ("ERROR", "Error", "Error"),
        ("CLIENT_ERROR bad", "Client Error", "Client Error"),
        ("SERVER_ERROR object too large for cache", "Server Error", "Server Error"),
    ] {
        for compat_status in [false, true] {
            let mut bench = bench_with(Options { compat_status, ..Options::default() }, Carrier::Tcp);
            bench.send(ToServer, b"set k 0 0 1\r\nx\r\n");
            bench.send(ToClient, format!("{answer}\r\n").as_bytes());
            bench.finish();
            let event = only(&bench);
            assert_eq!(event["status"], if compat_status { compatible } else { status }, "{answer}");
            let outcome = if compat_status || status == "OK" { "success" } else { "failure" };
            assert_eq!(event["event.outcome"], outcome, "{answer}");
        }
    }
}

#[test]
fn what_the_server_refuses_is_shown_with_its_command() {
    let mut bench = bench();
    // The value is longer than it should be: the server takes the rest for a command.
    bench.send(ToServer, b"set k 0 0 3\r\ntoo long\r\n");
    bench.send(ToClient, b"CLIENT_ERROR bad data chunk\r\n");
    bench.send(ToClient, b"ERROR\r\n");
    bench.send(ToServer, b"set k\r\n");
    bench.send(ToClient, b"ERROR\r\n");
    bench.send(ToServer, b"cas k 0 0 1 notanumber\r\nx\r\n");
    bench.send(ToClient, b"CLIENT_ERROR bad command line format\r\nERROR\r\n");
    bench.send(ToServer, b"get\r\n");
    bench.send(ToClient, b"ERROR\r\n");
    // Three lines that the server takes for commands.
    let key = "k".repeat(251);
    bench.send(ToServer, format!("set {key} 0 0 5\r\na\nb\nc\r\n").as_bytes());
    bench.send(ToClient, b"CLIENT_ERROR bad command line format\r\nERROR\r\nERROR\r\n");
    bench.send(ToServer, b"incr\r\n");
    bench.send(ToClient, b"ERROR\r\nERROR\r\n");
    // The server goes on without a further error.
    bench.send(ToServer, b"set k 0 0 1\r\nx\r\nget k\r\n");
    bench.send(ToClient, b"CLIENT_ERROR no\r\nEND\r\n");
    bench.send(ToServer, b"set k 0 0 1\r\nx\r\n");
    bench.send(ToClient, b"CLIENT_ERROR no\r\n");
    assert_eq!(bench.events().len(), 8);
    bench.wait(10_000_000_000);
    let refused = "set CLIENT_ERROR: Client Error";
    let cas = "cas CLIENT_ERROR: Client Error";
    let expected = [
        refused,
        "set ERROR: Error",
        cas,
        "get ERROR: Error",
        refused,
        "incr ERROR: Error",
        refused,
        "get END: OK",
        refused,
    ];
    assert_eq!(shown(&bench), expected);
    assert_eq!(bench.events()[0]["source"]["bytes"], 23);
    assert_eq!(bench.events()[2]["destination"]["bytes"], 45);
    assert_eq!(bench.events()[4]["destination"]["bytes"], 59);
    assert_eq!(
        bench.events()[1]["memcache"]["request"],
        json!({"command": "set", "type": "Store", "keys": ["k"], "noreply": false})
    );
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
}

#[test]
fn a_refusal_may_come_before_the_value_is_sent() {
    let mut bench = bench();
    bench.send(ToServer, b"set k 0 0 2000\r\nxx");
    bench.send(ToClient, b"SERVER_ERROR object too large for cache\r\n");
    bench.send(ToServer, &[b'x'; 1998]);
    bench.send(ToServer, b"\r\nget a\r\n");
    bench.send(ToClient, b"END\r\n");
    assert_eq!(shown(&bench), ["set SERVER_ERROR: Server Error", "get END: OK"]);
}

#[test]
fn unknown_lines_are_shown_only_when_asked_for() {
    let mut bench = bench();
    bench.send(ToServer, b"nonsense 1 2\r\n");
    bench.send(ToClient, b"ERROR\r\n");
    assert_eq!(only(&bench)["memcache"]["request"], json!({"command": "UNKNOWN", "type": "UNKNOWN"}));
    assert_eq!(only(&bench)["event.action"], "memcache.unknown");
}

#[test]
fn values_are_kept_as_far_as_the_options_say() {
    let conversation = |options: Options| {
        let mut bench = bench_with(options, Carrier::Tcp);
        bench.send(ToServer, b"set k 0 0 5\r\nhello\r\n");
        bench.send(ToClient, b"STORED\r\n");
        bench.send(ToServer, b"get a b c\r\n");
        bench.send(ToClient, b"VALUE a 0 5\r\nhello\r\nVALUE b 0 2\r\nyo\r\nVALUE c 0 1\r\n!\r\nEND\r\n");
        let values = |event: &Json, end: &str| event["memcache"][end].get("values").cloned();
        let response = &bench.events()[1]["memcache"]["response"];
        assert_eq!((&response["count_values"], &response["bytes"]), (&json!(3), &json!(8)));
        (values(&bench.events()[0], "request"), values(&bench.events()[1], "response"))
    };
    let options = |max_values, max_bytes_per_value| Options { max_values, max_bytes_per_value, ..Options::default() };
    assert_eq!(conversation(options(0, usize::MAX)), (None, None));
    assert_eq!(
        conversation(options(usize::MAX, usize::MAX)),
        (Some(json!(["aGVsbG8="])), Some(json!(["aGVsbG8=", "eW8=", "IQ=="])))
    );
    assert_eq!(conversation(options(2, 3)), (Some(json!(["aGVs"])), Some(json!(["aGVs", "eW8="]))));
}

#[test]
fn swapped_bytes_can_be_had() {
    let mut bench = bench_with(Options { compat_swapped_bytes: true, ..Options::default() }, Carrier::Tcp);
    bench.send(ToServer, b"get key\r\n");
    bench.send(ToClient, b"END\r\n");
    let event = only(&bench);
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(5), &json!(9)));
}

#[test]
fn log_lines_and_tls_are_left_alone() {
    let mut bench = bench();
    bench.send(ToServer, b"watch fetchers\r\n");
    bench.send(ToClient, b"OK\r\nts=1 gid=1 type=item_get key=a\r\n");
    bench.send(ToClient, b"ts=2 gid=2 type=item_get key=b\r\n");
    bench.finish();
    assert_eq!(shown(&bench), ["watch OK: OK"]);
    let mut bench = super::bench();
    bench.send(ToServer, b"\x16\x03\x01\x00\x05hello\n");
    bench.send(ToServer, b"get a\r\n");
    bench.finish();
    assert_eq!(shown(&bench), [""; 0]);
}
