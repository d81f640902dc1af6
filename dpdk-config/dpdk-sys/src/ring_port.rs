// SPDX-License-Identifier: Apache-2.0
//! A port whose receive queues are rings: what a replay puts into a ring, a worker receives from the queue as from a
//! NIC.

use std::ffi::CString;
use std::mem;
use std::sync::Arc;

use crate::ring::{Producer, Ring};
use crate::{Eal, Error, Port, sys};

/// Receive queues of one ring port (`RTE_PMD_RING_MAX_RX_RINGS`). More workers need several ring ports.
const QUEUES_MAX: u16 = 16;
/// Packets that fit into the transmit queue.
const TX_CAPACITY: u32 = 1;
/// Longest name, so that the rings' names fit as well.
const NAME_BYTES_MAX: usize = 16;

/// A ring port and the ends that feed its queues.
#[derive(Debug)]
pub struct RingPort {
    /// The port, to be configured with as many receive queues as there are feeders, and started.
    pub port: Port,
    /// The producer of each queue, in the order of the queues. A producer that finds its ring full waits as it likes:
    /// nothing is lost.
    pub feeders: Vec<Producer>,
}

impl RingPort {
    /// Creates a ring port `net_ring_<name>` with `queues` receive queues of `capacity` packets each.
    ///
    /// # Errors
    /// When a number or the name is out of bounds, the name is taken, or EAL has no memory left.
    pub fn create(eal: &Eal, name: &str, queues: u16, capacity: u32, socket: Option<u32>) -> Result<Self, Error> {
        if queues == 0 || queues > QUEUES_MAX {
            return Err(Error::new(format!("ring port {name} with {queues} queues; accepted are 1 to {QUEUES_MAX}")));
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::new(format!(
                "ring port name {name:?} is {} bytes long; accepted are 1 to {NAME_BYTES_MAX}",
                name.len()
            )));
        }
        let c_name =
            CString::new(name).map_err(|_| Error::new(format!("ring port name {name:?} contains a zero byte")))?;
        let rings = (0..queues)
            .map(|queue| Ring::create(eal, &format!("{name}_q{queue}"), capacity, socket).map(Arc::new))
            .collect::<Result<Vec<_>, Error>>()?;
        let pointers: Vec<*mut sys::rte_ring> = rings.iter().map(|ring| ring.as_raw()).collect();
        // The driver does not do without a transmit queue. What is sent into this one stays there until the port is
        // closed.
        let sent = Arc::new(Ring::create(eal, &format!("{name}_tx"), TX_CAPACITY, socket)?);
        let sent_pointer = sent.as_raw();
        // SAFETY: EAL is up; the name and the array live through the call, and the port keeps the rings alive.
        let result = unsafe {
            sys::rte_eth_from_rings(
                c_name.as_ptr(),
                pointers.as_ptr(),
                u32::from(queues),
                &raw const sent_pointer,
                1,
                socket.unwrap_or(0),
            )
        };
        if result < 0 {
            return Err(Error::from_rte_errno(format!("ring port {name} cannot be created")));
        }
        let in_use_by_driver: Vec<Arc<Ring>> = rings.iter().cloned().chain([sent]).collect();
        let mut port = match Port::open(eal, &format!("net_ring_{name}")) {
            Ok(port) => port,
            Err(error) => {
                mem::forget(in_use_by_driver);
                return Err(error);
            }
        };
        port.keep_rings(in_use_by_driver);
        Ok(Self { port, feeders: rings.into_iter().map(Producer::new).collect() })
    }
}
