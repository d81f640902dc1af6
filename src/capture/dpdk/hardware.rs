// SPDX-License-Identifier: Apache-2.0
//! EAL, pools and ports of a run: started from the configuration, stopped with every mbuf back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use dpdk_sys::thread::CpuSet;
use dpdk_sys::{
    ClassicInstruction, Eal, EalArguments, EalLog, Filter, Memory, Mempool, MempoolConfiguration, MempoolHandler, Port,
    PortConfiguration, RxQueue, TimestampField, ring,
};

use super::inlet::{FileInlets, Inlet, Stamps};
use super::replay::{Feed, ReplayPlan};
use super::{BURST, DpdkSource, Ending, Fleet, WallClock};
use super::{generator, kernel};
use crate::capture::{Pressure, SourceStatistics};

/// Packets a ring between two workers holds.
const HANDOVER_PACKETS: u32 = 1024;
/// Mbufs an lcore keeps to itself.
const CACHE_MBUFS: u32 = 256;
/// Bytes an mbuf takes besides its data.
const MBUF_OVERHEAD_BYTES: u64 = 128 + 128 + 64;
/// A page of ordinary memory; where pages are larger less is needed.
const PAGE_BYTES: u64 = 4096;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct HardwarePlan {
    pub devices: Vec<Device>,
    pub workers: u16,
    pub memory: MemoryPlan,
    /// EAL arguments of the user's own.
    pub eal_arguments: Vec<String>,
    /// EAL's log level, such as `warning`.
    pub log_level: String,
    pub pressure: Pressure,
    /// CPUs of the workers, one set each; empty leaves them unbound.
    pub cpus: Vec<CpuSet>,
    /// CPUs that the process may use.
    pub cpu_count: usize,
}

/// One port.
#[derive(Clone, Debug)]
pub struct Device {
    /// A PCI address, or a virtual device with its arguments.
    pub name: String,
    pub promiscuous: bool,
    pub mtu: Option<u16>,
    pub rx_descriptors: u16,
    /// A program of libpcap, compiled for Ethernet.
    pub filter: Vec<ClassicInstruction>,
    /// Instead of a device of its own, a ring port that a capture file is fed into.
    pub replay: Option<ReplayPlan>,
}

/// `wirebeat.dpdk.*`: memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPlan {
    /// Mbufs of the pool; None: what queues and rings can hold.
    pub mbufs: Option<u32>,
    pub data_bytes: u16,
    /// EAL's memory in megabytes; None: what the pool needs.
    pub megabytes: Option<u32>,
}

/// What runs. The sources are with the workers.
pub struct Hardware {
    pub(super) eal: Eal,
    ports: Vec<Port>,
    /// Of a generator.
    pub(super) senders: Vec<Port>,
    pub(super) rings: Vec<ring::Producer>,
    /// Places of the ports that were made promiscuous and were not so before.
    made_promiscuous: Vec<usize>,
    pub(super) pool: Mempool,
    feeds: Vec<Feed>,
}

/// What one port counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReport {
    pub name: String,
    pub received: u64,
    pub received_bytes: u64,
    pub lost: SourceStatistics,
}

/// The queues of all ports, while they are opened.
#[derive(Default)]
struct Inlets {
    /// Of each worker.
    live: Vec<Vec<Inlet>>,
    files: FileInlets,
    stamps: Stamps,
    feeds: Vec<Arc<AtomicBool>>,
    any_live: bool,
    count: usize,
}

impl Hardware {
    /// Starts EAL, the pool and the ports, and makes a source for each worker.
    pub fn start(plan: &HardwarePlan) -> Result<(Hardware, Vec<DpdkSource>), String> {
        let mbufs = plan.mbufs();
        let eal = start_eal(plan, mbufs)?;
        let pool = create_pool(&eal, plan, mbufs)?;
        let mut hardware = Hardware {
            eal: eal.share(),
            ports: Vec::new(),
            senders: Vec::new(),
            rings: Vec::new(),
            made_promiscuous: Vec::new(),
            pool,
            feeds: Vec::new(),
        };
        let sources = hardware.open(plan).and_then(|inlets| hardware.sources(plan, inlets));
        match sources {
            Ok(sources) => Ok((hardware, sources)),
            Err(error) => {
                hardware.leave_promiscuous();
                Err(error)
            }
        }
    }

