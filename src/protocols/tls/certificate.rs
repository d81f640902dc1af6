// SPDX-License-Identifier: Apache-2.0
//! Certificates of a Certificate message (RFC 5246, section 7.4.2) and the facts of X.509 that events show, with the names of
//! Go's `crypto/x509`.

use std::cell::RefCell;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::nom::Parser as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::cache::Cache;
use super::cursor::Cursor;
use super::fingerprint::capital_hexadecimal;
use super::{Fingerprints, name};
use crate::event::{Event, Field, Kept, MapWriter, Value};

/// Certificates of one chain that are shown.
pub const MAX_CHAIN: usize = 32;

/// The certificates of a message, in DER, the leaf first.
pub fn chain(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::new(message);
    // Of a long message only the beginning is kept.
    let _ = cursor.u24();
    std::iter::from_fn(move || cursor.vector24()).filter(|certificate| !certificate.is_empty()).take(MAX_CHAIN)
}

/// Reads a certificate. Extensions are read when they are asked for.
pub fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    parser.parse(der).ok().map(|(_, certificate)| certificate)
}

/// Fields of one end's certificates in the event.
pub struct LeafFields {
    pub subject: Field,
    pub issuer: Field,
    pub not_before: Field,
    pub not_after: Field,
    pub md5: Field,
    pub sha1: Field,
    pub sha256: Field,
    pub x509: Field,
    pub certificate_chain: Field,
    pub detailed_chain: Field,
}

/// What is shown besides the leaf's names.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub fingerprints: Fingerprints,
    pub objects: bool,
    pub raw: bool,
}

/// Sets the fields of a chain. Answers how many certificates could not be read.
pub fn fill(event: &mut Event, message: &[u8], fields: &LeafFields, shown: Shown) -> u64 {
    if chain(message).next().is_none() {
        return 0;
    }
    CACHE.with_borrow_mut(|cache| fill_with(cache, event, message, fields, shown))
}

fn fill_with(cache: &mut Cache, event: &mut Event, message: &[u8], fields: &LeafFields, shown: Shown) -> u64 {
    let mut failures = 0;
    let Some(leaf) = chain(message).next() else { return 0 };
    let certificate = cache.certificate(leaf);
    if shown.fingerprints.md5 {
        let sum = certificate.md5.get_or_insert_with(|| Md5::digest(leaf).into());
        event.text(fields.md5, capital_hexadecimal::<32>(sum));
    }
    if shown.fingerprints.sha1 {
        let sum = certificate.sha1.get_or_insert_with(|| Sha1::digest(leaf).into());
        event.text(fields.sha1, capital_hexadecimal::<40>(sum));
    }
    if shown.fingerprints.sha256 {
        let sum = certificate.sha256.get_or_insert_with(|| Sha256::digest(leaf).into());
        event.text(fields.sha256, capital_hexadecimal::<64>(sum));
    }
    match &certificate.contents {
        Some(contents) => {
            event.text_if_any(fields.subject, &contents.subject);
            event.text_if_any(fields.issuer, &contents.issuer);
            set_time(event, fields.not_before, contents.not_before);
            set_time(event, fields.not_after, contents.not_after);
            if shown.objects {
                event.kept(fields.x509, &contents.object);
            }
        }
        None => failures += 1,
    }
    if shown.objects && chain(message).nth(1).is_some() {
        event.list(fields.detailed_chain, |list| {
            for der in chain(message).skip(1) {
                match &cache.certificate(der).contents {
                    Some(contents) => list.kept(&contents.object),
                    None => failures += 1,
                }
            }
        });
    }
    if shown.raw {
        event.list(fields.certificate_chain, |list| {
            chain(message).for_each(|der| list.text(cache.certificate(der).pem.get_or_insert_with(|| pem(der))));
        });
    }
    failures
}

