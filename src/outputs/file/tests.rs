// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::outputs::bench::{chunk_of, numbered, slice_of, verdicts};
use crate::outputs::shipper::{Shipper, ShipperOptions};
use crate::outputs::{Sink, Verdict};

/// 2026-11-24 and 2026-11-25.
const DAY: i64 = 1_795_478_400 + 43_200;

fn day() -> i64 {
    DAY
}

fn next_day() -> i64 {
    DAY + 86_400
}

/// Files with their contents, in the order of their names' numbers.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    all.sort_by_key(|(name, _)| (name.len(), name.clone()));
    all
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}

fn ship(sink: &mut FileSink, bodies: &[String]) {
    assert!(sink.offer(slice_of(bodies)).is_none());
    assert!(verdicts(sink).iter().all(|(_, verdict)| *verdict == Verdict::Acknowledged));
    assert_eq!(sink.in_flight(), 0);
}

#[test]
fn events_are_lines_of_a_dated_file() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("a/b");
    let mut sink = FileSink::with_clock(FileOptions::new(&nested, "packetbeat"), day);
    assert!(names(&nested).is_empty(), "no event, no file");
    let bodies = numbered(0, 2000);
    ship(&mut sink, &bodies);
    assert_eq!(files(&nested), [("packetbeat-20261124.ndjson".to_string(), bodies.join("\n") + "\n")]);
    let mode = fs::metadata(nested.join("packetbeat-20261124.ndjson")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_new_run_begins_a_new_file_unless_told_to_continue() {
    let folder = tempfile::tempdir().unwrap();
    let options = FileOptions::new(folder.path(), "pb");
    for _ in 0..3 {
        ship(&mut FileSink::with_clock(options.clone(), day), &numbered(0, 1));
    }
    let continued = FileOptions { earlier: EarlierFile::Continued, ..options.clone() };
    ship(&mut FileSink::with_clock(continued, next_day), &numbered(1, 1));
    assert_eq!(names(folder.path()), ["pb-20261124.ndjson", "pb-20261124-1.ndjson", "pb-20261124-2.ndjson"]);
    assert_eq!(files(folder.path())[2].1, numbered(0, 2).join("\n") + "\n");
    ship(&mut FileSink::with_clock(options, next_day), &numbered(0, 1));
    assert!(names(folder.path()).contains(&"pb-20261125.ndjson".to_string()));
}

#[test]
fn files_rotate_by_size_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let line = numbered(10, 1)[0].len() as u64 + 1;
    let options = FileOptions {
        rotate_every_bytes: line * 3 + 1,
        number_of_files: 2,
        permissions: 0o640,
        ..FileOptions::new(folder.path(), "pb")
    };
    fs::write(folder.path().join("pb-other.ndjson"), "kept").unwrap();
    fs::write(folder.path().join("pb-20261124-x.ndjson"), "kept").unwrap();
    let mut sink = FileSink::with_clock(options, day);
    ship(&mut sink, &numbered(10, 30));
    ship(&mut sink, &numbered(40, 2));
    let all = files(folder.path());
    let ours: Vec<&str> = all.iter().filter(|(_, text)| text != "kept").map(|(name, _)| name.as_str()).collect();
    assert_eq!(ours, ["pb-20261124-8.ndjson", "pb-20261124-9.ndjson", "pb-20261124-10.ndjson"]);
    assert_eq!(all.len(), 5, "foreign files stay");
    let last = &all.iter().find(|(name, _)| name.contains("-10.")).unwrap().1;
    assert_eq!(*last, numbered(40, 2).join("\n") + "\n");
}

#[test]
fn an_event_larger_than_a_file_is_written_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = FileOptions { rotate_every_bytes: 20, ..FileOptions::new(folder.path(), "pb") };
    let mut sink = FileSink::with_clock(options, day);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    ship(&mut sink, &["{}".to_string(), large.clone(), "[]".to_string()]);
    let contents: Vec<String> = files(folder.path()).into_iter().map(|(_, text)| text).collect();
    assert_eq!(contents, ["{}\n".to_string(), large + "\n", "[]\n".to_string()]);
}

#[test]
fn half_a_line_of_a_killed_run_is_cut() {
    for (left, kept) in [("{}\n{\"a\":", "{}\n"), ("{\"a\":", ""), ("", ""), ("{}\n", "{}\n")] {
        for padding in [0, 70_000] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pb-20261123.ndjson");
            fs::write(
                &file,
                format!("{left}{}", if left.ends_with(':') { "y".repeat(padding) } else { String::new() }),
            )
            .unwrap();
            let options = FileOptions { earlier: EarlierFile::Continued, ..FileOptions::new(folder.path(), "pb") };
            ship(&mut FileSink::with_clock(options, day), &["[]".to_string()]);
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{kept}[]\n"));
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = FileSink::new(FileOptions::new(folder.path().join("file/below"), "pb")).err().unwrap();
    assert!(error.contains("file/below") && error.contains("cannot be made"), "{error}");
}

#[test]
fn a_device_that_is_always_full_keeps_its_events() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("pb-20261124.ndjson")).unwrap();
    let options = FileOptions { earlier: EarlierFile::Continued, ..FileOptions::new(folder.path(), "pb") };
    let mut sink = FileSink::with_clock(options, day);
    assert!(sink.offer(slice_of(&numbered(0, 3))).is_none());
    assert_eq!(verdicts(&mut sink), [(numbered(0, 3), Verdict::Retry("file_full"))]);
}

/// Runs itself again in a mount namespace of its own, on a file system of 64 KiB.
#[test]
fn a_full_disk_loses_nothing_and_leaves_no_half_line() {
    const MARK: &str = "WIREBEAT_TEST_SMALL_DISK";
    if let Some(folder) = std::env::var_os(MARK) {
        return fill(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=64k none \"${MARK}\" && exec \"$0\" --exact \"$1\"");
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let possible = Command::new(unshare[0]).args(&unshare[1..]).arg("true").status();
    if !possible.is_ok_and(|status| status.success()) {
        println!("skipped: this machine allows no user namespaces");
        return;
    }
    let output = Command::new(unshare[0])
        .args(&unshare[1..])
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg("outputs::file::tests::a_full_disk_loses_nothing_and_leaves_no_half_line")
        .env(MARK, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

fn fill(folder: &Path) {
    fs::write(folder.join("ballast"), vec![0; 20_000]).unwrap();
    let sink = FileSink::with_clock(FileOptions::new(folder, "pb"), day);
    let mut shipper = Shipper::new(Box::new(sink), ShipperOptions { max_retries: None, ..ShipperOptions::default() });
    let bodies = numbered(0, 1000);
    for part in bodies.chunks(300) {
        shipper.accept(chunk_of(part));
    }
    let mut now = 0;
    for _ in 0..5 {
        now = shipper.turn(now).wake_ns.expect("a full disk is tried again later");
        let text = fs::read_to_string(folder.join("pb-20261124.ndjson")).unwrap();
        assert!(text.ends_with("}\n"), "no half line");
        assert_eq!(text.lines().count() as u64, shipper.counters().acknowledged);
    }
    assert!(!shipper.is_idle() && shipper.counters().retried.contains_key("file_full"));
    fs::remove_file(folder.join("ballast")).unwrap();
    while !shipper.is_idle() {
        now = shipper.turn(now).wake_ns.unwrap_or(now + 1);
    }
    let text = fs::read_to_string(folder.join("pb-20261124.ndjson")).unwrap();
    assert_eq!(text.lines().map(str::to_string).collect::<Vec<_>>(), bodies);
    assert_eq!(shipper.counters().acknowledged, 1000);
}
