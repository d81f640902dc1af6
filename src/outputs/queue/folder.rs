// SPDX-License-Identifier: Apache-2.0
//! The folder of a disk queue: who may use it, what is in it, and up to where it is settled.
//!
//! It holds `lock`, `position` and segments named by their number, and nothing else: a folder with other files is
//! refused, so that a wrong path costs nobody a file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::record::{Headed, SEGMENT_HEAD_BYTES, SegmentHead, VERSION, is_sealed, seal, u64_at};

const LOCK: &str = "lock";
const POSITION: &str = "position";
const POSITION_NEW: &str = "position.new";
const ENDING: &str = ".wbq";
const POSITION_MARK: [u8; 8] = *b"WBQPOS1\xff";
const POSITION_BYTES: usize = 44;

/// A folder that is this process's alone.
pub struct Folder {
    path: PathBuf,
    /// For the order in which names reach the disk.
    directory: File,
    /// Locked as long as it is open.
    _lock: File,
}

/// Up to where all events are settled: the next one to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Number of the event.
    pub event: u64,
    /// Number of the segment, and place in it.
    pub segment: u64,
    pub offset: u64,
    /// A number that no event had when this was written.
    pub end: u64,
}

/// A file of an earlier run.
pub struct Found {
    pub number: u64,
    pub bytes: u64,
    /// None: the head is damaged.
    pub head: Option<SegmentHead>,
}

impl Folder {
    /// Makes the folder when it is missing, and locks it. The error is a sentence.
    pub fn open(path: &Path) -> Result<Folder, String> {
        let shown = path.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| format!("the folder {shown} cannot be made: {error}"))?;
        let directory = File::open(path).map_err(|error| format!("the folder {shown} cannot be read: {error}"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(|error| format!("the folder {shown} cannot be written: {error}"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Folder { path: path.to_owned(), directory, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(format!("the folder {shown} is in use by another process; each needs a folder of its own"))
            }
            Err(error) => Err(format!("the folder {shown} cannot be locked: {}", io::Error::from(error))),
        }
    }

    /// The segments that are there, by number. The error is a sentence.
    pub fn segments(&self) -> Result<Vec<Found>, String> {
        let shown = self.path.display();
        let failed = |error: io::Error| format!("the folder {shown} cannot be read: {error}");
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if [LOCK, POSITION, POSITION_NEW].contains(&&*name) {
                continue;
            }
            let Some(number) = number_of(&name) else {
                return Err(format!(
                    "the folder {shown} holds {name}, which is no file of a disk queue of this program; give it a folder of its own"
                ));
            };
            found.push(self.look(number)?);
        }
        found.sort_unstable_by_key(|segment| segment.number);
        Ok(found)
    }

    fn look(&self, number: u64) -> Result<Found, String> {
        let path = self.segment_path(number);
        let failed = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let file = File::open(&path).map_err(failed)?;
        let mut head = Vec::new();
        let bytes = file.metadata().map_err(failed)?.len();
        file.take(SEGMENT_HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
        let head = match SegmentHead::read(&head) {
            Headed::Segment(head) => Some(head).filter(|head| head.number == number),
            Headed::Damaged => None,
            Headed::OtherVersion(version) => {
                return Err(format!(
                    "{} is of version {version} of the disk queue, and this program knows version {VERSION}; let the program that wrote it send its events, or move it away",
                    path.display()
                ));
            }
        };
        Ok(Found { number, bytes, head })
    }

    /// Makes a segment with its head in it.
    pub fn create(&self, head: &SegmentHead) -> io::Result<File> {
        let path = self.segment_path(head.number);
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all(&head.bytes()).and_then(|()| self.directory.sync_all()) {
            // Nothing is in it.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(file)
    }

    pub fn read(&self, number: u64) -> io::Result<File> {
        File::open(self.segment_path(number))
    }

    pub fn delete(&self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.segment_path(number)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// None when there is none, or it is damaged: then all that is there is sent again.
    pub fn position(&self) -> Result<Option<Position>, String> {
        let path = self.path.join(POSITION);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        if bytes.len() != POSITION_BYTES || !is_sealed(&bytes) || bytes[..8] != POSITION_MARK {
            log::warn!("{} is damaged: what the disk queue holds is sent again from its beginning", path.display());
            return Ok(None);
        }
        let [event, segment, offset, end] = [8, 16, 24, 32].map(|place| u64_at(&bytes, place));
        Ok(Some(Position { event, segment, offset, end }))
    }

    /// Writes the position so that after a loss of power the old or the new one is there.
    pub fn keep(&self, position: &Position) -> io::Result<()> {
        let mut bytes = [0; POSITION_BYTES];
        bytes[..8].copy_from_slice(&POSITION_MARK);
        let numbers = [position.event, position.segment, position.offset, position.end];
        for (place, number) in bytes[8..40].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        seal(&mut bytes);
        let new = self.path.join(POSITION_NEW);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&new, self.path.join(POSITION))?;
        self.directory.sync_all()
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}{ENDING}"))
    }
}

/// The number in a segment's name.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    (digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}
