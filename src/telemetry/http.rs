// SPDX-License-Identifier: Apache-2.0
//! The HTTP endpoint (`http.*`): what the program is, its numbers, its state, as JSON for those who watch it.
//!
//! It runs on a thread of its own and only reads what the I/O core puts on the [`Board`], once a second. Limits: reading
//! only, no TLS, at most [`MAXIMUM_CONNECTIONS`] at once; no profiles.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::config::{ConfigError, Section};

/// Connections that are served at once.
pub const MAXIMUM_CONNECTIONS: usize = 16;
/// A connection is closed after this, whatever it does.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);

/// `http.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    pub address: Address,
    /// For the head of a request.
    pub timeout: Duration,
}

/// `http.host` and `http.port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Host(String, u16),
    /// `unix:///path`
    Socket(PathBuf),
}

/// None: no endpoint, as by default.
pub fn read(root: &Section<'_>) -> Result<Option<HttpSettings>, ConfigError> {
    let Some(section) = root.section("http")? else { return Ok(None) };
    if !section.boolean("enabled")?.unwrap_or(false) {
        section.ignore_rest();
        return Ok(None);
    }
    let host = section.string("host")?.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let port = section.unsigned("port", 0..=65_535)?.unwrap_or(5066) as u16;
    let address = match (host.strip_prefix("unix://"), host.contains("://")) {
        (Some(path), _) if path.starts_with('/') => Address::Socket(PathBuf::from(path)),
        (None, false) => Address::Host(host.trim_matches(['[', ']']).to_owned(), port),
        _ => {
            let expected = "expected a host name, an address or unix:///path/of/a/socket";
            return Err(section.refuse_key("host", format!("found {host:?}, {expected}")));
        }
    };
    let timeout = section.duration("timeout")?.filter(|timeout| !timeout.is_zero());
    Ok(Some(HttpSettings { address, timeout: timeout.unwrap_or(Duration::from_secs(5)) }))
}

/// What is shown.
#[derive(Debug, Default)]
pub struct Board {
    /// `/`
    pub information: Json,
    /// `/state`
    pub state: Json,
    /// `/stats` and `/inputs/`
    numbers: Mutex<(Json, Json)>,
}

impl Board {
    pub fn new(information: Json, state: Json) -> Board {
        Board { information, state, numbers: Mutex::new((json!({}), json!([]))) }
    }

    /// Replaces the numbers.
    pub fn put(&self, stats: Json, inputs: Json) {
        *self.numbers.lock().unwrap_or_else(PoisonError::into_inner) = (stats, inputs);
    }

    fn page(&self, path: &str) -> Option<Json> {
        let numbers = || self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        match path {
            "/" => Some(self.information.clone()),
            "/state" => Some(self.state.clone()),
            "/stats" => Some(numbers().0.clone()),
            "/inputs" | "/inputs/" => Some(numbers().1.clone()),
            _ => None,
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page = match *request.method() {
            Method::GET | Method::HEAD => self.page(request.uri().path()),
            _ => return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n"),
        };
        let Some(page) = page else {
            return plain(StatusCode::NOT_FOUND, "there are /, /stats, /state and /inputs/\n");
        };
        let pretty = request.uri().query().is_some_and(|query| query.split('&').any(|key| key.starts_with("pretty")));
        let text = if pretty { format!("{page:#}\n") } else { page.to_string() };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        let json = hyper::header::HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
        response
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// The running endpoint; its socket file goes with the value, its thread with the process.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens, for people.
    pub shown: String,
    socket: Option<PathBuf>,
}

impl Endpoint {
    /// Listens, then serves on a thread. The error is a sentence.
    pub fn start(settings: &HttpSettings, board: Arc<Board>) -> Result<Endpoint, String> {
        let refuse = |shown: &str, error: std::io::Error| format!("http.host: {shown}: {error}");
        let timeout = settings.timeout;
        match &settings.address {
            Address::Host(host, port) => {
                let shown = format!("{host}:{port}");
                let listener = std::net::TcpListener::bind((host.as_str(), *port));
                let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
                let listener = listener.map_err(|error| refuse(&shown, error))?;
                let shown = listener.local_addr().map_or(shown, |address| address.to_string());
                spawn(move || async move {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    let places = Arc::new(Semaphore::new(MAXIMUM_CONNECTIONS));
                    loop {
                        let place = Arc::clone(&places).acquire_owned().await;
                        let accepted = listener.accept().await;
                        serve(accepted.map(|(stream, _)| stream), place, &board, timeout).await;
                    }
                })?;
                Ok(Endpoint { shown, socket: None })
            }
            Address::Socket(path) => {
                let shown = format!("unix://{}", path.display());
                // What a run that was killed left.
                if std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
                    let _ = std::fs::remove_file(path);
                }
                let listener = std::os::unix::net::UnixListener::bind(path)
                    .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                    .map_err(|error| refuse(&shown, error))?;
                let socket = Some(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o740))
                    .map_err(|error| refuse(&shown, error))?;
                spawn(move || async move {
                    let listener = tokio::net::UnixListener::from_std(listener)?;
                    let places = Arc::new(Semaphore::new(MAXIMUM_CONNECTIONS));
                    loop {
                        let place = Arc::clone(&places).acquire_owned().await;
                        let accepted = listener.accept().await;
                        serve(accepted.map(|(stream, _)| stream), place, &board, timeout).await;
                    }
                })?;
                Ok(Endpoint { shown, socket })
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn spawn<F>(work: impl FnOnce() -> F + Send + 'static) -> Result<(), String>
where
    F: Future<Output = std::io::Result<Infallible>>,
{
    let thread = std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Err(error) = runtime.and_then(|runtime| runtime.block_on(work()));
        log::error!("the HTTP endpoint ended: {error}");
    });
    thread.map(|_| ()).map_err(|error| format!("the thread of the HTTP endpoint cannot be started: {error}"))
}

/// Serves one connection beside the others.
async fn serve<S, P>(accepted: std::io::Result<S>, place: P, board: &Arc<Board>, timeout: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Send + 'static,
{
    let stream = match accepted {
        Ok(stream) => stream,
        // No file descriptor is left: it is tried again, not at once.
        Err(_) => return tokio::time::sleep(Duration::from_millis(100)).await,
    };
    let board = Arc::clone(board);
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let answer = board.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(timeout).max_buf_size(16 << 10);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        // How it ended is the client's business.
        let _ = tokio::time::timeout(LONGEST_CONNECTION, connection).await;
        drop(place);
    });
}
