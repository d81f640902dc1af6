// SPDX-License-Identifier: Apache-2.0
//! What one end of a connection has sent, record by record.

use arrayvec::ArrayVec;

use super::handshake::Assembler;
use super::record::{ContentType, Header};
use crate::protocols::text::Text;

/// Alerts of one end that are remembered.
const MAX_ALERTS: usize = 16;
/// Segments in front of TLS that are passed over (STARTTLS, a proxy's CONNECT).
const MAX_FOREIGN_SEGMENTS: u32 = 32;

/// Where one end's stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No record was seen yet.
    #[default]
    Start,
    Records,
    /// What follows is of no interest: it is encrypted, or where records begin is not known.
    Over,
}

/// An alert in clear.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    pub severity: u8,
    pub code: u8,
}

impl Alert {
    pub fn is_fatal(self) -> bool {
        self.severity == 2
    }
}

/// A record of application data, of whose content only the length is known.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted {
    pub length: usize,
    pub time_ns: i64,
}

impl Encrypted {
    /// An alert of TLS 1.3: two bytes, the content type, and a tag of 16 or 8 bytes (RFC 8446, section 5.2). No other message
    /// of a handshake is so short.
    pub fn is_alert(self) -> bool {
        matches!(self.length, 19 | 11)
    }
}

#[derive(Debug, Default)]
pub struct Side {
    pub phase: Phase,
    /// Kind of the record under way.
    pub content: ContentType,
    /// Its length, and how much of it is still to come.
    pub length: usize,
    pub left: usize,
    pub assembler: Assembler,
    /// The Certificate message; empty: none.
    pub certificates: Text,
    pub alerts: ArrayVec<Alert, MAX_ALERTS>,
    /// When ChangeCipherSpec came.
    pub changed_ns: Option<i64>,
    /// The first record of application data since the hello.
    pub encrypted: Option<Encrypted>,
    /// Bytes of the handshake are missing.
    pub damaged: bool,
    pub ended: bool,
    foreign_segments: u32,
}

impl Side {
    pub fn begin_record(&mut self, header: &Header) {
        self.phase = Phase::Records;
        self.content = header.content;
        self.length = header.length;
        self.left = header.length;
    }

    /// Counts a segment in front of TLS. False: there were too many.
    pub fn pass_over(&mut self) -> bool {
        self.foreign_segments += 1;
        self.foreign_segments <= MAX_FOREIGN_SEGMENTS
    }

    pub fn add_alert(&mut self, alert: Alert) {
        // More alerts than that say nothing new.
        let _ = self.alerts.try_push(alert);
    }

    /// Gives the memory of messages back.
    pub fn release(&mut self) {
        self.assembler.reset();
        self.certificates.clear();
    }

    pub fn reset(&mut self) {
        self.phase = Phase::Start;
        self.left = 0;
        self.assembler.reset();
        self.certificates.clear();
        self.alerts.clear();
        self.changed_ns = None;
        self.encrypted = None;
        self.damaged = false;
        self.ended = false;
        self.foreign_segments = 0;
    }
}
