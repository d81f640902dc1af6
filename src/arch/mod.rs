// SPDX-License-Identifier: Apache-2.0
//! What needs the machine itself: asking for memory before it is used, and memory in huge pages. Small safe functions over
//! unsafe ones.
#![allow(unsafe_code)]

mod memory;
mod prefetch;

#[cfg(test)]
mod tests;

pub use memory::Memory;
pub use prefetch::{prefetch, prefetch_bytes};
