// SPDX-License-Identifier: Apache-2.0
//! The extended protocol: groups, names, portals, pipelines, errors.

use super::*;

#[test]
fn a_parsed_statement_is_one_event() {
    let mut bench = bench();
    let request = [&parse("", " SELECT $1 ")[..], &bind("", "", &[]), &describe('P', ""), &execute(""), SYNC].concat();
    bench.send(ToServer, &request);
    let result = one_column("a", &["x"]);
    bench.send(ToClient, &[PARSED, BOUND, &result, READY].concat());
    let event = only(&bench);
    assert_eq!(event["query"], "SELECT $1");
    assert_eq!(event["request"], "SELECT $1");
    assert_eq!(event["response"], "a\nx\n");
    assert_eq!(event["source"]["bytes"], request.len());
    // As in Packetbeat, without the acknowledgements.
    assert_eq!(event["destination"]["bytes"], result.len());
}

#[test]
fn a_named_statement_is_known_when_it_is_executed() {
    let mut bench = bench();
    bench.send(
        ToServer,
        &[&parse("by-id", "SELECT name FROM users WHERE id = $1")[..], &describe('S', "by-id"), SYNC].concat(),
    );
    let described = [&message(b't', b"\0\x01\0\0\0\x17")[..], &columns(&[("name", TEXT, 0)])].concat();
    bench.send(ToClient, &[PARSED, &described, READY].concat());
    for _ in 0..3 {
        // Without Describe: what the result looks like is known from before.
        bench.send(ToServer, &[&bind("", "by-id", &[0])[..], &execute(""), SYNC].concat());
        bench.send(ToClient, &[BOUND, &text_row(&["Ann"]), &complete("SELECT 1"), READY].concat());
    }
    assert_eq!(outcomes(&bench), ["OK SELECT name FROM users WHERE id = $1"; 3]);
    assert!(bench.events().iter().all(|event| event["response"] == "name\nAnn\n"));
    // Closed, and executed all the same.
    bench.send(ToServer, &[&close('S', "by-id")[..], SYNC].concat());
    bench.send(ToClient, &[CLOSED, READY].concat());
    bench.send(ToServer, &[&bind("", "by-id", &[])[..], &execute(""), SYNC].concat());
    bench.send(ToClient, &[&error("ERROR", "26000", "does not exist")[..], READY].concat());
    assert_eq!(outcomes(&bench)[3], "Error EXECUTE by-id (The actual query being used is unknown)");
    assert_eq!(bench.parser.idle_limit_ns(), 0);
}

