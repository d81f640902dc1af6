// SPDX-License-Identifier: Apache-2.0
//! The methods of AMQP 0-9-1 with RabbitMQ's additions: their numbers, what they do, and their arguments.
//!
//! Sources: the specification's `amqp0-9-1.xml`, RabbitMQ's list of extensions. What is empty for the default exchange
//! is left out of the event, as Packetbeat does.

use super::message::Item::{self, *};
use crate::event::Field;
use crate::event::field::*;

/// What a method does in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Has an answer, unless it says `no-wait`.
    Request,
    /// Answers the request of the same class and this number.
    Answer(u16),
    /// Has no answer.
    Alone,
    /// Ends its channel, or the connection; it has an answer.
    Close,
    /// A message follows.
    Content,
    /// The same, and it answers a request.
    ContentAnswer(u16),
}

/// One method.
#[derive(Debug)]
pub struct Method {
    pub class: u16,
    pub number: u16,
    pub name: &'static str,
    pub role: Role,
    /// Whether it belongs to `hide_connection_information`.
    pub is_connection_information: bool,
    pub arguments: &'static [Item],
    /// What `request` shows besides the name.
    pub summary: &'static [Field],
}

impl Method {
    /// Whether it ends the whole connection.
    pub fn ends_connection(&self) -> bool {
        self.class == CONNECTION && self.role == Role::Close
    }

    pub fn is(&self, class: u16, number: u16) -> bool {
        self.class == class && self.number == number
    }
}

pub const CONNECTION: u16 = 10;
pub const BASIC: u16 = 60;
pub const GET: u16 = 70;
pub const GET_OK: u16 = 71;
pub const GET_EMPTY: u16 = 72;
pub const REJECT: u16 = 90;
pub const PUBLISH: u16 = 40;
pub const RETURN: u16 = 50;

/// The method of these numbers.
pub fn find(class: u16, number: u16) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.is(class, number))
}

const fn shown(
    (class, number): (u16, u16),
    name: &'static str,
    role: Role,
    arguments: &'static [Item],
    summary: &'static [Field],
) -> Method {
    Method { class, number, name, role, is_connection_information: false, arguments, summary }
}

const fn hidden((class, number): (u16, u16), name: &'static str, role: Role, arguments: &'static [Item]) -> Method {
    Method { class, number, name, role, is_connection_information: true, arguments, summary: &[] }
}

const CLOSE: &[Item] = &[U16(AMQP_REPLY_CODE), Short(AMQP_REPLY_TEXT), U16(AMQP_CLASS_ID), U16(AMQP_METHOD_ID)];
const TUNE: &[Item] = &[U16(AMQP_CHANNEL_MAX), U32(AMQP_FRAME_MAX), U16(AMQP_HEARTBEAT)];
const COUNT: &[Item] = &[U32(AMQP_MESSAGE_COUNT)];
const TAG: &[Item] = &[Short(AMQP_CONSUMER_TAG)];
const FLOW: &[Item] = &[Bits(&[Some(AMQP_ACTIVE)])];
const NO_WAIT: Item = Bits(&[Some(AMQP_NO_WAIT)]);
const EXCHANGE_BIND: &[Item] =
    &[Unused16, Short(AMQP_DESTINATION), Short(AMQP_SOURCE), Short(AMQP_ROUTING_KEY), NO_WAIT, Table(AMQP_ARGUMENTS)];

