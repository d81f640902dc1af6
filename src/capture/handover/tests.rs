// SPDX-License-Identifier: Apache-2.0

use super::*;

fn packet<'a>(data: &'a [u8], more: &'a [&'a [u8]]) -> Packet<'a> {
    Packet { data, more, wire_length: 99, time_ns: 7, link: LinkType::Ethernet, origin: Origin::Source }
}

#[test]
fn a_packet_arrives_whole_at_its_home_alone() {
    let mut desks = Desk::group(3).expect("desks");
    desks[0].send(2, &packet(b"abc", &[b"de", b"f"]));
    let mut taken = Vec::new();
    desks[1].take(&mut taken, 10);
    assert!(taken.is_empty());
    desks[2].take(&mut taken, 10);
    assert_eq!(taken.len(), 1);
    let arrived = taken[0].packet();
    assert_eq!((arrived.data, arrived.wire_length, arrived.time_ns), (&b"abcdef"[..], 99, 7));
    assert_eq!(arrived.origin, Origin::Worker);
    let handed = taken.remove(0);
    desks[2].give_back(handed);
    assert_eq!(desks[0].exchange.ring(0, 2).expect("a ring").empty.len(), 1);
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut desks = Desk::group(2).expect("desks");
    for _ in 0..RING_PACKETS + 3 {
        desks[0].send(1, &packet(b"x", &[]));
    }
    assert_eq!(desks[0].lost(), 3);
    let mut taken = Vec::new();
    desks[1].take(&mut taken, usize::MAX);
    assert_eq!(taken.len(), RING_PACKETS);

    let large = vec![0; 1 << 20];
    for _ in 0..6 {
        desks[0].send(1, &packet(&large, &[]));
    }
    assert_eq!(desks[0].lost(), 3 + 2);
    taken.clear();
    desks[1].take(&mut taken, usize::MAX);
    assert_eq!(taken.len(), 4);
    taken.drain(..).for_each(|handed| desks[1].give_back(handed));
    desks[0].send(1, &packet(b"x", &[]));
    assert_eq!(desks[0].lost(), 5);
}

#[test]
fn the_bell_wakes_a_sleeper_and_nobody_else() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let rings = |desk: &Desk| {
        let bell = desk.bell();
        let mut bells = [PollFd::new(&bell, PollFlags::IN)];
        poll(&mut bells, Some(&Timespec::default())).expect("poll") == 1
    };
    let mut desks = Desk::group(2).expect("desks");
    desks[0].send(1, &packet(b"x", &[]));
    assert!(!rings(&desks[1]), "nobody sleeps");
    assert!(!desks[1].falls_asleep(), "a packet waits");
    desks[1].take(&mut Vec::new(), 1);
    assert!(desks[1].falls_asleep());
    assert!(!rings(&desks[1]));
    desks[0].send(1, &packet(b"x", &[]));
    assert!(rings(&desks[1]));
    desks[1].wakes_up();
    assert!(!rings(&desks[1]));
}
