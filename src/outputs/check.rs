// SPDX-License-Identifier: Apache-2.0
//! The commands `test output` and `setup`. The first goes to each host step by step, as Packetbeat does, and says how far it came.
//!
//! Runs on the caller's thread and ends with the first step that fails.

use std::fmt::{Display, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

use super::elasticsearch::{Client, ElasticsearchOptions, Endpoint, ExistingTemplate, ProxyChoice, TemplateOptions};
use super::kafka::KafkaOptions;
use super::logstash::{self, LogstashOptions};
use super::peer::Peer;
use super::redis::{self, RedisOptions};
use super::tls::{TlsOptions, Verification};

/// Tries every host of the Elasticsearch output.
pub fn elasticsearch(options: &ElasticsearchOptions, report: &mut dyn Write) -> Result<(), String> {
    let runtime = runtime()?;
    for endpoint in &options.endpoints {
        let client = Client::new(options, endpoint)?;
        let mut steps = Steps { report, host: client.shown().to_owned() };
        steps.line(0, format_args!("elasticsearch: {}...", client.shown()));
        steps.result(1, "parse url", Ok::<_, String>(()))?;
        if let ProxyChoice::Url(_) = options.proxy {
            steps.line(1, format_args!("connection... through the proxy"));
        } else {
            connect_to(endpoint, options, &mut steps)?;
        }
        let server = steps.result(1, "talk to server", runtime.block_on(client.server()))?;
        steps.line(1, format_args!("version: {}", server.version));
        if !server.distribution.is_empty() {
            steps.line(1, format_args!("distribution: {}", server.distribution));
        }
    }
    Ok(())
}

/// Loads the index template into the first host that answers. Answers the template's name and the host.
pub fn load_template(options: &ElasticsearchOptions) -> Result<Option<(String, String)>, String> {
    let Some(template) = &options.template else { return Ok(None) };
    let template = TemplateOptions { existing: ExistingTemplate::Replaced, ..template.clone() };
    let runtime = runtime()?;
    let mut problems = Vec::new();
    for endpoint in &options.endpoints {
        let client = Client::new(options, endpoint)?;
        let loaded = runtime.block_on(async {
            client.server().await?;
            client.load_template(&template).await
        });
        match loaded {
            Ok(_) => return Ok(Some((template.name, client.shown().to_owned()))),
            Err(error) => problems.push(format!("{}: {error}", client.shown())),
        }
    }
    Err(format!("the index template {} cannot be loaded: {}", template.name, problems.join("; ")))
}

/// Tries every broker of the Kafka output, then asks the cluster for its topics.
pub fn kafka(options: &KafkaOptions, report: &mut dyn Write) -> Result<(), String> {
    let config = options.client_config()?;
    for host in &options.hosts {
        let mut steps = Steps { report, host: host.clone() };
        steps.line(0, format_args!("Kafka: {host}..."));
        let (name, port) = steps.result(1, "parse host", host_and_port(host))?;
        let stream = dial(&mut steps, 1, &name, port, options.timeout)?;
        match &options.tls {
            Some(tls) => handshake(&mut steps, 1, tls, &name, stream)?,
            None => steps.line(1, format_args!("TLS... WARN secure connection disabled")),
        }
    }
    let mut steps = Steps { report, host: options.hosts.join(", ") };
    let producer: BaseProducer =
        config.create().map_err(|error| format!("the kafka client cannot be made: {error}"))?;
    let metadata = producer.client().fetch_metadata(None, options.timeout.min(Duration::from_secs(10)));
    let metadata = steps.result(0, "talk to the cluster", metadata)?;
    steps.line(0, format_args!("brokers: {}", metadata.brokers().len()));
    Ok(())
}

/// Tries every host of the Logstash output. The protocol has no greeting: a host that does not hang up takes events.
pub fn logstash(options: &LogstashOptions, report: &mut dyn Write) -> Result<(), String> {
    /// A peer that refuses the client's certificate says so after the handshake.
    const HANGING_UP: Duration = Duration::from_millis(500);
    let runtime = runtime()?;
    for peer in logstash::peers(options)? {
        let mut steps = Steps { report, host: peer.host.to_string() };
        steps.line(0, format_args!("logstash: {}...", peer.host));
        reach(&peer, options.tls.as_ref(), &mut steps)?;
        let talk = runtime.block_on(async {
            let mut stream = peer.connect().await?;
            match tokio::time::timeout(HANGING_UP, stream.read(&mut [0])).await {
                Ok(Ok(0)) => Err("it closes the connection".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Ok(Ok(_)) => Err("it does not answer in the Lumberjack protocol".to_owned()),
                Err(_) => Ok(()),
            }
        });
        steps.result(1, "talk to server", talk)?;
    }
    Ok(())
}

/// Tries every host of the Redis output. Whether events may be written is asked with the command itself, in a transaction
/// that is given up.
pub fn redis(options: &RedisOptions, report: &mut dyn Write) -> Result<(), String> {
    let runtime = runtime()?;
    for server in &redis::servers(options)? {
        let peer = &server.peer;
        let mut steps = Steps { report, host: peer.host.to_string() };
        steps.line(0, format_args!("redis: {}...", peer.host));
        let default = TlsOptions::default();
        let tls = peer.tls.as_ref().map(|_| options.tls.as_ref().unwrap_or(&default));
        reach(peer, tls, &mut steps)?;
        if server.password.is_none() {
            steps.line(1, format_args!("authentication... WARN no password is given"));
        }
        let mut connection = steps.result(1, "talk to server", runtime.block_on(redis::Connection::open(server)))?;
        if let Ok(version) = runtime.block_on(connection.version()) {
            steps.line(1, format_args!("version: {version}"));
        }
        steps.result(1, "write permission", runtime.block_on(connection.try_write(options)))?;
    }
    Ok(())
}

/// Goes to a host step by step, unless a proxy is between.
fn reach(peer: &Peer, tls: Option<&TlsOptions>, steps: &mut Steps<'_>) -> Result<(), String> {
    if let Some(proxy) = &peer.proxy {
        steps.line(1, format_args!("connection... through the proxy {}", proxy.host));
        return Ok(());
    }
    steps.line(1, format_args!("connection..."));
    steps.result(2, "parse host", Ok::<_, String>(()))?;
    let stream = dial(steps, 2, &peer.host.name, peer.host.port, peer.timeout)?;
    match tls {
        Some(tls) => handshake(steps, 1, tls, &peer.host.name, stream),
        None => {
            steps.line(1, format_args!("TLS... WARN secure connection disabled"));
            Ok(())
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("the client cannot be made: {error}"))
}

fn connect_to(endpoint: &Endpoint, options: &ElasticsearchOptions, steps: &mut Steps<'_>) -> Result<(), String> {
    steps.line(1, format_args!("connection..."));
    let host = endpoint.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    steps.result(2, "parse host", Ok::<_, String>(()))?;
    let port = endpoint.url.port_or_known_default().unwrap_or(9200);
    let stream = dial(steps, 2, &host, port, options.timeout)?;
    if endpoint.url.scheme() == "https" {
        handshake(steps, 1, &options.tls, &host, stream)
    } else {
        steps.line(1, format_args!("TLS... WARN secure connection disabled"));
        Ok(())
    }
}

fn dial(steps: &mut Steps<'_>, depth: usize, host: &str, port: u16, timeout: Duration) -> Result<TcpStream, String> {
    let looked_up = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    let found = steps.result(depth, "dns lookup", looked_up)?;
    let listed: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    steps.line(depth, format_args!("addresses: {}", listed.join(", ")));
    let mut result = Err("the name has no address".to_owned());
    for address in &found {
        result = TcpStream::connect_timeout(address, timeout).map_err(|error| error.to_string());
        if result.is_ok() {
            break;
        }
    }
    let stream = steps.result(depth, "dial up", result)?;
    let limited = stream.set_read_timeout(Some(timeout)).and_then(|()| stream.set_write_timeout(Some(timeout)));
    limited.map_err(|error| format!("{}: {error}", steps.host))?;
    Ok(stream)
}

fn handshake(
    steps: &mut Steps<'_>,
    depth: usize,
    tls: &TlsOptions,
    host: &str,
    mut stream: TcpStream,
) -> Result<(), String> {
    steps.line(depth, format_args!("TLS..."));
    let security = match tls.verification {
        Verification::Full => "server's certificate chain verification is enabled",
        Verification::Certificate => "server's certificate chain verification is enabled, its name is not checked",
        Verification::None => "server's certificate chain verification is disabled",
    };
    steps.line(depth + 1, format_args!("security: {security}"));
    let shaken = (|| {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let mut connection =
            ClientConnection::new(Arc::new(tls.client_config()?), name).map_err(|error| error.to_string())?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(connection)
    })();
    let connection = steps.result(depth + 1, "handshake", shaken)?;
    if let Some(version) = connection.protocol_version() {
        steps.line(depth + 1, format_args!("TLS version: {version:?}"));
    }
    Ok(())
}

fn host_and_port(host: &str) -> Result<(String, u16), String> {
    let (name, port) = host.rsplit_once(':').ok_or_else(|| format!("{host} has no port"))?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    Ok((name.trim_matches(['[', ']']).to_owned(), port))
}

struct Steps<'a> {
    report: &'a mut dyn Write,
    host: String,
}

impl Steps<'_> {
    fn line(&mut self, depth: usize, text: std::fmt::Arguments<'_>) {
        // The report is a text in memory or standard output; when that is gone nobody reads on.
        let _ = writeln!(self.report, "{:width$}{text}", "", width = depth * 2);
    }

    /// Writes the step's outcome; a failure is the command's error too.
    fn result<T, E: Display>(&mut self, depth: usize, step: &str, result: Result<T, E>) -> Result<T, String> {
        match result {
            Ok(value) => {
                self.line(depth, format_args!("{step}... OK"));
                Ok(value)
            }
            Err(error) => {
                self.line(depth, format_args!("{step}... ERROR {error}"));
                Err(format!("{}: {step}: {error}", self.host))
            }
        }
    }
}
