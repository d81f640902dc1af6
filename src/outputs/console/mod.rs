// SPDX-License-Identifier: Apache-2.0
//! The console output: events as JSON lines on standard output, or indented (`pretty`) as Packetbeat's codec does.
//!
//! A closed pipe ends the console for good: events after that are dropped under a name, because standard output never
//! comes back. A half line that a full disk left is ended before the next one, since standard output cannot be cut.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::lines::{write_events, write_parts};
use super::pretty::{self, Layout};
use super::{Sink, Verdict};
use crate::event::chunk::Slice;

/// Options of `output.console`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// Indented JSON instead of one line an event (`pretty`, `codec.json.pretty`).
    pub layout: Layout,
}

/// Writes events to standard output, or to any writer.
pub struct ConsoleSink<W: Write = File> {
    writer: Patient<W>,
    layout: Layout,
    torn: bool,
    settled: Vec<(Slice, Verdict)>,
    text: Vec<u8>,
}

impl ConsoleSink<File> {
    /// The sink for standard output, past the standard library's line buffer.
    pub fn stdout(options: &ConsoleOptions) -> io::Result<ConsoleSink<File>> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(ConsoleSink::new(file, options))
    }
}

impl<W: Write> ConsoleSink<W> {
    pub fn new(writer: W, options: &ConsoleOptions) -> ConsoleSink<W> {
        ConsoleSink {
            writer: Patient(writer),
            layout: options.layout,
            torn: false,
            settled: Vec::new(),
            text: Vec::new(),
        }
    }

    fn write(&mut self, slice: &Slice) -> (usize, Option<io::Error>) {
        if self.torn {
            let (bytes, error) = write_parts(&mut self.writer, &mut [IoSlice::new(b"\n")]);
            self.torn = bytes == 0;
            if error.is_some() {
                return (0, error);
            }
        }
        match self.layout {
            Layout::Lines => {
                let written = write_events(&mut self.writer, slice);
                self.torn = written.torn_bytes > 0;
                (written.events, written.error)
            }
            Layout::Pretty => self.write_pretty(slice),
        }
    }

    fn write_pretty(&mut self, slice: &Slice) -> (usize, Option<io::Error>) {
        for (index, event) in slice.events().iter().enumerate() {
            self.text.clear();
            pretty::indent(slice.bytes(event.body), &mut self.text);
            self.text.push(b'\n');
            let (bytes, error) = write_parts(&mut self.writer, &mut [IoSlice::new(&self.text)]);
            if error.is_some() {
                self.torn = bytes > 0;
                return (index, error);
            }
        }
        (slice.len(), None)
    }
}

impl<W: Write> Sink for ConsoleSink<W> {
    fn offer(&mut self, mut slice: Slice) -> Option<Slice> {
        let (events, error) = self.write(&slice);
        let written = slice.split_first(events);
        if !written.is_empty() {
            self.settled.push((written, Verdict::Acknowledged));
        }
        if let Some(error) = error {
            let verdict = match error.kind() {
                ErrorKind::StorageFull => Verdict::Retry("console_full"),
                ErrorKind::BrokenPipe => Verdict::Dropped("console_closed"),
                _ => Verdict::Dropped("console_error"),
            };
            self.settled.push((slice, verdict));
        }
        None
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        self.settled.drain(..).for_each(|(slice, verdict)| settle(slice, verdict));
    }

    fn flush(&mut self) {}

    fn in_flight(&self) -> usize {
        self.settled.iter().map(|(slice, _)| slice.len()).sum()
    }
}

/// Waits for a terminal or pipe that another program has made non-blocking.
struct Patient<W>(W);

impl<W: Write> Patient<W> {
    fn wait(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match attempt() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                result => return result,
            }
        }
    }
}

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::wait(|| self.0.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::wait(|| self.0.write_vectored(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
