// SPDX-License-Identifier: Apache-2.0
//! A connection to a host of an output that speaks over plain TCP: straight or through a SOCKS5 proxy, with or without TLS.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::socks::SocksProxy;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an address, without brackets.
    pub name: String,
    pub port: u16,
}

impl Host {
    /// Reads `host`, `host:port`, `[::1]:port` or an address of IPv6 alone. The error is a sentence without its place.
    pub fn parse(text: &str, default_port: u16) -> Result<Host, String> {
        let text = text.trim();
        let refuse =
            || format!("found {text:?}, expected a host such as localhost:{default_port} or [::1]:{default_port}");
        let (name, port) = match text.strip_prefix('[') {
            Some(inside) => {
                let (name, behind) = inside.split_once(']').ok_or_else(refuse)?;
                let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(refuse)?) };
                (name, port)
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = match port {
            None => default_port,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(refuse)?,
        };
        let legal = |character: char| !character.is_whitespace() && !"/,@?#\\".contains(character);
        if name.is_empty() || !name.chars().all(legal) {
            return Err(refuse());
        }
        Ok(Host { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}

/// What a connection reads from and writes to.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A host and the way to it.
#[derive(Clone)]
pub struct Peer {
    pub host: Host,
    pub tls: Option<Arc<ClientConfig>>,
    pub proxy: Option<Arc<SocksProxy>>,
    /// For each step.
    pub timeout: Duration,
}

impl Peer {
    /// Connects. The error is a sentence.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let stream = match &self.proxy {
            None => dial(&self.host, self.timeout).await?,
            Some(proxy) => proxy.connect(&self.host, self.timeout).await?,
        };
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.name.clone())
            .map_err(|_| format!("{:?} is no name that a certificate can have", self.host.name))?;
        let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        match within(self.timeout, "the TLS handshake", handshake).await? {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(format!("the TLS handshake failed: {error}")),
        }
    }
}

/// Looks the host up and tries its addresses in their order.
pub async fn dial(host: &Host, timeout: Duration) -> Result<TcpStream, String> {
    let found = within(timeout, "the name's address", lookup_host((host.name.as_str(), host.port))).await?;
    let mut problem = "the name has no address".to_owned();
    for address in found.map_err(|error| error.to_string())? {
        match within(timeout, "the connection", TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => problem = error.to_string(),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// Waits no longer than the time-out.
pub async fn within<T>(timeout: Duration, what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(timeout, work).await.map_err(|_| format!("{what} did not come within {timeout:?}"))
}

#[cfg(test)]
mod tests;
