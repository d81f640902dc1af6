// SPDX-License-Identifier: Apache-2.0
//! The Redis output against a real server; redis-cli reads back. Tests that hurt the server start one of their own.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use wirebeat::outputs::batch_sink::Backoff;
use wirebeat::outputs::redis::DataType;
use wirebeat::outputs::tls::Verification;

use super::*;

#[test]
fn redis_has_what_was_acknowledged() {
    let Some(redis) = Redis::shared() else { return };
    let (key, own) = (unique("packetbeat"), unique("own"));
    let options = RedisOptions { database: 3, bulk_max_size: 300, workers: 1, ..redis.options(&key) };
    let mut shipper = ship(options);
    let mut sent = Vec::new();
    for part in 0..10 {
        let bodies = events(part * 500, 500);
        shipper.accept(chunk(&bodies, |_, _| {}));
        sent.extend(bodies);
    }
    shipper.accept(chunk(&events(0, 30), |chunk, event| event.destination = append(chunk, &own)));
    let counters = finish(&mut shipper);
    assert_eq!((counters.acknowledged, counters.retried_total()), (5030, 0));
    assert_eq!(redis.list(3, &key), sent, "byte for byte, in order, each once");
    assert_eq!(redis.list(3, &own).len(), 30);
    assert!(redis.list(0, &key).is_empty(), "another database has nothing");
}

#[test]
fn redis_subscribers_get_what_was_acknowledged() {
    let Some(redis) = Redis::shared() else { return };
    let channel = unique("packetbeat");
    let mut subscriber = redis.command(0).args(["subscribe", &channel]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!([(); 3].map(|()| lines.next().unwrap()), ["subscribe", &channel, "1"]);
    let mut shipper = ship(RedisOptions { data_type: DataType::Channel, ..redis.options(&channel) });
    let sent = events(0, 2000);
    sent.chunks(400).for_each(|part| shipper.accept(chunk(part, |_, _| {})));
    assert_eq!(finish(&mut shipper).acknowledged, 2000);
    let mut found = Vec::new();
    for _ in 0..2000 {
        assert_eq!([lines.next().unwrap(), lines.next().unwrap()], ["message", &channel]);
        found.push(lines.next().unwrap());
    }
    assert_eq!(found, sent);
    subscriber.kill().unwrap();
    subscriber.wait().unwrap();
}

#[test]
fn redis_over_tls_is_trusted_only_with_the_right_name() {
    let Some(redis) = Redis::shared() else { return };
    let authority = || vec![Pem::File(redis.folder.join("tls/ca.pem"))];
    let right = TlsOptions { authorities: authority(), ..TlsOptions::default() };
    let any_name = TlsOptions { verification: Verification::Certificate, ..right.clone() };
    for (host, tls, expected) in [
        ("localhost", Some(right.clone()), 20),
        ("rediss://localhost", Some(right.clone()), 20),
        ("rediss://localhost", None, 0),
        ("127.0.0.2", Some(right.clone()), 0),
        ("127.0.0.2", Some(any_name), 20),
        // Plain, as the URL says, to a port that speaks TLS.
        ("redis://localhost", Some(right.clone()), 0),
    ] {
        let key = unique("secure");
        let hosts = vec![RedisHost::parse(&format!("{host}:{}", redis.port + 1)).unwrap()];
        let mut shipper = ship(RedisOptions { hosts, tls, ..redis.options(&key) });
        shipper.accept(chunk(&events(0, 20), |_, _| {}));
        if expected > 0 {
            assert_eq!(finish(&mut shipper).acknowledged, expected, "{host}");
        } else {
            turn_until(&mut shipper, |metrics| metrics.failed_connections > 1);
            assert_eq!(shipper.close("shutdown").dropped, BTreeMap::from([("shutdown", 20)]), "{host}");
        }
        assert_eq!(redis.list(0, &key).len(), expected as usize, "{host}");
    }
}

#[test]
fn redis_with_a_wrong_password_takes_nothing() {
    let Some(redis) = Redis::shared() else { return };
    for (username, password) in [(None, Some("wrong")), (Some("nobody"), Some("secret")), (None, None)] {
        let key = unique("refused");
        let mut options = redis.options(&key);
        (options.username, options.password) = (username.map(str::to_owned), password.map(Into::into));
        let mut shipper = ship(options);
        shipper.accept(chunk(&events(0, 20), |_, _| {}));
        turn_until(&mut shipper, |metrics| metrics.failed_connections > 2);
        assert_eq!(shipper.close("shutdown").dropped, BTreeMap::from([("shutdown", 20)]));
        assert!(redis.list(0, &key).is_empty());
    }
}

#[test]
fn redis_refuses_some_events_and_stores_the_others() {
    let Some(redis) = Redis::shared() else { return };
    // The user may write only to keys that begin with "sensor".
    let (key, text, foreign) = (unique("sensor"), unique("sensor-text"), unique("other"));
    redis.ask(0, &["set", &text, "no list"]);
    let mut options = redis.options(&key);
    options.username = Some("sensor".into());
    let sink = outputs::redis::start(options, None).unwrap();
    let mut shipper = Shipper::new(Box::new(sink), ShipperOptions { max_retries: Some(2), ..quick() });
    shipper.accept(chunk(&events(0, 90), |chunk, event| {
        let number = number_of(std::str::from_utf8(chunk.bytes(event.body)).unwrap());
        match number % 3 {
            0 => event.destination = append(chunk, &text),
            1 => event.destination = append(chunk, &foreign),
            _ => {}
        }
    }));
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 30);
    assert_eq!(counters.retried, BTreeMap::from([("redis_forbidden", 60)]));
    assert_eq!(counters.dropped, BTreeMap::from([("output_retries_exhausted", 30), ("redis_wrong_type", 30)]));
    assert_eq!(redis.numbers(&key), (0..90).filter(|number| number % 3 == 2).collect::<Vec<u64>>());
    assert!(redis.list(0, &foreign).is_empty());
}

