// SPDX-License-Identifier: Apache-2.0
//! Starts the output: a client for every host, and the tasks that send with them.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::client::Client;
use super::config::ElasticsearchOptions;
use super::task::{self, Shared};
use crate::outputs::batch_sink::{BatchOptions, BatchSink};

/// Starts the output's thread on these cores, or on the caller's. A host that cannot be reached is no error: the output
/// waits for it. The error is a sentence.
pub fn start(options: ElasticsearchOptions, cores: Option<&[usize]>) -> Result<BatchSink, String> {
    let clients = options
        .endpoints
        .iter()
        .map(|endpoint| Client::new(&options, endpoint))
        .collect::<Result<Vec<Client>, String>>()?;
    let tasks = options.balance.task_lists(&clients, options.workers);
    let batches = BatchOptions { bulk_max_size: options.bulk_max_size, flush_min_events: options.flush_min_events };
    let shared = Arc::new(Shared { template_ready: Mutex::new(options.template.is_none()), options });
    BatchSink::start("elasticsearch", batches, cores, tasks, move |feed, clients| {
        task::run(feed, Arc::clone(&shared), clients)
    })
}
