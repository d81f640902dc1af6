// SPDX-License-Identifier: Apache-2.0
//! `urldecode`: undoes percent encoding and `+` for a space (RFC 3986, section 2.1; the rules of HTML forms).

use super::mapping::{self, Change, Mapping, Target};
use super::options::{self, Failure};
use super::{Event, Prepared};
use crate::config::{ConfigError, Section};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    mapping::prepare(options, "fields", Target::Optional, UrlDecode)
}

struct UrlDecode;

impl Change for UrlDecode {
    const FAILURE: &'static str = "failed to decode fields in urldecode processor";

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        let text = options::text_at(event, &mapping.from)?;
        let Some(decoded) = decode(&text) else {
            return Err(Failure::Other(format!("invalid URL escape in {}", mapping.from.name())));
        };
        let value = event.store(&decoded);
        event.put(&mapping.to, value).map_err(|refusal| Failure::put(&mapping.to, refusal))
    }
}

/// None when a `%` is not followed by two hexadecimal digits.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => *byte,
        });
    }
    Some(out)
}
