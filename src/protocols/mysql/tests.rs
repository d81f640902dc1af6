// SPDX-License-Identifier: Apache-2.0
//! Tests on literal packets and on recorded conversations.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::MysqlParser;
use super::*;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, Direction, ProtocolCounter, Step};

mod formats;
mod recorded;

const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];
const OKAY: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const MORE_EOF: &[u8] = &[0xfe, 0, 0, 0x0a, 0];

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(MysqlParser::new(Arc::new(options))), Carrier::Tcp, 3306)
}

fn bench() -> Bench {
    bench_with(options())
}

/// In the middle of a connection, after a login that was seen.
fn logged_in() -> Bench {
    let mut bench = bench();
    bench.send(ToClient, &greeting(CAPABILITIES));
    bench.send(ToServer, &login_answer(CAPABILITIES));
    bench.send(ToClient, &packets(2, &[OKAY]));
    bench
}

/// Packets with ascending sequence numbers.
fn packets(sequence: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
        out.push(sequence.wrapping_add(index as u8));
        out.extend_from_slice(payload);
    }
    out
}

fn command(byte: u8, arguments: &[u8]) -> Vec<u8> {
    packets(0, &[&[&[byte], arguments].concat()])
}

fn query(sql: &str) -> Vec<u8> {
    command(3, sql.as_bytes())
}

fn text(value: &[u8]) -> Vec<u8> {
    assert!(value.len() < 0xfb);
    [&[value.len() as u8], value].concat()
}

fn column(database: &str, table: &str, name: &str, kind: u8, flags: u16, decimals: u8) -> Vec<u8> {
    let mut out = text(b"def");
    for part in [database, table, table, name, name] {
        out.extend(text(part.as_bytes()));
    }
    out.extend_from_slice(&[0x0c, 45, 0, 0, 1, 0, 0, kind]);
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&[decimals, 0, 0]);
    out
}

fn varchar(name: &str) -> Vec<u8> {
    column("shop", "users", name, 0xfd, 0, 0)
}

