// SPDX-License-Identifier: Apache-2.0
//! Options of `output.elasticsearch` with Packetbeat's defaults, and the forms that a host may have.

use std::time::Duration;

use reqwest::Url;

use super::template::TemplateOptions;
use crate::outputs::batch_sink::HostBalance;
use crate::outputs::format_string::FormatString;
use crate::outputs::secret::Secret;
use crate::outputs::tls::TlsOptions;

/// Options of `output.elasticsearch`.
#[derive(Clone, Debug)]
pub struct ElasticsearchOptions {
    /// `hosts`, read by [`parse_host`]; never empty.
    pub endpoints: Vec<Endpoint>,
    /// `parameters`, added to every request.
    pub parameters: Vec<(String, Secret)>,
    /// `headers`, added to every request.
    pub headers: Vec<(String, Secret)>,
    pub authentication: Authentication,
    pub tls: TlsOptions,
    pub proxy: ProxyChoice,
    /// 0 sends plain bodies, 1 to 9 gzip.
    pub compression_level: u32,
    /// Events in a request.
    pub bulk_max_size: usize,
    /// Events that are worth a request before anybody flushes (`queue.mem.flush.min_events`).
    pub flush_min_events: usize,
    /// Tasks for every host.
    pub workers: usize,
    pub balance: HostBalance,
    /// For a whole request.
    pub timeout: Duration,
    pub idle_connection_timeout: Duration,
    /// `backoff.init`, between attempts to connect.
    pub backoff_initial: Duration,
    /// `backoff.max`.
    pub backoff_maximum: Duration,
    pub index: IndexName,
    /// `pipeline` when it is the same for every event.
    pub pipeline: Option<String>,
    pub template: Option<TemplateOptions>,
    /// `allow_older_versions: false` refuses an Elasticsearch older than `compatible_version`.
    pub oldest_version: Option<(u64, u64)>,
}

impl ElasticsearchOptions {
    pub fn new(endpoints: Vec<Endpoint>, index: IndexName) -> ElasticsearchOptions {
        ElasticsearchOptions {
            endpoints,
            parameters: Vec::new(),
            headers: Vec::new(),
            authentication: Authentication::None,
            tls: TlsOptions::default(),
            proxy: ProxyChoice::Environment,
            compression_level: 1,
            bulk_max_size: 1600,
            flush_min_events: 1600,
            workers: 1,
            balance: HostBalance::All,
            timeout: Duration::from_secs(90),
            idle_connection_timeout: Duration::from_secs(3),
            backoff_initial: Duration::from_secs(1),
            backoff_maximum: Duration::from_secs(60),
            index,
            pipeline: None,
            template: None,
            oldest_version: None,
        }
    }
}

/// Where documents go that name no index of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexName {
    Constant(String),
    /// Depends on the event's time.
    Dated(FormatString),
}

/// How requests prove who sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    #[default]
    None,
    Basic {
        username: String,
        password: Secret,
    },
    /// `id:key`, as Packetbeat takes it, or already in base64.
    ApiKey(Secret),
}

/// Which proxy is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// `proxy_disable`.
    None,
    /// `proxy_url`.
    Url(String),
}

/// A host of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// With path, without user and query.
    pub url: Url,
    /// The query of the host's URL.
    pub parameters: Vec<(String, Secret)>,
    /// User and password of the host's URL; they win over the options.
    pub user: Option<(String, Secret)>,
}

/// Reads one of `hosts`: `host`, `host:port`, `[::1]:port`, each with a path, or a whole URL. Without a port it is
/// 9200, whatever the protocol (libbeat's rule). The error is a sentence without its place.
pub fn parse_host(text: &str, protocol: &str, path: &str) -> Result<Endpoint, String> {
    let text = text.trim();
    let refuse =
        |why: &str| format!("found {text:?}, expected a host such as localhost:9200 or https://localhost:9200 ({why})");
    let protocol = if protocol.is_empty() { "http" } else { protocol };
    let whole = if text.contains("://") { text.to_owned() } else { format!("{protocol}://{text}") };
    let mut url = Url::parse(&whole).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("the protocol must be http or https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("there is no host name"));
    }
    if !has_port(&whole) {
        url.set_port(Some(9200)).map_err(|()| refuse("it takes no port"))?;
    }
    let parameters = url.query_pairs().map(|(key, value)| (key.into_owned(), Secret::from(&*value))).collect();
    url.set_query(None);
    url.set_fragment(None);
    let user = (!url.username().is_empty()).then(|| {
        let decode = |text: &str| percent_decoded(text);
        (decode(url.username()), Secret::from(decode(url.password().unwrap_or_default())))
    });
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| refuse("it takes no user"))?;
    let own_path = url.path().trim_matches('/').to_owned();
    let path = if own_path.is_empty() { path.trim_matches('/') } else { &own_path };
    url.set_path(&if path.is_empty() { "/".to_owned() } else { format!("/{path}/") });
    Ok(Endpoint { url, parameters, user })
}

/// `Url` forgets a port that is the protocol's own, so the text is asked.
fn has_port(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
