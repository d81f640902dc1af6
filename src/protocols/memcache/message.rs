// SPDX-License-Identifier: Apache-2.0
//! A request or an answer of either protocol, in memory that is used again.
//!
//! Limits: of a message's keys, values and statistics [`MAX_TEXT_BYTES`] and [`MAX_ITEMS`] are kept; all are counted.

/// Text of a message that is kept.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Keys, values or statistics of a message that are kept, of each kind.
pub const MAX_ITEMS: usize = 16_384;

/// What a message keeps of its memory: text, and keys, values and statistics, of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Spare {
    bytes: usize,
    items: usize,
}

impl Spare {
    /// Of the one message that a reader fills: all statistics of a server.
    pub const READER: Spare = Spare { bytes: 8192, items: 256 };
    /// Of one of many that wait.
    pub const POOL: Spare = Spare { bytes: 512, items: 16 };
}

/// Which of the two protocols a message is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Text,
    Binary,
}

/// `type` of a command or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    #[default]
    Unknown,
    Load,
    Store,
    Delete,
    Counter,
    Info,
    SlabControl,
    LruCrawler,
    Stats,
    Success,
    Fail,
    Auth,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Class::Unknown => "UNKNOWN",
            Class::Load => "Load",
            Class::Store => "Store",
            Class::Delete => "Delete",
            Class::Counter => "Counter",
            Class::Info => "Info",
            Class::SlabControl => "SlabCtrl",
            Class::LruCrawler => "LRUCrawler",
            Class::Stats => "Stats",
            Class::Success => "Success",
            Class::Fail => "Fail",
            Class::Auth => "Auth",
        }
    }

    /// `event.action`
    pub fn action(self) -> &'static str {
        match self {
            Class::Unknown => "memcache.unknown",
            Class::Load => "memcache.load",
            Class::Store => "memcache.store",
            Class::Delete => "memcache.delete",
            Class::Counter => "memcache.counter",
            Class::Info => "memcache.info",
            Class::SlabControl => "memcache.slabctrl",
            Class::LruCrawler => "memcache.lrucrawler",
            Class::Stats => "memcache.stats",
            Class::Success => "memcache.success",
            Class::Fail => "memcache.fail",
            Class::Auth => "memcache.auth",
        }
    }
}

/// A request or an answer. What a command does not have is None.
#[derive(Debug, Default)]
pub struct Message {
    pub form: Form,
    pub start_ns: i64,
    /// Bytes on the wire.
    pub bytes: u64,
    pub command: &'static str,
    pub class: Class,
    pub opcode: u8,
    pub opaque: u32,
    /// The virtual bucket of a request, the status of an answer.
    pub status: u16,
    pub cas: Option<u64>,
    /// It is answered in some cases only.
    pub quiet: bool,
    pub noreply: Option<bool>,
    pub flags: Option<u32>,
    pub exptime: Option<i64>,
    /// The command's number: delta, verbosity, value of a counter …
    pub number: Option<u64>,
    pub initial: Option<u64>,
    pub source_class: Option<i64>,
    pub destination_class: Option<i64>,
    pub value_count: u64,
    pub value_bytes: Option<u64>,
    /// Commands that a server sees in the value when it does not take the line before it.
    pub value_lines: u32,
    /// The line is not as it should be, so that the server will not take it.
    pub malformed: bool,
    /// Bytes of it are missing in the capture.
    pub damaged: bool,
    /// There was more than is kept.
    pub cut: bool,
    text: Vec<u8>,
    keys: Vec<Span>,
    values: Vec<Span>,
    stats: Vec<[Span; 2]>,
    detail: Option<Span>,
}

