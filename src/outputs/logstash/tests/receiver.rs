// SPDX-License-Identifier: Apache-2.0
//! A receiver of the Lumberjack protocol that does what a test tells it, window by window.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::ZlibDecoder;

use crate::outputs::peer::Host;

/// What is done with a window that was read.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Acknowledge,
    /// Acknowledges so many events, then goes on.
    Partly(u32),
    /// Acknowledges so many events, then closes the connection.
    PartlyThenClose(u32),
    /// Says so often, after each pause, that it is at work; then acknowledges.
    Late {
        times: u32,
        pause: Duration,
    },
    Silent,
    Bytes(&'static [u8]),
}

#[derive(Clone, Debug)]
pub struct Window {
    pub connection: usize,
    pub bodies: Vec<String>,
    pub is_compressed: bool,
    pub answered: Instant,
    pub read: Instant,
}

pub struct Receiver {
    pub host: Host,
    pub windows: Arc<Mutex<Vec<Window>>>,
}

impl Receiver {
    /// `answer` is asked with the number of the connection and of the window on it.
    pub fn start(answer: impl Fn(usize, usize) -> Answer + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Receiver::listen(listener, answer)
    }

    pub fn listen(listener: TcpListener, answer: impl Fn(usize, usize) -> Answer + Send + Sync + 'static) -> Receiver {
        let host = Host { name: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let windows = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), Arc::clone(&windows));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                thread::spawn(move || serve(stream, connection, &*answer, &all));
            }
        });
        Receiver { host, windows }
    }

    /// The bodies of all windows.
    pub fn bodies(&self) -> Vec<String> {
        self.windows.lock().unwrap().iter().flat_map(|window| window.bodies.clone()).collect()
    }

    pub fn sizes(&self) -> Vec<usize> {
        self.windows.lock().unwrap().iter().map(|window| window.bodies.len()).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    answer: &dyn Fn(usize, usize) -> Answer,
    all: &Mutex<Vec<Window>>,
) -> io::Result<()> {
    for number in 0.. {
        let (bodies, is_compressed) = read_window(&mut stream)?;
        let count = bodies.len() as u32;
        let now = Instant::now();
        let place = {
            let mut all = all.lock().unwrap();
            all.push(Window { connection, bodies, is_compressed, answered: now, read: now });
            all.len() - 1
        };
        match answer(connection, number) {
            Answer::Acknowledge => acknowledge(&mut stream, count)?,
            Answer::Partly(part) => {
                acknowledge(&mut stream, part)?;
                acknowledge(&mut stream, count)?;
            }
            Answer::PartlyThenClose(part) => return acknowledge(&mut stream, part),
            Answer::Late { times, pause } => {
                for _ in 0..times {
                    thread::sleep(pause);
                    acknowledge(&mut stream, 0)?;
                }
                all.lock().unwrap()[place].answered = Instant::now();
                acknowledge(&mut stream, count)?;
            }
            Answer::Silent => {
                let mut rest = Vec::new();
                return stream.read_to_end(&mut rest).map(|_| ());
            }
            Answer::Bytes(bytes) => stream.write_all(bytes)?,
        }
    }
    Ok(())
}

fn acknowledge(stream: &mut TcpStream, sequence: u32) -> io::Result<()> {
    stream.write_all(&[&b"2A"[..], &sequence.to_be_bytes()].concat())
}

fn read_window(stream: &mut TcpStream) -> io::Result<(Vec<String>, bool)> {
    assert_eq!(read_bytes(stream, 2)?, b"2W");
    let count = read_number(stream)?;
    let kind = read_bytes(stream, 2)?;
    if kind == b"2C" {
        let length = read_number(stream)?;
        let compressed = read_bytes(stream, length as usize)?;
        let mut plain = Vec::new();
        ZlibDecoder::new(&compressed[..]).read_to_end(&mut plain)?;
        let mut plain = &plain[..];
        let bodies = (1..=count).map(|sequence| read_event(&mut plain, sequence, None)).collect::<io::Result<_>>()?;
        assert!(plain.is_empty(), "nothing follows");
        return Ok((bodies, true));
    }
    let mut kind = Some(kind);
    Ok(((1..=count).map(|sequence| read_event(stream, sequence, kind.take())).collect::<io::Result<_>>()?, false))
}

fn read_event(source: &mut impl Read, sequence: u32, kind: Option<Vec<u8>>) -> io::Result<String> {
    let kind = kind.map_or_else(|| read_bytes(source, 2), Ok)?;
    assert_eq!(kind, b"2J");
    assert_eq!(read_number(source)?, sequence);
    let length = read_number(source)?;
    Ok(String::from_utf8(read_bytes(source, length as usize)?).unwrap())
}

fn read_number(source: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(read_bytes(source, 4)?.try_into().unwrap()))
}

fn read_bytes(source: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}
