// SPDX-License-Identifier: Apache-2.0
//! What the program says about itself: its log, and the files that the log rotates through.

pub mod log;
pub mod rotate;

#[cfg(test)]
mod tests;