    fn open(&mut self, plan: &HardwarePlan) -> Result<Inlets, String> {
        let mut inlets = Inlets::default();
        inlets.live.resize_with(usize::from(plan.workers), Vec::new);
        for (number, device) in plan.devices.iter().enumerate() {
            let filter = match device.filter.is_empty() {
                true => None,
                false => Some(Arc::new(
                    Filter::new(&self.eal, &device.filter).map_err(|error| format!("{}: {error}", device.name))?,
                )),
            };
            if let Some(replay) = &device.replay {
                let (queues, feed) = replay.open(&self.eal, number, plan.workers, self.pool, &mut self.ports)?;
                inlets.feeds.push(feed.done());
                self.feeds.push(feed);
                let field = TimestampField::register(&self.eal).map_err(|error| error.to_string())?;
                queues.iter().for_each(|queue| inlets.stamps.add_replay(queue.port(), field));
                queues.into_iter().for_each(|queue| inlets.add_live(Inlet::new(queue, filter.clone())));
                continue;
            }
            if device.name == generator::RING {
                let (queues, rings) = generator::open_ring(&self.eal, plan.workers, self.pool, &mut self.ports)?;
                self.rings.extend(rings);
                let field = TimestampField::register(&self.eal).map_err(|error| error.to_string())?;
                queues.iter().for_each(|queue| inlets.stamps.add_replay(queue.port(), field));
                queues.into_iter().for_each(|queue| inlets.add_live(Inlet::new(queue, filter.clone())));
                inlets.any_live = true;
                continue;
            }
            let queues = self.open_port(device, plan.workers)?;
            let is_file = is_finite_file(&device.name);
            for queue in queues {
                // Its driver stamps in microseconds.
                match TimestampField::lookup(&self.eal).filter(|_| is_file) {
                    Some(field) => inlets.stamps.add_stamped(queue.port(), field, 1_000),
                    None => inlets.stamps.add_wall(queue.port()),
                }
                let inlet = Inlet::new(queue, filter.clone());
                if is_file { inlets.files.push(inlet) } else { inlets.add_live(inlet) }
            }
            inlets.any_live |= !is_file;
        }
        Ok(inlets)
    }

    /// Opens and starts a port; answers its queues.
    fn open_port(&mut self, device: &Device, workers: u16) -> Result<Vec<RxQueue>, String> {
        let failed = |error: dpdk_sys::Error| format!("device {}: {error}", device.name);
        let mut port = Port::open(&self.eal, &device.name).map_err(failed)?;
        let information = port.information().map_err(failed)?;
        // A virtual device's queues share its traffic in its own way: each must be polled.
        let queues = match is_pci_address(&device.name) {
            true => workers.min(information.max_rx_queues),
            false => information.max_rx_queues.clamp(1, 64),
        };
        let configuration = PortConfiguration {
            rx_descriptors: device.rx_descriptors,
            mtu: device.mtu,
            ..PortConfiguration::new(queues)
        };
        port.configure(&configuration, &[self.pool]).map_err(failed)?;
        // The start ends what the interface's owner set.
        let was_promiscuous = kernel::is_promiscuous(&device.name);
        let (queues, _transmit) = port.start().map_err(failed)?;
        // A device that knows no promiscuous mode takes every frame anyway.
        match port.set_promiscuous(device.promiscuous || was_promiscuous) {
            Err(error) if !error.is_unsupported() => return Err(failed(error)),
            Ok(()) if device.promiscuous && !was_promiscuous => self.made_promiscuous.push(self.ports.len()),
            _ => {}
        }
        if let Some(sentence) = kernel::cut_frames(&device.name) {
            log::warn!("{sentence}");
        }
        log::info!(
            "capturing on {} with DPDK's {}, {} receive queues and {workers} workers",
            port.name(),
            information.driver,
            queues.len()
        );
        self.ports.push(port);
        Ok(queues)
    }

