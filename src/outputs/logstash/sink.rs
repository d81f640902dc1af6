// SPDX-License-Identifier: Apache-2.0
//! Starts the output: its thread, and a task for each host and worker.

use std::sync::Arc;

use super::config::LogstashOptions;
use super::task;
use crate::outputs::batch_sink::{BatchOptions, BatchSink};
use crate::outputs::peer::Peer;

/// Starts the output's thread on these cores, or on the caller's. A host that cannot be reached is no error: the output
/// waits for it. The error is a sentence.
pub fn start(options: LogstashOptions, cores: Option<&[usize]>) -> Result<BatchSink, String> {
    let tasks = options.balance.task_lists(&peers(&options)?, options.workers);
    let batches = BatchOptions { bulk_max_size: options.bulk_max_size, flush_min_events: options.flush_min_events };
    let options = Arc::new(options);
    BatchSink::start("logstash", batches, cores, tasks, move |feed, peers| task::run(feed, Arc::clone(&options), peers))
}

/// The hosts and the way to them.
pub fn peers(options: &LogstashOptions) -> Result<Vec<Peer>, String> {
    let tls = options.tls.as_ref().map(|tls| tls.client_config().map(Arc::new)).transpose()?;
    let proxy = options.proxy.clone().map(Arc::new);
    let peer =
        |host: &_| Peer { host: Clone::clone(host), tls: tls.clone(), proxy: proxy.clone(), timeout: options.timeout };
    Ok(options.hosts.iter().map(peer).collect())
}
