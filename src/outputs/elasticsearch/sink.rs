// SPDX-License-Identifier: Apache-2.0
//! The I/O core's side: cuts slices into batches, hands them to the output's thread, and passes verdicts on.

use std::sync::Arc;
use std::sync::mpsc::{self as channel, Receiver};
use std::thread::JoinHandle;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::batch::Batch;
use super::client::Client;
use super::config::{ElasticsearchOptions, HostBalance};
use super::task::{self, Shared};
use crate::event::chunk::Slice;
use crate::outputs::metrics::{SharedMetrics, SinkMetrics};
use crate::outputs::{Sink, Verdict, threads};

/// The sink for Elasticsearch and OpenSearch. Dropping it ends its thread and whatever is under way.
pub struct ElasticsearchSink {
    bulk_max_size: usize,
    flush_min_events: usize,
    batch: Batch,
    /// Send the batch although it is not full.
    flush: bool,
    queue: mpsc::Sender<Batch>,
    verdicts: Receiver<(Slice, Verdict)>,
    in_flight: usize,
    metrics: Arc<SharedMetrics>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ElasticsearchSink {
    /// Starts the output's thread on these cores, or on the caller's. A host that cannot be reached is no error: the
    /// output waits for it. The error is a sentence.
    pub fn start(options: ElasticsearchOptions, cores: Option<&[usize]>) -> Result<ElasticsearchSink, String> {
        let clients = options
            .endpoints
            .iter()
            .map(|endpoint| Client::new(&options, endpoint))
            .collect::<Result<Vec<Client>, String>>()?;
        let tasks = task_lists(&clients, &options);
        let (queue, batches) = mpsc::channel(tasks.len().max(1));
        let (sender, verdicts) = channel::channel();
        let metrics = Arc::new(SharedMetrics::default());
        let bulk_max_size = options.bulk_max_size.max(1);
        let flush_min_events = options.flush_min_events;
        let shared = Arc::new(Shared {
            template_ready: Mutex::new(options.template.is_none()),
            options,
            queue: Mutex::new(batches),
            verdicts: sender,
            metrics: Arc::clone(&metrics),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(run_all(shared, tasks, stopped));
                runtime.shutdown_background();
            }
            Err(error) => log::error!("elasticsearch output: its runtime cannot be made: {error}"),
        };
        let thread = threads::spawn("wb-elastic", cores, runtime)
            .map_err(|error| format!("the thread of the elasticsearch output cannot be made: {error}"))?;
        Ok(ElasticsearchSink {
            bulk_max_size,
            flush_min_events,
            batch: Batch::default(),
            flush: false,
            queue,
            verdicts,
            in_flight: 0,
            metrics,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Hands the batch over when it is full or wanted. Answers whether there is room for events.
    fn pass_on(&mut self) -> bool {
        let full = self.batch.is_full(self.bulk_max_size);
        let wanted = full || self.flush || self.batch.events >= self.flush_min_events;
        if self.batch.events == 0 || !wanted {
            self.flush &= self.batch.events > 0;
            return true;
        }
        match self.queue.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => {
                self.flush = false;
                true
            }
            Err(TrySendError::Full(batch) | TrySendError::Closed(batch)) => {
                self.batch = batch;
                !full
            }
        }
    }
}

impl Sink for ElasticsearchSink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        let mut rest = Some(slice).filter(|slice| !slice.is_empty());
        while let Some(slice) = rest.take() {
            if !self.pass_on() {
                return Some(slice);
            }
            let length = slice.len();
            rest = self.batch.fill(slice, self.bulk_max_size);
            self.in_flight += length - rest.as_ref().map_or(0, Slice::len);
            if rest.is_some() {
                // The batch took what it could; it is full by events or by bytes.
                self.flush = true;
            }
        }
        self.pass_on();
        None
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        while let Ok((slice, verdict)) = self.verdicts.try_recv() {
            self.in_flight -= slice.len();
            settle(slice, verdict);
        }
        self.pass_on();
    }

    fn flush(&mut self) {
        self.flush = true;
        self.pass_on();
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn metrics(&self) -> SinkMetrics {
        self.metrics.snapshot()
    }
}

impl Drop for ElasticsearchSink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("elasticsearch output: its thread ended in a panic");
        }
    }
}

/// The hosts of each task: with load balancing one for each worker and host, else all of them for each worker.
fn task_lists(clients: &[Client], options: &ElasticsearchOptions) -> Vec<Vec<Client>> {
    let workers = 0..options.workers.max(1);
    match options.balance {
        HostBalance::All => workers.flat_map(|_| clients.iter().map(|client| vec![client.clone()])).collect(),
        HostBalance::One => workers.map(|_| clients.to_vec()).collect(),
    }
}

async fn run_all(shared: Arc<Shared>, tasks: Vec<Vec<Client>>, stopped: oneshot::Receiver<()>) {
    let mut set = JoinSet::new();
    for clients in tasks {
        set.spawn(task::run(Arc::clone(&shared), clients));
    }
    // An error means that the sink is dropped, and a value is never sent: both end the tasks.
    let _ = stopped.await;
    set.shutdown().await;
}