    fn sources(&self, plan: &HardwarePlan, inlets: Inlets) -> Result<Vec<DpdkSource>, String> {
        let workers = usize::from(plan.workers);
        let fleet = Arc::new(Fleet { feeding: AtomicI64::new(workers as i64), in_flight: AtomicI64::new(0) });
        let mut inward: Vec<Vec<ring::Consumer>> = (0..workers).map(|_| Vec::new()).collect();
        let mut outward: Vec<Vec<Option<ring::Producer>>> = Vec::new();
        for from in 0..workers {
            let mut producers = Vec::new();
            for (to, inward) in inward.iter_mut().enumerate() {
                producers.push(match from == to {
                    true => None,
                    false => {
                        let (producer, consumer) =
                            ring::create(&self.eal, &format!("wb_{from}_{to}"), HANDOVER_PACKETS, None)
                                .map_err(|error| error.to_string())?;
                        inward.push(consumer);
                        Some(producer)
                    }
                });
            }
            outward.push(producers);
        }
        let ending = if inlets.any_live { Ending::Never } else { Ending::Fed(inlets.feeds) };
        let mut files = Some(inlets.files);
        let parts = inlets.live.into_iter().zip(inward).zip(outward).enumerate();
        Ok(parts
            .map(|(number, ((queues, inward), outward))| DpdkSource {
                eal: self.eal.share(),
                cpus: plan.cpus.get(number).cloned(),
                ending: ending.clone(),
                queues,
                // One worker reads them all, since only it knows which packet is the earliest.
                files: files.take().unwrap_or_default(),
                inward,
                leaving: outward.iter().map(|_| dpdk_sys::Burst::new()).collect(),
                outward,
                burst: dpdk_sys::Burst::new(),
                handed: 0,
                parts: Vec::with_capacity(BURST),
                part_ends: [(0, 0); BURST],
                stamps: inlets.stamps.clone(),
                wall: WallClock::new(&self.eal),
                fleet: Arc::clone(&fleet),
                pressure: plan.pressure,
                empty_polls: 0,
                feeding: true,
                statistics: SourceStatistics::default(),
            })
            .collect())
    }

    /// What the ports say, in the order of the interfaces.
    pub fn ports(&self) -> Vec<PortReport> {
        let report = |port: &Port| {
            let statistics = port.statistics().ok()?;
            Some(PortReport {
                name: port.name().to_string(),
                received: statistics.ipackets,
                received_bytes: statistics.ibytes,
                lost: SourceStatistics {
                    missed: statistics.imissed,
                    errors: statistics.ierrors,
                    no_buffer: statistics.rx_nombuf,
                    ..SourceStatistics::default()
                },
            })
        };
        self.ports.iter().filter_map(report).collect()
    }

    /// Starts the feeders of replays; called when the workers run.
    pub fn feed(&mut self) {
        self.feeds.iter_mut().for_each(Feed::start);
    }

    /// Stops the ports; the sources must have been dropped. Answers the mbufs that did not come back.
    pub fn stop(mut self) -> Result<u32, String> {
        for feed in self.feeds.drain(..) {
            feed.stop()?;
        }
        self.leave_promiscuous();
        self.rings.clear();
        for mut port in self.ports.drain(..).chain(self.senders.drain(..)) {
            port.stop().map_err(|error| error.to_string())?;
            port.close().map_err(|error| error.to_string())?;
        }
        Ok(self.pool.in_use())
    }

    /// The drivers leave a kernel interface as they made it.
    fn leave_promiscuous(&mut self) {
        for place in self.made_promiscuous.drain(..) {
            if let Some(port) = self.ports.get_mut(place) {
                // A port that is gone is not promiscuous either.
                let _ = port.set_promiscuous(false);
            }
        }
    }
}

impl Inlets {
    /// Queue after queue to worker after worker, so that queue k of every NIC is worker k's.
    fn add_live(&mut self, inlet: Inlet) {
        let workers = self.live.len();
        self.live[self.count % workers].push(inlet);
        self.count += 1;
    }
}

impl HardwarePlan {
    fn mbufs(&self) -> u32 {
        let workers = u32::from(self.workers);
        let queues: u32 = self.devices.iter().map(|device| u32::from(device.rx_descriptors) * workers.max(1)).sum();
        let rings = workers * workers.saturating_sub(1) * HANDOVER_PACKETS;
        let wanted = queues + rings + (workers + 2) * (CACHE_MBUFS + BURST as u32 * 4) + 1024;
        self.memory.mbufs.unwrap_or(wanted.max(8192))
    }

    /// Megabytes of huge pages that the run needs.
    pub fn memory_megabytes(&self) -> u32 {
        self.sized(self.mbufs()).0
    }

    /// EAL's memory: huge pages where enough are free. With its size in megabytes, for the pool and the rings.
    fn memory(&self, mbufs: u32) -> (Memory, u32) {
        let (huge, ordinary) = self.sized(mbufs);
        match Memory::detect(huge) {
            memory @ Memory::HugePages { .. } => (memory, huge),
            Memory::OrdinaryPages { .. } => (Memory::OrdinaryPages { megabytes: ordinary }, ordinary),
        }
    }

