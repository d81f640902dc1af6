// SPDX-License-Identifier: Apache-2.0
//! What `error.message` says of a transaction that is not whole, in the words of Packetbeat where it has some. What only one
//! protocol says stands in its own `event.rs`.

pub const REQUEST_LOSS: &str = "Packet loss while capturing the request";
pub const RESPONSE_LOSS: &str = "Packet loss while capturing the response";
pub const NO_RESPONSE: &str = "No response to this request was received";
pub const ENDED: &str = "The connection ended before a response was received";
pub const ENDED_INSIDE: &str = "The connection ended before the response was complete";
pub const SLOW_RESPONSE: &str = "The response was not complete within the transaction timeout";
pub const REQUEST_CUT: &str = "The request is longer than what is kept of it";
pub const REQUEST_UNREADABLE: &str = "The request could not be read completely";
pub const RESPONSE_UNREADABLE: &str = "The response could not be read completely";
