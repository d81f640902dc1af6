// SPDX-License-Identifier: Apache-2.0
//! `queue.mem.*`, `queue.disk.*` under the output or at the root, and `wirebeat.queue.*`.

use std::path::Path;

use crate::config::{ConfigError, Section};
use crate::outputs::queue::{DiskOptions, Overload, QueueOptions};

const MEGABYTE: u64 = 1_000_000;

pub fn read_queue(root: &Section<'_>, output: &Section<'_>) -> Result<QueueOptions, ConfigError> {
    let own = output.section("queue")?;
    let shared = root.section("queue")?;
    let mut queue = QueueOptions::default();
    if let Some(section) = own.or(shared) {
        let enabled = |name| -> Result<Option<Section<'_>>, ConfigError> {
            let Some(section) = section.section(name)? else { return Ok(None) };
            Ok(if section.enabled()? { Some(section) } else { None })
        };
        match (enabled("mem")?, enabled("disk")?) {
            (Some(_), Some(disk)) => {
                return Err(disk.refuse("two queues are enabled, mem and disk; at most one may be"));
            }
            (Some(memory), None) => read_memory(&memory, &mut queue)?,
            (None, Some(disk)) => queue.disk = Some(read_disk(root, &disk)?),
            (None, None) => {}
        }
    }
    read_own(root, &mut queue)?;
    Ok(queue)
}

fn read_memory(memory: &Section<'_>, queue: &mut QueueOptions) -> Result<(), ConfigError> {
    queue.events = memory.unsigned("events", 32..=100_000_000)?;
    if let Some(events) = memory.unsigned("flush.min_events", 0..=100_000_000)? {
        queue.flush_min_events = usize::try_from(events).unwrap_or(usize::MAX);
    }
    if let Some(timeout) = memory.duration("flush.timeout")? {
        queue.flush_timeout = timeout;
    }
    // More than the queue holds would never be there.
    if let Some(events) = queue.events.and_then(|events| usize::try_from(events).ok()) {
        queue.flush_min_events = queue.flush_min_events.min(events);
    }
    Ok(())
}

fn read_disk(root: &Section<'_>, disk: &Section<'_>) -> Result<DiskOptions, ConfigError> {
    let max_bytes = disk.bytes("max_size")?;
    let max_bytes =
        max_bytes.ok_or_else(|| disk.refuse_key("max_size", "the disk queue needs a size, such as 10GB"))?;
    if max_bytes < 10 * MEGABYTE {
        return Err(disk.refuse_key("max_size", format!("found {max_bytes} bytes, expected at least 10MB")));
    }
    let path = match disk.string("path")?.filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => Path::new(&root.string("path.data")?.unwrap_or_else(|| "data".to_owned())).join("diskqueue"),
    };
    let mut options = DiskOptions::new(path, max_bytes);
    if let Some(segment_bytes) = disk.bytes("segment_size")? {
        if segment_bytes < MEGABYTE {
            let found = format!("found {segment_bytes} bytes, expected at least 1MB");
            return Err(disk.refuse_key("segment_size", found));
        }
        options.segment_bytes = segment_bytes;
    }
    if options.segment_bytes > max_bytes / 2 {
        let found = format!("found {} bytes, expected at most half of max_size ({max_bytes})", options.segment_bytes);
        return Err(disk.refuse_key("segment_size", found));
    }
    if let Some(events) = disk.unsigned("read_ahead", 1..=1_000_000)? {
        options.read_ahead = events;
    }
    if let Some(events) = disk.unsigned("write_ahead", 1..=1_000_000)? {
        options.write_ahead = events;
    }
    if let Some(interval) = disk.duration("retry_interval")? {
        options.retry_interval = interval;
    }
    if let Some(interval) = disk.duration("max_retry_interval")? {
        options.max_retry_interval = interval;
    }
    if options.max_retry_interval < options.retry_interval {
        let (found, least) = (options.max_retry_interval, options.retry_interval);
        return Err(disk.refuse_key(
            "max_retry_interval",
            format!("found {found:?}, expected at least retry_interval ({least:?})"),
        ));
    }
    Ok(options)
}

/// `wirebeat.queue`
fn read_own(root: &Section<'_>, queue: &mut QueueOptions) -> Result<(), ConfigError> {
    let Some(own) = root.section("wirebeat.queue")? else { return Ok(()) };
    queue.max_bytes = own.bytes("max_bytes")?;
    queue.overload = own.choice(
        "overload",
        &[
            ("drop_newest", Overload::DropNewest),
            ("drop_oldest", Overload::DropOldest),
            ("spool", Overload::Spool),
            ("wait", Overload::Wait),
        ],
    )?;
    let sync = own.duration("sync")?;
    if let (Some(disk), Some(sync)) = (&mut queue.disk, sync) {
        disk.sync = sync;
    }
    if queue.overload == Some(Overload::Spool) && queue.disk.is_none() {
        return Err(
            own.refuse_key("overload", "spool needs queue.disk, the queue that takes what memory has no room for")
        );
    }
    Ok(())
}
