// SPDX-License-Identifier: Apache-2.0
//! Which worker is the home of a flow. Both directions of a flow must have the same home, whatever chose the queue that a
//! packet came through; a packet that came through another queue is handed over.
//!
//! Limit: [`SumHash`] is no cryptographic hash. Who knows the constants can aim at one worker; they are random in every
//! process, and the flow table behind has a keyed hash of its own.

use crate::wire::IpAddress;

/// How the home of a flow is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// By the keyed hash of the flow table.
    KeyedHash,
    /// By a sum that the kernel computes too when it chooses the queue of a packet, so that few packets are handed over.
    Sums(SumHash),
    /// Wherever it came: queues are chosen by somebody who keeps both directions together, and other processes have some. Of a
    /// tunnel the outer addresses and ports chose, which may part the directions of the flows inside.
    AsItCame,
}

/// A symmetric hash of addresses and ports that is simple enough for a classic BPF program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumHash {
    /// Factors of the four words of the sum of the addresses.
    pub words: [u32; 4],
    /// Factor of the sum of the ports.
    pub ports: u32,
    /// Factor of the last mixing.
    pub mix: u32,
}

impl SumHash {
    /// From random numbers.
    pub fn new(random: [u32; 6]) -> SumHash {
        // Odd factors lose nothing.
        let [a, b, c, d, ports, mix] = random.map(|number| number | 1);
        SumHash { words: [a, b, c, d], ports, mix }
    }

    /// The home of the flow between two ends; ports are 0 where there are none.
    #[inline]
    pub fn home(&self, low: &IpAddress, high: &IpAddress, ports: [u16; 2], workers: u16) -> u16 {
        (self.hash(low, high, ports) % u32::from(workers.max(1))) as u16
    }

    #[inline]
    fn hash(&self, low: &IpAddress, high: &IpAddress, [low_port, high_port]: [u16; 2]) -> u32 {
        let (low, high) = (words(low), words(high));
        let mut hash = (u32::from(low_port) + u32::from(high_port)).wrapping_mul(self.ports);
        for ((low, high), factor) in low.iter().zip(high).zip(self.words) {
            hash = hash.wrapping_add(low.wrapping_add(high).wrapping_mul(factor));
        }
        hash ^= hash >> SHIFT_BEFORE;
        hash = hash.wrapping_mul(self.mix);
        hash ^ (hash >> SHIFT_AFTER)
    }
}

/// Shifts around the last factor.
pub const SHIFT_BEFORE: u32 = 16;
pub const SHIFT_AFTER: u32 = 15;

/// An address as numbers, in network order.
#[inline]
fn words(address: &IpAddress) -> [u32; 4] {
    let bytes = address.octets();
    [0, 4, 8, 12].map(|at| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: SumHash =
        SumHash { words: [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f], ports: 0x1656_67b1, mix: 0x7feb_352d };

    #[test]
    fn both_directions_have_one_home() {
        for port in 0..1000 {
            let a = IpAddress::from_ipv4([10, 0, 0, 1]);
            let b = IpAddress::from_ipv4([10, 0, (port >> 8) as u8, port as u8]);
            assert_eq!(SUMS.hash(&a, &b, [port, 80]), SUMS.hash(&b, &a, [80, port]));
        }
    }

    #[test]
    fn client_ports_spread_over_the_workers() {
        for workers in [2, 3, 4, 8] {
            let mut homes = vec![0; usize::from(workers)];
            let client = IpAddress::from_ipv4([192, 168, 0, 1]);
            let server = IpAddress::from_ipv4([192, 168, 0, 2]);
            for port in 32_768..36_864 {
                homes[usize::from(SUMS.home(&client, &server, [port, 443], workers))] += 1;
            }
            let even = 4096 / usize::from(workers);
            assert!(homes.iter().all(|count| *count > even * 3 / 4 && *count < even * 5 / 4), "{workers}: {homes:?}");
        }
    }
}
