// SPDX-License-Identifier: Apache-2.0
//! Linux cooked capture (LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2): what the `any` device writes in place of the link
//! header. It knows the sender's link address alone, so the frame has no Ethernet addresses.

use super::cursor::Cursor;
use super::drop_reason::DropReason;
use super::next::Next;

/// 16 bytes: packet type, ARPHRD type, address length, address (8), protocol.
pub(super) fn decode_version_1(cursor: &mut Cursor<'_>) -> Result<Next, DropReason> {
    let &[_, _, hardware_0, hardware_1, _, _, _, _, _, _, _, _, _, _, protocol_0, protocol_1] =
        cursor.header::<VERSION_1_BYTES>(DropReason::LinuxCookedTruncated, DropReason::LinuxCookedTruncated)?;
    cursor.advance(VERSION_1_BYTES, DropReason::LinuxCookedTruncated, DropReason::LinuxCookedTruncated)?;
    Ok(next_header([hardware_0, hardware_1], [protocol_0, protocol_1]))
}

/// 20 bytes: protocol, reserved (2), interface index (4), ARPHRD type, packet type, address length, address (8).
pub(super) fn decode_version_2(cursor: &mut Cursor<'_>) -> Result<Next, DropReason> {
    let &[protocol_0, protocol_1, _, _, _, _, _, _, hardware_0, hardware_1, _, _, _, _, _, _, _, _, _, _] =
        cursor.header::<VERSION_2_BYTES>(DropReason::LinuxCookedTruncated, DropReason::LinuxCookedTruncated)?;
    cursor.advance(VERSION_2_BYTES, DropReason::LinuxCookedTruncated, DropReason::LinuxCookedTruncated)?;
    Ok(next_header([hardware_0, hardware_1], [protocol_0, protocol_1]))
}

fn next_header(hardware: [u8; 2], protocol: [u8; 2]) -> Next {
    match (u16::from_be_bytes(hardware), u16::from_be_bytes(protocol)) {
        // Here the protocol field is no EtherType.
        (ARPHRD_FRAME_RELAY | ARPHRD_WLAN_RADIOTAP | ARPHRD_NETLINK, _) => Next::Payload,
        (_, PROTOCOL_802_2) => Next::Llc,
        (_, protocol) => Next::from_ethertype(protocol),
    }
}

const VERSION_1_BYTES: usize = 16;
const VERSION_2_BYTES: usize = 20;
const ARPHRD_FRAME_RELAY: u16 = 770;
const ARPHRD_WLAN_RADIOTAP: u16 = 803;
const ARPHRD_NETLINK: u16 = 824;
/// `LINUX_SLL_P_802_2`: an LLC header follows.
const PROTOCOL_802_2: u16 = 4;
