// SPDX-License-Identifier: Apache-2.0
//! One connection: logs in, writes pipelines, reads the answers one by one.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::commands::write_command;
use super::config::RedisOptions;
use super::reply::{self, Replies, Reply, ReplyError};
use super::sink::Server;
use crate::outputs::batch::Batch;
use crate::outputs::batch_sink::Feed;
use crate::outputs::peer::Stream;

/// A connection to a server that let us in.
pub struct Connection {
    stream: Box<dyn Stream>,
    replies: Replies,
    timeout: Duration,
}

/// Why a connection is over.
#[derive(Debug)]
pub enum Failure {
    Connect(String),
    Timeout,
    Broken(std::io::Error),
    Closed,
    /// The other side does not speak Redis' protocol, or not as expected.
    Foreign,
    /// The other side refused what comes before events, or refuses them all.
    Refused(String),
}

impl Failure {
    /// The name under which its events are tried again.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Timeout => "redis_timeout",
            Failure::Foreign => "redis_protocol",
            Failure::Connect(_) | Failure::Broken(_) | Failure::Closed | Failure::Refused(_) => "redis_connection",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(text) => formatter.write_str(text),
            Failure::Timeout => formatter.write_str("no answer within the time-out"),
            Failure::Broken(error) => error.fmt(formatter),
            Failure::Closed => formatter.write_str("it closed the connection"),
            Failure::Foreign => formatter.write_str("it does not answer as Redis does"),
            Failure::Refused(text) => write!(formatter, "it refuses: {text}"),
        }
    }
}

impl Connection {
    /// Connects, authenticates, chooses the database and waits until the server is ready.
    pub async fn open(server: &Server) -> Result<Connection, Failure> {
        let stream = server.peer.connect().await.map_err(Failure::Connect)?;
        let mut connection = Connection { stream, replies: Replies::new(), timeout: server.peer.timeout };
        if let Some(password) = &server.password {
            let password = password.reveal().as_bytes();
            let words: &[&[u8]] = match &server.username {
                Some(name) => &[b"AUTH", name.as_bytes(), password],
                None => &[b"AUTH", password],
            };
            connection.ask(words).await?;
        }
        if server.database > 0 {
            connection.ask(&[b"SELECT", server.database.to_string().as_bytes()]).await?;
        }
        // A server that wants a password, or still loads its data, says so here.
        connection.ask(&[b"PING"]).await?;
        Ok(connection)
    }

    /// Sends a command; a refusal is an error.
    pub async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        let mut out = Vec::new();
        write_command(words, &mut out);
        self.write(&out).await?;
        match self.reply().await? {
            Reply::Error(text) => Err(Failure::Refused(reply::shown(&text))),
            reply => Ok(reply),
        }
    }

    /// The server's version.
    pub async fn version(&mut self) -> Result<String, Failure> {
        let Reply::Text(text) = self.ask(&[b"INFO", b"server"]).await? else { return Err(Failure::Foreign) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.map(str::to_owned).ok_or(Failure::Foreign)
    }

    /// Asks whether events could be written, with their own command and key, in a transaction that is given up.
    pub async fn try_write(&mut self, options: &RedisOptions) -> Result<(), Failure> {
        let key = options.key.at(0).unwrap_or_else(|| "packetbeat".to_owned());
        self.ask(&[b"MULTI"]).await?;
        self.ask(&[options.data_type.command(), key.as_bytes(), b"{}"]).await?;
        self.ask(&[b"DISCARD"]).await.map(|_| ())
    }

    /// The next batch to send; none when the sink is gone. Ends early when the server closes the connection, so that no event
    /// is given to one that is closed.
    pub async fn next_batch(&mut self, feed: &Feed) -> Result<Option<Batch>, Failure> {
        let mut next = pin!(feed.next());
        poll_fn(|context| {
            let mut byte = [0];
            let mut buffer = ReadBuf::new(&mut byte);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => next.as_mut().poll(context).map(Ok),
                Poll::Ready(Err(error)) => Poll::Ready(Err(Failure::Broken(error))),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Err(Failure::Closed)),
                Poll::Ready(Ok(())) => Poll::Ready(Err(Failure::Foreign)),
            }
        })
        .await
    }

    /// Writes commands. The time-out is for no progress at all.
    pub async fn write(&mut self, mut commands: &[u8]) -> Result<(), Failure> {
        while !commands.is_empty() {
            let written = timeout(self.timeout, self.stream.write(commands)).await;
            let count = written.map_err(|_| Failure::Timeout)?.map_err(Failure::Broken)?;
            if count == 0 {
                return Err(Failure::Closed);
            }
            commands = &commands[count..];
        }
        timeout(self.timeout, self.stream.flush()).await.map_err(|_| Failure::Timeout)?.map_err(Failure::Broken)
    }

    /// The next answer.
    pub async fn reply(&mut self) -> Result<Reply, Failure> {
        let reply = timeout(self.timeout, self.replies.next(&mut *self.stream)).await;
        reply.map_err(|_| Failure::Timeout)?.map_err(|error| match error {
            ReplyError::Broken(error) => Failure::Broken(error),
            ReplyError::Closed => Failure::Closed,
            ReplyError::Foreign => Failure::Foreign,
        })
    }

    /// Bytes that were read.
    pub fn read_bytes(&self) -> u64 {
        self.replies.read_bytes
    }
}
