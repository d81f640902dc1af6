// SPDX-License-Identifier: Apache-2.0
//! EAL, pools and ports of a run: started from the configuration, stopped with every mbuf back.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use dpdk_sys::thread::CpuSet;
use dpdk_sys::{
    ClassicInstruction, Eal, EalArguments, EalLog, Filter, Memory, Mempool, MempoolConfiguration, MempoolHandler, Port,
    PortConfiguration, RxQueue, TimestampField, ring,
};

use super::replay::{Feed, ReplayPlan};
use super::{BURST, DpdkSource, Ending, Fleet, Times, WallClock};
use crate::capture::{Pressure, SourceStatistics};

/// Packets a ring between two workers holds.
const HANDOVER_PACKETS: u32 = 1024;
/// Mbufs an lcore keeps to itself.
const CACHE_MBUFS: u32 = 256;
/// Bytes an mbuf takes besides its data.
const MBUF_OVERHEAD_BYTES: u64 = 128 + 128 + 64;

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
    eal: Eal,
    ports: Vec<Port>,
    pool: Mempool,
    feeds: Vec<Feed>,
}

impl Hardware {
    /// Starts EAL, the pool and the ports, and makes a source for each worker.
    pub fn start(plan: &HardwarePlan) -> Result<(Hardware, Vec<DpdkSource>), String> {
        let mbufs = plan.mbufs();
        let eal = start_eal(plan, mbufs)?;
        let pool = create_pool(&eal, plan, mbufs)?;
        let mut hardware = Hardware { eal: eal.share(), ports: Vec::new(), pool, feeds: Vec::new() };
        let mut queues: Vec<(RxQueue, Option<Arc<Filter>>)> = Vec::new();
        let mut ending = Ending::Never;
        let mut times = Times::Wall;
        for (number, device) in plan.devices.iter().enumerate() {
            let filter = match device.filter.is_empty() {
                true => None,
                false => Some(Arc::new(
                    Filter::new(&eal, &device.filter).map_err(|error| format!("{}: {error}", device.name))?,
                )),
            };
            let started = match &device.replay {
                Some(replay) => {
                    let (queues, feed) = replay.open(&eal, number, plan.workers, pool, &mut hardware.ports)?;
                    ending = Ending::Fed(feed.done());
                    times = Times::Stamped {
                        field: TimestampField::register(&eal).map_err(|e| e.to_string())?,
                        unit_ns: 1,
                    };
                    hardware.feeds.push(feed);
                    queues
                }
                None => {
                    let (queues, driver) = open_port(&eal, device, plan.workers, pool, &mut hardware.ports)?;
                    if driver == "net_pcap" {
                        // This driver stamps in microseconds, and without infinite_rx it comes to an end.
                        if let Some(field) = TimestampField::lookup(&eal) {
                            times = Times::Stamped { field, unit_ns: 1_000 };
                        }
                        if is_finite_file(&device.name) {
                            ending = Ending::File;
                        } else {
                            times = Times::Wall;
                        }
                    }
                    queues
                }
            };
            queues.extend(started.into_iter().map(|queue| (queue, filter.clone())));
        }
        let sources = hardware.sources(plan, queues, &ending, times)?;
        Ok((hardware, sources))
    }

    fn sources(
        &self,
        plan: &HardwarePlan,
        queues: Vec<(RxQueue, Option<Arc<Filter>>)>,
        ending: &Ending,
        times: Times,
    ) -> Result<Vec<DpdkSource>, String> {
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
        let mut of_worker: Vec<(Vec<RxQueue>, Option<Arc<Filter>>)> =
            (0..workers).map(|_| (Vec::new(), None)).collect();
        for (number, (queue, filter)) in queues.into_iter().enumerate() {
            let worker = &mut of_worker[number % workers];
            worker.0.push(queue);
            worker.1 = filter;
        }
        let parts = of_worker.into_iter().zip(inward).zip(outward).enumerate();
        Ok(parts
            .map(|(number, (((queues, filter), inward), outward))| DpdkSource {
                eal: self.eal.share(),
                cpus: plan.cpus.get(number).cloned(),
                // A worker without a queue of its own only gets what others hand over.
                ending: if queues.is_empty() { Ending::File } else { ending.clone() },
                queues,
                inward,
                leaving: outward.iter().map(|_| dpdk_sys::Burst::new()).collect(),
                outward,
                burst: dpdk_sys::Burst::new(),
                handed: 0,
                parts: Vec::with_capacity(BURST),
                part_ends: [(0, 0); BURST],
                times,
                wall: WallClock::new(&self.eal),
                filter,
                fleet: Arc::clone(&fleet),
                pressure: plan.pressure,
                empty_polls: 0,
                feeding: true,
                statistics: SourceStatistics::default(),
            })
            .map(|mut source| {
                if matches!(ending, Ending::Never) {
                    source.ending = Ending::Never;
                }
                source
            })
            .collect())
    }

