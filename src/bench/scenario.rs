// SPDX-License-Identifier: Apache-2.0
//! A scenario: a folder with `scenario.yml`, which says what is sent, how it is measured and what must come out.
//!
//! Every key is checked: a scenario with an unknown key measures something else than its author meant.

use std::path::{Path, PathBuf};

use super::outcome::Depth;
use crate::config::{ConfigError, Configuration, Section};

/// What is measured, and what must come of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    /// One line for people.
    pub description: String,
    pub source: SourcePlan,
    pub mode: Mode,
    /// A `wirebeat.yml`; None: the built-in one with every protocol.
    pub configuration: Option<PathBuf>,
    pub expected: Expected,
    pub goal: Goal,
    /// How far packets go, unless the command line says.
    pub depth: Depth,
    pub workers: u16,
    pub seconds: f64,
    pub rounds: u32,
}

/// Where the packets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourcePlan {
    Replay(ReplayPlan),
    Synthetic(SyntheticPlan),
    Mixed(MixedPlan),
    Wire(WirePlan),
    /// A port as it is.
    Live {
        device: String,
    },
}

/// Captures from memory, each pass between hosts of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayPlan {
    pub captures: Vec<PathBuf>,
    pub order: Order,
    /// Share of frames that never come, from 0 to 1.
    pub lost: f64,
    /// Share of frames that come up to eight frames too late.
    pub reordered: f64,
}

/// Captures among frames that are made, at their time.
#[derive(Clone, Debug, PartialEq)]
pub struct MixedPlan {
    pub replay: ReplayPlan,
    pub synthetic: SyntheticPlan,
    /// Of the packets, that are made.
    pub synthetic_percent: u64,
}

/// How several captures become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after another.
    Successive,
    /// All at the same time.
    Interleaved,
}

/// Frames that are made.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntheticPlan {
    pub frames: FrameSizes,
    /// Flows that send at the same time.
    pub flows: u64,
    pub new_flows_per_second: u64,
    /// Of packet time, which this says how fast it goes.
    pub packets_per_second: u64,
    /// Percentages of flows; the rest is ICMP.
    pub tcp_percent: u64,
    pub udp_percent: u64,
    pub segments: Segments,
    /// Destination port, where it shall be a known one.
    pub port: Option<u16>,
}

/// Bytes of a frame without its check sum, as a capture holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSizes {
    Fixed(u16),
    /// 7 of 60 bytes, 4 of 590 and 1 of 1514, the simple IMIX.
    Imix,
}

/// What TCP segments carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    Data,
    /// Each begins a connection that goes no further.
    Syn,
}

/// A second port sends, the first receives.
#[derive(Clone, Debug, PartialEq)]
pub struct WirePlan {
    /// `ring`, or a device of DPDK.
    pub device: String,
    /// The port that sends; none with `ring`.
    pub sender: Option<String>,
    pub traffic: Box<SourcePlan>,
}

/// How it is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// As fast as the workers take it, stage by stage.
    Saturation,
    /// So many packets a second; what is not taken in time is lost.
    Rate { packets_per_second: f64 },
    /// The highest rate without loss (RFC 2544, section 26.1).
    Rfc2544 { from: Option<f64>, to: Option<f64>, accepted_loss: f64, resolution: f64 },
    /// Saturation for a long time, with memory that must not grow.
    Soak,
    /// Saturation for each value.
    Sweep { over: Sweep, values: Vec<u64> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    Flows,
    FrameBytes,
    Workers,
}

/// What must come out: a fast wrong run fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Transactions of a pass of a replay, flow reports left out.
    pub events_per_pass: Option<u64>,
    pub flow_reports_per_pass: Option<u64>,
}

/// What is aimed at; None: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goal {
    /// CPU time above the source's.
    pub packet_ns: Option<f64>,
    pub event_ns: Option<f64>,
    pub flow_bytes: Option<f64>,
}

impl Mode {
    pub fn name(&self) -> &'static str {
        match self {
            Mode::Saturation => "saturation",
            Mode::Rate { .. } => "rate",
            Mode::Rfc2544 { .. } => "rfc2544",
            Mode::Soak => "soak",
            Mode::Sweep { .. } => "sweep",
        }
    }
}

