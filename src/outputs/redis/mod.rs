// SPDX-License-Identifier: Apache-2.0
//! The Redis output: pushes events to lists or publishes them in channels, from a thread of its own.
//!
//! A batch is one pipeline of commands. Each command's own answer decides on its events: what Redis has not confirmed is
//! never counted as stored.

mod commands;
mod config;
mod connection;
mod reply;
mod sink;
mod task;
#[cfg(test)]
mod tests;

pub use config::{DataType, KeyName, RedisHost, RedisOptions};
pub use connection::Connection;
pub use sink::{Server, servers, start};
