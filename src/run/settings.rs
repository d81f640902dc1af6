// SPDX-License-Identifier: Apache-2.0
//! What a run needs of the configuration: interfaces, protocols, flows, the sensor's own fields, bounds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::cpus;
use super::dpdk::DpdkSettings;
use super::identity::Identity;
use super::interface::{self, Interface};
use crate::cli::COMPATIBLE_PACKETBEAT;
use crate::config::{ConfigError, Configuration, Node, Section, Value as ConfigValue};
use crate::event::json::Precision;
use crate::event::{Constants, Schema};
use crate::flow::identity::MacAddresses;
use crate::flow::record::Counters as RecordCounters;
use crate::flow::{KeyParts, RecordSettings};
use crate::outputs::config::Routing;
use crate::pipeline::processes::{self, ProcessSettings};
use crate::pipeline::publisher::{EventSettings, Outgoing, Treatment};
use crate::processors::{self, Chain, Prepared};
use crate::protocols::registry::Detection;
use crate::protocols::{Perimeter, Registry};
use crate::stream::Limits;
use crate::stream::fragments::FragmentLimits;
use crate::telemetry::{self, http::HttpSettings};
use crate::wire::Tunneling;

/// Everything that is read before anything starts.
pub struct Settings {
    pub interfaces: Vec<Interface>,
    pub registry: Arc<Registry>,
    pub events: Arc<EventSettings>,
    pub schema: Arc<Schema>,
    pub records: Option<RecordSettings>,
    pub bounds: Bounds,
    pub dpdk: DpdkSettings,
    /// `wirebeat.cpus`: the workers' CPUs; empty leaves the choice to the backend.
    pub cpus: Vec<usize>,
    pub precision: Precision,
    /// How long a stop waits for events to be acknowledged.
    pub shutdown_timeout: Duration,
    pub identity: Identity,
    /// `agent.name`
    pub name: String,
    pub http: Option<HttpSettings>,
    pub processes: Option<ProcessSettings>,
    /// Of the log line with the program's numbers.
    pub metrics_period: Option<Duration>,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

/// `wirebeat.*`: what Packetbeat has no word for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// None: one for each queue or CPU, as the source decides.
    pub workers: Option<u16>,
    /// Flows of each worker.
    pub max_flows: usize,
    pub streams: Limits,
    pub stream_idle_ns: i64,
    pub fragments: FragmentLimits,
    pub tunneling: Tunneling,
    pub key_parts: KeyParts,
    pub chunk_bytes: usize,
    /// Chunks of each worker.
    pub chunks: usize,
    pub chunk_age_ns: i64,
    pub max_event_bytes: usize,
    /// `filter_files`: Packetbeat ignores packet filters on files.
    pub filter_files: bool,
}

impl Settings {
    /// `routing` is what the output wants beside an event's body.
    pub fn read(configuration: &Configuration, routing: Routing) -> Result<Settings, ConfigError> {
        let mut warnings = Vec::new();
        let root = configuration.root();
        let packetbeat = root.section("packetbeat")?;
        let packetbeat = packetbeat.as_ref();

        let mut sections: Vec<Extras> = Vec::new();
        let detection = match root.boolean("wirebeat.detect")? {
            Some(true) => Detection::On,
            _ => Detection::Off,
        };
        let registry = Registry::read(packetbeat, detection, &mut warnings, |section, warnings| {
            sections.push(Extras::read(section, warnings)?);
            Ok(())
        })?;
        let flows = match packetbeat {
            Some(packetbeat) => packetbeat.section("flows")?,
            None => None,
        };
        let (records, flow_extras) = match flows {
            Some(flows) if flows.enabled()? => (Some(record_settings(&flows)?), Extras::read(&flows, &mut warnings)?),
            _ => (None, Extras::default()),
        };
        sections.push(flow_extras);
        let general = Extras::read(&root, &mut warnings)?;
        let identity = Identity::read(&configuration.paths().data);
        let name = sensor_name(&root)?;
        let sensor = sensor(&name, &identity, routing.beat.as_deref());

        let names: Vec<String> = sections
            .iter()
            .chain([&general])
            .flat_map(|extras| extras.names())
            .chain(Constants::names(&sensor))
            .chain(routing.condition_names())
            .collect();
        let schema = Arc::new(Schema::new(names.iter().map(String::as_str)));

        let interfaces = interface::read(packetbeat)?;
        let internal = interfaces.first().map(|interface| interface.internal_networks.clone()).unwrap_or_default();
        let bounds = bounds(&root)?;
        let ignore_outgoing = match packetbeat {
            Some(packetbeat) => packetbeat.boolean("ignore_outgoing")?.unwrap_or(false),
            None => false,
        };
        let events = EventSettings {
            treatments: sections.into_iter().map(|extras| extras.treatment(&schema)).collect(),
            constants: Constants::new(&schema, &general.constants()),
            sensor: Constants::new(&schema, &sensor),
            tags: general.tags.clone(),
            processors: Chain::bind(general.processors, &schema),
            perimeter: Perimeter { local: local_addresses(), internal },
            outgoing: if ignore_outgoing { Outgoing::Ignored } else { Outgoing::Published },
            max_event_bytes: bounds.max_event_bytes,
            chunk_bytes: bounds.chunk_bytes,
            routing,
            // A start has its own, so that numbers may begin anew.
            ids: match root.boolean("wirebeat.event_id")? {
                Some(true) => Some(identity.ephemeral_id.split('-').take(3).collect()),
                _ => None,
            },
        };
        let precision = root
            .choice(
                "timestamp.precision",
                &[
                    ("millisecond", Precision::Millisecond),
                    ("microsecond", Precision::Microsecond),
                    ("nanosecond", Precision::Nanosecond),
                ],
            )?
            .unwrap_or_default();
        Ok(Settings {
            interfaces,
            registry: Arc::new(registry),
            events: Arc::new(events),
            schema,
            records,
            bounds,
            dpdk: DpdkSettings::read(&root)?,
            cpus: cpus::read(&root)?,
            precision,
            identity,
            name,
            processes: processes::read(packetbeat)?,
            http: telemetry::http::read(&root)?,
            metrics_period: telemetry::metrics::log_period(&root)?,
            shutdown_timeout: shutdown_timeout(packetbeat)?,
            warnings,
        })
    }
}

