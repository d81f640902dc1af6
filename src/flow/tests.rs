// SPDX-License-Identifier: Apache-2.0
//! Flow keys, the table, expiry.

use super::identity::MacAddresses;
use super::record::{Counters, RecordSettings};
use super::table::FlowEntry;
use super::*;
use crate::wire::{AddressPair, Decoded, FragmentInfo, IpAddress, IpVersion, Network, Transport};

fn packet(source: [u8; 4], source_port: u16, destination: [u8; 4], destination_port: u16) -> Decoded {
    Decoded {
        network: Some(Network {
            addresses: AddressPair {
                source: IpAddress::from_ipv4(source),
                destination: IpAddress::from_ipv4(destination),
            },
            version: IpVersion::V4,
            protocol: 17,
        }),
        transport: Transport::Udp { source_port, destination_port },
        ..Decoded::new()
    }
}

fn table(limit: usize) -> FlowTable {
    FlowTable::new(limit, Secret::new([1, 2, 3, 4]))
}

fn insert(table: &mut FlowTable, decoded: &Decoded, now_ns: i64) -> Option<FlowIndex> {
    let (key, orientation) = FlowKey::of(decoded).unwrap();
    let identity = Identity::of(decoded, MacAddresses::Matched);
    let hash = table.hash(&key);
    table.insert(hash, key, orientation, (identity, identity.number(orientation)), now_ns)
}

#[test]
fn both_directions_have_one_key() {
    let there = FlowKey::of(&packet([10, 0, 0, 9], 5000, [10, 0, 0, 1], 53)).unwrap();
    let back = FlowKey::of(&packet([10, 0, 0, 1], 53, [10, 0, 0, 9], 5000)).unwrap();
    assert_eq!(there.0, back.0);
    assert_ne!(there.1, back.1);
    // Equal addresses are told apart by the port.
    let there = FlowKey::of(&packet([127, 0, 0, 1], 5000, [127, 0, 0, 1], 53)).unwrap();
    let back = FlowKey::of(&packet([127, 0, 0, 1], 53, [127, 0, 0, 1], 5000)).unwrap();
    assert_eq!(there.0, back.0);
    assert_ne!(there.1, back.1);
}

#[test]
fn the_hash_spreads_over_workers_and_buckets() {
    let secret = Secret::new([11, 22, 33, 44]);
    let mut workers = [0u32; 4];
    let mut buckets = vec![0u32; 4096];
    for port in 0..40_000u16 {
        let (key, _) = FlowKey::of(&packet([10, 0, (port >> 8) as u8, port as u8], port, [10, 1, 1, 1], 80)).unwrap();
        let hash = secret.hash(&key);
        workers[((hash >> 32) as usize * 4) >> 32] += 1;
        buckets[hash as usize & 4095] += 1;
    }
    assert!(workers.iter().all(|count| (9_000..11_000).contains(count)), "{workers:?}");
    assert!(buckets.iter().all(|count| *count < 40), "{:?}", buckets.iter().max());
}

#[test]
fn fragments_of_icmp_go_where_whole_messages_go() {
    let secret = Secret::new([11, 22, 33, 44]);
    let mut message = packet([10, 0, 0, 9], 0, [10, 0, 0, 1], 0);
    message.network.as_mut().unwrap().protocol = 1;
    message.transport = Transport::Icmp { kind: 8, code: 0 };
    let whole = secret.hash(&FlowKey::of(&message).unwrap().0);
    let hashes = [7, 8].map(|identification| {
        message.transport =
            Transport::Fragment(FragmentInfo { identification, offset_bytes: 0, more: true, protocol: 1 });
        secret.hash(&FlowKey::of(&message).unwrap().0)
    });
    assert!(hashes.iter().all(|hash| hash >> 32 == whole >> 32), "one worker");
    assert_ne!(hashes[0], hashes[1], "two datagrams");
}

#[test]
fn a_full_table_refuses_and_takes_again_after_a_removal() {
    let mut table = table(2);
    let first = insert(&mut table, &packet([1, 1, 1, 1], 1, [2, 2, 2, 2], 2), 0).unwrap();
    assert!(insert(&mut table, &packet([1, 1, 1, 1], 2, [2, 2, 2, 2], 2), 0).is_some());
    assert!(insert(&mut table, &packet([1, 1, 1, 1], 3, [2, 2, 2, 2], 2), 0).is_none());
    table.remove(first);
    assert!(insert(&mut table, &packet([1, 1, 1, 1], 3, [2, 2, 2, 2], 2), 0).is_some());
    assert_eq!(table.len(), 2);
}

#[test]
fn the_wheel_gives_every_entry_when_its_time_is_over() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut table = table(10_000);
    let second = 1_000_000_000i64;
    let mut now = 1_700_000_000 * second;
    let mut deadlines = std::collections::HashMap::new();
    for port in 0..3000u16 {
        let flow = insert(&mut table, &packet([1, 1, 1, 1], port, [2, 2, 2, 2], 2), now).unwrap();
        let deadline = now + random.i64(0..2000 * second);
        table.schedule(flow, deadline, now);
        deadlines.insert(table.entry(flow).key.low_port, deadline);
    }
    for _ in 0..400 {
        now += random.i64(0..15 * second);
        while let Some(flow) = table.next_due(now) {
            let deadline = deadlines.remove(&table.entry(flow).key.low_port).unwrap();
            assert!(deadline <= now);
            table.remove(flow);
        }
        assert!(deadlines.values().all(|deadline| *deadline > now - second));
    }
    now += 10_000 * second;
    while let Some(flow) = table.next_due(now) {
        deadlines.remove(&table.entry(flow).key.low_port).unwrap();
        table.remove(flow);
    }
    assert!(deadlines.is_empty() && table.is_empty());
}

#[test]
fn an_earlier_time_moves_an_entry_a_later_one_does_not() {
    let mut table = table(10);
    let second = 1_000_000_000i64;
    let flow = insert(&mut table, &packet([1, 1, 1, 1], 1, [2, 2, 2, 2], 2), 0).unwrap();
    table.schedule(flow, 100 * second, 0);
    table.schedule(flow, 10 * second, 0);
    table.schedule(flow, 50 * second, 0);
    assert_eq!(table.next_due(9 * second), None);
    assert_eq!(table.next_due(11 * second), Some(flow));
    assert_eq!(table.next_due(200 * second), None);
}

#[test]
fn reports_lie_on_multiples_of_the_period() {
    let settings = RecordSettings {
        timeout_ns: 30,
        period_ns: Some(10),
        counters: Counters::Cumulative,
        mac_addresses: MacAddresses::Matched,
    };
    assert_eq!(settings.report_after(0), 10);
    assert_eq!(settings.report_after(10), 20);
    assert_eq!(settings.report_after(19), 20);
    assert_eq!(RecordSettings { period_ns: None, ..settings }.report_after(5), i64::MAX);
}

#[test]
fn an_entry_stays_small() {
    assert!(std::mem::size_of::<FlowEntry>() <= 192, "{}", std::mem::size_of::<FlowEntry>());
    assert!(std::mem::size_of::<Identity>() <= 96, "{}", std::mem::size_of::<Identity>());
}
