// SPDX-License-Identifier: Apache-2.0
//! Queries of one flow that wait for their responses, in the order of their last activity.
//!
//! Ids are guessable and ports may be fixed, so many queries of one flow may wait. Their keys lie together: finding one is
//! a scan of few cache lines, from the newest on, since most responses come soon.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::message::{Extent, Message};
use super::transfer::Transfer;
use crate::protocols::Direction;

/// Queries of one flow that may wait.
pub const MAX_WAITING: usize = 1024;

/// Bytes of queries and unfinished zone transfers of one flow that may wait.
pub const MAX_WAITING_BYTES: usize = 256 << 10;

/// Buffers that a thread keeps for the next queries, and their size.
const MAX_SPARE: usize = 1024;
const MAX_SPARE_BYTES: usize = 512;
/// Enough for most queries.
const NEW_BUFFER_BYTES: usize = 128;
/// Places that stay with a flow's parser for its queries.
const KEPT_PLACES: usize = 16;

thread_local! {
    /// Memory of queries that were answered: all flows of a worker share it, as many have one query only.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A query that waits.
pub struct Query {
    pub requests: Direction,
    id: u16,
    pub time_ns: i64,
    /// When it, or the last message of its zone transfer, was seen.
    pub activity_ns: i64,
    pub wire_bytes: u64,
    pub extent: Extent,
    pub bytes: Vec<u8>,
    /// AXFR or IXFR when a zone transfer may come.
    pub transfer_kind: Option<u16>,
    pub transfer: Option<Box<Transfer>>,
}

impl Query {
    pub fn message(&self) -> Option<Message<'_>> {
        Message::parse(&self.bytes, self.extent)
    }

    /// Notes that a part of the zone transfer was lost. Answers whether there may be one.
    pub fn damage_transfer(&mut self) -> bool {
        if self.transfer_kind.is_some() {
            self.transfer.get_or_insert_default().progress.damaged = true;
        }
        self.transfer_kind.is_some()
    }

    fn held_bytes(&self) -> usize {
        self.bytes.len() + self.transfer.as_ref().map_or(0, |transfer| transfer.kept_bytes())
    }
}

#[derive(Default)]
pub struct Waiting {
    /// Id and direction of each query.
    keys: VecDeque<u32>,
    queries: VecDeque<Query>,
    bytes: usize,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Whether there is no place for one more query of `bytes`.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.queries.len() >= MAX_WAITING || (!self.is_empty() && self.bytes + bytes > MAX_WAITING_BYTES)
    }

    /// A query whose bytes are still to be set, in memory that was used before.
    pub fn query(&self, requests: Direction, id: u16, time_ns: i64) -> Query {
        Query {
            requests,
            id,
            time_ns,
            activity_ns: time_ns,
            wire_bytes: 0,
            extent: Extent::Whole,
            bytes: SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(NEW_BUFFER_BYTES)),
            transfer_kind: None,
            transfer: None,
        }
    }

    /// Adds a query, or puts one back that was taken.
    pub fn push_back(&mut self, query: Query) {
        self.bytes += query.held_bytes();
        self.keys.push_back(key(query.requests, query.id));
        self.queries.push_back(query);
    }

    pub fn take(&mut self, requests: Direction, id: u16) -> Option<Query> {
        let key = key(requests, id);
        self.remove(self.keys.iter().rposition(|other| *other == key)?)
    }

    pub fn take_oldest(&mut self) -> Option<Query> {
        self.remove(0)
    }

    /// The oldest query that went in this direction.
    pub fn take_first(&mut self, requests: Direction) -> Option<Query> {
        self.remove(self.keys.iter().position(|key| key >> 16 == requests as u32)?)
    }

    /// The newest query that went in this direction.
    pub fn take_last(&mut self, requests: Direction) -> Option<Query> {
        self.remove(self.keys.iter().rposition(|key| key >> 16 == requests as u32)?)
    }

    pub fn oldest_ns(&self) -> Option<i64> {
        self.queries.front().map(|query| query.activity_ns)
    }

    /// A part of the responses to these queries was lost: zone transfers are not whole any more.
    pub fn damage_transfers(&mut self, requests: Direction) {
        for query in self.queries.iter_mut().filter(|query| query.requests == requests) {
            query.damage_transfer();
        }
    }

    /// Keeps the memory of a query that was taken.
    pub fn recycle(&mut self, query: Query) {
        let mut bytes = query.bytes;
        if bytes.capacity() <= MAX_SPARE_BYTES {
            bytes.clear();
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < MAX_SPARE {
                    spare.push(bytes);
                }
            });
        }
    }

    pub fn clear(&mut self) {
        while let Some(query) = self.take_oldest() {
            self.recycle(query);
        }
        self.keys.shrink_to(KEPT_PLACES);
        self.queries.shrink_to(KEPT_PLACES);
    }

    fn remove(&mut self, index: usize) -> Option<Query> {
        let query = self.queries.remove(index)?;
        self.keys.remove(index);
        self.bytes -= query.held_bytes();
        Some(query)
    }
}

fn key(requests: Direction, id: u16) -> u32 {
    (requests as u32) << 16 | u32::from(id)
}