impl Sweep {
    pub fn name(self) -> &'static str {
        match self {
            Sweep::Flows => "flows",
            Sweep::FrameBytes => "frame_bytes",
            Sweep::Workers => "workers",
        }
    }
}

impl SourcePlan {
    pub fn name(&self) -> &'static str {
        match self {
            SourcePlan::Replay(_) => "replay",
            SourcePlan::Synthetic(_) => "synthetic",
            SourcePlan::Mixed(_) => "mixed",
            SourcePlan::Wire(_) => "wire",
            SourcePlan::Live { .. } => "live",
        }
    }

    /// What is sent, of a wire too.
    pub fn traffic(&self) -> &SourcePlan {
        match self {
            SourcePlan::Wire(wire) => &wire.traffic,
            other => other,
        }
    }

    pub fn synthetic_mut(&mut self) -> Option<&mut SyntheticPlan> {
        match self {
            SourcePlan::Synthetic(plan) => Some(plan),
            SourcePlan::Mixed(mixed) => Some(&mut mixed.synthetic),
            SourcePlan::Wire(wire) => wire.traffic.synthetic_mut(),
            _ => None,
        }
    }
}

impl Scenario {
    /// The scenario of an argument: a name below a folder `perf/scenarios`, a folder, a `scenario.yml` or a capture.
    pub fn find(argument: &str) -> Result<Scenario, String> {
        let path = Path::new(argument);
        if path.is_dir() {
            return Scenario::read(&path.join(FILE));
        }
        if path.is_file() {
            let is_capture = path.extension().is_some_and(|end| CAPTURES.iter().any(|known| end == *known));
            return if is_capture { Ok(Scenario::of_capture(path)) } else { Scenario::read(path) };
        }
        let folders = folders();
        if let Some(folder) = folders.iter().map(|folder| folder.join(argument)).find(|folder| folder.is_dir()) {
            return Scenario::read(&folder.join(FILE));
        }
        let names: Vec<String> = names(&folders);
        Err(match names.is_empty() {
            true => format!(
                "there is no scenario {argument:?}: there is no folder perf/scenarios here or above, nor beside the program"
            ),
            false => format!("there is no scenario {argument:?}; there are {}", names.join(", ")),
        })
    }

    /// Every scenario.
    pub fn all() -> Result<Vec<Scenario>, String> {
        let found = names(&folders());
        if found.is_empty() {
            return Err("there is no folder perf/scenarios here or above, nor beside the program; name a scenario.yml or a capture".to_string());
        }
        found.iter().map(|name| Scenario::find(name)).collect()
    }

    fn of_capture(path: &Path) -> Scenario {
        Scenario {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            description: format!("the capture {}", path.display()),
            source: SourcePlan::Replay(ReplayPlan {
                captures: vec![path.to_path_buf()],
                order: Order::Successive,
                lost: 0.0,
                reordered: 0.0,
            }),
            mode: Mode::Saturation,
            configuration: None,
            expected: Expected::default(),
            goal: Goal::default(),
            depth: Depth::Sink,
            workers: 1,
            seconds: SECONDS,
            rounds: ROUNDS,
        }
    }

