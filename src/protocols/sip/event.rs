// SPDX-License-Identifier: Apache-2.0
//! Fields of an event (Packetbeat behaviour, section 4.13).

use std::net::IpAddr;

use super::address::{Address, Uri, elements, name_and_value, number, split_at_byte};
use super::message::{MAX_REPEATED, Message, StartLine, split_cseq};
use super::sdp::{self, Session};
use super::{Addresses, Options};
use crate::event::{Event, Field, Value, field};
use crate::protocols::{Carrier, Common, Context, Direction, ProtocolCounter, Status};

const NAME: &str = "sip";

/// Elements of a list that are shown.
const MAX_ELEMENTS: usize = 256;

/// One message as it is reported.
pub struct Report<'a> {
    pub message: &'a Message<'a>,
    /// Header and body as they were sent.
    pub original: &'a [u8],
    pub body: &'a [u8],
    pub time_ns: i64,
    pub damage: Damage,
}

/// What is missing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    None,
    /// Bytes were sent and not captured.
    Lost,
    /// The connection ended inside the body.
    CutOff,
    /// The datagram ends before the body does.
    Short,
    /// The datagram ends before the header does.
    NoHeadEnd,
    /// More of the body came than is kept.
    TooLong,
}

/// Publishes a message that was sent in a direction. `text` is memory for what is made of its bytes.
pub fn publish(
    context: &mut Context<'_>,
    direction: Direction,
    options: &Options,
    report: &Report<'_>,
    text: &mut Vec<u8>,
) {
    context.count(ProtocolCounter::Messages, 1);
    let message = report.message;
    let is_error = matches!(message.start, StartLine::Response { code, .. } if code >= 400);
    let note = note(report.damage, &message.start);
    let common = Common {
        name: NAME,
        network_protocol: Some(NAME),
        requests: direction,
        start_ns: Some(report.time_ns),
        end_ns: Some(report.time_ns),
        source_bytes: 0,
        destination_bytes: 0,
        status: if is_error { Status::Error } else { Status::Ok },
        notes: note.as_slice(),
        icmp: None,
    };
    let carrier = context.flow.carrier;
    context.publish(&common, |event| {
        event.constant(field::NETWORK_APPLICATION, NAME);
        event.constant(field::NETWORK_IANA_NUMBER, if carrier == Carrier::Tcp { "6" } else { "17" });
        if options.keep_original {
            event.text(field::EVENT_ORIGINAL, report.original);
        }
        fill_start(event, &message.start, text);
        fill_header(event, message, options, text);
        fill_addresses(event, message, options, text);
        fill_action(event, message, text);
        let credentials = message.authorization.or(message.proxy_authorization);
        event.list(field::EVENT_TYPE, |list| {
            list.constant("info");
            list.constant("protocol");
        });
        if let Some(credentials) = credentials {
            event.append(field::EVENT_CATEGORY, |list| list.constant("authentication"));
            if options.parse_authorization {
                fill_credentials(event, credentials);
            }
        }
        if options.parse_body && message.describes_session() && !report.body.is_empty() {
            fill_session(event, report.body);
        }
    });
}