fn greeting(capabilities: u32) -> Vec<u8> {
    let mut out = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0".to_vec();
    out.extend_from_slice(&(capabilities as u16).to_le_bytes());
    out.extend_from_slice(&[45, 2, 0]);
    out.extend_from_slice(&((capabilities >> 16) as u16).to_le_bytes());
    out.extend_from_slice(&[21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    packets(0, &[&out])
}

fn login_answer(capabilities: u32) -> Vec<u8> {
    let mut out = capabilities.to_le_bytes().to_vec();
    out.extend_from_slice(&[0, 0, 0, 1, 45]);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(b"app\0\x03abcshop\0mysql_native_password\0");
    packets(1, &[&out])
}

const CAPABILITIES: u32 = 1 << 9 | 1 << 15 | 1 << 3;

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

fn mysql(rows: u64, fields: u64) -> Json {
    json!({"affected_rows": 0, "insert_id": 0, "num_rows": rows, "num_fields": fields})
}

#[test]
fn a_result_set_is_one_event() {
    let mut bench = bench();
    bench.send(ToServer, &query("\n select *\nfrom users "));
    let rows = [&text(b"me")[..], &text(b"and \"you\"")].concat();
    let null = [&text(b"a\r\nb")[..], &[0xfb]].concat();
    let answer = packets(1, &[&[2], &varchar("a"), &varchar("b"), EOF, &rows, &null, EOF]);
    bench.send(ToClient, &answer);
    let event = only(&bench);
    assert_eq!(event["query"], "select *\nfrom users");
    assert_eq!(event["request"], "\n select *\nfrom users ");
    assert_eq!(event["method"], "SELECT");
    assert_eq!(event["path"], "shop.users");
    assert_eq!(event["status"], "OK");
    assert_eq!(event["response"], "a,b\nme,\"and \"\"you\"\"\"\na\\r\\nb,NULL\n");
    assert_eq!(event["mysql"], mysql(2, 2));
    assert_eq!(event["source"]["bytes"], query("\n select *\nfrom users ").len());
    assert_eq!(event["destination"]["bytes"], answer.len());
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert_eq!(event["error"], Json::Null);
}

#[test]
fn request_and_response_are_shown_when_asked_for() {
    let mut bench = bench_with(Options::default());
    bench.send(ToServer, &query("select 1"));
    bench.send(ToClient, &packets(1, &[&[1], &varchar("1"), EOF, &text(b"1"), EOF]));
    let event = only(&bench);
    assert_eq!((&event["request"], &event["response"]), (&Json::Null, &Json::Null));
    assert_eq!(event["mysql"], mysql(1, 1));
}

#[test]
fn ok_and_err_packets() {
    let mut bench = bench();
    bench.send(ToServer, &query("INSERT INTO t VALUES (1)"));
    // Affected rows 300 (0xfc 2c 01), insert id 7.
    bench.send(ToClient, &packets(1, &[&[0, 0xfc, 0x2c, 1, 7, 2, 0, 0, 0]]));
    bench.send(ToServer, &query("SELEC 1"));
    bench.send(ToClient, &packets(1, &[b"\xff\x28\x04#42000You have an error"]));
    let [insert, failed] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(insert["mysql"], json!({"affected_rows": 300, "insert_id": 7, "num_rows": 0, "num_fields": 0}));
    assert_eq!(insert["response"], "");
    assert_eq!(failed["status"], "Error");
    assert_eq!(failed["mysql"]["error_code"], 1064);
    assert_eq!(failed["mysql"]["error_message"], "42000: You have an error");
}

#[test]
fn max_rows_and_max_row_length_bound_the_response() {
    let mut bench = bench_with(Options { max_rows: 2, max_row_length: 5, ..options() });
    bench.send(ToServer, &query("select 1"));
    let row = [&text(b"abc")[..], &text(b"defg"), &text(b"h")].concat();
    let names = [varchar("a"), varchar("b"), varchar("c")];
    bench.send(ToClient, &packets(1, &[&[3], &names[0], &names[1], &names[2], EOF, &row, &row, &row, EOF]));
    assert_eq!(only(&bench)["response"], "a,b,c\nabc,de\nabc,de\n");
    assert_eq!(only(&bench)["mysql"], mysql(3, 3));
}

#[test]
fn rows_are_counted_beyond_the_limit_of_bytes() {
    let mut bench = bench_with(Options { max_rows: 10_000, max_row_length: 10, ..options() });
    bench.send(ToServer, &query("select a from t"));
    let row = text(&[b'x'; 200]);
    let mut answer = packets(1, &[&[1], &varchar("a"), EOF]);
    let head = answer.len() as u64;
    let mut sequence = 4u8;
    for _ in 0..2000 {
        answer.extend(packets(sequence, &[&row]));
        sequence = sequence.wrapping_add(1);
    }
    answer.extend(packets(sequence, &[EOF]));
    bench.send_in(ToClient, &answer, 1460);
    let event = only(&bench);
    assert_eq!(event["mysql"], mysql(2000, 1));
    let bytes = event["destination"]["bytes"].as_u64().unwrap();
    assert!((102_401..102_401 + 205).contains(&bytes), "{bytes}");
    assert_eq!(event["response"].as_str().unwrap().lines().count() as u64, 1 + (bytes - head) / 205);
}

#[test]
fn result_sets_without_eof_packets_are_known_by_their_bytes() {
    for handshake in [false, true] {
        let mut bench = bench();
        if handshake {
            bench.send(ToClient, &greeting(CAPABILITIES | 1 << 24));
            bench.send(ToServer, &login_answer(CAPABILITIES | 1 << 24));
            bench.send(ToClient, &packets(2, &[OKAY]));
        }
        for rows in 0..3 {
            bench.send(ToServer, &query("select a from t"));
            let mut all: Vec<&[u8]> = vec![&[1]];
            let name = varchar("a");
            all.push(&name);
            let row = text(b"r");
            (0..rows).for_each(|_| all.push(&row));
            // An OK packet with header 0xfe.
            all.push(&[0xfe, 0, 0, 2, 0, 0, 0]);
            bench.send(ToClient, &packets(1, &all));
            assert_eq!(bench.events().len(), rows + 1);
            assert_eq!(bench.events()[rows]["mysql"], mysql(rows as u64, 1));
        }
    }
}

#[test]
fn several_statements_and_their_results_are_one_event() {
    let mut bench = bench();
    bench.send(ToServer, &query("SELECT 1; UPDATE t SET a = 1; SELECT 2"));
    let (one, two) = (varchar("one"), column("", "", "two", 0xfd, 0, 0));
    // The OK packet's status 0x0a: autocommit, more results.
    let update = [0, 3, 0, 0x0a, 0, 0, 0];
    let answer: &[&[u8]] =
        &[&[1], &one, EOF, &text(b"1"), MORE_EOF, &update, &[1], &two, EOF, &text(b"2"), &text(b"3"), EOF];
    bench.send(ToClient, &packets(1, answer));
    let event = only(&bench);
    assert_eq!(
        event["mysql"],
        json!({"affected_rows": 3, "insert_id": 0, "num_rows": 3, "num_fields": 1, "result_sets": 3})
    );
    assert_eq!(event["path"], "shop.users, .");
    assert_eq!(event["response"], "one\n1\ntwo\n2\n3\n");
}

/// Answer to a prepare of statement 9 with so many parameters and columns, classic EOF packets.
fn prepared(parameters: u8, columns: &[Vec<u8>]) -> Vec<u8> {
    let head = [0, 9, 0, 0, 0, columns.len() as u8, 0, parameters, 0, 0, 0, 0];
    let mark = column("", "", "?", 0xfd, 0, 0);
    let mut all: Vec<&[u8]> = vec![&head];
    (0..parameters).for_each(|_| all.push(&mark));
    if parameters > 0 {
        all.push(EOF);
    }
    columns.iter().for_each(|column| all.push(column));
    if !columns.is_empty() {
        all.push(EOF);
    }
    packets(1, &all)
}

#[test]
fn prepare_and_execute() {
    let mut bench = bench();
    bench.send(ToServer, &command(0x16, b"SELECT a, b FROM users WHERE id = ? AND n > ?"));
    bench.send(ToClient, &prepared(2, &[varchar("a"), varchar("b")]));
    // Statement 9, no cursor, 1 iteration, no null, types bound anew: LONGLONG unsigned, LONG; values.
    let mut execute = vec![9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0x80, 3, 0];
    execute.extend_from_slice(&u64::MAX.to_le_bytes());
    execute.extend_from_slice(&(-5i32).to_le_bytes());
    bench.send(ToServer, &command(0x17, &execute));
    let columns = [column("shop", "users", "a", 0xfd, 0, 0), column("shop", "users", "b", 1, 0, 0)];
    // Row: 0x00, null map (bits from 2): b is NULL.
    let row = [&[0, 0b1000][..], &text(b"Ann")].concat();
    let second = [&[0, 0][..], &text(b"Bob"), &[0xff]].concat();
    bench.send(ToClient, &packets(1, &[&[2], &columns[0], &columns[1], EOF, &row, &second, EOF]));
    // Executed again without types: those of the last time hold. The second parameter is null.
    let mut again = vec![9, 0, 0, 0, 0, 1, 0, 0, 0, 0b10, 0];
    again.extend_from_slice(&3u64.to_le_bytes());
    bench.send(ToServer, &command(0x17, &again));
    bench.send(ToClient, &packets(1, &[&[2], &columns[0], &columns[1], EOF, EOF]));
    let [prepare, first, second] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(prepare["query"], "Request Prepare Statement");
    assert_eq!(prepare["method"], "SELECT");
    assert_eq!(prepare["error"], Json::Null);
    assert_eq!(prepare["destination"]["bytes"], 16);
    assert_eq!(prepare["mysql"], mysql(2, 2));
    assert_eq!(first["query"], "SELECT a, b FROM users WHERE id = ? AND n > ?");
    assert_eq!(first["params"], json!(["18446744073709551615", "-5"]));
    assert_eq!(first["request"], "");
    assert_eq!(first["response"], "a,b\nAnn,NULL\nBob,-1\n");
    assert_eq!(first["mysql"], mysql(2, 2));
    assert_eq!(second["params"], json!(["3", "NULL"]));
    assert_eq!(second["response"], "a,b\n");
}

#[test]
fn a_prepare_without_eof_packets_ends_with_its_last_definition() {
    let mut bench = bench();
    let (mark, name) = (column("", "", "?", 0xfd, 0, 0), varchar("a"));
    bench.send(ToServer, &command(0x16, b"SELECT a FROM users WHERE id = ?"));
    bench.send(ToClient, &packets(1, &[&[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], &mark, &name]));
    assert_eq!(bench.events().len(), 1);
    assert_eq!(bench.events()[0]["path"], "shop.users");
    // With one block it is not known whether an EOF packet follows; it does here, late.
    let mut bench = self::bench();
    bench.send(ToServer, &command(0x16, b"DELETE FROM users WHERE id = ?"));
    bench.send(ToClient, &packets(1, &[&[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], &mark]));
    bench.send(ToClient, &packets(3, &[EOF]));
    bench.send(ToServer, &query("select 1"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
}

#[test]
fn long_data_is_a_parameter_and_a_reset_forgets_it() {
    let mut bench = bench();
    bench.send(ToServer, &command(0x16, b"INSERT INTO t VALUES (?, ?)"));
    bench.send(ToClient, &prepared(2, &[]));
    let piece = |text: &[u8]| command(0x18, &[&[9, 0, 0, 0, 1, 0][..], text].concat());
    let execute = command(0x17, &[9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0xfc, 0, 7]);
    bench.send(ToServer, &piece(b"long "));
    bench.send(ToServer, &piece(b"data"));
    bench.send(ToServer, &execute);
    bench.send(ToClient, &packets(1, &[OKAY]));
    bench.send(ToServer, &piece(b"forgotten"));
    bench.send(ToServer, &command(0x1a, &[9, 0, 0, 0]));
    bench.send(ToClient, &packets(1, &[OKAY]));
    bench.send(ToServer, &command(0x17, &[9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0xfd, 0, 7, 1, b'x']));
    bench.send(ToClient, &packets(1, &[OKAY]));
    let [_, first, second] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(first["params"], json!(["7", "long data"]));
    assert_eq!(second["params"], json!(["7", "x"]));
}

#[test]
fn cursors_are_fetched_with_the_columns_of_the_execution() {
    let mut bench = bench();
    bench.send(ToServer, &command(0x16, b"SELECT n FROM t"));
    let n = column("shop", "t", "n", 3, 0, 0);
    bench.send(ToClient, &prepared(0, std::slice::from_ref(&n)));
    bench.send(ToServer, &command(0x17, &[9, 0, 0, 0, 1, 1, 0, 0, 0]));
    // The EOF packet behind the definitions says that a cursor is open: no rows.
    bench.send(ToClient, &packets(1, &[&[1], &n, &[0xfe, 0, 0, 0x42, 0]]));
    bench.send(ToServer, &command(0x1c, &[9, 0, 0, 0, 2, 0, 0, 0]));
    bench.send(ToClient, &packets(1, &[&[0, 0, 1, 0, 0, 0], &[0, 0, 2, 0, 0, 0], &[0xfe, 0, 0, 0xc2, 0]]));
    let [_, execute, fetch] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(execute["mysql"], mysql(0, 1));
    assert_eq!(fetch["query"], "FETCH SELECT n FROM t");
    assert_eq!(fetch["mysql"], mysql(2, 1));
    assert_eq!(fetch["response"], "1\n2\n");
}

#[test]
fn statements_are_forgotten_when_closed_timed_out_or_reset() {
    for forget in ["close", "time", "reset"] {
        let mut bench = bench_with(Options { statement_timeout_ns: 1_000_000_000, ..options() });
        bench.send(ToServer, &command(0x16, b"DELETE FROM t"));
        bench.send(ToClient, &prepared(0, &[]));
        assert_eq!(bench.parser.idle_limit_ns(), 1_000_000_000);
        match forget {
            "close" => bench.send(ToServer, &command(0x19, &[9, 0, 0, 0])),
            "time" => bench.wait(2_000_000_000),
            _ => {
                bench.send(ToServer, &command(0x1f, &[]));
                bench.send(ToClient, &packets(1, &[OKAY]));
            }
        }
        bench.send(ToServer, &command(0x17, &[9, 0, 0, 0, 0, 1, 0, 0, 0]));
        bench.send(ToClient, &packets(1, &[OKAY]));
        let event = bench.events().last().unwrap();
        assert_eq!(event["query"], "Request Execute Statement", "{forget}");
        assert_eq!(event["method"], "EXECUTE");
        assert_eq!(event["error"]["message"], "The actual query being used is unknown");
        assert_eq!(event["status"], "OK");
        assert_eq!(bench.parser.idle_limit_ns(), 0);
    }
}

#[test]
fn an_execution_may_follow_its_prepare_before_the_answer() {
    let mut bench = logged_in();
    let mut both = command(0x16, b"INSERT INTO t VALUES (1)");
    both.extend(command(0x17, &[0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0]));
    bench.send(ToServer, &both);
    bench.send(ToClient, &prepared(0, &[]));
    bench.send(ToClient, &packets(1, &[&[0, 1, 0, 2, 0, 0, 0]]));
    let [_, execute] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(execute["query"], "INSERT INTO t VALUES (1)");
    assert_eq!(execute["mysql"]["affected_rows"], 1);
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let mut bench = logged_in();
    let all: Vec<u8> = (0..100).flat_map(|n| query(&format!("UPDATE t SET n = {n}"))).collect();
    bench.send(ToServer, &all);
    let answers: Vec<u8> = (0..100).flat_map(|n| packets(1, &[&[0, n, 0, 2, 0, 0, 0]])).collect();
    bench.send_in(ToClient, &answers, 7);
    assert_eq!(bench.events().len(), 100);
    for (n, event) in bench.events().iter().enumerate() {
        assert_eq!(event["query"], format!("UPDATE t SET n = {n}"));
        assert_eq!(event["mysql"]["affected_rows"], n);
    }
}

#[test]
fn a_login_is_silent_unless_it_is_refused() {
    let mut bench = bench();
    bench.send(ToClient, &greeting(CAPABILITIES));
    bench.send(ToServer, &login_answer(CAPABILITIES));
    // Another method is asked for, then the server is content.
    bench.send(ToClient, &packets(2, &[b"\xfecaching_sha2_password\0abc"]));
    bench.send(ToServer, &packets(3, &[b"0123456789"]));
    bench.send(ToClient, &packets(4, &[&[1, 3], OKAY]));
    assert!(bench.events().is_empty());
    bench.send(ToServer, &query("select 1"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(only(&bench)["method"], "SELECT");

    let mut bench = self::bench();
    bench.send(ToClient, &greeting(CAPABILITIES));
    bench.send(ToServer, &login_answer(CAPABILITIES));
    bench.send(ToClient, &packets(2, &[b"\xff\x15\x04#28000Access denied for user 'app'"]));
    let event = only(&bench);
    assert_eq!((&event["method"], &event["query"]), (&json!("CONNECT"), &json!("CONNECT app on shop")));
    assert_eq!(event["mysql"]["error_code"], 1045);
    assert_eq!(event["mysql"]["error_message"], "28000: Access denied for user 'app'");
    assert_eq!(event["status"], "Error");
    assert_eq!(event["source"]["ip"], "10.0.0.1");

    let mut bench = self::bench();
    bench.send(ToClient, &packets(0, &[b"\xff\x10\x04Too many connections"]));
    assert_eq!(only(&bench)["mysql"]["error_message"], "Too many connections");
}

#[test]
fn encrypted_and_compressed_connections_are_left_alone() {
    let mut bench = bench();
    bench.send(ToClient, &greeting(CAPABILITIES | 1 << 11));
    let switch = [&(CAPABILITIES | 1 << 11).to_le_bytes()[..], &[0; 28]].concat();
    bench.send(ToServer, &packets(1, &[&switch]));
    bench.send(ToServer, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    bench.finish();
    assert!(bench.events().is_empty());

    let mut bench = self::bench();
    bench.send(ToClient, &greeting(CAPABILITIES | 1 << 5));
    bench.send(ToServer, &login_answer(CAPABILITIES | 1 << 5));
    bench.send(ToClient, &packets(2, &[OKAY]));
    bench.send(ToServer, &query("select 1"));
    bench.finish();
    assert!(bench.events().is_empty());
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);

    // The same, joined in the middle: a compressed packet, a TLS record.
    let inner = query("select 1");
    let header = [inner.len() as u8, 0, 0, 0, 0, 0, 0];
    for bytes in [[&header[..], &inner].concat(), b"\x17\x03\x03\x00\x03abc\x17\x03\x03\x00\x01x".to_vec()] {
        let mut bench = self::bench();
        bench.send(ToServer, &bytes);
        bench.send(ToServer, &query("select 1"));
        bench.finish();
        assert!(bench.events().is_empty());
    }
}

#[test]
fn other_commands() {
    let mut bench = bench();
    let mut exchange = |request: Vec<u8>, answer: &[&[u8]]| {
        bench.send(ToServer, &request);
        bench.send(ToClient, &packets(1, answer));
        let event = bench.events().last().cloned().unwrap_or_default();
        (event["query"].as_str().unwrap_or_default().to_string(), event["status"].clone(), bench.events().len())
    };
    let ok = |query: &str, events| (query.to_string(), json!("OK"), events);
    assert_eq!(exchange(command(0x0e, b""), &[OKAY]), ok("PING", 1));
    assert_eq!(exchange(command(0x02, b"shop"), &[OKAY]), ok("INIT_DB shop", 2));
    assert_eq!(exchange(command(0x09, b""), &[b"Uptime: 1  Threads: 3"]), ok("STATISTICS", 3));
    assert_eq!(exchange(command(0x0c, &[5, 0, 0, 0]), &[OKAY]), ok("PROCESS_KILL 5", 4));
    assert_eq!(exchange(command(0x1f, b""), &[OKAY]), ok("RESET_CONNECTION", 5));
    assert_eq!(exchange(command(0x04, b"users\0%"), &[&varchar("a"), &varchar("b"), EOF]), ok("FIELD_LIST users", 6));
    assert_eq!(exchange(command(0x1b, &[0, 0]), &[EOF]), ok("SET_OPTION", 7));
    assert_eq!(exchange(command(0x11, b"ann\0\x02xyshop\0"), &[OKAY]), ok("CHANGE_USER ann on shop", 8));
    let refused = exchange(command(0x02, b"secret"), &[b"\xff\x14\x04#42000Access denied"]);
    assert_eq!(refused, ("INIT_DB secret".to_string(), json!("Error"), 9));
}

#[test]
fn a_local_file_belongs_to_its_statement() {
    let mut bench = bench();
    bench.send(ToServer, &query("LOAD DATA LOCAL INFILE '/f' INTO TABLE t"));
    bench.send(ToClient, &packets(1, &[b"\xfb/f"]));
    let mut sequence = 2u8;
    for _ in 0..300 {
        bench.send(ToServer, &packets(sequence, &[b"\x03data that looks like a command"]));
        sequence = sequence.wrapping_add(1);
    }
    bench.send(ToServer, &packets(sequence, &[b""]));
    bench.send(ToClient, &packets(sequence.wrapping_add(1), &[&[0, 9, 0, 2, 0, 0, 0]]));
    bench.send(ToServer, &query("select 1"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    let [load, _] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(load["mysql"]["affected_rows"], 9);
    assert_eq!(load["source"]["bytes"], query("LOAD DATA LOCAL INFILE '/f' INTO TABLE t").len() + 300 * 35 + 4);
}

#[test]
fn packets_of_16_megabytes_and_more() {
    let mut bench = bench();
    let mut sql = b"\x03INSERT INTO t VALUES ('".to_vec();
    sql.resize(0xff_ffff + 100, b'x');
    bench.send_in(ToServer, &packets(0, &[&sql[..0xff_ffff], &sql[0xff_ffff..]]), 60_000);
    bench.send(ToClient, &packets(2, &[OKAY]));
    let event = &bench.events()[0];
    assert_eq!(event["source"]["bytes"], sql.len() + 8);
    assert_eq!(event["query"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(event["error"]["message"], "The request is longer than what is kept of it");
    // A row of exactly one full frame has an empty one behind it.
    bench.send(ToServer, &query("SELECT a FROM t"));
    let mut row = vec![0xfd, 0xfb, 0xff, 0xff];
    row.resize(0xff_ffff, b'y');
    bench.send_in(ToClient, &packets(1, &[&[1], &varchar("a"), EOF, &row, b"", EOF]), 60_000);
    let event = &bench.events()[1];
    assert_eq!(event["mysql"], mysql(1, 1));
    assert_eq!(event["response"].as_str().unwrap().len(), 2 + 1024 + 1);
}

#[test]
fn query_attributes_stand_before_the_statement() {
    let mut bench = bench();
    bench.send(ToServer, &command(3, b"\0\x01SELECT 1"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    // One attribute: no null, bound, VAR_STRING with the name k, value "v".
    bench.send(ToServer, &command(3, b"\x01\x01\0\x01\xfd\0\x01k\x01vSELECT 2"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(bench.events()[0]["query"], "SELECT 1");
    assert_eq!(bench.events()[1]["query"], "SELECT 2");
}

#[test]
fn a_capture_may_begin_anywhere() {
    let mut bench = bench();
    // The end of a result set, and a command cut at its front.
    bench.send(ToClient, &packets(17, &[&text(b"row"), EOF]));
    bench.send(ToServer, b"CT 1 FROM something WHERE x");
    bench.send(ToClient, &packets(1, &[OKAY]));
    bench.send(ToServer, &query("select 1"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(only(&bench)["query"], "select 1");
    assert!(bench.count(ProtocolCounter::UnmatchedResponses) > 0);
}

#[test]
fn gaps_in_an_answer() {
    let (name, row) = (varchar("a"), text(&[b'z'; 100]));
    let answer = packets(1, &[&[1], &name, EOF, &row, &row, &row, EOF]);
    let head = packets(1, &[&[1], &name, EOF]).len();
    // Inside one row: it is counted, and all that follows.
    let mut bench = bench();
    bench.send(ToServer, &query("select a from users"));
    bench.send(ToClient, &answer[..head + 20]);
    bench.lose(ToClient, 50);
    bench.send(ToClient, &answer[head + 70..]);
    let event = only(&bench);
    assert_eq!(event["mysql"], mysql(3, 1));
    assert_eq!(event["error"]["message"], "Packet loss while capturing the response");
    // Across rows: what there is.
    let mut bench = self::bench();
    bench.send(ToServer, &query("select a from users"));
    bench.send(ToClient, &answer[..head + 105 + 20]);
    bench.lose(ToClient, 150);
    bench.send(ToClient, &answer[head + 105 + 170..]);
    let event = only(&bench);
    assert_eq!(event["mysql"], mysql(1, 1));
    assert_eq!(event["status"], "OK");
    assert_eq!(event["destination"]["bytes"], Json::Null);
    assert_eq!(event["error"]["message"], "Packet loss while capturing the response");
    // The next command is in step again.
    bench.send(ToServer, &query("select 2"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[1]["query"], "select 2");
    // The whole answer is lost.
    let mut bench = self::bench();
    bench.send(ToServer, &query("select 0"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    bench.send(ToServer, &query("select 1"));
    bench.lose(ToClient, 11);
    bench.send(ToServer, &query("select 2"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    let [_, lost, second] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!((&lost["query"], &lost["status"]), (&json!("select 1"), &json!("Error")));
    assert_eq!((&second["query"], &second["status"]), (&json!("select 2"), &json!("OK")));
}

#[test]
fn a_missed_answer_does_not_shift_later_ones() {
    let answered = |events: &[Json]| -> Vec<(u64, u64)> {
        let answered = events.iter().filter(|event| event["status"] == "OK");
        answered
            .map(|event| {
                let asked = event["query"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
                (asked, event["mysql"]["affected_rows"].as_u64().unwrap())
            })
            .collect()
    };
    let ask = |bench: &mut Bench, n: u8| bench.send(ToServer, &query(&format!("UPDATE t SET n = {n}")));
    let answer = |bench: &mut Bench, n: u8| bench.send(ToClient, &packets(1, &[&[0, n, 0, 2, 0, 0, 0]]));
    // The first answer of the capture is lost, which no sequence number shows.
    let mut bench = bench();
    ask(&mut bench, 1);
    for n in 2..9 {
        ask(&mut bench, n);
        answer(&mut bench, n);
    }
    assert_eq!(answered(bench.events()), (2..9).map(|n| (n, n)).collect::<Vec<_>>());
    assert_eq!(bench.events().len(), 8);
    // A command is lost; those behind it come all at once, after their answers.
    let mut bench = logged_in();
    bench.lose(ToServer, 30);
    (2..5).for_each(|n| answer(&mut bench, n));
    let late: Vec<u8> = (2..6).flat_map(|n| query(&format!("UPDATE t SET n = {n}"))).collect();
    bench.send(ToServer, &late);
    answer(&mut bench, 5);
    ask(&mut bench, 6);
    answer(&mut bench, 6);
    assert_eq!(answered(bench.events()), [(5, 5), (6, 6)]);
    assert_eq!(bench.events().len(), 5);
    // Two answers are lost, and it is seen late.
    let mut bench = logged_in();
    (1..4).for_each(|n| ask(&mut bench, n));
    bench.lose(ToClient, 22);
    answer(&mut bench, 3);
    for n in 4..8 {
        ask(&mut bench, n);
        answer(&mut bench, n);
    }
    assert_eq!(answered(bench.events())[1..], [(4, 4), (5, 5), (6, 6), (7, 7)]);
    // So many bytes are lost that it is not known whose.
    let mut bench = logged_in();
    (1..4).for_each(|n| ask(&mut bench, n));
    bench.lose(ToClient, 5000);
    answer(&mut bench, 3);
    ask(&mut bench, 4);
    answer(&mut bench, 4);
    assert_eq!(answered(bench.events()), [(4, 4)]);
    assert_eq!(bench.events().len(), 4);
    // One came too late for the time-out, one never.
    let mut bench = logged_in();
    ask(&mut bench, 1);
    bench.wait(20_000_000_000);
    answer(&mut bench, 1);
    ask(&mut bench, 2);
    bench.wait(20_000_000_000);
    ask(&mut bench, 3);
    answer(&mut bench, 3);
    assert_eq!(answered(bench.events()), [(3, 3)]);
    assert_eq!(bench.events().len(), 3);
}

#[test]
fn gaps_in_a_command() {
    let long = query(&format!("INSERT INTO t VALUES ('{}')", "x".repeat(500)));
    let mut bench = bench();
    bench.send(ToServer, &long[..100]);
    bench.lose(ToServer, 100);
    bench.send(ToServer, &long[200..]);
    bench.send(ToClient, &packets(1, &[&[0, 1, 0, 2, 0, 0, 0]]));
    let event = only(&bench);
    assert_eq!(event["method"], "INSERT");
    assert_eq!(event["mysql"]["affected_rows"], 1);
    assert_eq!(event["source"]["bytes"], long.len());
    assert_eq!(event["error"]["message"], "Packet loss while capturing the request");
    // Beyond its end.
    let mut bench = self::bench();
    bench.send(ToServer, &long[..100]);
    bench.lose(ToServer, 1000);
    bench.send(ToServer, &query("select 2"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn unanswered_commands_are_published() {
    let mut bench = bench();
    bench.send(ToServer, &query("select sleep(60)"));
    assert_eq!(bench.parser.deadline_ns(), Some(bench.now_ns + 10_000_000_000));
    bench.wait(9_000_000_000);
    assert!(bench.events().is_empty());
    bench.wait(1_000_000_000);
    let event = only(&bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["error"]["message"], "No response to this request was received");
    assert_eq!(bench.parser.deadline_ns(), None);
    // Its late answer is passed over, and the next one is right.
    bench.send(ToClient, &packets(1, &[&[0, 9, 0, 2, 0, 0, 0]]));
    bench.send(ToServer, &query("select 2"));
    bench.send(ToClient, &packets(1, &[OKAY]));
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[1]["mysql"], mysql(0, 0));

    for end in [Bench::reset as fn(&mut Bench, Direction), Bench::fin] {
        let mut bench = self::bench();
        bench.send(ToServer, &command(0x0e, b""));
        end(&mut bench, ToClient);
        assert_eq!(only(&bench)["query"], "PING");
        assert_eq!(only(&bench)["status"], "Error");
        bench.finish();
        assert_eq!(bench.events().len(), 1);
    }
    let mut bench = self::bench();
    bench.send(ToServer, &query("select a from t"));
    bench.send(ToClient, &packets(1, &[&[1], &varchar("a"), EOF, &text(b"1")]));
    bench.finish();
    assert_eq!(only(&bench)["error"]["message"], "The connection ended before the response was complete");
    assert_eq!(only(&bench)["mysql"], mysql(1, 1));
}

#[test]
fn a_flood_of_commands_is_bounded() {
    let mut bench = logged_in();
    for _ in 0..1000 {
        bench.send(ToServer, &query("select 1"));
    }
    assert_eq!(bench.events().len(), 896);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 896);
    let large = query(&"x".repeat(1 << 20));
    for _ in 0..20 {
        bench.send(ToServer, &large);
    }
    bench.finish();
    assert_eq!(bench.events().len(), 1020);
}

/// Takes events and forgets them.
struct Sink(crate::event::Event);

impl crate::protocols::Publisher for Sink {
    fn begin(&mut self) -> &mut crate::event::Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn a_finished_parser_is_about_as_small_as_a_new_one() {
    let mut sink = Sink(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut parser = MysqlParser::new(Arc::new(options()));
    let flow = bench().flow;
    let mut context = Context { now_ns: 1, flow, publisher: &mut sink };
    for round in 0..3 {
        for id in 0..50u8 {
            let sql = query(&"x".repeat(3 << 20));
            for part in sql.chunks(1 << 20) {
                assert!(matches!(parser.data(&mut context, ToServer, part), Step::All | Step::Consumed { .. }));
            }
            let name = [b"SELECT ?".to_vec(), vec![id; 5000]].concat();
            parser.data(&mut context, ToServer, &command(0x16, &name));
            let head = [0, id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            parser.data(&mut context, ToClient, &[packets(1, &[OKAY]), packets(1, &[&head])].concat());
        }
        assert!(parser.kept_bytes() > 50 * 5000, "{round}");
        parser.finish(&mut context);
        assert!(parser.kept_bytes() < 512 << 10, "{}", parser.kept_bytes());
    }
}

#[test]
fn random_packets_are_harmless() {
    let mut random = fastrand::Rng::with_seed(9_960_001);
    let firsts = [0u8, 1, 2, 3, 9, 0x0a, 0x0e, 0x11, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1c, 0xfa, 0xfb, 0xfe, 0xff];
    for _ in 0..1000 {
        let mut bench = bench();
        for _ in 0..30 {
            let direction = if random.bool() { ToServer } else { ToClient };
            let sequence = if random.u8(..4) == 0 { random.u8(..4) } else { u8::from(direction == ToClient) };
            let mut payload: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..) & random.u8(..)).collect();
            if let Some(first) = payload.first_mut() {
                *first = firsts[random.usize(..firsts.len())];
            }
            bench.send(direction, &packets(sequence, &[&payload]));
        }
        bench.wait(60_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}
