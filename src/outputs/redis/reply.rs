// SPDX-License-Identifier: Apache-2.0
//! Answers of Redis (RESP2) and what a refusal means for events.
//!
//! Limit: only what the output's own commands are answered with is read; a list is an error.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::outputs::Verdict;

/// Longest line of an answer, and longest text; Redis shortens what it quotes in its errors.
const MAXIMUM_BYTES: usize = 64 * 1024;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(String),
    Integer(i64),
    Text(Vec<u8>),
    /// A refusal: a code in capitals, then words.
    Error(String),
}

/// Reads answers from a connection.
pub struct Replies {
    buffer: Vec<u8>,
    /// What of the buffer was read already.
    start: usize,
    /// Bytes that came, for the counters.
    pub read_bytes: u64,
}

/// Why no answer could be read.
#[derive(Debug)]
pub enum ReplyError {
    Broken(std::io::Error),
    Closed,
    Foreign,
}

impl Replies {
    pub fn new() -> Replies {
        Replies { buffer: Vec::new(), start: 0, read_bytes: 0 }
    }

    /// The next answer.
    pub async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<Reply, ReplyError> {
        loop {
            if let Some((reply, length)) = parse(&self.buffer[self.start..])? {
                self.start += length;
                return Ok(reply);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let count = stream.read_buf(&mut self.buffer).await.map_err(ReplyError::Broken)?;
            if count == 0 {
                return Err(ReplyError::Closed);
            }
            self.read_bytes += count as u64;
        }
    }
}

/// The first answer in the bytes, and its length; none when it is not all there.
pub fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
    let Some(end) = memchr::memchr(b'\n', bytes.get(..bytes.len().min(MAXIMUM_BYTES)).unwrap_or_default()) else {
        return if bytes.len() < MAXIMUM_BYTES { Ok(None) } else { Err(ReplyError::Foreign) };
    };
    let Some((kind, line)) = bytes[..end].strip_suffix(b"\r").and_then(<[u8]>::split_first) else {
        return Err(ReplyError::Foreign);
    };
    let text = || String::from_utf8_lossy(line).into_owned();
    let number = || text().parse::<i64>().map_err(|_| ReplyError::Foreign);
    let reply = match kind {
        b'+' => Reply::Status(text()),
        b'-' => Reply::Error(text()),
        b':' => Reply::Integer(number()?),
        b'$' => {
            let length = usize::try_from(number()?).ok().filter(|length| *length <= MAXIMUM_BYTES);
            let length = length.ok_or(ReplyError::Foreign)?;
            let Some(content) = bytes.get(end + 1..end + 1 + length + 2) else { return Ok(None) };
            return Ok(Some((Reply::Text(content[..length].to_vec()), end + 1 + length + 2)));
        }
        _ => return Err(ReplyError::Foreign),
    };
    Ok(Some((reply, end + 1)))
}

/// What becomes of events whose command was refused with this text.
pub fn verdict(error: &str) -> Verdict {
    match code(error) {
        "OOM" => Verdict::Retry("redis_out_of_memory"),
        "READONLY" => Verdict::Retry("redis_read_only"),
        "NOAUTH" | "NOPERM" | "WRONGPASS" => Verdict::Retry("redis_forbidden"),
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" | "NOREPLICAS" => {
            Verdict::Retry("redis_unavailable")
        }
        "MOVED" | "ASK" => Verdict::Retry("redis_moved"),
        "WRONGTYPE" => Verdict::Dropped("redis_wrong_type"),
        _ => Verdict::Dropped("redis_refused"),
    }
}

/// Whether another connection may have better luck: this one was not let in, or leads to a replica.
pub fn needs_connection(error: &str) -> bool {
    matches!(code(error), "READONLY" | "NOAUTH" | "MASTERDOWN")
}

/// The error without what it quotes of the command, which may be a password or an event.
pub fn shown(error: &str) -> String {
    let words = error.split(", with args").next().unwrap_or_default();
    words.chars().take(300).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn code(error: &str) -> &str {
    error.split(' ').next().unwrap_or_default()
}