static METHODS: &[Method] = &[
    shown(
        (BASIC, PUBLISH),
        "basic.publish",
        Role::Content,
        &[
            Unused16,
            ShortIfAny(AMQP_EXCHANGE),
            Short(AMQP_ROUTING_KEY),
            Bits(&[Some(AMQP_MANDATORY), Some(AMQP_IMMEDIATE)]),
        ],
        &[],
    ),
    shown(
        (BASIC, 60),
        "basic.deliver",
        Role::Content,
        &[
            Short(AMQP_CONSUMER_TAG),
            U64(AMQP_DELIVERY_TAG),
            Bits(&[Some(AMQP_REDELIVERED)]),
            ShortIfAny(AMQP_EXCHANGE),
            Short(AMQP_ROUTING_KEY),
        ],
        &[],
    ),
    shown((BASIC, 80), "basic.ack", Role::Alone, &[U64(AMQP_DELIVERY_TAG), Bits(&[Some(AMQP_MULTIPLE)])], &[]),
    shown(
        (BASIC, GET),
        "basic.get",
        Role::Request,
        &[Unused16, Short(AMQP_QUEUE), Bits(&[Some(AMQP_NO_ACK)])],
        &[AMQP_QUEUE],
    ),
    shown(
        (BASIC, GET_OK),
        "basic.get",
        Role::ContentAnswer(GET),
        &[
            U64(AMQP_DELIVERY_TAG),
            Bits(&[Some(AMQP_REDELIVERED)]),
            ShortIfAny(AMQP_EXCHANGE),
            Short(AMQP_ROUTING_KEY),
            U32(AMQP_MESSAGE_COUNT),
        ],
        &[],
    ),
    shown((BASIC, GET_EMPTY), "basic.get-empty", Role::Answer(GET), &[], &[]),
    shown(
        (BASIC, REJECT),
        "basic.reject",
        Role::Alone,
        &[U64(AMQP_DELIVERY_TAG), Bits(&[Some(AMQP_REQUEUE)])],
        &[AMQP_DELIVERY_TAG],
    ),
    shown(
        (BASIC, 120),
        "basic.nack",
        Role::Alone,
        &[U64(AMQP_DELIVERY_TAG), Bits(&[Some(AMQP_MULTIPLE), Some(AMQP_REQUEUE)])],
        &[],
    ),
    shown(
        (BASIC, RETURN),
        "basic.return",
        Role::Content,
        &[U16(AMQP_REPLY_CODE), Short(AMQP_REPLY_TEXT), Short(AMQP_EXCHANGE), Short(AMQP_ROUTING_KEY)],
        &[],
    ),
    shown(
        (BASIC, 20),
        "basic.consume",
        Role::Request,
        &[
            Unused16,
            Short(AMQP_QUEUE),
            Short(AMQP_CONSUMER_TAG),
            Bits(&[Some(AMQP_NO_LOCAL), Some(AMQP_NO_ACK), Some(AMQP_EXCLUSIVE), Some(AMQP_NO_WAIT)]),
            Table(AMQP_ARGUMENTS),
        ],
        &[AMQP_QUEUE],
    ),
    shown((BASIC, 21), "basic.consume-ok", Role::Answer(20), TAG, &[]),
    shown((BASIC, 30), "basic.cancel", Role::Request, &[Short(AMQP_CONSUMER_TAG), NO_WAIT], &[AMQP_CONSUMER_TAG]),
    shown((BASIC, 31), "basic.cancel-ok", Role::Answer(30), TAG, &[]),
    hidden(
        (BASIC, 10),
        "basic.qos",
        Role::Request,
        &[U32(AMQP_PREFETCH_SIZE), U16(AMQP_PREFETCH_COUNT), Bits(&[Some(AMQP_GLOBAL)])],
    ),
    hidden((BASIC, 11), "basic.qos-ok", Role::Answer(10), &[]),
    shown((BASIC, 100), "basic.recover-async", Role::Alone, &[Bits(&[Some(AMQP_REQUEUE)])], &[]),
    shown((BASIC, 110), "basic.recover", Role::Request, &[Bits(&[Some(AMQP_REQUEUE)])], &[]),
    shown((BASIC, 111), "basic.recover-ok", Role::Answer(110), &[], &[]),
    shown(
        (50, 10),
        "queue.declare",
        Role::Request,
        &[
            Unused16,
            Short(AMQP_QUEUE),
            Bits(&[
                Some(AMQP_PASSIVE),
                Some(AMQP_DURABLE),
                Some(AMQP_EXCLUSIVE),
                Some(AMQP_AUTO_DELETE),
                Some(AMQP_NO_WAIT),
            ]),
            Table(AMQP_ARGUMENTS),
        ],
        &[AMQP_QUEUE],
    ),
    shown(
        (50, 11),
        "queue.declare-ok",
        Role::Answer(10),
        &[Short(AMQP_QUEUE), U32(AMQP_MESSAGE_COUNT), U32(AMQP_CONSUMER_COUNT)],
        &[],
    ),
    shown(
        (50, 20),
        "queue.bind",
        Role::Request,
        &[
            Unused16,
            Short(AMQP_QUEUE),
            ShortIfAny(AMQP_EXCHANGE),
            Short(AMQP_ROUTING_KEY),
            NO_WAIT,
            Table(AMQP_ARGUMENTS),
        ],
        &[AMQP_QUEUE, AMQP_EXCHANGE],
    ),
    shown((50, 21), "queue.bind-ok", Role::Answer(20), &[], &[]),
    shown((50, 30), "queue.purge", Role::Request, &[Unused16, Short(AMQP_QUEUE), NO_WAIT], &[AMQP_QUEUE]),
    shown((50, 31), "queue.purge-ok", Role::Answer(30), COUNT, &[]),
    shown(
        (50, 40),
        "queue.delete",
        Role::Request,
        &[Unused16, Short(AMQP_QUEUE), Bits(&[Some(AMQP_IF_UNUSED), Some(AMQP_IF_EMPTY), Some(AMQP_NO_WAIT)])],
        &[AMQP_QUEUE],
    ),
    shown((50, 41), "queue.delete-ok", Role::Answer(40), COUNT, &[]),
    shown(
        (50, 50),
        "queue.unbind",
        Role::Request,
        &[Unused16, Short(AMQP_QUEUE), ShortIfAny(AMQP_EXCHANGE), Short(AMQP_ROUTING_KEY), Table(AMQP_ARGUMENTS)],
        &[AMQP_QUEUE, AMQP_EXCHANGE],
    ),
    shown((50, 51), "queue.unbind-ok", Role::Answer(50), &[], &[]),
    shown(
        (40, 10),
        "exchange.declare",
        Role::Request,
        &[
            Unused16,
            Short(AMQP_EXCHANGE),
            ShortOr(AMQP_EXCHANGE_TYPE, "direct"),
            Bits(&[Some(AMQP_PASSIVE), Some(AMQP_DURABLE), None, None, Some(AMQP_NO_WAIT)]),
            Table(AMQP_ARGUMENTS),
        ],
        &[AMQP_EXCHANGE],
    ),
    shown((40, 11), "exchange.declare-ok", Role::Answer(10), &[], &[]),
    shown(
        (40, 20),
        "exchange.delete",
        Role::Request,
        &[Unused16, Short(AMQP_EXCHANGE), Bits(&[Some(AMQP_IF_UNUSED), Some(AMQP_NO_WAIT)])],
        &[AMQP_EXCHANGE],
    ),
    shown((40, 21), "exchange.delete-ok", Role::Answer(20), &[], &[]),
    shown((40, 30), "exchange.bind", Role::Request, EXCHANGE_BIND, &[AMQP_SOURCE, AMQP_DESTINATION]),
    shown((40, 31), "exchange.bind-ok", Role::Answer(30), &[], &[]),
    shown((40, 40), "exchange.unbind", Role::Request, EXCHANGE_BIND, &[AMQP_SOURCE, AMQP_DESTINATION]),
    shown((40, 51), "exchange.unbind-ok", Role::Answer(40), &[], &[]),
    shown((85, 10), "confirm.select", Role::Request, &[NO_WAIT], &[]),
    shown((85, 11), "confirm.select-ok", Role::Answer(10), &[], &[]),
    shown((90, 10), "tx.select", Role::Request, &[], &[]),
    shown((90, 11), "tx.select-ok", Role::Answer(10), &[], &[]),
    shown((90, 20), "tx.commit", Role::Request, &[], &[]),
    shown((90, 21), "tx.commit-ok", Role::Answer(20), &[], &[]),
    shown((90, 30), "tx.rollback", Role::Request, &[], &[]),
    shown((90, 31), "tx.rollback-ok", Role::Answer(30), &[], &[]),
    hidden((20, 10), "channel.open", Role::Request, &[]),
    hidden((20, 11), "channel.open-ok", Role::Answer(10), &[]),
    hidden((20, 20), "channel.flow", Role::Request, FLOW),
    hidden((20, 21), "channel.flow-ok", Role::Answer(20), FLOW),
    shown((20, 40), "channel.close", Role::Close, CLOSE, &[]),
    shown((20, 41), "channel.close-ok", Role::Answer(40), &[], &[]),
    hidden((30, 10), "access.request", Role::Request, &[]),
    hidden((30, 11), "access.request-ok", Role::Answer(10), &[]),
    hidden(
        (CONNECTION, 10),
        "connection.start",
        Role::Request,
        &[
            U8(AMQP_VERSION_MAJOR),
            U8(AMQP_VERSION_MINOR),
            Table(AMQP_SERVER_PROPERTIES),
            Long(AMQP_MECHANISMS),
            Long(AMQP_LOCALES),
        ],
    ),
    // The third argument is what the client proves its identity with.
    hidden(
        (CONNECTION, 11),
        "connection.start-ok",
        Role::Answer(10),
        &[Table(AMQP_CLIENT_PROPERTIES), Short(AMQP_MECHANISM), UnusedLong, Short(AMQP_LOCALE)],
    ),
    hidden((CONNECTION, 20), "connection.secure", Role::Request, &[UnusedLong]),
    hidden((CONNECTION, 21), "connection.secure-ok", Role::Answer(20), &[UnusedLong]),
    hidden((CONNECTION, 30), "connection.tune", Role::Request, TUNE),
    hidden((CONNECTION, 31), "connection.tune-ok", Role::Answer(30), TUNE),
    hidden((CONNECTION, 40), "connection.open", Role::Request, &[Short(AMQP_VIRTUAL_HOST)]),
    hidden((CONNECTION, 41), "connection.open-ok", Role::Answer(40), &[]),
    shown((CONNECTION, 50), "connection.close", Role::Close, CLOSE, &[]),
    shown((CONNECTION, 51), "connection.close-ok", Role::Answer(50), &[], &[]),
    hidden((CONNECTION, 60), "connection.blocked", Role::Alone, &[Short(AMQP_REASON)]),
    hidden((CONNECTION, 61), "connection.unblocked", Role::Alone, &[]),
    hidden((CONNECTION, 70), "connection.update-secret", Role::Request, &[UnusedLong, Short(AMQP_REASON)]),
    hidden((CONNECTION, 71), "connection.update-secret-ok", Role::Answer(70), &[]),
];
