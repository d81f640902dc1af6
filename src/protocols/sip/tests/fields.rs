// SPDX-License-Identifier: Apache-2.0
//! What of a message becomes which field.

use super::*;

#[test]
fn a_request() {
    let original = "INVITE sips:bob@[2001:db8::1]:5061;transport=tcp SIP/2.0\r\n\
        Via: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b;branch=2\r\nVia: SIP/2.0/UDP a;branch=1\r\n\
        From: \"Ann, \\\"the\\\" <boss>\" <sip:ann:secret@rec.test>;tag=\"x;y\"\r\nTo: sip:bob@rec.test;tag=7\r\n\
        Call-ID: 1@a\r\nCSeq: 12 invite\r\nMax-Forwards: 70\r\n\
        Contact: \"Ann, at home\" <sip:ann@10.0.0.1:5070;line=9;transport=TLS>;q=0.5;expires=0, <sip:x@y>\r\n\
        Allow: INVITE, ACK\r\nAllow: BYE\r\nSupported: 100rel,timer\r\nAccept: Application/SDP\r\n\
        User-Agent: phone/1.0\r\nP-Asserted-Identity: \"Ann\" <sip:+1555@rec.test>, <tel:+1555>\r\n\
        P-Charging-Vector: icid-value=1\r\nContent-Length: 0\r\n\r\n";
    let event = event_of(original.as_bytes());
    let uri = |original: &str, scheme: &str, username: &str, host: &str, port: u16| {
        let mut uri = json!({"original": original, "scheme": scheme, "username": username, "host": host});
        if port > 0 {
            uri["port"] = port.into();
        }
        uri
    };
    let expected = json!({
        "type": "request",
        "version": "2.0",
        "method": "INVITE",
        "uri": uri("sips:bob@[2001:db8::1]:5061;transport=tcp", "sips", "bob", "[2001:db8::1]", 5061),
        "via": {"original": ["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b;branch=2"]},
        "from": {
            "display_info": "Ann, \\\"the\\\" <boss>",
            "uri": uri("sip:ann:secret@rec.test", "sip", "ann", "rec.test", 0),
            "tag": "x;y",
        },
        "to": {"uri": uri("sip:bob@rec.test", "sip", "bob", "rec.test", 0), "tag": "7"},
        "call_id": "1@a",
        "cseq": {"code": 12, "method": "INVITE"},
        "max_forwards": 70,
        "contact": {
            "display_info": "Ann, at home",
            "uri": uri("sip:ann@10.0.0.1:5070;line=9;transport=TLS", "sip", "ann", "10.0.0.1", 5070),
            "line": "9",
            "transport": "tls",
            "q": 0.5,
            "expires": 0,
        },
        "allow": ["invite", "ack", "bye"],
        "supported": ["100rel", "timer"],
        "accept": "application/sdp",
        "user_agent": {"original": "phone/1.0"},
        "private": {"asserted_identity": ["sip:+1555@rec.test", "tel:+1555"], "charging_vector": "icid-value=1"},
    });
    assert_eq!(event["sip"], expected, "{:#}", event["sip"]);
    assert_eq!(event["event"]["original"], original);
    assert_eq!(event["event"]["action"], "sip-invite");
    assert_eq!(event["event"]["sequence"], 12);
    assert_eq!(event["event"]["type"], json!(["info", "protocol"]));
    assert_eq!(event["event"]["category"], json!(["network"]));
    assert_eq!(event["event"]["duration"], 0);
    assert!(event["event"].get("outcome").is_none() && event["event"].get("reason").is_none());
    assert_eq!((&event["type"], &event["status"]), (&json!("sip"), &json!("OK")));
    let network =
        json!({"type": "ipv4", "transport": "udp", "protocol": "sip", "application": "sip", "iana_number": "17"});
    assert_eq!(event["network"], network);
    assert_eq!(event["related"]["user"], json!(["bob", "ann", "+1555"]));
    assert_eq!(event["related"]["hosts"], json!(["[2001:db8::1]", "rec.test", "10.0.0.1", "+1555"]));
    assert!(event["source"].get("bytes").is_none());
}

