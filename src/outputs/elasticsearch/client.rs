// SPDX-License-Identifier: Apache-2.0
//! Requests to one host: connection settings, authentication, bounded replies.

use std::error::Error as _;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::config::{Authentication, ElasticsearchOptions, Endpoint, IndexName, ProxyChoice};
use super::template::{ExistingTemplate, TemplateOptions};

/// Largest answer to anything but a bulk request.
const MAXIMUM_ANSWER_BYTES: usize = 256 * 1024;

/// A host and how it is spoken to.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    bulk_url: Url,
}

/// What `GET /` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The node's name.
    pub name: String,
    /// Such as `8.19.0`.
    pub version: String,
    /// `opensearch`, or empty for Elasticsearch.
    pub distribution: String,
}

/// A request that brought no usable answer.
#[derive(Debug)]
pub enum RequestError {
    /// Nothing came back, or not all of it.
    Transport { timeout: bool, text: String },
    /// An answer with a status that is no success, and the begin of its text.
    Status { status: u16, text: String },
    /// The answer is larger than its bound.
    TooLarge { bound_bytes: usize },
    /// The answer is something else than asked for.
    Foreign(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Transport { timeout: true, .. } => formatter.write_str("no answer within the time-out"),
            RequestError::Transport { text, .. } | RequestError::Foreign(text) => formatter.write_str(text),
            RequestError::Status { status, text } => write!(formatter, "it answers {status}: {text}"),
            RequestError::TooLarge { bound_bytes } => write!(formatter, "its answer exceeds {bound_bytes} bytes"),
        }
    }
}

impl Client {
    /// The client for one host. The error is a sentence.
    pub fn new(options: &ElasticsearchOptions, endpoint: &Endpoint) -> Result<Client, String> {
        let mut builder = reqwest::Client::builder()
            .use_preconfigured_tls(options.tls.client_config()?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(options.timeout)
            .connect_timeout(options.timeout)
            .pool_idle_timeout(options.idle_connection_timeout)
            .tcp_nodelay(true)
            .default_headers(headers(options, endpoint)?)
            .user_agent(concat!("Wirebeat/", env!("CARGO_PKG_VERSION")));
        builder = match &options.proxy {
            ProxyChoice::Environment => builder,
            ProxyChoice::None => builder.no_proxy(),
            ProxyChoice::Url(url) => {
                builder.proxy(reqwest::Proxy::all(url).map_err(|error| format!("proxy_url: {error}"))?)
            }
        };
        let http = builder.build().map_err(|error| format!("the HTTP client cannot be made: {}", chain(&error)))?;
        let mut bulk_url = match &options.index {
            IndexName::Constant(index) => joined(endpoint, &[index, "_bulk"])?,
            IndexName::Dated(_) => joined(endpoint, &["_bulk"])?,
        };
        {
            let mut query = bulk_url.query_pairs_mut();
            let parameters = options.parameters.iter().chain(&endpoint.parameters);
            query.extend_pairs(parameters.map(|(key, value)| (key, value.reveal())));
            query.append_pair("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason");
            if let Some(pipeline) = &options.pipeline {
                query.append_pair("pipeline", pipeline);
            }
        }
        Ok(Client { http, endpoint: endpoint.clone(), bulk_url })
    }

    /// The host as it is shown: without user and query.
    pub fn shown(&self) -> &str {
        self.endpoint.url.as_str().trim_end_matches('/')
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks who is there.
    pub async fn server(&self) -> Result<Server, RequestError> {
        let (_, body) = self.ask(Method::GET, &[], None).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body)
            .map_err(|_| RequestError::Foreign("it answers, but not as Elasticsearch or OpenSearch does".into()))?;
        let text = |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).map(str::to_owned);
        let version = answer.get("version");
        let number = text(version.and_then(|version| version.get("number")));
        Ok(Server {
            version: number.ok_or_else(|| RequestError::Foreign("its answer names no version.number".into()))?,
            name: text(answer.get("name")).unwrap_or_default(),
            distribution: text(version.and_then(|version| version.get("distribution"))).unwrap_or_default(),
        })
    }

