// SPDX-License-Identifier: Apache-2.0
mod server;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::config::Security;
use super::reply::{self, Reply, ReplyError};
use super::*;
use crate::event::chunk::Slice;
use crate::outputs::batch_sink::{Backoff, BatchSink, HostBalance};
use crate::outputs::bench::{all, append, bodies, chunk_with, numbered, settled, slice_of};
use crate::outputs::format_string::FormatString;
use crate::outputs::pretty::Layout;
use crate::outputs::{Sink, Verdict};
use server::{FakeServer, usual};

fn options(hosts: &[&FakeServer]) -> RedisOptions {
    let hosts = hosts.iter().map(|server| server.host.clone()).collect();
    RedisOptions {
        timeout: Duration::from_millis(500),
        backoff: Backoff { initial: Duration::from_millis(10), maximum: Duration::from_millis(50) },
        ..RedisOptions::new(hosts, KeyName::Constant("packetbeat".into()))
    }
}

fn outcome(sink: &mut BatchSink, slice: Slice) -> Vec<(String, Verdict)> {
    let order = bodies(&slice);
    let mut all = settled(sink, Some(slice));
    all.sort_by_key(|(body, _)| order.iter().position(|event| event == body));
    all
}

/// Events whose lists are these; an empty one is the output's own.
fn slice_for(keys: &[&str]) -> (Vec<String>, Slice) {
    let events = numbered(0, keys.len());
    let number = AtomicUsize::new(0);
    let chunk = chunk_with(&events, |chunk, event| {
        let place = number.fetch_add(1, Ordering::Relaxed);
        event.destination = append(chunk, keys[place]);
        event.time_ns = place as i64 * 86_400_000_000_000;
    });
    (events, Slice::whole(chunk))
}

fn words(first: &[&str], bodies: &[String]) -> Vec<String> {
    first.iter().map(|word| (*word).to_owned()).chain(bodies.iter().cloned()).collect()
}

#[test]
fn events_of_one_list_are_one_command() {
    let server = FakeServer::start(usual);
    let mut sink = start(RedisOptions { bulk_max_size: 4, ..options(&[&server]) }, None).unwrap();
    let events = numbered(0, 10);
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    let push = |range: std::ops::Range<usize>| words(&["RPUSH", "packetbeat"], &events[range]);
    assert_eq!(server.pushed(), [push(0..4), push(4..8), push(8..10)]);
    assert_eq!(server.commands.lock().unwrap()[0], ["PING"]);
    let metrics = sink.metrics();
    assert_eq!((metrics.requests, metrics.connections, metrics.read_bytes), (3, 1, 12));
    let (events, slice) = slice_for(&["a", "a", "b", "", "", "a"]);
    assert_eq!(settled(&mut sink, Some(slice)).len(), 6);
    let lists: Vec<(String, usize)> =
        server.pushed()[3..].iter().map(|command| (command[1].clone(), command.len() - 2)).collect();
    // Batches have four events.
    let expected = [("a", 2), ("b", 1), ("packetbeat", 1), ("packetbeat", 1), ("a", 1)];
    assert_eq!(lists, expected.map(|(name, count)| (name.to_owned(), count)));
    assert_eq!(events.len(), 6);
}

#[test]
fn published_events_are_a_command_each() {
    let server = FakeServer::start(usual);
    let key = KeyName::Dated(FormatString::parse("pb-%{+yyyy.MM.dd}").unwrap());
    let mut sink = start(RedisOptions { data_type: DataType::Channel, key, ..options(&[&server]) }, None).unwrap();
    let (events, slice) = slice_for(&["", "own", ""]);
    assert_eq!(outcome(&mut sink, slice), all(&events, Verdict::Acknowledged));
    let expected: Vec<Vec<String>> = ["pb-1970.01.01", "own", "pb-1970.01.03"]
        .iter()
        .zip(&events)
        .map(|(channel, event)| words(&["PUBLISH", channel], std::slice::from_ref(event)))
        .collect();
    assert_eq!(server.pushed(), expected);
}

