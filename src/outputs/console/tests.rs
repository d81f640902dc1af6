// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::outputs::bench::{slice_of, verdicts};

/// Fails with an error after some events.
struct Failing(Vec<u8>, usize, ErrorKind);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.1 - self.0.len());
        if count == 0 {
            return Err(self.2.into());
        }
        self.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn events_are_lines() {
    let mut sink = ConsoleSink::new(Vec::new(), &ConsoleOptions::default());
    assert!(sink.offer(slice_of(&["{\"a\":1}", "{\"b\":2}"])).is_none());
    assert_eq!(sink.in_flight(), 2);
    let told = verdicts(&mut sink);
    assert_eq!(told, [(vec!["{\"a\":1}".to_string(), "{\"b\":2}".to_string()], Verdict::Acknowledged)]);
    assert_eq!(sink.in_flight(), 0);
    assert_eq!(sink.writer.0, b"{\"a\":1}\n{\"b\":2}\n");
}

#[test]
fn pretty_is_that_of_go() {
    let mut sink = ConsoleSink::new(Vec::new(), &ConsoleOptions { layout: Layout::Pretty });
    let body = r#"{"a":{"b":[1,2.5,"x, {\"y\": [\\"],"c":{},"d":[]},"e":true,"f":null,"g":[{"h":-1}]}"#;
    sink.offer(slice_of(&[body, "{}"]));
    let expected = r#"{
  "a": {
    "b": [
      1,
      2.5,
      "x, {\"y\": [\\"
    ],
    "c": {},
    "d": []
  },
  "e": true,
  "f": null,
  "g": [
    {
      "h": -1
    }
  ]
}
{}
"#;
    assert_eq!(String::from_utf8(sink.writer.0).unwrap(), expected);
}

#[test]
fn pretty_ends_on_any_input() {
    let body = br#"{"a":{"b":[1,"\"\\"],"c":{}}}"#;
    let mut out = Vec::new();
    for length in 0..body.len() {
        pretty::indent(&body[..length], &mut out);
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5000 {
        let mut mutated = body.to_vec();
        let at = random.usize(..mutated.len());
        mutated[at] = random.u8(..);
        out.clear();
        pretty::indent(&mutated, &mut out);
        assert!(out.len() < 4096);
    }
}

#[test]
fn a_closed_pipe_drops_and_a_full_disk_waits() {
    for (kind, verdict) in [
        (ErrorKind::BrokenPipe, Verdict::Dropped("console_closed")),
        (ErrorKind::StorageFull, Verdict::Retry("console_full")),
    ] {
        let mut sink = ConsoleSink::new(Failing(Vec::new(), 4, kind), &ConsoleOptions::default());
        assert!(sink.offer(slice_of(&["{}", "[]"])).is_none());
        let told = verdicts(&mut sink);
        assert_eq!(told, [(vec!["{}".to_string()], Verdict::Acknowledged), (vec!["[]".to_string()], verdict)]);
    }
}

#[test]
fn a_half_line_is_ended_before_the_next() {
    for layout in [Layout::Lines, Layout::Pretty] {
        let mut sink = ConsoleSink::new(Failing(Vec::new(), 4, ErrorKind::StorageFull), &ConsoleOptions { layout });
        sink.offer(slice_of(&["{}", "[]"]));
        verdicts(&mut sink);
        sink.writer.0.1 = 100;
        sink.offer(slice_of(&["[]"]));
        assert_eq!(String::from_utf8_lossy(&sink.writer.0.0), "{}\n[\n[]\n");
    }
}

/// Refuses every second call, as a non-blocking pipe does.
struct Stubborn(Vec<u8>, bool);

impl Write for Stubborn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(3);
        self.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_non_blocking_writer_is_waited_for() {
    let mut sink = ConsoleSink::new(Stubborn(Vec::new(), false), &ConsoleOptions::default());
    sink.offer(slice_of(&["{\"a\":1}", "{\"b\":2}"]));
    assert_eq!(verdicts(&mut sink)[0].1, Verdict::Acknowledged);
    assert_eq!(sink.writer.0.0, b"{\"a\":1}\n{\"b\":2}\n");
}
