// SPDX-License-Identifier: Apache-2.0
//! Messages out of one direction's bytes: a type byte, a length that counts itself, the payload. What a client sends first
//! has no type; its first byte is the zero of a small length. Messages are given in place when they are all there; of
//! large ones, or ones nobody asked for, only as long a beginning as is wanted is kept and the rest is counted.

/// A message up to this size is waited for as a whole; a larger one is taken as it comes.
pub const WAITED_BYTES: usize = 64 << 10;
/// Buffers that grew beyond this are given back when the message is done.
const KEPT_BUFFER_BYTES: usize = 256 << 10;
/// Type of a message that has none.
pub const UNTYPED: u8 = 0;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The type byte, or [`UNTYPED`].
    pub kind: u8,
    /// What follows the length, or its beginning.
    pub payload: &'a [u8],
    /// Length of the whole payload.
    pub length: usize,
    /// With type and length.
    pub wire_bytes: u64,
    /// Bytes of it were lost in a gap.
    pub damaged: bool,
}

/// What is known of a message when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: u8,
    /// Length of the payload.
    pub length: usize,
}

impl Head {
    fn bytes(self) -> usize {
        if self.kind == UNTYPED { 4 } else { 5 }
    }
}

#[derive(Debug)]
pub enum Next<'a> {
    Message(Message<'a>),
    /// So many bytes must be there before it goes on.
    Need(usize),
    /// No message that can stand here.
    Refused,
}

#[derive(Default)]
pub struct MessageReader {
    /// A message is being taken as it comes.
    under_way: Option<Head>,
    left: usize,
    wanted: usize,
    prefix: Vec<u8>,
    damaged: bool,
}

impl MessageReader {
    /// The next message at `position`, which moves on. `wanted` says how many bytes of a message's payload are of use;
    /// None refuses it.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        position: &mut usize,
        wanted: impl FnOnce(Head) -> Option<usize>,
    ) -> Next<'a> {
        let head = match self.under_way {
            Some(head) => head,
            None => {
                let rest = bytes.get(*position..).unwrap_or_default();
                let head = match header(rest) {
                    Ok(Some(head)) => head,
                    Ok(None) => return Next::Need(if rest.first() == Some(&UNTYPED) { 4 } else { 5 }),
                    Err(()) => return Next::Refused,
                };
                let Some(wanted) = wanted(head) else {
                    return Next::Refused;
                };
                if let Some(payload) = rest.get(head.bytes()..head.bytes() + head.length) {
                    *position += head.bytes() + head.length;
                    return Next::Message(message(head, payload, false));
                }
                if wanted >= head.length && head.length <= WAITED_BYTES {
                    return Next::Need(head.bytes() + head.length);
                }
                self.begin(head, wanted);
                *position += head.bytes();
                head
            }
        };
        let rest = bytes.get(*position..).unwrap_or_default();
        let taken = self.left.min(rest.len());
        let kept = taken.min(self.wanted.saturating_sub(self.prefix.len()));
        self.prefix.extend_from_slice(&rest[..kept]);
        self.left -= taken;
        *position += taken;
        if self.left > 0 {
            return Next::Need(1);
        }
        self.under_way = None;
        Next::Message(message(head, &self.prefix, self.damaged))
    }

    fn begin(&mut self, head: Head, wanted: usize) {
        self.under_way = Some(head);
        self.left = head.length;
        self.wanted = wanted;
        self.damaged = false;
        if self.prefix.capacity() > KEPT_BUFFER_BYTES {
            self.prefix = Vec::new();
        }
        self.prefix.clear();
    }

    /// A message ends with the last byte that was seen or lost, and waits to be given.
    pub fn has_finished(&self) -> bool {
        self.under_way.is_some() && self.left == 0
    }

    /// Whether nothing of a message has been taken.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Takes `pending` and a gap behind it as bytes of the message under way. False: they are more than that.
    pub fn bridge(&mut self, pending: &[u8], missing_bytes: u64) -> bool {
        let missing = usize::try_from(missing_bytes).unwrap_or(usize::MAX);
        if self.under_way.is_none() {
            let Ok(Some(head)) = header(pending) else {
                return false;
            };
            let payload = &pending[head.bytes()..];
            if payload.is_empty() || head.length < payload.len() || head.length - payload.len() < missing {
                return false;
            }
            self.begin(head, payload.len());
            self.prefix.extend_from_slice(payload);
            self.left = head.length - payload.len() - missing;
        } else {
            if self.left < missing {
                return false;
            }
            self.left -= missing;
        }
        // What comes after the hole must not be joined to what was before it.
        self.wanted = self.prefix.len();
        self.damaged = true;
        true
    }

    /// The message under way as far as it was seen, for the last time; `pending` is what was not consumed of it.
    pub fn abandon<'a>(&'a mut self, pending: &'a [u8]) -> Option<Message<'a>> {
        if let Some(head) = self.under_way.take() {
            return Some(message(head, &self.prefix, true));
        }
        let head = header(pending).ok()??;
        let payload = &pending[head.bytes()..];
        let payload = payload.get(..head.length).unwrap_or(payload);
        (!payload.is_empty()).then_some(message(head, payload, true))
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.prefix.capacity()
    }

    /// Forgets the message under way.
    pub fn reset(&mut self) {
        self.under_way = None;
        self.prefix.clear();
        self.prefix.shrink_to(KEPT_BUFFER_BYTES);
    }
}

fn message(head: Head, payload: &[u8], damaged: bool) -> Message<'_> {
    let wire_bytes = (head.bytes() + head.length) as u64;
    Message { kind: head.kind, payload, length: head.length, wire_bytes, damaged }
}

/// The head of the message that begins here; None when it is not all there.
fn header(bytes: &[u8]) -> Result<Option<Head>, ()> {
    let Some(&kind) = bytes.first() else {
        return Ok(None);
    };
    let field = if kind == UNTYPED { bytes } else { &bytes[1..] };
    let Some(field) = field.first_chunk::<4>() else {
        return Ok(None);
    };
    // The length counts its own four bytes, and is a signed number on the wire.
    let length = i32::from_be_bytes(*field).checked_sub(4).ok_or(())?;
    Ok(Some(Head { kind, length: usize::try_from(length).map_err(|_| ())? }))
}
