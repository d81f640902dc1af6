// SPDX-License-Identifier: Apache-2.0
//! From the bytes of a frame to addresses, ports and the place of the payload: one file a header.
//!
//! Everything here is stateless and allocates nothing. A header's file reads that header from the cursor, notes what
//! it says in [`Decoded`] and answers which header comes next; it never calls the next one. The loop in [`decode`] does,
//! and bounds how many headers a frame may have. Adding a header is one file, one variant of `Next` in `next.rs` (with the
//! EtherType, protocol number or port that leads to it) and one arm in that loop.
//!
//! Tunnels are headers like the others; `tunnel.rs` says which are opened.
//!
//! Limits: checksums are not verified (as in Packetbeat; NICs offload them), the packet quoted in an ICMP error is not
//! analysed, fragments are recognised but put together elsewhere.

pub mod address;
pub mod decode;
pub mod decoded;
pub mod drop_reason;
pub mod link_type;
pub mod tcp;
pub mod tunnel;

mod authentication_header;
mod cursor;
mod erspan;
mod ethernet;
mod geneve;
mod gre;
mod gtp;
mod icmp;
mod ipv4;
mod ipv6;
mod ipv6_extension;
mod l2tp;
mod linux_cooked;
mod llc;
mod loopback;
mod mpls;
mod next;
mod ppp;
mod pppoe;
mod raw_ip;
mod udp;
mod vlan;
mod vxlan;

#[cfg(test)]
mod tests;

pub use address::{AddressPair, IpAddress, MacAddress};
pub use decode::{decode, decode_into, decode_transport, decode_with};
pub use decoded::{Decoded, EthernetAddresses, FragmentInfo, IpVersion, Network, Transport, Vlans};
pub use drop_reason::DropReason;
pub use link_type::LinkType;
pub use tcp::{TcpFlags, TcpHeader};
pub use tunnel::{TunnelKind, TunnelLayers, Tunneling};
