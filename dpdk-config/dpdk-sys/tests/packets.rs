// SPDX-License-Identifier: Apache-2.0
//! EAL without huge pages, as root and as an ordinary user: pools, rings, a ring port on two queues, net_pcap,
//! segments, filters.
//!
//! EAL starts once a process, so this binary has one test, which goes through its parts in order.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{pool, push_frame, run_as_nobody, start_eal, udp_frame, write_capture};
use dpdk_sys::thread::{CpuSet, Registration, spawn_worker};
use dpdk_sys::{
    BURST_CAPACITY, Burst, ClassicInstruction, Eal, EalLog, Execution, Filter, Mbuf, Mempool, MempoolConfiguration,
    MempoolHandler, Port, PortConfiguration, RingPort, TimestampField, clock, ring,
};

#[test]
fn packets_go_through_dpdk() {
    let directory = tempfile::tempdir().unwrap();
    let eal = start_and_check_process(directory.path());
    pools(&eal);
    let packets = pool(&eal, "packets", 1023, 2048);
    bursts(&packets);
    segments(&packets);
    rings(&eal, &packets);
    filters(&eal, &packets);
    ring_port_on_two_queues(&eal, &packets);
    capture_file(&eal, &packets, directory.path());
    ports_are_claimed_once(&eal);
    refusals(&eal, &packets);
    assert_eq!(packets.in_use(), 0);
    // Whoever dropped a queue or thread late would be seen here.
    // SAFETY: all mbufs, bursts, pools and threads of this test are done.
    unsafe { eal.cleanup() }.unwrap();
    assert!(Eal::init(&["again"], EalLog::Discard).unwrap_err().to_string().contains("cleaned up"));
    run_as_nobody("packets_go_through_dpdk");
}

/// EAL takes over neither the starting thread's CPU mask, nor signals, nor standard error.
fn start_and_check_process(directory: &Path) -> Eal {
    let mask = CpuSet::of_current_thread().unwrap();
    let before = signal_lines("self");
    let eal = start_eal(directory, &["--lcores", "0@0"]);
    assert_eq!(CpuSet::of_current_thread().unwrap(), mask);
    assert_eq!(signal_lines("self"), before);
    for thread in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap();
        if name.starts_with("eal-") || name.starts_with("rte_") || name.starts_with("dpdk-") {
            let id = thread.file_name().into_string().unwrap();
            let status = fs::read_to_string(format!("/proc/self/task/{id}/status")).unwrap();
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
            let blocked = u64::from_str_radix(blocked, 16).unwrap();
            assert_ne!(blocked & (1 << (libc::SIGTERM - 1)), 0, "{name} takes SIGTERM");
            assert_eq!(blocked & (1 << (libc::SIGBUS - 1)), 0, "{name} blocks SIGBUS");
        }
    }
    assert!(!eal.has_huge_pages());
    assert!(Eal::init(&["again"], EalLog::Discard).unwrap_err().to_string().contains("up already"));
    assert!(dpdk_sys::dpdk_version().starts_with("DPDK 2"));
    let ticks = clock::ticks();
    std::thread::sleep(Duration::from_millis(20));
    let seconds = (clock::ticks() - ticks) as f64 / clock::ticks_per_second(&eal) as f64;
    assert!((0.015..5.0).contains(&seconds), "{seconds} s");
    eal
}

/// Caught and ignored signals of the process, and the current thread's blocked ones.
fn signal_lines(process: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/thread-{process}/status")).unwrap();
    status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ")).map(str::to_owned).collect()
}

