// SPDX-License-Identifier: Apache-2.0
//! `wirebeat demo`: captures of real servers through a DPDK ring port and two workers, one coloured line an event.
//!
//! It is the real program: only the configuration is built in, and the sink prints for people.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use serde_json::Value as Json;

use super::io_core::Output;
use crate::cli::{Exit, Pace, RunOptions};
use crate::config::Configuration;
use crate::event::chunk::Slice;
use crate::event::json::Metadata;
use crate::outputs::config::Routing;
use crate::outputs::{Sink, Verdict};

const TRAFFIC: &[u8] = include_bytes!("../../deploy/demo/traffic.pcap");

/// Runs the demo when the arguments ask for it.
pub fn requested(arguments: &[OsString]) -> Option<Result<String, Exit>> {
    if arguments.get(1)? != "demo" {
        return None;
    }
    let once = match arguments.get(2..).unwrap_or_default() {
        [] => !std::io::stdout().is_terminal(),
        [flag] if flag == "--once" => true,
        other => {
            let other: Vec<_> = other.iter().map(|word| word.to_string_lossy()).collect();
            return Some(Err(Exit::failure(format!("demo takes --once or nothing, not {:?}", other.join(" ")))));
        }
    };
    Some(run(once).map(|()| String::new()).map_err(Exit::failure))
}

fn run(once: bool) -> Result<(), String> {
    let file = Capture::write()?;
    let text = format!(
        "packetbeat.interfaces: {{type: replay, file: {:?}, internal_networks: [private]}}\n\
         packetbeat.flows: {{timeout: 30s, period: 10s}}\n\
         packetbeat.protocols:\n\
         - {{type: icmp}}\n\
         - {{type: dns, ports: [53]}}\n\
         - {{type: http, ports: [80, 8080]}}\n\
         - {{type: mysql, ports: [3306]}}\n\
         wirebeat.workers: 2\n\
         wirebeat.chunks.age: 100ms\n\
         wirebeat.dpdk: {{log_level: error, mbufs: 16384}}\n",
        file.path
    );
    let configuration =
        Configuration::from_text("the demo's configuration", &text).map_err(|error| error.to_string())?;
    let options = RunOptions { loops: u64::from(once), pace: Pace::AsRecorded, ..RunOptions::default() };
    println!(
        "Wirebeat {}: {} of recorded traffic, replayed through a DPDK ring port to two workers. Ctrl-C ends.",
        env!("CARGO_PKG_VERSION"),
        if once { "one pass" } else { "passes" }
    );
    let summary = super::run_with(&configuration, &options, Routing::default(), || {
        Output::new(Metadata::Written, Box::new(ScreenSink::new()))
    })?;
    println!("{}", summary.line());
    Ok(())
}

/// The bundled capture as a file, removed at the end.
struct Capture {
    path: PathBuf,
}

impl Capture {
    fn write() -> Result<Capture, String> {
        let path = std::env::temp_dir().join(format!("wirebeat-demo-{}.pcap", std::process::id()));
        std::fs::write(&path, TRAFFIC).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Capture { path })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Prints one line an event.
struct ScreenSink {
    colours: bool,
    settled: Vec<Slice>,
    line: String,
}

impl ScreenSink {
    fn new() -> ScreenSink {
        let colours =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        ScreenSink { colours, settled: Vec::new(), line: String::new() }
    }

    fn describe(&mut self, event: &Json) {
        use std::fmt::Write as _;
        let text = |path: &str| match event.pointer(path) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let kind = text("/type");
        let failed = text("/status") != "OK" && kind != "flow";
        let colour = match (kind.as_str(), failed) {
            (_, true) => "31",
            ("http", _) => "32",
            ("mysql", _) => "33",
            ("dns", _) => "36",
            ("icmp", _) => "35",
            _ => "90",
        };
        let what = match kind.as_str() {
            "http" => format!("{} {}", text("/query"), text("/http/response/status_code")),
            "dns" => {
                format!("{} {} {}", text("/dns/question/type"), text("/dns/question/name"), text("/dns/response_code"))
            }
            "icmp" => format!("{} {}", text("/icmp/request/message"), text("/icmp/response/message")),
            "flow" => format!(
                "{} {} packets, {} bytes{}",
                text("/network/transport"),
                text("/network/packets"),
                text("/network/bytes"),
                if text("/flow/final") == "true" { ", ended" } else { "" }
            ),
            _ => format!("{} {}", text("/query"), text("/mysql/error_message")),
        };
        let milliseconds = match event.pointer("/event/duration").and_then(Json::as_f64) {
            Some(nanoseconds) if kind != "flow" => format!("  {:.1} ms", nanoseconds / 1e6),
            _ => String::new(),
        };
        let time = text("/@timestamp");
        self.line.clear();
        let (on, off) = if self.colours { (format!("\x1b[{colour}m"), "\x1b[0m") } else { (String::new(), "") };
        let what: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).take(90).collect();
        let _ = writeln!(
            self.line,
            "{on}{} {kind:<5} {:>21} > {:<21} {}{milliseconds}{off}",
            time.get(11..23).unwrap_or(&time),
            format!("{}:{}", text("/source/ip"), text("/source/port")),
            format!("{}:{}", text("/destination/ip"), text("/destination/port")),
            what.trim(),
        );
    }
}

impl Sink for ScreenSink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        for event in slice.events() {
            if let Ok(event) = serde_json::from_slice::<Json>(slice.bytes(event.body)) {
                self.describe(&event);
                // A closed pipe is the reader's wish.
                let _ = std::io::stdout().write_all(self.line.as_bytes());
            }
        }
        self.settled.push(slice);
        None
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        self.settled.drain(..).for_each(|slice| settle(slice, Verdict::Acknowledged));
    }

    fn flush(&mut self) {}

    fn in_flight(&self) -> usize {
        self.settled.iter().map(Slice::len).sum()
    }
}