thread_local! {
    /// Of a worker.
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// What is known of one certificate. Hashes and PEM are made when they are first wanted.
#[derive(Default)]
pub struct Certificate {
    /// None: it could not be read.
    contents: Option<Contents>,
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
    pem: Option<String>,
}

struct Contents {
    subject: String,
    issuer: String,
    not_before: ASN1Time,
    not_after: ASN1Time,
    object: Kept,
}

impl Certificate {
    pub fn read(der: &[u8]) -> Certificate {
        let contents = parse(der).map(|certificate| Contents {
            subject: name::text(certificate.subject()),
            issuer: name::text(certificate.issuer()),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
            object: Kept::map(|map| write(map, &certificate)),
        });
        Certificate { contents, ..Certificate::default() }
    }

    /// Bytes of memory, without those of the PEM form, which is a little longer than the certificate.
    pub fn bytes(&self) -> usize {
        let contents = self.contents.as_ref();
        contents
            .map_or(0, |contents| contents.subject.capacity() + contents.issuer.capacity() + contents.object.bytes())
    }

    #[cfg(test)]
    pub fn mark(&mut self) {
        self.pem = Some(String::new());
    }

    #[cfg(test)]
    pub fn is_marked(&self) -> bool {
        self.pem.is_some()
    }
}

/// The certificate as an object.
fn write(map: &mut MapWriter<'_>, certificate: &X509Certificate<'_>) {
    map.text("signature_algorithm", signature_algorithm(&certificate.signature_algorithm));
    let (algorithm, size_bits) = public_key(certificate.public_key());
    map.text("public_key_algorithm", algorithm);
    if size_bits > 0 {
        map.unsigned("public_key_size", size_bits);
    }
    map.text("serial_number", serial_number(certificate.tbs_certificate.raw_serial()));
    map.map("issuer", |map| name::write(map, certificate.issuer()));
    map.map("subject", |map| name::write(map, certificate.subject()));
    write_time(map, "not_before", certificate.validity().not_before);
    write_time(map, "not_after", certificate.validity().not_after);
    map.unsigned("version_number", u64::from(certificate.version().0) + 1);
    let names = certificate.tbs_certificate.iter_extensions().find(|extension| {
        // id-ce-subjectAltName, 2.5.29.17.
        extension.oid.as_bytes() == [0x55, 0x1d, 0x11]
    });
    if let Some((_, names)) = names.and_then(|extension| SubjectAlternativeName::from_der(extension.value).ok()) {
        write_alternative_names(map, &names);
    }
}

/// Host names, then mail addresses, then IP addresses.
fn write_alternative_names(map: &mut MapWriter<'_>, names: &SubjectAlternativeName<'_>) {
    let hosts = names.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        _ => None,
    });
    let mailboxes = names.general_names.iter().filter_map(|name| match name {
        GeneralName::RFC822Name(mailbox) => Some((*mailbox).to_owned()),
        _ => None,
    });
    let addresses = names.general_names.iter().filter_map(|name| match name {
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let mut all =
        hosts.chain(mailboxes).map(AlternativeName::Text).chain(addresses.map(AlternativeName::Address)).peekable();
    if all.peek().is_none() {
        return;
    }
    map.list("alternative_names", |list| {
        all.for_each(|name| match name {
            AlternativeName::Text(text) => list.text(text),
            AlternativeName::Address(address) => list.value(Value::Address(address)),
        });
    });
}

enum AlternativeName {
    Text(String),
    Address(IpAddr),
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Name and bits of a key; 0 bits where Go has no size.
fn public_key(key: &SubjectPublicKeyInfo<'_>) -> (String, u64) {
    let identifier = key.algorithm.oid().to_id_string();
    match identifier.as_str() {
        "1.2.840.113549.1.1.1" => {
            let bits = match key.parsed() {
                Ok(PublicKey::RSA(key)) => significant_bits(key.modulus),
                _ => 0,
            };
            ("RSA".to_owned(), bits)
        }
        "1.2.840.10040.4.1" => {
            let prime = key.algorithm.parameters().and_then(|parameters| {
                let mut cursor = Cursor::new(parameters.as_bytes());
                integer(&mut cursor)
            });
            ("DSA".to_owned(), prime.map_or(0, significant_bits))
        }
        "1.2.840.10045.2.1" => ("ECDSA".to_owned(), curve_bits(key)),
        "1.3.101.112" => ("Ed25519".to_owned(), 0),
        "1.3.101.113" => ("Ed448".to_owned(), 0),
        _ => ("(unknown:0)".to_owned(), 0),
    }
}

fn curve_bits(key: &SubjectPublicKeyInfo<'_>) -> u64 {
    let curve = key.algorithm.parameters().and_then(|parameters| Oid::try_from(parameters.clone()).ok());
    match curve.map(|curve| curve.to_id_string()).as_deref() {
        Some("1.3.132.0.33") => 224,
        Some("1.2.840.10045.3.1.7") => 256,
        Some("1.3.132.0.34") => 384,
        Some("1.3.132.0.35") => 521,
        _ => match key.parsed() {
            Ok(PublicKey::EC(point)) => point.key_size() as u64,
            _ => 0,
        },
    }
}

/// Contents of a DER INTEGER.
fn integer<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    const INTEGER: u8 = 2;
    if cursor.u8()? != INTEGER {
        return None;
    }
    let length = match cursor.u8()? {
        0x81 => usize::from(cursor.u8()?),
        0x82 => usize::from(cursor.u16()?),
        short @ 0..=0x7f => usize::from(short),
        _ => return None,
    };
    cursor.bytes(length)
}

fn significant_bits(number: &[u8]) -> u64 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = number.get(zeros..).unwrap_or_default();
    rest.first().map_or(0, |first| rest.len() as u64 * 8 - u64::from(first.leading_zeros()))
}