    /// Reads a `scenario.yml`; errors are sentences.
    pub fn read(path: &Path) -> Result<Scenario, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let shown = path.to_string_lossy();
        let configuration = Configuration::from_text(&shown, &text).map_err(|error| error.to_string())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let scenario = Scenario::of(&configuration.root(), folder).map_err(|error| error.to_string())?;
        match unknown(&configuration) {
            Some(sentence) => Err(sentence),
            None => Ok(scenario),
        }
    }

    fn of(root: &Section<'_>, folder: &Path) -> Result<Scenario, ConfigError> {
        let source = root.section("source")?.ok_or_else(|| {
            root.refuse_key("source", "is missing; it has one of the keys replay, synthetic, mixed, wire and live")
        })?;
        let source = source_of(&source, folder)?;
        let mode = mode_of(root, &source)?;
        let expected = Expected {
            events_per_pass: root.unsigned("expected.events_per_pass", 0..=u64::MAX)?,
            flow_reports_per_pass: root.unsigned("expected.flow_reports_per_pass", 0..=u64::MAX)?,
        };
        if expected != Expected::default() && !matches!(source.traffic(), SourcePlan::Replay(_) | SourcePlan::Mixed(_))
        {
            return Err(root.refuse_key("expected", "counts events of a replay's passes; this source has none"));
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Scenario {
            name,
            description: root.string("description")?.unwrap_or_default(),
            source,
            mode,
            configuration: root.string("configuration")?.map(|file| folder.join(file)),
            expected,
            goal: Goal {
                packet_ns: root.float("goal.packet_ns")?,
                event_ns: root.float("goal.event_ns")?,
                flow_bytes: root.float("goal.flow_bytes")?,
            },
            depth: root.choice("depth", &Depth::ALL.map(|depth| (depth.name(), depth)))?.unwrap_or(Depth::Sink),
            workers: root.unsigned("workers", 1..=1024)?.unwrap_or(1) as u16,
            seconds: positive(root, "seconds")?.unwrap_or(SECONDS),
            rounds: root.unsigned("rounds", 1..=1000)?.unwrap_or(u64::from(ROUNDS)) as u32,
        })
    }
}

const FILE: &str = "scenario.yml";
const SECONDS: f64 = 1.0;
const ROUNDS: u32 = 5;
const CAPTURES: [&str; 3] = ["pcap", "pcapng", "cap"];

/// Folders of scenarios: `perf/scenarios` here and above, and beside the program.
fn folders() -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let places = here.ancestors().chain(program.ancestors().skip(1));
    let places = places.flat_map(|place| [place.join("perf/scenarios"), place.join("share/wirebeat/scenarios")]);
    places.filter(|folder| folder.is_dir()).take(1).collect()
}

fn names(folders: &[PathBuf]) -> Vec<String> {
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().filter_map(Result::ok);
    let with_file = entries.filter(|entry| entry.path().join(FILE).is_file());
    let mut names: Vec<String> = with_file.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A sentence about a key that nobody read.
fn unknown(configuration: &Configuration) -> Option<String> {
    let sentence = configuration.warnings().into_iter().next()?;
    Some(format!(
        "{sentence}; a scenario has description, source, mode, configuration, expected, goal, depth, workers, seconds and rounds, as docs/bench.md says"
    ))
}

fn source_of(section: &Section<'_>, folder: &Path) -> Result<SourcePlan, ConfigError> {
    let kinds = ["replay", "synthetic", "mixed", "wire", "live"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| section.has(kind)).collect();
    let [kind] = given[..] else {
        return Err(section.refuse(format!(
            "found {}, expected one of the keys {}",
            if given.is_empty() { "none".to_string() } else { given.join(" and ") },
            kinds.join(", ")
        )));
    };
    let below = || section.section(kind)?.ok_or_else(|| section.refuse_key(kind, "found nothing, expected a map"));
    Ok(match kind {
        "replay" => SourcePlan::Replay(replay_of(&below()?, folder)?),
        "synthetic" => SourcePlan::Synthetic(synthetic_of(&below()?)?),
        "mixed" => SourcePlan::Mixed(mixed_of(&below()?, folder)?),
        "wire" => SourcePlan::Wire(wire_of(&below()?, folder)?),
        _ => SourcePlan::Live { device: needed(&below()?, "device")? },
    })
}

fn replay_of(section: &Section<'_>, folder: &Path) -> Result<ReplayPlan, ConfigError> {
    let mut captures = Vec::new();
    for name in section.strings("captures")?.unwrap_or_default() {
        let path = folder.join(&name);
        if path.is_dir() {
            captures_below(&path, &mut captures);
        } else if path.is_file() {
            captures.push(path);
        } else {
            return Err(section.refuse_key("captures", format!("there is no file or folder {}", path.display())));
        }
    }
    if captures.is_empty() {
        return Err(section.refuse_key("captures", "names no capture; a file or a folder of .pcap files is needed"));
    }
    let share = |key: &str| match section.float(key)? {
        Some(percent) if !(0.0..=50.0).contains(&percent) => {
            Err(section.refuse_key(key, format!("found {percent}, expected a percentage from 0 to 50")))
        }
        percent => Ok(percent.unwrap_or(0.0) / 100.0),
    };
    Ok(ReplayPlan {
        captures,
        order: match section.boolean("interleaved")? {
            Some(true) => Order::Interleaved,
            _ => Order::Successive,
        },
        lost: share("lost_percent")?,
        reordered: share("reordered_percent")?,
    })
}

fn captures_below(folder: &Path, captures: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        folder.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            captures_below(&path, captures);
        } else if path.extension().is_some_and(|end| CAPTURES.iter().any(|known| end == *known)) {
            captures.push(path);
        }
    }
}

