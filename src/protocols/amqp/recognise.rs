// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin an AMQP 0-9-1 connection: the client's protocol header (AMQP 0-9-1, section 4.2.2).

use crate::protocols::detect::{Carried, Recognition, begins_with};

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    match carried {
        Carried::Stream => begins_with(bytes, b"AMQP\0\0\x09\x01"),
        Carried::Datagram => Recognition::No,
    }
}
