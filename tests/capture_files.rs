// SPDX-License-Identifier: Apache-2.0
//! Flags and settings of capture files: how often, one at a time, filtered, written again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/dns/types.pcap")
}

fn start(home: &Path, flags: &[&str], configuration: &str) -> Child {
    let file = home.join("packetbeat.yml");
    let text =
        format!("packetbeat.protocols: [{{type: dns, ports: [53]}}]\noutput.console.enabled: true\n{configuration}\n");
    std::fs::write(&file, text).expect("the temporary folder is writable");
    Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(["-e", "--strict.perms=false", "-I"])
        .arg(recorded())
        .arg("-c")
        .arg(&file)
        .arg("--path.home")
        .arg(home)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Standard output and the log of a run to its end.
fn run(flags: &[&str], configuration: &str) -> (String, String) {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let output = start(home.path(), flags, configuration).wait_with_output().expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), log)
}

fn number(log: &str, name: &str) -> u64 {
    let before = log.split("packets: ").last().and_then(|line| line.split(&format!(" {name}")).next());
    let number = before.and_then(|before| before.rsplit(' ').next()).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {log}"))
}

#[test]
fn a_filter_is_applied_to_files_on_request_alone() {
    let filter = "packetbeat.interfaces.bpf_filter: 'src port 53'\nwirebeat.workers: 2";
    let (_, ignored) = run(&["-t"], filter);
    assert!(ignored.contains("Packet filters are not applied to files"), "{ignored}");
    let all = number(&ignored, "received");
    assert_eq!(number(&ignored, "filtered"), 0);
    let (_, applied) = run(&["-t"], &format!("{filter}\nwirebeat.filter_files: true"));
    assert!(!applied.contains("are not applied") && !applied.contains("a balance does not hold"), "{applied}");
    assert_eq!(number(&applied, "received"), all);
    // Every question has its answer in this capture.
    assert_eq!(number(&applied, "filtered"), all / 2);
    assert_eq!(number(&applied, "analysed"), all / 2);
}

#[test]
fn a_file_is_read_as_often_as_asked() {
    let once = number(&run(&["-t"], "").1, "received");
    assert_eq!(number(&run(&["-t", "-l", "3"], "").1, "received"), 3 * once);

    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let mut endless = start(home.path(), &["-t", "-l", "0", "-N"], "");
    std::thread::sleep(Duration::from_secs(2));
    assert!(endless.try_wait().expect("a child can be asked").is_none(), "0 is for ever");
    assert!(Command::new("kill").args(["-INT", &endless.id().to_string()]).status().expect("kill").success());
    let output = endless.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(number(&String::from_utf8_lossy(&output.stderr), "received") > once);
}

#[test]
fn one_packet_comes_with_each_enter() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let mut running = start(home.path(), &["-O", "-N"], "wirebeat.workers: 2");
    let mut stdin = running.stdin.take().expect("a pipe");
    stdin.write_all(b"\n\n\n").expect("it reads");
    std::thread::sleep(Duration::from_secs(1));
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("kill").success());
    let output = running.wait_with_output().expect("it ends");
    drop(stdin);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert_eq!(number(&log, "received"), 3);
    let asked = String::from_utf8_lossy(&output.stdout).matches("Press enter to read packet\n").count();
    assert_eq!(asked, 4);
    // Without anybody to press it everything is read.
    let (_, log) = run(&["-O", "-N"], "");
    assert_eq!(number(&log, "received"), number(&run(&["-t", "-N"], "").1, "received"));
}

#[test]
fn a_dump_of_a_file_holds_its_packets_once() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let prefix = home.path().join("copy");
    let flags = ["-t", "-N", "--dump", prefix.to_str().expect("a path in UTF-8")];
    let (_, log) = run(&flags, "wirebeat.workers: 3");
    let copy = std::fs::read_dir(home.path()).expect("a folder").next().expect("a dump").expect("a file").path();
    let original = std::fs::read(recorded()).expect("the capture");
    let copied = std::fs::read(copy).expect("the dump");
    // The same but for the unit of the times.
    assert_eq!(copied.len(), original.len(), "{log}");
    assert_eq!(copied[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    let (copied, original) = (&copied[24..], &original[24..]);
    let mut at = 0;
    while at < original.len() {
        let word = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(word(copied, at), word(original, at));
        assert_eq!(word(copied, at + 4), word(original, at + 4) * 1000);
        let end = at + 16 + word(original, at + 8) as usize;
        assert_eq!(copied[at + 8..end], original[at + 8..end]);
        at = end;
    }
}

#[test]
fn a_dump_that_cannot_be_written_is_said() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let flags = ["-t", "-N", "--dump", "/nowhere/at/all"];
    let output = start(home.path(), &flags, "").wait_with_output().expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("Exiting: --dump: /nowhere/at/all-") && last.contains("No such file"), "{last}");
}
