// SPDX-License-Identifier: Apache-2.0
//! libpcap filters on mbufs: a classic BPF program, converted by DPDK to eBPF and compiled to native code where DPDK can.
//!
//! Limits: DPDK computes the offset of a packet load in 32 bits and adds the load's size without a check for wrap-around (until 2025's
//! releases), so a load whose offset comes from packet bytes, as in `ether[ether[0:4]:4]`, could read outside of the packet. A program is
//! therefore accepted only when the greatest value of every load's offset is provably small (`bounds.rs`); filters of ordinary
//! expressions all are. The others run on [`crate::Mbuf::data`] in user space, with libpcap's own interpreter.

use std::fmt;
use std::ptr::NonNull;
use std::str::FromStr;

use crate::eal::live;
use crate::{Eal, Error, Mbuf, sys};

mod bounds;

/// Most instructions of a classic BPF program (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4096;

/// One classic BPF instruction, as `pcap_compile` makes it (`struct bpf_insn`).
#[repr(C)]
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
    /// When the program is malformed, a load's offset has no bound, or DPDK does not take it. All but the first can be run in user space.
    pub fn new(_eal: &Eal, program: &[ClassicInstruction]) -> Result<Self, FilterError> {
        if program.is_empty() || program.len() > INSTRUCTIONS_MAX {
            let why = format!("the program has {} instructions; accepted are 1 to {INSTRUCTIONS_MAX}", program.len());
            return Err(FilterError::Invalid { instruction: 0, why });
        }
        bounds::check(program)?;
        let classic = ClassicProgram { length: program.len() as u32, instructions: program.as_ptr() };
        // SAFETY: ClassicProgram has the layout of libpcap's bpf_program, and lives through the call, as do the instructions.
        let converted = unsafe { sys::rte_bpf_convert((&raw const classic).cast()) };
        if converted.is_null() {
            return Err(FilterError::Refused(Error::from_rte_errno("DPDK cannot convert the filter")));
        }
        // SAFETY: `converted` is a valid parameter block; it is not needed any more after the load, which copies it.
        let loaded = unsafe {
            let loaded = sys::rte_bpf_load(converted);
            let error = Error::from_rte_errno("DPDK cannot load the filter");
            sys::rte_free(converted.cast());
            NonNull::new(loaded).ok_or(error)
        };
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

/// The program's native code, when DPDK made any: it has a compiler for x86-64 and 64-bit Arm, and needs executable memory.
fn native_code(program: NonNull<sys::rte_bpf>) -> Option<NativeCode> {
    let mut native = sys::rte_bpf_jit { func: None, sz: 0 };
    // SAFETY: the program is loaded and the pointer valid.
    (unsafe { sys::rte_bpf_get_jit(program.as_ptr(), &raw mut native) } == 0).then_some(native.func).flatten()
}

/// libpcap's `struct bpf_program`.
#[repr(C)]
struct ClassicProgram {
    length: u32,
    instructions: *const ClassicInstruction,
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
    /// A packet load's offset depends on packet bytes without a bound.
    Unbounded {
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
            Self::Invalid { instruction, why } => write!(formatter, "filter instruction {instruction} is malformed: {why}"),
            Self::Unbounded { instruction } => write!(
                formatter,
                "filter instruction {instruction} reads the packet at an offset that packet bytes can make as large as they like"
            ),
            Self::Refused(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
