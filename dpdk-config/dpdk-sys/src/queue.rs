// SPDX-License-Identifier: Apache-2.0
//! A port's receive and transmit queues: handed out once by [`crate::Port::start`], polled by one thread at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Burst, Error, sys};

/// Keeps a port from being stopped while its queues are out.
pub(crate) type QueueToken = Arc<()>;

/// One receive queue. It can move to another thread, and polling needs it mutably.
pub struct RxQueue {
    port: u16,
    queue: u16,
    _token: QueueToken,
}

impl RxQueue {
    pub(crate) fn new(port: u16, queue: u16, token: QueueToken) -> Self {
        Self { port, queue, _token: token }
    }

    /// Receives what has come, up to the burst's free places, behind the packets the burst holds. Never waits.
    ///
    /// Returns the number of packets added. Clear the burst first: vector drivers give nothing for fewer than 4 or 8
    /// places.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        let (places, count) = burst.free_places();
        // SAFETY: the port is started while the token lives, this queue is polled by its one owner, and `places` has
        // room for `count` pointers, of which the driver fills the first `received` with mbufs that are ours now.
        unsafe {
            let received = sys::shim_rx_burst(self.port, self.queue, places, count as u16);
            let received = usize::from(received).min(count);
            burst.grow(received);
            received
        }
    }

    /// The port's number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The queue's number on its port.
    pub fn index(&self) -> u16 {
        self.queue
    }

    /// Sleeps until the queue's interrupt, or at most `limit`. The port must have been configured with `rx_interrupts`.
    ///
    /// Call it after an empty poll; packets that came between that poll and the arming of the interrupt raise it at
    /// once on most drivers, and are found after `limit` on the others, so keep `limit` short.
    ///
    /// # Errors
    /// When the driver has no interrupt for this queue.
    pub fn wait_for_interrupt(&mut self, limit: Duration) -> Result<(), Error> {
        // SAFETY: the port is started while the token lives; the call reads the queue's interrupt vector.
        let descriptor = unsafe { sys::rte_eth_dev_rx_intr_ctl_q_get_fd(self.port, self.queue) };
        if descriptor < 0 {
            return Err(Error::new(format!("{self} has no interrupt to wait for")));
        }
        // SAFETY: as above.
        let code = unsafe { sys::rte_eth_dev_rx_intr_enable(self.port, self.queue) };
        if code != 0 {
            return Err(Error::from_code(format!("{self}: the interrupt cannot be enabled"), code));
        }
        wait_readable(descriptor, limit);
        // SAFETY: as above.
        match unsafe { sys::rte_eth_dev_rx_intr_disable(self.port, self.queue) } {
            0 => Ok(()),
            code => Err(Error::from_code(format!("{self}: the interrupt cannot be disabled"), code)),
        }
    }
}

impl fmt::Display for RxQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "receive queue {} of port {}", self.queue, self.port)
    }
}

impl fmt::Debug for RxQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RxQueue({}:{})", self.port, self.queue)
    }
}

/// Waits for the descriptor and takes its event count, so that the next wait does not return at once.
fn wait_readable(descriptor: i32, limit: Duration) {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    let milliseconds = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one pollfd is passed. An error or a signal counts as a wake-up, which is harmless.
    let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    if ready == 1 && poll.revents & libc::POLLIN != 0 {
        let mut events = 0_u64;
        // SAFETY: the buffer has the 8 bytes that an eventfd or VFIO interrupt descriptor gives.
        unsafe { libc::read(descriptor, (&raw mut events).cast(), size_of::<u64>()) };
    }
}

/// One transmit queue, for tests and traffic generators; a capture port's are never used.
pub struct TxQueue {
    port: u16,
    queue: u16,
    _token: QueueToken,
}

impl TxQueue {
    pub(crate) fn new(port: u16, queue: u16, token: QueueToken) -> Self {
        Self { port, queue, _token: token }
    }

    /// Sends packets from the front of the burst and removes them from it. Never waits. Returns how many the driver
    /// took.
    #[inline]
    pub fn transmit(&mut self, burst: &mut Burst) -> usize {
        let (places, count) = burst.filled_places();
        // SAFETY: the port is started while the token lives, this queue has one owner, and the first `sent` mbufs
        // belong to the driver afterwards.
        unsafe {
            let sent = usize::from(sys::shim_tx_burst(self.port, self.queue, places, count as u16)).min(count);
            burst.forget_front(sent);
            sent
        }
    }
}

impl fmt::Debug for TxQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TxQueue({}:{})", self.port, self.queue)
    }
}