fn pools(eal: &Eal) {
    let small = pool(eal, "small", 63, 256);
    assert_eq!((small.in_use(), small.count(), small.data_bytes()), (0, 63, 256));
    let mut bursts = [const { Burst::new() }; 2];
    assert!(small.allocate_burst(&mut bursts[0]));
    assert_eq!((bursts[0].len(), small.in_use()), (BURST_CAPACITY, 32));
    // 31 are left: all or nothing.
    assert!(!small.allocate_burst(&mut bursts[1]) && bursts[1].is_empty());
    let last: Vec<Mbuf> = std::iter::from_fn(|| small.allocate()).collect();
    assert_eq!((last.len(), small.in_use()), (31, 63));
    drop(last);
    bursts[0].clear();
    assert_eq!(small.in_use(), 0);

    let create = |name, count, cache, data_bytes| {
        let handler = MempoolHandler::Default;
        let configuration = MempoolConfiguration { name, count, cache, data_bytes, socket: None, handler };
        Mempool::create(eal, &configuration).unwrap_err().to_string()
    };
    assert!(create("small", 63, 0, 256).contains("mempool small"), "the name is taken");
    assert!(create("a", 0, 0, 256).contains("at least 1 mbuf"));
    assert!(create("b", 1024, 513, 256).contains("a cache up to 512"));
    assert!(create("c", 30, 21, 256).contains("a cache up to 20"));
    assert!(create("d", 10, 0, 0).contains("accepted are 1 to 65407"));
    assert!(create("e", 10, 0, 65500).contains("accepted are 1 to 65407"));
    assert!(create("name of more than 24 bytes", 10, 0, 100).contains("26 bytes long"));
    assert!(create("zero\0byte", 10, 0, 100).contains("zero byte"));
    let too_large = create("large", 1_000_000, 0, 2048);
    assert!(too_large.contains("about 2259 MB") && too_large.contains("memory"), "{too_large}");
}

fn bursts(packets: &Mempool) {
    let mut burst = Burst::default();
    for number in 0..BURST_CAPACITY {
        push_frame(packets, &mut burst, &[number as u8; 60]);
    }
    assert!(burst.is_full());
    let rejected = burst.push(packets.allocate().unwrap()).unwrap_err();
    drop(rejected);
    let first = burst.swap_remove(0).unwrap();
    assert_eq!((first.data()[0], burst[0].data()[0], burst.len()), (0, 31, 31));
    assert!(burst.swap_remove(31).is_none());
    assert_eq!(burst.pop().unwrap().data()[0], 30);
    burst[1].data_mut().unwrap()[0] = 99;
    assert_eq!(burst[1].data()[0], 99);
    drop(burst);
    assert_eq!(packets.in_use(), 1);
    // SAFETY: the pointer comes from into_raw.
    drop(unsafe { Mbuf::from_raw(first.into_raw()) });
    assert_eq!(packets.in_use(), 0);
}

fn segments(packets: &Mempool) {
    let mut packet = packets.allocate().unwrap();
    assert!(packet.is_contiguous() && packet.data().is_empty() && packet.further_segments().next().is_none());
    assert!(packet.append(b"first"));
    for part in [b"second".as_slice(), b"third"] {
        let mut segment = packets.allocate().unwrap();
        assert!(segment.append(part));
        packet.chain(segment).unwrap();
    }
    assert_eq!((packet.packet_bytes(), packet.segment_count(), packet.is_contiguous()), (16, 3, false));
    assert_eq!(packet.data(), b"first");
    assert_eq!(packet.further_segments().collect::<Vec<_>>(), [b"second".as_slice(), b"third"]);
    // Appends to the last segment.
    assert!(packet.append(b"!"));
    assert_eq!(packet.further_segments().last(), Some(b"third!".as_slice()));
    assert!(!packet.append(&[0; 2048]) && !packet.append(&[0; 70_000]));
    assert_eq!((packet.packet_bytes(), packets.in_use()), (17, 3));
    assert_eq!((packet.rss_hash(), packet.stripped_vlan()), (None, None));
    drop(packet);
    assert_eq!(packets.in_use(), 0);
}

