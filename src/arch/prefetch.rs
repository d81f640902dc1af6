// SPDX-License-Identifier: Apache-2.0
//! Asks for memory that will be read soon, so that the waits for several places overlap. Nothing happens on machines other than
//! x86-64 and AArch64.

/// What a cache takes at once, on every machine that this runs on.
const LINE_BYTES: usize = 64;

/// Asks for all cache lines of a value that begins on one.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    for offset in (0..size_of::<T>().max(1)).step_by(LINE_BYTES) {
        line(start.wrapping_add(offset));
    }
}

/// Asks for the first cache line of some bytes.
#[inline(always)]
pub fn prefetch_bytes(bytes: &[u8]) {
    line(bytes.as_ptr());
}

#[inline(always)]
fn line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is in every x86-64 processor, reads nothing into the program, and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch(address.cast(), std::arch::x86_64::_MM_HINT_T0);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the instruction reads nothing into the program, changes no register or flag, and faults at no address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
