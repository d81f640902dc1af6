// SPDX-License-Identifier: Apache-2.0
//! `agent.id`, kept over restarts in `path.data/meta.json` as Beats do, and `agent.ephemeral_id` of this start.

use std::path::Path;

pub struct Identity {
    pub id: String,
    pub ephemeral_id: String,
}

impl Identity {
    /// The kept id; a new one is written when the folder is there and can be written.
    pub fn read(data: &Path) -> Identity {
        let file = data.join("meta.json");
        let kept = std::fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
            .and_then(|meta| Some(meta.get("uuid")?.as_str()?.to_string()));
        let id = kept.unwrap_or_else(|| {
            let id = uuid();
            // A sensor without a data folder works; it only has another id after each start.
            let _ = std::fs::write(&file, serde_json::json!({ "uuid": id }).to_string());
            id
        });
        Identity { id, ephemeral_id: uuid() }
    }
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    use std::io::Read as _;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("every Linux has /dev/urandom");
    bytes
}

/// A version 4 UUID (RFC 9562).
fn uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