fn rings(eal: &Eal, packets: &Mempool) {
    let (mut producer, mut consumer) = ring::create(eal, "between", 40, None).unwrap();
    assert_eq!((producer.capacity(), producer.is_empty(), consumer.is_abandoned()), (40, true, false));
    let mut burst = Burst::new();
    let fill = |burst: &mut Burst, from: u8| {
        for number in 0..BURST_CAPACITY as u8 {
            push_frame(packets, burst, &[from + number; 60]);
        }
    };
    fill(&mut burst, 0);
    assert_eq!((producer.enqueue(&mut burst), burst.len()), (32, 0));
    fill(&mut burst, 32);
    // Eight places are left; the others stay in the burst, in order.
    assert_eq!((producer.enqueue(&mut burst), burst.len(), producer.len()), (8, 24, 40));
    assert_eq!(burst[0].data()[0], 40);
    let mut received = Burst::new();
    assert_eq!(consumer.dequeue(&mut received), 32);
    assert!(received.iter().enumerate().all(|(number, packet)| packet.data() == [number as u8; 60]));
    assert_eq!(consumer.dequeue(&mut received), 0, "the burst is full");
    received.clear();
    drop(producer);
    assert!(consumer.is_abandoned() && !consumer.is_empty());
    assert_eq!(packets.in_use(), 24 + 8);
    drop(consumer);
    assert_eq!(packets.in_use(), 24, "packets left in a ring are freed with it");
    drop(burst);
    assert!(ring::create(eal, "between", 0, None).unwrap_err().to_string().contains("accepted are 1 to"));
    assert!(ring::create(eal, "between", 1 << 30, None).unwrap_err().to_string().contains("accepted are 1 to"));
    assert!(ring::create(eal, "", 1, None).unwrap_err().to_string().contains("0 bytes long"));
}

fn compiled(expression: &str) -> (pcap::BpfProgram, Vec<ClassicInstruction>) {
    let program = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap().compile(expression, true).unwrap();
    let instructions = program.get_instructions().iter().map(|line| line.to_string().parse().unwrap()).collect();
    (program, instructions)
}

/// Native code, DPDK's interpreter and libpcap agree on whole and on segmented packets, whatever their bytes and
/// length.
fn filters(eal: &Eal, packets: &Mempool) {
    let mut random = fastrand::Rng::with_seed(0xf117_e400);
    let mut matched = 0;
    for expression in [
        "",
        "udp port 5353",
        "ip and not tcp",
        "udp[8:4] = 0x00010203 or ip6",
        "ip[2:2] - ((ip[0] & 0xf) << 2) > 40",
        "greater 100 and udp[(udp[4:2] & 0x1f):1] != 7",
        "vlan 5 and udp port 53",
        "ether[ether[12:2]] = 3 or ether[60:4] = 0x1e1f2021",
        "ether[ether[34:4] - 0x350000:4] > 5",
        "ether[ether[len - 1]:1] & 1 = 0",
        "ether[0xf0000000 + ether[0:1]] = 0 or ether[0x7fffffff] = 1 or udp[9] / udp[8] = 0",
        "(udp[9] << udp[10]) + (udp[20:4] >> udp[11]) - udp[12] * udp[13] > 0x80000000 or (udp[14] ^ udp[15] | 8) % 7 = 3",
        "(ip[8] << (ip[8] - 10)) = 0 and -udp[3] < 0xfffffff0",
    ] {
        let (libpcap, instructions) = compiled(expression);
        let native = Filter::new(eal, &instructions).unwrap_or_else(|error| panic!("{expression}: {error}"));
        #[cfg(target_arch = "x86_64")]
        assert_eq!(native.execution(), Execution::Native);
        let interpreted = Filter::new(eal, &instructions).unwrap().interpreted();
        assert_eq!(interpreted.execution(), Execution::Interpreted);
        for round in 0..400 {
            let mut frame = udp_frame([53, 5353][round % 2], random.usize(0..120));
            for _ in 0..random.usize(0..4) {
                let place = random.usize(0..frame.len());
                frame[place] = random.u8(..);
            }
            frame.truncate(random.usize(1..=frame.len() * 2));
            let expected = libpcap.filter(&frame);
            matched += u32::from(expected);
            let whole = in_segments(packets, &[&frame]);
            let (front, back) = frame.split_at(random.usize(0..=frame.len()));
            let split = in_segments(packets, &[front, back]);
            let bytes = in_segments(packets, &frame.chunks(1).take(200).collect::<Vec<_>>());
            for packet in [&whole, &split, &bytes] {
                assert_eq!(native.matches(packet), expected, "{expression}: native, {packet:?} {frame:02x?}");
                assert_eq!(interpreted.matches(packet), expected, "{expression}: interpreted, {packet:?} {frame:02x?}");
            }
        }
    }
    assert!(matched > 500, "{matched} packets matched");
    assert_eq!(packets.in_use(), 0);
    assert!(Filter::new(eal, &[]).unwrap_err().to_string().contains("0 instructions"));
    let many = vec!["0 0 0 0".parse().unwrap(); 4097];
    assert!(Filter::new(eal, &many).unwrap_err().to_string().contains("4097 instructions"));
}

