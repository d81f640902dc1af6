// SPDX-License-Identifier: Apache-2.0
//! An Ethernet device: found by name or PCI address, configured, started, read, stopped.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::devices::normalise_pci_address;
use crate::eal::live;
use crate::queue::{QueueToken, RxQueue, TxQueue};
use crate::ring::Ring;
use crate::{Eal, Error, Mempool, sys};
use plan::Plan;

mod plan;
mod types;

pub use types::{
    Link, MacAddress, PortConfiguration, PortInformation, PortSetup, PortStatistics, RssConfiguration, RssSymmetry,
};

/// Descriptors of the transmit queues that some drivers insist on; they carry nothing.
const TX_DESCRIPTORS: u16 = 256;

/// Ports that a [`Port`] of this process owns.
static CLAIMED: [AtomicBool; sys::SHIM_MAX_PORTS as usize] =
    [const { AtomicBool::new(false) }; sys::SHIM_MAX_PORTS as usize];

/// A port of this process, claimed until it is dropped.
#[derive(Debug)]
pub struct Port {
    id: u16,
    name: String,
    state: State,
    setup: Option<PortSetup>,
    token: QueueToken,
    /// The rings that a ring port's driver uses; they must outlive the port.
    rings: Vec<Arc<Ring>>,
    /// Statistics calls of some drivers use a mailbox without a lock.
    not_sync: std::marker::PhantomData<std::cell::Cell<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Configured,
    Started,
    Closed,
}

impl Port {
    /// All ports, with what their drivers say of them. Ports that another device owns, such as a bond's members, are
    /// left out.
    pub fn list(_eal: &Eal) -> Vec<PortInformation> {
        let mut list = Vec::new();
        let mut next = 0_u16;
        loop {
            // SAFETY: EAL is up; any number is accepted.
            let id = unsafe { sys::rte_eth_find_next_owned_by(next, 0) };
            if id >= sys::SHIM_MAX_PORTS {
                return list;
            }
            let id = id as u16;
            // A port that disappears in between is left out.
            list.extend(information(id).ok());
            next = id.saturating_add(1);
        }
    }

    /// Opens a port by its name: a PCI address (`0000:03:00.0`, or `03:00.0`), or a virtual device's name with or
    /// without its arguments.
    ///
    /// # Errors
    /// When there is no such port (the message lists those there are), or it was opened already.
    pub fn open(eal: &Eal, device: &str) -> Result<Self, Error> {
        let name = device.split(',').next().unwrap_or_default().trim();
        let id =
            port_id(name).or_else(|| port_id(&normalise_pci_address(name)?)).ok_or_else(|| no_such_port(eal, name))?;
        let claim = CLAIMED.get(usize::from(id)).ok_or_else(|| no_such_port(eal, name))?;
        if claim.swap(true, Ordering::AcqRel) {
            return Err(Error::new(format!("port {name} is in use already")));
        }
        live::add();
        Ok(Self {
            id,
            name: name.to_owned(),
            state: State::Fresh,
            setup: None,
            token: Arc::new(()),
            rings: Vec::new(),
            not_sync: std::marker::PhantomData,
        })
    }

