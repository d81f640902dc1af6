// SPDX-License-Identifier: Apache-2.0
//! One task: connects to a host, keeps windows in flight on the connection, and connects anew when it breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::LogstashOptions;
use super::connection::{Appetite, Connection, Failure, Step};
use super::window::WindowSize;
use crate::event::chunk::Slice;
use crate::outputs::batch_sink::Feed;
use crate::outputs::metrics::LogSample;
use crate::outputs::peer::{Peer, Stream};

/// How long taking leave of the other side may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Sends batches until the sink is gone. `peers` holds the hosts to try, one after the other.
pub async fn run(feed: Arc<Feed>, options: Arc<LogstashOptions>, peers: Vec<Peer>) {
    let mut size = WindowSize::new(options.start, options.bulk_max_size.max(1));
    let mut failed = LogSample::default();
    let mut hosts = peers.iter().cycle();
    let Some(mut peer) = hosts.next() else { return };
    let mut failures = 0;
    let mut is_first = true;
    loop {
        let begin = Instant::now();
        let end = match peer.connect().await {
            Ok(stream) => {
                feed.metrics.connections.add(1);
                // Logstash closes what is idle for a minute: not worth a line each time.
                let level = if failures > 0 || is_first { log::Level::Info } else { log::Level::Debug };
                is_first = false;
                log::log!(level, "logstash output: connected to {}", peer.host);
                serve(&feed, &options, &mut size, stream).await
            }
            Err(error) => {
                feed.metrics.failed_connections.add(1);
                if failures == 0 {
                    log::warn!("logstash output: waiting for {}: {error}", peer.host);
                }
                End::Unused
            }
        };
        match end {
            End::SinkGone => return,
            End::Expired => continue,
            End::Lost(failure) => {
                feed.metrics.failed_requests.add(1);
                failed.warn(format_args!(
                    "logstash output: the connection to {} broke, its events are tried again: {failure}",
                    peer.host
                ));
                failures = 0;
            }
            End::Idle => failures = 0,
            End::Unused | End::LostUnused(_) => {
                if let End::LostUnused(failure) = end {
                    feed.metrics.failed_requests.add(1);
                    failed.warn(format_args!("logstash output: {} takes no events: {failure}", peer.host));
                }
                failures += 1;
            }
        }
        if let Some(next) = hosts.next() {
            peer = next;
        }
        if failures > 0 {
            // A connection that idled for longer has waited enough.
            sleep_until(begin + options.backoff.delay(failures, peers.len())).await;
        }
    }
}

/// How the use of a connection ended.
enum End {
    SinkGone,
    /// Its time to live is over.
    Expired,
    /// It broke with events in flight.
    Lost(Failure),
    /// The same, and the other side had never answered.
    LostUnused(Failure),
    /// The other side closed it while nothing was in flight.
    Idle,
    /// The same, and it had never answered; or there was no connection.
    Unused,
}

async fn serve(feed: &Feed, options: &LogstashOptions, size: &mut WindowSize, stream: Box<dyn Stream>) -> End {
    let mut connection = Connection::new(stream, feed, size);
    let mut waiting: VecDeque<Slice> = VecDeque::new();
    let expires = options.time_to_live.map(|time_to_live| Instant::now() + time_to_live);
    let mut deadline = Instant::now() + options.timeout;
    let failure = loop {
        let pipelining = options.pipelining.max(1);
        if !waiting.is_empty() && !connection.is_writing() && connection.in_flight() < pipelining {
            if connection.in_flight() == 0 {
                deadline = Instant::now() + options.timeout;
            }
            if let Err(failure) = connection.begin(&mut waiting, options.compression_level) {
                break failure;
            }
        }
        let is_busy = connection.in_flight() > 0;
        let is_expired = expires.is_some_and(|expires| Instant::now() >= expires);
        if is_expired && !is_busy && waiting.is_empty() {
            // It goes either way.
            let _ = timeout_at(Instant::now() + CLOSING, connection.close()).await;
            return End::Expired;
        }
        let takes_more =
            waiting.is_empty() && !connection.is_writing() && connection.in_flight() < pipelining && !is_expired;
        let appetite = if takes_more { Appetite::Hungry } else { Appetite::Full };
        let step = match (is_busy, expires) {
            (true, _) => timeout_at(deadline, connection.step(appetite)).await,
            (false, Some(expires)) => timeout_at(expires, connection.step(appetite)).await,
            (false, None) => Ok(connection.step(appetite).await),
        };
        match step {
            Ok(Ok(Step::Moved)) => deadline = Instant::now() + options.timeout,
            Ok(Ok(Step::Batch(Some(batch)))) => waiting.extend(batch.slices),
            Ok(Ok(Step::Batch(None))) => return End::SinkGone,
            Ok(Err(failure)) => break failure,
            Err(_) if is_busy => break Failure::Timeout,
            Err(_) => {}
        }
    };
    let is_idle = connection.in_flight() == 0 && waiting.is_empty();
    let was_used = connection.has_answered;
    connection.give_up(waiting, failure.reason());
    match (is_idle, was_used) {
        (true, true) => End::Idle,
        (true, false) => End::Unused,
        (false, true) => End::Lost(failure),
        (false, false) => End::LostUnused(failure),
    }
}