fn in_segments(packets: &Mempool, parts: &[&[u8]]) -> Mbuf {
    let mut segments = parts.iter().map(|part| {
        let mut segment = packets.allocate().unwrap();
        assert!(segment.append(part));
        segment
    });
    let mut head = segments.next().unwrap();
    for segment in segments {
        head.chain(segment).unwrap();
    }
    head
}

/// A feeding thread and two workers, more threads than this machine may have CPUs: everything arrives, in order, on its
/// queue.
fn ring_port_on_two_queues(eal: &Eal, packets: &Mempool) {
    const PACKETS_PER_QUEUE: u32 = 20_000;
    let RingPort { mut port, mut feeders } = RingPort::create(eal, "replay", 2, 128, None).unwrap();
    let setup = port.configure(&PortConfiguration::new(2), &[*packets]).unwrap();
    assert_eq!((setup.rx_queues, setup.rss_functions), (2, 0));
    let (queues, tx_queues) = port.start().unwrap();
    assert_eq!(queues.len(), 2);
    let cpus = CpuSet::of_current_thread().unwrap();
    let first_cpu: CpuSet = cpus.iter().take(1).collect();
    let workers: Vec<_> = queues
        .into_iter()
        .map(|mut queue| {
            spawn_worker(eal, "test-worker", &first_cpu, move |lcore| {
                let mut burst = Burst::new();
                let mut next = 0_u32;
                let deadline = Instant::now() + Duration::from_secs(60);
                while next < PACKETS_PER_QUEUE {
                    assert!(Instant::now() < deadline, "{queue} has {next} packets");
                    if queue.receive(&mut burst) == 0 {
                        std::thread::yield_now();
                    }
                    for packet in burst.iter() {
                        assert_eq!(packet.data(), [&next.to_le_bytes()[..], &queue.index().to_le_bytes()].concat());
                        next += 1;
                    }
                    burst.clear();
                }
                assert_eq!(CpuSet::of_current_thread().unwrap().len(), 1);
                lcore
            })
            .unwrap()
        })
        .collect();
    let packets_to_feed = *packets;
    let feeder = spawn_worker(eal, "test-feeder", &cpus, move |lcore| {
        let mut numbers = [0_u32; 2];
        let mut burst = Burst::new();
        while numbers.iter().any(|&number| number < PACKETS_PER_QUEUE) {
            for (queue, feeder) in feeders.iter_mut().enumerate() {
                while !burst.is_full() && numbers[queue] < PACKETS_PER_QUEUE {
                    let bytes = [&numbers[queue].to_le_bytes()[..], &(queue as u16).to_le_bytes()].concat();
                    push_frame(&packets_to_feed, &mut burst, &bytes);
                    numbers[queue] += 1;
                }
                while feeder.enqueue(&mut burst) == 0 && !burst.is_empty() {
                    std::thread::yield_now();
                }
                while !burst.is_empty() {
                    feeder.enqueue(&mut burst);
                    std::thread::yield_now();
                }
            }
        }
        (lcore, feeders)
    })
    .unwrap();
    assert!(port.stop().unwrap_err().to_string().contains("of its queues are in use"));
    let mut lcores: Vec<u32> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    let (feeder_lcore, mut feeders) = feeder.join().unwrap();
    lcores.push(feeder_lcore);
    lcores.sort_unstable();
    lcores.dedup();
    assert_eq!(lcores.len(), 3, "each thread has an lcore id of its own");
    let statistics = port.statistics().unwrap();
    assert_eq!((statistics.ipackets, statistics.rx_nombuf), (2 * u64::from(PACKETS_PER_QUEUE), 0));
    assert_eq!(packets.in_use(), 0);

    // What lies in the rings when the port goes is freed with them.
    let mut burst = Burst::new();
    push_frame(packets, &mut burst, b"left over");
    assert_eq!(feeders[0].enqueue(&mut burst), 1);
    drop(tx_queues);
    port.stop().unwrap();
    assert!(port.link().is_ok());
    port.close().unwrap();
    assert!(feeders[0].is_abandoned());
    assert_eq!(packets.in_use(), 1);
    drop(feeders);
    assert_eq!(packets.in_use(), 0);
    // Its name is free again.
    RingPort::create(eal, "replay", 1, 8, None).unwrap().port.close().unwrap();
    assert!(RingPort::create(eal, "replay", 17, 8, None).unwrap_err().to_string().contains("accepted are 1 to 16"));
}

