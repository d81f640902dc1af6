// SPDX-License-Identifier: Apache-2.0
//! The sink of the outputs that send batches over connections: cuts slices into batches on the I/O core, hands them to tasks
//! on a thread of its own, and passes verdicts on.
//!
//! While no task can reach a peer, batches wait here and no event loses an attempt. What waits is bounded: one batch that is
//! being filled, and one for each task.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{self as channel, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::batch::Batch;
use super::metrics::{SharedMetrics, SinkMetrics};
use super::{Sink, Verdict, threads};
use crate::event::chunk::Slice;

/// How slices become batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Events in a batch.
    pub bulk_max_size: usize,
    /// Events that are worth a batch before anybody flushes (`queue.mem.flush.min_events`).
    pub flush_min_events: usize,
}

/// Which hosts get events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostBalance {
    /// All at once (`loadbalance: true`).
    #[default]
    All,
    /// One, and the next when it fails.
    One,
}

impl HostBalance {
    /// The hosts of each task: one for each worker and host, or all of them for each worker.
    pub fn task_lists<Host: Clone>(self, hosts: &[Host], workers: usize) -> Vec<Vec<Host>> {
        let workers = 0..workers.max(1);
        match self {
            HostBalance::All => workers.flat_map(|_| hosts.iter().map(|host| vec![host.clone()])).collect(),
            HostBalance::One => workers.map(|_| hosts.to_vec()).collect(),
        }
    }
}

/// `backoff.init` and `backoff.max`, between attempts to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub initial: Duration,
    pub maximum: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { initial: Duration::from_secs(1), maximum: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row; hosts of a fail-over list are tried once each before it grows.
    pub fn delay(&self, failures: u32, hosts: usize) -> Duration {
        let rounds = failures.saturating_sub(1) / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX);
        let factor = 1u32.checked_shl(rounds).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.maximum.max(self.initial))
    }
}

/// What the tasks have of the sink: batches to send, and where to report.
pub struct Feed {
    queue: Mutex<mpsc::Receiver<Batch>>,
    verdicts: Sender<(Slice, Verdict)>,
    pub metrics: Arc<SharedMetrics>,
}

impl Feed {
    /// The next batch, or none when the sink is gone. May be given up while it waits.
    pub async fn next(&self) -> Option<Batch> {
        self.queue.lock().await.recv().await
    }

    /// Reports events.
    pub fn tell(&self, slice: Slice, verdict: Verdict) {
        if !slice.is_empty() {
            // The receiver is gone only when the sink is, and then nobody counts any more.
            let _ = self.verdicts.send((slice, verdict));
        }
    }

    /// Reports slices that share a fate.
    pub fn tell_all(&self, slices: impl IntoIterator<Item = Slice>, verdict: &Verdict) {
        slices.into_iter().for_each(|slice| self.tell(slice, verdict.clone()));
    }
}

/// See the module's head. Dropping it ends its thread and whatever is under way.
pub struct BatchSink {
    name: &'static str,
    options: BatchOptions,
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

impl BatchSink {
    /// Starts a thread on these cores, or on the caller's, with a task for each entry of `tasks`. `name` is the output's, and
    /// begins the thread's name. The error is a sentence.
    pub fn start<Task, Run>(
        name: &'static str,
        options: BatchOptions,
        cores: Option<&[usize]>,
        tasks: Vec<Task>,
        run: impl Fn(Arc<Feed>, Task) -> Run + Send + 'static,
    ) -> Result<BatchSink, String>
    where
        Task: Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        let (queue, batches) = mpsc::channel(tasks.len().max(1));
        let (sender, verdicts) = channel::channel();
        let metrics = Arc::new(SharedMetrics::default());
        let feed = Arc::new(Feed { queue: Mutex::new(batches), verdicts: sender, metrics: Arc::clone(&metrics) });
        let (stop, stopped) = oneshot::channel();
        let runtime = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(async {
                    let mut set = JoinSet::new();
                    for task in tasks {
                        set.spawn(run(Arc::clone(&feed), task));
                    }
                    // An error means that the sink is dropped, and a value is never sent: both end the tasks.
                    let _ = stopped.await;
                    set.shutdown().await;
                });
                runtime.shutdown_background();
            }
            Err(error) => log::error!("{name} output: its runtime cannot be made: {error}"),
        };
        // The kernel keeps 15 bytes of a thread's name.
        let thread = threads::spawn(&format!("wb-{}", name.get(..7).unwrap_or(name)), cores, runtime)
            .map_err(|error| format!("the thread of the {name} output cannot be made: {error}"))?;
        Ok(BatchSink {
            name,
            options: BatchOptions { bulk_max_size: options.bulk_max_size.max(1), ..options },
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
        let full = self.batch.is_full(self.options.bulk_max_size);
        let wanted = full || self.flush || self.batch.events >= self.options.flush_min_events;
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

impl Sink for BatchSink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        let mut rest = Some(slice).filter(|slice| !slice.is_empty());
        while let Some(slice) = rest.take() {
            if !self.pass_on() {
                return Some(slice);
            }
            let length = slice.len();
            rest = self.batch.fill(slice, self.options.bulk_max_size);
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

impl Drop for BatchSink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("{} output: its thread ended in a panic", self.name);
        }
    }
}
