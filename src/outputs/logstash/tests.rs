// SPDX-License-Identifier: Apache-2.0
mod receiver;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::window::WindowSize;
use super::*;
use crate::outputs::batch_sink::{Backoff, BatchSink, HostBalance};
use crate::outputs::bench::{all, bodies, numbered, settled, slice_of};
use crate::outputs::peer::Host;
use crate::outputs::{Sink, Verdict};
use receiver::{Answer, Receiver};

fn options(hosts: &[&Receiver]) -> LogstashOptions {
    LogstashOptions {
        timeout: Duration::from_millis(1000),
        backoff: Backoff { initial: Duration::from_millis(10), maximum: Duration::from_millis(50) },
        ..LogstashOptions::new(hosts.iter().map(|receiver| receiver.host.clone()).collect())
    }
}

/// Offers the events, flushes, waits until all are settled, and answers them in their order.
fn outcome(sink: &mut BatchSink, events: &[String]) -> Vec<(String, Verdict)> {
    let mut all = settled(sink, Some(slice_of(events)));
    all.sort_by_key(|(body, _)| events.iter().position(|event| event == body));
    all
}

#[test]
fn events_come_in_windows() {
    for level in [0, 1, 3, 9] {
        let receiver = Receiver::start(|_, _| Answer::Acknowledge);
        let mut sink =
            start(LogstashOptions { compression_level: level, bulk_max_size: 4, ..options(&[&receiver]) }, None)
                .unwrap();
        let events = numbered(0, 10);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
        assert_eq!((receiver.bodies(), receiver.sizes()), (events, vec![4, 4, 2]));
        let windows = receiver.windows.lock().unwrap();
        assert!(windows.iter().all(|window| window.is_compressed == (level > 0) && window.connection == 0));
        let metrics = sink.metrics();
        assert_eq!((metrics.requests, metrics.connections, metrics.read_bytes), (3, 1, 18));
        assert!(metrics.written_bytes > 0);
    }
}

#[test]
fn several_windows_are_in_flight() {
    let pause = Duration::from_millis(150);
    for (pipelining, overlaps) in [(0, false), (1, false), (3, true)] {
        let receiver = Receiver::start(move |_, _| Answer::Late { times: 1, pause });
        let mut sink = start(LogstashOptions { pipelining, bulk_max_size: 5, ..options(&[&receiver]) }, None).unwrap();
        let begin = Instant::now();
        let events = numbered(0, 15);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
        // The receiver reads a window when it has answered the one before: with several in flight the next is there already.
        let windows = receiver.windows.lock().unwrap().clone();
        let quick = windows.windows(2).all(|pair| pair[1].read - pair[0].answered < Duration::from_millis(40));
        assert!(quick || !overlaps, "{pipelining}: {windows:?}");
        assert!(begin.elapsed() >= 3 * pause);
    }
}

#[test]
fn what_was_acknowledged_is_not_sent_again() {
    let receiver =
        Receiver::start(|connection, _| if connection == 0 { Answer::PartlyThenClose(3) } else { Answer::Acknowledge });
    let mut sink = start(LogstashOptions { pipelining: 2, bulk_max_size: 5, ..options(&[&receiver]) }, None).unwrap();
    let events = numbered(0, 10);
    let found = outcome(&mut sink, &events);
    assert_eq!(found[..3], all(&events[..3], Verdict::Acknowledged));
    assert_eq!(found[3..5], all(&events[3..5], Verdict::Retry("logstash_connection")));
    // The second window was under way, or had not begun.
    let whole = [all(&events[5..], Verdict::Retry("logstash_connection")), all(&events[5..], Verdict::Acknowledged)];
    assert!(whole.contains(&found[5..].to_vec()), "{found:?}");
    let again: Vec<String> =
        found.into_iter().filter(|(_, verdict)| *verdict != Verdict::Acknowledged).map(|(body, _)| body).collect();
    assert_eq!(outcome(&mut sink, &again), all(&again, Verdict::Acknowledged));
    let stored: BTreeSet<String> = receiver.bodies().into_iter().collect();
    assert_eq!(stored, events.into_iter().collect());
}

#[test]
fn a_window_may_be_acknowledged_in_parts() {
    let receiver = Receiver::start(|_, window| Answer::Partly(window as u32 + 1));
    let mut sink = start(LogstashOptions { bulk_max_size: 5, ..options(&[&receiver]) }, None).unwrap();
    let events = numbered(0, 15);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
    assert_eq!(receiver.bodies(), events);
}

#[test]
fn a_receiver_at_work_is_waited_for() {
    let receiver = Receiver::start(|_, _| Answer::Late { times: 5, pause: Duration::from_millis(200) });
    let options = LogstashOptions { timeout: Duration::from_millis(500), ..options(&[&receiver]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
    assert_eq!((receiver.bodies(), sink.metrics().connections), (events, 1));
}

#[test]
fn a_silent_receiver_is_left() {
    let receiver = Receiver::start(|connection, _| if connection == 0 { Answer::Silent } else { Answer::Acknowledge });
    let options = LogstashOptions { timeout: Duration::from_millis(200), ..options(&[&receiver]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Retry("logstash_timeout")));
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
}

#[test]
fn what_is_no_acknowledgement_acknowledges_nothing() {
    for bytes in
        [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"1A\0\0\0\x03", b"2A\0\0\0\x04", b"2A\xff\xff\xff\xff", b"2J\0\0\0\x03"]
    {
        let receiver = Receiver::start(
            move |connection, _| if connection == 0 { Answer::Bytes(bytes) } else { Answer::Acknowledge },
        );
        let mut sink = start(options(&[&receiver]), None).unwrap();
        let events = numbered(0, 3);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Retry("logstash_protocol")), "{bytes:?}");
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
    }
}