fn note(damage: Damage, start: &StartLine<'_>) -> Option<&'static str> {
    let is_request = matches!(start, StartLine::Request { .. });
    let of = |request, response| Some(if is_request { request } else { response });
    match damage {
        Damage::None => None,
        Damage::Lost => of("Packet loss while capturing the request", "Packet loss while capturing the response"),
        Damage::CutOff => {
            of("Request cut off by the end of the connection", "Response cut off by the end of the connection")
        }
        Damage::Short => {
            of("Request is shorter than its Content-Length", "Response is shorter than its Content-Length")
        }
        Damage::NoHeadEnd => of("Request ends inside its header", "Response ends inside its header"),
        Damage::TooLong => of("Body of the request is cut", "Body of the response is cut"),
    }
}

fn fill_start(event: &mut Event, start: &StartLine<'_>, text: &mut Vec<u8>) {
    match *start {
        StartLine::Request { method, uri, version } => {
            event.constant(field::SIP_TYPE, "request");
            event.text(field::SIP_VERSION, version);
            event.text(field::SIP_METHOD, in_case(text, method, u8::to_ascii_uppercase));
            fill_uri(event, &REQUEST_URI, &Uri::parse(uri));
        }
        StartLine::Response { version, code, phrase } => {
            event.constant(field::SIP_TYPE, "response");
            event.text(field::SIP_VERSION, version);
            event.unsigned_if_any(field::SIP_CODE, u64::from(code));
            event.text_if_any(field::SIP_STATUS, phrase);
            event.text_if_any(field::EVENT_REASON, phrase);
            match code {
                ..200 => {}
                200..300 => event.constant(field::EVENT_OUTCOME, "success"),
                300.. => event.constant(field::EVENT_OUTCOME, "failure"),
            }
        }
    }
}

fn fill_header(event: &mut Event, message: &Message<'_>, options: &Options, text: &mut Vec<u8>) {
    event.text_if_any(field::SIP_CALL_ID, message.call_id);
    event.text_if_any(field::SIP_USER_AGENT_ORIGINAL, message.user_agent);
    event.unsigned_if_any(field::SIP_MAX_FORWARDS, message.max_forwards);
    event.unsigned_if_any(field::SIP_CONTENT_LENGTH, message.content_length.unwrap_or(0));
    for (field, value) in [(field::SIP_CONTENT_TYPE, message.content_type), (field::SIP_ACCEPT, message.accept)] {
        event.text_if_any(field, in_case(text, value, u8::to_ascii_lowercase));
    }
    for (field, values) in [(field::SIP_ALLOW, &message.allow), (field::SIP_SUPPORTED, &message.supported)] {
        if values.iter().any(|value| elements(value).next().is_some()) {
            event.list(field, |list| {
                for element in values.iter().flat_map(|value| elements(value)).take(MAX_ELEMENTS) {
                    list.text(in_case(text, element, u8::to_ascii_lowercase));
                }
            });
        }
    }
    if !message.vias.is_empty() {
        event.list(field::SIP_VIA_ORIGINAL, |list| message.vias.iter().for_each(|via| list.text(via)));
    }
    event.text_if_any(field::SIP_PRIVATE_CHARGING_VECTOR, message.charging_vector);
    if !message.associated_uri.is_empty() {
        let first = elements(message.associated_uri).next().unwrap_or_default();
        let uri = match options.addresses {
            Addresses::AsSent => Address::parse(first).uri,
            Addresses::Packetbeat => message.associated_uri,
        };
        fill_uri(event, &PRIVATE_URI, &Uri::parse(uri));
    }
}

fn fill_addresses(event: &mut Event, message: &Message<'_>, options: &Options, text: &mut Vec<u8>) {
    for (value, display_info, tag, uri_fields) in [
        (message.from, field::SIP_FROM_DISPLAY_INFO, field::SIP_FROM_TAG, &FROM_URI),
        (message.to, field::SIP_TO_DISPLAY_INFO, field::SIP_TO_TAG, &TO_URI),
    ] {
        let address = Address::parse(value);
        event.text_if_any(display_info, address.display_info);
        event.text_if_any(tag, address.parameter("tag").unwrap_or_default());
        fill_uri(event, uri_fields, &Uri::parse(address.uri));
    }
    if let Some(contact) = message.contact {
        let first = match options.addresses {
            Addresses::AsSent => elements(contact).next().unwrap_or_default(),
            Addresses::Packetbeat => message.to,
        };
        let address = Address::parse(first);
        let uri = Uri::parse(address.uri);
        event.text_if_any(field::SIP_CONTACT_DISPLAY_INFO, address.display_info);
        fill_uri(event, &CONTACT_URI, &uri);
        let transport = uri.parameter("transport").unwrap_or_default();
        event.text_if_any(field::SIP_CONTACT_TRANSPORT, in_case(text, transport, u8::to_ascii_lowercase));
        event.text_if_any(field::SIP_CONTACT_LINE, uri.parameter("line").unwrap_or_default());
        if let Some(expires) = address.parameter("expires").and_then(number) {
            event.unsigned(field::SIP_CONTACT_EXPIRES, expires);
        }
        if let Some(q) = address.parameter("q").and_then(preference) {
            event.set(field::SIP_CONTACT_Q, Value::Float(q));
        }
    }
    let identities = || message.asserted_identities.iter().flat_map(|value| elements(value)).take(MAX_REPEATED);
    if identities().next().is_some() {
        event.list(field::SIP_PRIVATE_ASSERTED_IDENTITY, |list| {
            identities().for_each(|identity| list.text(Address::parse(identity).uri));
        });
        for identity in identities() {
            relate(event, &Uri::parse(Address::parse(identity).uri));
        }
    }
}

/// Number and method of CSeq, and the action that follows from it.
fn fill_action(event: &mut Event, message: &Message<'_>, text: &mut Vec<u8>) {
    let (sequence, cseq_method) = split_cseq(message.cseq);
    event.unsigned_if_any(field::EVENT_SEQUENCE, sequence);
    event.unsigned_if_any(field::SIP_CSEQ_CODE, sequence);
    event.text_if_any(field::SIP_CSEQ_METHOD, in_case(text, cseq_method, u8::to_ascii_uppercase));
    let method = match message.start {
        StartLine::Request { method, .. } => method,
        StartLine::Response { .. } => cseq_method,
    };
    text.clear();
    text.extend_from_slice(b"sip-");
    text.extend(method.iter().map(u8::to_ascii_lowercase));
    event.text(field::EVENT_ACTION, &*text);
}

/// Scheme and parameters of credentials (RFC 3261, section 20.7).
fn fill_credentials(event: &mut Event, credentials: &[u8]) {
    let (scheme, parameters) = split_at_byte(credentials, b' ');
    if parameters.is_empty() {
        return;
    }
    event.text(field::SIP_AUTH_SCHEME, scheme);
    for (name, value) in elements(parameters).map(name_and_value) {
        if value.is_empty() {
            continue;
        }
        if name.eq_ignore_ascii_case(b"realm") {
            event.text(field::SIP_AUTH_REALM, value);
        } else if name.eq_ignore_ascii_case(b"username") && value != b"-" {
            event.text(field::USER_NAME_NESTED, value);
            event.append_unique(field::RELATED_USER, value);
        } else if name.eq_ignore_ascii_case(b"uri") {
            let uri = Uri::parse(value);
            event.text(field::SIP_AUTH_URI_ORIGINAL, value);
            event.text_if_any(field::SIP_AUTH_URI_SCHEME, uri.scheme);
            event.text_if_any(field::SIP_AUTH_URI_HOST, uri.host);
            event.unsigned_if_any(field::SIP_AUTH_URI_PORT, u64::from(uri.port));
        }
    }
}

fn fill_session(event: &mut Event, body: &[u8]) {
    let session = Session::parse(body);
    event.text(field::SIP_SDP_BODY_ORIGINAL, body);
    event.text_if_any(field::SIP_SDP_VERSION, session.version);
    event.text_if_any(field::SIP_SDP_OWNER_USERNAME, session.owner.username);
    event.text_if_any(field::SIP_SDP_OWNER_SESSION_ID, session.owner.session_id);
    event.text_if_any(field::SIP_SDP_OWNER_VERSION, session.owner.version);
    event.text_if_any(field::SIP_SDP_OWNER_IP, session.owner.address);
    event.text_if_any(field::SIP_SDP_SESSION_NAME, session.name);
    event.text_if_any(field::SIP_SDP_CONNECTION_INFO, session.connection);
    event.text_if_any(field::SIP_SDP_CONNECTION_ADDRESS, session.connection_address());
    if sdp::media(body).next().is_some() {
        event.list(field::SIP_SDP_MEDIA_DESCRIPTION, |list| {
            sdp::media(body).take(MAX_ELEMENTS).for_each(|media| list.text(media));
        });
    }
    if !session.owner.username.is_empty() {
        event.append_unique(field::RELATED_USER, session.owner.username);
    }
    let address = std::str::from_utf8(session.owner.address).ok().and_then(|text| text.parse::<IpAddr>().ok());
    match address {
        Some(address) => event.append_address(field::RELATED_IP, address),
        None if !session.owner.address.is_empty() => event.append_unique(field::RELATED_HOSTS, session.owner.address),
        None => {}
    }
    if !session.connection_address().is_empty() {
        event.append_unique(field::RELATED_HOSTS, session.connection_address());
    }
}

/// Where the parts of a URI go.
struct UriFields {
    original: Field,
    scheme: Field,
    username: Field,
    host: Field,
    port: Field,
}

const REQUEST_URI: UriFields = UriFields {
    original: field::SIP_URI_ORIGINAL,
    scheme: field::SIP_URI_SCHEME,
    username: field::SIP_URI_USERNAME,
    host: field::SIP_URI_HOST,
    port: field::SIP_URI_PORT,
};

const PRIVATE_URI: UriFields = UriFields {
    original: field::SIP_PRIVATE_URI_ORIGINAL,
    scheme: field::SIP_PRIVATE_URI_SCHEME,
    username: field::SIP_PRIVATE_URI_USERNAME,
    host: field::SIP_PRIVATE_URI_HOST,
    port: field::SIP_PRIVATE_URI_PORT,
};

const FROM_URI: UriFields = UriFields {
    original: field::SIP_FROM_URI_ORIGINAL,
    scheme: field::SIP_FROM_URI_SCHEME,
    username: field::SIP_FROM_URI_USERNAME,
    host: field::SIP_FROM_URI_HOST,
    port: field::SIP_FROM_URI_PORT,
};

const TO_URI: UriFields = UriFields {
    original: field::SIP_TO_URI_ORIGINAL,
    scheme: field::SIP_TO_URI_SCHEME,
    username: field::SIP_TO_URI_USERNAME,
    host: field::SIP_TO_URI_HOST,
    port: field::SIP_TO_URI_PORT,
};

const CONTACT_URI: UriFields = UriFields {
    original: field::SIP_CONTACT_URI_ORIGINAL,
    scheme: field::SIP_CONTACT_URI_SCHEME,
    username: field::SIP_CONTACT_URI_USERNAME,
    host: field::SIP_CONTACT_URI_HOST,
    port: field::SIP_CONTACT_URI_PORT,
};

fn fill_uri(event: &mut Event, fields: &UriFields, uri: &Uri<'_>) {
    event.text_if_any(fields.original, uri.original);
    event.text_if_any(fields.scheme, uri.scheme);
    if is_user(uri.username) {
        event.text(fields.username, uri.username);
    }
    event.text_if_any(fields.host, uri.host);
    event.unsigned_if_any(fields.port, u64::from(uri.port));
    relate(event, uri);
}

/// User and host of a URI go to `related`.
fn relate(event: &mut Event, uri: &Uri<'_>) {
    if is_user(uri.username) {
        event.append_unique(field::RELATED_USER, uri.username);
    }
    if !uri.host.is_empty() {
        event.append_unique(field::RELATED_HOSTS, uri.host);
    }
}

/// A blank or a dash stands for no user.
fn is_user(username: &[u8]) -> bool {
    !matches!(username, b"" | b" " | b"-")
}

/// A number from 0 to 1 (`qvalue`, RFC 3261, section 25.1).
fn preference(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()?;
    (0.0..=1.0).contains(&number).then_some(number)
}

/// A text in another case, in reused memory.
fn in_case<'a>(text: &'a mut Vec<u8>, value: &[u8], convert: fn(&u8) -> u8) -> &'a [u8] {
    text.clear();
    text.extend(value.iter().map(convert));
    text
}
