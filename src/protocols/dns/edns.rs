// SPDX-License-Identifier: Apache-2.0
//! The OPT pseudo record (RFC 6891) as `dns.opt`.
//!
//! Options that Packetbeat does not show (padding, keepalive, extended errors, …) are not shown here either; an option
//! that does not follow its RFC is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::codes::{self, Code};
use super::event::set_code;
use super::message::{Message, Record, u16_at, u32_at};
use super::name::{Print, print_number};
use crate::event::json::write_address;
use crate::event::{Event, field};
use crate::protocols::text::hexadecimal;

/// DNSSEC OK (RFC 3225).
pub fn dnssec_ok(opt: &Record<'_>) -> bool {
    opt.ttl & 0x8000 != 0
}

pub fn set(event: &mut Event, message: &Message<'_>, opt: &Record<'_>) {
    event.boolean(field::DNS_OPT_DO, dnssec_ok(opt));
    event.written(field::DNS_OPT_VERSION, |out| print_number(out, opt.ttl >> 16 & 0xff));
    event.unsigned(field::DNS_OPT_UDP_SIZE, u64::from(opt.class));
    // The low bits are the header's: a plain NXDOMAIN is no extended code.
    let extended = if opt.ttl >> 24 == 0 { 0 } else { message.response_code() };
    set_code(event, field::DNS_OPT_EXT_RCODE, codes::response_code(extended));

    let mut rest = opt.data;
    while let (Some(code), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(data) = rest.get(4..4 + usize::from(length)) else { break };
        set_option(event, code, data);
        rest = &rest[4 + data.len()..];
    }
}

fn set_option(event: &mut Event, code: u16, data: &[u8]) {
    match (code, data.len()) {
        (1, 18..) => {
            let word = |at| u16_at(data, at).unwrap_or_default();
            let long = |at| u32_at(data, at).unwrap_or_default();
            let id = u64::from(long(6)) << 32 | u64::from(long(10));
            event.format(field::DNS_OPT_LLQ, format_args!("{} {} {} {id} {}", word(0), word(2), word(4), long(14)));
        }
        (2, 4 | 8) => {
            let (lease, key_lease) = (u32_at(data, 0).unwrap_or_default(), u32_at(data, 4).unwrap_or_default());
            event.format(field::DNS_OPT_UL, format_args!("{lease} {key_lease}"));
        }
        (3, _) => event.written(field::DNS_OPT_NSID, |out| hexadecimal(out, data)),
        (5, _) => event.written(field::DNS_OPT_DAU, |out| print_codes(out, data, codes::algorithm)),
        (6, _) => event.written(field::DNS_OPT_DHU, |out| print_codes(out, data, codes::hash)),
        (7, _) => event.written(field::DNS_OPT_N3U, |out| print_codes(out, data, codes::hash)),
        (8, _) => {
            if let Some(subnet) = Subnet::read(data) {
                event.written(field::DNS_OPT_SUBNET, |out| subnet.print(out));
            }
        }
        (9, 0) => event.constant(field::DNS_OPT_LOCAL, ""),
        (9, 4..) => event.format(field::DNS_OPT_LOCAL, format_args!("{}", u32_at(data, 0).unwrap_or_default())),
        (10, _) => event.written(field::DNS_OPT_COOKIE, |out| hexadecimal(out, data)),
        // ENUM source URI, keepalive, padding, extended error, report channel, zone version; and what is malformed.
        (1 | 2 | 4 | 9 | 11 | 12 | 15 | 18 | 19, _) => {}
        _ => event.written(field::DNS_OPT_LOCAL, |out| {
            print_number(out, code);
            ":0x".print(out);
            hexadecimal(out, data);
        }),
    }
}

/// A client subnet (RFC 7871, section 6).
enum Subnet {
    V4(Ipv4Addr, [u8; 2]),
    V6(Ipv6Addr, [u8; 2]),
}

impl Subnet {
    fn read(data: &[u8]) -> Option<Subnet> {
        let [family_high, family_low, source, scope, address @ ..] = data else { return None };
        let mut octets = [0; 16];
        let length = address.len().min(16);
        octets[..length].copy_from_slice(&address[..length]);
        match (u16::from_be_bytes([*family_high, *family_low]), source.max(scope)) {
            // Family 0 is sent with a prefix of 0 (RFC 7871, section 7.1.2).
            (0, _) if *source == 0 => Some(Subnet::V4(Ipv4Addr::UNSPECIFIED, [0, *scope])),
            (1, 0..=32) => {
                let [a, b, c, d, ..] = if length > 4 { [0; 16] } else { octets };
                (length <= 4).then_some(Subnet::V4(Ipv4Addr::new(a, b, c, d), [*source, *scope]))
            }
            (2, 0..=128) => Some(Subnet::V6(Ipv6Addr::from(octets), [*source, *scope])),
            _ => None,
        }
    }
}

impl Print for Subnet {
    fn print(&self, out: &mut Vec<u8>) {
        let prefixes = match self {
            Subnet::V4(address, prefixes) => {
                write_address(out, IpAddr::V4(*address));
                prefixes
            }
            Subnet::V6(address, prefixes) => {
                out.push(b'[');
                write_address(out, IpAddr::V6(*address));
                out.push(b']');
                prefixes
            }
        };
        for prefix in prefixes {
            out.push(b'/');
            print_number(out, *prefix);
        }
    }
}

/// Each number with a space before it, as Packetbeat prints these lists.
fn print_codes(out: &mut Vec<u8>, numbers: &[u8], name: fn(u8) -> Code) {
    for number in numbers {
        out.push(b' ');
        name(*number).print(out);
    }
}
