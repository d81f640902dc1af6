// SPDX-License-Identifier: Apache-2.0
//! A DHCP message as an event (Packetbeat behaviour, section 4.2).

use std::net::{IpAddr, Ipv4Addr};

use super::message::{BOOT_REPLY, Message, code};
use super::names;
use crate::event::{Event, Field, Value, field};
use crate::protocols::text::hexadecimal;
use crate::protocols::{Common, Context, Direction, Status};

/// All bits of `flags` but the broadcast flag must be zero (RFC 2131, section 2).
const BROADCAST_FLAG: u16 = 0x8000;

/// Publishes a message. `joined` is a buffer for options that were sent in parts.
pub fn publish(
    context: &mut Context<'_>,
    direction: Direction,
    message: &Message<'_>,
    wire_bytes: u64,
    joined: &mut Vec<u8>,
) {
    let common = Common {
        name: "dhcpv4",
        network_protocol: Some("dhcpv4"),
        requests: direction,
        start_ns: Some(context.now_ns),
        end_ns: None,
        source_bytes: wire_bytes,
        destination_bytes: 0,
        status: Status::Ok,
        notes: &[],
        icmp: None,
    };
    let source = context.flow.sender(direction);
    let destination = context.flow.sender(direction.opposite());
    context.publish(&common, |event| {
        if message.op_code == BOOT_REPLY {
            event.address(field::CLIENT_IP, destination.address);
            event.unsigned(field::CLIENT_PORT, u64::from(destination.port));
            event.remove(field::CLIENT_BYTES);
            event.address(field::SERVER_IP, source.address);
            event.unsigned(field::SERVER_PORT, u64::from(source.port));
            event.unsigned(field::SERVER_BYTES, wire_bytes);
        }
        header(event, message);
        options(event, message, joined);
    });
}

fn header(event: &mut Event, message: &Message<'_>) {
    match names::op_code(message.op_code) {
        Some(name) => event.constant(field::DHCPV4_OP_CODE, name),
        None => event.format(field::DHCPV4_OP_CODE, format_args!("unknown ({})", message.op_code)),
    }
    event.constant(field::DHCPV4_HARDWARE_TYPE, names::hardware_type(message.hardware_type));
    event.unsigned(field::DHCPV4_HOPS, u64::from(message.hops));
    event.written(field::DHCPV4_TRANSACTION_ID, |out| {
        out.extend_from_slice(b"0x");
        hexadecimal(out, &message.transaction_id.to_be_bytes());
    });
    event.unsigned(field::DHCPV4_SECONDS, u64::from(message.seconds));
    let way = if message.flags & BROADCAST_FLAG != 0 { "broadcast" } else { "unicast" };
    if message.flags & !BROADCAST_FLAG != 0 {
        event.format(field::DHCPV4_FLAGS, format_args!("{way} (reserved bits not zeroed)"));
    } else {
        event.constant(field::DHCPV4_FLAGS, way);
    }
    if !message.hardware_address.is_empty() {
        event.written(field::DHCPV4_CLIENT_MAC, |out| write_hardware_address(out, message.hardware_address));
    }
    for (field, address) in [
        (field::DHCPV4_CLIENT_IP, message.client),
        (field::DHCPV4_ASSIGNED_IP, message.assigned),
        (field::DHCPV4_RELAY_IP, message.relay),
    ] {
        if !address.is_unspecified() {
            event.address(field, IpAddr::V4(address));
            event.append_address(field::RELATED_IP, IpAddr::V4(address));
        }
    }
    event.text_if_any(field::DHCPV4_SERVER_NAME, message.server_name);
    event.text_if_any(field::DHCPV4_BOOT_FILE_NAME, message.boot_file_name);
}

