// SPDX-License-Identifier: Apache-2.0
//! Wirebeat: a DPDK-native network analyser with Packetbeat's configuration and events.
#![deny(unsafe_code)]

pub mod cli;
pub mod config;
pub mod event;
pub mod outputs;
pub mod protocols;
pub mod stream;
pub mod telemetry;
