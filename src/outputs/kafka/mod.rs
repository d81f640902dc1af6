// SPDX-License-Identifier: Apache-2.0
//! The Kafka output, over librdkafka.
//!
//! Messages are copied into librdkafka's queue, which is bounded; when it is full the rest waits in the shipper.
//! librdkafka waits for absent brokers without end and repeats what fails on the way, so that an event loses an
//! attempt only when the cluster itself refuses it.

mod config;
mod errors;
mod held;
mod sink;
#[cfg(test)]
mod tests;

pub use config::{
    Acknowledgement, Compression, Credentials, KafkaOptions, MetadataScope, Partitioner, SaslMechanism, TopicName,
};
pub use sink::KafkaSink;
