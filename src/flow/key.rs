// SPDX-License-Identifier: Apache-2.0
//! The key of a flow: both directions of a conversation give the same one, and its keyed hash.

use bytemuck::{Pod, Zeroable};

use crate::wire::{Decoded, IpAddress, Transport};

/// The innermost addresses and ports, the lower end first. Without IP the MAC addresses stand in for the addresses.
#[derive(Clone, Copy, Debug, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlowKey {
    pub low: IpAddress,
    pub high: IpAddress,
    pub low_port: u16,
    pub high_port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    kind: u8,
    reserved: u16,
    /// The [`realm`](super::realm()) of the conversation itself, of a fragment with its identification. Odd: the
    /// [`Identity`](super::Identity) of a further flow of the same conversation: the same addresses and ports with other
    /// MAC addresses, VLANs or outer addresses.
    pub variant: u64,
}

impl PartialEq for FlowKey {
    /// In words and without a way out: keys that are compared are equal most of the time.
    #[inline]
    fn eq(&self, other: &FlowKey) -> bool {
        let (words, others): (&[u64; 6], &[u64; 6]) = (bytemuck::cast_ref(self), bytemuck::cast_ref(other));
        words.iter().zip(others).fold(0, |difference, (word, other)| difference | (word ^ other)) == 0
    }
}

/// Which end of a key a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// The source is the key's low end.
    LowToHigh,
    HighToLow,
}

impl Orientation {
    pub fn opposite(self) -> Orientation {
        match self {
            Orientation::LowToHigh => Orientation::HighToLow,
            Orientation::HighToLow => Orientation::LowToHigh,
        }
    }

    /// A packet's source and destination as low and high end.
    pub fn ordered<T>(self, source: T, destination: T) -> (T, T) {
        match self {
            Orientation::LowToHigh => (source, destination),
            Orientation::HighToLow => (destination, source),
        }
    }
}

/// What a key stands for.
const KIND_IP: u8 = 1;
const KIND_LINK: u8 = 2;
const KIND_FRAGMENT: u8 = 3;

impl FlowKey {
    /// No conversation's.
    pub const NOTHING: FlowKey = FlowKey {
        low: IpAddress::UNSPECIFIED,
        high: IpAddress::UNSPECIFIED,
        low_port: 0,
        high_port: 0,
        protocol: 0,
        kind: 0,
        reserved: 0,
        variant: 0,
    };

    /// The key of a decoded packet in the realm without tunnels. A fragment's key is that of its datagram (addresses,
    /// protocol, identification). None
    /// without any address.
    #[inline]
    pub fn of(decoded: &Decoded) -> Option<(FlowKey, Orientation)> {
        let Some(network) = &decoded.network else {
            let ethernet = decoded.ethernet.as_ref()?;
            let widen = |mac: [u8; 6]| {
                let mut wide = [0; 16];
                wide[..6].copy_from_slice(&mac);
                IpAddress::from_ipv6(wide)
            };
            let ends = [(widen(ethernet.source.0), 0), (widen(ethernet.destination.0), 0)];
            return Some(FlowKey::ordered(ends, 0, KIND_LINK));
        };
        let (source_port, destination_port, kind) = match &decoded.transport {
            Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port, KIND_IP),
            Transport::Udp { source_port, destination_port } => (*source_port, *destination_port, KIND_IP),
            Transport::Fragment(fragment) => {
                // The identification is common to both ends' ports: it must not depend on the order of the ends.
                let (key, orientation) = FlowKey::ordered(
                    [(network.addresses.source, 0), (network.addresses.destination, 0)],
                    fragment.protocol,
                    KIND_FRAGMENT,
                );
                return Some((FlowKey { variant: u64::from(fragment.identification), ..key }, orientation));
            }
            _ => (0, 0, KIND_IP),
        };
        let ends = [(network.addresses.source, source_port), (network.addresses.destination, destination_port)];
        Some(FlowKey::ordered(ends, network.protocol, kind))
    }

    #[inline]
    fn ordered([source, destination]: [(IpAddress, u16); 2], protocol: u8, kind: u8) -> (FlowKey, Orientation) {
        let (low, high, orientation) = if source <= destination {
            (source, destination, Orientation::LowToHigh)
        } else {
            (destination, source, Orientation::HighToLow)
        };
        let key = FlowKey {
            low: low.0,
            high: high.0,
            low_port: low.1,
            high_port: high.1,
            protocol,
            kind,
            reserved: 0,
            variant: 0,
        };
        (key, orientation)
    }

    /// Whether the ends are IP addresses.
    pub fn is_ip(&self) -> bool {
        self.kind == KIND_IP
    }

    /// Whether the ends are MAC addresses.
    pub fn is_link(&self) -> bool {
        self.kind == KIND_LINK
    }

    pub fn with_variant(self, variant: u64) -> FlowKey {
        FlowKey { variant, ..self }
    }

    /// The same in another realm.
    #[inline]
    pub fn within(self, realm: u64) -> FlowKey {
        match (realm, self.variant) {
            (0, _) => self,
            (realm, 0) => self.with_variant(realm),
            (realm, identification) => self.with_variant(folded(realm, identification ^ 0x9e37_79b9_7f4a_7c15)),
        }
    }
}

/// The secret of the process: without it nobody can aim at one bucket or one worker.
#[derive(Clone, Copy, Debug)]
pub struct Secret([u64; 4]);

impl Secret {
    /// From random bytes.
    pub fn new(random: [u64; 4]) -> Secret {
        Secret(random.map(|word| word | 1))
    }

    /// Hash of a key: the upper half chooses the worker, the whole the bucket. The upper half is that of the inner addresses and
    /// ports, whatever the realm. Fragments share it with the messages without ports between their ends, so that ICMP stays in
    /// order on one worker.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        let hash = self.mixed(key);
        if key.variant == 0 && key.kind != KIND_FRAGMENT {
            return hash;
        }
        let kind = if key.kind == KIND_FRAGMENT { KIND_IP } else { key.kind };
        let home = self.mixed(&FlowKey { kind, variant: 0, ..*key });
        home & !u64::from(u32::MAX) | hash & u64::from(u32::MAX)
    }

    #[inline]
    fn mixed(&self, key: &FlowKey) -> u64 {
        let words: &[u64; 6] = bytemuck::cast_ref(key);
        let first = folded(words[0] ^ self.0[0], words[1] ^ self.0[1]);
        let second = folded(words[2] ^ self.0[2], words[3] ^ self.0[3]);
        // Of its parts, which a key that was just made is still in.
        let ports = u64::from(key.low_port) | u64::from(key.high_port) << 16;
        let fifth = ports | u64::from(key.protocol) << 32 | u64::from(key.kind) << 40;
        let third = folded(fifth ^ self.0[1], key.variant ^ self.0[3]);
        folded(first ^ self.0[0], second.rotate_left(23) ^ third ^ self.0[2])
    }
}

/// Both halves of the 128-bit product: every bit of the input reaches every bit of the result.
#[inline]
pub(super) fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}
