// SPDX-License-Identifier: Apache-2.0
//! Options of `output.file` with Packetbeat's defaults.

use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What `number_of_files` may be (libbeat).
pub const NUMBER_OF_FILES: RangeInclusive<u64> = 2..=1024;

/// Options of `output.file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// Folder of the files, format string evaluated (`path`).
    pub folder: PathBuf,
    /// Begin of the files' names (`filename`).
    pub name: String,
    /// Size at which the next file begins (`rotate_every_kb`).
    pub rotate_every_bytes: u64,
    /// Complete files that are kept besides the one that is written (`number_of_files`).
    pub number_of_files: usize,
    /// Mode of new files, before the umask (`permissions`).
    pub permissions: u32,
    /// What becomes of the newest file of an earlier run (`rotate_on_startup`).
    pub earlier: EarlierFile,
}

/// What becomes of the newest file of an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlierFile {
    /// It stays as it is and a new one is begun.
    #[default]
    Kept,
    /// It is continued.
    Continued,
}

impl FileOptions {
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>) -> FileOptions {
        FileOptions {
            folder: folder.into(),
            name: name.into(),
            rotate_every_bytes: 10_240 * 1024,
            number_of_files: 7,
            permissions: 0o600,
            earlier: EarlierFile::Kept,
        }
    }
}