#[test]
fn responses_have_status_outcome_and_reason() {
    for (code, phrase, status, outcome) in [
        (100, "Trying", "OK", Json::Null),
        (200, "OK", "OK", json!("success")),
        (302, "Moved Temporarily", "OK", json!("failure")),
        (404, "Not Found", "Error", json!("failure")),
        (603, "Decline", "Error", json!("failure")),
    ] {
        let mut bench = udp();
        bench.datagram(ToClient, &response(code, phrase, 3, ""));
        let event = only(&bench);
        assert_eq!((&event["status"], &event["event"]["outcome"]), (&json!(status), &outcome), "{code}");
        assert_eq!((&event["sip"]["code"], &event["sip"]["status"]), (&json!(code), &json!(phrase)));
        assert_eq!(event["event"]["reason"], phrase);
        assert_eq!(event["event"]["action"], "sip-invite");
        // The sender of the message is its source.
        assert_eq!((&event["source"]["ip"], &event["source"]["port"]), (&json!("10.0.0.2"), &json!(5060)));
        assert_eq!(event["sip"]["to"]["tag"], "2");
    }
    let event = event_of(b"SIP/2.0 200\r\nCSeq: 1 BYE\r\n\r\n");
    assert!(event["sip"].get("status").is_none() && event["event"].get("reason").is_none());
}

#[test]
fn short_names_folded_lines_and_odd_blanks() {
    // The first message of RFC 4475, in parts: section 3.1.1.1.
    let event = event_of(
        b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n\
        Call-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 5\r\ncseq: 0009\r\n  INVITE\r\nv: SIP  / 2.0  / UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
        k: Timer\r\nc: text/plain\r\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue\r\n\r\nhello",
    );
    let sip = &event["sip"];
    assert_eq!(sip["to"]["uri"]["original"], "sip:vivekg@chair-dnrc.example.com");
    assert_eq!(sip["to"]["tag"], "1918181833n");
    assert_eq!(sip["from"]["display_info"], "J Rosenberg \\\\\\\"");
    assert_eq!(sip["from"]["tag"], "98asjd8");
    assert_eq!(sip["cseq"], json!({"code": 9, "method": "INVITE"}));
    assert_eq!(sip["via"]["original"], json!(["SIP  / 2.0  / UDP 192.0.2.2;branch=390skdjuw"]));
    assert_eq!((&sip["max_forwards"], &sip["content_length"]), (&json!(68), &json!(5)));
    assert_eq!((&sip["supported"], &sip["content_type"]), (&json!(["timer"]), &json!("text/plain")));
    assert_eq!(sip["contact"]["uri"]["username"], "jdrosen");
    assert_eq!(sip["call_id"], "wsinv.ndaksdj@192.0.2.1");
    assert!(event["event"]["original"].as_str().unwrap().ends_with("\r\n\r\nhello"));
    let short = event_of(
        b"OPTIONS sip:b SIP/2.0\nf: <sip:a@b>;tag=1\nt: c <tel:+1-555;phone-context=x>\ni: 5\ne: gzip\nc: application/sdp\nl: 4\n\nv=0\n",
    );
    assert_eq!(
        short["sip"]["to"]["uri"],
        json!({"original": "tel:+1-555;phone-context=x", "scheme": "tel", "host": "+1-555"})
    );
    assert_eq!((&short["sip"]["call_id"], &short["sip"]["from"]["tag"]), (&json!("5"), &json!("1")));
    assert!(short["sip"].get("sdp").is_none(), "it is compressed");
}

#[test]
fn uris_in_odd_forms() {
    let uri = |text: &str| {
        let event = event_of(format!("OPTIONS {text} SIP/2.0\r\n\r\n").as_bytes());
        ["scheme", "username", "host", "port"].map(|key| match &event["sip"]["uri"][key] {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        })
    };
    assert_eq!(uri("sip:alice;day=tuesday@atlanta.com"), ["sip", "alice;day=tuesday", "atlanta.com", ""]);
    assert_eq!(uri("sip:a.com?subject=x&to=y"), ["sip", "", "a.com", ""]);
    assert_eq!(uri("sip:a.com:99999"), ["sip", "", "a.com", ""]);
    assert_eq!(uri("sip:-@a.com:5060"), ["sip", "", "a.com", "5060"]);
    assert_eq!(uri("sip:[::1"), ["sip", "", "[::1", ""].map(|part| if part == "[::1" { "[" } else { part }));
    assert_eq!(uri("urn:service:sos"), ["urn", "", "service", ""]);
    assert_eq!(uri("nonsense"), ["", "", "", ""]);
}

