// SPDX-License-Identifier: Apache-2.0
//! One task: connects to a host, then sends batches to it, one request at a time.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::body;
use super::client::{Client, Encoding, RequestError, Server};
use super::config::ElasticsearchOptions;
use super::reply::{self, Item, Reply};
use crate::outputs::Verdict;
use crate::outputs::batch::Batch;
use crate::outputs::batch_sink::{Backoff, Feed};
use crate::outputs::metrics::LogSample;

/// What all tasks of an output share.
pub struct Shared {
    pub options: ElasticsearchOptions,
    /// Whether the index template has been seen to, and whoever sees to it holds the lock.
    pub template_ready: Mutex<bool>,
}

/// Sends batches until the queue is closed. `clients` holds the hosts to try, one after the other.
pub async fn run(feed: Arc<Feed>, shared: Arc<Shared>, clients: Vec<Client>) {
    let backoff = Backoff { initial: shared.options.backoff_initial, maximum: shared.options.backoff_maximum };
    let mut task =
        Task { feed, shared, plain: Vec::new(), rejected: LogSample::default(), failed: LogSample::default() };
    let mut hosts = clients.iter().cycle();
    let Some(mut client) = hosts.next() else { return };
    loop {
        let mut failures = 0;
        while let Err(error) = task.connect(client).await {
            task.feed.metrics.failed_connections.add(1);
            if failures == 0 {
                log::warn!("elasticsearch output: waiting for {}: {error}", client.shown());
            }
            failures += 1;
            if let Some(next) = hosts.next() {
                client = next;
            }
            tokio::time::sleep(backoff.delay(failures, clients.len())).await;
        }
        task.feed.metrics.connections.add(1);
        loop {
            let batch = task.feed.next().await;
            let Some(batch) = batch else { return };
            if let Err(error) = task.publish(client, batch).await {
                task.failed.warn(format_args!(
                    "elasticsearch output: a request to {} failed, its events are tried again: {error}",
                    client.shown()
                ));
                break;
            }
        }
        if clients.len() > 1
            && let Some(next) = hosts.next()
        {
            client = next;
        }
    }
}

struct Task {
    feed: Arc<Feed>,
    shared: Arc<Shared>,
    /// Memory for bodies before compression.
    plain: Vec<u8>,
    rejected: LogSample,
    failed: LogSample,
}

impl Task {
    async fn connect(&self, client: &Client) -> Result<(), RequestError> {
        let options = &self.shared.options;
        let server = client.server().await?;
        if let Some(oldest) = options.oldest_version
            && server.distribution.is_empty()
            && version_of(&server) < oldest
        {
            let text = format!(
                "its version {} is older than {}.{}, which allow_older_versions: false forbids",
                server.version, oldest.0, oldest.1
            );
            return Err(RequestError::Foreign(text));
        }
        let mut ready = self.shared.template_ready.lock().await;
        if !*ready {
            if let Some(template) = &options.template
                && client.load_template(template).await?
            {
                log::info!("elasticsearch output: the index template {} was loaded", template.name);
            }
            *ready = true;
        }
        let product = if server.distribution.is_empty() { "Elasticsearch" } else { server.distribution.as_str() };
        log::info!("elasticsearch output: connected to {}, {product} {}", client.shown(), server.version);
        Ok(())
    }

    /// Sends a batch and reports every event of it. The error is that of a connection which needs to be made anew.
    async fn publish(&mut self, client: &Client, batch: Batch) -> Result<(), RequestError> {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            match self.request(client, &batch).await {
                Ok(mut text) => self.report(&batch, &mut text),
                Err(RequestError::Status { status: 413, .. }) if batch.events > 1 => {
                    let (first, second) = batch.halves();
                    waiting.extend([second, first]);
                }
                Err(RequestError::Status { status: 413, text }) => {
                    self.rejected.warn(format_args!("elasticsearch output: an event is too large: {text}"));
                    self.feed.tell_all(batch.slices, &Verdict::Dropped("elasticsearch_too_large"));
                }
                Err(error) => {
                    self.feed.metrics.failed_requests.add(1);
                    for batch in waiting.into_iter().chain([batch]) {
                        self.feed.tell_all(batch.slices, &Verdict::Retry(reason(&error)));
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn request(&mut self, client: &Client, batch: &Batch) -> Result<Vec<u8>, RequestError> {
        let options = &self.shared.options;
        self.plain.clear();
        body::write(batch, &options.index, &mut self.plain);
        let (body, encoding) = match options.compression_level {
            0 => (std::mem::take(&mut self.plain), Encoding::Plain),
            level => {
                let compressed = body::compress(&self.plain, level);
                (compressed.map_err(|error| RequestError::Foreign(error.to_string()))?, Encoding::Gzip)
            }
        };
        self.feed.metrics.written_bytes.add(body.len() as u64);
        let text = client.bulk(body, encoding, reply::maximum_bytes(batch.events)).await?;
        self.feed.metrics.read_bytes.add(text.len() as u64);
        Ok(text)
    }

    fn report(&mut self, batch: &Batch, text: &mut [u8]) {
        let metrics = Arc::clone(&self.feed.metrics);
        match reply::read(text, batch.events) {
            Reply::AllStored => {
                metrics.requests.add(1);
                self.feed.tell_all(batch.slices.iter().cloned(), &Verdict::Acknowledged);
            }
            Reply::Items(items) => {
                metrics.requests.add(1);
                metrics.duplicates.add(items.iter().filter(|item| item.status == 409).count() as u64);
                self.report_items(batch, &items);
            }
            Reply::Unreadable => {
                metrics.failed_requests.add(1);
                self.failed.warn(format_args!(
                    "elasticsearch output: the answer to a bulk request cannot be read, its events are tried again"
                ));
                let verdict = Verdict::Retry("elasticsearch_unreadable_reply");
                self.feed.tell_all(batch.slices.iter().cloned(), &verdict);
            }
        }
    }

    fn report_items(&mut self, batch: &Batch, items: &[Item]) {
        let mut items = items.iter();
        for slice in &batch.slices {
            let verdicts: Vec<Verdict> = items
                .by_ref()
                .take(slice.len())
                .map(|item| {
                    let verdict = reply::verdict(item.status);
                    if let Verdict::Dropped(_) = verdict {
                        self.rejected.warn(format_args!(
                            "elasticsearch output: an event was refused with {} and is dropped: {}",
                            item.status,
                            shortened(item.error.as_deref().unwrap_or("no reason given"))
                        ));
                    }
                    verdict
                })
                .collect();
            let mut rest = slice.clone();
            for run in verdicts.chunk_by(|a, b| a == b) {
                self.feed.tell(rest.split_first(run.len()), run[0].clone());
            }
        }
    }
}

fn reason(error: &RequestError) -> &'static str {
    match error {
        RequestError::Transport { timeout: true, .. } => "elasticsearch_timeout",
        RequestError::Transport { .. } => "elasticsearch_connection",
        RequestError::TooLarge { .. } | RequestError::Foreign(_) => "elasticsearch_unreadable_reply",
        RequestError::Status { status: 401 | 403, .. } => "elasticsearch_forbidden",
        RequestError::Status { status: 429, .. } => "elasticsearch_429",
        RequestError::Status { status: 500.., .. } => "elasticsearch_5xx",
        RequestError::Status { .. } => "elasticsearch_status",
    }
}

fn version_of(server: &Server) -> (u64, u64) {
    let mut numbers = server.version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn shortened(text: &str) -> String {
    text.chars().take(300).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
