// SPDX-License-Identifier: Apache-2.0
//! Tests of the keystore: a file of another implementation of the format, rights, damage, and references to secrets.

use super::*;
use std::fs::Permissions;

/// Made with Node's crypto module from the description of the format: `ES_PWD` is `s3cret, with ${signs}`.
const FOREIGN: &str = "v1AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P8jJysvMzc7P0NHS0\
    0lPLC2wGJyqBtUK36eVgEIkcL2D0twWTeh7r/Odqz835xARiAUTNUp5mCdsLPaBmgu19ysnKsnvi3jMNXXDV2ES0XPt";
const SECRET: &str = "s3cret, with ${signs}";

fn write(directory: &Path, text: &[u8]) -> PathBuf {
    let path = directory.join("packetbeat.keystore");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn open(path: &Path) -> Result<Keystore, String> {
    Keystore::open(path, PermissionCheck::Strict).map_err(|error| error.to_string())
}

#[test]
fn the_format_is_that_of_beats() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), FOREIGN.as_bytes());
    let mut keystore = open(&path).unwrap();
    assert_eq!(keystore.names().collect::<Vec<_>>(), ["ES_PWD"]);
    assert_eq!(keystore.get("ES_PWD").as_deref(), Some(SECRET));
    assert!(!format!("{keystore:?}").contains("s3cret"));

    keystore.insert("É", vec![0, 255, b'\n']);
    keystore.save().unwrap();
    assert_eq!(open(&path).unwrap(), keystore);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Salt and nonce are new each time.
    let first = std::fs::read(&path).unwrap();
    keystore.save().unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), first);
    assert!(first.starts_with(b"v1") && !String::from_utf8(first).unwrap().contains("ES_PWD"));
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), FOREIGN.as_bytes());
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(refused.contains("but the permissions are 0640 (to fix the permissions use: 'chmod 0600 "), "{refused}");
    assert!(Keystore::open(&path, PermissionCheck::Off).is_ok());
}

#[test]
fn damage_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("", "it does not begin with the version v1"),
        ("v2AAAA", "it does not begin with the version v1"),
        ("v1", "it is too short"),
        ("v1not base64!", "it is no base64"),
        ("v1AAECAwQF", "it is too short"),
        (&FOREIGN.replace("AAEC", "AAED"), "it cannot be decrypted"),
    ] {
        let refused = open(&write(folder.path(), text.as_bytes())).unwrap_err();
        assert!(refused.contains(expected) && refused.starts_with("the keystore "), "{text}: {refused}");
    }
    for length in (0..FOREIGN.len()).step_by(7) {
        assert!(open(&write(folder.path(), &FOREIGN.as_bytes()[..length])).is_err(), "{length}");
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20 {
        let mut text = FOREIGN.as_bytes().to_vec();
        let place = random.usize(0..text.len());
        text[place] ^= 1 << random.u8(0..8);
        assert!(open(&write(folder.path(), &text)).is_err(), "{place}");
    }
}

#[test]
fn secrets_come_before_the_environment_and_after_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut keystore = Keystore::at(&folder.path().join("data/packetbeat.keystore"));
    for (name, secret) in [("ES_PWD", SECRET), ("name", "hidden"), ("PORT", "9200"), ("EMPTY", "")] {
        keystore.insert(name, secret.as_bytes().to_vec());
    }
    keystore.save().unwrap();
    let file = folder.path().join("packetbeat.yml");
    let text = "name: probe\n\
                a: {one: '${ES_PWD}', user: 'joe:${ES_PWD}', chain: '${a.user}', setting: '${name}', own: '${PORT}'}\n\
                a.mixed: '[${PORT}]'\na.environment: '[${LIST}]'\na.default: '${EMPTY:full}'\na.none: '${NONE:x}'\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let load = |home: Option<&str>, overrides: &[&str]| {
        let sources = Sources {
            files: vec![file.clone()],
            overrides: overrides.iter().map(|text| text.to_string()).collect(),
            path_flags: PathFlags { home: home.map(str::to_owned), ..PathFlags::default() },
            permissions: PermissionCheck::Strict,
        };
        super::load(&sources, &|name| match name {
            "ES_PWD" => Some("of the environment".to_owned()),
            "LIST" => Some("1, 2".to_owned()),
            "KEYSTORE" => Some(folder.path().join("data/packetbeat.keystore").display().to_string()),
            _ => None,
        })
    };
    let home = folder.path().to_str();
    let configuration = load(home, &[]).unwrap();
    let text = |key: &str| configuration.root().string(key).unwrap().unwrap_or_default();
    assert_eq!(text("a.one"), SECRET);
    // A comma of a secret makes no list, and its dollar signs are no references.
    assert_eq!(text("a.user"), format!("joe:{SECRET}"));
    assert_eq!(text("a.chain"), format!("joe:{SECRET}"));
    assert_eq!(text("a.setting"), "probe");
    assert_eq!(configuration.root().unsigned("a.own", 0..=65_535).unwrap(), Some(9200));
    assert_eq!(text("a.mixed"), "[9200]");
    assert_eq!(configuration.root().strings("a.environment").unwrap().unwrap(), ["1", "2"]);
    assert_eq!([text("a.default"), text("a.none")], ["full", "x"]);
    assert!(!configuration.export().contains("s3cret"));
    assert!(configuration.unused().iter().all(|warning| !warning.contains("keystore")));

    // Somewhere else, named by a setting.
    let configuration = load(Some("/nowhere"), &["keystore.path=${KEYSTORE}"]).unwrap();
    assert_eq!(configuration.root().string("a.one").unwrap().as_deref(), Some(SECRET));
    assert!(configuration.unused().iter().all(|warning| !warning.contains("keystore")));
    let configuration = load(Some("/nowhere"), &[]).unwrap();
    assert_eq!(configuration.root().string("a.one").unwrap().as_deref(), Some("of the environment"));
}