#[test]
fn redis_behind_a_line_that_breaks_gets_every_event() {
    let Some(redis) = Redis::shared() else { return };
    let key = unique("broken");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = listener.local_addr().unwrap().to_string();
    drop(listener);
    forward(&front, &format!("127.0.0.1:{}", redis.port), 6_000);
    let hosts = vec![RedisHost::parse(&front).unwrap()];
    let mut shipper = ship(RedisOptions { hosts, bulk_max_size: 20, ..redis.options(&key) });
    (0..10).for_each(|part| shipper.accept(chunk(&events(part * 50, 50), |_, _| {})));
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 500, "{counters:?}");
    assert!(counters.retried_total() > 0, "the line did break: {counters:?}");
    let stored = redis.numbers(&key);
    println!("broken line: {} events retried, {} stored twice", counters.retried_total(), stored.len() - 500);
    assert_eq!(distinct(&stored), (0..500).collect());
}

#[test]
fn redis_without_memory_gets_every_event_once_there_is_some() {
    let Some(redis) = Redis::own() else { return };
    redis.ask(0, &["config", "set", "maxmemory-policy", "noeviction"]);
    redis.ask(0, &["config", "set", "maxmemory", "1"]);
    let mut shipper = ship(RedisOptions { bulk_max_size: 100, ..redis.options("list") });
    (0..10).for_each(|part| shipper.accept(chunk(&events(part * 100, 100), |_, _| {})));
    shipper.flush();
    let begin = Instant::now();
    while shipper.counters().retried.get("redis_out_of_memory").is_none_or(|count| *count < 2000) {
        shipper.turn(begin.elapsed().as_nanos() as i64);
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", shipper.counters());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((shipper.counters().acknowledged, redis.list(0, "list").len()), (0, 0));
    redis.ask(0, &["config", "set", "maxmemory", "0"]);
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 1000);
    assert_eq!(shipper.sink().metrics().connections, 1, "a refusal is no reason to hang up");
    assert_eq!(redis.numbers("list"), (0..1000).collect::<Vec<u64>>(), "each once");
}

#[test]
fn redis_that_is_killed_has_what_it_acknowledged() {
    let Some(redis) = Redis::own() else { return };
    let mut shipper = ship(RedisOptions { bulk_max_size: 20, ..redis.options("list") });
    let (mut sent, begin) = (0, Instant::now());
    for round in 0..3 {
        let killer = thread::spawn({
            let folder = redis.folder.clone();
            move || {
                thread::sleep(Duration::from_millis(100));
                run(&["restart", folder.to_str().unwrap()]);
            }
        });
        while !killer.is_finished() {
            if shipper.counters().queued < 2000 {
                shipper.accept(chunk(&events(sent, 100), |_, _| {}));
                shipper.flush();
                sent += 100;
            }
            shipper.turn(begin.elapsed().as_nanos() as i64);
            assert!(begin.elapsed() < Duration::from_secs(60), "{round}: {:?}", shipper.counters());
        }
        killer.join().unwrap();
    }
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged as usize, sent);
    assert!(counters.retried_total() > 0 || shipper.sink().metrics().failed_connections > 0, "it was noticed");
    let stored = redis.numbers("list");
    println!("killed: {sent} events, {} retried, {} stored twice", counters.retried_total(), stored.len() - sent);
    assert_eq!(distinct(&stored), (0..sent as u64).collect());
}

