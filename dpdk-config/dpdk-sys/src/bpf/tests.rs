// SPDX-License-Identifier: Apache-2.0
use super::*;

/// A program from the lines of `tcpdump -ddd`.
fn program(lines: &str) -> Vec<ClassicInstruction> {
    lines.split(',').map(|line| line.parse().unwrap()).collect()
}

fn compiled(expression: &str) -> Vec<ClassicInstruction> {
    let capture = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap();
    let compiled = capture.compile(expression, true).unwrap();
    compiled.get_instructions().iter().map(|instruction| instruction.to_string().parse().unwrap()).collect()
}

#[test]
fn ordinary_filters_have_bounded_offsets() {
    for expression in [
        "",
        "tcp port 80",
        "ip6 and udp portrange 1000-2000",
        "vlan 12 and (host 10.0.0.1 or net 2001:db8::/32)",
        "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
        "ip[2:2] - ((ip[0] & 0xf) << 2) > 100",
        "icmp[icmptype] = icmp-echo and greater 200",
        "mpls and ether multicast",
    ] {
        assert_eq!(bounds::check(&compiled(expression)), Ok(()), "{expression}");
    }
}

#[test]
fn offsets_made_of_packet_bytes_are_refused() {
    for expression in ["ether[ether[0:4]:4] = 1", "ip[ip[4:4]] = 1", "ether[ether[12:2] - 2000] = 3", "ether[len - 1] = 0"] {
        let error = bounds::check(&compiled(expression)).unwrap_err();
        assert!(matches!(error, FilterError::Unbounded { .. }) && error.can_run_in_user_space(), "{expression}: {error}");
    }
    // A half-word as an offset has a bound.
    assert_eq!(bounds::check(&compiled("ether[ether[12:2]] = 3")), Ok(()));
}

#[test]
fn malformed_programs_are_refused() {
    for (lines, instruction) in [
        ("40 0 0 12", 0),                      // falls off the end
        ("21 1 0 2048,6 0 0 1", 0),            // jumps beyond the end
        ("5 0 0 4294967295,6 0 0 0", 0),       // jumps far beyond the end
        ("6 0 0 1,5 0 0 7,6 0 0 0", 1),        // the same in a place nothing reaches
        ("96 0 0 16,6 0 0 0", 0),              // memory word 16
        ("2 0 0 4294967295,6 0 0 0", 0),       // memory word 4294967295
        ("52 0 0 0,6 0 0 0", 0),               // division by the constant 0
        ("100 0 0 32,6 0 0 0", 0),             // shift by 32
        ("65535 0 0 0,6 0 0 0", 0),            // no such operation
    ] {
        let error = bounds::check(&program(lines)).unwrap_err();
        assert!(matches!(&error, FilterError::Invalid { instruction: found, .. } if *found == instruction), "{lines}: {error}");
        assert!(!error.can_run_in_user_space());
    }
    for line in ["", "1 2 3", "1 2 3 4 5", "x 0 0 0", "1 256 0 0", "1 0 0 4294967296"] {
        assert!(line.parse::<ClassicInstruction>().is_err(), "{line:?}");
    }
}

#[test]
fn bounds_join_where_paths_meet() {
    // One path loads a byte into the accumulator, the other a word; then it becomes the index of a load.
    let joined = program("48 0 0 0,21 1 0 5,32 0 0 0,7 0 0 0,80 0 0 0,6 0 0 1");
    assert_eq!(bounds::check(&joined), Err(FilterError::Unbounded { instruction: 4 }));
    let bytes_only = program("48 0 0 0,21 1 0 5,48 0 0 1,7 0 0 0,80 0 0 0,6 0 0 1");
    assert_eq!(bounds::check(&bytes_only), Ok(()));
}

#[test]
fn mutated_programs_never_panic() {
    let mut random = fastrand::Rng::with_seed(0x0b5f_0b5f);
    let original = compiled("tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420 or vlan 12 and udp port 53");
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut mutated = original.clone();
        mutated.truncate(random.usize(1..=original.len()));
        for _ in 0..random.usize(0..3) {
            let place = random.usize(0..mutated.len());
            let instruction = &mut mutated[place];
            match random.u8(0..4) {
                0 => instruction.code = random.u16(..),
                1 => instruction.jump_true = random.u8(..),
                2 => instruction.jump_false = random.u8(..),
                _ => instruction.k = random.u32(..),
            }
        }
        accepted += u32::from(bounds::check(&mutated).is_ok());
    }
    assert!(accepted > 100, "{accepted} programs were accepted");
}
