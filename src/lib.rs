// SPDX-License-Identifier: Apache-2.0
//! Wirebeat: a DPDK-native network analyser with Packetbeat's configuration and events.
#![deny(unsafe_code)]

pub mod event;
pub mod flow;
pub mod wire;
