// SPDX-License-Identifier: Apache-2.0
//! One trial: what is asked of it, and what it found. Each runs in a process of its own, so that memory and EAL begin anew;
//! the finding goes to the parent as one line of JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// How far packets go, each stage with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The source alone.
    Receive,
    Decode,
    /// Flows are found, counted, timed out and reported, and the reports dropped.
    Flow,
    /// TCP in order, given to parsers that say nothing.
    Stream,
    /// Parsers, whose events are dropped before they are encoded.
    Protocol,
    /// Constants, processors, JSON, chunks, which the I/O core discards.
    Encode,
    /// The configured output.
    Sink,
}

impl Depth {
    pub const ALL: [Depth; 7] =
        [Depth::Receive, Depth::Decode, Depth::Flow, Depth::Stream, Depth::Protocol, Depth::Encode, Depth::Sink];

    pub fn name(self) -> &'static str {
        match self {
            Depth::Receive => "receive",
            Depth::Decode => "decode",
            Depth::Flow => "flow",
            Depth::Stream => "stream",
            Depth::Protocol => "protocol",
            Depth::Encode => "encode",
            Depth::Sink => "sink",
        }
    }

    pub fn of_name(name: &str) -> Result<Depth, String> {
        Depth::ALL.into_iter().find(|depth| depth.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Depth::ALL.iter().map(|depth| depth.name()).collect();
            format!("--depth: found {name:?}, expected one of {}", names.join(", "))
        })
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub depth: Depth,
    pub workers: u16,
    pub seconds: f64,
    /// None: saturation.
    pub packets_per_second: Option<f64>,
    /// The one protocol whose parsers speak; None: all.
    pub only: Option<String>,
    /// In place of the scenario's.
    pub flows: Option<u64>,
    pub frame_bytes: Option<u64>,
}

impl Trial {
    /// The flags of `wirebeat bench SCENARIO --trial` that ask for it.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--depth={}", self.depth.name()),
            format!("--workers={}", self.workers),
            format!("--seconds={}", self.seconds),
        ];
        flags.extend(self.packets_per_second.map(|rate| format!("--rate={rate}")));
        flags.extend(self.only.as_ref().map(|only| format!("--only={only}")));
        flags.extend(self.flows.map(|flows| format!("--flows={flows}")));
        flags.extend(self.frame_bytes.map(|bytes| format!("--frame-bytes={bytes}")));
        flags
    }
}

macro_rules! outcome {
    ($($(#[$doc:meta])* $field:ident,)+) => {
        /// What a trial found.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Outcome {
            $($(#[$doc])* pub $field: u64,)+
            /// The workers' counters that are not 0, by name.
            pub counters: BTreeMap<String, u64>,
            /// Second of the run, packets analysed until then, resident bytes, open flows.
            pub samples: Vec<[f64; 4]>,
            /// What is wrong: a balance, an expectation.
            pub problems: Vec<String>,
            /// Sentences for people.
            pub notes: Vec<String>,
        }

        impl Outcome {
            pub fn to_json(&self) -> Json {
                let mut object = Map::new();
                $(object.insert(stringify!($field).to_string(), json!(self.$field));)+
                object.insert("counters".to_string(), json!(self.counters));
                object.insert("samples".to_string(), json!(self.samples));
                object.insert("problems".to_string(), json!(self.problems));
                object.insert("notes".to_string(), json!(self.notes));
                Json::Object(object)
            }

            /// None: it is no outcome.
            pub fn of_json(json: &Json) -> Option<Outcome> {
                let texts = |name: &str| -> Option<Vec<String>> {
                    json[name].as_array()?.iter().map(|text| text.as_str().map(str::to_string)).collect()
                };
                let counters = json["counters"].as_object()?.iter();
                let samples = json["samples"].as_array()?.iter().map(|sample| {
                    Some(std::array::from_fn(|place| sample[place].as_f64().unwrap_or_default()))
                });
                Some(Outcome {
                    $($field: json[stringify!($field)].as_u64()?,)+
                    counters: counters.map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect::<Option<_>>()?,
                    samples: samples.collect::<Option<_>>()?,
                    problems: texts("problems")?,
                    notes: texts("notes")?,
                })
            }
        }
    };
}

outcome! {
    /// Of the counted time, all workers together.
    packets,
    bytes,
    /// With preamble, check sum and gap.
    wire_bytes,
    /// CPU time and ticks of the workers, added up.
    cpu_ns,
    ticks,
    /// The longest worker's.
    wall_ns,
    /// From start to end, warm-up included.
    total_packets,
    total_passes,
    total_flows,
    offered,
    lost,
    /// Packets that the generator was too slow to send in time.
    late,
    /// Of the run from the first packet to the last event.
    run_wall_ns,
    io_core_cpu_ns,
    flows_peak,
    /// Resident memory before the workers started, and at most.
    resident_before_bytes,
    resident_peak_bytes,
    huge_page_bytes,
    latency_events,
    latency_p50_ns,
    latency_p99_ns,
    latency_p999_ns,
    latency_maximum_ns,
    acknowledged,
    output_dropped,
    /// Of all CPUs, in /proc/stat's hundredths of a second: stolen by the hypervisor, and all.
    steal_ticks,
    machine_ticks,
}

impl Outcome {
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// CPU time of the workers for a packet.
    pub fn cpu_packet_ns(&self) -> f64 {
        self.cpu_ns as f64 / self.packets.max(1) as f64
    }

    pub fn packets_per_second(&self) -> f64 {
        self.packets as f64 * 1e9 / self.wall_ns.max(1) as f64
    }

    /// Ticks of a packet, of the time that the worker really ran.
    pub fn cycles_per_packet(&self) -> f64 {
        let worker_wall_ns = self.wall_ns.max(1) as f64;
        let ticks_per_ns = self.ticks as f64 / worker_wall_ns;
        ticks_per_ns * self.cpu_packet_ns()
    }
}
