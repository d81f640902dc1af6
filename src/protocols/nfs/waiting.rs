// SPDX-License-Identifier: Apache-2.0
//! Calls of one flow that wait for their replies, in the order of their coming.
//!
//! A client has some tens of calls under way, or as many as its session has slots. Their keys lie together, so that finding
//! one is a scan of few cache lines.

use std::collections::VecDeque;

use super::message::{Call, Protection};
use super::names::Name;
use super::record::{Extent, Record};
use crate::protocols::Direction;

/// Calls of one flow that may wait.
pub const MAX_WAITING: usize = 1024;
/// Bytes of credentials and tags of one flow that may wait.
pub const MAX_WAITING_BYTES: usize = 256 << 10;

/// Buffers that are kept for the next calls, and their size.
const MAX_SPARE: usize = 64;
const MAX_SPARE_BYTES: usize = 512;

/// A call that waits.
pub struct Waiter {
    pub requests: Direction,
    pub xid: u32,
    pub start_ns: i64,
    pub bytes: u64,
    pub version: u32,
    pub procedure: u32,
    pub flavor: Option<u32>,
    pub protection: Protection,
    pub opcode: Name,
    pub minor_version: Option<u32>,
    /// Whether bytes of the call were lost.
    pub damaged: bool,
    /// Whether its reply may be among lost bytes.
    pub reply_may_be_lost: bool,
    has_user: bool,
    user_bytes: usize,
    /// The body of the AUTH_SYS credential, then the compound's tag.
    text: Vec<u8>,
}

impl Waiter {
    /// Body of the AUTH_SYS credential.
    pub fn user(&self) -> Option<&[u8]> {
        self.text.get(..self.user_bytes).filter(|_| self.has_user)
    }

    /// The compound's tag.
    pub fn tag(&self) -> &[u8] {
        self.text.get(self.user_bytes..).unwrap_or_default()
    }

    /// Whether a call is this one, sent again.
    pub fn is_repeated_by(&self, call: &Call<'_>, record: &Record<'_>) -> bool {
        self.version == call.version && self.procedure == call.procedure && self.bytes == record.bytes
    }
}

#[derive(Default)]
pub struct Waiting {
    /// Xid and direction of each call.
    keys: VecDeque<u64>,
    calls: VecDeque<Waiter>,
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Waiting {
    /// Whether there is no place for one more call.
    pub fn is_full(&self) -> bool {
        self.calls.len() >= MAX_WAITING || self.bytes >= MAX_WAITING_BYTES
    }

    pub fn add(&mut self, requests: Direction, call: &Call<'_>, record: &Record<'_>) {
        let mut text = self.spare.pop().unwrap_or_default();
        text.extend_from_slice(call.user.map_or(&[], |user| user.body));
        let user_bytes = text.len();
        text.extend_from_slice(call.compound.map_or(&[], |compound| compound.tag));
        self.bytes += text.len();
        self.keys.push_back(key(requests, call.xid));
        self.calls.push_back(Waiter {
            requests,
            xid: call.xid,
            start_ns: record.start_ns,
            bytes: record.bytes,
            version: call.version,
            procedure: call.procedure,
            flavor: call.flavor,
            protection: call.protection,
            opcode: call.opcode,
            minor_version: call.compound.map(|compound| compound.minor_version),
            damaged: match record.extent {
                Extent::Whole => false,
                Extent::Cut => call.ends_early,
                Extent::Damaged => true,
            },
            reply_may_be_lost: false,
            has_user: call.user.is_some(),
            user_bytes,
            text,
        });
    }

    pub fn find(&self, requests: Direction, xid: u32) -> Option<&Waiter> {
        self.calls.get(self.position(requests, xid)?)
    }

    pub fn take(&mut self, requests: Direction, xid: u32) -> Option<Waiter> {
        self.remove(self.position(requests, xid)?)
    }

    pub fn take_oldest(&mut self) -> Option<Waiter> {
        self.remove(0)
    }

    /// The oldest call that went in this direction.
    pub fn take_first(&mut self, requests: Direction) -> Option<Waiter> {
        self.remove(self.keys.iter().position(|key| key >> 32 == requests as u64)?)
    }

    pub fn oldest_ns(&self) -> Option<i64> {
        self.calls.front().map(|call| call.start_ns)
    }

    /// Bytes in the direction of these calls' replies were lost.
    pub fn replies_may_be_lost(&mut self, requests: Direction) {
        for call in self.calls.iter_mut().filter(|call| call.requests == requests) {
            call.reply_may_be_lost = true;
        }
    }

    /// Keeps the memory of a call that was taken.
    pub fn recycle(&mut self, call: Waiter) {
        let mut text = call.text;
        if self.spare.len() < MAX_SPARE && text.capacity() <= MAX_SPARE_BYTES {
            text.clear();
            self.spare.push(text);
        }
    }

    pub fn clear(&mut self) {
        while let Some(call) = self.take_oldest() {
            self.recycle(call);
        }
        self.keys.shrink_to(MAX_SPARE);
        self.calls.shrink_to(MAX_SPARE);
    }

    /// Bytes of credentials and tags that are kept.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    fn position(&self, requests: Direction, xid: u32) -> Option<usize> {
        let key = key(requests, xid);
        self.keys.iter().position(|other| *other == key)
    }

    fn remove(&mut self, index: usize) -> Option<Waiter> {
        let call = self.calls.remove(index)?;
        self.keys.remove(index);
        self.bytes -= call.text.len();
        Some(call)
    }
}

fn key(requests: Direction, xid: u32) -> u64 {
    (requests as u64) << 32 | u64::from(xid)
}
