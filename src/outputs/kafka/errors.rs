// SPDX-License-Identifier: Apache-2.0
//! What librdkafka's errors mean for an event.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::outputs::Verdict;

/// Name under which an event is dropped that is larger than a message may be.
pub const TOO_LARGE: &str = "kafka_message_too_large";

/// Name under which an event is dropped whose topic's name no Kafka accepts.
pub const INVALID_TOPIC: &str = "kafka_invalid_topic";

/// The verdict on an event that was not delivered.
pub fn verdict(error: &KafkaError) -> Verdict {
    use RDKafkaErrorCode::*;
    match error.rdkafka_error_code() {
        Some(MessageSizeTooLarge | InvalidMessageSize) => Verdict::Dropped(TOO_LARGE),
        Some(InvalidTopic) => Verdict::Dropped(INVALID_TOPIC),
        Some(InvalidRecord) => Verdict::Dropped("kafka_rejected"),
        Some(UnknownTopic | UnknownTopicOrPartition | UnknownPartition) => Verdict::Retry("kafka_no_topic"),
        Some(TopicAuthorizationFailed | ClusterAuthorizationFailed | Authentication) => {
            Verdict::Retry("kafka_forbidden")
        }
        Some(MessageTimedOut | RequestTimedOut | TimedOutQueue) => Verdict::Retry("kafka_timeout"),
        _ => Verdict::Retry("kafka_error"),
    }
}