/// The smallest frame with Ethernet, IPv4 and TCP headers; the largest with an MTU of 9000 bytes.
pub const FRAME_BYTES: std::ops::RangeInclusive<u64> = 60..=9014;
/// Flows have addresses of 24 bits and ports of 14.
pub const FLOWS: std::ops::RangeInclusive<u64> = 1..=1 << 28;

fn synthetic_of(section: &Section<'_>) -> Result<SyntheticPlan, ConfigError> {
    let imix = section.boolean("imix")?.unwrap_or(false);
    let frames = match (section.unsigned("frame_bytes", FRAME_BYTES)?, imix) {
        (Some(_), true) => return Err(section.refuse_key("imix", "and frame_bytes exclude each other")),
        (Some(bytes), false) => FrameSizes::Fixed(bytes as u16),
        (None, true) => FrameSizes::Imix,
        (None, false) => FrameSizes::Fixed(60),
    };
    let tcp_percent = section.unsigned("tcp_percent", 0..=100)?;
    let udp_percent = section.unsigned("udp_percent", 0..=100)?;
    let (tcp_percent, udp_percent) = match (tcp_percent, udp_percent) {
        (None, None) => (80, 20),
        (Some(tcp), None) => (tcp, 100 - tcp),
        (None, Some(udp)) => (100 - udp, udp),
        (Some(tcp), Some(udp)) => (tcp, udp),
    };
    if tcp_percent + udp_percent > 100 {
        return Err(section.refuse_key(
            "udp_percent",
            format!("and tcp_percent are {} together, more than 100", tcp_percent + udp_percent),
        ));
    }
    Ok(SyntheticPlan {
        frames,
        flows: section.unsigned("flows", FLOWS)?.unwrap_or(1000),
        new_flows_per_second: section.unsigned("new_flows_per_second", 0..=1_000_000_000)?.unwrap_or(0),
        packets_per_second: section.unsigned("packets_per_second", 1..=1_000_000_000)?.unwrap_or(1_000_000),
        tcp_percent,
        udp_percent,
        segments: section
            .choice("segments", &[("data", Segments::Data), ("syn", Segments::Syn)])?
            .unwrap_or(Segments::Data),
        port: section.unsigned("port", 1..=65_535)?.map(|port| port as u16),
    })
}

fn mixed_of(section: &Section<'_>, folder: &Path) -> Result<MixedPlan, ConfigError> {
    let below = |key: &str| section.section(key)?.ok_or_else(|| section.refuse_key(key, "is missing"));
    Ok(MixedPlan {
        replay: replay_of(&below("replay")?, folder)?,
        synthetic: synthetic_of(&below("synthetic")?)?,
        synthetic_percent: section.unsigned("synthetic_percent", 1..=99)?.unwrap_or(50),
    })
}

fn wire_of(section: &Section<'_>, folder: &Path) -> Result<WirePlan, ConfigError> {
    let traffic = section.section("traffic")?.ok_or_else(|| {
        section.refuse_key("traffic", "is missing; it has one of the keys replay, synthetic and mixed")
    })?;
    let plan = source_of(&traffic, folder)?;
    if matches!(plan, SourcePlan::Wire(_) | SourcePlan::Live { .. }) {
        return Err(traffic.refuse(format!("found {}, expected replay, synthetic or mixed", plan.name())));
    }
    let device = section.string("device")?.unwrap_or_else(|| RING.to_string());
    let sender = section.string("sender")?;
    match (device == RING, &sender) {
        (true, Some(_)) => Err(section.refuse_key("sender", "is for another device than ring, which is fed directly")),
        (false, None) => Err(section
            .refuse_key("sender", "is missing: the device of DPDK that sends, such as net_af_packet1,iface=veth0")),
        _ => Ok(WirePlan { device, sender, traffic: Box::new(plan) }),
    }
}

