// SPDX-License-Identifier: Apache-2.0
//! What the program says about itself: its log and the files that it rotates through, its numbers, the HTTP endpoint.

pub mod http;
pub mod log;
pub mod metrics;
pub mod rotate;

#[cfg(test)]
mod tests;
