// SPDX-License-Identifier: Apache-2.0
//! Classic BPF: filters compiled by libpcap, and programs built here.
//!
//! Limit: [`compile`] knows no device, so `vlan` looks for the tag in the frame alone. The kernel keeps the outermost tag
//! beside the frame: a filter for a socket comes from [`compile_for_socket`].

pub mod program;
#[cfg(test)]
mod tests;

pub use program::{Builder, Condition, Instruction, Program};

use ::pcap::{Activated, BpfProgram, Capture, Linktype};

/// The link types (`DLT_…`) that filters are compiled for.
pub const DLT_ETHERNET: i32 = 1;
pub const DLT_RAW: i32 = 12;

/// Compiles a filter for a link type. The error is libpcap's sentence.
pub fn compile(filter: &str, dlt: i32) -> Result<Program, String> {
    Ok(instructions(&compile_for_packets(filter, dlt)?))
}

/// Compiles a filter that is applied to packets at hand.
pub fn compile_for_packets(filter: &str, dlt: i32) -> Result<BpfProgram, String> {
    Capture::dead(Linktype(dlt)).map_err(sentence)?.compile(filter, true).map_err(sentence)
}

/// Compiles a filter for a socket that sees frames of link type `dlt` of one of `devices`. Where none of them can be opened
/// the filter does not see a VLAN tag that the kernel took off.
pub fn compile_for_socket(filter: &str, dlt: i32, devices: &[String]) -> Result<Program, String> {
    // What is wrong with a filter is said without a device too.
    let plain = compile(filter, dlt)?;
    for device in devices {
        let opened = Capture::from_device(device.as_str())
            .map(|handle| handle.promisc(false).snaplen(128).buffer_size(1 << 16).timeout(1))
            .and_then(|handle| handle.open());
        if let Ok(handle) = opened
            && handle.get_datalink() == Linktype(dlt)
        {
            // The program keeps the whole packet, not the small part that this handle would.
            return compile_with(&handle, filter).map(Program::whole);
        }
    }
    Ok(plain)
}

fn compile_with<T: Activated>(handle: &Capture<T>, filter: &str) -> Result<Program, String> {
    handle.compile(filter, true).map(|compiled| instructions(&compiled)).map_err(sentence)
}

/// A complaint of libpcap without the crate's words around it.
pub fn sentence(error: ::pcap::Error) -> String {
    match error {
        ::pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    }
}

fn instructions(compiled: &BpfProgram) -> Program {
    let instructions = compiled.get_instructions().iter().map(|instruction| {
        // The crate gives the numbers as text alone.
        let text = instruction.to_string();
        let mut numbers = text.split(' ').map(|number| number.parse::<u32>().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Instruction { code: next() as u16, jump_true: next() as u8, jump_false: next() as u8, value: next() }
    });
    Program(instructions.collect())
}