/// Go's name of a signature algorithm; of others the object identifier.
fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let identifier = algorithm.oid().to_id_string();
    let name = match identifier.as_str() {
        "1.2.840.113549.1.1.2" => "MD2-RSA",
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA1-RSA",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.113549.1.1.10" => pss_algorithm(algorithm),
        "1.2.840.10040.4.3" => "DSA-SHA1",
        "2.16.840.1.101.3.4.3.2" => "DSA-SHA256",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        _ => return identifier,
    };
    name.to_owned()
}

/// RSASSA-PSS names its hash in its parameters.
fn pss_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> &'static str {
    // SHA-2 is 2.16.840.1.101.3.4.2.x: 1, 2 and 3 for 256, 384 and 512 bits. The first in the parameters is the hash.
    const SHA2: [u8; 10] = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let parameters = algorithm.parameters().map(|parameters| parameters.as_bytes()).unwrap_or_default();
    let hash = parameters.windows(SHA2.len() + 1).find_map(|window| window.strip_prefix(&SHA2)?.first());
    match hash {
        Some(1) => "SHA256-RSAPSS",
        Some(2) => "SHA384-RSAPSS",
        Some(3) => "SHA512-RSAPSS",
        _ => "1.2.840.113549.1.1.10",
    }
}

/// The number in capital hexadecimal digits, without zeros in front.
fn serial_number(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

fn pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut out = String::with_capacity(text.len() + text.len() / LINE + 64);
    out.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(LINE.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

fn set_time(event: &mut Event, field: Field, time: ASN1Time) {
    match nanoseconds(time) {
        Some(time_ns) => event.time(field, time_ns),
        None => event.text(field, text_of_time(time)),
    }
}

fn write_time(map: &mut MapWriter<'_>, key: &'static str, time: ASN1Time) {
    match nanoseconds(time) {
        Some(time_ns) => map.value(key, Value::Time(time_ns)),
        None => map.text(key, text_of_time(time)),
    }
}

fn nanoseconds(time: ASN1Time) -> Option<i64> {
    time.timestamp().checked_mul(1_000_000_000)
}

/// A time after 2262, such as the end of the year 9999 for "never".
fn text_of_time(time: ASN1Time) -> String {
    let time = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}
