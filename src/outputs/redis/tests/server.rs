// SPDX-License-Identifier: Apache-2.0
//! A server that reads commands as Redis does and answers what a test tells it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::RedisHost;

/// The words of a command.
pub type Command = Vec<String>;

pub struct FakeServer {
    pub host: RedisHost,
    pub commands: Arc<Mutex<Vec<Command>>>,
}

impl FakeServer {
    /// `answer` is asked with the number of the connection and a command; no answer closes the connection.
    pub fn start(answer: impl Fn(usize, &Command) -> Option<String> + Send + Sync + 'static) -> FakeServer {
        FakeServer::listen(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn listen(
        listener: TcpListener,
        answer: impl Fn(usize, &Command) -> Option<String> + Send + Sync + 'static,
    ) -> FakeServer {
        let host = RedisHost::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), Arc::clone(&commands));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                thread::spawn(move || serve(stream, connection, &*answer, &all));
            }
        });
        FakeServer { host, commands }
    }

    /// The commands that carry events.
    pub fn pushed(&self) -> Vec<Command> {
        let commands = self.commands.lock().unwrap();
        commands.iter().filter(|words| matches!(words[0].as_str(), "RPUSH" | "PUBLISH")).cloned().collect()
    }
}

/// What a server answers that has nothing against it.
pub fn usual(_: usize, command: &Command) -> Option<String> {
    Some(match command[0].as_str() {
        "PING" => "+PONG\r\n".into(),
        "RPUSH" | "PUBLISH" => format!(":{}\r\n", command.len() - 2),
        _ => "+OK\r\n".into(),
    })
}

fn serve(
    stream: TcpStream,
    connection: usize,
    answer: &dyn Fn(usize, &Command) -> Option<String>,
    all: &Mutex<Vec<Command>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let words = number(&mut reader, '*')?;
        let mut command = Vec::new();
        for _ in 0..words {
            let mut word = vec![0; number(&mut reader, '$')? + 2];
            reader.read_exact(&mut word).ok()?;
            assert_eq!(&word[word.len() - 2..], b"\r\n");
            word.truncate(word.len() - 2);
            command.push(String::from_utf8(word).unwrap());
        }
        all.lock().unwrap().push(command.clone());
        writer.write_all(answer(connection, &command)?.as_bytes()).ok()?;
    }
}

fn number(reader: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    line.strip_prefix(kind)?.strip_suffix("\r\n")?.parse().ok()
}
