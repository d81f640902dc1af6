// SPDX-License-Identifier: Apache-2.0
//! The event of one message and its echo.

use super::Options;
use super::parser::Message;
use crate::event::field;
use crate::protocols::{Common, Context, Direction, Status};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Echoed,
    /// Something else came back.
    Changed,
    /// Bytes of the connection are missing.
    Lost,
    Unanswered,
}

/// Publishes a message. `echo_bytes` is the length of what came back at `context.now_ns`.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    message: &Message,
    echo_bytes: Option<u64>,
    outcome: Outcome,
) {
    let notes: &[&str] = match outcome {
        Outcome::Echoed => &[],
        Outcome::Changed => &["The echo differs from the message"],
        Outcome::Lost => &["Packet loss while capturing the response"],
        Outcome::Unanswered => &["No response to this request was received"],
    };
    let common = Common {
        name: "echo",
        network_protocol: Some("echo"),
        requests: Direction::ToServer,
        start_ns: Some(message.start_ns),
        end_ns: echo_bytes.map(|_| context.now_ns),
        source_bytes: message.bytes,
        destination_bytes: echo_bytes.unwrap_or(0),
        status: if outcome == Outcome::Echoed { Status::Ok } else { Status::Error },
        notes,
        icmp: None,
    };
    context.publish(&common, |event| {
        let text = message.text.trim_ascii_end();
        event.text(field::ECHO_MESSAGE, text);
        if echo_bytes.is_some() {
            event.boolean(field::ECHO_MATCHES, outcome == Outcome::Echoed);
        }
        if options.common.send_request {
            event.text(field::REQUEST, text);
        }
    });
}
