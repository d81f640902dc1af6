// SPDX-License-Identifier: Apache-2.0
//! Writes, rotates and deletes files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::config::{EarlierFile, FileOptions};
use super::names::{self, FileName};
use crate::event::chunk::Slice;
use crate::outputs::lines::{line_bytes, write_events};
use crate::outputs::{Sink, Verdict};

/// Writes events to rotating files.
pub struct FileSink {
    options: FileOptions,
    /// Seconds since 1970, for the names.
    clock: fn() -> i64,
    active: Option<Active>,
    /// No file was opened yet in this run.
    first: bool,
    settled: Vec<(Slice, Verdict)>,
    failing: bool,
}

/// The file that is written.
struct Active {
    file: File,
    path: PathBuf,
    name: FileName,
    /// Bytes of complete lines.
    size: u64,
    /// A failed write left more than complete lines, and cutting it failed too.
    torn: bool,
}

impl FileSink {
    /// Makes the folder when it is missing. The first file is made with the first event, as in Packetbeat. The error
    /// is a sentence.
    pub fn new(options: FileOptions) -> Result<FileSink, String> {
        let folder = options.folder.display();
        fs::create_dir_all(&options.folder)
            .map_err(|error| format!("the folder {folder} of the file output cannot be made: {error}"))?;
        rustix::fs::access(&options.folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
            .map_err(|error| format!("the folder {folder} of the file output cannot be written: {error}"))?;
        Ok(FileSink { options, clock: wall_seconds, active: None, first: true, settled: Vec::new(), failing: false })
    }

    #[cfg(test)]
    pub fn with_clock(options: FileOptions, clock: fn() -> i64) -> FileSink {
        FileSink { clock, ..FileSink::new(options).unwrap() }
    }

    /// Writes the front of the slice, at most as much as the active file has room for, and takes it off.
    fn write(&mut self, slice: &mut Slice) -> io::Result<()> {
        let limit_bytes = self.options.rotate_every_bytes;
        let active = self.open(slice)?;
        let mut room_bytes = limit_bytes.saturating_sub(active.size);
        let fitting = slice.events().iter().take_while(|event| {
            let fits = line_bytes(event) <= room_bytes;
            room_bytes = room_bytes.saturating_sub(line_bytes(event));
            fits
        });
        // An event larger than a whole file gets a file of its own.
        let count = fitting.count().max(1);
        let mut rest = slice.clone();
        let written = write_events(&mut active.file, &rest.split_first(count));
        active.size += written.bytes;
        if written.torn_bytes > 0 {
            active.torn = true;
            active.cut();
        }
        let done = slice.split_first(written.events);
        if !done.is_empty() {
            self.settled.push((done, Verdict::Acknowledged));
        }
        written.error.map_or(Ok(()), Err)
    }

    /// The file for the slice's first event: the active one, or the next when that is full.
    fn open(&mut self, slice: &Slice) -> io::Result<&mut Active> {
        let first_line = slice.events().first().map_or(0, line_bytes);
        if let Some(active) = &mut self.active
            && (!active.torn || active.cut())
            && (active.size == 0 || active.size.saturating_add(first_line) <= self.options.rotate_every_bytes)
        {
            // The borrow of the branch would last as long as the answer.
            return self.active.as_mut().ok_or_else(|| ErrorKind::NotFound.into());
        }
        if self.active.as_ref().is_some_and(|active| active.torn) {
            return Err(io::Error::new(ErrorKind::StorageFull, "a half line could not be cut"));
        }
        let next = self.next_file()?;
        self.first = false;
        self.delete_old(&next.name);
        Ok(self.active.insert(next))
    }

    fn next_file(&self) -> io::Result<Active> {
        let FileOptions { folder, name, .. } = &self.options;
        let existing = names::existing(folder, name)?;
        if let Some(newest) = existing.last().filter(|_| self.first)
            && self.options.earlier == EarlierFile::Continued
        {
            let path = newest.path(folder, name);
            let file = self.open_options().read(true).open(&path)?;
            let size = whole_lines(&file, &path)?;
            if size == 0 || size < self.options.rotate_every_bytes {
                return Ok(Active { file, path, name: newest.clone(), size, torn: false });
            }
        }
        let next = FileName::next(&existing, date_of((self.clock)()));
        let path = next.path(folder, name);
        let file = self.open_options().create_new(true).open(&path)?;
        Ok(Active { file, path, name: next, size: 0, torn: false })
    }

    fn open_options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.append(true).mode(self.options.permissions);
        options
    }

    fn delete_old(&self, active: &FileName) {
        let FileOptions { folder, name, number_of_files, .. } = &self.options;
        let Ok(mut files) = names::existing(folder, name) else { return };
        files.retain(|file| file != active);
        let surplus = files.len().saturating_sub(*number_of_files);
        for file in &files[..surplus] {
            let path = file.path(folder, name);
            if let Err(error) = fs::remove_file(&path) {
                log::warn!("file output: the old file {} cannot be deleted: {error}", path.display());
            }
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if !self.failing {
            let path = self.active.as_ref().map_or(self.options.folder.as_path(), |active| active.path.as_path());
            log::warn!("file output: writing {} failed, its events are tried again: {error}", path.display());
            self.failing = true;
        }
    }
}

impl Sink for FileSink {
    fn offer(&mut self, mut slice: Slice) -> Option<Slice> {
        while !slice.is_empty() {
            if let Err(error) = self.write(&mut slice) {
                self.tell(&error);
                self.settled.push((slice, Verdict::Retry(reason(&error))));
                return None;
            }
            if self.failing {
                log::info!("file output: writing works again");
                self.failing = false;
            }
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

impl Active {
    /// Takes off what is behind the last complete line.
    fn cut(&mut self) -> bool {
        self.torn = self.file.set_len(self.size).is_err();
        !self.torn
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::WriteZero => "file_full",
        _ => "file_error",
    }
}

/// Size of the file's complete lines; half a line that a killed run left is cut off.
fn whole_lines(file: &File, path: &Path) -> io::Result<u64> {
    const STEP_BYTES: u64 = 64 * 1024;
    let size = file.metadata()?.len();
    let mut end = size;
    let mut reader = file;
    let mut bytes = Vec::new();
    let whole = loop {
        let start = end.saturating_sub(STEP_BYTES);
        bytes.clear();
        reader.seek(SeekFrom::Start(start))?;
        reader.take(end - start).read_to_end(&mut bytes)?;
        if let Some(position) = memchr::memrchr(b'\n', &bytes) {
            break start + position as u64 + 1;
        }
        if start == 0 || bytes.is_empty() {
            break 0;
        }
        end = start;
    };
    if whole < size {
        log::warn!("file output: {} ends in half a line of {} bytes, which is cut off", path.display(), size - whole);
        file.set_len(whole)?;
    }
    Ok(whole)
}

fn date_of(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%d").to_string()
}

fn wall_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