    /// Sum of what the ports say they could not give.
    pub fn statistics(&self) -> SourceStatistics {
        let mut sum = SourceStatistics::default();
        for port in &self.ports {
            if let Ok(statistics) = port.statistics() {
                sum.missed += statistics.imissed;
                sum.errors += statistics.ierrors;
                sum.no_buffer += statistics.rx_nombuf;
            }
        }
        sum
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
        for mut port in self.ports.drain(..) {
            port.stop().map_err(|error| error.to_string())?;
            port.close().map_err(|error| error.to_string())?;
        }
        Ok(self.pool.in_use())
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

    /// EAL memory that the pool and the rings need, in megabytes.
    fn megabytes(&self, mbufs: u32) -> u32 {
        let buffer = u64::from(self.memory.data_bytes) + u64::from(Mempool::HEADROOM_BYTES) + MBUF_OVERHEAD_BYTES;
        let bytes = u64::from(mbufs) * buffer * 5 / 4 + (64 << 20);
        self.memory.megabytes.unwrap_or((bytes >> 20) as u32)
    }
}

fn start_eal(plan: &HardwarePlan, mbufs: u32) -> Result<Eal, String> {
    let megabytes = plan.megabytes(mbufs);
    let mut arguments = EalArguments::new("wirebeat").memory(Memory::detect(megabytes)).log_level(&plan.log_level);
    let own = |wanted: &str| plan.eal_arguments.iter().any(|argument| argument.starts_with(wanted));
    if own("--in-memory") && matches!(Memory::detect(megabytes), Memory::OrdinaryPages { .. }) {
        return Err(format!(
            "wirebeat.dpdk.eal_arguments: --in-memory needs {megabytes} MB of free huge pages, this machine has {} MB; reserve more (vm.nr_hugepages) or leave --in-memory out",
            dpdk_sys::huge_pages_free() >> 20
        ));
    }
    let mut pci = false;
    for device in plan.devices.iter().filter(|device| device.replay.is_none()) {
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
        handler: match usize::from(plan.workers) < std::thread::available_parallelism().map_or(1, |count| count.get()) {
            true => MempoolHandler::Default,
            false => MempoolHandler::RelaxedTail,
        },
    };
    Mempool::create(eal, &configuration).map_err(|error| {
        format!(
            "a pool of {mbufs} packet buffers of {} bytes does not fit into DPDK's memory of {} MB: {error}; set wirebeat.dpdk.mbufs lower or wirebeat.dpdk.memory_mb higher",
            plan.memory.data_bytes,
            plan.megabytes(mbufs)
        )
    })
}

/// Opens and starts a port with its queues; answers them and the driver's name.
fn open_port(
    eal: &Eal,
    device: &Device,
    workers: u16,
    pool: Mempool,
    ports: &mut Vec<Port>,
) -> Result<(Vec<RxQueue>, String), String> {
    let failed = |error: dpdk_sys::Error| format!("device {}: {error}", device.name);
    let mut port = Port::open(eal, &device.name).map_err(failed)?;
    let information = port.information().map_err(failed)?;
    // A virtual device's queues share its traffic in its own way: each must be polled.
    let queues = match is_pci_address(&device.name) {
        true => workers.min(information.max_rx_queues),
        false => information.max_rx_queues.clamp(1, 64),
    };
    let configuration =
        PortConfiguration { rx_descriptors: device.rx_descriptors, mtu: device.mtu, ..PortConfiguration::new(queues) };
    port.configure(&configuration, &[pool]).map_err(failed)?;
    let (queues, _transmit) = port.start().map_err(failed)?;
    // A device that knows no promiscuous mode takes every frame anyway.
    match port.set_promiscuous(device.promiscuous) {
        Err(error) if !error.is_unsupported() => return Err(failed(error)),
        _ => {}
    }
    ports.push(port);
    Ok((queues, information.driver))
}

/// Whether a name is a PCI address rather than a virtual device.
pub fn is_pci_address(name: &str) -> bool {
    dpdk_sys::devices::normalise_pci_address(name).is_some()
}

fn is_finite_file(name: &str) -> bool {
    name.contains("rx_pcap=") && !name.contains("infinite_rx=1")
}
