// SPDX-License-Identifier: Apache-2.0
//! A file that is replaced by a new one when it is full, old or the program starts; the oldest are deleted.
//!
//! Names are those of Beats: `name-20261124.ndjson`, then `name-20261124-1.ndjson` and so on, dates in UTC. The file
//! in use has the newest name. The published crates for rotation give the file in use a fixed name and rename it
//! later, which a program that follows Packetbeat's files would not find; hence this one, for the log and for
//! `output.file`. Limit: two programs must not write under the same name.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EXTENSION: &str = ".ndjson";

/// How a file is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub directory: PathBuf,
    /// The beginning of the files' names.
    pub name: String,
    /// A file grows to at most this, but for a single record that is larger.
    pub maximum_bytes: u64,
    /// Files kept besides the one in use.
    pub keep_files: usize,
    /// Rights of new files, such as `0o600`.
    pub permissions: u32,
    /// Begin a new file whenever a multiple of this has passed since the epoch.
    pub interval: Option<Duration>,
    pub at_start: AtStart,
}

/// What to do with the newest file of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    NewFile,
    Append,
}

/// The writer. Each `write` is one record and stays in one file.
#[derive(Debug)]
pub struct RotatingFile {
    rotation: Rotation,
    file: File,
    path: PathBuf,
    written_bytes: u64,
    period: u64,
}

impl RotatingFile {
    /// Opens the file to write to, making the directory if need be.
    pub fn open(rotation: Rotation, now: SystemTime) -> io::Result<Self> {
        let directory_mode = 0o700
            | if rotation.permissions & 0o070 == 0 { 0 } else { 0o050 }
            | if rotation.permissions & 0o007 == 0 { 0 } else { 0o005 };
        DirBuilder::new().recursive(true).mode(directory_mode).create(&rotation.directory)?;
        let newest = existing(&rotation)?.pop();
        let path = match newest {
            Some(newest) if rotation.at_start == AtStart::Append => {
                rotation.directory.join(newest.file_name(&rotation))
            }
            _ => next_path(&rotation, now)?,
        };
        let (file, written_bytes) = open_append(&path, rotation.permissions)?;
        let period = period(&rotation, now);
        let opened = Self { rotation, file, path, written_bytes, period };
        opened.delete_oldest()?;
        Ok(opened)
    }

    /// The file in use.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one record, to a new file if it is time for one.
    pub fn write_record(&mut self, record: &[u8], now: SystemTime) -> io::Result<()> {
        let length = u64::try_from(record.len()).unwrap_or(u64::MAX);
        let is_full = self.written_bytes > 0 && self.written_bytes.saturating_add(length) > self.rotation.maximum_bytes;
        let period = period(&self.rotation, now);
        if is_full || period != self.period {
            self.period = period;
            self.path = next_path(&self.rotation, now)?;
            (self.file, self.written_bytes) = open_append(&self.path, self.rotation.permissions)?;
            self.delete_oldest()?;
        }
        self.file.write_all(record)?;
        self.written_bytes = self.written_bytes.saturating_add(length);
        Ok(())
    }

    /// Makes sure that the operating system has stored what was written.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn delete_oldest(&self) -> io::Result<()> {
        let mut files = existing(&self.rotation)?;
        files.retain(|file| self.rotation.directory.join(file.file_name(&self.rotation)) != self.path);
        let surplus = files.len().saturating_sub(self.rotation.keep_files);
        for file in files.iter().take(surplus) {
            match std::fs::remove_file(self.rotation.directory.join(file.file_name(&self.rotation))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The variable part of a file name, in the order of age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Numbered {
    /// `20261124`
    date: String,
    index: u64,
}

impl Numbered {
    fn file_name(&self, rotation: &Rotation) -> String {
        let Self { date, index } = self;
        match index {
            0 => format!("{}-{date}{EXTENSION}", rotation.name),
            index => format!("{}-{date}-{index}{EXTENSION}", rotation.name),
        }
    }

    fn parse(file_name: &str, rotation: &Rotation) -> Option<Self> {
        let middle = file_name.strip_prefix(&rotation.name)?.strip_prefix('-')?.strip_suffix(EXTENSION)?;
        let (date, index) = middle.split_once('-').unwrap_or((middle, "0"));
        let parsed = Self { date: date.to_owned(), index: index.parse().ok()? };
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        // The name must be exactly what this program would write: other files are not its to delete.
        (is_date && parsed.file_name(rotation) == file_name).then_some(parsed)
    }
}

/// The files of earlier times, the oldest first.
fn existing(rotation: &Rotation) -> io::Result<Vec<Numbered>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&rotation.directory)? {
        let name = entry?.file_name();
        files.extend(name.to_str().and_then(|name| Numbered::parse(name, rotation)));
    }
    files.sort();
    Ok(files)
}

fn next_path(rotation: &Rotation, now: SystemTime) -> io::Result<PathBuf> {
    let date = date(now);
    let last = existing(rotation)?.into_iter().rfind(|file| file.date == date);
    let index = last.map_or(0, |file| file.index.saturating_add(1));
    Ok(rotation.directory.join(Numbered { date, index }.file_name(rotation)))
}

fn open_append(path: &Path, permissions: u32) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(permissions).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn period(rotation: &Rotation, now: SystemTime) -> u64 {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    rotation.interval.map_or(0, |interval| seconds / interval.as_secs().max(1))
}

fn date(now: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%d").to_string()
}