impl Settings {
    /// The filter that Packetbeat makes of the ports when flows are off, with the tunnels that may hold such packets.
    pub fn generated_filter(&self, interface: &Interface) -> Option<String> {
        match (self.records, self.registry.detection) {
            (Some(_), _) | (None, Detection::On) => None,
            (None, Detection::Off) => {
                let tunnels = super::tunnels::filter_terms(&self.bounds.tunneling);
                self.registry.bpf_filter(Some(interface.pin()), interface.with_vlans, &tunnels)
            }
        }
    }
}

/// `fields`, `tags`, `processors`, `index` of a section.
#[derive(Default)]
struct Extras {
    fields: Vec<(String, Json)>,
    tags: Vec<String>,
    processors: Vec<Prepared>,
    index: Option<String>,
}

impl Extras {
    fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Result<Extras, ConfigError> {
        let under_root = section.boolean("fields_under_root")?.unwrap_or(false);
        let keep_null = section.boolean("keep_null")?.unwrap_or(false);
        let mut fields = Vec::new();
        if let Some(section) = section.section("fields")? {
            section.ignore_rest();
            if let Some(Json::Object(entries)) = json_of(section.node()?, keep_null)? {
                for (name, value) in entries {
                    fields.push((if under_root { name } else { format!("fields.{name}") }, value));
                }
            }
        }
        Ok(Extras {
            fields,
            tags: section.strings("tags")?.unwrap_or_default(),
            processors: processors::read(section, warnings)?,
            index: match section.has("index") && section.path() != "" {
                true => section.string("index")?,
                false => None,
            },
        })
    }

    fn names(&self) -> Vec<String> {
        let of_processors = self.processors.iter().flat_map(|prepared| prepared.names.iter().cloned());
        Constants::names(&self.constants()).into_iter().chain(of_processors).collect()
    }

    fn constants(&self) -> Vec<(String, Json)> {
        let index = self.index.iter().map(|index| ("@metadata.raw_index".to_string(), json!(index)));
        self.fields.iter().cloned().chain(index).collect()
    }

    fn treatment(self, schema: &Schema) -> Treatment {
        Treatment {
            constants: Constants::new(schema, &self.constants()),
            tags: self.tags,
            processors: Chain::bind(self.processors, schema),
        }
    }
}

/// A free-form value of the configuration; nulls only when they are kept.
fn json_of(node: &Node, keep_null: bool) -> Result<Option<Json>, ConfigError> {
    Ok(Some(match &node.value {
        ConfigValue::Null if keep_null => Json::Null,
        ConfigValue::Null => return Ok(None),
        ConfigValue::Boolean(value) => json!(value),
        ConfigValue::Integer(value) => json!(value),
        ConfigValue::Float(value) => json!(value),
        ConfigValue::String(value) => json!(value),
        ConfigValue::List(values) => {
            let values = values.iter().filter_map(|value| json_of(value, keep_null).transpose());
            Json::Array(values.collect::<Result<_, _>>()?)
        }
        ConfigValue::Map(entries) => {
            let mut object = serde_json::Map::new();
            for (key, value) in entries {
                if let Some(value) = json_of(value, keep_null)? {
                    object.insert(key.clone(), value);
                }
            }
            Json::Object(object)
        }
        ConfigValue::Unresolved(problem) => return Err(ConfigError::at(&node.origin, "", problem.to_string())),
    }))
}

/// `packetbeat.shutdown_timeout`; without one, or with 0 or less, the 30 s of libbeat's watchdog.
fn shutdown_timeout(packetbeat: Option<&Section<'_>>) -> Result<Duration, ConfigError> {
    let timeout_ns = match packetbeat {
        Some(packetbeat) => packetbeat.duration_ns("shutdown_timeout")?,
        None => None,
    };
    let positive =
        timeout_ns.and_then(|timeout_ns| u64::try_from(timeout_ns).ok()).filter(|timeout_ns| *timeout_ns > 0);
    Ok(positive.map_or(Duration::from_secs(30), Duration::from_nanos))
}

