// SPDX-License-Identifier: Apache-2.0
//! Hands events to librdkafka and learns of their delivery. Everything but librdkafka's own threads runs on the I/O
//! core.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::config::{KafkaOptions, TopicName};
use super::errors::{self, INVALID_TOPIC, TOO_LARGE};
use super::held::{Held, Ticket};
use crate::event::chunk::{EncodedEvent, Slice};
use crate::outputs::format_string::OnlyTime;
use crate::outputs::metrics::{LogSample, SharedMetrics, SinkMetrics};
use crate::outputs::{Sink, Verdict, threads};

/// What a record costs besides key and value, at most (the bound that Packetbeat's library uses).
const RECORD_OVERHEAD_BYTES: usize = 36;

/// The sink for Kafka.
pub struct KafkaSink {
    producer: BaseProducer<Context>,
    topic: TopicName,
    max_message_bytes: usize,
    held: Held,
    reports: Vec<(Ticket, Verdict)>,
    topic_text: String,
    refused: LogSample,
}

impl KafkaSink {
    /// Starts the producer; its threads run on these cores, or on the caller's. Absent brokers are no error: the
    /// output waits for them. The error is a sentence.
    pub fn start(options: &KafkaOptions, cores: Option<&[usize]>) -> Result<KafkaSink, String> {
        let config = options.client_config()?;
        let producer = threads::with_cores(cores, || config.create_with_context(Context::default()))
            .map_err(|error| format!("the kafka output cannot be started: {error}"))?;
        Ok(KafkaSink {
            producer,
            topic: options.topic.clone(),
            max_message_bytes: options.max_message_bytes,
            held: Held::default(),
            reports: Vec::new(),
            topic_text: String::new(),
            refused: LogSample::default(),
        })
    }

    /// Hands one event over. Answers false when librdkafka's queue is full.
    fn produce(&mut self, slice: &Slice, event: &EncodedEvent, ticket: Ticket) -> bool {
        let (body, key) = (slice.bytes(event.body), slice.bytes(event.key));
        if body.len() + key.len() + RECORD_OVERHEAD_BYTES > self.max_message_bytes {
            self.refused.warn(format_args!(
                "kafka output: an event of {} bytes exceeds max_message_bytes ({}) and is dropped",
                body.len(),
                self.max_message_bytes
            ));
            self.reports.push((ticket, Verdict::Dropped(TOO_LARGE)));
            return true;
        }
        let Some(topic) = topic_of(&self.topic, slice.bytes(event.destination), event.time_ns, &mut self.topic_text)
        else {
            self.refused
                .warn(format_args!("kafka output: an event names a topic that Kafka accepts not, and is dropped"));
            self.reports.push((ticket, Verdict::Dropped(INVALID_TOPIC)));
            return true;
        };
        let mut record = BaseRecord::<[u8], [u8], Ticket>::with_opaque_to(topic, ticket).payload(body);
        if !key.is_empty() {
            record = record.key(key);
        }
        match self.producer.send(record) {
            Ok(()) => {
                self.producer.context().metrics.written_bytes.add((body.len() + key.len()) as u64);
                true
            }
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => false,
            Err((error, _)) => {
                self.refused.warn(format_args!("kafka output: an event was refused: {error}"));
                self.reports.push((ticket, errors::verdict(&error)));
                true
            }
        }
    }
}

impl Sink for KafkaSink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        let slot = self.held.next_slot();
        let mut taken = 0;
        for event in slice.events() {
            if !self.produce(&slice, event, Held::ticket(slot, taken)) {
                break;
            }
            taken += 1;
        }
        let mut rest = slice;
        let front = rest.split_first(taken);
        self.held.insert(front);
        (!rest.is_empty()).then_some(rest)
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        // One call of librdkafka brings one batch of deliveries.
        for _ in 0..64 {
            self.producer.poll(Duration::ZERO);
            let mut news = lock(&self.producer.context().reports);
            if news.is_empty() {
                break;
            }
            self.reports.append(&mut news);
        }
        self.held.settle(&mut self.reports, settle);
    }

    fn flush(&mut self) {
        // Nothing waits here; librdkafka waits for `linger.ms`, which is short unless the user wants it longer.
    }

    fn in_flight(&self) -> usize {
        self.held.events()
    }

    fn metrics(&self) -> SinkMetrics {
        self.producer.context().metrics.snapshot()
    }
}

/// The topic of an event, or none when its name is not acceptable.
fn topic_of<'a>(topic: &'a TopicName, own: &'a [u8], time_ns: i64, text: &'a mut String) -> Option<&'a str> {
    let name = match topic {
        _ if !own.is_empty() => std::str::from_utf8(own).ok()?,
        TopicName::Constant(name) => name,
        TopicName::Dated(format) => {
            text.clear();
            format.evaluate(&OnlyTime(time_ns), text).ok()?;
            text
        }
    };
    // Kafka's own rule; librdkafka's wrapper cannot bear a NUL at all.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (!name.is_empty() && name.len() <= 249 && name.bytes().all(legal) && !matches!(name, "." | "..")).then_some(name)
}

/// What librdkafka's callbacks write to. They are called from [`BaseProducer::poll`], so the locks are never waited for.
#[derive(Default)]
struct Context {
    reports: Mutex<Vec<(Ticket, Verdict)>>,
    log: Mutex<LogState>,
    metrics: SharedMetrics,
}

#[derive(Default)]
struct LogState {
    /// The user was told that no broker can be reached.
    brokers_down: bool,
    failed: LogSample,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // librdkafka repeats itself with every attempt; `error` below says what matters.
        log::debug!(target: "librdkafka", "{level:?} {facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut log = lock(&self.log);
        self.metrics.failed_connections.add(1);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) if log.brokers_down => {}
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                log.brokers_down = true;
                log::warn!("kafka output: waiting for the brokers: {reason}");
            }
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) if log.brokers_down => {}
            _ => log.failed.warn(format_args!("kafka output: {reason} ({error})")),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket) {
        let verdict = match result {
            Ok(_) => {
                self.metrics.requests.add(1);
                let mut log = lock(&self.log);
                if std::mem::take(&mut log.brokers_down) {
                    log::info!("kafka output: the brokers take events again");
                }
                Verdict::Acknowledged
            }
            Err((error, _)) => {
                self.metrics.failed_requests.add(1);
                lock(&self.log).failed.warn(format_args!("kafka output: an event was not delivered: {error}"));
                errors::verdict(error)
            }
        };
        lock(&self.reports).push((ticket, verdict));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