/// net_pcap gives a file's packets with its timestamps, in several segments where they are larger than the pool's
/// buffers.
fn capture_file(eal: &Eal, packets: &Mempool, directory: &Path) {
    let frames: Vec<Vec<u8>> = (0..100).map(|number| udp_frame(number, usize::from(number) * 20)).collect();
    let path = directory.join("frames.pcap");
    write_capture(&path, &frames);
    let device = format!("net_pcap7,rx_pcap={}", path.display());
    eal.attach(&device).unwrap();
    let mut port = Port::open(eal, &device).unwrap();
    let information = port.information().unwrap();
    assert_eq!((information.name.as_str(), information.driver.as_str()), ("net_pcap7", "net_pcap"));
    assert_eq!((information.bus.as_str(), information.max_rx_queues), ("vdev", 1));
    assert!(eal.ports().iter().any(|port| port.name == "net_pcap7"));
    let small = pool(eal, "small_buffers", 511, 600);
    port.configure(&PortConfiguration::new(1), &[small]).unwrap();
    let (mut queues, tx_queues) = port.start().unwrap();
    drop(tx_queues);
    let timestamps = TimestampField::lookup(eal).expect("net_pcap registers the timestamp");
    let mut burst = Burst::new();
    let mut received = 0;
    while queues[0].receive(&mut burst) > 0 {
        for packet in burst.drain_all() {
            let frame = &frames[received];
            let bytes: Vec<u8> =
                [packet.data()].into_iter().chain(packet.further_segments()).flatten().copied().collect();
            assert_eq!((&bytes, packet.packet_bytes() as usize), (frame, frame.len()));
            assert_eq!(packet.is_contiguous(), frame.len() <= 600);
            assert_eq!(packet.further_segments().count() + 1, usize::from(packet.segment_count()));
            let seconds = 1_700_000_000 + received as u64;
            let stamp = packet.timestamp(&timestamps).unwrap();
            // Microseconds in DPDK 22.11 and later.
            assert_eq!(stamp, seconds * 1_000_000 + 250);
            received += 1;
        }
    }
    assert_eq!(received, frames.len());
    let statistics = port.statistics().unwrap();
    assert_eq!((statistics.ipackets, statistics.ibytes), (100, frames.iter().map(|frame| frame.len() as u64).sum()));
    assert!(port.extended_statistics().unwrap().iter().any(|(name, value)| name == "rx_good_packets" && *value == 100));
    drop(queues);
    port.close().unwrap();
    assert_eq!(small.in_use(), 0);
    assert!(Port::open(eal, "net_pcap7").unwrap_err().to_string().contains("no port \"net_pcap7\""));

    let mut own = packets.allocate().unwrap();
    assert_eq!(own.timestamp(&timestamps), None);
    timestamps.write(&mut own, 42);
    assert_eq!(own.timestamp(&timestamps), Some(42));
    assert_eq!(TimestampField::register(eal).unwrap(), timestamps);
}

