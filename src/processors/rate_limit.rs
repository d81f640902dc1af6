// SPDX-License-Identifier: Apache-2.0
//! `rate_limit`: drops events above a rate, for all events together or for each combination of some fields' values.
//!
//! A token bucket that holds as many events as the limit's number (Packetbeat's burst multiplier of 1), kept as one
//! number: the time at which the bucket is full again. Time is the event's, so that a file gives the same events at any
//! speed. Combinations share a fixed table by their hash: of many thousands two may share a bucket.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};

use super::convert::to_text;
use super::{Event, Outcome, Prepared, Processor, options};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value, field};

const BUCKETS: usize = 1 << 16;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let text = options::required(options, "limit")?;
    let limit = Limit::parse(&text).ok_or_else(|| {
        options.refuse_key("limit", format!("found {text:?}, expected a rate such as 100/s, 1000/m or 5000/h"))
    })?;
    let fields = options.strings("fields")?.unwrap_or_default();
    Ok(Prepared::new(fields.clone(), move |schema| {
        let count = if fields.is_empty() { 1 } else { BUCKETS };
        RateLimit {
            fields: fields.iter().map(|name| Place::new(schema, name)).collect(),
            limit,
            buckets: (0..count).map(|_| AtomicI64::new(i64::MIN)).collect(),
            hasher: RandomState::new(),
        }
    }))
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    /// Time in which one event's worth is won back.
    interval_ns: i64,
    /// Time in which an empty bucket is full.
    burst_ns: i64,
}

impl Limit {
    fn parse(text: &str) -> Option<Limit> {
        let (number, unit) = text.split_once('/')?;
        let number: f64 = number.trim().parse().ok()?;
        let unit_ns = match unit.trim() {
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        let interval_ns = unit_ns / number;
        if !(number > 0.0 && interval_ns.is_finite() && interval_ns < 1e15) {
            return None;
        }
        Some(Limit { interval_ns: (interval_ns as i64).max(1), burst_ns: (interval_ns * number.max(1.0)) as i64 })
    }
}

struct RateLimit {
    fields: Vec<Place>,
    limit: Limit,
    buckets: Box<[AtomicI64]>,
    hasher: RandomState,
}

impl RateLimit {
    fn bucket(&self, event: &mut Event) -> &AtomicI64 {
        if self.fields.is_empty() {
            return &self.buckets[0];
        }
        let mut hasher = self.hasher.build_hasher();
        for place in &self.fields {
            let text = event.at(place).and_then(|value| to_text(event, value));
            text.and_then(|text| event.text_of(text)).hash(&mut hasher);
        }
        &self.buckets[hasher.finish() as usize % self.buckets.len()]
    }
}

impl Processor for RateLimit {
    fn process(&self, event: &mut Event) -> Outcome {
        let Some(Value::Time(now_ns)) = event.get(field::_TIMESTAMP) else { return Outcome::Keep };
        let take = |full_ns: i64| {
            let full_ns = full_ns.max(now_ns).saturating_add(self.limit.interval_ns);
            (full_ns.saturating_sub(now_ns) <= self.limit.burst_ns).then_some(full_ns)
        };
        match self.bucket(event).fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Outcome::Keep,
            Err(_) => Outcome::Drop,
        }
    }
}

#[cfg(test)]
pub(super) fn interval_and_burst_ns(text: &str) -> Option<(i64, i64)> {
    Limit::parse(text).map(|limit| (limit.interval_ns, limit.burst_ns))
}
