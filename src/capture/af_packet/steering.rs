// SPDX-License-Identifier: Apache-2.0
//! The program with which the kernel chooses the worker of a packet: [`SumHash`] of the outermost addresses, and of the
//! ports where TCP or UDP follows at once.
//!
//! Limits: for tunnels, fragments and IPv6 extension headers it takes the addresses alone, and it follows two VLAN tags that
//! are in the frame; the software home differs then, and the packet is handed over.

use crate::capture::bpf::program::*;
use crate::capture::placement::{SHIFT_AFTER, SHIFT_BEFORE, SumHash};

/// Scratch memory: the offset of the network header behind the tags, the sum so far, a number.
const BASE: u32 = 0;
const SUM: u32 = 1;
const NUMBER: u32 = 2;

const ETHERTYPE_IPV4: u32 = 0x0800;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_VLAN: u32 = 0x8100;
const ETHERTYPE_SERVICE_VLAN: u32 = 0x88a8;
const TCP: u32 = 6;
const UDP: u32 = 17;
/// More fragments, or an offset.
const FRAGMENT: u32 = 0x3fff;

/// The program of a hash. Its result modulo the number of workers is the worker.
pub fn program(sums: &SumHash) -> Option<Program> {
    let mut builder = Builder::default();
    let (ipv4, ipv6, other) = (builder.label(), builder.label(), builder.label());
    let (ports_ipv4, ports_ipv6) = (builder.label(), builder.label());
    let (ports, end) = (builder.label(), builder.label());

    // EtherType, behind up to two tags that are still in the frame.
    builder.add(LOAD_X, 0);
    builder.add(LOAD_WORD, AUXILIARY_PROTOCOL);
    for tags in 0..3 {
        builder.jump(Condition::Equals(ETHERTYPE_IPV4), ipv4);
        builder.jump(Condition::Equals(ETHERTYPE_IPV6), ipv6);
        if tags == 2 {
            break;
        }
        let tag = builder.label();
        builder.jump(Condition::Equals(ETHERTYPE_VLAN), tag);
        builder.jump(Condition::Equals(ETHERTYPE_SERVICE_VLAN), tag);
        builder.jump(Condition::Always, other);
        builder.place(tag);
        builder.add(LOAD_HALF_AT_X, NETWORK + 2);
        builder.add(LOAD_X, 4 * (tags + 1));
    }
    builder.jump(Condition::Always, other);

    // IPv4: the last words of both mapped addresses; what comes before in them is the same for all.
    builder.place(ipv4);
    builder.add(STORE_X, BASE);
    add_words(&mut builder, 12, 16);
    builder.add(MULTIPLY, sums.words[3]);
    builder.add(LOAD_X, 0x1_fffe_u32.wrapping_mul(sums.words[2]));
    builder.add(ADD_X, 0);
    builder.add(STORE, SUM);
    builder.add(LOAD_X_MEMORY, BASE);
    builder.add(LOAD_HALF_AT_X, NETWORK + 6);
    builder.jump(Condition::Has(FRAGMENT), end);
    builder.add(LOAD_BYTE_AT_X, NETWORK + 9);
    builder.jump(Condition::Equals(TCP), ports_ipv4);
    builder.jump(Condition::Equals(UDP), ports_ipv4);
    builder.jump(Condition::Always, end);
    builder.place(ports_ipv4);
    builder.add(LOAD_BYTE_AT_X, NETWORK);
    builder.add(AND, 0x0f);
    builder.add(SHIFT_LEFT, 2);
    builder.add(ADD_X, 0);
    builder.add(TO_X, 0);
    builder.jump(Condition::Always, ports);

    // IPv6.
    builder.place(ipv6);
    builder.add(STORE_X, BASE);
    for (word, factor) in (0..).zip(sums.words) {
        if word > 0 {
            builder.add(STORE, SUM);
            builder.add(LOAD_X_MEMORY, BASE);
        }
        add_words(&mut builder, 8 + 4 * word, 24 + 4 * word);
        builder.add(MULTIPLY, factor);
        if word > 0 {
            builder.add(LOAD_X_MEMORY, SUM);
            builder.add(ADD_X, 0);
        }
    }
    builder.add(STORE, SUM);
    builder.add(LOAD_X_MEMORY, BASE);
    builder.add(LOAD_BYTE_AT_X, NETWORK + 6);
    builder.jump(Condition::Equals(TCP), ports_ipv6);
    builder.jump(Condition::Equals(UDP), ports_ipv6);
    builder.jump(Condition::Always, end);
    builder.place(ports_ipv6);
    builder.add(LOAD_WORD_IMMEDIATE, 40);
    builder.add(ADD_X, 0);
    builder.add(TO_X, 0);

    // The ports, at X.
    builder.place(ports);
    builder.add(LOAD_HALF_AT_X, NETWORK);
    builder.add(STORE, NUMBER);
    builder.add(LOAD_HALF_AT_X, NETWORK + 2);
    builder.add(LOAD_X_MEMORY, NUMBER);
    builder.add(ADD_X, 0);
    builder.add(MULTIPLY, sums.ports);
    builder.add(LOAD_X_MEMORY, SUM);
    builder.add(ADD_X, 0);
    builder.add(STORE, SUM);

    builder.place(end);
    builder.add(LOAD_MEMORY, SUM);
    builder.add(TO_X, 0);
    builder.add(SHIFT_RIGHT, SHIFT_BEFORE);
    builder.add(XOR_X, 0);
    builder.add(MULTIPLY, sums.mix);
    builder.add(TO_X, 0);
    builder.add(SHIFT_RIGHT, SHIFT_AFTER);
    builder.add(XOR_X, 0);
    builder.add(RETURN_A, 0);

    builder.place(other);
    builder.add(RETURN, 0);
    builder.build()
}

/// A = the sum of the words at two offsets of the network header at X. X is lost.
fn add_words(builder: &mut Builder, first: u32, second: u32) {
    builder.add(LOAD_WORD_AT_X, NETWORK + first);
    builder.add(STORE, NUMBER);
    builder.add(LOAD_WORD_AT_X, NETWORK + second);
    builder.add(LOAD_X_MEMORY, NUMBER);
    builder.add(ADD_X, 0);
}