    /// Megabytes in huge pages, and in ordinary ones.
    fn sized(&self, mbufs: u32) -> (u32, u32) {
        let buffer = u64::from(self.memory.data_bytes) + u64::from(Mempool::HEADROOM_BYTES) + MBUF_OVERHEAD_BYTES;
        let megabytes = |buffer_bytes: u64| {
            let bytes = u64::from(mbufs) * buffer_bytes * 9 / 8 + (64 << 20);
            self.memory.megabytes.unwrap_or((bytes >> 20) as u32)
        };
        // A buffer does not lie across ordinary pages, unless it is larger than one.
        let ordinary = match PAGE_BYTES / buffer {
            0 => buffer.next_multiple_of(PAGE_BYTES),
            buffers => PAGE_BYTES / buffers,
        };
        (megabytes(buffer), megabytes(ordinary))
    }
}

fn start_eal(plan: &HardwarePlan, mbufs: u32) -> Result<Eal, String> {
    let (memory, megabytes) = plan.memory(mbufs);
    let is_ordinary = matches!(memory, Memory::OrdinaryPages { .. });
    let mut arguments = EalArguments::new("wirebeat").memory(memory).log_level(&plan.log_level);
    let free_megabytes = dpdk_sys::huge_pages_free() >> 20;
    if is_ordinary && free_megabytes > 0 {
        log::warn!(
            "DPDK takes ordinary pages: {megabytes} MB are needed, and {free_megabytes} MB of huge pages are free; reserve more (vm.nr_hugepages)"
        );
    }
    let own = |wanted: &str| plan.eal_arguments.iter().any(|argument| argument.starts_with(wanted));
    if own("--in-memory") && is_ordinary {
        return Err(format!(
            "wirebeat.dpdk.eal_arguments: --in-memory needs {megabytes} MB of free huge pages, this machine has {free_megabytes} MB; reserve more (vm.nr_hugepages) or leave --in-memory out"
        ));
    }
    let mut pci = false;
    for device in plan.devices.iter().filter(|device| device.replay.is_none() && device.name != generator::RING) {
        if is_pci_address(&device.name) {
            pci = true;
            arguments = arguments.allow_device(&device.name);
        } else {
            arguments = arguments.virtual_device(&device.name);
        }
    }
    if !pci && !own("-a") && !own("--allow") {
        arguments = arguments.no_pci();
    }
    let names_lcores = own("-l") || own("-c") || own("--lcores");
    if let (false, Ok(cpus)) = (names_lcores, CpuSet::of_current_thread()) {
        arguments = arguments.main_cpus(cpus);
    }
    let arguments = arguments.extra(plan.eal_arguments.iter().cloned());
    Eal::init(&arguments.list(), EalLog::StandardError)
        .map_err(|error| format!("DPDK does not start ({megabytes} MB of memory were asked for): {error}"))
}

fn create_pool(eal: &Eal, plan: &HardwarePlan, mbufs: u32) -> Result<Mempool, String> {
    let configuration = MempoolConfiguration {
        name: "wirebeat",
        count: mbufs,
        cache: CACHE_MBUFS.min(mbufs / 8),
        data_bytes: plan.memory.data_bytes,
        socket: None,
        handler: match usize::from(plan.workers) < plan.cpu_count {
            true => MempoolHandler::Default,
            false => MempoolHandler::RelaxedTail,
        },
    };
    Mempool::create(eal, &configuration).map_err(|error| {
        let (place, remedy) = match eal.has_huge_pages() {
            true => (
                format!("the huge pages, of which {} MB are free", dpdk_sys::huge_pages_free() >> 20),
                "reserve more (vm.nr_hugepages)",
            ),
            false => (
                format!("DPDK's memory of {} MB", plan.memory(mbufs).1),
                "set wirebeat.dpdk.memory_mb higher",
            ),
        };
        format!(
            "a pool of {mbufs} packet buffers of {} bytes does not fit into {place}: {error}; set wirebeat.dpdk.mbufs lower or {remedy}",
            plan.memory.data_bytes
        )
    })
}

/// Whether a name is a PCI address rather than a virtual device.
pub fn is_pci_address(name: &str) -> bool {
    dpdk_sys::devices::normalise_pci_address(name).is_some()
}

/// Whether a device's driver reads files once.
pub fn is_finite_file(name: &str) -> bool {
    name.starts_with("net_pcap") && name.contains("rx_pcap=") && !name.contains("infinite_rx=1")
}