fn record_settings(flows: &Section<'_>) -> Result<RecordSettings, ConfigError> {
    const SECOND_NS: i64 = 1_000_000_000;
    let timeout_ns = flows.duration_with_unit_ns("timeout")?.unwrap_or(30 * SECOND_NS);
    if timeout_ns < SECOND_NS {
        return Err(flows.refuse_key("timeout", "timeout must be >= 1s"));
    }
    let period_ns = flows.duration_with_unit_ns("period")?.unwrap_or(10 * SECOND_NS);
    if (1..SECOND_NS).contains(&period_ns) {
        return Err(flows.refuse_key("period", "report period must be -1 or >= 1s"));
    }
    Ok(RecordSettings {
        timeout_ns,
        period_ns: (period_ns > 0).then_some(period_ns),
        counters: match flows.boolean("enable_delta_flow_reports")?.unwrap_or(false) {
            true => RecordCounters::Delta,
            false => RecordCounters::Cumulative,
        },
        mac_addresses: match flows.boolean("allow_mismatched_eth")?.unwrap_or(false) {
            true => MacAddresses::Ignored,
            false => MacAddresses::Matched,
        },
    })
}

fn bounds(root: &Section<'_>) -> Result<Bounds, ConfigError> {
    let (mut streams, mut fragments) = (Limits::default(), FragmentLimits::default());
    let megabyte = 1u64 << 20;
    let wirebeat = root.section("wirebeat")?;
    let unsigned = |key: &str, range| match &wirebeat {
        Some(wirebeat) => wirebeat.unsigned(key, range),
        None => Ok(None),
    };
    let bytes = |key: &str| match &wirebeat {
        Some(wirebeat) => wirebeat.bytes(key),
        None => Ok(None),
    };
    let duration = |key: &str| match &wirebeat {
        Some(wirebeat) => wirebeat.duration_ns(key),
        None => Ok(None),
    };
    if let Some(limit) = bytes("streams.held_bytes")? {
        streams.held_bytes_per_worker = limit as usize;
    }
    if let Some(limit) = bytes("streams.held_bytes_per_direction")? {
        streams.held_bytes_per_direction = limit as usize;
    }
    if let Some(limit) = bytes("streams.pending_bytes")? {
        streams.pending_bytes = limit as usize;
    }
    if let Some(limit) = unsigned("fragments.datagrams", 1..=1 << 20)? {
        fragments.datagrams = limit as usize;
    }
    if let Some(time) = duration("fragments.timeout")? {
        fragments.timeout_ns = time;
    }
    let filter_files = match &wirebeat {
        Some(wirebeat) => wirebeat.boolean("filter_files")?.unwrap_or(false),
        None => false,
    };
    let (tunneling, key_parts) = super::tunnels::read(wirebeat.as_ref())?;
    Ok(Bounds {
        tunneling,
        key_parts,
        filter_files,
        workers: unsigned("workers", 1..=1024)?.map(|workers| workers as u16),
        max_flows: unsigned("flows.max", 1..=1 << 31)?.unwrap_or(1 << 20) as usize,
        streams,
        stream_idle_ns: duration("streams.idle_timeout")?.unwrap_or(300_000_000_000),
        fragments,
        chunk_bytes: bytes("chunks.size")?.unwrap_or(megabyte / 4).clamp(16 << 10, 64 << 20) as usize,
        chunks: unsigned("chunks.count", 2..=65_536)?.unwrap_or(64) as usize,
        chunk_age_ns: duration("chunks.age")?.unwrap_or(200_000_000),
        max_event_bytes: bytes("max_event_size")?.unwrap_or(32 * megabyte).min(1 << 30) as usize,
    })
}

/// The fields that name this sensor.
fn sensor(name: &str, identity: &Identity, beat: Option<&str>) -> Vec<(String, Json)> {
    vec![
        ("@metadata.beat".to_string(), json!(beat.unwrap_or("packetbeat"))),
        ("@metadata.type".to_string(), json!("_doc")),
        ("@metadata.version".to_string(), json!(COMPATIBLE_PACKETBEAT)),
        ("agent.name".to_string(), json!(name)),
        ("agent.type".to_string(), json!("packetbeat")),
        ("agent.version".to_string(), json!(COMPATIBLE_PACKETBEAT)),
        ("agent.id".to_string(), json!(identity.id)),
        ("agent.ephemeral_id".to_string(), json!(identity.ephemeral_id)),
        ("agent.build.original".to_string(), json!(format!("wirebeat {}", env!("CARGO_PKG_VERSION")))),
        ("ecs.version".to_string(), json!("8.0.0")),
        ("host.name".to_string(), json!(name)),
    ]
}

/// `name` of the configuration, else the host's.
pub fn sensor_name(root: &Section<'_>) -> Result<String, ConfigError> {
    Ok(root.string("name")?.unwrap_or_else(host_name))
}

pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_string()
}

/// The machine's addresses, without loopback (Packetbeat reads them once at start).
fn local_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| interface.ip()).filter(|address| !address.is_loopback()).collect()
}
