// SPDX-License-Identifier: Apache-2.0
//! Properties of a message: the second half of a content header (specification, sections 2.3.5.2 and 4.2.6.1).

use super::message::Item::{self, *};
use super::message::{Argument, read};
use super::wire::Reader;
use crate::event::Field;
use crate::event::field::*;

/// The properties, the one of the highest bit first.
const PROPERTIES: [Item; 13] = [
    Short(AMQP_CONTENT_TYPE),
    Short(AMQP_CONTENT_ENCODING),
    Table(AMQP_HEADERS),
    DeliveryMode(AMQP_DELIVERY_MODE),
    U8(AMQP_PRIORITY),
    Short(AMQP_CORRELATION_ID),
    Short(AMQP_REPLY_TO),
    Short(AMQP_EXPIRATION),
    Short(AMQP_MESSAGE_ID),
    Timestamp(AMQP_TIMESTAMP),
    Short(AMQP_TYPE),
    Short(AMQP_USER_ID),
    Short(AMQP_APP_ID),
];

/// Size of the body that a content header announces, and its properties.
pub fn split(header: &[u8]) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(header);
    reader.u32()?;
    Some((reader.u64()?, reader.rest()))
}

/// Gives the properties to `visit`. None when they end too early; those before have been given.
pub fn walk<'a>(properties: &'a [u8], mut visit: impl FnMut(Field, Argument<'a>)) -> Option<()> {
    let mut reader = Reader::new(properties);
    let flags = reader.u16()?;
    // The lowest bit says that 15 more follow; no properties are defined for those.
    let mut more = flags;
    while more & 1 == 1 {
        more = reader.u16()?;
    }
    for (place, property) in PROPERTIES.iter().enumerate() {
        if flags << place & 0x8000 != 0 {
            read(*property, &mut reader, &mut visit)?;
        }
    }
    Some(())
}

/// Whether a body can be shown as text: its type says so and it is not encoded.
pub fn is_text(properties: &[u8]) -> bool {
    let mut type_is_text = false;
    let mut is_encoded = false;
    // What stands behind may be missing.
    let _ = walk(properties, |field, argument| match argument {
        Argument::Text(text) if field == AMQP_CONTENT_TYPE => {
            type_is_text = [&b"text"[..], b"json"]
                .iter()
                .any(|word| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)));
        }
        Argument::Text(text) if field == AMQP_CONTENT_ENCODING => is_encoded = !text.is_empty(),
        _ => {}
    });
    type_is_text && !is_encoded
}