/// A part of a message's text.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Message {
    /// As new, keeping its buffers.
    pub fn clear(&mut self) {
        let mut old = std::mem::take(self);
        old.text.clear();
        old.keys.clear();
        old.values.clear();
        old.stats.clear();
        self.text = old.text;
        self.keys = old.keys;
        self.values = old.values;
        self.stats = old.stats;
    }

    /// Gives back the memory of a large message.
    pub fn trim(&mut self, spare: Spare) {
        self.clear();
        self.text.shrink_to(spare.bytes);
        self.keys.shrink_to(spare.items);
        self.values.shrink_to(spare.items);
        self.stats.shrink_to(spare.items);
    }

    /// Bytes of what is kept.
    pub fn held_bytes(&self) -> usize {
        self.text.len() + (self.keys.len() + self.values.len() + 2 * self.stats.len()) * size_of::<Span>()
    }

    #[cfg(test)]
    pub fn capacity_bytes(&self) -> usize {
        let items = self.keys.capacity() + self.values.capacity() + 2 * self.stats.capacity();
        self.text.capacity() + items * size_of::<Span>()
    }

    pub fn add_key(&mut self, key: &[u8]) {
        if self.keys.len() < MAX_ITEMS
            && let Some(span) = self.store(key)
        {
            self.keys.push(span);
        } else {
            self.cut = true;
        }
    }

    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.iter().map(|span| self.of(*span))
    }

    pub fn add_stat(&mut self, name: &[u8], value: &[u8]) {
        if self.stats.len() < MAX_ITEMS
            && let Some(name) = self.store(name)
            && let Some(value) = self.store(value)
        {
            self.stats.push([name, value]);
        } else {
            self.cut = true;
        }
    }

    pub fn stats(&self) -> impl ExactSizeIterator<Item = [&[u8]; 2]> {
        self.stats.iter().map(|pair| pair.map(|span| self.of(span)))
    }

    /// Arguments, an error, a version or the line as they were sent, whichever the message has.
    pub fn set_detail(&mut self, text: &[u8]) {
        self.detail = self.store(text);
        self.cut |= self.detail.is_none();
    }

    pub fn detail(&self) -> Option<&[u8]> {
        self.detail.map(|span| self.of(span))
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.values.iter().map(|span| self.of(*span))
    }

    /// Where a value that is to be kept begins.
    pub fn mark(&self) -> usize {
        self.text.len()
    }

    /// Keeps bytes of a value, as far as there is room.
    pub fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_TEXT_BYTES.saturating_sub(self.text.len());
        self.cut |= room < bytes.len();
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// What was kept since a mark is a value.
    pub fn add_value(&mut self, mark: usize) {
        if self.values.len() < MAX_ITEMS {
            self.values.push(Span { start: mark as u32, end: self.text.len() as u32 });
        } else {
            self.cut = true;
        }
    }

    /// What was kept since a mark is the value of the statistic whose name is the last key.
    pub fn add_stat_of_last_key(&mut self, mark: usize) {
        let value = Span { start: mark as u32, end: self.text.len() as u32 };
        let Some(name) = self.keys.last() else { return };
        if self.stats.len() < MAX_ITEMS {
            self.stats.push([*name, value]);
        } else {
            self.cut = true;
        }
        // Packetbeat shows the first statistic's key only.
        self.keys.truncate(1);
    }

    /// What was kept since a mark is the detail.
    pub fn set_kept_detail(&mut self, mark: usize) {
        self.detail = Some(Span { start: mark as u32, end: self.text.len() as u32 });
    }

    pub fn kept_since(&self, mark: usize) -> &[u8] {
        self.text.get(mark..).unwrap_or_default()
    }

    /// Forgets what was kept since a mark.
    pub fn forget_since(&mut self, mark: usize) {
        self.text.truncate(mark);
    }

    fn store(&mut self, text: &[u8]) -> Option<Span> {
        let start = self.text.len();
        if MAX_TEXT_BYTES - start.min(MAX_TEXT_BYTES) < text.len() {
            return None;
        }
        self.text.extend_from_slice(text);
        Some(Span { start: start as u32, end: self.text.len() as u32 })
    }

    fn of(&self, span: Span) -> &[u8] {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}
