// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::outputs::bench::slice_of;

/// Takes at most `step` bytes a call and fails for good after `room` bytes.
struct Narrow {
    out: Vec<u8>,
    step: usize,
    room: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.step).min(self.room - self.out.len());
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.out.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.write(&all)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn partial_writes_are_continued() {
    let bodies: Vec<String> = (0..1500).map(|number| format!("{{\"n\":{number}}}")).collect();
    let slice = slice_of(&bodies);
    let expected = bodies.join("\n") + "\n";
    for step in [1, 2, 7, 4096] {
        let mut writer = Narrow { out: Vec::new(), step, room: usize::MAX };
        let written = write_events(&mut writer, &slice);
        assert!(written.error.is_none());
        assert_eq!((written.events, written.bytes, written.torn_bytes), (1500, expected.len() as u64, 0));
        assert_eq!(String::from_utf8(writer.out).unwrap(), expected);
    }
}

#[test]
fn a_full_device_at_every_byte_is_told_exactly() {
    let bodies = ["{}", "{\"a\":1}", "{\"bc\":22}"];
    let slice = slice_of(&bodies);
    let total = bodies.iter().map(|body| body.len() + 1).sum::<usize>();
    for room in 0..total {
        let mut writer = Narrow { out: Vec::new(), step: 5, room };
        let written = write_events(&mut writer, &slice);
        assert!(written.error.is_some());
        let lines = writer.out.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(written.events, lines, "room for {room}");
        assert_eq!(written.bytes + written.torn_bytes, room as u64);
    }
}
