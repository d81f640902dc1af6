// SPDX-License-Identifier: Apache-2.0
//! The user's filter, applied to packets at hand: for sources that no kernel filters for.

use ::pcap::BpfProgram;

use super::bpf;
use crate::wire::LinkType;

/// A filter expression, compiled for each link type that occurs.
pub struct PacketFilter {
    expression: String,
    /// None where the expression has no meaning, such as `ether host` for raw IP: nothing matches there.
    programs: Vec<(LinkType, Option<BpfProgram>)>,
}

impl PacketFilter {
    /// Checks the expression. The error is libpcap's sentence.
    pub fn new(expression: &str) -> Result<PacketFilter, String> {
        bpf::compile(expression, bpf::DLT_ETHERNET)?;
        Ok(PacketFilter { expression: expression.to_string(), programs: Vec::new() })
    }

    /// Whether a frame is to be analysed.
    pub fn matches(&mut self, link: LinkType, frame: &[u8]) -> bool {
        let known = self.programs.iter().position(|(other, _)| *other == link);
        let place = known.unwrap_or_else(|| {
            let dlt = if link == LinkType::RawIp { bpf::DLT_RAW } else { link.dlt() as i32 };
            let program = bpf::compile_for_packets(&self.expression, dlt).ok();
            self.programs.push((link, program));
            self.programs.len() - 1
        });
        self.programs[place].1.as_ref().is_some_and(|program| program.filter(frame))
    }
}
