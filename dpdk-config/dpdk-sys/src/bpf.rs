// SPDX-License-Identifier: Apache-2.0
//! libpcap filters on mbufs: a classic BPF program, converted to DPDK's eBPF (`convert.rs`) and compiled to native code
//! where DPDK can.
//!
//! Limits: what libpcap means by data beside the packet (Linux's ancillary data, which `pcap_compile` uses on live
//! kernel interfaces only) is not in an mbuf; a program compiled for a dead handle does not use it.

use std::fmt;
use std::ptr::NonNull;
use std::str::FromStr;

use crate::eal::live;
use crate::{Eal, Error, Mbuf, sys};

mod convert;

/// Most instructions of a classic BPF program (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4096;

/// One classic BPF instruction, as `pcap_compile` makes it (`struct bpf_insn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassicInstruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// Operand.
    pub k: u32,
}

impl FromStr for ClassicInstruction {
    type Err = FilterError;

    /// Reads the four decimal numbers of `tcpdump -ddd`, which is how the pcap crate displays an instruction.
    fn from_str(line: &str) -> Result<Self, FilterError> {
        let invalid = || FilterError::Invalid { instruction: 0, why: format!("{line:?} is not four numbers") };
        let mut numbers = line.split_whitespace();
        let mut next = || numbers.next().ok_or_else(invalid);
        let instruction = Self {
            code: next()?.parse().map_err(|_| invalid())?,
            jump_true: next()?.parse().map_err(|_| invalid())?,
            jump_false: next()?.parse().map_err(|_| invalid())?,
            k: next()?.parse().map_err(|_| invalid())?,
        };
        if numbers.next().is_some() { Err(invalid()) } else { Ok(instruction) }
    }
}

/// A loaded filter. It may be run by any number of threads at once.
#[derive(Debug)]
pub struct Filter {
    program: NonNull<sys::rte_bpf>,
    native: Option<NativeCode>,
}

/// Native code takes the mbuf and gives the filter's result.
type NativeCode = unsafe extern "C" fn(*mut std::ffi::c_void) -> u64;

// SAFETY: a loaded program is only read; its state while running is on the stack of the thread that runs it.
unsafe impl Send for Filter {}
// SAFETY: as above.
unsafe impl Sync for Filter {}

/// How a filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// As native code; packets of several segments are interpreted.
    Native,
    /// By DPDK's interpreter.
    Interpreted,
}

impl Filter {
    /// Loads a program of `pcap_compile`'s, made for link type Ethernet.
    ///
    /// # Errors
    /// When the program is malformed, reads data beside the packet, or DPDK does not take it. All but the first can be
    /// run in user space, by libpcap's interpreter.
    pub fn new(_eal: &Eal, program: &[ClassicInstruction]) -> Result<Self, FilterError> {
        if program.is_empty() || program.len() > INSTRUCTIONS_MAX {
            let why = format!("the program has {} instructions; accepted are 1 to {INSTRUCTIONS_MAX}", program.len());
            return Err(FilterError::Invalid { instruction: 0, why });
        }
        let converted = convert::convert(program)?;
        let parameters = sys::rte_bpf_prm {
            ins: converted.as_ptr(),
            nb_ins: converted.len() as u32,
            xsym: std::ptr::null(),
            nb_xsym: 0,
            prog_arg: sys::rte_bpf_arg {
                type_: sys::rte_bpf_arg_type_RTE_BPF_ARG_PTR_MBUF,
                size: sys::SHIM_MBUF_BYTES as usize,
                buf_size: 0,
            },
        };
        // SAFETY: the parameters and the instructions live through the call, which copies them.
        let loaded = NonNull::new(unsafe { sys::rte_bpf_load(&raw const parameters) })
            .ok_or_else(|| Error::from_rte_errno("DPDK cannot load the filter"));
        let program = loaded.map_err(FilterError::Refused)?;
        live::add();
        Ok(Self { program, native: native_code(program) })
    }

    /// Whether the packet passes.
    #[inline]
    pub fn matches(&self, mbuf: &Mbuf) -> bool {
        self.run(mbuf) != 0
    }

    /// The program's result: 0 to reject, else the number of bytes to keep.
    #[inline]
    pub fn run(&self, mbuf: &Mbuf) -> u64 {
        match self.native {
            // Before DPDK 26.03, native code calls the function for segmented packets with a misaligned stack.
            // SAFETY: the code was made for an mbuf as its argument and only reads it; the mbuf is valid.
            Some(native) if mbuf.is_contiguous() => unsafe { native(mbuf.as_raw().cast()) },
            // SAFETY: the program is loaded and was made for an mbuf as its argument, which is valid.
            _ => unsafe { sys::rte_bpf_exec(self.program.as_ptr(), mbuf.as_raw().cast()) },
        }
    }

    /// How the filter runs.
    pub fn execution(&self) -> Execution {
        if self.native.is_some() { Execution::Native } else { Execution::Interpreted }
    }

    /// The same filter without its native code, to compare.
    pub fn interpreted(mut self) -> Self {
        self.native = None;
        self
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: the program was loaded and has no other owner.
        unsafe { sys::rte_bpf_destroy(self.program.as_ptr()) };
        live::remove();
    }
}

/// The program's native code, when DPDK made any: it has a compiler for x86-64 and 64-bit Arm, and needs executable
/// memory.
fn native_code(program: NonNull<sys::rte_bpf>) -> Option<NativeCode> {
    let mut native = sys::rte_bpf_jit { func: None, sz: 0 };
    // SAFETY: the program is loaded and the pointer valid.
    (unsafe { sys::rte_bpf_get_jit(program.as_ptr(), &raw mut native) } == 0).then_some(native.func).flatten()
}

/// Why a filter cannot run on mbufs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// The program is not one that `pcap_compile` makes.
    Invalid {
        /// Number of the instruction, from 0.
        instruction: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The program reads data that is not in the packet but kept beside it by the kernel.
    BesidePacket {
        /// Number of the instruction, from 0.
        instruction: usize,
    },
    /// DPDK does not take the program.
    Refused(Error),
}

impl FilterError {
    /// Whether libpcap's interpreter can run the program instead.
    pub fn can_run_in_user_space(&self) -> bool {
        !matches!(self, Self::Invalid { .. })
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { instruction, why } => {
                write!(formatter, "filter instruction {instruction} is malformed: {why}")
            }
            Self::BesidePacket { instruction } => {
                write!(formatter, "filter instruction {instruction} reads data that the kernel keeps beside the packet")
            }
            Self::Refused(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
