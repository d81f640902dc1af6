// SPDX-License-Identifier: Apache-2.0
//! `decompress_gzip_field`: gzip (RFC 1952) to text, at most 10 MiB of it.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::mapping::{self, Change, Mapping, Target};
use super::options::{self, Failure};
use super::{Event, Prepared};
use crate::config::{ConfigError, Section};

/// Packetbeat has no bound; a small field must not fill the memory.
const LARGEST_BYTES: u64 = 10 << 20;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    mapping::prepare(options, "field", Target::Optional, Decompress)
}

struct Decompress;

impl Change for Decompress {
    const FAILURE: &'static str = "Failed to decompress field in decompress_gzip_field processor";

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        let text = options::text_at(event, &mapping.from)?;
        let mut decompressed = Vec::new();
        if let Err(error) = MultiGzDecoder::new(text.as_slice()).take(LARGEST_BYTES + 1).read_to_end(&mut decompressed)
        {
            return Err(Failure::Other(format!("error decompressing field {}: {error}", mapping.from.name())));
        }
        if decompressed.len() as u64 > LARGEST_BYTES {
            let name = mapping.from.name();
            return Err(Failure::Other(format!("error decompressing field {name}: more than {LARGEST_BYTES} bytes")));
        }
        let value = event.store(&decompressed);
        event.put(&mapping.to, value).map_err(|refusal| Failure::put(&mapping.to, refusal))
    }
}
