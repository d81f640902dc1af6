// SPDX-License-Identifier: Apache-2.0
//! Wirebeat's bindings to the system's DPDK (22.11 or later), and a small safe layer over the part of it that Wirebeat
//! uses.
//!
//! # What is here
//!
//! | | |
//! |---|---|
//! | [`Eal`], [`EalArguments`], [`EalLog`] | the environment abstraction layer: once a process, its arguments, its log |
//! | [`thread`] | worker threads with explicit CPU masks, known to DPDK |
//! | [`Mempool`], [`Mbuf`], [`Burst`] | packet buffers: pools, one owned packet, up to [`BURST_CAPACITY`] of them |
//! | [`Port`], [`RxQueue`], [`TxQueue`] | an Ethernet device and its queues |
//! | [`ring`], [`RingPort`] | single-producer single-consumer rings of mbufs, and a port whose queues are such rings |
//! | [`Filter`] | a libpcap filter that runs on mbufs, compiled to native code where DPDK can |
//! | [`devices`] | PCI network devices and their drivers from sysfs, without EAL |
//! | [`clock`] | the time stamp counter and its frequency |
//! | [`sys`] | the raw bindings; DPDK's layout differences between releases stop in `shim.c` and `constants.h` |
//!
//! # How the safe layer keeps its promises
//!
//! * **Nothing before EAL.** Every constructor of something that lives in EAL's memory takes `&Eal`, and [`Eal`] exists
//!   only after `rte_eal_init` has succeeded.
//! * **Nothing after EAL.** Dropping [`Eal`] does not clean EAL up. [`Eal::cleanup`], which unmaps all of EAL's memory,
//!   is `unsafe`: its caller promises that no mbuf is left anywhere. All other objects are counted off the packet path,
//!   and cleanup refuses while one lives.
//! * **Pools live as long as EAL.** A [`Mempool`] is a copyable handle and its memory is never freed before cleanup, so
//!   an [`Mbuf`] needs neither a lifetime nor a reference count to be valid, on any thread.
//! * **One owner a packet.** An [`Mbuf`] owns its whole chain of segments; it is freed once, by its drop, by its
//!   [`Burst`]'s bulk free, or by the device or ring it was given to. Nothing here makes a second reference to an mbuf,
//!   so `&mut Mbuf` may hand out `&mut [u8]` (and checks the reference count, since a driver may share buffers).
//! * **One user a queue.** [`Port::start`] hands out each [`RxQueue`] and [`TxQueue`] once; polling takes `&mut self`,
//!   so a queue can move between threads and never be polled by two. A port is stopped only when all its queues were
//!   dropped, so no burst runs on a stopped device. The same holds for both ends of a [`ring`].
//! * **One handle a port.** [`Port::open`] claims the port for this process until the handle is dropped.
//! * **Lengths come from the device.** `data_len`, `nb_segs` and `next` are what the driver wrote; a driver that writes
//!   nonsense there is outside the promise, as is every DPDK program. Packet bytes cannot influence them.
//! * **Filters cannot read outside a packet.** [`Filter`] checks every computed load offset, since DPDK's load of a
//!   packet word wraps around at 4 GiB, and does not use DPDK's own conversion, which is wrong for indexed loads of
//!   words and bytes.
//! * **Raw access stays possible.** What the layer does not offer is in [`sys`], `unsafe`, with `as_raw` functions to
//!   get there.

mod arguments;
mod bpf;
mod burst;
pub mod clock;
pub mod devices;
mod eal;
mod error;
mod mbuf;
mod mempool;
mod port;
mod queue;
pub mod ring;
mod ring_port;
pub mod sys;
pub mod thread;

pub use arguments::{EalArguments, Memory, huge_pages_free};
pub use bpf::{ClassicInstruction, Execution, Filter, FilterError};
pub use burst::{BURST_CAPACITY, Burst};
pub use eal::{Eal, EalLog, Lcore, dpdk_version};
pub use error::Error;
pub use mbuf::{Mbuf, TimestampField};
pub use mempool::{Mempool, MempoolConfiguration, MempoolHandler};
pub use port::{
    Link, MacAddress, Port, PortConfiguration, PortInformation, PortSetup, PortStatistics, RssConfiguration,
    RssSymmetry,
};
pub use queue::{RxQueue, TxQueue};
pub use ring_port::RingPort;