#[test]
fn events_may_be_indented() {
    let server = FakeServer::start(usual);
    let mut sink = start(RedisOptions { layout: Layout::Pretty, ..options(&[&server]) }, None).unwrap();
    assert_eq!(outcome(&mut sink, slice_of(&[r#"{"a":[1,2]}"#])).len(), 1);
    assert_eq!(server.pushed()[0][2], "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
}

#[test]
fn an_event_without_a_key_is_dropped_by_name() {
    let server = FakeServer::start(usual);
    let mut sink = start(RedisOptions { key: KeyName::None, ..options(&[&server]) }, None).unwrap();
    let (events, slice) = slice_for(&["", "own", ""]);
    let found = outcome(&mut sink, slice);
    let dropped = Verdict::Dropped("redis_no_key");
    let verdicts = [dropped.clone(), Verdict::Acknowledged, dropped];
    assert_eq!(found, events.into_iter().zip(verdicts).collect::<Vec<_>>());
}

#[test]
fn each_answer_decides_on_its_events() {
    for (error, verdict) in [
        ("OOM command not allowed", Verdict::Retry("redis_out_of_memory")),
        ("WRONGTYPE Operation against a key", Verdict::Dropped("redis_wrong_type")),
        ("READONLY You can't write", Verdict::Retry("redis_read_only")),
        ("NOAUTH Authentication required.", Verdict::Retry("redis_forbidden")),
        ("NOPERM this user has no permissions", Verdict::Retry("redis_forbidden")),
        ("LOADING Redis is loading", Verdict::Retry("redis_unavailable")),
        ("MISCONF Redis is configured to save", Verdict::Retry("redis_unavailable")),
        ("MOVED 3999 127.0.0.1:6381", Verdict::Retry("redis_moved")),
        ("ERR unknown command 'RPUSH', with args beginning with: 'x'", Verdict::Dropped("redis_refused")),
    ] {
        let server = FakeServer::start(move |connection, command| match command.get(1) {
            Some(key) if key == "bad" => Some(format!("-{error}\r\n")),
            _ => usual(connection, command),
        });
        let mut sink = start(options(&[&server]), None).unwrap();
        let (events, slice) = slice_for(&["good", "bad", "bad", "good"]);
        let stored = Verdict::Acknowledged;
        let expected = [stored.clone(), verdict.clone(), verdict, stored];
        assert_eq!(outcome(&mut sink, slice), events.into_iter().zip(expected).collect::<Vec<_>>(), "{error}");
    }
}

#[test]
fn what_was_answered_before_the_connection_broke_is_stored() {
    for (last, reason) in [
        (None, "redis_connection"),
        (Some("+QUEUED\r\n"), "redis_protocol"),
        (Some("*1\r\n:1\r\n"), "redis_protocol"),
        (Some(":x\r\n"), "redis_protocol"),
        (Some(":1\n"), "redis_protocol"),
        (Some(":1"), "redis_timeout"),
    ] {
        let server = FakeServer::start(move |connection, command| match command.get(1) {
            Some(key) if ["bad", "later"].contains(&key.as_str()) && connection == 0 => last.map(str::to_owned),
            _ => usual(connection, command),
        });
        let mut sink = start(options(&[&server]), None).unwrap();
        let (events, slice) = slice_for(&["good", "good", "bad", "later"]);
        let retry = Verdict::Retry(reason);
        let expected = [Verdict::Acknowledged, Verdict::Acknowledged, retry.clone(), retry];
        assert_eq!(outcome(&mut sink, slice), events.iter().cloned().zip(expected).collect::<Vec<_>>(), "{last:?}");
        let again = slice_of(&events[2..]);
        assert_eq!(outcome(&mut sink, again), all(&events[2..], Verdict::Acknowledged));
    }
}

#[test]
fn a_server_is_told_who_comes_and_where_to() {
    let server = FakeServer::start(usual);
    let mut options = options(&[&server]);
    (options.username, options.password, options.database) = (Some("u".into()), Some("pw".into()), 3);
    let mut sink = start(options.clone(), None).unwrap();
    let events = numbered(0, 1);
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    assert_eq!(server.commands.lock().unwrap()[..3], [vec!["AUTH", "u", "pw"], vec!["SELECT", "3"], vec!["PING"]]);
    options.hosts[0].password = Some("own".into());
    options.username = None;
    let mut sink = start(options, None).unwrap();
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    assert!(server.commands.lock().unwrap().contains(&vec!["AUTH".into(), "own".into()]));
}

#[test]
fn events_wait_for_a_server_that_lets_them_in() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let logins = AtomicUsize::new(0);
    let server = FakeServer::listen(listener, move |connection, command| match command[0].as_str() {
        "AUTH" if logins.fetch_add(1, Ordering::Relaxed) < 3 => Some("-WRONGPASS invalid\r\n".into()),
        "PING" if connection == 3 => Some("-LOADING Redis is loading the dataset in memory\r\n".into()),
        _ => usual(connection, command),
    });
    assert_eq!(server.host.host.to_string(), address.to_string());
    let mut sink = start(RedisOptions { password: Some("pw".into()), ..options(&[&server]) }, None).unwrap();
    let events = numbered(0, 5);
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    assert_eq!(sink.metrics().failed_connections, 4);
}

#[test]
fn a_closed_idle_connection_costs_no_event_an_attempt() {
    // A closed connection, told by its third command.
    let server = FakeServer::start(usual);
    let closing = FakeServer::start(|connection, command| {
        usual(connection, command).filter(|_| command[0] != "PING" || connection > 0)
    });
    for server in [&server, &closing] {
        let mut sink = start(options(&[server]), None).unwrap();
        for number in 0..3 {
            let events = numbered(number, 1);
            assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
        }
    }
}

#[test]
fn a_host_that_fails_is_followed_by_the_next() {
    let first =
        FakeServer::start(|connection, command| if command[0] == "RPUSH" { None } else { usual(connection, command) });
    let second = FakeServer::start(usual);
    let mut sink = start(RedisOptions { balance: HostBalance::One, ..options(&[&first, &second]) }, None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Retry("redis_connection")));
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    assert_eq!((first.pushed().len(), second.pushed().len()), (1, 1));
}

#[test]
fn load_is_spread_over_hosts_and_workers() {
    let slowly = |connection: usize, command: &server::Command| {
        std::thread::sleep(Duration::from_millis(5));
        usual(connection, command)
    };
    let servers = [FakeServer::start(slowly), FakeServer::start(slowly)];
    let options = RedisOptions { workers: 2, bulk_max_size: 5, ..options(&[&servers[0], &servers[1]]) };
    let mut sink = start(options, None).unwrap();
    let events = numbered(0, 100);
    assert_eq!(outcome(&mut sink, slice_of(&events)), all(&events, Verdict::Acknowledged));
    assert_eq!(sink.metrics().connections, 4);
    assert!(servers.iter().all(|server| !server.pushed().is_empty()));
    assert_eq!(servers.iter().flat_map(FakeServer::pushed).map(|command| command.len() - 2).sum::<usize>(), 100);
}

#[test]
fn answers_are_read_as_they_come() {
    let parsed = |text: &str| reply::parse(text.as_bytes());
    for (text, expected) in [
        ("+OK\r\n", Reply::Status("OK".into())),
        (":-7\r\n", Reply::Integer(-7)),
        ("-ERR x\r\n", Reply::Error("ERR x".into())),
        ("$3\r\na\nb\r\n", Reply::Text(b"a\nb".to_vec())),
    ] {
        for end in 0..text.len() {
            assert!(parsed(&text[..end]).unwrap().is_none(), "{text:?} {end}");
        }
        let more = format!("{text}+more");
        assert_eq!(parsed(&more).unwrap(), Some((expected, text.len())));
    }
    for text in
        ["\n", "x\r\n", ":1\n", ":a\r\n", "$-1\r\n", "$99999999999\r\n", "$65537\r\n", "*1\r\n", &"+".repeat(65536)]
    {
        assert!(matches!(parsed(text), Err(ReplyError::Foreign)), "{:.20}", text);
    }
    assert_eq!(
        reply::shown("ERR unknown command 'AUTH', with args beginning with: 'secret' "),
        "ERR unknown command 'AUTH'"
    );
    assert_eq!(reply::shown("ERR a\tb"), "ERR a b");
}

#[test]
fn hosts_are_names_or_urls() {
    let host = RedisHost::parse("rediss://u%40:p%2Fw@[::1]:99/").unwrap();
    assert_eq!((host.host.to_string().as_str(), host.security), ("[::1]:99", Security::Tls));
    assert_eq!((host.username.as_deref(), host.password), (Some("u@"), Some("p/w".into())));
    let host = RedisHost::parse("redis://:pw@a").unwrap();
    assert_eq!(
        (host.host.port, host.security, host.username, host.password),
        (6379, Security::Plain, None, Some("pw".into()))
    );
    let host = RedisHost::parse("a:7").unwrap();
    assert_eq!((host.host.port, host.security, host.password), (7, Security::Unsaid, None));
    for text in
        ["http://:secret@a", "redis://", "redis://:secret@a/3", "redis://:secret@a:x", "redis://:secret@a?db=1", "a:b"]
    {
        let error = RedisHost::parse(text).unwrap_err();
        assert!(error.contains("expected a") && !error.contains("secret"), "{text}: {error}");
    }
}