fn ports_are_claimed_once(eal: &Eal) {
    eal.attach("net_null5,size=100").unwrap();
    let port = Port::open(eal, "net_null5").unwrap();
    assert!(Port::open(eal, "net_null5").unwrap_err().to_string().contains("in use already"));
    drop(port);
    assert!(Port::open(eal, "net_null5").is_err(), "a closed virtual device is gone");
}

fn refusals(eal: &Eal, packets: &Mempool) {
    assert!(eal.attach("net_nonsense0").unwrap_err().to_string().contains("net_nonsense0 cannot be attached"));
    assert!(eal.attach("net_pcap8,rx_pcap=/nonexistent.pcap").is_err());
    assert!(eal.attach("zero\0byte").unwrap_err().to_string().contains("zero byte"));
    eal.attach("net_null6,size=100").unwrap();
    let mut port = Port::open(eal, "net_null6").unwrap();
    assert!(port.start().unwrap_err().to_string().contains("can only be started when it is configured"));
    let mut refuse = |configuration: PortConfiguration, pools: &[Mempool], text: &str| {
        let error = port.configure(&configuration, pools).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refuse(PortConfiguration::new(1), &[], "needs at least one mempool");
    refuse(PortConfiguration::new(0), &[*packets], "was given 0 receive queues; it has 1 to");
    refuse(PortConfiguration::new(5000), &[*packets], "was given 5000 receive queues; it has 1 to");
    refuse(PortConfiguration { mtu: Some(20), ..PortConfiguration::new(1) }, &[*packets], "was given an MTU of 20");
    refuse(
        PortConfiguration { tx_queues: Some(5000), ..PortConfiguration::new(1) },
        &[*packets],
        "was given 5000 transmit queues",
    );
    port.configure(&PortConfiguration { mtu: Some(4000), ..PortConfiguration::new(1) }, &[*packets]).unwrap();
    let (mut queues, mut tx_queues) = port.start().unwrap();
    assert!(
        port.configure(&PortConfiguration::new(1), &[*packets])
            .unwrap_err()
            .to_string()
            .contains("while it is stopped")
    );
    let mut burst = Burst::new();
    assert_eq!(queues[0].receive(&mut burst), BURST_CAPACITY);
    assert_eq!(tx_queues[0].transmit(&mut burst), BURST_CAPACITY);
    assert!(burst.is_empty());
    assert!(queues[0].wait_for_interrupt(Duration::from_millis(1)).unwrap_err().to_string().contains("no interrupt"));
    assert!(port.set_promiscuous(true).is_ok_and(|()| port.is_promiscuous()) || port.set_promiscuous(true).is_err());
    assert!(Registration::of_current_thread(eal).unwrap().lcore_id() == 0, "the starting thread is EAL's main lcore");
    let absent: CpuSet = [1023].into_iter().collect();
    let error = spawn_worker(eal, "nowhere", &absent, |_| ()).unwrap_err().to_string();
    assert!(error.contains("thread nowhere cannot start: it cannot be pinned to CPUs 1023"), "{error}");
    drop((queues, tx_queues));
    port.close().unwrap();
}
