// SPDX-License-Identifier: Apache-2.0
//! The CPU's time stamp counter. Its frequency is measured by EAL, so it is known only after EAL's start.

use crate::{Eal, sys};

/// The time stamp counter now. A call of a few nanoseconds; once a burst, not once a packet.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: reads a CPU register.
    unsafe { sys::shim_rdtsc() }
}

/// Ticks of [`ticks`] a second.
pub fn ticks_per_second(_eal: &Eal) -> u64 {
    // SAFETY: reads a variable that EAL's start has set.
    unsafe { sys::rte_get_tsc_hz() }
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn pause() {
    std::hint::spin_loop();
}
