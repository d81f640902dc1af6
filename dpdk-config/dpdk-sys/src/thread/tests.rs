// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn a_set_prints_as_the_kernels_list() {
    let list = |cpus: &[usize]| cpus.iter().copied().collect::<CpuSet>().to_string();
    assert_eq!(list(&[]), "");
    assert_eq!(list(&[0]), "0");
    assert_eq!(list(&[3, 1, 2, 8, 63, 64, 1023]), "1-3,8,63-64,1023");
}

#[test]
fn numbers_beyond_the_mask_are_refused() {
    let mut set = CpuSet::new();
    assert!(set.insert(CPU_LIMIT - 1) && !set.insert(CPU_LIMIT) && !set.insert(usize::MAX));
    assert!(set.contains(CPU_LIMIT - 1) && !set.contains(CPU_LIMIT));
    assert_eq!((set.len(), set.is_empty()), (1, false));
}

#[test]
fn the_raw_form_keeps_every_cpu() {
    let set: CpuSet = [0, 5, 64, 700, 1023].into_iter().collect();
    assert_eq!(CpuSet::from_raw(&set.to_raw()), set);
}

#[test]
fn pinning_takes_effect_and_names_absent_cpus() {
    std::thread::spawn(|| {
        let allowed = CpuSet::of_current_thread().unwrap();
        let one: CpuSet = allowed.iter().take(1).collect();
        one.pin_current_thread().unwrap();
        assert_eq!(CpuSet::of_current_thread().unwrap(), one);
        let mut with_absent = one.clone();
        with_absent.insert(1023);
        let error = with_absent.pin_current_thread().unwrap_err();
        assert!(error.to_string().contains("CPUs 1023 are not online"), "{error}");
        assert!(CpuSet::new().pin_current_thread().is_err());
    })
    .join()
    .unwrap();
}