#[test]
fn credentials() {
    let event = |header: &str| event_of(&request("REGISTER", 2, &format!("{header}\r\n"), ""));
    let digest = "Digest username=\"ann\",realm=\"a, b\", nonce=\"x\" ,URI=\"sip:rec.test:5062\",qop=\"auth,auth-int\"";
    let auth = json!({
        "scheme": "Digest",
        "realm": "a, b",
        "uri": {"original": "sip:rec.test:5062", "scheme": "sip", "host": "rec.test", "port": 5062},
    });
    for name in ["Authorization", "proxy-authorization"] {
        let event = event(&format!("{name}: {digest}"));
        assert_eq!(event["sip"]["auth"], auth);
        assert_eq!(event["user"]["name"], "ann");
        assert_eq!(event["event"]["category"], json!(["network", "authentication"]));
        assert_eq!(event["related"]["user"], json!(["bob", "ann"]));
    }
    let nobody = event("Authorization: Digest username=\"-\"");
    assert!(nobody.get("user").is_none() && nobody["sip"]["auth"]["scheme"] == "Digest");
    let malformed = event("Authorization: Digest");
    assert!(malformed["sip"].get("auth").is_none());
    assert_eq!(malformed["event"]["category"], json!(["network", "authentication"]));
}

#[test]
fn session_descriptions() {
    let body = "v=0\r\no=alice 2890844526 2890844527 IN IP4 host.atlanta.com\r\ns=Seminar\r\nc=IN IP4 224.2.17.12/127\r\n\
        t=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\nc=IN IP4 10.9.9.9\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 99\r\n";
    for kind in ["application/sdp", "Application/SDP; charset=utf-8"] {
        let event = event_of(&request("INVITE", 1, &format!("Content-Type: {kind}\r\n"), body));
        let expected = json!({
            "version": "0",
            "owner": {"username": "alice", "session_id": "2890844526", "version": "2890844527", "ip": "host.atlanta.com"},
            "session": {"name": "Seminar"},
            "connection": {"info": "IN IP4 224.2.17.12/127", "address": "224.2.17.12/127"},
            "media": {"description": ["audio 49170 RTP/AVP 0 8", "video 51372 RTP/AVP 99"]},
            "body": {"original": body},
        });
        assert_eq!(event["sip"]["sdp"], expected);
        assert_eq!(event["related"]["hosts"], json!(["rec.test", "host.atlanta.com", "224.2.17.12/127"]));
        assert_eq!(event["related"]["user"], json!(["bob", "ann", "alice"]));
        assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2"]));
    }
    let sparse =
        event_of(&request("INVITE", 1, "c: application/sdp\r\n", "v=0\no=- 1 2 IN IP6 ::1\ns=-\nx\n=\nm=\no=short\n"));
    let owner = json!({"session_id": "1", "version": "2", "ip": "::1"});
    assert_eq!((&sparse["sip"]["sdp"]["owner"], &sparse["sip"]["sdp"]["version"]), (&owner, &json!("0")));
    assert!(sparse["sip"]["sdp"].get("session").is_none() && sparse["sip"]["sdp"].get("media").is_none());
    assert_eq!(sparse["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "::1"]));
    let other = event_of(&request("INVITE", 1, "c: text/plain\r\n", "v=0\r\n"));
    assert!(other["sip"].get("sdp").is_none());
}

#[test]
fn contact_and_private_uri_as_sent_or_as_packetbeat_reads_them() {
    let more = "Contact: <sip:ann@10.0.0.1>;expires=60\r\nP-Associated-URI: <sip:35@rec.test>, <tel:+1>\r\n";
    let message = request("REGISTER", 1, more, "");
    let sent = event_of(&message);
    assert_eq!(sent["sip"]["contact"]["uri"]["original"], "sip:ann@10.0.0.1");
    assert_eq!(sent["sip"]["contact"]["expires"], 60);
    let private = json!({"original": "sip:35@rec.test", "scheme": "sip", "username": "35", "host": "rec.test"});
    assert_eq!(sent["sip"]["private"]["uri"], private);
    let mut bench = bench_with(Options { addresses: Addresses::Packetbeat, ..Options::default() }, Carrier::Udp);
    bench.datagram(ToServer, &message);
    let compatible = only(&bench);
    assert_eq!(compatible["sip"]["contact"]["uri"]["original"], "sip:bob@rec.test");
    assert_eq!(compatible["sip"]["private"]["uri"]["scheme"], "<sip");
    let all = event_of(&request("REGISTER", 1, "Contact: *\r\nExpires: 0\r\n", ""));
    assert_eq!(all["sip"]["contact"], json!({"uri": {"original": "*"}}));
}
