// SPDX-License-Identifier: Apache-2.0
//! DHCP messages (RFC 2131, section 2): the fixed header, and options that are looked up by their code.
//!
//! An option that comes several times is one whose value was split (RFC 3396). Options may go on in the fields `file` and
//! `sname` (option 52), which then hold no names.

use std::net::Ipv4Addr;

pub const BOOT_REPLY: u8 = 2;

/// Codes of the options that are read (RFC 2132).
pub mod code {
    pub const SUBNET_MASK: u8 = 1;
    pub const TIME_OFFSET: u8 = 2;
    pub const ROUTER: u8 = 3;
    pub const TIME_SERVER: u8 = 4;
    pub const DOMAIN_NAME_SERVER: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const NTP_SERVERS: u8 = 42;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_IDENTIFIER: u8 = 54;
    pub const PARAMETER_REQUEST_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAXIMUM_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const CLASS_IDENTIFIER: u8 = 60;
    pub const BOOT_FILE_NAME: u8 = 67;
    /// RFC 3925
    pub const VENDOR_CLASS: u8 = 124;
}

const PAD: u8 = 0;
const END: u8 = 255;

/// From `op` to `giaddr`.
const NUMBERS_BYTES: usize = 28;
const HARDWARE_ADDRESS_BYTES: usize = 16;
const SERVER_NAME_BYTES: usize = 64;
const FILE_BYTES: usize = 128;
const MAGIC_COOKIE: &[u8] = &[99, 130, 83, 99];

/// Whether all of a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The capture cut it.
    Cut,
}

/// A message, borrowed from its datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub op_code: u8,
    pub hardware_type: u8,
    pub hops: u8,
    pub transaction_id: u32,
    pub seconds: u16,
    pub flags: u16,
    pub client: Ipv4Addr,
    /// `yiaddr`: what the client is given.
    pub assigned: Ipv4Addr,
    pub relay: Ipv4Addr,
    /// As long as `hlen` says, at most 16 bytes.
    pub hardware_address: &'a [u8],
    /// Empty when options stand there.
    pub server_name: &'a [u8],
    /// Empty when options stand there.
    pub boot_file_name: &'a [u8],
    /// The option field, and those that go on in `file` and `sname`, in the order in which values are joined (RFC 3396).
    areas: [&'a [u8]; 3],
    /// A bit for each code that is there: most of those that are asked for are not.
    codes: [u64; 4],
}

impl<'a> Message<'a> {
    /// None for what is no DHCP message: too short, another cookie, options that go beyond the end or have no end.
    pub fn parse(bytes: &'a [u8], extent: Extent) -> Option<Message<'a>> {
        let (numbers, rest) = bytes.split_first_chunk::<NUMBERS_BYTES>()?;
        let (hardware_address, rest) = rest.split_at_checked(HARDWARE_ADDRESS_BYTES)?;
        let (server_name, rest) = rest.split_at_checked(SERVER_NAME_BYTES)?;
        let (file, rest) = rest.split_at_checked(FILE_BYTES)?;
        let options = rest.strip_prefix(MAGIC_COOKIE)?;
        if extent == Extent::Whole && !is_complete(options) {
            return None;
        }
        let overload = values(options, code::OVERLOAD).find_map(<[u8]>::first).copied().unwrap_or(0);
        let (file_options, file) = if overload & 1 != 0 { (file, &[][..]) } else { (&[][..], file) };
        let (name_options, server_name) =
            if overload & 2 != 0 { (server_name, &[][..]) } else { (&[][..], server_name) };
        let [op_code, hardware_type, hardware_length, hops, x0, x1, x2, x3, s0, s1, f0, f1, addresses @ ..] = *numbers;
        let [c0, c1, c2, c3, y0, y1, y2, y3, _, _, _, _, g0, g1, g2, g3] = addresses;
        let areas = [options, file_options, name_options];
        let mut codes = [0; 4];
        for (code, _) in areas.into_iter().flat_map(self::options) {
            codes[usize::from(code / 64)] |= 1 << (code % 64);
        }
        Some(Message {
            op_code,
            hardware_type,
            hops,
            transaction_id: u32::from_be_bytes([x0, x1, x2, x3]),
            seconds: u16::from_be_bytes([s0, s1]),
            flags: u16::from_be_bytes([f0, f1]),
            client: Ipv4Addr::new(c0, c1, c2, c3),
            assigned: Ipv4Addr::new(y0, y1, y2, y3),
            relay: Ipv4Addr::new(g0, g1, g2, g3),
            hardware_address: hardware_address.get(..usize::from(hardware_length)).unwrap_or(hardware_address),
            server_name: until_nul(server_name),
            boot_file_name: until_nul(file),
            areas,
            codes,
        })
    }

    /// Value of an option; one that was sent in parts is put together in `joined`. None when it is missing or empty.
    pub fn option<'b>(&self, code: u8, joined: &'b mut Vec<u8>) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        if self.codes[usize::from(code / 64)] & 1 << (code % 64) == 0 {
            return None;
        }
        let mut parts = self.areas.iter().flat_map(|area| values(area, code)).filter(|part| !part.is_empty());
        let first = parts.next()?;
        let Some(second) = parts.next() else { return Some(first) };
        joined.clear();
        joined.extend_from_slice(first);
        joined.extend_from_slice(second);
        parts.for_each(|part| joined.extend_from_slice(part));
        Some(joined)
    }

    /// Whether an option is there.
    pub fn has_option(&self) -> bool {
        self.codes != [0; 4]
    }
}

/// Whether the options have an end. No options at all need none.
fn is_complete(area: &[u8]) -> bool {
    let mut rest = Options { rest: area };
    while rest.next().is_some() {}
    area.is_empty() || rest.rest.first() == Some(&END)
}

fn values(area: &[u8], code: u8) -> impl Iterator<Item = &[u8]> {
    options(area).filter_map(move |(found, value)| (found == code).then_some(value))
}

fn options(area: &[u8]) -> Options<'_> {
    Options { rest: area }
}

/// Codes and values, up to the end, or to an option that goes beyond its area: what is left then begins with it.
struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        while let [PAD, rest @ ..] = self.rest {
            self.rest = rest;
        }
        match self.rest {
            [] | [END, ..] => None,
            [code, length, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                self.rest = rest;
                Some((*code, value))
            }
            [_] => None,
        }
    }
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}
