// SPDX-License-Identifier: Apache-2.0
//! The Elasticsearch and OpenSearch output: `_bulk` requests with `create`, from a thread of its own.
//!
//! The I/O core only cuts slices into batches. One thread runs a task for every host and worker; a task connects
//! (`GET /`, index template), then takes batches as long as requests succeed. While no host answers, batches wait and
//! no event loses an attempt; a request that fails on the way costs its events one, as in Packetbeat.

mod body;
mod client;
mod config;
mod reply;
mod sink;
mod task;
mod template;
#[cfg(test)]
mod tests;

pub use client::{Client, Server};
pub use config::{Authentication, ElasticsearchOptions, Endpoint, IndexName, ProxyChoice, parse_host};
pub use sink::start;
pub use template::{ExistingTemplate, TemplateOptions};
