// SPDX-License-Identifier: Apache-2.0
use super::*;

fn mask() -> Vec<usize> {
    let mask = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|core| mask.is_set(*core)).collect()
}

#[test]
fn threads_are_made_with_the_mask_and_the_caller_keeps_his() {
    let before = mask();
    let core = *before.last().unwrap();
    let inherited = with_cores(Some(&[core]), || thread::spawn(mask).join().unwrap());
    assert_eq!(inherited, [core]);
    assert_eq!(mask(), before);
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = spawn("wb-test", Some(&[core]), move || {
        sender.send((name_of_thread(), thread::spawn(mask).join().unwrap())).unwrap();
    });
    handle.unwrap().join().unwrap();
    assert_eq!(receiver.recv().unwrap(), ("wb-test".to_string(), vec![core]));
}

#[test]
fn cores_that_are_not_there_are_survived() {
    let before = mask();
    assert_eq!(with_cores(Some(&[100_000]), || 7), 7);
    assert_eq!(mask(), before);
}
