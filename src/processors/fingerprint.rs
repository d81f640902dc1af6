// SPDX-License-Identifier: Apache-2.0
//! `fingerprint`: a hash over fields, the same that Packetbeat computes.
//!
//! Hashed is `|name|value` for each field in the order of names, then `|`. Lists and objects have no fingerprint.

use std::io::Write as _;

use base64::Engine as _;
use data_encoding::{BASE32, HEXLOWER};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::convert::to_text;
use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::json::civil;
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let mut fields = options::required_list(options, "fields")?;
    if fields.is_empty() {
        return Err(options::missing(options, "fields"));
    }
    fields.sort();
    fields.dedup();
    let target = options.string("target_field")?.unwrap_or_else(|| "fingerprint".to_owned());
    let method = options
        .choice(
            "method",
            &[
                ("md5", Method::Md5),
                ("sha1", Method::Sha1),
                ("sha256", Method::Sha256),
                ("sha384", Method::Sha384),
                ("sha512", Method::Sha512),
                ("xxhash", Method::XxHash),
            ],
        )?
        .unwrap_or(Method::Sha256);
    let encoding = options
        .choice("encoding", &[("hex", Encoding::Hex), ("base32", Encoding::Base32), ("base64", Encoding::Base64)])?
        .unwrap_or(Encoding::Hex);
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let names = fields.iter().cloned().chain([target.clone()]).collect();
    Ok(Prepared::new(names, move |schema| Fingerprint {
        fields: fields.iter().map(|name| Place::new(schema, name)).collect(),
        target: Place::new(schema, &target),
        method,
        encoding,
        ignore_missing,
    }))
}

#[derive(Clone, Copy)]
enum Method {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    XxHash,
}

#[derive(Clone, Copy)]
enum Encoding {
    Hex,
    Base32,
    Base64,
}

struct Fingerprint {
    fields: Vec<Place>,
    target: Place,
    method: Method,
    encoding: Encoding,
    ignore_missing: bool,
}

impl Fingerprint {
    fn source(&self, event: &mut Event) -> Result<Vec<u8>, Failure> {
        let mut source = Vec::with_capacity(256);
        for place in &self.fields {
            let value = match event.gather(place) {
                Some(value) => value,
                None if self.ignore_missing => continue,
                None => return Err(Failure::missing(place)),
            };
            source.push(b'|');
            source.extend_from_slice(place.name().as_bytes());
            source.push(b'|');
            match (place.name(), value) {
                ("@timestamp", Value::Time(time_ns)) => write_go_time(&mut source, time_ns),
                _ => {
                    let text = to_text(event, value).and_then(|text| event.text_of(text));
                    let Some(text) = text else {
                        let name = place.name();
                        return Err(Failure::Other(format!(
                            "cannot compute fingerprint using non-scalar field [{name}]"
                        )));
                    };
                    source.extend_from_slice(text);
                }
            }
        }
        source.push(b'|');
        Ok(source)
    }
}

impl Processor for Fingerprint {
    fn process(&self, event: &mut Event) -> Outcome {
        // Packetbeat drops an event that it cannot compute a fingerprint of; here it stays without one.
        if let Ok(source) = self.source(event) {
            let hash = match self.method {
                Method::Md5 => Md5::digest(&source).to_vec(),
                Method::Sha1 => Sha1::digest(&source).to_vec(),
                Method::Sha256 => Sha256::digest(&source).to_vec(),
                Method::Sha384 => Sha384::digest(&source).to_vec(),
                Method::Sha512 => Sha512::digest(&source).to_vec(),
                Method::XxHash => twox_hash::XxHash64::oneshot(0, &source).to_be_bytes().to_vec(),
            };
            let text = match self.encoding {
                Encoding::Hex => HEXLOWER.encode(&hash),
                Encoding::Base32 => BASE32.encode(&hash),
                Encoding::Base64 => base64::engine::general_purpose::STANDARD.encode(&hash),
            };
            let value = event.store(text.as_bytes());
            // Only a value above the target that is no object refuses; then there is no fingerprint.
            let _ = event.put(&self.target, value);
        }
        Outcome::Keep
    }
}

/// Go's default rendering of a time in UTC: `2006-01-02 15:04:05.999999999 +0000 UTC`, trailing zeros left out.
fn write_go_time(out: &mut Vec<u8>, time_ns: i64) {
    let second = time_ns.div_euclid(1_000_000_000);
    let (year, month, day) = civil(second.div_euclid(86_400));
    let of_day = second.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = format!("{:09}", time_ns.rem_euclid(1_000_000_000));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    // Writing into memory does not fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{point}{fraction} +0000 UTC");
}
