// SPDX-License-Identifier: Apache-2.0
//! Conditions, branches, the shipped configuration, and what users get wrong.

use super::*;

/// Whether a condition holds for the start.
fn holds(condition: &str) -> bool {
    outcome(&format!("  - drop_event: {{when: {condition}}}")) == Outcome::Drop
}

#[test]
fn conditions() {
    for (condition, expected) in [
        ("{equals.status: OK}", true),
        ("{equals: {status: OK, source.port: 40000}}", true),
        ("{equals: {status: OK, source: {port: 40001}}}", false),
        ("{equals.source.port: '40000'}", false),
        ("{equals.source.ip: 10.0.0.1}", true),
        ("{equals.fields.deep.n: 7}", true),
        ("{equals.none: 1}", false),
        ("{equals.tags: forwarded}", false),
        ("{contains.tags: forwarded}", true),
        ("{contains: {query: a%20, method: E}}", true),
        ("{contains.source.port: 4}", false),
        ("{regexp.query: '^GET /.*c$'}", true),
        ("{regexp: {source.ip: '^10[.]'}}", true),
        ("{regexp.query: '^POST'}", false),
        ("{range.network.bytes.lt: 305}", true),
        ("{range: {network.bytes: {gte: 304, lte: 304}}}", true),
        ("{range: {network.bytes.gt: 304}}", false),
        ("{range: {network: {bytes: {gt: 300.5}}, source.port.lt: 40001}}", true),
        ("{range.query.gt: 1}", false),
        ("{network.source.ip: private}", true),
        ("{network: {source.ip: [192.168.0.0/16, 10.0.0.0/8]}}", true),
        ("{network: {source.ip: private, destination.ip: private}}", false),
        ("{network.none: private}", false),
        ("{has_fields: [source, fields.deep.dur, '@timestamp']}", true),
        ("{has_fields: [source, none]}", false),
        ("{and: [{equals.status: OK}, {has_fields: [method]}]}", true),
        ("{and: [{equals.status: OK}, {has_fields: [none]}]}", false),
        ("{or: [{equals.status: Error}, {has_fields: [method]}]}", true),
        ("{or: [{equals.status: Error}]}", false),
        ("{not.equals.type: flow}", true),
        ("{not: {or: [{equals.type: http}, {equals.type: flow}]}}", false),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn branches_take_one_processor_or_a_list() {
    let text = |status: &str| {
        format!(
            "  - if: {{equals.status: {status}}}\n    then:\n      - add_tags: {{tags: ['yes']}}\n      - drop_fields: {{fields: [query]}}\n    else:\n      add_tags: {{tags: [other]}}"
        )
    };
    assert_eq!(after(&text("OK")), start_with(&[("/tags", json!(["forwarded", "yes"])), ("/query", json!(null))]));
    assert_eq!(after(&text("Error")), start_with(&[("/tags", json!(["forwarded", "other"]))]));
    assert_eq!(
        outcome("  - if.has_fields: [status]\n    then: {drop_event: {when.has_fields: [method]}}"),
        Outcome::Drop
    );
}

#[test]
fn an_event_is_dropped_without_a_condition() {
    let text = "processors:\n  - if.equals.type: http\n    then:\n      - drop_event: ~";
    let run = run_on(text, http_event);
    assert_eq!((run.outcome, run.warnings), (Outcome::Drop, Vec::<String>::new()));
    let run = run_on("processors:\n  - drop_event:", http_event);
    assert_eq!(run.outcome, Outcome::Drop);
    assert_eq!(run.warnings, ["test.yml:2: drop_event has no condition: it drops every event"]);
}

#[test]
fn literal_keys_with_dots_are_found() {
    let text = "processors:\n  - rename: {fields: [{from: user.name, to: who}], ignore_missing: true}\n  - add_fields: {target: user, fields: {id: 5}}";
    let run = run_on(text, |event| {
        event.text(field::USER_NAME, "ann");
        event.text(field::USER_ID, "1");
    });
    assert_eq!(run.event, json!({"who": "ann", "user.id": 5}));
}

#[test]
fn shipped_processors_load() {
    let text = "
processors:
  - if.contains.tags: forwarded
    then:
      - drop_fields:
          fields: [host]
    else:
      - add_host_metadata: ~
  - add_cloud_metadata: ~
  - add_docker_metadata: ~
  - detect_mime_type:
      field: http.request.body.content
      target: http.request.mime_type
  - detect_mime_type:
      field: http.response.body.content
      target: http.response.mime_type
  - add_cloud_metadata: {timeout: 1s}
";
    let run = run_on(text, http_event);
    assert_eq!(run.event, start());
    assert_eq!(
        run.warnings,
        [
            "test.yml:9: processor add_cloud_metadata is not built yet and has no effect",
            "test.yml:10: processor add_docker_metadata is not built yet and has no effect",
        ]
    );
    let other = run_on(text, |event| event.constant(field::TYPE, "dns"));
    assert_eq!(other.event["host"]["hostname"], json!(host::name()));
}

#[test]
fn mistakes_name_file_line_and_key() {
    for (text, expected) in [
        (
            "processors:\n  - ad_tags: {tags: [x]}",
            "test.yml:2: processors.0.ad_tags: there is no processor of this name; did you mean add_tags?",
        ),
        ("processors:\n  - add_tags: {}", "test.yml:2: processors.0.add_tags.tags: missing; the processor needs it"),
        (
            "processors:\n  - add_tags:\n      tags: [x]\n      when:\n        equal.type: x",
            "test.yml:4: processors.0.add_tags.when: found equal, expected a condition: one of equals, contains, regexp, range, network, has_fields, or, and, not",
        ),
        (
            "processors:\n  - drop_event:\n      when.network.source.ip: nowhere",
            "test.yml:3: processors.0.drop_event.when.network.source.ip: found \"nowhere\", expected a range such as 10.0.0.0/8 or one of loopback, unicast, global_unicast, multicast, interface_local_multicast, link_local_unicast, link_local_multicast, private, public, unspecified",
        ),
        (
            "processors:\n  - drop_event:\n      when.regexp.query: '('",
            "test.yml:3: processors.0.drop_event.when.regexp.query: \"(\" is no regular expression: unclosed group",
        ),
        (
            "processors:\n  - drop_event:\n      when.range.network.bytes: 5",
            "test.yml:3: processors.0.drop_event.when.range.network.bytes: expected a field name with lt, lte, gt or gte below it",
        ),
        (
            "processors:\n  - rename:\n      fields:\n        - from: a",
            "test.yml:4: processors.0.rename.fields.0.to: missing; the processor needs it",
        ),
        (
            "processors:\n  - convert: {fields: [{from: a, type: text}]}",
            "test.yml:2: processors.0.convert.fields.0.type: found \"text\", expected one of integer, long, float, double, string, boolean, ip",
        ),
        (
            "processors:\n  - drop_fields: {fields: ['/(/']}",
            "test.yml:2: processors.0.drop_fields.fields: \"/(/\" is no regular expression: unclosed group",
        ),
        (
            "processors:\n  - add_tags: {tags: [x]}\n    drop_fields: {fields: [y]}",
            "test.yml:2: processors.0: found 2 (add_tags, drop_fields), expected one processor",
        ),
        (
            "processors:\n  - if: {equals.a: b}",
            "test.yml:2: processors.0.then: missing; if needs one processor or a list of them",
        ),
        (
            "processors:\n  - dissect: {tokenizer: '%{a}%{b}'}",
            "test.yml:2: processors.0.dissect.tokenizer: found nothing between %{a} and the next key, expected a delimiter",
        ),
        (
            "processors:\n  - rate_limit: {limit: fast}",
            "test.yml:2: processors.0.rate_limit.limit: found \"fast\", expected a rate such as 100/s, 1000/m or 5000/h",
        ),
    ] {
        match read_text(text).0 {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }
}
