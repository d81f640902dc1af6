// SPDX-License-Identifier: Apache-2.0
//! Flow keys, the table, expiry.

use super::identity::MacAddresses;
use super::record::{Counters, RecordSettings};
use super::*;
use crate::wire::{
    AddressPair, Decoded, EthernetAddresses, FragmentInfo, IpAddress, IpVersion, MacAddress, Network, Transport, Vlans,
};

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
    FlowTable::new(limit, Secret::new([1, 2, 3, 4])).unwrap()
}

fn insert(table: &mut FlowTable, decoded: &Decoded, now_ns: i64) -> Option<FlowIndex> {
    let (key, orientation) = FlowKey::of(decoded).unwrap();
    let identity = Identity::of(decoded, MacAddresses::Matched);
    let number = Identity::number(decoded, MacAddresses::Matched, orientation);
    let hash = table.hash(&key);
    table.insert(hash, key, (&identity, number), now_ns)
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
fn a_realm_changes_the_key_and_not_the_home() {
    let secret = Secret::new([11, 22, 33, 44]);
    let (plain, _) = FlowKey::of(&packet([10, 0, 0, 9], 5000, [10, 0, 0, 1], 53)).unwrap();
    let inside = [plain.within(2), plain.within(6)];
    assert_eq!(plain.within(0), plain);
    assert!(inside[0] != inside[1] && inside[0] != plain);
    let hashes = inside.map(|key| secret.hash(&key));
    assert!(hashes.iter().all(|hash| hash >> 32 == secret.hash(&plain) >> 32), "one worker");
    assert_ne!(hashes[0], hashes[1], "two buckets");
    // Equal identifications of fragments in two realms are two datagrams.
    let mut fragment = packet([10, 0, 0, 9], 0, [10, 0, 0, 1], 0);
    for identification in [0, 7] {
        fragment.transport =
            Transport::Fragment(FragmentInfo { identification, offset_bytes: 0, more: true, protocol: 17 });
        let (key, _) = FlowKey::of(&fragment).unwrap();
        assert!(key.within(2) != key.within(6) && key.within(2) != key);
        let homes = [key, key.within(2), key.within(6)].map(|key| secret.hash(&key) >> 32);
        assert!(homes.iter().all(|home| *home == homes[0]), "one worker");
    }
}

#[test]
fn a_realm_is_made_of_what_the_settings_name() {
    let realm_of = |frame: &[u8], parts| {
        realm(&crate::wire::decode(crate::wire::LinkType::Ethernet, frame, frame.len() as u32).unwrap(), parts)
    };
    // An Ethernet frame with an IPv4 packet of this protocol between 1.1.1.1 and 2.2.2.2, either way.
    let frame = |tags: &[u8], protocol: u8, way: [u8; 2], then: &[u8]| {
        let [source, destination] = way;
        let mut frame = vec![0; 12];
        frame.extend(tags);
        frame.extend([8, 0, 0x45, 0, 0, (20 + then.len()) as u8, 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([[source; 4], [destination; 4]].concat());
        frame.extend(then);
        frame
    };
    let datagram = |port: u16, then: &[u8]| {
        let [high, low] = port.to_be_bytes();
        [&[0, 9, high, low, 0, (8 + then.len()) as u8, 0, 0][..], then].concat()
    };
    let inner = |tags: &[u8]| frame(tags, 17, [3, 4], &datagram(53, &[1]));
    let vxlan = |vni: u8, way, tags: &[u8]| {
        frame(&[], 17, way, &datagram(4789, &[&[8, 0, 0, 0, 0, 0, vni, 0][..], &inner(tags)].concat()))
    };
    let gre = |way| frame(&[], 47, way, &[&[0, 0, 8, 0][..], &inner(&[])[14..]].concat());
    let standard = KeyParts::STANDARD;
    let nothing = KeyParts { id: false, vlan: false, outer: false, plain_vlan: false };
    let tag = [0x81, 0, 0, 5];

    assert_eq!(realm_of(&inner(&tag), standard), 0);
    assert_ne!(realm_of(&inner(&tag), KeyParts { plain_vlan: true, ..nothing }), 0);
    assert_eq!(realm_of(&vxlan(7, [1, 2], &tag), nothing), 0);
    let one = realm_of(&vxlan(7, [1, 2], &[]), standard);
    assert!(one != 0 && one & 1 == 0);
    assert_eq!(realm_of(&vxlan(7, [2, 1], &[]), standard), one, "the other direction");
    assert_eq!(realm_of(&vxlan(7, [1, 9], &[]), standard), one, "another way to the same network");
    assert_ne!(realm_of(&vxlan(8, [1, 2], &[]), standard), one, "another network");
    assert_ne!(realm_of(&vxlan(7, [1, 2], &tag), standard), one, "another VLAN");
    assert_eq!(realm_of(&vxlan(7, [1, 2], &tag), KeyParts { vlan: false, ..standard }), one);
    // Without an id that both directions share the outer addresses count.
    let one = realm_of(&gre([1, 2]), standard);
    assert_eq!(realm_of(&gre([2, 1]), standard), one);
    assert_ne!(realm_of(&gre([1, 9]), standard), one);
    assert_eq!(realm_of(&gre([1, 9]), KeyParts { outer: false, ..standard }), 0);
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
        while let Some(flow) = table.next_due(now, &mut usize::MAX.clone()) {
            let deadline = deadlines.remove(&table.entry(flow).key.low_port).unwrap();
            assert!(deadline <= now);
            table.remove(flow);
        }
        assert!(deadlines.values().all(|deadline| *deadline > now - second));
    }
    now += 10_000 * second;
    while let Some(flow) = table.next_due(now, &mut usize::MAX.clone()) {
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
    assert_eq!(table.next_due(9 * second, &mut usize::MAX.clone()), None);
    assert_eq!(table.next_due(11 * second, &mut usize::MAX.clone()), Some(flow));
    assert_eq!(table.next_due(200 * second, &mut usize::MAX.clone()), None);
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
fn what_is_due_at_once_is_given_in_parts() {
    let mut table = table(1000);
    let second = 1_000_000_000i64;
    for port in 0..1000u16 {
        let flow = insert(&mut table, &packet([1, 1, 1, 1], port, [2, 2, 2, 2], 2), 0).unwrap();
        table.schedule(flow, second, 0);
    }
    let mut given = 0;
    for turn in 0.. {
        let mut budget = 64;
        while let Some(flow) = table.next_due(2 * second, &mut budget) {
            table.remove(flow);
            given += 1;
        }
        assert!(given <= 64 * (turn + 1));
        if table.is_empty() {
            // One for each flow, and for each slot of the wheel.
            assert!(turn <= (1000 + 2 * second as usize / (1 << 26)) / 64, "{turn}");
            break;
        }
    }
    assert_eq!(given, 1000);
}

#[test]
fn an_identity_comes_back_as_it_was() {
    let ethernet = EthernetAddresses { source: MacAddress([1; 6]), destination: MacAddress([2; 6]) };
    let mut vlans = [Vlans::new(); 3];
    vlans[1].push(7);
    (0..9).for_each(|id| vlans[2].push(id));
    let mut table = table(10);
    let mut kept = Vec::new();
    for round in 0..2 {
        for (number, vlans) in (0..).zip(vlans) {
            let decoded = Decoded {
                ethernet: (number != 0).then_some(ethernet),
                vlans,
                outer: (round == 1).then_some(AddressPair {
                    source: IpAddress::from_ipv4([9; 4]),
                    destination: IpAddress::from_ipv4([8; 4]),
                }),
                ..packet([1, 1, 1, 1], number, [2, 2, 2, 2], round)
            };
            let flow = insert(&mut table, &decoded, 0).unwrap();
            kept.push((flow, Identity::of(&decoded, MacAddresses::Matched)));
        }
        assert!(kept.iter().all(|(flow, identity)| table.identity(*flow) == *identity));
        kept.drain(..).for_each(|(flow, _)| table.remove(flow));
    }
}
