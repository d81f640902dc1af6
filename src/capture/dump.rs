// SPDX-License-Identifier: Apache-2.0
//! `--dump`: every packet of a source also goes into a capture file (pcap, nanoseconds).
//!
//! Limit: a pcap file has one link type, that of its first packet; packets of others are left out, except raw IP in a file
//! of Ethernet frames, which gets an Ethernet header of zeros.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Burst, Origin, Packet, Placement, Pressure, Received, Share, Source, SourceStatistics, Stray};
use crate::wire::LinkType;

/// The file, shared by the workers of an interface.
#[derive(Clone)]
pub struct DumpFile(Arc<Mutex<Writer>>);

struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    link: Option<LinkType>,
}

impl DumpFile {
    /// Makes `PREFIX-YYYYMMDDhhmmss.pcap`.
    pub fn create(prefix: &Path) -> Result<DumpFile, String> {
        let mut name = prefix.as_os_str().to_os_string();
        name.push(jiff::Zoned::now().strftime("-%Y%m%d%H%M%S.pcap").to_string());
        let path = PathBuf::from(name);
        let file = File::create(&path).map_err(|error| format!("--dump: {}: {error}", path.display()))?;
        Ok(DumpFile(Arc::new(Mutex::new(Writer { path, file: BufWriter::new(file), link: None }))))
    }

    fn write(&self, packets: &[Packet<'_>]) -> Result<(), String> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = packets.iter().filter(|packet| packet.origin == Origin::Source);
        let outcome = own.try_for_each(|packet| writer.packet(packet));
        outcome.map_err(|error| format!("--dump: {}: {error}", writer.path.display()))
    }

    fn flush(&self) -> Result<(), String> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.file.flush().map_err(|error| format!("--dump: {}: {error}", writer.path.display()))
    }
}

impl Writer {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let link = match self.link {
            Some(link) => link,
            None => {
                self.link = Some(packet.link);
                self.file.write_all(&header(packet.link))?;
                packet.link
            }
        };
        let head: &[u8] = match (link, packet.link) {
            _ if link == packet.link => &[],
            (LinkType::Ethernet, LinkType::RawIp) if packet.data.first().is_some_and(|first| first >> 4 == 6) => {
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd]
            }
            (LinkType::Ethernet, LinkType::RawIp) => &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00],
            _ => return Ok(()),
        };
        let captured = head.len() + packet.data.len() + packet.more.iter().map(|part| part.len()).sum::<usize>();
        let seconds = packet.time_ns.div_euclid(1_000_000_000) as u32;
        let nanoseconds = packet.time_ns.rem_euclid(1_000_000_000) as u32;
        for number in [seconds, nanoseconds, captured as u32, packet.wire_length + head.len() as u32] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        self.file.write_all(head)?;
        self.file.write_all(packet.data)?;
        packet.more.iter().try_for_each(|part| self.file.write_all(part))
    }
}

/// Of a pcap file: magic of nanoseconds, version 2.4, no offset of the zone, snapshot length, link type.
fn header(link: LinkType) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
    header[4..8].copy_from_slice(&[2, 0, 4, 0]);
    header[16..20].copy_from_slice(&65_535_u32.to_le_bytes());
    header[20..].copy_from_slice(&link.dlt().to_le_bytes());
    header
}

/// A source whose packets are written.
pub struct Dumped<S> {
    pub source: S,
    /// None: this one's packets are another's too, or nobody wants them.
    pub file: Option<DumpFile>,
}

impl<S: Source> Source for Dumped<S> {
    fn enter(&mut self) -> Result<Box<dyn std::any::Any>, String> {
        self.source.enter()
    }

    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        let received = self.source.receive(burst);
        let Some(file) = &self.file else { return received };
        let outcome = match received {
            Received::Packets => file.write(burst),
            // When there is time, or nothing more.
            Received::Idle | Received::End | Received::Failed(_) => file.write(burst).and_then(|()| file.flush()),
        };
        match outcome {
            Ok(()) => received,
            Err(sentence) => Received::Failed(sentence),
        }
    }

    fn release(&mut self, strays: &[Stray]) {
        self.source.release(strays);
    }

    fn share(&self) -> Share {
        self.source.share()
    }

    fn pressure(&self) -> Pressure {
        self.source.pressure()
    }

    fn placement(&self) -> Placement {
        self.source.placement()
    }

    fn wall_ns(&mut self) -> Option<i64> {
        self.source.wall_ns()
    }

    fn statistics(&mut self) -> SourceStatistics {
        self.source.statistics()
    }
}
