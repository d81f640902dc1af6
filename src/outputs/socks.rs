// SPDX-License-Identifier: Apache-2.0
//! A client of SOCKS version 5 (RFC 1928) with user and password (RFC 1929): CONNECT only.

use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::peer::{Host, dial, within};
use super::secret::Secret;

/// `proxy_url` and `proxy_use_local_resolver`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksProxy {
    pub host: Host,
    pub user: Option<(String, Secret)>,
    pub resolver: Resolver,
}

/// Who looks up the names of hosts behind the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    #[default]
    Proxy,
    Local,
}

impl SocksProxy {
    /// Reads `socks5://user:password@host:port`. The error is a sentence without its place, and without the text, which may
    /// hold a password.
    pub fn parse(text: &str, resolver: Resolver) -> Result<SocksProxy, String> {
        let refuse = |why: &str| {
            format!("expected the URL of a SOCKS proxy such as socks5://user:password@localhost:1080 ({why})")
        };
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "socks5" | "socks5h") {
            return Err(refuse(&format!("found the scheme {:?}", url.scheme())));
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if name.is_empty() {
            return Err(refuse("there is no host"));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (!url.username().is_empty())
            .then(|| (decode(url.username()), Secret::from(decode(url.password().unwrap_or_default()))));
        if let Some((name, password)) = &user
            && (name.len() > 255 || password.reveal().len() > 255)
        {
            return Err(refuse("user and password have at most 255 bytes"));
        }
        Ok(SocksProxy { host: Host { name: name.to_owned(), port: url.port().unwrap_or(1080) }, user, resolver })
    }

    /// Connects to the host through the proxy. The error is a sentence.
    pub async fn connect(&self, target: &Host, timeout: Duration) -> Result<TcpStream, String> {
        let place = |error: String| format!("the SOCKS proxy {}: {error}", self.host);
        let mut stream = dial(&self.host, timeout).await.map_err(place)?;
        let talk = within(timeout, "its answer", self.talk(&mut stream, target));
        talk.await.and_then(|result| result).map_err(place)?;
        Ok(stream)
    }

    async fn talk(&self, stream: &mut TcpStream, target: &Host) -> Result<(), String> {
        let broken = |error: std::io::Error| error.to_string();
        let request = self.request(target).await?;
        let methods: &[u8] = if self.user.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(methods).await.map_err(broken)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(broken)?;
        match (answer, &self.user) {
            ([5, 0], _) => {}
            ([5, 2], Some((name, password))) => {
                let password = password.reveal().as_bytes();
                let mut message = vec![1, name.len() as u8];
                message.extend_from_slice(name.as_bytes());
                message.push(password.len() as u8);
                message.extend_from_slice(password);
                stream.write_all(&message).await.map_err(broken)?;
                stream.read_exact(&mut answer).await.map_err(broken)?;
                if answer[1] != 0 {
                    return Err("it refuses user and password".to_owned());
                }
            }
            ([5, _], _) => return Err("it wants an authentication that was not given".to_owned()),
            _ => return Err("it does not speak SOCKS version 5".to_owned()),
        }
        stream.write_all(&request).await.map_err(broken)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(broken)?;
        if head[..2] != [5, 0] {
            return Err(format!("{target} is not reached: {}", refusal(head[1])));
        }
        // The address that the proxy speaks from, and its port: of no interest, but it must be read.
        let length = match head[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(broken)?),
            other => return Err(format!("it answers with an address of the unknown kind {other}")),
        };
        let mut address = [0; 257];
        stream.read_exact(&mut address[..length + 2]).await.map_err(broken)?;
        Ok(())
    }

    async fn request(&self, target: &Host) -> Result<Vec<u8>, String> {
        let mut address = target.name.parse::<IpAddr>().ok();
        if address.is_none() && self.resolver == Resolver::Local {
            let found = lookup_host((target.name.as_str(), target.port)).await.map_err(|error| error.to_string())?;
            let first = found.into_iter().next();
            address = Some(first.ok_or_else(|| format!("{} has no address", target.name))?.ip());
        }
        let mut request = vec![5, 1, 0];
        match address {
            Some(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            None => {
                let length = u8::try_from(target.name.len()).map_err(|_| format!("{} is too long", target.name))?;
                request.extend_from_slice(&[3, length]);
                request.extend_from_slice(target.name.as_bytes());
            }
        }
        request.extend_from_slice(&target.port.to_be_bytes());
        Ok(request)
    }
}

/// The reply codes of RFC 1928, section 6.
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "its rules forbid the connection",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "the time to live has expired",
        7 => "it does not know the command",
        8 => "it does not know the kind of address",
        _ => "for an unknown reason",
    }
}

#[cfg(test)]
mod tests;
