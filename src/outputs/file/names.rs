// SPDX-License-Identifier: Apache-2.0
//! Names of the files and their order: by date, then by number.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file that the output wrote, now or earlier. The order is that of writing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Eight digits, YYYYMMDD.
    date: String,
    number: u64,
}

impl FileName {
    pub fn path(&self, folder: &Path, name: &str) -> PathBuf {
        let FileName { date, number } = self;
        folder.join(match number {
            0 => format!("{name}-{date}.ndjson"),
            number => format!("{name}-{date}-{number}.ndjson"),
        })
    }

    /// The next free name on a date.
    pub fn next(existing: &[FileName], date: String) -> FileName {
        let last = existing.iter().filter(|file| file.date == date).map(|file| file.number).max();
        FileName { date, number: last.map_or(0, |number| number.saturating_add(1)) }
    }

    fn parse(file: &str, name: &str) -> Option<FileName> {
        let middle = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".ndjson")?;
        let (date, number) = match middle.split_once('-') {
            None => (middle, 0),
            Some((date, number)) if !number.starts_with(['0', '+']) => (date, number.parse().ok()?),
            Some(_) => return None,
        };
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        is_date.then(|| FileName { date: date.to_owned(), number })
    }
}

/// The output's files in a folder, oldest first.
pub fn existing(folder: &Path, name: &str) -> io::Result<Vec<FileName>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(file) = entry?.file_name().to_str().and_then(|file| FileName::parse(file, name)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
