// SPDX-License-Identifier: Apache-2.0
//! The Logstash output against go-lumber's receiver, which every test starts with faults of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Mutex;

use wirebeat::outputs::batch_sink::Backoff;
use wirebeat::outputs::tls::Verification;

use super::*;

#[test]
fn lumberjack_receiver_has_what_was_acknowledged() {
    for level in [0, 3, 9] {
        let Some(receiver) = Receiver::start(&[]) else { return };
        let mut shipper = ship(LogstashOptions { compression_level: level, bulk_max_size: 300, ..receiver.options() });
        let mut sent = Vec::new();
        for part in 0..10 {
            let bodies = events(part * 500, 500);
            shipper.accept(chunk(&bodies, |_, _| {}));
            sent.extend(bodies);
        }
        let counters = finish(&mut shipper);
        assert_eq!((counters.acknowledged, counters.retried_total()), (5000, 0));
        assert_eq!(receiver.lines(5000), sent, "level {level}: byte for byte, in order, each once");
    }
}

#[test]
fn lumberjack_receiver_that_cuts_the_line_gets_every_event() {
    let Some(receiver) = Receiver::start(&["-cut-bytes", "9000", "-cut-times", "5"]) else { return };
    let options = LogstashOptions { compression_level: 0, bulk_max_size: 50, ..receiver.options() };
    let mut shipper = ship(options);
    (0..10).for_each(|part| shipper.accept(chunk(&events(part * 100, 100), |_, _| {})));
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 1000, "{counters:?}");
    assert!(counters.retried_total() > 0, "the line was cut: {counters:?}");
    let stored = receiver.numbers(1000);
    println!("cut line: {} events retried, {} stored twice", counters.retried_total(), stored.len() - 1000);
    assert_eq!(distinct(&stored), (0..1000).collect());
}

#[test]
fn lumberjack_receiver_that_is_slow_is_waited_for() {
    let Some(receiver) = Receiver::start(&["-delay", "2500ms", "-keepalive", "200ms"]) else { return };
    let mut shipper = ship(LogstashOptions { timeout: Duration::from_millis(1000), ..receiver.options() });
    shipper.accept(chunk(&events(0, 100), |_, _| {}));
    let begin = Instant::now();
    let counters = finish(&mut shipper);
    assert!(begin.elapsed() >= Duration::from_millis(2500), "the answer was late");
    assert_eq!((counters.acknowledged, counters.retried_total()), (100, 0));
    assert_eq!(shipper.sink().metrics().connections, 1, "the keep-alives kept the connection");
    assert_eq!(receiver.numbers(100), (0..100).collect::<Vec<u64>>());
}

#[test]
fn lumberjack_receiver_that_acknowledges_no_more_is_left_for_another() {
    let Some(mute) = Receiver::start(&["-drop-ack", "3"]) else { return };
    let other = Receiver::start(&[]).unwrap();
    let mut options = LogstashOptions { timeout: Duration::from_millis(700), bulk_max_size: 50, ..mute.options() };
    options.hosts.extend(other.options().hosts);
    let mut shipper = ship(options);
    (0..5).for_each(|part| shipper.accept(chunk(&events(part * 100, 100), |_, _| {})));
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 500);
    assert!(counters.retried.contains_key("logstash_timeout"), "{counters:?}");
    // Two batches were acknowledged by the first, the others by the second.
    let (first, second) = (distinct(&mute.numbers(100)), distinct(&other.numbers(400)));
    assert_eq!(second.len(), 400);
    assert_eq!(first.union(&second).copied().collect::<BTreeSet<u64>>(), (0..500).collect());
}

