// SPDX-License-Identifier: Apache-2.0
//! `decode_base64_field`: base64 (RFC 4648, section 4) to text.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::mapping::{self, Change, Mapping, Target};
use super::options::{self, Failure};
use super::{Event, Prepared};
use crate::config::{ConfigError, Section};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    mapping::prepare(options, "field", Target::Optional, DecodeBase64)
}

struct DecodeBase64;

/// Packetbeat takes text with and without padding.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Change for DecodeBase64 {
    const FAILURE: &'static str = "failed to decode base64 fields in processor";

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        let mut text = options::text_at(event, &mapping.from)?;
        // Line ends inside base64 are no error in Go.
        text.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        let Ok(decoded) = ENGINE.decode(&text) else {
            return Err(Failure::Other(format!("error trying to decode {}: not base64", mapping.from.name())));
        };
        let value = event.store(&decoded);
        event.put(&mapping.to, value).map_err(|refusal| Failure::put(&mapping.to, refusal))
    }
}
