// SPDX-License-Identifier: Apache-2.0
//! Tests on literal messages and on recorded conversations.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::PgsqlParser;
use super::*;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, ProtocolCounter, Step};

mod extended;
mod formats;
mod lost;
mod recorded;

/// ReadyForQuery, idle.
const READY: &[u8] = b"Z\0\0\0\x05I";
const SYNC: &[u8] = b"S\0\0\0\x04";
const FLUSH: &[u8] = b"H\0\0\0\x04";
/// ParseComplete, BindComplete, CloseComplete, NoData.
const PARSED: &[u8] = b"1\0\0\0\x04";
const BOUND: &[u8] = b"2\0\0\0\x04";
const CLOSED: &[u8] = b"3\0\0\0\x04";
const NO_DATA: &[u8] = b"n\0\0\0\x04";
const TEXT: u32 = 25;
const INT4: u32 = 23;

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(PgsqlParser::new(Arc::new(options))), Carrier::Tcp, 5432)
}

fn bench() -> Bench {
    bench_with(options())
}

/// After a login that was seen.
fn logged_in() -> Bench {
    let mut bench = bench();
    bench.send(ToServer, &startup("ann", "shop"));
    bench.send(ToClient, &[&authentication(0)[..], READY].concat());
    bench
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(payload.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(payload);
    out
}

fn untyped(payload: &[u8]) -> Vec<u8> {
    message(0, payload).split_off(1)
}

fn startup(user: &str, database: &str) -> Vec<u8> {
    untyped(format!("\0\x03\0\0user\0{user}\0database\0{database}\0\0").as_bytes())
}

fn authentication(code: u32) -> Vec<u8> {
    message(b'R', &code.to_be_bytes())
}

/// SSLRequest.
fn tls_request() -> Vec<u8> {
    untyped(&80_877_103u32.to_be_bytes())
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Without parameters; a result format code for each column.
fn bind(portal: &str, statement: &str, formats: &[u16]) -> Vec<u8> {
    let mut payload = format!("{portal}\0{statement}\0\0\0\0\0").into_bytes();
    payload.extend_from_slice(&(formats.len() as u16).to_be_bytes());
    formats.iter().for_each(|format| payload.extend_from_slice(&format.to_be_bytes()));
    message(b'B', &payload)
}

fn describe(kind: char, name: &str) -> Vec<u8> {
    message(b'D', format!("{kind}{name}\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn close(kind: char, name: &str) -> Vec<u8> {
    message(b'C', format!("{kind}{name}\0").as_bytes())
}

/// Name, type, format.
fn columns(columns: &[(&str, u32, u16)]) -> Vec<u8> {
    let mut payload = (columns.len() as u16).to_be_bytes().to_vec();
    for (name, type_oid, format) in columns {
        payload.extend_from_slice(name.as_bytes());
        payload.extend_from_slice(&[0; 7]);
        payload.extend_from_slice(&type_oid.to_be_bytes());
        payload.extend_from_slice(&[0; 6]);
        payload.extend_from_slice(&format.to_be_bytes());
    }
    message(b'T', &payload)
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut payload = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        match value {
            None => payload.extend_from_slice(&[0xff; 4]),
            Some(value) => {
                payload.extend_from_slice(&(value.len() as u32).to_be_bytes());
                payload.extend_from_slice(value);
            }
        }
    }
    message(b'D', &payload)
}

fn text_row(values: &[&str]) -> Vec<u8> {
    row(&values.iter().map(|value| Some(value.as_bytes())).collect::<Vec<_>>())
}

fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    error_at(severity, code, text, None)
}

fn error_at(severity: &str, code: &str, text: &str, position: Option<u32>) -> Vec<u8> {
    let position = position.map_or(String::new(), |position| format!("P{position}\0"));
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0M{text}\0{position}\0").as_bytes())
}

fn one_column(name: &str, values: &[&str]) -> Vec<u8> {
    let mut out = columns(&[(name, TEXT, 0)]);
    values.iter().for_each(|value| out.extend(text_row(&[value])));
    out.extend(complete(&format!("SELECT {}", values.len())));
    out
}

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

/// Status and query of every event, with its note.
fn outcomes(bench: &Bench) -> Vec<String> {
    let outcome = |event: &Json| {
        let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
        let note = event["error"]["message"].as_str().map_or(String::new(), |note| format!(" ({note})"));
        format!("{} {}{note}", text(&event["status"]), text(&event["query"]))
    };
    bench.events().iter().map(outcome).collect()
}

#[test]
fn a_query_is_one_event() {
    let mut bench = bench();
    let request = query("\n select *\nfrom users;");
    bench.send(ToServer, &request);
    let answer = [
        columns(&[("id", INT4, 0), ("name", TEXT, 0)]),
        row(&[Some(b"1"), Some(b"O\"Neil, \nsenior")]),
        row(&[Some(b"2"), None]),
        complete("SELECT 2"),
    ]
    .concat();
    bench.send(ToClient, &[&answer[..], READY].concat());
    let event = only(&bench);
    assert_eq!(event["type"], "pgsql");
    assert_eq!(event["status"], "OK");
    assert_eq!(event["method"], "SELECT");
    assert_eq!(event["query"], "select *\nfrom users");
    assert_eq!(event["request"], "select *\nfrom users");
    assert_eq!(event["response"], "id,name\n1,\"O\"\"Neil, \\nsenior\"\n2,\n");
    assert_eq!(event["pgsql"], json!({"num_rows": 2, "num_fields": 2}));
    assert_eq!(event["source"]["bytes"], request.len());
    assert_eq!(event["destination"]["bytes"], answer.len());
    assert_eq!(event["network"]["protocol"], "pgsql");
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn request_and_response_only_when_asked_for() {
    let mut bench = bench_with(Options::default());
    bench.send(ToServer, &query("SELECT 1"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    let event = only(&bench);
    assert_eq!(event["pgsql"], json!({"num_rows": 1, "num_fields": 1}));
    assert!(event.get("request").is_none() && event.get("response").is_none());
}

#[test]
fn rows_and_their_length_are_bounded() {
    for (max_rows, max_row_length, response) in
        [(2, 5, "a,b\nabcd,e\nabcde\n"), (1, 100, "a,b\nabcd,efgh\n"), (0, 100, "a,b\n"), (3, 0, "a,b\n\n\n\n")]
    {
        let mut bench = bench_with(Options { max_rows, max_row_length, ..options() });
        bench.send(ToServer, &query("SELECT a, b"));
        bench.send(ToClient, &columns(&[("a", TEXT, 0), ("b", TEXT, 0)]));
        let rows = [text_row(&["abcd", "efgh"]), text_row(&["abcdefgh", "ijkl"]), text_row(&["x", "y"])].concat();
        bench.send(ToClient, &[&rows, &complete("SELECT 3")[..], READY].concat());
        assert_eq!(only(&bench)["response"], response);
        assert_eq!(only(&bench)["pgsql"]["num_rows"], 3);
    }
}

#[test]
fn a_long_row_is_cut_and_not_stored() {
    let mut bench = logged_in();
    let long = "x".repeat(3 << 20);
    bench.send(ToServer, &query("SELECT long"));
    bench.send_in(ToClient, &one_column("long", &[&long, "short"]), 1400);
    bench.send(ToClient, READY);
    assert_eq!(only(&bench)["response"], format!("long\n{}\nshort\n", "x".repeat(1024)));
    assert_eq!(only(&bench)["pgsql"]["num_rows"], 2);
    let mut bench = logged_in();
    bench.send(ToServer, &query(&format!("SELECT '{long}'")));
    bench.send(ToClient, &[&one_column("long", &["1"])[..], READY].concat());
    assert_eq!(only(&bench)["query"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(only(&bench)["error"]["message"], "The request is longer than what is kept of it");
    assert_eq!(only(&bench)["status"], "OK");
}

#[test]
fn statements_are_split_at_real_semicolons() {
    let mut bench = bench();
    bench.send(ToServer, &query("SELECT 1; SELECT 'two;three', 2; -- nothing; here\n DELETE FROM t ;"));
    let answer = [one_column("a", &["1"]), columns(&[("b", TEXT, 0)]), text_row(&["x"]), complete("SELECT 1")].concat();
    bench.send(ToClient, &answer);
    bench.send(ToClient, &[&complete("DELETE 7")[..], READY].concat());
    let expected = ["OK SELECT 1", "OK SELECT 'two;three', 2", "OK -- nothing; here\n DELETE FROM t"];
    assert_eq!(outcomes(&bench), expected);
    let sent = query("SELECT 1; SELECT 'two;three', 2; -- nothing; here\n DELETE FROM t ;").len();
    assert!(bench.events().iter().all(|event| event["source"]["bytes"] == sent));
}

#[test]
fn an_error_ends_the_rest() {
    let mut bench = bench();
    bench.send(ToServer, &query("SELECT 1; SELECT 1/0; SELECT 3"));
    bench.send(ToClient, &[one_column("a", &["1"]), error("ERROR", "22012", "division by zero")].concat());
    bench.send(ToClient, READY);
    assert_eq!(outcomes(&bench), ["OK SELECT 1", "Error SELECT 1/0"]);
    let failed = &bench.events()[1];
    assert_eq!(
        failed["pgsql"],
        json!({
            "num_rows": 0, "num_fields": 0,
            "error_code": "22012", "error_message": "division by zero", "error_severity": "ERROR",
        })
    );
    bench.send(ToServer, &query("SELECT 4"));
    bench.send(ToClient, &[&one_column("a", &["4"])[..], READY].concat());
    assert_eq!(outcomes(&bench)[2], "OK SELECT 4");
}

#[test]
fn a_syntax_error_belongs_to_the_statement_it_points_at() {
    // All of the text is parsed before any of it runs, so the first statement never ran. ü is one character.
    let mut bench = bench();
    let sql = "SELECT 'ü'; SELEC 2; SELECT 3";
    bench.send(ToServer, &query(sql));
    bench.send(ToClient, &[&error_at("ERROR", "42601", "syntax error", Some(13))[..], READY].concat());
    assert_eq!(outcomes(&bench), ["Error SELEC 2"]);
    // A position behind the end is in the last statement.
    bench.send(ToServer, &query(sql));
    bench.send(ToClient, &[&error_at("ERROR", "42601", "at end of input", Some(99))[..], READY].concat());
    assert_eq!(outcomes(&bench)[1], "Error SELECT 3");
}

#[test]
fn an_empty_query_has_an_answer() {
    for sql in ["", ";", " /* ping */ "] {
        let mut bench = bench();
        bench.send(ToServer, &query(sql));
        bench.send(ToClient, &[b"I\0\0\0\x04", READY].concat());
        let event = only(&bench);
        assert_eq!(event["status"], "OK");
        assert_eq!(event.get("query").and_then(Json::as_str).unwrap_or_default(), sql.trim());
    }
}

#[test]
fn notices_notifications_and_settings_are_no_answers() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("DO $$ BEGIN RAISE NOTICE 'a;b'; END $$"));
    bench.send(ToClient, &message(b'N', b"SNOTICE\0C00000\0Ma;b\0\0"));
    bench.send(ToClient, &message(b'A', b"\0\0\0\x01news\0text\0"));
    bench.send(ToClient, &message(b'S', b"TimeZone\0UTC\0"));
    bench.send(ToClient, &[&complete("DO")[..], READY].concat());
    bench.send(ToClient, &message(b'A', b"\0\0\0\x01news\0text\0"));
    let event = only(&bench);
    assert_eq!(event["query"], "DO $$ BEGIN RAISE NOTICE 'a;b'; END $$");
    assert_eq!(event["destination"]["bytes"], complete("DO").len());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
}

#[test]
fn backslashes_escape_when_the_server_says_so() {
    let mut bench = bench();
    bench.send(ToServer, &startup("ann", "shop"));
    let setting = message(b'S', b"standard_conforming_strings\0off\0");
    bench.send(ToClient, &[&authentication(0)[..], &setting, READY].concat());
    bench.send(ToServer, &query(r"SELECT 'a\'; b'; SELECT 2"));
    bench.send(ToClient, &[&one_column("a", &["a'; b"])[..], &one_column("b", &["2"]), READY].concat());
    assert_eq!(outcomes(&bench), [r"OK SELECT 'a\'; b'", "OK SELECT 2"]);
}

#[test]
fn copies_are_counted() {
    let mut bench = logged_in();
    let request = query("COPY load FROM STDIN");
    bench.send(ToServer, &request);
    bench.send(ToClient, &message(b'G', b"\0\0\x02\0\0\0\0"));
    let data = [message(b'd', b"1\tone\n"), message(b'd', b"2\ttwo\n")].concat();
    bench.send(ToServer, &data);
    bench.send(ToServer, &message(b'c', b""));
    bench.send(ToClient, &[&complete("COPY 2")[..], READY].concat());
    let event = only(&bench);
    assert_eq!(event["pgsql"]["num_rows"], 2);
    assert_eq!(event["source"]["bytes"], request.len() + data.len() + 5);
    // Out, and a failure inside.
    bench.send(ToServer, &query("COPY load TO STDOUT"));
    let out = [message(b'H', b"\0\0\x02\0\0\0\0"), message(b'd', b"1\tone\n"), message(b'c', b"")].concat();
    bench.send(ToClient, &[&out[..], &complete("COPY 1"), READY].concat());
    assert_eq!(bench.events()[1]["destination"]["bytes"], out.len() + complete("COPY 1").len());
    bench.send(ToServer, &query("COPY load FROM STDIN"));
    bench.send(ToClient, &message(b'G', b"\0\0\x02\0\0\0\0"));
    bench.send(ToServer, &message(b'd', b"x\n"));
    bench.send(ToClient, &[&error("ERROR", "22P02", "no number")[..], READY].concat());
    // What the client still sends is passed over.
    bench.send(ToServer, &[message(b'd', b"y\n"), message(b'f', b"failed\0")].concat());
    bench.send(ToServer, &query("SELECT 1"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    let expected = ["OK COPY load FROM STDIN", "OK COPY load TO STDOUT", "Error COPY load FROM STDIN", "OK SELECT 1"];
    assert_eq!(outcomes(&bench), expected);
}

#[test]
fn a_function_call_is_a_request() {
    let mut bench = logged_in();
    bench.send(ToServer, &message(b'F', b"\0\0\x03\xba\0\0\0\0\0\0"));
    bench.send(ToClient, &[&message(b'V', b"\xff\xff\xff\xff")[..], READY].concat());
    bench.send(ToServer, &message(b'F', b"\0\0\x03\xba\0\0\0\0\0\0"));
    bench.send(ToClient, &[&error("ERROR", "42883", "no such function")[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK FUNCTION 954", "Error FUNCTION 954"]);
}

#[test]
fn a_login_is_an_event_when_it_fails() {
    let bench = logged_in();
    assert!(bench.events().is_empty());
    let mut bench = super::tests::bench();
    bench.send(ToServer, &startup("ann", "shop"));
    bench.send(ToClient, &authentication(5));
    bench.send(ToServer, &message(b'p', b"md5secret\0"));
    bench.send(ToClient, &error("FATAL", "28P01", "password authentication failed"));
    let event = only(&bench);
    assert_eq!(event["query"], "CONNECT ann on shop");
    assert_eq!(event["method"], "CONNECT");
    assert_eq!(event["status"], "Error");
    assert_eq!(event["pgsql"]["error_severity"], "FATAL");
    assert!(!event.to_string().contains("secret"));
    // A database that is not named has the user's name; too many connections.
    let mut bench = super::tests::bench();
    bench.send(ToServer, &untyped(b"\0\x03\0\x02user\0ann\0\0"));
    bench.send(ToClient, &error("FATAL", "53300", "sorry, too many clients already"));
    assert_eq!(outcomes(&bench), ["Error CONNECT ann on ann"]);
}

#[test]
fn a_client_that_is_asked_for_a_password_may_leave() {
    let mut bench = bench();
    bench.send(ToServer, &startup("ann", "shop"));
    bench.send(ToClient, &authentication(5));
    bench.fin(ToServer);
    bench.fin(ToClient);
    bench.finish();
    assert!(bench.events().is_empty());
}

#[test]
fn encryption_refused_or_accepted() {
    let mut bench = bench();
    bench.send(ToServer, &untyped(&80_877_104u32.to_be_bytes()));
    bench.send(ToClient, b"N");
    bench.send(ToServer, &tls_request());
    bench.send(ToClient, b"N");
    bench.send(ToServer, &startup("ann", "shop"));
    bench.send(ToClient, &[&authentication(0)[..], READY].concat());
    bench.send(ToServer, &query("SELECT 1"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK SELECT 1"]);

    let mut bench = super::tests::bench();
    bench.send(ToServer, &tls_request());
    bench.send(ToClient, b"N");
    bench.fin(ToServer);
    let note = "(The server refused encryption and the client closed the connection)";
    assert_eq!(outcomes(&bench), [format!("Error CONNECT {note}")]);

    // Instead of a byte, an error.
    let mut bench = super::tests::bench();
    bench.send(ToServer, &tls_request());
    bench.send(ToClient, &error("FATAL", "53300", "too many"));
    assert_eq!(outcomes(&bench), ["Error CONNECT"]);
}

#[test]
fn an_encrypted_connection_is_left_alone() {
    let mut nobody = Nobody;
    let bench = bench();
    let mut context = Context { now_ns: 1, flow: bench.flow, publisher: &mut nobody };
    let hello = b"\x16\x03\x01\x02\x00\x01";
    for answer in [b"S", b"G"] {
        let mut parser = PgsqlParser::new(Arc::new(options()));
        assert_eq!(parser.data(&mut context, ToServer, &tls_request()), Step::All);
        assert_eq!(parser.data(&mut context, ToClient, answer), Step::NotMine);
        assert_eq!(parser.data(&mut context, ToServer, hello), Step::NotMine);
        parser.finish(&mut context);
    }
    // Without being asked for; before the answer to the request was seen.
    let mut parser = PgsqlParser::new(Arc::new(options()));
    assert_eq!(parser.data(&mut context, ToServer, hello), Step::NotMine);
    let mut parser = PgsqlParser::new(Arc::new(options()));
    assert_eq!(parser.data(&mut context, ToServer, &tls_request()), Step::All);
    assert_eq!(parser.data(&mut context, ToServer, hello), Step::NotMine);
    parser.finish(&mut context);
    // Protocol 2.
    let mut parser = PgsqlParser::new(Arc::new(options()));
    let old = untyped(&[&[0, 2, 0, 0][..], &[0; 288]].concat());
    assert_eq!(parser.data(&mut context, ToServer, &old), Step::NotMine);
}

/// Takes no events.
struct Nobody;

impl crate::protocols::Publisher for Nobody {
    fn begin(&mut self) -> &mut crate::event::Event {
        unreachable!("nothing is published")
    }
    fn publish(&mut self) {}
    fn count(&mut self, _: ProtocolCounter, _: u64) {}
}

#[test]
fn a_cancel_request_has_no_answer() {
    let mut bench = bench();
    bench.send(ToServer, &untyped(b"\x04\xd2\x16\x2e\0\0\x17\xa6\0\0\0\x01"));
    bench.fin(ToClient);
    bench.finish();
    assert_eq!(outcomes(&bench), ["OK CANCEL 6054"]);
    assert_eq!(bench.events()[0]["method"], "CANCEL");
}

#[test]
fn replication_is_one_request() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("START_REPLICATION SLOT s LOGICAL 0/0"));
    bench.send(ToClient, &message(b'W', b"\0\0\0"));
    for _ in 0..10 {
        bench.send(ToClient, &message(b'd', b"wchanges"));
        bench.send(ToServer, &message(b'd', b"r"));
        bench.wait(20_000_000_000);
    }
    bench.send(ToServer, &message(b'c', b""));
    bench.send(ToClient, &[&message(b'c', b"")[..], &complete("COPY 0"), READY].concat());
    assert_eq!(outcomes(&bench), ["OK START_REPLICATION SLOT s LOGICAL 0/0"]);
}
