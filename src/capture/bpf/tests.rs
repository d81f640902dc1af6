// SPDX-License-Identifier: Apache-2.0

use super::program::RETURN;
use super::*;

#[test]
fn a_filter_is_compiled_as_libpcap_prints_it() {
    let program = compile("ip", DLT_ETHERNET).expect("a filter");
    let lines: Vec<_> = program.0.iter().map(|one| (one.code, one.jump_true, one.jump_false, one.value)).collect();
    // `tcpdump -ddd ip`, with libpcap's length for a handle without a device.
    assert_eq!(lines, [(0x28, 0, 0, 12), (0x15, 0, 1, 0x800), (0x06, 0, 0, 65_535), (0x06, 0, 0, 0)]);
}

#[test]
fn what_is_wrong_with_a_filter_is_said() {
    for filter in ["tcp port", "host 1.2.3.4.5", "port http or (", "no such thing"] {
        let sentence = compile(filter, DLT_ETHERNET).expect_err(filter);
        assert!(!sentence.is_empty() && !sentence.contains("libpcap error"), "{sentence}");
    }
}

#[test]
fn a_program_is_cut_to_the_snapshot_length() {
    let program = compile("tcp", DLT_ETHERNET).expect("a filter").cut(96);
    let lengths: Vec<u32> = program.0.iter().filter(|one| one.code == RETURN).map(|one| one.value).collect();
    assert_eq!(lengths, [96, 0]);
    assert_eq!(Program::everything().cut(128).0[0].value, 128);
    let lengths: Vec<u32> = program.whole().0.iter().filter(|one| one.code == RETURN).map(|one| one.value).collect();
    assert_eq!(lengths, [u32::MAX, 0]);
}

#[test]
fn a_filter_for_packets_at_hand_is_applied() {
    let program = compile_for_packets("udp port 53", DLT_RAW).expect("a filter");
    let mut packet = [0_u8; 28];
    packet[..10].copy_from_slice(&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17]);
    packet[20..24].copy_from_slice(&[0, 53, 0x80, 0]);
    assert!(program.filter(&packet));
    packet[21] = 54;
    assert!(!program.filter(&packet));
}

#[test]
fn jumps_reach_their_labels() {
    let mut builder = Builder::default();
    let end = builder.label();
    builder.add(program::LOAD_WORD, 0);
    builder.jump(Condition::Equals(1), end);
    builder.add(RETURN, 7);
    builder.place(end);
    builder.add(RETURN, 0);
    let program = builder.build().expect("a program");
    assert_eq!((program.0[1].jump_true, program.0[1].jump_false), (1, 0));
    let mut lost = Builder::default();
    let nowhere = lost.label();
    lost.jump(Condition::Always, nowhere);
    assert!(lost.build().is_none());
}
