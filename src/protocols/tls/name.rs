// SPDX-License-Identifier: Apache-2.0
//! Distinguished names of certificates (RFC 4514 in the way of Go's `pkix` package, which Packetbeat prints).

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Oid};
use x509_parser::x509::X509Name;

use crate::event::MapWriter;

/// The name as text: the last attribute first, `CN=…,OU=…,O=…`.
pub fn text(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        if index > 0 {
            out.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                out.push('+');
            }
            let value = value(attribute.attr_value());
            match kind(attribute.attr_type()) {
                Some(kind) => {
                    out.push_str(kind.short);
                    out.push('=');
                    escape(&mut out, &value);
                }
                None => unknown(&mut out, attribute.attr_type(), &value),
            }
        }
    }
    out
}

/// The name as an object: one key for each kind of attribute, several values joined by blanks.
pub fn write(map: &mut MapWriter<'_>, name: &X509Name<'_>) {
    for kind in KINDS {
        let mut values = String::new();
        for attribute in name.iter_attributes() {
            if self::kind(attribute.attr_type()).is_some_and(|other| other.key == kind.key) {
                let value = value(attribute.attr_value());
                if kind.single {
                    values.clear();
                } else if !values.is_empty() {
                    values.push(' ');
                }
                values.push_str(&value);
            }
        }
        if !values.is_empty() {
            map.text(kind.key, &values);
        }
    }
    let text = text(name);
    if !text.is_empty() {
        map.text("distinguished_name", text);
    }
}

struct Kind {
    /// Last arc of the object identifier 2.5.4.x.
    arc: u8,
    short: &'static str,
    key: &'static str,
    /// Of several values the last counts.
    single: bool,
}

const KINDS: &[Kind] = &[
    Kind { arc: 6, short: "C", key: "country", single: false },
    Kind { arc: 10, short: "O", key: "organization", single: false },
    Kind { arc: 11, short: "OU", key: "organizational_unit", single: false },
    Kind { arc: 7, short: "L", key: "locality", single: false },
    Kind { arc: 8, short: "ST", key: "state_or_province", single: false },
    Kind { arc: 9, short: "STREET", key: "street_address", single: false },
    Kind { arc: 17, short: "POSTALCODE", key: "postal_code", single: false },
    Kind { arc: 3, short: "CN", key: "common_name", single: true },
    Kind { arc: 5, short: "SERIALNUMBER", key: "serial_number", single: true },
];

fn kind(identifier: &Oid<'_>) -> Option<&'static Kind> {
    let [0x55, 0x04, arc] = identifier.as_bytes() else { return None };
    KINDS.iter().find(|kind| kind.arc == *arc)
}

/// Text of an attribute's value, by its string type.
fn value(value: &Any<'_>) -> String {
    const BMP_STRING: u32 = 30;
    const UNIVERSAL_STRING: u32 = 28;
    let bytes = value.as_bytes();
    match value.tag().0 {
        BMP_STRING => {
            let units =
                bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk().map(|pair| u16::from_be_bytes(*pair)));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        UNIVERSAL_STRING => bytes
            .chunks_exact(4)
            .filter_map(|word| word.first_chunk().map(|word| u32::from_be_bytes(*word)))
            .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn escape(out: &mut String, value: &str) {
    for (place, letter) in value.char_indices() {
        let is_last = place + letter.len_utf8() == value.len();
        let escaped = match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => place == 0 || is_last,
            '#' => place == 0,
            _ => false,
        };
        if escaped {
            out.push('\\');
        }
        out.push(letter);
    }
}

/// An attribute without a short name: `1.2.840.113549.1.9.1=#0c…`, the value coded anew.
fn unknown(out: &mut String, identifier: &Oid<'_>, value: &str) {
    const PRINTABLE_STRING: u8 = 0x13;
    const UTF8_STRING: u8 = 0x0c;
    let printable = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte));
    let _ =
        write!(out, "{}=#{:02x}", identifier.to_id_string(), if printable { PRINTABLE_STRING } else { UTF8_STRING });
    let length = value.len();
    if length < 0x80 {
        let _ = write!(out, "{length:02x}");
    } else {
        let octets = length.to_be_bytes();
        let zeros = length.leading_zeros() as usize / 8;
        let significant = octets.get(zeros..).unwrap_or_default();
        let _ = write!(out, "{:02x}", 0x80 | significant.len());
        significant.iter().for_each(|octet| {
            let _ = write!(out, "{octet:02x}");
        });
    }
    value.bytes().for_each(|byte| {
        let _ = write!(out, "{byte:02x}");
    });
}
