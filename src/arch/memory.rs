// SPDX-License-Identifier: Apache-2.0
//! Large tables: address space for as many values as there can be, memory for those that have been used, in huge pages where
//! the kernel has any. A table that grows is never moved.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytemuck::Zeroable;

/// A slice of zeroed values in memory of its own. What was never touched takes none.
pub struct Memory<T> {
    values: NonNull<T>,
    count: usize,
    /// Of the mapping; 0 for none.
    bytes: usize,
}

/// From this size on huge pages are asked for: each is 2 MiB on most machines.
const HUGE_FROM_BYTES: usize = 4 << 20;

impl<T: Zeroable> Memory<T> {
    /// Address space for `count` values. The error is a sentence.
    pub fn new(count: usize) -> Result<Memory<T>, String> {
        const { assert!(align_of::<T>() <= 4096 && size_of::<T>() > 0 && !std::mem::needs_drop::<T>()) };
        let refused = |why: &dyn std::fmt::Display| {
            format!("the kernel gives no address space for {count} entries of {} bytes: {why}", size_of::<T>())
        };
        let bytes = count.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize);
        let bytes = bytes.ok_or_else(|| refused(&"that is more than there can be"))?;
        if bytes == 0 {
            return Ok(Memory { values: NonNull::dangling(), count: 0, bytes: 0 });
        }
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory of the program.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(refused(&std::io::Error::last_os_error()));
        }
        if bytes >= HUGE_FROM_BYTES {
            // Without huge pages it works too, so the answer does not matter.
            // SAFETY: the range is the mapping above; the advice changes no contents.
            unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
        }
        match NonNull::new(start.cast()) {
            Some(values) => Ok(Memory { values, count, bytes }),
            None => Err(refused(&"address 0")),
        }
    }
}

impl<T> Deref for Memory<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `count` values, aligned to a page, zeroed at first (`Zeroable`: that is a value) and
        // later only written as `T`; it is this one's alone until it is dropped.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr(), self.count) }
    }
}

impl<T> DerefMut for Memory<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.count) }
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: the mapping is this one's alone, and nobody can refer to it any more.
            unsafe { libc::munmap(self.values.as_ptr().cast(), self.bytes) };
        }
    }
}

// SAFETY: it owns its values, as a boxed slice does.
unsafe impl<T: Send> Send for Memory<T> {}
// SAFETY: shared it gives shared slices only, as a boxed slice does.
unsafe impl<T: Sync> Sync for Memory<T> {}