#[test]
fn lumberjack_receiver_behind_a_line_that_breaks_gets_every_event() {
    let Some(receiver) = Receiver::start(&[]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = listener.local_addr().unwrap();
    drop(listener);
    forward(&front.to_string(), &receiver.address, 6_000);
    let host = Host { name: "127.0.0.1".into(), port: front.port() };
    let options = LogstashOptions { hosts: vec![host], compression_level: 0, bulk_max_size: 20, ..receiver.options() };
    let mut shipper = ship(options);
    (0..10).for_each(|part| shipper.accept(chunk(&events(part * 50, 50), |_, _| {})));
    let counters = finish(&mut shipper);
    assert_eq!(counters.acknowledged, 500, "{counters:?}");
    let stored = receiver.numbers(500);
    println!("broken line: {} events retried, {} stored twice", counters.retried_total(), stored.len() - 500);
    assert_eq!(distinct(&stored), (0..500).collect());
}

#[test]
fn lumberjack_over_tls_trusts_whom_it_should() {
    let Some(folder) = services("lumberjack") else { return };
    let tls = |name: &str| folder.join("tls").join(name).display().to_string();
    let (certificate, key, authority) = (tls("server.crt"), tls("server.key"), tls("ca.pem"));
    let secure = ["-cert", certificate.as_str(), "-key", key.as_str()];
    let right = TlsOptions { authorities: vec![Pem::File(authority.clone().into())], ..TlsOptions::default() };
    let with_name = |verification| TlsOptions { verification, ..right.clone() };
    let known = TlsOptions {
        identity: Some((Pem::File(tls("client.crt").into()), Pem::File(tls("client.key").into()))),
        ..right.clone()
    };
    let wants_client = [&secure[..], &["-client-ca", &authority]].concat();
    // The certificate is for localhost and 127.0.0.1.
    for (name, arguments, options, expected) in [
        ("localhost", &secure[..], right.clone(), 20),
        ("127.0.0.1", &secure, right.clone(), 20),
        ("127.0.0.2", &secure, right.clone(), 0),
        ("127.0.0.2", &secure, with_name(Verification::Certificate), 20),
        ("127.0.0.1", &secure, TlsOptions::default(), 0),
        ("127.0.0.2", &secure, TlsOptions { verification: Verification::None, ..TlsOptions::default() }, 20),
        ("localhost", &wants_client, known, 20),
        ("localhost", &wants_client, right.clone(), 0),
    ] {
        let address = if name == "127.0.0.2" { "127.0.0.2:0" } else { "127.0.0.1:0" };
        let receiver = Receiver::start_at(address, arguments).unwrap();
        let mut options = LogstashOptions { tls: Some(options), ..receiver.options() };
        options.hosts[0].name = name.to_owned();
        let mut shipper = ship(options);
        shipper.accept(chunk(&events(0, 20), |_, _| {}));
        if expected > 0 {
            assert_eq!(finish(&mut shipper).acknowledged, expected, "{name} {arguments:?}");
            assert_eq!(receiver.numbers(20).len(), 20);
            continue;
        }
        turn_until(&mut shipper, |metrics| metrics.failed_connections + metrics.failed_requests > 2);
        let counters = shipper.close("shutdown");
        assert_eq!((counters.acknowledged, counters.dropped.get("shutdown")), (0, Some(&20)), "{name} {arguments:?}");
        assert!(receiver.lines(0).is_empty());
    }
}

/// Configurations for `test output`, and lines that it writes.
pub fn output_tests() -> Vec<(String, Vec<&'static str>)> {
    static RECEIVER: Mutex<Option<Receiver>> = Mutex::new(None);
    let Some(receiver) = Receiver::start(&[]) else { return Vec::new() };
    let text = format!("output.logstash.hosts: ['{}']", receiver.address);
    *RECEIVER.lock().unwrap() = Some(receiver);
    vec![(text, vec!["dial up... OK", "TLS... WARN secure connection disabled", "talk to server... OK"])]
}

fn ship(options: LogstashOptions) -> Shipper<BatchSink> {
    Shipper::new(Box::new(outputs::logstash::start(options, None).unwrap()), quick())
}

struct Receiver {
    child: Child,
    address: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    fn start(arguments: &[&str]) -> Option<Receiver> {
        Receiver::start_at("127.0.0.1:0", arguments)
    }

    fn start_at(address: &str, arguments: &[&str]) -> Option<Receiver> {
        let mut command = Command::new(services("lumberjack")?.join("receiver"));
        command.args(["-addr", address]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = log.next().unwrap().unwrap();
        let address = ready.strip_prefix("READY ").unwrap_or_else(|| panic!("{ready}")).to_owned();
        thread::spawn(move || log.for_each(drop));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, all) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| all.lock().unwrap().push(line)));
        Some(Receiver { child, address, lines })
    }

    fn options(&self) -> LogstashOptions {
        let host = Host::parse(&self.address, 0).unwrap();
        let backoff = Backoff { initial: Duration::from_millis(20), maximum: Duration::from_millis(100) };
        LogstashOptions { backoff, timeout: Duration::from_secs(10), ..LogstashOptions::new(vec![host]) }
    }

    /// What it printed, at least so many lines.
    fn lines(&self, least: usize) -> Vec<String> {
        let begin = Instant::now();
        while self.lines.lock().unwrap().len() < least {
            assert!(begin.elapsed() < Duration::from_secs(20), "{} of {least} lines", self.lines.lock().unwrap().len());
            thread::sleep(Duration::from_millis(5));
        }
        self.lines.lock().unwrap().clone()
    }

    fn numbers(&self, least: usize) -> Vec<u64> {
        self.lines(least).iter().map(|line| number_of(line)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
