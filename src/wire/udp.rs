// SPDX-License-Identifier: Apache-2.0
//! UDP (RFC 768).

use super::cursor::Cursor;
use super::decoded::{Decoded, Transport};
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::{TunnelKind, Tunneling};

#[inline]
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    tunneling: &Tunneling,
) -> Result<Next, DropReason> {
    let &[s0, s1, d0, d1, length_0, length_1, _, _] =
        cursor.header::<HEADER_BYTES>(DropReason::UdpHeaderTruncated, DropReason::UdpLengthInvalid)?;
    let length_bytes = usize::from(u16::from_be_bytes([length_0, length_1]));
    // Zero in jumbograms (RFC 2675) and when the sender's NIC segments: the datagram's length is the only one there is.
    if length_bytes != 0 {
        if length_bytes < HEADER_BYTES {
            return Err(DropReason::UdpLengthInvalid);
        }
        cursor.limit(length_bytes);
    }
    cursor.advance(HEADER_BYTES, DropReason::UdpHeaderTruncated, DropReason::UdpLengthInvalid)?;
    let (source_port, destination_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    decoded.transport = Transport::Udp { source_port, destination_port };
    // Noted also for a tunnel's port: what comes there may be something else.
    cursor.payload_begins(decoded);
    match tunneling.by_ports(source_port, destination_port) {
        Some(kind) if tunneling.admits(kind, &decoded.tunnels) => Ok(match kind {
            TunnelKind::Vxlan => Next::Vxlan,
            TunnelKind::Geneve => Next::Geneve,
            TunnelKind::GtpU => Next::GtpU,
            TunnelKind::L2tp => Next::L2tp,
            _ => Next::Done,
        }),
        _ => Ok(Next::Done),
    }
}

const HEADER_BYTES: usize = 8;
