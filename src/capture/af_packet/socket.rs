// SPDX-License-Identifier: Apache-2.0
//! A packet socket and its options (packet(7)). Errors are sentences.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::ring::{BLOCK_BYTES, HEADROOM_BYTES, Ring};
use crate::capture::bpf::Program;

/// How long the kernel waits before it leaves a block that is not full.
const BLOCK_TIMEOUT_MILLISECONDS: u32 = 20;

/// A packet socket.
pub struct Socket(OwnedFd);

impl Socket {
    /// A socket that receives nothing yet, with its ring.
    pub fn open(blocks: usize) -> Result<(Socket, Ring), String> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a system call without pointers.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if descriptor < 0 {
            let error = io::Error::last_os_error();
            return Err(match error.kind() {
                io::ErrorKind::PermissionDenied => super::NO_PERMISSION.to_string(),
                _ => format!("a packet socket could not be opened: {error}"),
            });
        }
        // SAFETY: the descriptor was just opened and belongs to nobody else.
        let socket = Socket(unsafe { OwnedFd::from_raw_fd(descriptor) });
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        socket.set_packet(libc::PACKET_VERSION, &version, "ring version 3")?;
        socket.set_packet(libc::PACKET_RESERVE, &(HEADROOM_BYTES as libc::c_uint), "headroom")?;
        // Nothing passes before the whole group is ready: else the first workers would see what belongs to the others.
        socket.filter(&Program::nothing())?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME_BYTES,
            tp_frame_nr: (blocks * BLOCK_BYTES / FRAME_BYTES as usize) as u32,
            tp_retire_blk_tov: BLOCK_TIMEOUT_MILLISECONDS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let what = format!("a ring of {} KiB (a smaller buffer_size_mb may do)", (blocks * BLOCK_BYTES) >> 10);
        socket.set_packet(libc::PACKET_RX_RING, &request, &what)?;
        let ring =
            Ring::map(socket.0.as_fd(), blocks).map_err(|error| format!("{what} could not be mapped: {error}"))?;
        Ok((socket, ring))
    }

    /// Binds to an interface, 0 for all of them.
    pub fn bind(&self, interface: u32) -> Result<(), String> {
        // SAFETY: all bytes zero is a valid `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = interface as i32;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address lives during the call and has the given length.
        let answer = unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), length) };
        match answer {
            0 => self.check(),
            _ => Err(format!("the socket could not be bound: {}", io::Error::last_os_error())),
        }
    }

    /// The socket's pending error.
    pub fn check(&self) -> Result<(), String> {
        let mut error: libc::c_int = 0;
        self.get(libc::SOL_SOCKET, libc::SO_ERROR, &mut error).map_err(|error| error.to_string())?;
        match error {
            0 => Ok(()),
            libc::ENETDOWN => Err("the interface is down or gone".to_string()),
            other => Err(io::Error::from_raw_os_error(other).to_string()),
        }
    }

    /// Takes frames for other stations until the socket is closed, when the kernel restores what was before.
    pub fn promiscuous(&self, interface: u32) -> Result<(), String> {
        let membership = libc::packet_mreq {
            mr_ifindex: interface as i32,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set_packet(libc::PACKET_ADD_MEMBERSHIP, &membership, "promiscuous mode")
    }

    /// Joins a fan-out group. With [`libc::PACKET_FANOUT_FLAG_UNIQUEID`] the kernel makes a new one.
    pub fn join(&self, group: u16, mode: u32) -> Result<(), String> {
        let argument = u32::from(group) | mode << 16;
        self.set_packet(libc::PACKET_FANOUT, &argument, &format!("fan-out group {group}"))
    }

    /// The number of the fan-out group.
    pub fn group(&self) -> Result<u16, String> {
        let mut group: u32 = 0;
        self.get(libc::SOL_PACKET, libc::PACKET_FANOUT, &mut group)
            .map_err(|error| format!("the fan-out group has no number: {error}"))?;
        Ok(group as u16)
    }

    /// The program that chooses the socket of the group for each packet.
    pub fn steer(&self, program: &Program) -> Result<(), String> {
        self.program(libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, program, "fan-out program")
    }

    /// The filter for what goes into the ring, and how much of each packet.
    pub fn filter(&self, program: &Program) -> Result<(), String> {
        self.program(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program, "filter")
    }

    /// Packets that the kernel dropped since the last call, because the ring was full.
    pub fn drops(&self) -> u64 {
        // SAFETY: all bytes zero is a valid `tpacket_stats_v3`.
        let mut statistics: libc::tpacket_stats_v3 = unsafe { std::mem::zeroed() };
        match self.get(libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut statistics) {
            Ok(()) => u64::from(statistics.tp_drops),
            Err(_) => 0,
        }
    }

    fn program(&self, level: i32, name: i32, program: &Program, what: &str) -> Result<(), String> {
        let mut instructions: Vec<libc::sock_filter> = program
            .0
            .iter()
            .map(|one| libc::sock_filter { code: one.code, jt: one.jump_true, jf: one.jump_false, k: one.value })
            .collect();
        let length = u16::try_from(instructions.len())
            .map_err(|_| format!("the {what} has {} instructions, more than the kernel takes", instructions.len()))?;
        let described = libc::sock_fprog { len: length, filter: instructions.as_mut_ptr() };
        // The instructions live until the call is over.
        let outcome = self.set(level, name, &described);
        outcome.map_err(|error| format!("the kernel refuses the {what}: {error}"))
    }

    fn set_packet<T>(&self, name: i32, value: &T, what: &str) -> Result<(), String> {
        self.set(libc::SOL_PACKET, name, value).map_err(|error| format!("the kernel refuses {what}: {error}"))
    }

    fn set<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        let length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the value lives during the call and has the given length; every option used here reads plain data, and
        // the pointer in a `sock_fprog` is to instructions that its caller keeps.
        let answer =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn get<T: Copy>(&self, level: i32, name: i32, value: &mut T) -> io::Result<()> {
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the kernel writes at most the given length; every type used here is plain numbers.
        let answer =
            unsafe { libc::getsockopt(self.0.as_raw_fd(), level, name, std::ptr::from_mut(value).cast(), &mut length) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The number of an interface.
pub fn interface_number(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: a string that ends in zero and lives during the call.
    let number = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (number != 0).then_some(number)
}

/// Smallest frame size that the kernel takes; version 3 packs frames as it likes.
const FRAME_BYTES: u32 = 2048;
