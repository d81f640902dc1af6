// SPDX-License-Identifier: Apache-2.0
//! The secrets keystore in the file format of Beats, so that Packetbeat's own file is read and written.
//!
//! The file is `v1`, then in base64 a salt of 64 bytes, a nonce of 12 bytes and AES-256-GCM text with its tag. The key is
//! PBKDF2-HMAC-SHA-512 of an empty password in 10,000 rounds; the plain text a JSON object of names, each with its
//! `value` in base64. Limit: as in Packetbeat this only hides secrets from a glance; what protects them is the file's
//! mode 0600.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value as Json, json};

use super::error::ConfigError;
use super::load::PermissionCheck;

/// Secrets by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keystore {
    path: PathBuf,
    secrets: BTreeMap<String, Vec<u8>>,
}

/// Names only: secrets have no business in a log.
impl std::fmt::Debug for Keystore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keystore").field("path", &self.path).field("names", &self.secrets.keys()).finish()
    }
}

impl Keystore {
    /// Reads the file; without one there are no secrets.
    pub fn open(path: &Path, check: PermissionCheck) -> Result<Keystore, ConfigError> {
        let refuse = |problem: String| ConfigError::new(format!("the keystore {}: {problem}", path.display()));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Keystore::at(path)),
            Err(error) => return Err(refuse(error.to_string())),
        };
        if check == PermissionCheck::Strict {
            check_permissions(path, &file).map_err(refuse)?;
        }
        let mut text = Vec::new();
        file.take(MAXIMUM_BYTES + 1).read_to_end(&mut text).map_err(|error| refuse(error.to_string()))?;
        if text.len() as u64 > MAXIMUM_BYTES {
            return Err(refuse(format!("it is larger than {MAXIMUM_BYTES} bytes")));
        }
        Ok(Keystore { path: path.to_path_buf(), secrets: opened(&text).map_err(refuse)? })
    }

    /// An empty keystore, not yet written.
    pub fn at(path: &Path) -> Keystore {
        Keystore { path: path.to_path_buf(), secrets: BTreeMap::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file.
    pub fn is_written(&self) -> bool {
        self.path.exists()
    }

    /// A secret as text.
    pub fn get(&self, name: &str) -> Option<String> {
        self.secrets.get(name).map(|secret| String::from_utf8_lossy(secret).into_owned())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }

    pub fn insert(&mut self, name: &str, secret: Vec<u8>) {
        self.secrets.insert(name.to_owned(), secret);
    }

    /// Answers whether the name was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.secrets.remove(name).is_some()
    }

    /// Replaces the file, in one step.
    pub fn save(&self) -> Result<(), ConfigError> {
        let refuse = |problem: String| {
            ConfigError::new(format!("the keystore {} cannot be written: {problem}", self.path.display()))
        };
        let text = sealed(&self.secrets).ok_or_else(|| refuse("the secrets cannot be encrypted".to_owned()))?;
        if text.len() as u64 > MAXIMUM_BYTES {
            return Err(refuse(format!("it would be larger than {MAXIMUM_BYTES} bytes")));
        }
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".tmp");
        let written = write_new(Path::new(&temporary), &text).and_then(|()| std::fs::rename(&temporary, &self.path));
        written.map_err(|error| {
            // It may not be there.
            let _ = std::fs::remove_file(&temporary);
            refuse(error.to_string())
        })
    }
}

const VERSION: &[u8] = b"v1";
const SALT_BYTES: usize = 64;
const KEY_BYTES: usize = 32;
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not 0");
/// Of the file.
const MAXIMUM_BYTES: u64 = 4 << 20;

/// Only the owner may read and write, and the owner is root or the running user (Beats, `--strict.perms`).
fn check_permissions(path: &Path, file: &File) -> Result<(), String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let running_user = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != running_user {
        return Err(format!("it must be owned by the user identifier (uid={running_user}) or root"));
    }
    match metadata.permissions().mode() & 0o777 {
        0o600 => Ok(()),
        mode => Err(format!(
            "it can only be writable and readable by the owner but the permissions are {mode:04o} (to fix the permissions use: 'chmod 0600 {}')",
            path.display()
        )),
    }
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    // What a run that was killed left.
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn opened(text: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let encoded = text.strip_prefix(VERSION).ok_or("it does not begin with the version v1")?;
    let mut bytes = STANDARD.decode(encoded.trim_ascii()).map_err(|_| "it is no base64")?;
    let (salt, rest) = bytes.split_at_mut_checked(SALT_BYTES).ok_or("it is too short")?;
    let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN).ok_or("it is too short")?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| "it is too short")?;
    let plain = key(salt)
        .and_then(|key| key.open_in_place(nonce, Aad::empty(), sealed).ok())
        .ok_or("it cannot be decrypted: it is damaged, or was made with a password")?;
    let Ok(Json::Object(entries)) = serde_json::from_slice(plain) else {
        return Err("what it holds is no JSON object".to_owned());
    };
    let secret = |(name, entry): (String, Json)| {
        let value = entry.get("value").and_then(Json::as_str).unwrap_or_default();
        match STANDARD.decode(value) {
            Ok(secret) => Ok((name, secret)),
            Err(_) => Err(format!("the value of {name:?} is no base64")),
        }
    };
    entries.into_iter().map(secret).collect()
}

fn sealed(secrets: &BTreeMap<String, Vec<u8>>) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    let mut bytes = vec![0; SALT_BYTES + NONCE_LEN];
    random.fill(&mut bytes).ok()?;
    let (salt, nonce) = bytes.split_at(SALT_BYTES);
    let entries: Map<String, Json> =
        secrets.iter().map(|(name, secret)| (name.clone(), json!({ "value": STANDARD.encode(secret) }))).collect();
    let mut plain = Json::Object(entries).to_string().into_bytes();
    plain.push(b'\n');
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key(salt)?.seal_in_place_append_tag(nonce, Aad::empty(), &mut plain).ok()?;
    bytes.extend(plain);
    Some([VERSION, STANDARD.encode(bytes).as_bytes()].concat())
}

fn key(salt: &[u8]) -> Option<LessSafeKey> {
    let mut key = [0; KEY_BYTES];
    derive(PBKDF2_HMAC_SHA512, ROUNDS, salt, b"", &mut key);
    UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
}
