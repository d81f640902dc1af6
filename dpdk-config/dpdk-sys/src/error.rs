// SPDX-License-Identifier: Apache-2.0
//! The one error type of the safe layer: a sentence, and DPDK's error number for those who branch on it.

use std::ffi::CStr;
use std::fmt;

use crate::sys;

/// Why DPDK refused, as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    sentence: String,
    errno: i32,
}

impl Error {
    /// An error of this crate's own checks, without an error number.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), errno: 0 }
    }

    /// An error from a DPDK call that returned a negative error number: `what` is followed by the number's meaning.
    pub(crate) fn from_code(what: impl fmt::Display, code: i32) -> Self {
        let errno = code.saturating_abs();
        Self { sentence: format!("{what}: {}", describe(errno)), errno }
    }

    /// An error from a DPDK call that left its number in `rte_errno`.
    pub(crate) fn from_rte_errno(what: impl fmt::Display) -> Self {
        // SAFETY: reads a thread-local integer.
        Self::from_code(what, unsafe { sys::shim_errno() })
    }

    /// The error number (`errno.h`), 0 when the error is not DPDK's.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Whether the driver does not implement what was asked, as opposed to having failed.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.errno, libc::ENOTSUP | libc::ENOSYS)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl std::error::Error for Error {}

/// The meaning of an error number, DPDK's own numbers included.
fn describe(errno: i32) -> String {
    // SAFETY: rte_strerror returns a static or thread-local string that is valid until this thread's next call.
    let text = unsafe { CStr::from_ptr(sys::rte_strerror(errno)) };
    format!("{} (error {errno})", text.to_string_lossy())
}
