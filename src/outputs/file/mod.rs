// SPDX-License-Identifier: Apache-2.0
//! The file output: events as JSON lines in `<filename>-YYYYMMDD.ndjson`, `<filename>-YYYYMMDD-1.ndjson` and so on.
//!
//! As in Packetbeat the date is that of the file's begin, in UTC; midnight alone begins no new file. A failed write
//! leaves no half line, and its events are tried again.

mod config;
mod names;
mod sink;
#[cfg(test)]
mod tests;

pub use config::{EarlierFile, FileOptions, NUMBER_OF_FILES};
pub use sink::FileSink;
