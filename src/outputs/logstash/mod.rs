// SPDX-License-Identifier: Apache-2.0
//! The Logstash output: version 2 of the Lumberjack protocol, from a thread of its own.
//!
//! A task for each host and worker keeps a connection with several windows of events in flight. What the other side has
//! acknowledged of a window is settled at once, also when the connection breaks behind it.

mod config;
mod connection;
mod frames;
mod sink;
mod task;
#[cfg(test)]
mod tests;
mod window;

pub use config::{DEFAULT_PORT, LogstashOptions, Start};
pub use sink::{peers, start};
