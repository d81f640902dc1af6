// SPDX-License-Identifier: Apache-2.0
//! The configured protocol sections and the ports they own.

/// Which section analyses a port.
pub struct Registry;