    /// The port's number in DPDK, which [`crate::Mbuf::port`] gives as well.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The name the port was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the driver says of the device.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn information(&self) -> Result<PortInformation, Error> {
        information(self.id)
    }

    /// What is in force since [`Port::configure`]; none before.
    pub fn setup(&self) -> Option<&PortSetup> {
        self.setup.as_ref()
    }

    /// Sets the port up; it must not be started. Queue `q` takes its mbufs from pool `q` modulo the number of pools.
    ///
    /// What the device cannot do is left out where the capture stays correct without it, and [`PortSetup`] says so.
    ///
    /// # Errors
    /// When the port is started, there is no pool, the device has fewer queues or a smaller MTU, or the driver refuses.
    pub fn configure(&mut self, configuration: &PortConfiguration, pools: &[Mempool]) -> Result<&PortSetup, Error> {
        if !matches!(self.state, State::Fresh | State::Configured) {
            return Err(self.error("can only be configured while it is stopped"));
        }
        let information = self.information()?;
        let smallest_pool = pools.iter().min_by_key(|pool| pool.data_bytes());
        let smallest_pool = smallest_pool.ok_or_else(|| self.error("needs at least one mempool"))?;
        let plan = Plan::new(&information, configuration, smallest_pool.data_bytes()).map_err(|why| self.error(why))?;
        self.check(plan.apply(self.id), "cannot be configured")?;
        let mut descriptors = (configuration.rx_descriptors, TX_DESCRIPTORS);
        // SAFETY: both pointers are valid for the call.
        let code =
            unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.id, &raw mut descriptors.0, &raw mut descriptors.1) };
        self.check(code, "refuses the number of descriptors")?;
        for (queue, pool) in (0..plan.raw.rx_queues).zip(pools.iter().cycle()) {
            // SAFETY: the port is configured and stopped, and pools live until cleanup.
            let code =
                unsafe { sys::shim_rx_queue_setup(self.id, queue, descriptors.0, plan.raw.rx_offloads, pool.as_raw()) };
            self.check(code, &format!("cannot set up receive queue {queue}"))?;
        }
        for queue in 0..plan.raw.tx_queues {
            // SAFETY: the port is configured and stopped.
            let code = unsafe { sys::shim_tx_queue_setup(self.id, queue, descriptors.1) };
            self.check(code, &format!("cannot set up transmit queue {queue}"))?;
        }
        self.state = State::Configured;
        Ok(self.setup.insert(plan.setup(descriptors.0)))
    }

    /// Starts the port and hands out its queues. With several queues and RSS, the redirection table is spread over them
    /// evenly.
    ///
    /// # Errors
    /// When the port is not configured or started already, or the driver refuses, such as for a pool too small for its
    /// descriptors.
    pub fn start(&mut self) -> Result<(Vec<RxQueue>, Vec<TxQueue>), Error> {
        let Some(setup) = self.setup.as_mut().filter(|_| self.state == State::Configured) else {
            return Err(self.error("can only be started when it is configured and stopped"));
        };
        let (rx_queues, tx_queues) = (setup.rx_queues, setup.tx_queues);
        // SAFETY: the port is configured with all its queues set up.
        let code = unsafe { sys::rte_eth_dev_start(self.id) };
        if code == 0 {
            self.state = State::Started;
            setup.complete_after_start(self.id);
        }
        self.check(code, "cannot be started")?;
        let rx = (0..rx_queues).map(|queue| RxQueue::new(self.id, queue, Arc::clone(&self.token))).collect();
        let tx = (0..tx_queues).map(|queue| TxQueue::new(self.id, queue, Arc::clone(&self.token))).collect();
        Ok((rx, tx))
    }

    /// Stops the port. All its queues must have been dropped.
    ///
    /// # Errors
    /// When a queue is still out, or the driver fails. Stopping a stopped port is no error.
    pub fn stop(&mut self) -> Result<(), Error> {
        if self.state != State::Started {
            return Ok(());
        }
        // `get_mut` synchronises with the dropping of the queues' tokens, which `strong_count` would not.
        if Arc::get_mut(&mut self.token).is_none() {
            return Err(self
                .error(format!("cannot be stopped: {} of its queues are in use", Arc::strong_count(&self.token) - 1)));
        }
        // SAFETY: no queue is out, so no burst runs.
        let code = unsafe { sys::rte_eth_dev_stop(self.id) };
        self.check(code, "cannot be stopped")?;
        self.state = State::Configured;
        Ok(())
    }

    /// Stops and closes the port; a virtual device disappears.
    ///
    /// # Errors
    /// As [`Port::stop`]; the port then stays started and claimed.
    pub fn close(mut self) -> Result<(), Error> {
        self.close_once()
    }

    /// Turns the reception of all frames, whatever their address, on or off.
    ///
    /// # Errors
    /// [`Error::is_unsupported`] where the device has no such mode, such as most virtual devices.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        let change = if on { sys::rte_eth_promiscuous_enable } else { sys::rte_eth_promiscuous_disable };
        // SAFETY: the port is valid while it is claimed.
        let code = unsafe { change(self.id) };
        self.check(code, if on { "cannot be made promiscuous" } else { "cannot leave promiscuous mode" })
    }

    /// Whether all frames are received, whatever their address.
    pub fn is_promiscuous(&self) -> bool {
        // SAFETY: the port is valid while it is claimed.
        unsafe { sys::rte_eth_promiscuous_get(self.id) == 1 }
    }

    /// The link's state, without waiting for it.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn link(&self) -> Result<Link, Error> {
        link(self.id)
    }

    /// The device's counters since its start or [`Port::reset_statistics`].
    ///
    /// # Errors
    /// When the driver fails.
    pub fn statistics(&self) -> Result<PortStatistics, Error> {
        let mut raw = mem::MaybeUninit::<sys::shim_statistics>::uninit();
        // SAFETY: the pointer is valid and the shim fills the structure before anything else.
        let (code, raw) = unsafe { (sys::shim_statistics(self.id, raw.as_mut_ptr()), raw.assume_init()) };
        self.check(code, "gives no statistics")?;
        Ok(PortStatistics::from_raw(&raw))
    }

    /// Sets the device's counters to 0.
    ///
    /// # Errors
    /// Where the device cannot.
    pub fn reset_statistics(&mut self) -> Result<(), Error> {
        // SAFETY: the port is valid while it is claimed.
        let code = unsafe { sys::rte_eth_stats_reset(self.id) };
        self.check(code, "cannot reset its statistics")
    }

    /// The driver's own counters, by name, those that are not 0.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn extended_statistics(&self) -> Result<Vec<(String, u64)>, Error> {
        // SAFETY: with a null array and size 0 the call only counts.
        let count = unsafe { sys::rte_eth_xstats_get(self.id, std::ptr::null_mut(), 0) };
        self.check(count, "gives no extended statistics")?;
        let count = count.unsigned_abs();
        // SAFETY: both structures are plain data, for which zero is a value.
        let (mut names, mut values) = unsafe {
            (
                vec![mem::zeroed::<sys::rte_eth_xstat_name>(); count as usize],
                vec![mem::zeroed::<sys::rte_eth_xstat>(); count as usize],
            )
        };
        // SAFETY: both arrays have `count` elements.
        let filled = unsafe {
            let names = sys::rte_eth_xstats_get_names(self.id, names.as_mut_ptr(), count);
            names.min(sys::rte_eth_xstats_get(self.id, values.as_mut_ptr(), count))
        };
        self.check(filled, "gives no extended statistics")?;
        let filled = (filled.unsigned_abs() as usize).min(names.len());
        let counters = values[..filled].iter().filter(|value| value.value != 0).filter_map(|value| {
            let name = names.get(usize::try_from(value.id).ok()?)?;
            Some((text(&name.name), value.value))
        });
        Ok(counters.collect())
    }

    /// Keeps a ring port's rings alive for as long as the port.
    pub(crate) fn keep_rings(&mut self, rings: Vec<Arc<Ring>>) {
        self.rings = rings;
    }

    fn close_once(&mut self) -> Result<(), Error> {
        if self.state == State::Closed {
            return Ok(());
        }
        self.stop()?;
        let is_virtual = self.information().is_ok_and(|information| information.bus == "vdev");
        // SAFETY: the port is valid and stopped; the device pointer is taken while it is.
        let (device, code) = unsafe { (sys::shim_port_device(self.id), sys::rte_eth_dev_close(self.id)) };
        self.state = State::Closed;
        if !device.is_null() && is_virtual {
            // SAFETY: the device is EAL's and its only port is closed. A failure leaves an entry without a port behind.
            unsafe { sys::rte_dev_remove(device) };
        }
        if let Some(claim) = CLAIMED.get(usize::from(self.id)) {
            claim.store(false, Ordering::Release);
        }
        live::remove();
        self.check(code, "cannot be closed")
    }

    fn check(&self, code: i32, what: &str) -> Result<(), Error> {
        if code >= 0 { Ok(()) } else { Err(Error::from_code(format!("port {} {what}", self.name), code)) }
    }

    fn error(&self, what: impl fmt::Display) -> Error {
        Error::new(format!("port {} {what}", self.name))
    }
}

