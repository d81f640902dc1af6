// SPDX-License-Identifier: Apache-2.0
//! One task: connects to a server, then sends batches to it, one pipeline at a time.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::commands;
use super::config::RedisOptions;
use super::connection::{Connection, Failure};
use super::reply::{self, Reply};
use super::sink::Server;
use crate::event::chunk::Slice;
use crate::outputs::Verdict;
use crate::outputs::batch::Batch;
use crate::outputs::batch_sink::Feed;
use crate::outputs::metrics::LogSample;

/// Name under which an event is dropped for which there is no key.
const NO_KEY: &str = "redis_no_key";

/// Sends batches until the sink is gone. `servers` holds those to try, one after the other.
pub async fn run(feed: Arc<Feed>, options: Arc<RedisOptions>, servers: Vec<Server>) {
    let mut task = Task { feed, options, out: Vec::new(), refused: LogSample::default(), failed: LogSample::default() };
    let mut hosts = servers.iter().cycle();
    let Some(mut server) = hosts.next() else { return };
    let mut failures = 0;
    let mut is_first = true;
    loop {
        let begin = Instant::now();
        match Connection::open(server).await {
            Ok(mut connection) => {
                task.feed.metrics.connections.add(1);
                // Servers may close what is idle: not worth a line each time.
                let level = if failures > 0 || is_first { log::Level::Info } else { log::Level::Debug };
                is_first = false;
                log::log!(level, "redis output: connected to {}", server.peer.host);
                let stored = match task.serve(&mut connection).await {
                    Served::SinkGone => return,
                    Served::Idle { failure, stored } => {
                        log::debug!("redis output: the idle connection to {} ended: {failure}", server.peer.host);
                        stored
                    }
                    Served::Broken { failure, stored } => {
                        task.failed.warn(format_args!(
                            "redis output: the connection to {} failed, its events are tried again: {failure}",
                            server.peer.host
                        ));
                        stored
                    }
                };
                // One that took nothing is no better than none.
                failures = if stored { 0 } else { failures + 1 };
            }
            Err(error) => {
                task.feed.metrics.failed_connections.add(1);
                if failures == 0 {
                    log::warn!("redis output: waiting for {}: {error}", server.peer.host);
                }
                failures += 1;
            }
        }
        if let Some(next) = hosts.next() {
            server = next;
        }
        if failures > 0 {
            sleep_until(begin + task.options.backoff.delay(failures, servers.len())).await;
        }
    }
}

struct Task {
    feed: Arc<Feed>,
    options: Arc<RedisOptions>,
    /// Memory for commands.
    out: Vec<u8>,
    refused: LogSample,
    failed: LogSample,
}

enum Served {
    SinkGone,
    /// The connection ended while nothing was on it.
    Idle {
        failure: Failure,
        stored: bool,
    },
    Broken {
        failure: Failure,
        /// Whether any event was stored.
        stored: bool,
    },
}

impl Task {
    async fn serve(&mut self, connection: &mut Connection) -> Served {
        let mut stored = false;
        loop {
            let batch = match connection.next_batch(&self.feed).await {
                Ok(Some(batch)) => batch,
                Ok(None) => return Served::SinkGone,
                Err(failure) => return Served::Idle { failure, stored },
            };
            let read_before = connection.read_bytes();
            let result = self.publish(connection, &batch, &mut stored).await;
            self.feed.metrics.read_bytes.add(connection.read_bytes() - read_before);
            match result {
                Ok(()) => self.feed.metrics.requests.add(1),
                Err(failure) => {
                    self.feed.metrics.failed_requests.add(1);
                    return Served::Broken { failure, stored };
                }
            }
        }
    }

    /// Sends a batch and reports every event of it. The error is that of a connection which needs to be made anew.
    async fn publish(&mut self, connection: &mut Connection, batch: &Batch, stored: &mut bool) -> Result<(), Failure> {
        let (mut groups, mut keyless) = (Vec::new(), Vec::new());
        self.out.clear();
        commands::write_batch(batch, &self.options, &mut self.out, &mut groups, &mut keyless);
        if !keyless.is_empty() {
            let events: usize = keyless.iter().map(Slice::len).sum();
            self.refused.warn(format_args!("redis output: {events} events name no key and are dropped"));
            self.feed.tell_all(keyless, &Verdict::Dropped(NO_KEY));
        }
        let mut groups = groups.into_iter();
        let result = self.exchange(connection, &mut groups, stored).await;
        if let Err(failure) = &result {
            self.feed.tell_all(groups, &Verdict::Retry(failure.reason()));
        }
        result
    }

    /// Takes from `groups` those whose fate is known.
    async fn exchange(
        &mut self,
        connection: &mut Connection,
        groups: &mut std::vec::IntoIter<Slice>,
        stored: &mut bool,
    ) -> Result<(), Failure> {
        connection.write(&self.out).await?;
        self.feed.metrics.written_bytes.add(self.out.len() as u64);
        let mut lost = None;
        while let Some(group) = groups.as_slice().first() {
            let verdict = match connection.reply().await? {
                // RPUSH answers the list's new length, PUBLISH the number of receivers.
                Reply::Integer(_) => Verdict::Acknowledged,
                Reply::Error(text) => {
                    let verdict = reply::verdict(&text);
                    let fate = if matches!(verdict, Verdict::Retry(_)) { "tried again" } else { "dropped" };
                    let (count, text) = (group.len(), reply::shown(&text));
                    self.refused.warn(format_args!("redis output: {count} events were refused and are {fate}: {text}"));
                    if reply::needs_connection(&text) {
                        lost = Some(text);
                    }
                    verdict
                }
                _ => return Err(Failure::Foreign),
            };
            *stored |= verdict == Verdict::Acknowledged;
            if let Some(group) = groups.next() {
                self.feed.tell(group, verdict);
            }
        }
        lost.map_or(Ok(()), |text| Err(Failure::Refused(text)))
    }
}
