// SPDX-License-Identifier: Apache-2.0
//! The program's TLS events against the logs of the clients that made the handshakes.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: tls\n  ports: [443, 993, 995, 5223, 8443, 8883, 9243]\n";

#[test]
fn every_handshake_is_one_event() {
    for theme in ["alerts", "features", "fragments", "go", "resumption", "versions"] {
        let Recorded { events, operations } = run("tls", theme, PROTOCOLS);
        // Plain HTTP, which the server closed without a word, is no TLS.
        let operations: Vec<&Json> = operations.iter().filter(|operation| operation["op"] != "plaintext").collect();
        assert_eq!(events.len(), operations.len(), "{theme}: {events:#?}");
        for (event, operation) in events.iter().zip(operations) {
            let differences = differences(event, operation);
            assert!(differences.is_empty(), "{theme}: {differences:?}\n{operation}\n{event:#}");
        }
    }
}

#[test]
fn alerts_say_why() {
    let Recorded { events, .. } = run("tls", "alerts", PROTOCOLS);
    let last: Vec<&str> = events
        .iter()
        .map(|event| {
            event["tls"]["detailed"]["alert_types"].as_array().and_then(|types| types.last()?.as_str()).unwrap_or("-")
        })
        .collect();
    let expected = [
        "unknown_ca",
        "bad_certificate",
        "handshake_failure",
        // TLS 1.3: the alert is encrypted.
        "-",
        "protocol_version",
        "handshake_failure",
        "certificate_expired",
        "decode_error",
        "decode_error",
    ];
    assert_eq!(last, expected);
}

/// What an event says otherwise than the client's log.
fn differences(event: &Json, operation: &Json) -> Vec<String> {
    let tls = &event["tls"];
    let mut differences = Vec::new();
    let mut expect = |what: &str, logged: Json, shown: Json| {
        if logged != shown {
            differences.push(format!("{what}: {logged} in the log, {shown} in the event"));
        }
    };
    // A certificate that the server of TLS 1.3 asked for in vain is told in an encrypted alert, after the client has finished.
    let hidden = operation["error"] == "TLSV13_ALERT_CERTIFICATE_REQUIRED";
    let completed = operation["outcome"] == "ok" || hidden;
    expect("status", if completed { "OK" } else { "Error" }.into(), event["status"].clone());
    expect("established", completed.into(), tls["established"].clone());
    let broken = text(&operation["note"]).starts_with("the client leaves");
    if let Some(name) = operation.get("server_name").filter(|_| !broken) {
        expect("server name", name.clone(), tls["client"]["server_name"].clone());
        expect("domain", name.clone(), event["destination"]["domain"].clone());
    }
    if let Some(port) = operation.get("port") {
        expect("port", port.clone(), event["destination"]["port"].clone());
    }
    if operation["outcome"] != "ok" {
        expect("resumed", false.into(), tls["resumed"].clone());
        return differences;
    }
    let version = number_of(text(&operation["version"]));
    expect("version", version.into(), tls["version"].clone());
    expect("cipher", registered(text(&operation["cipher"])).into(), tls["cipher"].clone());
    expect("resumed", operation["resumed"].as_bool().unwrap_or(false).into(), tls["resumed"].clone());
    let method = match (operation["resumed"] == true, text(&operation["note"])) {
        (false, _) => Json::Null,
        (true, "session id") => "id".into(),
        (true, "ticket") => "ticket".into(),
        (true, _) => "psk".into(),
    };
    expect("resumption", method, tls["detailed"]["resumption_method"].clone());
    match text(&operation["group"]) {
        "X25519" => expect("group", "x25519".into(), tls["curve"].clone()),
        "CurveP384" => expect("group", "secp384r1".into(), tls["curve"].clone()),
        _ => {}
    }
    // In TLS 1.3 the certificate and the chosen protocol are encrypted.
    if version != "1.3" && operation["resumed"] != true {
        if let Some(name) = operation.get("certificate") {
            let subject = text(&tls["server"]["subject"]).split(',').next().unwrap_or_default();
            expect("certificate", format!("CN={}", text(name)).into(), subject.into());
        }
        let protocol = operation.get("alpn").filter(|protocol| *protocol != "").cloned().unwrap_or_default();
        expect("protocol", protocol, tls["next_protocol"].clone());
    }
    differences
}

fn number_of(version: &str) -> &'static str {
    match version {
        "TLSv1" => "1.0",
        "TLSv1.1" => "1.1",
        "TLSv1.2" | "TLS 1.2" => "1.2",
        "TLSv1.3" | "TLS 1.3" => "1.3",
        other => panic!("version {other:?}"),
    }
}

/// The registered name for OpenSSL's own.
fn registered(cipher: &str) -> &str {
    match cipher {
        "ECDHE-RSA-AES256-SHA" => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "ECDHE-RSA-AES128-GCM-SHA256" => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384" => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-SHA384" => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384" => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "DHE-RSA-AES128-SHA256" => "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
        "AES128-SHA" => "TLS_RSA_WITH_AES_128_CBC_SHA",
        "AES256-GCM-SHA384" => "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "CAMELLIA128-SHA" => "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA",
        registered => registered,
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
