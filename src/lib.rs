// SPDX-License-Identifier: Apache-2.0
//! Wirebeat: a DPDK-native network analyser with Packetbeat's configuration and events.
#![deny(unsafe_code)]

pub mod arch;
pub mod bench;
pub mod capture;
pub mod cli;
pub mod config;
pub mod event;
pub mod flow;
pub mod outputs;
pub mod pipeline;
pub mod preflight;
pub mod processors;
pub mod protocols;
pub mod run;
pub mod stream;
pub mod telemetry;
pub mod wire;
