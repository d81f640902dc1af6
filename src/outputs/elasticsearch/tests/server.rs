// SPDX-License-Identifier: Apache-2.0
//! A small HTTP server that answers as a test wants, also wrongly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::outputs::elasticsearch::{Endpoint, parse_host};

/// A request, its body unpacked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The documents of a bulk request.
    pub fn documents(&self) -> Vec<String> {
        self.body.lines().skip(1).step_by(2).map(str::to_owned).collect()
    }
}

pub enum Answer {
    Status(u16, String),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// The head of an answer, then nothing for a long time.
    Stalled,
    Endless,
}

pub struct Server {
    pub address: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::on("127.0.0.1:0", answer)
    }

    pub fn on(address: &str, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &log, answer.as_ref()));
            }
        });
        Server { address, requests }
    }

    pub fn endpoint(&self) -> Endpoint {
        parse_host(&self.address, "http", "").unwrap()
    }

    pub fn bulk_requests(&self) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.target.contains("_bulk")).cloned().collect()
    }
}

/// What a healthy server says to anything but a bulk request.
pub fn usual(request: &Request) -> Answer {
    match request.method.as_str() {
        "GET" => Answer::Status(200, r#"{"name":"n","version":{"number":"8.19.0"}}"#.to_owned()),
        "HEAD" => Answer::Status(404, String::new()),
        "POST" => Answer::Status(200, r#"{"errors":false,"items":[]}"#.to_owned()),
        _ => Answer::Status(200, "{}".to_owned()),
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader) {
        log.lock().unwrap().push(request.clone());
        match answer(&request) {
            Answer::Status(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                let body = if request.method == "HEAD" { "" } else { &body };
                if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Answer::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Answer::Stalled => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"errors\":false");
                thread::sleep(Duration::from_secs(20));
                return;
            }
            Answer::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n{\"errors\":false,");
                while stream.write_all(&[b' '; 65536]).is_ok() {}
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body: String::new() };
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = if request.header("content-encoding") == Some("gzip") {
        std::io::read_to_string(flate2::read::GzDecoder::new(body.as_slice())).unwrap()
    } else {
        String::from_utf8(body).unwrap()
    };
    Some(request)
}
