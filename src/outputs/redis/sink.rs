// SPDX-License-Identifier: Apache-2.0
//! Starts the output: its thread, and a task for each host and worker.

use std::sync::Arc;

use super::config::{RedisOptions, Security};
use super::task;
use crate::outputs::batch_sink::{BatchOptions, BatchSink};
use crate::outputs::peer::Peer;
use crate::outputs::secret::Secret;
use crate::outputs::tls::TlsOptions;

/// A server, the way to it, and what it is told first.
#[derive(Clone)]
pub struct Server {
    pub peer: Peer,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: u32,
}

/// Starts the output's thread on these cores, or on the caller's. A host that cannot be reached is no error: the output
/// waits for it. The error is a sentence.
pub fn start(options: RedisOptions, cores: Option<&[usize]>) -> Result<BatchSink, String> {
    let tasks = options.balance.task_lists(&servers(&options)?, options.workers);
    let batches = BatchOptions { bulk_max_size: options.bulk_max_size, flush_min_events: options.flush_min_events };
    let options = Arc::new(options);
    BatchSink::start("redis", batches, cores, tasks, move |feed, servers| {
        task::run(feed, Arc::clone(&options), servers)
    })
}

/// The servers of these options.
pub fn servers(options: &RedisOptions) -> Result<Vec<Server>, String> {
    let config = |tls: &TlsOptions| tls.client_config().map(Arc::new);
    let default = options.tls.as_ref().map(config).transpose()?;
    let proxy = options.proxy.clone().map(Arc::new);
    let server = |host: &super::RedisHost| {
        let tls = match host.security {
            Security::Plain => None,
            Security::Unsaid => default.clone(),
            Security::Tls if default.is_some() => default.clone(),
            Security::Tls => Some(config(&TlsOptions::default())?),
        };
        let peer = Peer { host: host.host.clone(), tls, proxy: proxy.clone(), timeout: options.timeout };
        let password = host.password.clone().or_else(|| options.password.clone());
        let username = host.username.clone().or_else(|| options.username.clone());
        Ok(Server { peer, username, password, database: options.database })
    };
    options.hosts.iter().map(server).collect()
}
