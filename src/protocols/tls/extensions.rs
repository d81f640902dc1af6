// SPDX-License-Identifier: Apache-2.0
//! Extensions of a hello as the event shows them (Packetbeat behaviour, section 4.15): those that are understood under their
//! label, the others by label or number in `_unparsed_`.

use super::cursor::{Cursor, codes, is_grease};
use super::hello::{Extensions, extension, protocols, server_names};
use super::names::{self, Named};
use crate::event::{ListWriter, MapWriter};

/// Whose hello it is; some extensions have another form in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// Extensions of one hello that are shown.
const MAX_SHOWN: usize = 256;

/// Writes all extensions of a hello.
pub fn write(map: &mut MapWriter<'_>, extensions: &Extensions<'_>, sender: Sender) {
    let mut written = 0u32;
    let mut unparsed = false;
    for (code, data) in extensions.iter().take(MAX_SHOWN) {
        let Some((place, label)) = label(code) else {
            unparsed = true;
            continue;
        };
        match content(code, data, sender) {
            // Keys of a map are distinct: the first of equal extensions is shown.
            Some(content) if written & 1 << place == 0 => {
                written |= 1 << place;
                content.write(map, label);
            }
            Some(_) => {}
            None => unparsed = true,
        }
    }
    if unparsed {
        map.list("_unparsed_", |list| {
            for (code, data) in extensions.iter().take(MAX_SHOWN) {
                match label(code) {
                    None => list.format(format_args!("{code}")),
                    Some((_, label)) if content(code, data, sender).is_none() => list.constant(label),
                    Some(_) => {}
                }
            }
        });
    }
}

/// Number in the table, and name.
fn label(code: u16) -> Option<(u32, &'static str)> {
    const LABELS: &[(u16, &str)] = &[
        (0, "server_name_indication"),
        (1, "max_fragment_length"),
        (2, "client_certificate_url"),
        (3, "trusted_ca_keys"),
        (4, "truncated_hmac"),
        (5, "status_request"),
        (6, "user_mapping"),
        (7, "client_authz"),
        (8, "server_authz"),
        (9, "cert_type"),
        (10, "supported_groups"),
        (11, "ec_points_formats"),
        (12, "srp"),
        (13, "signature_algorithms"),
        (16, "application_layer_protocol_negotiation"),
        (35, "session_ticket"),
        (43, "supported_versions"),
        (0xff01, "renegotiation_info"),
    ];
    const _: () = assert!(LABELS.len() <= 32, "one bit each");
    let place = LABELS.binary_search_by_key(&code, |label| label.0).ok()?;
    Some((place as u32, LABELS.get(place)?.1))
}

/// What an extension says.
enum Content<'a> {
    Empty,
    /// It should be empty.
    NotEmpty(usize),
    Bytes(usize),
    Text(&'a [u8]),
    ServerNames(&'a [u8]),
    Protocols(&'a [u8]),
    /// Codes of two bytes.
    Codes(&'a [u8], fn(u16) -> Named),
    /// Codes of one byte.
    Octets(&'a [u8], fn(u16) -> Named),
    One(Named),
    Versions(&'a [u8]),
    Version(u16),
    StatusRequest {
        kind: u8,
        responders: u16,
        extensions: u16,
    },
    StatusResponse,
}

/// None when it is not understood.
fn content(code: u16, data: &[u8], sender: Sender) -> Option<Content<'_>> {
    let mut cursor = Cursor::new(data);
    match code {
        extension::SERVER_NAME => {
            server_names(data).next()?;
            Some(Content::ServerNames(data))
        }
        1 => Some(Content::One(names::fragment_length(u16::from(cursor.u8()?)))),
        2 | 4 if data.is_empty() => Some(Content::Empty),
        2 | 4 => Some(Content::NotEmpty(data.len())),
        5 if sender == Sender::Server => Some(Content::StatusResponse),
        5 => {
            let kind = cursor.u8()?;
            let responders = cursor.vector16()?.len() as u16;
            let extensions = cursor.vector16()?.len() as u16;
            Some(Content::StatusRequest { kind, responders, extensions })
        }
        9 if sender == Sender::Server => Some(Content::One(names::certificate_type(u16::from(cursor.u8()?)))),
        9 => some(cursor.vector8()?, |list| Content::Octets(list, names::certificate_type)),
        extension::SUPPORTED_GROUPS => some(cursor.vector16()?, |list| Content::Codes(list, names::group)),
        extension::POINT_FORMATS => some(cursor.vector8()?, |list| Content::Octets(list, names::point_format)),
        12 => some(cursor.vector8()?, Content::Text),
        extension::SIGNATURE_ALGORITHMS => {
            some(cursor.vector16()?, |list| Content::Codes(list, names::signature_scheme))
        }
        extension::PROTOCOLS => {
            protocols(data).next()?;
            Some(Content::Protocols(data))
        }
        extension::SESSION_TICKET if data.is_empty() => Some(Content::Empty),
        extension::SESSION_TICKET => Some(Content::Bytes(data.len())),
        extension::SUPPORTED_VERSIONS if sender == Sender::Server => Some(Content::Version(cursor.u16()?)),
        extension::SUPPORTED_VERSIONS => some(cursor.vector8()?, Content::Versions),
        _ => None,
    }
}

fn some<'a>(list: &'a [u8], content: impl FnOnce(&'a [u8]) -> Content<'a>) -> Option<Content<'a>> {
    (!list.is_empty()).then(|| content(list))
}

impl Content<'_> {
    fn write(self, map: &mut MapWriter<'_>, label: &'static str) {
        match self {
            Content::Empty => map.constant(label, ""),
            Content::NotEmpty(bytes) => map.format(label, format_args!("(expected empty: found {bytes} bytes)")),
            Content::Bytes(bytes) => map.format(label, format_args!("({bytes} bytes)")),
            Content::Text(text) => map.text(label, text),
            Content::ServerNames(data) => map.list(label, |list| server_names(data).for_each(|name| list.text(name))),
            Content::Protocols(data) => map.list(label, |list| protocols(data).for_each(|name| list.text(name))),
            Content::Codes(data, name) => map.list(label, |list| {
                codes(data).filter(|code| !is_grease(*code)).for_each(|code| write_name(list, &name(code)));
            }),
            Content::Octets(data, name) => map.list(label, |list| {
                data.iter().for_each(|code| write_name(list, &name(u16::from(*code))));
            }),
            Content::One(name) => map.format(label, format_args!("{name}")),
            Content::Versions(data) => map.list(label, |list| {
                for code in codes(data).filter(|code| !is_grease(*code)) {
                    list.format(format_args!("{}", names::Version(code)));
                }
            }),
            Content::Version(code) => map.format(label, format_args!("{}", names::Version(code))),
            Content::StatusRequest { kind, responders, extensions } => map.map(label, |map| {
                map.format("type", format_args!("{}", names::status_type(u16::from(kind))));
                map.unsigned("responder_id_list_length", u64::from(responders));
                map.unsigned("request_extensions", u64::from(extensions));
            }),
            Content::StatusResponse => {
                map.map(label, |map| map.value("response", crate::event::Value::Boolean(true)));
            }
        }
    }
}

/// Adds a name to a list; a known one is not copied.
pub fn write_name(list: &mut ListWriter<'_>, name: &Named) {
    match name.constant() {
        Some(constant) => list.constant(constant),
        None => list.format(format_args!("{name}")),
    }
}