#[test]
fn half_an_acknowledgement_acknowledges_nothing() {
    let receiver =
        Receiver::start(|connection, _| if connection == 0 { Answer::Bytes(b"2A\0\0") } else { Answer::Acknowledge });
    let options = LogstashOptions { timeout: Duration::from_millis(200), ..options(&[&receiver]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Retry("logstash_timeout")));
}

#[test]
fn events_wait_for_an_absent_receiver() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let host = Host { name: "127.0.0.1".into(), port: address.port() };
    let options = LogstashOptions { backoff: options(&[]).backoff, ..LogstashOptions::new(vec![host]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 5);
    assert!(sink.offer(slice_of(&events)).is_none());
    sink.flush();
    let end = Instant::now() + Duration::from_secs(10);
    while sink.metrics().failed_connections < 3 {
        sink.poll(&mut |slice, verdict| panic!("{:?} {verdict:?}", bodies(&slice)));
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
    let receiver = Receiver::listen(TcpListener::bind(address).unwrap(), |_, _| Answer::Acknowledge);
    assert_eq!(settled(&mut sink, None), all(&events, Verdict::Acknowledged));
    assert_eq!(receiver.bodies(), events);
}

#[test]
fn a_host_that_fails_is_followed_by_the_next() {
    let [first, second] = [0, 1].map(|number| {
        Receiver::start(move |_, _| if number == 0 { Answer::PartlyThenClose(0) } else { Answer::Acknowledge })
    });
    let mut sink = start(options(&[&first, &second]), None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Retry("logstash_connection")));
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
    let more = numbered(10, 30);
    assert_eq!(outcome(&mut sink, &more), all(&more, Verdict::Acknowledged));
    assert_eq!((first.bodies(), second.bodies().len()), (events, 33), "the second is stayed with");
}

#[test]
fn load_is_spread_over_hosts_and_workers() {
    let receivers = [0, 1].map(|_| Receiver::start(|_, _| Answer::Late { times: 1, pause: Duration::from_millis(20) }));
    let mut options = options(&[&receivers[0], &receivers[1]]);
    (options.balance, options.workers, options.bulk_max_size, options.pipelining) = (HostBalance::All, 2, 5, 1);
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 100);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
    for receiver in &receivers {
        let connections: BTreeSet<usize> =
            receiver.windows.lock().unwrap().iter().map(|window| window.connection).collect();
        assert_eq!(connections, BTreeSet::from([0, 1]));
    }
    let mut stored: Vec<String> = receivers.iter().flat_map(Receiver::bodies).collect();
    stored.sort_by_key(|body| events.iter().position(|event| event == body));
    assert_eq!(stored, events);
}

#[test]
fn a_connection_has_its_time() {
    let receiver = Receiver::start(|_, _| Answer::Acknowledge);
    let options = LogstashOptions { time_to_live: Some(Duration::from_millis(50)), ..options(&[&receiver]) };
    let mut sink = start(options, None).unwrap();
    for number in 0..5 {
        let events = numbered(number, 1);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
        std::thread::sleep(Duration::from_millis(60));
    }
    let connections: BTreeSet<usize> =
        receiver.windows.lock().unwrap().iter().map(|window| window.connection).collect();
    assert!(connections.len() >= 4, "{connections:?}");
    assert_eq!(sink.metrics().failed_requests, 0);
}

#[test]
fn a_closed_idle_connection_costs_no_event_an_attempt() {
    let receiver = Receiver::start(|_, _| Answer::PartlyThenClose(1));
    let mut sink = start(options(&[&receiver]), None).unwrap();
    for number in 0..4 {
        let events = numbered(number, 1);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_slow_start_grows_and_shrinks() {
    let receiver =
        Receiver::start(
            |connection, window| {
                if (connection, window) == (0, 4) { Answer::PartlyThenClose(0) } else { Answer::Acknowledge }
            },
        );
    let options = LogstashOptions { start: Start::Slow, bulk_max_size: 100, pipelining: 1, ..options(&[&receiver]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 100);
    let found = outcome(&mut sink, &events);
    assert_eq!(receiver.sizes(), [10, 15, 23, 35, 17], "each is half as large again as the one before");
    let lost: Vec<String> =
        found.into_iter().filter(|(_, verdict)| *verdict != Verdict::Acknowledged).map(|(body, _)| body).collect();
    assert_eq!(lost, events[83..]);
    assert_eq!(outcome(&mut sink, &lost), all(&lost, Verdict::Acknowledged));
    assert_eq!(receiver.sizes(), [10, 15, 23, 35, 17, 17]);
    let mut size = WindowSize::new(Start::Slow, 30);
    for expected in [10, 15, 23, 30, 30] {
        assert_eq!(size.events(), expected);
        size.succeeded(size.events());
    }
    size.succeeded(3);
    for expected in [30, 15, 7, 3, 1, 1] {
        assert_eq!(size.events(), expected);
        size.failed();
    }
    let mut full = WindowSize::new(Start::Full, 30);
    full.failed();
    assert_eq!(full.events(), 30);
}