#[test]
fn a_statement_that_was_prepared_unseen() {
    let mut bench = bench();
    bench.send(ToServer, &[&bind("", "s1", &[])[..], &describe('P', ""), &execute(""), SYNC].concat());
    bench.send(ToClient, &[BOUND, &one_column("a", &["1", "2"]), READY].concat());
    let event = only(&bench);
    assert_eq!(event["query"], "EXECUTE s1");
    assert_eq!(event["method"], "SELECT");
    assert_eq!(event["pgsql"], json!({"num_rows": 2, "num_fields": 1}));
    assert_eq!(event["error"]["message"], "The actual query being used is unknown");
    assert_eq!(event["status"], "OK");
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let mut bench = logged_in();
    let group = |sql: &str| [parse("", sql), bind("", "", &[]), describe('P', ""), execute("")].concat();
    bench.send(ToServer, &[&group("SELECT 1")[..], FLUSH].concat());
    bench.send(ToServer, &group("SELECT 2"));
    bench.send(ToServer, &[&group("INSERT 3")[..], SYNC, &group("SELECT 4"), SYNC].concat());
    let answer = |result: &[u8]| [PARSED, BOUND, result].concat();
    bench.send(ToClient, &answer(&one_column("a", &["1"])));
    bench.send(ToClient, &answer(&one_column("b", &["2"])));
    bench.send(ToClient, &[&answer(&[NO_DATA, &complete("INSERT 0 1")].concat())[..], READY].concat());
    bench.send(ToClient, &[&answer(&one_column("d", &["4"]))[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK SELECT 1", "OK SELECT 2", "OK INSERT 3", "OK SELECT 4"]);
    let responses: Vec<&Json> = bench.events().iter().map(|event| &event["response"]).collect();
    assert_eq!(responses, ["a\n1\n", "b\n2\n", "", "d\n4\n"]);
    assert_eq!(bench.events()[0]["source"]["bytes"], group("SELECT 1").len() + FLUSH.len());
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn an_error_skips_the_pipeline_up_to_its_sync() {
    let mut bench = logged_in();
    let group = |sql: &str| [parse("", sql), bind("", "", &[]), execute("")].concat();
    bench.send(ToServer, &[group("SELECT 1"), group("SELECT 1/0"), group("SELECT 3"), SYNC.to_vec()].concat());
    bench.send(ToServer, &[&group("SELECT 4")[..], SYNC].concat());
    bench.send(ToClient, &[PARSED, BOUND, &text_row(&["1"]), &complete("SELECT 1"), PARSED].concat());
    bench.send(ToClient, &[&error("ERROR", "22012", "division by zero")[..], READY].concat());
    bench.send(ToClient, &[PARSED, BOUND, &complete("SELECT 0"), READY].concat());
    let skipped = "Error SELECT 3 (Not executed because of an earlier error)";
    assert_eq!(outcomes(&bench), ["OK SELECT 1", "Error SELECT 1/0", skipped, "OK SELECT 4"]);
    assert!(bench.events()[2]["event"].get("end").is_none());
    // The Sync comes after the error; a request before it is passed over as well.
    bench.send(ToServer, &[&group("SELECT 5")[..], FLUSH].concat());
    bench.send(ToClient, &[PARSED, &error("ERROR", "XX000", "no")].concat());
    bench.send(ToServer, &group("SELECT 6"));
    bench.send(ToServer, SYNC);
    bench.send(ToClient, READY);
    bench.send(ToServer, &[&group("SELECT 7")[..], SYNC].concat());
    bench.send(ToClient, &[PARSED, BOUND, &complete("SELECT 0"), READY].concat());
    let more = ["Error SELECT 5", "Error SELECT 6 (Not executed because of an earlier error)", "OK SELECT 7"];
    assert_eq!(outcomes(&bench)[4..], more);
}

#[test]
fn a_parse_that_fails_alone_is_an_event() {
    let mut bench = bench();
    bench.send(ToServer, &[&parse("s", "SELECT nope")[..], &describe('S', "s"), SYNC].concat());
    bench.send(ToClient, &[&error("ERROR", "42703", "no column")[..], READY].concat());
    bench.send(ToServer, &[&parse("t", "SELECT 1")[..], SYNC].concat());
    bench.send(ToClient, &[PARSED, READY].concat());
    // A portal that is not there.
    bench.send(ToServer, &[&describe('P', "cursor")[..], SYNC].concat());
    bench.send(ToClient, &[&error("ERROR", "34000", "no portal")[..], READY].concat());
    let unknown = "Error DESCRIBE cursor (The actual query being used is unknown)";
    assert_eq!(outcomes(&bench), ["Error SELECT nope", unknown]);
}

#[test]
fn two_parses_before_the_answers() {
    let mut bench = logged_in();
    let request =
        [parse("a", "SELECT 1"), describe('S', "a"), parse("b", "SELECT broken"), describe('S', "b")].concat();
    bench.send(ToServer, &[&request[..], SYNC].concat());
    let described = [&message(b't', b"\0\0")[..], &columns(&[("x", TEXT, 0)])].concat();
    bench.send(ToClient, &[PARSED, &described, &error("ERROR", "42703", "no"), READY].concat());
    assert_eq!(outcomes(&bench), ["Error SELECT broken"]);
}

#[test]
fn portals_are_fetched_in_parts() {
    let mut bench = logged_in();
    bench.send(ToServer, &query("BEGIN"));
    bench.send(ToClient, &[&complete("BEGIN")[..], READY].concat());
    let begin = [&parse("", "SELECT n")[..], &bind("p", "", &[]), &describe('P', "p"), &execute("p"), SYNC].concat();
    bench.send(ToServer, &begin);
    let suspended = message(b's', b"");
    bench.send(ToClient, &[PARSED, BOUND, &columns(&[("n", INT4, 0)]), &text_row(&["1"]), &suspended, READY].concat());
    // Another unnamed statement in between does not change what the portal is.
    bench.send(ToServer, &[&parse("", "SELECT other")[..], SYNC].concat());
    bench.send(ToClient, &[PARSED, READY].concat());
    bench.send(ToServer, &[&execute("p")[..], SYNC].concat());
    bench.send(ToClient, &[&text_row(&["2"])[..], &complete("SELECT 1"), READY].concat());
    bench.send(ToServer, &[&close('P', "p")[..], SYNC].concat());
    bench.send(ToClient, &[CLOSED, READY].concat());
    assert_eq!(outcomes(&bench), ["OK BEGIN", "OK SELECT n", "OK SELECT n"]);
    assert_eq!(bench.events()[2]["response"], "n\n2\n");
}

#[test]
fn settings_of_drivers_are_left_out_unless_they_fail() {
    let mut bench = bench();
    let request = |sql| [&parse("", sql)[..], &bind("", "", &[]), &execute(""), SYNC].concat();
    bench.send(ToServer, &request("SET extra_float_digits = 3"));
    bench.send(ToClient, &[PARSED, BOUND, &complete("SET"), READY].concat());
    assert!(bench.events().is_empty());
    bench.send(ToServer, &request("SET nothing = 3"));
    bench.send(ToClient, &[PARSED, &error("ERROR", "42704", "unrecognized"), READY].concat());
    assert_eq!(outcomes(&bench), ["Error SET nothing = 3"]);
}

#[test]
fn an_error_at_sync_is_an_event() {
    let mut bench = logged_in();
    bench.send(ToServer, &[&parse("", "INSERT")[..], &bind("", "", &[]), &execute(""), SYNC].concat());
    bench.send(ToClient, &[PARSED, BOUND, &complete("INSERT 0 1")].concat());
    bench.send(ToClient, &[&error("ERROR", "23503", "deferred constraint")[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK INSERT", "Error SYNC"]);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn a_sync_before_copied_data_is_passed_over() {
    let mut bench = logged_in();
    bench.send(ToServer, &[&parse("", "COPY t FROM STDIN")[..], &bind("", "", &[]), &execute(""), SYNC].concat());
    bench.send(ToClient, &[PARSED, BOUND, &message(b'G', b"\0\0\0")].concat());
    bench.send(ToServer, &[&message(b'd', b"1\n")[..], &message(b'c', b""), SYNC].concat());
    bench.send(ToClient, &[&complete("COPY 1")[..], READY].concat());
    bench.send(ToServer, &query("SELECT 1"));
    bench.send(ToClient, &[&one_column("a", &["1"])[..], READY].concat());
    assert_eq!(outcomes(&bench), ["OK COPY t FROM STDIN", "OK SELECT 1"]);
    assert_eq!(bench.events()[0]["pgsql"]["num_rows"], 1);
}

#[test]
fn statements_are_forgotten_beyond_the_bound() {
    let mut bench = logged_in();
    for number in 0..3000 {
        bench.send(ToServer, &[&parse(&format!("s{number}"), &format!("SELECT {number}"))[..], SYNC].concat());
        bench.send(ToClient, &[PARSED, READY].concat());
    }
    for name in ["s0", "s2999"] {
        bench.send(ToServer, &[&bind("", name, &[])[..], &execute(""), SYNC].concat());
        bench.send(ToClient, &[BOUND, &complete("SELECT 0"), READY].concat());
    }
    let unknown = "OK EXECUTE s0 (The actual query being used is unknown)";
    assert_eq!(outcomes(&bench), [unknown, "OK SELECT 2999"]);
    assert!(bench.parser.idle_limit_ns() > 0);
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut context_bench = logged_in();
    let mut parser = PgsqlParser::new(Arc::new(options()));
    let mut taker = Taker::default();
    let long = "x".repeat(900_000);
    let mut most = 0;
    for number in 0..40 {
        let mut context = Context { now_ns: number, flow: context_bench.flow, publisher: &mut taker };
        let request =
            [parse(&format!("s{number}"), &long), bind("p", &format!("s{number}"), &[]), execute("p")].concat();
        parser.data(&mut context, ToServer, &request);
        parser.data(&mut context, ToServer, &query(&long));
        most = most.max(parser.kept_bytes());
    }
    assert!(most < 16 << 20, "{most}");
    let mut context = Context { now_ns: 100, flow: context_bench.flow, publisher: &mut taker };
    parser.finish(&mut context);
    assert!(parser.kept_bytes() < 1 << 20, "{}", parser.kept_bytes());
    assert_eq!(parser.deadline_ns(), None);
    context_bench.finish();
}

struct Taker {
    event: crate::event::Event,
}

impl Default for Taker {
    fn default() -> Taker {
        Taker { event: crate::event::Event::new(Arc::new(crate::event::Schema::new([]))) }
    }
}

impl crate::protocols::Publisher for Taker {
    fn begin(&mut self) -> &mut crate::event::Event {
        self.event.clear();
        &mut self.event
    }
    fn publish(&mut self) {}
    fn count(&mut self, _: ProtocolCounter, _: u64) {}
}
