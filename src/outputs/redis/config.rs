// SPDX-License-Identifier: Apache-2.0
//! Options of `output.redis` with Packetbeat's defaults, and the forms that a host may have.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::outputs::batch_sink::{Backoff, HostBalance};
use crate::outputs::format_string::{FormatString, OnlyTime};
use crate::outputs::peer::Host;
use crate::outputs::pretty::Layout;
use crate::outputs::secret::Secret;
use crate::outputs::socks::SocksProxy;
use crate::outputs::tls::TlsOptions;

const DEFAULT_PORT: u16 = 6379;

/// Options of `output.redis`.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `hosts`, read by [`RedisHost::parse`]; never empty.
    pub hosts: Vec<RedisHost>,
    pub key: KeyName,
    pub data_type: DataType,
    /// Events as one line or indented (`codec.json.pretty`).
    pub layout: Layout,
    pub database: u32,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub balance: HostBalance,
    /// Connections to every host.
    pub workers: usize,
    /// Events in a pipeline, at most.
    pub bulk_max_size: usize,
    /// Events that are worth a pipeline before anybody flushes (`queue.mem.flush.min_events`).
    pub flush_min_events: usize,
    /// For connecting, and without any progress of writing or answering.
    pub timeout: Duration,
    pub backoff: Backoff,
    /// For hosts that do not say by their URL whether they want TLS.
    pub tls: Option<TlsOptions>,
    pub proxy: Option<SocksProxy>,
}

impl RedisOptions {
    pub fn new(hosts: Vec<RedisHost>, key: KeyName) -> RedisOptions {
        RedisOptions {
            hosts,
            key,
            data_type: DataType::List,
            layout: Layout::Lines,
            database: 0,
            username: None,
            password: None,
            balance: HostBalance::All,
            workers: 1,
            bulk_max_size: 2048,
            flush_min_events: 1600,
            timeout: Duration::from_secs(5),
            backoff: Backoff::default(),
            tls: None,
            proxy: None,
        }
    }
}

/// The list or channel of events that name none of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyName {
    Constant(String),
    /// Depends on the event's time.
    Dated(FormatString),
    /// Such an event has none.
    None,
}

impl KeyName {
    /// The key of an event of this time.
    pub fn at(&self, time_ns: i64) -> Option<String> {
        match self {
            KeyName::Constant(name) => Some(name.clone()),
            KeyName::Dated(format) => {
                let mut name = String::new();
                format.evaluate(&OnlyTime(time_ns), &mut name).ok().map(|()| name)
            }
            KeyName::None => None,
        }
    }
}

/// What is done with events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataType {
    /// `RPUSH`.
    #[default]
    List,
    /// `PUBLISH`.
    Channel,
}

impl DataType {
    pub fn command(self) -> &'static [u8] {
        match self {
            DataType::List => b"RPUSH",
            DataType::Channel => b"PUBLISH",
        }
    }
}

/// A host of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisHost {
    pub host: Host,
    pub security: Security,
    /// User and password of the host's URL; they win over the options.
    pub username: Option<String>,
    pub password: Option<Secret>,
}

/// Whether a host's URL speaks of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As `ssl` says.
    #[default]
    Unsaid,
    /// `redis://`.
    Plain,
    /// `rediss://`; without `ssl` the system's authorities are trusted.
    Tls,
}

impl RedisHost {
    /// Reads `host`, `host:port`, or a URL such as `rediss://:password@host:port`. The error is a sentence without its place;
    /// of a URL, which may hold a password, it shows nothing.
    pub fn parse(text: &str) -> Result<RedisHost, String> {
        if !text.contains("://") {
            let host = Host::parse(text, DEFAULT_PORT)?;
            return Ok(RedisHost { host, security: Security::Unsaid, username: None, password: None });
        }
        let refuse = |why: &str| format!("expected a URL such as redis://localhost:6379 or rediss://localhost ({why})");
        let url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
        let security = match url.scheme() {
            "redis" => Security::Plain,
            "rediss" => Security::Tls,
            other => return Err(refuse(&format!("found the scheme {other:?}"))),
        };
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if name.is_empty() {
            return Err(refuse("there is no host"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(refuse("behind the port nothing is read; the database is output.redis.db"));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(RedisHost {
            host: Host { name: name.to_owned(), port: url.port().unwrap_or(DEFAULT_PORT) },
            security,
            username: Some(url.username()).filter(|name| !name.is_empty()).map(decode),
            password: url.password().map(|password| Secret::from(decode(password))),
        })
    }
}
