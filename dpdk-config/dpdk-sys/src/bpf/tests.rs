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
fn data_beside_the_packet_is_left_to_user_space() {
    // Linux's "VLAN tag present".
    let error = convert::convert(&program("48 0 0 4294963248,6 0 0 1")).map(|_| ()).unwrap_err();
    assert!(matches!(error, FilterError::BesidePacket { instruction: 0 }) && error.can_run_in_user_space(), "{error}");
}

#[test]
fn malformed_programs_are_refused() {
    let cases = [
        ("40 0 0 12", 0),                // falls off the end
        ("21 1 0 2048,6 0 0 1", 0),      // jumps beyond the end
        ("5 0 0 4294967295,6 0 0 0", 0), // jumps far beyond the end
        ("6 0 0 1,5 0 0 7,6 0 0 0", 1),  // the same in a place nothing reaches
        ("96 0 0 16,6 0 0 0", 0),        // memory word 16
        ("2 0 0 4294967295,6 0 0 0", 0), // memory word 4294967295
        ("52 0 0 0,6 0 0 0", 0),         // division by the constant 0
        ("148 0 0 0,6 0 0 0", 0),        // the remainder of one
        ("65535 0 0 0,6 0 0 0", 0),      // no such operation
    ];
    for (lines, instruction) in cases {
        let error = convert::convert(&program(lines)).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, FilterError::Invalid { instruction: found, .. } if *found == instruction),
            "{lines}: {error}"
        );
        assert!(!error.can_run_in_user_space());
    }
    for line in ["", "1 2 3", "1 2 3 4 5", "x 0 0 0", "1 256 0 0", "1 0 0 4294967296"] {
        assert!(line.parse::<ClassicInstruction>().is_err(), "{line:?}");
    }
}

#[test]
fn code_that_nothing_reaches_is_left_out() {
    let with_dead_code = convert::convert(&program("5 0 0 1,48 0 0 0,6 0 0 7")).unwrap();
    let without = convert::convert(&program("5 0 0 0,6 0 0 7")).unwrap();
    assert_eq!(with_dead_code.len(), without.len() + 1, "the jump over it stays");
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
        accepted += u32::from(convert::convert(&mutated).is_ok());
    }
    assert!(accepted > 100, "{accepted} programs were accepted");
}
