// SPDX-License-Identifier: Apache-2.0
//! The pipeline: workers that run packets to completion, the rings between them and the I/O core.

pub mod connections;
pub mod counters;
pub mod exchange;
pub mod lane;
pub mod look;
mod parser_pool;
pub mod processes;
pub mod publisher;
pub mod worker;