impl Drop for Port {
    /// Closes the port if it can; with queues still out it stays as it is, started and claimed, since they may be
    /// polled.
    fn drop(&mut self) {
        if self.close_once().is_err() && self.state != State::Closed {
            // The driver still uses the rings.
            mem::forget(mem::take(&mut self.rings));
        }
    }
}

fn port_id(name: &str) -> Option<u16> {
    let name = CString::new(name).ok()?;
    let mut id = 0;
    // SAFETY: the name and the pointer are valid for the call.
    (unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) } == 0).then_some(id)
}

fn no_such_port(eal: &Eal, name: &str) -> Error {
    let names: Vec<String> = Port::list(eal).into_iter().map(|port| port.name).collect();
    let known = if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
    Error::new(format!(
        "DPDK has no port {name:?}: {known}. A PCI device must be bound to vfio-pci (or have a bifurcated driver), and a virtual device \
         be named with its driver, such as net_pcap0 or net_af_packet0"
    ))
}

fn information(id: u16) -> Result<PortInformation, Error> {
    let mut raw = mem::MaybeUninit::<sys::shim_device_info>::uninit();
    // SAFETY: the pointer is valid and the shim fills the structure before anything else.
    let (code, raw) = unsafe { (sys::shim_device_info(id, raw.as_mut_ptr()), raw.assume_init()) };
    if code != 0 {
        return Err(Error::from_code(format!("port {id} gives no information"), code));
    }
    Ok(PortInformation::from_raw(id, &raw, link(id).unwrap_or_default()))
}

fn link(id: u16) -> Result<Link, Error> {
    let mut raw = mem::MaybeUninit::<sys::shim_link>::uninit();
    // SAFETY: the pointer is valid and the shim fills the structure before anything else.
    let (code, raw) = unsafe { (sys::shim_link(id, raw.as_mut_ptr()), raw.assume_init()) };
    if code != 0 {
        return Err(Error::from_code(format!("port {id} does not tell its link's state"), code));
    }
    Ok(Link { is_up: raw.up != 0, speed_mbps: raw.speed_mbps, full_duplex: raw.full_duplex != 0 })
}

/// A C array of characters as text, up to its zero byte.
pub(crate) fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters.iter().map(|&character| character as u8).chain([0]).collect();
    CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}
