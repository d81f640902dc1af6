// SPDX-License-Identifier: Apache-2.0
//! Wirebeat.
pub mod config;
