// SPDX-License-Identifier: Apache-2.0
//! Tests of the files that are read: which, in which order, with which rights.

use super::*;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn sources(directory: &Path) -> Sources {
    let path_flags = PathFlags { home: Some(directory.to_string_lossy().into_owned()), ..PathFlags::default() };
    Sources { path_flags, ..Sources::default() }
}

#[test]
fn later_files_and_overrides_win() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yml", "x: {a: 1, b: 1, c: 1}\nlist: [1, 2, 3]\n");
    write(directory.path(), "b.yml", "x.b: 2\nx.c: 2\nlist: [9]\n");
    let mut sources = sources(directory.path());
    sources.files = vec!["a.yml".into(), directory.path().join("b.yml")];
    sources.overrides = vec!["x.c=3".into()];
    let config = load(&sources, &|_| None).unwrap();
    let x = config.section("x").unwrap().unwrap();
    assert_eq!((x.integer("a"), x.integer("b"), x.integer("c")), (Ok(Some(1)), Ok(Some(2)), Ok(Some(3))));
    assert_eq!(config.root().ports("list").unwrap().unwrap(), [9]);
    assert_eq!(x.refuse_key("b", "no").to_string(), format!("{}/b.yml:1: x.b: no", directory.path().display()));
    assert_eq!(x.refuse_key("c", "no").to_string(), "-E: x.c: no");
}

#[test]
fn the_own_file_comes_before_packetbeats() {
    let directory = tempfile::tempdir().unwrap();
    let sources = sources(directory.path());
    let error = load(&sources, &|_| None).unwrap_err().to_string();
    assert!(error.contains("neither wirebeat.yml nor packetbeat.yml is in "), "{error}");
    write(directory.path(), "packetbeat.yml", "name: p\n");
    assert_eq!(load(&sources, &|_| None).unwrap().root().string("name").unwrap().unwrap(), "p");
    write(directory.path(), "wirebeat.yml", "name: w\n");
    assert_eq!(load(&sources, &|_| None).unwrap().root().string("name").unwrap().unwrap(), "w");
}

#[test]
fn paths_follow_from_home() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "packetbeat.yml", "path.logs: /var/log/x\nfrom: ${path.data}/queue\n");
    let mut sources = sources(directory.path());
    sources.path_flags.data = Some("/var/lib/x".into());
    let config = load(&sources, &|_| None).unwrap();
    let expected = Paths {
        home: directory.path().into(),
        config: directory.path().into(),
        data: "/var/lib/x".into(),
        logs: "/var/log/x".into(),
    };
    assert_eq!(*config.paths(), expected);
    assert_eq!(config.root().string("from").unwrap().unwrap(), "/var/lib/x/queue");
    sources.path_flags = PathFlags::default();
    sources.overrides = vec![format!("path.config={}", directory.path().display())];
    assert_eq!(load(&sources, &|_| None).unwrap().paths().logs, PathBuf::from("/var/log/x"));
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "packetbeat.yml", "a: 1\n");
    let mut sources = sources(directory.path());
    for mode in [0o620, 0o602, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = load(&sources, &|_| None).unwrap_err().to_string();
        assert!(error.starts_with("error loading config file: config file (\"packetbeat.yml\") can only be writable by the owner but the permissions are \"-rw-"), "{error}");
        assert!(error.contains("to fix the permissions use: 'chmod go-w "), "{error}");
    }
    sources.permissions = PermissionCheck::Off;
    assert!(load(&sources, &|_| None).is_ok());
}

#[test]
fn a_file_of_another_user_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "packetbeat.yml", "a: 1\n");
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
        println!("skipped: only root can give a file away");
        return;
    }
    let error = load(&sources(directory.path()), &|_| None).unwrap_err().to_string();
    assert!(error.contains("must be owned by the user identifier (uid=0) or root"), "{error}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut sources = sources(directory.path());
    sources.files = vec!["absent.yml".into()];
    let error = load(&sources, &|_| None).unwrap_err().to_string();
    assert!(
        error.starts_with("error loading config file: ") && error.ends_with("absent.yml: no such file or directory"),
        "{error}"
    );
    sources.files = vec![".".into()];
    assert!(load(&sources, &|_| None).unwrap_err().to_string().contains("is a directory, expected a file"));
}