    /// Loads the index template unless there is one. Answers whether it was loaded.
    pub async fn load_template(&self, template: &TemplateOptions) -> Result<bool, RequestError> {
        let path = ["_index_template", template.name.as_str()];
        if template.existing == ExistingTemplate::Kept {
            match self.ask(Method::HEAD, &path, None).await {
                Ok(_) => return Ok(false),
                Err(RequestError::Status { status: 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.ask(Method::PUT, &path, Some(template.body().to_string())).await.map(|_| true)
    }

    /// Sends a bulk body. Answers the reply's text, of at most so many bytes.
    pub async fn bulk(&self, body: Vec<u8>, encoding: Encoding, bound_bytes: usize) -> Result<Vec<u8>, RequestError> {
        let mut request = self.http.post(self.bulk_url.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body);
        if encoding == Encoding::Gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let (_, body) = answer(request, bound_bytes).await?;
        Ok(body)
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<String>,
    ) -> Result<(StatusCode, Vec<u8>), RequestError> {
        let url = joined(&self.endpoint, path).map_err(RequestError::Foreign)?;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        answer(request, MAXIMUM_ANSWER_BYTES).await
    }
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Gzip,
}

async fn answer(request: RequestBuilder, bound_bytes: usize) -> Result<(StatusCode, Vec<u8>), RequestError> {
    let mut response = request.send().await.map_err(transport)?;
    let status = response.status();
    if !status.is_success() {
        let text = beginning(&mut response).await;
        return Err(RequestError::Status { status: status.as_u16(), text });
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(transport)? {
        if body.len() + part.len() > bound_bytes {
            return Err(RequestError::TooLarge { bound_bytes });
        }
        body.extend_from_slice(&part);
    }
    Ok((status, body))
}

/// The first characters of an error's body, on one line.
async fn beginning(response: &mut Response) -> String {
    const SHOWN_BYTES: usize = 300;
    let mut body = Vec::new();
    while body.len() < SHOWN_BYTES
        && let Ok(Some(part)) = response.chunk().await
    {
        body.extend_from_slice(&part);
    }
    body.truncate(SHOWN_BYTES);
    String::from_utf8_lossy(&body).replace(|character: char| character.is_control(), " ").trim().to_owned()
}

fn transport(error: reqwest::Error) -> RequestError {
    let timeout = error.is_timeout();
    // The URL may hold what the user wants to keep for himself.
    RequestError::Transport { timeout, text: chain(&error.without_url()) }
}

/// The innermost cause says what happened ("Connection refused").
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn joined(endpoint: &Endpoint, segments: &[&str]) -> Result<Url, String> {
    let mut url = endpoint.url.clone();
    url.path_segments_mut()
        .map_err(|()| format!("{} takes no path", endpoint.url))?
        .pop_if_empty()
        .extend(segments.iter().filter(|segment| !segment.is_empty()));
    Ok(url)
}

fn headers(options: &ElasticsearchOptions, endpoint: &Endpoint) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let bad = |why: String| format!("headers: {name:?} is refused: {why}");
        headers.append(
            HeaderName::try_from(name).map_err(|error| bad(error.to_string()))?,
            HeaderValue::try_from(value.reveal()).map_err(|error| bad(error.to_string()))?,
        );
    }
    let basic = |username: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    let authorization = match (&endpoint.user, &options.authentication) {
        (Some((username, password)), _) => Some(basic(username, password.reveal())),
        (None, Authentication::None) => None,
        (None, Authentication::Basic { username, password }) => Some(basic(username, password.reveal())),
        // An id and a key are joined by a colon, which base64 does not have.
        (None, Authentication::ApiKey(key)) if key.reveal().contains(':') => {
            Some(format!("ApiKey {}", STANDARD.encode(key.reveal())))
        }
        (None, Authentication::ApiKey(key)) => Some(format!("ApiKey {}", key.reveal())),
    };
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::try_from(authorization)
            .map_err(|_| "api_key: it holds characters that no HTTP header may have".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