/// The device of a wire that is a ring in memory.
pub const RING: &str = "ring";

fn mode_of(root: &Section<'_>, source: &SourcePlan) -> Result<Mode, ConfigError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Name {
        Saturation,
        Rate,
        Rfc2544,
        Soak,
        Sweep,
    }
    let names = [
        ("saturation", Name::Saturation),
        ("rate", Name::Rate),
        ("rfc2544", Name::Rfc2544),
        ("soak", Name::Soak),
        ("sweep", Name::Sweep),
    ];
    let name = root.choice("mode", &names)?.unwrap_or(Name::Saturation);
    let mode = match name {
        Name::Saturation => Mode::Saturation,
        Name::Soak => Mode::Soak,
        Name::Rate => Mode::Rate {
            packets_per_second: positive(root, "rate.packets_per_second")?
                .ok_or_else(|| root.refuse_key("rate.packets_per_second", "is missing; the mode rate needs it"))?,
        },
        Name::Rfc2544 => Mode::Rfc2544 {
            from: positive(root, "rfc2544.from")?,
            to: positive(root, "rfc2544.to")?,
            accepted_loss: positive(root, "rfc2544.accepted_loss_percent")?.unwrap_or(0.0) / 100.0,
            resolution: positive(root, "rfc2544.resolution_percent")?.unwrap_or(2.0) / 100.0,
        },
        Name::Sweep => {
            let over = [("flows", Sweep::Flows), ("frame_bytes", Sweep::FrameBytes), ("workers", Sweep::Workers)];
            let over = root.choice("sweep.over", &over)?.ok_or_else(|| {
                root.refuse_key("sweep.over", "is missing, expected one of flows, frame_bytes, workers")
            })?;
            let range = match over {
                Sweep::Flows => FLOWS,
                Sweep::FrameBytes => FRAME_BYTES,
                Sweep::Workers => 1..=1024,
            };
            let mut values = Vec::new();
            for text in root.strings("sweep.values")?.unwrap_or_default() {
                match text.parse::<u64>().ok().filter(|value| range.contains(value)) {
                    Some(value) => values.push(value),
                    None => {
                        return Err(root.refuse_key(
                            "sweep.values",
                            format!("found {text}, expected integers from {} to {}", range.start(), range.end()),
                        ));
                    }
                }
            }
            if values.is_empty() {
                return Err(root.refuse_key("sweep.values", "is missing, expected a list of integers"));
            }
            if over != Sweep::Workers && matches!(source.traffic(), SourcePlan::Replay(_)) {
                return Err(root.refuse_key("sweep.over", "is for a synthetic source, unless it is workers"));
            }
            Mode::Sweep { over, values }
        }
    };
    let is_wire = matches!(source, SourcePlan::Wire(_));
    if is_wire && !matches!(mode, Mode::Rate { .. } | Mode::Rfc2544 { to: Some(_), .. }) {
        return Err(
            root.refuse_key("mode", format!("found {}, a wire has rate, or rfc2544 with rfc2544.to", mode.name()))
        );
    }
    let is_live = matches!(source, SourcePlan::Live { .. });
    if is_live && matches!(mode, Mode::Rate { .. } | Mode::Rfc2544 { .. } | Mode::Sweep { .. }) {
        return Err(root.refuse_key("mode", format!("{} needs a source that can be told its rate", mode.name())));
    }
    Ok(mode)
}

fn positive(section: &Section<'_>, key: &str) -> Result<Option<f64>, ConfigError> {
    match section.float(key)? {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(section.refuse_key(key, format!("found {value}, expected a number above 0")))
        }
        value => Ok(value),
    }
}

fn needed(section: &Section<'_>, key: &str) -> Result<String, ConfigError> {
    section.string(key)?.filter(|text| !text.is_empty()).ok_or_else(|| section.refuse_key(key, "is missing"))
}