/// Options whose value has not the form that its code asks for are left out.
fn options(event: &mut Event, message: &Message<'_>, joined: &mut Vec<u8>) {
    if !message.has_option() {
        return;
    }
    if let Some(&[kind]) = message.option(code::MESSAGE_TYPE, joined) {
        match names::message_type(kind) {
            Some(name) => event.constant(field::DHCPV4_OPTION_MESSAGE_TYPE, name),
            // Zero stands for no type.
            None if kind == 0 => {}
            None => event.format(field::DHCPV4_OPTION_MESSAGE_TYPE, format_args!("unknown ({kind})")),
        }
    }
    if let Some(codes) = message.option(code::PARAMETER_REQUEST_LIST, joined) {
        event.list(field::DHCPV4_OPTION_PARAMETER_REQUEST_LIST, |list| {
            for code in codes {
                match names::option(*code) {
                    Some(name) => list.constant(name),
                    None => list.format(format_args!("unknown ({code})")),
                }
            }
        });
    }
    for (code, field) in [
        (code::REQUESTED_ADDRESS, field::DHCPV4_OPTION_REQUESTED_IP_ADDRESS),
        (code::SERVER_IDENTIFIER, field::DHCPV4_OPTION_SERVER_IDENTIFIER),
        (code::BROADCAST_ADDRESS, field::DHCPV4_OPTION_BROADCAST_ADDRESS),
        (code::SUBNET_MASK, field::DHCPV4_OPTION_SUBNET_MASK),
    ] {
        if let Some(&[a, b, c, d]) = message.option(code, joined) {
            event.address(field, IpAddr::from([a, b, c, d]));
        }
    }
    for (code, field) in [
        (code::DOMAIN_NAME_SERVER, field::DHCPV4_OPTION_DNS_SERVERS),
        (code::ROUTER, field::DHCPV4_OPTION_ROUTER),
        (code::TIME_SERVER, field::DHCPV4_OPTION_TIME_SERVERS),
        (code::NTP_SERVERS, field::DHCPV4_OPTION_NTP_SERVERS),
    ] {
        if let Some(value) = message.option(code, joined) {
            addresses(event, field, value);
        }
    }
    for (code, field) in [
        (code::CLASS_IDENTIFIER, field::DHCPV4_OPTION_CLASS_IDENTIFIER),
        (code::DOMAIN_NAME, field::DHCPV4_OPTION_DOMAIN_NAME),
        (code::HOST_NAME, field::DHCPV4_OPTION_HOSTNAME),
        (code::MESSAGE, field::DHCPV4_OPTION_MESSAGE),
        (code::BOOT_FILE_NAME, field::DHCPV4_OPTION_BOOT_FILE_NAME),
    ] {
        if let Some(value) = message.option(code, joined) {
            event.text_if_any(field, without_nuls(value));
        }
    }
    for (code, field) in [
        (code::LEASE_TIME, field::DHCPV4_OPTION_IP_ADDRESS_LEASE_TIME_SEC),
        (code::RENEWAL_TIME, field::DHCPV4_OPTION_RENEWAL_TIME_SEC),
        (code::REBINDING_TIME, field::DHCPV4_OPTION_REBINDING_TIME_SEC),
    ] {
        if let Some(&[a, b, c, d]) = message.option(code, joined) {
            event.unsigned_if_any(field, u64::from(u32::from_be_bytes([a, b, c, d])));
        }
    }
    if let Some(&[a, b, c, d]) = message.option(code::TIME_OFFSET, joined) {
        event.signed(field::DHCPV4_OPTION_UTC_TIME_OFFSET_SEC, i64::from(i32::from_be_bytes([a, b, c, d])));
    }
    if let Some(&[a, b]) = message.option(code::MAXIMUM_MESSAGE_SIZE, joined) {
        event.unsigned(field::DHCPV4_OPTION_MAX_DHCP_MESSAGE_SIZE, u64::from(u16::from_be_bytes([a, b])));
    }
    if let Some(value) = message.option(code::VENDOR_CLASS, joined) {
        vendor_classes(event, value);
    }
}

fn addresses(event: &mut Event, field: Field, value: &[u8]) {
    let (addresses, []) = value.as_chunks::<4>() else { return };
    event.list(field, |list| {
        for address in addresses {
            list.value(Value::Address(IpAddr::V4(Ipv4Addr::from(*address))));
        }
    });
}

/// RFC 3925, section 3: enterprise numbers, each with data of a length.
fn vendor_classes(event: &mut Event, value: &[u8]) {
    let classes = || VendorClasses { rest: value };
    let read_bytes: usize = classes().map(|(_, data)| 5 + data.len()).sum();
    if read_bytes != value.len() {
        return;
    }
    event.list(field::DHCPV4_OPTION_VENDOR_IDENTIFYING_OPTIONS, |list| {
        for (enterprise, data) in classes() {
            list.map(|map| {
                map.unsigned("id", u64::from(enterprise));
                map.written("data", |out| hexadecimal(out, data));
            });
        }
    });
}

struct VendorClasses<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for VendorClasses<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        let (&[a, b, c, d, length], rest) = self.rest.split_first_chunk::<5>()?;
        let (data, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some((u32::from_be_bytes([a, b, c, d]), data))
    }
}

/// NULs at the end of a text are no part of it (RFC 2132, section 2).
fn without_nuls(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// `AA-BB-…` of any length.
fn write_hardware_address(out: &mut Vec<u8>, address: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    for (index, byte) in address.iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&[digit(byte >> 4), digit(*byte)]);
    }
}
