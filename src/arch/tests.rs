// SPDX-License-Identifier: Apache-2.0
//! Memory that is there when it is used, and asking for what is not.

use super::{Memory, prefetch, prefetch_bytes};

#[test]
fn memory_is_zero_and_keeps_what_is_written() {
    let mut memory: Memory<u64> = Memory::new(3_000_000).unwrap();
    assert_eq!(memory.len(), 3_000_000);
    assert!(memory.iter().step_by(1000).all(|value| *value == 0));
    let last = memory.len() - 1;
    (memory[0], memory[last]) = (7, 9);
    assert_eq!((memory[0], memory[1], memory[last]), (7, 0, 9));
    assert_eq!(std::ptr::from_ref(&memory[0]).addr() % 4096, 0);
}

#[test]
fn address_space_takes_no_memory() {
    // A terabyte, of which a page is used.
    let mut memory: Memory<u64> = Memory::new(1 << 37).unwrap();
    memory[1 << 36] = 1;
    assert_eq!(memory[1 << 36], 1);
}

#[test]
fn what_cannot_be_had_is_a_sentence() {
    let error = Memory::<u64>::new(usize::MAX / 8).err().unwrap();
    assert!(error.starts_with("the kernel gives no address space for"), "{error}");
    assert!(Memory::<u64>::new(usize::MAX).is_err());
    assert!(Memory::<u64>::new(0).unwrap().is_empty());
}

#[test]
fn asking_for_memory_changes_nothing() {
    let values = [[1u8; 200], [2; 200]];
    prefetch(&values);
    prefetch_bytes(&values[1]);
    prefetch_bytes(&[]);
    assert_eq!(values, [[1; 200], [2; 200]]);
}