/// Configurations for `test output`, and lines that it writes.
pub fn output_tests() -> Vec<(String, Vec<&'static str>)> {
    let Some(redis) = Redis::shared() else { return Vec::new() };
    let plain = format!("output.redis: {{hosts: ['localhost:{}'], password: secret}}", redis.port);
    let secure = format!(
        "output.redis: {{hosts: ['localhost:{}'], username: sensor, password: secret, key: sensor, datatype: channel, \
         ssl.certificate_authorities: ['{}']}}",
        redis.port + 1,
        redis.folder.join("tls/ca.pem").display()
    );
    let always = ["dial up... OK", "talk to server... OK", "write permission... OK"];
    vec![
        (plain, [&always[..], &["TLS... WARN secure connection disabled", "version: 7."]].concat()),
        (secure, [&always[..], &["handshake... OK", "TLS version: TLSv1_3"]].concat()),
    ]
}

#[test]
fn the_command_test_output_ends_at_what_redis_refuses() {
    let Some(redis) = Redis::shared() else { return };
    let user = |key: &str, password: &str| {
        format!("{{hosts: ['localhost:{}'], username: sensor, password: {password}, key: {key}}}", redis.port)
    };
    for (options, expected) in [
        (user("sensor", "wrongsecret"), "talk to server: it refuses: WRONGPASS"),
        (user("other", "secret"), "write permission: it refuses: NOPERM"),
    ] {
        let configuration = Configuration::from_text("test.yml", &format!("output.redis: {options}")).unwrap();
        let known = Known { version: "9.6.0", name: "sensor" };
        let settings = outputs::config::read(&configuration.root(), &known).unwrap();
        let mut report = String::new();
        let error = settings.test(&mut report).unwrap_err();
        assert!(error.contains(expected) && report.contains("ERROR"), "{error}\n{report}");
        assert!(!format!("{error}{report}").contains("wrongsecret"));
    }
}

fn ship(options: RedisOptions) -> Shipper<BatchSink> {
    Shipper::new(Box::new(outputs::redis::start(options, None).unwrap()), quick())
}

struct Redis {
    folder: PathBuf,
    port: u16,
    /// Removed, and the server ended, with the value.
    own: Option<tempfile::TempDir>,
}

impl Redis {
    fn shared() -> Option<Redis> {
        let folder = services("redis")?;
        Some(Redis { port: port_in(&folder), folder, own: None })
    }

    /// A server of the test's own, where there is one for all.
    fn own() -> Option<Redis> {
        services("redis")?;
        let own = tempfile::tempdir().unwrap();
        let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let port = listeners[0].local_addr().unwrap().port();
        drop(listeners);
        run(&["up", own.path().to_str().unwrap(), &port.to_string()]);
        Some(Redis { folder: own.path().to_owned(), port, own: Some(own) })
    }

    fn options(&self, key: &str) -> RedisOptions {
        let hosts = vec![RedisHost::parse(&format!("localhost:{}", self.port)).unwrap()];
        RedisOptions {
            password: Some("secret".into()),
            backoff: Backoff { initial: Duration::from_millis(20), maximum: Duration::from_millis(100) },
            ..RedisOptions::new(hosts, KeyName::Constant(key.to_owned()))
        }
    }

    fn list(&self, database: u32, key: &str) -> Vec<String> {
        self.ask(database, &["lrange", key, "0", "-1"])
    }

    /// The numbers of a list, sorted.
    fn numbers(&self, key: &str) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.list(0, key).iter().map(|body| number_of(body)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// What redis-cli prints of an answer that is no terminal's: bare lines.
    fn ask(&self, database: u32, words: &[&str]) -> Vec<String> {
        let output = self.command(database).args(words).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn command(&self, database: u32) -> Command {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", "secret").args(["-p", &self.port.to_string(), "-n", &database.to_string()]);
        command
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            run(&["down", own.path().to_str().unwrap()]);
        }
    }
}

fn port_in(folder: &Path) -> u16 {
    std::fs::read_to_string(folder.join("port")).unwrap().trim().parse().unwrap()
}

fn run(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/redis/run");
    // The server must not keep the test's output open.
    let status = Command::new(script).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}
